/*
 * What happened, newest last: the last EVENTS_MAX events, each kept as the MessagePack map that the
 * contract shows as JSON. Readers pull by number, so that a slow one costs nothing and can tell
 * what it has missed.
 */
#ifndef MESHD_DAEMON_EVENTS_H
#define MESHD_DAEMON_EVENTS_H

#include "gossip/base/err.h"
#include "gossip/base/types.h"

#define EVENTS_MAX	  10000 /* the contract's; about 200 bytes each */
#define EVENTS_ENTRY_SIZE 1024	/* bytes of one, at most: texts are cut to what fits */

#define EVENTS_KINDS_MAX 32 /* that are counted; the contract has some fifteen */

struct events;

/* Fields that are NULL or empty are left out. */
struct event {
	int64_t wall_us;   /* since 1970-01-01 UTC */
	const char *label; /* a string constant */
	const struct id *node;
	const char *name; /* of the node */
	const char *from, *to, *cause;
	const char *segment, *what, *mac; /* of an event about an L2 segment */
	const struct id *by;		  /* the admin who acted */
};

/* One who wants to know when there is more; embedded in its owner. added() only takes note: it must
 * not call events_* itself. */
struct events_follower {
	void (*added)(struct events_follower *follower);
	struct events_follower *next;
};

int events_new(struct events **ret) MUST_CHECK;
void events_free(struct events *events); /* without followers */
/* An event that finds no memory is lost and counted as missed. */
void events_add(struct events *events, const struct event *event);
/* How many of this label there were since the start. */
uint64_t events_count(const struct events *events, const char *label);
/* The number that the next event will have: where to follow from. The first ever is 0. */
uint64_t events_end(const struct events *events);
/* The first event with *number or a later one that is still kept, as a MessagePack map, and moves
 * *number behind it; false at the end. The bytes are good until the next event is added. */
bool events_next(
	const struct events *events, uint64_t *number, const uint8_t **ret_bytes, size_t *ret_size);
void events_follow(struct events *events, struct events_follower *follower);
void events_unfollow(struct events *events, struct events_follower *follower); /* none: fine */

#endif
