#include "gossip/gossip_fetch.h"

#include "gossip/gossip_contact.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_packet.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_stream.h"
#include "gossip/replica/order.h"
#include "gossip/replica/store.h"
#include "gossip/swim/spread.h"

#define WANTED_OF_A_PEER 4 /* at a time */

/* How long one that is announced is waited for; how often it is looked whether its time has come.
 */
#define WANTED_MS      10000
#define WANTED_LOOK_MS 50

#define PLACE_ORDER sizeof(struct hash) /* behind the topic */

_Static_assert(PLACE_ORDER + ORDER_KEY_SIZE == MSG_PLACE_SIZE, "topic, and place in the order");

static void put_place(const struct record *record, const struct hash *topic, uint8_t *ret)
{
	struct order_key key = order_key(record);

	memcpy(ret, topic, sizeof(*topic));
	order_key_encode(&key, ret + PLACE_ORDER);
}

void gossip_fetch_place(const struct record *record, uint8_t ret[MSG_PLACE_SIZE])
{
	struct hash topic;

	store_topic(record, &topic);
	put_place(record, &topic, ret);
}

int gossip_fetch_announce(struct gossip *g, const struct record *record, const struct hash *topic)
{
	uint8_t place[MSG_PLACE_SIZE];

	put_place(record, topic, place);
	return spread_put(g->spread, SPREAD_PLACE, topic, record->stamp, 0, place, sizeof(place));
}

/* It is there, or what replaces it. */
static bool is_here(const struct gossip *g, const uint8_t *bytes, const struct order_key *place)
{
	struct hash topic;
	const struct record *held;
	struct order_key held_place;

	if (store_find(g->store, &place->hash))
		return true;
	memcpy(&topic, bytes, sizeof(topic));
	held = store_at_topic(g->store, &topic);
	if (!held)
		return false;
	held_place = order_key(held);
	return order_compare(&held_place, place) >= 0;
}

static bool has_room(const struct gossip *g, const struct peer *peer, const struct order_key *place)
{
	size_t of_peer = 0;

	for (size_t i = 0; i < g->wanted_count; i++) {
		if (order_compare(&g->wanted[i].place, place) == 0)
			return false;
		of_peer += id_equal(&g->wanted[i].peer, &peer->id);
	}
	return of_peer < WANTED_OF_A_PEER && g->wanted_count < WANTED_MAX;
}

void gossip_fetch_received(struct gossip *g, const struct peer *peer, const struct msg *msg)
{
	if (!gossip_packet_is_proven(peer, &peer->reached))
		return;
	for (size_t i = 0; i < msg->place_count; i++) {
		const uint8_t *bytes = msg->places[i].bytes;
		struct order_key place = order_key_decode(bytes + PLACE_ORDER);

		if (spread_heard(g->spread, &peer->id, bytes, msg->places[i].size) ||
			place.class >= ORDER_CLASSES || is_here(g, bytes, &place) ||
			!has_room(g, peer, &place))
			continue;
		g->wanted[g->wanted_count++] = (struct wanted){.place = place,
			.peer = peer->id,
			.deadline = mtime_add_ms(g->time.now, WANTED_MS)};
		g->wanted_next = g->time.now;
	}
}

size_t gossip_fetch_places(
	struct gossip *g, const struct id *peer, struct order_key ret[WANTED_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < g->wanted_count; i++) {
		struct wanted *wanted = &g->wanted[i];
		size_t at = count;

		if (!id_equal(&wanted->peer, peer))
			continue;
		wanted->asked = true;
		for (; at && order_compare(&wanted->place, &ret[at - 1]) < 0; at--)
			ret[at] = ret[at - 1];
		ret[at] = wanted->place;
		count++;
	}
	return count;
}

/* It came, or it will not: then whoever announces it next is asked. */
static bool is_over(const struct gossip *g, const struct wanted *wanted)
{
	return store_find(g->store, &wanted->place.hash) ||
	       mtime_reached(g->time.now, wanted->deadline) ||
	       (wanted->asked && !gossip_contact_is_dialling(g, &wanted->peer));
}

static void ask(struct gossip *g, struct wanted *wanted)
{
	struct peer *peer = gossip_peer(g, &wanted->peer);

	if (!peer || !peer->member || gossip_contact_is_dialling(g, &wanted->peer) ||
		gossip_stream_connect(g, STREAM_CLIENT, &wanted->peer, &peer->reached) != 0)
		return;
	gossip_stream_find(g, g->stream_next)->asking = true;
	wanted->asked = true;
}

void gossip_fetch_tick(struct gossip *g)
{
	if (!g->wanted_count || !mtime_reached(g->time.now, g->wanted_next))
		return;
	g->wanted_next = mtime_add_ms(g->time.now, WANTED_LOOK_MS);
	for (size_t i = g->wanted_count; i-- > 0;) {
		if (is_over(g, &g->wanted[i]))
			g->wanted[i] = g->wanted[--g->wanted_count];
	}
	for (size_t i = 0; i < g->wanted_count; i++) {
		if (!g->wanted[i].asked)
			ask(g, &g->wanted[i]);
	}
}

mtime_t gossip_fetch_deadline(const struct gossip *g)
{
	return g->wanted_count ? g->wanted_next : MTIME_NEVER;
}
