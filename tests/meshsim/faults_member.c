/*
 * A member that lies. It runs the honest core, so that others take it for one of them, and in its
 * name, with its keys, session and counters, whatever the protocol lets it say is said besides. And
 * nodes of other versions, which mean well.
 */
#include <assert.h>
#include <stdlib.h>

#include "gossip/crypto/channel.h"
#include "gossip/crypto/seal.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_stream.h"
#include "gossip/gossip_view.h"
#include "gossip/replica/store.h"
#include "gossip/swim/spread.h"
#include "gossip/swim/state.h"
#include "gossip/wire/frame.h"
#include "tests/meshsim/faults_internal.h"

#define FLOOD_PACKETS 300
#define UNKNOWN_TYPE  99
#define AHEAD_MS      59000  /* as far as stamps may be */
#define FUTURE_MS     600000 /* further */

static struct gossip *core(struct faults *f, int node)
{
	return cluster_core(f->cluster, node);
}

/* ---- datagrams in a member's name ---- */

/* The peer of a node that it talks to; NULL: it cannot. */
static struct peer *way_to(struct faults *f, int node, int to)
{
	struct id id = cluster_id(f->cluster, to);
	struct peer *peer;

	if (node == to || !faults_is_well(f, node) || !core(f, node)->store)
		return NULL;
	peer = gossip_peer(core(f, node), &id);
	return peer && peer->keyed && peer->member ? peer : NULL;
}

static void put(struct faults *f, struct peer *peer, int to, const struct endpoint *source,
	const void *plain, size_t size)
{
	uint8_t packet[SEAL_PACKET_MAX], nonce[SEAL_NONCE_SIZE];

	rng_bytes(&f->rng, nonce, sizeof(nonce));
	size = seal_packet(&peer->pair, nonce, plain, size, packet);
	cluster_inject(f->cluster, to, source, packet, size);
}

static void say_from(
	struct faults *f, int node, int to, const struct endpoint *source, struct msg *msg)
{
	struct peer *peer = way_to(f, node, to);
	uint8_t plain[SEAL_PLAIN_MAX];
	size_t size;

	if (!peer)
		return;
	msg->session = core(f, node)->session;
	msg->counter = peer->counter++;
	if (msg_encode(msg, plain, sizeof(plain), &size) == 0)
		put(f, peer, to, source, plain, size);
}

static void say(struct faults *f, int node, int to, struct msg *msg)
{
	struct endpoint source = cluster_endpoint(f->cluster, node);

	say_from(f, node, to, &source, msg);
}

static void say_item(
	struct faults *f, int to, enum msg_section section, const void *bytes, size_t size)
{
	const struct msg_item item = {bytes, size};
	struct msg msg = {.session = 0};

	msg_add(&msg, section);
	if (section == MSG_STATEMENTS) {
		msg.statement_count = 1;
		msg.statements[0] = item;
	} else {
		msg.record_count = 1;
		msg.records[0] = item;
	}
	say(f, f->evil, to, &msg);
}

static struct endpoint nowhere(struct faults *f)
{
	return (struct endpoint){
		.ip = {.family = 4, .b = {10, 240, 0, (uint8_t)(1 + faults_below(f, 200))}},
		.port = 8946};
}

static int victim(struct faults *f)
{
	return faults_below(f, cluster_count(f->cluster));
}

/* ---- what it does ---- */

static void flood(struct faults *f)
{
	int to = victim(f), kind = faults_below(f, 3);
	struct endpoint source = nowhere(f);
	uint8_t noise[256];

	for (int i = 0; i < FLOOD_PACKETS; i++) {
		struct msg msg = {.ping = (uint64_t)i, .challenge = (uint64_t)i, .pad_size = 64};

		msg_add(&msg, MSG_PING);
		msg_add(&msg, MSG_CHALLENGE);
		msg_add(&msg, MSG_PAD);
		rng_bytes(&f->rng, noise, sizeof(noise));
		if (kind == 0)
			say(f, f->evil, to, &msg);
		else if (kind == 1)
			say_from(f, f->evil, to, &source, &msg);
		else
			cluster_inject(f->cluster, to, &source, noise, sizeof(noise));
	}
	faults_count(f, FAULT_FLOODS);
	if (kind == 1)
		faults_count(f, FAULT_REFLECTIONS);
}

/* A descriptor in its name. */
static struct record *describe(struct faults *f, uint64_t stamp)
{
	const struct keys *keys = cluster_keys(f->cluster, f->evil);
	struct gossip *g = core(f, f->evil);
	struct descriptor descriptor;
	struct record_draft draft = {.type = RECORD_DESCRIPTOR, .stamp = stamp};
	struct record *record;
	uint8_t value[1024];
	struct pack pack;
	int err;

	gossip_view_own_descriptor(g, &descriptor);
	descriptor.mtu = (uint16_t)(1280 + faults_below(f, 200));
	if (descriptor.endpoint_count < DESCRIPTOR_ENDPOINTS_MAX)
		descriptor.endpoints[descriptor.endpoint_count++] = nowhere(f);
	pack_init(&pack, value, sizeof(value));
	descriptor_encode(&descriptor, &pack);
	draft.value = value;
	draft.value_size = pack.size;
	err = record_sign(&g->mesh, keys, &draft, &record);
	assert(err == 0);
	(void)err;
	return record;
}

static void say_record(struct faults *f, int to, uint64_t stamp)
{
	struct record *record = describe(f, stamp);

	say_item(f, to, MSG_RECORDS, record->bytes, record->size);
	record_unref(record);
}

static uint64_t stamp_in(struct faults *f, int64_t ms)
{
	return hlc_from_ms(cluster_time(f->cluster).wall.ms + ms) | (++f->stamps & 0xffff);
}

static void equivocate(struct faults *f)
{
	uint64_t stamp = stamp_in(f, 0);

	for (int to = 0; to < cluster_count(f->cluster); to++)
		say_record(f, to, stamp);
	faults_count(f, FAULT_EQUIVOCATIONS);
}

static void come_from_the_future(struct faults *f)
{
	say_record(f, victim(f), stamp_in(f, faults_chance(f, 0.5) ? AHEAD_MS : FUTURE_MS));
	faults_count(f, FAULT_FUTURE_RECORDS);
}

static void claim_hosts(struct faults *f)
{
	struct record *record = faults_segment_claim(f, stamp_in(f, 0));

	for (int to = 0; to < cluster_count(f->cluster); to++)
		say_item(f, to, MSG_RECORDS, record->bytes, record->size);
	record_unref(record);
	faults_count(f, FAULT_FALSE_HOSTS);
}

/* What it may say, signed and all: that it suspects who lives. */
static void accuse(struct faults *f)
{
	struct gossip *g = core(f, f->evil);
	struct member *member;
	uint8_t bytes[SWIM_STATEMENT_MAX];

	map_each (&g->swim->members.by_id, at, member) {
		struct statement statement = {.kind = STATEMENT_SUSPECT,
			.subject = member->id,
			.incarnation = member->incarnation,
			.alive = member->alive,
			.accuser = g->config.identity->id};
		struct pack pack;

		if (!member->incarnation.generation)
			continue;
		statement_sign_suspect(&statement, &g->mesh, g->config.identity);
		pack_init(&pack, bytes, sizeof(bytes));
		statement_encode(&statement, &pack);
		for (int i = 0; i < 3; i++)
			say_item(f, victim(f), MSG_STATEMENTS, bytes, pack.size);
		faults_count(f, FAULT_ACCUSATIONS);
	}
}

/* What it may not say: in others' names, of incarnations that never were. */
static void forge(struct faults *f)
{
	const struct keys *keys = cluster_keys(f->cluster, f->evil);
	struct statement statement = {
		.kind = faults_chance(f, 0.5) ? STATEMENT_ALIVE : STATEMENT_SUSPECT,
		.subject = cluster_id(f->cluster, victim(f)),
		.incarnation = {1 + (uint64_t)faults_below(f, 1000), rng_u64(&f->rng)},
		.accuser = faults_chance(f, 0.5) ? keys->id : cluster_id(f->cluster, victim(f))};
	uint8_t bytes[SWIM_STATEMENT_MAX];
	struct pack pack;

	rng_bytes(&f->rng, &statement.alive, sizeof(statement.alive));
	statement_sign_suspect(&statement, &core(f, f->evil)->mesh, keys);
	pack_init(&pack, bytes, sizeof(bytes));
	statement_encode(&statement, &pack);
	if (faults_chance(f, 0.3))
		rng_bytes(&f->rng, bytes, 1 + (size_t)faults_below(f, (int)pack.size));
	say_item(f, victim(f), MSG_STATEMENTS, bytes, pack.size);
	faults_count(f, FAULT_FALSE_STATEMENTS);
}

/* Wherever they say that they are seen, and who answered whom. */
static void mislead(struct faults *f)
{
	struct msg msg = {.seen = nowhere(f),
		.relay = rng_u64(&f->rng),
		.relay_answered = true,
		.ack = rng_u64(&f->rng),
		.echo = rng_u64(&f->rng)};

	msg_add(&msg, MSG_SEEN);
	msg_add(&msg, MSG_RELAY);
	msg_add(&msg, MSG_ACK);
	msg_add(&msg, MSG_ECHO);
	rng_bytes(&f->rng, msg.digest, sizeof(msg.digest));
	msg_add(&msg, MSG_DIGEST);
	say(f, f->evil, victim(f), &msg);
	faults_count(f, FAULT_FALSE_NEWS);
}

/* In a mesh of two the other's clock is believed, also if it lies, by who vouches for none itself
 * (PROTOCOL.md, section 4). Two more: one of them may leave before the liar tells the truth again.
 */
static bool hears_others(struct faults *f, int node)
{
	const struct gossip *g = core(f, node);

	return g && g->store && swim_count(g->swim) >= 3;
}

/* What its clock says: of minutes, of years, of no year. */
static void lie_about_time(struct faults *f)
{
	int64_t now_ms = cluster_time(f->cluster).wall.ms;
	struct msg msg = {.ping = rng_u64(&f->rng)};

	msg.time.ms = now_ms + (faults_chance(f, 0.5) ? 1 : -1) *
				       faults_span_ms(f, 1000, INT64_C(20) * 365 * 86400000);
	if (faults_chance(f, 0.1))
		msg.time.ms = faults_chance(f, 0.5) ? 0 : WTIME_MAX_MS;
	msg_add(&msg, MSG_PING);
	msg_add(&msg, MSG_TIME);
	for (int to = 0; to < cluster_count(f->cluster); to++) {
		if (!hears_others(f, to))
			continue;
		say(f, f->evil, to, &msg);
		faults_count(f, FAULT_FALSE_TIMES);
	}
}

static void speak(struct faults *f, int a, int b)
{
	(void)a;
	(void)b;
	f->withholding = false;
}

/* It does not pass on what it hears, nor tell what it has: of its datagrams only those leave that
 * show it to be alive. */
static bool is_news(struct faults *f, const struct gossip_effect *effect)
{
	int to = cluster_node_at(f->cluster, &effect->endpoint);
	struct id id = cluster_id(f->cluster, f->evil);
	struct gossip *g = to < 0 ? NULL : core(f, to);
	const struct peer *peer = g && g->store ? gossip_peer(g, &id) : NULL;
	uint8_t plain[SEAL_PLAIN_MAX];
	const char *where;
	struct msg msg;
	size_t size;

	return peer && peer->keyed &&
	       seal_open(&peer->pair, effect->bytes, effect->size, plain, &size) == 0 &&
	       msg_decode(plain, size, &msg, &where) == 0 && !msg_has(&msg, MSG_PING) &&
	       !msg_has(&msg, MSG_ACK) && !msg_has(&msg, MSG_ECHO) && !msg_has(&msg, MSG_CHALLENGE);
}

static bool is_withheld(void *arg, int node, const struct gossip_effect *effect)
{
	struct faults *f = arg;

	if (!f->withholding || node != f->evil)
		return false;
	return effect->kind == EFFECT_STREAM_SEND || effect->kind == EFFECT_CLOSE ||
	       (effect->kind == EFFECT_SEND && is_news(f, effect));
}

static void withhold(struct faults *f)
{
	if (f->withholding)
		return;
	f->withholding = true;
	faults_repair_in(f, faults_span_ms(f, 1000, 30000), speak, 0, 0);
	faults_count(f, FAULT_WITHHELD);
}

/* On all its streams that are up. */
static void disturb_syncs(struct faults *f)
{
	struct gossip *g = core(f, f->evil);
	uint8_t noise[512];
	size_t size = 1 + (size_t)faults_below(f, sizeof(noise));
	bool any = false;

	rng_bytes(&f->rng, noise, sizeof(noise));
	for (struct stream *s = g->streams; s; s = s->next) {
		struct frame frame = {.type = FRAME_SYNC, .sync = {noise, size}};

		if (!s->up || s->ended)
			continue;
		any |= gossip_stream_send(g, s, &frame) == 0;
	}
	cluster_drain(f->cluster, f->evil);
	if (any)
		faults_count(f, FAULT_FALSE_SYNCS);
}

static bool do_evil(struct faults *f)
{
	static void (*const deeds[])(struct faults *) = {flood, equivocate, come_from_the_future,
		accuse, forge, mislead, lie_about_time, withhold, disturb_syncs, disturb_syncs,
		claim_hosts};

	if (f->evil < 0 || !faults_is_well(f, f->evil) || core(f, f->evil)->state != GOSSIP_RUNNING)
		return false;
	deeds[faults_below(f, ARRAY_SIZE(deeds))](f);
	return true;
}

/* ---- other versions ---- */

/* A section that nobody here knows: [session, counter, {14: bin}]. */
static bool say_unknown_section(struct faults *f, int node)
{
	int to = victim(f);
	struct peer *peer = way_to(f, node, to);
	struct endpoint source = cluster_endpoint(f->cluster, node);
	uint8_t plain[128];
	struct pack pack;

	if (!peer)
		return false;
	pack_init(&pack, plain, sizeof(plain));
	pack_put_array(&pack, 3);
	pack_put_uint(&pack, core(f, node)->session);
	pack_put_uint(&pack, peer->counter++);
	pack_put_map(&pack, 1);
	pack_put_uint(&pack, MSG_SECTION_LAST + 1);
	pack_put_bin(&pack, "later", 5);
	put(f, peer, to, &source, plain, pack.size);
	faults_count(f, FAULT_UNKNOWN_SECTIONS);
	return true;
}

/* A frame that nobody here knows: [99, bin]. */
static bool say_unknown_frame(struct faults *f, int node)
{
	struct gossip *g = core(f, node);
	struct pack plain, out;
	bool said = false;

	pack_init_growing(&plain, CHANNEL_MESSAGE_MAX);
	pack_put_array(&plain, 2);
	pack_put_uint(&plain, UNKNOWN_TYPE);
	pack_put_bin(&plain, "later", 5);
	for (struct stream *s = g->streams; s; s = s->next) {
		if (!s->up || s->ended)
			continue;
		pack_init_growing(&out, CHANNEL_MESSAGE_MAX);
		if (channel_send(s->channel, plain.data, plain.size, &out) == 0) {
			gossip_effect_add(g, EFFECT_STREAM_SEND, out.data, out.size)->stream =
				s->number;
			said = true;
		}
		pack_done(&out);
	}
	pack_done(&plain);
	cluster_drain(f->cluster, node);
	if (said)
		faults_count(f, FAULT_UNKNOWN_FRAMES);
	return said;
}

/* A record of a version that nobody here knows: the number stands first in its body. */
static bool say_unknown_version(struct faults *f, int node)
{
	struct gossip *g = core(f, node);
	const struct record *own =
		g->store ? store_slot(g->store, &g->config.identity->id, RECORD_DESCRIPTOR, NULL, 0)
			 : NULL;
	struct msg msg = {.record_count = 1};
	uint8_t *bytes;

	if (!own || own->size > SPREAD_ITEM_MAX)
		return false;
	bytes = malloc(own->size);
	assert(bytes);
	memcpy(bytes, own->bytes, own->size);
	bytes[1] = RECORD_VERSION + 1;
	msg.records[0] = (struct msg_item){bytes, own->size};
	msg_add(&msg, MSG_RECORDS);
	say(f, node, victim(f), &msg);
	free(bytes);
	faults_count(f, FAULT_UNKNOWN_VERSIONS);
	return true;
}

/* Nodes that do not know a type keep it and pass it on. */
static bool publish_unknown_type(struct faults *f, int node)
{
	struct gossip *g = core(f, node);
	uint8_t key = (uint8_t)faults_below(f, 4), value[64];
	struct record_draft draft = {.type = (enum record_type)UNKNOWN_TYPE,
		.key = &key,
		.key_size = sizeof(key),
		.value = value,
		.value_size = sizeof(value)};

	if (g->state != GOSSIP_RUNNING)
		return false;
	rng_bytes(&f->rng, value, sizeof(value));
	g->time = faults_time(f, node);
	if (gossip_record_publish(g, g->config.identity, &draft) != 0)
		return false;
	gossip_turn(g);
	cluster_drain(f->cluster, node);
	faults_count(f, FAULT_UNKNOWN_TYPES);
	return true;
}

static bool be_newer(struct faults *f)
{
	int node = faults_any(f);

	if (node < 0)
		return false;
	switch (faults_below(f, 4)) {
	case 0:
		return f->enabled[FAULT_UNKNOWN_SECTIONS] && say_unknown_section(f, node);
	case 1:
		return f->enabled[FAULT_UNKNOWN_FRAMES] && say_unknown_frame(f, node);
	case 2:
		return f->enabled[FAULT_UNKNOWN_VERSIONS] && say_unknown_version(f, node);
	default:
		return f->enabled[FAULT_UNKNOWN_TYPES] && publish_unknown_type(f, node);
	}
}

bool faults_member(struct faults *f)
{
	return faults_chance(f, 0.6) ? do_evil(f) : be_newer(f);
}

void faults_member_begin(struct faults *f)
{
	if (f->evil < 0)
		return;
	invariants_dishonest(f->checker, f->evil);
	cluster_watch(f->cluster, is_withheld, f);
}

void faults_member_end(struct faults *f)
{
	f->withholding = false;
	cluster_watch(f->cluster, NULL, NULL);
}
