/* The bad days of a mesh, as packaging/RECOVERY.md describes them: what is lost, what goes on, and
 * what brings it back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gossip/gossip_internal.h"
#include "tests/support/cluster.h"

#define HOUR_MS	  (3600 * INT64_C(1000))
#define DAY_MS	  (24 * HOUR_MS)
#define WINTER_MS (150 * DAY_MS)
#define WRONG_MS  (10 * 60 * INT64_C(1000)) /* how far clocks are off */
#define YEARS_MS  (6 * 365 * DAY_MS)

static const struct cluster_options calm = {
	.seed = 21, .latency_min_ms = 1, .latency_max_ms = 5, .disk_ms = 1};

/* ---- a mesh, and what is done in it ---- */

static struct cluster *mesh(int count)
{
	struct cluster *c = cluster_new(&calm);

	cluster_mesh(c, count);
	assert_true(cluster_wait(c, 30000, cluster_converged, NULL));
	return c;
}

static bool is_running(struct cluster *c, void *node)
{
	return cluster_status(c, *(int *)node).state == GOSSIP_RUNNING;
}

/* Runs until whatever was done is on all disks and known to all. */
static void settle(struct cluster *c)
{
	cluster_run(c, 1000);
	assert_true(cluster_wait(c, 120000, cluster_digests_equal, NULL));
}

static int try_invite(struct cluster *c, int node, bool admin, char token[TOKEN_TEXT_MAX])
{
	struct invite invite = {.uses = 1, .admin = admin};
	uint64_t ticket;
	int err = gossip_invite(cluster_core(c, node), cluster_node_time(c, node), HOUR_MS, &invite,
		token, &ticket);

	cluster_drain(c, node);
	cluster_run(c, 100);
	return err;
}

static bool join_is_over(struct cluster *c, void *node)
{
	return cluster_joined(c, *(int *)node) != 1;
}

/* How it ended, and who it is. */
static int try_join(struct cluster *c, const char *token, int *ret_node)
{
	int node = cluster_add(c), err = cluster_join(c, node, token);

	*ret_node = node;
	if (err)
		return err;
	assert_true(cluster_wait(c, GOSSIP_JOIN_TIMEOUT_MS + 1000, join_is_over, &node));
	return cluster_joined(c, node);
}

/* A member let in by that admin's invite. */
static int admit(struct cluster *c, int admin)
{
	char token[TOKEN_TEXT_MAX];
	int node;

	assert_int_equal(try_invite(c, admin, false, token), 0);
	assert_int_equal(try_join(c, token, &node), 0);
	settle(c);
	return node;
}

static int try_grant(struct cluster *c, int node, int whom)
{
	struct id id = cluster_id(c, whom);
	uint64_t ticket;
	int err = gossip_grant(
		cluster_core(c, node), cluster_node_time(c, node), &id, GOSSIP_ADMIN, &ticket);

	cluster_drain(c, node);
	return err;
}

static int try_ungrant(struct cluster *c, int node, int whom, const char *except)
{
	struct id id = cluster_id(c, whom);
	uint64_t ticket;
	int err = gossip_ungrant(cluster_core(c, node), cluster_node_time(c, node), &id,
		GOSSIP_ADMIN, &except, except != NULL, &ticket);

	cluster_drain(c, node);
	return err;
}

static int try_revoke(struct cluster *c, int node, int whom)
{
	struct id id = cluster_id(c, whom);
	uint64_t ticket;
	int err =
		gossip_revoke(cluster_core(c, node), cluster_node_time(c, node), &id, "", &ticket);

	cluster_drain(c, node);
	return err;
}

static int try_put(struct cluster *c, int node, const char *key, const char *value)
{
	uint64_t stamp, ticket;
	int err = gossip_put(cluster_core(c, node), cluster_node_time(c, node), key, strlen(key),
		value, strlen(value), &stamp, &ticket);

	cluster_drain(c, node);
	return err;
}

static bool shows(struct cluster *c, int node, const char *key, const char *value)
{
	struct gossip_value got;

	return gossip_value(cluster_core(c, node), key, strlen(key), &got) &&
	       got.value_size == strlen(value) && memcmp(got.value, value, got.value_size) == 0;
}

struct wish {
	const char *key, *value;
};

static bool all_show(struct cluster *c, void *arg)
{
	const struct wish *wish = arg;

	for (int node = 0; node < cluster_count(c); node++) {
		if (cluster_is_up(c, node) && cluster_status(c, node).state == GOSSIP_RUNNING &&
			!shows(c, node, wish->key, wish->value))
			return false;
	}
	return true;
}

static void expect_all_to_show(
	struct cluster *c, int64_t most_ms, const char *key, const char *value)
{
	struct wish wish = {key, value};

	assert_true(cluster_wait(c, most_ms, all_show, &wish));
}

/* An admin besides node 0. */
static int admit_admin(struct cluster *c)
{
	int node = admit(c, 0);

	assert_int_equal(try_grant(c, 0, node), 0);
	settle(c);
	assert_true(cluster_status(c, node).admin);
	return node;
}

/* The root key is taken from the safe, and put on that node. */
static void import_root(struct cluster *c, int node)
{
	gossip_set_root(cluster_core(c, node), cluster_root_keys(c, 0), true);
}

/* ---- lost root ---- */

static void without_the_root_admins_go_on_and_none_is_made_or_unmade(void **state)
{
	(void)state;
	struct cluster *c = mesh(3);
	int admin = admit_admin(c), joiner;
	char token[TOKEN_TEXT_MAX];

	cluster_crash(c, 0); /* with the only copy of it, for ever */
	cluster_run(c, 60000);
	joiner = admit(c, admin);
	assert_int_equal(try_revoke(c, admin, 1), 0);
	assert_int_equal(try_put(c, admin, "mesh/dns", "on"), 0);
	expect_all_to_show(c, 1000, "mesh/dns", "on");
	assert_int_equal(cluster_sees(c, joiner, 1), GOSSIP_MEMBER_REVOKED);
	/* but who is an admin stays one, the machine that is gone as well */
	assert_int_equal(try_grant(c, admin, joiner), ERR_NOT_ADMIN);
	assert_int_equal(try_invite(c, admin, true, token), ERR_NOT_ADMIN);
	assert_int_equal(try_ungrant(c, admin, 0, NULL), ERR_NOT_ADMIN);
	assert_int_equal(try_revoke(c, admin, 0), ERR_NOT_ADMIN);
	assert_non_null(strstr(gossip_error(cluster_core(c, admin)), "root"));
	cluster_free(c);
}

static void a_copy_of_the_root_serves_on_whatever_member(void **state)
{
	(void)state;
	struct cluster *c = mesh(3);
	int admin = admit_admin(c);

	cluster_crash(c, 0);
	import_root(c, 2);
	assert_int_equal(try_ungrant(c, 2, 0, NULL), 0);
	settle(c);
	assert_int_equal(try_revoke(c, admin, 0), 0);
	settle(c);
	assert_int_equal(cluster_sees(c, 1, 0), GOSSIP_MEMBER_REVOKED);
	cluster_free(c);
}

/* ---- lost last admin ---- */

static void without_admin_and_root_all_goes_on_but_nobody_new_is_let_in(void **state)
{
	(void)state;
	struct cluster *c = mesh(3);
	char open[TOKEN_TEXT_MAX], token[TOKEN_TEXT_MAX];
	int joiner;

	assert_int_equal(try_invite(c, 0, false, open), 0);
	settle(c);
	cluster_crash(c, 0);
	cluster_run(c, 60000);
	/* what was signed holds: any member lets in who has a token that is still good */
	assert_int_equal(try_join(c, open, &joiner), 0);
	assert_int_equal(try_put(c, joiner, "colour", "blue"), 0);
	expect_all_to_show(c, 5000, "colour", "blue");
	assert_int_equal(try_invite(c, 1, false, token), ERR_NOT_ADMIN);
	assert_int_equal(try_revoke(c, 1, joiner), ERR_NOT_ADMIN);
	/* for good, over restarts of all */
	for (int node = 1; node < cluster_count(c); node++)
		cluster_kill(c, node);
	cluster_run(c, DAY_MS);
	for (int node = 1; node < cluster_count(c); node++)
		cluster_restart(c, node);
	expect_all_to_show(c, 60000, "colour", "blue");
	assert_int_equal(cluster_sees(c, 1, joiner), GOSSIP_MEMBER_ALIVE);
	cluster_free(c);
}

static void a_copy_of_the_root_makes_an_admin_where_none_is_left(void **state)
{
	(void)state;
	struct cluster *c = mesh(3);

	cluster_crash(c, 0);
	cluster_run(c, 60000);
	import_root(c, 1);
	assert_int_equal(try_grant(c, 1, 1), 0);
	settle(c);
	gossip_set_root(cluster_core(c, 1), NULL, true); /* back into the safe */
	admit(c, 1);
	cluster_free(c);
}

/* ---- stolen admin machine ---- */

static bool all_see_it_alive(struct cluster *c, void *node)
{
	return is_running(c, node) && cluster_all_see(c, GOSSIP_MEMBER_ALIVE, *(int *)node);
}

static void what_a_stolen_admin_did_is_undone_and_the_rest_of_its_work_stands(void **state)
{
	(void)state;
	struct cluster *c = mesh(3);
	int stolen = admit_admin(c), honest = admit(c, stolen), accomplice;
	char id[TEXT_ID_SIZE];
	struct id expelled;

	/* the thief lets in a machine of its own, and throws out a member */
	accomplice = admit(c, stolen);
	assert_int_equal(try_revoke(c, stolen, 1), 0);
	settle(c);
	assert_int_equal(cluster_sees(c, 0, 1), GOSSIP_MEMBER_REVOKED);

	/* of all that the stolen machine signed, what is about node 1 falls */
	expelled = cluster_id(c, 1);
	assert_int_equal(try_ungrant(c, 0, stolen, text_id(&expelled, id)), 0);
	assert_true(cluster_wait(c, 180000, all_see_it_alive, &(int){1}));
	assert_int_equal(try_revoke(c, 0, stolen), 0);
	assert_int_equal(try_revoke(c, 0, accomplice), 0);
	settle(c);
	assert_int_equal(cluster_sees(c, 0, stolen), GOSSIP_MEMBER_REVOKED);
	assert_int_equal(cluster_sees(c, 2, accomplice), GOSSIP_MEMBER_REVOKED);
	assert_int_equal(cluster_status(c, accomplice).state, GOSSIP_REVOKED);
	assert_int_equal(cluster_sees(c, 2, honest), GOSSIP_MEMBER_ALIVE);
	assert_int_equal(try_revoke(c, stolen, 2), ERR_STATE);
	cluster_free(c);
}

/* It is heard by nobody meanwhile, and hears nobody: then it looks for them, and they for it. */
static void whose_expulsion_fell_is_back_though_no_datagram_arrives(void **state)
{
	(void)state;
	struct cluster *c = mesh(4);
	int stolen = admit_admin(c), expelled = 1;
	char id[TEXT_ID_SIZE];
	struct id whom = cluster_id(c, expelled);

	assert_int_equal(try_revoke(c, stolen, expelled), 0);
	settle(c);
	assert_int_equal(cluster_status(c, expelled).state, GOSSIP_REVOKED);
	for (int node = 0; node < cluster_count(c); node++) {
		cluster_cut_udp(c, node, expelled, true);
		cluster_cut_udp(c, expelled, node, true);
	}
	cluster_run(c, 60000);
	assert_int_equal(try_ungrant(c, 0, stolen, text_id(&whom, id)), 0);
	assert_true(cluster_wait(c, 90000, is_running, &expelled));
	cluster_free(c);
}

/* ---- lost database ---- */

static bool is_leaving(struct cluster *c, void *node)
{
	return cluster_status(c, *(int *)node).state == GOSSIP_LEAVING;
}

static void who_lost_its_database_and_is_found_by_nobody_may_leave(void **state)
{
	(void)state;
	struct cluster *c = mesh(2);
	int node = 1;
	uint64_t ticket;

	cluster_crash(c, 0);
	cluster_kill(c, node);
	cluster_lose_disk(c, node);
	cluster_restart(c, node);
	cluster_run(c, 60000);
	assert_int_equal(cluster_status(c, node).state, GOSSIP_JOINING);
	assert_int_equal(
		gossip_leave(cluster_core(c, node), cluster_node_time(c, node), false, &ticket),
		ERR_STATE);
	assert_non_null(strstr(gossip_error(cluster_core(c, node)), "--force"));
	assert_int_equal(
		gossip_leave(cluster_core(c, node), cluster_node_time(c, node), true, &ticket), 0);
	cluster_drain(c, node);
	assert_true(cluster_wait(c, 3000, is_leaving, &node));
	cluster_free(c);
}

/* ---- off for a winter ---- */

static void a_mesh_that_was_off_all_winter_wakes_up_whole(void **state)
{
	(void)state;
	struct cluster *c = mesh(6);
	uint8_t before[DIGEST_SIZE];

	assert_int_equal(try_put(c, 3, "hut/1", "closed"), 0);
	expect_all_to_show(c, 5000, "hut/1", "closed");
	settle(c);
	memcpy(before, cluster_status(c, 0).digest, sizeof(before));
	for (int node = 0; node < cluster_count(c); node++)
		cluster_crash(c, node);
	cluster_run(c, WINTER_MS);
	/* one after the other, over an hour */
	for (int node = 0; node < cluster_count(c); node++) {
		cluster_restart(c, node);
		cluster_run(c, 10 * 60000);
	}
	assert_true(cluster_wait(c, 120000, cluster_converged, NULL));
	expect_all_to_show(c, 1000, "hut/1", "closed");
	assert_int_equal(cluster_status(c, 5).members, 6);
	assert_int_equal(try_put(c, 0, "hut/1", "open"), 0);
	expect_all_to_show(c, 5000, "hut/1", "open");
	admit(c, 0);
	cluster_free(c);
}

/* ---- wrong clocks ---- */

static void off(struct cluster *c, int node, int64_t ms, bool synced)
{
	cluster_clock(c, node, ms, 0, synced);
}

static void a_clock_that_nobody_vouches_for_gives_way_to_the_others(void **state)
{
	(void)state;
	struct cluster *c = mesh(4);

	/* it woke up in another year, and asks the others */
	cluster_kill(c, 2);
	off(c, 2, -YEARS_MS, false);
	cluster_restart(c, 2);
	cluster_run(c, 5000);
	assert_true(cluster_wait(c, 30000, cluster_converged, NULL));
	assert_in_range(cluster_status(c, 2).members_offset_ms, YEARS_MS - 1000, YEARS_MS + 1000);
	assert_int_equal(try_put(c, 2, "colour", "blue"), 0);
	expect_all_to_show(c, 5000, "colour", "blue");
	assert_int_equal(try_put(c, 1, "colour", "red"), 0);
	expect_all_to_show(c, 5000, "colour", "red");
	settle(c);
	cluster_free(c);
}

static void one_wrong_clock_that_is_vouched_for_harms_nobody_and_is_told(void **state)
{
	(void)state;
	struct cluster *c = mesh(4);

	assert_int_equal(try_put(c, 2, "before", "1"), 0);
	settle(c);
	cluster_kill(c, 2);
	off(c, 2, WRONG_MS, true);
	cluster_restart(c, 2);
	cluster_run(c, 30000);
	assert_in_range(-cluster_status(c, 2).members_offset_ms, WRONG_MS - 1000, WRONG_MS + 1000);
	assert_int_equal(cluster_status(c, 0).members_offset_ms / 1000, 0);
	assert_int_equal(try_put(c, 2, "colour", "blue"), ERR_FUTURE);
	assert_non_null(strstr(gossip_error(cluster_core(c, 2)), "clock"));
	/* what others say arrives there, and nobody is thought dead */
	assert_int_equal(try_put(c, 1, "colour", "red"), 0);
	expect_all_to_show(c, 5000, "colour", "red");
	assert_true(cluster_all_see(c, GOSSIP_MEMBER_ALIVE, 2));
	/* set right, with the daemon running or not, it is one like the others */
	off(c, 2, 0, true);
	cluster_run(c, 30000);
	assert_int_equal(cluster_status(c, 2).members_offset_ms / 1000, 0);
	/* behind what it said of itself meanwhile it has to wait */
	assert_int_equal(try_put(c, 2, "colour", "blue"), ERR_FUTURE);
	assert_non_null(strstr(gossip_error(cluster_core(c, 2)), "others will take it in"));
	cluster_run(c, WRONG_MS);
	assert_int_equal(try_put(c, 2, "colour", "blue"), 0);
	expect_all_to_show(c, 5000, "colour", "blue");
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	cluster_free(c);
}

/* Clocks are a minute right before all is said anew that was said in the wrong year. */
#define ANEW_MS 90000

/* Alone in the wrong year, it has no reason to doubt it. */
static void what_was_said_years_ahead_is_said_anew_when_the_clock_is_right(void **state)
{
	(void)state;
	struct cluster *c = mesh(4);

	assert_int_equal(try_put(c, 2, "before", "1"), 0);
	assert_int_equal(try_put(c, 2, "sky", "grey"), 0);
	settle(c);
	cluster_group(c, 2, 1);
	cluster_kill(c, 2);
	off(c, 2, YEARS_MS, true);
	cluster_restart(c, 2);
	cluster_run(c, 5000);
	assert_int_equal(try_put(c, 2, "colour", "blue"), 0);
	assert_int_equal(try_put(c, 2, "colour", "red"), 0);
	assert_int_equal(try_put(c, 2, "sky", "blue"), 0);
	off(c, 2, 0, true);
	cluster_group(c, 2, 0);
	expect_all_to_show(c, ANEW_MS, "colour", "red");
	expect_all_to_show(c, 5000, "sky", "blue");
	expect_all_to_show(c, 1000, "before", "1");
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	/* and so it stays: it writes again, and has nothing of that year on its disk */
	assert_int_equal(try_put(c, 2, "colour", "green"), 0);
	expect_all_to_show(c, 5000, "colour", "green");
	cluster_kill(c, 2);
	cluster_restart(c, 2);
	cluster_run(c, 5000);
	assert_int_equal(try_put(c, 2, "colour", "white"), 0);
	expect_all_to_show(c, 5000, "colour", "white");
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	cluster_free(c);
}

static void so_is_what_others_hold_of_it_who_were_as_wrong(void **state)
{
	(void)state;
	struct cluster *c = mesh(5);

	assert_int_equal(try_put(c, 2, "sky", "grey"), 0);
	settle(c);
	for (int node = 2; node < 5; node++) {
		cluster_group(c, node, 1);
		off(c, node, YEARS_MS, true);
	}
	cluster_run(c, 5000);
	assert_int_equal(try_put(c, 2, "sky", "blue"), 0);
	assert_int_equal(try_put(c, 3, "colour", "red"), 0);
	cluster_run(c, 5000);
	assert_true(shows(c, 4, "sky", "blue") && shows(c, 4, "colour", "red"));
	/* one by one */
	for (int node = 4; node >= 2; node--) {
		off(c, node, 0, true);
		cluster_run(c, 30000);
	}
	for (int node = 2; node < 5; node++)
		cluster_group(c, node, 0);
	expect_all_to_show(c, ANEW_MS, "sky", "blue");
	expect_all_to_show(c, ANEW_MS, "colour", "red");
	assert_true(cluster_wait(c, ANEW_MS, cluster_converged, NULL));
	assert_int_equal(try_put(c, 4, "sky", "black"), 0);
	expect_all_to_show(c, 5000, "sky", "black");
	cluster_free(c);
}

static bool is_writer(struct cluster *c, int node, int of)
{
	const struct id id = cluster_id(c, of);

	return authority_member(cluster_core(c, node)->authority, &id)->writer;
}

/* Authority counts whatever its clock: so the last word of it has to stay the latest. */
static void an_office_given_years_ahead_can_be_taken_when_the_clock_is_right(void **state)
{
	(void)state;
	struct cluster *c = mesh(3);
	const struct id id = cluster_id(c, 1);
	uint64_t ticket;

	off(c, 0, YEARS_MS, true);
	cluster_run(c, 5000);
	assert_int_equal(gossip_grant(cluster_core(c, 0), cluster_node_time(c, 0), &id,
				 GOSSIP_WRITER, &ticket),
		0);
	cluster_drain(c, 0);
	settle(c);
	assert_true(is_writer(c, 2, 1));
	off(c, 0, 0, true);
	cluster_run(c, ANEW_MS);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(gossip_ungrant(cluster_core(c, 0), cluster_node_time(c, 0), &id,
					 GOSSIP_WRITER, NULL, 0, &ticket),
			0);
		cluster_drain(c, 0);
		settle(c);
		assert_false(is_writer(c, 0, 1) || is_writer(c, 2, 1));
		assert_int_equal(gossip_grant(cluster_core(c, 0), cluster_node_time(c, 0), &id,
					 GOSSIP_WRITER, &ticket),
			0);
		cluster_drain(c, 0);
		settle(c);
		assert_true(is_writer(c, 0, 1) && is_writer(c, 2, 1));
		cluster_kill(c, 0);
		cluster_restart(c, 0);
		cluster_run(c, 5000);
	}
	admit(c, 0);
	assert_int_equal(try_put(c, 0, "colour", "blue"), 0);
	expect_all_to_show(c, 5000, "colour", "blue");
	cluster_free(c);
}

/* Up to the same hour, and not one to come. */
static bool have_one_cutoff(struct cluster *c, void *unused)
{
	uint64_t cutoff = gossip_age_cutoff(cluster_core(c, 0));

	(void)unused;
	for (int node = 1; node < cluster_count(c); node++) {
		if (gossip_age_cutoff(cluster_core(c, node)) != cutoff)
			return false;
	}
	return cutoff && (int64_t)cutoff * HOUR_MS < cluster_time(c).wall.ms;
}

/* Alone it collects by its own clock. */
static void a_founder_that_was_years_ahead_collects_as_those_do_who_join(void **state)
{
	(void)state;
	struct cluster *c = mesh(1);
	int node;

	off(c, 0, YEARS_MS, true);
	cluster_run(c, 5000);
	assert_int_equal(try_put(c, 0, "sky", "blue"), 0);
	off(c, 0, 0, true);
	cluster_run(c, ANEW_MS);
	node = admit(c, 0);
	expect_all_to_show(c, 1000, "sky", "blue");
	assert_true(cluster_wait(c, ANEW_MS, have_one_cutoff, NULL));
	/* and so it stays */
	cluster_kill(c, 0);
	cluster_restart(c, 0);
	assert_int_equal(try_put(c, node, "colour", "green"), 0);
	expect_all_to_show(c, ANEW_MS, "colour", "green");
	assert_true(cluster_wait(c, ANEW_MS, have_one_cutoff, NULL));
	cluster_free(c);
}

static void a_clock_behind_that_is_vouched_for_catches_up_when_set_right(void **state)
{
	(void)state;
	struct cluster *c = mesh(4);

	cluster_kill(c, 2);
	off(c, 2, -WRONG_MS, true);
	cluster_restart(c, 2);
	cluster_run(c, 30000);
	assert_in_range(cluster_status(c, 2).members_offset_ms, WRONG_MS - 1000, WRONG_MS + 1000);
	assert_int_equal(try_put(c, 1, "colour", "red"), 0);
	cluster_run(c, 30000);
	assert_true(shows(c, 0, "colour", "red"));
	assert_true(cluster_all_see(c, GOSSIP_MEMBER_ALIVE, 2));
	off(c, 2, 0, true);
	expect_all_to_show(c, 60000, "colour", "red");
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	cluster_free(c);
}

static void where_most_clocks_are_wrong_everybody_is_told_and_nothing_is_lost(void **state)
{
	(void)state;
	struct cluster *c = mesh(5);

	for (int node = 2; node < 5; node++) {
		cluster_kill(c, node);
		off(c, node, WRONG_MS, false);
		cluster_restart(c, node);
	}
	cluster_run(c, 60000);
	/* those with the right time cannot know that it is: they are told that they differ */
	for (int node = 0; node < 2; node++)
		assert_in_range(cluster_status(c, node).members_offset_ms, WRONG_MS - 1000,
			WRONG_MS + 1000);
	assert_int_equal(try_put(c, 0, "right", "1"), 0);
	assert_int_equal(try_put(c, 3, "wrong", "1"), 0);
	cluster_run(c, 60000);
	assert_true(shows(c, 0, "right", "1") && shows(c, 4, "right", "1"));
	for (int node = 0; node < 5; node++)
		assert_true(cluster_all_see(c, GOSSIP_MEMBER_ALIVE, node));
	/* set right, what was held back comes as soon as it is no longer ahead */
	for (int node = 2; node < 5; node++)
		off(c, node, 0, true);
	cluster_run(c, WRONG_MS);
	expect_all_to_show(c, 120000, "wrong", "1");
	expect_all_to_show(c, 1000, "right", "1");
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_the_root_admins_go_on_and_none_is_made_or_unmade),
		cmocka_unit_test(a_copy_of_the_root_serves_on_whatever_member),
		cmocka_unit_test(without_admin_and_root_all_goes_on_but_nobody_new_is_let_in),
		cmocka_unit_test(a_copy_of_the_root_makes_an_admin_where_none_is_left),
		cmocka_unit_test(what_a_stolen_admin_did_is_undone_and_the_rest_of_its_work_stands),
		cmocka_unit_test(whose_expulsion_fell_is_back_though_no_datagram_arrives),
		cmocka_unit_test(who_lost_its_database_and_is_found_by_nobody_may_leave),
		cmocka_unit_test(a_mesh_that_was_off_all_winter_wakes_up_whole),
		cmocka_unit_test(a_clock_that_nobody_vouches_for_gives_way_to_the_others),
		cmocka_unit_test(one_wrong_clock_that_is_vouched_for_harms_nobody_and_is_told),
		cmocka_unit_test(what_was_said_years_ahead_is_said_anew_when_the_clock_is_right),
		cmocka_unit_test(so_is_what_others_hold_of_it_who_were_as_wrong),
		cmocka_unit_test(a_founder_that_was_years_ahead_collects_as_those_do_who_join),
		cmocka_unit_test(an_office_given_years_ahead_can_be_taken_when_the_clock_is_right),
		cmocka_unit_test(a_clock_behind_that_is_vouched_for_catches_up_when_set_right),
		cmocka_unit_test(where_most_clocks_are_wrong_everybody_is_told_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
