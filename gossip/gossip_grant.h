#ifndef MESHD_GOSSIP_GOSSIP_GRANT_H
#define MESHD_GOSSIP_GOSSIP_GRANT_H

#include "gossip/gossip.h"

/* Whether it is what only an admin may say. */
bool gossip_grant_is_act(const struct record *record);
/* Only the root takes an admin's office, and names what of its acts stands: all that are known. */
int gossip_grant_take_office(struct gossip *g, const struct revocation *revocation) MUST_CHECK;
/* Events about offices that somebody has now, or has not any more. */
void gossip_grant_tell(
	struct gossip *g, const struct authority *before, const struct authority *now);

#endif
