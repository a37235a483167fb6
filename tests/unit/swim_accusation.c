/* Who is alive: accusations, confirmations and refutations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/solo.h"

static void an_accuser_counts_once_and_more_than_needed_are_no_news(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 7);
	solo_introduce(&w, 7);
	for (size_t i = 1; i <= 4; i++) {
		solo_expect_news(
			&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[i]), true);
		solo_expect_news(
			&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[i]), false);
	}
	assert_int_equal(solo_news_waiting(&w), 1 + 4);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[5]), false);
	assert_int_equal(solo_news_waiting(&w), 1 + 4);
	solo_done(&w);
}

static void an_old_statement_changes_nothing_and_is_not_passed_on(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 3);
	solo_introduce(&w, 3);
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION, 5), true);
	solo_forget_news(&w);
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION, 5), false);
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION, 4), false);
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION - 1, 9), false);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 4, &w.peers[1]), false);
	solo_expect_news(
		&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION - 1, 9, &w.peers[1]), false);
	solo_expect_state(&w, 0, SWIM_ALIVE);
	assert_true(solo_info(&w, 0).incarnation.version == 5);
	assert_int_equal(solo_news_waiting(&w), 0);

	/* dead, it stays dead by a replay of what it said alive */
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 5, &w.peers[1]), true);
	solo_wait_for(&w, 0, SWIM_DEAD, 0x06U);
	solo_forget_news(&w);
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION, 5), false);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 5, &w.peers[2]), false);
	solo_expect_state(&w, 0, SWIM_DEAD);
	assert_int_equal(solo_news_waiting(&w), 0);
	solo_done(&w);
}

static void a_later_accusation_brings_the_incarnation_that_was_missed(void **state)
{
	(void)state;
	struct solo w;
	struct swim_change change;

	solo_init(&w, 3);
	solo_introduce(&w, 3);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]), true);
	solo_wait_for(&w, 0, SWIM_DEAD, 0x06U);
	while (swim_next_change(w.swim, &change))
		;
	solo_expect_news(
		&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION + 1, 2, &w.peers[1]), true);
	solo_expect_state(&w, 0, SWIM_SUSPECT);
	assert_true(solo_info(&w, 0).incarnation.generation == SOLO_GENERATION + 1);
	assert_true(solo_info(&w, 0).incarnation.version == 2);
	/* by way of alive: dead never becomes suspect */
	assert_true(swim_next_change(w.swim, &change));
	assert_true(change.from == SWIM_DEAD && change.to == SWIM_ALIVE);
	assert_true(swim_next_change(w.swim, &change));
	assert_true(change.from == SWIM_ALIVE && change.to == SWIM_SUSPECT);
	solo_done(&w);
}

static void an_accusation_of_us_is_refuted_at_once(void **state)
{
	(void)state;
	struct solo w;
	struct statement said[2];

	solo_init(&w, 3);
	solo_introduce(&w, 3);
	solo_run(&w, 10000, SOLO_EVERYBODY);
	solo_forget_news(&w);
	assert_int_equal(solo_greeting(&w, 1, said), 0);
	struct statement s = solo_suspect(&w, &w.self, SOLO_GENERATION, 0, &w.peers[1]);
	solo_expect_news(&w, s, true);
	assert_true(swim_incarnation(w.swim).version == 1);
	assert_true(spread_has_fresh(w.spread));
	assert_int_equal(solo_news_waiting(&w), 1);
	/* the accuser is told in particular */
	assert_int_equal(solo_greeting(&w, 1, said), 1);
	assert_true(said[0].kind == STATEMENT_ALIVE && said[0].incarnation.version == 1);
	assert_int_equal(statement_verify_alive(&said[0], &w.mesh), 0);
	assert_int_equal(solo_greeting(&w, 2, said), 0);

	/* a stale one does not bump, but whoever holds it has missed our last word */
	solo_forget_news(&w);
	solo_expect_news(&w, s, true);
	assert_true(swim_incarnation(w.swim).version == 1);
	assert_int_equal(solo_news_waiting(&w), 1);
	solo_expect_news(&w, solo_suspect(&w, &w.self, SOLO_GENERATION - 1, 7, &w.peers[2]), true);
	assert_true(swim_incarnation(w.swim).version == 1);
	assert_int_equal(solo_news_waiting(&w), 1);
	solo_done(&w);
}

static void an_accuser_cannot_keep_the_mesh_busy(void **state)
{
	(void)state;
	struct solo w;
	bool news;

	solo_init(&w, 3);
	solo_introduce(&w, 3);
	solo_run(&w, 10000, SOLO_EVERYBODY);
	/* each accusation of what we said last, for ten seconds: a refutation to all each time */
	uint64_t first = swim_incarnation(w.swim).version;
	for (int i = 0; i < 1000; i++) {
		struct statement s = solo_suspect(&w, &w.self, SOLO_GENERATION,
			swim_incarnation(w.swim).version, &w.peers[1]);

		assert_int_equal(solo_receive(&w, s, &news), 0);
		w.now = mtime_add_ms(w.now, 10);
	}
	uint64_t refuted = swim_incarnation(w.swim).version - first;
	assert_in_range(refuted, 10000 / SWIM_RENEW_MS, 10000 / SWIM_RENEW_MS + SWIM_RENEW_BURST);
	/* nor by what it says of itself */
	size_t told = 0;
	for (uint64_t version = 1; version <= 1000; version++) {
		assert_int_equal(
			solo_receive(
				&w, solo_alive(&w, &w.peers[2], SOLO_GENERATION, version), &news),
			0);
		told += news;
	}
	assert_in_range(told, 1, SWIM_RENEW_BURST);
	solo_done(&w);
}

/* Everybody, over and over: each time all nodes verify, refute and tell. */
static void one_member_does_not_accuse_all_others_without_end(void **state)
{
	(void)state;
	struct solo w;
	bool news;
	size_t told = 0;

	solo_init(&w, SOLO_PEERS);
	solo_introduce(&w, SOLO_PEERS);
	for (uint64_t version = 1; version <= 4; version++) {
		for (size_t i = 1; i < SOLO_PEERS; i++) {
			struct statement s = solo_suspect(
				&w, &w.peers[i], SOLO_GENERATION, version, &w.peers[0]);

			assert_int_equal(solo_receive(&w, s, &news), 0);
			told += news;
		}
	}
	assert_in_range(told, SOLO_PEERS, 16);
	/* others do all the same */
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]), true);
	/* and so does it, after a while */
	w.now = mtime_add_ms(w.now, 1000);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[2], SOLO_GENERATION, 5, &w.peers[0]), true);
	solo_done(&w);
}

/* What is made up takes nothing from the rates at which others' words count. */
static void nobody_keeps_a_refutation_from_being_heard(void **state)
{
	(void)state;
	struct solo w;
	bool news;

	solo_init(&w, 3);
	solo_introduce(&w, 3);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]), true);
	for (uint64_t version = 2; version < 100; version++) {
		struct statement forged = solo_alive(&w, &w.peers[0], SOLO_GENERATION, version);

		forged.alive.b[0] ^= 1;
		assert_int_equal(solo_receive(&w, forged, &news), ERR_BAD_SIGNATURE);
		forged = solo_suspect(&w, &w.peers[0], SOLO_GENERATION, version, &w.peers[1]);
		forged.suspect.b[0] ^= 1;
		assert_int_equal(solo_receive(&w, forged, &news), ERR_BAD_SIGNATURE);
	}
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION, 1), true);
	solo_expect_state(&w, 0, SWIM_ALIVE);
	solo_done(&w);
}

static void nobody_keeps_us_from_refuting(void **state)
{
	(void)state;
	struct solo w;
	struct statement said[2];
	bool news;

	solo_init(&w, 3);
	solo_introduce(&w, 3);
	solo_run(&w, 10000, SOLO_EVERYBODY);
	struct statement old = solo_suspect(&w, &w.self, SOLO_GENERATION - 1, 0, &w.peers[1]);
	struct statement forged = solo_suspect(&w, &w.self, SOLO_GENERATION, 0, &w.peers[1]);
	forged.suspect.b[0] ^= 1;
	/* neither what is made up, nor what is long refuted and true */
	for (int i = 0; i < 100; i++) {
		assert_int_equal(solo_receive(&w, forged, &news), ERR_BAD_SIGNATURE);
		assert_int_equal(solo_receive(&w, old, &news), 0);
	}
	solo_expect_news(&w, solo_suspect(&w, &w.self, SOLO_GENERATION, 0, &w.peers[1]), true);
	assert_true(swim_incarnation(w.swim).version == 1);
	/* nor from telling one that has missed it, whatever others claim to have */
	solo_run(&w, 10000, SOLO_EVERYBODY);
	for (int i = 0; i < 100; i++)
		assert_int_equal(solo_receive(&w, old, &news), 0);
	assert_int_equal(solo_greeting(&w, 2, said), 0);
	assert_int_equal(
		solo_receive(&w, solo_suspect(&w, &w.self, SOLO_GENERATION, 0, &w.peers[2]), &news),
		0);
	assert_int_equal(solo_greeting(&w, 2, said), 1);
	assert_true(said[0].incarnation.version == 1);
	solo_done(&w);
}

static void who_is_expelled_accuses_nobody_any_more(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 4);
	solo_introduce(&w, 4);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]), true);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[2], SOLO_GENERATION, 0, &w.peers[1]), true);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[2], SOLO_GENERATION, 0, &w.peers[3]), true);
	solo_expect_state(&w, 0, SWIM_SUSPECT);
	swim_remove(w.swim, w.now, &w.peers[1].id);
	solo_expect_state(&w, 0, SWIM_ALIVE);
	solo_expect_state(&w, 2, SWIM_SUSPECT);
	swim_remove(w.swim, w.now, &w.peers[3].id);
	solo_expect_state(&w, 2, SWIM_ALIVE);
	solo_done(&w);
}

static void a_later_life_of_ours_is_somebody_else_with_our_key(void **state)
{
	(void)state;
	struct solo w;
	bool news;

	solo_init(&w, 2);
	solo_introduce(&w, 2);
	assert_int_equal(solo_receive(&w, solo_alive(&w, &w.self, SOLO_GENERATION + 1, 0), &news),
		ERR_STATE);
	assert_int_equal(
		solo_receive(&w, solo_suspect(&w, &w.self, SOLO_GENERATION, 1, &w.peers[0]), &news),
		ERR_STATE);
	struct statement forged = solo_alive(&w, &w.self, SOLO_GENERATION + 1, 0);
	forged.alive.b[0] ^= 1;
	assert_int_equal(solo_receive(&w, forged, &news), ERR_BAD_SIGNATURE);
	solo_expect_news(&w, solo_alive(&w, &w.self, SOLO_GENERATION, 0), false);
	solo_expect_news(&w, solo_alive(&w, &w.self, SOLO_GENERATION - 1, 5), false);
	assert_true(swim_incarnation(w.swim).generation == SOLO_GENERATION);
	assert_true(swim_incarnation(w.swim).version == 0);
	solo_done(&w);
}

static void a_ping_to_a_suspect_carries_the_suspicion(void **state)
{
	(void)state;
	struct solo w;
	struct statement said[2];

	solo_init(&w, 3);
	/* a newcomer is greeted until it has answered a ping that told it who we are */
	assert_int_equal(solo_greeting(&w, 0, said), 1);
	assert_true(id_equal(&said[0].subject, &w.self.id));
	solo_introduce(&w, 3);
	solo_run(&w, 5000, SOLO_EVERYBODY);
	assert_int_equal(solo_greeting(&w, 0, said), 0);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]), true);
	assert_int_equal(solo_greeting(&w, 0, said), 1);
	assert_true(said[0].kind == STATEMENT_SUSPECT);
	assert_true(id_equal(&said[0].accuser, &w.peers[1].id));
	assert_int_equal(statement_verify_suspect(&said[0], &w.mesh), 0);
	assert_int_equal(statement_verify_alive(&said[0], &w.mesh), 0);
	/* also when it is dead here, and both when it may have forgotten us */
	solo_wait_for(&w, 0, SWIM_DEAD, 0x06U);
	assert_int_equal(solo_greeting(&w, 0, said), 2);
	/* its refutation ends that */
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION, 1), true);
	solo_run(&w, 5000, SOLO_EVERYBODY);
	assert_int_equal(solo_greeting(&w, 0, said), 0);
	/* after a restart it must learn our incarnation again */
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION + 1, 0), true);
	assert_int_equal(solo_greeting(&w, 0, said), 1);
	size_t count = 1;
	struct pack none;
	pack_init(&none, NULL, 0);
	swim_greet(w.swim, &w.stranger.id, &none, &count);
	assert_int_equal(count, 0);
	solo_done(&w);
}

static void who_never_spoke_is_never_accused(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 4);
	/* 1, 2 and 3 are there; 0 may never have been */
	for (size_t i = 1; i < 4; i++) {
		swim_heard(w.swim, w.now, &w.peers[i].id);
		solo_expect_news(&w, solo_alive(&w, &w.peers[i], SOLO_GENERATION, 0), false);
	}
	solo_forget_news(&w);
	solo_wait_for(&w, 0, SWIM_DEAD, 0x0eU);
	assert_int_equal(solo_news_waiting(&w), 0);
	/* a packet of it is enough to believe in it again */
	swim_heard(w.swim, w.now, &w.peers[0].id);
	solo_expect_state(&w, 0, SWIM_ALIVE);
	/* once it has said what incarnation it is, it is accused by that when it goes */
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION, 0), false);
	solo_wait_for(&w, 0, SWIM_SUSPECT, 0x0eU);
	assert_int_equal(solo_news_waiting(&w), 1);
	solo_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_accuser_counts_once_and_more_than_needed_are_no_news),
		cmocka_unit_test(an_old_statement_changes_nothing_and_is_not_passed_on),
		cmocka_unit_test(a_later_accusation_brings_the_incarnation_that_was_missed),
		cmocka_unit_test(an_accusation_of_us_is_refuted_at_once),
		cmocka_unit_test(an_accuser_cannot_keep_the_mesh_busy),
		cmocka_unit_test(one_member_does_not_accuse_all_others_without_end),
		cmocka_unit_test(nobody_keeps_a_refutation_from_being_heard),
		cmocka_unit_test(nobody_keeps_us_from_refuting),
		cmocka_unit_test(who_is_expelled_accuses_nobody_any_more),
		cmocka_unit_test(a_later_life_of_ours_is_somebody_else_with_our_key),
		cmocka_unit_test(a_ping_to_a_suspect_carries_the_suspicion),
		cmocka_unit_test(who_never_spoke_is_never_accused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
