/*
 * Records whose chain is not there yet: a bounded queue, where the oldest goes first when it is
 * full. They are well-formed; their signatures are not verified yet, so they answer for nothing.
 */
#ifndef MESHD_GOSSIP_REPLICA_WAITING_H
#define MESHD_GOSSIP_REPLICA_WAITING_H

#include "gossip/replica/store.h"

struct waiting {
	struct record *records[STORE_WAITING_MAX]; /* the oldest first; each holds a reference */
	size_t count;
	size_t size_bytes;
};

/* Takes a reference. Nothing happens where these very bytes wait already. */
void waiting_put(struct waiting *waiting, struct record *record);
/* Removes the one at index; the reference goes to the caller. */
struct record *waiting_take(struct waiting *waiting, size_t index);
void waiting_done(struct waiting *waiting);

#endif
