/*
 * Records ordered by (stamp, hash): a treap (Seidel and Aragon, "Randomized Search Trees", 1996),
 * logarithmic for whatever records come, since priorities are drawn at random. Nodes are embedded
 * in their owners, and nothing here allocates or fails.
 */
#ifndef MESHD_GOSSIP_REPLICA_ORDER_H
#define MESHD_GOSSIP_REPLICA_ORDER_H

#include "gossip/record/record.h"

struct order_node {
	struct order_node *left, *right;
	uint64_t priority; /* drawn by the owner before order_add; a parent's is the highest */
	const struct record *record;
};

struct order {
	struct order_node *root; /* NULL: empty */
};

/* No other node of this stamp and hash may be there. */
void order_add(struct order *order, struct order_node *node);
void order_remove(struct order *order, struct order_node *node);
struct order_node *order_first(const struct order *order); /* NULL: empty */
struct order_node *order_last(const struct order *order);
/* The first at or after (stamp, hash); the first after it. NULL: none. */
struct order_node *order_seek(const struct order *order, uint64_t stamp, const struct hash *hash);
struct order_node *order_after(const struct order *order, uint64_t stamp, const struct hash *hash);

#endif
