#include "gossip/replica/order.h"

#include <assert.h>

/* How (stamp, hash) stands to a record: as memcmp says it. */
static int compare(uint64_t stamp, const struct hash *hash, const struct record *record)
{
	if (stamp != record->stamp)
		return stamp < record->stamp ? -1 : 1;
	return memcmp(hash, &record->hash, sizeof(*hash));
}

static int compare_nodes(const struct order_node *a, const struct order_node *b)
{
	return compare(a->record->stamp, &a->record->hash, b->record);
}

/* Puts node in the place of the subtree at link, which it splits into its children. */
static void split(struct order_node **link, struct order_node *node)
{
	struct order_node **left = &node->left, **right = &node->right;
	struct order_node *at = *link;

	*link = node;
	while (at) {
		if (compare_nodes(at, node) < 0) {
			*left = at;
			left = &at->right;
			at = at->right;
		} else {
			*right = at;
			right = &at->left;
			at = at->left;
		}
	}
	*left = *right = NULL;
}

void order_add(struct order *order, struct order_node *node)
{
	struct order_node **link = &order->root;

	while (*link && (*link)->priority >= node->priority)
		link = compare_nodes(node, *link) < 0 ? &(*link)->left : &(*link)->right;
	split(link, node);
}

void order_remove(struct order *order, struct order_node *node)
{
	struct order_node **link = &order->root;
	struct order_node *left = node->left, *right = node->right;

	while (*link != node) {
		assert(*link);
		link = compare_nodes(node, *link) < 0 ? &(*link)->left : &(*link)->right;
	}
	while (left && right) {
		if (left->priority > right->priority) {
			*link = left;
			link = &left->right;
			left = left->right;
		} else {
			*link = right;
			link = &right->left;
			right = right->left;
		}
	}
	*link = left ? left : right;
	node->left = node->right = NULL;
}

struct order_node *order_first(const struct order *order)
{
	struct order_node *at = order->root;

	while (at && at->left)
		at = at->left;
	return at;
}

struct order_node *order_last(const struct order *order)
{
	struct order_node *at = order->root;

	while (at && at->right)
		at = at->right;
	return at;
}

/* The first that stands to (stamp, hash) so that compare is below most. */
static struct order_node *first_above(
	const struct order *order, uint64_t stamp, const struct hash *hash, int most)
{
	struct order_node *at = order->root, *found = NULL;

	while (at) {
		if (compare(stamp, hash, at->record) < most) {
			found = at;
			at = at->left;
		} else {
			at = at->right;
		}
	}
	return found;
}

struct order_node *order_seek(const struct order *order, uint64_t stamp, const struct hash *hash)
{
	return first_above(order, stamp, hash, 1);
}

struct order_node *order_after(const struct order *order, uint64_t stamp, const struct hash *hash)
{
	return first_above(order, stamp, hash, 0);
}
