/* Names, addresses and the terms of invites, where nobody is there to hand them out: also when two
 * halves of a mesh decide apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/cluster.h"

#define HOUR_MS (3600 * 1000)

static const struct cluster_options crowded = {.seed = 3,
	.latency_max_ms = 1,
	.disk_ms = 1,
	.prefix4 = {.ip = {.family = 4, .b = {10, 99, 7, 0}}, .bits = 24}};

static bool joined(struct cluster *c, void *arg)
{
	return cluster_joined(c, *(int *)arg) != 1;
}

static int join_as(struct cluster *c, int node, const char *token, const char *name)
{
	int err = gossip_join(
		cluster_core(c, node), cluster_time(c), token, name, GOSSIP_JOIN_TIMEOUT_MS, false);

	cluster_drain(c, node);
	if (err != 0)
		return err;
	assert_true(cluster_wait(c, 40000, joined, &node));
	return cluster_joined(c, node);
}

static int try_mint(struct cluster *c, int node, struct invite *invite, char token[TOKEN_TEXT_MAX])
{
	uint64_t ticket;
	int err = gossip_invite(
		cluster_core(c, node), cluster_time(c), HOUR_MS, invite, token, &ticket);

	cluster_drain(c, node);
	cluster_run(c, 100);
	return err;
}

static void mint(struct cluster *c, struct invite *invite, char token[TOKEN_TEXT_MAX])
{
	assert_int_equal(try_mint(c, 0, invite, token), 0);
}

static void make_admin(struct cluster *c, int node)
{
	struct id id = cluster_id(c, node);
	uint64_t ticket;

	assert_int_equal(
		gossip_grant(cluster_core(c, 0), cluster_time(c), &id, GOSSIP_ADMIN, &ticket), 0);
	cluster_drain(c, 0);
	cluster_run(c, 1000);
	assert_true(cluster_status(c, node).admin);
}

/* Those with a bit in `side` talk to each other only, and so do the others. */
static void split(struct cluster *c, uint64_t side, int count, bool cut)
{
	for (int a = 0; a < count; a++) {
		for (int b = 0; b < count; b++)
			cluster_cut(c, a, b, cut && (side >> a & 1) != (side >> b & 1));
	}
}

static void assert_addresses_unique_and_agreed(struct cluster *c, int count)
{
	for (int a = 0; a < count; a++) {
		struct gossip_status own = cluster_status(c, a);

		assert_int_equal(own.address4.family, 4);
		for (int b = 0; b < count; b++) {
			struct gossip_member member;
			struct gossip_status other = cluster_status(c, b);
			struct id id = cluster_id(c, a);

			assert_true(gossip_member(cluster_core(c, b), &id, &member));
			assert_true(ip_equal(&member.address4, &own.address4));
			assert_true(a == b || !ip_equal(&own.address4, &other.address4));
		}
	}
}

static void a_crowded_prefix_gives_everybody_an_address(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&crowded);

	cluster_mesh(c, 60);
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	cluster_run(c, 5000);
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	assert_addresses_unique_and_agreed(c, 60);
	cluster_free(c);
}

/* Whoever moved knows who has what it had; nobody else has lost anything. */
static void assert_losers_are_told(struct cluster *c, int count)
{
	for (int i = 0; i < count; i++) {
		struct gossip_status status = cluster_status(c, i);
		struct gossip_member holder;

		if (!cluster_event_count(c, i, GOSSIP_EVENT_ADDRESS_MOVED)) {
			assert_int_equal(status.lost4.family, 0);
			continue;
		}
		assert_true(gossip_member(cluster_core(c, i), &status.lost4_holder, &holder));
		assert_true(ip_equal(&holder.address4, &status.lost4));
	}
}

/* Nobody takes up the address of one that has left. */
static void assert_leaving_moves_nobody(struct cluster *c, int count, int leaver)
{
	struct ip before[64];
	uint64_t ticket;

	for (int i = 0; i < count; i++)
		before[i] = cluster_status(c, i).address4;
	assert_int_equal(gossip_leave(cluster_core(c, leaver), cluster_time(c), true, &ticket), 0);
	cluster_drain(c, leaver);
	cluster_run(c, 10000);
	for (int i = 0; i < count; i++) {
		struct gossip_status status = cluster_status(c, i);

		assert_true(i == leaver || ip_equal(&before[i], &status.address4));
		assert_true(i == leaver || !ip_equal(&before[leaver], &status.address4));
	}
}

static bool runs_again(struct cluster *c, void *arg)
{
	return cluster_status(c, *(int *)arg).state == GOSSIP_RUNNING && cluster_converged(c, NULL);
}

/* Its claim is not its first, which is free again, and stands in a descriptor that only the others
 * still have. */
static void assert_a_lost_disk_moves_nobody(struct cluster *c, int node)
{
	struct ip before = cluster_status(c, node).address4;
	struct gossip_status after;

	cluster_kill(c, node);
	cluster_lose_disk(c, node);
	cluster_restart(c, node);
	assert_true(cluster_wait(c, 120000, runs_again, &node));
	cluster_run(c, 5000);
	after = cluster_status(c, node);
	assert_true(ip_equal(&before, &after.address4));
}

static void addresses_that_clash_after_a_partition_are_sorted_out(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&crowded);
	struct invite invite = {.uses = 40};
	char token[TOKEN_TEXT_MAX];
	uint64_t side = 1, moved = 0;
	int count = 2;

	cluster_mesh(c, 2);
	invite.endpoint_count = 2;
	invite.endpoints[0] = cluster_endpoint(c, 0);
	invite.endpoints[1] = cluster_endpoint(c, 1);
	mint(c, &invite, token);
	assert_true(cluster_wait(c, 5000, cluster_digests_equal, NULL));
	for (; count < 40; count++)
		side |= (uint64_t)(count % 2 == 0) << count;
	split(c, side, count, true);
	for (int i = 2; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(join_as(c, cluster_add(c), token, name), 0);
	}
	cluster_run(c, 20000);
	split(c, side, count, false);
	assert_true(cluster_wait(c, 300000, cluster_converged, NULL));
	cluster_run(c, 5000);
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	assert_addresses_unique_and_agreed(c, count);
	for (int i = 0; i < count; i++)
		moved += cluster_event_count(c, i, GOSSIP_EVENT_ADDRESS_MOVED);
	assert_true(moved > 0);
	assert_losers_are_told(c, count);
	for (int i = 0; i < count; i++) {
		struct gossip_status status = cluster_status(c, i);

		if (status.lost4.family) {
			assert_leaving_moves_nobody(
				c, count, cluster_node_of(c, &status.lost4_holder));
			assert_a_lost_disk_moves_nobody(c, i);
			break;
		}
	}
	cluster_free(c);
}

static bool second_has_lost(struct cluster *c, void *unused)
{
	(void)unused;
	return cluster_status(c, 3).lost4.family == 4;
}

static void an_address_that_two_invites_pin_is_the_earlier_ones(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&crowded);
	struct invite invite = {.uses = 1,
		.address_count = 1,
		.addresses = {{.family = 4, .b = {10, 99, 7, 9}}},
		.endpoint_count = 2};
	char tokens[2][TOKEN_TEXT_MAX];
	struct gossip_status loser;
	struct id winner;

	cluster_mesh(c, 2);
	make_admin(c, 1);
	invite.endpoints[0] = cluster_endpoint(c, 0);
	invite.endpoints[1] = cluster_endpoint(c, 1);
	split(c, 5, 4, true);
	mint(c, &invite, tokens[0]);
	assert_int_equal(try_mint(c, 1, &invite, tokens[1]), 0);
	assert_int_equal(join_as(c, cluster_add(c), tokens[0], "one"), 0);
	cluster_run(c, 1000);
	assert_int_equal(join_as(c, cluster_add(c), tokens[1], "two"), 0);
	loser = cluster_status(c, 3);
	assert_true(ip_equal(&loser.address4, &invite.addresses[0]));
	split(c, 5, 4, false);
	assert_true(cluster_wait(c, 200000, second_has_lost, NULL));
	assert_true(cluster_wait(c, 200000, cluster_converged, NULL));
	loser = cluster_status(c, 3);
	winner = cluster_id(c, 2);
	assert_true(id_equal(&loser.lost4_holder, &winner));
	assert_int_equal(loser.address4.family, 4); /* one like everybody's */
	loser = cluster_status(c, 2);
	assert_true(ip_equal(&loser.address4, &invite.addresses[0]));
	assert_int_equal(cluster_event_count(c, 3, GOSSIP_EVENT_ADDRESS_MOVED), 1);
	assert_int_equal(cluster_event_count(c, 2, GOSSIP_EVENT_ADDRESS_MOVED), 0);
	cluster_free(c);
}

static void an_address_is_promised_once(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&crowded);
	struct invite invite = {
		.uses = 1, .address_count = 1, .addresses = {{.family = 4, .b = {10, 99, 7, 9}}}};
	struct invite again = invite;
	char token[TOKEN_TEXT_MAX], other[TOKEN_TEXT_MAX];

	cluster_mesh(c, 2);
	mint(c, &invite, token);
	assert_int_equal(try_mint(c, 0, &again, other), ERR_STATE);
	assert_non_null(strstr(gossip_error(cluster_core(c, 0)), "uninvite"));
	assert_int_equal(join_as(c, cluster_add(c), token, "one"), 0);
	cluster_run(c, 1000);
	again = (struct invite){.uses = 1, .address_count = 1, .addresses = {invite.addresses[0]}};
	assert_int_equal(try_mint(c, 0, &again, other), ERR_STATE);
	assert_non_null(strstr(gossip_error(cluster_core(c, 0)), "fixed for one"));
	/* but for who takes its place */
	again = (struct invite){.uses = 1, .has_replaced = true, .replaced = cluster_id(c, 2)};
	mint(c, &again, other);
	cluster_free(c);
}

static void a_full_prefix_lets_nobody_in_and_says_so(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&crowded);
	struct invite invite = {.uses = 300, .endpoint_count = 1};
	char token[TOKEN_TEXT_MAX], name[16];
	int err = 0, node = 0;

	cluster_found(c, cluster_add(c));
	cluster_run(c, 100);
	invite.endpoints[0] = cluster_endpoint(c, 0);
	mint(c, &invite, token);
	while (err == 0 && node < 300) {
		node = cluster_add(c);
		snprintf(name, sizeof(name), "n%d", node);
		err = join_as(c, node, token, name);
		/* their addresses stay theirs, and this test is not about a crowd */
		if (err == 0)
			cluster_crash(c, node);
	}
	assert_int_equal(err, ERR_EXHAUSTED);
	assert_int_equal(node, 254);
	assert_non_null(strstr(cluster_joined_text(c, node), "address"));
	assert_int_equal(cluster_status(c, 0).members, 254);
	cluster_free(c);
}

static void a_name_taken_on_both_sides_of_a_partition_is_shown_apart(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&crowded);
	struct invite invite = {.uses = 2, .endpoint_count = 2};
	char token[TOKEN_TEXT_MAX], names[2][AUTHORITY_NAME_MAX + 1];

	cluster_mesh(c, 2);
	invite.endpoints[0] = cluster_endpoint(c, 0);
	invite.endpoints[1] = cluster_endpoint(c, 1);
	mint(c, &invite, token);
	assert_true(cluster_wait(c, 5000, cluster_digests_equal, NULL));
	split(c, 5, 4, true);
	assert_int_equal(join_as(c, cluster_add(c), token, "twin"), 0);
	assert_int_equal(join_as(c, cluster_add(c), token, "twin"), 0);
	split(c, 5, 4, false);
	assert_true(cluster_wait(c, 200000, cluster_converged, NULL));
	for (int i = 0; i < 4; i++) {
		for (int twin = 2; twin < 4; twin++) {
			struct id id = cluster_id(c, twin);
			struct gossip_member member;

			assert_true(gossip_member(cluster_core(c, i), &id, &member));
			if (i == 0)
				strcpy(names[twin - 2], member.standing->name);
			assert_string_equal(member.standing->name, names[twin - 2]);
		}
	}
	assert_string_not_equal(names[0], names[1]);
	assert_true(strchr(names[0], '~') || strchr(names[1], '~'));
	struct id id;
	assert_int_equal(gossip_resolve(cluster_core(c, 1), "twin", &id), ERR_INVALID);
	cluster_free(c);
}

static bool one_is_out(struct cluster *c, void *unused)
{
	(void)unused;
	return (cluster_status(c, 2).state == GOSSIP_REVOKED) +
		       (cluster_status(c, 3).state == GOSSIP_REVOKED) ==
	       1;
}

static void an_overspent_invite_has_one_winner_and_the_loser_is_told(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&crowded);
	struct invite invite = {.uses = 1, .endpoint_count = 2};
	char token[TOKEN_TEXT_MAX];
	uint64_t told = 0;
	int loser;

	cluster_mesh(c, 2);
	invite.endpoints[0] = cluster_endpoint(c, 0);
	invite.endpoints[1] = cluster_endpoint(c, 1);
	mint(c, &invite, token);
	assert_true(cluster_wait(c, 5000, cluster_digests_equal, NULL));
	split(c, 5, 4, true);
	assert_int_equal(join_as(c, cluster_add(c), token, "left"), 0);
	assert_int_equal(join_as(c, cluster_add(c), token, "right"), 0);
	split(c, 5, 4, false);
	assert_true(cluster_wait(c, 200000, one_is_out, NULL));
	cluster_run(c, 5000);
	assert_true(one_is_out(c, NULL));
	loser = cluster_status(c, 2).state == GOSSIP_REVOKED ? 2 : 3;
	assert_non_null(strstr(cluster_status(c, loser).revoked_why, "used up"));
	for (int i = 0; i < 4; i++)
		told += cluster_event_count(c, i, GOSSIP_EVENT_OVERSPENT);
	assert_true(told > 0);
	cluster_free(c);
}

static void an_invite_fixes_name_address_and_tags(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&crowded);
	struct invite invite = {.uses = 1,
		.node_name = "gateway",
		.tag_count = 1,
		.tags = {"edge"},
		.address_count = 1,
		.addresses = {{.family = 4, .b = {10, 99, 7, 1}}}};
	char token[TOKEN_TEXT_MAX];
	struct gossip_member member;
	struct id id;

	cluster_mesh(c, 2);
	mint(c, &invite, token);
	assert_int_equal(join_as(c, cluster_add(c), token, "other"), 0);
	assert_true(cluster_wait(c, 15000, cluster_converged, NULL));
	id = cluster_id(c, 2);
	assert_true(gossip_member(cluster_core(c, 1), &id, &member));
	assert_string_equal(member.standing->name, "gateway");
	assert_string_equal(member.standing->tags[0], "edge");
	assert_true(ip_equal(&member.address4, &invite.addresses[0]));
	assert_true(ip_equal(&(struct ip){.family = 4, .b = {10, 99, 7, 1}}, &member.address4));
	/* terms that make no sense are refused, with what to do */
	invite.uses = 2;
	uint64_t ticket;
	assert_int_equal(gossip_invite(cluster_core(c, 0), cluster_time(c), HOUR_MS, &invite, token,
				 &ticket),
		ERR_INVALID);
	invite.uses = 1;
	invite.addresses[0].b[0] = 11;
	assert_int_equal(gossip_invite(cluster_core(c, 0), cluster_time(c), HOUR_MS, &invite, token,
				 &ticket),
		ERR_INVALID);
	cluster_free(c);
}

/* A token as only an admin may mint it, signed by a plain member. */
static void forge(struct cluster *c, int member, char text[TOKEN_TEXT_MAX])
{
	static const uint8_t seed[32] = {42};
	struct token token = {.mesh = cluster_status(c, 0).mesh};
	struct invite *invite = &token.invite;
	uint8_t value[512];
	struct pack pack;
	struct record_draft draft = {.type = RECORD_INVITE,
		.key = &invite->id,
		.key_size = sizeof(invite->id),
		.stamp = (uint64_t)cluster_time(c).wall.ms << 16,
		.value = value};

	keys_from_seed(seed, &token.key);
	*invite = (struct invite){.id = token.key.id,
		.uses = 1,
		.expires_ms = cluster_time(c).wall.ms + HOUR_MS,
		.endpoint_count = 1,
		.endpoints = {cluster_endpoint(c, 0)}};
	pack_init(&pack, value, sizeof(value));
	invite_encode(invite, &pack);
	draft.value_size = pack.size;
	assert_int_equal(
		record_sign(&token.mesh, cluster_keys(c, member), &draft, &token.record), 0);
	assert_int_equal(token_encode(&token, text), 0);
	token_done(&token);
}

static void a_token_minted_by_no_admin_is_refused(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&crowded);
	char token[TOKEN_TEXT_MAX];
	int node;

	cluster_mesh(c, 3);
	assert_true(cluster_wait(c, 15000, cluster_converged, NULL));
	forge(c, 1, token);
	node = cluster_add(c);
	assert_int_equal(join_as(c, node, token, "guest"), ERR_NOT_ADMIN);
	assert_non_null(strstr(cluster_joined_text(c, node), "no admin"));
	assert_int_equal(cluster_status(c, 0).members, 3);
	cluster_free(c);
}

static void a_node_is_named_by_name_id_or_prefix(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&crowded);
	struct id id, found;
	char hex[TEXT_ID_SIZE];

	cluster_mesh(c, 3);
	assert_true(cluster_wait(c, 15000, cluster_converged, NULL));
	id = cluster_id(c, 1);
	text_id(&id, hex);
	assert_int_equal(gossip_resolve(cluster_core(c, 2), "n1", &found), 0);
	assert_true(id_equal(&id, &found));
	assert_int_equal(gossip_resolve(cluster_core(c, 2), hex, &found), 0);
	hex[8] = '\0';
	assert_int_equal(gossip_resolve(cluster_core(c, 2), hex, &found), 0);
	assert_true(id_equal(&id, &found));
	hex[3] = '\0';
	assert_int_equal(gossip_resolve(cluster_core(c, 2), hex, &found), ERR_UNKNOWN);
	assert_int_equal(gossip_resolve(cluster_core(c, 2), "nobody", &found), ERR_UNKNOWN);
	assert_int_equal(gossip_resolve(cluster_core(c, 2), "", &found), ERR_UNKNOWN);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crowded_prefix_gives_everybody_an_address),
		cmocka_unit_test(addresses_that_clash_after_a_partition_are_sorted_out),
		cmocka_unit_test(an_address_that_two_invites_pin_is_the_earlier_ones),
		cmocka_unit_test(an_address_is_promised_once),
		cmocka_unit_test(a_full_prefix_lets_nobody_in_and_says_so),
		cmocka_unit_test(a_name_taken_on_both_sides_of_a_partition_is_shown_apart),
		cmocka_unit_test(an_overspent_invite_has_one_winner_and_the_loser_is_told),
		cmocka_unit_test(an_invite_fixes_name_address_and_tags),
		cmocka_unit_test(a_token_minted_by_no_admin_is_refused),
		cmocka_unit_test(a_node_is_named_by_name_id_or_prefix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
