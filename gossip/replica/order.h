/*
 * Records in the one order in which stores are compared: by class, then stamp, then hash. Nodes are
 * embedded in their owners, and nothing here allocates or fails (base/treap.h).
 */
#ifndef MESHD_GOSSIP_REPLICA_ORDER_H
#define MESHD_GOSSIP_REPLICA_ORDER_H

#include "gossip/base/treap.h"
#include "gossip/record/record.h"

/* What must not be missing first, so that nothing is refused for want of it. */
enum order_class {
	ORDER_REVOCATION, /* of nodes, and of admins */
	ORDER_AUTHORITY,  /* what else authority_concerns */
	ORDER_OTHER,
	ORDER_CLASSES,
};

/* A place in the order, a record's or not. */
struct order_key {
	uint8_t class;
	uint64_t stamp;
	struct hash hash;
};

/* class (1) | stamp (8) | hash (32), big-endian: compared as bytes, they stand in the same order.
 */
#define ORDER_KEY_SIZE (1 + 8 + sizeof(struct hash))

#define ORDER_START ((struct order_key){.class = 0})
#define ORDER_END   ((struct order_key){.class = ORDER_CLASSES}) /* behind every record */

struct order_node {
	struct treap_node tree; /* first; its mark is the record's class */
	const struct record *record;
};

struct order {
	struct treap tree;
};

enum order_class order_class(uint16_t type);
struct order_key order_key(const struct record *record);
void order_key_encode(const struct order_key *key, uint8_t ret[ORDER_KEY_SIZE]);
/* Any bytes are a place, though maybe of a class that is none. */
struct order_key order_key_decode(const uint8_t bytes[ORDER_KEY_SIZE]);
/* As memcmp. */
int order_compare(const struct order_key *a, const struct order_key *b);
/* Puts records in the order in which they are sent to whoever lacks them: authority as it was
 * signed, so that no link of a chain comes before the one that it hangs on, and nothing is dropped
 * for want of it; the rest newest first, so that what a quota keeps out is refused and never pushes
 * anything out. */
void order_sort_sent(struct record **records, size_t count);

/* No other node of this class, stamp and hash may be there. */
void order_add(struct order *order, struct order_node *node);
void order_remove(struct order *order, struct order_node *node);
struct order_node *order_first(const struct order *order); /* NULL: empty */
struct order_node *order_last(const struct order *order);
/* The first behind key. NULL: none. */
struct order_node *order_after(const struct order *order, const struct order_key *key);
/* How many stand before key; and the one before which so many stand, NULL: there are not so many.
 */
size_t order_rank(const struct order *order, const struct order_key *key);
struct order_node *order_at(const struct order *order, size_t rank);
/* Shows those from low on that stand before high, in order, until visit answers other than 0, which
 * is returned. */
typedef int (*order_visit)(void *context, struct order_node *node);
int order_walk(const struct order *order, const struct order_key *low, const struct order_key *high,
	order_visit visit, void *context);

#endif
