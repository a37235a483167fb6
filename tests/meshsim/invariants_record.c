/* What is on disks: where records come from, and that none that counts is lost. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "gossip/record/hlc.h"
#include "tests/meshsim/invariants_internal.h"

/* One record of each author and stamp, in the order in which they are first seen: a list is enough
 * beside the table by hash, which is what grows. */
struct stamped {
	struct {
		int64_t author;
		uint64_t stamp;
	} key;
	struct hash hash;
};

void invariants_record_done(struct invariants *checker)
{
	struct stamped *stamped;

	map_each (&checker->by_stamp, at, stamped)
		free(stamped);
	map_done(&checker->by_stamp);
}

static bool is_honest(const struct invariants *checker, int author)
{
	return author >= 0 && !checker->nodes[author].dishonest;
}

static void put(struct map *map, const void *key, void *value)
{
	int err = map_put(map, key, value);

	assert(err == 0);
	(void)err;
}

static void check_stamp(
	struct invariants *checker, int node, const struct invariants_record *record)
{
	struct stamped probe = {.key = {record->author, record->stamp}}, *known;

	if (!is_honest(checker, record->author))
		return;
	if (!checker->by_stamp.key_size)
		map_init(&checker->by_stamp, sizeof(probe.key), &checker->rng);
	known = map_get(&checker->by_stamp, &probe.key);
	if (!known) {
		known = malloc(sizeof(*known));
		assert(known);
		*known = probe;
		known->hash = record->hash;
		put(&checker->by_stamp, &known->key, known);
	}
	invariants_check(checker, INVARIANT_STAMP_ONCE, hash_equal(&known->hash, &record->hash),
		node, "two records by n%d at %llu", record->author,
		(unsigned long long)record->stamp);
}

static struct written *written_of(
	struct invariants *checker, const struct invariants_record *record)
{
	struct written *written = map_get(&checker->by_hash, &record->hash);

	if (written)
		return written;
	written = calloc(1, sizeof(*written));
	assert(written);
	written->record = *record;
	put(&checker->by_hash, &written->record.hash, written);
	return written;
}

static bool is_later(const struct invariants_record *record, const struct latest *latest)
{
	if (record->stamp != latest->stamp)
		return record->stamp > latest->stamp;
	return memcmp(&record->hash, &latest->hash, sizeof(record->hash)) > 0;
}

/* An admission that makes an admin stands above one that does not, and of two proofs about one node
 * that of the lower stamp stays, whatever their own stamps. */
static bool has_own_order(uint16_t type)
{
	return type == RECORD_ADMISSION || type == RECORD_EQUIVOCATION;
}

/* In each other slot time goes one way. */
static void check_slot(struct invariants *checker, int node, const struct invariants_record *record)
{
	const struct latest *latest = map_get(&checker->nodes[node].slots, &record->slot);

	if (latest)
		invariants_check(checker, INVARIANT_DELETED,
			has_own_order(record->type) || hash_equal(&record->hash, &latest->hash) ||
				is_later(record, latest),
			node, "%s by n%d of %llu after one of %llu",
			record_type_label(record->type), record->author,
			(unsigned long long)record->stamp, (unsigned long long)latest->stamp);
}

void invariants_on_disk(
	struct invariants *checker, int node, const struct invariants_record *record)
{
	struct latest *latest = map_get(&checker->nodes[node].slots, &record->slot);
	struct written *written = written_of(checker, record);

	written->holders |= UINT64_C(1) << node;
	written->lost = false;
	if (node == record->author)
		written->author_lost = false;
	if (!latest) {
		latest = calloc(1, sizeof(*latest));
		assert(latest);
		latest->slot = record->slot;
		put(&checker->nodes[node].slots, &latest->slot, latest);
	} else if (!is_later(record, latest)) {
		return;
	}
	latest->hash = record->hash;
	latest->stamp = record->stamp;
}

void invariants_kept(struct invariants *checker, int node, const struct invariants_record *record,
	int64_t mesh_ms)
{
	const struct written *written = written_of(checker, record);
	bool own = record->author == node, authority = authority_concerns(record->type);

	/* written once more: what it shows has another number */
	if (record->type == RECORD_VALUE && written->holders >> node & 1)
		return;
	check_stamp(checker, node, record);
	/* what it signs goes to its disk before its store looks at it */
	if (!own && !(record->author >= 0 && checker->nodes[node].purged >> record->author & 1))
		check_slot(checker, node, record);
	invariants_on_disk(checker, node, record);
	if (own)
		return;
	if (is_honest(checker, record->author))
		invariants_check(checker, INVARIANT_PERSISTED_FIRST, written->acknowledged, node,
			"%s by n%d is not on its disk", record_type_label(record->type),
			record->author);
	if (!authority)
		invariants_check(checker, INVARIANT_STAMP_BOUNDED,
			hlc_stamp_ms(record->stamp) <= mesh_ms + HLC_AHEAD_MAX_MS, node,
			"%s by n%d is %lld ms ahead", record_type_label(record->type),
			record->author, (long long)(hlc_stamp_ms(record->stamp) - mesh_ms));
	if (!authority && record->author >= 0)
		invariants_check(checker, INVARIANT_REVOKED_SILENT,
			!(checker->nodes[node].revoked >> record->author & 1), node,
			"%s by n%d, who is revoked", record_type_label(record->type),
			record->author);
}

const struct invariants_record *invariants_find(
	const struct invariants *checker, const struct hash *hash)
{
	const struct written *written = map_get(&checker->by_hash, hash);

	return written ? &written->record : NULL;
}

/* It has fallen with its author. What it had replaced may stand where it never came, and is gone
 * where it did. */
static void forget_latest(struct invariants *checker, int node, struct written *written)
{
	struct map *slots = &checker->nodes[node].slots;
	struct latest *latest = map_get(slots, &written->record.slot);
	struct written *other;

	map_each (&checker->by_hash, at, other)
		other->replaced |= hash_equal(&other->record.slot, &written->record.slot) &&
				   other->record.stamp <= written->record.stamp;
	if (!latest || !hash_equal(&latest->hash, &written->record.hash))
		return;
	map_del(slots, &latest->slot);
	free(latest);
}

void invariants_removed(struct invariants *checker, int node, const struct hash *hash, bool counts)
{
	struct written *written = map_get(&checker->by_hash, hash);
	const struct latest *latest;

	if (!written)
		return;
	written->holders &= ~(UINT64_C(1) << node);
	if (!counts) {
		forget_latest(checker, node, written);
		return;
	}
	latest = map_get(&checker->nodes[node].slots, &written->record.slot);
	written->replaced |=
		(latest && !hash_equal(&latest->hash, hash)) || has_own_order(written->record.type);
	if (written->record.type == RECORD_REVOCATION ||
		written->record.type == RECORD_ADMIN_REVOCATION)
		checker->nodes[node].revocation = written;
}

/* The latest of what the node holds in that slot. */
static const struct written *latest_held(
	struct invariants *checker, int node, const struct hash *slot)
{
	const struct written *other, *found = NULL;

	map_each (&checker->by_hash, at, other) {
		if (other->holders >> node & 1 && hash_equal(&other->record.slot, slot) &&
			(!found || other->record.stamp > found->record.stamp))
			found = other;
	}
	return found;
}

void invariants_taken_back(struct invariants *checker, int node, const struct hash *hash)
{
	struct written *written = map_get(&checker->by_hash, hash);
	const struct written *anew;
	struct latest *latest;

	if (!written)
		return;
	written->holders &= ~(UINT64_C(1) << node);
	written->replaced = true;
	latest = map_get(&checker->nodes[node].slots, &written->record.slot);
	if (!latest || !hash_equal(&latest->hash, hash))
		return;
	anew = latest_held(checker, node, &written->record.slot);
	invariants_check(checker, INVARIANT_SURVIVES, anew || written->record.author != node, node,
		"%s of %llu is taken back, and not said anew",
		record_type_label(written->record.type), (unsigned long long)written->record.stamp);
	if (anew) {
		latest->hash = anew->record.hash;
		latest->stamp = anew->record.stamp;
		return;
	}
	map_del(&checker->nodes[node].slots, &latest->slot);
	free(latest);
}

void invariants_check_revocation(struct invariants *checker, int node)
{
	const struct written *written = checker->nodes[node].revocation;
	const struct latest *latest;

	if (!written)
		return;
	checker->nodes[node].revocation = NULL;
	latest = map_get(&checker->nodes[node].slots, &written->record.slot);
	invariants_check(checker, INVARIANT_REVOCATION_KEPT,
		latest && !hash_equal(&latest->hash, &written->record.hash), node,
		"the one by n%d is removed, and none has taken its place", written->record.author);
}

void invariants_written(struct invariants *checker, const struct hash *hash)
{
	struct written *written = map_get(&checker->by_hash, hash);

	if (written)
		written->acknowledged = true;
}

void invariants_revoked(struct invariants *checker, int node, int subject)
{
	checker->nodes[node].revoked |= UINT64_C(1) << subject;
	checker->nodes[node].purged |= UINT64_C(1) << subject;
}

void invariants_disk_lost(struct invariants *checker, int node)
{
	struct node_facts *facts = &checker->nodes[node];
	struct written *written;
	struct latest *latest;

	map_each (&checker->by_hash, at, written) {
		if (!(written->holders >> node & 1))
			continue;
		written->holders &= ~(UINT64_C(1) << node);
		written->lost |= !written->holders;
		written->author_lost |= written->record.author == node;
	}
	map_each (&facts->slots, at, latest)
		free(latest);
	map_done(&facts->slots);
	map_init(&facts->slots, sizeof(struct hash), &checker->rng);
	facts->revoked = 0;
	memset(facts->shown, 0, sizeof(facts->shown));
	for (int i = 0; i < INVARIANTS_NODES_MAX; i++)
		facts->seen[i] = (struct seen){.known = false};
}

/* ---- the end ---- */

static bool holds(const struct invariants *checker, int node, const struct written *written)
{
	const struct node_facts *facts = &checker->nodes[node];
	const struct latest *latest = map_get(&facts->slots, &written->record.slot);

	if (written->holders >> node & 1)
		return true;
	/* replaced; and who was let in twice is a member by the one that makes more of it */
	if (latest && !hash_equal(&latest->hash, &written->record.hash) &&
		(has_own_order(written->record.type) || !is_later(&written->record, latest)))
		return true;
	return facts->revoked >> written->record.author & 1 &&
	       !authority_concerns(written->record.type);
}

/* What nobody has who is there in the end, its author neither, was lost with those who had it. */
static void check_written(struct invariants *checker, const struct written *written,
	const struct invariants_end *ends, size_t count)
{
	bool there = false;

	if (!written->acknowledged || written->lost || written->replaced ||
		!is_honest(checker, written->record.author))
		return;
	for (size_t i = 0; i < count; i++)
		there |= (ends[i].node == written->record.author && !written->author_lost) ||
			 (written->holders >> ends[i].node & 1);
	for (size_t i = 0; there && i < count; i++)
		invariants_check(checker, INVARIANT_SURVIVES, holds(checker, ends[i].node, written),
			ends[i].node, "%s by n%d of %llu is missing",
			record_type_label(written->record.type), written->record.author,
			(unsigned long long)written->record.stamp);
}

void invariants_calm(struct invariants *checker, const struct invariants_end *ends, size_t count)
{
	struct written *written;

	for (size_t i = 1; i < count; i++) {
		invariants_check(checker, INVARIANT_AGREE,
			memcmp(ends[0].records, ends[i].records, sizeof(ends[0].records)) == 0,
			ends[i].node, "its records are others than n%d's", ends[0].node);
		invariants_check(checker, INVARIANT_AGREE,
			memcmp(ends[0].view, ends[i].view, sizeof(ends[0].view)) == 0, ends[i].node,
			"its view is another than n%d's", ends[0].node);
	}
	map_each (&checker->by_hash, at, written)
		check_written(checker, written, ends, count);
	invariants_value_calm(checker, ends, count);
}
