#include "gossip/gossip_sync.h"

#include "gossip/crypto/channel.h"
#include "gossip/gossip_age.h"
#include "gossip/gossip_contact.h"
#include "gossip/gossip_fetch.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_join.h"
#include "gossip/gossip_packet.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_rotate.h"
#include "gossip/gossip_round.h"
#include "gossip/gossip_stream.h"
#include "gossip/replica/order.h"
#include "gossip/replica/store.h"
#include "gossip/replica/sync.h"
#include "gossip/swim/spread.h"
#include "gossip/wire/frame.h"

/* A difference is worth a sync when nothing has changed here for QUIET and it is SETTLE old, or
 * PATIENCE under steady writes. GAP lies between two that this node starts, up to RETRY_MAX between
 * two with one member that goes on to differ; with one that differs and agrees by turns BURST begin
 * at once, and one each EACH; one that takes longer than PATIENT does not hold up those with
 * others. */
#define SYNC_QUIET_MS	  300
#define SYNC_SETTLE_MS	  500
#define SYNC_PATIENCE_MS  10000
#define SYNC_GAP_MS	  500
#define SYNC_RETRY_MAX_MS 60000
#define SYNC_BURST	  8
#define SYNC_EACH_MS	  10000
#define SYNC_PATIENT_MS	  10000

#define SYNC_CHECK_MS 250  /* how often a difference is looked at while there is one */
#define SYNC_FRESH_MS 400  /* a digest older than that is asked for again before a sync */
#define SYNC_KNOWN_MS 400  /* a member's word that it has all counts so often */
#define SYNC_YIELD_MS 1000 /* the larger id waits, so that not both begin */

/* ---- when ---- */

void gossip_sync_digest_received(struct gossip *g, struct peer *peer, const struct msg *msg)
{
	uint8_t own[DIGEST_SIZE];

	peer->cutoff = gossip_age_believed(g, msg->cutoff_hour);
	if (gossip_age_of(g, peer->cutoff) == AGE_APART)
		return;
	store_digest(g->store, own);
	bool differs = memcmp(own, msg->digest, sizeof(own)) != 0;
	bool counts = mtime_diff_ms(g->time.now, peer->compared) >= SYNC_KNOWN_MS;
	peer->compared = g->time.now;
	if (differs && !peer->differs) {
		peer->differs_since = g->time.now;
		g->sync_check = mtime_min(g->sync_check, mtime_add_ms(g->time.now, SYNC_SETTLE_MS));
	}
	if (!differs) {
		peer->sync_gap_ms = 0;
		peer->sync_next = MTIME_ZERO;
		if (counts)
			spread_known(g->spread);
		g->agreed = true;
		g->agreed_with = peer->id;
		gossip_age_agreed(g, peer);
	}
	peer->differs = differs;
	gossip_round_compared(g, peer);
}

static bool is_syncing(const struct gossip *g)
{
	if (g->round.active && mtime_diff_ms(g->time.now, g->round.began) < SYNC_PATIENT_MS)
		return true;
	for (const struct stream *s = g->streams; s; s = s->next) {
		if (s->role == STREAM_CLIENT && !s->asking &&
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
		if (mtime_reached(g->time.now, peer->sync_next) &&
			mtime_would_allow(peer->synced, g->time.now, SYNC_EACH_MS, SYNC_BURST) &&
			!gossip_contact_is_dialling(g, &peer->id) &&
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
	(void)mtime_allows(&peer->synced, g->time.now, SYNC_EACH_MS, SYNC_BURST);
	/* by datagrams nobody knows when all is compared */
	if (gossip_age_of(g, peer->cutoff) == AGE_BEHIND)
		gossip_sync_over_stream(g, peer);
	else
		gossip_round_begin(g, peer);
}

/* A difference that news under way will not mend by itself is mended by a sync. */
static void look(struct gossip *g)
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

void gossip_sync_tick(struct gossip *g)
{
	gossip_round_tick(g);
	look(g);
}

mtime_t gossip_sync_deadline(const struct gossip *g)
{
	return mtime_min(g->sync_check, gossip_round_deadline(g));
}

/* ---- over a stream ---- */

void gossip_sync_over_stream(struct gossip *g, struct peer *peer)
{
	if (!gossip_contact_is_dialling(g, &peer->id))
		(void)gossip_stream_connect(g, STREAM_CLIENT, &peer->id, &peer->reached);
}

/* What this node wants of the peer, or whatever differs. */
int gossip_sync_begin(struct gossip *g, struct stream *s, bool initiator)
{
	struct order_key places[WANTED_MAX];
	size_t count = s->asking ? gossip_fetch_places(g, &s->peer, places) : 0;
	struct peer *peer;
	int err;

	if (s->asking)
		err = count ? sync_new_asking(g->store, &g->rng, places, count, &s->sync)
			    : ERR_STATE; /* it has come meanwhile */
	else
		err = sync_new(g->store, &g->rng, initiator, &s->sync);
	if (err != 0)
		return err;
	g->counters[GOSSIP_COUNT_SYNCS]++;
	/* whoever joins knows nothing yet that could be old */
	if (channel_peer_kind(s->channel) != CHANNEL_MEMBER)
		return 0;
	peer = gossip_stream_member(g, s);
	sync_withhold(s->sync, gossip_age_withheld(g, peer));
	return gossip_rotate_tell(g, s, peer);
}

int gossip_sync_pump(struct gossip *g, struct stream *s)
{
	int err = 0;

	while (err == 0 && s->sync && s->queued < GOSSIP_STREAM_QUEUE_MAX) {
		struct pack message;
		struct frame frame = {.type = FRAME_SYNC};

		pack_init_growing(&message, SYNC_MESSAGE_MAX);
		err = sync_next(s->sync, &message);
		frame.sync = (struct msg_item){message.data, message.size};
		bool more = err == 0 && message.size;
		if (more)
			err = gossip_stream_send(g, s, &frame);
		g->counters[GOSSIP_COUNT_SYNC_BYTES] += message.size;
		pack_done(&message);
		if (!more)
			break;
	}
	return err;
}

static const struct id *client_of(const struct stream *s)
{
	return channel_peer_kind(s->channel) == CHANNEL_JOIN ? &s->offer.node
							     : channel_peer(s->channel);
}

/* The server's side. A client whose connection broke comes again before this node knows: its latest
 * sync is the one that counts, and nobody gets more memory by asking twice. */
int gossip_sync_serve(struct gossip *g, struct stream *s)
{
	for (struct stream *other = g->streams; other; other = other->next) {
		if (other != s && other->role == STREAM_SERVER && other->sync &&
			id_equal(client_of(other), client_of(s)))
			gossip_stream_doom(g, other);
	}
	return gossip_sync_begin(g, s, false);
}

static int sync_done(struct gossip *g, struct stream *s)
{
	g->counters[GOSSIP_COUNT_SYNC_RECORDS] += sync_counts(s->sync).sent;
	if (s->role == STREAM_JOINER) {
		text_endpoint(&s->endpoint, g->join.refused_by);
		return gossip_join_synced(g, s);
	}
	if (s->role == STREAM_CLIENT && !s->asking)
		gossip_age_synced(g, gossip_peer(g, &s->peer), s->sync);
	if (s->role == STREAM_CLIENT)
		gossip_stream_end(g, s);
	return 0;
}

/* Of syncs that this node did not begin itself; a joiner is bound by its token's uses. */
static int receive(struct gossip *g, struct stream *s, const struct msg_item *message)
{
	struct sync_counts before = sync_counts(s->sync), after;
	struct peer *peer = s->role == STREAM_SERVER ? gossip_peer(g, client_of(s)) : NULL;
	int err;

	if (peer && (!gossip_round_may_stream(g, peer) || gossip_peer_is_forger(g, peer)))
		return ERR_LIMIT;
	err = sync_receive(s->sync, message->bytes, message->size);
	after = sync_counts(s->sync);
	if (!peer)
		return err;
	gossip_round_streamed(g, peer, after.hashed - before.hashed);
	for (uint32_t i = before.forged; i < after.forged; i++)
		gossip_peer_forged(g, peer);
	return err;
}

int gossip_sync_frame_received(struct gossip *g, struct stream *s, const struct frame *frame)
{
	bool was_done = s->sync && sync_is_done(s->sync);
	int err;

	/* the joiner's first message after JOIN_DONE opens the member's side */
	if (!s->sync && s->role == STREAM_SERVER && s->commit_ticket &&
		s->commit_ticket <= g->persisted) {
		err = gossip_sync_serve(g, s);
		if (err != 0)
			return err;
	}
	if (!s->sync)
		return ERR_MALFORMED;
	err = receive(g, s, &frame->sync);
	if (err == 0)
		err = gossip_sync_pump(g, s);
	return err != 0 || was_done || !sync_is_done(s->sync) ? err : sync_done(g, s);
}
