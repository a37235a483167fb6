#ifndef MESHD_GOSSIP_GOSSIP_SEGMENT_H
#define MESHD_GOSSIP_GOSSIP_SEGMENT_H

#include "gossip/gossip.h"

/* A segment as configuration has it. */
struct segment_row {
	char name[SEGMENT_NAME_MAX + 1];
	struct segment says;
	struct id by;
	uint64_t stamp;
	const struct segment_row *rival; /* has its VNI, and comes first; NULL: it is in force */
};

void gossip_segment_start(struct gossip *g); /* after values are there */
void gossip_segment_close(struct gossip *g);
/* What a key shows is another record now; NULL: of some key. */
void gossip_segment_value_changed(struct gossip *g, const struct record *record);
/* NULL: there is none of that name; none in force with that VNI. */
const struct segment_row *gossip_segment_named(const struct gossip *g, const char *name);
const struct segment_row *gossip_segment_in_force(const struct gossip *g, uint32_t vni);
struct gossip_event gossip_segment_event(const struct gossip *g, enum gossip_segment_what what,
	const char *name, const struct id *node);
void gossip_segment_turn(struct gossip *g);
void gossip_segment_tell(struct gossip *g); /* at the end of an input */

#endif
