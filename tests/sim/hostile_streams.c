/* What strangers, members and those who keep a token may try over streams, in syncs and joins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "gossip/record/hlc.h"
#include "tests/support/hostile.h"
#include "tests/support/records.h"

#define HOUR_MS 3600000

static bool joined(struct cluster *c, void *arg)
{
	return cluster_joined(c, *(int *)arg) != 1;
}

static void strangers_that_take_all_streams_keep_nobody_out(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);
	char token[TOKEN_TEXT_MAX];
	int node;

	cluster_invite(h->c, 0, 1, HOUR_MS, token);
	hostile_impersonate(h);
	for (unsigned i = 0; i < 1000; i++) {
		struct endpoint from = hostile_somewhere(1000 + i);

		actor_connect(&h->actor, &from);
	}
	/* what this node wants of others works as well: node 1 comes back with other records */
	node = cluster_add(h->c);
	assert_int_equal(cluster_join(h->c, node, token), 0);
	assert_true(cluster_wait(h->c, 1000, joined, &node));
	assert_int_equal(cluster_joined(h->c, node), 0);
	hostile_free(h);
}

static void all_addresses_of_one_ipv6_host_are_one(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);
	struct endpoint from = {
		.ip = {.family = 6, .b = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1}}, .port = 9};

	hostile_impersonate(h);
	for (uint8_t i = 0; i < 100; i++) {
		from.ip.b[15] = i;
		actor_connect(&h->actor, &from);
	}
	assert_int_equal(h->actor.closed_count, 100 - GOSSIP_STREAMS_PER_ADDRESS);
	hostile_free(h);
}

static void who_proves_a_key_but_no_membership_is_cut_off(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);
	const uint8_t head[4] = {0, 0, 1, 0};
	struct keys stranger;

	hostile_impersonate(h);
	hostile_keys(&h->rng, &stranger);
	actor_prove(&h->actor, CHANNEL_MEMBER, &stranger);
	for (size_t i = 0; i < sizeof(head); i++) {
		actor_say_bytes(&h->actor, head + i, 1);
		cluster_run(h->c, 1500);
	}
	assert_true(h->actor.closed);
	hostile_free(h);
}

static size_t records_of(struct cluster *c, int node)
{
	struct gossip_status status;

	gossip_status(cluster_core(c, node), &status);
	return status.records;
}

static void say_value(struct hostile *h, int64_t ms)
{
	struct record_draft draft = {.type = RECORDS_OTHER, .key = "k", .key_size = 1};
	struct record *record;

	draft.stamp = hlc_from_ms(ms);
	assert_int_equal(record_sign(&h->actor.mesh, h->actor.keys, &draft, &record), 0);
	assert_int_equal(store_restore(h->store, record), 0);
	record_unref(record);
}

static void a_sync_brings_nothing_from_the_future(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);
	int64_t said_ms;

	hostile_impersonate(h);
	hostile_copy(h, NULL);
	size_t before = records_of(h->c, 0);
	said_ms = cluster_time(h->c).wall.ms;
	say_value(h, said_ms);
	hostile_introduce(h);
	hostile_pump(h);
	assert_true(sync_is_done(h->actor.sync));
	assert_int_equal(records_of(h->c, 0), before + 1);
	say_value(h, cluster_time(h->c).wall.ms + 2 * HOUR_MS);
	hostile_introduce(h);
	hostile_pump(h);
	assert_true(sync_is_done(h->actor.sync));
	hostile_copy(h, NULL);
	assert_int_equal(store_slot(h->store, &h->actor.keys->id, RECORDS_OTHER, "k", 1)->stamp,
		hlc_from_ms(said_ms));
	hostile_free(h);
}

static void a_member_has_one_sync_at_a_time(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);

	hostile_impersonate(h);
	hostile_copy(h, NULL);
	for (size_t i = 0; i < 5; i++) {
		hostile_introduce(h);
		assert_int_equal(h->actor.closed_count, i);
		assert_false(h->actor.closed);
	}
	hostile_free(h);
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
	struct hostile *h = hostile_new(3);
	char text[TOKEN_TEXT_MAX];
	struct gossip_status status;
	struct token token;
	int node = cluster_add(h->c);

	cluster_invite(h->c, 0, 1, HOUR_MS, text);
	assert_int_equal(token_decode(text, &token), 0);
	cluster_run(h->c, 1000);
	assert_int_equal(cluster_join(h->c, node, text), 0);
	assert_true(cluster_wait(h->c, 5000, joined, &node));
	assert_true(cluster_wait(h->c, 5000, cluster_converged, NULL));
	hostile_impersonate(h);
	hostile_copy(h, NULL);
	hostile_introduce(h);
	hostile_pump(h);
	size_t before = records_of(h->c, 0);
	for (unsigned i = 0; i < 200; i++) {
		struct keys keys;

		hostile_keys(&h->rng, &keys);
		struct record *record = backdated(&h->actor, &token, &keys, i);
		struct frame frame = {.type = FRAME_RECORDS,
			.record_count = 1,
			.records = {{record->bytes, record->size}}};

		actor_say(&h->actor, &frame);
		record_unref(record);
	}
	assert_true(records_of(h->c, 0) <= before + AUTHORITY_OVERSPENT_MAX + 1);
	cluster_run(h->c, 1000);
	gossip_status(cluster_core(h->c, 0), &status);
	assert_int_equal(status.members, members_of(h->c, 0));
	token_done(&token);
	hostile_free(h);
}

/* A token whose first address is the actor's, who answers the new node as a member would. */
static int join_through(struct hostile *h, const struct keys *keys, bool honest_too)
{
	struct endpoint at = hostile_somewhere(7);
	struct invite invite = {.uses = 1, .endpoint_count = 1, .endpoints = {at}};
	struct gossip *inviter = cluster_core(h->c, 0);
	char token[TOKEN_TEXT_MAX];
	uint64_t ticket;
	int node = cluster_add(h->c);

	if (honest_too)
		invite.endpoints[invite.endpoint_count++] = cluster_endpoint(h->c, 0);
	assert_int_equal(
		gossip_invite(inviter, cluster_time(h->c), HOUR_MS, &invite, token, &ticket), 0);
	cluster_drain(h->c, 0);
	cluster_run(h->c, 100);
	actor_init(&h->actor, h->c, &h->rng, node, keys, &at);
	assert_int_equal(cluster_join(h->c, node, token), 0);
	actor_accept(&h->actor);
	assert_int_equal(h->actor.frame.type, FRAME_JOIN_REQUEST);
	return node;
}

static void offer_at(struct actor *actor, uint64_t stamp)
{
	struct frame answer = {.type = FRAME_JOIN_OFFER, .node = actor->keys->id, .stamp = stamp};
	struct record *invite;

	assert_int_equal(record_decode(&actor->mesh, actor->frame.record.bytes,
				 actor->frame.record.size, &invite),
		0);
	admission_sign_witness(&actor->mesh, actor->keys, &actor->frame.node, actor->frame.name,
		(const struct id *)(const void *)invite->key, answer.stamp, &answer.sig);
	record_unref(invite);
	actor_say(actor, &answer);
}

static void offer(struct actor *actor)
{
	offer_at(actor, hlc_from_ms(cluster_time(actor->cluster).wall.ms));
}

static bool proves_an_invite(const struct record *record)
{
	return record->type == RECORD_GRANT || record->type == RECORD_INVITE;
}

static void who_is_no_member_captures_no_joiner(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);
	struct gossip_status status;
	struct keys stranger;
	struct frame done = {.type = FRAME_JOIN_DONE};

	hostile_keys(&h->rng, &stranger);
	int node = join_through(h, &stranger, false);
	offer(&h->actor);
	cluster_run(h->c, 10);
	assert_int_equal(h->actor.frame.type, FRAME_JOIN_COMMIT);
	hostile_copy(h, proves_an_invite);
	hostile_sync(h, false);
	actor_say(&h->actor, &done);
	hostile_pump(h);
	cluster_run(h->c, GOSSIP_JOIN_TIMEOUT_MS + 1000);
	assert_int_equal(cluster_joined(h->c, node), ERR_NO_CHAIN);
	gossip_status(cluster_core(h->c, node), &status);
	assert_int_equal(status.state, GOSSIP_UNJOINED);
	hostile_free(h);
}

static void who_offers_first_and_stalls_holds_no_joiner(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);
	struct keys stranger;

	hostile_keys(&h->rng, &stranger);
	int node = join_through(h, &stranger, true);
	offer(&h->actor);
	cluster_run(h->c, 10);
	assert_int_equal(h->actor.frame.type, FRAME_JOIN_COMMIT);
	assert_true(cluster_wait(h->c, 10000, joined, &node));
	assert_int_equal(cluster_joined(h->c, node), 0);
	hostile_free(h);
}

struct dial {
	const struct actor *actor;
	size_t before;
};

static bool dials_again(struct cluster *c, void *arg)
{
	const struct dial *dial = arg;

	(void)c;
	return dial->actor->connect_count > dial->before;
}

/* Two admissions with one stamp would prove that the joiner lives twice, and silence it. */
static void no_offer_makes_a_joiner_sign_a_stamp_twice(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);
	struct keys stranger, another;
	uint64_t stamp = hlc_from_ms(cluster_time(h->c).wall.ms + 1000);

	hostile_keys(&h->rng, &stranger);
	hostile_keys(&h->rng, &another);
	(void)join_through(h, &stranger, false);
	offer_at(&h->actor, stamp);
	cluster_run(h->c, 10);
	assert_int_equal(h->actor.frame.type, FRAME_JOIN_COMMIT);
	for (int i = 0; i < 2; i++) {
		struct dial dial = {&h->actor, h->actor.connect_count};

		assert_true(cluster_wait(h->c, 25000, dials_again, &dial));
		h->actor.keys = &another;
		actor_accept(&h->actor);
		assert_int_equal(h->actor.frame.type, FRAME_JOIN_REQUEST);
		offer_at(&h->actor, i ? stamp + 1 : stamp);
		cluster_run(h->c, 10);
		assert_int_equal(h->actor.frame.type, i ? FRAME_JOIN_COMMIT : FRAME_JOIN_REQUEST);
	}
	hostile_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers_that_take_all_streams_keep_nobody_out),
		cmocka_unit_test(all_addresses_of_one_ipv6_host_are_one),
		cmocka_unit_test(who_proves_a_key_but_no_membership_is_cut_off),
		cmocka_unit_test(a_sync_brings_nothing_from_the_future),
		cmocka_unit_test(a_member_has_one_sync_at_a_time),
		cmocka_unit_test(a_leaked_token_lets_in_no_more_than_its_uses),
		cmocka_unit_test(who_is_no_member_captures_no_joiner),
		cmocka_unit_test(who_offers_first_and_stalls_holds_no_joiner),
		cmocka_unit_test(no_offer_makes_a_joiner_sign_a_stamp_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
