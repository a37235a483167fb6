#include "gossip/gossip_join.h"

#include "gossip/crypto/channel.h"
#include "gossip/gossip_contact.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_hint.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_stream.h"
#include "gossip/gossip_sync.h"
#include "gossip/gossip_view.h"
#include "gossip/replica/store.h"
#include "gossip/wire/frame.h"

/* Between two rounds over the endpoints of a token. */
#define JOIN_RETRY_MS	  100
#define JOIN_RETRY_MAX_MS 1000

/* The member that was to let this node in did not: others are tried before it is again. */
void gossip_join_lost(struct gossip *g, const struct stream *s)
{
	struct join *join = &g->join;

	join->stream = join->ticket = 0;
	join->admitted = false;
	join->avoid = s->endpoint;
}

int gossip_join_request(struct gossip *g, struct stream *s)
{
	const struct token *token = &g->join.token;
	struct frame frame = {.type = FRAME_JOIN_REQUEST, .node = g->config.identity->id};

	frame.grant = gossip_stream_item(token->grant);
	frame.record = gossip_stream_item(token->record);
	strcpy(frame.name, g->join.name);
	admission_sign_invite(&g->mesh, &token->key, &frame.node, frame.name, &frame.sig);
	return gossip_stream_send(g, s, &frame);
}

int gossip_join_commit(struct gossip *g, struct stream *s)
{
	struct frame frame = {
		.type = FRAME_JOIN_COMMIT, .record = gossip_stream_item(g->join.admission)};

	return gossip_stream_send(g, s, &frame);
}

/* It came to nothing: from this node's disk, too. */
static void admission_drop(struct gossip *g)
{
	if (!g->join.admission)
		return;
	gossip_effect_remove(g, &g->join.admission->hash);
	record_unref(g->join.admission);
	g->join.admission = NULL;
}

/* The stamp is whoever offers' to choose, who may be anybody. Two admissions with one stamp would
 * be proof that this node lives twice (trust/equivocation.h). */
static int take_stamp(struct gossip *g, uint64_t stamp)
{
	for (size_t i = 0; i < g->offered_count; i++) {
		if (g->offered[i] == stamp)
			return ERR_INVALID;
	}
	if (g->offered_count == JOIN_OFFERS_MAX)
		return ERR_LIMIT;
	g->offered[g->offered_count++] = stamp;
	return 0;
}

/* A member offers a place: the admission is signed and put on disk before it is sent. */
int gossip_join_offered(struct gossip *g, struct stream *s, const struct frame *frame)
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
		gossip_stream_end(g, s);
		return 0;
	}
	strcpy(admission.name, join->name);
	admission_sign_invite(
		&g->mesh, &token->key, &admission.node, admission.name, &admission.invite_sig);
	err = admission_verify(&g->mesh, &admission, false);
	if (err == 0)
		err = take_stamp(g, admission.stamp);
	if (err == 0)
		err = admission_sign(&g->mesh, g->config.identity, &admission, &record);
	if (err != 0)
		return err;
	/* a stamp that the invite does not allow */
	err = admission_decode(&g->mesh, record, &admission);
	if (err != 0) {
		record_unref(record);
		return err;
	}
	admission_done(&admission);
	admission_drop(g);
	join->admission = record;
	join->stream = s->number;
	gossip_stream_extend(g, s); /* our own disk comes first */
	effect = gossip_effect_add(g, EFFECT_PERSIST_RECORD, record->bytes, record->size);
	effect->hash = record->hash;
	effect->ticket = join->ticket = g->awaited = ++g->ticket;
	return 0;
}

int gossip_join_accepted(struct gossip *g, struct stream *s)
{
	int err;

	if (g->join.stream != s->number || !g->join.admission || g->join.ticket || g->join.admitted)
		return ERR_MALFORMED;
	g->join.admitted = true;
	err = gossip_sync_begin(g, s, true);
	return err ? err : gossip_sync_pump(g, s);
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
int gossip_join_synced(struct gossip *g, const struct stream *s)
{
	const struct authority_member *self;
	struct gossip_effect *effect;
	bool fresh;

	g->storing = g->join.admission;
	int err = gossip_record_put(g, g->join.admission, &fresh);
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

static void join_end(struct gossip *g, int err, const char *text)
{
	struct gossip_effect *effect;
	char message[sizeof(g->error)];

	/* text may stand in what is cleared below */
	memcpy(message, text, strlen(text) + 1);
	for (struct stream *s = g->streams; s; s = s->next) {
		if (s->role == STREAM_JOINER)
			gossip_stream_doom(g, s);
	}
	token_done(&g->join.token);
	if (err != 0) {
		admission_drop(g);
		/* the next join may be to another mesh, or know less of this one */
		for (const struct record *r = store_after(g->store, NULL); r;
			r = store_after(g->store, r))
			gossip_effect_remove(g, &r->hash);
	}
	record_unref(g->join.admission);
	g->join = (struct join){.active = false};
	gossip_hint_joined(g);
	if (err != 0) {
		gossip_close_mesh(g);
		gossip_set_state(g, GOSSIP_UNJOINED);
	}
	effect = gossip_effect_add(g, EFFECT_JOINED, message, strlen(message) + 1);
	effect->number = err;
	effect->text = (const char *)effect->bytes;
}

void gossip_join_own(struct gossip *g, const struct record *record)
{
	struct stream *s = g->join.stream ? gossip_stream_find(g, g->join.stream) : NULL;
	struct frame frame = {
		.type = FRAME_RECORDS, .record_count = 1, .records = {gossip_stream_item(record)}};

	if (!g->join.active || !g->join.synced || g->state != GOSSIP_RUNNING)
		return;
	if (s && gossip_stream_send(g, s, &frame) == 0)
		gossip_stream_end(g, s);
	join_end(g, 0, "joined");
}

/* The same text wherever the reason comes from: the token itself, or a member's answer. */
static void join_fail(struct gossip *g)
{
	struct join *join = &g->join;

	if (join->refused == ERR_NAME_TAKEN)
		(void)gossip_fail(g, join->refused,
			"name `%s` is taken in this mesh: choose another with --name", join->name);
	else if (join->refused == ERR_EXHAUSTED)
		(void)gossip_fail(g, join->refused,
			"refused by %s: every IPv4 address of the mesh's prefix is taken: members "
			"that are gone for good hold theirs until an admin revokes them",
			join->refused_by);
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
	else if (join->endpoint_count == 0)
		(void)gossip_fail(g, ERR_TIMEOUT,
			"token names no address that can be reached from here, and no member was "
			"found on the LAN in time (`meshctl discover` lists who is)");
	else
		(void)gossip_fail(g, ERR_TIMEOUT,
			"no member answered in time at the token's %zu %s: is a member up "
			"there, and UDP and TCP to it open?",
			join->endpoint_count, join->endpoint_count == 1 ? "address" : "addresses");
	join_end(g, join->refused ? join->refused : ERR_TIMEOUT, g->error);
}

int gossip_join_refused(struct gossip *g, struct stream *s, const struct frame *frame)
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
	join->retry = gossip_jittered(g, join->retry_gap_ms);
	join->retry_gap_ms = join->retry_gap_ms * 2 < JOIN_RETRY_MAX_MS ? join->retry_gap_ms * 2
									: JOIN_RETRY_MAX_MS;
}

/* Whether somebody is being asked; not counting hints, of which most may lead nowhere: they hold
 * up nothing unless somebody there lets this node in. */
static bool is_asking(const struct gossip *g, bool hints)
{
	for (const struct stream *s = g->streams; s; s = s->next) {
		if (s->role == STREAM_JOINER && !s->ended &&
			(hints || !s->hinted || s->number == g->join.stream))
			return true;
	}
	return false;
}

static bool join_refused_for_good(const struct join *join)
{
	return join->refused && join->refused != ERR_LIMIT && join->refused != ERR_NOT_READY &&
	       join->refused != ERR_NO_CHAIN;
}

void gossip_join_tick(struct gossip *g)
{
	struct join *join = &g->join;

	if (!join->active)
		return;
	if (mtime_reached(g->time.now, join->deadline)) {
		if (join->synced) /* a member, only that its disk has not taken all of it yet */
			join_end(g, 0, "joined");
		else
			join_fail(g);
		return;
	}
	if (is_asking(g, join_refused_for_good(join)))
		return;
	if (join_refused_for_good(join))
		join_fail(g);
	else if (mtime_reached(g->time.now, join->retry))
		join_connect(g);
}

mtime_t gossip_join_deadline(const struct gossip *g)
{
	if (!g->join.active)
		return MTIME_NEVER;
	if (is_asking(g, join_refused_for_good(&g->join)))
		return g->join.deadline;
	return join_refused_for_good(&g->join) ? g->time.now
					       : mtime_min(g->join.deadline, g->join.retry);
}

static int check_token(struct gossip *g, const char *text, const char *node_name)
{
	struct token *token = &g->join.token;
	int err = token_decode(text, token);

	if (err == ERR_MALFORMED || err == ERR_DAMAGED)
		return gossip_fail(g, err,
			"token %s: copy the whole line that `meshctl invite` printed, `mesh1_...`",
			err == ERR_DAMAGED ? err_text(err) : "is malformed");
	if (err == ERR_VERSION)
		return gossip_fail(g, err,
			"token was made by another version of meshd: update the older of the two");
	if (err != 0)
		return gossip_fail(g, err, "token %s: ask an admin for a new one", err_text(err));
	if (token->invite.expires_ms <= gossip_mesh_time(g).ms && g->time.synced)
		return gossip_fail(g, ERR_EXPIRED, "token has expired: ask an admin for a new one");
	if (token->invite.node_name[0])
		node_name = token->invite.node_name;
	if (!node_name || admission_check_name(node_name) != 0)
		return gossip_fail(g, ERR_INVALID,
			"`%s` is no node name: 1 to 63 of a-z 0-9 -, none at the ends, and not "
			"just "
			"hexadecimal digits (those are ids): choose one with --name",
			node_name ? node_name : "");
	strcpy(g->join.name, node_name);
	return 0;
}

static void take_endpoints(struct gossip *g)
{
	const struct invite *invite = &g->join.token.invite;
	struct join *join = &g->join;

	for (size_t i = 0; i < invite->endpoint_count; i++) {
		if (gossip_peer_usable(g, &invite->endpoints[i]))
			join->endpoints[join->endpoint_count++] = invite->endpoints[i];
	}
}

int gossip_join(struct gossip *g, struct gossip_time time, const char *text, const char *node_name,
	int64_t timeout_ms, bool hinted)
{
	struct join *join = &g->join;
	int err;

	g->time = time;
	if (g->state != GOSSIP_UNJOINED)
		return gossip_fail(g, ERR_STATE,
			"this node is %s, with a mesh already: `meshctl leave` it first, or run "
			"another instance",
			gossip_state_label(g->state));
	*join = (struct join){.active = false};
	err = check_token(g, text, node_name);
	if (err == 0) {
		take_endpoints(g);
		if (join->endpoint_count == 0 && !hinted)
			err = gossip_fail(g, ERR_UNKNOWN,
				"token names no address that can be reached from here, and members "
				"are not looked for on the LAN: mint one with `meshctl invite "
				"--endpoint HOST:PORT`, or see `meshctl discover`");
	}
	if (err == 0) {
		err = gossip_open_mesh(g, &join->token.mesh);
		if (err != 0)
			err = gossip_fail(g, err, "cannot join: %s", err_text(err));
	}
	if (err != 0) {
		token_done(&join->token);
		*join = (struct join){.active = false};
		return err;
	}
	join->active = true;
	join->deadline = mtime_add_ms(g->time.now, timeout_ms);
	join->retry = g->time.now;
	join->retry_gap_ms = JOIN_RETRY_MS;
	gossip_set_state(g, GOSSIP_JOINING);
	gossip_stream_tick(g);
	gossip_turn(g);
	return 0;
}
