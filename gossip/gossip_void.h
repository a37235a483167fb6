#ifndef MESHD_GOSSIP_GOSSIP_VOID_H
#define MESHD_GOSSIP_GOSSIP_VOID_H

#include "gossip/gossip.h"

struct stream;

/* All it takes for the client to see it; then the stream ends. */
int gossip_void_tell(
	struct gossip *g, struct stream *s, const struct authority_member *member) MUST_CHECK;

#endif
