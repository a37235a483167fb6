/* The hybrid clock: stamps only rise, stay near the wall, below the ceiling, and others cannot push
 * them away. */
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
	struct hlc hlc = {.ceiling = UINT64_MAX};
	static const int64_t steps[] = {0, 0, 5, -1000, -999, 6, INT64_C(-1800000000001), 7};
	uint64_t last = 0, stamp;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		assert_int_equal(hlc_next(&hlc, later(steps[i]), &stamp), 0);
		assert_true(stamp > last);
		last = stamp;
	}
	assert_true(stamp == hlc_from_ms(WALL.ms + 7));
	assert_int_equal(hlc_stamp_ms(stamp), WALL.ms + 7);
}

static void a_thousand_stamps_in_a_millisecond_are_distinct(void **state)
{
	(void)state;
	struct hlc hlc = {.ceiling = UINT64_MAX};
	uint64_t stamp = 0;

	for (uint64_t i = 0; i < 1000; i++) {
		assert_int_equal(hlc_next(&hlc, WALL, &stamp), 0);
		assert_true(stamp == hlc_from_ms(WALL.ms) + i);
	}
}

static void what_was_seen_is_behind_us(void **state)
{
	(void)state;
	struct hlc hlc = {.ceiling = UINT64_MAX};
	uint64_t seen = hlc_from_ms(WALL.ms + HLC_AHEAD_MAX_MS) + 17, stamp;

	assert_int_equal(hlc_observe(&hlc, WALL, seen), 0);
	assert_int_equal(hlc_next(&hlc, WALL, &stamp), 0);
	assert_true(stamp == seen + 1);
	assert_int_equal(hlc_observe(&hlc, WALL, 3), 0);
	assert_int_equal(hlc_next(&hlc, WALL, &stamp), 0);
	assert_true(stamp == seen + 2);
}

static void nobody_can_push_the_clock_into_the_future(void **state)
{
	(void)state;
	struct hlc hlc = {.ceiling = UINT64_MAX};
	uint64_t stamp;

	assert_int_equal(
		hlc_observe(&hlc, WALL, hlc_from_ms(WALL.ms + HLC_AHEAD_MAX_MS + 1)), ERR_FUTURE);
	assert_int_equal(hlc_observe(&hlc, WALL, UINT64_MAX), ERR_FUTURE);
	assert_int_equal(hlc_next(&hlc, WALL, &stamp), 0);
	assert_true(stamp == hlc_from_ms(WALL.ms));
}

static void no_stamp_reaches_the_ceiling_that_is_on_disk(void **state)
{
	(void)state;
	struct hlc hlc = {0};
	uint64_t stamp = 5;

	assert_int_equal(hlc_next(&hlc, WALL, &stamp), ERR_NOT_READY);
	assert_true(stamp == 5);
	hlc.ceiling = hlc_wanted_ceiling(&hlc, WALL);
	assert_true(hlc.ceiling == hlc_from_ms(WALL.ms + HLC_RESERVE_MS));
	assert_int_equal(hlc_next(&hlc, WALL, &stamp), 0);
	assert_true(hlc_wanted_ceiling(&hlc, WALL) == 0);
	assert_int_equal(hlc_next(&hlc, later(HLC_RESERVE_MS), &stamp), ERR_NOT_READY);
	assert_int_equal(hlc_next(&hlc, later(HLC_RESERVE_MS - 1), &stamp), 0);
}

static void the_ceiling_is_moved_in_time_and_seldom(void **state)
{
	(void)state;
	struct hlc hlc = {0};
	unsigned moves = 0;
	uint64_t stamp;

	for (int64_t ms = 0; ms < 3600 * 1000; ms += 1000) {
		uint64_t wanted = hlc_wanted_ceiling(&hlc, later(ms));

		if (wanted) {
			hlc.ceiling = wanted;
			moves++;
		}
		assert_int_equal(hlc_next(&hlc, later(ms), &stamp), 0);
	}
	assert_in_range(moves, 1, 9);
}

/* A restart begins at the old ceiling: above all that was ever issued, though the wall stepped
 * back. */
static void a_restart_issues_no_stamp_twice(void **state)
{
	(void)state;
	struct hlc before = {.ceiling = hlc_from_ms(WALL.ms + 1000)}, after = {0};
	uint64_t last, stamp;

	assert_int_equal(hlc_next(&before, later(999), &last), 0);
	after.last = before.ceiling;
	after.ceiling = hlc_wanted_ceiling(&after, later(-5000));
	assert_int_equal(hlc_next(&after, later(-5000), &stamp), 0);
	assert_true(stamp > last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stamps_only_rise_whatever_the_wall_does),
		cmocka_unit_test(a_thousand_stamps_in_a_millisecond_are_distinct),
		cmocka_unit_test(what_was_seen_is_behind_us),
		cmocka_unit_test(nobody_can_push_the_clock_into_the_future),
		cmocka_unit_test(no_stamp_reaches_the_ceiling_that_is_on_disk),
		cmocka_unit_test(the_ceiling_is_moved_in_time_and_seldom),
		cmocka_unit_test(a_restart_issues_no_stamp_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
