/* Who has lost all others finds them again, or is told that it is none of them any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/cluster.h"

#define NODES	 16
#define FOUND_MS 70000 /* all others dialled in turn, three every 12 s at most, from 8 s on */

static bool is_revoked(struct cluster *c, void *arg)
{
	struct gossip_status status;

	gossip_status(cluster_core(c, *(const int *)arg), &status);
	return status.state == GOSSIP_REVOKED;
}

/* It was away when it was revoked, and all but one have moved since: the short datagrams of one who
 * is no member and has no session get no answer, so that all depends on its dialling that one. */
static void an_isolated_node_dials_all_its_members_in_turn(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		const struct cluster_options options = {
			.seed = seed, .latency_max_ms = 2, .disk_ms = 1};
		struct cluster *c = cluster_new(&options);
		int away = NODES - 1;
		struct id id;
		uint64_t ticket;

		cluster_mesh(c, NODES);
		cluster_run(c, 5000);
		id = cluster_id(c, away);
		cluster_crash(c, away);
		assert_int_equal(gossip_revoke(cluster_core(c, 0), cluster_node_time(c, 0), &id,
					 "lost", &ticket),
			0);
		cluster_drain(c, 0);
		for (int i = 1; i < away; i++)
			cluster_move(c, i);
		cluster_run(c, 30000);
		cluster_restart(c, away);
		assert_true(cluster_wait(c, FOUND_MS, is_revoked, &away));
		cluster_free(c);
	}
}

/* It was an admin when it was last seen; the root has taken the office since, and an admin has
 * revoked the node, as which it is told. */
static void who_was_an_admin_hears_of_the_office_too(void **state)
{
	(void)state;
	const struct cluster_options options = {.seed = 3, .latency_max_ms = 2, .disk_ms = 1};
	struct cluster *c = cluster_new(&options);
	struct gossip *founder;
	int away = 3;
	uint64_t ticket;
	struct id id;

	cluster_mesh(c, 4);
	founder = cluster_core(c, 0);
	id = cluster_id(c, away);
	assert_int_equal(
		gossip_grant(founder, cluster_node_time(c, 0), &id, GOSSIP_ADMIN, &ticket), 0);
	cluster_drain(c, 0);
	cluster_run(c, 5000);
	cluster_crash(c, away);
	assert_int_equal(gossip_ungrant(founder, cluster_node_time(c, 0), &id, GOSSIP_ADMIN, NULL,
				 0, &ticket),
		0);
	cluster_drain(c, 0);
	cluster_run(c, 1000);
	assert_int_equal(
		gossip_revoke(founder, cluster_node_time(c, 0), &id, "it was in the way", &ticket),
		0);
	cluster_drain(c, 0);
	cluster_run(c, 30000);
	cluster_restart(c, away);
	assert_true(cluster_wait(c, FOUND_MS, is_revoked, &away));
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_isolated_node_dials_all_its_members_in_turn),
		cmocka_unit_test(who_was_an_admin_hears_of_the_office_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
