#ifndef MESHD_GOSSIP_GOSSIP_CHECK_H
#define MESHD_GOSSIP_GOSSIP_CHECK_H

#include "gossip/gossip.h"

struct stream;

void gossip_check_begin(struct gossip *g, const struct swim_action *action);
void gossip_check_answered(struct gossip *g, struct stream *s);
/* Its time is over; whether it has a moment more. */
bool gossip_check_reads_on(struct gossip *g, struct stream *s);
void gossip_check_ended(struct gossip *g, const struct stream *s);

#endif
