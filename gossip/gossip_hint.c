/* Where somebody of this mesh may be, from hearsay that anybody may have made up (mDNS): such
 * addresses are dialled, and whoever proves on the stream to be a member is from then on looked for
 * there. Nothing else is believed. */
#include "gossip/gossip_hint.h"

#include "gossip/crypto/channel.h"
#include "gossip/gossip_contact.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_packet.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_stream.h"

/* Streams at once to whom nobody has proven to be, and such dials in the long run: what is made up
 * costs whoever is pointed at so many connections, and this node as many of its own. */
#define HINT_DIALS	  4
#define HINT_GAP_MS	  500
#define HINT_BURST	  8
/* Between two dials of one address; and between looks whether who was met there is still reached.
 */
#define HINT_RETRY_MS	  500
#define HINT_RETRY_MAX_MS 60000
#define HINT_LOOK_MS	  5000

static struct hint *find(struct gossip *g, const struct endpoint *endpoint)
{
	for (size_t i = 0; i < g->hint_count; i++) {
		if (endpoint_equal(&g->hints[i].endpoint, endpoint))
			return &g->hints[i];
	}
	return NULL;
}

static bool is_listed(const struct endpoint *list, size_t count, const struct endpoint *endpoint)
{
	for (size_t i = 0; i < count; i++) {
		if (endpoint_equal(&list[i], endpoint))
			return true;
	}
	return false;
}

static void drop_others(struct gossip *g, const struct endpoint *list, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->hint_count; i++) {
		if (is_listed(list, count, &g->hints[i].endpoint))
			g->hints[kept++] = g->hints[i];
	}
	g->hint_count = kept;
}

void gossip_set_hints(
	struct gossip *g, struct gossip_time time, const struct endpoint *endpoints, size_t count)
{
	g->time = time;
	if (!g->store)
		return;
	drop_others(g, endpoints, count);
	for (size_t i = 0; i < count && g->hint_count < GOSSIP_HINTS_MAX; i++) {
		if (find(g, &endpoints[i]) || !gossip_peer_usable(g, &endpoints[i]))
			continue;
		g->hints[g->hint_count++] = (struct hint){
			.endpoint = endpoints[i], .next = g->time.now, .gap_ms = HINT_RETRY_MS};
	}
	gossip_hint_tick(g);
	gossip_turn(g);
}

/* Members that gossip reaches at the address have shown that they are there. */
static const struct peer *reached_there(const struct gossip *g, const struct endpoint *endpoint)
{
	const struct peer *peer;

	map_each (&g->peers, at, peer) {
		if (peer->member && gossip_packet_is_proven(peer, endpoint))
			return peer;
	}
	return NULL;
}

bool gossip_hint_node(const struct gossip *g, const struct endpoint *endpoint, struct id *ret)
{
	const struct peer *peer = g->store ? reached_there(g, endpoint) : NULL;

	if (peer) {
		*ret = peer->id;
		return true;
	}
	for (size_t i = 0; i < g->hint_count; i++) {
		if (g->hints[i].met && endpoint_equal(&g->hints[i].endpoint, endpoint)) {
			*ret = g->hints[i].node;
			return true;
		}
	}
	return false;
}

static bool is_reached(const struct gossip *g, const struct id *node)
{
	const struct peer *peer = gossip_peer(g, node);

	return peer && peer->member && peer->state == GOSSIP_MEMBER_ALIVE &&
	       gossip_packet_is_proven(peer, &peer->reached);
}

/* Whether there is nothing to be found there that is not known. */
static bool is_settled(struct gossip *g, struct hint *hint)
{
	const struct peer *peer = reached_there(g, &hint->endpoint);

	if (peer) {
		hint->met = true;
		hint->node = peer->id;
	}
	return hint->met &&
	       (id_equal(&hint->node, &g->config.identity->id) || is_reached(g, &hint->node));
}

static bool is_joining(const struct gossip *g)
{
	return g->state == GOSSIP_JOINING && g->join.active && !g->join.synced;
}

/* Streams to hints whose other end has proven nothing yet, and whether one is to this. */
static size_t count_dials(
	const struct gossip *g, const struct endpoint *endpoint, bool *ret_dialling)
{
	size_t count = 0;

	*ret_dialling = false;
	for (const struct stream *s = g->streams; s; s = s->next) {
		if (s->ended || !s->hinted)
			continue;
		count += !s->up;
		*ret_dialling |= endpoint_equal(&s->endpoint, endpoint);
	}
	return count;
}

static void dial(struct gossip *g, struct hint *hint)
{
	enum stream_role role = is_joining(g) ? STREAM_JOINER : STREAM_CLIENT;

	if (gossip_stream_connect(g, role, NULL, &hint->endpoint) != 0)
		return;
	gossip_stream_find(g, g->stream_next)->hinted = true;
	hint->next = gossip_jittered(g, hint->gap_ms);
	hint->gap_ms *= 2;
	if (hint->gap_ms > HINT_RETRY_MAX_MS)
		hint->gap_ms = HINT_RETRY_MAX_MS;
}

static void look(struct gossip *g, struct hint *hint)
{
	bool dialling;
	size_t dials = count_dials(g, &hint->endpoint, &dialling);

	/* who was to let this node in, and did not: others first */
	if (is_joining(g) && (g->join.stream || endpoint_equal(&hint->endpoint, &g->join.avoid)))
		hint->next = mtime_add_ms(g->time.now, HINT_RETRY_MS);
	else if (dialling || (!is_joining(g) && is_settled(g, hint)))
		hint->next = mtime_add_ms(g->time.now, HINT_LOOK_MS);
	else if (dials < HINT_DIALS &&
		 mtime_allows(&g->hint_rate, g->time.now, HINT_GAP_MS, HINT_BURST))
		dial(g, hint);
	else
		hint->next = gossip_jittered(g, HINT_GAP_MS);
}

static bool may_dial(const struct gossip *g)
{
	return g->store && (g->state == GOSSIP_RUNNING || is_joining(g));
}

void gossip_hint_tick(struct gossip *g)
{
	if (!may_dial(g))
		return;
	for (size_t i = 0; i < g->hint_count; i++) {
		if (mtime_reached(g->time.now, g->hints[i].next))
			look(g, &g->hints[i]);
	}
}

mtime_t gossip_hint_deadline(const struct gossip *g)
{
	mtime_t next = MTIME_NEVER;

	for (size_t i = 0; may_dial(g) && i < g->hint_count; i++)
		next = mtime_min(next, g->hints[i].next);
	return next;
}

/* A joiner was a stranger there; as a member it has more to ask. */
void gossip_hint_joined(struct gossip *g)
{
	for (size_t i = 0; i < g->hint_count; i++) {
		g->hints[i].next = g->time.now;
		g->hints[i].gap_ms = HINT_RETRY_MS;
	}
}

enum gossip_hint_verdict gossip_hint_met(struct gossip *g, struct stream *s)
{
	const struct authority_member *member;
	struct peer *peer;
	struct hint *hint;

	s->peer = *channel_peer(s->channel);
	member = authority_member(g->authority, &s->peer);
	peer = gossip_peer(g, &s->peer);
	hint = find(g, &s->endpoint);
	if (member && member->standing != AUTHORITY_MEMBER)
		return HINT_NOBODY;
	if (hint && (member || id_equal(&s->peer, &g->config.identity->id))) {
		hint->met = true;
		hint->node = s->peer;
		hint->gap_ms = HINT_RETRY_MS;
		hint->next = mtime_add_ms(g->time.now, HINT_LOOK_MS);
	}
	if (id_equal(&s->peer, &g->config.identity->id))
		return HINT_NOBODY;
	if (!peer || !peer->member)
		return HINT_STRANGER;
	if (is_reached(g, &s->peer))
		return HINT_NOBODY;
	gossip_peer_learn(peer, &s->endpoint);
	gossip_packet_look(g, peer);
	return HINT_MEMBER;
}
