#include "gossip/gossip_round.h"

#include "gossip/crypto/seal.h"
#include "gossip/gossip_age.h"
#include "gossip/gossip_fetch.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_packet.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_stream.h"
#include "gossip/gossip_sync.h"
#include "gossip/replica/order.h"
#include "gossip/replica/reconcile.h"
#include "gossip/replica/store.h"
#include "gossip/swim/spread.h"

/* A round waits that long for the next packet, or three round trips; goes on so often without
 * anything coming of it; and leaves it to a stream when records of so many bytes went either way in
 * vain, or are still to go. Its member is asked so often at most whether it agrees now. */
#define ROUND_WAIT_MS	 300
#define ROUND_WAIT_TRIPS 3
#define ROUND_TRIES	 4
#define ROUND_BYTES_MAX	 (16 * 1024)
#define ROUND_TO_GO_MAX	 (64 * 1024)
#define ROUND_COMPARE_MS 50

/* An answer: packets; records that are looked at for them; ranges in one packet, and what its head
 * and the store's digest take beside its items, in bytes. What is more waits for the next round. */
#define ANSWER_PACKETS 16
#define ANSWER_RECORDS 256
#define RANGES_MAX     1080
#define PACKET_OTHER   64

/* What one member may have: answers that cost so much time are given at once, and in the long run
 * as much of it as there is, where hashing all records, and sending a packet, count for so much. */
#define ANSWER_BURST_MS	 4000
#define ANSWER_STORE_MS	 500
#define ANSWER_STORE_MIN 1000 /* records: below, the rest of the work counts */
#define ANSWER_PACKET_MS 20
#define ANSWER_MEMBERS	 8 /* all together may have so many times what one may */
/* The same over streams: twice what the longest sync of all takes. */
#define STREAM_BURST_MS	 16000

struct answer {
	const struct gossip *g;
	const struct peer *peer;
	size_t message_count;
	size_t sizes[ANSWER_PACKETS];
	uint8_t messages[ANSWER_PACKETS][RANGES_MAX];
	size_t record_count, next_record;
	struct record *records[ANSWER_RECORDS]; /* the store's: it does not change meanwhile */
	size_t record_bytes;
	size_t place_count;
	uint8_t places[MSG_PLACES_MAX][MSG_PLACE_SIZE]; /* of records too large to go along */
};

static int take_message(void *context, const void *bytes, size_t size)
{
	struct answer *answer = context;

	if (answer->message_count == ANSWER_PACKETS)
		return ERR_LIMIT;
	memcpy(answer->messages[answer->message_count], bytes, size);
	answer->sizes[answer->message_count++] = size;
	return 0;
}

static int take_lacking(void *context, struct record *record)
{
	struct answer *answer = context;

	if (gossip_age_withholds(answer->g, answer->peer, record))
		return 0;
	if (record->size > SPREAD_ITEM_MAX) {
		if (answer->place_count < MSG_PLACES_MAX - 1)
			gossip_fetch_place(record, answer->places[answer->place_count++]);
		return 0;
	}
	if (answer->record_count == ANSWER_RECORDS)
		return ERR_LIMIT;
	answer->records[answer->record_count++] = record;
	answer->record_bytes += record->size;
	return 0;
}

static struct reconcile_sink sink_of(struct answer *answer)
{
	return (struct reconcile_sink){.message_max = RANGES_MAX,
		.message = take_message,
		.lacking = take_lacking,
		.context = answer};
}

/* ---- sending ---- */

static void add_records(struct gossip *g, struct answer *answer, struct msg *msg)
{
	size_t used = msg_size(msg) + PACKET_OTHER;
	size_t room = used < SEAL_PLAIN_MAX ? SEAL_PLAIN_MAX - used : 0;

	while (answer->next_record < answer->record_count && msg->record_count < MSG_ITEMS_MAX) {
		const struct record *record = answer->records[answer->next_record];
		size_t size = record->size + 3; /* and the head of a byte string */

		if (size > room)
			break;
		room -= size;
		msg_add(msg, MSG_RECORDS);
		msg->records[msg->record_count++] = gossip_stream_item(record);
		answer->next_record++;
		g->counters[GOSSIP_COUNT_SYNC_RECORDS]++;
	}
}

static void send_packet(struct gossip *g, struct peer *peer, struct msg *msg)
{
	uint64_t before = g->counters[GOSSIP_COUNT_BYTES_OUT];

	(void)gossip_packet_send(g, peer, msg);
	g->counters[GOSSIP_COUNT_SYNC_BYTES] += g->counters[GOSSIP_COUNT_BYTES_OUT] - before;
}

static bool may_compare(struct gossip *g)
{
	if (!mtime_reached(g->time.now, g->round.compare_next))
		return false;
	g->round.compare_next = mtime_add_ms(g->time.now, ROUND_COMPARE_MS);
	return true;
}

/* The last says what this node's store is now, and with `asks`, asks back what the other's is. */
static size_t send_answer(struct gossip *g, struct peer *peer, struct answer *answer, bool asks)
{
	size_t count = 0;
	bool more = true;

	if (!answer->message_count && !answer->record_count && !answer->place_count && !asks)
		return 0;
	order_sort_sent(answer->records, answer->record_count);
	for (; more && count < ANSWER_PACKETS; count++) {
		struct msg msg = {.ping = 0};

		if (count < answer->message_count) {
			msg_add(&msg, MSG_RECONCILE);
			msg.reconcile =
				(struct msg_item){answer->messages[count], answer->sizes[count]};
		}
		/* places take a packet of their own, but for what room there is beside them */
		if (count == answer->message_count && answer->place_count) {
			msg_add(&msg, MSG_ANNOUNCE);
			for (; msg.place_count < answer->place_count; msg.place_count++)
				msg.places[msg.place_count] = (struct msg_item){
					answer->places[msg.place_count], MSG_PLACE_SIZE};
		}
		add_records(g, answer, &msg);
		more = count + 1 < answer->message_count ||
		       (count < answer->message_count && answer->place_count) ||
		       answer->next_record < answer->record_count;
		if (!more || count + 1 == ANSWER_PACKETS) {
			gossip_packet_add_store(g, &msg);
			if (asks)
				msg_add(&msg, MSG_PING);
		}
		send_packet(g, peer, &msg);
	}
	return count;
}

/* ---- rounds of our own ---- */

static bool is_with(const struct gossip *g, const struct peer *peer)
{
	return g->round.active && id_equal(&g->round.peer, &peer->id);
}

static void wait_on(struct gossip *g)
{
	struct swim_info info;
	int64_t wait_ms = ROUND_WAIT_MS;

	if (swim_info(g->swim, &g->round.peer, &info) &&
		info.rtt_us / 1000 * ROUND_WAIT_TRIPS > wait_ms)
		wait_ms = info.rtt_us / 1000 * ROUND_WAIT_TRIPS;
	g->round.deadline = mtime_add_ms(g->time.now, wait_ms);
}

static void begin(struct gossip *g, struct peer *peer)
{
	struct answer answer = {.g = g, .peer = peer};
	struct reconcile_sink sink = sink_of(&answer);

	g->counters[GOSSIP_COUNT_SYNC_ROUNDS]++;
	g->round.moved = false;
	g->round.tries++;
	rng_bytes(&g->rng, g->round.key, sizeof(g->round.key));
	wait_on(g);
	/* to equal ranges there is no answer */
	if (reconcile_begin(g->store, g->round.key, &sink) == 0)
		(void)send_answer(g, peer, &answer, g->round.tries > 1);
}

void gossip_round_begin(struct gossip *g, struct peer *peer)
{
	g->round = (struct round){.active = true, .peer = peer->id, .began = g->time.now};
	begin(g, peer);
}

static void leave_to_stream(struct gossip *g, struct peer *peer)
{
	g->round.active = false;
	gossip_sync_over_stream(g, peer);
}

/* Nothing comes any more. What was moved may have been all: that is asked first. */
static void fell_silent(struct gossip *g)
{
	struct round *round = &g->round;
	struct peer *peer = gossip_peer(g, &round->peer);

	if (!peer || !peer->member || !gossip_packet_is_proven(peer, &peer->reached)) {
		round->active = false;
	} else if (round->moved) {
		round->moved = false;
		round->tries = 0;
		wait_on(g);
		gossip_packet_compare(g, peer);
	} else if (round->tries >= ROUND_TRIES || round->moved_bytes > ROUND_BYTES_MAX) {
		leave_to_stream(g, peer);
	} else {
		begin(g, peer);
	}
}

void gossip_round_tick(struct gossip *g)
{
	if (g->round.active && mtime_reached(g->time.now, g->round.deadline))
		fell_silent(g);
}

mtime_t gossip_round_deadline(const struct gossip *g)
{
	return g->round.active ? g->round.deadline : MTIME_NEVER;
}

void gossip_round_compared(struct gossip *g, const struct peer *peer)
{
	if (is_with(g, peer) && !peer->differs)
		g->round.active = false;
}

static void moved(struct gossip *g, size_t bytes)
{
	g->round.moved = true;
	g->round.moved_bytes += bytes;
	wait_on(g);
}

void gossip_round_records_received(struct gossip *g, const struct peer *peer, size_t bytes)
{
	if (is_with(g, peer))
		moved(g, bytes);
}

/* ---- answers ---- */

static void charge(struct gossip *g, struct peer *peer, int64_t us)
{
	peer->reconciled = mtime_add_us(peer->reconciled, us);
	g->reconciled = mtime_add_us(g->reconciled, us / ANSWER_MEMBERS);
}

static int64_t hashing_us(const struct gossip *g, size_t records)
{
	size_t all = store_count(g->store);

	if (all < ANSWER_STORE_MIN)
		all = ANSWER_STORE_MIN;
	return (int64_t)(ANSWER_STORE_MS * 1000 * records / all);
}

static bool may_have_answer(struct gossip *g, struct peer *peer, const struct msg *msg)
{
	size_t cost = reconcile_cost(g->store, msg->reconcile.bytes, msg->reconcile.size);

	if (mtime_before(peer->reconciled, g->time.now))
		peer->reconciled = g->time.now;
	if (mtime_before(g->reconciled, g->time.now))
		g->reconciled = g->time.now;
	if (mtime_diff_ms(peer->reconciled, g->time.now) > ANSWER_BURST_MS ||
		mtime_diff_ms(g->reconciled, g->time.now) > ANSWER_BURST_MS)
		return false;
	charge(g, peer, hashing_us(g, cost));
	return true;
}

bool gossip_round_may_stream(const struct gossip *g, const struct peer *peer)
{
	return mtime_diff_ms(peer->streamed, g->time.now) <= STREAM_BURST_MS;
}

void gossip_round_streamed(struct gossip *g, struct peer *peer, size_t records)
{
	if (mtime_before(peer->streamed, g->time.now))
		peer->streamed = g->time.now;
	peer->streamed = mtime_add_us(peer->streamed, hashing_us(g, records));
}

void gossip_round_ranges_received(struct gossip *g, struct peer *peer, const struct msg *msg)
{
	struct answer answer = {.g = g, .peer = peer};
	struct reconcile_sink sink = sink_of(&answer);
	bool ours = is_with(g, peer) &&
		    memcmp(g->round.key, msg->reconcile.bytes, sizeof(g->round.key)) == 0;
	size_t count;
	int err;

	if (!gossip_packet_is_proven(peer, &g->reply.to) || !may_have_answer(g, peer, msg))
		return;
	err = reconcile_answer(g->store, msg->reconcile.bytes, msg->reconcile.size, &sink);
	if (err != 0 && err != ERR_LIMIT)
		return; /* no memory: another round */
	if (ours && (err == ERR_LIMIT || answer.record_bytes > ROUND_TO_GO_MAX)) {
		leave_to_stream(g, peer);
		return;
	}
	/* who began, and has nothing more to compare, sees whether that was all */
	count = send_answer(g, peer, &answer, ours && !answer.message_count && may_compare(g));
	charge(g, peer, (int64_t)count * ANSWER_PACKET_MS * 1000);
	if (ours && answer.next_record)
		moved(g, answer.record_bytes);
	else if (ours)
		wait_on(g);
}
