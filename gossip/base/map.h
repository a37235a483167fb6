/*
 * A hash map from keys of one fixed size to pointers. Keys are borrowed: they live inside the value
 * or elsewhere for as long as the entry does. Hashing is SipHash under a key of the map's own, so
 * that nobody outside can choose collisions.
 *
 * Iteration is by slot, in no order that means anything; nothing may be added or deleted during it.
 */
#ifndef MESHD_GOSSIP_BASE_MAP_H
#define MESHD_GOSSIP_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gossip/base/err.h"

struct rng;

struct map_slot {
	const void *key; /* NULL: free */
	void *value;
};

struct map {
	struct map_slot *slots; /* a power of two of them, linear probing, at most 4/5 full */
	size_t count, capacity;
	size_t key_size;
	uint8_t hash_key[16];
};

void map_init(struct map *map, size_t key_size, struct rng *rng);
void map_done(struct map *map); /* the values are the caller's */
void *map_get(const struct map *map, const void *key);
/* Adds or replaces (key and value both); ERR_NOMEM. */
int map_put(struct map *map, const void *key, void *value) MUST_CHECK;
/* The value that was there, or NULL. */
void *map_del(struct map *map, const void *key);
/* The next value from slot *at on, which it advances; NULL at the end. Start with *at = 0. */
void *map_next(const struct map *map, size_t *at);

#define map_each(map, at, value) for (size_t at = 0; ((value) = map_next(map, &at));)

#endif
