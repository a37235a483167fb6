#include "gossip/swim/queue.h"

void queue_action(struct queue_actions *queue, const struct swim_action *action)
{
	if (queue->count == QUEUE_ACTIONS_MAX)
		return;
	queue->ring[(queue->first + queue->count++) % QUEUE_ACTIONS_MAX] = *action;
}

bool queue_next_action(struct queue_actions *queue, struct swim_action *ret)
{
	if (queue->count == 0)
		return false;
	*ret = queue->ring[queue->first];
	queue->first = (queue->first + 1) % QUEUE_ACTIONS_MAX;
	queue->count--;
	return true;
}

void queue_change(struct queue_changes *queue, const struct swim_change *change)
{
	struct swim_change oldest;

	if (queue_changes_full(queue))
		queue_next_change(queue, &oldest);
	queue->ring[(queue->first + queue->count++) % QUEUE_CHANGES_MAX] = *change;
}

bool queue_next_change(struct queue_changes *queue, struct swim_change *ret)
{
	if (queue->count == 0)
		return false;
	*ret = queue->ring[queue->first];
	queue->first = (queue->first + 1) % QUEUE_CHANGES_MAX;
	queue->count--;
	return true;
}

bool queue_changes_full(const struct queue_changes *queue)
{
	return queue->count == QUEUE_CHANGES_MAX;
}
