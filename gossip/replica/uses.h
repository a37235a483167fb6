/*
 * How many admissions by one invite are stored: its uses and AUTHORITY_OVERSPENT_MAX losers, the
 * earliest by (stamp, hash). Whoever holds an old token can make any number, and date them back; so
 * those that an admin keeps, by a keep or by a closing's list, are outside the count.
 */
#ifndef MESHD_GOSSIP_REPLICA_USES_H
#define MESHD_GOSSIP_REPLICA_USES_H

#include "gossip/base/map.h"
#include "gossip/replica/order.h"

/* The counted admissions by one invite. */
struct uses {
	struct hash invite; /* of its record: an invite signed anew counts anew */
	size_t limit;
	size_t count;
	struct order order;
};

struct uses_table {
	struct map invites; /* struct uses by invite */
	struct map kept;    /* whom somebody keeps, by id */
};

/* An admission's place in the count; embedded in its owner. */
struct uses_claim {
	struct order_node node;
	struct uses *uses; /* NULL: not counted */
};

void uses_init(struct uses_table *table, struct rng *rng);
void uses_done(struct uses_table *table);

/* ERR_NOMEM. claim->node is set up; uses_remove undoes it, and is for any claim. */
int uses_add(struct uses_table *table, const struct hash *invite, size_t limit,
	struct uses_claim *claim) MUST_CHECK;
void uses_remove(struct uses_table *table, struct uses_claim *claim);
/* Whether this admission would be the last of too many. */
bool uses_beyond(
	const struct uses_table *table, const struct hash *invite, const struct record *record);
/* The last of too many; NULL: there are not too many. */
struct order_node *uses_excess(const struct uses *uses);

/* Each keep is undone by one unkeep. ERR_NOMEM. */
int uses_keep(struct uses_table *table, const struct id *node) MUST_CHECK;
void uses_unkeep(struct uses_table *table, const struct id *node);
bool uses_kept(const struct uses_table *table, const struct id *node);

#endif
