#include "gossip/gossip_peer.h"

#include <sodium.h>
#include <stdlib.h>

#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_view.h"
#include "gossip/trust/address.h"

/* Pair keys computed at a time: about 1 ms, so that probes are not held up. */
#define KEYS_PER_TICK 16

/* Of one member, so many statements and records whose signatures do not hold are looked at at once,
 * and so often in the long run; beyond that nothing of the kind that it brings. Nobody passes on
 * what it has not verified itself. */
#define FORGED_BURST  8
#define FORGED_GAP_MS 1000

/* Moves of one member that are told and written at once, and in the long run. */
#define MOVE_BURST  4
#define MOVE_GAP_MS 10000

struct peer *gossip_peer(const struct gossip *g, const struct id *id)
{
	return map_get(&g->peers, id);
}

struct peer *gossip_peer_ensure(struct gossip *g, const struct id *id)
{
	struct peer *peer = gossip_peer(g, id);

	if (peer)
		return peer;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->id = *id;
	peer->since = g->time.wall;
	if (map_put(&g->peers, &peer->id, peer) != 0) {
		free(peer);
		return NULL;
	}
	g->unkeyed++;
	return peer;
}

void gossip_peer_free(struct gossip *g, struct peer *peer)
{
	map_del(&g->peers, &peer->id);
	if (peer->keyed)
		map_del(&g->tags, peer->pair.receive_tag);
	else if (!peer->unusable)
		g->unkeyed--;
	record_unref(peer->descriptor);
	free(peer->endpoints);
	free(peer->segments);
	free(peer->next);
	sodium_memzero(peer, sizeof(*peer));
	free(peer);
}

void gossip_peer_key(struct gossip *g, struct peer *peer)
{
	if (peer->keyed || peer->unusable)
		return;
	g->unkeyed--;
	/* no record of such a node gets into the store, but its name may stand on a damaged disk */
	if (keys_agree(g->config.identity, &peer->id, peer->shared) != 0) {
		peer->unusable = true;
		return;
	}
	keys_pair(peer->shared, &g->mesh, &g->config.identity->id, &peer->id, &peer->pair);
	if (map_put(&g->tags, peer->pair.receive_tag, peer) != 0)
		abort(); /* as for effects */
	peer->keyed = true;
}

/* Members before others. The search goes on where it was left: from the start each time it would be
 * quadratic in their number. */
bool gossip_peer_key_some(struct gossip *g)
{
	struct peer *peer;
	size_t left = KEYS_PER_TICK;

	if (g->unkeyed == 0)
		return false;
	while (left && (peer = map_next(&g->peers, &g->key_next))) {
		if (peer->keyed || peer->unusable || (!peer->member && !g->key_anybody))
			continue;
		gossip_peer_key(g, peer);
		left--;
	}
	if (left) {
		g->key_next = 0;
		g->key_anybody = !g->key_anybody;
	}
	return g->unkeyed > 0;
}

/* The nonce that a packet from this address must echo, to prove that its sender is there now and to
 * start a session: a keyed hash, so that nothing is stored for addresses that anybody may make up.
 */
uint64_t gossip_peer_nonce(
	const struct gossip *g, const struct peer *peer, const struct endpoint *at)
{
	struct {
		struct id id;
		uint8_t ip[16];
		uint64_t epoch;
		uint16_t port;
		uint8_t family, zero[5];
	} input = {.id = peer->id, .epoch = peer->epoch, .port = at->port, .family = at->ip.family};
	uint64_t nonce;

	memcpy(input.ip, at->ip.b, sizeof(input.ip));
	crypto_shorthash(
		(uint8_t *)&nonce, (const uint8_t *)&input, sizeof(input), g->challenge_key);
	return nonce;
}

static bool is_special(const struct ip *ip)
{
	static const uint8_t zero[12], mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (ip->family == 4)
		return ip->b[0] == 0 ||
		       ip->b[0] >= 224; /* this network; multicast, reserved, broadcast */
	/* multicast; unspecified, loopback and other IPv4 in disguise, whatever it stands for */
	return ip->b[0] == 0xff || memcmp(ip->b, zero, 12) == 0 || memcmp(ip->b, mapped, 12) == 0;
}

static bool is_loopback(const struct ip *ip)
{
	static const uint8_t one[16] = {[15] = 1};

	return ip->family == 4 ? ip->b[0] == 127 : memcmp(ip->b, one, 16) == 0;
}

static bool is_link_local6(const struct ip *ip)
{
	return ip->family == 6 && ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

static bool in_overlay(const struct gossip *g, const struct ip *ip)
{
	struct charter charter;

	return g->authority && authority_has_charter(g->authority, &charter) &&
	       (address_in_prefix(&charter.prefix4, ip) || address_in_prefix(&charter.prefix6, ip));
}

bool gossip_peer_usable(const struct gossip *g, const struct endpoint *endpoint)
{
	if ((endpoint->ip.family != 4 && endpoint->ip.family != 6) || endpoint->port == 0)
		return false;
	if (is_loopback(&endpoint->ip))
		return g->config.allow_loopback;
	if (is_link_local6(&endpoint->ip) && !endpoint->scope)
		return false;
	return !is_special(&endpoint->ip) && !in_overlay(g, &endpoint->ip);
}

static void add_candidate(const struct gossip *g, struct endpoint *list, size_t *count, size_t most,
	const struct endpoint *endpoint)
{
	for (size_t i = 0; i < *count; i++) {
		if (endpoint_equal(&list[i], endpoint))
			return;
	}
	if (*count < most && gossip_peer_usable(g, endpoint))
		list[(*count)++] = *endpoint;
}

/* Where it may be, likeliest first: where it was reached, where its packets claim to come from,
 * what it says itself, what the disk remembers. */
size_t gossip_peer_candidates(
	const struct gossip *g, const struct peer *peer, struct endpoint ret[GOSSIP_CANDIDATES_MAX])
{
	size_t count = 0;

	add_candidate(g, ret, &count, GOSSIP_CANDIDATES_MAX, &peer->reached);
	for (size_t i = 0; i < LEARNED_MAX; i++)
		add_candidate(g, ret, &count, GOSSIP_CANDIDATES_MAX, &peer->learned[i]);
	for (size_t i = 0; i < peer->endpoint_count; i++)
		add_candidate(g, ret, &count, GOSSIP_CANDIDATES_MAX, &peer->endpoints[i]);
	add_candidate(g, ret, &count, GOSSIP_CANDIDATES_MAX, &peer->stored);
	return count;
}

/* Others may reach a member that this node does not, so that it stays alive: what counts is whether
 * it answers at its proven address. */
static bool is_settled(const struct gossip *g, const struct peer *peer)
{
	bool unanswered = mtime_before(peer->reached_heard, peer->asked) &&
			  mtime_diff_ms(g->time.now, peer->asked) >= ADDRESS_STICKY_MS;

	return peer->has_session && peer->state == GOSSIP_MEMBER_ALIVE && !unanswered;
}

/* Where to send to now: to the proven address, and while there is none, or doubt, to others in
 * turn. */
size_t gossip_peer_targets(
	struct gossip *g, struct peer *peer, struct endpoint ret[CANDIDATE_PROBES + 1])
{
	struct endpoint candidates[GOSSIP_CANDIDATES_MAX];
	size_t count = 0, all;

	if (peer->reached.ip.family) {
		ret[count++] = peer->reached;
		if (is_settled(g, peer))
			return count;
	}
	all = gossip_peer_candidates(g, peer, candidates);
	for (size_t tries = 0; tries < all && count < CANDIDATE_PROBES; tries++) {
		const struct endpoint *next = &candidates[peer->candidate++ % all];

		if (!endpoint_equal(next, &peer->reached))
			ret[count++] = *next;
	}
	return count;
}

void gossip_peer_learn(struct peer *peer, const struct endpoint *at)
{
	for (size_t i = 0; i < LEARNED_MAX; i++) {
		if (endpoint_equal(&peer->learned[i], at))
			return;
	}
	memmove(&peer->learned[1], &peer->learned[0],
		sizeof(peer->learned) - sizeof(peer->learned[0]));
	peer->learned[0] = *at;
}

void gossip_peer_reached(struct gossip *g, struct peer *peer, const struct endpoint *at)
{
	struct gossip_event event = gossip_view_event(g, GOSSIP_EVENT_ENDPOINT_CHANGED, &peer->id);
	struct gossip_effect *effect;
	bool told;

	peer->reached_heard = g->time.now;
	if (endpoint_equal(&peer->reached, at))
		return;
	told = mtime_allows(&peer->moved, g->time.now, MOVE_GAP_MS, MOVE_BURST);
	if (told && peer->reached.ip.family) {
		text_endpoint(&peer->reached, event.from);
		text_endpoint(at, event.to);
		gossip_effect_event(g, &event);
	}
	peer->reached = *at;
	gossip_effect_add(g, EFFECT_CHANGED, NULL, 0);
	if (!told || endpoint_equal(&peer->stored, at))
		return;
	peer->stored = *at;
	effect = gossip_effect_add(g, EFFECT_PERSIST_ENDPOINT, NULL, 0);
	effect->ticket = ++g->ticket;
	effect->id = peer->id;
	effect->endpoint = *at;
}

void gossip_peer_forged(const struct gossip *g, struct peer *peer)
{
	(void)mtime_allows(&peer->forged, g->time.now, FORGED_GAP_MS, FORGED_BURST);
}

bool gossip_peer_is_forger(const struct gossip *g, const struct peer *peer)
{
	return !mtime_would_allow(peer->forged, g->time.now, FORGED_GAP_MS, FORGED_BURST);
}
