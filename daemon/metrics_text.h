/*
 * Prometheus' text format (exposition_formats.md, version 0.0.4), written into memory that grows. A
 * family is begun once and followed by its samples; names, units and types follow Prometheus'
 * conventions (base units, _total for counters), which `promtool check metrics` looks at.
 */
#ifndef MESHD_DAEMON_METRICS_TEXT_H
#define MESHD_DAEMON_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gossip/base/err.h"
#include "gossip/base/histogram.h"

#define METRICS_TEXT_MAX    ((size_t)8 << 20) /* bytes: METRICS_PEERS_MAX have 1 MiB */
#define METRICS_LABEL_PAIRS 5

/* Names and values in turn. */
#define METRICS_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A zeroed one is empty. After a failure it takes nothing more. */
struct metrics_text {
	char *data;
	size_t size, capacity;
	bool failed;
	const char *name; /* of the family that is being written */
};

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM, METRICS_SUMMARY };

void metrics_text_done(struct metrics_text *text);
/* 0; ERR_NOMEM, also beyond METRICS_TEXT_MAX: then it must not be used. */
int metrics_text_status(const struct metrics_text *text) MUST_CHECK;

/* Names and help are borrowed until the next one: string constants. */
void metrics_family(
	struct metrics_text *text, const char *name, enum metrics_type type, const char *help);
/* Labels are names and values in turn, NULL at the end, METRICS_LABEL_PAIRS of them at most; or
 * NULL for none. Values may be any text. */
void metrics_number(struct metrics_text *text, const char *const *labels, uint64_t value);
void metrics_real(struct metrics_text *text, const char *const *labels, double value);
/* A family of one sample without labels. */
void metrics_one(struct metrics_text *text, const char *name, enum metrics_type type,
	const char *help, double value);
/* In seconds; the whole family. */
void metrics_times(struct metrics_text *text, const char *name, const char *help,
	const struct histogram *histogram);
/* The sum and count of a summary. */
void metrics_sum(struct metrics_text *text, const char *const *labels, double sum, uint64_t count);

#endif
