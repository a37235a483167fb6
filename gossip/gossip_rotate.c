/*
 * Another WireGuard key, make-before-break. Its owner announces the next key in its descriptor;
 * every member installs it beside the current one and says so (HOLDS) until the owner has answered
 * (HELD). When those that count have, which is for the caller to judge, the owner switches: first
 * its descriptor is on disk, then WireGuard has the key, then everybody is told directly.
 */
#include "gossip/gossip_rotate.h"

#include <stdlib.h>

#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_packet.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_stream.h"
#include "gossip/gossip_view.h"

/* Of a key that was installed its owner is told again, until it answers, after HOLDS_GAP, doubling
 * to HOLDS_GAP_MAX. Members that are told directly of a key that took another's place; the rest
 * hear of it as of other news. */
#define HOLDS_GAP_MS	 250
#define HOLDS_GAP_MAX_MS 30000
#define KEY_TOLD_MAX	 512

static void own_key(const struct gossip *g, const struct keys *keys, struct own_key *ret)
{
	ret->id = keys->id;
	descriptor_prove(keys, &g->config.identity->id, &ret->proof);
}

int gossip_rotate_init(struct gossip *g)
{
	int err = keys_wireguard_public(&g->config.wireguard->id, g->wireguard_public);

	if (err != 0)
		return err;
	own_key(g, g->config.wireguard, &g->key);
	g->has_next_key = g->config.wireguard_next != NULL;
	if (g->has_next_key)
		own_key(g, g->config.wireguard_next, &g->next_key);
	/* what WireGuard's owner does with them from now on is its own affair */
	g->config.wireguard = g->config.wireguard_next = NULL;
	g->holds_next = MTIME_NEVER;
	return 0;
}

/* ---- our own ---- */

static void forget_confirmations(struct gossip *g)
{
	struct peer *peer;

	map_each (&g->peers, at, peer)
		peer->confirmed = false;
}

/* Not after the gap that keeps other changes from being told too often. */
static void publish_now(struct gossip *g)
{
	g->descriptor_dirty = true;
	g->descriptor_next = g->time.now;
	gossip_turn(g);
}

int gossip_announce_key(struct gossip *g, struct gossip_time time, const struct keys *next)
{
	g->time = time;
	if (g->state != GOSSIP_RUNNING)
		return gossip_fail(g, ERR_STATE,
			"this node is no member of a mesh: there is nobody to tell of another key");
	if (g->has_next_key && id_equal(&g->next_key.id, &next->id))
		return 0;
	own_key(g, next, &g->next_key);
	g->has_next_key = true;
	forget_confirmations(g);
	publish_now(g);
	return 0;
}

int gossip_switch_key(struct gossip *g, struct gossip_time time)
{
	g->time = time;
	if (g->state != GOSSIP_RUNNING || !g->has_next_key)
		return gossip_fail(g, ERR_STATE, "no next key is announced");
	g->key = g->next_key;
	g->has_next_key = false;
	publish_now(g);
	return 0;
}

void gossip_rotate_publishing(struct gossip *g, const struct record *held)
{
	struct descriptor before;

	g->key_untold = held && descriptor_read(held, &before) == 0 &&
			!id_equal(&before.wireguard, &g->key.id);
}

static void tell_everybody(struct gossip *g, const struct record *record)
{
	size_t left = KEY_TOLD_MAX;
	struct peer *peer;

	map_each (&g->peers, at, peer) {
		if (!peer->member || !peer->has_session || left == 0)
			continue;
		gossip_packet_tell(g, peer, record);
		left--;
	}
}

static void tell_event(
	struct gossip *g, const struct id *node, const uint8_t *from, const uint8_t *to)
{
	struct gossip_event event = gossip_view_event(g, GOSSIP_EVENT_KEY_ROTATED, node);

	text_key(from, event.from);
	text_key(to, event.to);
	gossip_effect_event(g, &event);
}

void gossip_rotate_published(struct gossip *g, const struct record *record)
{
	uint8_t before[32], key[32];
	struct descriptor said;

	if (!g->key_untold || descriptor_read(record, &said) != 0 ||
		!id_equal(&said.wireguard, &g->key.id) ||
		keys_wireguard_public(&said.wireguard, key) != 0)
		return;
	g->key_untold = false;
	/* else it was there at the start already, after a crash */
	if (memcmp(g->wireguard_public, key, sizeof(key)) != 0) {
		memcpy(before, g->wireguard_public, sizeof(before));
		memcpy(g->wireguard_public, key, sizeof(key));
		forget_confirmations(g);
		gossip_effect_add(g, EFFECT_KEY, NULL, 0);
		gossip_effect_add(g, EFFECT_CHANGED, NULL, 0);
		tell_event(g, &g->config.identity->id, before, key);
	}
	tell_everybody(g, record);
}

/* ---- theirs ---- */

static void announced(struct peer *peer, const struct descriptor *said)
{
	uint8_t key[32];

	if (!said->has_next || keys_wireguard_public(&said->next, key) != 0) {
		free(peer->next);
		peer->next = NULL;
		return;
	}
	if (peer->next && memcmp(peer->next->public, key, sizeof(key)) == 0)
		return;
	if (!peer->next)
		peer->next = malloc(sizeof(*peer->next));
	if (!peer->next)
		return; /* it moves to that key without it, only later */
	*peer->next = (struct peer_key){.gap_ms = HOLDS_GAP_MS};
	memcpy(peer->next->public, key, sizeof(key));
}

void gossip_rotate_described(struct gossip *g, struct peer *peer, const struct descriptor *said)
{
	uint8_t key[32];

	peer->wireguard_port = said->wireguard_port;
	if (keys_wireguard_public(&said->wireguard, key) != 0) {
		/* its proof was checked with that key: not to be reached */
		peer->wireguard_port = 0;
		return;
	}
	if (g->started && peer->descriptor && memcmp(peer->wireguard_public, key, sizeof(key)) != 0)
		tell_event(g, &peer->id, peer->wireguard_public, key);
	memcpy(peer->wireguard_public, key, sizeof(key));
	announced(peer, said);
}

static void tell_holds(struct gossip *g, struct peer *peer)
{
	struct peer_key *next = peer->next;
	struct msg msg = {0};

	msg_add(&msg, MSG_HOLDS);
	memcpy(msg.holds, next->public, sizeof(msg.holds));
	(void)gossip_packet_send(g, peer, &msg);
	next->tell_next = mtime_add_ms(g->time.now, next->gap_ms);
	next->gap_ms = next->gap_ms * 2 < HOLDS_GAP_MAX_MS ? next->gap_ms * 2 : HOLDS_GAP_MAX_MS;
	g->holds_next = mtime_min(g->holds_next, next->tell_next);
}

void gossip_key_installed(
	struct gossip *g, struct gossip_time time, const struct id *node, const uint8_t key[32])
{
	struct peer *peer = g->store ? gossip_peer(g, node) : NULL;

	g->time = time;
	if (!peer || !peer->next || peer->next->installed ||
		memcmp(peer->next->public, key, sizeof(peer->next->public)) != 0)
		return;
	peer->next->installed = true;
	tell_holds(g, peer);
}

void gossip_rotate_greet(struct gossip *g, struct peer *peer)
{
	if (!peer->next || !peer->next->installed)
		return;
	peer->next->told = false;
	peer->next->gap_ms = HOLDS_GAP_MS;
	peer->next->tell_next = g->holds_next = g->time.now;
}

/* For whoever is reached by no datagram. Said again on each stream: there is no answer to it. */
int gossip_rotate_tell(struct gossip *g, struct stream *s, const struct peer *peer)
{
	struct frame frame = {.type = FRAME_HOLDS};

	if (!peer || !peer->next || !peer->next->installed || peer->next->told)
		return 0;
	memcpy(frame.holds, peer->next->public, sizeof(frame.holds));
	return gossip_stream_send(g, s, &frame);
}

void gossip_rotate_confirmed(
	struct gossip *g, struct peer *peer, const uint8_t holds[MSG_HELD_SIZE])
{
	uint8_t next[32];

	if (peer->confirmed || !g->has_next_key ||
		keys_wireguard_public(&g->next_key.id, next) != 0 ||
		memcmp(holds, next, MSG_HELD_SIZE) != 0)
		return;
	peer->confirmed = true;
	gossip_effect_add(g, EFFECT_CHANGED, NULL, 0);
}

/* An answer to HOLDS goes out as often as that comes in, and is as short. */
void gossip_rotate_received(struct gossip *g, struct peer *peer, const struct msg *msg)
{
	struct msg answer = {0};

	if (msg_has(msg, MSG_HELD) && peer->next && peer->next->installed &&
		memcmp(msg->held, peer->next->public, sizeof(msg->held)) == 0)
		peer->next->told = true;
	if (!msg_has(msg, MSG_HOLDS))
		return;
	gossip_rotate_confirmed(g, peer, msg->holds);
	msg_add(&answer, MSG_HELD);
	memcpy(answer.held, msg->holds, sizeof(answer.held));
	(void)gossip_packet_send(g, peer, &answer);
}

mtime_t gossip_rotate_deadline(const struct gossip *g)
{
	return g->holds_next;
}

void gossip_rotate_tick(struct gossip *g)
{
	mtime_t next = MTIME_NEVER;
	struct peer *peer;

	if (!mtime_reached(g->time.now, g->holds_next))
		return;
	g->holds_next = MTIME_NEVER;
	map_each (&g->peers, at, peer) {
		if (!peer->member || !peer->next || !peer->next->installed || peer->next->told)
			continue;
		if (mtime_reached(g->time.now, peer->next->tell_next))
			tell_holds(g, peer);
		next = mtime_min(next, peer->next->tell_next);
	}
	g->holds_next = next;
}
