#ifndef MESHD_GOSSIP_GOSSIP_PURGE_H
#define MESHD_GOSSIP_GOSSIP_PURGE_H

#include "gossip/gossip.h"

/* After each computation of the authority. */
void gossip_purge(struct gossip *g);
void gossip_purge_clear(struct gossip *g);
/* Of a record that would be added: ERR_REVOKED, ERR_LIMIT where it would go again. */
int gossip_purge_admit(const struct gossip *g, const struct record *record) MUST_CHECK;

#endif
