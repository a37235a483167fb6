/* Records: what decodes is exactly the bytes it came from. Descriptors: what is read is read again
 * from what it encodes to. */
#include "gossip/record/descriptor.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(const struct id *mesh, const struct record *record)
{
	struct record_draft draft = {
		.type = record->type,
		.key = record->key,
		.key_size = record->key_size,
		.stamp = record->stamp,
		.expiry_ms = record->expiry_ms,
		.value = record->value,
		.value_size = record->value_size,
	};
	struct record *again;
	struct sig sig;

	record_sig(record, &sig);
	if (record_assemble(mesh, &record->author, &draft, &sig, &again) != 0)
		return;
	assert(again->size == record->size &&
		memcmp(again->bytes, record->bytes, record->size) == 0);
	assert(record_compare(again, record) == 0 && record_same_slot(again, record));
	record_unref(again);
}

static void check_descriptor(const struct record *record)
{
	struct descriptor descriptor, back;
	struct record again = *record;
	uint8_t memory[2048];
	struct pack value;

	if (descriptor_decode(record, &descriptor) != 0)
		return;
	pack_init(&value, memory, sizeof(memory));
	descriptor_encode(&descriptor, &value);
	assert(pack_status(&value) == 0 && value.size <= record->value_size);
	again.value = value.data;
	again.value_size = (uint32_t)value.size;
	assert(descriptor_read(&again, &back) == 0);
	assert(memcmp(&back, &descriptor, sizeof(back)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* the mesh and the author of the corpus: the keys of the seeds 9... and 1... */
	static struct keys mesh, author;
	struct record *record;

	if (id_is_zero(&mesh.id)) {
		uint8_t seed[32];

		keys_from_seed(memset(seed, 9, sizeof(seed)), &mesh);
		keys_from_seed(memset(seed, 1, sizeof(seed)), &author);
	}
	if (record_decode(&mesh.id, data, size, &record) == 0) {
		check_record(&mesh.id, record);
		check_descriptor(record);
		(void)!record_verify(record);
		record_unref(record);
	}
	/* the same bytes as a descriptor's value, so that its decoder is reached at once */
	struct record_draft draft = {
		.type = RECORD_DESCRIPTOR, .stamp = 1, .value = data, .value_size = size};

	if (record_sign(&mesh.id, &author, &draft, &record) == 0) {
		check_record(&mesh.id, record);
		check_descriptor(record);
		record_unref(record);
	}
	return 0;
}
