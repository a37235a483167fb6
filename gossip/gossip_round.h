#ifndef MESHD_GOSSIP_GOSSIP_ROUND_H
#define MESHD_GOSSIP_GOSSIP_ROUND_H

#include "gossip/gossip.h"
#include "gossip/replica/reconcile.h"
#include "gossip/wire/msg.h"

struct peer;

/* A comparison with one member by datagrams, which this node began. */
struct round {
	bool active;
	struct id peer;
	uint8_t key[RECONCILE_KEY_SIZE]; /* of what was last begun */
	unsigned tries;			 /* since anything came of it */
	bool moved;			 /* a record went either way since then */
	size_t moved_bytes;		 /* of all records since it is active */
	mtime_t began;
	mtime_t deadline; /* nothing more comes: look what has become of it */
	mtime_t compare_next;
};

void gossip_round_begin(struct gossip *g, struct peer *peer);
void gossip_round_tick(struct gossip *g);
mtime_t gossip_round_deadline(const struct gossip *g);
void gossip_round_ranges_received(struct gossip *g, struct peer *peer, const struct msg *msg);
/* The peer brought so many bytes of records that were not here; it told its digest. */
void gossip_round_records_received(struct gossip *g, const struct peer *peer, size_t bytes);
/* Whether ranges that the peer sends over a stream are answered; so many records were hashed. */
bool gossip_round_may_stream(const struct gossip *g, const struct peer *peer);
void gossip_round_streamed(struct gossip *g, struct peer *peer, size_t records);
void gossip_round_compared(struct gossip *g, const struct peer *peer);

#endif
