#include "gossip/gossip_effect.h"

#include <assert.h>
#include <stdlib.h>

#include "gossip/gossip_internal.h"

struct effect_node {
	struct effect_node *next;
	struct gossip_effect effect;
	uint8_t bytes[] __attribute__((aligned(8)));
};

/*
 * An allocation that fails here would lose a promise (a write that is never persisted, a reply that
 * never goes out), and there is nobody to tell: the process ends and its disk and its peers know
 * the rest.
 */
struct gossip_effect *gossip_effect_add(
	struct gossip *g, enum gossip_effect_kind kind, const void *bytes, size_t size)
{
	struct effect_node *node = calloc(1, sizeof(*node) + size);

	if (!node)
		abort();
	node->effect.kind = kind;
	if (size) {
		memcpy(node->bytes, bytes, size);
		node->effect.bytes = node->bytes;
		node->effect.size = size;
	}
	*g->effect_last = node;
	g->effect_last = &node->next;
	return &node->effect;
}

void gossip_effect_record(struct gossip *g, const struct record *record, uint64_t number)
{
	struct gossip_effect *effect =
		gossip_effect_add(g, EFFECT_PERSIST_RECORD, record->bytes, record->size);

	effect->ticket = ++g->ticket;
	effect->hash = record->hash;
	effect->number = (int64_t)number;
	effect->to_sign = record->pending;
	effect->stamp = record->stamp;
}

void gossip_effect_remove(struct gossip *g, const struct hash *hash)
{
	struct gossip_effect *effect = gossip_effect_add(g, EFFECT_PERSIST_REMOVE, NULL, 0);

	effect->ticket = ++g->ticket;
	effect->hash = *hash;
}

void gossip_effect_number(struct gossip *g, enum gossip_number name, uint64_t number)
{
	struct gossip_effect *effect = gossip_effect_add(g, EFFECT_PERSIST_NUMBER, NULL, 0);

	effect->ticket = ++g->ticket;
	effect->name = name;
	effect->number = (int64_t)number;
	g->numbers[name] = number;
}

void gossip_effect_event(struct gossip *g, const struct gossip_event *event)
{
	struct gossip_effect *effect = gossip_effect_add(g, EFFECT_EVENT, event, sizeof(*event));

	effect->event = (const struct gossip_event *)(const void *)effect->bytes;
}

void gossip_effect_clear(struct gossip *g)
{
	free(g->taken);
	g->taken = NULL;
	while (g->effect_first) {
		struct effect_node *node = g->effect_first;

		g->effect_first = node->next;
		free(node);
	}
	g->effect_last = &g->effect_first;
}

bool gossip_next_effect(struct gossip *g, struct gossip_effect *ret)
{
	free(g->taken);
	g->taken = g->effect_first;
	if (!g->taken)
		return false;
	g->effect_first = g->taken->next;
	if (!g->effect_first)
		g->effect_last = &g->effect_first;
	*ret = g->taken->effect;
	return true;
}
