#include "gossip/replica/store_internal.h"

#include <assert.h>

#include "gossip/base/rng.h"
#include "gossip/record/hlc.h"

static bool is_before(const struct record *record, int64_t ms)
{
	return hlc_stamp_ms(record->stamp) < ms;
}

bool store_collect_hides(const struct store *store, const struct record *record)
{
	const struct record *tombstone =
		record->type == RECORD_VALUE
			? graves_at(&store->graves, record->key, record->key_size)
			: NULL;

	return tombstone && value_compare(record, tombstone) <= 0;
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
	if (!end_graves(store, &most))
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
