/* What admins said of whether a node is a writer: of all that is stored the latest word. */
#ifndef MESHD_GOSSIP_REPLICA_WRITERS_H
#define MESHD_GOSSIP_REPLICA_WRITERS_H

#include "gossip/base/map.h"
#include "gossip/replica/order.h"

/* The table is a map of what was said of a node, by its id. */
void writers_done(struct map *writers);
/* ERR_NOMEM. The node's record is a WRITER. */
int writers_add(struct map *writers, struct order_node *node) MUST_CHECK;
void writers_remove(struct map *writers, struct order_node *node);
bool writers_has(const struct map *writers, const struct id *node);

#endif
