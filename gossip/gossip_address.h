#ifndef MESHD_GOSSIP_GOSSIP_ADDRESS_H
#define MESHD_GOSSIP_GOSSIP_ADDRESS_H

#include "gossip/gossip.h"

void gossip_address_apply(struct gossip *g);
/* ERR_EXHAUSTED: there is no address for whoever joins. */
int gossip_address_room(const struct gossip *g, const struct id *node) MUST_CHECK;
/* A descriptor of our own from somebody else: our disk had lost it, but not the mesh. */
void gossip_address_met(struct gossip *g, const struct record *record);

#endif
