/*
 * How much of each author the store holds of what is neither authority nor a descriptor, in three
 * classes alike: tombstones, what it says of MACs, and all else.
 *
 * Of a class it is the longest newest-first run in which there are fewer than `records` newer than
 * each, and those newer than each have fewer than `size_bytes` (so the last may reach beyond): a
 * function of the set, for a newer record only ever pushes older ones out, and what is out stays
 * out however the rest arrives. Hence what is beyond the quota is older than all that is there.
 * Only where a slot's record is replaced by a smaller one, or the limits grow, older ones may fit
 * again; they come back by the next sync with whoever has them.
 *
 * Writers and admins have the large limits, but for MACs: by the records alone that are there,
 * whatever has become of who signed them, so that this too is a function of the set.
 */
#ifndef MESHD_GOSSIP_REPLICA_QUOTA_H
#define MESHD_GOSSIP_REPLICA_QUOTA_H

#include "gossip/base/map.h"
#include "gossip/record/descriptor.h"
#include "gossip/record/macs.h"
#include "gossip/replica/order.h"

#define QUOTA_RECORDS	    4096
#define QUOTA_SIZE	    (1024 * 1024) /* bytes */
#define QUOTA_RECORDS_LARGE 200000
#define QUOTA_SIZE_LARGE    (64 * 1024 * 1024)

/* Every bucket of every segment that one member can be attached to; in bytes, so many hosts of four
 * addresses each on a dozen of those. */
#define QUOTA_MACS_RECORDS (MACS_BUCKETS * DESCRIPTOR_SEGMENTS_MAX)
#define QUOTA_MACS_SIZE	   (1024 * 1024)

enum quota_class { QUOTA_VALUES, QUOTA_TOMBSTONES, QUOTA_MACS, QUOTA_CLASSES };

struct quota_run {
	struct order order;
	size_t records, size_bytes;
};

/* Of somebody with records that count, or graves, or who is banned. */
struct quota {
	struct id author;
	bool banned, large;
	size_t graves; /* of its tombstones: replica/graves.h */
	struct quota_run runs[QUOTA_CLASSES];
};

struct quota_limits {
	size_t records, size_bytes;
};

struct quota_limits quota_limits(enum quota_class class, bool large);
/* Of those that count. */
enum quota_class quota_class(const struct record *record);

/* The table is a map of quotas by their author. */
void quota_done(struct map *quotas);
/* With the small limits, where it is not there yet. ERR_NOMEM. */
int quota_ensure(struct map *quotas, const struct id *author, struct quota **ret) MUST_CHECK;
void quota_forget_idle(struct map *quotas, struct quota *quota);

void quota_add(struct quota *quota, struct order_node *node);
void quota_remove(struct quota *quota, struct order_node *node);
/* Whether one more of that class pushes out the oldest. quota NULL: none of its records is there.
 */
bool quota_is_full(const struct quota *quota, enum quota_class class);
bool quota_is_beyond(const struct quota *quota, const struct record *record);
/* The last of too much; NULL: there is not too much. */
struct order_node *quota_excess(const struct quota *quota);

#endif
