/* Who is alive: whom it asks, when, and by which ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gossip/swim/member.h"
#include "gossip/swim/probe.h"
#include "gossip/swim/relay.h"
#include "tests/support/solo.h"

static void idle_is_one_ping_a_second(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, SOLO_PEERS);
	solo_introduce(&w, SOLO_PEERS);
	struct solo_sent sent = solo_run(&w, 160000, SOLO_EVERYBODY);
	assert_in_range(sent.pings, 158, 161);
	assert_int_equal(sent.requests + sent.relays + sent.acks, 0);
	/* in turn: nobody is left out, nobody is favoured */
	for (size_t i = 0; i < SOLO_PEERS; i++)
		assert_in_range(sent.pings_to[i], 19, 21);
	for (size_t i = 0; i < SOLO_PEERS; i++)
		assert_true(solo_info(&w, i).rtt_us > 0);
	solo_done(&w);
}

static void a_ping_that_was_asked_for_tells_its_round_trip_and_judges_nobody(void **state)
{
	(void)state;
	struct solo w;
	struct swim_action action;
	struct swim_pong pong;
	uint64_t sequence, other;
	const struct id nobody = {{7}};

	solo_init(&w, 3);
	solo_introduce(&w, 3);
	assert_int_equal(swim_ping(w.swim, w.now, &nobody, &sequence), ERR_UNKNOWN);
	assert_int_equal(swim_ping(w.swim, w.now, &w.peers[1].id, &sequence), 0);
	assert_true(swim_next_action(w.swim, &action));
	assert_true(action.kind == SWIM_PING && id_equal(&action.to, &w.peers[1].id));
	assert_true(action.sequence == sequence);
	assert_false(swim_next_pong(w.swim, &pong));
	w.now = mtime_add_ms(w.now, 30);
	/* neither another's answer nor one to another ping */
	swim_ack_received(w.swim, w.now, &w.peers[2].id, sequence);
	swim_ack_received(w.swim, w.now, &w.peers[1].id, sequence + 1);
	assert_false(swim_next_pong(w.swim, &pong));
	swim_ack_received(w.swim, w.now, &w.peers[1].id, sequence);
	assert_true(swim_next_pong(w.swim, &pong));
	assert_true(id_equal(&pong.id, &w.peers[1].id) && pong.sequence == sequence);
	assert_int_equal(pong.rtt_us, 30000);
	assert_false(swim_next_pong(w.swim, &pong));
	swim_ack_received(w.swim, w.now, &w.peers[1].id, sequence);
	assert_false(swim_next_pong(w.swim, &pong));
	/* the oldest is forgotten, and nobody is suspected for one that is not answered */
	for (size_t i = 0; i <= SWIM_ASKED_MAX; i++)
		assert_int_equal(
			swim_ping(w.swim, w.now, &w.peers[1].id, i ? &other : &sequence), 0);
	swim_ack_received(w.swim, w.now, &w.peers[1].id, sequence);
	assert_false(swim_next_pong(w.swim, &pong));
	solo_run(&w, 20000, SOLO_EVERYBODY);
	solo_expect_state(&w, 1, SWIM_ALIVE);
	assert_int_equal(swim_counters(w.swim)[SWIM_COUNT_SUSPICIONS], 0);
	solo_done(&w);
}

static void what_is_probed_and_concluded_is_counted(void **state)
{
	(void)state;
	struct solo w;
	const uint64_t *counts;

	solo_init(&w, SOLO_PEERS);
	solo_introduce(&w, SOLO_PEERS);
	counts = swim_counters(w.swim);
	solo_run(&w, 20000, SOLO_EVERYBODY);
	assert_in_range(counts[SWIM_COUNT_PROBES], 19, 21);
	assert_int_equal(counts[SWIM_COUNT_PROBES_FAILED] + counts[SWIM_COUNT_SUSPICIONS], 0);
	assert_in_range(histogram_count(swim_round_trips(w.swim)), 18, 21);
	solo_run(&w, 200000, SOLO_NOBODY);
	assert_true(counts[SWIM_COUNT_PROBES_INDIRECT] > 0);
	assert_true(counts[SWIM_COUNT_PROBES_FAILED] > 0);
	assert_true(counts[SWIM_COUNT_SUSPICIONS] >= counts[SWIM_COUNT_DEATHS]);
	assert_true(counts[SWIM_COUNT_DEATHS] > 0);
	solo_run(&w, 200000, SOLO_EVERYBODY);
	assert_int_equal(counts[SWIM_COUNT_REVIVALS], counts[SWIM_COUNT_DEATHS]);
	solo_done(&w);
}

static void an_unanswered_ping_goes_through_others(void **state)
{
	(void)state;
	struct solo w;
	struct swim_action action;
	size_t asked = 0;

	solo_init(&w, 6);
	solo_introduce(&w, 6);
	w.now = swim_deadline(w.swim);
	swim_tick(w.swim, w.now);
	assert_true(swim_next_action(w.swim, &action));
	assert_int_equal(action.kind, SWIM_PING);
	const struct id target = action.to;
	uint64_t sequence = action.sequence;
	assert_int_equal(mtime_diff_ms(swim_deadline(w.swim), w.now), SWIM_TIMEOUT_MS);
	w.now = swim_deadline(w.swim);
	swim_tick(w.swim, w.now);
	struct id helper = {{0}};
	while (swim_next_action(w.swim, &action)) {
		if (action.kind == SWIM_PING) {
			assert_true(id_equal(&action.to, &target));
			continue;
		}
		assert_int_equal(action.kind, SWIM_PING_REQ);
		assert_true(id_equal(&action.target, &target));
		assert_true(action.sequence == sequence);
		assert_false(id_equal(&action.to, &target));
		helper = action.to;
		asked++;
	}
	assert_int_equal(asked, SWIM_INDIRECT);
	/* a nack is no answer, nor is one that was not asked for */
	swim_relay_received(w.swim, w.now, &helper, sequence, false);
	swim_relay_received(w.swim, w.now, &helper, sequence + 100, true);
	swim_relay_received(w.swim, w.now, &target, sequence, true);
	w.now = mtime_add_ms(w.now, 100);
	swim_relay_received(w.swim, w.now, &helper, sequence, true);
	/* so that the target, though it was never reached, is not suspected in the next period */
	solo_run(&w, 600, SOLO_EVERYBODY);
	solo_expect_state(&w, solo_peer_number(&w, &target), SWIM_ALIVE);
	solo_done(&w);
}

static void a_helper_relays_the_answer_or_its_absence(void **state)
{
	(void)state;
	struct solo w;
	struct swim_action action;

	solo_init(&w, 3);
	solo_introduce(&w, 3);
	const struct id *asker = &w.peers[0].id, *target = &w.peers[1].id;
	swim_ping_req_received(w.swim, w.now, asker, 77, target);
	assert_true(swim_next_action(w.swim, &action));
	assert_true(action.kind == SWIM_PING && id_equal(&action.to, target));
	uint64_t sequence = action.sequence;

	/* unanswered, the asker learns that at least we are there; an answer still goes on */
	assert_int_equal(solo_run(&w, 400, SOLO_NOBODY).nacks, 1);
	swim_ack_received(w.swim, w.now, &w.peers[2].id, sequence);
	assert_int_equal(solo_answer(&w, SOLO_NOBODY).relays, 0);
	swim_ack_received(w.swim, w.now, target, sequence);
	assert_true(swim_next_action(w.swim, &action));
	assert_true(action.kind == SWIM_RELAY && action.answered && action.sequence == 77);
	assert_true(id_equal(&action.to, asker));
	swim_ack_received(w.swim, w.now, target, sequence);
	assert_int_equal(solo_answer(&w, SOLO_NOBODY).relays, 0);

	/* nonsense is dropped: an asker or a target that is no member, a target that is the asker
	 */
	swim_ping_req_received(w.swim, w.now, asker, 1, &w.stranger.id);
	swim_ping_req_received(w.swim, w.now, asker, 1, &w.self.id);
	swim_ping_req_received(w.swim, w.now, &w.stranger.id, 1, target);
	swim_ping_req_received(w.swim, w.now, asker, 1, asker);
	assert_false(swim_next_action(w.swim, &action));
	solo_done(&w);
}

static void nobody_makes_us_ping_without_end(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, SOLO_PEERS);
	solo_introduce(&w, SOLO_PEERS);
	for (uint64_t i = 0; i < 1000; i++)
		swim_ping_req_received(w.swim, w.now, &w.peers[0].id, i, &w.peers[1].id);
	assert_int_equal(solo_answer(&w, SOLO_NOBODY).pings, RELAYS_EACH);
	for (size_t i = 0; i < 100000; i++)
		swim_ping_received(w.swim, w.now, &w.peers[2].id, i);
	assert_true(solo_answer(&w, SOLO_NOBODY).acks <= 1000);
	solo_run(&w, RELAY_MS + 1000, SOLO_EVERYBODY);
	swim_ping_req_received(w.swim, w.now, &w.peers[0].id, 1, &w.peers[1].id);
	assert_int_equal(solo_answer(&w, SOLO_NOBODY).pings, 1);
	solo_done(&w);
}

static void timeouts_follow_the_measured_round_trip(void **state)
{
	(void)state;
	static const struct {
		int64_t rtt_ms, min_ms, max_ms;
	} cases[] = {{1, PROBE_TIMEOUT_MIN_MS, PROBE_TIMEOUT_MIN_MS}, {300, 300, 900},
		{1900, PROBE_TIMEOUT_MAX_MS, PROBE_TIMEOUT_MAX_MS}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct solo w;
		struct swim_action action;
		mtime_t answered = MTIME_NEVER;
		uint64_t sequence = 0;

		solo_init(&w, 1);
		/* 60 s in which each ping is answered after the round trip */
		for (mtime_t end = mtime_add_ms(w.now, 60000); mtime_before(w.now, end);) {
			bool answer_first = mtime_before(answered, swim_deadline(w.swim));

			w.now = answer_first ? answered : swim_deadline(w.swim);
			if (answer_first) {
				swim_ack_received(w.swim, w.now, &w.peers[0].id, sequence);
				answered = MTIME_NEVER;
			} else {
				swim_tick(w.swim, w.now);
			}
			while (swim_next_action(w.swim, &action)) {
				if (answered.us != MTIME_NEVER.us)
					continue;
				sequence = action.sequence;
				answered = mtime_add_ms(w.now, cases[i].rtt_ms);
			}
		}
		assert_in_range(
			solo_info(&w, 0).rtt_us, cases[i].rtt_ms * 900, cases[i].rtt_ms * 1100);
		solo_expect_state(&w, 0, SWIM_ALIVE);
		/* the next ping's timeout */
		if (answered.us != MTIME_NEVER.us)
			swim_ack_received(w.swim, answered, &w.peers[0].id, sequence);
		w.now = swim_deadline(w.swim);
		swim_tick(w.swim, w.now);
		assert_true(swim_next_action(w.swim, &action));
		assert_in_range(mtime_diff_ms(swim_deadline(w.swim), w.now), cases[i].min_ms,
			cases[i].max_ms);
		solo_done(&w);
	}
}

static void the_dead_are_redialled_for_ever_with_a_backoff(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 2);
	solo_introduce(&w, 2);
	solo_wait_for(&w, 0, SWIM_DEAD, 0x02U);
	size_t first = solo_run(&w, 10000, 0x02U).pings_to[0];
	assert_in_range(first, 3, 5); /* after 1, 3, 7 s, and perhaps at random */
	solo_run(&w, 120000, 0x02U);
	size_t later = solo_run(&w, 600000, 0x02U).pings_to[0];
	/* every 60 s, and every 10 s one of the two members at random */
	assert_in_range(later, 10, 60);
	solo_done(&w);
}

static void booting_alone_among_a_thousand_is_quiet(void **state)
{
	(void)state;
	struct solo w;
	struct swim_action action;
	struct swim_change change;
	static struct id ids[1000];
	size_t dead = 0, busiest = 0;

	solo_init(&w, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		rng_bytes(&w.rng, &ids[i], sizeof(ids[i]));
		assert_int_equal(swim_add(w.swim, w.now, &ids[i]), 0);
	}
	solo_forget_news(&w);
	for (int second = 0; second < 1500; second++) {
		mtime_t end = mtime_add_ms(w.now, 1000);
		size_t packets = 0;

		while (mtime_before(swim_deadline(w.swim), end)) {
			w.now = swim_deadline(w.swim);
			swim_tick(w.swim, w.now);
			while (swim_next_action(w.swim, &action))
				packets += action.kind != SWIM_CHECK;
			while (swim_next_change(w.swim, &change))
				dead += change.to == SWIM_DEAD;
		}
		w.now = end;
		busiest = packets > busiest ? packets : busiest;
	}
	assert_int_equal(dead, ARRAY_SIZE(ids));
	assert_true(busiest <= 2 + PROBE_REDIALS);
	assert_int_equal(solo_news_waiting(&w), 0);
	solo_done(&w);
}

/* Ticks until it pings somebody; whom. The actions before that are lost. */
static size_t next_ping(struct solo *w)
{
	struct swim_action action;

	for (;;) {
		while (swim_next_action(w->swim, &action)) {
			if (action.kind == SWIM_PING)
				return solo_peer_number(w, &action.to);
		}
		w->now = swim_deadline(w->swim);
		swim_tick(w->swim, w->now);
	}
}

static size_t count_actions(struct solo *w, enum swim_action_kind kind)
{
	struct swim_action action;
	size_t count = 0;

	while (swim_next_action(w->swim, &action))
		count += action.kind == kind;
	return count;
}

/* Nothing asks over a stream before helpers have said that they hear us: at once when all have. */
static void a_stream_is_tried_when_helpers_are_there(void **state)
{
	(void)state;
	struct solo w;
	struct swim_action action;
	struct id helpers[SWIM_INDIRECT];
	uint64_t sequence = 0;
	size_t asked = 0;

	solo_init(&w, 6);
	solo_introduce(&w, 6);
	next_ping(&w);
	w.now = swim_deadline(w.swim);
	swim_tick(w.swim, w.now);
	while (swim_next_action(w.swim, &action)) {
		assert_true(action.kind != SWIM_CHECK);
		if (action.kind != SWIM_PING_REQ)
			continue;
		helpers[asked++] = action.to;
		sequence = action.sequence;
	}
	assert_int_equal(asked, SWIM_INDIRECT);
	mtime_t indirect = w.now;
	for (size_t i = 0; i < asked; i++) {
		/* each counts once, however often it says so */
		swim_relay_received(w.swim, w.now, &helpers[0], sequence, false);
		assert_true(mtime_before(w.now, swim_deadline(w.swim)));
	}
	w.now = mtime_add_ms(w.now, 50);
	for (size_t i = 1; i < asked; i++)
		swim_relay_received(w.swim, w.now, &helpers[i], sequence, false);
	assert_int_equal(mtime_diff_ms(swim_deadline(w.swim), indirect), 50);
	swim_tick(w.swim, w.now);
	assert_true(swim_next_action(w.swim, &action));
	assert_true(action.kind == SWIM_CHECK && mtime_before(w.now, action.until));
	solo_done(&w);
}

static void without_helpers_that_hear_us_no_stream_is_tried(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, SOLO_PEERS);
	solo_introduce(&w, SOLO_PEERS);
	/* not alone: others speak to us; but whom we ask says nothing, nor does the target */
	w.helpers = SOLO_NOBODY;
	for (int i = 0; i < 300; i++) {
		assert_int_equal(solo_run(&w, 100, SOLO_EVERYBODY & ~1U).checks, 0);
		swim_heard(w.swim, w.now, &w.peers[1].id);
		solo_expect_state(&w, 0, SWIM_ALIVE);
	}
	/* with one that answers there is a verdict */
	w.helpers = SOLO_EVERYBODY;
	solo_wait_for(&w, 0, SWIM_SUSPECT, SOLO_EVERYBODY & ~1U);
	solo_done(&w);
}

static void whoever_answers_a_stream_is_alive(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 4);
	solo_introduce(&w, 4);
	w.check = SWIM_CHECK_ANSWERED;
	/* its datagrams are blocked, for good */
	assert_true(solo_run(&w, 60000, SOLO_EVERYBODY & ~1U).checks > 5);
	solo_expect_state(&w, 0, SWIM_ALIVE);
	struct swim_change change;
	assert_false(swim_next_change(w.swim, &change));
	w.check = SWIM_CHECK_FAILED;
	solo_wait_for(&w, 0, SWIM_DEAD, SOLO_EVERYBODY & ~1U);
	solo_done(&w);
}

static void whoever_spoke_since_the_ping_is_asked_nothing_more(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 4);
	solo_introduce(&w, 4);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(solo_run(&w, 100, SOLO_EVERYBODY & ~1U).checks, 0);
		swim_heard(w.swim, w.now, &w.peers[0].id);
	}
	solo_expect_state(&w, 0, SWIM_ALIVE);
	solo_done(&w);
}

/* A check of one that was removed, of one that nothing was asked of, and twice. */
static void a_stray_answer_of_a_stream_decides_nothing(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 4);
	solo_introduce(&w, 4);
	swim_checked(w.swim, w.now, &w.stranger.id, SWIM_CHECK_FAILED);
	for (size_t i = 0; i < 4; i++) {
		swim_checked(w.swim, w.now, &w.peers[i].id, SWIM_CHECK_FAILED);
		swim_checked(w.swim, w.now, &w.peers[i].id, SWIM_CHECK_SILENT);
		solo_expect_state(&w, i, SWIM_ALIVE);
	}
	solo_run(&w, 10000, SOLO_EVERYBODY);
	for (size_t i = 0; i < 4; i++)
		solo_expect_state(&w, i, SWIM_ALIVE);
	solo_done(&w);
}

/* An accuser's word is looked into at once by a few, whatever the size of the mesh. */
static void an_accusation_makes_a_few_look_themselves(void **state)
{
	(void)state;
	struct id ids[500];
	struct solo w;
	size_t looked = 0;

	solo_init(&w, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		rng_bytes(&w.rng, &ids[i], sizeof(ids[i]));
	solo_done(&w);
	for (int trial = 0; trial < 300; trial++) {
		solo_init(&w, 2);
		uint8_t seed[32] = {(uint8_t)trial, (uint8_t)(trial >> 8)};
		rng_init(&w.rng, seed);
		for (size_t i = 0; i < 98; i++)
			assert_int_equal(swim_add(w.swim, w.now, &ids[i]), 0);
		solo_introduce(&w, 2);
		mtime_t before = swim_deadline(w.swim);
		solo_expect_news(
			&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]), true);
		if (mtime_before(swim_deadline(w.swim), before)) {
			assert_int_equal(next_ping(&w), 0); /* now, and none else */
			looked++;
		}
		solo_done(&w);
	}
	/* of 100 members 6 */
	assert_in_range(looked, 300 * 3 / 100, 300 * 10 / 100);
}

static void suspects_take_every_other_turn_at_most(void **state)
{
	(void)state;
	struct solo w;

	solo_init(&w, 8);
	solo_introduce(&w, 8);
	w.check = SWIM_CHECK_SILENT;
	solo_wait_for(&w, 0, SWIM_SUSPECT, SOLO_EVERYBODY & ~1U);
	struct solo_sent sent = solo_run(&w, 30000, SOLO_EVERYBODY & ~1U);
	/* it is asked far more often than its turn would come, the others as well as ever */
	assert_in_range(sent.pings_to[0], 2 * 9, 2 * 16); /* each probe pings twice */
	for (size_t i = 1; i < 8; i++)
		assert_in_range(sent.pings_to[i], 1, 60);
	size_t others = sent.pings - sent.pings_to[0] - sent.requests;
	assert_true(others >= 13);
	solo_done(&w);
}

static void whoever_died_together_is_not_redialled_in_step(void **state)
{
	(void)state;
	struct solo w;
	mtime_t dialled[2][6];
	size_t differ = 0;

	for (size_t k = 0; k < 2; k++) {
		solo_init(&w, 2);
		if (k) /* another node, with another luck */
			rng_u64(&w.rng);
		solo_introduce(&w, 2);
		member_event(w.swim, w.now, member_find(w.swim, &w.peers[0].id), MEMBER_FAILED);
		member_event(w.swim, w.now, member_find(w.swim, &w.peers[0].id), MEMBER_EXPIRED);
		mtime_t died = w.now;
		for (size_t i = 0; i < 6; i++) {
			const struct member *member = member_find(w.swim, &w.peers[0].id);
			int64_t gap_ms = member->redial_ms, after_ms;

			dialled[k][i] = member->redial;
			after_ms = mtime_diff_ms(member->redial, died);
			assert_in_range(after_ms, gap_ms * 3 / 4, gap_ms * 5 / 4);
			died = w.now = member->redial;
			probe_redial_later(w.swim, w.now, member_find(w.swim, &w.peers[0].id));
		}
		solo_done(&w);
	}
	for (size_t i = 0; i < 6; i++)
		differ += dialled[0][i].us != dialled[1][i].us;
	assert_int_equal(differ, 6);
}

/* Those who start together do not probe in step. */
static void the_first_period_begins_at_random(void **state)
{
	(void)state;
	size_t in_tenth[10] = {0};

	for (int trial = 0; trial < 500; trial++) {
		uint8_t seed[32] = {(uint8_t)trial, (uint8_t)(trial >> 8)};
		struct solo w;

		solo_init(&w, 0);
		rng_init(&w.rng, seed);
		assert_int_equal(swim_add(w.swim, w.now, &w.peers[0].id), 0);
		in_tenth[mtime_diff_ms(swim_deadline(w.swim), w.now) * 10 / SWIM_PERIOD_MS]++;
		solo_done(&w);
	}
	for (size_t i = 0; i < 10; i++)
		assert_in_range(in_tenth[i], 25, 80);
}

static void a_nack_brings_what_is_known_of_the_target(void **state)
{
	(void)state;
	struct solo w;
	uint8_t bytes[SWIM_STATEMENT_MAX + 2];
	struct pack out;
	size_t count = 7;

	solo_init(&w, 3);
	pack_init(&out, bytes, sizeof(bytes));
	swim_vouch(w.swim, &w.peers[0].id, &out, &count);
	assert_int_equal(count, 0); /* nothing is known */
	solo_introduce(&w, 3);
	swim_vouch(w.swim, &w.peers[0].id, &out, &count);
	assert_int_equal(count, 1);
	struct statement said, its = solo_alive(&w, &w.peers[0], SOLO_GENERATION, 0);
	assert_int_equal(statement_decode(bytes + 2, out.size - 2, &said), 0);
	assert_memory_equal(&said.alive, &its.alive, sizeof(its.alive));
	/* a helper's nack names whom it is about */
	struct swim_action action;
	swim_ping_req_received(w.swim, w.now, &w.peers[1].id, 5, &w.peers[0].id);
	do {
		while (swim_next_action(w.swim, &action) && action.kind != SWIM_RELAY)
			;
		w.now = swim_deadline(w.swim);
		swim_tick(w.swim, w.now);
	} while (action.kind != SWIM_RELAY);
	assert_true(id_equal(&action.target, &w.peers[0].id) && !action.answered);
	/* nobody is told of the dead that they could be accused */
	solo_wait_for(&w, 0, SWIM_DEAD, SOLO_EVERYBODY & ~1U);
	swim_vouch(w.swim, &w.peers[0].id, &out, &count);
	assert_int_equal(count, 0);
	assert_int_equal(count_actions(&w, SWIM_CHECK), 0);
	solo_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_is_one_ping_a_second),
		cmocka_unit_test(a_ping_that_was_asked_for_tells_its_round_trip_and_judges_nobody),
		cmocka_unit_test(what_is_probed_and_concluded_is_counted),
		cmocka_unit_test(an_unanswered_ping_goes_through_others),
		cmocka_unit_test(a_helper_relays_the_answer_or_its_absence),
		cmocka_unit_test(nobody_makes_us_ping_without_end),
		cmocka_unit_test(timeouts_follow_the_measured_round_trip),
		cmocka_unit_test(the_dead_are_redialled_for_ever_with_a_backoff),
		cmocka_unit_test(booting_alone_among_a_thousand_is_quiet),
		cmocka_unit_test(a_stream_is_tried_when_helpers_are_there),
		cmocka_unit_test(without_helpers_that_hear_us_no_stream_is_tried),
		cmocka_unit_test(whoever_answers_a_stream_is_alive),
		cmocka_unit_test(whoever_spoke_since_the_ping_is_asked_nothing_more),
		cmocka_unit_test(a_stray_answer_of_a_stream_decides_nothing),
		cmocka_unit_test(an_accusation_makes_a_few_look_themselves),
		cmocka_unit_test(suspects_take_every_other_turn_at_most),
		cmocka_unit_test(whoever_died_together_is_not_redialled_in_step),
		cmocka_unit_test(the_first_period_begins_at_random),
		cmocka_unit_test(a_nack_brings_what_is_known_of_the_target),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
