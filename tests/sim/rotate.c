/* Another WireGuard key, in whole nodes: announced, installed, confirmed, switched to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "tests/support/cluster.h"

#define NODES 6

static const struct cluster_options calm = {.seed = 5, .latency_max_ms = 2, .disk_ms = 3};

static struct cluster *mesh(const struct cluster_options *options)
{
	struct cluster *c = cluster_new(&calm);

	cluster_mesh(c, NODES);
	cluster_run(c, 5000);
	if (options)
		cluster_weather(c, options);
	return c;
}

static struct keys next_keys(void)
{
	static const uint8_t seed[32] = {7, 7, 7};
	struct keys keys;

	keys_from_seed(seed, &keys);
	return keys;
}

static void public_of(const struct keys *keys, uint8_t ret[32])
{
	assert_int_equal(keys_wireguard_public(&keys->id, ret), 0);
}

static struct gossip_member member(struct cluster *c, int node, int of)
{
	const struct id id = cluster_id(c, of);
	struct gossip_member ret;

	assert_true(gossip_member(cluster_core(c, node), &id, &ret));
	return ret;
}

static bool has_key(struct cluster *c, int node, int of, const struct keys *keys)
{
	uint8_t key[32];

	public_of(keys, key);
	return memcmp(member(c, node, of).wireguard_public, key, sizeof(key)) == 0;
}

static void announce(struct cluster *c, int node)
{
	struct keys next = next_keys();

	assert_int_equal(gossip_announce_key(cluster_core(c, node), cluster_time(c), &next), 0);
	cluster_drain(c, node);
}

static bool all_know_the_next(struct cluster *c, void *arg)
{
	struct keys next = next_keys();
	int owner = *(const int *)arg;
	uint8_t key[32];

	public_of(&next, key);
	for (int i = 0; i < cluster_count(c); i++) {
		struct gossip_member seen;

		if (i == owner || !cluster_is_up(c, i))
			continue;
		seen = member(c, i, owner);
		if (!seen.has_next || memcmp(seen.next_public, key, sizeof(key)) != 0)
			return false;
	}
	return true;
}

/* What each daemon does. */
static void install(struct cluster *c, int owner)
{
	const struct id id = cluster_id(c, owner);

	for (int i = 0; i < cluster_count(c); i++) {
		struct gossip_member seen;

		if (i == owner || !cluster_is_up(c, i))
			continue;
		seen = member(c, i, owner);
		if (seen.has_next)
			gossip_key_installed(
				cluster_core(c, i), cluster_time(c), &id, seen.next_public);
		cluster_drain(c, i);
	}
}

static bool all_confirmed(struct cluster *c, void *arg)
{
	int owner = *(const int *)arg;

	for (int i = 0; i < cluster_count(c); i++)
		if (i != owner && cluster_is_up(c, i) && !member(c, owner, i).confirmed)
			return false;
	return true;
}

static void switch_key(struct cluster *c, int node)
{
	assert_int_equal(gossip_switch_key(cluster_core(c, node), cluster_time(c)), 0);
	cluster_drain(c, node);
}

struct order {
	int owner;
	bool switched, persisting, sent_before;
	size_t sends_after;
};

static void watch_order(void *arg, int node, const struct gossip_effect *effect)
{
	struct order *order = arg;

	if (node != order->owner)
		return;
	order->persisting |= effect->kind == EFFECT_PERSIST_RECORD;
	if (effect->kind == EFFECT_KEY)
		order->switched = true;
	if (effect->kind == EFFECT_SEND && order->switched)
		order->sends_after++;
}

static bool all_moved(struct cluster *c, void *arg)
{
	struct keys next = next_keys();
	int owner = *(const int *)arg;

	for (int i = 0; i < cluster_count(c); i++)
		if (i != owner && cluster_is_up(c, i) && !has_key(c, i, owner, &next))
			return false;
	return true;
}

static void wireguard_switches_once_it_is_on_disk_and_then_everybody_is_told(void **state)
{
	struct cluster *c = mesh(NULL);
	struct order order = {.owner = 2};
	struct keys next = next_keys();
	int owner = 2;

	(void)state;
	announce(c, owner);
	assert_true(cluster_wait(c, 1000, all_know_the_next, &owner));
	assert_false(member(c, owner, 0).confirmed);
	install(c, owner);
	assert_true(cluster_wait(c, 1000, all_confirmed, &owner));
	cluster_observe(c, watch_order, &order);
	switch_key(c, owner);
	assert_true(order.persisting && !order.switched);
	for (int i = 0; i < NODES; i++)
		assert_true(i == owner || !has_key(c, i, owner, &next));
	assert_true(cluster_wait(c, 20, all_moved, &owner));
	assert_true(order.switched && order.sends_after >= NODES - 1);
	assert_int_equal(cluster_event_count(c, 0, GOSSIP_EVENT_KEY_ROTATED), 1);
	assert_int_equal(cluster_event_count(c, owner, GOSSIP_EVENT_KEY_ROTATED), 1);
	assert_false(member(c, owner, 0).confirmed || member(c, 0, owner).has_next);
	cluster_free(c);
}

static void preshared_keys_follow_by_construction(void **state)
{
	struct cluster *c = mesh(NULL);
	struct gossip_member there, here;
	uint8_t before[32];
	int owner = 2;

	(void)state;
	memcpy(before, member(c, 0, owner).preshared, sizeof(before));
	announce(c, owner);
	assert_true(cluster_wait(c, 1000, all_know_the_next, &owner));
	there = member(c, 0, owner);
	assert_memory_equal(there.preshared, before, sizeof(before));
	assert_memory_not_equal(there.next_preshared, before, sizeof(before));
	switch_key(c, owner);
	assert_true(cluster_wait(c, 1000, all_moved, &owner));
	here = member(c, owner, 0);
	assert_memory_equal(here.preshared, there.next_preshared, sizeof(before));
	assert_memory_equal(member(c, 0, owner).preshared, here.preshared, sizeof(before));
	cluster_free(c);
}

static void a_confirmation_gets_through_a_bad_network(void **state)
{
	const struct cluster_options storm = {
		.seed = 6, .loss = 0.5, .duplication = 0.1, .latency_max_ms = 100, .disk_ms = 3};
	struct cluster *c = mesh(&storm);
	int owner = 1;

	(void)state;
	announce(c, owner);
	assert_true(cluster_wait(c, 60000, all_know_the_next, &owner));
	install(c, owner);
	assert_true(cluster_wait(c, 60000, all_confirmed, &owner));
	cluster_free(c);
}

static void a_confirmation_comes_by_streams_where_no_datagram_arrives(void **state)
{
	struct cluster *c = mesh(NULL);
	int owner = 1;

	(void)state;
	for (int other = 0; other < NODES; other++) {
		if (other == owner)
			continue;
		cluster_cut_udp(c, owner, other, true);
		cluster_cut_udp(c, other, owner, true);
	}
	cluster_run(c, 30000);
	announce(c, owner);
	assert_true(cluster_wait(c, 120000, all_know_the_next, &owner));
	install(c, owner);
	assert_true(cluster_wait(c, 300000, all_confirmed, &owner));
	switch_key(c, owner);
	assert_true(cluster_wait(c, 120000, all_moved, &owner));
	cluster_free(c);
}

static size_t counted;

static void count_sends(void *arg, int node, const struct gossip_effect *effect)
{
	counted += node == *(const int *)arg && effect->kind == EFFECT_SEND;
}

static void whoever_has_been_answered_says_no_more(void **state)
{
	struct cluster *c = mesh(NULL);
	int owner = 1, other = 4;
	size_t quiet;

	(void)state;
	cluster_observe(c, count_sends, &other);
	cluster_run(c, 60000);
	quiet = counted;
	announce(c, owner);
	assert_true(cluster_wait(c, 1000, all_know_the_next, &owner));
	install(c, owner);
	assert_true(cluster_wait(c, 1000, all_confirmed, &owner));
	counted = 0;
	cluster_run(c, 60000);
	assert_in_range(counted, 0, quiet + quiet / 10 + 20);
	cluster_free(c);
}

static void a_confirmation_of_another_key_counts_for_nothing(void **state)
{
	struct cluster *c = mesh(NULL);
	const struct id id = cluster_id(c, 1);
	const uint8_t other[32] = {1, 2, 3};
	int owner = 1;

	(void)state;
	announce(c, owner);
	assert_true(cluster_wait(c, 1000, all_know_the_next, &owner));
	gossip_key_installed(cluster_core(c, 0), cluster_time(c), &id, other);
	cluster_drain(c, 0);
	cluster_run(c, 2000);
	assert_false(member(c, owner, 0).confirmed);
	cluster_free(c);
}

static void whoever_was_away_catches_up(void **state)
{
	struct cluster *c = mesh(NULL);
	struct keys next = next_keys();
	int owner = 3;

	(void)state;
	cluster_crash(c, 5);
	announce(c, owner);
	assert_true(cluster_wait(c, 1000, all_know_the_next, &owner));
	switch_key(c, owner);
	assert_true(cluster_wait(c, 1000, all_moved, &owner));
	cluster_restart(c, 5);
	assert_true(cluster_wait(c, 30000, all_moved, &owner));
	assert_true(has_key(c, 5, owner, &next));
	cluster_free(c);
}

static void nothing_is_announced_or_switched_to_outside_a_mesh(void **state)
{
	struct cluster *c = cluster_new(&calm);
	struct keys next = next_keys();
	int node = cluster_add(c);

	(void)state;
	assert_int_equal(
		gossip_announce_key(cluster_core(c, node), cluster_time(c), &next), ERR_STATE);
	cluster_found(c, node);
	cluster_run(c, 100);
	assert_int_equal(gossip_switch_key(cluster_core(c, node), cluster_time(c)), ERR_STATE);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wireguard_switches_once_it_is_on_disk_and_then_everybody_is_told),
		cmocka_unit_test(preshared_keys_follow_by_construction),
		cmocka_unit_test(a_confirmation_gets_through_a_bad_network),
		cmocka_unit_test(a_confirmation_comes_by_streams_where_no_datagram_arrives),
		cmocka_unit_test(whoever_has_been_answered_says_no_more),
		cmocka_unit_test(a_confirmation_of_another_key_counts_for_nothing),
		cmocka_unit_test(whoever_was_away_catches_up),
		cmocka_unit_test(nothing_is_announced_or_switched_to_outside_a_mesh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
