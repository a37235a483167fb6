/* What members, former members and strangers may try, with real keys and against the whole core. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/rng.h"
#include "gossip/record/hlc.h"
#include "gossip/replica/reconcile.h"
#include "gossip/swim/statement.h"
#include "tests/support/actor.h"
#include "tests/support/records.h"

#define SEEDS 60 /* of the campaign; the environment's HOSTILE_SEEDS runs more */

#define HOUR_MS 3600000

static const struct cluster_options calm = {
	.seed = 1, .latency_min_ms = 0, .latency_max_ms = 1, .disk_ms = 1};

static struct endpoint somewhere(unsigned number)
{
	struct endpoint at = {
		.ip = {.family = 4, .b = {192, 0, (uint8_t)(number >> 8), (uint8_t)number}},
		.port = 4000};

	return at;
}

static struct cluster *mesh_of(int count)
{
	struct cluster *c = cluster_new(&calm);

	cluster_mesh(c, count);
	assert_true(cluster_wait(c, 15000, cluster_converged, NULL));
	return c;
}

static void make_keys(struct rng *rng, struct keys *ret)
{
	uint8_t seed[32];

	rng_bytes(rng, seed, sizeof(seed));
	keys_from_seed(seed, ret);
}

static void make_rng(struct rng *rng, uint8_t number)
{
	const uint8_t seed[32] = {number, 77};

	rng_init(rng, seed);
}

/* Node 1 is down, and somebody with its keys speaks to node 0. */
static void impersonate(struct actor *actor, struct cluster *c, struct rng *rng)
{
	struct endpoint at = somewhere(1);

	make_rng(rng, 1);
	cluster_kill(c, 1);
	actor_init(actor, c, rng, 0, cluster_keys(c, 1), &at);
}

/* ---- datagrams ---- */

static size_t got_back(struct actor *actor, const struct endpoint *from, struct msg msg)
{
	size_t sent;

	actor->watched = *from;
	actor->watched_size = 0;
	sent = actor_send(actor, from, &msg);
	cluster_run(actor->cluster, 50);
	assert_true(actor->watched_size <= sent);
	return actor->watched_size;
}

static void an_unproven_address_gets_no_more_than_came_from_it(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	struct endpoint victim = somewhere(1);
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	actor_begin(&actor);
	victim.port = 53; /* the same host, another port: not proven */
	for (unsigned sections = 0; sections < 4; sections++) {
		struct msg msg = {.ping = 1, .challenge = UINT64_MAX};

		if (sections & 1)
			msg_add(&msg, MSG_PING);
		if (sections & 2)
			msg_add(&msg, MSG_CHALLENGE);
		got_back(&actor, &victim, msg);
	}
	/* with room for it there is an answer: a member that moves is found */
	struct msg roomy = {.ping = 1, .challenge = 1, .pad_size = 100};
	msg_add(&roomy, MSG_PING);
	msg_add(&roomy, MSG_CHALLENGE);
	msg_add(&roomy, MSG_PAD);
	assert_true(got_back(&actor, &victim, roomy) > 0);
	actor_done(&actor);
	cluster_free(c);
}

static void a_member_that_always_differs_costs_a_sync_a_minute(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	actor_begin(&actor);
	for (int i = 0; i < 600; i++) {
		struct msg msg = {.ping = 1, .time = cluster_time(c).wall};

		rng_bytes(&rng, msg.digest, sizeof(msg.digest));
		msg_add(&msg, MSG_PING);
		msg_add(&msg, MSG_DIGEST);
		actor_send(&actor, &actor.at, &msg);
		cluster_run(c, 100);
	}
	assert_in_range(actor.connect_count, 1, 10);
	actor_done(&actor);
	cluster_free(c);
}

/* Asked over and over whether all differs, which would take hashing all there is each time. */
static void ranges_are_answered_at_a_rate(void **state)
{
	(void)state;
	static const uint8_t all[] = "0123456789abcdef"
				     "\x40\x01\x03"
				     "finger";
	enum { ASKED = 1000, SECONDS = 10 };
	struct cluster *c = mesh_of(3);
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	actor_begin(&actor);
	size_t before = actor.heard_count;
	for (int i = 0; i < ASKED; i++) {
		struct msg msg = {.reconcile = {all, sizeof(all) - 1}};

		msg_add(&msg, MSG_RECONCILE);
		actor_send(&actor, &actor.at, &msg);
		cluster_run(c, SECONDS * 1000 / ASKED);
	}
	/* 4 s of it at once, and 20 ms for each */
	assert_in_range(actor.heard_count - before, 100, (SECONDS + 4) * 50 + 60);
	actor_done(&actor);
	cluster_free(c);
}

/* Whoever never comes to an end with a round is not waited for. */
static void a_round_without_end_holds_up_no_others(void **state)
{
	(void)state;
	/* nothing of what nobody has: costs nothing, and asks for nothing */
	uint8_t ranges[] = "0123456789abcdef\x80\x01\x01\x00";
	enum { SECONDS = 40 };
	struct cluster *c = mesh_of(3);
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	actor_begin(&actor);
	const uint64_t *counts = gossip_counters(cluster_core(c, 0));
	uint64_t before = counts[GOSSIP_COUNT_SYNC_ROUNDS];
	for (int i = 0; i < SECONDS * 10; i++) {
		struct msg msg = {.reconcile = {ranges, sizeof(ranges)}};

		rng_bytes(&rng, msg.digest, sizeof(msg.digest));
		msg_add(&msg, MSG_DIGEST);
		msg_add(&msg, MSG_RECONCILE);
		actor_send(&actor, &actor.at, &msg);
		cluster_run(c, 100);
		if (msg_has(&actor.heard, MSG_RECONCILE))
			memcpy(ranges, actor.heard.reconcile.bytes, RECONCILE_KEY_SIZE);
	}
	assert_in_range(counts[GOSSIP_COUNT_SYNC_ROUNDS] - before, 3, 20);
	actor_done(&actor);
	cluster_free(c);
}

/* Verifying what is made up costs more than making it up. */
static void what_is_forged_is_verified_at_a_rate(void **state)
{
	(void)state;
	enum { SENT = 1000, SECONDS = 10 };
	struct cluster *c = mesh_of(3);
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	actor_begin(&actor);
	const uint64_t *counts = gossip_counters(cluster_core(c, 0));
	uint64_t before = counts[GOSSIP_COUNT_STATEMENTS_REFUSED];
	for (int i = 0; i < SENT; i++) {
		struct statement forged = {.kind = STATEMENT_ALIVE,
			.subject = cluster_id(c, 2),
			.incarnation = {.generation = UINT64_MAX, .version = (uint64_t)i}};
		uint8_t bytes[SWIM_STATEMENT_MAX];
		struct pack pack;
		struct msg msg = {.statement_count = 1};

		pack_init(&pack, bytes, sizeof(bytes));
		statement_encode(&forged, &pack);
		msg.statements[0] = (struct msg_item){bytes, pack.size};
		msg_add(&msg, MSG_STATEMENTS);
		actor_send(&actor, &actor.at, &msg);
		cluster_run(c, SECONDS * 1000 / SENT);
	}
	assert_in_range(counts[GOSSIP_COUNT_STATEMENTS_REFUSED] - before, 1, SECONDS + 16);
	actor_done(&actor);
	cluster_free(c);
}

static void ranges_that_are_malformed_take_all_along_with_them(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	actor_begin(&actor);
	struct msg msg = {.ping = 77, .reconcile = {(const uint8_t *)"0123456789abcdef@", 17}};
	msg_add(&msg, MSG_PING);
	msg_add(&msg, MSG_RECONCILE);
	uint64_t before = gossip_counters(cluster_core(c, 0))[GOSSIP_COUNT_MALFORMED];
	actor_send(&actor, &actor.at, &msg);
	assert_int_equal(gossip_counters(cluster_core(c, 0))[GOSSIP_COUNT_MALFORMED], before + 1);
	assert_false(msg_has(&actor.heard, MSG_ACK) && actor.heard.ack == 77);
	actor_done(&actor);
	cluster_free(c);
}

/* Who announces what it has not is asked for it now and then, and so is nobody else. */
static void places_that_are_made_up_cost_a_stream_now_and_then(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	actor_begin(&actor);
	size_t before = actor.connect_count;
	uint64_t all_before = cluster_counts(c)->connections;
	for (int i = 0; i < 600; i++) {
		uint8_t place[MSG_PLACE_SIZE];
		struct msg msg = {.place_count = 1, .places = {{place, sizeof(place)}}};

		rng_bytes(&rng, place, sizeof(place));
		place[32] = (uint8_t)(i % 4);
		msg_add(&msg, MSG_ANNOUNCE);
		actor_send(&actor, &actor.at, &msg);
		cluster_run(c, 100);
	}
	assert_in_range(actor.connect_count - before, 1, 20);
	assert_in_range(cluster_counts(c)->connections - all_before, 0, 20);
	actor_done(&actor);
	cluster_free(c);
}

static void a_clock_of_no_year_moves_nobody(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	struct gossip_time time = cluster_time(c);
	struct gossip_status status;
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	actor_begin(&actor);
	for (int i = 0; i < 3; i++) {
		struct msg msg = {.ping = 1, .time = {INT64_MAX >> i}};

		msg_add(&msg, MSG_PING);
		msg_add(&msg, MSG_TIME);
		actor_send(&actor, &actor.at, &msg);
		/* nobody vouches for this node's own clock any more */
		time.now = mtime_add_ms(cluster_time(c).now, 1);
		time.wall.ms += 1000;
		time.synced = false;
		gossip_tick(cluster_core(c, 0), time);
		cluster_drain(c, 0);
		gossip_status(cluster_core(c, 0), &status);
		assert_in_range(time.wall.ms + status.clock_offset_ms, 0, WTIME_MAX_MS);
	}
	actor_done(&actor);
	cluster_free(c);
}

static void news_of_a_second_life_of_our_key_are_told(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	struct statement alive = {.kind = STATEMENT_ALIVE, .subject = cluster_id(c, 0)};
	uint8_t bytes[SWIM_STATEMENT_MAX];
	struct pack pack;
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	actor_begin(&actor);
	for (uint64_t i = 0; i < 20; i++) {
		struct msg msg = {.statement_count = 1};

		alive.incarnation.generation = 1000 * (i + 1);
		statement_sign_alive(&alive, &actor.mesh, cluster_keys(c, 0));
		pack_init(&pack, bytes, sizeof(bytes));
		statement_encode(&alive, &pack);
		msg.statements[0] = (struct msg_item){bytes, pack.size};
		msg_add(&msg, MSG_STATEMENTS);
		actor_send(&actor, &actor.at, &msg);
		cluster_run(c, 10);
	}
	assert_int_equal(cluster_event_count(c, 0, GOSSIP_EVENT_EQUIVOCATION), 1);
	actor_done(&actor);
	cluster_free(c);
}

/* ---- streams ---- */

static bool joined(struct cluster *c, void *arg)
{
	return cluster_joined(c, *(int *)arg) != 1;
}

static void strangers_that_take_all_streams_keep_nobody_out(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	char token[TOKEN_TEXT_MAX];
	struct actor actor;
	struct rng rng;
	int node;

	cluster_invite(c, 0, 1, HOUR_MS, token);
	impersonate(&actor, c, &rng);
	for (unsigned i = 0; i < 1000; i++) {
		struct endpoint from = somewhere(1000 + i);

		actor_connect(&actor, &from);
	}
	/* what this node wants of others works as well: node 1 comes back with other records */
	node = cluster_add(c);
	assert_int_equal(cluster_join(c, node, token), 0);
	assert_true(cluster_wait(c, 1000, joined, &node));
	assert_int_equal(cluster_joined(c, node), 0);
	actor_done(&actor);
	cluster_free(c);
}

static void all_addresses_of_one_ipv6_host_are_one(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	struct endpoint from = {
		.ip = {.family = 6, .b = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1}}, .port = 9};
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	for (uint8_t i = 0; i < 100; i++) {
		from.ip.b[15] = i;
		actor_connect(&actor, &from);
	}
	assert_int_equal(actor.closed_count, 100 - GOSSIP_STREAMS_PER_ADDRESS);
	actor_done(&actor);
	cluster_free(c);
}

static void who_proves_a_key_but_no_membership_is_cut_off(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	const uint8_t head[4] = {0, 0, 1, 0};
	struct keys stranger;
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	make_keys(&rng, &stranger);
	actor_prove(&actor, CHANNEL_MEMBER, &stranger);
	for (size_t i = 0; i < sizeof(head); i++) {
		actor_say_bytes(&actor, head + i, 1);
		cluster_run(c, 1500);
	}
	assert_true(actor.closed);
	actor_done(&actor);
	cluster_free(c);
}

/* ---- syncs ---- */

/* Some of a node's records, in a store of the actor's. */
struct copy {
	const struct actor *actor;
	struct rng rng;
	struct store *store;
	bool (*wanted)(const struct record *record);
};

static void take_record(void *arg, const uint8_t *bytes, size_t size)
{
	struct copy *copy = arg;
	struct record *record;

	assert_int_equal(record_decode(&copy->actor->mesh, bytes, size, &record), 0);
	if (!copy->wanted || copy->wanted(record))
		assert_int_equal(store_restore(copy->store, record), 0);
	record_unref(record);
}

static void copy_init(
	struct copy *copy, const struct actor *actor, bool (*wanted)(const struct record *record))
{
	*copy = (struct copy){.actor = actor, .wanted = wanted};
	make_rng(&copy->rng, 9);
	assert_int_equal(store_new(&actor->mesh, &copy->rng, NULL, NULL, &copy->store), 0);
	cluster_records(actor->cluster, 0, take_record, copy);
}

static void begin_sync(struct actor *actor, struct store *store, bool initiator)
{
	sync_free(actor->sync);
	assert_int_equal(sync_new(store, actor->rng, initiator, &actor->sync), 0);
}

/* Says all that there is to be said now. */
static void pump(struct actor *actor)
{
	size_t size;

	do {
		struct frame frame = {.type = FRAME_SYNC};
		struct pack out;

		pack_init_growing(&out, SYNC_MESSAGE_MAX);
		assert_int_equal(sync_next(actor->sync, &out), 0);
		size = out.size;
		frame.sync = (struct msg_item){out.data, out.size};
		if (size)
			actor_say(actor, &frame);
		pack_done(&out);
	} while (size);
}

static void copy_done(struct copy *copy, struct actor *actor)
{
	sync_free(actor->sync);
	actor->sync = NULL;
	store_free(copy->store);
}

/* Node 1 comes over a stream, as a member does. */
static void introduce(struct actor *actor, struct copy *copy)
{
	struct record *admission =
		store_slot(copy->store, &actor->keys->id, RECORD_ADMISSION, NULL, 0);
	struct frame frame = {.type = FRAME_INTRODUCE};

	assert_non_null(admission);
	frame.record = (struct msg_item){admission->bytes, admission->size};
	actor_prove(actor, CHANNEL_MEMBER, actor->keys);
	actor_say(actor, &frame);
	begin_sync(actor, copy->store, true);
}

static size_t records_of(struct cluster *c, int node)
{
	struct gossip_status status;

	gossip_status(cluster_core(c, node), &status);
	return status.records;
}

static void say_value(struct actor *actor, struct copy *copy, int64_t ms)
{
	struct record_draft draft = {.type = RECORDS_OTHER, .key = "k", .key_size = 1};
	struct record *record;

	draft.stamp = hlc_from_ms(ms);
	assert_int_equal(record_sign(&actor->mesh, actor->keys, &draft, &record), 0);
	assert_int_equal(store_restore(copy->store, record), 0);
	record_unref(record);
}

static void a_sync_brings_nothing_from_the_future(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	struct actor actor;
	struct copy copy, after;
	struct rng rng;
	int64_t said_ms;

	impersonate(&actor, c, &rng);
	copy_init(&copy, &actor, NULL);
	size_t before = records_of(c, 0);
	said_ms = cluster_time(c).wall.ms;
	say_value(&actor, &copy, said_ms);
	introduce(&actor, &copy);
	pump(&actor);
	assert_true(sync_is_done(actor.sync));
	assert_int_equal(records_of(c, 0), before + 1);
	say_value(&actor, &copy, cluster_time(c).wall.ms + 2 * HOUR_MS);
	introduce(&actor, &copy);
	pump(&actor);
	assert_true(sync_is_done(actor.sync));
	copy_init(&after, &actor, NULL);
	assert_int_equal(store_slot(after.store, &actor.keys->id, RECORDS_OTHER, "k", 1)->stamp,
		hlc_from_ms(said_ms));
	store_free(after.store);
	copy_done(&copy, &actor);
	actor_done(&actor);
	cluster_free(c);
}

static void a_member_has_one_sync_at_a_time(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	struct actor actor;
	struct copy copy;
	struct rng rng;

	impersonate(&actor, c, &rng);
	copy_init(&copy, &actor, NULL);
	for (size_t i = 0; i < 5; i++) {
		introduce(&actor, &copy);
		assert_int_equal(actor.closed_count, i);
		assert_false(actor.closed);
	}
	copy_done(&copy, &actor);
	actor_done(&actor);
	cluster_free(c);
}

/* Over and over in a turn that has no end, whether all differs. */
static void a_member_is_answered_over_streams_at_a_rate(void **state)
{
	(void)state;
	static const uint8_t all[] = "0123456789abcdef"
				     "\x40\x01\x03"
				     "finger";
	enum { ASKED = 5000 };
	struct cluster *c = mesh_of(2);
	struct actor actor;
	struct copy copy;
	struct rng rng;

	impersonate(&actor, c, &rng);
	copy_init(&copy, &actor, NULL);
	introduce(&actor, &copy);
	for (int i = 0; i < ASKED && !actor.closed; i++) {
		struct frame frame = {.type = FRAME_SYNC};
		uint8_t bytes[64];
		struct pack pack;

		pack_init(&pack, bytes, sizeof(bytes));
		pack_put_array(&pack, 3);
		pack_put_uint(&pack, 1);
		pack_put_bool(&pack, false);
		pack_put_bin(&pack, all, sizeof(all) - 1);
		frame.sync = (struct msg_item){bytes, pack.size};
		actor_say(&actor, &frame);
	}
	assert_true(actor.closed);
	/* for a while */
	introduce(&actor, &copy);
	pump(&actor);
	assert_true(actor.closed);
	cluster_run(c, 10000);
	introduce(&actor, &copy);
	pump(&actor);
	assert_false(actor.closed);
	copy_done(&copy, &actor);
	actor_done(&actor);
	cluster_free(c);
}

static void a_member_cannot_wear_out_everybodys_disk(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	actor_begin(&actor);
	uint64_t before = cluster_counts(c)->writes;
	for (int i = 0; i < 1000; i++) {
		struct record_draft draft = {
			.type = RECORD_DESCRIPTOR, .stamp = hlc_from_ms(cluster_time(c).wall.ms)};
		struct record *record;
		struct msg msg = {.record_count = 1};

		assert_int_equal(record_sign(&actor.mesh, actor.keys, &draft, &record), 0);
		msg_add(&msg, MSG_RECORDS);
		msg.records[0] = (struct msg_item){record->bytes, record->size};
		actor_send(&actor, &actor.at, &msg);
		record_unref(record);
		cluster_run(c, 10);
	}
	/* each is written and the one before it removed; 10 s have passed */
	assert_in_range(cluster_counts(c)->writes - before, 10, 2 * (10 + 8 + 1));
	actor_done(&actor);
	cluster_free(c);
}

/* By the token, witnessed by itself, so many stamps after the invite. */
static struct record *backdated(
	const struct actor *actor, const struct token *token, const struct keys *keys, unsigned at)
{
	struct admission admission = {.node = keys->id,
		.invite_record = token->record,
		.invite = token->invite,
		.witness = keys->id,
		.stamp = token->record->stamp + 1 + at};
	struct record *record;

	snprintf(admission.name, sizeof(admission.name), "thief-%u", at);
	admission_sign_invite(
		&actor->mesh, &token->key, &keys->id, admission.name, &admission.invite_sig);
	admission_sign_witness(&actor->mesh, keys, &keys->id, admission.name, &token->invite.id,
		admission.stamp, &admission.witness_sig);
	assert_int_equal(admission_sign(&actor->mesh, keys, &admission, &record), 0);
	return record;
}

static size_t members_of(struct cluster *c, int node)
{
	struct gossip_member member;
	size_t at = 0, count = 0;

	while (gossip_member_next(cluster_core(c, node), &at, &member))
		count += member.standing->standing == AUTHORITY_MEMBER;
	return count;
}

/* Whoever keeps an old token can take the place that its use was spent on (until admins' nodes keep
 * what they saw); but what is no member any more is none for any part of the core, and the stores
 * stay bounded. */
static void a_leaked_token_lets_in_no_more_than_its_uses(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	char text[TOKEN_TEXT_MAX];
	struct gossip_status status;
	struct token token;
	struct actor actor;
	struct copy copy;
	struct rng rng;
	int node = cluster_add(c);

	cluster_invite(c, 0, 1, HOUR_MS, text);
	assert_int_equal(token_decode(text, &token), 0);
	cluster_run(c, 1000);
	assert_int_equal(cluster_join(c, node, text), 0);
	assert_true(cluster_wait(c, 5000, joined, &node));
	assert_true(cluster_wait(c, 5000, cluster_converged, NULL));
	impersonate(&actor, c, &rng);
	copy_init(&copy, &actor, NULL);
	introduce(&actor, &copy);
	pump(&actor);
	size_t before = records_of(c, 0);
	for (unsigned i = 0; i < 200; i++) {
		struct keys keys;

		make_keys(&rng, &keys);
		struct record *record = backdated(&actor, &token, &keys, i);
		struct frame frame = {.type = FRAME_RECORDS,
			.record_count = 1,
			.records = {{record->bytes, record->size}}};

		actor_say(&actor, &frame);
		record_unref(record);
	}
	assert_true(records_of(c, 0) <= before + AUTHORITY_OVERSPENT_MAX + 1);
	cluster_run(c, 1000);
	gossip_status(cluster_core(c, 0), &status);
	assert_int_equal(status.members, members_of(c, 0));
	token_done(&token);
	copy_done(&copy, &actor);
	actor_done(&actor);
	cluster_free(c);
}

/* ---- joins ---- */

/* A token whose first address is the actor's, who answers the new node as a member would. */
static int join_through(struct cluster *c, struct actor *actor, struct rng *rng,
	const struct keys *keys, bool honest_too)
{
	struct invite invite = {.uses = 1, .endpoint_count = 1, .endpoints = {somewhere(7)}};
	struct endpoint at = somewhere(7);
	char token[TOKEN_TEXT_MAX];
	uint64_t ticket;
	int node = cluster_add(c);

	if (honest_too)
		invite.endpoints[invite.endpoint_count++] = cluster_endpoint(c, 0);
	assert_int_equal(gossip_invite(cluster_core(c, 0), cluster_time(c), HOUR_MS, &invite, token,
				 &ticket),
		0);
	cluster_drain(c, 0);
	cluster_run(c, 100);
	actor_init(actor, c, rng, node, keys, &at);
	assert_int_equal(cluster_join(c, node, token), 0);
	actor_accept(actor);
	assert_int_equal(actor->frame.type, FRAME_JOIN_REQUEST);
	return node;
}

static void offer(struct actor *actor)
{
	struct frame answer = {.type = FRAME_JOIN_OFFER,
		.node = actor->keys->id,
		.stamp = hlc_from_ms(cluster_time(actor->cluster).wall.ms)};
	struct record *invite;

	assert_int_equal(record_decode(&actor->mesh, actor->frame.record.bytes,
				 actor->frame.record.size, &invite),
		0);
	admission_sign_witness(&actor->mesh, actor->keys, &actor->frame.node, actor->frame.name,
		(const struct id *)(const void *)invite->key, answer.stamp, &answer.sig);
	record_unref(invite);
	actor_say(actor, &answer);
}

static bool proves_an_invite(const struct record *record)
{
	return record->type == RECORD_GRANT || record->type == RECORD_INVITE;
}

static void who_is_no_member_captures_no_joiner(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	struct gossip_status status;
	struct actor actor;
	struct copy copy;
	struct keys stranger;
	struct rng rng;
	struct frame done = {.type = FRAME_JOIN_DONE};

	make_rng(&rng, 5);
	make_keys(&rng, &stranger);
	int node = join_through(c, &actor, &rng, &stranger, false);
	offer(&actor);
	cluster_run(c, 10);
	assert_int_equal(actor.frame.type, FRAME_JOIN_COMMIT);
	copy_init(&copy, &actor, proves_an_invite);
	begin_sync(&actor, copy.store, false);
	actor_say(&actor, &done);
	pump(&actor);
	cluster_run(c, GOSSIP_JOIN_TIMEOUT_MS + 1000);
	assert_int_equal(cluster_joined(c, node), ERR_NO_CHAIN);
	gossip_status(cluster_core(c, node), &status);
	assert_int_equal(status.state, GOSSIP_UNJOINED);
	copy_done(&copy, &actor);
	actor_done(&actor);
	cluster_free(c);
}

static void who_offers_first_and_stalls_holds_no_joiner(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	struct actor actor;
	struct keys stranger;
	struct rng rng;

	make_rng(&rng, 5);
	make_keys(&rng, &stranger);
	int node = join_through(c, &actor, &rng, &stranger, true);
	offer(&actor);
	cluster_run(c, 10);
	assert_int_equal(actor.frame.type, FRAME_JOIN_COMMIT);
	assert_true(cluster_wait(c, 10000, joined, &node));
	assert_int_equal(cluster_joined(c, node), 0);
	actor_done(&actor);
	cluster_free(c);
}

/* ---- everything at once ---- */

#define CAPTURED 64

struct captured {
	bool stream;
	int node;
	uint64_t number;
	size_t size;
	uint8_t bytes[SEAL_PACKET_MAX];
};

struct mischief {
	struct cluster *c;
	struct rng rng;
	struct captured captured[CAPTURED];
	size_t count;
	uint64_t next;
};

/* An attacker that sees all that goes by. */
static bool overhear(void *arg, int node, const struct gossip_effect *effect)
{
	struct mischief *m = arg;
	struct captured *slot = &m->captured[m->count % CAPTURED];

	if (effect->kind != EFFECT_SEND && effect->kind != EFFECT_STREAM_SEND)
		return false;
	*slot = (struct captured){.stream = effect->kind == EFFECT_STREAM_SEND,
		.node = node,
		.number = effect->stream};
	slot->size = effect->size < SEAL_PACKET_MAX ? effect->size : SEAL_PACKET_MAX;
	memcpy(slot->bytes, effect->bytes, slot->size);
	m->count++;
	return false;
}

static struct captured spoilt(struct mischief *m)
{
	struct captured one =
		m->captured[rng_below(&m->rng, m->count < CAPTURED ? m->count : CAPTURED)];

	if (one.size && rng_below(&m->rng, 2))
		one.bytes[rng_below(&m->rng, one.size)] ^= (uint8_t)(1 << rng_below(&m->rng, 8));
	if (rng_below(&m->rng, 8) == 0)
		rng_bytes(&m->rng, one.bytes, one.size);
	return one;
}

static void into_a_stream(struct mischief *m, int node, const struct captured *one)
{
	struct endpoint from = somewhere((unsigned)rng_below(&m->rng, 200));
	struct gossip *core = cluster_core(m->c, node);
	uint64_t number = GOSSIP_STREAM_ACCEPTED | UINT64_C(1) << 40 | ++m->next;

	if (rng_below(&m->rng, 2))
		number = one->number; /* of one that is open, perhaps */
	else
		gossip_stream_accepted(core, cluster_time(m->c), number, &from);
	if (rng_below(&m->rng, 4) == 0)
		gossip_stream_closed(core, cluster_time(m->c), number);
	gossip_stream_received(core, cluster_time(m->c), number, one->bytes, one->size);
	gossip_stream_sent(core, cluster_time(m->c), number, one->size);
}

static void do_mischief(struct mischief *m, int count)
{
	int node = (int)rng_below(&m->rng, (uint64_t)count);
	struct endpoint from =
		rng_below(&m->rng, 2)
			? somewhere((unsigned)rng_below(&m->rng, 200))
			: cluster_endpoint(m->c, (int)rng_below(&m->rng, (uint64_t)count));
	struct captured one = spoilt(m);

	if (rng_below(&m->rng, 40) == 0) {
		if (cluster_is_up(m->c, node))
			cluster_kill(m->c, node);
		else
			cluster_restart(m->c, node);
		return;
	}
	if (one.stream && rng_below(&m->rng, 3))
		node = one.node;
	if (!cluster_is_up(m->c, node))
		return;
	if (one.stream && rng_below(&m->rng, 4) == 0)
		gossip_stream_closed(cluster_core(m->c, node), cluster_time(m->c), one.number);
	else if (one.stream || rng_below(&m->rng, 8) == 0)
		into_a_stream(m, node, &one);
	else
		gossip_receive(
			cluster_core(m->c, node), cluster_time(m->c), &from, one.bytes, one.size);
	cluster_drain(m->c, node);
}

static void join_again(struct cluster *c, int node, const char *token)
{
	if (cluster_is_up(c, node) && cluster_joined(c, node) != 0)
		(void)!cluster_join(c, node, token);
}

static void one_campaign(uint64_t seed)
{
	struct cluster_options options = calm;
	struct mischief m = {.next = 0};
	char token[TOKEN_TEXT_MAX];

	options.seed = seed;
	options.latency_max_ms = 20;
	options.loss = 0.05;
	make_rng(&m.rng, (uint8_t)seed);
	m.c = cluster_new(&options);
	cluster_mesh(m.c, 4);
	cluster_invite(m.c, 0, 2, HOUR_MS, token);
	int joiners[2] = {cluster_add(m.c), cluster_add(m.c)};
	cluster_watch(m.c, overhear, &m);
	cluster_run(m.c, 2000); /* there is something to play with */
	for (int step = 0; step < 400; step++) {
		if (step % 50 == 0)
			join_again(m.c, joiners[step / 50 % 2], token);
		do_mischief(&m, 6);
		cluster_run(m.c, (int64_t)rng_below(&m.rng, 60));
	}
	for (int node = 0; node < 6; node++) {
		if (!cluster_is_up(m.c, node))
			cluster_restart(m.c, node);
	}
	if (!cluster_wait(m.c, 180000, cluster_converged, NULL)) {
		printf("seed %llu\n", (unsigned long long)seed);
		fail();
	}
	cluster_free(m.c);
}

static void a_mesh_outlives_any_mischief(void **state)
{
	(void)state;
	const char *more = getenv("HOSTILE_SEEDS");
	uint64_t seeds = more ? strtoull(more, NULL, 10) : SEEDS;

	for (uint64_t seed = 1; seed <= seeds; seed++)
		one_campaign(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unproven_address_gets_no_more_than_came_from_it),
		cmocka_unit_test(a_member_that_always_differs_costs_a_sync_a_minute),
		cmocka_unit_test(ranges_are_answered_at_a_rate),
		cmocka_unit_test(a_round_without_end_holds_up_no_others),
		cmocka_unit_test(what_is_forged_is_verified_at_a_rate),
		cmocka_unit_test(ranges_that_are_malformed_take_all_along_with_them),
		cmocka_unit_test(places_that_are_made_up_cost_a_stream_now_and_then),
		cmocka_unit_test(a_clock_of_no_year_moves_nobody),
		cmocka_unit_test(news_of_a_second_life_of_our_key_are_told),
		cmocka_unit_test(strangers_that_take_all_streams_keep_nobody_out),
		cmocka_unit_test(all_addresses_of_one_ipv6_host_are_one),
		cmocka_unit_test(who_proves_a_key_but_no_membership_is_cut_off),
		cmocka_unit_test(a_sync_brings_nothing_from_the_future),
		cmocka_unit_test(a_member_has_one_sync_at_a_time),
		cmocka_unit_test(a_member_is_answered_over_streams_at_a_rate),
		cmocka_unit_test(a_member_cannot_wear_out_everybodys_disk),
		cmocka_unit_test(a_leaked_token_lets_in_no_more_than_its_uses),
		cmocka_unit_test(who_is_no_member_captures_no_joiner),
		cmocka_unit_test(who_offers_first_and_stalls_holds_no_joiner),
		cmocka_unit_test(a_mesh_outlives_any_mischief),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
