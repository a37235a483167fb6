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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_isolated_node_dials_all_its_members_in_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
