#ifndef MESHD_GOSSIP_GOSSIP_RECORD_H
#define MESHD_GOSSIP_GOSSIP_RECORD_H

#include "gossip/gossip.h"
#include "gossip/replica/store.h"
#include "gossip/wire/msg.h"

/* A record of our own that is not on disk yet: not in the store, not sent. */
struct own_record {
	struct own_record *next;
	uint64_t ticket;
	struct record *record;
	uint64_t number; /* of a VALUE: the change that it will be, if nobody is before it */
};

/* What follows from each change of the store. */
struct store_observer gossip_record_observer(struct gossip *g);
/* Signs a record of our own and gives it to the disk; it enters the store, and the world, once it
 * is there. */
int gossip_record_publish(
	struct gossip *g, const struct keys *author, struct record_draft *draft) MUST_CHECK;
void gossip_record_publish_signed(struct gossip *g, struct record *record);
/* What this node said last in a slot: on its way to the disk, or in the store. NULL: nothing. */
const struct record *gossip_record_published(
	const struct gossip *g, uint16_t type, const void *key, size_t key_size);
/* A record from outside. fresh: it was not known. */
int gossip_record_put(struct gossip *g, struct record *record, bool *ret_fresh) MUST_CHECK;
int gossip_record_put_item(struct gossip *g, const struct msg_item *item) MUST_CHECK;
int gossip_record_put_bytes(
	struct gossip *g, const void *bytes, size_t size, bool *ret_fresh) MUST_CHECK;
/* Those that were never persisted. */
void gossip_record_drop_own(struct gossip *g);

#endif
