/* What a member that asks, says, forges or is silent without end costs the others: not more than a
 * rate of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gossip/gossip_age.h"
#include "gossip/gossip_internal.h"
#include "gossip/record/hlc.h"
#include "gossip/record/value.h"
#include "gossip/replica/reconcile.h"
#include "gossip/replica/sync.h"
#include "gossip/swim/statement.h"
#include "gossip/wire/frame.h"
#include "tests/support/hostile.h"
#include "tests/support/records.h"

/* With the node's own cutoff: others are not compared. */
static void tell_digest(struct hostile *h, struct msg *msg)
{
	msg_add(msg, MSG_DIGEST);
	msg->cutoff_hour = gossip_age_cutoff(cluster_core(h->c, 0));
}

static void a_member_that_always_differs_costs_a_sync_a_minute(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(3);

	hostile_begin(h);
	for (int i = 0; i < 600; i++) {
		struct msg msg = {.ping = 1, .cutoff_hour = h->actor.heard.cutoff_hour};

		rng_bytes(&h->rng, msg.digest, sizeof(msg.digest));
		msg_add(&msg, MSG_PING);
		tell_digest(h, &msg);
		actor_send(&h->actor, &h->actor.at, &msg);
		cluster_run(h->c, 100);
	}
	assert_in_range(h->actor.connect_count, 1, 10);
	hostile_free(h);
}

/* Asked over and over whether all differs, which would take hashing all there is each time. */
static void ranges_are_answered_at_a_rate(void **state)
{
	(void)state;
	static const uint8_t all[] = "0123456789abcdef"
				     "\x40\x01\x03"
				     "finger";
	enum { ASKED = 1000, SECONDS = 10 };
	struct hostile *h = hostile_new(3);

	hostile_begin(h);
	size_t before = h->actor.heard_count;
	for (int i = 0; i < ASKED; i++) {
		struct msg msg = {.reconcile = {all, sizeof(all) - 1}};

		msg_add(&msg, MSG_RECONCILE);
		actor_send(&h->actor, &h->actor.at, &msg);
		cluster_run(h->c, SECONDS * 1000 / ASKED);
	}
	/* 4 s of it at once, and 20 ms for each */
	assert_in_range(h->actor.heard_count - before, 100, (SECONDS + 4) * 50 + 60);
	hostile_free(h);
}

/* Whoever never comes to an end with a round is not waited for. */
static void a_round_without_end_holds_up_no_others(void **state)
{
	(void)state;
	/* nothing of what nobody has: costs nothing, and asks for nothing */
	uint8_t ranges[] = "0123456789abcdef\x80\x01\x01\x00";
	enum { SECONDS = 40 };
	struct hostile *h = hostile_new(3);

	hostile_begin(h);
	const uint64_t *counts = gossip_counters(cluster_core(h->c, 0));
	uint64_t before = counts[GOSSIP_COUNT_SYNC_ROUNDS];
	for (int i = 0; i < SECONDS * 10; i++) {
		struct msg msg = {.reconcile = {ranges, sizeof(ranges)},
			.cutoff_hour = h->actor.heard.cutoff_hour};

		rng_bytes(&h->rng, msg.digest, sizeof(msg.digest));
		tell_digest(h, &msg);
		msg_add(&msg, MSG_RECONCILE);
		actor_send(&h->actor, &h->actor.at, &msg);
		cluster_run(h->c, 100);
		if (msg_has(&h->actor.heard, MSG_RECONCILE))
			memcpy(ranges, h->actor.heard.reconcile.bytes, RECONCILE_KEY_SIZE);
	}
	assert_in_range(counts[GOSSIP_COUNT_SYNC_ROUNDS] - before, 3, 20);
	hostile_free(h);
}

/* Verifying what is made up costs more than making it up. */
static void what_is_forged_is_verified_at_a_rate(void **state)
{
	(void)state;
	enum { SENT = 1000, SECONDS = 10 };
	struct hostile *h = hostile_new(3);

	hostile_begin(h);
	const uint64_t *counts = gossip_counters(cluster_core(h->c, 0));
	uint64_t before = counts[GOSSIP_COUNT_STATEMENTS_REFUSED];
	for (int i = 0; i < SENT; i++) {
		struct statement forged = {.kind = STATEMENT_ALIVE,
			.subject = cluster_id(h->c, 2),
			.incarnation = {.generation = UINT64_MAX, .version = (uint64_t)i}};
		uint8_t bytes[SWIM_STATEMENT_MAX];
		struct pack pack;
		struct msg msg = {.statement_count = 1};

		pack_init(&pack, bytes, sizeof(bytes));
		statement_encode(&forged, &pack);
		msg.statements[0] = (struct msg_item){bytes, pack.size};
		msg_add(&msg, MSG_STATEMENTS);
		actor_send(&h->actor, &h->actor.at, &msg);
		cluster_run(h->c, SECONDS * 1000 / SENT);
	}
	assert_in_range(counts[GOSSIP_COUNT_STATEMENTS_REFUSED] - before, 1, SECONDS + 16);
	hostile_free(h);
}

/* Who announces what it has not is asked for it now and then, and so is nobody else. */
static void places_that_are_made_up_cost_a_stream_now_and_then(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(3);

	hostile_begin(h);
	size_t before = h->actor.connect_count;
	uint64_t all_before = cluster_counts(h->c)->connections;
	for (int i = 0; i < 600; i++) {
		uint8_t place[MSG_PLACE_SIZE];
		struct msg msg = {.place_count = 1, .places = {{place, sizeof(place)}}};

		rng_bytes(&h->rng, place, sizeof(place));
		place[32] = (uint8_t)(i % 4);
		msg_add(&msg, MSG_ANNOUNCE);
		actor_send(&h->actor, &h->actor.at, &msg);
		cluster_run(h->c, 100);
	}
	assert_in_range(h->actor.connect_count - before, 1, 20);
	assert_in_range(cluster_counts(h->c)->connections - all_before, 0, 20);
	hostile_free(h);
}

/* Over and over in a turn that has no end, whether all differs. */
static void a_member_is_answered_over_streams_at_a_rate(void **state)
{
	(void)state;
	static const uint8_t all[] = "0123456789abcdef"
				     "\x40\x01\x03"
				     "finger";
	enum { ASKED = 5000 };
	struct hostile *h = hostile_new(2);

	hostile_impersonate(h);
	hostile_copy(h, NULL);
	hostile_introduce(h);
	for (int i = 0; i < ASKED && !h->actor.closed; i++) {
		struct frame frame = {.type = FRAME_SYNC};
		uint8_t bytes[64];
		struct pack pack;

		pack_init(&pack, bytes, sizeof(bytes));
		pack_put_array(&pack, 3);
		pack_put_uint(&pack, 1);
		pack_put_bool(&pack, false);
		pack_put_bin(&pack, all, sizeof(all) - 1);
		frame.sync = (struct msg_item){bytes, pack.size};
		actor_say(&h->actor, &frame);
	}
	assert_true(h->actor.closed);
	/* for a while */
	hostile_introduce(h);
	hostile_pump(h);
	assert_true(h->actor.closed);
	cluster_run(h->c, 10000);
	hostile_introduce(h);
	hostile_pump(h);
	assert_false(h->actor.closed);
	hostile_free(h);
}

static void a_member_cannot_wear_out_everybodys_disk(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);

	hostile_begin(h);
	uint64_t before = cluster_counts(h->c)->writes;
	for (int i = 0; i < 1000; i++) {
		struct record_draft draft = {.type = RECORD_DESCRIPTOR,
			.stamp = hlc_from_ms(cluster_time(h->c).wall.ms)};
		struct record *record;
		struct msg msg = {.record_count = 1};

		assert_int_equal(record_sign(&h->actor.mesh, h->actor.keys, &draft, &record), 0);
		msg_add(&msg, MSG_RECORDS);
		msg.records[0] = (struct msg_item){record->bytes, record->size};
		actor_send(&h->actor, &h->actor.at, &msg);
		record_unref(record);
		cluster_run(h->c, 10);
	}
	/* each is written and the one before it removed; 10 s have passed */
	assert_in_range(cluster_counts(h->c)->writes - before, 10, 2 * (10 + 8 + 1));
	hostile_free(h);
}

static void say_key(struct hostile *h, unsigned number)
{
	char key[16];
	struct record_draft draft = {.type = RECORD_VALUE,
		.key = key,
		.stamp = hlc_from_ms(cluster_time(h->c).wall.ms) + number};
	struct msg msg = {.record_count = 1};
	struct record *record;
	struct pack value;

	draft.key_size = (size_t)snprintf(key, sizeof(key), "%u", number);
	pack_init_growing(&value, RECORD_VALUE_MAX);
	value_encode("", 0, &value);
	draft.value = value.data;
	draft.value_size = value.size;
	assert_int_equal(record_sign(&h->actor.mesh, h->actor.keys, &draft, &record), 0);
	msg_add(&msg, MSG_RECORDS);
	msg.records[0] = (struct msg_item){record->bytes, record->size};
	actor_send(&h->actor, &h->actor.at, &msg);
	record_unref(record);
	pack_done(&value);
}

static void ever_new_keys_cost_others_a_rate_beyond_the_quota(void **state)
{
	(void)state;
	enum { SENT = QUOTA_RECORDS + 2000, SECONDS = 6, OTHERS = 2 };
	struct hostile *h = hostile_new(OTHERS + 1);

	hostile_begin(h);
	uint64_t before = cluster_counts(h->c)->writes;
	for (unsigned i = 0; i < SENT; i++) {
		say_key(h, i);
		cluster_run(h->c, i % (SENT / (SECONDS * 1000)) ? 0 : 1);
	}
	cluster_run(h->c, 1000);
	/* each is written, and beyond the quota another one removed for it */
	assert_in_range(cluster_counts(h->c)->writes - before, OTHERS * QUOTA_RECORDS,
		OTHERS * (QUOTA_RECORDS + 2 * (128 + 20 * (SECONDS + 2))));
	hostile_free(h);
}

/* It agrees now and then, which ends what it was asked to wait for. */
static void a_member_that_differs_by_turns_costs_few_more(void **state)
{
	(void)state;
	enum { SECONDS = 120, TURN_MS = 1500, STEP_MS = 100 };
	struct hostile *h = hostile_new(3);
	struct gossip_status status;

	hostile_begin(h);
	const uint64_t *counts = gossip_counters(cluster_core(h->c, 0));
	uint64_t before = counts[GOSSIP_COUNT_SYNC_ROUNDS];
	for (int ms = 0; ms < SECONDS * 1000; ms += STEP_MS) {
		struct msg msg = {.ping = 1, .cutoff_hour = h->actor.heard.cutoff_hour};

		gossip_status(cluster_core(h->c, 0), &status);
		memcpy(msg.digest, status.digest, sizeof(msg.digest));
		if (ms / TURN_MS % 2)
			rng_bytes(&h->rng, msg.digest, sizeof(msg.digest));
		msg_add(&msg, MSG_PING);
		tell_digest(h, &msg);
		actor_send(&h->actor, &h->actor.at, &msg);
		cluster_run(h->c, STEP_MS);
	}
	/* eight at once and one in ten seconds, each begun anew up to four times */
	assert_in_range(counts[GOSSIP_COUNT_SYNC_ROUNDS] - before, 8, 4 * (8 + SECONDS / 10));
	hostile_free(h);
}

static void ask_all(struct hostile *h)
{
	static const uint8_t all[] = "0123456789abcdef"
				     "\x40\x01\x03"
				     "finger";
	struct msg msg = {.reconcile = {all, sizeof(all) - 1}};

	msg_add(&msg, MSG_RECONCILE);
	actor_send(&h->actor, &h->actor.at, &msg);
}

/* Each keeps to its own rate; together they have a rate as well. */
static void all_members_together_are_answered_at_a_rate(void **state)
{
	(void)state;
	enum { MEMBERS = 24, ASKED = 250 };
	struct hostile *h = hostile_new(MEMBERS + 1);
	struct cluster *c = h->c;
	const uint64_t *counts = gossip_counters(cluster_core(c, 0));
	uint64_t answers = 0, one = 0;
	mtime_t began = cluster_time(c).now;

	for (int i = 1; i <= MEMBERS; i++) {
		struct endpoint at = hostile_somewhere((unsigned)i);

		cluster_kill(c, i);
		actor_init(&h->actor, c, &h->rng, 0, cluster_keys(c, i), &at);
		actor_begin(&h->actor);
		uint64_t before = counts[GOSSIP_COUNT_PACKETS_OUT];
		for (int k = 0; k < ASKED; k++)
			ask_all(h);
		answers += counts[GOSSIP_COUNT_PACKETS_OUT] - before;
		if (i == 1)
			one = answers;
		if (i < MEMBERS)
			actor_done(&h->actor);
	}
	int64_t ms = mtime_diff_ms(cluster_time(c).now, began);

	/* what eight may have, and what comes to that meanwhile */
	assert_in_range(answers, 4 * one, 8 * (one + (uint64_t)ms / 20));
	hostile_free(h);
}

static void say_sync(
	struct hostile *h, unsigned kind, bool last, const uint8_t *record, size_t size)
{
	struct frame frame = {.type = FRAME_SYNC};
	uint8_t bytes[1024];
	struct pack pack;

	pack_init(&pack, bytes, sizeof(bytes));
	pack_put_array(&pack, 3);
	pack_put_uint(&pack, kind);
	pack_put_bool(&pack, last);
	if (record)
		pack_put_array(&pack, 1);
	pack_put_bin(&pack, record, size);
	frame.sync = (struct msg_item){bytes, pack.size};
	actor_say(&h->actor, &frame);
}

/* Over and over, with another stamp; how many before it was cut off. */
static int forge(struct hostile *h, int most)
{
	int count = 0;

	hostile_introduce(h);
	sync_free(h->actor.sync);
	h->actor.sync = NULL;
	say_sync(h, 1, true, NULL, 0); /* no ranges: the records come */
	for (; count < most && !h->actor.closed; count++) {
		struct record_draft draft = {.type = RECORDS_OTHER,
			.key = "k",
			.key_size = 1,
			.stamp = hlc_from_ms(cluster_time(h->c).wall.ms) + (unsigned)count};
		struct record *record;
		uint8_t bytes[512];

		assert_int_equal(record_sign(&h->actor.mesh, h->actor.keys, &draft, &record), 0);
		assert_true(record->size <= sizeof(bytes));
		memcpy(bytes, record->bytes, record->size);
		bytes[record->size - 1] ^= 1;
		say_sync(h, 2, false, bytes, record->size);
		record_unref(record);
	}
	return count;
}

static void whoever_forges_records_over_a_stream_is_cut_off(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);

	hostile_impersonate(h);
	hostile_copy(h, NULL);
	assert_in_range(forge(h, 1000), 1, 16);
	/* and comes again in vain, for a while */
	for (int i = 0; i < 5; i++)
		assert_in_range(forge(h, 1000), 0, 2);
	cluster_run(h->c, 20000);
	hostile_introduce(h);
	hostile_pump(h);
	assert_false(h->actor.closed);
	assert_true(sync_is_done(h->actor.sync));
	hostile_free(h);
}

static void say_alive(struct hostile *h, uint64_t version)
{
	struct statement alive = {
		.kind = STATEMENT_ALIVE, .subject = h->actor.keys->id, .incarnation = {9, version}};
	uint8_t bytes[SWIM_STATEMENT_MAX];
	struct pack pack;

	statement_sign_alive(&alive, &h->actor.mesh, h->actor.keys);
	pack_init(&pack, bytes, sizeof(bytes));
	statement_encode(&alive, &pack);
	struct msg msg = {.statement_count = 1, .statements = {{bytes, pack.size}}};

	msg_add(&msg, MSG_STATEMENTS);
	actor_send(&h->actor, &h->actor.at, &msg);
}

/* It is silent until it is held dead, and back at once, over and over. */
static void a_member_that_comes_and_goes_is_dialled_at_a_rate(void **state)
{
	(void)state;
	enum { TIMES = 20 };
	struct hostile *h = hostile_new(3);
	size_t dials = 0;

	hostile_begin(h);
	for (uint64_t i = 0; i < TIMES; i++) {
		say_alive(h, i);
		assert_int_equal(cluster_sees(h->c, 0, 1), GOSSIP_MEMBER_ALIVE);
		while (cluster_sees(h->c, 0, 1) != GOSSIP_MEMBER_DEAD)
			cluster_run(h->c, 50);
		size_t checks = h->actor.connect_count;

		cluster_run(h->c, 1600);
		dials += h->actor.connect_count - checks;
	}
	assert_in_range(dials, 2, TIMES * 3 / 4);
	hostile_free(h);
}

struct sent {
	struct endpoint to;
	int count;
};

static void count_sent(void *arg, int node, const struct gossip_effect *effect)
{
	struct sent *sent = arg;

	sent->count += node == 0 && effect->kind == EFFECT_SEND &&
		       endpoint_equal(&effect->endpoint, &sent->to);
}

/* News would go to it first of all; it says nothing, and is not dead yet. */
static void a_silent_member_is_greeted_at_a_rate(void **state)
{
	(void)state;
	enum { SECONDS = 5, NEWS_MS = 20 };
	struct hostile *h = hostile_new(3);
	struct sent sent = {.to = cluster_endpoint(h->c, 1)};
	char token[TOKEN_TEXT_MAX];

	cluster_kill(h->c, 1);
	cluster_kill(h->c, 0);
	cluster_restart(h->c, 0);
	cluster_run(h->c, 200);
	cluster_observe(h->c, count_sent, &sent);
	for (int ms = 0; ms < SECONDS * 1000; ms += NEWS_MS) {
		cluster_invite(h->c, 0, 1, 3600000, token);
		cluster_run(h->c, NEWS_MS);
		assert_true(cluster_sees(h->c, 0, 1) != GOSSIP_MEMBER_DEAD);
	}
	/* four a second, and five packets for a probe */
	assert_in_range(sent.count, 10, SECONDS * (4 + 5));
	hostile_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_that_always_differs_costs_a_sync_a_minute),
		cmocka_unit_test(ranges_are_answered_at_a_rate),
		cmocka_unit_test(a_round_without_end_holds_up_no_others),
		cmocka_unit_test(what_is_forged_is_verified_at_a_rate),
		cmocka_unit_test(places_that_are_made_up_cost_a_stream_now_and_then),
		cmocka_unit_test(a_member_is_answered_over_streams_at_a_rate),
		cmocka_unit_test(a_member_cannot_wear_out_everybodys_disk),
		cmocka_unit_test(ever_new_keys_cost_others_a_rate_beyond_the_quota),
		cmocka_unit_test(a_member_that_differs_by_turns_costs_few_more),
		cmocka_unit_test(all_members_together_are_answered_at_a_rate),
		cmocka_unit_test(whoever_forges_records_over_a_stream_is_cut_off),
		cmocka_unit_test(a_member_that_comes_and_goes_is_dialled_at_a_rate),
		cmocka_unit_test(a_silent_member_is_greeted_at_a_rate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
