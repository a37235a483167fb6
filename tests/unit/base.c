/* Values to text and back, the map and the generator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "gossip/base/map.h"
#include "gossip/base/rng.h"
#include "gossip/base/text.h"

static void addresses_read_back_as_they_print(void **state)
{
	(void)state;
	static const char *const endpoints[] = {"192.0.2.1:8946", "[2001:db8::1]:1", "[::]:65535"};
	static const char *const bad[] = {"", ":1", "1.2.3.4", "1.2.3.4:0", "1.2.3.4:65536",
		"1.2.3.4:01", "2001:db8::1:80", "[1.2.3.4]:80", "[::1]", "[::1:80", "::1]:80",
		"1.2.3.4:+5", "[]:1", "host:1", "[1.2.3.4:80"};
	char buf[TEXT_ENDPOINT_SIZE];
	struct endpoint e;
	struct prefix p;

	for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++) {
		assert_int_equal(text_parse_endpoint(endpoints[i], &e), 0);
		assert_string_equal(text_endpoint(&e, buf), endpoints[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(text_parse_endpoint(bad[i], &e), ERR_MALFORMED);
	assert_int_equal(text_parse_prefix("10.0.0.0/8", false, &p), 0);
	assert_string_equal(text_prefix(&p, buf), "10.0.0.0/8");
	assert_int_equal(text_parse_prefix("10.0.0.1/8", false, &p), ERR_INVALID);
	assert_int_equal(text_parse_prefix("10.0.0.1/8", true, &p), 0);
	assert_int_equal(text_parse_prefix("fd00::1", false, &p), 0);
	assert_int_equal(p.bits, 128);
	assert_int_equal(text_parse_prefix("10.0.0.0/33", false, &p), ERR_MALFORMED);
	assert_int_equal(text_parse_prefix("/8", false, &p), ERR_MALFORMED);
}

static void keys_read_back_as_they_print_and_no_other_way(void **state)
{
	(void)state;
	uint8_t key[32], back[32];
	char text[TEXT_KEY_SIZE], other[TEXT_KEY_SIZE];

	for (int i = 0; i < 32; i++)
		key[i] = (uint8_t)(i * 37 + 11);
	text_key(key, text);
	assert_int_equal(text_parse_key(text, back), 0);
	assert_memory_equal(key, back, 32);
	for (size_t at = 0; at < TEXT_KEY_SIZE - 1; at++) {
		for (int c = 1; c < 256; c++) {
			memcpy(other, text, sizeof(other));
			other[at] = (char)c;
			if (other[at] != text[at] && text_parse_key(other, back) == 0)
				assert_memory_not_equal(key, back, 32);
		}
	}
}

static void times_and_durations(void **state)
{
	(void)state;
	char buf[TEXT_TIME_SIZE];
	int64_t ms = -1;

	assert_string_equal(text_time((wtime_t){0}, buf), "1970-01-01T00:00:00.000Z");
	assert_string_equal(text_time((wtime_t){951782400123}, buf), "2000-02-29T00:00:00.123Z");
	assert_string_equal(text_time((wtime_t){1794009600000}, buf), "2026-11-07T00:00:00.000Z");
	assert_int_equal(text_parse_duration("90s", &ms), 0);
	assert_int_equal(ms, 90000);
	assert_int_equal(text_parse_duration("7d", &ms), 0);
	assert_int_equal(ms, 7 * 86400000);
	assert_int_equal(text_parse_duration("99999999999d", &ms), ERR_MALFORMED);
	assert_int_equal(text_parse_duration("5", &ms), ERR_MALFORMED);
	assert_int_equal(text_parse_duration("-5s", &ms), ERR_MALFORMED);
	assert_int_equal(text_parse_duration("5m3s", &ms), ERR_MALFORMED);
}

static void utf8_is_checked(void **state)
{
	(void)state;
	assert_true(text_utf8_valid("z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x8e\x89", 16));
	assert_false(text_utf8_valid("\xc0\x80", 2));
	assert_false(text_utf8_valid("\xed\xa0\x80", 3));
	assert_false(text_utf8_valid("\xf4\x90\x80\x80", 4));
	assert_false(text_utf8_valid("\xe2\x82", 2));
	assert_false(text_utf8_valid("a\x1b[31m", 5));
	assert_false(text_utf8_valid("", 1));
}

static void map_keeps_what_a_plain_list_keeps(void **state)
{
	(void)state;
	uint8_t seed[32] = {1};
	struct rng rng;
	struct map map;
	uint32_t keys[1000];
	bool in[1000] = {false};
	size_t count = 0;

	rng_init(&rng, seed);
	map_init(&map, sizeof(uint32_t), &rng);
	for (uint32_t i = 0; i < 1000; i++)
		keys[i] = i * 7;
	for (int step = 0; step < 20000; step++) {
		size_t i = rng_below(&rng, 1000);
		assert_ptr_equal(map_get(&map, &keys[i]), in[i] ? &keys[i] : NULL);
		if (rng_below(&rng, 2)) {
			assert_int_equal(map_put(&map, &keys[i], &keys[i]), 0);
			count += !in[i];
			in[i] = true;
		} else {
			assert_ptr_equal(map_del(&map, &keys[i]), in[i] ? &keys[i] : NULL);
			count -= in[i];
			in[i] = false;
		}
		assert_int_equal(map.count, count);
	}
	uint32_t *value;
	map_each (&map, at, value) {
		assert_true(in[value - keys]);
		count--;
	}
	assert_int_equal(count, 0);
	map_done(&map);
	rng_done(&rng);
}

static void the_same_seed_gives_the_same_numbers(void **state)
{
	(void)state;
	uint8_t seed[32] = {9}, a[2000], b[2000];
	struct rng x, y;

	rng_init(&x, seed);
	rng_init(&y, seed);
	rng_bytes(&x, a, sizeof(a));
	for (size_t i = 0; i < sizeof(b); i += 10)
		rng_bytes(&y, b + i, 10);
	assert_memory_equal(a, b, sizeof(a));
	for (int i = 0; i < 1000; i++)
		assert_true(rng_below(&x, 10) < 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_read_back_as_they_print),
		cmocka_unit_test(keys_read_back_as_they_print_and_no_other_way),
		cmocka_unit_test(times_and_durations),
		cmocka_unit_test(utf8_is_checked),
		cmocka_unit_test(map_keeps_what_a_plain_list_keeps),
		cmocka_unit_test(the_same_seed_gives_the_same_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
