/*
 * Who answers. Each protocol period one member in turn is pinged; unanswered within its timeout
 * (from its measured round trip), it is pinged again, and SWIM_INDIRECT others are asked to ping it
 * in our place; unanswered to the period's end, the probe has failed, and suspicion.h decides what
 * that means. A helper relays the answer, or says that there was none so far (nack): so that we
 * know at least the helper to hear us.
 *
 * The dead are not in that turn. They are redialled for ever: after 1 s, doubling to 60 s, a few a
 * period in all, and now and then one at random, which heals partitions.
 */
#ifndef MESHD_GOSSIP_SWIM_PROBE_H
#define MESHD_GOSSIP_SWIM_PROBE_H

#include "gossip/swim/member.h"
#include "gossip/swim/swim.h"

/* Bounds of a timeout from a measured round trip. Below: a busy host's scheduling, as TCP's least
 * RTO. Above: satellite links; three such timeouts make the longest period. */
#define PROBE_TIMEOUT_MIN_MS  200
#define PROBE_TIMEOUT_MAX_MS  2000
/* A slow peer's period is as long as its helpers need: T' >= 3 round trips (SWIM, section 3.1). */
#define PROBE_PERIOD_TIMEOUTS 3
#define PROBE_NACK_MS	      300 /* into the least time a requester waits for its helpers, 500 */
#define PROBE_RELAY_MS	      (2 * PROBE_TIMEOUT_MAX_MS) /* the longest that one waits */
#define PROBE_RELAYS_MAX      64			 /* in hand for all members, and: */
#define PROBE_RELAYS_EACH     8 /* for one: it has one probe at a time, a few periods' are left */

#define PROBE_REDIAL_MIN_MS  1000
#define PROBE_REDIAL_MAX_MS  60000
#define PROBE_REDIALS	     4	/* a period at most: a node that boots alone stays quiet */
#define PROBE_RANDOM_PERIODS 10 /* from one random redial to the next */

/* A ping, until it is answered. */
struct probe_ping {
	struct id to;
	uint64_t sequence;
	mtime_t sent;
};

/* The probe in flight: a direct ping, and a second one once it is indirect. Each has its own
 * sequence, so that an answer is of one of them. */
struct probe {
	struct member *target; /* NULL: none, or answered */
	struct probe_ping first, second;
	mtime_t indirect_at; /* NEVER once it is indirect */
	bool greets;	     /* with its ping the target learns our incarnation */
	struct id helpers[SWIM_INDIRECT];
	size_t helper_count;
};

/* A probe that we make for another. */
struct probe_relay {
	struct id requester;
	uint64_t requested; /* the requester's sequence */
	struct probe_ping ping;
	mtime_t nack_at, ends_at;
};

struct prober {
	struct probe probe;
	struct probe_ping late; /* of the last probe that failed: its answer still tells how far */
	mtime_t period_at;	/* the next period's start, and this one's verdict */
	uint64_t sequence;	/* of the last ping */
	uint64_t periods;
	struct probe_relay relays[PROBE_RELAYS_MAX];
	size_t relay_count;
};

struct swim;

/* The first member has come: the first period starts within one. */
void probe_start(struct swim *swim, mtime_t now);
mtime_t probe_deadline(const struct swim *swim);
void probe_tick(struct swim *swim, mtime_t now);
/* We slept through deadlines: the probe in flight proves nothing, the next starts at `resume`. */
void probe_paused(struct swim *swim, mtime_t now, mtime_t resume);
/* The member is about to be freed. */
void probe_forget(struct swim *swim, const struct member *member);
/* The member may have lost what our ping in flight told it. */
void probe_greet(struct swim *swim, struct member *member);

void probe_acked(struct swim *swim, mtime_t now, struct member *member, uint64_t sequence);
void probe_requested(struct swim *swim, mtime_t now, const struct member *requester,
	uint64_t sequence, const struct member *target);
void probe_relayed(struct swim *swim, mtime_t now, const struct member *helper, uint64_t sequence,
	bool answered);

#endif
