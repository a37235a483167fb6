/* Two members on one LAN: who holds its port, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <net/if.h>
#include <stdlib.h>
#include <linux/if_bridge.h>

#include "l2/hold.h"

#define BRIDGE 10
#define VXLAN  11
#define PORT   12

/* A node between two others, with one port, as its kernel shows it. */
struct scene {
	struct hold hold;
	struct l2_want want;
	struct l2_link items[3];
	struct l2_links links;
	struct hold_member members[2]; /* the one before this node, the one after */
	size_t member_count;
	struct id self;
	struct l2_place places[4];
	struct l2_table table;
	mtime_t now;
	struct hold_ops ops;
	bool says;
};

static struct mac mac_of(uint8_t number)
{
	return (struct mac){{2, 0, 0, 0, 0, number}};
}

static void setup(struct scene *scene)
{
	*scene = (struct scene){.want = {.bridge = "lan0", .vxlan = "vx1"},
		.self = {{5}},
		.member_count = 2,
		.now = {1000000}};
	scene->members[0] = (struct hold_member){.mac = mac_of(2), .id = {{2}}};
	scene->members[1] = (struct hold_member){.mac = mac_of(7), .id = {{7}}};
	scene->items[0] = (struct l2_link){.link = {.ifindex = BRIDGE, .name = "lan0"}};
	scene->items[1] =
		(struct l2_link){.link = {.ifindex = VXLAN, .name = "vx1", .flags = IFF_RUNNING},
			.master = BRIDGE,
			.port = true,
			.port_state = BR_STATE_FORWARDING};
	scene->items[2] =
		(struct l2_link){.link = {.ifindex = PORT, .name = "eth1", .flags = IFF_RUNNING},
			.master = BRIDGE,
			.port = true,
			.port_state = BR_STATE_FORWARDING};
	scene->links = (struct l2_links){.items = scene->items, .count = 3};
	scene->table = (struct l2_table){.bridge = BRIDGE, .vxlan = VXLAN, .places = scene->places};
}

static void hear(struct scene *scene, uint8_t number, uint32_t port)
{
	scene->places[scene->table.place_count++] =
		(struct l2_place){.mac = mac_of(number), .port = port};
	l2_table_seal(&scene->table);
}

static void silence(struct scene *scene)
{
	scene->table.place_count = 0;
}

/* One turn, done by a kernel that does what it is told. */
static void turn(struct scene *scene, int64_t after_ms)
{
	scene->now = mtime_add_ms(scene->now, after_ms);
	hold_turn(&scene->hold, scene->now, &scene->self, scene->members, scene->member_count,
		&scene->want, &scene->links, &scene->table, &scene->ops);
	scene->says = mtime_reached(scene->now, hold_say_deadline(&scene->hold));
	if (scene->says)
		hold_said(&scene->hold, scene->now);
	for (size_t i = 0; i < scene->ops.count; i++) {
		assert_int_equal(scene->ops.ops[i].port, PORT);
		scene->items[2].port_state = scene->ops.ops[i].state;
		if (scene->ops.ops[i].flush)
			silence(scene);
	}
}

static int state(const struct scene *scene)
{
	assert_int_equal(scene->hold.port_count, 1);
	return scene->hold.ports[0].state;
}

/* It has heard the one before it. */
static void setup_held(struct scene *scene)
{
	setup(scene);
	turn(scene, 0);
	hear(scene, 2, PORT);
	turn(scene, 10);
	assert_int_equal(state(scene), HOLD_HELD);
}

static void test_a_port_where_nobody_of_the_segment_is_heard_stays_open(void **unused)
{
	struct scene scene;

	(void)unused;
	setup(&scene);
	hear(&scene, 99, PORT); /* a host */
	hear(&scene, 2, VXLAN); /* a member where it belongs */
	for (int i = 0; i < 10; i++) {
		turn(&scene, 500);
		assert_int_equal(state(&scene), HOLD_OPEN);
		assert_int_equal(scene.ops.count, 0);
		assert_null(hold_first(&scene.hold));
	}
}

static void test_who_comes_after_holds_its_port_for_who_comes_before(void **unused)
{
	struct scene scene;

	(void)unused;
	setup(&scene);
	turn(&scene, 0);
	assert_true(scene.says); /* a new port: there may be a loop now */
	hear(&scene, 2, PORT);
	turn(&scene, 10);
	assert_int_equal(state(&scene), HOLD_HELD);
	assert_int_equal(scene.items[2].port_state, BR_STATE_DISABLED);
	assert_true(id_equal(&hold_first(&scene.hold)->rival, &scene.members[0].id));
}

static void test_who_comes_before_keeps_its_port_and_says_at_once_that_it_is_there(void **unused)
{
	struct scene scene;
	int said = 0;

	(void)unused;
	setup(&scene);
	turn(&scene, 0);
	hear(&scene, 7, PORT);
	turn(&scene, 1);
	assert_true(
		hold_say_deadline(&scene.hold).us <= mtime_add_ms(scene.now, HOLD_ANSWER_MS).us);
	/* But no more often than that, however often it is heard. */
	for (int i = 0; i < 1000; i++) {
		turn(&scene, 1);
		assert_int_equal(state(&scene), HOLD_OPEN);
		said += scene.says;
	}
	assert_in_range(said, 1, 1000 / HOLD_ANSWER_MS + 1);
}

static void test_a_loop_that_lasts_is_listened_for_and_never_let_through(void **unused)
{
	struct scene scene;
	int64_t held_ms = 0, longest_ms = 0;

	(void)unused;
	setup(&scene);
	turn(&scene, 0);
	hear(&scene, 2, PORT);
	for (int i = 0; i < 2000000 / 500; i++) {
		turn(&scene, 500);
		assert_int_not_equal(state(&scene), HOLD_OPEN);
		held_ms = state(&scene) == HOLD_HELD ? held_ms + 500 : 0;
		longest_ms = held_ms > longest_ms ? held_ms : longest_ms;
		/* A port that listens hears the other say it, within two of its intervals. */
		if (state(&scene) == HOLD_LISTENING && scene.ops.count == 0)
			hear(&scene, 2, PORT);
	}
	assert_in_range(longest_ms, HOLD_MAX_MS - 1000, HOLD_MAX_MS + 1000);
}

static void test_a_loop_that_is_gone_lets_the_port_open_again(void **unused)
{
	struct scene scene;
	int64_t waited_ms = 0;

	(void)unused;
	setup_held(&scene);
	while (state(&scene) != HOLD_OPEN) {
		int64_t step_ms = mtime_diff_ms(hold_deadline(&scene.hold), scene.now);

		turn(&scene, step_ms);
		waited_ms += step_ms;
	}
	assert_int_equal(scene.items[2].port_state, BR_STATE_FORWARDING);
	assert_in_range(waited_ms, HOLD_MS + HOLD_LISTEN_MS, HOLD_MS + HOLD_LISTEN_MS + 10);
	assert_null(hold_first(&scene.hold));
}

static void test_when_the_other_leaves_the_port_is_tried_at_once(void **unused)
{
	struct scene scene;

	(void)unused;
	setup_held(&scene);
	scene.members[0] = scene.members[1];
	scene.member_count = 1;
	turn(&scene, 10);
	assert_int_equal(state(&scene), HOLD_LISTENING);
	turn(&scene, HOLD_LISTEN_MS);
	assert_int_equal(state(&scene), HOLD_OPEN);
}

static void test_a_port_that_its_cable_brings_back_is_held_still(void **unused)
{
	struct scene scene;

	(void)unused;
	setup_held(&scene);
	scene.items[2].port_state = BR_STATE_FORWARDING; /* the kernel's own doing */
	turn(&scene, 10);
	assert_int_equal(scene.items[2].port_state, BR_STATE_DISABLED);
}

static void test_what_an_earlier_daemon_held_is_tried_before_it_forwards(void **unused)
{
	struct scene scene;

	(void)unused;
	setup(&scene);
	scene.items[2].port_state = BR_STATE_DISABLED;
	turn(&scene, 0);
	assert_int_equal(state(&scene), HOLD_LISTENING);
	assert_int_equal(scene.items[2].port_state, BR_STATE_LEARNING);
	hear(&scene, 2, PORT);
	turn(&scene, 10);
	assert_int_equal(state(&scene), HOLD_HELD);
}

static void test_hosts_behind_a_port_that_is_held_are_not_there(void **unused)
{
	struct scene scene;

	(void)unused;
	setup(&scene);
	turn(&scene, 0);
	hear(&scene, 99, PORT);
	hold_filter(&scene.hold, &scene.table);
	assert_int_equal(scene.table.place_count, 1);
	hear(&scene, 2, PORT);
	turn(&scene, 10);
	hear(&scene, 99, PORT);
	hear(&scene, 98, VXLAN);
	hold_filter(&scene.hold, &scene.table);
	assert_int_equal(scene.table.place_count, 1);
	assert_int_equal(scene.table.places[0].port, VXLAN);
}

static void test_with_a_spanning_tree_ports_are_its_own(void **unused)
{
	struct scene scene;

	(void)unused;
	setup(&scene);
	scene.want.stp = true;
	hear(&scene, 2, PORT);
	turn(&scene, 0);
	assert_int_equal(scene.ops.count, 0);
	assert_false(scene.says);
	assert_int_equal(hold_deadline(&scene.hold).us, MTIME_NEVER.us);
	assert_int_equal(hold_say_deadline(&scene.hold).us, MTIME_NEVER.us);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_port_where_nobody_of_the_segment_is_heard_stays_open),
		cmocka_unit_test(test_who_comes_after_holds_its_port_for_who_comes_before),
		cmocka_unit_test(
			test_who_comes_before_keeps_its_port_and_says_at_once_that_it_is_there),
		cmocka_unit_test(test_a_loop_that_lasts_is_listened_for_and_never_let_through),
		cmocka_unit_test(test_a_loop_that_is_gone_lets_the_port_open_again),
		cmocka_unit_test(test_when_the_other_leaves_the_port_is_tried_at_once),
		cmocka_unit_test(test_a_port_that_its_cable_brings_back_is_held_still),
		cmocka_unit_test(test_what_an_earlier_daemon_held_is_tried_before_it_forwards),
		cmocka_unit_test(test_hosts_behind_a_port_that_is_held_are_not_there),
		cmocka_unit_test(test_with_a_spanning_tree_ports_are_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
