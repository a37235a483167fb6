/* The whole core in virtual time: meshes that form, lose members and heal, over a network that
 * loses, repeats and reorders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/cluster.h"

static const struct cluster_options calm = {
	.seed = 1, .latency_min_ms = 0, .latency_max_ms = 1, .disk_ms = 1};
static const struct cluster_options rough = {.seed = 2,
	.loss = 0.2,
	.duplication = 0.1,
	.latency_min_ms = 1,
	.latency_max_ms = 80,
	.disk_ms = 5};

static enum gossip_state state_of(struct cluster *c, int node)
{
	struct gossip_status status;

	gossip_status(cluster_core(c, node), &status);
	return status.state;
}

static bool joined(struct cluster *c, void *arg)
{
	return cluster_joined(c, *(int *)arg) != 1;
}

static bool has_state(struct cluster *c, void *arg)
{
	const int *want = arg;

	return state_of(c, want[0]) == (enum gossip_state)want[1];
}

static int join_now(struct cluster *c, int node, const char *token)
{
	int err = cluster_join(c, node, token);

	if (err != 0)
		return err;
	assert_true(cluster_wait(c, 40000, joined, &node));
	return cluster_joined(c, node);
}

/* A calm mesh of so many nodes that all know each other. */
static struct cluster *calm_mesh(int count)
{
	struct cluster *c = cluster_new(&calm);

	cluster_mesh(c, count);
	assert_true(cluster_wait(c, 15000, cluster_converged, NULL));
	return c;
}

static size_t wireguard_peers(struct cluster *c, int node)
{
	struct gossip_member member;
	size_t at = 0, peers = 0;

	while (gossip_member_next(cluster_core(c, node), &at, &member))
		peers += member.has_wireguard && member.address4.family == 4 &&
			 member.candidate_count > 0;
	return peers;
}

static void revoke(struct cluster *c, int node, const char *reason)
{
	struct id id = cluster_id(c, node);
	uint64_t ticket;

	assert_int_equal(
		gossip_revoke(cluster_core(c, 0), cluster_time(c), &id, reason, &ticket), 0);
	cluster_drain(c, 0);
}

/* The views follow the records by some 20 ms. */
static bool all_are_peers(struct cluster *c, void *count)
{
	for (int i = 0; i < *(int *)count; i++) {
		if (wireguard_peers(c, i) != (size_t) * (int *)count - 1)
			return false;
	}
	return true;
}

static void nodes_join_and_agree(void **state)
{
	(void)state;
	int count = 10;
	struct cluster *c = calm_mesh(count);

	assert_true(cluster_wait(c, 100, all_are_peers, &count));
	for (int i = 0; i < count; i++) {
		struct gossip_status status;

		gossip_status(cluster_core(c, i), &status);
		assert_int_equal(status.members, count);
		assert_int_equal(status.address4.family, 4);
		assert_int_equal(status.address6.family, 6);
	}
	cluster_free(c);
}

static bool all_know(struct cluster *c, void *arg)
{
	struct id id = cluster_id(c, *(int *)arg);

	for (int i = 0; i < *(int *)arg; i++) {
		struct gossip_member member;

		if (!gossip_member(cluster_core(c, i), &id, &member) || !member.has_descriptor)
			return false;
	}
	return true;
}

static void a_join_is_news_to_all_at_once(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&calm);
	char token[TOKEN_TEXT_MAX];
	int at_once = 0;

	cluster_found(c, cluster_add(c));
	cluster_invite(c, 0, 20, 3600000, token);
	for (int i = 1; i < 20; i++) {
		int node = cluster_add(c);

		assert_int_equal(join_now(c, node, token), 0);
		at_once += cluster_wait(c, 50, all_know, &node);
		/* pushes are random and may miss one: then it is told, or asks, soon */
		assert_true(cluster_wait(c, 3000, all_know, &node));
	}
	assert_true(at_once >= 15);
	cluster_free(c);
}

static void both_ends_derive_the_same_preshared_key(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(2);
	struct gossip_member a, b;
	struct id ids[2] = {cluster_id(c, 0), cluster_id(c, 1)};

	assert_true(gossip_member(cluster_core(c, 0), &ids[1], &a) && a.has_wireguard);
	assert_true(gossip_member(cluster_core(c, 1), &ids[0], &b) && b.has_wireguard);
	assert_memory_equal(a.preshared, b.preshared, 32);
	cluster_free(c);
}

static void a_mesh_forms_over_a_rough_network(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct cluster_options options = rough;

		options.seed = seed;
		struct cluster *c = cluster_new(&options);
		cluster_mesh(c, 8);
		assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
		cluster_free(c);
	}
}

static void the_same_seed_gives_the_same_run(void **state)
{
	(void)state;
	uint8_t traces[3][16];

	for (int i = 0; i < 3; i++) {
		struct cluster_options options = rough;

		options.seed = i < 2 ? 7 : 8;
		struct cluster *c = cluster_new(&options);
		cluster_mesh(c, 5);
		cluster_run(c, 10000);
		cluster_trace(c, traces[i]);
		cluster_free(c);
	}
	assert_memory_equal(traces[0], traces[1], 16);
	assert_memory_not_equal(traces[0], traces[2], 16);
}

static void the_founder_may_die_and_others_still_join(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(3);
	struct invite invite = {.uses = 1,
		.endpoint_count = 2,
		.endpoints = {cluster_endpoint(c, 0), cluster_endpoint(c, 2)}};
	char token[TOKEN_TEXT_MAX];
	uint64_t ticket;
	int fresh;

	assert_int_equal(gossip_invite(cluster_core(c, 0), cluster_time(c), 3600000, &invite, token,
				 &ticket),
		0);
	cluster_drain(c, 0);
	assert_true(cluster_wait(c, 5000, cluster_converged, NULL));
	cluster_kill(c, 0);
	assert_true(cluster_wait_seen(c, 60000, 0, GOSSIP_MEMBER_DEAD));
	fresh = cluster_add(c);
	assert_int_equal(join_now(c, fresh, token), 0);
	assert_true(cluster_wait(c, 5000, cluster_digests_equal, NULL));
	/* the dead founder is a member still, with all its tunnel needs */
	cluster_run(c, 100);
	assert_int_equal(wireguard_peers(c, fresh), 3);
	cluster_restart(c, 0);
	assert_true(cluster_wait(c, 90000, cluster_converged, NULL));
	cluster_free(c);
}

static void a_crash_is_noticed_by_all_and_a_return_too(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(8);

	cluster_run(c, 5000);
	cluster_kill(c, 3);
	assert_true(cluster_wait_seen(c, 60000, 3, GOSSIP_MEMBER_DEAD));
	cluster_restart(c, 3);
	assert_true(cluster_wait_seen(c, 10000, 3, GOSSIP_MEMBER_ALIVE));
	assert_true(cluster_wait(c, 10000, cluster_converged, NULL));
	cluster_free(c);
}

static void cut_sides(struct cluster *c, unsigned side, bool cut)
{
	for (int a = 0; a < 7; a++) {
		for (int b = 0; b < 7; b++)
			cluster_cut(c, a, b, cut && (side >> a & 1) != (side >> b & 1));
	}
}

static void a_partition_heals(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(6);
	char token[TOKEN_TEXT_MAX];

	cluster_invite(c, 0, 1, 3600000, token);
	cut_sides(c, 0x47, true); /* 0, 1, 2, and 6 that comes */
	cluster_run(c, 60000);
	assert_int_equal(cluster_sees(c, 0, 4), GOSSIP_MEMBER_DEAD);
	assert_int_equal(join_now(c, cluster_add(c), token), 0);
	cut_sides(c, 0x47, false);
	assert_true(cluster_wait(c, 180000, cluster_converged, NULL));
	cluster_free(c);
}

static void a_datagram_path_cut_one_way_is_routed_around(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(6);

	cluster_cut_udp(c, 1, 2, true);
	cluster_run(c, 60000);
	assert_int_equal(cluster_sees(c, 2, 1), GOSSIP_MEMBER_ALIVE);
	assert_int_equal(cluster_sees(c, 1, 2), GOSSIP_MEMBER_ALIVE);
	cluster_free(c);
}

static void a_member_that_moved_is_found(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(5);

	cluster_move(c, 2);
	cluster_run(c, 10000);
	assert_true(cluster_wait_seen(c, 30000, 2, GOSSIP_MEMBER_ALIVE));
	assert_true(cluster_wait(c, 30000, cluster_converged, NULL));
	cluster_free(c);
}

static void all_but_one_move_while_a_member_is_down(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(5);

	cluster_kill(c, 4);
	for (int i = 0; i < 3; i++)
		cluster_move(c, i);
	cluster_run(c, 30000);
	cluster_restart(c, 4);
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	cluster_free(c);
}

static void a_revoked_node_is_out_everywhere_and_knows_it(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(5);
	int expelled[2] = {2, GOSSIP_REVOKED};

	revoke(c, 2, "stolen");
	assert_true(cluster_wait_seen(c, 3000, 2, GOSSIP_MEMBER_REVOKED));
	assert_true(cluster_wait(c, 3000, has_state, expelled));
	assert_int_equal(wireguard_peers(c, 0), 3);
	/* for good: also after a restart, and nobody talks to it */
	cluster_kill(c, 2);
	cluster_restart(c, 2);
	cluster_run(c, 20000);
	assert_true(cluster_all_see(c, GOSSIP_MEMBER_REVOKED, 2));
	assert_int_equal(state_of(c, 2), GOSSIP_REVOKED);
	cluster_free(c);
}

static void only_the_root_expels_an_admin_and_its_acts_stand(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(3);
	struct invite invite = {.uses = 1, .admin = true};
	char token[TOKEN_TEXT_MAX];
	struct id id;
	uint64_t ticket;

	assert_int_equal(gossip_invite(cluster_core(c, 0), cluster_time(c), 3600000, &invite, token,
				 &ticket),
		0);
	cluster_drain(c, 0);
	assert_int_equal(join_now(c, cluster_add(c), token), 0);
	assert_true(cluster_wait(c, 15000, cluster_converged, NULL));
	/* the new admin invites another, and may not expel the first */
	cluster_invite(c, 3, 1, 3600000, token);
	assert_int_equal(join_now(c, cluster_add(c), token), 0);
	assert_true(cluster_wait(c, 15000, cluster_converged, NULL));
	id = cluster_id(c, 0);
	assert_int_equal(gossip_revoke(cluster_core(c, 3), cluster_time(c), &id, "", &ticket),
		ERR_NOT_ADMIN);
	revoke(c, 3, "");
	assert_true(cluster_wait_seen(c, 3000, 3, GOSSIP_MEMBER_REVOKED));
	cluster_run(c, 5000);
	assert_true(cluster_all_see(c, GOSSIP_MEMBER_ALIVE, 4));
	cluster_free(c);
}

static void a_node_revoked_while_it_was_off_learns_of_it(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(4);
	int expelled[2] = {2, GOSSIP_REVOKED};

	cluster_kill(c, 2);
	revoke(c, 2, "");
	cluster_run(c, 60000);
	cluster_restart(c, 2);
	assert_true(cluster_wait(c, 60000, has_state, expelled));
	cluster_free(c);
}

static void leaving_is_not_failure(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(5);
	uint64_t ticket;

	assert_int_equal(gossip_leave(cluster_core(c, 3), cluster_time(c), false, &ticket), 0);
	cluster_drain(c, 3);
	assert_true(cluster_wait_seen(c, 3000, 3, GOSSIP_MEMBER_LEFT));
	for (int i = 0; i < 5; i++)
		assert_int_equal(cluster_event_count(c, i, GOSSIP_EVENT_MEMBER_STATE), 0);
	cluster_free(c);
}

static void withdraw_all(struct cluster *c)
{
	const struct authority_invite *invite;
	uint64_t ticket;

	for (size_t i = 0; (invite = gossip_invite_at(cluster_core(c, 0), i)); i++) {
		struct id id = invite->invite.id;

		if (invite->state == INVITE_OPEN)
			assert_int_equal(
				gossip_uninvite(cluster_core(c, 0), cluster_time(c), &id, &ticket),
				0);
		cluster_drain(c, 0);
	}
	cluster_run(c, 1000);
}

static void tokens_are_refused_with_the_reason(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(3);
	char token[TOKEN_TEXT_MAX], other[TOKEN_TEXT_MAX];
	int node = cluster_add(c);

	assert_int_equal(cluster_join(c, node, "mesh1_nonsense!"), ERR_MALFORMED);
	cluster_invite(c, 0, 1, 3600000, token);
	memcpy(other, token, sizeof(other));
	other[40] = other[40] == 'A' ? 'B' : 'A';
	assert_int_equal(cluster_join(c, node, other), ERR_DAMAGED);
	cluster_invite(c, 0, 1, 1000, other);
	cluster_run(c, 2000);
	assert_int_equal(cluster_join(c, node, other), ERR_EXPIRED);
	withdraw_all(c);
	assert_int_equal(join_now(c, node, token), ERR_WITHDRAWN);
	assert_int_equal(state_of(c, node), GOSSIP_UNJOINED);
	cluster_invite(c, 0, 1, 3600000, token);
	assert_int_equal(join_now(c, node, token), 0);
	cluster_run(c, 1000);
	node = cluster_add(c);
	assert_int_equal(join_now(c, node, token), ERR_USED_UP);
	/* the joiner calls itself as node 1 does; and with its own name the same token still works
	 */
	cluster_invite(c, 0, 1, 3600000, token);
	assert_int_equal(
		gossip_join(cluster_core(c, node), cluster_time(c), token, "n1", 30000, false), 0);
	cluster_drain(c, node);
	cluster_run(c, 2000);
	assert_int_equal(cluster_joined(c, node), ERR_NAME_TAKEN);
	assert_int_equal(join_now(c, node, token), 0);
	cluster_free(c);
}

static void a_plain_member_cannot_invite_or_revoke(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(3);
	struct invite invite = {.uses = 1};
	struct id id = cluster_id(c, 2);
	char token[TOKEN_TEXT_MAX];
	uint64_t ticket;

	assert_int_equal(
		gossip_invite(cluster_core(c, 1), cluster_time(c), 1000, &invite, token, &ticket),
		ERR_NOT_ADMIN);
	assert_int_equal(gossip_revoke(cluster_core(c, 1), cluster_time(c), &id, "", &ticket),
		ERR_NOT_ADMIN);
	cluster_free(c);
}

static void a_lost_database_comes_back_from_the_peers(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(4);
	int back[2] = {2, GOSSIP_RUNNING};

	cluster_kill(c, 2);
	cluster_lose_disk(c, 2);
	cluster_run(c, 30000);
	cluster_restart(c, 2);
	assert_int_equal(state_of(c, 2), GOSSIP_JOINING);
	assert_true(cluster_wait(c, 180000, has_state, back));
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	cluster_free(c);
}

static void a_node_that_boots_alone_is_quiet_and_complete(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(30);
	uint64_t before;

	for (int i = 0; i < 30; i++)
		cluster_kill(c, i);
	cluster_restart(c, 5);
	assert_int_equal(state_of(c, 5), GOSSIP_RUNNING);
	cluster_run(c, 1000); /* pair keys are computed in the background */
	assert_int_equal(wireguard_peers(c, 5), 29);
	before = cluster_counts(c)->datagrams;
	cluster_run(c, 60000);
	assert_true(cluster_counts(c)->datagrams - before < 60 * 20);
	cluster_free(c);
}

static void idle_traffic_is_a_ping_and_an_ack(void **state)
{
	(void)state;
	struct cluster *c = calm_mesh(20);
	struct cluster_counts before;

	cluster_run(c, 60000);
	before = *cluster_counts(c);
	cluster_run(c, 60000);
	uint64_t datagrams = cluster_counts(c)->datagrams - before.datagrams;
	uint64_t bytes = cluster_counts(c)->bytes - before.bytes;
	printf("idle: %.2f datagrams, %.0f bytes a node and second\n", (double)datagrams / 20 / 60,
		(double)bytes / 20 / 60);
	assert_true(datagrams <= 20 * 60 * 2 * 11 / 10);
	assert_int_equal(cluster_counts(c)->stream_bytes, before.stream_bytes);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_join_and_agree),
		cmocka_unit_test(a_join_is_news_to_all_at_once),
		cmocka_unit_test(both_ends_derive_the_same_preshared_key),
		cmocka_unit_test(a_mesh_forms_over_a_rough_network),
		cmocka_unit_test(the_same_seed_gives_the_same_run),
		cmocka_unit_test(the_founder_may_die_and_others_still_join),
		cmocka_unit_test(a_crash_is_noticed_by_all_and_a_return_too),
		cmocka_unit_test(a_partition_heals),
		cmocka_unit_test(a_datagram_path_cut_one_way_is_routed_around),
		cmocka_unit_test(a_member_that_moved_is_found),
		cmocka_unit_test(all_but_one_move_while_a_member_is_down),
		cmocka_unit_test(a_revoked_node_is_out_everywhere_and_knows_it),
		cmocka_unit_test(only_the_root_expels_an_admin_and_its_acts_stand),
		cmocka_unit_test(a_node_revoked_while_it_was_off_learns_of_it),
		cmocka_unit_test(leaving_is_not_failure),
		cmocka_unit_test(tokens_are_refused_with_the_reason),
		cmocka_unit_test(a_plain_member_cannot_invite_or_revoke),
		cmocka_unit_test(a_lost_database_comes_back_from_the_peers),
		cmocka_unit_test(a_node_that_boots_alone_is_quiet_and_complete),
		cmocka_unit_test(idle_traffic_is_a_ping_and_an_ack),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
