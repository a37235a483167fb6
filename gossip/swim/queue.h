/* What the room has to say to its caller, in order, until the caller takes it. */
#ifndef MESHD_GOSSIP_SWIM_QUEUE_H
#define MESHD_GOSSIP_SWIM_QUEUE_H

#include "gossip/swim/swim.h"

/* Beyond: what comes is dropped, as a packet may be. One tick asks for fewer than 100. */
#define QUEUE_ACTIONS_MAX 256
/* Beyond: the oldest is dropped; swim_info has the state. A datagram brings 128 at most, a tick as
 * many as there is room for. */
#define QUEUE_CHANGES_MAX 256

struct queue_actions {
	struct swim_action ring[QUEUE_ACTIONS_MAX];
	size_t first, count;
};

struct queue_changes {
	struct swim_change ring[QUEUE_CHANGES_MAX];
	size_t first, count;
};

void queue_action(struct queue_actions *queue, const struct swim_action *action);
bool queue_next_action(struct queue_actions *queue, struct swim_action *ret);

void queue_change(struct queue_changes *queue, const struct swim_change *change);
bool queue_next_change(struct queue_changes *queue, struct swim_change *ret);
bool queue_changes_full(const struct queue_changes *queue);

#endif
