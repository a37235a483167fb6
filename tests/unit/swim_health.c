/* Who is alive: a node doubts itself before it doubts others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gossip/swim/health.h"
#include "gossip/swim/suspicion.h"
#include "tests/support/solo.h"

static void who_hears_nobody_accuses_nobody(void **state)
{
	(void)state;
	struct solo w;
	struct statement said[2];

	solo_init(&w, SOLO_PEERS);
	solo_introduce(&w, SOLO_PEERS);
	solo_run(&w, 20000, SOLO_EVERYBODY);
	solo_forget_news(&w);
	/* our cable is pulled: after two periods it is us, whatever the probes say */
	solo_run(&w, 3000, SOLO_NOBODY);
	size_t accused = solo_news_waiting(&w);
	assert_true(accused <= 2);
	for (size_t i = 0; i < SOLO_PEERS; i++)
		solo_wait_for(&w, i, SWIM_DEAD, SOLO_NOBODY);
	assert_int_equal(solo_news_waiting(&w), accused);
	/* and when it is plugged in again, most are back at the first packet */
	size_t silent = 0;
	for (size_t i = 0; i < SOLO_PEERS; i++) {
		bool blamed = false;
		size_t count = solo_greeting(&w, i, said);

		for (size_t k = 0; k < count; k++)
			blamed |= said[k].kind == STATEMENT_SUSPECT;
		swim_heard(w.swim, w.now, &w.peers[i].id);
		assert_int_equal(solo_info(&w, i).state == SWIM_ALIVE, !blamed);
		silent += !blamed;
	}
	assert_true(silent >= SOLO_PEERS - 2);
	solo_done(&w);
}

static void a_pause_of_ours_accuses_nobody(void **state)
{
	(void)state;
	struct solo w;
	struct swim_change change;

	solo_init(&w, 4);
	solo_introduce(&w, 4);
	solo_run(&w, 10000, SOLO_EVERYBODY);
	/* in the middle of a probe, and of a suspicion that has nearly run out */
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]), true);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[2]), true);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[3]), true);
	solo_run(&w, 3500, SOLO_EVERYBODY);
	w.now = swim_deadline(w.swim);
	swim_tick(w.swim, w.now);
	while (swim_next_change(w.swim, &change))
		;
	solo_forget_news(&w);
	w.now = mtime_add_ms(w.now, 3600000);
	for (int i = 0; i < 10 && mtime_reached(w.now, swim_deadline(w.swim)); i++)
		swim_tick(w.swim, w.now);
	assert_false(swim_next_change(w.swim, &change));
	/* only that we are back */
	assert_int_equal(solo_news_waiting(&w), 1);
	assert_int_equal(swim_incarnation(w.swim).version, 1);
	/* what came meanwhile is read now, and counts */
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION, 1), true);
	solo_run(&w, 20000, SOLO_EVERYBODY);
	for (size_t i = 0; i < 4; i++)
		solo_expect_state(&w, i, SWIM_ALIVE);
	/* the clock runs on from there: without an answer there is a verdict again */
	solo_wait_for(&w, 2, SWIM_SUSPECT, 0x0bU);
	solo_done(&w);
}

/* A host that is always late still probes, only its verdicts wait. */
static void a_node_that_is_always_late_goes_on_pinging(void **state)
{
	(void)state;
	struct solo w;
	size_t pings = 0;

	solo_init(&w, 3);
	solo_introduce(&w, 3);
	for (int i = 0; i < 100; i++) {
		w.now = mtime_add_ms(swim_deadline(w.swim), i % 2 ? 700 : 0);
		swim_tick(w.swim, w.now);
		pings += solo_answer(&w, SOLO_NOBODY).pings;
	}
	assert_true(pings >= 30);
	solo_done(&w);
}

/* How long it waits for the answer to its next probe's ping. */
static int64_t next_timeout_ms(struct solo *w)
{
	struct swim_action action;

	solo_answer(w, SOLO_EVERYBODY);
	for (;;) {
		w->now = swim_deadline(w->swim);
		swim_tick(w->swim, w->now);
		while (swim_next_action(w->swim, &action)) {
			if (action.kind != SWIM_PING ||
				solo_info(w, solo_peer_number(w, &action.to)).state == SWIM_DEAD)
				continue; /* a helper; redialled */
			int64_t ms = mtime_diff_ms(swim_deadline(w->swim), w->now);

			swim_ack_received(w->swim, w->now, &action.to, action.sequence);
			return ms;
		}
	}
}

/* Lifeguard's local health: a failed probe, and each helper that is silent, costs a notch. */
static void missing_nacks_slow_us_and_answers_mend_it(void **state)
{
	(void)state;
	struct solo w;

	solo_init_as(&w, 6, &swim_lifeguard);
	solo_introduce(&w, 6);
	assert_int_equal(next_timeout_ms(&w), SWIM_TIMEOUT_MS);
	health_probe_failed(w.swim, 3, 3);
	assert_int_equal(next_timeout_ms(&w), 2 * SWIM_TIMEOUT_MS);
	assert_int_equal(next_timeout_ms(&w), SWIM_TIMEOUT_MS);
	/* one without any answer at all */
	solo_run(&w, 1900, SOLO_NOBODY);
	for (int left = 5; left >= 1; left--)
		assert_int_equal(next_timeout_ms(&w), left * SWIM_TIMEOUT_MS);
	/* never more than nine times */
	for (int i = 0; i < 5; i++)
		health_probe_failed(w.swim, SWIM_INDIRECT, 0);
	assert_int_equal(next_timeout_ms(&w), (HEALTH_MAX + 1) * SWIM_TIMEOUT_MS);
	solo_done(&w);
}

/* In ours a member that is really gone is no sign of bad health. */
static void a_member_that_is_gone_does_not_slow_us(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 6);
	solo_introduce(&w, 6);
	solo_run(&w, 10000, SOLO_EVERYBODY);
	solo_wait_for(&w, 0, SWIM_DEAD, SOLO_EVERYBODY & ~1U);
	assert_int_equal(health_scaled(w.swim, 1), 1);
	/* where helpers are silent it is */
	w.helpers = SOLO_NOBODY;
	size_t slow = 0;
	for (int i = 0; i < 100; i++) {
		solo_run(&w, 100, SOLO_EVERYBODY & ~2U);
		swim_heard(w.swim, w.now, &w.peers[2].id);
		slow += health_scaled(w.swim, 1) > 1;
	}
	assert_true(slow > 0);
	solo_done(&w);
}

static void a_liar_slows_us_by_a_notch_at_most(void **state)
{
	(void)state;
	struct solo w;
	bool news;

	solo_init(&w, 6);
	solo_introduce(&w, 6);
	solo_run(&w, 10000, SOLO_EVERYBODY);
	for (int i = 0; i < 200; i++) {
		struct statement s = solo_suspect(&w, &w.self, SOLO_GENERATION,
			swim_incarnation(w.swim).version, &w.peers[i % 6]);

		assert_int_equal(solo_receive(&w, s, &news), 0);
		solo_run(&w, 300, SOLO_EVERYBODY);
	}
	assert_true(swim_incarnation(w.swim).version > 50);
	assert_true(health_scaled(w.swim, 1) <= 2);
	solo_done(&w);
}

static void what_was_thought_in_solitude_does_not_count(void **state)
{
	(void)state;
	struct solo w;
	size_t suspects = 0;

	solo_init(&w, SOLO_PEERS);
	solo_introduce(&w, SOLO_PEERS);
	solo_run(&w, 20000, SOLO_EVERYBODY);
	solo_forget_news(&w);
	solo_run(&w, 15000, SOLO_NOBODY);
	for (size_t i = 0; i < SOLO_PEERS; i++)
		suspects += solo_info(&w, i).state == SWIM_SUSPECT;
	assert_true(suspects >= 2);
	assert_int_equal(solo_news_waiting(&w), 0);
	/* somebody is heard: nobody is doubted for what was not heard before */
	swim_heard(w.swim, w.now, &w.peers[3].id);
	for (size_t i = 0; i < SOLO_PEERS; i++)
		solo_expect_state(&w, i, SWIM_ALIVE);
	solo_done(&w);
}

/* Accused before our cable was pulled, and its refutation was lost on us: it has the minimum again.
 */
static void an_accused_has_time_when_we_are_back(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, SOLO_PEERS);
	solo_introduce(&w, SOLO_PEERS);
	solo_run(&w, 20000, SOLO_EVERYBODY);
	for (size_t i = 1; i <= 4; i++)
		solo_expect_news(
			&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[i]), true);
	solo_run(&w, 30000, SOLO_NOBODY);
	solo_expect_state(&w, 0, SWIM_SUSPECT);
	swim_heard(w.swim, w.now, &w.peers[3].id);
	struct solo_sent sent = solo_run(&w, 2300, SOLO_EVERYBODY & ~1U);
	solo_expect_state(&w, 0, SWIM_SUSPECT);
	assert_true(sent.pings_to[0] > 0); /* it is asked first, and so hears of it */
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION, 1), true);
	solo_expect_state(&w, 0, SWIM_ALIVE);
	solo_done(&w);
}

/* Its status comes to say so in the end, a minute after it heard the last of them. */
static void an_isolated_node_sees_the_others_dead_at_last(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 4);
	solo_introduce(&w, 4);
	solo_run(&w, 20000, SOLO_EVERYBODY);
	for (size_t i = 0; i < 4; i++) {
		int64_t ms = solo_wait_for(&w, i, SWIM_DEAD, SOLO_NOBODY);

		if (i == 0)
			assert_in_range(ms, SUSPICION_ALONE_MS - 2000, SUSPICION_ALONE_MS + 5000);
	}
	solo_done(&w);
}

/* Two nodes have only each other: one that hears nobody may well say that the other is gone. */
static void of_two_nodes_none_is_alone(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 1);
	solo_introduce(&w, 1);
	solo_run(&w, 20000, SOLO_EVERYBODY);
	assert_in_range(solo_wait_for(&w, 0, SWIM_DEAD, SOLO_NOBODY), 2500, 6000);
	solo_done(&w);
}

/* Our cable was pulled when we asked; it is in again when nothing came of it. */
static void a_stream_tried_in_solitude_accuses_nobody(void **state)
{
	(void)state;
	struct solo w;
	struct swim_action action = {.kind = SWIM_PING};

	solo_init(&w, SOLO_PEERS);
	solo_introduce(&w, SOLO_PEERS);
	solo_run(&w, 20000, SOLO_EVERYBODY);
	solo_forget_news(&w);
	while (action.kind != SWIM_CHECK) {
		w.now = swim_deadline(w.swim);
		swim_tick(w.swim, w.now);
		while (swim_next_action(w.swim, &action) && action.kind != SWIM_CHECK)
			;
	}
	size_t target = solo_peer_number(&w, &action.to);
	enum swim_state before = solo_info(&w, target).state;
	swim_heard(w.swim, w.now, &w.peers[(target + 1) % SOLO_PEERS].id);
	swim_checked(w.swim, w.now, &action.to, SWIM_CHECK_FAILED);
	assert_true(before == SWIM_ALIVE);
	solo_expect_state(&w, target, SWIM_ALIVE);
	assert_int_equal(solo_news_waiting(&w), 0);
	solo_done(&w);
}

/* In bad health it probes seldom, and may not have noticed yet that it is cut off. */
static void a_suspicion_ends_only_where_others_are_heard(void **state)
{
	(void)state;
	struct swim_mechanisms mechanisms = swim_mesh;

	mechanisms.volunteers = 0; /* nothing makes it look earlier */
	for (int cut = 0; cut < 2; cut++) {
		struct solo w;
		struct swim_change change;

		solo_init_as(&w, SOLO_PEERS, &mechanisms);
		solo_introduce(&w, SOLO_PEERS);
		solo_run(&w, 20000, SOLO_EVERYBODY);
		for (int i = 0; i < 3; i++)
			health_probe_failed(w.swim, SWIM_INDIRECT, 0);
		while (swim_next_change(w.swim, &change))
			;
		/* its next period is long, and its ping is answered */
		while (solo_run(&w, 10, SOLO_EVERYBODY).pings == 0)
			;
		w.check = SWIM_CHECK_SILENT;
		for (size_t i = 1; i <= 4; i++)
			solo_expect_news(&w,
				solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[i]),
				true);
		solo_run(&w, 2400, SOLO_NOBODY);
		solo_expect_state(&w, 0, SWIM_SUSPECT);
		solo_run(&w, 6000, cut ? SOLO_NOBODY : SOLO_EVERYBODY & ~1U);
		solo_expect_state(&w, 0, cut ? SWIM_SUSPECT : SWIM_DEAD);
		solo_done(&w);
	}
}

/* Of less than the two periods after which it would find itself alone. */
static void a_short_pause_is_noticed_too(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 6);
	solo_introduce(&w, 6);
	solo_run(&w, 10000, SOLO_EVERYBODY);
	w.check = SWIM_CHECK_SILENT;
	for (size_t i = 1; i <= 4; i++)
		solo_expect_news(
			&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[i]), true);
	solo_run(&w, 2300, SOLO_EVERYBODY & ~1U);
	solo_expect_state(&w, 0, SWIM_SUSPECT);
	/* its time ends while we stand still, its refutation waits */
	w.now = mtime_add_ms(w.now, 900);
	swim_tick(w.swim, w.now);
	solo_expect_state(&w, 0, SWIM_SUSPECT);
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION, 1), true);
	solo_expect_state(&w, 0, SWIM_ALIVE);
	solo_done(&w);
}

static void who_was_away_for_long_says_that_it_is_back(void **state)
{
	(void)state;
	static const struct {
		int64_t ms;
		bool says;
	} silences[] = {{10000, false}, {25000, true}};

	for (size_t i = 0; i < ARRAY_SIZE(silences); i++) {
		struct solo w;

		solo_init(&w, SOLO_PEERS);
		solo_introduce(&w, SOLO_PEERS);
		solo_run(&w, 20000, SOLO_EVERYBODY);
		solo_run(&w, silences[i].ms, SOLO_NOBODY);
		solo_forget_news(&w);
		swim_heard(w.swim, w.now, &w.peers[3].id);
		assert_int_equal(swim_incarnation(w.swim).version, silences[i].says);
		assert_int_equal(solo_news_waiting(&w), silences[i].says);
		/* once: what it hears next is nothing new */
		swim_heard(w.swim, w.now, &w.peers[4].id);
		assert_int_equal(swim_incarnation(w.swim).version, silences[i].says);
		solo_done(&w);
	}
}

/* Where nearly all is lost: somebody is heard now and then, by a ping of its own. */
static void hear_one(struct solo *w, size_t peer, int64_t silence_ms)
{
	solo_run(w, silence_ms, SOLO_NOBODY);
	swim_ping_received(w->swim, w->now, &w->peers[peer].id, 1);
	solo_answer(w, SOLO_NOBODY);
}

static void in_rough_times_only_who_is_missed_is_held_dead(void **state)
{
	(void)state;
	enum { MEMBERS = 6, GONE = 0 };
	struct solo w;
	size_t heard = 0;

	solo_init(&w, MEMBERS);
	solo_introduce(&w, MEMBERS);
	w.check = SWIM_CHECK_FAILED;
	solo_run(&w, 20000, SOLO_EVERYBODY);
	for (int i = 0; i < 3; i++)
		hear_one(&w, 1, 4000);
	assert_true(health_is_rough(w.swim, w.now));
	for (size_t i = 1; i <= 4; i++)
		solo_expect_news(&w,
			solo_suspect(&w, &w.peers[GONE], SOLO_GENERATION, 0, &w.peers[i]), true);
	/* four accusers; all the others are heard, six times each */
	for (; heard < 6 * (MEMBERS - 1); heard++) {
		hear_one(&w, 1 + heard % (MEMBERS - 1), 3000);
		assert_true(solo_info(&w, GONE).state != SWIM_DEAD);
	}
	for (; heard < 2 * SUSPICION_MISSED_TIMES * MEMBERS; heard++)
		hear_one(&w, 1 + heard % (MEMBERS - 1), 3000);
	for (size_t i = 0; i < MEMBERS; i++)
		assert_int_equal(solo_info(&w, i).state == SWIM_DEAD, i == GONE);
	solo_done(&w);
}

static void who_calls_without_end_makes_us_miss_nobody(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 6);
	solo_introduce(&w, 6);
	solo_run(&w, 20000, SOLO_EVERYBODY);
	for (int i = 0; i < 1000; i++) {
		solo_run(&w, 10, SOLO_NOBODY);
		swim_ping_received(w.swim, w.now, &w.peers[1].id, 1);
	}
	for (size_t i = 0; i < 6; i++)
		assert_false(suspicion_is_missed(w.swim, member_find(w.swim, &w.peers[i].id)));
	solo_done(&w);
}

static void who_is_alone_once_is_in_no_rough_times(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 6);
	solo_introduce(&w, 6);
	solo_run(&w, 20000, SOLO_EVERYBODY);
	for (int i = 0; i < 3; i++) {
		hear_one(&w, 1, 10000);
		assert_false(health_is_rough(w.swim, w.now));
		solo_run(&w, HEALTH_LONELY_MS, SOLO_EVERYBODY);
	}
	hear_one(&w, 1, 10000);
	hear_one(&w, 2, 10000);
	assert_true(health_is_rough(w.swim, w.now));
	solo_run(&w, HEALTH_ROUGH_MS, SOLO_EVERYBODY);
	assert_false(health_is_rough(w.swim, w.now));
	solo_done(&w);
}

/* The second member that should live came back by others' word, when nobody was heard any more. */
static void company_that_comes_late_is_asked_before_any_verdict(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 2);
	solo_introduce(&w, 1);
	solo_expect_news(&w, solo_alive(&w, &w.peers[1], SOLO_GENERATION, 0), false);
	solo_wait_for(&w, 1, SWIM_DEAD, 0x01U);
	solo_run(&w, 5000, 0x01U);
	swim_heard(w.swim, w.now, &w.peers[0].id);
	solo_expect_news(&w, solo_alive(&w, &w.peers[1], SOLO_GENERATION, 1), true);
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]), true);
	solo_run(&w, 10000, SOLO_NOBODY);
	solo_expect_state(&w, 0, SWIM_SUSPECT);
	solo_done(&w);
}

/* It is known whether others hear us before it matters. */
static void who_hears_nobody_asks_at_growing_gaps(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 6);
	solo_introduce(&w, 6);
	solo_run(&w, 20000, SOLO_EVERYBODY);
	assert_true(solo_run(&w, 3000, SOLO_NOBODY).pings >= SWIM_INDIRECT);
	solo_run(&w, 27000, SOLO_NOBODY);
	/* at 34 and 51 s, beside two for each of its own probes */
	assert_in_range(solo_run(&w, 30000, SOLO_NOBODY).pings, 10, 2 * 30 + 3 * SWIM_INDIRECT);
	solo_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_hears_nobody_accuses_nobody),
		cmocka_unit_test(a_pause_of_ours_accuses_nobody),
		cmocka_unit_test(a_node_that_is_always_late_goes_on_pinging),
		cmocka_unit_test(missing_nacks_slow_us_and_answers_mend_it),
		cmocka_unit_test(a_member_that_is_gone_does_not_slow_us),
		cmocka_unit_test(a_liar_slows_us_by_a_notch_at_most),
		cmocka_unit_test(what_was_thought_in_solitude_does_not_count),
		cmocka_unit_test(an_accused_has_time_when_we_are_back),
		cmocka_unit_test(an_isolated_node_sees_the_others_dead_at_last),
		cmocka_unit_test(of_two_nodes_none_is_alone),
		cmocka_unit_test(a_stream_tried_in_solitude_accuses_nobody),
		cmocka_unit_test(a_suspicion_ends_only_where_others_are_heard),
		cmocka_unit_test(a_short_pause_is_noticed_too),
		cmocka_unit_test(who_was_away_for_long_says_that_it_is_back),
		cmocka_unit_test(in_rough_times_only_who_is_missed_is_held_dead),
		cmocka_unit_test(who_calls_without_end_makes_us_miss_nobody),
		cmocka_unit_test(who_is_alone_once_is_in_no_rough_times),
		cmocka_unit_test(company_that_comes_late_is_asked_before_any_verdict),
		cmocka_unit_test(who_hears_nobody_asks_at_growing_gaps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
