/*
 * The metrics over HTTP, for Prometheus: `GET /metrics` on the address that [metrics] listen names.
 * Off unless that is set; a reload moves it, or ends it.
 *
 * Whoever can connect may read, so what is told holds no secret; and nothing that a client does
 * holds up the loop or takes more than METRICS_CLIENTS_MAX times an answer's memory:
 * libmicrohttpd runs on this loop without threads, a connection is for one request and ends after
 * METRICS_CLIENT_MS whatever it says or reads, and answers are made anew at most every
 * METRICS_FRESH_MS.
 */
#ifndef MESHD_DAEMON_METRICS_H
#define MESHD_DAEMON_METRICS_H

#include "daemon/daemon.h"

#define METRICS_CLIENTS_MAX  16	   /* connections at once; others wait in the kernel's backlog */
#define METRICS_CLIENT_MS    10000 /* Prometheus' own default for the whole of a scrape */
#define METRICS_CLIENT_BYTES 8192  /* of a request's head, and of a client's state */
#define METRICS_FRESH_MS     500   /* half of the shortest interval that people scrape at */
#define METRICS_RETRY_MS     2000  /* between tries to have the address */

/* Behind an address that is not of this host alone. */
#define METRICS_OPEN ": whoever reaches that address can read them"

extern const struct daemon_part metrics_part;

#endif
