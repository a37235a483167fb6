/* Hosts on L2 segments: where each is, is known to all, and follows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "gossip/base/rng.h"
#include "tests/support/segments.h"

#define NODES 6
#define PHONE 7

static const struct cluster_options calm = {.seed = 3, .latency_max_ms = 2, .disk_ms = 3};

static void expect_seen(struct segments *lan, int64_t most_ms, unsigned host, int node)
{
	struct segments_at at = {.host = host, .node = node};

	assert_true(segments_wait(lan, most_ms, segments_all_see, &at));
}

static uint64_t records_of(struct cluster *c, int node)
{
	return cluster_status(c, node).records;
}

static uint64_t happened(struct cluster *c, int node)
{
	return cluster_event_count(c, node, GOSSIP_EVENT_SEGMENT);
}

static void the_first_frame_of_a_host_is_known_to_all_at_once(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, NODES, false);
	struct gossip_mac mac;

	segments_hear(lan, 2, PHONE);
	expect_seen(lan, 100, PHONE, 2);
	mac = segments_look(lan->c, 0, PHONE);
	assert_int_equal(mac.sequence, 0);
	assert_int_equal(mac.ip_count, 1);
	assert_int_equal(mac.ips[0].b[3], PHONE);
	assert_false(mac.self || mac.own || mac.frozen);
	assert_true(segments_look(lan->c, 2, PHONE).self);
	segments_forget(lan, 2, PHONE);
	expect_seen(lan, 100, PHONE, -1);
	segments_free(lan);
}

static void a_host_that_moves_is_followed(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, NODES, false);

	segments_hear(lan, 0, PHONE);
	expect_seen(lan, 100, PHONE, 0);
	for (int i = 1; i < 4; i++) {
		segments_hear(lan, i, PHONE);
		expect_seen(lan, 200, PHONE, i);
		assert_int_equal(segments_look(lan->c, 5, PHONE).sequence, i);
		assert_false(lan->here[i - 1][PHONE]);
	}
	/* the one that has yielded says so: nobody claims it but its holder */
	segments_forget(lan, 3, PHONE);
	expect_seen(lan, 100, PHONE, -1);
	segments_free(lan);
}

static bool is_frozen_everywhere(struct segments *lan, void *arg)
{
	bool frozen = *(bool *)arg;

	for (int i = 0; i < cluster_count(lan->c); i++) {
		if (segments_look(lan->c, i, PHONE).frozen != frozen)
			return false;
	}
	return true;
}

static void a_duplicate_is_frozen_where_it_was_last_and_looked_at_afresh(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, NODES, false);
	bool frozen = true;
	int holder;

	for (int i = 0; i < 40; i++) { /* both speak, by turns */
		segments_hear(lan, i % 2, PHONE);
		segments_run(lan, 500);
	}
	assert_true(segments_wait(lan, 1000, is_frozen_everywhere, &frozen));
	assert_true(segments_agree(lan, NULL));
	holder = segments_holder(lan->c, 5, PHONE);
	assert_int_equal(segments_look(lan->c, 5, PHONE).sequence, 5); /* five moves, no more */
	segments_run(lan, 150000);
	for (int i = 0; i < 10; i++) {
		segments_hear(lan, i % 2, PHONE);
		segments_run(lan, 500);
		assert_int_equal(segments_holder(lan->c, 5, PHONE), holder);
	}
	/* the other is gone for good */
	frozen = false;
	assert_true(segments_wait(lan, 60000, is_frozen_everywhere, &frozen));
	segments_hear(lan, 1 - holder, PHONE);
	expect_seen(lan, 200, PHONE, 1 - holder);
	segments_free(lan);
}

static void what_is_frozen_where_nobody_has_it_any_more_is_free(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, NODES, false);
	bool frozen = true;
	int holder;

	for (int i = 0; i < 12; i++) {
		segments_hear(lan, i % 2, PHONE);
		segments_run(lan, 500);
	}
	assert_true(segments_wait(lan, 1000, is_frozen_everywhere, &frozen));
	holder = segments_holder(lan->c, 5, PHONE);
	segments_forget(lan, holder, PHONE);
	segments_run(lan, 500);
	segments_hear(lan, 1 - holder, PHONE);
	expect_seen(lan, 200, PHONE, 1 - holder);
	assert_false(segments_look(lan->c, 5, PHONE).frozen);
	segments_free(lan);
}

static void of_two_that_learn_it_at_once_one_has_it_everywhere(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, NODES, false);
	struct id one, other;

	lan->here[1][PHONE] = lan->here[4][PHONE] = true;
	segments_tell(lan, 1, PHONE);
	segments_tell(lan, 4, PHONE);
	one = cluster_id(lan->c, 1);
	other = cluster_id(lan->c, 4);
	segments_run(lan, 300);
	expect_seen(lan, 300, PHONE, memcmp(&one, &other, sizeof(one)) < 0 ? 1 : 4);
	assert_true(segments_agree(lan, NULL));
	segments_free(lan);
}

static void two_halves_that_each_had_it_agree_when_they_meet(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, NODES, false);

	segments_hear(lan, 0, PHONE);
	segments_run(lan, 500);
	for (int i = 3; i < NODES; i++)
		cluster_group(lan->c, i, 1);
	segments_hear(lan, 1, PHONE);
	segments_hear(lan, 4, PHONE);
	segments_run(lan, 30000);
	assert_int_equal(segments_holder(lan->c, 0, PHONE), 1);
	assert_int_equal(segments_holder(lan->c, 3, PHONE), 4);
	for (int i = 3; i < NODES; i++)
		cluster_group(lan->c, i, 0);
	assert_true(segments_wait(lan, 60000, segments_agree, NULL));
	segments_hear(lan, 4, PHONE); /* its next frame says where it is */
	expect_seen(lan, 1000, PHONE, 4);
	segments_free(lan);
}

static void who_is_dead_for_a_minute_has_nobody_until_it_is_back(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, NODES, false);
	struct segments_at nowhere = {.host = PHONE, .node = -1};

	segments_hear(lan, 2, PHONE);
	segments_run(lan, 500);
	cluster_crash(lan->c, 2);
	assert_true(cluster_wait_seen(lan->c, 60000, 2, GOSSIP_MEMBER_DEAD));
	assert_int_equal(segments_holder(lan->c, 0, PHONE), 2);
	segments_run(lan, GOSSIP_GONE_MS - 5000);
	assert_int_equal(segments_holder(lan->c, 0, PHONE), 2);
	assert_true(segments_wait(lan, 10000, segments_all_see, &nowhere));
	assert_int_equal(segments_members(lan->c, 0, SEGMENTS_NAME), NODES);
	cluster_restart(lan->c, 2);
	expect_seen(lan, 30000, PHONE, 2);
	segments_free(lan);
}

/* Nothing was told to it since its start: it says what it said before. */
static void a_restart_withdraws_nothing_and_says_nothing_anew(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, NODES, false);
	uint8_t before[DIGEST_SIZE];

	for (unsigned i = 0; i < 50; i++)
		lan->here[2][i] = true;
	segments_tell(lan, 2, -1);
	segments_run(lan, 20000);
	cluster_kill(lan->c, 2);
	cluster_restart(lan->c, 2);
	segments_run(lan, 3000);
	assert_true(segments_agree(lan, NULL));
	memcpy(before, cluster_status(lan->c, 0).digest, sizeof(before));
	segments_attach(lan->c, 2, SEGMENTS_NAME);
	segments_enable(lan->c);
	segments_tell(lan, 2, -1);
	segments_run(lan, 10000);
	assert_int_equal(segments_holder(lan->c, 0, 49), 2);
	assert_memory_equal(before, cluster_status(lan->c, 0).digest, sizeof(before));
	/* one that went meanwhile is withdrawn */
	segments_forget(lan, 2, 49);
	expect_seen(lan, 200, 49, -1);
	segments_free(lan);
}

static void who_is_detached_has_nobody(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, NODES, false);

	segments_hear(lan, 2, PHONE);
	segments_hear(lan, 3, PHONE + 1);
	expect_seen(lan, 200, PHONE, 2);
	segments_detach(lan->c, 2, SEGMENTS_NAME);
	expect_seen(lan, 1000, PHONE, -1);
	assert_int_equal(segments_holder(lan->c, 2, PHONE + 1), 3);
	segments_hear(lan, 2, PHONE + 2); /* nobody listens to it */
	segments_run(lan, 1000);
	assert_int_equal(segments_holder(lan->c, 0, PHONE + 2), -1);
	segments_attach(lan->c, 2, SEGMENTS_NAME);
	segments_hear(lan, 2, PHONE);
	expect_seen(lan, 1000, PHONE, 2);
	segments_free(lan);
}

/* What was said just before is not on the disk yet. */
static void who_is_attached_anew_has_those_whom_it_tells_of_then(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, NODES, false);

	segments_hear(lan, 2, PHONE);
	segments_detach(lan->c, 2, SEGMENTS_NAME);
	segments_attach(lan->c, 2, SEGMENTS_NAME);
	segments_forget(lan, 2, PHONE);
	segments_run(lan, 5000);
	expect_seen(lan, 0, PHONE, -1);
	segments_free(lan);
}

static void a_segment_that_learns_from_frames_has_no_table(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, 3, true);
	uint64_t records = records_of(lan->c, 1);

	segments_hear(lan, 1, PHONE);
	segments_run(lan, 1000);
	assert_int_equal(segments_holder(lan->c, 0, PHONE), -1);
	assert_int_equal(records_of(lan->c, 1), records);
	segments_free(lan);
}

static void nobody_takes_the_address_of_an_interface_of_ours(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, 3, false);
	struct gossip_host own = {.own = true, .ip_count = 0};
	struct gossip_mac mac;

	segments_mac(PHONE, own.mac);
	gossip_macs_set(cluster_core(lan->c, 1), cluster_time(lan->c), SEGMENTS_VNI, &own, 1);
	cluster_drain(lan->c, 1);
	cluster_run(lan->c, 500);
	for (int i = 0; i < 50; i++) {
		segments_hear(lan, 2, PHONE);
		cluster_run(lan->c, 300);
		mac = segments_look(lan->c, 1, PHONE);
		assert_true(mac.own && mac.self);
	}
	assert_true(segments_look(lan->c, 0, PHONE).frozen);
	segments_free(lan);
}

static size_t count_table(struct cluster *c, int node)
{
	struct gossip_mac mac;
	size_t at = 0, count = 0;

	while (gossip_mac_next(cluster_core(c, node), SEGMENTS_VNI, &at, &mac))
		count++;
	return count;
}

/* In order of their coming: 1,024 of one member, and no bucket beyond its bound. */
static void a_flood_of_hosts_drives_out_nobody_and_ends_at_the_limit(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, 3, false);
	struct gossip_segment segment;

	segments_hear(lan, 1, PHONE);
	for (unsigned i = 100; i < 1600; i++)
		lan->here[1][i] = true;
	segments_tell(lan, 1, -1);
	segments_run(lan, 60000);
	assert_int_equal(segments_holder(lan->c, 0, PHONE), 1);
	assert_in_range(count_table(lan->c, 0), 1000, MACS_SEGMENT_MAX);
	assert_true(segments_agree(lan, NULL));
	assert_true(gossip_segment(cluster_core(lan->c, 1), SEGMENTS_NAME, &segment));
	assert_int_equal(segment.macs + segment.unannounced, 1501);
	assert_int_equal(segment.macs, count_table(lan->c, 0));
	/* and when there is room again the rest has it */
	for (unsigned i = 100; i < 1000; i++)
		lan->here[1][i] = false;
	segments_tell(lan, 1, -1);
	segments_run(lan, 60000);
	assert_int_equal(count_table(lan->c, 0), 601);
	segments_free(lan);
}

/* A host a second comes and goes at one member: what it costs the others' disks is bounded. */
static void comings_and_goings_are_put_together(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, 3, false);
	uint64_t before;

	segments_run(lan, 5000);
	before = cluster_counts(lan->c)->writes;
	for (int i = 0; i < 600; i++) { /* one MAC, fifty times a second */
		lan->here[1][PHONE] = i % 2 == 0;
		segments_tell(lan, 1, -1);
		cluster_run(lan->c, 20);
	}
	/* 12 s: a burst of 4, and one a second; a write is a record or its removal, at 3 nodes */
	assert_in_range(cluster_counts(lan->c)->writes - before, 12, 3 * 2 * (12 + 4 + 2));
	segments_free(lan);
}

static void wander(struct segments *lan, struct rng *rng, int last[], unsigned hosts)
{
	for (int i = 0; i < 300; i++) {
		unsigned host = (unsigned)rng_below(rng, hosts);
		int node = (int)rng_below(rng, NODES);

		if (rng_below(rng, 40) == 0)
			cluster_group(lan->c, (int)rng_below(rng, NODES), (int)rng_below(rng, 2));
		segments_hear(lan, node, host);
		last[host] = node;
		segments_run(lan, 50 * (1 + (int64_t)rng_below(rng, 30)));
	}
}

/* Hosts wander about while the mesh falls apart and comes together, and packets are lost. In the
 * end all agree; and where a host was heard last, there it is, unless it has moved too often. */
static void whatever_happened_all_agree_in_the_end(void **state)
{
	(void)state;

	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct cluster_options rough = {.seed = seed,
			.latency_min_ms = 1,
			.latency_max_ms = 40,
			.loss = 0.1,
			.duplication = 0.05,
			.disk_ms = 5};
		struct segments *lan = segments_new(&calm, NODES, false);
		uint8_t bytes[32] = {(uint8_t)seed};
		struct rng rng;
		int last[60];

		memset(last, -1, sizeof(last));
		rng_init(&rng, bytes);
		cluster_weather(lan->c, &rough);
		wander(lan, &rng, last, ARRAY_SIZE(last));
		cluster_weather(lan->c, &calm);
		for (int i = 0; i < NODES; i++)
			cluster_group(lan->c, i, 0);
		segments_run(lan, 400000); /* what is frozen is free again */
		for (unsigned i = 0; i < ARRAY_SIZE(last); i++) {
			if (last[i] >= 0)
				segments_hear(lan, last[i], i);
		}
		segments_run(lan, 5000);
		assert_true(segments_agree(lan, NULL));
		for (unsigned i = 0; i < ARRAY_SIZE(last); i++)
			assert_int_equal(segments_holder(lan->c, 0, i), last[i]);
		rng_done(&rng);
		segments_free(lan);
	}
}

static void moves_are_told(void **state)
{
	(void)state;
	struct segments *lan = segments_new(&calm, 3, false);
	uint64_t before;

	segments_hear(lan, 1, PHONE);
	segments_run(lan, 500);
	before = happened(lan->c, 0);
	segments_hear(lan, 2, PHONE);
	segments_run(lan, 500);
	assert_int_equal(happened(lan->c, 0), before + 1);
	segments_free(lan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_frame_of_a_host_is_known_to_all_at_once),
		cmocka_unit_test(a_host_that_moves_is_followed),
		cmocka_unit_test(moves_are_told),
		cmocka_unit_test(a_duplicate_is_frozen_where_it_was_last_and_looked_at_afresh),
		cmocka_unit_test(what_is_frozen_where_nobody_has_it_any_more_is_free),
		cmocka_unit_test(of_two_that_learn_it_at_once_one_has_it_everywhere),
		cmocka_unit_test(two_halves_that_each_had_it_agree_when_they_meet),
		cmocka_unit_test(who_is_dead_for_a_minute_has_nobody_until_it_is_back),
		cmocka_unit_test(a_restart_withdraws_nothing_and_says_nothing_anew),
		cmocka_unit_test(who_is_detached_has_nobody),
		cmocka_unit_test(who_is_attached_anew_has_those_whom_it_tells_of_then),
		cmocka_unit_test(a_segment_that_learns_from_frames_has_no_table),
		cmocka_unit_test(nobody_takes_the_address_of_an_interface_of_ours),
		cmocka_unit_test(a_flood_of_hosts_drives_out_nobody_and_ends_at_the_limit),
		cmocka_unit_test(comings_and_goings_are_put_together),
		cmocka_unit_test(whatever_happened_all_agree_in_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
