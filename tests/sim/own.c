/* One identity on two machines: a disk that was set back, a copy, a restore from a backup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gossip/swim/statement.h"
#include "tests/support/hostile.h"

static const struct cluster_options calm = {
	.seed = 1, .latency_min_ms = 0, .latency_max_ms = 1, .disk_ms = 1};

#define LIFE (UINT64_C(1) << GOSSIP_LIFE_SHIFT)

enum { WATCHER, ORIGINAL, THIRD, COUNT }; /* nodes of every mesh here */

static struct cluster *mesh(void)
{
	struct cluster *c = cluster_new(&calm);

	cluster_mesh(c, COUNT);
	assert_true(cluster_wait(c, 15000, cluster_converged, NULL));
	return c;
}

static bool has_yielded(struct cluster *c, void *node)
{
	struct gossip_status status = cluster_status(c, *(int *)node);

	return status.yielded_why || status.state == GOSSIP_REVOKED;
}

static bool agree(struct cluster *c, void *node)
{
	struct gossip_status one = cluster_status(c, WATCHER),
			     other = cluster_status(c, *(int *)node);

	return memcmp(one.digest, other.digest, sizeof(one.digest)) == 0 &&
	       cluster_sees(c, WATCHER, ORIGINAL) == GOSSIP_MEMBER_ALIVE;
}

static void say(struct cluster *c, int node, uint16_t mtu)
{
	gossip_set_mtu(cluster_core(c, node), cluster_node_time(c, node), mtu);
	cluster_drain(c, node);
}

struct said {
	uint16_t mtu;
};

/* The watcher holds what the identity said last. */
static bool is_heard(struct cluster *c, void *arg)
{
	struct id id = cluster_id(c, ORIGINAL);
	const struct said *said = arg;
	struct gossip_member member;

	return gossip_member(cluster_core(c, WATCHER), &id, &member) && member.has_descriptor &&
	       member.descriptor.mtu == said->mtu;
}

static void expect_to_be_heard(struct cluster *c, int node, uint16_t mtu)
{
	struct said said = {mtu};

	say(c, node, mtu);
	assert_true(cluster_wait(c, 20000, is_heard, &said));
}

static void expect_silence(struct cluster *c, int node)
{
	struct gossip *g = cluster_core(c, node);
	struct invite invite = {.uses = 1};
	char token[TOKEN_TEXT_MAX];
	uint64_t ticket;

	assert_int_equal(
		gossip_invite(g, cluster_node_time(c, node), 1000, &invite, token, &ticket),
		ERR_STATE);
	assert_non_null(strstr(gossip_error(g), "meshctl leave"));
}

/* Forgets the identity, and nobody hears of it: it is another machine's. */
static void expect_a_quiet_leave(struct cluster *c, int node)
{
	uint64_t ticket;
	int err = gossip_leave(cluster_core(c, node), cluster_node_time(c, node), false, &ticket);

	assert_int_equal(err, 0);
	cluster_drain(c, node);
	cluster_run(c, 10000);
	assert_int_equal(cluster_status(c, WATCHER).members, COUNT);
	assert_int_equal(cluster_sees(c, WATCHER, ORIGINAL), GOSSIP_MEMBER_ALIVE);
}

static void a_disk_that_was_set_back_goes_on_where_it_was(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	struct cluster_backup *backup = cluster_backup(c, ORIGINAL);
	int node = ORIGINAL;

	expect_to_be_heard(c, ORIGINAL, 1300);
	cluster_run(c, 5000);
	expect_to_be_heard(c, ORIGINAL, 1301);
	cluster_kill(c, ORIGINAL);
	cluster_set_back(c, ORIGINAL, backup);
	cluster_backup_free(backup);
	cluster_run(c, 60000);
	cluster_restart(c, ORIGINAL);
	assert_true(cluster_wait(c, 30000, agree, &node));
	expect_to_be_heard(c, ORIGINAL, 1302);
	assert_false(has_yielded(c, &node));
	assert_int_equal(cluster_event_count(c, ORIGINAL, GOSSIP_EVENT_RESTORED), 1);
	assert_int_equal(cluster_event_count(c, ORIGINAL, GOSSIP_EVENT_EQUIVOCATION), 0);
	cluster_free(c);
}

static void even_with_its_clock(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	struct cluster_backup *backup = cluster_backup(c, ORIGINAL);
	int node = ORIGINAL;

	for (int i = 0; i < 4; i++) {
		cluster_kill(c, ORIGINAL);
		cluster_restart(c, ORIGINAL);
		cluster_run(c, 3000);
	}
	expect_to_be_heard(c, ORIGINAL, 1300);
	cluster_kill(c, ORIGINAL);
	cluster_run(c, 60000); /* it is held dead, by a later start than the next */
	assert_int_equal(cluster_sees(c, WATCHER, ORIGINAL), GOSSIP_MEMBER_DEAD);
	cluster_set_back(c, ORIGINAL, backup);
	cluster_backup_free(backup);
	cluster_set_generation(c, ORIGINAL, 2);
	cluster_clock(c, ORIGINAL, -86400000, 0, false);
	cluster_restart(c, ORIGINAL);
	assert_true(cluster_wait(c, 60000, agree, &node));
	expect_to_be_heard(c, ORIGINAL, 1302);
	assert_false(has_yielded(c, &node));
	assert_int_equal(cluster_event_count(c, ORIGINAL, GOSSIP_EVENT_EQUIVOCATION), 0);
	cluster_free(c);
}

static void of_two_copies_the_one_that_started_last_goes_on(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	int original = ORIGINAL, copy = cluster_add_clone(c, ORIGINAL);

	cluster_run(c, 10000);
	cluster_restart(c, copy);
	assert_true(cluster_wait(c, 30000, has_yielded, &original));
	assert_int_equal(cluster_status(c, ORIGINAL).state, GOSSIP_RUNNING); /* its tunnels stay */
	assert_true(cluster_event_count(c, ORIGINAL, GOSSIP_EVENT_EQUIVOCATION) > 0);
	expect_silence(c, ORIGINAL);
	expect_to_be_heard(c, copy, 1303);
	cluster_run(c, 120000);
	assert_false(has_yielded(c, &copy));
	expect_a_quiet_leave(c, ORIGINAL);
	cluster_free(c);
}

/* What the one wrote meanwhile does not take the place of the other. */
static void copies_that_meet_after_a_partition_agree_on_one(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	int original = ORIGINAL, copy = cluster_add_clone(c, ORIGINAL);

	cluster_group(c, ORIGINAL, 1);
	cluster_group(c, THIRD, 1);
	cluster_run(c, 5000);
	cluster_restart(c, copy);
	for (uint16_t mtu = 1300; mtu < 1310; mtu++) {
		say(c, ORIGINAL, mtu);
		cluster_run(c, 30000);
	}
	cluster_group(c, ORIGINAL, 0);
	cluster_group(c, THIRD, 0);
	assert_true(cluster_wait(c, 120000, has_yielded, &original));
	cluster_run(c, 60000);
	assert_false(has_yielded(c, &copy));
	expect_to_be_heard(c, copy, 1311);
	assert_true(cluster_wait(c, 60000, agree, &copy));
	cluster_free(c);
}

static int restore_elsewhere(struct cluster *c)
{
	int restored = cluster_add_clone(c, ORIGINAL);

	cluster_kill(c, ORIGINAL);
	cluster_run(c, 60000);
	cluster_set_generation(c, restored, LIFE + 20);
	cluster_restart(c, restored);
	expect_to_be_heard(c, restored, 1305);
	return restored;
}

static void the_old_machine_steps_back_whenever_it_returns(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	int original = ORIGINAL, restored = restore_elsewhere(c);

	for (int i = 0; i < 3; i++) {
		cluster_restart(c, ORIGINAL);
		say(c, ORIGINAL, 1306);
		assert_true(cluster_wait(c, 30000, has_yielded, &original));
		assert_int_equal(cluster_status(c, ORIGINAL).state, GOSSIP_REVOKED);
		assert_non_null(
			strstr(cluster_status(c, ORIGINAL).yielded_why, "restored from a backup"));
		expect_silence(c, ORIGINAL);
		cluster_run(c, 300000);
		assert_false(has_yielded(c, &restored));
		expect_to_be_heard(c, restored, (uint16_t)(1310 + i));
		if (i < 2)
			cluster_kill(c, ORIGINAL);
	}
	expect_a_quiet_leave(c, ORIGINAL);
	cluster_free(c);
}

static void the_old_machine_steps_back_though_the_new_one_is_down(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	int original = ORIGINAL, restored = restore_elsewhere(c);

	cluster_run(c, 5000);
	cluster_kill(c, restored);
	cluster_run(c, 120000);
	assert_int_equal(cluster_sees(c, WATCHER, ORIGINAL), GOSSIP_MEMBER_DEAD);
	cluster_restart(c, ORIGINAL);
	assert_true(cluster_wait(c, 60000, has_yielded, &original));
	cluster_restart(c, restored);
	expect_to_be_heard(c, restored, 1307);
	cluster_free(c);
}

static void the_restored_one_goes_on_though_the_old_one_is_still_up(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	int original = ORIGINAL, restored = cluster_add_clone(c, ORIGINAL);

	cluster_set_generation(c, restored, LIFE + 1); /* its clock is behind */
	cluster_restart(c, restored);
	assert_true(cluster_wait(c, 30000, has_yielded, &original));
	cluster_run(c, 60000);
	assert_false(has_yielded(c, &restored));
	expect_to_be_heard(c, restored, 1308);
	cluster_free(c);
}

struct twins {
	int original, copy;
};

static bool one_has_yielded(struct cluster *c, void *arg)
{
	struct twins *twins = arg;

	return has_yielded(c, &twins->original) || has_yielded(c, &twins->copy);
}

/* As two machines that boot from one image at once, or have no clock at all. */
static void of_two_copies_that_start_in_one_second_one_steps_back(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	struct twins twins = {ORIGINAL, cluster_add_clone(c, ORIGINAL)};

	cluster_kill(c, ORIGINAL);
	cluster_run(c, 5000);
	cluster_set_generation(c, ORIGINAL, 100);
	cluster_set_generation(c, twins.copy, 100);
	cluster_restart(c, ORIGINAL);
	cluster_restart(c, twins.copy);
	assert_true(cluster_wait(c, 30000, one_has_yielded, &twins));
	cluster_run(c, 60000);
	assert_true(has_yielded(c, &twins.original) != has_yielded(c, &twins.copy));
	expect_to_be_heard(c, has_yielded(c, &twins.copy) ? ORIGINAL : twins.copy, 1311);
	cluster_free(c);
}

static struct statement said_before(const struct cluster *c, uint64_t generation, uint64_t version)
{
	struct statement alive = {.kind = STATEMENT_ALIVE,
		.subject = cluster_id(c, 0),
		.incarnation = {generation, version}};
	struct gossip_status status = cluster_status((struct cluster *)c, 0);

	statement_sign_alive(&alive, &status.mesh, cluster_keys(c, 0));
	return alive;
}

static void replay(struct hostile *h, uint64_t generation, uint64_t version)
{
	struct statement alive = said_before(h->c, generation, version);
	struct msg msg = {.statement_count = 1};
	uint8_t bytes[SWIM_STATEMENT_MAX];
	struct pack pack;

	pack_init(&pack, bytes, sizeof(bytes));
	statement_encode(&alive, &pack);
	msg.statements[0] = (struct msg_item){bytes, pack.size};
	msg_add(&msg, MSG_STATEMENTS);
	actor_send(&h->actor, &h->actor.at, &msg);
	cluster_run(h->c, 6000);
}

/* Whoever has kept what it said, in all its lives and fights, makes it answer, and no more. */
static void its_old_words_do_not_make_a_node_step_back(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);
	int node = 0;

	hostile_begin(h);
	for (uint64_t i = 1; i < 20; i++) {
		replay(h, 1000 * i, 77);
		replay(h, 1000 * i + 2, UINT64_C(77) << 32 | 78);
		assert_false(has_yielded(h->c, &node));
	}
	assert_in_range(cluster_status(h->c, node).generation, 19003, 19010);
	hostile_free(h);
}

/* Whatever the network loses and delays, whoever is restarted meanwhile: never both, never neither.
 */
static void exactly_one_goes_on_over_a_rough_network(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		const struct cluster_options rough = {.seed = seed,
			.loss = 0.15,
			.duplication = 0.1,
			.latency_min_ms = 1,
			.latency_max_ms = 80,
			.disk_ms = 1 + (int)(seed % 3) * 20};
		struct cluster *c = cluster_new(&calm);
		struct twins twins = {ORIGINAL, 0};

		cluster_mesh(c, 4 + (int)seed % 4);
		assert_true(cluster_wait(c, 15000, cluster_converged, NULL));
		cluster_weather(c, &rough);
		twins.copy = cluster_add_clone(c, ORIGINAL);
		if (seed % 2)
			cluster_set_generation(c, twins.copy, seed % 4 == 1 ? LIFE + 1 : 1000);
		cluster_restart(c, twins.copy);
		assert_true(cluster_wait(c, 300000, one_has_yielded, &twins));
		cluster_run(c, 300000);
		assert_true(has_yielded(c, &twins.original));
		assert_false(has_yielded(c, &twins.copy));
		expect_to_be_heard(c, twins.copy, 1309);
		cluster_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_that_was_set_back_goes_on_where_it_was),
		cmocka_unit_test(even_with_its_clock),
		cmocka_unit_test(of_two_copies_the_one_that_started_last_goes_on),
		cmocka_unit_test(copies_that_meet_after_a_partition_agree_on_one),
		cmocka_unit_test(the_old_machine_steps_back_whenever_it_returns),
		cmocka_unit_test(the_old_machine_steps_back_though_the_new_one_is_down),
		cmocka_unit_test(the_restored_one_goes_on_though_the_old_one_is_still_up),
		cmocka_unit_test(of_two_copies_that_start_in_one_second_one_steps_back),
		cmocka_unit_test(its_old_words_do_not_make_a_node_step_back),
		cmocka_unit_test(exactly_one_goes_on_over_a_rough_network),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
