/* The messages of a stream: whatever decodes must encode to the very bytes it came from, but for
 * what is of a later version. */
#include <stdlib.h>
#include <string.h>

#include "gossip/wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame;
	const char *where = NULL;
	struct pack out;

	if (frame_decode(data, size, &frame, &where) != 0) {
		if (!where)
			abort();
		return 0;
	}
	if (frame.type == FRAME_LATER)
		return 0;
	pack_init_growing(&out, size + 1);
	frame_encode(&frame, &out);
	if (pack_status(&out) != 0 || out.size > size)
		abort();
	/* as many elements: all are known */
	if (out.data[0] == data[0] && (out.size != size || memcmp(out.data, data, size) != 0))
		abort();
	pack_done(&out);
	return 0;
}
