/* The hybrid clock: stamps only rise, stay near the wall, and others cannot push them away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/record/hlc.h"

#define WALL ((wtime_t){INT64_C(1800000000000)})

static wtime_t later(int64_t ms)
{
	return (wtime_t){WALL.ms + ms};
}

static void stamps_only_rise_whatever_the_wall_does(void **state)
{
	(void)state;
	struct hlc hlc = {0};
	static const int64_t steps[] = {0, 0, 5, -1000, -999, 6, INT64_C(-1800000000001), 7};
	uint64_t last = 0, stamp;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		stamp = hlc_next(&hlc, later(steps[i]));
		assert_true(stamp > last);
		last = stamp;
	}
	assert_true(stamp == hlc_from_ms(WALL.ms + 7));
	assert_int_equal(hlc_stamp_ms(stamp), WALL.ms + 7);
}

static void a_thousand_stamps_in_a_millisecond_are_distinct(void **state)
{
	(void)state;
	struct hlc hlc = {0};
	uint64_t stamp = 0;

	for (uint64_t i = 0; i < 1000; i++) {
		stamp = hlc_next(&hlc, WALL);
		assert_true(stamp == hlc_from_ms(WALL.ms) + i);
	}
}

static void what_was_seen_is_behind_us(void **state)
{
	(void)state;
	struct hlc hlc = {0};
	uint64_t seen = hlc_from_ms(WALL.ms + HLC_AHEAD_MAX_MS) + 17, stamp;

	assert_int_equal(hlc_observe(&hlc, WALL, seen), 0);
	stamp = hlc_next(&hlc, WALL);
	assert_true(stamp > seen && hlc_stamp_ms(stamp) == hlc_stamp_ms(seen) + 1);
	assert_int_equal(hlc_observe(&hlc, WALL, 3), 0);
	assert_true(hlc_next(&hlc, WALL) == stamp + 1);
}

/* Two lives from one disk that was set back, by one clock that was too, which see the same. */
static void a_life_does_not_repeat_the_stamps_of_another(void **state)
{
	(void)state;
	for (int64_t ms = -1000; ms <= 1000; ms += 1000) {
		struct hlc one = {.last = hlc_from_ms(WALL.ms)}, other = one;

		hlc_begin(&one, 0x1234);
		hlc_begin(&other, 0x4321);
		for (uint64_t i = 0; i < 100; i++) {
			uint64_t a = hlc_next(&one, later(ms)), b = hlc_next(&other, later(ms));
			uint64_t seen = hlc_from_ms(WALL.ms + 5) + i;

			assert_true(a != b);
			assert_true(a > hlc_from_ms(WALL.ms) && b > hlc_from_ms(WALL.ms));
			assert_true(hlc_stamp_ms(a) <= WALL.ms + 1000);
			assert_int_equal(hlc_observe(&one, later(ms), seen), 0);
			assert_int_equal(hlc_observe(&other, later(ms), seen), 0);
		}
	}
}

static void nobody_can_push_the_clock_into_the_future(void **state)
{
	(void)state;
	struct hlc hlc = {0};
	uint64_t stamp;

	assert_int_equal(
		hlc_observe(&hlc, WALL, hlc_from_ms(WALL.ms + HLC_AHEAD_MAX_MS + 1)), ERR_FUTURE);
	assert_int_equal(hlc_observe(&hlc, WALL, UINT64_MAX), ERR_FUTURE);
	stamp = hlc_next(&hlc, WALL);
	assert_true(stamp == hlc_from_ms(WALL.ms));
}

/* A restart begins at the latest own stamp on disk: above all that others know of, though the wall
 * stepped back. */
static void a_restart_issues_no_stamp_twice(void **state)
{
	(void)state;
	struct hlc before = {0};
	uint64_t last = hlc_next(&before, later(999));
	struct hlc after = {.last = last};

	assert_true(hlc_next(&after, later(-5000)) > last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stamps_only_rise_whatever_the_wall_does),
		cmocka_unit_test(a_thousand_stamps_in_a_millisecond_are_distinct),
		cmocka_unit_test(what_was_seen_is_behind_us),
		cmocka_unit_test(a_life_does_not_repeat_the_stamps_of_another),
		cmocka_unit_test(nobody_can_push_the_clock_into_the_future),
		cmocka_unit_test(a_restart_issues_no_stamp_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
