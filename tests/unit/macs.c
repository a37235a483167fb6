/* MACS records: one encoding, and nothing in them that is no host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/base/text.h"
#include "gossip/record/macs.h"

#define VNI    0x123456
#define BUCKET 22 /* of 02:00:00:00:00:07 and :27 */

static const struct macs_entry sample[2] = {
	{.mac = {2, 0, 0, 0, 0, 7}},
	{.mac = {2, 0, 0, 0, 0, 0x27},
		.sequence = 300,
		.frozen = true,
		.ip_count = 2,
		.ips = {{4, {192, 0, 2, 1}}, {6, {0xfe, 0x80, [15] = 10}}}},
};

static uint8_t key[MACS_KEY_SIZE] = {0x12, 0x34, 0x56, BUCKET};

static int read_value(const void *value, size_t size, struct macs_reader *ret)
{
	struct record record = {.type = RECORD_MACS,
		.key = key,
		.key_size = sizeof(key),
		.value = value,
		.value_size = (uint32_t)size};

	return macs_read(&record, ret);
}

static int read_entries(const struct macs_entry *entries, size_t count, struct macs_reader *ret)
{
	static uint8_t memory[16384];
	struct pack pack;

	pack_init(&pack, memory, sizeof(memory));
	macs_encode(entries, count, &pack);
	assert_int_equal(pack_status(&pack), 0);
	return read_value(pack.data, pack.size, ret);
}

/* Value and bucket were computed by a second implementation, in Python. */
static void a_bucket_is_fixed_and_reads_back(void **state)
{
	(void)state;
	uint8_t memory[256], made[MACS_KEY_SIZE];
	char text[2 * sizeof(memory) + 1];
	struct macs_reader reader;
	struct macs_entry back;
	struct pack pack;

	pack_init(&pack, memory, sizeof(memory));
	macs_encode(sample, 2, &pack);
	assert_string_equal(text_hex(pack.data, pack.size, text),
		"9294c40602000000000700c29094c406020000000027cd012cc392c404c0000201c410fe80000000"
		"000000000000000000000a");
	macs_key(VNI, macs_bucket(sample[1].mac), made);
	assert_memory_equal(made, key, sizeof(key));
	assert_int_equal(read_value(pack.data, pack.size, &reader), 0);
	assert_int_equal(reader.vni, VNI);
	assert_int_equal(reader.bucket, BUCKET);
	for (size_t i = 0; i < 2; i++) {
		assert_true(macs_next(&reader, &back));
		assert_memory_equal(&back, &sample[i], sizeof(back));
	}
	assert_false(macs_next(&reader, &back));
	assert_int_equal(read_entries(NULL, 0, &reader), 0);
	assert_int_equal(reader.left, 0);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	uint8_t memory[256];
	struct macs_reader reader;
	struct pack pack;

	pack_init(&pack, memory, sizeof(memory));
	macs_encode(sample, 2, &pack);
	for (size_t size = 0; size < pack.size; size++)
		assert_int_equal(read_value(memory, size, &reader), ERR_MALFORMED);
	assert_int_equal(read_value(memory, pack.size + 1, &reader), ERR_MALFORMED);
}

static void expect_refused(struct macs_entry a, struct macs_entry b)
{
	const struct macs_entry entries[2] = {a, b};
	struct macs_reader reader = {.vni = 7};

	assert_int_equal(read_entries(entries, 2, &reader), ERR_MALFORMED);
	assert_int_equal(reader.vni, 7);
}

static struct macs_entry with_ips(struct ip first, struct ip second)
{
	struct macs_entry entry = sample[1];

	entry.ips[0] = first;
	entry.ips[1] = second;
	return entry;
}

static void what_is_no_host_of_the_bucket_is_refused(void **state)
{
	(void)state;
	struct macs_entry entry = sample[0];

	expect_refused(sample[1], sample[0]); /* not sorted */
	expect_refused(sample[1], sample[1]);
	entry.mac[5] = 8; /* of another bucket */
	expect_refused(entry, sample[1]);
	assert_false(macs_is_host((const uint8_t[6]){0}));
	assert_false(macs_is_host((const uint8_t[6]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
	assert_false(macs_is_host((const uint8_t[6]){0x33, 0x33, 0, 0, 0, 1}));
	assert_true(macs_is_host((const uint8_t[6]){0x02, 0, 0, 0, 0, 1}));
	/* a group's address, whatever its bucket is */
	for (unsigned i = 0; i < 256; i++) {
		entry.mac[0] = 3;
		entry.mac[5] = (uint8_t)i;
		expect_refused(sample[0], entry);
	}
}

static void what_is_no_host_s_address_is_refused(void **state)
{
	(void)state;
	static const struct ip good = {4, {192, 0, 2, 1}}, good6 = {6, {0x20, 1}};
	static const struct ip bad4[] = {
		{4, {0}}, {4, {127, 0, 0, 1}}, {4, {224, 0, 0, 1}}, {4, {255, 255, 255, 255}}};
	static const struct ip bad6[] = {{6, {0}}, {6, {0xff, 2}}, {6, {[15] = 1}}};

	for (size_t i = 0; i < ARRAY_SIZE(bad4); i++)
		expect_refused(sample[0], with_ips(bad4[i], good6));
	for (size_t i = 0; i < ARRAY_SIZE(bad6); i++)
		expect_refused(sample[0], with_ips(good, bad6[i]));
	expect_refused(sample[0], with_ips(good, good));
	expect_refused(sample[0], with_ips(good6, good));
}

static void only_a_macs_record_with_its_key_is_one(void **state)
{
	(void)state;
	static const uint8_t empty[] = {0x90};
	struct record good = {.type = RECORD_MACS,
		.key = key,
		.key_size = sizeof(key),
		.value = empty,
		.value_size = 1};
	struct record record = good;
	struct macs_reader reader;

	assert_int_equal(macs_read(&record, &reader), 0);
	record.type = RECORD_VALUE;
	assert_int_equal(macs_read(&record, &reader), ERR_MALFORMED);
	record = good;
	record.key_size = 3;
	assert_int_equal(macs_read(&record, &reader), ERR_MALFORMED);
	record = good;
	record.expiry_ms = 1;
	assert_int_equal(macs_read(&record, &reader), ERR_MALFORMED);
	record = good;
	record.key = (const uint8_t[]){0, 0, 0, BUCKET};
	assert_int_equal(macs_read(&record, &reader), ERR_MALFORMED);
	record.key = (const uint8_t[]){0, 0, 1, MACS_BUCKETS};
	assert_int_equal(macs_read(&record, &reader), ERR_MALFORMED);
}

/* Whatever vendors do with theirs: a hundred hosts of one vendor do not meet in a bucket. */
static void buckets_fill_alike(void **state)
{
	(void)state;
	unsigned counts[MACS_BUCKETS] = {0};

	for (unsigned i = 0; i < 1024; i++) {
		const uint8_t mac[6] = {0, 0x1b, 0x21, 0x3c, (uint8_t)(i >> 4), (uint8_t)(i << 4)};

		counts[macs_bucket(mac)]++;
	}
	for (unsigned i = 0; i < MACS_BUCKETS; i++)
		assert_in_range(counts[i], 12, MACS_BUCKET_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_is_fixed_and_reads_back),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(what_is_no_host_of_the_bucket_is_refused),
		cmocka_unit_test(what_is_no_host_s_address_is_refused),
		cmocka_unit_test(only_a_macs_record_with_its_key_is_one),
		cmocka_unit_test(buckets_fill_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
