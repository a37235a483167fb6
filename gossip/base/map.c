#include "gossip/base/map.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/rng.h"

#define CAPACITY_START 16

void map_init(struct map *map, size_t key_size, struct rng *rng)
{
	*map = (struct map){.key_size = key_size};
	rng_bytes(rng, map->hash_key, sizeof(map->hash_key));
}

void map_done(struct map *map)
{
	free(map->slots);
	map->slots = NULL;
	map->count = map->capacity = 0;
}

static size_t home(const struct map *map, const void *key)
{
	uint64_t hash;

	crypto_shorthash((uint8_t *)&hash, key, map->key_size, map->hash_key);
	return hash & (map->capacity - 1);
}

/* The key's slot, or the free one where it would go. */
static size_t find(const struct map *map, const void *key)
{
	size_t at = home(map, key);

	while (map->slots[at].key && memcmp(map->slots[at].key, key, map->key_size) != 0)
		at = (at + 1) & (map->capacity - 1);
	return at;
}

void *map_get(const struct map *map, const void *key)
{
	return map->capacity ? map->slots[find(map, key)].value : NULL;
}

static int grow(struct map *map)
{
	struct map larger = *map;

	larger.capacity = map->capacity ? map->capacity * 2 : CAPACITY_START;
	larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
	if (!larger.slots)
		return ERR_NOMEM;
	for (size_t i = 0; i < map->capacity; i++) {
		if (map->slots[i].key)
			larger.slots[find(&larger, map->slots[i].key)] = map->slots[i];
	}
	free(map->slots);
	*map = larger;
	return 0;
}

int map_put(struct map *map, const void *key, void *value)
{
	if ((map->count + 1) * 5 > map->capacity * 4 && grow(map) != 0)
		return ERR_NOMEM;
	struct map_slot *slot = &map->slots[find(map, key)];

	map->count += slot->key == NULL;
	*slot = (struct map_slot){key, value};
	return 0;
}

void *map_del(struct map *map, const void *key)
{
	if (!map->capacity)
		return NULL;
	size_t mask = map->capacity - 1, hole = find(map, key);
	void *value = map->slots[hole].value;

	if (!map->slots[hole].key)
		return NULL;
	map->slots[hole] = (struct map_slot){NULL, NULL};
	map->count--;
	/* close the gap: whatever probed past the hole moves back into it */
	for (size_t at = (hole + 1) & mask; map->slots[at].key; at = (at + 1) & mask) {
		if (((at - home(map, map->slots[at].key)) & mask) < ((at - hole) & mask))
			continue;
		map->slots[hole] = map->slots[at];
		map->slots[at] = (struct map_slot){NULL, NULL};
		hole = at;
	}
	return value;
}

void *map_next(const struct map *map, size_t *at)
{
	while (*at < map->capacity) {
		const struct map_slot *slot = &map->slots[(*at)++];

		if (slot->key)
			return slot->value;
	}
	return NULL;
}
