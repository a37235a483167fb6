/* The encoding: one form of every value, counts never believed, failures named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/base/pack.h"

static void values_round_trip(void **state)
{
	(void)state;
	uint8_t buf[256];
	static const uint64_t numbers[] = {0, 1, 127, 128, 255, 256, 65535, 65536, UINT32_MAX,
		UINT64_C(0x100000000), UINT64_MAX};
	struct pack p;

	pack_init(&p, buf, sizeof(buf));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		pack_put_uint(&p, numbers[i]);
	assert_int_equal(pack_status(&p), 0);

	struct pack_reader r = pack_reader(buf, p.size);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		uint64_t v;
		assert_int_equal(pack_get_uint(&r, "n", UINT64_MAX, &v), 0);
		assert_true(v == numbers[i]);
	}
	assert_int_equal(pack_get_end(&r, "end"), 0);
}

static void numbers_below_zero_are_read(void **state)
{
	(void)state;
	static const struct {
		int64_t value;
		uint8_t bytes[9];
		size_t size;
	} cases[] = {
		{-1, {0xff}, 1},
		{-32, {0xe0}, 1},
		{-33, {0xd0, 0xdf}, 2},
		{-128, {0xd0, 0x80}, 2},
		{-129, {0xd1, 0xff, 0x7f}, 3},
		{-32769, {0xd2, 0xff, 0xff, 0x7f, 0xff}, 5},
		{INT64_C(-2147483649), {0xd3, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff}, 9},
		{INT64_MIN, {0xd3, 0x80}, 9},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pack_reader r = pack_reader(cases[i].bytes, cases[i].size);
		int64_t value;

		assert_int_equal(pack_get_int(&r, "i", &value), 0);
		assert_true(value == cases[i].value);
		assert_int_equal(pack_get_end(&r, "end"), 0);
	}
}

static void other_encodings_of_a_value_are_refused(void **state)
{
	(void)state;
	static const struct {
		uint8_t bytes[10];
		size_t size;
	} long_forms[] = {
		{{0xcc, 0x7f}, 2},
		{{0xcd, 0, 0xff}, 3},
		{{0xce, 0, 0, 0xff, 0xff}, 5},
		{{0xcf, 0, 0, 0, 0, 1, 0, 0, 0}, 9},
		{{0xd0, 0xff}, 2},
		{{0xd1, 0xff, 0x80}, 3},
		{{0xd0, 0x05}, 2},
		{{0xd9, 1, 'a'}, 3},
		{{0xda, 0, 1, 'a'}, 4},
		{{0xc5, 0, 1, 9}, 4},
		{{0xdc, 0, 1, 1}, 4},
		{{0xde, 0, 1, 1, 1}, 5},
		{{0xc1}, 1},
		{{0xd4, 1, 1}, 3},
	};

	for (size_t i = 0; i < sizeof(long_forms) / sizeof(*long_forms); i++) {
		struct pack_reader r = pack_reader(long_forms[i].bytes, long_forms[i].size);
		assert_int_equal(pack_skip(&r, "value", NULL), ERR_MALFORMED);
		assert_string_equal(r.where, "value");
	}
}

static void a_count_that_cannot_be_there_is_refused(void **state)
{
	(void)state;
	static const uint8_t five[] = {0xdd, 0x0f, 0xff, 0xff, 0xff};
	struct pack_reader r = pack_reader(five, sizeof(five));
	uint32_t n = 7;

	assert_int_equal(pack_get_array(&r, "list", 0, UINT32_MAX, &n), ERR_MALFORMED);
	assert_int_equal(n, 7);
	uint8_t deep[64];
	memset(deep, 0x91, sizeof(deep));
	r = pack_reader(deep, sizeof(deep));
	assert_int_equal(pack_skip(&r, "deep", NULL), ERR_MALFORMED);
}

static void running_over_a_buffer_fails_once_and_for_good(void **state)
{
	(void)state;
	uint8_t buf[4];
	struct pack p;

	pack_init(&p, buf, sizeof(buf));
	pack_put_bin(&p, "12345", 5);
	pack_put_uint(&p, 1);
	assert_int_equal(pack_status(&p), ERR_TOO_BIG);

	pack_init_growing(&p, 1000);
	for (int i = 0; i < 900; i++)
		pack_put_nil(&p);
	assert_int_equal(pack_status(&p), 0);
	assert_int_equal(p.size, 900);
	pack_put_bin(&p, buf, 4);
	pack_put_array(&p, 70000);
	for (int i = 0; i < 100; i++)
		pack_put_nil(&p);
	assert_int_equal(pack_status(&p), ERR_TOO_BIG);
	pack_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_round_trip),
		cmocka_unit_test(numbers_below_zero_are_read),
		cmocka_unit_test(other_encodings_of_a_value_are_refused),
		cmocka_unit_test(a_count_that_cannot_be_there_is_refused),
		cmocka_unit_test(running_over_a_buffer_fails_once_and_for_good),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
