/* What the files of this room share, and nobody else looks into. */
#ifndef MESHD_GOSSIP_SWIM_STATE_H
#define MESHD_GOSSIP_SWIM_STATE_H

#include "gossip/base/rng.h"
#include "gossip/swim/health.h"
#include "gossip/swim/member.h"
#include "gossip/swim/probe.h"
#include "gossip/swim/queue.h"
#include "gossip/swim/relay.h"
#include "gossip/swim/ring.h"
#include "gossip/swim/spread.h"
#include "gossip/swim/statement.h"
#include "gossip/swim/swim.h"

struct swim {
	struct swim_config config;
	struct statement self; /* our own `alive`, as told now */
	struct members members;
	struct ring ring;
	struct prober prober;
	struct relays relays;
	struct health health;
	mtime_t next_expiry; /* of suspicions: not after the first */
	mtime_t refute;	     /* of the rate at which we refute */
	mtime_t remind;	     /* and of that at which we tell again that we did */
	mtime_t back;	     /* and that we are back */
	int64_t trip_us;     /* the median round trip to all; 0: none measured */
	uint64_t counters[SWIM_COUNTERS];
	struct histogram trips;
	/* pings that were asked for; sequence 0: none, rtt_us -1: in flight */
	struct swim_asked {
		struct probe_ping ping;
		int64_t rtt_us;
	} asked[SWIM_ASKED_MAX];
	size_t asked_next;
	struct queue_actions actions;
	struct queue_changes changes;
};

static inline int state_compare(const struct swim_incarnation *a, const struct swim_incarnation *b)
{
	if (a->generation != b->generation)
		return a->generation < b->generation ? -1 : 1;
	return a->version < b->version ? -1 : a->version > b->version;
}

/* To be told to everybody, once. Where memory is short it travels by greetings alone. */
void state_tell(struct swim *swim, const struct statement *statement);

#endif
