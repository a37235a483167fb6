#include "gossip/gossip_check.h"

#include "gossip/gossip_contact.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_stream.h"

/* From a check's end to its verdict. The end may be the first that a process sees after it stood
 * still, while the word that there is a connection waits to be read: it is read meanwhile. Less
 * than PROBE_REPORT_MS. */
#define CHECK_READ_MS 10

/* Where it was reached the last time, else where it is likeliest. */
void gossip_check_begin(struct gossip *g, const struct swim_action *action)
{
	struct endpoint candidates[GOSSIP_CANDIDATES_MAX];
	struct peer *peer = gossip_peer(g, &action->to);

	if (!peer || !gossip_peer_candidates(g, peer, candidates)) {
		swim_checked(g->swim, g->time.now, &action->to, SWIM_CHECK_FAILED);
		return;
	}
	if (gossip_stream_connect(g, STREAM_CHECK, &peer->id, &candidates[0]) != 0) {
		/* no room for one more says nothing about the member */
		swim_checked(g->swim, g->time.now, &action->to, SWIM_CHECK_SILENT);
		return;
	}
	gossip_stream_find(g, g->stream_next)->deadline = action->until;
}

void gossip_check_answered(struct gossip *g, struct stream *s)
{
	struct peer *peer = gossip_peer(g, &s->peer);

	swim_checked(g->swim, g->time.now, &s->peer, SWIM_CHECK_ANSWERED);
	if (peer)
		gossip_contact_by_stream(g, peer);
	gossip_stream_end(g, s);
}

bool gossip_check_reads_on(struct gossip *g, struct stream *s)
{
	if (s->role != STREAM_CHECK || s->connected || s->last_look)
		return false;
	s->last_look = true;
	s->deadline = mtime_add_ms(g->time.now, CHECK_READ_MS);
	return true;
}

/* Its end without an answer: closed, refused, or out of time. */
void gossip_check_ended(struct gossip *g, const struct stream *s)
{
	if (!s->up)
		swim_checked(g->swim, g->time.now, &s->peer,
			s->connected ? SWIM_CHECK_SILENT : SWIM_CHECK_FAILED);
}
