/* A member that is asked because somebody wants to know: what the whole core makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/cluster.h"

struct pongs {
	uint64_t ticket;
	int64_t rtt_us;
	unsigned count;
};

static void look(void *arg, int node, const struct gossip_effect *effect)
{
	struct pongs *pongs = arg;

	if (effect->kind != EFFECT_PONG || node != 0)
		return;
	pongs->count++;
	pongs->ticket = effect->ticket;
	pongs->rtt_us = effect->number;
}

static struct cluster *mesh(struct pongs *pongs)
{
	const struct cluster_options options = {
		.seed = 5, .latency_min_ms = 5, .latency_max_ms = 5, .disk_ms = 1};
	struct cluster *c = cluster_new(&options);

	cluster_mesh(c, 3);
	assert_true(cluster_wait(c, 15000, cluster_converged, NULL));
	cluster_observe(c, look, pongs);
	return c;
}

static int ping(struct cluster *c, int node, uint64_t *ret_ticket)
{
	const struct id id = cluster_id(c, node);
	int err = gossip_ping(cluster_core(c, 0), cluster_node_time(c, 0), &id, ret_ticket);

	cluster_drain(c, 0);
	return err;
}

static void a_member_that_is_asked_answers_with_its_round_trip(void **state)
{
	struct pongs pongs = {.count = 0};
	struct cluster *c = mesh(&pongs);
	uint64_t ticket;

	(void)state;
	assert_int_equal(ping(c, 2, &ticket), 0);
	cluster_run(c, 9);
	assert_int_equal(pongs.count, 0);
	cluster_run(c, 20);
	assert_int_equal(pongs.count, 1);
	assert_true(pongs.ticket == ticket);
	assert_in_range(pongs.rtt_us, 10000, 12000);
	/* who is asked in vain is not suspected for it: its next probe decides */
	cluster_crash(c, 2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ping(c, 2, &ticket), 0);
	cluster_run(c, 200);
	assert_int_equal(pongs.count, 1);
	assert_int_equal(swim_counters(gossip_swim(cluster_core(c, 0)))[SWIM_COUNT_SUSPICIONS], 0);
	cluster_free(c);
}

static void only_members_are_asked_and_only_by_members(void **state)
{
	struct pongs pongs = {.count = 0};
	struct cluster *c = mesh(&pongs);
	const struct id self = cluster_id(c, 0), nobody = {{9}};
	int stranger = cluster_add(c);
	uint64_t ticket;

	(void)state;
	assert_int_equal(ping(c, 0, &ticket), ERR_UNKNOWN);
	assert_int_equal(ping(c, stranger, &ticket), ERR_UNKNOWN);
	assert_int_equal(gossip_ping(cluster_core(c, 0), cluster_node_time(c, 0), &nobody, &ticket),
		ERR_UNKNOWN);
	assert_int_equal(gossip_ping(cluster_core(c, stranger), cluster_node_time(c, stranger),
				 &self, &ticket),
		ERR_STATE);
	assert_null(gossip_swim(cluster_core(c, stranger)));
	cluster_free(c);
}

static void a_member_says_whether_it_holds_the_same(void **state)
{
	struct pongs pongs = {.count = 0};
	struct cluster *c = mesh(&pongs);
	const struct id other = cluster_id(c, 1);
	struct gossip_member member;

	(void)state;
	cluster_run(c, 10000);
	assert_true(gossip_member(cluster_core(c, 0), &other, &member));
	assert_true(member.compared && !member.differs && member.heard);
	assert_in_range(member.silent_ms, 0, 5000);
	gossip_member_wipe(&member);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_that_is_asked_answers_with_its_round_trip),
		cmocka_unit_test(only_members_are_asked_and_only_by_members),
		cmocka_unit_test(a_member_says_whether_it_holds_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
