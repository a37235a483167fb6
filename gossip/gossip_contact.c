#include "gossip/gossip_internal.h"

#define SYNC_CHECK_MS	 250  /* how often a difference is looked at while there is one */
#define SYNC_FRESH_MS	 400  /* a digest older than that is asked for again before a sync */
#define SYNC_YIELD_MS	 1000 /* the larger id waits, so that not both begin */
/* A dead member is dialled over TCP this often, and soon after one was found dead: it heals
 * partitions, and tells a member that it was expelled, or that its database was lost, what it
 * missed. */
#define DEAD_DIAL_MS	 30000
#define DEAD_SOON_MS	 1000
#define DEAD_DIAL_SAMPLE 8

static bool is_syncing_with(const struct gossip *g, const struct id *peer)
{
	for (const struct stream *s = g->streams; s; s = s->next) {
		if (s->role == STREAM_CLIENT && id_equal(&s->peer, peer))
			return true;
	}
	return false;
}

static bool is_syncing(const struct gossip *g)
{
	for (const struct stream *s = g->streams; s; s = s->next) {
		if (s->role == STREAM_CLIENT &&
			mtime_diff_ms(g->time.now, s->began) < SYNC_PATIENT_MS)
			return true;
	}
	return false;
}

/* Of those whose turn it is; ret_any: whether there is any difference at all. */
static struct peer *worst_difference(const struct gossip *g, bool *ret_any)
{
	struct peer *worst = NULL, *peer;

	*ret_any = false;
	map_each (&g->peers, at, peer) {
		if (!peer->differs || !peer->member || !peer->reached.ip.family ||
			!peer->has_session)
			continue;
		*ret_any = true;
		if (mtime_reached(g->time.now, peer->sync_next) && !is_syncing_with(g, &peer->id) &&
			(!worst || mtime_before(peer->differs_since, worst->differs_since)))
			worst = peer;
	}
	return worst;
}

/* Whoever goes on to differ, by a fault or by its will, costs a sync a minute. */
static void sync_with(struct gossip *g, struct peer *peer)
{
	g->sync_next = mtime_add_ms(g->time.now, SYNC_GAP_MS);
	peer->differs_since = g->time.now;
	peer->sync_gap_ms = peer->sync_gap_ms ? peer->sync_gap_ms * 2 : SYNC_GAP_MS;
	if (peer->sync_gap_ms > SYNC_RETRY_MAX_MS)
		peer->sync_gap_ms = SYNC_RETRY_MAX_MS;
	peer->sync_next = mtime_add_ms(g->time.now, peer->sync_gap_ms);
	(void)gossip_stream_connect(g, STREAM_CLIENT, &peer->id, &peer->reached);
}

/* A difference that news under way will not mend by itself is mended by a sync. */
static void sync_tick(struct gossip *g)
{
	struct peer *peer;
	int64_t age_ms, settle_ms = SYNC_SETTLE_MS;
	bool any;

	if (!mtime_reached(g->time.now, g->sync_check))
		return;
	peer = worst_difference(g, &any);
	g->sync_check = any ? mtime_add_ms(g->time.now, SYNC_CHECK_MS) : MTIME_NEVER;
	if (!peer || is_syncing(g) || !mtime_reached(g->time.now, g->sync_next))
		return;
	age_ms = mtime_diff_ms(g->time.now, peer->differs_since);
	if (memcmp(&g->config.identity->id, &peer->id, sizeof(struct id)) > 0)
		settle_ms += SYNC_YIELD_MS;
	if (age_ms < settle_ms ||
		(age_ms < SYNC_PATIENCE_MS &&
			mtime_diff_ms(g->time.now, g->store_changed) < SYNC_QUIET_MS))
		return;
	/* what it told some time ago may have been mended since, by others */
	if (mtime_diff_ms(g->time.now, peer->compared) > SYNC_FRESH_MS) {
		peer->compared = g->time.now;
		gossip_packet_compare(g, peer);
		return;
	}
	sync_with(g, peer);
}

static void dial(struct gossip *g, struct peer *peer)
{
	struct endpoint candidates[GOSSIP_CANDIDATES_MAX];
	size_t count = gossip_peer_candidates(g, peer, candidates);

	if (count)
		(void)gossip_stream_connect(
			g, STREAM_CLIENT, &peer->id, &candidates[rng_below(&g->rng, count)]);
}

/* One of some random members that is dead, or just any while nobody is heard. */
static void dial_one(struct gossip *g, bool any)
{
	struct id chosen[DEAD_DIAL_SAMPLE];
	size_t count = swim_sample(g->swim, true, NULL, chosen, DEAD_DIAL_SAMPLE);

	for (size_t i = 0; i < count; i++) {
		struct peer *peer = gossip_peer(g, &chosen[i]);

		if (peer && (any || peer->state == GOSSIP_MEMBER_DEAD)) {
			dial(g, peer);
			return;
		}
	}
}

/* Half of it to one and a half times: nodes that lost each other at once shall not dial in step. */
static mtime_t jittered(struct gossip *g, int64_t gap_ms)
{
	return mtime_add_ms(
		g->time.now, gap_ms / 2 + (int64_t)rng_below(&g->rng, (uint64_t)gap_ms));
}

static mtime_t isolated_at(const struct gossip *g)
{
	mtime_t silent = mtime_add_ms(g->last_heard, ISOLATED_AFTER_MS);

	return mtime_before(silent, g->isolated_next) ? g->isolated_next : silent;
}

/* Streams reach where datagrams may not, and whoever was expelled, or lost its database, hears of
 * it on one: members are dialled while nobody is heard at all, and otherwise a dead one now and
 * then. */
static void dial_tick(struct gossip *g)
{
	if (g->state != GOSSIP_RUNNING)
		return;
	if (mtime_reached(g->time.now, isolated_at(g))) {
		if (mtime_before(g->isolated_next, g->last_heard))
			g->isolated_gap_ms = ISOLATED_AFTER_MS;
		dial_one(g, true);
		g->isolated_next = jittered(g, g->isolated_gap_ms);
		g->isolated_gap_ms *= 2;
		if (g->isolated_gap_ms > ISOLATED_RETRY_MAX_MS)
			g->isolated_gap_ms = ISOLATED_RETRY_MAX_MS;
	}
	if (mtime_reached(g->time.now, g->dead_next)) {
		dial_one(g, false);
		g->dead_next = jittered(g, DEAD_DIAL_MS);
	}
}

void gossip_contact_start(struct gossip *g)
{
	g->last_heard = g->time.now;
	g->isolated_gap_ms = ISOLATED_AFTER_MS;
	g->isolated_next = g->time.now;
	g->dead_next = mtime_add_ms(g->time.now, DEAD_DIAL_MS);
}

void gossip_contact_tick(struct gossip *g)
{
	sync_tick(g);
	dial_tick(g);
}

mtime_t gossip_contact_deadline(const struct gossip *g)
{
	mtime_t next = g->sync_check;

	return g->state == GOSSIP_RUNNING ? mtime_min(next, mtime_min(isolated_at(g), g->dead_next))
					  : next;
}

void gossip_contact_lost(struct gossip *g)
{
	g->dead_next = mtime_min(g->dead_next, jittered(g, DEAD_SOON_MS));
}
