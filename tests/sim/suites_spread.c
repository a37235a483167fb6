/* How news travels in a mesh of a hundred: fast, at a known cost, and whatever else goes on. The
 * tests share the mesh, and leave it whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gossip/base/rng.h"
#include "gossip/swim/spread.h"
#include "tests/support/cluster.h"

#define NODES	  100
#define CHANGES	  10
/* What is left to say rides on eight packets at most, of which each node sends three a second. */
#define SETTLE_MS 4000

static struct cluster_options weather = {
	.seed = 1, .latency_min_ms = 0, .latency_max_ms = 1, .disk_ms = 1};
static struct cluster *c;
static struct rng rng;
static int next_node;
static uint16_t next_mtu = 1281; /* what is news */

static int form(void **state)
{
	(void)state;
	const char *seed = getenv("SUITES_SEED");
	uint8_t bytes[32] = {4};

	if (seed)
		weather.seed = bytes[0] = (uint8_t)strtoul(seed, NULL, 10);
	rng_init(&rng, bytes);
	c = cluster_new(&weather);
	cluster_mesh(c, NODES);
	return 0;
}

static int end(void **state)
{
	(void)state;
	cluster_free(c);
	return 0;
}

/* All calm again, and every queue empty. */
static void settle(double loss)
{
	weather.loss = 0;
	cluster_weather(c, &weather);
	assert_true(cluster_wait(c, 120000, cluster_converged, NULL));
	cluster_run(c, SETTLE_MS);
	weather.loss = loss;
	cluster_weather(c, &weather);
}

/* A change of one node, on its way to all. */
struct change {
	int node;
	struct id id;
	uint16_t mtu;
	bool known[NODES];
	mtime_t said;
};

static void say(struct change *change)
{
	/* in turns: of itself a node says something new every two seconds */
	do {
		next_node = (next_node + 1) % NODES;
	} while (!cluster_is_up(c, next_node));
	*change = (struct change){.node = next_node, .mtu = next_mtu};
	change->id = cluster_id(c, change->node);
	change->said = cluster_time(c).now;
	next_mtu = next_mtu < 9000 ? next_mtu + 1 : 1281;
	gossip_set_mtu(cluster_core(c, change->node), cluster_time(c), change->mtu);
	cluster_drain(c, change->node);
}

static bool is_known_to_all(struct change *change)
{
	bool all = true;

	for (int i = 0; i < NODES; i++) {
		struct gossip_member member;

		if (i == change->node || change->known[i])
			continue;
		change->known[i] = gossip_member(cluster_core(c, i), &change->id, &member) &&
				   member.descriptor.mtu == change->mtu;
		all &= change->known[i];
	}
	return all;
}

static int64_t time_to_all(int64_t most_ms)
{
	struct change change;

	say(&change);
	while (!is_known_to_all(&change)) {
		assert_true(mtime_diff_ms(cluster_time(c).now, change.said) < most_ms);
		cluster_run(c, 1);
	}
	return mtime_diff_ms(cluster_time(c).now, change.said);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Of so many changes by turns, the milliseconds until all know each, sorted. */
static void measure(int64_t ret[CHANGES])
{
	for (int i = 0; i < CHANGES; i++) {
		ret[i] = time_to_all(10000);
		cluster_run(c, 300);
	}
	qsort(ret, CHANGES, sizeof(*ret), compare);
	printf("loss %.0f %%: a change is known to all of %d after %d ms (median), %d ms at most\n",
		weather.loss * 100, NODES, (int)ret[CHANGES / 2], (int)ret[CHANGES - 1]);
}

static void news_is_everywhere_in_milliseconds(void **state)
{
	(void)state;
	int64_t ms[CHANGES];

	settle(0);
	measure(ms);
	/* four or five hops of up to a millisecond, and a push that waits for the one before it */
	assert_in_range(ms[CHANGES - 1], 0, 15);
	settle(0.05);
	measure(ms);
	assert_in_range(ms[CHANGES / 2], 0, 15);
	assert_in_range(ms[CHANGES - 1], 0, 2 * SPREAD_REVIEW_MS);
}

static void loss_costs_another_round(void **state)
{
	(void)state;
	int64_t ms[CHANGES];

	settle(0.3);
	measure(ms);
	assert_in_range(ms[CHANGES / 2], 0, SPREAD_REVIEW_MS);
	assert_in_range(ms[CHANGES - 1], 0, 5000);
}

static void news_costs_each_node_a_packet_for_each_neighbour(void **state)
{
	(void)state;
	struct cluster_counts before;
	uint64_t idle;

	settle(0);
	before = *cluster_counts(c);
	cluster_run(c, CHANGES * 1000);
	idle = cluster_counts(c)->datagrams - before.datagrams;
	before = *cluster_counts(c);
	for (int i = 0; i < CHANGES; i++) {
		int64_t ms = time_to_all(1000);

		cluster_run(c, 1000 - ms);
	}
	uint64_t packets = cluster_counts(c)->datagrams - before.datagrams - idle;

	printf("a change costs %.2f packets a node\n", (double)packets / NODES / CHANGES);
	assert_in_range(packets, 0, NODES * CHANGES * (SPREAD_FANOUT + 1));
}

/* When the first and the last node hold it dead; 0: none does. */
struct verdicts {
	int dead;
	bool known[NODES];
	mtime_t first, last;
	int count;
};

static void look(struct verdicts *v)
{
	for (int i = 0; i < NODES; i++) {
		if (i == v->dead || v->known[i] ||
			cluster_sees(c, i, v->dead) != GOSSIP_MEMBER_DEAD)
			continue;
		v->known[i] = true;
		v->last = cluster_time(c).now;
		if (v->count++ == 0)
			v->first = v->last;
	}
}

/* Serf's test: within 6 * log2 N rounds of gossip. Here a round is a push and takes 5 ms. */
static void a_death_is_known_to_all_in_a_storm_of_events(void **state)
{
	(void)state;
	struct verdicts v = {.dead = (int)rng_below(&rng, NODES)};
	struct change change;

	settle(0);
	cluster_crash(c, v.dead);
	for (int ms = 0; v.count < NODES - 1; ms++) {
		assert_true(ms < 60000);
		/* twenty-five changes a second */
		if (ms % 40 == 0)
			say(&change);
		cluster_run(c, 1);
		look(&v);
	}
	int64_t ms = mtime_diff_ms(v.last, v.first);

	printf("a death is known to all %d ms after the first\n", (int)ms);
	assert_in_range(ms, 0, 6 * 7 * 5);
	cluster_restart(c, v.dead);
}

static size_t invites_at(int node)
{
	size_t count = 0;

	while (gossip_invite_at(cluster_core(c, node), count))
		count++;
	return count;
}

static bool all_know_the_invite(struct cluster *cluster, void *before)
{
	(void)cluster;
	for (int i = 0; i < NODES; i++) {
		if (invites_at(i) == *(size_t *)before)
			return false;
	}
	return true;
}

/* Neighbours greet each other at a start: news needs no probe to come by first. */
static void after_a_mass_restart_news_spreads_at_once(void **state)
{
	(void)state;
	char token[TOKEN_TEXT_MAX];

	settle(0);
	for (int i = 0; i < NODES; i++)
		cluster_kill(c, i);
	for (int i = 0; i < NODES; i++)
		cluster_restart(c, i);
	cluster_run(c, 200);
	for (int i = 0; i < 3; i++) {
		size_t before = invites_at(1);
		mtime_t said = cluster_time(c).now;

		cluster_invite(c, 0, 1, 3600000, token);
		assert_true(cluster_wait(c, 5000, all_know_the_invite, &before));
		int64_t ms = mtime_diff_ms(cluster_time(c).now, said);

		printf("after all have restarted an invite is known to all after %d ms\n", (int)ms);
		/* views are made anew every 20 ms */
		assert_in_range(ms, 0, 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(news_is_everywhere_in_milliseconds),
		cmocka_unit_test(news_costs_each_node_a_packet_for_each_neighbour),
		cmocka_unit_test(a_death_is_known_to_all_in_a_storm_of_events),
		cmocka_unit_test(after_a_mass_restart_news_spreads_at_once),
		cmocka_unit_test(loss_costs_another_round),
	};
	return cmocka_run_group_tests(tests, form, end);
}
