#ifndef MESHD_GOSSIP_GOSSIP_ROTATE_H
#define MESHD_GOSSIP_GOSSIP_ROTATE_H

#include "gossip/gossip.h"
#include "gossip/wire/msg.h"

struct peer;
struct stream;

/* The key that a member announces. */
struct peer_key {
	uint8_t public[32];
	bool installed; /* here, beside the current one */
	bool told;	/* and it knows */
	mtime_t tell_next;
	int64_t gap_ms;
};

/* One of our own WireGuard keys, with the proof that it is ours. */
struct own_key {
	struct id id; /* Ed25519 form */
	struct sig proof;
};

int gossip_rotate_init(struct gossip *g) MUST_CHECK;
void gossip_rotate_tick(struct gossip *g);
mtime_t gossip_rotate_deadline(const struct gossip *g);
/* What a member's descriptor says of its keys. */
void gossip_rotate_described(struct gossip *g, struct peer *peer, const struct descriptor *said);
/* A new session: what it was told may be forgotten there. */
void gossip_rotate_greet(struct gossip *g, struct peer *peer);
void gossip_rotate_received(struct gossip *g, struct peer *peer, const struct msg *msg);
/* On a stream with it: that its next key is installed here, if it has not heard; and its word. */
int gossip_rotate_tell(struct gossip *g, struct stream *s, const struct peer *peer) MUST_CHECK;
void gossip_rotate_confirmed(
	struct gossip *g, struct peer *peer, const uint8_t holds[MSG_HELD_SIZE]);
/* Our own descriptor is on its way to the disk, in place of `held`; is there. */
void gossip_rotate_publishing(struct gossip *g, const struct record *held);
void gossip_rotate_published(struct gossip *g, const struct record *record);

#endif
