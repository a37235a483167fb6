#ifndef MESHD_GOSSIP_GOSSIP_HINT_H
#define MESHD_GOSSIP_GOSSIP_HINT_H

#include "gossip/gossip.h"

struct stream;

/* Where somebody of this mesh may be. */
struct hint {
	struct endpoint endpoint;
	bool met;
	struct id node; /* then: who proved to be there */
	mtime_t next;
	int64_t gap_ms;
};

enum gossip_hint_verdict {
	HINT_NOBODY,   /* there is nothing to be said to it */
	HINT_MEMBER,   /* who was looked for */
	HINT_STRANGER, /* it knows the mesh, and is none of those that are known here */
};

void gossip_hint_tick(struct gossip *g);
mtime_t gossip_hint_deadline(const struct gossip *g);
void gossip_hint_joined(struct gossip *g);
/* Whoever is at the other end of a hinted stream has proven itself. */
enum gossip_hint_verdict gossip_hint_met(struct gossip *g, struct stream *s);

#endif
