#include "gossip/base/treap.h"

#include <assert.h>

static void count_anew(struct treap_node *node)
{
	node->count =
		(unsigned)(treap_count(node->left) + treap_count(node->right) + 1) & 0x3fffffff;
}

/* Of the subtree at `at`: what stands before node, and what behind. */
static void split(struct treap_node *at, const struct treap_node *node, treap_compare compare,
	struct treap_node **ret_left, struct treap_node **ret_right)
{
	if (!at) {
		*ret_left = *ret_right = NULL;
	} else if (compare(at, node) < 0) {
		split(at->right, node, compare, &at->right, ret_right);
		count_anew(at);
		*ret_left = at;
	} else {
		split(at->left, node, compare, ret_left, &at->left);
		count_anew(at);
		*ret_right = at;
	}
}

/* One subtree of two, the first of which stands before the second. */
static struct treap_node *merge(struct treap_node *left, struct treap_node *right)
{
	if (!left || !right)
		return left ? left : right;
	if (left->priority > right->priority) {
		left->right = merge(left->right, right);
		count_anew(left);
		return left;
	}
	right->left = merge(left, right->left);
	count_anew(right);
	return right;
}

void treap_add(struct treap *treap, struct treap_node *node, treap_compare compare)
{
	struct treap_node **link = &treap->root;

	while (*link && (*link)->priority >= node->priority) {
		struct treap_node *at = *link;

		at->count++;
		link = compare(node, at) < 0 ? &at->left : &at->right;
	}
	split(*link, node, compare, &node->left, &node->right);
	count_anew(node);
	*link = node;
}

void treap_remove(struct treap *treap, struct treap_node *node, treap_compare compare)
{
	struct treap_node **link = &treap->root;

	while (*link != node) {
		struct treap_node *at = *link;

		assert(at);
		at->count--;
		link = compare(node, at) < 0 ? &at->left : &at->right;
	}
	*link = merge(node->left, node->right);
	node->left = node->right = NULL;
}

struct treap_node *treap_first(const struct treap *treap)
{
	struct treap_node *at = treap->root;

	while (at && at->left)
		at = at->left;
	return at;
}

struct treap_node *treap_last(const struct treap *treap)
{
	struct treap_node *at = treap->root;

	while (at && at->right)
		at = at->right;
	return at;
}

struct treap_node *treap_at(const struct treap *treap, size_t rank)
{
	struct treap_node *at = treap->root;

	while (at && rank != treap_count(at->left)) {
		if (rank < treap_count(at->left)) {
			at = at->left;
		} else {
			rank -= treap_count(at->left) + 1;
			at = at->right;
		}
	}
	return at;
}
