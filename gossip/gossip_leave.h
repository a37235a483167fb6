#ifndef MESHD_GOSSIP_GOSSIP_LEAVE_H
#define MESHD_GOSSIP_GOSSIP_LEAVE_H

#include "gossip/gossip.h"

/* That this node leaves is on its disk. */
void gossip_leave_persisted(struct gossip *g);
void gossip_leave_tick(struct gossip *g);
mtime_t gossip_leave_deadline(const struct gossip *g);

#endif
