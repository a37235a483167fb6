/*
 * What a reconciler could not do, object by object: told once in the log for each text, shown until
 * it is done, and tried again after a wait that grows.
 */
#ifndef MESHD_DAEMON_RECON_FAULT_H
#define MESHD_DAEMON_RECON_FAULT_H

#include "daemon/recon_journal.h"
#include "gossip/base/mtime.h"

#define RECON_FAULT_SIZE	320
#define RECON_FAULT_WAIT_MS	250   /* before the second try */
#define RECON_FAULT_WAIT_MAX_MS 30000 /* between all that come later */

/* name, label. The data plane's first, then the network's, then the segments'. */
#define RECON_OBJECT_LIST(X)                                                       \
	X(PLAN, "plan")                                                            \
	X(BACKEND, "backend") /* whoever makes WireGuard run */                    \
	X(DEVICE, "device")   /* its configuration */                              \
	X(HOST, "host")	      /* the host's addresses and MTU are not known */     \
	X(LINK, "link")                                                            \
	X(ADDRESS6, "address6")                                                    \
	X(ADDRESS4, "address4")                                                    \
	X(ROUTE6, "route6")                                                        \
	X(ROUTE4, "route4")                                                        \
	X(GUARD, "guard")	      /* the nftables table */                     \
	X(SEGMENT, "segment")	      /* its devices, and below what is on them */ \
	X(SEGMENT_MTU, "segment_mtu") /* too small for IPv6 */                     \
	X(SEGMENT_ADDRESS, "segment_address")                                      \
	X(SEGMENT_PORT, "segment_port")                                            \
	X(SEGMENT_LOOP, "segment_loop") /* a port is held down for it */           \
	X(SEGMENT_ENTRY, "segment_entry")

enum recon_object {
#define X(name, label) RECON_##name,
	RECON_OBJECT_LIST(X)
#undef X
		RECON_OBJECTS,
};
const char *recon_object_label(enum recon_object object);

struct recon_faults {
	struct recon_journal journal;
	uint64_t counts[RECON_OBJECTS]; /* of what failed since the start, every try */
	struct {
		char text[RECON_FAULT_SIZE]; /* empty: all is well */
		int err;		     /* recon_fault_set_err() */
		int64_t wait_ms;
		mtime_t next; /* try */
	} of[RECON_OBJECTS];
};

/* Whether it is too early to try again. */
bool recon_fault_waits(const struct recon_faults *faults, enum recon_object object, mtime_t now);
void recon_fault_set(struct recon_faults *faults, enum recon_object object, mtime_t now,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The error behind the fault that was set last, where something depends on which it is. */
void recon_fault_set_err(struct recon_faults *faults, enum recon_object object, int err);
void recon_fault_clear(struct recon_faults *faults, enum recon_object object);
/* The first of these objects' texts; NULL: all is well. */
const char *recon_fault_text(
	const struct recon_faults *faults, enum recon_object first, enum recon_object last);
/* The first next try of these objects; MTIME_NEVER: there is none. */
mtime_t recon_fault_deadline(
	const struct recon_faults *faults, enum recon_object first, enum recon_object last);

#endif
