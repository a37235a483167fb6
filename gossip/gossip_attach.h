#ifndef MESHD_GOSSIP_GOSSIP_ATTACH_H
#define MESHD_GOSSIP_GOSSIP_ATTACH_H

#include "gossip/gossip.h"

struct peer;

/* A name that this node was told to attach to. */
struct attachment {
	char name[SEGMENT_NAME_MAX + 1];
	bool known; /* there is, or was, such a segment */
};

/* One that this node is attached to, as its descriptor says. */
struct own_segment {
	uint32_t vni;
	char name[SEGMENT_NAME_MAX + 1];
};

void gossip_attach_start(struct gossip *g);
void gossip_attach_close(struct gossip *g);
/* What a member's descriptor says; it is alive or dead; somebody is a member, or none any more. */
void gossip_attach_described(struct gossip *g, struct peer *peer, const struct descriptor *said);
void gossip_attach_state_changed(struct gossip *g, struct peer *peer);
void gossip_attach_changed(struct gossip *g);
void gossip_attach_segments_changed(struct gossip *g);		    /* in configuration */
bool gossip_attach_has_peer(const struct peer *peer, uint32_t vni); /* and it is a member */
bool gossip_attach_is_own(const struct gossip *g, uint32_t vni);
void gossip_attach_describe(const struct gossip *g, struct descriptor *ret);
void gossip_attach_turn(struct gossip *g);
mtime_t gossip_attach_deadline(const struct gossip *g);

#endif
