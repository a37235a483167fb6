#include "gossip/gossip_contact.h"

#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_stream.h"

/* Nobody heard for longer than the longest protocol period: members are dialled over TCP. */
#define ISOLATED_AFTER_MS     8000
#define ISOLATED_RETRY_MAX_MS 60000

/* A dead member is dialled over TCP this often, and soon after one was found dead: it heals
 * partitions, and tells a member that it was expelled, or that its database was lost, what it
 * missed. */
#define DEAD_DIAL_MS	 30000
#define DEAD_SOON_MS	 1000
#define DEAD_DIAL_SAMPLE 8
#define LOST_BURST	 2     /* of one member, it is soon for so many deaths at once ... */
#define LOST_GAP_MS	 60000 /* ... and for so many in the long run */
#define DIAL_ADDRESSES	 3     /* of one, at once: most that are known of it may be old */
#define ISOLATED_DIALS	 3 /* at once: of whom a node knows from long ago, most may have moved */
/* Whoever answers no datagram of this node's for so long, though others may answer for it. */
#define UNANSWERED_MS	 10000
#define ISOLATED_TRIES	 16 /* before the gap grows, unless all members were dialled before that */

bool gossip_contact_is_dialling(const struct gossip *g, const struct id *peer)
{
	for (const struct stream *s = g->streams; s; s = s->next) {
		if (s->role == STREAM_CLIENT && id_equal(&s->peer, peer))
			return true;
	}
	return false;
}

/* Whether any address of it is known. */
static bool dial(struct gossip *g, struct peer *peer)
{
	struct endpoint candidates[GOSSIP_CANDIDATES_MAX];
	size_t count = gossip_peer_candidates(g, peer, candidates);
	size_t first = count ? rng_below(&g->rng, count) : 0;

	for (size_t i = 0; i < count && i < DIAL_ADDRESSES; i++)
		(void)gossip_stream_connect(
			g, STREAM_CLIENT, &peer->id, &candidates[(first + i) % count]);
	return count != 0;
}

void gossip_contact_dialled(struct gossip *g, const struct stream *s)
{
	for (struct stream *other = g->streams; other; other = other->next) {
		if (other != s && other->role == STREAM_CLIENT && !other->up &&
			id_equal(&other->peer, &s->peer))
			gossip_stream_doom(g, other);
	}
}

/* Whether a stream may have something to tell it, or us: it is dead, or lives without answering
 * datagrams, which it cannot read without its records. That it lives may be the word of others
 * alone, who may keep from us why it does not answer. */
static bool wants_stream(const struct gossip *g, const struct peer *peer)
{
	bool unanswered = mtime_before(peer->reached_heard, peer->asked) &&
			  mtime_diff_ms(g->time.now, peer->asked) >= UNANSWERED_MS;

	return peer->state == GOSSIP_MEMBER_DEAD || unanswered ||
	       mtime_before(peer->reached_heard, peer->checked);
}

/* One of some random members that wants it. */
static void dial_one(struct gossip *g)
{
	struct id chosen[DEAD_DIAL_SAMPLE];
	size_t count = swim_sample(g->swim, true, NULL, chosen, DEAD_DIAL_SAMPLE);

	for (size_t i = 0; i < count; i++) {
		struct peer *peer = gossip_peer(g, &chosen[i]);

		if (peer && wants_stream(g, peer) && !gossip_contact_is_dialling(g, &peer->id) &&
			dial(g, peer))
			return;
	}
}

/* Nobody is heard at all: members in turn, for there may be one alone that is where this node would
 * look for it. A map that grows meanwhile changes their order; who is passed over then is dialled
 * in the next round. */
static void dial_next(struct gossip *g)
{
	struct peer *peer;
	int dialled = 0;

	while (dialled < ISOLATED_DIALS && (peer = map_next(&g->peers, &g->isolated_at)))
		dialled +=
			peer->member && !gossip_contact_is_dialling(g, &peer->id) && dial(g, peer);
	if (++g->isolated_tries < ISOLATED_TRIES && dialled == ISOLATED_DIALS)
		return;
	if (dialled < ISOLATED_DIALS)
		g->isolated_at = 0;
	g->isolated_tries = 0;
	g->isolated_gap_ms *= 2;
	if (g->isolated_gap_ms > ISOLATED_RETRY_MAX_MS)
		g->isolated_gap_ms = ISOLATED_RETRY_MAX_MS;
}

mtime_t gossip_jittered(struct gossip *g, int64_t gap_ms)
{
	return mtime_add_ms(
		g->time.now, gap_ms / 2 + (int64_t)rng_below(&g->rng, (uint64_t)gap_ms));
}

static mtime_t isolated_at(const struct gossip *g)
{
	mtime_t silent = mtime_add_ms(g->last_heard, ISOLATED_AFTER_MS);

	return mtime_before(silent, g->isolated_next) ? g->isolated_next : silent;
}

/* Who was expelled goes on to look for others where it hears nobody: that may have fallen. */
static bool looks_for_others(const struct gossip *g)
{
	return g->state == GOSSIP_RUNNING || g->state == GOSSIP_REVOKED;
}

/* Streams reach where datagrams may not, and whoever was expelled, or lost its database, hears of
 * it on one: members are dialled while nobody is heard at all, and otherwise one now and then that
 * is dead or does not answer. */
void gossip_contact_tick(struct gossip *g)
{
	if (!looks_for_others(g))
		return;
	if (mtime_reached(g->time.now, isolated_at(g))) {
		if (mtime_before(g->isolated_next, g->last_heard)) {
			g->isolated_gap_ms = ISOLATED_AFTER_MS;
			g->isolated_tries = 0;
		}
		g->isolated_next = gossip_jittered(g, g->isolated_gap_ms);
		dial_next(g);
	}
	if (mtime_reached(g->time.now, g->dead_next)) {
		dial_one(g);
		g->dead_next = gossip_jittered(g, DEAD_DIAL_MS);
	}
}

void gossip_contact_start(struct gossip *g)
{
	g->last_heard = g->time.now;
	g->isolated_gap_ms = ISOLATED_AFTER_MS;
	g->isolated_next = g->time.now;
	g->dead_next = mtime_add_ms(g->time.now, DEAD_DIAL_MS);
}

mtime_t gossip_contact_deadline(const struct gossip *g)
{
	return looks_for_others(g) ? mtime_min(isolated_at(g), g->dead_next) : MTIME_NEVER;
}

void gossip_contact_by_stream(struct gossip *g, struct peer *peer)
{
	peer->checked = g->time.now;
	gossip_contact_lost(g, peer);
}

/* One that comes and goes costs no more dials than one that stays away. */
void gossip_contact_lost(struct gossip *g, struct peer *peer)
{
	if (mtime_allows(&peer->lost, g->time.now, LOST_GAP_MS, LOST_BURST))
		g->dead_next = mtime_min(g->dead_next, gossip_jittered(g, DEAD_SOON_MS));
}

void gossip_contact_told_void(struct gossip *g, struct peer *peer)
{
	if (g->state == GOSSIP_RUNNING && !gossip_contact_is_dialling(g, &peer->id) &&
		mtime_allows(&peer->lost, g->time.now, LOST_GAP_MS, LOST_BURST))
		(void)dial(g, peer);
}
