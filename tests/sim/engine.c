/* The virtual mesh itself: that it does to nodes what a kernel, a host and a network would do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "tests/support/cluster.h"

static const struct cluster_options lan = {.seed = 5, .latency_max_ms = 1, .disk_ms = 1};

static struct cluster *mesh(int count)
{
	struct cluster *c = cluster_new(&lan);

	cluster_mesh(c, count);
	assert_true(cluster_wait(c, 20000, cluster_converged, NULL));
	return c;
}

/* What a node sends, and what comes to it. */
struct watch {
	struct cluster *cluster;
	int node;
	size_t sent, connects;
};

static bool count(void *arg, int node, const struct gossip_effect *effect)
{
	struct watch *watch = arg;

	if (node == watch->node) {
		watch->sent += effect->kind == EFFECT_SEND;
		watch->connects += effect->kind == EFFECT_CONNECT;
	}
	return false;
}

static uint64_t packets_in(struct cluster *c, int node)
{
	return gossip_counters(cluster_core(c, node))[GOSSIP_COUNT_PACKETS_IN];
}

static void a_blocked_node_fires_its_timers_and_is_heard_of_at_the_end(void **state)
{
	(void)state;
	struct cluster *c = mesh(5);
	struct watch watch = {.cluster = c, .node = 2};
	uint64_t before = packets_in(c, 2), sent;

	cluster_watch(c, count, &watch);
	cluster_anomaly(c, 2, CLUSTER_BLOCK);
	sent = cluster_counts(c)->datagrams;
	cluster_run(c, 3000);
	assert_true(watch.sent > 0);
	assert_int_equal(packets_in(c, 2), before);
	/* the others probed it in vain meanwhile; what it said has not left it */
	assert_true(cluster_counts(c)->datagrams > sent);
	sent = cluster_counts(c)->datagrams;
	cluster_anomaly(c, 2, CLUSTER_NONE);
	assert_int_equal(cluster_counts(c)->datagrams, sent + watch.sent);
	cluster_run(c, 10);
	assert_true(packets_in(c, 2) > before);
	cluster_free(c);
}

static void a_stopped_node_does_nothing_and_wakes_with_a_late_tick(void **state)
{
	(void)state;
	struct cluster *c = mesh(5);
	struct watch watch = {.cluster = c, .node = 2};
	uint64_t before = packets_in(c, 2);

	cluster_watch(c, count, &watch);
	cluster_anomaly(c, 2, CLUSTER_STOP);
	cluster_run(c, 3000);
	assert_int_equal(watch.sent, 0);
	cluster_anomaly(c, 2, CLUSTER_NONE);
	/* the timers first: it has seen the gap, and nothing of what waits */
	assert_true(watch.sent > 0);
	assert_int_equal(packets_in(c, 2), before);
	cluster_run(c, 10);
	assert_true(packets_in(c, 2) > before);
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	cluster_free(c);
}

static void what_waits_in_a_socket_is_bounded(void **state)
{
	(void)state;
	struct cluster *c = mesh(2);
	struct endpoint at = cluster_endpoint(c, 0);
	uint8_t noise[200] = {0};

	cluster_anomaly(c, 1, CLUSTER_STOP);
	for (int i = 0; i < 1000; i++)
		cluster_inject(c, 1, &at, noise, sizeof(noise));
	cluster_run(c, 1);
	assert_in_range(cluster_counts(c)->overrun, 800, 900);
	cluster_free(c);
}

/* The stream that a node opens to an address, and what becomes of it. */
struct connection {
	bool connected, closed;
	int64_t at_ms;
};

static bool joins(void *arg, int node, const struct gossip_effect *effect)
{
	struct connection *connection = arg;

	(void)node;
	if (effect->kind == EFFECT_STREAM_SEND && !(effect->stream & GOSSIP_STREAM_ACCEPTED))
		connection->connected = true;
	return false;
}

/* A join speaks first as soon as it is connected. */
static struct connection join_into(struct cluster *c, const char *token, int64_t ms)
{
	struct connection connection = {.connected = false};
	int joiner = cluster_add(c);

	cluster_watch(c, joins, &connection);
	assert_int_equal(cluster_join(c, joiner, token), 0);
	cluster_run(c, ms);
	cluster_watch(c, NULL, NULL);
	connection.closed = cluster_joined(c, joiner) == 0;
	return connection;
}

static void the_kernel_of_a_node_that_stands_still_accepts(void **state)
{
	(void)state;
	struct cluster *c = mesh(1);
	char token[TOKEN_TEXT_MAX];
	struct connection connection;

	cluster_invite(c, 0, 9, 3600000, token);
	cluster_anomaly(c, 0, CLUSTER_STOP);
	connection = join_into(c, token, 1000);
	assert_true(connection.connected && !connection.closed);
	cluster_anomaly(c, 0, CLUSTER_NONE);
	cluster_run(c, 1000);
	assert_int_equal(cluster_joined(c, 1), 0);

	cluster_anomaly(c, 0, CLUSTER_BLOCK);
	connection = join_into(c, token, 1000);
	assert_true(connection.connected && !connection.closed);
	cluster_free(c);
}

static void nobody_accepts_for_a_process_or_a_host_that_is_gone(void **state)
{
	(void)state;
	for (int host = 0; host < 2; host++) {
		struct cluster *c = mesh(1);
		char token[TOKEN_TEXT_MAX];

		cluster_invite(c, 0, 9, 3600000, token);
		if (host)
			cluster_crash(c, 0);
		else
			cluster_kill(c, 0);
		assert_false(join_into(c, token, 5000).connected);
		cluster_free(c);
	}
}

static void a_stream_survives_a_short_cut(void **state)
{
	(void)state;
	struct cluster *c = mesh(1);
	char token[TOKEN_TEXT_MAX];
	int joiner;

	cluster_invite(c, 0, 9, 3600000, token);
	joiner = cluster_add(c);
	assert_int_equal(cluster_join(c, joiner, token), 0);
	cluster_run(c, 2);
	cluster_cut(c, 0, joiner, true);
	cluster_run(c, 1500);
	assert_int_equal(cluster_joined(c, joiner), 1);
	cluster_cut(c, 0, joiner, false);
	cluster_run(c, 1000);
	assert_int_equal(cluster_joined(c, joiner), 0);
	cluster_free(c);
}

static void groups_part_the_network(void **state)
{
	(void)state;
	struct cluster *c = mesh(6);

	for (int i = 0; i < 6; i++)
		cluster_group(c, i, i % 2);
	cluster_run(c, 60000);
	for (int i = 0; i < 6; i++) {
		for (int j = 0; j < 6; j++) {
			if (i != j)
				assert_int_equal(cluster_sees(c, i, j),
					i % 2 == j % 2 ? GOSSIP_MEMBER_ALIVE : GOSSIP_MEMBER_DEAD);
		}
	}
	for (int i = 0; i < 6; i++)
		cluster_group(c, i, 0);
	assert_true(cluster_wait(c, 120000, cluster_converged, NULL));
	cluster_free(c);
}

static void clocks_may_be_off_and_drift(void **state)
{
	(void)state;
	struct cluster *c = mesh(2);
	int64_t right;

	cluster_clock(c, 1, -5000, 0.01, true);
	assert_int_equal(cluster_node_time(c, 1).wall.ms, cluster_time(c).wall.ms - 5000);
	cluster_run(c, 10000);
	right = cluster_time(c).wall.ms;
	assert_in_range(cluster_node_time(c, 1).wall.ms, right - 4901, right - 4899);
	cluster_free(c);
}

/* A first contact is a ping, two that prove both ends, and the ack: no probe fails over it. */
static void a_first_ping_is_answered_at_once(void **state)
{
	(void)state;
	struct cluster *c = mesh(4);
	uint64_t before;

	cluster_run(c, 60000); /* admins have kept whom they saw join */
	for (int i = 0; i < 4; i++)
		cluster_kill(c, i);
	for (int i = 0; i < 4; i++)
		cluster_restart(c, i);
	before = cluster_counts(c)->datagrams;
	cluster_run(c, 4000);
	/* 6 pairs, 4 datagrams each, and at the most 5 probes of 2 from each node */
	assert_true(cluster_counts(c)->datagrams - before <= 6 * 5 + 4 * 5 * 2);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blocked_node_fires_its_timers_and_is_heard_of_at_the_end),
		cmocka_unit_test(a_stopped_node_does_nothing_and_wakes_with_a_late_tick),
		cmocka_unit_test(what_waits_in_a_socket_is_bounded),
		cmocka_unit_test(the_kernel_of_a_node_that_stands_still_accepts),
		cmocka_unit_test(nobody_accepts_for_a_process_or_a_host_that_is_gone),
		cmocka_unit_test(a_stream_survives_a_short_cut),
		cmocka_unit_test(groups_part_the_network),
		cmocka_unit_test(clocks_may_be_off_and_drift),
		cmocka_unit_test(a_first_ping_is_answered_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
