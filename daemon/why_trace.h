/*
 * One causal trace between two nodes, as far as this one knows: causes come first, and each step
 * says what was found and what to do about it.
 */
#ifndef MESHD_DAEMON_WHY_TRACE_H
#define MESHD_DAEMON_WHY_TRACE_H

#include "daemon/daemon.h"
#include "daemon/recon.h"

#define WHY_STEPS_MAX  24 /* beyond what two nodes can have */
#define WHY_ADVICE_MAX 320

enum why_state { WHY_OK, WHY_FAILED, WHY_UNKNOWN };

struct why_step {
	const char *name;
	char about[AUTHORITY_NAME_MAX + 1]; /* the node; empty: this one */
	enum why_state state;
	char finding[512];
	char advice[WHY_ADVICE_MAX]; /* empty: none needed */
};

struct why_trace {
	struct why_step steps[WHY_STEPS_MAX];
	size_t count;
	/* While it is made. */
	struct daemon *daemon;
	struct gossip_status status;
	struct recon_status overlay;
	const char *about; /* of the steps that are added now */
};

/* Between two nodes; one that is this node comes first. */
void why_trace_make(struct why_trace *trace, struct daemon *daemon, const struct gossip_member *a,
	const struct gossip_member *b);

#endif
