#include <sodium.h>
#include <stdlib.h>

#include "gossip/gossip_internal.h"
#include "gossip/wire/frame.h"

#define STREAM_OUT_MAX (128 * 1024) /* of bytes made in one go */

static struct stream *find(const struct gossip *g, uint64_t number)
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

static void extend(struct gossip *g, struct stream *s)
{
	s->deadline =
		mtime_add_ms(g->time.now, is_settled(s) ? STREAM_IDLE_MS : STREAM_HANDSHAKE_MS);
}

/* The member that was to let this node in did not: others are tried before it is again. */
static void join_lost(struct gossip *g, const struct stream *s)
{
	struct join *join = &g->join;

	join->stream = join->ticket = 0;
	join->admitted = false;
	join->avoid = s->endpoint;
}

/* Nothing more happens on it; it is taken off the list by reap(). */
static void doom(struct gossip *g, struct stream *s)
{
	if (s->ended)
		return;
	s->ended = true;
	gossip_effect_add(g, EFFECT_CLOSE, NULL, 0)->stream = s->number;
	if (g->join.stream == s->number)
		join_lost(g, s);
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
		doom(g, s);
	reap(g);
}

static void send_bytes(struct gossip *g, struct stream *s, const struct pack *bytes)
{
	if (!bytes->size)
		return;
	gossip_effect_add(g, EFFECT_STREAM_SEND, bytes->data, bytes->size)->stream = s->number;
	s->queued += bytes->size;
	extend(g, s);
}

static int send_frame(struct gossip *g, struct stream *s, const struct frame *frame)
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

static void end(struct gossip *g, struct stream *s)
{
	struct pack out;

	pack_init_growing(&out, STREAM_OUT_MAX);
	if (channel_end(s->channel, &out) == 0)
		send_bytes(g, s, &out);
	pack_done(&out);
	doom(g, s);
}

static int refuse(struct gossip *g, struct stream *s, int why)
{
	struct frame frame = {.type = FRAME_REFUSED};

	g->counters[GOSSIP_COUNT_STREAMS_REFUSED]++;
	strcpy(frame.label, err_name(why));
	if (send_frame(g, s, &frame) == 0)
		end(g, s);
	return 0;
}

static struct msg_item item_of(const struct record *record)
{
	return record ? (struct msg_item){record->bytes, record->size} : (struct msg_item){NULL, 0};
}

/* ---- syncs ---- */

static int sync_pump(struct gossip *g, struct stream *s)
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
			err = send_frame(g, s, &frame);
		pack_done(&message);
		if (!more)
			break;
	}
	return err;
}

static int sync_begin(struct gossip *g, struct stream *s, bool initiator)
{
	int err = sync_new(g->store, initiator, &s->sync);

	if (err == 0)
		g->counters[GOSSIP_COUNT_SYNCS]++;
	return err;
}

static const struct id *client_of(const struct stream *s)
{
	return channel_peer_kind(s->channel) == CHANNEL_JOIN ? &s->offer.node
							     : channel_peer(s->channel);
}

/* The server's side. A client whose connection broke comes again before this node knows: its latest
 * sync is the one that counts, and nobody gets more memory by asking twice. */
static int sync_serve(struct gossip *g, struct stream *s)
{
	for (struct stream *other = g->streams; other; other = other->next) {
		if (other != s && other->role == STREAM_SERVER && other->sync &&
			id_equal(client_of(other), client_of(s)))
			doom(g, other);
	}
	return sync_begin(g, s, false);
}

/* ---- the joiner's side ---- */

static int join_request(struct gossip *g, struct stream *s)
{
	const struct token *token = &g->join.token;
	struct frame frame = {.type = FRAME_JOIN_REQUEST, .node = g->config.identity->id};

	frame.grant = item_of(token->grant);
	frame.record = item_of(token->record);
	strcpy(frame.name, g->join.name);
	admission_sign_invite(&g->mesh, &token->key, &frame.node, frame.name, &frame.sig);
	return send_frame(g, s, &frame);
}

static int join_commit(struct gossip *g, struct stream *s)
{
	struct frame frame = {.type = FRAME_JOIN_COMMIT, .record = item_of(g->join.admission)};

	return send_frame(g, s, &frame);
}

/* A member offers a place: the admission is signed and put on disk before it is sent. */
static int offer_received(struct gossip *g, struct stream *s, const struct frame *frame)
{
	struct join *join = &g->join;
	const struct token *token = &join->token;
	struct admission admission = {.node = g->config.identity->id,
		.invite_record = token->record,
		.invite = token->invite,
		.witness = frame->node,
		.witness_sig = frame->sig,
		.stamp = frame->stamp};
	struct record *record;
	struct gossip_effect *effect;
	int err;

	if (s->role != STREAM_JOINER || !id_equal(&frame->node, channel_peer(s->channel)))
		return ERR_MALFORMED;
	if (join->stream) { /* another member was first */
		end(g, s);
		return 0;
	}
	strcpy(admission.name, join->name);
	admission_sign_invite(
		&g->mesh, &token->key, &admission.node, admission.name, &admission.invite_sig);
	err = admission_verify(&g->mesh, &admission);
	if (err == 0)
		err = admission_sign(&g->mesh, g->config.identity, &admission, &record);
	if (err != 0)
		return err;
	record_unref(join->admission);
	join->admission = record;
	join->stream = s->number;
	extend(g, s); /* our own disk comes first */
	effect = gossip_effect_add(g, EFFECT_PERSIST_RECORD, record->bytes, record->size);
	effect->hash = record->hash;
	effect->ticket = join->ticket = ++g->ticket;
	return 0;
}

static int done_received(struct gossip *g, struct stream *s)
{
	int err;

	if (g->join.stream != s->number || !g->join.admission || g->join.ticket || g->join.admitted)
		return ERR_MALFORMED;
	g->join.admitted = true;
	err = sync_begin(g, s, true);
	return err ? err : sync_pump(g, s);
}

/* Anybody who knows the mesh id may have answered, with a part of the mesh's records or none: a
 * mesh without a charter, or where the one who let us in is no member, is not believed. */
static int join_check_server(const struct gossip *g, const struct stream *s)
{
	const struct authority_member *server =
		authority_member(g->authority, channel_peer(s->channel));
	struct charter charter;

	return authority_has_charter(g->authority, &charter) && server &&
			       server->standing == AUTHORITY_MEMBER
		       ? 0
		       : ERR_NO_CHAIN;
}

/* All that the member knows is here: this node can see whether it is one. */
static int join_synced(struct gossip *g, const struct stream *s)
{
	const struct authority_member *self;
	struct gossip_effect *effect;
	bool fresh;

	g->storing = g->join.admission;
	int err = gossip_put_record(g, g->join.admission, &fresh);
	g->storing = NULL;
	gossip_view_refresh(g);
	self = authority_member(g->authority, &g->config.identity->id);
	if (err == 0)
		err = join_check_server(g, s);
	if (err == 0 && self && self->standing == AUTHORITY_MEMBER) {
		effect = gossip_effect_add(g, EFFECT_PERSIST_MESH, NULL, 0);
		effect->ticket = ++g->ticket;
		effect->id = g->mesh;
		g->join.synced = true;
		gossip_view_refresh(g);
		return 0; /* running; done once its descriptor has gone along this stream */
	}
	if (err == 0)
		err = !self				 ? ERR_NO_CHAIN
		      : self->standing == AUTHORITY_VOID ? self->why
							 : ERR_REVOKED;
	g->join.refused = err;
	return err;
}

void gossip_stream_own(struct gossip *g, const struct record *record)
{
	struct stream *s = g->join.stream ? find(g, g->join.stream) : NULL;
	struct frame frame = {
		.type = FRAME_RECORDS, .record_count = 1, .records = {item_of(record)}};

	if (!g->join.active || !g->join.synced || g->state != GOSSIP_RUNNING)
		return;
	if (s && send_frame(g, s, &frame) == 0)
		end(g, s);
	gossip_stream_join_done(g, 0, "joined");
}

void gossip_stream_join_done(struct gossip *g, int err, const char *text)
{
	struct gossip_effect *effect;
	char message[sizeof(g->error)];

	/* text may stand in what is cleared below */
	memcpy(message, text, strlen(text) + 1);
	for (struct stream *s = g->streams; s; s = s->next) {
		if (s->role == STREAM_JOINER)
			doom(g, s);
	}
	token_done(&g->join.token);
	record_unref(g->join.admission);
	g->join = (struct join){.active = false};
	if (err != 0) {
		gossip_close_mesh(g);
		gossip_set_state(g, GOSSIP_UNJOINED);
	}
	effect = gossip_effect_add(g, EFFECT_JOINED, message, strlen(message) + 1);
	effect->number = err;
	effect->text = (const char *)effect->bytes;
}

/* The same text wherever the reason comes from: the token itself, or a member's answer. */
static void join_fail(struct gossip *g)
{
	struct join *join = &g->join;

	if (join->refused == ERR_NAME_TAKEN)
		(void)gossip_fail(g, join->refused,
			"name `%s` is taken in this mesh: choose another with --name", join->name);
	else if (join->refused == ERR_STATE)
		(void)gossip_fail(g, join->refused,
			"this node's identity left the mesh before: `meshctl leave` makes a new "
			"one");
	else if (join->refused == ERR_NO_CHAIN)
		(void)gossip_fail(g, join->refused,
			"%s answered, but it is no member that could let this node in, and nobody "
			"else did",
			join->refused_by);
	else if (join->refused)
		(void)gossip_fail(g, join->refused,
			"token refused by %s: it %s: ask an admin for a new one", join->refused_by,
			err_text(join->refused));
	else
		(void)gossip_fail(g, ERR_TIMEOUT,
			"no member answered at any of the %zu addresses of the token in time: is "
			"one of "
			"them up, and UDP and TCP to it open?",
			join->endpoint_count);
	gossip_stream_join_done(g, join->refused ? join->refused : ERR_TIMEOUT, g->error);
}

static int refused_received(struct gossip *g, struct stream *s, const struct frame *frame)
{
	int err = err_find(frame->label);

	if (s->role != STREAM_JOINER)
		return ERR_MALFORMED;
	g->join.refused = err == 0 ? ERR_STATE : err;
	text_endpoint(&s->endpoint, g->join.refused_by);
	return ERR_AUTH; /* closes it; the tick decides when all have refused */
}

static void join_connect(struct gossip *g)
{
	struct join *join = &g->join;

	for (size_t i = 0; i < join->endpoint_count; i++) {
		if (join->endpoint_count == 1 || !endpoint_equal(&join->endpoints[i], &join->avoid))
			(void)gossip_stream_connect(g, STREAM_JOINER, NULL, &join->endpoints[i]);
	}
	join->avoid = (struct endpoint){.port = 0}; /* for one round */
	join->retry = mtime_add_ms(g->time.now, JOIN_RETRY_MS);
}

static size_t join_attempts(const struct gossip *g)
{
	size_t open = 0;

	for (const struct stream *s = g->streams; s; s = s->next)
		open += s->role == STREAM_JOINER && !s->ended;
	return open;
}

static bool join_refused_for_good(const struct join *join)
{
	return join->refused && join->refused != ERR_LIMIT && join->refused != ERR_NOT_READY &&
	       join->refused != ERR_NO_CHAIN;
}

static void join_tick(struct gossip *g)
{
	struct join *join = &g->join;

	if (!join->active)
		return;
	if (mtime_reached(g->time.now, join->deadline)) {
		join_fail(g);
		return;
	}
	if (join_attempts(g))
		return;
	if (join_refused_for_good(join))
		join_fail(g);
	else if (mtime_reached(g->time.now, join->retry))
		join_connect(g);
}

/* ---- the member's side of a join ---- */

/* Records that come with a request are put like any others: the chain decides. */
static int put_item(struct gossip *g, const struct msg_item *item)
{
	bool fresh;

	return item->size ? gossip_put_bytes(g, item->bytes, item->size, &fresh) : 0;
}

static int check_invite(const struct gossip *g, const struct id *id, const struct id *node)
{
	const struct authority_invite *invite = authority_invite(g->authority, id);
	const struct authority_member *member = authority_member(g->authority, node);

	if (!invite)
		return ERR_NOT_ADMIN;
	/* it was admitted already and the answer got lost: its use is spent on itself */
	if (member && member->standing == AUTHORITY_MEMBER && id_equal(&member->invite, id))
		return 0;
	switch (invite->state) {
	case INVITE_OPEN:
		return 0;
	case INVITE_EXPIRED:
		return ERR_EXPIRED;
	case INVITE_USED_UP:
		return ERR_USED_UP;
	case INVITE_CLOSED:
		return ERR_WITHDRAWN;
	case INVITE_INVALID:
		return ERR_NOT_ADMIN;
	}
	return ERR_NOT_ADMIN;
}

static int check_joiner(const struct gossip *g, const struct id *node, const char *name)
{
	const struct authority_member *member;

	if (keys_check(node) != 0)
		return ERR_BAD_KEY;
	if (admission_check_name(name) != 0)
		return ERR_INVALID;
	member = authority_member(g->authority, node);
	if (member && member->standing != AUTHORITY_MEMBER)
		return member->standing == AUTHORITY_LEFT ? ERR_STATE : ERR_REVOKED;
	for (size_t i = 0; (member = authority_at(g->authority, i)); i++) {
		if (member->standing == AUTHORITY_MEMBER && strcmp(member->given_name, name) == 0 &&
			!id_equal(&member->id, node))
			return ERR_NAME_TAKEN;
	}
	return 0;
}

static int check_request(struct gossip *g, const struct frame *frame, struct admission *admission)
{
	struct record *record;
	int err;

	if (g->state != GOSSIP_RUNNING)
		return ERR_NOT_READY;
	err = record_decode(&g->mesh, frame->record.bytes, frame->record.size, &record);
	if (err != 0)
		return err;
	admission->invite_record = record;
	err = invite_decode(record, &admission->invite);
	if (err == 0)
		err = admission_verify_invite(
			&g->mesh, &admission->invite.id, &frame->node, frame->name, &frame->sig);
	if (err == 0 && (put_item(g, &frame->grant) != 0 || put_item(g, &frame->record) != 0))
		err = ERR_NOT_ADMIN;
	if (err == 0) {
		gossip_view_refresh(g);
		err = check_invite(g, &admission->invite.id, &frame->node);
	}
	if (err == 0 && admission->invite.node_name[0] &&
		strcmp(admission->invite.node_name, frame->name) != 0)
		err = ERR_INVALID;
	return err ? err : check_joiner(g, &frame->node, frame->name);
}

static int request_received(struct gossip *g, struct stream *s, const struct frame *frame)
{
	struct frame answer = {
		.type = FRAME_JOIN_OFFER, .node = g->config.identity->id, .time = g->time.wall};
	struct admission *offer = &s->offer;
	int err;

	if (s->role != STREAM_SERVER || channel_peer_kind(s->channel) != CHANNEL_JOIN ||
		offer->invite_record)
		return ERR_MALFORMED;
	err = check_request(g, frame, offer);
	if (err == 0 && !id_equal(&offer->invite.id, channel_peer(s->channel)))
		err = ERR_AUTH;
	if (err != 0)
		return refuse(g, s, err);
	answer.stamp = hlc_next(&g->hlc, gossip_mesh_time(g));
	offer->node = frame->node;
	strcpy(offer->name, frame->name);
	offer->stamp = answer.stamp;
	admission_sign_witness(&g->mesh, g->config.identity, &offer->node, offer->name,
		&offer->invite.id, offer->stamp, &answer.sig);
	return send_frame(g, s, &answer);
}

static int commit_received(struct gossip *g, struct stream *s, const struct frame *frame)
{
	struct record *record;
	struct admission admission;
	bool fresh;
	int err;

	if (s->role != STREAM_SERVER || !s->offer.invite_record || s->commit_ticket)
		return ERR_MALFORMED;
	err = record_decode(&g->mesh, frame->record.bytes, frame->record.size, &record);
	if (err != 0)
		return err;
	err = admission_decode(&g->mesh, record, &admission);
	if (err == 0) {
		if (!id_equal(&admission.node, &s->offer.node) ||
			!id_equal(&admission.invite.id, &s->offer.invite.id))
			err = ERR_AUTH;
		admission_done(&admission);
	}
	/* what was open when the offer was made may be taken by now */
	if (err == 0)
		err = check_joiner(g, &s->offer.node, s->offer.name);
	if (err == 0)
		err = check_invite(g, &s->offer.invite.id, &s->offer.node);
	if (err == 0)
		err = gossip_put_record(g, record, &fresh);
	record_unref(record);
	if (err != 0)
		return refuse(g, s, err);
	s->commit_ticket = g->ticket;
	gossip_stream_persisted(g);
	return 0;
}

/* ---- members ---- */

/* This node's admission goes first: a server that was away may not have heard of it. */
static int introduce(struct gossip *g, struct stream *s)
{
	const struct id *self = &g->config.identity->id;
	struct frame frame = {.type = FRAME_INTRODUCE};
	struct record *admission = store_slot(g->store, self, RECORD_ADMISSION, NULL, 0);
	int err;

	if (!admission)
		return ERR_STATE;
	frame.record = item_of(admission);
	frame.grant = item_of(gossip_view_grant_behind(g, self));
	err = send_frame(g, s, &frame);
	if (err == 0)
		err = sync_begin(g, s, true);
	return err ? err : sync_pump(g, s);
}

static int introduce_received(struct gossip *g, struct stream *s, const struct frame *frame)
{
	const struct authority_member *member;

	if (s->role != STREAM_SERVER || channel_peer_kind(s->channel) != CHANNEL_MEMBER || s->sync)
		return ERR_MALFORMED;
	if (put_item(g, &frame->grant) != 0 || put_item(g, &frame->record) != 0)
		return ERR_NO_CHAIN;
	gossip_view_refresh(g);
	member = authority_member(g->authority, channel_peer(s->channel));
	if (!member)
		return ERR_NO_CHAIN;
	if (member->standing != AUTHORITY_MEMBER) {
		struct frame answer = {.type = FRAME_VOID, .record = item_of(member->ended_by)};

		if (member->ended_by && send_frame(g, s, &answer) == 0)
			end(g, s);
		return member->ended_by ? 0 : ERR_REVOKED;
	}
	return sync_serve(g, s);
}

static int records_received(struct gossip *g, const struct frame *frame)
{
	for (size_t i = 0; i < frame->record_count; i++) {
		if (put_item(g, &frame->records[i]) != 0)
			g->counters[GOSSIP_COUNT_RECORDS_REFUSED]++;
	}
	return 0;
}

static int sync_received(struct gossip *g, struct stream *s, const struct frame *frame)
{
	bool was_done = s->sync && sync_is_done(s->sync);
	int err;

	/* the joiner's first message after JOIN_DONE opens the member's side */
	if (!s->sync && s->role == STREAM_SERVER && s->commit_ticket &&
		s->commit_ticket <= g->persisted) {
		err = sync_serve(g, s);
		if (err != 0)
			return err;
	}
	if (!s->sync)
		return ERR_MALFORMED;
	err = sync_receive(s->sync, frame->sync.bytes, frame->sync.size);
	if (err == 0)
		err = sync_pump(g, s);
	if (err != 0 || was_done || !sync_is_done(s->sync))
		return err;
	if (s->role == STREAM_JOINER) {
		text_endpoint(&s->endpoint, g->join.refused_by);
		return join_synced(g, s);
	}
	if (s->role == STREAM_CLIENT)
		end(g, s);
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
	case FRAME_JOIN_REQUEST:
		return request_received(g, s, &frame);
	case FRAME_JOIN_OFFER:
		return offer_received(g, s, &frame);
	case FRAME_JOIN_COMMIT:
		return commit_received(g, s, &frame);
	case FRAME_JOIN_DONE:
		return done_received(g, s);
	case FRAME_REFUSED:
		return refused_received(g, s, &frame);
	case FRAME_SYNC:
		return sync_received(g, s, &frame);
	case FRAME_RECORDS:
		return s->sync ? records_received(g, &frame) : ERR_MALFORMED;
	case FRAME_INTRODUCE:
		return introduce_received(g, s, &frame);
	case FRAME_VOID:
		return s->role == STREAM_CLIENT ? put_item(g, &frame.record) : ERR_MALFORMED;
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
	return s->role == STREAM_JOINER ? join_request(g, s) : introduce(g, s);
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
			doom(g, s);
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
		doom(g, oldest);
	reap(g);
	return oldest != NULL;
}

void gossip_stream_accepted(
	struct gossip *g, struct gossip_time time, uint64_t stream, const struct endpoint *from)
{
	struct stream *s = NULL;

	g->time = time;
	/* also while this node's own records are lost and its peers bring them back */
	if (g->store &&
		(g->state == GOSSIP_RUNNING || (g->state == GOSSIP_JOINING && !g->join.active)) &&
		make_room(g, from))
		s = add(g, stream, STREAM_SERVER, from);
	if (!s) {
		g->counters[GOSSIP_COUNT_STREAMS_REFUSED]++;
		gossip_effect_add(g, EFFECT_CLOSE, NULL, 0)->stream = stream;
		return;
	}
	if (channel_accept(&g->mesh, g->config.identity, &g->rng, &s->channel) != 0)
		doom(g, s);
	turn(g);
}

void gossip_stream_connected(struct gossip *g, struct gossip_time time, uint64_t stream)
{
	struct stream *s = find(g, stream);
	struct pack out;
	int err;

	g->time = time;
	if (!s || s->channel)
		return;
	pack_init_growing(&out, STREAM_OUT_MAX);
	if (s->role == STREAM_JOINER)
		err = channel_connect(&g->mesh, CHANNEL_JOIN, &g->join.token.key, NULL, &g->rng,
			&out, &s->channel);
	else
		err = channel_connect(&g->mesh, CHANNEL_MEMBER, g->config.identity, &s->peer,
			&g->rng, &out, &s->channel);
	if (err == 0)
		send_bytes(g, s, &out);
	else
		doom(g, s);
	pack_done(&out);
	turn(g);
}

void gossip_stream_received(
	struct gossip *g, struct gossip_time time, uint64_t stream, const void *data, size_t size)
{
	struct stream *s = find(g, stream);

	g->time = time;
	if (!s || !s->channel)
		return;
	/* until there is a sync no byte buys time: slots are few, and anybody may trickle */
	if (s->sync)
		extend(g, s);
	if (received(g, s, data, size) != 0)
		doom(g, s);
	turn(g);
}

void gossip_stream_sent(struct gossip *g, struct gossip_time time, uint64_t stream, size_t size)
{
	struct stream *s = find(g, stream);

	g->time = time;
	if (!s)
		return;
	s->queued -= size < s->queued ? size : s->queued;
	if (s->sync)
		extend(g, s);
	if (s->sync && sync_pump(g, s) != 0)
		doom(g, s);
	turn(g);
}

void gossip_stream_closed(struct gossip *g, struct gossip_time time, uint64_t stream)
{
	struct stream *s = find(g, stream);

	g->time = time;
	if (!s)
		return;
	doom(g, s);
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
			if (join_commit(g, s) != 0)
				doom(g, s);
		}
		if (s->commit_ticket && !s->sync && s->offer.stamp &&
			s->commit_ticket <= g->persisted) {
			s->offer.stamp = 0; /* promised once */
			g->counters[GOSSIP_COUNT_JOINS_SERVED]++;
			if (send_frame(g, s, &done) != 0)
				doom(g, s);
		}
	}
}

void gossip_stream_tick(struct gossip *g)
{
	for (struct stream *s = g->streams; s; s = s->next) {
		if (mtime_reached(g->time.now, s->deadline))
			doom(g, s);
	}
	reap(g);
	join_tick(g);
	reap(g);
}

mtime_t gossip_stream_deadline(const struct gossip *g)
{
	mtime_t next = g->join.active ? g->join.deadline : MTIME_NEVER;

	if (g->join.active && !join_attempts(g))
		next = join_refused_for_good(&g->join) ? g->time.now
						       : mtime_min(next, g->join.retry);
	for (const struct stream *s = g->streams; s; s = s->next)
		next = mtime_min(next, s->deadline);
	return next;
}
