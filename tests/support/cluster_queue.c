#include "tests/support/cluster_internal.h"

/* ---- events ---- */

static bool earlier(const struct event *a, const struct event *b)
{
	return a->at.us != b->at.us ? a->at.us < b->at.us : a->order < b->order;
}

void queue_put(struct cluster *c, struct event *event)
{
	size_t i = c->heap_count++;

	event->order = c->next_order++;
	if (i == c->heap_capacity) {
		c->heap_capacity = c->heap_capacity ? c->heap_capacity * 2 : 1024;
		c->heap = realloc(c->heap, c->heap_capacity * sizeof(struct event *));
		assert(c->heap);
	}
	for (; i && earlier(event, c->heap[(i - 1) / 2]); i = (i - 1) / 2)
		c->heap[i] = c->heap[(i - 1) / 2];
	c->heap[i] = event;
}

struct event *queue_add(struct cluster *c, mtime_t at, enum event_kind kind, int node,
	const void *bytes, size_t size)
{
	struct event *event = malloc(sizeof(*event) + size);

	assert(event);
	*event = (struct event){.at = at,
		.kind = kind,
		.node = node,
		.life = c->nodes[node]->generation,
		.from_node = -1,
		.size = size};
	if (size)
		memcpy(event->bytes, bytes, size);
	queue_put(c, event);
	return event;
}

struct event *queue_pop(struct cluster *c)
{
	struct event *top = c->heap[0], *last = c->heap[--c->heap_count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < c->heap_count) {
		if (child + 1 < c->heap_count && earlier(c->heap[child + 1], c->heap[child]))
			child++;
		if (!earlier(c->heap[child], last))
			break;
		c->heap[i] = c->heap[child];
		i = child;
	}
	c->heap[i] = last;
	return top;
}

/* ---- ticks: every node has a place, by its time and then its number ---- */

static bool sooner(const struct node *a, const struct node *b)
{
	return a->tick_at.us != b->tick_at.us ? a->tick_at.us < b->tick_at.us
					      : a->number < b->number;
}

static void put_tick(struct cluster *c, struct node *node, size_t place)
{
	c->ticks[place] = node;
	node->tick_place = place;
}

void queue_want_tick(struct cluster *c, struct node *node, mtime_t at)
{
	size_t i = node->tick_place, child;

	node->tick_at = at;
	for (; i && sooner(node, c->ticks[(i - 1) / 2]); i = (i - 1) / 2)
		put_tick(c, c->ticks[(i - 1) / 2], i);
	while ((child = 2 * i + 1) < c->tick_count) {
		if (child + 1 < c->tick_count && sooner(c->ticks[child + 1], c->ticks[child]))
			child++;
		if (!sooner(c->ticks[child], node))
			break;
		put_tick(c, c->ticks[child], i);
		i = child;
	}
	put_tick(c, node, i);
}
