/* What a node wants of its kernel, by what gossip knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "daemon/plan.h"

#define MEMBERS_MAX 8

struct scene {
	struct gossip_status status;
	struct authority_member standings[MEMBERS_MAX];
	struct gossip_member members[MEMBERS_MAX];
	size_t count;
	uint8_t private_key[WG_KEY_SIZE], public_key[WG_KEY_SIZE];
	struct plan_input input;
	struct paths *paths;
	struct plan plan;
};

static struct ip ip4(uint8_t last)
{
	return (struct ip){4, {100, 64, 0, last}};
}

static struct ip ip6(uint8_t last)
{
	return (struct ip){6, {0xfd, [15] = last}};
}

static struct endpoint underlay(uint8_t last)
{
	return (struct endpoint){.ip = {4, {192, 0, 2, last}}, .port = 51820};
}

static bool next_member(const void *source, size_t *index, struct gossip_member *ret)
{
	const struct scene *scene = source;

	if (*index == scene->count)
		return false;
	*ret = scene->members[(*index)++];
	return true;
}

static struct gossip_member *add_member(struct scene *scene, uint8_t number)
{
	struct authority_member *standing = &scene->standings[scene->count];
	struct gossip_member *member = &scene->members[scene->count++];

	*standing = (struct authority_member){.id = {{number}}, .stamp = 100 + number};
	*member = (struct gossip_member){.standing = standing,
		.address4 = ip4(number),
		.address6 = ip6(number),
		.has_descriptor = true,
		.descriptor = {.endpoint_count = 1, .endpoints = {underlay(number)}},
		.has_wireguard = true,
		.wireguard_public = {number},
		.preshared = {number, 1},
		.candidate_count = 1,
		.candidates = {underlay(number)}};
	return member;
}

/* Node 1 with nodes 2 and 3. */
static void scene_start(struct scene *scene)
{
	*scene = (struct scene){
		.status = {.state = GOSSIP_RUNNING,
			.node = {{1}},
			.address4 = ip4(1),
			.address6 = ip6(1),
			.charter = {.prefix4 = {{4, {100, 64}}, 16}, .prefix6 = {{6, {0xfd}}, 48}}},
		.private_key = {1, 2, 3},
		.public_key = {1},
		.input = {.interface = "mesh0", .listen_port = 51820, .underlay_mtu = 1500}};
	scene->input.status = &scene->status;
	scene->input.next_member = next_member;
	scene->input.source = scene;
	scene->input.private_key = scene->private_key;
	scene->input.public_key = scene->public_key;
	add_member(scene, 1)->self = true;
	scene->members[0].has_wireguard = false;
	add_member(scene, 2);
	add_member(scene, 3);
	assert_int_equal(paths_new(&scene->paths), 0);
}

static void make(struct scene *scene)
{
	plan_done(&scene->plan);
	assert_int_equal(
		plan_make(&scene->input, scene->paths, (mtime_t){1000000}, &scene->plan), 0);
}

static const struct wg_peer *peer(const struct scene *scene, uint8_t number)
{
	return wg_device_peer(&scene->plan.device, (uint8_t[WG_KEY_SIZE]){number});
}

static void scene_end(struct scene *scene)
{
	plan_done(&scene->plan);
	paths_free(scene->paths);
}

static void every_member_is_a_peer_with_its_two_addresses(void **state)
{
	struct scene scene;
	struct endpoint endpoint = underlay(2);

	(void)state;
	scene_start(&scene);
	make(&scene);
	assert_true(scene.plan.up);
	assert_string_equal(scene.plan.device.name, "mesh0");
	assert_int_equal(scene.plan.device.listen_port, 51820);
	assert_memory_equal(scene.plan.device.private_key, scene.private_key, WG_KEY_SIZE);
	assert_int_equal(scene.plan.device.peer_count, 2);
	assert_non_null(peer(&scene, 2));
	assert_int_equal(peer(&scene, 2)->allowed_count, 2);
	assert_int_equal(peer(&scene, 2)->allowed[0].bits, 32);
	assert_true(ip_equal(&peer(&scene, 2)->allowed[0].ip, &scene.members[1].address4));
	assert_int_equal(peer(&scene, 2)->allowed[1].bits, 128);
	assert_true(ip_equal(&peer(&scene, 2)->allowed[1].ip, &scene.members[1].address6));
	assert_memory_equal(
		peer(&scene, 2)->preshared_key, scene.members[1].preshared, WG_KEY_SIZE);
	assert_true(endpoint_equal(&peer(&scene, 2)->endpoint, &endpoint));
	assert_false(peer(&scene, 2)->endpoint_set);
	assert_int_equal(scene.plan.clashes, 0);
	scene_end(&scene);
}

static void the_node_has_its_addresses_and_the_mesh_its_routes(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	make(&scene);
	assert_int_equal(scene.plan.address_count, 2);
	assert_true(ip_equal(&scene.plan.addresses[0].ip, &scene.status.address6));
	assert_int_equal(scene.plan.addresses[0].bits, 128);
	assert_true(ip_equal(&scene.plan.addresses[1].ip, &scene.status.address4));
	assert_int_equal(scene.plan.addresses[1].bits, 32);
	assert_int_equal(scene.plan.route_count, 2);
	assert_memory_equal(
		&scene.plan.routes[0].dst, &scene.status.charter.prefix6, sizeof(struct prefix));
	assert_memory_equal(
		&scene.plan.routes[1].dst, &scene.status.charter.prefix4, sizeof(struct prefix));
	scene_end(&scene);
}

static void a_node_without_an_ipv4_address_yet_has_no_ipv4_route(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.status.address4 = (struct ip){0};
	make(&scene);
	assert_int_equal(scene.plan.address_count, 1);
	assert_int_equal(scene.plan.route_count, 1);
	scene_end(&scene);
}

static void liveness_never_removes_a_peer(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.members[1].state = GOSSIP_MEMBER_DEAD;
	scene.members[2].state = GOSSIP_MEMBER_SUSPECT;
	make(&scene);
	assert_int_equal(scene.plan.device.peer_count, 2);
	scene_end(&scene);
}

static void who_left_or_is_revoked_or_void_is_no_peer(void **state)
{
	const enum authority_standing ended[] = {AUTHORITY_LEFT, AUTHORITY_REVOKED, AUTHORITY_VOID};
	struct scene scene;

	(void)state;
	scene_start(&scene);
	for (size_t i = 0; i < ARRAY_SIZE(ended); i++) {
		scene.standings[1].standing = ended[i];
		make(&scene);
		assert_null(peer(&scene, 2));
		assert_non_null(peer(&scene, 3));
	}
	scene_end(&scene);
}

static void a_member_without_a_data_plane_is_no_peer(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.members[1].has_wireguard = false;
	make(&scene);
	assert_null(peer(&scene, 2));
	scene_end(&scene);
}

static void a_member_whose_keys_are_being_computed_is_waited_for(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	make(&scene);
	assert_int_equal(scene.plan.unready, 0);
	scene.members[1].has_wireguard = false;
	scene.members[1].descriptor.wireguard_port = 51820;
	make(&scene);
	assert_int_equal(scene.plan.unready, 1);
	scene_end(&scene);
}

static void only_a_running_member_has_an_interface(void **state)
{
	const enum gossip_state others[] = {
		GOSSIP_UNJOINED, GOSSIP_JOINING, GOSSIP_REVOKED, GOSSIP_LEAVING};
	struct scene scene;

	(void)state;
	scene_start(&scene);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		scene.status.state = others[i];
		make(&scene);
		assert_false(scene.plan.up);
		assert_int_equal(scene.plan.device.peer_count, 0);
		assert_int_equal(scene.plan.address_count, 0);
		assert_int_equal(scene.plan.route_count, 0);
	}
	scene_end(&scene);
}

static void mtu_is_the_underlays_less_the_tunnels_bytes(void **state)
{
	(void)state;
	assert_int_equal(plan_mtu(0, 1500), 1420);
	assert_int_equal(plan_mtu(0, 9000), 8920);
	assert_int_equal(plan_mtu(0, 1300), PLAN_MTU_MIN);
	assert_int_equal(plan_mtu(0, 0), PLAN_MTU_MIN);
	assert_int_equal(plan_mtu(0, 1 << 20), UINT16_MAX);
	assert_int_equal(plan_mtu(1380, 1500), 1380);
}

static void of_two_with_one_wireguard_key_the_older_is_the_peer(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.members[1].wireguard_public[0] = 3;
	make(&scene);
	assert_int_equal(scene.plan.device.peer_count, 1);
	assert_true(ip_equal(&peer(&scene, 3)->allowed[0].ip, &scene.members[1].address4));
	assert_int_equal(scene.plan.clashes, 1);
	scene_end(&scene);
}

static void nobody_takes_this_nodes_key_or_addresses(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.standings[1].stamp = scene.standings[2].stamp = 1;
	scene.members[1].wireguard_public[0] = 1;
	scene.members[2].address4 = ip4(1);
	make(&scene);
	assert_int_equal(scene.plan.device.peer_count, 1);
	assert_int_equal(peer(&scene, 3)->allowed_count, 1);
	assert_int_equal(scene.plan.address_count, 2);
	assert_int_equal(scene.plan.clashes, 2);
	scene_end(&scene);
}

static void of_two_with_one_address_the_older_has_it(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.members[1].address4 = ip4(3);
	make(&scene);
	assert_int_equal(peer(&scene, 2)->allowed_count, 2);
	assert_int_equal(peer(&scene, 3)->allowed_count, 1);
	scene_end(&scene);
}

static void keepalives_keep_the_way_through_nat_open(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	make(&scene);
	assert_int_equal(peer(&scene, 2)->keepalive_s, 0);
	scene.input.behind_nat = true;
	make(&scene);
	assert_int_equal(peer(&scene, 2)->keepalive_s, PLAN_KEEPALIVE_S);
	scene.input.behind_nat = false;
	scene.members[1].reached = underlay(99); /* not an address it knows of itself */
	scene.members[2].reached = underlay(3);
	make(&scene);
	assert_int_equal(peer(&scene, 2)->keepalive_s, PLAN_KEEPALIVE_S);
	assert_int_equal(peer(&scene, 3)->keepalive_s, 0);
	scene_end(&scene);
}

static void a_tunnel_never_runs_inside_itself(void **state)
{
	struct scene scene;
	struct endpoint endpoint = underlay(2);

	(void)state;
	scene_start(&scene);
	scene.members[1].candidate_count = 2;
	scene.members[1].candidates[0] = (struct endpoint){.ip = ip4(2), .port = 51820};
	scene.members[1].candidates[1] = endpoint;
	scene.members[2].candidates[0] = (struct endpoint){.ip = ip6(3), .port = 51820};
	make(&scene);
	assert_true(endpoint_equal(&peer(&scene, 2)->endpoint, &endpoint));
	assert_int_equal(peer(&scene, 3)->endpoint.ip.family, 0);
	scene_end(&scene);
}

/* Node 2 announces key 9; WireGuard has both. */
static void scene_rotate(struct scene *scene, struct wg_device *have)
{
	const uint8_t keys[][WG_KEY_SIZE] = {{2}, {3}, {9}};
	struct wg_peer *added;

	scene_start(scene);
	scene->members[1].has_next = true;
	scene->members[1].next_public[0] = 9;
	scene->members[1].next_preshared[0] = 99;
	*have = (struct wg_device){.name = "mesh0"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		assert_int_equal(wg_device_add_peer(have, keys[i], &added), 0);
		added->endpoint = underlay(50 + i);
	}
	assert_int_equal(wg_device_seal(have), 0);
	scene->input.have = have;
}

static void an_announced_key_stands_beside_the_one_in_use_without_addresses(void **state)
{
	struct endpoint endpoint = underlay(50);
	struct wg_device have;
	struct scene scene;

	(void)state;
	scene_rotate(&scene, &have);
	make(&scene);
	assert_int_equal(scene.plan.device.peer_count, 3);
	assert_int_equal(peer(&scene, 2)->allowed_count, 2);
	assert_int_equal(peer(&scene, 9)->allowed_count, 0);
	assert_int_equal(peer(&scene, 9)->preshared_key[0], 99);
	/* as WireGuard reaches the member now */
	assert_true(endpoint_equal(&peer(&scene, 9)->endpoint, &endpoint));
	assert_int_equal(scene.plan.next_count, 1);
	assert_int_equal(scene.plan.nexts[0].key[0], 9);
	assert_int_equal(scene.plan.nexts[0].node.b[0], 2);
	assert_false(scene.plan.nexts[0].used);
	wg_device_done(&have);
	scene_end(&scene);
}

static void a_handshake_by_the_announced_key_moves_the_addresses(void **state)
{
	struct wg_device have;
	struct scene scene;

	(void)state;
	scene_rotate(&scene, &have);
	wg_device_peer(&have, (uint8_t[WG_KEY_SIZE]){9})->last_handshake.ms = 1000;
	make(&scene);
	assert_int_equal(peer(&scene, 9)->allowed_count, 2);
	assert_int_equal(peer(&scene, 9)->preshared_key[0], 99);
	assert_int_equal(peer(&scene, 2)->allowed_count, 0);
	assert_int_equal(peer(&scene, 2)->preshared_key[0], 2);
	assert_true(scene.plan.nexts[0].used);
	assert_int_equal(scene.plan.nexts[0].key[0], 9);
	wg_device_done(&have);
	scene_end(&scene);
}

static void the_key_before_goes_when_nobody_speaks_of_it_any_more(void **state)
{
	struct wg_device have;
	struct scene scene;

	(void)state;
	scene_rotate(&scene, &have);
	scene.members[1].has_next = false;
	scene.members[1].wireguard_public[0] = 9;
	make(&scene);
	assert_int_equal(scene.plan.device.peer_count, 2);
	assert_int_equal(peer(&scene, 9)->allowed_count, 2);
	assert_null(peer(&scene, 2));
	assert_int_equal(scene.plan.next_count, 0);
	wg_device_done(&have);
	scene_end(&scene);
}

static void nobody_announces_away_the_key_of_another(void **state)
{
	struct wg_device have;
	struct scene scene;

	(void)state;
	scene_rotate(&scene, &have);
	scene.standings[1].stamp = 1; /* though it was here first */
	scene.members[1].next_public[0] = 3;
	make(&scene);
	assert_int_equal(scene.plan.device.peer_count, 2);
	assert_int_equal(peer(&scene, 3)->allowed_count, 2);
	assert_int_equal(peer(&scene, 3)->preshared_key[0], 3);
	assert_int_equal(scene.plan.next_count, 0);
	assert_int_equal(scene.plan.clashes, 1);
	scene.members[1].next_public[0] = 1; /* this node's */
	make(&scene);
	assert_int_equal(scene.plan.device.peer_count, 2);
	wg_device_done(&have);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_is_a_peer_with_its_two_addresses),
		cmocka_unit_test(the_node_has_its_addresses_and_the_mesh_its_routes),
		cmocka_unit_test(a_node_without_an_ipv4_address_yet_has_no_ipv4_route),
		cmocka_unit_test(liveness_never_removes_a_peer),
		cmocka_unit_test(who_left_or_is_revoked_or_void_is_no_peer),
		cmocka_unit_test(a_member_without_a_data_plane_is_no_peer),
		cmocka_unit_test(a_member_whose_keys_are_being_computed_is_waited_for),
		cmocka_unit_test(only_a_running_member_has_an_interface),
		cmocka_unit_test(mtu_is_the_underlays_less_the_tunnels_bytes),
		cmocka_unit_test(of_two_with_one_wireguard_key_the_older_is_the_peer),
		cmocka_unit_test(nobody_takes_this_nodes_key_or_addresses),
		cmocka_unit_test(of_two_with_one_address_the_older_has_it),
		cmocka_unit_test(keepalives_keep_the_way_through_nat_open),
		cmocka_unit_test(a_tunnel_never_runs_inside_itself),
		cmocka_unit_test(an_announced_key_stands_beside_the_one_in_use_without_addresses),
		cmocka_unit_test(a_handshake_by_the_announced_key_moves_the_addresses),
		cmocka_unit_test(the_key_before_goes_when_nobody_speaks_of_it_any_more),
		cmocka_unit_test(nobody_announces_away_the_key_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
