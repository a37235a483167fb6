#ifndef MESHD_GOSSIP_GOSSIP_MAC_H
#define MESHD_GOSSIP_GOSSIP_MAC_H

#include "gossip/gossip.h"

int gossip_mac_open(struct gossip *g) MUST_CHECK; /* a mesh */
void gossip_mac_close(struct gossip *g);
/* A MACS record has come into the store, or left it with nothing in its place. */
void gossip_mac_record_changed(struct gossip *g, const struct record *record);
/* Which segments there are, who is attached to them, or who is gone. */
void gossip_mac_members_changed(struct gossip *g);
void gossip_mac_turn(struct gossip *g);
mtime_t gossip_mac_deadline(const struct gossip *g);
void gossip_mac_count(const struct gossip *g, uint32_t vni, struct gossip_segment *ret);

#endif
