#ifndef MESHD_GOSSIP_GOSSIP_VIEW_H
#define MESHD_GOSSIP_GOSSIP_VIEW_H

#include "gossip/gossip.h"

/* Members whose word on our own address is remembered. */
#define SEEN_MAX 16

struct seen {
	struct id witness;
	struct endpoint endpoint;
};

/* The root's grant to the admin who invited this node, or NULL: what proves its admission to
 * strangers. */
struct record *gossip_view_grant_behind(const struct gossip *g, const struct id *node);
int gossip_view_compute(struct gossip *g) MUST_CHECK;
void gossip_view_drop(struct gossip *g);
void gossip_view_refresh(struct gossip *g);
void gossip_view_descriptor(struct gossip *g, struct record *record);
void gossip_view_own_descriptor(const struct gossip *g, struct descriptor *ret);
void gossip_view_publish_descriptor(struct gossip *g);
struct gossip_event gossip_view_event(
	const struct gossip *g, enum gossip_event_kind kind, const struct id *node);

#endif
