#include "gossip/replica/store.h"

#include <stdlib.h>

#include "gossip/base/rng.h"
#include "gossip/replica/store_internal.h"
#include "gossip/trust/authority.h"

int store_new(const struct id *mesh, struct rng *rng, const struct store_observer *observer,
	struct store **ret)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return ERR_NOMEM;
	store->mesh = *mesh;
	store->rng = rng;
	if (observer)
		store->observer = *observer;
	map_init(&store->by_hash, sizeof(struct hash), rng);
	map_init(&store->by_slot, sizeof(struct hash), rng);
	map_init(&store->authors, sizeof(struct id), rng);
	uses_init(&store->uses, rng);
	digest_init(&store->digest);
	store->final_stale = true;
	*ret = store;
	return 0;
}

void store_free(struct store *store)
{
	struct author *author;
	struct entry *entry;

	if (!store)
		return;
	map_each (&store->by_slot, at, entry) {
		record_unref(entry->record);
		free(entry);
	}
	map_each (&store->authors, at, author)
		free(author);
	map_done(&store->by_hash);
	map_done(&store->by_slot);
	map_done(&store->authors);
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
	if (!store_chain_wins(record, &facts, held)) {
		store_twice_lost(store, record, held->record);
		*ret = STORE_KNOWN;
		return 0;
	}
	if (!store_chain_holds(store, record, &facts)) {
		waiting_put(&store->waiting, record);
		*ret = STORE_WAITING;
		return 0;
	}
	if (store_change_is_beyond_quota(store, record) ||
		store_change_is_beyond_uses(store, record, &facts, held))
		return ERR_LIMIT;
	err = store_inspect_verify(store, record);
	if (!err && store->observer.admit)
		err = store->observer.admit(store->observer.context, record);
	if (err)
		return err;
	store_twice_look(store, record);
	err = store_change_add(store, record, &facts, held, true);
	if (!err)
		*ret = STORE_ADDED;
	return err;
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
	return store_change_is_beyond_quota(store, record)
		       ? ERR_LIMIT
		       : store_change_add(store, record, &facts, held, false);
}

void store_ban(struct store *store, const struct id *id)
{
	struct author *author;

	if (store_change_author(store, id, &author) == 0)
		author->banned = true;
	store_change_remove_said(store, id);
}

void store_unban(struct store *store, const struct id *id)
{
	struct author *author = map_get(&store->authors, id);

	if (!author)
		return;
	author->banned = false;
	store_change_forget_author(store, author);
}

bool store_banned(const struct store *store, const struct id *id)
{
	const struct author *author = map_get(&store->authors, id);

	return author && author->banned;
}
