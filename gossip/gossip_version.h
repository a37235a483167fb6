#ifndef MESHD_GOSSIP_GOSSIP_VERSION_H
#define MESHD_GOSSIP_GOSSIP_VERSION_H

#include "gossip/gossip.h"

struct peer;

/* What its descriptor says; a datagram that is of nobody by its tag. */
void gossip_version_described(
	struct gossip *g, struct peer *peer, const struct descriptor *descriptor);
void gossip_version_unreadable(struct gossip *g, const struct endpoint *from);
bool gossip_version_is_unreadable(const struct gossip *g, const struct peer *peer);

#endif
