#ifndef MESHD_GOSSIP_GOSSIP_VALUE_H
#define MESHD_GOSSIP_GOSSIP_VALUE_H

#include "gossip/gossip.h"

struct own_record;

int gossip_value_open(struct gossip *g) MUST_CHECK; /* a mesh, with no value yet */
void gossip_value_close(struct gossip *g);
void gossip_value_restored(struct gossip *g, const struct record *record, uint64_t number);
void gossip_value_start(struct gossip *g);
/* A VALUE has come into the store, or left it; returns the number of the change. */
uint64_t gossip_value_added(struct gossip *g, struct record *record);
void gossip_value_removed(struct gossip *g, const struct record *record);
/* Authority has changed. */
void gossip_value_review(struct gossip *g);
/* One of our own is on its way to disk. */
void gossip_value_publish(struct gossip *g, struct own_record *own);
/* At the end of an input. */
void gossip_value_tell(struct gossip *g);

#endif
