/*
 * The insides of the store, shared by store*.c only. Each file is one idea:
 *
 *   store.c           its life, and what is put: found fit, and then added
 *   store_inspect.c   what a record is by itself: form and signatures
 *   store_chain.c     slots, and who must be known before a record may enter
 *   store_change.c    what comes and goes, with all that hangs on it
 *   store_twice.c     whoever signs two bodies with one stamp
 *   store_collect.c   what goes when its time is over
 *   store_look.c      what is there
 */
#ifndef MESHD_GOSSIP_REPLICA_STORE_INTERNAL_H
#define MESHD_GOSSIP_REPLICA_STORE_INTERNAL_H

#include "gossip/base/map.h"
#include "gossip/replica/graves.h"
#include "gossip/replica/store.h"
#include "gossip/replica/uses.h"
#include "gossip/replica/waiting.h"
#include "gossip/replica/writers.h"

/* Of an admission: what the store needs to know of its invite. */
struct facts {
	struct hash invite; /* its record */
	struct id inviter;  /* who signed it */
	bool makes_admin;   /* the root signed it for admins */
	size_t limit;	    /* of its admissions that are stored */
};

/* What holds a slot: by the record's type one of the four. There are two for each pair of nodes in
 * the mesh, so that none has room for what it does not need. */
struct entry {
	struct record *record;
	struct hash slot; /* of author, type and key */
	struct order_node all;
};

struct admission_entry {
	struct entry entry;
	struct facts facts;
	struct uses_claim claim;
};

struct quota_entry {
	struct entry entry;
	struct quota *quota; /* on which it counts */
	struct order_node own;
};

struct writer_entry {
	struct entry entry;
	bool counted;
	struct order_node word;
};

struct store {
	struct id mesh;
	struct rng *rng;
	struct store_observer observer;
	struct map by_hash; /* entry by its record's hash */
	struct map by_slot; /* entry by its slot */
	struct map quotas;  /* by author */
	struct map writers;
	struct order all;
	struct uses_table uses;
	size_t size_bytes;
	struct digest digest;	    /* of all but revocations */
	struct hash revocations;    /* the chain of those; good unless stale */
	uint8_t final[DIGEST_SIZE]; /* of both; good unless stale */
	bool revocations_stale, final_stale;
	uint64_t authority_version;
	struct waiting waiting;
	const struct kv *values; /* NULL: nothing is collected */
	struct graves graves;
	int64_t cutoff_ms;
};

#define store_owner_of(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

/* NULL: it is none. */
static inline struct admission_entry *store_admission_entry(struct entry *entry)
{
	return entry && entry->record->type == RECORD_ADMISSION ? (struct admission_entry *)entry
								: NULL;
}

/* store_inspect.c */
/* Refuses what no view could read. ERR_MALFORMED, ERR_NOMEM. */
int store_inspect(
	const struct store *store, const struct record *record, struct facts *ret) MUST_CHECK;
/* All its signatures. */
int store_inspect_verify(const struct store *store, const struct record *record) MUST_CHECK;
/* What the author keeps for as long as it is a member, and what its revocation takes away. */
bool store_inspect_is_purgeable(uint16_t type);
bool store_inspect_has_quota(uint16_t type);

/* store_chain.c */
void store_chain_slot(
	const struct id *author, uint16_t type, const void *key, size_t key_size, struct hash *ret);
struct entry *store_chain_find(const struct store *store, const struct id *author, uint16_t type,
	const void *key, size_t key_size);
/* Whether the record takes the slot from the one that holds it. */
bool store_chain_wins(
	const struct record *record, const struct facts *facts, const struct entry *held);
bool store_chain_is_admin(const struct store *store, const struct id *id);
/* Whether its quota is the large one. */
bool store_chain_is_large(const struct store *store, const struct id *id);
/* Whether all is there that it hangs on. */
bool store_chain_holds(
	const struct store *store, const struct record *record, const struct facts *facts);
/* Nothing of one that is no admission. */
const struct facts *store_chain_facts(const struct entry *entry);

/* store_change.c */
bool store_change_is_beyond_uses(const struct store *store, const struct record *record,
	const struct facts *facts, struct entry *held);
int store_change_quota(struct store *store, const struct id *id, struct quota **ret) MUST_CHECK;
/* Adds what was found fit to be added, and takes out what it replaces (held) or pushes out. */
int store_change_add(struct store *store, struct record *record, const struct facts *facts,
	struct entry *held, bool report) MUST_CHECK;
void store_change_remove(struct store *store, struct entry *entry);
/* Takes it out, and reports nothing. */
void store_change_lift(struct store *store, struct entry *entry);
/* Takes out what is beyond the author's quota. */
void store_change_trim(struct store *store, struct quota *quota);
/* What a member says, apart from authority; and of a banned one apart from what the observer
 * spares.
 */
void store_change_remove_said(struct store *store, const struct id *id);
bool store_change_spares(const struct store *store, const struct record *record);

/* store_twice.c */
/* Of two proofs about one author that of the lower stamp stays. */
bool store_twice_wins(const struct record *record, const struct record *held);
/* Tells the observer if a verified record's author said something else with that stamp. The second
 * is for one that has lost its slot to `held`. */
void store_twice_look(const struct store *store, const struct record *record);
void store_twice_lost(
	const struct store *store, const struct record *record, const struct record *held);

/* store_collect.c */
/* Whether a tombstone that was collected hides it; or it is as old, and of a segment that its
 * author has left. */
bool store_collect_hides(const struct store *store, const struct record *record);
/* After it was put: a tombstone whose time is over, or who takes the slot of one; a descriptor that
 * tells which segments its author has left. */
void store_collect_added(struct store *store, struct record *record);

#endif
