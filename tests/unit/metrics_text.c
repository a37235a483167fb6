/* What Prometheus reads: any text may stand in a label, and memory has an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/metrics_text.h"
#include "daemon/recon_journal.h"

static char *finish(struct metrics_text *text)
{
	char *copy;

	assert_int_equal(metrics_text_status(text), 0);
	copy = strndup(text->data, text->size);
	metrics_text_done(text);
	assert_non_null(copy);
	return copy;
}

static void a_family_is_written_as_prometheus_reads_it(void **state)
{
	struct metrics_text text = {.failed = false};
	char *got;

	(void)state;
	metrics_family(&text, "a_total", METRICS_COUNTER, "What it is.");
	metrics_number(&text, NULL, 18446744073709551615u);
	metrics_real(&text, (const char *const[]){"x", "1", "y", "", NULL}, 0.25);
	metrics_one(&text, "b", METRICS_GAUGE, "Other.", -3);
	got = finish(&text);
	assert_string_equal(got, "# HELP a_total What it is.\n# TYPE a_total counter\n"
				 "a_total 18446744073709551615\na_total{x=\"1\",y=\"\"} 0.25\n"
				 "# HELP b Other.\n# TYPE b gauge\nb -3\n");
	free(got);
}

static void no_label_breaks_out_of_its_quotes(void **state)
{
	struct metrics_text text = {.failed = false};
	char *got;

	(void)state;
	metrics_family(&text, "a", METRICS_GAUGE, "A.");
	metrics_number(&text, (const char *const[]){"x", "q\"} 1\nb 2\\", NULL}, 7);
	got = finish(&text);
	assert_non_null(strstr(got, "\na{x=\"q\\\"} 1\\nb 2\\\\\"} 7\n"));
	free(got);
}

static void a_histogram_counts_every_sample_once(void **state)
{
	struct metrics_text text = {.failed = false};
	struct histogram histogram = {.sum_us = 0};
	char *got;

	(void)state;
	histogram_add(&histogram, -5);
	histogram_add(&histogram, 100);
	histogram_add(&histogram, 101);
	histogram_add(&histogram, 60000000);
	assert_int_equal(histogram_count(&histogram), 4);
	metrics_times(&text, "t_seconds", "Times.", &histogram);
	got = finish(&text);
	assert_non_null(strstr(got, "t_seconds_bucket{le=\"0.0001\"} 2\n"));
	assert_non_null(strstr(got, "t_seconds_bucket{le=\"0.00025\"} 3\n"));
	assert_non_null(strstr(got, "t_seconds_bucket{le=\"5\"} 3\n"));
	assert_non_null(strstr(got, "t_seconds_bucket{le=\"+Inf\"} 4\n"));
	assert_non_null(strstr(got, "t_seconds_sum 60.000201\nt_seconds_count 4\n"));
	free(got);
}

static void a_text_that_grows_too_large_is_refused_whole(void **state)
{
	struct metrics_text text = {.failed = false};
	char *value = malloc(1 << 20);

	(void)state;
	assert_non_null(value);
	memset(value, 'v', (1 << 20) - 1);
	value[(1 << 20) - 1] = '\0';
	metrics_family(&text, "a", METRICS_GAUGE, "A.");
	for (size_t i = 0; i <= METRICS_TEXT_MAX >> 20; i++)
		metrics_number(&text, (const char *const[]){"x", value, NULL}, 1);
	assert_int_equal(metrics_text_status(&text), ERR_NOMEM);
	assert_true(text.size <= METRICS_TEXT_MAX);
	metrics_text_done(&text);
	free(value);
}

static void a_journal_keeps_the_last_of_each_kind(void **state)
{
	struct recon_journal *journal = calloc(1, sizeof(*journal));
	const struct recon_journal_entry *entry;

	(void)state;
	assert_non_null(journal);
	assert_null(recon_journal_at(journal, RECON_JOURNAL_OP, 0));
	recon_journal_add(journal, RECON_JOURNAL_ERROR, "an error");
	for (int i = 0; i < RECON_JOURNAL_MAX + 3; i++)
		recon_journal_add(journal, RECON_JOURNAL_OP, "number %d", i);
	entry = recon_journal_at(journal, RECON_JOURNAL_OP, 0);
	assert_non_null(entry);
	assert_string_equal(entry->text, "number 3");
	assert_true(entry->when.ms > 0);
	assert_non_null(recon_journal_at(journal, RECON_JOURNAL_OP, RECON_JOURNAL_MAX - 1));
	assert_null(recon_journal_at(journal, RECON_JOURNAL_OP, RECON_JOURNAL_MAX));
	entry = recon_journal_at(journal, RECON_JOURNAL_ERROR, 0);
	assert_non_null(entry);
	assert_string_equal(entry->text, "an error");
	assert_null(recon_journal_at(journal, RECON_JOURNAL_ERROR, 1));
	free(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_is_written_as_prometheus_reads_it),
		cmocka_unit_test(no_label_breaks_out_of_its_quotes),
		cmocka_unit_test(a_histogram_counts_every_sample_once),
		cmocka_unit_test(a_text_that_grows_too_large_is_refused_whole),
		cmocka_unit_test(a_journal_keeps_the_last_of_each_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
