#include "gossip/gossip_stream.h"

#include <sodium.h>
#include <stdlib.h>

#include "gossip/crypto/channel.h"
#include "gossip/gossip_admit.h"
#include "gossip/gossip_check.h"
#include "gossip/gossip_contact.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_hint.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_join.h"
#include "gossip/gossip_own.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_rotate.h"
#include "gossip/gossip_sync.h"
#include "gossip/gossip_view.h"
#include "gossip/gossip_void.h"
#include "gossip/replica/store.h"
#include "gossip/replica/sync.h"
#include "gossip/wire/frame.h"

/* Until the other end has proven itself; without a byte in either direction. */
#define STREAM_HANDSHAKE_MS 5000
#define STREAM_IDLE_MS	    20000

#define STREAM_OUT_MAX (128 * 1024) /* of bytes made in one go */

struct stream *gossip_stream_find(const struct gossip *g, uint64_t number)
{
	struct stream *s = g->streams;

	while (s && s->number != number)
		s = s->next;
	return s;
}

static struct stream *add(
	struct gossip *g, uint64_t number, enum stream_role role, const struct endpoint *endpoint)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->number = number;
	s->role = role;
	s->endpoint = *endpoint;
	s->began = g->time.now;
	s->deadline = mtime_add_ms(g->time.now, STREAM_HANDSHAKE_MS);
	s->next = g->streams;
	g->streams = s;
	g->stream_count++;
	return s;
}

static void stream_free(struct stream *s)
{
	channel_free(s->channel);
	sync_free(s->sync);
	admission_done(&s->offer);
	free(s);
}

/* Whether the other end has shown what entitles it to more than the handshake's time. */
static bool is_settled(const struct stream *s)
{
	return s->sync || s->offer.invite_record;
}

void gossip_stream_extend(struct gossip *g, struct stream *s)
{
	if (s->role == STREAM_CHECK) /* it has the probe's time */
		return;
	s->deadline =
		mtime_add_ms(g->time.now, is_settled(s) ? STREAM_IDLE_MS : STREAM_HANDSHAKE_MS);
}

/* Nothing more happens on it; it is taken off the list by reap(). */
void gossip_stream_doom(struct gossip *g, struct stream *s)
{
	if (s->ended)
		return;
	s->ended = true;
	gossip_effect_add(g, EFFECT_CLOSE, NULL, 0)->stream = s->number;
	if (g->join.stream == s->number)
		gossip_join_lost(g, s);
	if (s->role == STREAM_CHECK)
		gossip_check_ended(g, s);
}

static void reap(struct gossip *g)
{
	for (struct stream **at = &g->streams; *at;) {
		struct stream *s = *at;

		if (!s->ended) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		g->stream_count--;
		stream_free(s);
	}
}

void gossip_stream_close_all(struct gossip *g)
{
	for (struct stream *s = g->streams; s; s = s->next)
		gossip_stream_doom(g, s);
	reap(g);
}

static void send_bytes(struct gossip *g, struct stream *s, const struct pack *bytes)
{
	if (!bytes->size)
		return;
	gossip_effect_add(g, EFFECT_STREAM_SEND, bytes->data, bytes->size)->stream = s->number;
	s->queued += bytes->size;
	gossip_stream_extend(g, s);
}

int gossip_stream_send(struct gossip *g, struct stream *s, const struct frame *frame)
{
	struct pack plain, out;
	int err;

	pack_init_growing(&plain, CHANNEL_MESSAGE_MAX);
	pack_init_growing(&out, STREAM_OUT_MAX);
	frame_encode(frame, &plain);
	err = pack_status(&plain);
	if (err == 0)
		err = channel_send(s->channel, plain.data, plain.size, &out);
	if (err == 0)
		send_bytes(g, s, &out);
	pack_done(&plain);
	pack_done(&out);
	return err;
}

void gossip_stream_end(struct gossip *g, struct stream *s)
{
	struct pack out;

	pack_init_growing(&out, STREAM_OUT_MAX);
	if (channel_end(s->channel, &out) == 0)
		send_bytes(g, s, &out);
	pack_done(&out);
	gossip_stream_doom(g, s);
}

struct msg_item gossip_stream_item(const struct record *record)
{
	return record ? (struct msg_item){record->bytes, record->size} : (struct msg_item){NULL, 0};
}

/* ---- members ---- */

/* This node's admission: a server that was away may not have heard of it. */
static int send_admission(struct gossip *g, struct stream *s)
{
	const struct id *self = &g->config.identity->id;
	struct frame frame = {.type = FRAME_INTRODUCE};
	struct record *admission = store_slot(g->store, self, RECORD_ADMISSION, NULL, 0);

	if (!admission)
		return ERR_STATE;
	frame.record = gossip_stream_item(admission);
	frame.grant = gossip_stream_item(gossip_view_grant_behind(g, self));
	return gossip_stream_send(g, s, &frame);
}

/* It goes first. */
static int introduce(struct gossip *g, struct stream *s)
{
	int err = send_admission(g, s);

	if (err == 0)
		err = gossip_sync_begin(g, s, true);
	return err ? err : gossip_sync_pump(g, s);
}

/* A stranger is given nothing but what shows it, if it is a member, who this is: then it can do the
 * same, and both know each other. */
static int introduce_by_hint(struct gossip *g, struct stream *s)
{
	enum gossip_hint_verdict verdict = gossip_hint_met(g, s);
	int err = 0;

	if (verdict == HINT_MEMBER) {
		gossip_contact_dialled(g, s);
		return introduce(g, s);
	}
	if (verdict == HINT_STRANGER)
		err = send_admission(g, s);
	if (err == 0)
		gossip_stream_end(g, s);
	return err;
}

static int introduce_received(struct gossip *g, struct stream *s, const struct frame *frame)
{
	const struct authority_member *member;

	if (s->role != STREAM_SERVER || channel_peer_kind(s->channel) != CHANNEL_MEMBER || s->sync)
		return ERR_MALFORMED;
	if (gossip_record_put_item(g, &frame->grant) != 0 ||
		gossip_record_put_item(g, &frame->record) != 0)
		return ERR_NO_CHAIN;
	gossip_view_refresh(g);
	member = authority_member(g->authority, channel_peer(s->channel));
	if (!member)
		return ERR_NO_CHAIN;
	if (member->standing != AUTHORITY_MEMBER)
		return gossip_void_tell(g, s, member);
	return gossip_sync_serve(g, s);
}

static int records_received(struct gossip *g, const struct frame *frame)
{
	int err = 0;

	for (size_t i = 0; i < frame->record_count && err != ERR_BAD_SIGNATURE; i++) {
		err = gossip_record_put_item(g, &frame->records[i]);
		if (err != 0)
			g->counters[GOSSIP_COUNT_RECORDS_REFUSED]++;
	}
	return err == ERR_BAD_SIGNATURE ? err : 0;
}

struct peer *gossip_stream_member(const struct gossip *g, const struct stream *s)
{
	return gossip_peer(g, channel_peer(s->channel));
}

static int holds_received(struct gossip *g, const struct stream *s, const struct frame *frame)
{
	struct peer *peer = gossip_stream_member(g, s);

	if (!s->sync || channel_peer_kind(s->channel) != CHANNEL_MEMBER || !peer || !peer->member)
		return ERR_MALFORMED;
	gossip_rotate_confirmed(g, peer, frame->holds);
	return 0;
}

/* ---- every stream ---- */

static int frame_received(struct gossip *g, struct stream *s, const uint8_t *message, size_t size)
{
	struct frame frame;
	const char *where;

	if (frame_decode(message, size, &frame, &where) != 0) {
		g->counters[GOSSIP_COUNT_MALFORMED]++;
		return ERR_MALFORMED;
	}
	switch (frame.type) {
	case FRAME_LATER:
		g->counters[GOSSIP_COUNT_LATER]++;
		return 0;
	case FRAME_JOIN_REQUEST:
		return gossip_admit_request(g, s, &frame);
	case FRAME_JOIN_OFFER:
		return gossip_join_offered(g, s, &frame);
	case FRAME_JOIN_COMMIT:
		return gossip_admit_commit(g, s, &frame);
	case FRAME_JOIN_DONE:
		return gossip_join_accepted(g, s);
	case FRAME_REFUSED:
		return gossip_join_refused(g, s, &frame);
	case FRAME_SYNC:
		return gossip_sync_frame_received(g, s, &frame);
	case FRAME_RECORDS:
		return s->sync ? records_received(g, &frame) : ERR_MALFORMED;
	case FRAME_INTRODUCE:
		return introduce_received(g, s, &frame);
	case FRAME_HOLDS:
		return holds_received(g, s, &frame);
	case FRAME_VOID:
		return s->role == STREAM_CLIENT ? gossip_record_put_item(g, &frame.record)
						: ERR_MALFORMED;
	}
	return ERR_MALFORMED;
}

static int peer_proven(struct gossip *g, struct stream *s)
{
	struct pack out;
	int err;

	if (s->role == STREAM_SERVER) {
		pack_init_growing(&out, STREAM_OUT_MAX);
		err = channel_allow(s->channel, &out);
		if (err == 0)
			send_bytes(g, s, &out);
		pack_done(&out);
		s->up = err == 0;
		return err;
	}
	s->up = true;
	if (s->role == STREAM_CHECK) {
		gossip_check_answered(g, s);
		return 0;
	}
	if (s->role == STREAM_JOINER)
		return gossip_join_request(g, s);
	if (s->hinted)
		return introduce_by_hint(g, s);
	gossip_contact_dialled(g, s);
	return introduce(g, s);
}

static int received(struct gossip *g, struct stream *s, const void *data, size_t size)
{
	enum channel_event event = CHANNEL_NONE;
	const uint8_t *message;
	size_t message_size;
	int err = channel_receive(s->channel, data, size);

	while (err == 0 && !s->ended) {
		err = channel_next(s->channel, &event, &message, &message_size);
		if (err != 0 || event == CHANNEL_NONE)
			break;
		if (event == CHANNEL_PEER)
			err = peer_proven(g, s);
		else if (event == CHANNEL_MESSAGE)
			err = frame_received(g, s, message, message_size);
		else
			gossip_stream_doom(g, s);
	}
	return err;
}

static void turn(struct gossip *g)
{
	gossip_turn(g);
	reap(g);
}

int gossip_stream_connect(struct gossip *g, enum stream_role role, const struct id *peer,
	const struct endpoint *endpoint)
{
	struct gossip_effect *effect;
	struct stream *s;

	if (g->stream_count >= GOSSIP_STREAMS_MAX)
		return ERR_LIMIT;
	s = add(g, ++g->stream_next, role, endpoint);
	if (!s)
		return ERR_NOMEM;
	if (peer)
		s->peer = *peer;
	effect = gossip_effect_add(g, EFFECT_CONNECT, NULL, 0);
	effect->stream = s->number;
	effect->endpoint = *endpoint;
	return 0;
}

/* A host with IPv6 has a /64 to itself. */
static bool same_host(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->b, b->b, a->family == 4 ? 4 : 8) == 0;
}

/* Room for one more from there. Where all slots are taken, the oldest that has shown nothing yet
 * makes way: whoever means it needs a slot for a round trip or two. */
static bool make_room(struct gossip *g, const struct endpoint *from)
{
	struct stream *oldest = NULL;
	size_t servers = 0, same = 0;

	for (struct stream *s = g->streams; s; s = s->next) { /* the newest first */
		if (s->role != STREAM_SERVER || s->ended)
			continue;
		servers++;
		same += same_host(&s->endpoint.ip, &from->ip);
		if (!is_settled(s))
			oldest = s;
	}
	if (same >= GOSSIP_STREAMS_PER_ADDRESS)
		return false;
	if (servers < GOSSIP_STREAMS_MAX - GOSSIP_STREAMS_OWN)
		return true;
	if (oldest)
		gossip_stream_doom(g, oldest);
	reap(g);
	return oldest != NULL;
}

void gossip_stream_accepted(
	struct gossip *g, struct gossip_time time, uint64_t stream, const struct endpoint *from)
{
	struct stream *s = NULL;

	g->time = time;
	/* also while this node's own records are lost and its peers bring them back; and where it
	 * was expelled, for that may have fallen */
	if (g->store && !gossip_own_has_yielded(g) &&
		(g->state == GOSSIP_RUNNING || g->state == GOSSIP_REVOKED ||
			(g->state == GOSSIP_JOINING && !g->join.active)) &&
		make_room(g, from))
		s = add(g, stream, STREAM_SERVER, from);
	if (!s) {
		g->counters[GOSSIP_COUNT_STREAMS_REFUSED]++;
		gossip_effect_add(g, EFFECT_CLOSE, NULL, 0)->stream = stream;
		return;
	}
	if (channel_accept(&g->mesh, g->config.identity, &g->rng, &s->channel) != 0)
		gossip_stream_doom(g, s);
	turn(g);
}

void gossip_stream_connected(struct gossip *g, struct gossip_time time, uint64_t stream)
{
	struct stream *s = gossip_stream_find(g, stream);
	struct pack out;
	int err;

	g->time = time;
	if (!s || s->channel)
		return;
	s->connected = true;
	pack_init_growing(&out, STREAM_OUT_MAX);
	if (s->role == STREAM_JOINER)
		err = channel_connect(&g->mesh, CHANNEL_JOIN, &g->join.token.key, NULL, &g->rng,
			&out, &s->channel);
	else
		err = channel_connect(&g->mesh, CHANNEL_MEMBER, g->config.identity,
			s->hinted ? NULL : &s->peer, &g->rng, &out, &s->channel);
	if (err == 0)
		send_bytes(g, s, &out);
	else
		gossip_stream_doom(g, s);
	pack_done(&out);
	turn(g);
}

void gossip_stream_received(
	struct gossip *g, struct gossip_time time, uint64_t stream, const void *data, size_t size)
{
	struct stream *s = gossip_stream_find(g, stream);

	g->time = time;
	if (!s || !s->channel)
		return;
	/* until there is a sync no byte buys time: slots are few, and anybody may trickle */
	if (s->sync)
		gossip_stream_extend(g, s);
	if (received(g, s, data, size) != 0)
		gossip_stream_doom(g, s);
	turn(g);
}

void gossip_stream_sent(struct gossip *g, struct gossip_time time, uint64_t stream, size_t size)
{
	struct stream *s = gossip_stream_find(g, stream);

	g->time = time;
	if (!s)
		return;
	s->queued -= size < s->queued ? size : s->queued;
	if (s->sync)
		gossip_stream_extend(g, s);
	if (s->sync && gossip_sync_pump(g, s) != 0)
		gossip_stream_doom(g, s);
	turn(g);
}

void gossip_stream_closed(struct gossip *g, struct gossip_time time, uint64_t stream)
{
	struct stream *s = gossip_stream_find(g, stream);

	g->time = time;
	if (!s)
		return;
	gossip_stream_doom(g, s);
	turn(g);
}

/* What waited for the disk: the joiner's admission before it is sent, the member's before it is
 * promised. */
void gossip_stream_persisted(struct gossip *g)
{
	for (struct stream *s = g->streams; s; s = s->next) {
		struct frame done = {.type = FRAME_JOIN_DONE};

		if (s->ended)
			continue;
		if (s->role == STREAM_JOINER && g->join.stream == s->number && g->join.ticket &&
			g->join.ticket <= g->persisted) {
			g->join.ticket = 0;
			if (gossip_join_commit(g, s) != 0)
				gossip_stream_doom(g, s);
		}
		if (s->commit_ticket && !s->sync && s->offer.stamp &&
			s->commit_ticket <= g->persisted) {
			s->offer.stamp = 0; /* promised once */
			g->counters[GOSSIP_COUNT_JOINS_SERVED]++;
			if (gossip_stream_send(g, s, &done) != 0)
				gossip_stream_doom(g, s);
		}
	}
}

void gossip_stream_tick(struct gossip *g)
{
	for (struct stream *s = g->streams; s; s = s->next) {
		if (mtime_reached(g->time.now, s->deadline) && !gossip_check_reads_on(g, s))
			gossip_stream_doom(g, s);
	}
	reap(g);
	gossip_join_tick(g);
	reap(g);
}

mtime_t gossip_stream_deadline(const struct gossip *g)
{
	mtime_t next = gossip_join_deadline(g);

	for (const struct stream *s = g->streams; s; s = s->next)
		next = mtime_min(next, s->deadline);
	return next;
}
