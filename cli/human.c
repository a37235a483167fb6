#include "cli/human.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gossip/base/types.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS	  (60 * MINUTE_MS)
#define DAY_MS	  (24 * HOUR_MS)

static const struct {
	int64_t ms;
	const char *name;
} spans[] = {{SECOND_MS, "s"}, {MINUTE_MS, "min"}, {HOUR_MS, "h"}, {DAY_MS, "d"}};

/* A unit is left for the next one at twice its size, so that no span loses over half. */
static size_t span_of(int64_t ms)
{
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(spans) && ms >= 2 * spans[i + 1].ms)
		i++;
	return i;
}

const char *human_span(int64_t ms, char buf[HUMAN_SIZE])
{
	size_t i = span_of(ms);

	snprintf(buf, HUMAN_SIZE, "%lld %s", (long long)(ms / spans[i].ms), spans[i].name);
	return buf;
}

const char *human_bytes(double bytes, char buf[HUMAN_SIZE])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	size_t unit = 0;

	while (bytes >= 1023.5 && unit + 1 < ARRAY_SIZE(units)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, HUMAN_SIZE, "%.*f %s", unit > 0 && bytes < 9.95 ? 1 : 0, bytes, units[unit]);
	return buf;
}

const char *human_rtt(double ms, char buf[HUMAN_SIZE])
{
	if (ms >= 999.5)
		snprintf(buf, HUMAN_SIZE, "%.1f s", ms / 1000);
	else
		snprintf(buf, HUMAN_SIZE, "%.*f ms", ms < 0.995 ? 2 : ms < 9.95 ? 1 : 0, ms);
	return buf;
}

int64_t human_parse_time(const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t ms = 0, scale = 100;

	if (!rest)
		return -1;
	if (*rest == '.') {
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
			ms += (*rest - '0') * scale;
	}
	return strcmp(rest, "Z") == 0 ? (int64_t)timegm(&tm) * 1000 + ms : -1;
}

const char *human_ago(const char *time, int64_t now_ms, const char *fallback, char buf[HUMAN_SIZE])
{
	int64_t then_ms = time ? human_parse_time(time) : -1;
	char span[HUMAN_SIZE];

	if (then_ms < 0) {
		snprintf(buf, HUMAN_SIZE, "%s", time ? time : fallback);
		return buf;
	}
	/* What is to come is rounded: an invite for 7 d has not 6 d left once it is listed. */
	if (then_ms < now_ms)
		human_span(now_ms - then_ms, span);
	else
		human_span(then_ms - now_ms + spans[span_of(then_ms - now_ms)].ms / 2, span);
	if (strcmp(span, "0 s") == 0)
		return strcpy(buf, "now");
	snprintf(buf, HUMAN_SIZE, then_ms < now_ms ? "%.30s ago" : "in %.30s", span);
	return buf;
}
