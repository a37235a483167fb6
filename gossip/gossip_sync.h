#ifndef MESHD_GOSSIP_GOSSIP_SYNC_H
#define MESHD_GOSSIP_GOSSIP_SYNC_H

#include "gossip/gossip.h"
#include "gossip/wire/frame.h"

struct peer;
struct stream;

void gossip_sync_tick(struct gossip *g);
mtime_t gossip_sync_deadline(const struct gossip *g);
void gossip_sync_digest_received(struct gossip *g, struct peer *peer, const struct msg *msg);
int gossip_sync_begin(struct gossip *g, struct stream *s, bool initiator) MUST_CHECK;
int gossip_sync_pump(struct gossip *g, struct stream *s) MUST_CHECK;
int gossip_sync_serve(struct gossip *g, struct stream *s) MUST_CHECK;
int gossip_sync_frame_received(
	struct gossip *g, struct stream *s, const struct frame *frame) MUST_CHECK;
/* More than datagrams are good for. */
void gossip_sync_over_stream(struct gossip *g, struct peer *peer);

#endif
