#ifndef MESHD_GOSSIP_GOSSIP_KEEP_H
#define MESHD_GOSSIP_GOSSIP_KEEP_H

#include "gossip/gossip.h"

void gossip_keep_view_changed(struct gossip *g);
void gossip_keep_tick(struct gossip *g);
mtime_t gossip_keep_deadline(const struct gossip *g);

#endif
