/* Who is alive: stories of a few nodes in virtual time, on a network that delays, loses and cuts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/swim_net.h"

#define SETTLE_MS 30000 /* until all have greeted each other */

static void start(struct swim_net *net, size_t count)
{
	swim_net_init(net, count, (uint8_t)count);
	swim_net_start_all(net);
	swim_net_run(net, SETTLE_MS);
	assert_int_equal(swim_net_suspicions(net), 0);
}

static void forget_counts(struct swim_net *net)
{
	for (size_t i = 0; i < net->count; i++) {
		net->nodes[i].sent = (struct swim_net_counts){0};
		net->nodes[i].suspicions = net->nodes[i].deaths = 0;
	}
}

static void a_calm_mesh_costs_a_ping_and_an_ack_a_node_and_second(void **state)
{
	(void)state;
	struct swim_net net;

	start(&net, 10);
	forget_counts(&net);
	swim_net_run(&net, 100000);
	struct swim_net_counts sent = swim_net_sent(&net);
	assert_in_range(sent.pings, 980, 1010);
	assert_in_range(sent.acks, 980, 1010);
	assert_int_equal(sent.packets, sent.pings + sent.acks);
	assert_int_equal(sent.statements, 0);
	swim_net_done(&net);
}

static void a_crash_is_known_everywhere(void **state)
{
	(void)state;
	struct swim_net net;

	start(&net, 10);
	swim_net_crash(&net, 3);
	int64_t suspected = swim_net_wait(&net, 3, SWIM_SUSPECT, 20000);
	/* the first probe that hits it, then news at the speed of the network */
	assert_in_range(suspected, 500, 4000);
	int64_t dead = swim_net_wait(&net, 3, SWIM_DEAD, 60000);
	/* confirmed by the others, it takes little more than the minimum of 4 s */
	assert_in_range(dead, 2000, 12000);
	assert_int_equal(swim_net_deaths(&net), 9);
	assert_int_equal(swim_net_suspicions(&net), 9);
	swim_net_done(&net);
}

static void a_restart_makes_it_alive_from_any_state(void **state)
{
	(void)state;
	static const int64_t down_ms[] = {100, 5000, 60000};

	for (size_t i = 0; i < sizeof(down_ms) / sizeof(*down_ms); i++) {
		struct swim_net net;
		struct swim_info info;

		start(&net, 8);
		swim_net_crash(&net, 2);
		swim_net_run(&net, down_ms[i]);
		swim_net_start(&net, 2);
		assert_in_range(swim_net_wait_whole(&net, 10000), 0, 4000);
		swim_net_run(&net, 60000);
		assert_int_equal(swim_net_wait_whole(&net, 0), 0);
		for (size_t k = 0; k < 8; k++) {
			if (k == 2)
				continue;
			assert_true(swim_info(net.nodes[k].swim, swim_net_id(&net, 2), &info));
			assert_true(info.incarnation.generation == 2);
			/* and it knows the others again */
			assert_true(swim_info(net.nodes[2].swim, swim_net_id(&net, k), &info));
			assert_true(info.incarnation.generation == 1);
		}
		swim_net_done(&net);
	}
}

static void loss_alone_kills_nobody(void **state)
{
	(void)state;
	static const unsigned loss[] = {5, 20};

	for (size_t i = 0; i < sizeof(loss) / sizeof(*loss); i++) {
		struct swim_net net;

		start(&net, 10);
		net.loss_percent = loss[i];
		swim_net_run(&net, 300000);
		assert_int_equal(swim_net_deaths(&net), 0);
		net.loss_percent = 0;
		assert_true(swim_net_wait_whole(&net, 60000) >= 0);
		swim_net_done(&net);
	}
}

static void whatever_loss_has_done_mends_when_it_ends(void **state)
{
	(void)state;
	struct swim_net net;

	start(&net, 10);
	net.loss_percent = 60;
	swim_net_run(&net, 300000);
	net.loss_percent = 0;
	assert_true(swim_net_wait_whole(&net, 90000) >= 0);
	swim_net_run(&net, 60000);
	assert_int_equal(swim_net_wait_whole(&net, 0), 0);
	swim_net_done(&net);
}

static void a_failure_is_known_everywhere_in_spite_of_loss(void **state)
{
	(void)state;
	static const unsigned loss[] = {5, 30, 50};

	for (size_t i = 0; i < sizeof(loss) / sizeof(*loss); i++) {
		struct swim_net net;

		start(&net, 12);
		net.loss_percent = loss[i];
		swim_net_crash(&net, 5);
		assert_true(swim_net_wait(&net, 5, SWIM_DEAD, 120000) >= 0);
		swim_net_done(&net);
	}
}

static void a_one_way_cut_is_routed_around(void **state)
{
	(void)state;
	struct swim_net net;

	start(&net, 5);
	swim_net_cut(&net, 0, 1);
	forget_counts(&net);
	swim_net_run(&net, 120000);
	assert_int_equal(swim_net_suspicions(&net), 0);
	assert_true(swim_net_sent(&net).requests > 0);
	/* nor does it matter when they cannot reach each other at all */
	swim_net_cut(&net, 1, 0);
	swim_net_run(&net, 120000);
	assert_int_equal(swim_net_suspicions(&net), 0);
	swim_net_done(&net);
}

static void a_suspect_that_lives_refutes(void **state)
{
	(void)state;
	struct swim_net net;

	start(&net, 8);
	/* deaf and dumb for long enough to be suspected, not to be held dead */
	for (size_t i = 1; i < 8; i++) {
		swim_net_cut(&net, 0, i);
		swim_net_cut(&net, i, 0);
	}
	assert_true(swim_net_wait(&net, 0, SWIM_SUSPECT, 20000) >= 0);
	swim_net_heal(&net);
	assert_in_range(swim_net_wait(&net, 0, SWIM_ALIVE, 20000), 0, 4000);
	assert_int_equal(swim_net_deaths(&net), 0);
	assert_true(swim_incarnation(net.nodes[0].swim).version > 0);
	assert_true(swim_incarnation(net.nodes[0].swim).version < 5);
	swim_net_run(&net, 60000);
	assert_int_equal(swim_net_wait_whole(&net, 0), 0);
	swim_net_done(&net);
}

static void a_partition_heals_however_long_it_was(void **state)
{
	(void)state;
	struct swim_net net;

	start(&net, 12);
	swim_net_split(&net, 5);
	swim_net_run(&net, 1800000);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(swim_net_holding(&net, i, SWIM_DEAD), 7);
	for (size_t i = 5; i < 12; i++)
		assert_int_equal(swim_net_holding(&net, i, SWIM_DEAD), 5);
	swim_net_heal(&net);
	/* each redials each of the dead once a minute */
	assert_in_range(swim_net_wait_whole(&net, 120000), 0, 65000);
	swim_net_run(&net, 60000);
	assert_int_equal(swim_net_wait_whole(&net, 0), 0);
	swim_net_done(&net);
}

static void an_isolated_node_comes_back_without_a_storm(void **state)
{
	(void)state;
	struct swim_net net;

	start(&net, 10);
	for (size_t i = 1; i < 10; i++) {
		swim_net_cut(&net, 0, i);
		swim_net_cut(&net, i, 0);
	}
	swim_net_run(&net, 600000);
	for (size_t i = 1; i < 10; i++) {
		assert_int_equal(swim_net_state(&net, 0, i), SWIM_DEAD);
		assert_int_equal(swim_net_state(&net, i, 0), SWIM_DEAD);
	}
	size_t deaths = swim_net_deaths(&net);
	swim_net_heal(&net);
	forget_counts(&net);
	assert_in_range(swim_net_wait_whole(&net, 120000), 0, 65000);
	/* it accuses nobody with what it thought when it was alone */
	assert_int_equal(deaths, 18);
	assert_int_equal(swim_net_deaths(&net), 0);
	assert_true(swim_net_sent(&net).statements < 400);
	swim_net_done(&net);
}

static void who_was_paused_accuses_nobody(void **state)
{
	(void)state;
	static const int64_t pause_ms[] = {600, 2000, 20000};

	for (size_t i = 0; i < sizeof(pause_ms) / sizeof(*pause_ms); i++) {
		struct swim_net net;

		start(&net, 8);
		for (int again = 0; again < 10; again++) {
			swim_net_pause(&net, 0, pause_ms[i]);
			swim_net_run(&net, pause_ms[i] + 30000);
			/* the others may well have doubted it; it doubts none of them */
			for (size_t k = 1; k < 8; k++)
				assert_int_equal(swim_net_holding(&net, k, SWIM_ALIVE), 7);
		}
		assert_int_equal(net.nodes[0].suspicions, 0);
		assert_true(swim_net_wait_whole(&net, 60000) >= 0);
		swim_net_done(&net);
	}
}

static void far_members_are_not_suspected(void **state)
{
	(void)state;
	static const int64_t one_way_ms[] = {100, 300, 450, 600};

	for (size_t i = 0; i < sizeof(one_way_ms) / sizeof(*one_way_ms); i++) {
		struct swim_net net;

		swim_net_init(&net, 6, 42);
		net.delay_us = one_way_ms[i] * 1000;
		net.jitter_us = 50000;
		swim_net_start_all(&net);
		/* where an answer takes longer than a period, the first doubts are refuted, and
		 * then the way is known */
		swim_net_run(&net, 120000);
		forget_counts(&net);
		swim_net_run(&net, 300000);
		assert_int_equal(swim_net_suspicions(&net), 0);
		assert_int_equal(swim_net_wait_whole(&net, 0), 0);
		swim_net_done(&net);
	}
}

static void all_starting_at_once_accuse_nobody(void **state)
{
	(void)state;
	struct swim_net net;

	swim_net_init(&net, 40, 9);
	swim_net_start_all(&net);
	swim_net_run(&net, 120000);
	assert_int_equal(swim_net_suspicions(&net), 0);
	/* each tells its own alive a few times: to three at once, by the way, and to each it meets
	 */
	assert_true(swim_net_sent(&net).statements < 40 * 40 * 8);
	forget_counts(&net);
	swim_net_run(&net, 60000);
	assert_int_equal(swim_net_sent(&net).statements, 0);
	swim_net_done(&net);
}

static void half_of_the_mesh_dies_at_once(void **state)
{
	(void)state;
	struct swim_net net;

	start(&net, 30);
	for (size_t i = 0; i < 15; i++)
		swim_net_crash(&net, i);
	for (size_t i = 0; i < 15; i++)
		assert_true(swim_net_wait(&net, i, SWIM_DEAD, 180000) >= 0);
	for (size_t i = 15; i < 30; i++)
		assert_int_equal(swim_net_holding(&net, i, SWIM_ALIVE), 14);
	swim_net_done(&net);
}

static void two_nodes_watch_each_other(void **state)
{
	(void)state;
	struct swim_net net;

	start(&net, 2);
	swim_net_crash(&net, 1);
	assert_in_range(swim_net_wait(&net, 1, SWIM_DEAD, 20000), 3000, 8000);
	swim_net_run(&net, 300000);
	swim_net_start(&net, 1);
	assert_in_range(swim_net_wait_whole(&net, 10000), 0, 2500);
	swim_net_split(&net, 1);
	swim_net_run(&net, 300000);
	assert_int_equal(swim_net_holding(&net, 0, SWIM_DEAD), 1);
	assert_int_equal(swim_net_holding(&net, 1, SWIM_DEAD), 1);
	swim_net_heal(&net);
	assert_in_range(swim_net_wait_whole(&net, 120000), 0, 62000);
	swim_net_done(&net);
}

static void the_same_seed_gives_the_same_run(void **state)
{
	(void)state;
	struct swim_net_counts sent[2];

	for (size_t i = 0; i < 2; i++) {
		struct swim_net net;

		start(&net, 6);
		net.loss_percent = 25;
		swim_net_crash(&net, 2);
		swim_net_run(&net, 60000);
		sent[i] = swim_net_sent(&net);
		swim_net_done(&net);
	}
	assert_memory_equal(&sent[0], &sent[1], sizeof(sent[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_calm_mesh_costs_a_ping_and_an_ack_a_node_and_second),
		cmocka_unit_test(a_crash_is_known_everywhere),
		cmocka_unit_test(a_restart_makes_it_alive_from_any_state),
		cmocka_unit_test(loss_alone_kills_nobody),
		cmocka_unit_test(whatever_loss_has_done_mends_when_it_ends),
		cmocka_unit_test(a_failure_is_known_everywhere_in_spite_of_loss),
		cmocka_unit_test(a_one_way_cut_is_routed_around),
		cmocka_unit_test(a_suspect_that_lives_refutes),
		cmocka_unit_test(a_partition_heals_however_long_it_was),
		cmocka_unit_test(an_isolated_node_comes_back_without_a_storm),
		cmocka_unit_test(who_was_paused_accuses_nobody),
		cmocka_unit_test(far_members_are_not_suspected),
		cmocka_unit_test(all_starting_at_once_accuse_nobody),
		cmocka_unit_test(half_of_the_mesh_dies_at_once),
		cmocka_unit_test(two_nodes_watch_each_other),
		cmocka_unit_test(the_same_seed_gives_the_same_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
