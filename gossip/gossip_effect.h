#ifndef MESHD_GOSSIP_GOSSIP_EFFECT_H
#define MESHD_GOSSIP_GOSSIP_EFFECT_H

#include "gossip/gossip.h"

struct gossip_effect *gossip_effect_add(
	struct gossip *g, enum gossip_effect_kind kind, const void *bytes, size_t size);
void gossip_effect_record(struct gossip *g, const struct record *record, uint64_t number);
void gossip_effect_remove(struct gossip *g, const struct hash *hash);
void gossip_effect_number(struct gossip *g, enum gossip_number name, uint64_t number);
void gossip_effect_event(struct gossip *g, const struct gossip_event *event);
void gossip_effect_clear(struct gossip *g);

#endif
