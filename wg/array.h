/* Arrays that grow: pointer, count and capacity live in their owner. */
#ifndef MESHD_WG_ARRAY_H
#define MESHD_WG_ARRAY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "gossip/base/err.h"

/* Room for at least `count` items of `size` bytes. Returns the array, moved perhaps, with the
 * capacity it has now; NULL if there is no memory: the old one is as it was. */
static inline void *array_reserve(void *items, size_t count, size_t size, size_t *capacity)
{
	size_t wanted = *capacity ? *capacity : 4;
	void *grown;

	if (items && count <= *capacity)
		return items;
	while (wanted < count)
		wanted *= 2;
	grown = reallocarray(items, wanted, size);
	if (grown)
		*capacity = wanted;
	return grown;
}

/* The same for items with keys in them: where it moves, nothing stays behind in memory that is no
 * longer ours. */
static inline void *array_reserve_secret(void *items, size_t count, size_t size, size_t *capacity)
{
	size_t before = *capacity;
	void *grown;

	if (items && count <= before)
		return items;
	grown = array_reserve(NULL, count > 2 * before ? count : 2 * before, size, capacity);
	if (!grown || !items)
		return grown;
	memcpy(grown, items, before * size);
	sodium_memzero(items, before * size);
	free(items);
	return grown;
}

#endif
