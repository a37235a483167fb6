/*
 * Tombstones that have been collected: no part of the store any more, nor of its digest, but for
 * GRAVES_MS they go on to hide what they hid, so that whoever collects a little later brings
 * nothing back. One of a key: the largest.
 */
#ifndef MESHD_GOSSIP_REPLICA_GRAVES_H
#define MESHD_GOSSIP_REPLICA_GRAVES_H

#include "gossip/base/map.h"
#include "gossip/replica/order.h"

#define GRAVES_MS (24 * 3600 * INT64_C(1000)) /* more than two clocks are apart */

struct graves {
	struct map by_key; /* by the key's hash */
	struct order order;
};

void graves_init(struct graves *graves, struct rng *rng);
void graves_done(struct graves *graves);
/* Takes its own reference. What it replaces, if anything, is smaller, and ends. ERR_NOMEM: then
 * there is none. */
int graves_add(struct graves *graves, struct record *tombstone, uint32_t priority) MUST_CHECK;
/* The tombstone in that key's grave; NULL: there is none. */
struct record *graves_at(const struct graves *graves, const void *key, size_t key_size);
/* The reference goes to the caller. */
struct record *graves_take(struct graves *graves, const void *key, size_t key_size);
/* The oldest of all; NULL: there is none. */
const struct record *graves_oldest(const struct graves *graves);

#endif
