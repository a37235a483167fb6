/* Quantities as people say them. Each formats into the caller's buffer and returns it. */
#ifndef MESHD_CLI_HUMAN_H
#define MESHD_CLI_HUMAN_H

#include <stdint.h>

#define HUMAN_SIZE 40 /* of every buffer here */

const char *human_span(int64_t ms, char buf[HUMAN_SIZE]);    /* `12 s`, `3 min`, `2 h`, `5 d` */
const char *human_bytes(double bytes, char buf[HUMAN_SIZE]); /* `512 B`, `1.5 KiB` */
const char *human_rtt(double ms, char buf[HUMAN_SIZE]);	     /* `0.41 ms`, `12 ms`, `1.2 s` */
/* RFC 3339 in UTC, as meshd writes it, to milliseconds since 1970; -1 for anything else. */
int64_t human_parse_time(const char *text);
/* `12 s ago`, `in 3 min`, `now`; the text itself when it is no time; fallback for NULL. */
const char *human_ago(const char *time, int64_t now_ms, const char *fallback, char buf[HUMAN_SIZE]);

#endif
