#include "gossip/replica/graves.h"

#include <assert.h>
#include <stdlib.h>

struct grave {
	struct hash key;
	struct record *tombstone;
	struct order_node node;
};

void graves_init(struct graves *graves, struct rng *rng)
{
	map_init(&graves->by_key, sizeof(struct hash), rng);
	graves->order = (struct order){NULL};
}

void graves_done(struct graves *graves)
{
	struct grave *grave;

	map_each (&graves->by_key, at, grave) {
		record_unref(grave->tombstone);
		free(grave);
	}
	map_done(&graves->by_key);
}

static struct grave *find(const struct graves *graves, const void *key, size_t key_size)
{
	struct hash hash;

	if (!graves->by_key.count)
		return NULL;
	keys_hash(KEYS_TOPIC, key, key_size, &hash);
	return map_get(&graves->by_key, &hash);
}

int graves_add(struct graves *graves, struct record *tombstone, uint32_t priority)
{
	struct grave *grave = calloc(1, sizeof(*grave));

	if (!grave)
		return ERR_NOMEM;
	record_unref(graves_take(graves, tombstone->key, tombstone->key_size));
	keys_hash(KEYS_TOPIC, tombstone->key, tombstone->key_size, &grave->key);
	if (map_put(&graves->by_key, &grave->key, grave) != 0) {
		free(grave);
		return ERR_NOMEM;
	}
	grave->tombstone = record_ref(tombstone);
	grave->node = (struct order_node){.tree.priority = priority, .record = tombstone};
	order_add(&graves->order, &grave->node);
	return 0;
}

struct record *graves_at(const struct graves *graves, const void *key, size_t key_size)
{
	const struct grave *grave = find(graves, key, key_size);

	return grave ? grave->tombstone : NULL;
}

struct record *graves_take(struct graves *graves, const void *key, size_t key_size)
{
	struct grave *grave = find(graves, key, key_size);
	struct record *tombstone = grave ? grave->tombstone : NULL;

	if (!grave)
		return NULL;
	map_del(&graves->by_key, &grave->key);
	order_remove(&graves->order, &grave->node);
	free(grave);
	return tombstone;
}

const struct record *graves_oldest(const struct graves *graves)
{
	const struct order_node *oldest = order_first(&graves->order);

	return oldest ? oldest->record : NULL;
}
