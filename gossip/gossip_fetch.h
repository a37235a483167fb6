#ifndef MESHD_GOSSIP_GOSSIP_FETCH_H
#define MESHD_GOSSIP_GOSSIP_FETCH_H

#include "gossip/gossip.h"
#include "gossip/replica/order.h"
#include "gossip/wire/msg.h"

/* Records that are announced to this node and wait for their turn, or to come. */
#define WANTED_MAX 16

struct peer;

/* A record that somebody announced, and that is to be asked for. */
struct wanted {
	struct order_key place;
	struct id peer;
	bool asked;
	mtime_t deadline; /* it is forgotten */
};

int gossip_fetch_announce(
	struct gossip *g, const struct record *record, const struct hash *topic) MUST_CHECK;
void gossip_fetch_place(const struct record *record, uint8_t ret[MSG_PLACE_SIZE]);
void gossip_fetch_received(struct gossip *g, const struct peer *peer, const struct msg *msg);
/* What is to be asked of the peer now, in order. */
size_t gossip_fetch_places(
	struct gossip *g, const struct id *peer, struct order_key ret[WANTED_MAX]);
void gossip_fetch_tick(struct gossip *g);
mtime_t gossip_fetch_deadline(const struct gossip *g);

#endif
