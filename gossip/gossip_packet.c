#include "gossip/gossip_packet.h"

#include <sodium.h>

#include "gossip/crypto/replay.h"
#include "gossip/crypto/seal.h"
#include "gossip/gossip_age.h"
#include "gossip/gossip_contact.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_fetch.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_own.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_version.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_rotate.h"
#include "gossip/gossip_round.h"
#include "gossip/gossip_sync.h"
#include "gossip/gossip_view.h"
#include "gossip/replica/reconcile.h"
#include "gossip/replica/store.h"
#include "gossip/swim/spread.h"

/* News. Between two pushes: what comes meanwhile is coalesced. Packets to each neighbour in one of
 * them. Others that are asked for where neighbours are not reached. */
#define PUSH_GAP_MS  5
#define PUSH_PACKETS 2
#define PUSH_SPARE   2

/* Sessions. Between two answers to one that is not proven, two greetings of one that should have
 * news and does not answer, and two answers to one whose membership has ended.
 * Plaintext of a hello, so that its answer, with both nonces, is no longer. Members that one who
 * has just joined or started greets at once. A ping that waited longer for its session would tell a
 * wrong round trip. */
#define HELLO_GAP_MS  20
#define GREET_GAP_MS  250
#define VOID_GAP_MS   1000
#define HELLO_PLAIN   56
#define HELLO_BURST   16
#define PING_AGAIN_MS 200

/* ---- out ---- */

static void send_to(struct gossip *g, struct peer *peer, const struct endpoint *to, struct msg *msg)
{
	uint8_t plain[SEAL_PLAIN_MAX], packet[SEAL_PACKET_MAX], nonce[SEAL_NONCE_SIZE];
	size_t size;

	msg->session = g->session;
	msg->counter = peer->counter++;
	if (msg_encode(msg, plain, sizeof(plain), &size) != 0)
		return; /* what is packed is sized before: a bug at worst, and a datagram may always
			   be lost */
	rng_bytes(&g->rng, nonce, sizeof(nonce));
	size = seal_packet(&peer->pair, nonce, plain, size, packet);
	gossip_effect_add(g, EFFECT_SEND, packet, size)->endpoint = *to;
	g->counters[GOSSIP_COUNT_PACKETS_OUT]++;
	g->counters[GOSSIP_COUNT_BYTES_OUT] += size;
}

bool gossip_packet_is_proven(const struct peer *peer, const struct endpoint *at)
{
	return peer->has_session && endpoint_equal(at, &peer->reached);
}

bool gossip_packet_send(struct gossip *g, struct peer *peer, struct msg *msg)
{
	if (!peer->keyed || !gossip_packet_is_proven(peer, &peer->reached))
		return false;
	send_to(g, peer, &peer->reached, msg);
	return true;
}

static void add_challenge(
	struct gossip *g, const struct peer *peer, const struct endpoint *at, struct msg *msg)
{
	msg_add(msg, MSG_CHALLENGE);
	msg->challenge = gossip_peer_nonce(g, peer, at);
}

/* What the sender of the current datagram gets back at an address that it has not proven: no more
 * than it sent, or nothing. */
static void send_back(
	struct gossip *g, struct peer *peer, const struct endpoint *to, struct msg *msg)
{
	msg->session = g->session;
	msg->counter = peer->counter;
	if (gossip_packet_is_proven(peer, to) || msg_size(msg) + SEAL_OVERHEAD <= g->reply.most)
		send_to(g, peer, to, msg);
}

/* The echo that the sender of the current datagram asked for, on the way back to it. */
static void add_echo(
	struct gossip *g, const struct peer *peer, const struct endpoint *at, struct msg *msg)
{
	if (g->reply.peer != peer || !endpoint_equal(&g->reply.to, at))
		return;
	if (g->reply.challenged) {
		msg_add(msg, MSG_ECHO);
		msg->echo = g->reply.challenge;
		g->reply.challenged = false;
	}
	if (!gossip_packet_is_proven(peer, at))
		g->reply.peer = NULL; /* that was all it gets */
}

void gossip_packet_add_store(struct gossip *g, struct msg *msg)
{
	msg_add(msg, MSG_DIGEST);
	store_digest(g->store, msg->digest);
	msg->cutoff_hour = gossip_age_cutoff(g);
	msg_add(msg, MSG_TIME);
	msg->time = g->time.wall;
}

static void take_item(void *context, enum spread_kind kind, const uint8_t *bytes, size_t size)
{
	struct msg *msg = context;
	struct msg_item item = {bytes, size};

	if (kind == SPREAD_STATEMENT && msg->statement_count < MSG_ITEMS_MAX) {
		msg_add(msg, MSG_STATEMENTS);
		msg->statements[msg->statement_count++] = item;
	} else if (kind == SPREAD_RECORD && msg->record_count < MSG_ITEMS_MAX) {
		msg_add(msg, MSG_RECORDS);
		msg->records[msg->record_count++] = item;
	} else if (kind == SPREAD_PLACE && msg->place_count < MSG_PLACES_MAX) {
		msg_add(msg, MSG_ANNOUNCE);
		msg->places[msg->place_count++] = item;
	}
}

#define ITEM_HEADS \
	20 /* of the three lists, their section numbers, and the header's growth when encoded */

static size_t room_for_items(const struct msg *msg)
{
	size_t used = msg_size(msg) + ITEM_HEADS;

	return used < SEAL_PLAIN_MAX ? SEAL_PLAIN_MAX - used : 0;
}

/* By the digest that it told last, and since then nothing has changed here. */
static bool has_all_records(const struct gossip *g, const struct peer *peer)
{
	return (g->agreed && id_equal(&g->agreed_with, &peer->id)) ||
	       (!peer->differs && mtime_before(g->store_changed, peer->compared));
}

static void add_items(struct gossip *g, const struct peer *peer, struct msg *msg)
{
	if (has_all_records(g, peer))
		(void)spread_pick_statements(g->spread, room_for_items(msg), take_item, msg);
	else
		(void)spread_pick(g->spread, room_for_items(msg), take_item, msg);
}

static void add_statements(const struct pack *statements, size_t count, struct msg *msg)
{
	struct pack_reader reader = pack_reader(statements->data, statements->size);
	const uint8_t *item;
	size_t size;

	if (pack_status(statements) != 0)
		return;
	while (count-- &&
		pack_get_bin(&reader, "statement", 1, SWIM_STATEMENT_MAX, &item, &size) == 0)
		take_item(msg, SPREAD_STATEMENT, item, size);
}

/* What the peer should see before anything else: our own word, and whoever accuses it. */
static void add_greeting(
	struct gossip *g, const struct peer *peer, struct pack *greeting, struct msg *msg)
{
	size_t count;

	swim_greet(g->swim, &peer->id, greeting, &count);
	add_statements(greeting, count, msg);
}

/* To each address where the peer may be; news only to a proven one. One that the peer claims to
 * speak from just now has the answer to that, which is no longer than what came. */
static void send_everywhere(struct gossip *g, struct peer *peer, const struct msg *content)
{
	struct endpoint targets[CANDIDATE_PROBES + 1];
	size_t count = gossip_peer_targets(g, peer, targets);

	for (size_t i = 0; i < count; i++) {
		struct msg msg = *content;
		bool proven = gossip_packet_is_proven(peer, &targets[i]);

		if (!proven && g->reply.from == peer && endpoint_equal(&g->reply.to, &targets[i]))
			continue;
		if (proven)
			add_items(g, peer, &msg);
		else
			add_challenge(g, peer, &targets[i], &msg);
		add_echo(g, peer, &targets[i], &msg);
		/* whoever does not know our session answers with no more than this */
		if (!proven && msg_size(&msg) < HELLO_PLAIN)
			msg_pad(&msg, HELLO_PLAIN);
		send_to(g, peer, &targets[i], &msg);
	}
}

static void send_ping(struct gossip *g, struct peer *peer)
{
	uint8_t bytes[SWIM_GREETING_MAX];
	struct pack greeting;
	struct msg msg = {.ping = peer->ping_sequence};

	if (!mtime_before(peer->reached_heard, peer->asked))
		peer->asked = g->time.now;
	pack_init(&greeting, bytes, sizeof(bytes));
	msg_add(&msg, MSG_PING);
	gossip_packet_add_store(g, &msg);
	if (peer->has_session)
		add_greeting(g, peer, &greeting, &msg);
	send_everywhere(g, peer, &msg);
}

static void send_ack(struct gossip *g, struct peer *peer, uint64_t sequence)
{
	uint8_t bytes[SWIM_GREETING_MAX];
	struct pack greeting;
	struct msg msg = {.ack = sequence};
	struct endpoint to = g->reply.to;

	if (g->reply.peer != peer)
		return;
	msg_add(&msg, MSG_ACK);
	add_echo(g, peer, &to, &msg);
	if (gossip_packet_is_proven(peer, &to)) {
		gossip_packet_add_store(g, &msg);
		msg_add(&msg, MSG_SEEN);
		msg.seen = to;
		pack_init(&greeting, bytes, sizeof(bytes));
		add_greeting(g, peer, &greeting, &msg);
		swim_greeted(g->swim, &peer->id);
		add_items(g, peer, &msg);
	} else {
		add_challenge(g, peer, &to, &msg);
	}
	send_back(g, peer, &to, &msg);
}

static void send_relay(struct gossip *g, struct peer *peer, const struct swim_action *action)
{
	uint8_t bytes[SWIM_STATEMENT_MAX + 2];
	struct pack statements;
	struct msg msg = {.relay = action->sequence, .relay_answered = action->answered};
	size_t count = 0;

	msg_add(&msg, MSG_RELAY);
	pack_init(&statements, bytes, sizeof(bytes));
	if (!action->answered && peer->has_session)
		swim_vouch(g->swim, &action->target, &statements, &count);
	add_statements(&statements, count, &msg);
	send_everywhere(g, peer, &msg);
}

void gossip_packet_action(struct gossip *g, const struct swim_action *action)
{
	struct peer *peer = gossip_peer(g, &action->to);
	struct msg msg = {0};

	if (!peer)
		return;
	gossip_peer_key(g, peer);
	if (!peer->keyed)
		return;
	switch (action->kind) {
	case SWIM_PING:
		peer->ping_pending = true;
		peer->ping_sequence = action->sequence;
		peer->ping_sent = g->time.now;
		send_ping(g, peer);
		break;
	case SWIM_ACK:
		send_ack(g, peer, action->sequence);
		break;
	case SWIM_PING_REQ:
		msg_add(&msg, MSG_PING_REQ);
		msg.ping_req = action->sequence;
		msg.ping_req_target = action->target;
		send_everywhere(g, peer, &msg);
		break;
	case SWIM_RELAY:
		send_relay(g, peer, action);
		break;
	case SWIM_CHECK: /* gossip_check.c */
		break;
	}
}

/* Asks for its digest anew: an ack that no probe waits for. */
void gossip_packet_compare(struct gossip *g, struct peer *peer)
{
	struct msg msg = {.ping = 0};

	msg_add(&msg, MSG_PING);
	gossip_packet_add_store(g, &msg);
	send_everywhere(g, peer, &msg);
}

/* Sessions with a few members, before anybody's turn to probe comes: news reach only whom one has a
 * session with. */
void gossip_packet_hello(struct gossip *g)
{
	struct id chosen[HELLO_BURST];
	size_t following, count = swim_neighbours(g->swim, chosen, HELLO_BURST, &following);

	for (size_t i = 0; i < count; i++) {
		struct peer *peer = gossip_peer(g, &chosen[i]);
		struct msg msg = {0};

		if (!peer)
			continue;
		gossip_peer_key(g, peer);
		if (peer->keyed && !gossip_packet_is_proven(peer, &peer->reached))
			send_everywhere(g, peer, &msg);
	}
	g->hello_due = false;
}

void gossip_packet_look(struct gossip *g, struct peer *peer)
{
	struct msg msg = {0};

	gossip_peer_key(g, peer);
	peer->candidate = 0;
	if (peer->keyed)
		send_everywhere(g, peer, &msg);
}

/* Whom to push to now, of those it would be best to: without a session one is greeted first, and
 * gets then what is news. More often than such a greeting is answered would be in vain. */
static size_t choose_neighbours(struct gossip *g, struct peer *ret[SPREAD_FANOUT])
{
	struct id chosen[SPREAD_FANOUT + PUSH_SPARE];
	size_t following, have = 0,
			  count = swim_neighbours(g->swim, chosen, ARRAY_SIZE(chosen), &following);

	for (size_t i = 0; i < count && have < SPREAD_FANOUT; i++) {
		struct peer *peer = gossip_peer(g, &chosen[i]);
		struct msg msg = {0};

		if (!peer || !peer->keyed)
			continue;
		if (gossip_packet_is_proven(peer, &peer->reached)) {
			ret[have++] = peer;
		} else if (i < following && mtime_reached(g->time.now, peer->greet_next)) {
			peer->greet_next = mtime_add_ms(g->time.now, GREET_GAP_MS);
			send_everywhere(g, peer, &msg);
		}
	}
	return have;
}

/* What is fresh goes at once to the neighbours, each of which does the same with what is news to
 * it. */
void gossip_packet_push(struct gossip *g)
{
	struct peer *neighbours[SPREAD_FANOUT];
	size_t count = choose_neighbours(g, neighbours);

	g->push_next = mtime_add_ms(g->time.now, PUSH_GAP_MS);
	if (count == 0) {
		spread_settle(g->spread);
		return;
	}
	for (unsigned packets = 0; packets < PUSH_PACKETS; packets++) {
		struct msg content = {0};

		if (!spread_push(
			    g->spread, g->time.now, room_for_items(&content), take_item, &content))
			break;
		for (size_t i = 0; i < count; i++) {
			struct msg msg = content;

			/* as whoever this news came from, with its digest */
			if (!msg.statement_count && has_all_records(g, neighbours[i]))
				continue;
			send_to(g, neighbours[i], &neighbours[i]->reached, &msg);
		}
	}
}

/* One record to one member directly, whatever else is under way. */
void gossip_packet_tell(struct gossip *g, struct peer *peer, const struct record *record)
{
	struct msg msg = {0};

	if (!gossip_packet_is_proven(peer, &peer->reached) || record->size > SPREAD_ITEM_MAX)
		return;
	take_item(&msg, SPREAD_RECORD, record->bytes, record->size);
	send_to(g, peer, &peer->reached, &msg);
}

/* A session has begun: what it should see first, and the ping that waited for it. */
void gossip_packet_greet(struct gossip *g, struct peer *peer)
{
	uint8_t bytes[SWIM_GREETING_MAX];
	struct pack greeting;
	struct msg msg = {.ping = peer->ping_sequence};

	pack_init(&greeting, bytes, sizeof(bytes));
	add_greeting(g, peer, &greeting, &msg);
	if (peer->ping_pending && mtime_diff_ms(g->time.now, peer->ping_sent) <= PING_AGAIN_MS) {
		msg_add(&msg, MSG_PING);
		gossip_packet_add_store(g, &msg);
	}
	add_echo(g, peer, &peer->reached, &msg);
	add_items(g, peer, &msg);
	send_to(g, peer, &peer->reached, &msg);
	swim_greeted(g->swim, &peer->id);
}

/* ---- in ---- */

/* A session that has not echoed a nonce of ours: nothing in it is believed. It gets its own nonce
 * back and one of ours, if that is no more than it sent, and not often. */
static void answer_unproven(struct gossip *g, struct peer *peer)
{
	struct endpoint to = g->reply.to;
	struct msg msg = {.session = g->session, .counter = peer->counter};

	g->counters[GOSSIP_COUNT_UNPROVEN_SESSION]++;
	if (!mtime_reached(g->time.now, peer->hello_next))
		return;
	peer->hello_next = mtime_add_ms(g->time.now, HELLO_GAP_MS);
	gossip_peer_learn(peer, &to);
	add_echo(g, peer, &to, &msg);
	add_challenge(g, peer, &to, &msg);
	/* padded to what came, so that the answer to this answer has room as well */
	msg_pad(&msg, g->reply.most - SEAL_OVERHEAD);
	if (msg_size(&msg) + SEAL_OVERHEAD <= g->reply.most)
		send_to(g, peer, &to, &msg);
	g->reply.peer = NULL;
}

/* One whose membership has ended gets to know by what, if that is no more than it sent. */
static void answer_void(struct gossip *g, struct peer *peer)
{
	const struct authority_member *member = authority_member(g->authority, &peer->id);
	struct msg msg = {.session = g->session, .counter = peer->counter};

	g->counters[GOSSIP_COUNT_REVOKED_SENDER]++;
	if (!member || !member->ended_by || !mtime_reached(g->time.now, peer->void_next))
		return;
	peer->void_next = mtime_add_ms(g->time.now, VOID_GAP_MS);
	msg_add(&msg, MSG_VOID);
	msg.void_record = (struct msg_item){member->ended_by->bytes, member->ended_by->size};
	if (msg_size(&msg) + SEAL_OVERHEAD <= g->reply.most)
		send_to(g, peer, &g->reply.to, &msg);
}

/* Whether another address, once proven, is taken: the one in use is kept while it works. */
static bool would_move(const struct gossip *g, const struct peer *peer)
{
	return !peer->reached.ip.family ||
	       mtime_diff_ms(g->time.now, peer->reached_heard) >= ADDRESS_STICKY_MS;
}

static bool session_accepted(struct gossip *g, struct peer *peer, const struct msg *msg)
{
	bool echoed =
		msg_has(msg, MSG_ECHO) && msg->echo == gossip_peer_nonce(g, peer, &g->reply.to);

	if (peer->has_session && msg->session == peer->session) {
		if (!replay_accept(&peer->replay, msg->counter)) {
			g->counters[GOSSIP_COUNT_REPLAYED]++;
			return false;
		}
		if (endpoint_equal(&g->reply.to, &peer->reached))
			peer->reached_heard = g->time.now;
		else if (echoed && would_move(g, peer))
			gossip_peer_reached(g, peer, &g->reply.to);
		else
			gossip_peer_learn(peer, &g->reply.to);
		return true;
	}
	if (!echoed) {
		answer_unproven(g, peer);
		return false;
	}
	gossip_rotate_greet(g, peer);
	peer->has_session = true;
	peer->session = msg->session;
	peer->epoch++;
	replay_init(&peer->replay);
	(void)replay_accept(&peer->replay, msg->counter);
	gossip_peer_reached(g, peer, &g->reply.to);
	/* the ack to its ping greets it as well */
	if (!msg_has(msg, MSG_PING) || peer->ping_pending)
		gossip_packet_greet(g, peer);
	return true;
}

/* Several members must say the same before this node believes where it is seen from outside. */
static void seen_received(
	struct gossip *g, const struct peer *peer, const struct endpoint *endpoint)
{
	struct seen *slot = NULL;

	if (!gossip_peer_usable(g, endpoint))
		return;
	for (size_t i = 0; i < SEEN_MAX && !slot; i++) {
		if (id_equal(&g->seen[i].witness, &peer->id))
			slot = &g->seen[i];
	}
	if (!slot)
		slot = &g->seen[g->seen_next++ % SEEN_MAX];
	if (endpoint_equal(&slot->endpoint, endpoint) && id_equal(&slot->witness, &peer->id))
		return;
	*slot = (struct seen){peer->id, *endpoint};
	g->descriptor_dirty = true;
}

static void count_refused(struct gossip *g, struct peer *peer, enum gossip_counter counter, int err)
{
	g->counters[counter]++;
	if (err == ERR_BAD_SIGNATURE)
		gossip_peer_forged(g, peer);
}

static void statement_received(struct gossip *g, struct peer *peer, const struct msg_item *item)
{
	bool news;
	int err;

	if (spread_heard(g->spread, &peer->id, item->bytes, item->size) ||
		gossip_peer_is_forger(g, peer))
		return;
	err = swim_statement_received(g->swim, g->time.now, item->bytes, item->size, &news);
	if (err != 0)
		count_refused(g, peer, GOSSIP_COUNT_STATEMENTS_REFUSED, err);
	if (err == ERR_STATE) /* signed by this node's key, in a life that is none of its own */
		gossip_own_statement_met(g, item);
}

/* Its size, if it was not known. */
static size_t record_received(struct gossip *g, struct peer *peer, const struct msg_item *item)
{
	bool fresh = false;
	int err;

	if (spread_heard(g->spread, &peer->id, item->bytes, item->size) ||
		gossip_peer_is_forger(g, peer))
		return 0;
	err = gossip_record_put_bytes(g, item->bytes, item->size, &fresh);
	if (err != 0)
		count_refused(g, peer, GOSSIP_COUNT_RECORDS_REFUSED, err);
	return fresh ? item->size : 0;
}

static void items_received(struct gossip *g, struct peer *peer, const struct msg *msg)
{
	size_t brought = 0;

	for (size_t i = 0; i < msg->statement_count; i++)
		statement_received(g, peer, &msg->statements[i]);
	for (size_t i = 0; i < msg->record_count; i++)
		brought += record_received(g, peer, &msg->records[i]);
	if (brought)
		gossip_round_records_received(g, peer, brought);
	if (msg->place_count)
		gossip_fetch_received(g, peer, msg);
}

static void act_on(struct gossip *g, struct peer *peer, const struct msg *msg)
{
	const struct id *from = &peer->id;

	g->last_heard = g->time.now;
	swim_heard(g->swim, g->time.now, from);
	items_received(g, peer, msg);
	if (msg_has(msg, MSG_VOID) && !record_received(g, peer, &msg->void_record))
		gossip_contact_told_void(g, peer);
	if (msg_has(msg, MSG_TIME)) {
		peer->clock_offset_ms = msg->time.ms - g->time.wall.ms;
		peer->has_clock = true;
	}
	if (msg_has(msg, MSG_DIGEST))
		gossip_sync_digest_received(g, peer, msg);
	if (msg_has(msg, MSG_RECONCILE))
		gossip_round_ranges_received(g, peer, msg);
	if (msg_has(msg, MSG_SEEN))
		seen_received(g, peer, &msg->seen);
	gossip_rotate_received(g, peer, msg);
	if (msg_has(msg, MSG_ACK)) {
		if (msg->ack == peer->ping_sequence)
			peer->ping_pending = false;
		swim_ack_received(g->swim, g->time.now, from, msg->ack);
	}
	if (msg_has(msg, MSG_RELAY))
		swim_relay_received(g->swim, g->time.now, from, msg->relay, msg->relay_answered);
	if (msg_has(msg, MSG_PING_REQ))
		swim_ping_req_received(
			g->swim, g->time.now, from, msg->ping_req, &msg->ping_req_target);
	if (msg_has(msg, MSG_PING))
		swim_ping_received(g->swim, g->time.now, from, msg->ping);
}

static void packet_opened(struct gossip *g, struct peer *peer, const struct msg *msg)
{
	if (!peer->member) {
		answer_void(g, peer);
		return;
	}
	if (!session_accepted(g, peer, msg))
		return;
	act_on(g, peer, msg);
	/* acks are sent by the turn below, and take the echo with them */
	gossip_turn(g);
	if (g->reply.peer == peer && g->reply.challenged) {
		struct msg echo = {0};

		add_echo(g, peer, &g->reply.to, &echo);
		/* Two that both stay where they are would challenge each other for ever. */
		if (!gossip_packet_is_proven(peer, &g->reply.to) && would_move(g, peer))
			add_challenge(g, peer, &g->reply.to, &echo);
		send_back(g, peer, &g->reply.to, &echo);
	}
}

void gossip_receive(struct gossip *g, struct gossip_time time, const struct endpoint *from,
	const void *data, size_t size)
{
	uint8_t plain[SEAL_PLAIN_MAX];
	size_t plain_size;
	struct msg msg;
	const char *where;
	struct peer *peer;

	g->time = time;
	if (gossip_own_has_yielded(g))
		return;
	g->counters[GOSSIP_COUNT_PACKETS_IN]++;
	g->counters[GOSSIP_COUNT_BYTES_IN] += size;
	if (size < SEAL_OVERHEAD || size > SEAL_PACKET_MAX) {
		g->counters[GOSSIP_COUNT_MALFORMED]++;
		return;
	}
	peer = g->store ? map_get(&g->tags, data) : NULL;
	if (!peer) {
		g->counters[GOSSIP_COUNT_UNKNOWN_TAG]++;
		gossip_version_unreadable(g, from);
		return;
	}
	if (seal_open(&peer->pair, data, size, plain, &plain_size) != 0) {
		g->counters[GOSSIP_COUNT_NOT_AUTHENTIC]++;
		return;
	}
	if (msg_decode(plain, plain_size, &msg, &where) != 0 ||
		(msg_has(&msg, MSG_RECONCILE) &&
			reconcile_check(msg.reconcile.bytes, msg.reconcile.size) != 0)) {
		g->counters[GOSSIP_COUNT_MALFORMED]++;
		return;
	}
	g->counters[GOSSIP_COUNT_LATER] += msg.later;
	g->reply = (struct reply){.from = peer,
		.peer = peer,
		.to = *from,
		.challenged = msg_has(&msg, MSG_CHALLENGE),
		.challenge = msg.challenge,
		.most = size};
	packet_opened(g, peer, &msg);
	gossip_turn(g);
	g->reply.from = g->reply.peer = NULL;
}
