/* Who is alive: stories of a few nodes in virtual time, on a network that delays, loses and cuts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

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

/* ---- beside what it is measured against ---- */

/* A quarter of the nodes stand still again and again; how many live ones were called dead. */
static size_t deaths_among_anomalies(const struct swim_mechanisms *mechanisms,
	void (*befall)(struct swim_net *, size_t, int64_t), int64_t still_ms, int64_t between_ms)
{
	struct swim_net net;
	size_t deaths;

	swim_net_init(&net, 24, 24);
	net.mechanisms = mechanisms;
	swim_net_start_all(&net);
	swim_net_run(&net, SETTLE_MS);
	for (int again = 0; again < 3; again++) {
		for (size_t i = 0; i < net.count; i += 4)
			befall(&net, i, still_ms);
		swim_net_run(&net, still_ms + between_ms);
	}
	deaths = swim_net_deaths(&net);
	assert_true(swim_net_wait_whole(&net, 120000) >= 0);
	swim_net_done(&net);
	return deaths;
}

static void a_daemon_that_stands_still_is_not_called_dead(void **state)
{
	(void)state;
	static const int64_t still_ms[] = {512, 16384, 32768}, between_ms[] = {1, 4096};

	for (size_t i = 0; i < ARRAY_SIZE(still_ms); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(between_ms); k++) {
			assert_int_equal(deaths_among_anomalies(&swim_mesh, swim_net_block,
						 still_ms[i], between_ms[k]),
				0);
			assert_int_equal(deaths_among_anomalies(&swim_mesh, swim_net_pause,
						 still_ms[i], between_ms[k]),
				0);
		}
	}
	/* that the network of this test is not a kind one */
	assert_true(deaths_among_anomalies(&swim_classic, swim_net_block, 32768, 256) > 100);
	assert_true(deaths_among_anomalies(&swim_lifeguard, swim_net_block, 32768, 256) > 10);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* The median time from a crash until all know of it. */
static int64_t time_to_detect_ms(const struct swim_mechanisms *mechanisms, bool hosts_die)
{
	int64_t ms[9];

	for (size_t i = 0; i < ARRAY_SIZE(ms); i++) {
		struct swim_net net;

		swim_net_init(&net, 24, (uint8_t)(100 + i));
		net.mechanisms = mechanisms;
		net.hosts_die = hosts_die;
		swim_net_start_all(&net);
		swim_net_run(&net, SETTLE_MS + (int64_t)i * 137);
		swim_net_crash(&net, i);
		ms[i] = swim_net_wait(&net, i, SWIM_DEAD, 120000);
		assert_true(ms[i] >= 0);
		swim_net_done(&net);
	}
	qsort(ms, ARRAY_SIZE(ms), sizeof(*ms), compare);
	return ms[ARRAY_SIZE(ms) / 2];
}

static void a_crash_is_known_in_less_than_half_of_lifeguards_time(void **state)
{
	(void)state;
	int64_t lifeguard_ms = time_to_detect_ms(&swim_lifeguard, false);
	int64_t killed_ms = time_to_detect_ms(&swim_mesh, false);
	int64_t host_ms = time_to_detect_ms(&swim_mesh, true);

	assert_in_range(lifeguard_ms, 7000, 14000);
	assert_in_range(killed_ms, 2500, lifeguard_ms * 45 / 100);
	/* nothing refuses a stream: that is waited for */
	assert_in_range(host_ms, killed_ms, lifeguard_ms * 55 / 100);
}

static void probing_costs_no_more_than_lifeguards(void **state)
{
	(void)state;
	size_t packets[2], bytes[2];

	for (size_t i = 0; i < 2; i++) {
		struct swim_net net;

		swim_net_init(&net, 24, 5);
		net.mechanisms = i ? &swim_mesh : &swim_lifeguard;
		swim_net_start_all(&net);
		swim_net_run(&net, 4 * SETTLE_MS);
		forget_counts(&net);
		swim_net_run(&net, 120000);
		packets[i] = swim_net_sent(&net).packets;
		bytes[i] = swim_net_sent(&net).bytes;
		swim_net_done(&net);
	}
	assert_true(packets[1] <= packets[0] + packets[0] / 100);
	assert_true(bytes[1] <= bytes[0] + bytes[0] / 100);
}

/* ---- what ours survives ---- */

static void whoever_only_streams_reach_stays_alive(void **state)
{
	(void)state;
	struct swim_net net;

	start(&net, 8);
	for (size_t i = 1; i < 8; i++) {
		swim_net_cut_datagrams(&net, 0, i);
		swim_net_cut_datagrams(&net, i, 0);
	}
	forget_counts(&net);
	swim_net_run(&net, 300000);
	assert_int_equal(swim_net_deaths(&net), 0);
	for (size_t i = 1; i < 8; i++) {
		assert_int_equal(net.nodes[i].suspicions, 0);
		assert_true(net.nodes[i].sent.checks > 0);
	}
	swim_net_done(&net);
}

static void a_third_of_all_packets_lost_kills_nobody(void **state)
{
	(void)state;
	struct swim_net net;

	start(&net, 20);
	net.loss_percent = 30;
	swim_net_run(&net, 900000);
	assert_int_equal(swim_net_deaths(&net), 0);
	/* streams are the exception */
	assert_true(swim_net_sent(&net).checks < 20 * 900 / 5);
	swim_net_done(&net);
}

/* Who probes it has hardly met it: helpers know what it is accused by. */
static void a_crash_in_a_young_mesh_is_known_everywhere(void **state)
{
	(void)state;
	struct swim_net net;

	swim_net_init(&net, 40, 3);
	swim_net_start_all(&net);
	swim_net_run(&net, 15000);
	swim_net_crash(&net, 7);
	assert_in_range(swim_net_wait(&net, 7, SWIM_DEAD, 60000), 2500, 9000);
	swim_net_done(&net);
}

static void who_starts_together_does_not_probe_in_step(void **state)
{
	(void)state;
	struct swim_net net;
	size_t busiest = 0;

	swim_net_init(&net, 50, 11);
	swim_net_start_all(&net);
	swim_net_run(&net, SETTLE_MS);
	for (int i = 0; i < 100; i++) {
		forget_counts(&net);
		swim_net_run(&net, 100);
		size_t pings = swim_net_sent(&net).pings;
		busiest = pings > busiest ? pings : busiest;
	}
	/* of 50 in a second, 5 in a tenth */
	assert_in_range(busiest, 5, 17);
	swim_net_done(&net);
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
		cmocka_unit_test(a_daemon_that_stands_still_is_not_called_dead),
		cmocka_unit_test(a_crash_is_known_in_less_than_half_of_lifeguards_time),
		cmocka_unit_test(probing_costs_no_more_than_lifeguards),
		cmocka_unit_test(whoever_only_streams_reach_stays_alive),
		cmocka_unit_test(a_third_of_all_packets_lost_kills_nobody),
		cmocka_unit_test(a_crash_in_a_young_mesh_is_known_everywhere),
		cmocka_unit_test(who_starts_together_does_not_probe_in_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
