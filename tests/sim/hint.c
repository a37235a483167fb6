/* Hearsay of where somebody of the mesh may be: what it is good for, and what it cannot do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/cluster.h"

static const struct cluster_options calm = {.seed = 5, .latency_max_ms = 2, .disk_ms = 1};

static void hint(struct cluster *c, int node, const struct endpoint *list, size_t count)
{
	gossip_set_hints(cluster_core(c, node), cluster_node_time(c, node), list, count);
	cluster_drain(c, node);
}

static void hint_at(struct cluster *c, int node, int other)
{
	struct endpoint endpoint = cluster_endpoint(c, other);

	hint(c, node, &endpoint, 1);
}

static bool is_over(struct cluster *c, void *arg)
{
	return cluster_joined(c, *(const int *)arg) != 1;
}

static void join(struct cluster *c, int node, const char *token)
{
	assert_int_equal(cluster_join(c, node, token), 0);
	assert_true(cluster_wait(c, 10000, is_over, &node));
	assert_int_equal(cluster_joined(c, node), 0);
	cluster_run(c, 3000);
}

struct pair {
	int node, other;
};

static bool sees_alive(struct cluster *c, void *arg)
{
	const struct pair *pair = arg;

	return cluster_sees(c, pair->node, pair->other) == GOSSIP_MEMBER_ALIVE;
}

/* Both are elsewhere than the other remembers; dead to each other they would stay so. */
static void members_that_all_moved_find_each_other_by_a_hint(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&calm);
	struct pair pair = {0, 1}, back = {1, 0};
	struct endpoint at;
	struct id id;

	cluster_mesh(c, 2);
	cluster_run(c, 3000);
	cluster_crash(c, 1);
	cluster_run(c, 60000);
	assert_int_equal(cluster_sees(c, 0, 1), GOSSIP_MEMBER_DEAD);
	cluster_crash(c, 0);
	cluster_move(c, 0);
	cluster_move(c, 1);
	cluster_restart(c, 0);
	cluster_restart(c, 1);
	cluster_run(c, 30000);
	assert_int_equal(cluster_sees(c, 0, 1), GOSSIP_MEMBER_DEAD);
	at = cluster_endpoint(c, 1);
	assert_false(gossip_hint_node(cluster_core(c, 0), &at, &id));
	hint_at(c, 0, 1);
	assert_true(cluster_wait(c, 500, sees_alive, &pair));
	assert_true(cluster_wait(c, 500, sees_alive, &back));
	assert_true(gossip_hint_node(cluster_core(c, 0), &at, &id));
	assert_int_equal(cluster_node_of(c, &id), 1);
	cluster_free(c);
}

/* The one who let both in is set back between the two, and then gone. */
static void members_that_never_heard_of_each_other_come_together(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&calm);
	struct pair pair = {1, 2}, back = {2, 1};
	char first[TOKEN_TEXT_MAX], second[TOKEN_TEXT_MAX];
	struct cluster_backup *backup;

	cluster_found(c, cluster_add(c));
	cluster_invite(c, 0, 1, 3600000, first);
	cluster_invite(c, 0, 1, 3600000, second);
	backup = cluster_backup(c, 0);
	join(c, cluster_add(c), first);
	cluster_crash(c, 1);
	cluster_crash(c, 0);
	cluster_set_back(c, 0, backup);
	cluster_backup_free(backup);
	cluster_restart(c, 0);
	join(c, cluster_add(c), second);
	cluster_crash(c, 0);
	cluster_restart(c, 1);
	cluster_run(c, 20000);
	assert_int_equal(cluster_sees(c, 1, 2), -1);
	assert_int_equal(cluster_sees(c, 2, 1), -1);
	hint_at(c, 1, 2);
	hint_at(c, 2, 1);
	assert_true(cluster_wait(c, 5000, sees_alive, &pair));
	assert_true(cluster_wait(c, 5000, sees_alive, &back));
	cluster_free(c);
}

/* Endpoints at which nobody answers. */
static void make_up(struct endpoint *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		list[i] = (struct endpoint){
			.ip = {.family = 4, .b = {198, 18, 0, (uint8_t)(i + 1)}}, .port = 8946};
}

static void mint_without_endpoints(struct cluster *c, char token[TOKEN_TEXT_MAX])
{
	struct gossip *core = cluster_core(c, 0);
	struct invite invite = {.uses = 1};
	uint64_t ticket;

	gossip_set_endpoints(core, cluster_node_time(c, 0), NULL, 0);
	cluster_drain(c, 0);
	cluster_run(c, 5000);
	assert_int_equal(
		gossip_invite(core, cluster_node_time(c, 0), 3600000, &invite, token, &ticket), 0);
	assert_int_equal(invite.endpoint_count, 0);
	cluster_drain(c, 0);
	cluster_run(c, 10);
}

static int join_hinted(struct cluster *c, int node, const char *token)
{
	int err = gossip_join(cluster_core(c, node), cluster_node_time(c, node), token, "hinted",
		GOSSIP_JOIN_TIMEOUT_MS, true);

	cluster_drain(c, node);
	return err;
}

static bool is_running(struct cluster *c, void *arg)
{
	return cluster_status(c, *(const int *)arg).state == GOSSIP_RUNNING;
}

static void a_token_without_an_endpoint_joins_where_a_hint_leads(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&calm);
	struct pair pair = {0, 1};
	char token[TOKEN_TEXT_MAX];
	int node = 1;

	cluster_found(c, cluster_add(c));
	mint_without_endpoints(c, token);
	cluster_add(c);
	assert_int_equal(cluster_join(c, node, token), ERR_UNKNOWN);
	assert_int_equal(join_hinted(c, node, token), 0);
	cluster_run(c, 10000); /* found while the join is running */
	hint_at(c, node, 0);
	assert_true(cluster_wait(c, 1000, is_running, &node));
	assert_true(cluster_wait(c, 1000, sees_alive, &pair));
	cluster_free(c);
}

/* The member that the token names is hinted at as well, and so are places where nobody is. */
static void hints_beside_a_token_delay_no_join(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		const struct cluster_options options = {
			.seed = seed, .latency_min_ms = 1, .latency_max_ms = 9, .disk_ms = 5};
		struct cluster *c = cluster_new(&options);
		struct endpoint list[8];
		char token[TOKEN_TEXT_MAX];
		int node = 1;

		cluster_found(c, cluster_add(c));
		cluster_invite(c, 0, 1, 3600000, token);
		cluster_add(c);
		make_up(list, ARRAY_SIZE(list));
		list[seed % ARRAY_SIZE(list)] = cluster_endpoint(c, 0);
		assert_int_equal(cluster_join(c, node, token), 0);
		hint(c, node, list, ARRAY_SIZE(list));
		assert_true(cluster_wait(c, 300, is_over, &node));
		assert_int_equal(cluster_joined(c, node), 0);
		cluster_free(c);
	}
}

static void without_a_hint_such_a_join_ends_in_time(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&calm);
	char token[TOKEN_TEXT_MAX];

	cluster_found(c, cluster_add(c));
	mint_without_endpoints(c, token);
	cluster_add(c);
	assert_int_equal(join_hinted(c, 1, token), 0);
	cluster_run(c, GOSSIP_JOIN_TIMEOUT_MS + 1);
	assert_int_equal(cluster_joined(c, 1), ERR_TIMEOUT);
	assert_int_equal(cluster_status(c, 1).state, GOSSIP_UNJOINED);
	cluster_free(c);
}

static void count_connection(void *arg, struct cluster_connection *connection)
{
	if (connection->from == 0 && connection->destination.ip.b[0] == 198 &&
		connection->destination.ip.b[1] == 18) {
		connection->lost = true;
		++*(size_t *)arg;
	}
}

#define MADE_UP_MINUTE 128 /* 8 at once and two a second */

/* The honest one comes last, behind as many as there is room for. */
static void made_up_hints_are_dialled_at_a_bounded_rate(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&calm);
	struct endpoint list[GOSSIP_HINTS_MAX];
	struct pair pair = {0, 1};
	size_t dialled = 0;

	cluster_mesh(c, 2);
	cluster_run(c, 3000);
	cluster_crash(c, 1);
	cluster_run(c, 60000);
	cluster_filter_connections(c, count_connection, &dialled);
	make_up(list, GOSSIP_HINTS_MAX);
	hint(c, 0, list, GOSSIP_HINTS_MAX);
	cluster_run(c, 60000);
	assert_in_range(dialled, 1, MADE_UP_MINUTE);
	cluster_move(c, 1);
	cluster_restart(c, 1);
	cluster_cut(c, 1, 0, false);
	list[GOSSIP_HINTS_MAX - 1] = cluster_endpoint(c, 1);
	hint(c, 0, list, GOSSIP_HINTS_MAX);
	assert_true(cluster_wait(c, 60000, sees_alive, &pair));
	cluster_free(c);
}

static void a_hint_at_a_member_that_is_reached_costs_nothing(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&calm);
	uint64_t before;

	cluster_mesh(c, 2);
	cluster_run(c, 10000);
	before = cluster_counts(c)->connections;
	hint_at(c, 0, 1);
	hint_at(c, 1, 0);
	cluster_run(c, 60000);
	assert_int_equal(cluster_counts(c)->connections, before);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_that_all_moved_find_each_other_by_a_hint),
		cmocka_unit_test(members_that_never_heard_of_each_other_come_together),
		cmocka_unit_test(a_token_without_an_endpoint_joins_where_a_hint_leads),
		cmocka_unit_test(hints_beside_a_token_delay_no_join),
		cmocka_unit_test(without_a_hint_such_a_join_ends_in_time),
		cmocka_unit_test(made_up_hints_are_dialled_at_a_bounded_rate),
		cmocka_unit_test(a_hint_at_a_member_that_is_reached_costs_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
