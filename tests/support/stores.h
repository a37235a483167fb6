/*
 * Stores for tests: a founder's mesh with an admin granted by the root, one admitted as such, and
 * as many members as are wanted; what happens to a store that is given records; what can be seen of
 * it.
 */
#ifndef MESHD_TESTS_SUPPORT_STORES_H
#define MESHD_TESTS_SUPPORT_STORES_H

#include "gossip/base/rng.h"
#include "gossip/replica/store.h"
#include "tests/support/records.h"

enum {
	STORES_ADMIN = 1,	  /* granted by the root */
	STORES_INVITED_ADMIN = 2, /* admitted by an invite for admins that the root signed */
	STORES_MEMBER = 3,	  /* and the numbers after it */
	STORES_STRANGER = 50,
	STORES_INVITES = 100, /* the invite of node n is STORES_INVITES + n */
};

extern struct rng stores_rng;
int stores_start(void **state); /* a group's setup: every program draws the same numbers */

/* All that can be seen of a store. */
struct stores_snapshot {
	uint8_t digest[DIGEST_SIZE];
	size_t count, size;
	struct hash contents; /* of all bytes in order */
};

struct store *stores_new(void);
void stores_put(struct store *store, struct record *record, enum store_result expected);
/* The same for a record made for this one call. */
void stores_give(struct store *store, struct record *record, enum store_result expected);
void stores_give_refused(struct store *store, struct record *record, int expected);
struct stores_snapshot stores_snapshot(struct store *store);
bool stores_equal(const struct stores_snapshot *a, const struct stores_snapshot *b);
void stores_assert_same(struct store *a, struct store *b);
/* The founder's records, and two admins: enough for everybody's chain. */
void stores_founders(struct records_set *set);
void stores_member(struct records_set *set, unsigned admin, unsigned node);
void stores_shuffle(struct record **records, size_t count);
void stores_put_all(struct store *store, struct record *const *records, size_t count);
/* Founders, and a member. */
struct store *stores_with_member(void);
void stores_put_within_quota(struct store *store, struct record *const *records, size_t count);
struct record *stores_sized(unsigned key, size_t size, uint64_t stamp);

#endif
