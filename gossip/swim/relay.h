/*
 * Probes that we make for others, who could not reach somebody themselves: an answer is passed on,
 * and that there was none so far is said as well (nack), so that whoever asked knows that we are
 * there.
 */
#ifndef MESHD_GOSSIP_SWIM_RELAY_H
#define MESHD_GOSSIP_SWIM_RELAY_H

#include "gossip/swim/probe.h"

#define RELAY_NACK_MS 300 /* into the least time a requester waits for its helpers, 500 */
#define RELAY_MS      (2 * PROBE_TIMEOUT_MAX_MS) /* the longest that one waits */
#define RELAYS_MAX    64			 /* in hand for all members, and: */
#define RELAYS_EACH   8 /* for one: it has one probe at a time, a few periods' are left */

struct relay {
	struct id requester;
	uint64_t requested; /* the requester's sequence */
	struct probe_ping ping;
	mtime_t nack_at, ends_at;
};

struct relays {
	struct relay all[RELAYS_MAX];
	size_t count;
};

mtime_t relay_deadline(const struct swim *swim);
void relay_tick(struct swim *swim, mtime_t now);
void relay_paused(struct swim *swim, mtime_t now, mtime_t resume);
void relay_forget(struct swim *swim, const struct member *member);

void relay_requested(struct swim *swim, mtime_t now, const struct member *requester,
	uint64_t sequence, const struct member *target);
/* Whether it answers a ping that we made for another, who is told then. */
bool relay_acked(struct swim *swim, mtime_t now, struct member *member, uint64_t sequence);

#endif
