#include "gossip/replica/store.h"

#include <stdlib.h>

#include "gossip/base/rng.h"
#include "gossip/replica/store_internal.h"
#include "gossip/trust/authority.h"

int store_new(const struct id *mesh, struct rng *rng, const struct kv *values,
	const struct store_observer *observer, struct store **ret)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return ERR_NOMEM;
	store->mesh = *mesh;
	store->rng = rng;
	store->values = values;
	store->cutoff_ms = INT64_MIN;
	if (observer)
		store->observer = *observer;
	map_init(&store->by_hash, sizeof(struct hash), rng);
	map_init(&store->by_slot, sizeof(struct hash), rng);
	map_init(&store->quotas, sizeof(struct id), rng);
	map_init(&store->writers, sizeof(struct id), rng);
	graves_init(&store->graves, rng);
	uses_init(&store->uses, rng);
	digest_init(&store->digest);
	store->final_stale = true;
	*ret = store;
	return 0;
}

void store_free(struct store *store)
{
	struct entry *entry;

	if (!store)
		return;
	map_each (&store->by_slot, at, entry) {
		record_unref(entry->record);
		free(entry);
	}
	map_done(&store->by_hash);
	map_done(&store->by_slot);
	quota_done(&store->quotas);
	writers_done(&store->writers);
	graves_done(&store->graves);
	uses_done(&store->uses);
	waiting_done(&store->waiting);
	free(store);
}

const struct id *store_mesh(const struct store *store)
{
	return &store->mesh;
}

static struct entry *slot_entry(const struct store *store, const struct record *record)
{
	return store_chain_find(
		store, &record->author, record->type, record->key, record->key_size);
}

static bool is_refused(const struct store *store, const struct record *record)
{
	return store_inspect_is_purgeable(record->type) && store_banned(store, &record->author) &&
	       !store_change_spares(store, record);
}

static bool is_beyond_quota(const struct store *store, const struct record *record)
{
	return store_inspect_has_quota(record->type) &&
	       quota_is_beyond(map_get(&store->quotas, &record->author), record);
}

static bool yields(
	const struct store *store, const struct record *held, const struct record *record)
{
	return store->observer.yields &&
	       store->observer.yields(store->observer.context, held, record);
}

static int put_one(struct store *store, struct record *record, enum store_result *ret)
{
	struct entry *held;
	struct facts facts;
	int err;

	if (is_refused(store, record))
		return ERR_REVOKED;
	held = slot_entry(store, record);
	if (held && record_compare(record, held->record) == 0) {
		*ret = STORE_KNOWN;
		return 0;
	}
	err = store_inspect(store, record, &facts);
	if (err)
		return err;
	if (!store_chain_wins(record, &facts, held) && !yields(store, held->record, record)) {
		store_twice_lost(store, record, held->record);
		*ret = STORE_KNOWN;
		return 0;
	}
	if (store_collect_hides(store, record)) {
		*ret = STORE_KNOWN;
		return 0;
	}
	if (!store_chain_holds(store, record, &facts)) {
		waiting_put(&store->waiting, record);
		*ret = STORE_WAITING;
		return 0;
	}
	if (is_beyond_quota(store, record) ||
		store_change_is_beyond_uses(store, record, &facts, held))
		return ERR_LIMIT;
	err = store_inspect_verify(store, record);
	if (!err && store->observer.admit)
		err = store->observer.admit(store->observer.context, record);
	if (err)
		return err;
	store_twice_look(store, record);
	err = store_change_add(store, record, &facts, held, true);
	if (err)
		return err;
	*ret = STORE_ADDED;
	store_collect_added(store, record);
	return 0;
}

static bool lengthens_chains(uint16_t type)
{
	return type == RECORD_GRANT || type == RECORD_ADMISSION;
}

/* Tries all that wait once; tells whether that may have made a chain for others. What still waits
 * goes to the end in its order, so that the queue comes round as it was. */
static bool retry_waiting_once(struct store *store)
{
	size_t count = store->waiting.count;
	bool again = false;

	for (size_t i = 0; i < count; i++) {
		struct record *record = waiting_take(&store->waiting, 0);
		enum store_result result;

		if (put_one(store, record, &result) == 0 && result == STORE_ADDED &&
			lengthens_chains(record->type))
			again = true;
		record_unref(record);
	}
	return again;
}

int store_put(struct store *store, struct record *record, enum store_result *ret)
{
	enum store_result result;
	int err = put_one(store, record, &result);

	if (err)
		return err;
	if (result == STORE_ADDED && lengthens_chains(record->type)) {
		while (retry_waiting_once(store))
			continue;
	}
	*ret = result;
	return 0;
}

int store_restore(struct store *store, struct record *record)
{
	struct entry *held = slot_entry(store, record);
	struct facts facts;
	int err;

	if (is_refused(store, record))
		return ERR_REVOKED;
	err = store_inspect(store, record, &facts);
	if (err)
		return err;
	if (!store_chain_wins(record, &facts, held))
		return 0;
	return store_change_add(store, record, &facts, held, false);
}

void store_restored(struct store *store)
{
	size_t at = 0;

	for (struct quota *quota; (quota = map_next(&store->quotas, &at));)
		store_change_trim(store, quota);
}

void store_ban(struct store *store, const struct id *id)
{
	struct quota *quota;

	if (store_change_quota(store, id, &quota) == 0)
		quota->banned = true;
	store_change_remove_said(store, id);
}

void store_unban(struct store *store, const struct id *id)
{
	struct quota *quota = map_get(&store->quotas, id);

	if (!quota)
		return;
	quota->banned = false;
	quota_forget_idle(&store->quotas, quota);
}

bool store_banned(const struct store *store, const struct id *id)
{
	const struct quota *quota = map_get(&store->quotas, id);

	return quota && quota->banned;
}
