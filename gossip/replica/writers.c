#include "gossip/replica/writers.h"

#include <stdlib.h>

#include "gossip/trust/authority.h"

struct words {
	struct id node;
	struct order order;
};

void writers_done(struct map *writers)
{
	struct words *words;

	map_each (writers, at, words)
		free(words);
	map_done(writers);
}

int writers_add(struct map *writers, struct order_node *node)
{
	struct words *words = map_get(writers, node->record->key);

	if (!words) {
		words = calloc(1, sizeof(*words));
		if (!words)
			return ERR_NOMEM;
		memcpy(&words->node, node->record->key, sizeof(words->node));
		if (map_put(writers, &words->node, words) != 0) {
			free(words);
			return ERR_NOMEM;
		}
	}
	order_add(&words->order, node);
	return 0;
}

void writers_remove(struct map *writers, struct order_node *node)
{
	struct words *words = map_get(writers, node->record->key);

	order_remove(&words->order, node);
	if (words->order.tree.root)
		return;
	map_del(writers, &words->node);
	free(words);
}

bool writers_has(const struct map *writers, const struct id *node)
{
	const struct words *words = map_get(writers, node);
	bool granted = false;

	return words && writer_decode(order_last(&words->order)->record, &granted) == 0 && granted;
}
