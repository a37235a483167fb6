#ifndef MESHD_GOSSIP_GOSSIP_ADMIT_H
#define MESHD_GOSSIP_GOSSIP_ADMIT_H

#include "gossip/gossip.h"
#include "gossip/wire/frame.h"

struct stream;

int gossip_admit_request(struct gossip *g, struct stream *s, const struct frame *frame) MUST_CHECK;
int gossip_admit_commit(struct gossip *g, struct stream *s, const struct frame *frame) MUST_CHECK;

#endif
