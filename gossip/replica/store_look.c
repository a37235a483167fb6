#include "gossip/replica/store_internal.h"

struct record *store_find(const struct store *store, const struct hash *hash)
{
	const struct entry *entry = map_get(&store->by_hash, hash);

	return entry ? entry->record : NULL;
}

struct record *store_slot(const struct store *store, const struct id *author, uint16_t type,
	const void *key, size_t key_size)
{
	const struct entry *entry = store_chain_find(store, author, type, key, key_size);

	return entry ? entry->record : NULL;
}

void store_topic(const struct record *record, struct hash *ret)
{
	store_chain_slot(&record->author, record->type, record->key, record->key_size, ret);
}

struct record *store_at_topic(const struct store *store, const struct hash *topic)
{
	const struct entry *entry = map_get(&store->by_slot, topic);

	return entry ? entry->record : NULL;
}

struct record *store_record(struct order_node *node)
{
	return store_owner_of(node, struct entry, all)->record;
}

const struct order *store_order(const struct store *store)
{
	return &store->all;
}

struct record *store_after(const struct store *store, const struct record *after)
{
	struct order_node *node;

	if (after) {
		struct order_key key = order_key(after);

		node = order_after(&store->all, &key);
	} else {
		node = order_first(&store->all);
	}
	return node ? store_record(node) : NULL;
}

struct store_usage store_usage(
	const struct store *store, const struct id *author, enum quota_class class)
{
	const struct quota *quota = map_get(&store->quotas, author);

	return (struct store_usage){.records = quota ? quota->runs[class].records : 0,
		.size_bytes = quota ? quota->runs[class].size_bytes : 0,
		.limits = quota_limits(class, store_chain_is_large(store, author))};
}

bool store_is_one_more(const struct store *store, const struct record *record)
{
	enum quota_class class = quota_class(record);
	const struct record *held;

	if (!store_inspect_has_quota(record->type) ||
		!quota_is_full(map_get(&store->quotas, &record->author), class))
		return false;
	held = store_slot(store, &record->author, record->type, record->key, record->key_size);
	return !held || quota_class(held) != class;
}

size_t store_count(const struct store *store)
{
	return store->by_slot.count;
}

size_t store_size(const struct store *store)
{
	return store->size_bytes;
}

static int chain_one(void *context, struct order_node *node)
{
	digest_chain(context, &node->record->hash);
	return 0;
}

static void chain_revocations(struct store *store)
{
	const struct order_key low = ORDER_START, high = {.class = ORDER_REVOCATION + 1};

	store->revocations = (struct hash){0};
	(void)order_walk(&store->all, &low, &high, chain_one, &store->revocations);
	store->revocations_stale = false;
}

void store_digest(struct store *store, uint8_t ret[DIGEST_SIZE])
{
	if (store->revocations_stale)
		chain_revocations(store);
	if (store->final_stale) {
		digest_final(&store->digest, &store->revocations, store->final);
		store->final_stale = false;
	}
	memcpy(ret, store->final, DIGEST_SIZE);
}

uint64_t store_authority_version(const struct store *store)
{
	return store->authority_version;
}
