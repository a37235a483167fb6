#include "gossip/replica/order.h"

#include <stdlib.h>

#include "gossip/trust/authority.h"

enum order_class order_class(uint16_t type)
{
	if (type == RECORD_REVOCATION || type == RECORD_ADMIN_REVOCATION)
		return ORDER_REVOCATION;
	return authority_concerns(type) ? ORDER_AUTHORITY : ORDER_OTHER;
}

struct order_key order_key(const struct record *record)
{
	return (struct order_key){.class = (uint8_t)order_class(record->type),
		.stamp = record->stamp,
		.hash = record->hash};
}

static int compare(unsigned class, uint64_t stamp, const struct hash *hash, unsigned other_class,
	uint64_t other_stamp, const struct hash *other_hash)
{
	if (class != other_class)
		return class < other_class ? -1 : 1;
	if (stamp != other_stamp)
		return stamp < other_stamp ? -1 : 1;
	return memcmp(hash, other_hash, sizeof(*hash));
}

int order_compare(const struct order_key *a, const struct order_key *b)
{
	return compare(a->class, a->stamp, &a->hash, b->class, b->stamp, &b->hash);
}

void order_key_encode(const struct order_key *key, uint8_t ret[ORDER_KEY_SIZE])
{
	ret[0] = key->class;
	for (unsigned i = 0; i < 8; i++)
		ret[1 + i] = (uint8_t)(key->stamp >> (56 - 8 * i));
	memcpy(ret + 9, &key->hash, sizeof(key->hash));
}

struct order_key order_key_decode(const uint8_t bytes[ORDER_KEY_SIZE])
{
	struct order_key key = {.class = bytes[0]};

	for (unsigned i = 0; i < 8; i++)
		key.stamp = key.stamp << 8 | bytes[1 + i];
	memcpy(&key.hash, bytes + 9, sizeof(key.hash));
	return key;
}

static int compare_sent(const void *one, const void *other)
{
	const struct record *a = *(struct record *const *)one, *b = *(struct record *const *)other;
	bool a_rules = order_class(a->type) != ORDER_OTHER;
	bool b_rules = order_class(b->type) != ORDER_OTHER;

	if (a_rules != b_rules)
		return a_rules ? -1 : 1;
	return a_rules ? compare(0, a->stamp, &a->hash, 0, b->stamp, &b->hash)
		       : compare(0, b->stamp, &b->hash, 0, a->stamp, &a->hash);
}

void order_sort_sent(struct record **records, size_t count)
{
	if (count)
		qsort(records, count, sizeof(struct record *), compare_sent);
}

static int compare_key(const struct order_key *key, const struct order_node *node)
{
	return compare(key->class, key->stamp, &key->hash, node->tree.mark, node->record->stamp,
		&node->record->hash);
}

static int compare_nodes(const struct order_node *a, const struct order_node *b)
{
	return compare(a->tree.mark, a->record->stamp, &a->record->hash, b->tree.mark,
		b->record->stamp, &b->record->hash);
}

static struct order_node *node_of(struct treap_node *tree)
{
	return (struct order_node *)tree; /* its first member */
}

static int compare_trees(const struct treap_node *a, const struct treap_node *b)
{
	return compare_nodes((const struct order_node *)a, (const struct order_node *)b);
}

void order_add(struct order *order, struct order_node *node)
{
	node->tree.mark = order_class(node->record->type);
	treap_add(&order->tree, &node->tree, compare_trees);
}

void order_remove(struct order *order, struct order_node *node)
{
	treap_remove(&order->tree, &node->tree, compare_trees);
}

struct order_node *order_first(const struct order *order)
{
	return node_of(treap_first(&order->tree));
}

struct order_node *order_last(const struct order *order)
{
	return node_of(treap_last(&order->tree));
}

struct order_node *order_at(const struct order *order, size_t rank)
{
	return node_of(treap_at(&order->tree, rank));
}

struct order_node *order_after(const struct order *order, const struct order_key *key)
{
	struct treap_node *at = order->tree.root, *found = NULL;

	while (at) {
		if (compare_key(key, node_of(at)) < 0) {
			found = at;
			at = at->left;
		} else {
			at = at->right;
		}
	}
	return node_of(found);
}

size_t order_rank(const struct order *order, const struct order_key *key)
{
	struct treap_node *at = order->tree.root;
	size_t rank = 0;

	while (at) {
		if (compare_key(key, node_of(at)) <= 0) {
			at = at->left;
		} else {
			rank += treap_count(at->left) + 1;
			at = at->right;
		}
	}
	return rank;
}

static int walk(struct treap_node *at, const struct order_key *low, const struct order_key *high,
	order_visit visit, void *context)
{
	int err = 0;

	while (at && !err) {
		bool from_here = compare_key(low, node_of(at)) <= 0;

		if (from_here)
			err = walk(at->left, low, high, visit, context);
		if (err || compare_key(high, node_of(at)) <= 0)
			return err;
		if (from_here)
			err = visit(context, node_of(at));
		at = at->right;
	}
	return err;
}

int order_walk(const struct order *order, const struct order_key *low, const struct order_key *high,
	order_visit visit, void *context)
{
	return walk(order->tree.root, low, high, visit, context);
}
