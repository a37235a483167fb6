/*
 * What the test suites of the peers check (memberlist, Serf, tarantool's swim, corrosion's foca,
 * Akka, etcd), and the test that keeps the same promise here. Those that no other file has are
 * below, and in suites_spread.c.
 *
 *   no answer, so suspect           unit/swim_probe       an_unanswered_ping_goes_through_others
 *                                   unit/swim_member      every_cell_of_the_state_table
 *   confirmations shorten it        unit/swim_suspicion   independent_confirmations_shorten_...
 *   UDP blocked, a stream works     below                 who_answers_over_streams_alone_is_...
 *   a missed nack costs health      unit/swim_health      missing_nacks_slow_us_and_answers_...
 *   a ping to a suspect says so     unit/swim_accusation  a_ping_to_a_suspect_carries_the_...
 *   another's ping                  below                 a_datagram_for_another_is_ignored
 *   an old suspicion                unit/swim_accusation  an_old_statement_changes_nothing_...
 *   a repeated one                  unit/swim_accusation  an_accuser_counts_once_and_more_...
 *   accused: one version higher     unit/swim_accusation  an_accusation_of_us_is_refuted_...
 *   a replayed alive stays dead     below                 only_a_new_word_of_its_own_...
 *   leaving is no failure           sim/cluster           leaving_is_not_failure
 *   one id at two addresses         below                 whoever_has_anothers_key_does_not_...
 *                                   below                 a_changed_source_moves_nobody
 *   another's "dead"                unit/swim_member      every_cell_of_the_state_table
 *   gossip to the dead, then less   unit/swim_probe       the_dead_are_redialled_for_ever_...
 *   fresh first, bounded            unit/spread           the_newest_goes_first_and_the_...
 *                                   unit/spread           a_full_queue_gives_up_what_was_...
 *   oversized state                 unit/channel          more_than_can_be_is_refused
 *                                   unit/sync             records_without_end_are_refused
 *   a wrong key                     below                 a_stranger_hears_nothing
 *                                   unit/channel          whoever_does_not_know_the_mesh_...
 *   a stale leave                   below                 an_old_leave_is_news_to_nobody
 *   left stays left                 below                 who_left_stays_away_through_every_...
 *   a slow disk                     below                 a_slow_disk_blocks_nothing
 *   a restart spreads what is new   below                 who_restarts_is_believed_what_it_...
 *   many nodes, many events         sim/suites_spread     a_death_is_known_to_all_in_a_storm_...
 *   any loss                        below                 a_death_is_known_everywhere_at_...
 *   a lagging member                below                 who_lagged_behind_restores_no_...
 *   hearsay                         unit/store            nothing_enters_without_a_chain
 *                                   unit/swim_accusation  who_never_spoke_is_never_accused
 *   removal at any moment           below                 members_end_at_any_moment
 *                                   unit/swim_member      removal_in_mid_probe_is_safe
 *   the dead are told, and dialled  below                 who_is_held_dead_hears_of_it_and_...
 *   a one-way cut                   sim/cluster           a_datagram_path_cut_one_way_is_...
 *   removal on both sides           unit/authority_merge  any_way_of_merging_gives_the_same
 *   deleted, parted, collected      sim/values            who_was_away_for_eleven_days_brings_...
 *                                   unit/store_collect    what_it_hid_does_not_come_back_for_a_day
 *   collected, back by a heartbeat  below                 only_a_new_word_of_its_own_brings_...
 *                                   (no member is ever forgotten: the dead are dialled for ever)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/rng.h"
#include "gossip/swim/statement.h"
#include "tests/support/actor.h"
#include "tests/support/cluster_internal.h"

static const struct cluster_options calm = {
	.seed = 1, .latency_min_ms = 0, .latency_max_ms = 1, .disk_ms = 1};

static struct cluster *mesh_of(const struct cluster_options *options, int count)
{
	struct cluster_options seeded = *options;
	const char *seed = getenv("SUITES_SEED");

	if (seed)
		seeded.seed = strtoull(seed, NULL, 10);
	struct cluster *c = cluster_new(&seeded);

	cluster_mesh(c, count);
	assert_true(cluster_wait(c, 30000, cluster_converged, NULL));
	return c;
}

static struct endpoint somewhere(uint8_t number)
{
	struct endpoint at = {.ip = {.family = 4, .b = {192, 0, 2, number}}, .port = 4000};

	return at;
}

static uint64_t events_of(struct cluster *c, enum gossip_event_kind kind)
{
	uint64_t count = 0;

	for (int i = 0; i < cluster_count(c); i++)
		count += cluster_event_count(c, i, kind);
	return count;
}

static uint64_t counter(struct cluster *c, int node, enum gossip_counter which)
{
	return gossip_counters(cluster_core(c, node))[which];
}

static void leave(struct cluster *c, int node)
{
	uint64_t ticket;

	assert_int_equal(gossip_leave(cluster_core(c, node), cluster_time(c), false, &ticket), 0);
	cluster_drain(c, node);
}

/* Node 1 is down, and somebody with its keys speaks to node 0. */
static void impersonate(struct actor *actor, struct cluster *c, struct rng *rng)
{
	const uint8_t seed[32] = {5};
	struct endpoint at = somewhere(1);

	rng_init(rng, seed);
	cluster_kill(c, 1);
	actor_init(actor, c, rng, 0, cluster_keys(c, 1), &at);
	actor_begin(actor);
}

static bool is_reached_at(struct cluster *c, int node, int other)
{
	struct endpoint at = cluster_endpoint(c, other);
	struct id id = cluster_id(c, other);
	struct gossip_member member;

	return gossip_member(cluster_core(c, node), &id, &member) &&
	       endpoint_equal(&member.reached, &at);
}

/* ---- who speaks ---- */

/* The last datagram of some node to another. */
struct tap {
	int node;
	struct endpoint to;
	size_t size;
	uint8_t bytes[CLUSTER_DATAGRAM_MAX];
};

static void tap(void *arg, int node, const struct gossip_effect *effect)
{
	struct tap *t = arg;

	if (effect->kind != EFFECT_SEND || node != t->node ||
		!endpoint_equal(&effect->endpoint, &t->to))
		return;
	t->size = effect->size;
	memcpy(t->bytes, effect->bytes, effect->size);
}

static void a_datagram_for_another_is_ignored(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(&calm, 3);
	struct endpoint from = cluster_endpoint(c, 1);
	struct tap t = {.node = 1, .to = cluster_endpoint(c, 0)};

	cluster_observe(c, tap, &t);
	cluster_run(c, 5000);
	assert_true(t.size > 0);
	uint64_t refused = counter(c, 2, GOSSIP_COUNT_UNKNOWN_TAG);
	uint64_t out = counter(c, 2, GOSSIP_COUNT_PACKETS_OUT);

	cluster_inject(c, 2, &from, t.bytes, t.size);
	cluster_run(c, 1);
	assert_int_equal(counter(c, 2, GOSSIP_COUNT_UNKNOWN_TAG), refused + 1);
	assert_int_equal(counter(c, 2, GOSSIP_COUNT_PACKETS_OUT), out);
	cluster_free(c);
}

static void a_stranger_hears_nothing(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(&calm, 3);
	const uint8_t seed[32] = {6};
	struct endpoint at = somewhere(1);
	struct keys keys;
	struct actor actor;
	struct rng rng;

	rng_init(&rng, seed);
	keys_from_seed(seed, &keys);
	actor_init(&actor, c, &rng, 0, &keys, &at);
	for (uint64_t i = 0; i < 100; i++) {
		struct msg msg = {.ping = i, .challenge = i, .pad_size = 500};

		msg_add(&msg, MSG_PING);
		msg_add(&msg, MSG_CHALLENGE);
		msg_add(&msg, MSG_PAD);
		actor_send(&actor, &at, &msg);
		cluster_run(c, 20);
	}
	assert_int_equal(actor.heard_count, 0);
	assert_true(counter(c, 0, GOSSIP_COUNT_UNKNOWN_TAG) >= 100);
	actor_done(&actor);
	cluster_free(c);
}

static void say_alive(struct actor *actor, const struct keys *subject, uint64_t version)
{
	struct statement alive = {
		.kind = STATEMENT_ALIVE, .subject = subject->id, .incarnation = {1, version}};
	uint8_t bytes[SWIM_STATEMENT_MAX];
	struct pack pack;

	statement_sign_alive(&alive, &actor->mesh, subject);
	pack_init(&pack, bytes, sizeof(bytes));
	statement_encode(&alive, &pack);
	struct msg msg = {.statement_count = 1, .statements = {{bytes, pack.size}}};
	msg_add(&msg, MSG_STATEMENTS);
	actor_send(actor, &actor->at, &msg);
}

static void only_a_new_word_of_its_own_brings_back_the_dead(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(&calm, 4);
	const struct keys *dead = cluster_keys(c, 2);
	struct actor actor;
	struct rng rng;

	impersonate(&actor, c, &rng);
	cluster_kill(c, 2);
	assert_true(cluster_wait_seen(c, 60000, 2, GOSSIP_MEMBER_DEAD));
	for (int i = 0; i < 10; i++) {
		say_alive(&actor, dead, 0);
		cluster_run(c, 500);
		assert_int_equal(cluster_sees(c, 0, 2), GOSSIP_MEMBER_DEAD);
		assert_int_equal(cluster_sees(c, 3, 2), GOSSIP_MEMBER_DEAD);
	}
	say_alive(&actor, dead, UINT32_MAX); /* versions begin below it */
	assert_true(cluster_wait_seen(c, 1000, 2, GOSSIP_MEMBER_ALIVE));
	actor_done(&actor);
	cluster_free(c);
}

/* A copied machine: two that prove the same key. */
static void whoever_has_anothers_key_does_not_displace_it(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(&calm, 4);
	const uint8_t seed[32] = {5};
	struct endpoint at = somewhere(1);
	struct actor actor;
	struct rng rng;

	rng_init(&rng, seed);
	actor_init(&actor, c, &rng, 0, cluster_keys(c, 1), &at);
	for (int i = 0; i < 20; i++) {
		actor.session++;
		actor_begin(&actor);
		cluster_run(c, 3000);
		assert_int_equal(cluster_sees(c, 0, 1), GOSSIP_MEMBER_ALIVE);
	}
	actor_done(&actor);
	cluster_run(c, 10000);
	for (int i = 0; i < 4; i++)
		assert_true(i == 1 || is_reached_at(c, i, 1));
	cluster_free(c);
}

static void from_elsewhere(void *arg, struct cluster_datagram *datagram)
{
	(void)arg;
	if (datagram->from == 1 && datagram->to == 0)
		datagram->source = somewhere(9);
}

/* Somebody on the way passes on what node 1 sends, and gets none of the answers. */
static void a_changed_source_moves_nobody(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(&calm, 3);

	cluster_filter_datagrams(c, from_elsewhere, NULL);
	for (int i = 0; i < 300; i++) {
		cluster_run(c, 100);
		assert_true(is_reached_at(c, 0, 1));
	}
	assert_int_equal(cluster_sees(c, 0, 1), GOSSIP_MEMBER_ALIVE);
	cluster_free(c);
}

/* ---- who is there ---- */

static void who_left_stays_away_through_every_restart(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(&calm, 5);

	leave(c, 4);
	assert_true(cluster_wait_seen(c, 3000, 4, GOSSIP_MEMBER_LEFT));
	cluster_run(c, 5000);
	for (int i = 0; i < 5; i++)
		cluster_kill(c, i);
	cluster_restart(c, 4);
	cluster_run(c, 5000);
	for (int i = 0; i < 4; i++)
		cluster_restart(c, i);
	for (int i = 0; i < 60; i++) {
		cluster_run(c, 500);
		assert_true(cluster_all_see(c, GOSSIP_MEMBER_LEFT, 4));
	}
	assert_true(cluster_digests_equal(c, NULL));
	cluster_free(c);
}

struct leave_record {
	const struct actor *actor;
	struct record *record;
};

static void find_leave(void *arg, const uint8_t *bytes, size_t size)
{
	struct leave_record *found = arg;
	struct record *record;

	assert_int_equal(record_decode(&found->actor->mesh, bytes, size, &record), 0);
	if (record->type == RECORD_LEAVE)
		found->record = record;
	else
		record_unref(record);
}

static void an_old_leave_is_news_to_nobody(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(&calm, 6);
	struct leave_record old = {NULL, NULL};
	struct actor actor;
	struct rng rng;

	leave(c, 5);
	assert_true(cluster_wait_seen(c, 3000, 5, GOSSIP_MEMBER_LEFT));
	impersonate(&actor, c, &rng);
	old.actor = &actor;
	cluster_records(c, 0, find_leave, &old);
	assert_non_null(old.record);
	assert_true(cluster_wait_seen(c, 60000, 1, GOSSIP_MEMBER_DEAD));
	cluster_run(c, 60000);
	struct cluster_counts before = *cluster_counts(c);
	uint64_t told = events_of(c, GOSSIP_EVENT_LEFT);

	cluster_run(c, 10000);
	uint64_t idle = cluster_counts(c)->datagrams - before.datagrams;

	before = *cluster_counts(c);
	for (int i = 0; i < 100; i++) {
		struct msg msg = {.record_count = 1};

		msg.records[0] = (struct msg_item){old.record->bytes, old.record->size};
		msg_add(&msg, MSG_RECORDS);
		actor_send(&actor, &actor.at, &msg);
		cluster_run(c, 100);
	}
	/* node 1 is alive again by its word, and probed as it was before */
	assert_in_range(cluster_counts(c)->datagrams - before.datagrams, 0, idle + 100);
	assert_int_equal(cluster_counts(c)->writes - before.writes, 0);
	assert_int_equal(events_of(c, GOSSIP_EVENT_LEFT), told);
	record_unref(old.record);
	actor_done(&actor);
	cluster_free(c);
}

static void who_is_held_dead_hears_of_it_and_is_back(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(&calm, 6);

	cluster_group(c, 3, 1);
	assert_true(cluster_wait_seen(c, 60000, 3, GOSSIP_MEMBER_DEAD));
	cluster_run(c, 30000);
	cluster_group(c, 3, 0);
	assert_true(cluster_wait_seen(c, 90000, 3, GOSSIP_MEMBER_ALIVE));
	assert_true(cluster_wait(c, 90000, cluster_converged, NULL));
	cluster_free(c);
}

static void who_restarts_is_believed_what_it_says_anew(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(&calm, 6);

	cluster_kill(c, 2);
	assert_true(cluster_wait_seen(c, 60000, 2, GOSSIP_MEMBER_DEAD));
	cluster_move(c, 2);
	cluster_restart(c, 2);
	assert_true(cluster_wait_seen(c, 3000, 2, GOSSIP_MEMBER_ALIVE));
	cluster_run(c, 10000);
	for (int i = 0; i < 6; i++)
		assert_true(i == 2 || is_reached_at(c, i, 2));
	cluster_free(c);
}

static bool says_where(struct cluster *c, int node, int other)
{
	struct endpoint at = cluster_endpoint(c, other);
	struct id id = cluster_id(c, other);
	struct gossip_member member;

	return gossip_member(cluster_core(c, node), &id, &member) && member.has_descriptor &&
	       member.descriptor.endpoint_count == 1 &&
	       endpoint_equal(&member.descriptor.endpoints[0], &at);
}

static void who_lagged_behind_restores_no_old_address(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(&calm, 5);

	cluster_kill(c, 3);
	cluster_move(c, 1);
	cluster_run(c, 60000);
	cluster_restart(c, 3);
	for (int i = 0; i < 100; i++) {
		cluster_run(c, 100);
		assert_true(says_where(c, 0, 1) && is_reached_at(c, 0, 1));
	}
	assert_true(cluster_wait(c, 30000, cluster_converged, NULL));
	for (int i = 0; i < 5; i++)
		assert_true(i == 1 || (says_where(c, i, 1) && is_reached_at(c, i, 1)));
	cluster_free(c);
}

static void members_end_at_any_moment(void **state)
{
	(void)state;
	struct cluster_options far = {
		.seed = 3, .latency_min_ms = 20, .latency_max_ms = 120, .disk_ms = 1};
	struct cluster *c = mesh_of(&far, 20);
	const uint8_t seed[32] = {8};
	struct rng rng;

	rng_init(&rng, seed);
	for (int i = 19; i > 4; i--) {
		struct id id = cluster_id(c, i);
		uint64_t ticket;

		cluster_run(c, (int64_t)rng_below(&rng, 1500));
		if (i % 2) {
			leave(c, i);
			continue;
		}
		assert_int_equal(
			gossip_revoke(cluster_core(c, 0), cluster_time(c), &id, "", &ticket), 0);
		cluster_drain(c, 0);
	}
	cluster_run(c, 30000);
	for (int i = 5; i < 20; i++) {
		for (int k = 0; k < 5; k++)
			assert_int_equal(cluster_sees(c, k, i),
				i % 2 ? GOSSIP_MEMBER_LEFT : GOSSIP_MEMBER_REVOKED);
	}
	for (int i = 0; i < 5; i++)
		assert_true(cluster_all_see(c, GOSSIP_MEMBER_LEFT, 5));
	cluster_free(c);
}

/* ---- what goes wrong ---- */

static bool says_mtu(struct cluster *c, int node, int other, uint16_t mtu)
{
	struct id id = cluster_id(c, other);
	struct gossip_member member;

	return gossip_member(cluster_core(c, node), &id, &member) && member.has_descriptor &&
	       member.descriptor.mtu == mtu;
}

static void a_slow_disk_blocks_nothing(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(&calm, 6);

	cluster_run(c, 5000);
	c->options.disk_ms = 20000;
	uint64_t suspected = events_of(c, GOSSIP_EVENT_MEMBER_STATE);

	/* what it says of itself has to be on its disk first; nobody else's matters */
	gossip_set_mtu(cluster_core(c, 1), cluster_time(c), 1300);
	cluster_drain(c, 1);
	leave(c, 4);
	cluster_run(c, 19000);
	assert_int_equal(cluster_sees(c, 0, 4), GOSSIP_MEMBER_ALIVE);
	assert_int_equal(events_of(c, GOSSIP_EVENT_MEMBER_STATE), suspected);
	assert_true(cluster_wait_seen(c, 2000, 4, GOSSIP_MEMBER_LEFT));
	for (int i = 0; i < 4; i++)
		assert_true(i == 1 || says_mtu(c, i, 1, 1300));
	cluster_crash(c, 3);
	assert_true(cluster_wait_seen(c, 60000, 3, GOSSIP_MEMBER_DEAD));
	cluster_free(c);
}

/* A firewall that lets TCP through alone. */
static void who_answers_over_streams_alone_is_no_suspect(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(&calm, 5);

	cluster_run(c, 5000);
	for (int i = 0; i < 5; i++) {
		cluster_cut_udp(c, i, 2, true);
		cluster_cut_udp(c, 2, i, true);
	}
	for (int i = 0; i < 1200; i++) {
		cluster_run(c, 100);
		assert_true(cluster_all_see(c, GOSSIP_MEMBER_ALIVE, 2));
	}
	/* it hears nobody by datagrams, and may doubt the others for a while, in silence */
	for (int i = 0; i < 5; i++)
		assert_true(i == 2 || cluster_event_count(c, i, GOSSIP_EVENT_MEMBER_STATE) == 0);
	cluster_free(c);
}

/* Which nodes anybody held dead, in bits. */
struct verdicts {
	struct cluster *cluster;
	uint64_t dead;
};

static void note_dead(void *arg, int node, const struct gossip_effect *effect)
{
	struct verdicts *verdicts = arg;

	(void)node;
	if (effect->kind == EFFECT_EVENT && effect->event->kind == GOSSIP_EVENT_MEMBER_STATE &&
		strcmp(effect->event->to, "dead") == 0)
		verdicts->dead |= UINT64_C(1)
				  << cluster_node_of(verdicts->cluster, &effect->event->node);
}

/* And nobody else is held dead. Where nearly all is lost it takes as long as it takes to hear each
 * of the others twelve times. */
static void a_death_is_known_everywhere_at_any_loss(void **state)
{
	(void)state;
	static const struct {
		double loss;
		int64_t most_ms;
	} networks[] = {{0.05, 30000}, {0.3, 60000}, {0.5, 120000}, {0.75, 300000}, {0.9, 600000}};

	for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
		struct cluster *c = mesh_of(&calm, 8);
		struct cluster_options lossy = c->options;
		struct verdicts verdicts = {.cluster = c};

		lossy.loss = networks[i].loss;
		cluster_weather(c, &lossy);
		cluster_observe(c, note_dead, &verdicts);
		cluster_run(c, 60000);
		cluster_crash(c, 5);
		mtime_t crashed = cluster_time(c).now;
		assert_true(cluster_wait_seen(c, networks[i].most_ms, 5, GOSSIP_MEMBER_DEAD));
		printf("%.0f %% loss: known to all after %d s\n", networks[i].loss * 100,
			(int)(mtime_diff_ms(cluster_time(c).now, crashed) / 1000));
		assert_int_equal(verdicts.dead, 1 << 5);
		cluster_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_for_another_is_ignored),
		cmocka_unit_test(a_stranger_hears_nothing),
		cmocka_unit_test(only_a_new_word_of_its_own_brings_back_the_dead),
		cmocka_unit_test(whoever_has_anothers_key_does_not_displace_it),
		cmocka_unit_test(a_changed_source_moves_nobody),
		cmocka_unit_test(who_left_stays_away_through_every_restart),
		cmocka_unit_test(an_old_leave_is_news_to_nobody),
		cmocka_unit_test(who_is_held_dead_hears_of_it_and_is_back),
		cmocka_unit_test(who_restarts_is_believed_what_it_says_anew),
		cmocka_unit_test(who_lagged_behind_restores_no_old_address),
		cmocka_unit_test(members_end_at_any_moment),
		cmocka_unit_test(a_slow_disk_blocks_nothing),
		cmocka_unit_test(who_answers_over_streams_alone_is_no_suspect),
		cmocka_unit_test(a_death_is_known_everywhere_at_any_loss),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
