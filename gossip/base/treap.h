/*
 * A treap (Seidel and Aragon, "Randomized Search Trees", 1996): a search tree that is logarithmic
 * for whatever comes, since priorities are drawn at random, and in which each node counts its
 * subtree, so that a place is found by its number as well. Nodes are embedded in their owners, and
 * nothing here allocates or fails. Searches are written where the owners' order is known.
 */
#ifndef MESHD_GOSSIP_BASE_TREAP_H
#define MESHD_GOSSIP_BASE_TREAP_H

#include <stddef.h>
#include <stdint.h>

struct treap_node {
	struct treap_node *left, *right;
	uint32_t priority; /* drawn by the owner before treap_add; a parent's is the highest */
	unsigned mark : 2, count : 30; /* the owner's; of the subtree */
};

struct treap {
	struct treap_node *root; /* NULL: empty */
};

/* < 0: a stands before b. No two nodes of a tree are equal. */
typedef int (*treap_compare)(const struct treap_node *a, const struct treap_node *b);

void treap_add(struct treap *treap, struct treap_node *node, treap_compare compare);
void treap_remove(struct treap *treap, struct treap_node *node, treap_compare compare);
struct treap_node *treap_first(const struct treap *treap); /* NULL: empty */
struct treap_node *treap_last(const struct treap *treap);
/* The one before which so many stand. NULL: there are not so many. */
struct treap_node *treap_at(const struct treap *treap, size_t rank);

static inline size_t treap_count(const struct treap_node *node)
{
	return node ? node->count : 0;
}

#endif
