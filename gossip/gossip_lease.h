#ifndef MESHD_GOSSIP_GOSSIP_LEASE_H
#define MESHD_GOSSIP_GOSSIP_LEASE_H

#include "gossip/gossip.h"

struct peer;

/* Whether what the views say of leases is as of another hour. */
bool gossip_lease_changed(const struct gossip *g);
void gossip_lease_computed(struct gossip *g);
/* A descriptor of somebody whose lease may have been over. */
void gossip_lease_renewed(struct gossip *g, const struct peer *peer);
/* Until when this node asks to be a member; 0: it needs not. */
int64_t gossip_lease_expiry(const struct gossip *g);
/* Whether it is time to say so again; held is what it said last, or NULL. */
bool gossip_lease_is_due(const struct gossip *g, const struct record *held);
void gossip_lease_tick(struct gossip *g);
mtime_t gossip_lease_deadline(const struct gossip *g);

#endif
