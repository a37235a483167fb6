/* The log: levels, and a fault that repeats does not fill the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "daemon/log.h"

static int64_t now_ms = 1000;
static unsigned lines;
static char last[LOG_LINE_MAX];

static void keep_line(const char *line, void *arg)
{
	(void)arg;
	lines++;
	snprintf(last, sizeof(last), "%s", line);
}

static int64_t clock_ms(void)
{
	return now_ms;
}

static int reset(void **state)
{
	(void)state;
	lines = 0;
	now_ms += 1000000;
	log_capture(keep_line, clock_ms, NULL);
	log_set_level(CONFIG_LEVEL_INFO);
	return 0;
}

static void lines_below_the_level_are_not_written(void **state)
{
	(void)state;
	log_debug("%d", 1);
	assert_int_equal(lines, 0);
	log_info("%d", 2);
	assert_int_equal(lines, 1);
	log_set_level(CONFIG_LEVEL_ERROR);
	log_warn("%d", 3);
	assert_int_equal(lines, 1);
	log_error("%d", 4);
	assert_string_equal(last, "4");
}

static void a_message_without_end_is_thinned_out_and_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		log_warn("peer %d is odd", i);
	assert_int_equal(lines, LOG_REPEAT_BURST);
	log_warn("another place");
	assert_int_equal(lines, LOG_REPEAT_BURST + 1);
	now_ms += LOG_REPEAT_MS;
	for (int i = 0; i < 2; i++)
		log_warn("%s", "");
	lines = 0;
	for (int i = 0; i < 1000; i++)
		log_warn("peer %d is odd again", i);
	now_ms += LOG_REPEAT_MS;
	assert_int_equal(lines, LOG_REPEAT_BURST);
}

static void repeats_are_told_once_they_end(void **state)
{
	(void)state;
	for (int i = 0; i < LOG_REPEAT_BURST + 7 + 1; i++) {
		if (i == LOG_REPEAT_BURST + 7)
			now_ms += LOG_REPEAT_MS;
		log_warn("the same");
	}
	assert_int_equal(lines, LOG_REPEAT_BURST + 2);
	assert_string_equal(last, "(7 more lines like the last were left out)");
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	(void)state;
	log_info("a\033[31mb\nc");
	assert_string_equal(last, "a?[31mb?c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lines_below_the_level_are_not_written, reset),
		cmocka_unit_test_setup(a_message_without_end_is_thinned_out_and_counted, reset),
		cmocka_unit_test_setup(repeats_are_told_once_they_end, reset),
		cmocka_unit_test_setup(control_characters_do_not_reach_the_terminal, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
