/* Who has lost all others finds them again, or is told that it is none of them any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/hostile.h"

#define NODES	  16
#define FOUND_MS  70000 /* all others dialled in turn, three every 12 s at most, from 8 s on */
#define MISSED_MS 60000 /* one that does not answer for 10 s is dialled every 15 to 45 s */

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

static void revoke(struct cluster *c, int by, int node)
{
	struct id id = cluster_id(c, node);
	uint64_t ticket;

	assert_int_equal(
		gossip_revoke(cluster_core(c, by), cluster_node_time(c, by), &id, "lost", &ticket),
		0);
	cluster_drain(c, by);
}

/* It hears itself, and of all others that they live. */
static void answer_for_all(struct actor *actor)
{
	struct msg heard = actor->heard, msg = {.ping = 0};

	if (msg_has(&heard, MSG_CHALLENGE)) {
		msg_add(&msg, MSG_ECHO);
		msg.echo = heard.challenge;
	}
	if (msg_has(&heard, MSG_PING)) {
		msg_add(&msg, MSG_ACK);
		msg.ack = heard.ping;
	}
	if (msg_has(&heard, MSG_PING_REQ)) {
		msg_add(&msg, MSG_RELAY);
		msg.relay = heard.ping_req;
		msg.relay_answered = true;
	}
	actor_send(actor, &actor->at, &msg);
}

/* It was away when it was revoked. A member at whose word all others live keeps that from it; the
 * datagrams of others it cannot read, nor they its own. */
static void who_hears_one_alone_that_answers_for_all_asks_the_others(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(6);
	struct endpoint at = hostile_somewhere(1);
	int away = 5;

	cluster_crash(h->c, away);
	cluster_kill(h->c, 1);
	revoke(h->c, 0, away);
	cluster_run(h->c, 30000);
	cluster_restart(h->c, away);
	actor_init(&h->actor, h->c, &h->rng, away, cluster_keys(h->c, 1), &at);
	actor_begin(&h->actor);
	for (int64_t ms = 0; ms < MISSED_MS && !is_revoked(h->c, &away); ms += 5) {
		size_t heard = h->actor.heard_count;

		cluster_run(h->c, 5);
		if (h->actor.heard_count != heard)
			answer_for_all(&h->actor);
	}
	assert_true(is_revoked(h->c, &away));
	hostile_free(h);
}

static void cut(struct cluster *c, int a, int b, bool is_cut)
{
	cluster_cut(c, a, b, is_cut);
	cluster_cut(c, b, a, is_cut);
}

/* Who revoked it became an admin without its knowing. It reaches but one member, which it has heard
 * all the time, and whose datagrams say no more than that record. */
static void who_cannot_see_by_whose_word_it_is_none_asks_over_a_stream(void **state)
{
	(void)state;
	const struct cluster_options options = {.seed = 5, .latency_max_ms = 2, .disk_ms = 1};
	struct cluster *c = cluster_new(&options);
	int admin = 1, near = 2, away = 3;
	static const uint8_t value[400];
	struct id id = {0};
	uint64_t ticket;

	cluster_mesh(c, 4);
	cluster_run(c, 5000);
	cluster_group(c, near, 1);
	cluster_group(c, away, 1);
	id = cluster_id(c, admin);
	assert_int_equal(gossip_grant(cluster_core(c, 0), cluster_node_time(c, 0), &id,
				 GOSSIP_ADMIN, &ticket),
		0);
	cluster_drain(c, 0);
	cluster_run(c, 1000);
	revoke(c, admin, away);
	cluster_run(c, 1000);
	cut(c, near, away, true);
	cluster_group(c, near, 0);
	cluster_run(c, 5000);
	cluster_group(c, near, 1);
	cut(c, near, away, false);
	/* what it says is long enough for the answer */
	for (int i = 0; i < 60 && !is_revoked(c, &away); i++) {
		uint64_t stamp;

		if (gossip_put(cluster_core(c, away), cluster_node_time(c, away), "colour", 6,
			    value, sizeof(value), &stamp, &ticket) != 0)
			break; /* it knows by now */
		cluster_drain(c, away);
		cluster_run(c, 1000);
	}
	assert_true(is_revoked(c, &away));
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_isolated_node_dials_all_its_members_in_turn),
		cmocka_unit_test(who_was_an_admin_hears_of_the_office_too),
		cmocka_unit_test(who_hears_one_alone_that_answers_for_all_asks_the_others),
		cmocka_unit_test(who_cannot_see_by_whose_word_it_is_none_asks_over_a_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
