/* Each invariant's check can fail, and lets pass what is right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gossip/record/hlc.h"
#include "gossip/swim/spread.h"
#include "tests/meshsim/invariants.h"
#include "tests/meshsim/invariants_watch.h"

#define NOW_MS INT64_C(1790000000000)

static const struct endpoint somewhere = {.ip = {.family = 4, .b = {10, 0, 0, 9}}, .port = 8946};

static struct swim_incarnation incarnation(uint64_t generation, uint64_t version)
{
	return (struct swim_incarnation){generation, version};
}

static void see(
	struct invariants *c, enum gossip_member_state state, uint64_t version, bool accused)
{
	const struct invariants_member now = {state, incarnation(1, version), accused};

	invariants_member(c, 0, 1, &now);
}

static struct invariants_record record(int author, uint16_t type, uint64_t ms, uint8_t hash)
{
	struct invariants_record ret = {.hash = {{hash}},
		.slot = {{(uint8_t)author, (uint8_t)type}},
		.author = author,
		.type = type,
		.stamp = hlc_from_ms(NOW_MS + (int64_t)ms)};

	return ret;
}

static void keep(struct invariants *c, int node, const struct invariants_record *record)
{
	invariants_kept(c, node, record, NOW_MS);
}

/* Written by its author, and on another's disk too. */
static void spread(struct invariants *c, const struct invariants_record *record, int to)
{
	keep(c, record->author, record);
	invariants_written(c, &record->hash);
	keep(c, to, record);
}

/* ---- one forgery for each ---- */

static void incarnation_forward(struct invariants *c)
{
	see(c, GOSSIP_MEMBER_ALIVE, 5, false);
	see(c, GOSSIP_MEMBER_ALIVE, 4, false);
}

static void incarnation_issued(struct invariants *c)
{
	see(c, GOSSIP_MEMBER_ALIVE, 10, false);
}

static void table(struct invariants *c)
{
	invariants_changed(c, 0, 1, SWIM_ALIVE, SWIM_DEAD);
}

static void revival(struct invariants *c)
{
	see(c, GOSSIP_MEMBER_DEAD, 3, false);
	see(c, GOSSIP_MEMBER_ALIVE, 3, true);
}

static void self_alive(struct invariants *c)
{
	const struct invariants_member now = {GOSSIP_MEMBER_DEAD, incarnation(1, 1), false};

	invariants_member(c, 0, 0, &now);
}

static void end(struct invariants *c)
{
	see(c, GOSSIP_MEMBER_LEFT, 3, false);
	see(c, GOSSIP_MEMBER_SUSPECT, 4, false);
}

static void stamp_once(struct invariants *c)
{
	struct invariants_record a = record(1, RECORD_DESCRIPTOR, 0, 1),
				 b = record(1, RECORD_DESCRIPTOR, 0, 2);

	b.slot.b[9] = 1;
	spread(c, &a, 0);
	spread(c, &b, 0);
}

static void stamp_bounded(struct invariants *c)
{
	struct invariants_record a = record(1, RECORD_DESCRIPTOR, HLC_AHEAD_MAX_MS + 1, 1);

	spread(c, &a, 0);
}

static void persisted_first(struct invariants *c)
{
	struct invariants_record a = record(1, RECORD_DESCRIPTOR, 0, 1);

	keep(c, 1, &a);
	keep(c, 0, &a);
}

static void survives(struct invariants *c)
{
	struct invariants_record a = record(1, RECORD_INVITE, 0, 1);
	const struct invariants_end ends[] = {{.node = 0}, {.node = 1}, {.node = 2}};

	spread(c, &a, 0);
	invariants_calm(c, ends, ARRAY_SIZE(ends));
}

/* What its author takes back without a word in its place is missing. */
static void nothing_is_taken_back_for_nothing(void **state)
{
	(void)state;
	struct invariants *c = invariants_new();
	struct invariants_record a = record(1, RECORD_VALUE, 2, 1),
				 b = record(1, RECORD_VALUE, 1, 2);

	keep(c, 1, &a);
	keep(c, 1, &b); /* with an earlier stamp */
	invariants_taken_back(c, 1, &a.hash);
	assert_int_equal(invariants_broken(c), 0);
	invariants_taken_back(c, 1, &b.hash);
	assert_int_equal(invariants_broken(c), 1);
	invariants_free(c);
}

static void deleted(struct invariants *c)
{
	struct invariants_record a = record(1, RECORD_DESCRIPTOR, 0, 1),
				 b = record(1, RECORD_DESCRIPTOR, 1, 2);

	spread(c, &a, 2);
	spread(c, &b, 2);
	keep(c, 2, &a);
}

static void revocation_kept(struct invariants *c)
{
	struct invariants_record a = record(1, RECORD_REVOCATION, 0, 1);

	spread(c, &a, 0);
	invariants_removed(c, 0, &a.hash, true);
	invariants_came_nothing(c, 0); /* the input is over, and no successor came */
}

static void revoked_silent(struct invariants *c)
{
	struct invariants_record a = record(1, RECORD_DESCRIPTOR, 0, 1);

	invariants_revoked(c, 0, 1);
	spread(c, &a, 0);
}

static void send(struct invariants *c, size_t size, bool proven, bool candidate)
{
	const struct invariants_sent sent = {somewhere, size, proven, candidate};

	invariants_sent(c, 0, &sent);
}

static void datagram_fits(struct invariants *c)
{
	send(c, 1201, true, true);
}

static void known_address(struct invariants *c)
{
	send(c, 100, false, false);
}

static void no_amplification(struct invariants *c)
{
	invariants_came(c, 0, &somewhere, 300);
	send(c, 150, false, true);
	send(c, 151, false, true);
}

static void unproven_rate(struct invariants *c)
{
	for (int i = 0; i <= INVARIANTS_UNPROVEN_BYTES / 1000; i++)
		send(c, 1000, false, true);
}

static void rate(struct invariants *c)
{
	invariants_news(c, 0, 1000);
	for (int i = 0; i <= INVARIANTS_RATE_BYTES / 1000 + SPREAD_FANOUT; i++)
		send(c, 1000, true, true);
}

static void bounded(struct invariants *c)
{
	invariants_size(c, 0, "things", 8, 7);
}

/* ms 0: the key shows nothing. */
static struct invariants_value value(int64_t ms, bool is_deleted)
{
	if (!ms)
		return (struct invariants_value){.known = false};
	return (struct invariants_value){
		.known = true, .deleted = is_deleted, .stamp = hlc_from_ms(NOW_MS + ms)};
}

static void show(struct invariants *c, int64_t ms, bool is_deleted, bool before_counts)
{
	const struct invariants_value now = value(ms, is_deleted);

	invariants_shown(c, 0, 3, &now, before_counts);
}

static void value_forward(struct invariants *c)
{
	show(c, 1, false, true);
	show(c, 3, true, true);
	show(c, 2, false, true);
}

static void value_latest(struct invariants *c)
{
	const struct invariants_value later = value(2, false);

	show(c, 1, true, true);
	invariants_said(c, 0, 3, &later);
}

static void values_followed(struct invariants *c)
{
	const struct invariants_value read = value(1, false);

	show(c, 2, true, true);
	invariants_followed(c, 0, 3, &read);
}

static void values_agree(struct invariants *c)
{
	struct invariants_end ends[] = {{.node = 0}, {.node = 1}};

	ends[1].values[7] = value(1, true);
	invariants_calm(c, ends, ARRAY_SIZE(ends));
}

static void agree(struct invariants *c)
{
	const struct invariants_end ends[] = {{.node = 0}, {.node = 1, .records = {1}}};

	invariants_calm(c, ends, ARRAY_SIZE(ends));
}

static void converges(struct invariants *c)
{
	invariants_check(c, INVARIANT_CONVERGES, false, -1, "after too long");
}

static void same_trace(struct invariants *c)
{
	invariants_traces(c, (const uint8_t[16]){1}, (const uint8_t[16]){2});
}

static void (*const forgeries[])(struct invariants *) = {
	[INVARIANT_INCARNATION_FORWARD] = incarnation_forward,
	[INVARIANT_INCARNATION_ISSUED] = incarnation_issued,
	[INVARIANT_TABLE] = table,
	[INVARIANT_REVIVAL] = revival,
	[INVARIANT_SELF_ALIVE] = self_alive,
	[INVARIANT_END] = end,
	[INVARIANT_STAMP_ONCE] = stamp_once,
	[INVARIANT_STAMP_BOUNDED] = stamp_bounded,
	[INVARIANT_PERSISTED_FIRST] = persisted_first,
	[INVARIANT_SURVIVES] = survives,
	[INVARIANT_DELETED] = deleted,
	[INVARIANT_REVOCATION_KEPT] = revocation_kept,
	[INVARIANT_REVOKED_SILENT] = revoked_silent,
	[INVARIANT_DATAGRAM_FITS] = datagram_fits,
	[INVARIANT_KNOWN_ADDRESS] = known_address,
	[INVARIANT_NO_AMPLIFICATION] = no_amplification,
	[INVARIANT_UNPROVEN_RATE] = unproven_rate,
	[INVARIANT_RATE] = rate,
	[INVARIANT_BOUNDED] = bounded,
	[INVARIANT_VALUE_FORWARD] = value_forward,
	[INVARIANT_VALUE_LATEST] = value_latest,
	[INVARIANT_VALUES_FOLLOWED] = values_followed,
	[INVARIANT_VALUES_AGREE] = values_agree,
	[INVARIANT_AGREE] = agree,
	[INVARIANT_CONVERGES] = converges,
	[INVARIANT_SAME_TRACE] = same_trace,
};
_Static_assert(ARRAY_SIZE(forgeries) == INVARIANTS, "an invariant without a forgery");

static struct invariants *checker(void)
{
	struct invariants *c = invariants_new();

	invariants_issued(c, 1, incarnation(1, 9));
	return c;
}

static void every_invariant_can_break(void **state)
{
	(void)state;
	for (int i = 0; i < INVARIANTS; i++) {
		struct invariants *c = checker();
		struct invariant_break first;

		invariants_now(c, 42);
		assert_non_null(forgeries[i]);
		forgeries[i](c);
		assert_true(invariants_first(c, &first));
		assert_string_equal(
			invariant_text(first.invariant), invariant_text((enum invariant)i));
		assert_int_equal(first.at_ms, 42);
		assert_true(first.detail[0]);
		invariants_free(c);
	}
}

/* ---- what is right passes ---- */

static void a_life_by_the_table_passes(void **state)
{
	(void)state;
	struct invariants *c = checker();

	see(c, GOSSIP_MEMBER_ALIVE, 1, false);
	see(c, GOSSIP_MEMBER_SUSPECT, 1, false);
	see(c, GOSSIP_MEMBER_ALIVE, 1, false); /* heard, and nobody has accused it */
	see(c, GOSSIP_MEMBER_SUSPECT, 1, false);
	see(c, GOSSIP_MEMBER_DEAD, 1, true);
	see(c, GOSSIP_MEMBER_ALIVE, 2, true); /* refuted */
	see(c, GOSSIP_MEMBER_DEAD, 2, false);
	see(c, GOSSIP_MEMBER_SUSPECT, 3, true); /* refuted, and accused again, by one datagram */
	see(c, GOSSIP_MEMBER_REVOKED, 0, false);
	see(c, GOSSIP_MEMBER_LEFT, 0, false);
	invariants_started(c, 0);
	see(c, GOSSIP_MEMBER_LEFT, 0, false);
	assert_int_equal(invariants_broken(c), 0);
	assert_true(invariants_checked(c) > 0);
	invariants_free(c);
}

static void records_that_survive_pass(void **state)
{
	(void)state;
	struct invariants *c = checker();
	struct invariants_record a = record(1, RECORD_DESCRIPTOR, 0, 1),
				 b = record(1, RECORD_DESCRIPTOR, 1, 2),
				 lost = record(3, RECORD_INVITE, 0, 3);
	const struct invariants_end ends[] = {{.node = 0}, {.node = 1}};

	spread(c, &a, 0);
	invariants_removed(c, 0, &a.hash, true);
	spread(c, &b, 0);
	keep(c, 3, &lost); /* its only disk is lost with it */
	invariants_written(c, &lost.hash);
	invariants_disk_lost(c, 3);
	invariants_calm(c, ends, ARRAY_SIZE(ends));
	assert_int_equal(invariants_broken(c), 0);
	invariants_free(c);
}

static void answers_within_what_came_pass(void **state)
{
	(void)state;
	struct invariants *c = checker();

	for (int i = 0; i < 1000; i++) {
		invariants_now(c, i * 10);
		invariants_came(c, 0, &somewhere, 200);
		send(c, 120, false, false);
		send(c, 80, false, false);
		invariants_came_nothing(c, 0);
	}
	assert_int_equal(invariants_broken(c), 0);
	invariants_free(c);
}

static void values_that_go_forward_pass(void **state)
{
	(void)state;
	struct invariants *c = checker();
	const struct invariants_value gone = value(5, true), nothing = value(0, false);

	show(c, 1, false, true);
	show(c, 5, true, true);
	invariants_said(c, 0, 3, &gone);
	invariants_followed(c, 0, 3, &gone);
	show(c, 1, false, false); /* whoever deleted it has been revoked */
	show(c, 0, false, false);
	invariants_followed(c, 0, 3, &gone);
	invariants_followed(c, 0, 3, &nothing);
	assert_int_equal(invariants_broken(c), 0);
	invariants_free(c);
}

/* ---- a cluster that is watched ---- */

static const struct cluster_options calm = {.seed = 1, .latency_max_ms = 1, .disk_ms = 1};

static bool is_dead(struct cluster *cluster, void *unused)
{
	(void)unused;
	return cluster_all_see(cluster, GOSSIP_MEMBER_DEAD, 2);
}

static void a_mesh_breaks_none(void **state)
{
	(void)state;
	struct cluster *cluster = cluster_new(&calm);
	struct invariants *c = invariants_new();
	struct watch *watch = watch_new(cluster, c);

	cluster_mesh(cluster, 5);
	assert_true(cluster_wait(cluster, 15000, cluster_converged, NULL));
	cluster_crash(cluster, 2);
	assert_true(cluster_wait(cluster, 60000, is_dead, NULL));
	cluster_restart(cluster, 2);
	assert_true(cluster_wait(cluster, 60000, cluster_converged, NULL));
	watch_end(watch);
	struct invariant_break first = {.node = 0};

	if (invariants_first(c, &first))
		print_error("at %lld ms n%d: %s: %s\n", (long long)first.at_ms, first.node,
			invariant_text(first.invariant), first.detail);
	assert_int_equal(invariants_broken(c), 0);
	assert_true(invariants_checked(c) > 10000);
	watch_free(watch);
	cluster_free(cluster);
	invariants_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_invariant_can_break),
		cmocka_unit_test(a_life_by_the_table_passes),
		cmocka_unit_test(records_that_survive_pass),
		cmocka_unit_test(nothing_is_taken_back_for_nothing),
		cmocka_unit_test(answers_within_what_came_pass),
		cmocka_unit_test(values_that_go_forward_pass),
		cmocka_unit_test(a_mesh_breaks_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
