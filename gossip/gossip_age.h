#ifndef MESHD_GOSSIP_GOSSIP_AGE_H
#define MESHD_GOSSIP_GOSSIP_AGE_H

#include "gossip/base/map.h"
#include "gossip/gossip.h"
#include "gossip/replica/sync.h"

struct peer;

struct age {
	int64_t contact_ms; /* of mesh time; 0: never yet */
	bool collecting;
	int64_t target;	       /* the cutoff, then */
	mtime_t since;	       /* of the start */
	int64_t wall_ahead_ms; /* of monotonic time, when it was looked at last */
	mtime_t next, noted;
	/* while this node is stale, of the first member that is not: what it lacks of this node's
	 * old key-values, by their hash */
	bool has_word;
	struct id word_by;
	struct map lacked;
};

enum gossip_age {
	AGE_SAME,   /* digests can be compared */
	AGE_APART,  /* they cannot */
	AGE_BEHIND, /* the other has collected what this node may never have seen */
};

void gossip_age_start(struct gossip *g);
void gossip_age_close(struct gossip *g);
void gossip_age_founded(struct gossip *g); /* by this node: it knows all there is */
void gossip_age_tick(struct gossip *g);
/* It is found to be that time, and no later: whatever went by a clock that was ahead. */
void gossip_age_set_back(struct gossip *g, int64_t ms);
mtime_t gossip_age_deadline(const struct gossip *g);
/* It keeps back what others may have deleted while it was away. */
bool gossip_age_is_stale(const struct gossip *g);
uint64_t gossip_age_cutoff(const struct gossip *g); /* to be told; 0: none just now */
/* What a member may say its cutoff is: 0 for what lies ahead of the clock by more than clocks do.
 */
uint64_t gossip_age_believed(const struct gossip *g, uint64_t told);
enum gossip_age gossip_age_of(const struct gossip *g, uint64_t other_cutoff);
/* This node holds the same records as that member. */
void gossip_age_agreed(struct gossip *g, const struct peer *peer);
/* The latest stamp of key-values that are not told to that peer (NULL: to anybody); 0: all are. */
uint64_t gossip_age_withheld(const struct gossip *g, const struct peer *peer);
bool gossip_age_withholds(
	const struct gossip *g, const struct peer *peer, const struct record *record);
/* Whether it has its grave, though it stands on this node's disk. */
bool gossip_age_has_buried(const struct gossip *g, const struct record *record);
/* A comparison of all there is has come to its end. */
void gossip_age_synced(struct gossip *g, const struct peer *peer, struct sync *sync);

#endif
