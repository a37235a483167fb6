/* A segment's configuration, and its name: what decodes has one encoding. The input: the name's
 * size, name, value. */
#include "gossip/record/segment.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t memory[SEGMENT_SIZE_MAX];
	struct segment segment;
	struct pack again;
	size_t name_size;

	if (size < 1 || size - 1 < data[0])
		return 0;
	name_size = data[0];
	if (segment_name_is_valid((const char *)data + 1, name_size))
		assert(name_size <= SEGMENT_NAME_MAX && !memchr(data + 1, 0, name_size) &&
			!memchr(data + 1, '/', name_size));
	data += 1 + name_size;
	size -= 1 + name_size;
	if (segment_decode(data, size, &segment) != 0)
		return 0;
	assert(segment.vni >= 1 && segment.vni <= SEGMENT_VNI_MAX);
	pack_init(&again, memory, sizeof(memory));
	segment_encode(&segment, &again);
	assert(pack_status(&again) == 0);
	assert(again.size <= size);
	/* as many fields: nothing was passed over */
	assert(again.data[0] != data[0] ||
		(again.size == size && memcmp(again.data, data, size) == 0));
	return 0;
}
