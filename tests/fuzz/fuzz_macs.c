/* What a MACS record says: what is read has one encoding, and is sorted. The input: key, value. */
#include "gossip/record/macs.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record record = {.type = RECORD_MACS, .key = data, .key_size = MACS_KEY_SIZE};
	struct macs_entry entries[MACS_BUCKET_MAX];
	uint8_t key[MACS_KEY_SIZE];
	struct macs_reader reader;
	size_t count = 0;
	struct pack again;

	if (size < MACS_KEY_SIZE)
		return 0;
	record.value = data + MACS_KEY_SIZE;
	record.value_size = (uint32_t)(size - MACS_KEY_SIZE);
	if (macs_read(&record, &reader) != 0)
		return 0;
	macs_key(reader.vni, reader.bucket, key);
	assert(memcmp(key, record.key, sizeof(key)) == 0);
	while (macs_next(&reader, &entries[count])) {
		assert(macs_is_host(entries[count].mac));
		assert(macs_bucket(entries[count].mac) == reader.bucket);
		count++;
		assert(count <= MACS_BUCKET_MAX);
		if (count == MACS_BUCKET_MAX)
			break;
	}
	pack_init_growing(&again, RECORD_VALUE_MAX);
	macs_encode(entries, count, &again);
	assert(pack_status(&again) == 0);
	assert(again.size == record.value_size &&
		memcmp(again.data, record.value, again.size) == 0);
	pack_done(&again);
	return 0;
}
