/* Records: one encoding of one body, the exact bytes kept, and only the author speaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/base/pack.h"
#include "gossip/base/text.h"
#include "gossip/record/record.h"

static struct keys mesh, alice, bob;

static int make_keys(void **state)
{
	(void)state;
	uint8_t seed[32];

	keys_from_seed(memset(seed, 9, 32), &mesh);
	keys_from_seed(memset(seed, 1, 32), &alice);
	keys_from_seed(memset(seed, 2, 32), &bob);
	return 0;
}

static const struct record_draft draft = {
	.type = RECORD_VALUE,
	.key = "colour",
	.key_size = 6,
	.stamp = UINT64_C(0x0123456789ab0007),
	.expiry_ms = INT64_C(1800000000000),
	.value = "blue",
	.value_size = 4,
};

static struct record *signed_record(const struct record_draft *what)
{
	struct record *record;

	assert_int_equal(record_sign(&mesh.id, &alice, what, &record), 0);
	return record;
}

/* Computed by a second implementation in Python, signature included. */
static void a_record_is_fixed(void **state)
{
	(void)state;
	struct record *record = signed_record(&draft);
	char text[2 * 256 + 1], hash[65];

	assert_string_equal(text_hex(record->bytes, record->size, text),
		"98010dc420fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702ea"
		"c835e9f618c4208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3"
		"748801b40f6f5cc406636f6c6f7572cf0123456789ab0007cf000001a3185c50"
		"00c404626c7565230b9af4e230467c6d5104e838ebe1ab254cd345b0a9d7d8b5"
		"e19df9f3dd4e09b660fc29366f40ea816bea795b95bd254f03dc942e29aae967"
		"c92d4cd393af09");
	assert_string_equal(text_hex(&record->hash, 32, hash),
		"e79c3393a6243ac19da0a3f55b1472cd60cc0545835eb78af6d13b9646944661");
	assert_int_equal(record_verify(record), 0);
	record_unref(record);
}

static void what_was_signed_is_what_is_read(void **state)
{
	(void)state;
	struct record *record = signed_record(&draft), *again;

	assert_int_equal(record_decode(&mesh.id, record->bytes, record->size, &again), 0);
	assert_int_equal(again->type, RECORD_VALUE);
	assert_true(id_equal(&again->author, &alice.id));
	assert_int_equal(again->key_size, 6);
	assert_memory_equal(again->key, "colour", 6);
	assert_true(again->stamp == draft.stamp);
	assert_true(again->expiry_ms == draft.expiry_ms);
	assert_int_equal(again->value_size, 4);
	assert_memory_equal(again->value, "blue", 4);
	assert_int_equal(again->size, record->size);
	assert_memory_equal(again->bytes, record->bytes, record->size);
	assert_true(hash_equal(&again->hash, &record->hash));
	assert_int_equal(record_verify(again), 0);
	assert_int_equal(record_compare(record, again), 0);
	record_unref(again);
	record_unref(record);
}

static void the_largest_record_fits_and_a_larger_one_is_refused(void **state)
{
	(void)state;
	static uint8_t key[RECORD_KEY_MAX + 1], value[RECORD_VALUE_MAX + 1];
	struct record_draft large = {.type = RECORD_VALUE,
		.key = key,
		.key_size = RECORD_KEY_MAX,
		.stamp = UINT64_MAX,
		.expiry_ms = INT64_MAX,
		.value = value,
		.value_size = RECORD_VALUE_MAX};
	struct record *record = signed_record(&large), *untouched = NULL;

	assert_in_range(record->size, RECORD_VALUE_MAX + RECORD_KEY_MAX, RECORD_SIZE_MAX);
	assert_int_equal(record_verify(record), 0);
	record_unref(record);
	large.value_size++;
	assert_int_equal(record_sign(&mesh.id, &alice, &large, &untouched), ERR_TOO_BIG);
	large.value_size = 0;
	large.key_size++;
	assert_int_equal(record_sign(&mesh.id, &alice, &large, &untouched), ERR_TOO_BIG);
	static uint8_t bytes[RECORD_SIZE_MAX + 1];
	assert_int_equal(record_decode(&mesh.id, bytes, sizeof(bytes), &untouched), ERR_TOO_BIG);
	assert_null(untouched);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	struct record *record = signed_record(&draft), *untouched = NULL;

	for (size_t size = 0; size < record->size; size++)
		assert_int_equal(
			record_decode(&mesh.id, record->bytes, size, &untouched), ERR_MALFORMED);
	assert_null(untouched);
	record_unref(record);
}

static void every_single_changed_byte_is_refused(void **state)
{
	(void)state;
	struct record *record = signed_record(&draft);
	uint8_t bytes[512];

	memcpy(bytes, record->bytes, record->size);
	for (size_t i = 0; i < record->size; i++) {
		for (unsigned change = 1; change < 256; change += 27) {
			struct record *changed;
			int err;

			bytes[i] ^= (uint8_t)change;
			err = record_decode(&mesh.id, bytes, record->size, &changed);
			if (!err) {
				err = record_verify(changed);
				record_unref(changed);
			}
			assert_int_not_equal(err, 0);
			bytes[i] ^= (uint8_t)change;
		}
	}
	record_unref(record);
}

/* A body in parts, so that a test can write one of them otherwise. */
struct parts {
	uint8_t array, version;
	const char *stamp; /* hex */
	bool trailing;
};

static int decode_parts(const struct parts *parts)
{
	static const uint8_t signature[64];
	uint8_t memory[512], stamp[9];
	struct record *record;
	struct pack body;
	int err;

	pack_init(&body, memory, sizeof(memory));
	pack_put_raw(&body, &parts->array, 1);
	pack_put_uint(&body, parts->version);
	pack_put_uint(&body, RECORD_VALUE);
	pack_put_bin(&body, &mesh.id, 32);
	pack_put_bin(&body, &alice.id, 32);
	pack_put_bin(&body, "k", 1);
	assert_int_equal(text_parse_hex(parts->stamp, stamp, strlen(parts->stamp) / 2), 0);
	pack_put_raw(&body, stamp, strlen(parts->stamp) / 2);
	pack_put_uint(&body, 0);
	pack_put_bin(&body, "v", 1);
	if (parts->trailing)
		pack_put_nil(&body);
	pack_put_raw(&body, signature, sizeof(signature));
	err = record_decode(&mesh.id, body.data, body.size, &record);
	if (!err)
		record_unref(record);
	return err;
}

static void there_is_one_encoding_of_a_body(void **state)
{
	(void)state;
	assert_int_equal(decode_parts(&(struct parts){0x98, 1, "05", false}), 0);
	assert_int_equal(decode_parts(&(struct parts){0x98, 1, "cc05", false}), ERR_MALFORMED);
	assert_int_equal(decode_parts(&(struct parts){0x98, 1, "cd0005", false}), ERR_MALFORMED);
	assert_int_equal(
		decode_parts(&(struct parts){0x98, 1, "cf0000000000000005", false}), ERR_MALFORMED);
	assert_int_equal(decode_parts(&(struct parts){0x98, 1, "d005", false}), ERR_MALFORMED);
	assert_int_equal(decode_parts(&(struct parts){0x98, 1, "ff", false}), ERR_MALFORMED);
	assert_int_equal(decode_parts(&(struct parts){0x98, 1, "05", true}), ERR_MALFORMED);
	assert_int_equal(decode_parts(&(struct parts){0x99, 1, "05", true}), ERR_MALFORMED);
	assert_int_equal(decode_parts(&(struct parts){0x97, 1, "05", false}), ERR_MALFORMED);
}

static void another_version_is_told_apart(void **state)
{
	(void)state;
	assert_int_equal(decode_parts(&(struct parts){0x98, 2, "05", false}), ERR_VERSION);
	assert_int_equal(decode_parts(&(struct parts){0x99, 2, "05", true}), ERR_VERSION);
	assert_int_equal(decode_parts(&(struct parts){0x98, 0, "05", false}), ERR_VERSION);
}

static void another_mesh_is_told_apart(void **state)
{
	(void)state;
	struct record *record = signed_record(&draft), *untouched = NULL;

	assert_int_equal(
		record_decode(&bob.id, record->bytes, record->size, &untouched), ERR_OTHER_MESH);
	assert_null(untouched);
	record_unref(record);
}

static void types_that_nobody_knows_pass(void **state)
{
	(void)state;
	struct record_draft unknown = draft;

	unknown.type = (enum record_type)40000;
	struct record *record = signed_record(&unknown);

	assert_int_equal(record->type, 40000);
	assert_int_equal(record_verify(record), 0);
	assert_string_equal(record_type_label(record->type), "unknown");
	assert_string_equal(record_type_label(RECORD_ADMISSION), "admission");
	record_unref(record);
}

static void a_record_is_assembled_bit_for_bit(void **state)
{
	(void)state;
	struct record *record = signed_record(&draft), *again;
	struct sig sig;

	record_sig(record, &sig);
	assert_int_equal(record_assemble(&mesh.id, &alice.id, &draft, &sig, &again), 0);
	assert_int_equal(again->size, record->size);
	assert_memory_equal(again->bytes, record->bytes, record->size);
	assert_int_equal(record_verify(again), 0);
	record_unref(again);
	assert_int_equal(record_assemble(&mesh.id, &bob.id, &draft, &sig, &again), 0);
	assert_int_equal(record_verify(again), ERR_BAD_SIGNATURE);
	record_unref(again);
	record_unref(record);
}

static void in_a_slot_the_later_wins_then_the_hash_then_the_lower_signature(void **state)
{
	(void)state;
	struct record_draft later = draft, other = draft, elsewhere = draft;

	later.stamp++;
	other.value = "grey";
	elsewhere.key = "color";
	elsewhere.key_size = 5;
	struct record *a = signed_record(&draft), *b = signed_record(&later),
		      *c = signed_record(&other), *d = signed_record(&elsewhere), *e, *f;

	assert_true(record_same_slot(a, b) && record_same_slot(a, c));
	assert_false(record_same_slot(a, d));
	assert_true(record_compare(b, a) > 0 && record_compare(a, b) < 0);
	assert_true(record_compare(b, c) > 0);
	int by_hash = memcmp(&a->hash, &c->hash, 32);
	assert_true((record_compare(a, c) > 0) == (by_hash > 0));
	assert_true((record_compare(c, a) > 0) == (by_hash < 0));

	struct sig low = {{1}}, high = {{2}};
	assert_int_equal(record_assemble(&mesh.id, &alice.id, &draft, &low, &e), 0);
	assert_int_equal(record_assemble(&mesh.id, &alice.id, &draft, &high, &f), 0);
	assert_true(record_compare(e, f) > 0 && record_compare(f, e) < 0);
	assert_true(hash_equal(&e->hash, &f->hash));
	struct record *all[] = {a, b, c, d, e, f};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		record_unref(all[i]);
}

static void a_record_lives_as_long_as_somebody_holds_it(void **state)
{
	(void)state;
	struct record *record = signed_record(&draft), *held = record_ref(record);

	record_unref(record);
	assert_memory_equal(held->value, "blue", 4);
	record_unref(held);
	record_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_fixed),
		cmocka_unit_test(what_was_signed_is_what_is_read),
		cmocka_unit_test(the_largest_record_fits_and_a_larger_one_is_refused),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_single_changed_byte_is_refused),
		cmocka_unit_test(there_is_one_encoding_of_a_body),
		cmocka_unit_test(another_version_is_told_apart),
		cmocka_unit_test(another_mesh_is_told_apart),
		cmocka_unit_test(types_that_nobody_knows_pass),
		cmocka_unit_test(a_record_is_assembled_bit_for_bit),
		cmocka_unit_test(in_a_slot_the_later_wins_then_the_hash_then_the_lower_signature),
		cmocka_unit_test(a_record_lives_as_long_as_somebody_holds_it),
	};
	return cmocka_run_group_tests(tests, make_keys, NULL);
}
