/* What lies between a segment as it is wanted and as it is, and what is left when it is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <net/if.h>
#include <stdio.h>

#include "l2/l2.h"

#define OVERLAY 7
#define BRIDGE	10
#define VXLAN	11
#define PORT	12
#define OTHER	20

static uint32_t random_state;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

static struct mac mac_of(uint8_t number)
{
	return (struct mac){{2, 0, 0, 0, 0, number}};
}

static struct ip ip_of(uint8_t number)
{
	return (struct ip){4, {100, 64, 0, number}};
}

static mtime_t at(int64_t us)
{
	return (mtime_t){us};
}

static struct l2_want segment(void)
{
	return (struct l2_want){.vni = 100,
		.bridge = "lan0",
		.vxlan = "vx100",
		.mark = "meshd l2 mesh0",
		.mac = {{2, 1}},
		.vxlan_mac = {{2, 2}},
		.local = ip_of(1),
		.overlay = OVERLAY,
		.mtu = 1370,
		.up = true};
}

/* ---- devices: a little kernel that does what it is told ---- */

struct kernel {
	struct l2_link items[8];
	struct l2_links links;
	uint32_t next;
};

static struct l2_link *plug(struct kernel *kernel, const char *name, uint32_t ifindex)
{
	struct l2_link *link = &kernel->items[kernel->links.count++];

	*link = (struct l2_link){.link = {.ifindex = ifindex, .mtu = 1500}};
	snprintf(link->link.name, sizeof(link->link.name), "%s", name);
	kernel->links.items = kernel->items;
	return link;
}

static struct l2_link *named(struct kernel *kernel, const char *name)
{
	for (size_t i = 0; i < kernel->links.count; i++)
		if (strcmp(kernel->items[i].link.name, name) == 0)
			return &kernel->items[i];
	return NULL;
}

static void set(struct l2_link *link, const struct l2_want *want, const struct l2_link_op *op)
{
	if (op->set & L2_SET_MARK)
		memcpy(link->link.alias, want->mark, sizeof(want->mark));
	if (op->set & L2_SET_MAC)
		link->mac = link->kind == L2_VXLAN ? want->vxlan_mac : want->mac;
	if (op->set & L2_SET_MTU)
		link->link.mtu = op->mtu;
	if (op->set & L2_SET_STP)
		link->stp = want->stp;
	if (op->set & L2_SET_SNOOPING)
		link->snooping = false;
	if (op->set & L2_SET_LOCAL)
		link->local = want->local;
	if (op->set & L2_SET_LEARNING)
		link->learning = want->flood;
	if (op->set & L2_SET_PORT) {
		link->port_learning = want->flood;
		link->port_suppress = !want->flood;
		link->port_cost = L2_TUNNEL_COST;
	}
	if (op->set & L2_SET_ADDRGEN)
		link->link.addrgen_none = true;
	if (op->set & L2_SET_UP)
		link->link.flags |= IFF_UP;
	if (op->set & L2_SET_DOWN)
		link->link.flags &= ~IFF_UP;
}

static void enslave(struct kernel *kernel, struct l2_link *link, const struct l2_want *want)
{
	link->master = named(kernel, want->bridge)->link.ifindex;
	link->port = link->port_learning = true;
	link->port_suppress = false;
}

static void obey(struct kernel *kernel, const struct l2_want *want, const struct l2_link_op *op)
{
	struct l2_link *link = named(kernel, op->name);

	switch (op->kind) {
	case L2_LINK_DELETE:
		*link = kernel->items[--kernel->links.count];
		break;
	case L2_LINK_BRIDGE:
		link = plug(kernel, op->name, BRIDGE + kernel->next++);
		link->kind = L2_BRIDGE;
		link->mac = want->mac;
		link->stp = want->stp;
		break;
	case L2_LINK_VXLAN:
		link = plug(kernel, op->name, BRIDGE + kernel->next++);
		link->kind = L2_VXLAN;
		link->mac = want->vxlan_mac;
		link->vni = want->vni;
		link->local = want->local;
		link->udp_port = L2_VXLAN_PORT;
		link->from_low = L2_FROM_LOW;
		link->from_high = L2_FROM_HIGH;
		link->learning = want->flood;
		link->link.addrgen_known = true;
		break;
	case L2_LINK_SET:
		set(link, want, op);
		break;
	case L2_LINK_ENSLAVE:
		enslave(kernel, link, want);
		break;
	case L2_LINK_RELEASE:
		link->master = 0;
		break;
	}
}

/* How many operations it took; fails where it never ends. */
static size_t settle(struct kernel *kernel, const struct l2_want *want)
{
	struct l2_link_ops ops;
	size_t count = 0;

	for (int round = 0; round < 6; round++) {
		l2_link_diff(want, &kernel->links, &ops);
		if (!ops.count)
			return count;
		for (size_t i = 0; i < ops.count; i++)
			obey(kernel, want, &ops.ops[i]);
		count += ops.count;
	}
	fail_msg("it never is as it should be");
	return 0;
}

static void a_segment_is_made_from_nothing_and_then_left_alone(void **state)
{
	struct l2_want want = segment();
	struct kernel kernel = {.next = 0};
	struct l2_link *bridge, *vxlan;

	(void)state;
	settle(&kernel, &want);
	bridge = named(&kernel, "lan0");
	vxlan = named(&kernel, "vx100");
	assert_int_equal(bridge->link.mtu, 1370);
	assert_int_equal(vxlan->link.mtu, 1370);
	assert_int_equal(vxlan->master, bridge->link.ifindex);
	assert_true(vxlan->port_suppress);
	assert_false(vxlan->port_learning);
	assert_true(bridge->link.flags & IFF_UP);
	assert_true(vxlan->link.flags & IFF_UP);
	assert_true(vxlan->link.addrgen_none);
	assert_string_equal(bridge->link.alias, want.mark);
	assert_int_equal(settle(&kernel, &want), 0);
}

static void without_a_guard_the_device_is_down(void **state)
{
	struct l2_want want = segment();
	struct kernel kernel = {.next = 0};

	(void)state;
	want.up = false;
	settle(&kernel, &want);
	assert_false(named(&kernel, "vx100")->link.flags & IFF_UP);
	want.up = true;
	assert_int_equal(settle(&kernel, &want), 1);
	assert_true(named(&kernel, "vx100")->link.flags & IFF_UP);
	want.up = false;
	assert_int_equal(settle(&kernel, &want), 1);
	assert_false(named(&kernel, "vx100")->link.flags & IFF_UP);
}

/* Frames must not pass between a port's going up and its ceasing to learn. */
static void the_device_goes_up_last(void **state)
{
	struct l2_want want = segment();
	struct kernel kernel = {.next = 0};
	struct l2_link_ops ops;

	(void)state;
	for (int round = 0; round < 6; round++) {
		l2_link_diff(&want, &kernel.links, &ops);
		for (size_t i = 0; i < ops.count; i++) {
			obey(&kernel, &want, &ops.ops[i]);
			struct l2_link *vxlan = named(&kernel, "vx100");

			if (vxlan && vxlan->link.flags & IFF_UP) {
				assert_true(vxlan->master && vxlan->port_suppress);
				assert_false(vxlan->port_learning);
			}
		}
	}
}

static void what_somebody_else_made_is_not_touched(void **state)
{
	struct l2_want want = segment();
	struct l2_link_ops ops;

	(void)state;
	for (int which = 0; which < 3; which++) {
		struct kernel kernel = {.next = 0};
		struct l2_link *link = plug(&kernel, which ? "vx100" : "lan0", OTHER);

		link->kind = which == 2 ? L2_OTHER : which ? L2_VXLAN : L2_BRIDGE;
		link->mac = which ? want.vxlan_mac : want.mac;
		snprintf(link->link.alias, sizeof(link->link.alias), "%s",
			which == 1 ? "meshd l2 mesh1" : "an uplink");
		l2_link_diff(&want, &kernel.links, &ops);
		assert_int_equal(ops.count, 0);
		assert_int_equal(ops.bridge_taken, which == 0);
		assert_int_equal(ops.vxlan_taken, which != 0);
	}
}

static void what_we_ended_before_marking_is_ours(void **state)
{
	struct l2_want want = segment();
	struct kernel kernel = {.next = 0};
	struct l2_link *bridge = plug(&kernel, "lan0", OTHER);

	(void)state;
	bridge->kind = L2_BRIDGE;
	assert_int_equal(l2_owner(bridge, want.mark, L2_BRIDGE, &want.mac), L2_FOREIGN);
	bridge->mac = want.mac;
	assert_int_equal(l2_owner(bridge, want.mark, L2_BRIDGE, &want.mac), L2_OURS);
	settle(&kernel, &want);
	assert_string_equal(bridge->link.alias, want.mark);
}

static void another_family_makes_the_device_anew_and_another_address_does_not(void **state)
{
	struct l2_want want = segment();
	struct kernel kernel = {.next = 0};
	uint32_t before;

	(void)state;
	settle(&kernel, &want);
	before = named(&kernel, "vx100")->link.ifindex;
	want.local = ip_of(99);
	assert_int_equal(settle(&kernel, &want), 1);
	assert_int_equal(named(&kernel, "vx100")->link.ifindex, before);
	want.local = (struct ip){6, {0xfd, [15] = 1}};
	settle(&kernel, &want);
	assert_int_not_equal(named(&kernel, "vx100")->link.ifindex, before);
	assert_int_equal(named(&kernel, "vx100")->local.family, 6);
}

static void ports_are_taken_and_given_back(void **state)
{
	struct l2_want want = segment();
	struct kernel kernel = {.next = 0};
	struct l2_link_ops ops;

	(void)state;
	plug(&kernel, "eth1", PORT);
	plug(&kernel, "eth2", PORT + 1)->master = OTHER;
	snprintf(want.ports[0], NET_NAME_SIZE, "eth1");
	snprintf(want.ports[1], NET_NAME_SIZE, "eth2");
	snprintf(want.ports[2], NET_NAME_SIZE, "eth3");
	want.port_count = 3;
	settle(&kernel, &want);
	l2_link_diff(&want, &kernel.links, &ops);
	assert_int_equal(ops.ports[0], L2_PORT_FINE);
	assert_int_equal(ops.ports[1], L2_PORT_ELSEWHERE);
	assert_int_equal(ops.ports[2], L2_PORT_ABSENT);
	assert_int_equal(named(&kernel, "eth1")->master, named(&kernel, "lan0")->link.ifindex);
	assert_int_equal(named(&kernel, "eth2")->master, OTHER);
	assert_true(named(&kernel, "eth1")->link.flags & IFF_UP);
	/* its hosts send whole frames */
	assert_int_equal(named(&kernel, "vx100")->link.mtu, 1500);
	assert_int_equal(named(&kernel, "lan0")->link.mtu, 1370);

	want.port_count = 0;
	snprintf(want.released[0], NET_NAME_SIZE, "eth1");
	want.released_count = 1;
	settle(&kernel, &want);
	assert_int_equal(named(&kernel, "eth1")->master, 0);
	assert_int_equal(named(&kernel, "vx100")->link.mtu, 1370);
}

/* An operator's own: a virtual machine's, say. */
static void a_port_that_somebody_else_put_there_stays(void **state)
{
	struct l2_want want = segment();
	struct kernel kernel = {.next = 0};

	(void)state;
	settle(&kernel, &want);
	plug(&kernel, "vnet0", PORT)->master = named(&kernel, "lan0")->link.ifindex;
	settle(&kernel, &want);
	assert_int_equal(named(&kernel, "vnet0")->master, named(&kernel, "lan0")->link.ifindex);
	assert_int_equal(named(&kernel, "vx100")->link.mtu, 1500);
}

/* ---- entries: tables that overlap in every way ---- */

static void draw_want(struct l2_want *want)
{
	*want = segment();
	for (uint8_t i = 0; i < 6; i++) {
		struct ip member = ip_of(10 + i);
		struct l2_station station = {
			.mac = mac_of(i), .member = ip_of(10 + draw(3)), .known = at(draw(100))};
		struct l2_neighbour neighbour = {.ip = ip_of(50 + i), .mac = mac_of(draw(6))};
		struct l2_neighbour other = {.ip = neighbour.ip, .mac = mac_of(draw(6))};

		if (draw(2))
			assert_int_equal(l2_want_member(want, &member), 0);
		if (draw(2))
			assert_int_equal(l2_want_station(want, &station), 0);
		if (draw(2))
			assert_int_equal(l2_want_neighbour(want, &neighbour), 0);
		other.silent = draw(2);
		if (!draw(4))
			assert_int_equal(l2_want_neighbour(want, &other), 0);
	}
	l2_want_seal(want);
}

#define ROOM 64

static void draw_table(struct l2_table *table)
{
	*table = (struct l2_table){.bridge = BRIDGE,
		.vxlan = VXLAN,
		.ipv6 = true,
		.seen = at(100000000),
		.forwards = calloc(ROOM, sizeof(struct l2_forward)),
		.places = calloc(ROOM, sizeof(struct l2_place)),
		.neighbours = calloc(ROOM, sizeof(struct l2_neighbour_have))};
	for (uint8_t i = 0; i < 6; i++) {
		bool ours = draw(2);

		if (draw(2))
			table->forwards[table->forward_count++] =
				(struct l2_forward){.member = ip_of(10 + i),
					.via = draw(8) ? OVERLAY : draw(2) * OTHER,
					.fixed = true};
		if (draw(2))
			table->forwards[table->forward_count++] =
				(struct l2_forward){.mac = mac_of(i),
					.member = ip_of(10 + draw(3)),
					.via = draw(3) ? OVERLAY : OTHER,
					.ours = ours,
					.fixed = !ours && draw(2)};
		ours = draw(2);
		if (draw(2))
			table->places[table->place_count++] = (struct l2_place){.mac = mac_of(i),
				.port = ours || draw(2) ? VXLAN : PORT,
				.heard = at(draw(100)),
				.ours = ours,
				.fixed = !ours && !draw(4),
				.self = !ours && !draw(4)};
		ours = draw(2);
		if (draw(2))
			table->neighbours[table->neighbour_count++] =
				(struct l2_neighbour_have){.ip = ip_of(50 + i),
					.mac = mac_of(draw(6)),
					.ours = ours,
					.valid = draw(3),
					.fixed = !ours && !draw(4)};
	}
	l2_table_seal(table);
}

static void remove_forward(struct l2_table *table, size_t index)
{
	table->forwards[index] = table->forwards[--table->forward_count];
	l2_table_seal(table);
}

static void forward(struct l2_table *table, const struct l2_entry_op *op)
{
	static const struct mac zero;
	bool copy = mac_equal(&op->mac, &zero);

	for (size_t i = 0; i < table->forward_count; i++) {
		struct l2_forward *have = &table->forwards[i];
		bool same = mac_equal(&have->mac, &op->mac) &&
			    (!copy || (ip_equal(&have->member, &op->ip) && have->via == op->via));

		if (same && op->kind == L2_FORWARD_ADD) {
			assert_false(copy); /* there was no need */
			assert_false(have->fixed);
			have->member = op->ip;
			have->via = op->via;
			have->ours = true;
			return;
		}
		if (same) {
			assert_true(copy || have->ours);
			remove_forward(table, i);
			return;
		}
	}
	assert_int_equal(op->kind, L2_FORWARD_ADD);
	table->forwards[table->forward_count++] = (struct l2_forward){
		.mac = op->mac, .member = op->ip, .via = op->via, .ours = !copy, .fixed = copy};
	l2_table_seal(table);
}

static void flush(struct l2_table *table)
{
	static const struct mac zero;

	for (size_t i = table->forward_count; i-- > 0;)
		if (mac_equal(&table->forwards[i].mac, &zero))
			remove_forward(table, i);
}

static void place(struct l2_table *table, const struct l2_entry_op *op)
{
	struct l2_place *have = (struct l2_place *)l2_table_place(table, &op->mac);

	if (op->kind == L2_PLACE_REMOVE) {
		assert_true(have->ours);
		*have = table->places[--table->place_count];
	} else if (have) {
		assert_false(have->self || have->fixed || have->ours);
		have->port = VXLAN;
		have->ours = true;
	} else {
		table->places[table->place_count++] =
			(struct l2_place){.mac = op->mac, .port = VXLAN, .ours = true};
	}
	l2_table_seal(table);
}

static void neighbour(struct l2_table *table, const struct l2_entry_op *op)
{
	for (size_t i = 0; i < table->neighbour_count; i++) {
		struct l2_neighbour_have *have = &table->neighbours[i];

		if (!ip_equal(&have->ip, &op->ip))
			continue;
		assert_false(have->fixed);
		if (op->kind == L2_NEIGHBOUR_REMOVE) {
			assert_true(have->ours);
			*have = table->neighbours[--table->neighbour_count];
		} else if (op->kind == L2_NEIGHBOUR_ASK) {
			assert_true(have->valid && mac_equal(&have->mac, &op->mac));
			have->heard = table->seen;
			have->ours = false;
		} else {
			*have = (struct l2_neighbour_have){
				.ip = op->ip, .mac = op->mac, .ours = true, .valid = true};
		}
		l2_table_seal(table);
		return;
	}
	assert_int_equal(op->kind, L2_NEIGHBOUR_ADD);
	table->neighbours[table->neighbour_count++] = (struct l2_neighbour_have){
		.ip = op->ip, .mac = op->mac, .ours = true, .valid = true};
	l2_table_seal(table);
}

static void obey_entry(struct l2_table *table, const struct l2_entry_op *op)
{
	switch (op->kind) {
	case L2_FLOOD_FLUSH:
		flush(table);
		break;
	case L2_FORWARD_ADD:
	case L2_FORWARD_REMOVE:
		forward(table, op);
		break;
	case L2_PLACE_ADD:
	case L2_PLACE_REMOVE:
		place(table, op);
		break;
	case L2_NEIGHBOUR_ADD:
	case L2_NEIGHBOUR_ASK:
	case L2_NEIGHBOUR_REMOVE:
		neighbour(table, op);
		break;
	}
}

/* Copies go to just the members that they should go to, over the overlay. */
static void expect_floods(const struct l2_want *want, const struct l2_table *table)
{
	static const struct mac zero;
	size_t copies = 0;

	while (copies < table->forward_count && mac_equal(&table->forwards[copies].mac, &zero)) {
		assert_true(copies < want->member_count);
		assert_true(ip_equal(&table->forwards[copies].member, &want->members[copies]));
		assert_int_equal(table->forwards[copies].via, OVERLAY);
		copies++;
	}
	assert_int_equal(copies, want->member_count);
}

static void after_its_operations_nothing_is_left_to_do(void **state)
{
	struct l2_entry_ops ops;

	(void)state;
	for (uint32_t seed = 0; seed < 3000; seed++) {
		struct l2_want want;
		struct l2_table table;
		int rounds = 0;

		random_state = seed;
		draw_want(&want);
		draw_table(&table);
		/* A place that is put right may let go of an address: twice is enough. */
		for (l2_entry_diff(&want, &table, &ops); ops.count && rounds < 2; rounds++) {
			for (size_t i = 0; i < ops.count; i++)
				obey_entry(&table, &ops.ops[i]);
			l2_entry_diff(&want, &table, &ops);
		}
		if (ops.count)
			fail_msg("seed %u: %zu operations are left, the first of kind %d", seed,
				ops.count, ops.ops[0].kind);
		expect_floods(&want, &table);
		l2_want_done(&want);
		l2_table_done(&table);
	}
}

static void one_diff_is_bounded_and_the_next_goes_on(void **state)
{
	struct l2_want want = segment();
	struct l2_table table = {.bridge = BRIDGE, .vxlan = VXLAN};
	struct l2_entry_ops ops;

	(void)state;
	for (uint32_t i = 0; i < L2_OPS_MAX + 5; i++) {
		struct ip member = {4, {100, 64, i >> 8, i}};
		assert_int_equal(l2_want_member(&want, &member), 0);
	}
	l2_want_seal(&want);
	l2_entry_diff(&want, &table, &ops);
	assert_int_equal(ops.count, L2_OPS_MAX);
	assert_true(ops.more);
	table.forwards = calloc(2 * L2_OPS_MAX, sizeof(*table.forwards));
	for (size_t i = 0; i < ops.count; i++)
		obey_entry(&table, &ops.ops[i]);
	l2_entry_diff(&want, &table, &ops);
	assert_int_equal(ops.count, 5);
	assert_false(ops.more);
	l2_table_done(&table);
	l2_want_done(&want);
}

/* What the bridge has heard since is news that gossip is about to have; what it heard before is
 * old. */
static void a_mac_heard_here_since_it_is_known_there_is_left_here(void **state)
{
	struct l2_station station = {.mac = mac_of(1), .member = ip_of(10), .known = at(50)};
	struct l2_place here = {.mac = mac_of(1), .port = PORT};
	struct l2_table table = {
		.bridge = BRIDGE, .vxlan = VXLAN, .places = &here, .place_count = 1};
	struct l2_want want = segment();
	struct l2_entry_ops ops;

	(void)state;
	assert_int_equal(l2_want_station(&want, &station), 0);
	for (int64_t heard = 0; heard <= 100; heard += 100) {
		bool moved = false;

		here.heard = at(heard);
		l2_entry_diff(&want, &table, &ops);
		for (size_t i = 0; i < ops.count; i++)
			moved |= ops.ops[i].kind == L2_PLACE_ADD;
		assert_int_equal(moved, heard < 50);
	}
	l2_want_done(&want);
}

/* Of one host on this side and one that another member says it has. */
static void who_answers_here_keeps_its_address_and_is_asked_when_others_claim_it(void **state)
{
	struct l2_neighbour there = {.ip = ip_of(50), .mac = mac_of(2)};
	struct l2_place here = {.mac = mac_of(1), .port = PORT};
	struct l2_neighbour_have neighbour = {.ip = ip_of(50), .mac = mac_of(1), .valid = true};
	struct l2_table table = {.bridge = BRIDGE,
		.vxlan = VXLAN,
		.seen = at(60000000),
		.places = &here,
		.place_count = 1,
		.neighbours = &neighbour,
		.neighbour_count = 1};
	struct l2_want want = segment();
	struct l2_entry_ops ops;

	(void)state;
	assert_int_equal(l2_want_neighbour(&want, &there), 0);
	neighbour.heard = table.seen;
	l2_entry_diff(&want, &table, &ops);
	assert_int_equal(ops.count, 0);
	neighbour.heard = at(50000000);
	l2_entry_diff(&want, &table, &ops);
	assert_int_equal(ops.count, 1);
	assert_int_equal(ops.ops[0].kind, L2_NEIGHBOUR_ASK);
	assert_memory_equal(&ops.ops[0].mac, &neighbour.mac, sizeof(struct mac));
	/* it gave no answer: it has moved */
	neighbour.valid = false;
	l2_entry_diff(&want, &table, &ops);
	assert_int_equal(ops.count, 1);
	assert_int_equal(ops.ops[0].kind, L2_NEIGHBOUR_ADD);
	/* what an operator has put there is asked for nothing */
	neighbour.valid = neighbour.fixed = true;
	l2_entry_diff(&want, &table, &ops);
	assert_int_equal(ops.count, 0);
	l2_want_done(&want);
}

static void want_claims(struct l2_want *want, const struct l2_neighbour *claims, size_t count)
{
	want->neighbour_count = 0;
	for (size_t i = 0; i < count; i++)
		assert_int_equal(l2_want_neighbour(want, &claims[i]), 0);
	l2_want_seal(want);
}

static void of_two_who_claim_an_address_neither_is_answered_for(void **state)
{
	struct l2_neighbour claims[] = {
		{ip_of(50), mac_of(2), false}, {ip_of(50), mac_of(1), false}};
	struct l2_neighbour_have ours = {
		.ip = ip_of(50), .mac = mac_of(1), .ours = true, .valid = true};
	struct l2_table table = {
		.bridge = BRIDGE, .vxlan = VXLAN, .neighbours = &ours, .neighbour_count = 1};
	struct l2_want want = segment();
	struct l2_entry_ops ops;

	(void)state;
	for (int silent = 0; silent <= 1; silent++) {
		claims[0].silent = silent;
		want_claims(&want, claims, 2);
		l2_entry_diff(&want, &table, &ops);
		assert_int_equal(ops.count, 1);
		assert_int_equal(ops.ops[0].kind, L2_NEIGHBOUR_REMOVE);
		table.neighbour_count = 0;
		l2_entry_diff(&want, &table, &ops);
		assert_int_equal(ops.count, 0);
		table.neighbour_count = 1;
	}
	want_claims(&want, claims, 1); /* nobody but the silent one */
	assert_int_equal(want.neighbour_count, 0);
	want_claims(&want, claims + 1, 1);
	l2_entry_diff(&want, &table, &ops);
	assert_int_equal(ops.count, 0);
	l2_want_done(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_is_made_from_nothing_and_then_left_alone),
		cmocka_unit_test(without_a_guard_the_device_is_down),
		cmocka_unit_test(the_device_goes_up_last),
		cmocka_unit_test(what_somebody_else_made_is_not_touched),
		cmocka_unit_test(what_we_ended_before_marking_is_ours),
		cmocka_unit_test(another_family_makes_the_device_anew_and_another_address_does_not),
		cmocka_unit_test(ports_are_taken_and_given_back),
		cmocka_unit_test(a_port_that_somebody_else_put_there_stays),
		cmocka_unit_test(after_its_operations_nothing_is_left_to_do),
		cmocka_unit_test(one_diff_is_bounded_and_the_next_goes_on),
		cmocka_unit_test(a_mac_heard_here_since_it_is_known_there_is_left_here),
		cmocka_unit_test(
			who_answers_here_keeps_its_address_and_is_asked_when_others_claim_it),
		cmocka_unit_test(of_two_who_claim_an_address_neither_is_answered_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
