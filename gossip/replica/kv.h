/*
 * What keys show: the view from user's keys to values over a store's VALUE records. Of a key's
 * records, one an author, the one shown is the largest by (stamp, author, hash) of those that
 * count; a tombstone shows that the key is deleted. So all who hold the same records and agree on
 * who counts show the same.
 *
 * Each change of what a key shows has a number, larger than any before, in the order in which this
 * node applied it: stamps are no such order, since older ones may arrive later. A reader that has
 * seen everything up to a number (a cursor) goes on from there and misses nothing; of a key that
 * changed several times meanwhile it sees the last. What is no more in the store cannot be told any
 * more: kv_floor is the lowest cursor from which nothing is missed.
 *
 * Where an allocation fails the process ends (gossip_effect.c says why).
 */
#ifndef MESHD_GOSSIP_REPLICA_KV_H
#define MESHD_GOSSIP_REPLICA_KV_H

#include "gossip/record/value.h"

struct kv;
struct rng;

struct kv_hooks {
	/* Whether what its author says of this key counts; its answers change only before
	 * kv_review. */
	bool (*counts)(void *context, const struct record *record);
	/* The key shows another record than before, or nothing (NULL; to be told for as long as it
	 * is remembered), by no kv_add of that record: others were taken away, or count no more. In
	 * the midst of a change: take note. */
	void (*changed)(void *context, struct record *record, uint64_t number);
	void *context;
};

/* rng is borrowed for its life. ERR_NOMEM. */
int kv_new(struct rng *rng, const struct kv_hooks *hooks, struct kv **ret) MUST_CHECK;
void kv_free(struct kv *kv);

/* Before kv_begin: a record of this node's disk with the number it had, 0: none. said: unless the
 * floor is above whatever was read of the key before. */
void kv_restore(struct kv *kv, struct record *record, uint64_t number, bool said);
/* From now on changes are numbered, from first on: larger than any before. floor: see kv_floor. */
void kv_begin(struct kv *kv, uint64_t first, uint64_t floor);

/* The next number, for a change that is to come: kv_add takes it. */
uint64_t kv_reserve(struct kv *kv);
/* A record has come into the store; it replaces its author's record of that key. number: a reserved
 * one, or 0. Returns the number under which its key shows it now, or 0: the key shows another. */
uint64_t kv_add(struct kv *kv, struct record *record, uint64_t number);
/* It has left the store, and nothing takes its place there. */
void kv_remove(struct kv *kv, const struct record *record);
/* Who counts may be another one for keys that begin so. */
void kv_review(struct kv *kv, const void *prefix, size_t prefix_size);
/* Of keys that show nothing any more without a tombstone that says so: not to be told any longer.
 */
void kv_forget(struct kv *kv);

struct kv_shown {
	const struct record *record; /* of the key, good until the next change */
	bool deleted;		     /* by a tombstone, or because no record is left */
	uint64_t number;
};

bool kv_get(const struct kv *kv, const void *key, size_t size, struct kv_shown *ret);
/* The next key in the order of bytes that begins with the prefix and stands behind `after` (NULL:
 * the first). false: there is none. */
bool kv_next(const struct kv *kv, const void *prefix, size_t prefix_size, const void *after,
	size_t after_size, struct kv_shown *ret);
/* The next change behind the cursor. */
bool kv_since(const struct kv *kv, uint64_t cursor, struct kv_shown *ret);
uint64_t kv_cursor(const struct kv *kv); /* the last number given out */
uint64_t kv_floor(const struct kv *kv);
/* The records of a key, one an author, in no order; NULL at the end. */
const struct record *kv_record(const struct kv *kv, const void *key, size_t key_size, size_t index);
size_t kv_count(const struct kv *kv); /* keys, deleted ones included */

#endif
