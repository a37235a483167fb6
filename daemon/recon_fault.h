/*
 * What a reconciler could not do, object by object: told once in the log for each text, shown until
 * it is done, and tried again after a wait that grows.
 */
#ifndef MESHD_DAEMON_RECON_FAULT_H
#define MESHD_DAEMON_RECON_FAULT_H

#include <stddef.h>

#include "gossip/base/mtime.h"

#define RECON_FAULT_SIZE	320
#define RECON_FAULT_WAIT_MS	250   /* before the second try */
#define RECON_FAULT_WAIT_MAX_MS 30000 /* between all that come later */

/* The data plane's first, then the network's. */
enum recon_object {
	RECON_PLAN,
	RECON_BACKEND, /* whoever makes WireGuard run */
	RECON_DEVICE,  /* its configuration */
	RECON_HOST,    /* the host's addresses and MTU are not known */
	RECON_LINK,
	RECON_ADDRESS6,
	RECON_ADDRESS4,
	RECON_ROUTE6,
	RECON_ROUTE4,
	RECON_OBJECTS,
};

struct recon_faults {
	struct {
		char text[RECON_FAULT_SIZE]; /* empty: all is well */
		int64_t wait_ms;
		mtime_t next; /* try */
	} of[RECON_OBJECTS];
};

/* Whether it is too early to try again. */
bool recon_fault_waits(const struct recon_faults *faults, enum recon_object object, mtime_t now);
void recon_fault_set(struct recon_faults *faults, enum recon_object object, mtime_t now,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
void recon_fault_clear(struct recon_faults *faults, enum recon_object object);
/* The first of these objects' texts; NULL: all is well. */
const char *recon_fault_text(
	const struct recon_faults *faults, enum recon_object first, enum recon_object last);
/* The first next try of these objects; MTIME_NEVER: there is none. */
mtime_t recon_fault_deadline(
	const struct recon_faults *faults, enum recon_object first, enum recon_object last);

#endif
