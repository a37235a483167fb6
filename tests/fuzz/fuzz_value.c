/* What a VALUE record says: what decodes has one encoding. The input: the key's size, key, value.
 */
#include "gossip/record/value.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record record = {.type = RECORD_VALUE};
	struct value value;
	struct pack again;

	if (size < 1 || size - 1 < data[0])
		return 0;
	record.key = data + 1;
	record.key_size = data[0];
	record.value = record.key + record.key_size;
	record.value_size = size - 1 - record.key_size;
	if (value_decode(&record, &value) != 0)
		return 0;
	assert(value_key_is_valid(record.key, record.key_size));
	assert(value.deleted == value_is_tombstone(&record));
	pack_init_growing(&again, RECORD_VALUE_MAX);
	value_encode(value.deleted ? NULL : value.bytes, value.size, &again);
	assert(pack_status(&again) == 0);
	assert(again.size == record.value_size &&
		memcmp(again.data, record.value, again.size) == 0);
	pack_done(&again);
	return 0;
}
