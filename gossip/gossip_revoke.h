#ifndef MESHD_GOSSIP_GOSSIP_REVOKE_H
#define MESHD_GOSSIP_GOSSIP_REVOKE_H

#include "gossip/gossip.h"

/* A long list of what is kept goes in several records, which count when all of them are there. */
int gossip_revoke_publish(struct gossip *g, const struct keys *author, enum record_type type,
	const struct revocation *revocation) MUST_CHECK;
/* The nodes that an invite admitted and that are to stay, but one (NULL: all): sorted, 32 bytes
 * each, to be freed. NULL: no memory. */
uint8_t *gossip_revoke_admitted(
	const struct gossip *g, const struct id *invite, const struct id *but, size_t *ret_count);

#endif
