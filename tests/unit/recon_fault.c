/* What could not be done is told, and tried again after a wait that grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/log.h"
#include "daemon/recon_fault.h"

static size_t lines;

static void count_line(const char *line, void *arg)
{
	(void)line;
	(void)arg;
	lines++;
}

static int64_t no_time(void)
{
	return 0;
}

static mtime_t at(int64_t ms)
{
	return mtime_add_ms(MTIME_ZERO, ms);
}

static void waits_grow_up_to_a_limit_and_end_with_the_fault(void **state)
{
	struct recon_faults faults = {0};
	int64_t now = 1000, wait = RECON_FAULT_WAIT_MS;

	(void)state;
	assert_false(recon_fault_waits(&faults, RECON_LINK, at(now)));
	for (int i = 0; i < 12; i++) {
		recon_fault_set(&faults, RECON_LINK, at(now), "no");
		assert_true(recon_fault_waits(&faults, RECON_LINK, at(now + wait - 1)));
		assert_false(recon_fault_waits(&faults, RECON_LINK, at(now + wait)));
		assert_int_equal(recon_fault_deadline(&faults, RECON_LINK, RECON_ROUTE4).us,
			at(now + wait).us);
		now += wait;
		wait = wait * 2 < RECON_FAULT_WAIT_MAX_MS ? wait * 2 : RECON_FAULT_WAIT_MAX_MS;
	}
	recon_fault_clear(&faults, RECON_LINK);
	assert_false(recon_fault_waits(&faults, RECON_LINK, at(now)));
	assert_int_equal(recon_fault_deadline(&faults, RECON_LINK, RECON_LINK).us, MTIME_NEVER.us);
	recon_fault_set(&faults, RECON_LINK, at(now), "no");
	assert_false(recon_fault_waits(&faults, RECON_LINK, at(now + RECON_FAULT_WAIT_MS)));
}

static void a_fault_is_logged_once_for_each_text(void **state)
{
	struct recon_faults faults = {0};

	(void)state;
	lines = 0;
	for (int i = 0; i < 5; i++)
		recon_fault_set(&faults, RECON_ROUTE4, at(i), "route: %s", "File exists");
	assert_int_equal(lines, 1);
	assert_string_equal(
		recon_fault_text(&faults, RECON_PLAN, RECON_ROUTE4), "route: File exists");
	assert_null(recon_fault_text(&faults, RECON_PLAN, RECON_DEVICE));
	recon_fault_set(&faults, RECON_ROUTE4, at(6), "route: %s", "Network is down");
	assert_int_equal(lines, 2);
	recon_fault_clear(&faults, RECON_ROUTE4);
	assert_int_equal(lines, 3);
	recon_fault_clear(&faults, RECON_ROUTE4);
	assert_int_equal(lines, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_grow_up_to_a_limit_and_end_with_the_fault),
		cmocka_unit_test(a_fault_is_logged_once_for_each_text),
	};

	log_capture(count_line, no_time, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
