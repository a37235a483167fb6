#include "gossip/replica/store_internal.h"

#include <assert.h>

#include "gossip/base/rng.h"
#include "gossip/record/descriptor.h"
#include "gossip/record/hlc.h"
#include "gossip/record/macs.h"

static bool is_before(const struct record *record, int64_t ms)
{
	return hlc_stamp_ms(record->stamp) < ms;
}

/* ---- MACs of who is not attached any more ---- */

/* Whether the author's last word is that it is attached: a lease that is over long since is none,
 * nor is what was said before it left. */
static bool is_attached(const struct store *store, const struct id *author, uint32_t vni)
{
	const struct record *record = store_slot(store, author, RECORD_DESCRIPTOR, NULL, 0);
	struct descriptor said;

	return record && (record->expiry_ms == 0 || record->expiry_ms >= store->cutoff_ms) &&
	       !store_slot(store, author, RECORD_LEAVE, NULL, 0) &&
	       descriptor_read(record, &said) == 0 && descriptor_has_segment(&said, vni);
}

static bool is_idle(const struct store *store, const struct record *record)
{
	struct macs_reader macs;

	return record->type == RECORD_MACS && is_before(record, store->cutoff_ms) &&
	       macs_read(record, &macs) == 0 && !is_attached(store, &record->author, macs.vni);
}

/* Takes out what is idle of the author, the oldest first; false: there is more to do. */
static bool drop_idle(struct store *store, const struct id *author, size_t *most)
{
	struct order_key at = ORDER_START;
	const struct quota *quota;
	struct order_node *node;

	while ((quota = map_get(&store->quotas, author)) &&
		(node = order_after(&quota->runs[QUOTA_MACS].order, &at)) &&
		is_before(node->record, store->cutoff_ms)) {
		at = order_key(node->record);
		if (!is_idle(store, node->record))
			continue;
		if ((*most)-- == 0)
			return false;
		store_change_remove(store, &store_owner_of(node, struct quota_entry, own)->entry);
	}
	return true;
}

/* A walk may miss some: then there is another. */
static bool drop_all_idle(struct store *store, size_t *most)
{
	const struct quota *quota;
	size_t at = 0, count;

	do {
		count = store->by_slot.count;
		for (at = 0; (quota = map_next(&store->quotas, &at));) {
			const struct id author = quota->author;

			if (!drop_idle(store, &author, most))
				return false;
		}
	} while (store->by_slot.count != count);
	return true;
}

/* ---- tombstones, and what they hide ---- */

bool store_collect_hides(const struct store *store, const struct record *record)
{
	const struct record *tombstone =
		record->type == RECORD_VALUE
			? graves_at(&store->graves, record->key, record->key_size)
			: NULL;

	return is_idle(store, record) || (tombstone && value_compare(record, tombstone) <= 0);
}

static void forget_grave(struct store *store, const struct id *author)
{
	struct quota *quota = map_get(&store->quotas, author);

	assert(quota && quota->graves);
	quota->graves--;
	quota_forget_idle(&store->quotas, quota);
}

/* The tombstone of that key's grave hides nothing any more. */
static void end_grave(struct store *store, const struct record *of, const struct record *successor)
{
	struct record *tombstone = graves_take(&store->graves, of->key, of->key_size);

	if (!tombstone)
		return;
	forget_grave(store, &tombstone->author);
	if (store->observer.removed)
		store->observer.removed(store->observer.context, tombstone, successor);
	record_unref(tombstone);
}

/* Of one author as many graves as tombstones: who keeps to its quota deletes no more in ten days,
 * let alone in the day that graves last. Others would fill every disk with tombstones that are old
 * when they come. */
static int dig(struct store *store, struct record *tombstone)
{
	struct quota *quota;
	int err = store_change_quota(store, &tombstone->author, &quota);

	if (err)
		return err;
	err = quota->graves < quota_limits(QUOTA_TOMBSTONES, quota->large).records
		      ? graves_add(&store->graves, tombstone, (uint32_t)rng_u64(store->rng))
		      : ERR_LIMIT;
	if (!err)
		quota->graves++;
	quota_forget_idle(&store->quotas, quota);
	return err;
}

static struct entry *entry_of(const struct store *store, const struct record *record)
{
	return map_get(&store->by_hash, &record->hash);
}

/* One of the key's that the tombstone hides. */
static struct entry *hidden_by(const struct store *store, const struct record *tombstone)
{
	const struct record *record;

	for (size_t i = 0;
		(record = kv_record(store->values, tombstone->key, tombstone->key_size, i)); i++) {
		if (value_compare(record, tombstone) < 0)
			return entry_of(store, record);
	}
	return NULL;
}

static void bury(struct store *store, struct record *tombstone)
{
	struct entry *hidden;

	record_ref(tombstone);
	while ((hidden = hidden_by(store, tombstone)))
		store_change_remove(store, hidden);
	end_grave(store, tombstone, NULL); /* of a smaller one: else this were hidden */
	store_change_lift(store, entry_of(store, tombstone));
	if (store->observer.buried)
		store->observer.buried(store->observer.context, tombstone);
	/* beyond the quota, or without memory, it has no grave: it is gone at once */
	if (dig(store, tombstone) != 0 && store->observer.removed)
		store->observer.removed(store->observer.context, tombstone, NULL);
	record_unref(tombstone);
}

void store_collect_added(struct store *store, struct record *record)
{
	const struct record *tombstone;
	size_t most = SIZE_MAX;

	if (record->type == RECORD_DESCRIPTOR || record->type == RECORD_LEAVE)
		(void)drop_idle(store, &record->author, &most); /* there is no end to most */
	if (record->type != RECORD_VALUE || !store->values)
		return;
	tombstone = graves_at(&store->graves, record->key, record->key_size);
	if (tombstone && id_equal(&tombstone->author, &record->author))
		end_grave(store, tombstone, record);
	/* if it is there: it may have been pushed out at once */
	if (value_is_tombstone(record) && is_before(record, store->cutoff_ms) &&
		entry_of(store, record))
		bury(store, record);
}

static struct record *due_of(const struct store *store, const struct quota *quota)
{
	struct order_node *oldest = order_first(&quota->runs[QUOTA_TOMBSTONES].order);

	return oldest && is_before(oldest->record, store->cutoff_ms)
		       ? store_owner_of(oldest, struct quota_entry, own)->entry.record
		       : NULL;
}

static bool end_graves(struct store *store, size_t *most)
{
	const struct record *grave;

	while ((grave = graves_oldest(&store->graves)) &&
		is_before(grave, store->cutoff_ms - GRAVES_MS)) {
		if ((*most)-- == 0)
			return false;
		end_grave(store, grave, NULL);
	}
	return true;
}

/* Of all authors; whether there was none. Those of whom nothing is left are forgotten meanwhile, so
 * that a walk may miss some. */
static bool bury_due(struct store *store, size_t *most, bool *ret_none)
{
	struct quota *quota;
	struct record *due;
	size_t at = 0;

	*ret_none = true;
	while ((quota = map_next(&store->quotas, &at))) {
		due = due_of(store, quota);
		if (!due)
			continue;
		if ((*most)-- == 0)
			return false;
		*ret_none = false;
		bury(store, due);
		at--; /* it may have more */
	}
	return true;
}

bool store_collect(struct store *store, int64_t cutoff_ms, size_t most)
{
	bool none;

	assert(store->values && cutoff_ms >= store->cutoff_ms);
	store->cutoff_ms = cutoff_ms;
	if (!end_graves(store, &most) || !drop_all_idle(store, &most))
		return false;
	do {
		if (!bury_due(store, &most, &none))
			return false;
	} while (!none);
	return true;
}

void store_drop(struct store *store, const struct record *record)
{
	struct entry *entry = entry_of(store, record);

	if (entry)
		store_change_remove(store, entry);
}
