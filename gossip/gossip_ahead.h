#ifndef MESHD_GOSSIP_GOSSIP_AHEAD_H
#define MESHD_GOSSIP_GOSSIP_AHEAD_H

#include "gossip/gossip.h"
#include "gossip/replica/order.h"

/* What is no further ahead is waited for: it comes of itself, whoever has it. */
#define GOSSIP_AHEAD_MS (3600 * INT64_C(1000))

struct ahead {
	mtime_t next;
	mtime_t since;	     /* NEVER: what this node says is not ahead */
	mtime_t rate;	     /* of passes */
	bool writing;	     /* in the midst of one */
	struct order_key at; /* behind the last record that was looked at */
};

void gossip_ahead_start(struct gossip *g);
/* Whether `held` is so far in the future that it would be refused, and `record`, of the same slot,
 * is not: then that takes its place. */
bool gossip_ahead_yields(
	const struct gossip *g, const struct record *held, const struct record *record);
void gossip_ahead_tick(struct gossip *g);
mtime_t gossip_ahead_deadline(const struct gossip *g);

#endif
