/* Who is alive: the table of states, and who is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/swim/member.h"
#include "tests/support/solo.h"

/* Brings peer 0 into a state, silently or by an accusation. */
static struct member *bring(struct solo *w, enum swim_state state, bool accused)
{
	solo_init(w, 3);
	solo_introduce(w, 3);
	struct member *member = member_find(w->swim, &w->peers[0].id);

	if (state != SWIM_ALIVE && accused)
		solo_expect_news(
			w, solo_suspect(w, &w->peers[0], SOLO_GENERATION, 0, &w->peers[1]), true);
	else if (state != SWIM_ALIVE)
		member_event(w->swim, w->now, member, MEMBER_FAILED);
	if (state == SWIM_DEAD)
		member_event(w->swim, w->now, member, MEMBER_EXPIRED);
	solo_expect_state(w, 0, state);
	return member;
}

#define A SWIM_ALIVE
#define S SWIM_SUSPECT
#define D SWIM_DEAD

static void every_cell_of_the_state_table(void **state)
{
	(void)state;
	static const struct {
		enum swim_state from;
		bool accused;
		/* heard, refuted, restarted, failed, accused, cleared, expired, told */
		enum swim_state to[MEMBER_TOLD + 1];
	} rows[] = {
		{A, false, {A, A, A, S, S, A, A, D}},
		{S, false, {A, A, A, S, S, A, D, D}},
		{S, true, {S, A, A, S, S, S, D, D}},
		{D, false, {A, A, A, D, D, D, D, D}},
		{D, true, {D, A, A, D, D, D, D, D}},
	};

	for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
		for (enum member_event event = MEMBER_HEARD; event <= MEMBER_TOLD; event++) {
			struct solo w;
			struct member *member = bring(&w, rows[row].from, rows[row].accused);

			member_event(w.swim, w.now, member, event);
			solo_expect_state(&w, 0, rows[row].to[event]);
			solo_done(&w);
		}
	}
}

static void changes_are_told_with_their_cause(void **state)
{
	(void)state;
	struct solo w;
	struct swim_change change;

	solo_init(&w, 3);
	solo_introduce(&w, 3);
	assert_false(swim_next_change(w.swim, &change));
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]), true);
	solo_expect_news(&w, solo_alive(&w, &w.peers[0], SOLO_GENERATION, 1), true);
	assert_true(swim_next_change(w.swim, &change));
	assert_true(id_equal(&change.id, &w.peers[0].id));
	assert_true(change.from == SWIM_ALIVE && change.to == SWIM_SUSPECT);
	assert_string_equal(change.cause, "accused by another member");
	assert_true(swim_next_change(w.swim, &change));
	assert_true(change.from == SWIM_SUSPECT && change.to == SWIM_ALIVE);
	assert_string_equal(change.cause, "refuted");
	assert_false(swim_next_change(w.swim, &change));
	solo_done(&w);
}

static void removal_in_mid_probe_is_safe(void **state)
{
	(void)state;
	struct solo w;
	struct swim_action action;
	struct statement said[2];

	solo_init(&w, 3);
	solo_introduce(&w, 3);
	/* a suspect, the target of our probe, of another's, and of packets not taken yet */
	solo_expect_news(&w, solo_suspect(&w, &w.peers[0], SOLO_GENERATION, 0, &w.peers[1]), true);
	swim_ping_req_received(w.swim, w.now, &w.peers[1].id, 5, &w.peers[0].id);
	swim_ping_req_received(w.swim, w.now, &w.peers[0].id, 6, &w.peers[1].id);
	for (int i = 0; i < 3; i++) {
		w.now = swim_deadline(w.swim);
		swim_tick(w.swim, w.now);
	}
	solo_forget_news(&w);
	for (size_t i = 0; i < 3; i++)
		swim_remove(w.swim, w.now, &w.peers[i].id);
	swim_remove(w.swim, w.now, &w.peers[0].id);
	assert_int_equal(swim_count(w.swim), 0);
	assert_false(swim_next_action(w.swim, &action));
	assert_true(swim_deadline(w.swim).us == MTIME_NEVER.us);
	w.now = mtime_add_ms(w.now, 100000);
	swim_tick(w.swim, w.now);
	swim_ack_received(w.swim, w.now, &w.peers[0].id, 1);
	assert_int_equal(swim_sample(w.swim, true, NULL, &said[0].subject, 1), 0);

	/* added again, it starts afresh */
	assert_int_equal(swim_add(w.swim, w.now, &w.peers[0].id), 0);
	solo_expect_state(&w, 0, SWIM_ALIVE);
	assert_false(solo_info(&w, 0).heard);
	assert_int_equal(solo_greeting(&w, 0, said), 1);
	assert_int_equal(solo_run(&w, 1000, SOLO_EVERYBODY).pings, 1);
	solo_done(&w);
}

static void members_are_limited_and_self_is_none(void **state)
{
	(void)state;
	struct solo w;
	struct id id = {{0}};

	solo_init(&w, 1);
	assert_int_equal(swim_add(w.swim, w.now, &w.self.id), 0);
	assert_int_equal(swim_add(w.swim, w.now, &w.peers[0].id), 0);
	assert_int_equal(swim_count(w.swim), 1);
	for (uint32_t i = 0; i < SWIM_MEMBERS_MAX - 1; i++) {
		memcpy(id.b, &i, sizeof(i));
		assert_int_equal(swim_add(w.swim, w.now, &id), 0);
	}
	id.b[31] = 1;
	assert_int_equal(swim_add(w.swim, w.now, &id), ERR_LIMIT);
	assert_int_equal(swim_count(w.swim), SWIM_MEMBERS_MAX);
	solo_done(&w);
	struct swim *none;
	const struct swim_config config = {.generation = 0};
	assert_int_equal(swim_new(&config, w.now, &none), ERR_INVALID);
}

static void a_sample_prefers_those_that_were_heard(void **state)
{
	(void)state;
	struct solo w;
	struct id ids[SOLO_PEERS];
	size_t chosen[SOLO_PEERS] = {0};

	solo_init(&w, SOLO_PEERS);
	swim_heard(w.swim, w.now, &w.peers[3].id);
	swim_heard(w.swim, w.now, &w.peers[5].id);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(swim_sample(w.swim, false, NULL, ids, 3), 3);
		for (size_t k = 0; k < 3; k++)
			chosen[solo_peer_number(&w, &ids[k])]++;
		assert_int_equal(swim_sample(w.swim, false, &w.peers[3].id, ids, 1), 1);
		assert_true(id_equal(&ids[0], &w.peers[5].id));
	}
	assert_true(chosen[3] == 100 && chosen[5] == 100);
	for (size_t i = 0; i < SOLO_PEERS; i++)
		assert_true(chosen[i] > 0);
	assert_int_equal(
		swim_sample(w.swim, true, &w.peers[0].id, ids, SOLO_PEERS), SOLO_PEERS - 1);
	solo_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_of_the_state_table),
		cmocka_unit_test(changes_are_told_with_their_cause),
		cmocka_unit_test(removal_in_mid_probe_is_safe),
		cmocka_unit_test(members_are_limited_and_self_is_none),
		cmocka_unit_test(a_sample_prefers_those_that_were_heard),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
