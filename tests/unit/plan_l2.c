/* What a node wants of its kernel for its segments, by what gossip and the operator say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <stdio.h>

#include "daemon/plan_l2.h"

#define MEMBERS_MAX 8
#define MACS_MAX    8
#define VNI	    100

struct scene {
	struct gossip_status status;
	struct authority_member standings[MEMBERS_MAX];
	struct gossip_member members[MEMBERS_MAX];
	size_t member_count;
	struct gossip_segment segments[2];
	size_t segment_count;
	struct gossip_mac macs[MACS_MAX];
	size_t mac_count;
	struct attach attach;
	struct plan_l2_input input;
	struct plan_l2 plan;
};

static struct ip ip4(uint8_t last)
{
	return (struct ip){4, {100, 64, 0, last}};
}

static struct ip ip6(uint8_t last)
{
	return (struct ip){6, {0xfd, [15] = last}};
}

static bool next_member(const void *source, size_t *index, struct gossip_member *ret)
{
	const struct scene *scene = source;

	if (*index == scene->member_count)
		return false;
	*ret = scene->members[(*index)++];
	return true;
}

static bool next_segment(const void *source, size_t *index, struct gossip_segment *ret)
{
	const struct scene *scene = source;

	if (*index == scene->segment_count)
		return false;
	*ret = scene->segments[(*index)++];
	return true;
}

static bool next_mac(const void *source, uint32_t vni, size_t *index, struct gossip_mac *ret)
{
	const struct scene *scene = source;

	if (vni != VNI || *index == scene->mac_count)
		return false;
	*ret = scene->macs[(*index)++];
	return true;
}

static const struct attach *attach(const void *source, const char *segment)
{
	const struct scene *scene = source;

	return strcmp(scene->attach.segment, segment) == 0 ? &scene->attach : NULL;
}

/* On the segment. */
static struct gossip_member *add_member(struct scene *scene, uint8_t number)
{
	struct authority_member *standing = &scene->standings[scene->member_count];
	struct gossip_member *member = &scene->members[scene->member_count++];

	*standing = (struct authority_member){.id = {{number}}, .stamp = 100 + number};
	*member = (struct gossip_member){.standing = standing,
		.self = number == 1,
		.address4 = ip4(number),
		.address6 = ip6(number),
		.has_descriptor = true,
		.descriptor = {.segment_count = 1, .segments = {VNI}},
		.has_wireguard = number != 1};
	return member;
}

static struct gossip_mac *add_mac(struct scene *scene, uint8_t number, uint8_t holder)
{
	struct gossip_mac *mac = &scene->macs[scene->mac_count++];

	*mac = (struct gossip_mac){.mac = {2, 0, 0, 0, 0, number},
		.holder = {{holder}},
		.self = holder == 1,
		.since = {4000},
		.ip_count = 1,
		.ips = {{4, {10, 0, 0, number}}}};
	return mac;
}

/* Node 1 with nodes 2 and 3, all of them on lan0. */
static void scene_start(struct scene *scene)
{
	*scene = (struct scene){
		.status = {.state = GOSSIP_RUNNING,
			.node = {{1}},
			.address4 = ip4(1),
			.address6 = ip6(1),
			.charter = {.prefix4 = {{4, {100, 64}}, 16}, .prefix6 = {{6, {0xfd}}, 48}}},
		.segments = {{.name = "lan0",
			.vni = VNI,
			.attached = true,
			.members = 3,
			.overlay_mtu = 1420}},
		.segment_count = 1,
		.input = {.next_member = next_member,
			.next_segment = next_segment,
			.next_mac = next_mac,
			.attach = attach,
			.interface = "mesh0",
			.overlay = 7,
			.mtu = 1420,
			.wall = {10000}}};
	scene->input.status = &scene->status;
	scene->input.source = scene;
	for (uint8_t number = 1; number <= 3; number++)
		add_member(scene, number);
}

static const struct plan_l2_segment *make(struct scene *scene)
{
	plan_l2_done(&scene->plan);
	assert_int_equal(plan_l2_make(&scene->input, (mtime_t){10000000}, &scene->plan), 0);
	return plan_l2_segment(&scene->plan, "lan0");
}

static bool floods_to(const struct plan_l2_segment *segment, struct ip ip)
{
	for (size_t i = 0; i < segment->want.member_count; i++)
		if (ip_equal(&segment->want.members[i], &ip))
			return true;
	return false;
}

static bool lets_in(const struct scene *scene, struct ip ip)
{
	for (size_t i = 0; i < scene->plan.guard.source_count; i++)
		if (ip_equal(&scene->plan.guard.sources[i].ip, &ip))
			return true;
	return false;
}

static void frames_are_copied_to_the_attached_members(void **state)
{
	const struct plan_l2_segment *segment;
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.members[2].descriptor.segment_count = 0;
	segment = make(&scene);
	assert_int_equal(segment->want.member_count, 1);
	assert_true(floods_to(segment, ip4(2)));
	assert_string_equal(segment->want.bridge, "lan0");
	assert_string_equal(segment->want.vxlan, "vx100");
	assert_string_equal(segment->want.mark, "meshd l2 mesh0");
	assert_int_equal(segment->want.overlay, 7);
	assert_true(guard_want_has(&scene.plan.guard, VNI));
	assert_true(lets_in(&scene, ip4(2)) && lets_in(&scene, ip6(2)));
	assert_false(lets_in(&scene, ip4(3)));
	plan_l2_done(&scene.plan);
}

static void who_left_or_was_revoked_gets_nothing_and_gets_nothing_in(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.standings[1].standing = AUTHORITY_REVOKED;
	scene.standings[2].standing = AUTHORITY_LEFT;
	add_mac(&scene, 1, 2);
	assert_int_equal(make(&scene)->want.member_count, 0);
	assert_int_equal(scene.plan.segments[0].want.station_count, 0);
	assert_int_equal(scene.plan.guard.source_count, 0);
	plan_l2_done(&scene.plan);
}

static void a_member_that_is_long_dead_costs_no_copy_and_may_still_come_back(void **state)
{
	const struct plan_l2_segment *segment;
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.members[1].gone = true;
	add_mac(&scene, 1, 2);
	segment = make(&scene);
	assert_false(floods_to(segment, ip4(2)));
	assert_true(floods_to(segment, ip4(3)));
	assert_int_equal(segment->want.station_count, 0);
	assert_true(lets_in(&scene, ip4(2)));
	plan_l2_done(&scene.plan);
}

static void a_segment_uses_ipv6_as_soon_as_one_member_has_no_ipv4(void **state)
{
	const struct plan_l2_segment *segment;
	struct scene scene;

	(void)state;
	scene_start(&scene);
	segment = make(&scene);
	assert_int_equal(segment->family, 4);
	assert_int_equal(segment->want.mtu, 1370);
	assert_true(ip_equal(&segment->want.local, &scene.status.address4));
	scene.members[2].address4 = (struct ip){0};
	segment = make(&scene);
	assert_int_equal(segment->family, 6);
	assert_int_equal(segment->want.mtu, 1350);
	assert_true(ip_equal(&segment->want.local, &scene.status.address6));
	assert_true(floods_to(segment, ip6(2)) && floods_to(segment, ip6(3)));
	scene.members[2].descriptor.segment_count = 0; /* it is no concern of this one */
	assert_int_equal(make(&scene)->family, 4);
	plan_l2_done(&scene.plan);
}

static uint8_t make_at(struct scene *scene, int64_t second, bool lacks)
{
	struct plan_l2 before = scene->plan;

	scene->members[2].address4 = lacks ? (struct ip){0} : ip4(3);
	scene->input.before = &before;
	assert_int_equal(plan_l2_make(&scene->input, (mtime_t){second * 1000000}, &scene->plan), 0);
	plan_l2_done(&before);
	return scene->plan.segments[0].family;
}

/* As soon as the segment is back on IPv4 a member's address is gone again, for a second. */
static void an_address_that_comes_and_goes_makes_devices_anew_ever_more_rarely(void **state)
{
	const int64_t hold_s = PLAN_L2_HOLD_MS / 1000, most_s = PLAN_L2_HOLD_MAX_MS / 1000;
	int64_t second = 10, end = second + 3600, lacked = 0, expected = hold_s;
	struct scene scene;

	(void)state;
	scene_start(&scene);
	assert_int_equal(make(&scene)->family, 4);
	for (; second < end; second++) {
		assert_int_equal(make_at(&scene, second, true), 6);
		assert_int_equal(scene.plan.again_at.us, 0);
		for (lacked = second++; make_at(&scene, second, false) == 6; second++)
			assert_int_equal(scene.plan.again_at.us, (lacked + expected) * 1000000);
		assert_int_equal(second - lacked, expected);
		expected = 2 * expected < most_s ? 2 * expected : most_s;
	}
	assert_int_equal(expected, most_s);
	/* who behaves for a while is as new */
	second = lacked + PLAN_L2_FORGET_MS / 1000;
	assert_int_equal(make_at(&scene, second, true), 6);
	assert_int_equal(make_at(&scene, second + hold_s - 1, false), 6);
	assert_int_equal(make_at(&scene, second + hold_s, false), 4);
	plan_l2_done(&scene.plan);
}

static void known_hosts_are_reached_at_their_holder_and_answered_for(void **state)
{
	const struct plan_l2_segment *segment;
	struct scene scene;

	(void)state;
	scene_start(&scene);
	add_mac(&scene, 1, 2);
	add_mac(&scene, 3, 1);	/* this node's own side */
	add_mac(&scene, 4, 99); /* of nobody that is attached */
	add_mac(&scene, 5, 2)->own = true;
	add_mac(&scene, 6, 2)->mac[0] = 3; /* a group's */
	segment = make(&scene);
	assert_int_equal(segment->want.station_count, 1);
	assert_true(ip_equal(&segment->want.stations[0].member, &scene.members[1].address4));
	/* 6 s ago */
	assert_int_equal(segment->want.stations[0].known.us, 4000000);
	assert_int_equal(segment->want.neighbour_count, 1);
	assert_int_equal(segment->want.neighbours[0].ip.b[3], 1);
	plan_l2_done(&scene.plan);
}

static void what_several_claim_to_have_is_flooded_for_and_answers_by_itself(void **state)
{
	const struct plan_l2_segment *segment;
	struct scene scene;

	(void)state;
	scene_start(&scene);
	add_mac(&scene, 1, 2)->frozen = true;
	add_mac(&scene, 2, 3);
	segment = make(&scene);
	assert_int_equal(segment->want.station_count, 1);
	assert_int_equal(segment->want.stations[0].mac.b[5], 2);
	assert_int_equal(segment->want.neighbour_count, 1);
	assert_int_equal(segment->want.neighbours[0].ip.b[3], 2);
	plan_l2_done(&scene.plan);
}

static bool answers(const struct plan_l2_segment *segment, uint8_t number)
{
	return segment->want.neighbour_count == 1 && segment->want.neighbours[0].mac.b[5] == number;
}

/* One has it here or elsewhere, surely or not; then another says that it does, and takes it back.
 */
static void an_address_that_two_claim_is_answered_for_by_neither(void **state)
{
	struct scene scene;

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		scene_start(&scene);
		add_mac(&scene, 1, kind == 1 ? 1 : 2)->frozen = kind == 2;
		assert_true(
			kind ? make(&scene)->want.neighbour_count == 0 : answers(make(&scene), 1));
		add_mac(&scene, 2, 3)->ips[0] = scene.macs[0].ips[0];
		assert_true(answers(make(&scene), 0));
		scene.macs[0].ip_count = 0;
		assert_true(answers(make(&scene), 2));
		plan_l2_done(&scene.plan);
	}
}

static void a_members_bridge_is_at_that_member_whoever_claims_it(void **state)
{
	const struct plan_l2_segment *segment;
	struct hold_member bridge;
	struct gossip_mac *mac;
	struct scene scene;

	(void)state;
	scene_start(&scene);
	bridge = make(&scene)->bridges[0];
	mac = add_mac(&scene, 1, bridge.id.b[0]);
	memcpy(mac->mac, &bridge.mac, sizeof(mac->mac));
	for (int liars = 0; liars < 2; liars++) {
		segment = make(&scene);
		assert_int_equal(segment->want.station_count, 1);
		assert_true(ip_equal(&segment->want.stations[0].member,
			&scene.members[bridge.id.b[0] - 1].address4));
		assert_int_equal(segment->want.neighbour_count, !liars);
		mac->holder.b[0] = 5 - bridge.id.b[0];
		mac->frozen = true;
	}
	plan_l2_done(&scene.plan);
}

static void nobody_takes_the_bridges_own_address_from_it(void **state)
{
	struct gossip_mac *mac;
	struct scene scene;

	(void)state;
	scene_start(&scene);
	mac = add_mac(&scene, 1, 2);
	memcpy(mac->mac, &make(&scene)->want.mac, sizeof(mac->mac));
	mac = add_mac(&scene, 2, 2);
	memcpy(mac->mac, &scene.plan.segments[0].want.vxlan_mac, sizeof(mac->mac));
	assert_int_equal(make(&scene)->want.station_count, 0);
	plan_l2_done(&scene.plan);
}

static void a_segment_that_floods_is_told_no_hosts(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	add_mac(&scene, 1, 2);
	scene.segments[0].flood = true;
	assert_true(make(&scene)->want.flood);
	assert_int_equal(scene.plan.segments[0].want.station_count, 0);
	assert_int_equal(scene.plan.segments[0].want.member_count, 2);
	plan_l2_done(&scene.plan);
}

static void what_the_operator_gave_is_on_the_bridge(void **state)
{
	const struct plan_l2_segment *segment;
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.attach = (struct attach){.segment = "lan0",
		.address_count = 1,
		.addresses = {{{4, {10, 0, 0, 1}}, 24}},
		.port_count = 1,
		.ports = {"eth1"}};
	scene.input.stp = true;
	segment = make(&scene);
	assert_int_equal(segment->address_count, 1);
	assert_int_equal(segment->addresses[0].bits, 24);
	assert_int_equal(segment->want.port_count, 1);
	assert_string_equal(segment->want.ports[0], "eth1");
	assert_true(segment->want.stp);
	plan_l2_done(&scene.plan);
}

static void what_is_not_in_force_or_not_attached_is_not_wanted(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.segments[0].clash = true;
	assert_null(make(&scene));
	scene.segments[0].clash = false;
	scene.segments[0].attached = false;
	assert_null(make(&scene));
	scene.segments[0].attached = true;
	scene.status.state = GOSSIP_LEAVING;
	assert_null(make(&scene));
	assert_int_equal(scene.plan.guard.vni_count, 0);
	assert_string_equal(scene.plan.guard.interface, "mesh0");
	plan_l2_done(&scene.plan);
}

static void hardware_addresses_are_the_nodes_own_and_stay(void **state)
{
	struct scene scene;
	struct mac before;

	(void)state;
	scene_start(&scene);
	before = make(&scene)->want.mac;
	assert_true(mac_is_unicast(&before));
	assert_int_equal(before.b[0] & 2, 2); /* locally administered */
	assert_false(mac_equal(&before, &scene.plan.segments[0].want.vxlan_mac));
	assert_true(mac_equal(&before, &make(&scene)->want.mac));
	scene.status.node = (struct id){{9}};
	assert_false(mac_equal(&before, &make(&scene)->want.mac));
	plan_l2_done(&scene.plan);
}

static void until_the_members_mtus_are_known_this_nodes_own_counts(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.segments[0].overlay_mtu = 0;
	scene.input.mtu = 1400;
	assert_int_equal(make(&scene)->want.mtu, 1350);
	plan_l2_done(&scene.plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_copied_to_the_attached_members),
		cmocka_unit_test(who_left_or_was_revoked_gets_nothing_and_gets_nothing_in),
		cmocka_unit_test(a_member_that_is_long_dead_costs_no_copy_and_may_still_come_back),
		cmocka_unit_test(a_segment_uses_ipv6_as_soon_as_one_member_has_no_ipv4),
		cmocka_unit_test(
			an_address_that_comes_and_goes_makes_devices_anew_ever_more_rarely),
		cmocka_unit_test(known_hosts_are_reached_at_their_holder_and_answered_for),
		cmocka_unit_test(what_several_claim_to_have_is_flooded_for_and_answers_by_itself),
		cmocka_unit_test(an_address_that_two_claim_is_answered_for_by_neither),
		cmocka_unit_test(a_members_bridge_is_at_that_member_whoever_claims_it),
		cmocka_unit_test(nobody_takes_the_bridges_own_address_from_it),
		cmocka_unit_test(a_segment_that_floods_is_told_no_hosts),
		cmocka_unit_test(what_the_operator_gave_is_on_the_bridge),
		cmocka_unit_test(what_is_not_in_force_or_not_attached_is_not_wanted),
		cmocka_unit_test(hardware_addresses_are_the_nodes_own_and_stay),
		cmocka_unit_test(until_the_members_mtus_are_known_this_nodes_own_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
