/* Descriptors: fixed bytes, WireGuard keys proven by their owners, nothing else believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/base/text.h"
#include "gossip/record/descriptor.h"

static struct keys mesh, node, other, wireguard, next;

static int make_keys(void **state)
{
	(void)state;
	uint8_t seed[32];

	keys_from_seed(memset(seed, 9, 32), &mesh);
	keys_from_seed(memset(seed, 1, 32), &node);
	keys_from_seed(memset(seed, 2, 32), &other);
	keys_from_seed(memset(seed, 3, 32), &wireguard);
	keys_from_seed(memset(seed, 4, 32), &next);
	return 0;
}

static struct descriptor sample(void)
{
	struct descriptor d = {
		.wireguard_port = 51820,
		.wireguard = wireguard.id,
		.has_next = true,
		.next = next.id,
		.claim = 7,
		.mtu = 1420,
		.version = "0.1.0",
		.segment_count = 2,
		.segments = {100, 0x1234},
		.protocol_least = 1,
		.protocol_most = 1,
	};
	static const char *const endpoints[] = {"192.0.2.1:8946", "[2001:db8::1]:8946"};

	descriptor_prove(&wireguard, &node.id, &d.wireguard_proof);
	descriptor_prove(&next, &node.id, &d.next_proof);
	for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++)
		assert_int_equal(text_parse_endpoint(endpoints[i], &d.endpoints[i]), 0);
	d.endpoint_count = ARRAY_SIZE(endpoints);
	return d;
}

static int decode_value(const void *value, size_t size, struct descriptor *ret)
{
	struct record_draft draft = {
		.type = RECORD_DESCRIPTOR, .stamp = 1, .value = value, .value_size = size};
	struct record *record;
	int err;

	assert_int_equal(record_sign(&mesh.id, &node, &draft, &record), 0);
	err = descriptor_decode(record, ret);
	record_unref(record);
	return err;
}

static int decode(const struct descriptor *d, struct descriptor *ret)
{
	uint8_t memory[2048];
	struct pack value;

	pack_init(&value, memory, sizeof(memory));
	descriptor_encode(d, &value);
	assert_int_equal(pack_status(&value), 0);
	return decode_value(value.data, value.size, ret);
}

/* Computed by a second implementation in Python, proofs included. */
static void a_descriptor_is_fixed_and_reads_back(void **state)
{
	(void)state;
	struct descriptor d = sample(), back;
	char text[2 * 1024 + 1];
	uint8_t memory[1024];
	struct pack value;

	pack_init(&value, memory, sizeof(memory));
	descriptor_encode(&d, &value);
	assert_string_equal(text_hex(value.data, value.size, text),
		"98cdca6c92c420ed4928c628d1c2c6eae90338905995612959273a5c63f93636"
		"c14614ac8737d1c440f10ee2949dc8509a4fb0cde40e827f457043b19c21b9a7"
		"865c3a3d847d72b124312ade3bcd18900f44e65003c6687fbcab4120a00e828a"
		"f094f439ca5d02af0a92c420ca93ac1705187071d67b83c7ff0efe8108e8ec45"
		"30575d7726879333dbdabe7cc44039a65aec9646a1f2078914f637fe0093492f"
		"1bb6f61d334da7744acae21074251468518b2ab76664be171a6dbb2818793799"
		"7d360f755c6f7c3462cf5166200a07cd058ca5302e312e309292c404c0000201"
		"cd22f292c41020010db8000000000000000000000001cd22f29264cd1234");
	assert_int_equal(decode_value(value.data, value.size, &back), 0);
	assert_memory_equal(&back, &d, sizeof(d));
	d.has_next = false;
	d.next = (struct id){{0}};
	d.next_proof = (struct sig){{0}};
	d.endpoint_count = 0;
	memset(d.endpoints, 0, sizeof(d.endpoints));
	d.segment_count = 0;
	memset(d.segments, 0, sizeof(d.segments));
	assert_int_equal(decode(&d, &back), 0);
	assert_memory_equal(&back, &d, sizeof(d));
}

static void the_largest_descriptor_fits_a_datagram(void **state)
{
	(void)state;
	struct descriptor d = sample(), back;
	struct record *record;
	uint8_t memory[2048];
	struct pack value;

	d.claim = UINT32_MAX;
	memset(d.version, 'v', DESCRIPTOR_VERSION_MAX);
	d.endpoint_count = DESCRIPTOR_ENDPOINTS_MAX;
	for (size_t i = 0; i < DESCRIPTOR_ENDPOINTS_MAX; i++) {
		d.endpoints[i] = (struct endpoint){.ip = {6, {0x20, 1, (uint8_t)i}}, .port = 8946};
	}
	d.segment_count = DESCRIPTOR_SEGMENTS_MAX;
	for (uint32_t i = 0; i < DESCRIPTOR_SEGMENTS_MAX; i++)
		d.segments[i] = 0xffff00 + i;
	assert_int_equal(decode(&d, &back), 0);
	pack_init(&value, memory, sizeof(memory));
	descriptor_encode(&d, &value);
	struct record_draft draft = {.type = RECORD_DESCRIPTOR,
		.stamp = UINT64_MAX,
		.expiry_ms = INT64_MAX,
		.value = value.data,
		.value_size = value.size};
	assert_int_equal(record_sign(&mesh.id, &node, &draft, &record), 0);
	assert_in_range(record->size, 1, 1100);
	record_unref(record);
}

static void a_key_that_is_not_proven_by_its_owner_is_refused(void **state)
{
	(void)state;
	struct descriptor d = sample(), back = {.claim = 99};

	descriptor_prove(&wireguard, &other.id, &d.wireguard_proof);
	assert_int_equal(decode(&d, &back), ERR_BAD_SIGNATURE);
	d = sample();
	descriptor_prove(&other, &node.id, &d.next_proof);
	assert_int_equal(decode(&d, &back), ERR_BAD_SIGNATURE);
	d = sample();
	d.wireguard = (struct id){{1}};
	assert_int_equal(decode(&d, &back), ERR_BAD_KEY);
	d = sample();
	d.next = d.wireguard;
	d.next_proof = d.wireguard_proof;
	assert_int_equal(decode(&d, &back), ERR_MALFORMED);
	assert_int_equal(back.claim, 99);
}

static void senseless_endpoints_are_refused(void **state)
{
	(void)state;
	struct descriptor d = sample(), back;

	d.endpoints[1].port = 0;
	assert_int_equal(decode(&d, &back), ERR_MALFORMED);
	d.endpoints[1] = d.endpoints[0];
	assert_int_equal(decode(&d, &back), ERR_MALFORMED);
}

static void segments_are_sorted_vnis_each_once(void **state)
{
	(void)state;
	static const uint32_t bad[][2] = {{0, 5}, {5, 5}, {6, 5}, {5, 0x1000000}};
	struct descriptor d = sample(), back;
	uint8_t memory[1024];
	struct pack value;

	/* who has none says what it said before there were any */
	d.segment_count = 0;
	pack_init(&value, memory, sizeof(memory));
	descriptor_encode(&d, &value);
	assert_int_equal(memory[0], 0x97);
	memory[0] = 0x98;
	memory[value.size] = 0x90;
	assert_int_equal(decode_value(memory, value.size + 1, &back), ERR_MALFORMED);
	d = sample();
	assert_int_equal(decode(&d, &back), 0);
	assert_true(descriptor_has_segment(&back, 100));
	assert_false(descriptor_has_segment(&back, 101));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(d.segments, bad[i], sizeof(bad[i]));
		assert_int_equal(decode(&d, &back), ERR_MALFORMED);
	}
}

static void versions_of_the_protocol_are_told_where_it_is_not_the_first_alone(void **state)
{
	(void)state;
	static const uint16_t bad[][2] = {{0, 2}, {3, 2}};
	struct descriptor d = sample(), back;

	d.protocol_most = 2;
	assert_int_equal(decode(&d, &back), 0);
	assert_memory_equal(&back, &d, sizeof(d));
	assert_true(descriptor_speaks(&back));
	d.segment_count = 0;
	memset(d.segments, 0, sizeof(d.segments));
	d.protocol_least = 2;
	d.protocol_most = UINT16_MAX;
	assert_int_equal(decode(&d, &back), 0);
	assert_memory_equal(&back, &d, sizeof(d));
	assert_false(descriptor_speaks(&back));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		d.protocol_least = bad[i][0];
		d.protocol_most = bad[i][1];
		assert_int_equal(decode(&d, &back), ERR_MALFORMED);
	}
}

static void what_a_later_version_says_besides_is_passed_over(void **state)
{
	(void)state;
	struct descriptor d = sample(), back;
	uint8_t memory[1024];
	struct pack value;

	d.protocol_most = 2;
	pack_init(&value, memory, sizeof(memory));
	descriptor_encode(&d, &value);
	assert_int_equal(memory[0], 0x99);
	memory[0] = 0x9b;
	pack_put_str(&value, "more");
	pack_put_map(&value, 1);
	pack_put_uint(&value, 1);
	pack_put_nil(&value);
	assert_int_equal(decode_value(value.data, value.size, &back), 0);
	assert_memory_equal(&back, &d, sizeof(d));
	assert_int_equal(decode_value(value.data, value.size - 1, &back), ERR_MALFORMED);
	pack_put_nil(&value);
	assert_int_equal(decode_value(value.data, value.size, &back), ERR_MALFORMED);
}

static void every_truncation_and_every_changed_head_is_harmless(void **state)
{
	(void)state;
	struct descriptor d = sample(), back;
	uint8_t memory[1024];
	struct pack value;

	pack_init(&value, memory, sizeof(memory));
	descriptor_encode(&d, &value);
	for (size_t size = 0; size < value.size; size++)
		assert_int_equal(decode_value(value.data, size, &back), ERR_MALFORMED);
	pack_put_nil(&value);
	assert_int_equal(decode_value(value.data, value.size, &back), ERR_MALFORMED);
	value.size--;
	for (size_t i = 0; i < value.size; i++) {
		memory[i] ^= 0x40;
		int err = decode_value(value.data, value.size, &back);

		assert_true(err == 0 || err == ERR_MALFORMED || err == ERR_BAD_KEY ||
			    err == ERR_BAD_SIGNATURE);
		memory[i] ^= 0x40;
	}
}

static void only_a_descriptor_record_is_a_descriptor(void **state)
{
	(void)state;
	struct descriptor d = sample(), back;
	struct record *record;
	uint8_t memory[1024];
	struct pack value;

	pack_init(&value, memory, sizeof(memory));
	descriptor_encode(&d, &value);
	struct record_draft draft = {
		.type = RECORD_VALUE, .stamp = 1, .value = value.data, .value_size = value.size};
	assert_int_equal(record_sign(&mesh.id, &node, &draft, &record), 0);
	assert_int_equal(descriptor_decode(record, &back), ERR_MALFORMED);
	record_unref(record);
	draft.type = RECORD_DESCRIPTOR;
	draft.key = "k";
	draft.key_size = 1;
	assert_int_equal(record_sign(&mesh.id, &node, &draft, &record), 0);
	assert_int_equal(descriptor_decode(record, &back), ERR_MALFORMED);
	record_unref(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_is_fixed_and_reads_back),
		cmocka_unit_test(the_largest_descriptor_fits_a_datagram),
		cmocka_unit_test(a_key_that_is_not_proven_by_its_owner_is_refused),
		cmocka_unit_test(senseless_endpoints_are_refused),
		cmocka_unit_test(segments_are_sorted_vnis_each_once),
		cmocka_unit_test(versions_of_the_protocol_are_told_where_it_is_not_the_first_alone),
		cmocka_unit_test(what_a_later_version_says_besides_is_passed_over),
		cmocka_unit_test(every_truncation_and_every_changed_head_is_harmless),
		cmocka_unit_test(only_a_descriptor_record_is_a_descriptor),
	};
	return cmocka_run_group_tests(tests, make_keys, NULL);
}
