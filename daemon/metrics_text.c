#include "daemon/metrics_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 16384 /* a mesh of some ten members fits */
#define NUMBER_SIZE    32    /* of a number in digits, with NUL */

void metrics_text_done(struct metrics_text *text)
{
	free(text->data);
	*text = (struct metrics_text){.failed = false};
}

int metrics_text_status(const struct metrics_text *text)
{
	return text->failed ? ERR_NOMEM : 0;
}

static bool reserve(struct metrics_text *text, size_t more)
{
	size_t capacity = text->capacity ? text->capacity : FIRST_CAPACITY;
	char *data;

	if (text->failed || more > METRICS_TEXT_MAX - text->size) {
		text->failed = true;
		return false;
	}
	if (text->size + more <= text->capacity)
		return true;
	while (capacity < text->size + more)
		capacity *= 2;
	data = realloc(text->data, capacity);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->capacity = capacity;
	return true;
}

static void put_bytes(struct metrics_text *text, const char *bytes, size_t size)
{
	if (!reserve(text, size))
		return;
	memcpy(text->data + text->size, bytes, size);
	text->size += size;
}

static void put(struct metrics_text *text, const char *words)
{
	put_bytes(text, words, strlen(words));
}

/* Backslash, quote and newline are the only ones with a meaning of their own. */
static void put_escaped(struct metrics_text *text, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			put_bytes(text, "\\", 1);
		if (*value == '\n')
			put_bytes(text, "\\n", 2);
		else
			put_bytes(text, value, 1);
	}
}

void metrics_family(
	struct metrics_text *text, const char *name, enum metrics_type type, const char *help)
{
	static const char *const types[] = {[METRICS_COUNTER] = "counter",
		[METRICS_GAUGE] = "gauge",
		[METRICS_HISTOGRAM] = "histogram",
		[METRICS_SUMMARY] = "summary"};

	text->name = name;
	put(text, "# HELP ");
	put(text, name);
	put(text, " ");
	put(text, help);
	put(text, "\n# TYPE ");
	put(text, name);
	put(text, " ");
	put(text, types[type]);
	put(text, "\n");
}

/* Up to the value. le: one label more; NULL: without. */
static void put_name(
	struct metrics_text *text, const char *suffix, const char *const *labels, const char *le)
{
	const char *before = "{";

	put(text, text->name);
	put(text, suffix);
	for (size_t i = 0; labels && i < METRICS_LABEL_PAIRS && labels[2 * i]; i++) {
		put(text, before);
		put(text, labels[2 * i]);
		put(text, "=\"");
		put_escaped(text, labels[2 * i + 1]);
		put(text, "\"");
		before = ",";
	}
	if (le) {
		put(text, before);
		put(text, "le=\"");
		put(text, le);
		put(text, "\"");
		before = ",";
	}
	put(text, *before == ',' ? "} " : " ");
}

static void put_number(struct metrics_text *text, uint64_t value)
{
	char digits[NUMBER_SIZE];

	snprintf(digits, sizeof(digits), "%" PRIu64 "\n", value);
	put(text, digits);
}

static void put_real(struct metrics_text *text, double value)
{
	char digits[NUMBER_SIZE];

	snprintf(digits, sizeof(digits), "%.15g\n", value);
	put(text, digits);
}

void metrics_number(struct metrics_text *text, const char *const *labels, uint64_t value)
{
	put_name(text, "", labels, NULL);
	put_number(text, value);
}

void metrics_real(struct metrics_text *text, const char *const *labels, double value)
{
	put_name(text, "", labels, NULL);
	put_real(text, value);
}

void metrics_one(struct metrics_text *text, const char *name, enum metrics_type type,
	const char *help, double value)
{
	metrics_family(text, name, type, help);
	metrics_real(text, NULL, value);
}

void metrics_times(struct metrics_text *text, const char *name, const char *help,
	const struct histogram *histogram)
{
	char bound[NUMBER_SIZE];
	uint64_t below = 0;

	metrics_family(text, name, METRICS_HISTOGRAM, help);
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		below += histogram->counts[i];
		snprintf(bound, sizeof(bound), "%g", histogram_bounds_us[i] / 1e6);
		put_name(text, "_bucket", NULL, bound);
		put_number(text, below);
	}
	put_name(text, "_bucket", NULL, "+Inf");
	put_number(text, histogram_count(histogram));
	metrics_sum(text, NULL, (double)histogram->sum_us / 1e6, histogram_count(histogram));
}

void metrics_sum(struct metrics_text *text, const char *const *labels, double sum, uint64_t count)
{
	put_name(text, "_sum", labels, NULL);
	put_real(text, sum);
	put_name(text, "_count", labels, NULL);
	put_number(text, count);
}
