/* What members may try by datagrams, with real keys and against the whole core. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gossip/swim/statement.h"
#include "tests/support/hostile.h"

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
	struct hostile *h = hostile_new(3);
	struct endpoint victim = hostile_somewhere(1);

	hostile_begin(h);
	victim.port = 53; /* the same host, another port: not proven */
	for (unsigned sections = 0; sections < 4; sections++) {
		struct msg msg = {.ping = 1, .challenge = UINT64_MAX};

		if (sections & 1)
			msg_add(&msg, MSG_PING);
		if (sections & 2)
			msg_add(&msg, MSG_CHALLENGE);
		got_back(&h->actor, &victim, msg);
	}
	/* with room for it there is an answer: a member that moves is found */
	struct msg roomy = {.ping = 1, .challenge = 1, .pad_size = 100};
	msg_add(&roomy, MSG_PING);
	msg_add(&roomy, MSG_CHALLENGE);
	msg_add(&roomy, MSG_PAD);
	assert_true(got_back(&h->actor, &victim, roomy) > 0);
	hostile_free(h);
}

static void ranges_that_are_malformed_take_all_along_with_them(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);

	hostile_begin(h);
	struct msg msg = {.ping = 77, .reconcile = {(const uint8_t *)"0123456789abcdef@", 17}};
	msg_add(&msg, MSG_PING);
	msg_add(&msg, MSG_RECONCILE);
	uint64_t before = gossip_counters(cluster_core(h->c, 0))[GOSSIP_COUNT_MALFORMED];
	actor_send(&h->actor, &h->actor.at, &msg);
	assert_int_equal(
		gossip_counters(cluster_core(h->c, 0))[GOSSIP_COUNT_MALFORMED], before + 1);
	assert_false(msg_has(&h->actor.heard, MSG_ACK) && h->actor.heard.ack == 77);
	hostile_free(h);
}

static void a_clock_of_no_year_moves_nobody(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);
	struct gossip_time time = cluster_time(h->c);
	struct gossip_status status;

	hostile_begin(h);
	for (int i = 0; i < 3; i++) {
		struct msg msg = {.ping = 1, .time = {INT64_MAX >> i}};

		msg_add(&msg, MSG_PING);
		msg_add(&msg, MSG_TIME);
		actor_send(&h->actor, &h->actor.at, &msg);
		/* nobody vouches for this node's own clock any more */
		time.now = mtime_add_ms(cluster_time(h->c).now, 1);
		time.wall.ms += 1000;
		time.synced = false;
		gossip_tick(cluster_core(h->c, 0), time);
		cluster_drain(h->c, 0);
		gossip_status(cluster_core(h->c, 0), &status);
		assert_in_range(time.wall.ms + status.clock_offset_ms, 0, WTIME_MAX_MS);
	}
	hostile_free(h);
}

/* It cannot tell which of the others is right; but one of them agrees with it. */
static void one_liar_among_three_moves_nobodys_clock(void **state)
{
	(void)state;
	static const int64_t lies_ms[] = {-86400000, 86400000};

	for (size_t i = 0; i < ARRAY_SIZE(lies_ms); i++) {
		struct hostile *h = hostile_new(3);
		struct msg msg = {.ping = 1};
		struct gossip_status status;

		hostile_begin(h);
		cluster_clock(h->c, 0, 0, 0, false);
		msg.time.ms = cluster_time(h->c).wall.ms + lies_ms[i];
		msg_add(&msg, MSG_PING);
		msg_add(&msg, MSG_TIME);
		actor_send(&h->actor, &h->actor.at, &msg);
		cluster_run(h->c, 2000);
		gossip_status(cluster_core(h->c, 0), &status);
		assert_in_range(status.clock_offset_ms + 1000, 0, 2000);
		hostile_free(h);
	}
}

/* Who answers first after a start may be the liar. */
static void one_clock_alone_is_not_believed_where_there_are_more(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(3);
	struct msg msg = {.ping = 1};
	struct gossip_status status;

	cluster_group(h->c, 2, 1);
	cluster_kill(h->c, 0);
	cluster_restart(h->c, 0);
	cluster_clock(h->c, 0, 0, 0, false);
	hostile_begin(h);
	msg.time.ms = cluster_time(h->c).wall.ms + 86400000;
	msg_add(&msg, MSG_PING);
	msg_add(&msg, MSG_TIME);
	actor_send(&h->actor, &h->actor.at, &msg);
	gossip_status(cluster_core(h->c, 0), &status);
	assert_int_equal(status.clock_offset_ms, 0);
	hostile_free(h);
}

/* In a mesh of two it is believed by who does not know better; not that what was said before should
 * have been said in the future. */
static void one_clock_that_goes_back_makes_nobody_say_all_anew(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);
	struct msg msg = {.ping = 1};
	struct gossip_value before, after;
	uint64_t stamp, ticket;

	assert_int_equal(gossip_put(cluster_core(h->c, 0), cluster_node_time(h->c, 0), "colour", 6,
				 "blue", 4, &stamp, &ticket),
		0);
	cluster_drain(h->c, 0);
	cluster_run(h->c, 100);
	assert_true(gossip_value(cluster_core(h->c, 0), "colour", 6, &before));
	stamp = before.stamp;
	hostile_begin(h);
	cluster_clock(h->c, 0, 0, 0, false);
	msg_add(&msg, MSG_PING);
	msg_add(&msg, MSG_TIME);
	for (int i = 0; i < 120; i++) {
		msg.time.ms = cluster_time(h->c).wall.ms - INT64_C(365) * 86400000;
		actor_send(&h->actor, &h->actor.at, &msg);
		cluster_run(h->c, 1000);
	}
	assert_true(gossip_value(cluster_core(h->c, 0), "colour", 6, &after));
	assert_true(after.stamp == stamp);
	hostile_free(h);
}

static void news_of_a_second_life_of_our_key_are_told(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);
	struct statement alive = {.kind = STATEMENT_ALIVE, .subject = cluster_id(h->c, 0)};
	uint8_t bytes[SWIM_STATEMENT_MAX];
	struct pack pack;

	hostile_begin(h);
	for (uint64_t i = 0; i < 20; i++) {
		struct msg msg = {.statement_count = 1};

		alive.incarnation.generation = 1000 * (i + 1);
		statement_sign_alive(&alive, &h->actor.mesh, cluster_keys(h->c, 0));
		pack_init(&pack, bytes, sizeof(bytes));
		statement_encode(&alive, &pack);
		msg.statements[0] = (struct msg_item){bytes, pack.size};
		msg_add(&msg, MSG_STATEMENTS);
		actor_send(&h->actor, &h->actor.at, &msg);
		cluster_run(h->c, 10);
	}
	assert_int_equal(cluster_event_count(h->c, 0, GOSSIP_EVENT_EQUIVOCATION), 1);
	hostile_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unproven_address_gets_no_more_than_came_from_it),
		cmocka_unit_test(ranges_that_are_malformed_take_all_along_with_them),
		cmocka_unit_test(a_clock_of_no_year_moves_nobody),
		cmocka_unit_test(one_liar_among_three_moves_nobodys_clock),
		cmocka_unit_test(one_clock_alone_is_not_believed_where_there_are_more),
		cmocka_unit_test(one_clock_that_goes_back_makes_nobody_say_all_anew),
		cmocka_unit_test(news_of_a_second_life_of_our_key_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
