#ifndef MESHD_GOSSIP_GOSSIP_CONTACT_H
#define MESHD_GOSSIP_GOSSIP_CONTACT_H

#include "gossip/gossip.h"

struct peer;
struct stream;

/* Whether this node has opened a stream to it. */
bool gossip_contact_is_dialling(const struct gossip *g, const struct id *peer);
/* Half of the gap to one and a half times: nodes that do the same at once shall not go on in step.
 */
mtime_t gossip_jittered(struct gossip *g, int64_t gap_ms);
void gossip_contact_start(struct gossip *g);
void gossip_contact_tick(struct gossip *g);
mtime_t gossip_contact_deadline(const struct gossip *g);
/* The member has answered on that stream: its other addresses need not. */
void gossip_contact_dialled(struct gossip *g, const struct stream *s);
/* It was found dead: it may live without our datagrams. */
void gossip_contact_lost(struct gossip *g, struct peer *peer);
/* It says that we are no member any more, by a record of which we cannot see that it holds: on a
 * stream it tells what it hangs on. */
void gossip_contact_told_void(struct gossip *g, struct peer *peer);
/* A stream reached a member that answers no datagrams. */
void gossip_contact_by_stream(struct gossip *g, struct peer *peer);

#endif
