/* Before a member is accused it is asked over a stream: what comes of that in whole nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/gossip_internal.h"
#include "gossip/gossip_stream.h"
#include "tests/support/cluster.h"

#define NODES 6

struct watch {
	size_t suspected, accused, died, connects;
};

static void look(void *arg, int node, const struct gossip_effect *effect)
{
	struct watch *watch = arg;

	(void)node;
	watch->connects += effect->kind == EFFECT_CONNECT;
	if (effect->kind != EFFECT_EVENT || effect->event->kind != GOSSIP_EVENT_MEMBER_STATE)
		return;
	watch->suspected += strcmp(effect->event->to, "suspect") == 0;
	watch->accused += strcmp(effect->event->cause, "accused by another member") == 0;
	watch->died += strcmp(effect->event->to, "dead") == 0;
}

static struct cluster *mesh(struct watch *watch)
{
	const struct cluster_options options = {
		.seed = 77, .latency_min_ms = 0, .latency_max_ms = 2, .disk_ms = 1};
	struct cluster *c = cluster_new(&options);

	cluster_mesh(c, NODES);
	cluster_run(c, 30000);
	*watch = (struct watch){0};
	cluster_observe(c, look, watch);
	return c;
}

static bool holds(struct cluster *c, int node, int of, enum gossip_member_state state)
{
	const struct id id = cluster_id(c, of);
	struct gossip_member member;

	return gossip_member(cluster_core(c, node), &id, &member) && member.state == state;
}

static bool all_hold_it_dead(struct cluster *c, void *arg)
{
	int of = *(const int *)arg;

	for (int i = 0; i < NODES; i++) {
		if (i != of && !holds(c, i, of, GOSSIP_MEMBER_DEAD))
			return false;
	}
	return true;
}

static void a_stopped_daemon_is_suspected_and_not_called_dead(void **state)
{
	(void)state;
	static const enum cluster_anomaly kinds[] = {CLUSTER_STOP, CLUSTER_BLOCK};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct watch watch;
		struct cluster *c = mesh(&watch);

		cluster_anomaly(c, 2, kinds[i]);
		cluster_run(c, 32768);
		assert_true(watch.suspected > 0 && watch.connects > 0);
		cluster_anomaly(c, 2, CLUSTER_NONE);
		cluster_run(c, 5000);
		assert_int_equal(watch.died, 0);
		for (int k = 0; k < NODES; k++)
			assert_true(k == 2 || holds(c, k, 2, GOSSIP_MEMBER_ALIVE));
		cluster_free(c);
	}
}

/* Its kernel refuses streams; or nothing is left of it that could. */
static void a_daemon_that_is_gone_is_known_soon(void **state)
{
	(void)state;
	void (*const ends[])(struct cluster *, int) = {cluster_kill, cluster_crash};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct watch watch;
		struct cluster *c = mesh(&watch);
		int of = 3;

		ends[i](c, of);
		assert_true(cluster_wait(c, 9000, all_hold_it_dead, &of));
		assert_int_equal(watch.died, NODES - 1);
		cluster_free(c);
	}
}

struct stopper {
	struct cluster *cluster;
	int node; /* -1: none yet */
};

static void stop_who_checks(void *arg, int node, const struct gossip_effect *effect)
{
	struct stopper *stopper = arg;

	if (effect->kind != EFFECT_CONNECT || stopper->node >= 0)
		return;
	stopper->node = node;
	cluster_anomaly(stopper->cluster, node, CLUSTER_STOP);
}

static bool has_stopped(struct cluster *c, void *arg)
{
	(void)c;
	return ((const struct stopper *)arg)->node >= 0;
}

/* The checker's process stands still for a moment, so that its check is over before it reads that
 * it was connected. */
static void a_connection_that_waits_to_be_read_is_no_refusal(void **state)
{
	(void)state;
	static const int64_t late_ms[] = {10, 30, 60, 120, 190};

	for (size_t i = 0; i < ARRAY_SIZE(late_ms); i++) {
		struct watch watch;
		struct cluster *c = mesh(&watch);
		struct stopper stopper = {c, -1};
		const struct stream *s;

		cluster_observe(c, stop_who_checks, &stopper);
		for (int k = 0; k < NODES; k++) {
			cluster_cut_udp(c, k, 2, true);
			cluster_cut_udp(c, 2, k, true);
		}
		assert_true(cluster_wait(c, 10000, has_stopped, &stopper));
		s = cluster_core(c, stopper.node)->streams;
		assert_int_equal(s->role, STREAM_CHECK);
		cluster_run(c, mtime_diff_ms(s->deadline, cluster_time(c).now) + late_ms[i]);
		cluster_anomaly(c, stopper.node, CLUSTER_NONE);
		cluster_run(c, 3000);
		assert_int_equal(watch.accused, 0);
		cluster_free(c);
	}
}

/* Each check ends its stream: none is left over, on either side. */
static void streams_of_checks_do_not_pile_up(void **state)
{
	(void)state;
	struct watch watch;
	struct cluster *c = mesh(&watch);
	uint64_t refused = 0;

	for (int i = 0; i < NODES; i++) {
		if (i != 2) {
			cluster_cut_udp(c, i, 2, true);
			cluster_cut_udp(c, 2, i, true);
		}
	}
	cluster_run(c, 300000);
	/* far more than may be open at once, from five addresses */
	assert_true(watch.connects > 2 * GOSSIP_STREAMS_MAX);
	assert_int_equal(watch.died, 0);
	for (int i = 0; i < NODES; i++)
		refused += gossip_counters(cluster_core(c, i))[GOSSIP_COUNT_STREAMS_REFUSED];
	assert_int_equal(refused, 0);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stopped_daemon_is_suspected_and_not_called_dead),
		cmocka_unit_test(a_daemon_that_is_gone_is_known_soon),
		cmocka_unit_test(a_connection_that_waits_to_be_read_is_no_refusal),
		cmocka_unit_test(streams_of_checks_do_not_pile_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
