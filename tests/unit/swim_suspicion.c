/* Who is alive: from a suspicion to its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gossip/swim/probe.h"
#include "gossip/swim/suspicion.h"
#include "tests/support/solo.h"

static void the_timeout_is_lifeguards(void **state)
{
	(void)state;
	const struct swim_mechanisms *l = &swim_lifeguard;

	/* alpha * max(1, log10 n) * 1 s, times beta without confirmations */
	assert_int_equal(suspicion_timeout_ms(l, 5, 3, 0), 30000);
	assert_int_equal(suspicion_timeout_ms(l, 5, 3, 3), 5000);
	assert_int_equal(suspicion_timeout_ms(l, 100, 98, 0), 60000);
	assert_int_equal(suspicion_timeout_ms(l, 100, 98, 3), 10000);
	/* 30000 - 25000 * ln 2 / ln 4 */
	assert_int_equal(suspicion_timeout_ms(l, 5, 3, 1), 17500);
	/* whom nobody can confirm has the minimum; one other member is all it takes among three */
	assert_int_equal(suspicion_timeout_ms(l, 2, 0, 0), 5000);
	assert_int_equal(suspicion_timeout_ms(l, 3, 1, 0), 30000);
	assert_int_equal(suspicion_timeout_ms(l, 3, 1, 1), 5000);
	for (size_t i = 0; i < 3; i++)
		assert_true(suspicion_timeout_ms(l, 1000, 900, i) >
			    suspicion_timeout_ms(l, 1000, 900, i + 1));
	/* SWIM's own takes no notice of confirmations */
	assert_int_equal(suspicion_timeout_ms(&swim_classic, 100, 98, 0), 10000);
	assert_int_equal(suspicion_timeout_ms(&swim_classic, 100, 98, 3), 10000);
	/* ours is as short as is safe, whatever the size of the mesh: 2.5 s, and 3.75 for 1,000 */
	assert_int_equal(suspicion_timeout_ms(&swim_mesh, 5, 3, 0), 15000);
	assert_int_equal(suspicion_timeout_ms(&swim_mesh, 5, 3, 3), 2500);
	assert_int_equal(suspicion_timeout_ms(&swim_mesh, 1000, 998, 3), 3750);
}

/* From the first accusation of peer 0, which does not refute it; its daemon hangs, so that we do
 * not confirm. */
static int64_t time_to_die(size_t accusers)
{
	struct solo w;

	solo_init(&w, 6);
	solo_introduce(&w, 6);
	w.check = SWIM_CHECK_SILENT;
	for (size_t i = 1; i <= accusers; i++)
		solo_expect_news(
			&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[i]), true);
	int64_t ms = solo_wait_for(&w, 0, SWIM_DEAD, SOLO_EVERYBODY & ~1U);

	solo_done(&w);
	return ms;
}

static void independent_confirmations_shorten_a_suspicion(void **state)
{
	(void)state;
	int64_t alone = time_to_die(1), two = time_to_die(2), three = time_to_die(3),
		four = time_to_die(4);

	assert_in_range(alone, 14900, 15500);
	assert_in_range(two, 8700, 9200);
	assert_true(three < two && four < three);
	assert_in_range(four, 2400, 3000);
}

static void wireguard_traffic_delays_an_accusation(void **state)
{
	(void)state;
	int64_t without, with;
	struct solo w;

	solo_init(&w, 2);
	solo_introduce(&w, 2);
	without = solo_wait_for(&w, 0, SWIM_SUSPECT, 0x02U);
	solo_done(&w);
	solo_init(&w, 2);
	solo_introduce(&w, 2);
	mtime_t start = w.now;
	while (solo_info(&w, 0).state == SWIM_ALIVE) {
		solo_run(&w, 100, 0x02U);
		swim_evidence(w.swim, w.now, &w.peers[0].id);
	}
	with = mtime_diff_ms(w.now, start);
	/* two more turns of one to three periods each, and not for ever: its daemon is gone */
	assert_in_range(with - without, 1900, 6100);
	solo_done(&w);
}

/* Its host takes the stream, and it says nothing: nobody is accused for that, for a while. */
static void a_stuck_daemon_is_accused_late(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 6);
	solo_introduce(&w, 6);
	w.check = SWIM_CHECK_SILENT;
	int64_t suspected_ms = solo_wait_for(&w, 0, SWIM_SUSPECT, SOLO_EVERYBODY & ~1U);
	assert_true(suspected_ms < 10000);
	solo_forget_news(&w);
	mtime_t since = w.now;
	while (solo_news_waiting(&w) == 0)
		solo_run(&w, 100, SOLO_EVERYBODY & ~1U);
	assert_in_range(mtime_diff_ms(w.now, since), SUSPICION_SILENT_MS,
		SUSPICION_SILENT_MS + 2 * SUSPICION_AGAIN_MS);
	solo_expect_state(&w, 0, SWIM_SUSPECT);
	solo_wait_for(&w, 0, SWIM_DEAD, SOLO_EVERYBODY & ~1U);
	solo_done(&w);
}

/* 33 s is the longest anomaly of Lifeguard's experiment; and again at once. */
static void a_daemon_that_wakes_now_and_then_is_never_accused(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 6);
	solo_introduce(&w, 6);
	solo_run(&w, 5000, SOLO_EVERYBODY);
	solo_forget_news(&w);
	w.check = SWIM_CHECK_SILENT;
	for (int i = 0; i < 5; i++) {
		solo_wait_for(&w, 0, SWIM_SUSPECT, SOLO_EVERYBODY & ~1U);
		solo_run(&w, 33000, SOLO_EVERYBODY & ~1U);
		solo_expect_state(&w, 0, SWIM_SUSPECT);
		swim_heard(w.swim, w.now, &w.peers[0].id);
		solo_expect_state(&w, 0, SWIM_ALIVE);
	}
	assert_int_equal(solo_news_waiting(&w), 0);
	solo_done(&w);
}

/* A stream that is refused says for certain that it is gone: no need to wait for the period's end.
 */
static void a_refused_stream_is_a_verdict_at_once(void **state)
{
	(void)state;
	int64_t ms[2];

	for (int refused = 0; refused < 2; refused++) {
		struct solo w;

		solo_init(&w, 2);
		solo_introduce(&w, 2);
		solo_run(&w, 5000, SOLO_EVERYBODY);
		w.check = refused ? SWIM_CHECK_FAILED : SWIM_CHECK_SILENT;
		ms[refused] = solo_wait_for(&w, 0, SWIM_SUSPECT, SOLO_EVERYBODY & ~1U);
		solo_done(&w);
	}
	assert_in_range(ms[0] - ms[1], 300, 900);
}

/* Others say that it is gone, and it speaks to us. */
static void whoever_is_heard_is_not_held_dead(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 7);
	solo_introduce(&w, 7);
	for (size_t i = 1; i <= 4; i++)
		solo_expect_news(
			&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[i]), true);
	for (int i = 0; i < 20; i++) {
		solo_run(&w, 1000, SOLO_EVERYBODY);
		swim_heard(w.swim, w.now, &w.peers[0].id);
		solo_expect_state(&w, 0, SWIM_SUSPECT); /* their word stands until it refutes it */
	}
	w.check = SWIM_CHECK_SILENT;
	assert_in_range(solo_wait_for(&w, 0, SWIM_DEAD, SOLO_EVERYBODY & ~1U), 2400, 3200);
	solo_done(&w);
}

/* A minimum of 2.5 s is for those whose word travels in milliseconds. */
static void far_meshes_have_longer_to_refute(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 6);
	solo_introduce(&w, 6);
	/* each ack takes 600 ms */
	for (int i = 0; i < 40; i++) {
		struct swim_action action;

		w.now = swim_deadline(w.swim);
		swim_tick(w.swim, w.now);
		while (swim_next_action(w.swim, &action)) {
			if (action.kind == SWIM_PING)
				swim_ack_received(w.swim, mtime_add_ms(w.now, 600), &action.to,
					action.sequence);
		}
	}
	w.check = SWIM_CHECK_SILENT;
	for (size_t i = 1; i <= 4; i++)
		solo_expect_news(
			&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[i]), true);
	/* three hops there and three back, twice, and its own way */
	int64_t ms = solo_wait_for(&w, 0, SWIM_DEAD, SOLO_EVERYBODY & ~1U);
	assert_in_range(ms, 2500 + 2 * 2 * 600, 2500 + 2 * 4 * 600 + PROBE_TIMEOUT_MAX_MS);
	solo_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_timeout_is_lifeguards),
		cmocka_unit_test(independent_confirmations_shorten_a_suspicion),
		cmocka_unit_test(wireguard_traffic_delays_an_accusation),
		cmocka_unit_test(a_stuck_daemon_is_accused_late),
		cmocka_unit_test(a_daemon_that_wakes_now_and_then_is_never_accused),
		cmocka_unit_test(a_refused_stream_is_a_verdict_at_once),
		cmocka_unit_test(whoever_is_heard_is_not_held_dead),
		cmocka_unit_test(far_meshes_have_longer_to_refute),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
