/*
 * The store keeps whatever is well-formed, signed, chained to the root by structure and within
 * quota; its digest covers just that and converges whatever the clocks say. Who is a member, what
 * is valid or expired are views computed from it elsewhere.
 *
 * One slot for each (author, type, key); in a slot the later (stamp, hash) wins, but an admission
 * that makes an admin (root-signed invite) wins over one that does not: chains only grow; and of
 * proofs that somebody signed two bodies with one stamp there is one slot for each such node,
 * whoever brings them, and the lowest stamp wins. Putting
 * the same records in any order, any number of times, gives the same store, bit for bit.
 *
 * A record whose chain is not there yet waits in a bounded pool outside the digest and is tried
 * again when authority arrives. Authors that are revoked are purged and refused (store_ban); their
 * revocation never is.
 */
#ifndef MESHD_GOSSIP_REPLICA_STORE_H
#define MESHD_GOSSIP_REPLICA_STORE_H

#include "gossip/record/digest.h"
#include "gossip/record/record.h"
#include "gossip/replica/kv.h"
#include "gossip/replica/order.h"
#include "gossip/replica/quota.h"

struct rng;
struct store;

#define STORE_WAITING_MAX      256 /* records whose chain is missing; the oldest goes first */
#define STORE_WAITING_SIZE_MAX (512 * 1024) /* bytes of them */

#define STORE_DESCRIPTOR_MAX 4096 /* bytes of value: several times what this version says */

/* What happened to the set. Called in the midst of a change: take note, do not call the store. A
 * replaced record is reported removed, with its successor, which is then added; without one it is
 * NULL. Restored ones are not reported. */
struct store_observer {
	void (*added)(void *context, struct record *record);
	void (*removed)(void *context, struct record *record, const struct record *successor);
	/* A tombstone is collected: it is no part of the store any more, but goes on to hide what
	 * it hid until it is reported removed. Meanwhile a node keeps it on its disk. */
	void (*buried)(void *context, struct record *record);
	/* Asked last, of a record that would be added and is verified; what it answers but 0 is
	 * store_put's error. NULL: yes. */
	int (*admit)(void *context, const struct record *record);
	/* Of a banned author: whether this one stays all the same. NULL: none does. */
	bool (*spare)(void *context, const struct record *record);
	/* Of a record that would lose to the one that holds its slot: whether that makes way all
	 * the same. NULL: none does. */
	bool (*yields)(void *context, const struct record *held, const struct record *record);
	/* Both are verified, of one author and stamp, and have different bodies. Either may be
	 * about to go. Not told where a proof of it is in the store. */
	void (*twice)(void *context, const struct record *record, const struct record *other);
	void *context;
};

/* rng is borrowed for the store's life: it keeps others from choosing the shape of its trees.
 * values, borrowed too, is what the observer makes of what it is told: by it the records of a key
 * are found. NULL: then nothing is collected. */
int store_new(const struct id *mesh, struct rng *rng, const struct kv *values,
	const struct store_observer *observer, struct store **ret) MUST_CHECK;
void store_free(struct store *store);
const struct id *store_mesh(const struct store *store);

enum store_result {
	STORE_ADDED,   /* new, or later than what the slot held */
	STORE_KNOWN,   /* the same, or older than what the slot holds */
	STORE_WAITING, /* its chain is missing: in the pool */
};

/* A decoded record from anywhere. Verifies its signature (and an admission's inner ones) only when
 * it would be added. Takes its own reference. Errors: ERR_BAD_SIGNATURE, ERR_BAD_KEY, ERR_MALFORMED
 * (an authority record's value), ERR_REVOKED (banned author), ERR_LIMIT (beyond the author's
 * quota (replica/quota.h), or an admission beyond its invite's uses and AUTHORITY_OVERSPENT_MAX:
 * replica/uses.h). */
int store_put(struct store *store, struct record *record, enum store_result *ret) MUST_CHECK;
/* A record from this node's own disk, in any order: trusted, so neither its signature nor its chain
 * is looked at again, and not reported. Errors as store_put's. */
int store_restore(struct store *store, struct record *record) MUST_CHECK;
/* All is restored: now quotas count. What is beyond them goes, and is reported. */
void store_restored(struct store *store);
/* From now on this author's records are refused, and those in the store go: all that
 * authority_concerns does not name. What it signed of authority stands or falls by the view alone,
 * and its admission stays, since a use is spent for ever. unban lets them come back by the next
 * sync. */
void store_ban(struct store *store, const struct id *author);
void store_unban(struct store *store, const struct id *author);
bool store_banned(const struct store *store, const struct id *author);
/* Takes out an admission, with what it was the chain of, or what an admin signed, with whatever is
 * beyond an invite's uses without it. For what the observer would not admit any more. */
void store_remove(struct store *store, struct record *record);

/* Collects: of each key whose tombstone is older than the cutoff, that goes, with all records of
 * the key that it hides, whoever wrote them; and what a member said of MACs before the cutoff on a
 * segment that it is not attached to, by its descriptor. So all who hold the same records and
 * collect by the same cutoff hold the same ones then. Cutoffs only grow. Does so much at a time;
 * false: there is more to do. */
bool store_collect(struct store *store, int64_t cutoff_ms, size_t most) MUST_CHECK;
/* Takes out one record, reported. */
void store_drop(struct store *store, const struct record *record);

struct record *store_find(const struct store *store, const struct hash *hash);
struct record *store_slot(const struct store *store, const struct id *author, uint16_t type,
	const void *key, size_t key_size);
/* A name for the slot of (author, type, key); and what is in the slot of that name. */
void store_topic(const struct record *record, struct hash *ret);
struct record *store_at_topic(const struct store *store, const struct hash *topic);
/* Walks all records in their order, authority first, from the first after `after` (NULL: from the
 * start). The walk may be interleaved with changes, if the caller holds a reference to `after` over
 * them. NULL at the end. */
struct record *store_after(const struct store *store, const struct record *after);
/* Ranges, for reconciliation: see replica/order.h. */
const struct order *store_order(const struct store *store);
struct record *store_record(struct order_node *node); /* of store_order */

/* What an author has of its quota. */
struct store_usage {
	size_t records, size_bytes;
	struct quota_limits limits;
};
struct store_usage store_usage(
	const struct store *store, const struct id *author, enum quota_class class);
/* Whether it is one more of such, of which its author has all that it may: an older one would go.
 */
bool store_is_one_more(const struct store *store, const struct record *record);
size_t store_count(const struct store *store);
size_t store_size(const struct store *store); /* bytes of all records */
/* Kept until the set changes. */
void store_digest(struct store *store, uint8_t ret[DIGEST_SIZE]);
/* Counts changes to the records that authority_concerns: a view computed at one value is good until
 * the next. */
uint64_t store_authority_version(const struct store *store);

#endif
