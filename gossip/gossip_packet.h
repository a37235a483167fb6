#ifndef MESHD_GOSSIP_GOSSIP_PACKET_H
#define MESHD_GOSSIP_GOSSIP_PACKET_H

#include "gossip/gossip.h"
#include "gossip/wire/msg.h"

struct peer;

/* The datagram that is being acted on: what goes back to its sender goes where it came from, and
 * while that address is not proven, in no more bytes than came. */
struct reply {
	const struct peer *from; /* NULL: none */
	struct peer *peer;	 /* the same, until it is answered */
	struct endpoint to;
	bool challenged;
	uint64_t challenge;
	size_t most;
};

void gossip_packet_action(struct gossip *g, const struct swim_action *action);
void gossip_packet_push(struct gossip *g);
void gossip_packet_hello(struct gossip *g);
void gossip_packet_compare(struct gossip *g, struct peer *peer);
void gossip_packet_tell(struct gossip *g, struct peer *peer, const struct record *record);
void gossip_packet_greet(struct gossip *g, struct peer *peer);
/* Looks for it where it was seen last. */
void gossip_packet_look(struct gossip *g, struct peer *peer);

/* To where the peer was reached, if it has a session; whether it was sent. */
bool gossip_packet_send(struct gossip *g, struct peer *peer, struct msg *msg);
bool gossip_packet_is_proven(const struct peer *peer, const struct endpoint *at);
void gossip_packet_add_store(struct gossip *g, struct msg *msg);

#endif
