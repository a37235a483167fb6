/* What lies between two interfaces, and what is left when it is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "gossip/base/text.h"
#include "wg/wg.h"

static uint32_t random_state;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

static struct prefix prefix_of(uint32_t number)
{
	struct prefix prefix = {{4, {10, number >> 16, number >> 8, number}}, 32};
	return prefix;
}

static struct wg_peer *add(struct wg_device *device, uint32_t number)
{
	uint8_t key[WG_KEY_SIZE] = {number >> 8, number, 7};
	struct wg_peer *peer;

	assert_int_equal(wg_device_add_peer(device, key, &peer), 0);
	return peer;
}

static void allow(struct wg_peer *peer, uint32_t number)
{
	struct prefix prefix = prefix_of(number);
	assert_int_equal(wg_peer_add_allowed(peer, &prefix), 0);
}

static struct endpoint endpoint_of(uint8_t last, uint16_t port)
{
	return (struct endpoint){.ip = {4, {192, 0, 2, last}}, .port = port};
}

static struct wg_ops diff(const struct wg_device *want, const struct wg_device *have)
{
	struct wg_ops ops;
	assert_int_equal(wg_diff(want, have, &ops), 0);
	return ops;
}

/* A few keys and prefixes, so that two draws overlap in every way. */
static void draw_device(struct wg_device *device)
{
	bool taken[24] = {false};

	device->private_key[0] = device->public_key[31] = 200 + draw(2);
	device->listen_port = 1000 + draw(3);
	device->fwmark = draw(2);
	for (uint32_t number = 0; number < 8; number++) {
		struct wg_peer *peer;

		if (draw(3) == 0)
			continue;
		peer = add(device, number);
		peer->preshared_key[0] = draw(2);
		peer->keepalive_s = draw(2) * 25;
		if (draw(3))
			peer->endpoint = endpoint_of(draw(3), 1);
		peer->endpoint_set = draw(2);
		for (uint32_t i = draw(5); i > 0; i--) {
			uint32_t which = draw(24);
			if (!taken[which])
				allow(peer, which);
			taken[which] = true;
		}
	}
	assert_int_equal(wg_device_seal(device), 0);
}

/* WireGuard as its documents describe it, one operation after the other, with none of the
 * cleverness of wg_device_apply: prefixes in a table of owners. */
struct model {
	struct {
		bool there;
		uint8_t psk;
		struct endpoint endpoint;
		uint16_t keepalive_s;
	} peers[8];
	int owner[24]; /* of each prefix; -1: nobody */
};

static void model_of(const struct wg_device *device, struct model *model)
{
	*model = (struct model){0};
	for (int i = 0; i < 24; i++)
		model->owner[i] = -1;
	for (uint32_t i = 0; i < device->peer_count; i++) {
		const struct wg_peer *peer = &device->peers[i];
		int number = peer->public_key[1];

		model->peers[number].there = true;
		model->peers[number].psk = peer->preshared_key[0];
		model->peers[number].endpoint = peer->endpoint;
		model->peers[number].keepalive_s = peer->keepalive_s;
		for (uint32_t j = 0; j < peer->allowed_count; j++)
			model->owner[peer->allowed[j].ip.b[3]] = number;
	}
}

static void model_disown(struct model *model, int number)
{
	for (int i = 0; i < 24; i++)
		if (model->owner[i] == number)
			model->owner[i] = -1;
}

static void model_run(struct model *model, const struct wg_ops *ops)
{
	for (size_t i = 0; i < ops->count; i++) {
		const struct wg_op *op = &ops->ops[i];
		int number = op->public_key[1];

		if (op->kind == WG_OP_DEVICE)
			continue;
		if (op->kind == WG_OP_PEER_REMOVE) {
			model_disown(model, number);
			memset(&model->peers[number], 0, sizeof(model->peers[number]));
			continue;
		}
		if (op->kind == WG_OP_PEER_ADD)
			model->peers[number].there = true;
		assert_true(model->peers[number].there);
		if (op->set & WG_SET_KEY)
			model->peers[number].psk = op->key[0];
		if (op->set & WG_SET_ENDPOINT)
			model->peers[number].endpoint = op->endpoint;
		if (op->set & WG_SET_KEEPALIVE)
			model->peers[number].keepalive_s = op->keepalive_s;
		if (op->set & WG_SET_REPLACE)
			model_disown(model, number);
		for (uint32_t j = 0; j < op->allowed_count; j++)
			model->owner[ops->prefixes[op->allowed_at + j].ip.b[3]] = number;
	}
}

static void expect_wanted(
	const struct wg_device *want, const struct model *before, const struct model *after)
{
	struct model wanted;

	model_of(want, &wanted);
	assert_memory_equal(wanted.owner, after->owner, sizeof(wanted.owner));
	for (int i = 0; i < 8; i++) {
		const struct wg_peer *peer = NULL;
		struct endpoint endpoint = wanted.peers[i].endpoint;

		assert_int_equal(wanted.peers[i].there, after->peers[i].there);
		if (!wanted.peers[i].there)
			continue;
		for (uint32_t j = 0; j < want->peer_count; j++)
			if (want->peers[j].public_key[1] == i)
				peer = &want->peers[j];
		assert_non_null(peer);
		assert_int_equal(wanted.peers[i].psk, after->peers[i].psk);
		assert_int_equal(wanted.peers[i].keepalive_s, after->peers[i].keepalive_s);
		if (before->peers[i].there && before->peers[i].endpoint.ip.family &&
			(!endpoint.ip.family || !peer->endpoint_set))
			endpoint = before->peers[i].endpoint;
		assert_true(endpoint_equal(&endpoint, &after->peers[i].endpoint));
	}
}

static void applying_the_difference_gives_what_is_wanted_and_nothing_is_left_to_do(void **state)
{
	(void)state;
	for (random_state = 1; random_state < 200000; random_state += 101) {
		struct wg_device want = {0}, have = {0};
		struct model before, after, cached;
		uint32_t seed = random_state;
		struct wg_ops ops;

		draw_device(&want);
		draw_device(&have);
		model_of(&have, &before);
		after = before;
		ops = diff(&want, &have);
		model_run(&after, &ops);
		expect_wanted(&want, &before, &after);
		assert_int_equal(wg_device_apply(&have, &ops), 0);
		model_of(&have, &cached);
		assert_memory_equal(&cached, &after, sizeof(after));
		wg_ops_done(&ops);
		ops = diff(&want, &have);
		assert_int_equal(ops.count, 0);
		wg_ops_done(&ops);
		wg_device_done(&want);
		wg_device_done(&have);
		random_state = seed;
	}
}

static void one_changed_peer_among_5000_is_one_operation(void **state)
{
	(void)state;
	struct wg_device want = {0}, have = {0};
	struct wg_ops ops;

	for (uint32_t i = 0; i < 5000; i++) {
		allow(add(&want, i), i);
		allow(add(&have, 4999 - i), 4999 - i);
	}
	assert_int_equal(wg_device_seal(&want), 0);
	assert_int_equal(wg_device_seal(&have), 0);
	want.peers[1234].keepalive_s = 25;
	ops = diff(&want, &have);
	assert_int_equal(ops.count, 1);
	assert_int_equal(ops.ops[0].kind, WG_OP_PEER_UPDATE);
	assert_int_equal(ops.ops[0].set, WG_SET_KEEPALIVE);
	assert_int_equal(ops.prefix_count, 0);
	wg_ops_done(&ops);
	wg_device_done(&want);
	wg_device_done(&have);
}

static void a_learned_endpoint_is_never_overwritten_by_an_older_belief(void **state)
{
	(void)state;
	struct wg_device want = {0}, have = {0};
	struct wg_ops ops;

	add(&want, 1)->endpoint = endpoint_of(1, 1000);
	add(&have, 1)->endpoint = endpoint_of(9, 999);
	add(&want, 2)->endpoint = endpoint_of(2, 1000);
	add(&have, 2);
	add(&want, 3);
	add(&have, 3)->endpoint = endpoint_of(3, 1000);
	ops = diff(&want, &have);
	assert_int_equal(ops.count, 1); /* only the peer of which WireGuard knows none */
	assert_int_equal(ops.ops[0].public_key[1], 2);
	assert_int_equal(ops.ops[0].set, WG_SET_ENDPOINT);
	wg_ops_done(&ops);
	want.peers[0].endpoint_set = true;
	ops = diff(&want, &have);
	assert_int_equal(ops.count, 2);
	assert_int_equal(ops.ops[0].public_key[1], 1);
	wg_ops_done(&ops);
	wg_device_done(&want);
	wg_device_done(&have);
}

static void a_prefix_that_moves_is_given_once_and_its_former_owner_is_left_alone(void **state)
{
	(void)state;
	struct wg_device want = {0}, have = {0};
	struct wg_peer *peer;
	struct wg_ops ops;

	peer = add(&have, 1);
	allow(peer, 1);
	allow(peer, 2);
	allow(add(&have, 2), 3);
	allow(add(&want, 1), 1);
	peer = add(&want, 2);
	allow(peer, 2);
	allow(peer, 3);
	ops = diff(&want, &have);
	assert_int_equal(ops.count, 1);
	assert_int_equal(ops.ops[0].public_key[1], 2);
	assert_int_equal(ops.ops[0].set, WG_SET_ALLOWED);
	assert_int_equal(ops.ops[0].allowed_count, 1);
	wg_ops_done(&ops);
	wg_device_done(&want);
	wg_device_done(&have);
}

static void a_new_key_takes_over_the_prefixes_before_the_old_one_goes(void **state)
{
	(void)state;
	struct wg_device want = {0}, have = {0};
	struct wg_ops ops;

	allow(add(&have, 1), 1);
	allow(add(&want, 2), 1);
	ops = diff(&want, &have);
	assert_int_equal(ops.count, 2);
	assert_int_equal(ops.ops[0].kind, WG_OP_PEER_ADD);
	assert_int_equal(ops.ops[1].kind, WG_OP_PEER_REMOVE);
	wg_ops_done(&ops);
	wg_device_done(&want);
	wg_device_done(&have);
}

static void what_wireguard_would_never_keep_is_refused(void **state)
{
	(void)state;
	struct wg_device device = {0};

	add(&device, 1);
	add(&device, 1);
	assert_int_equal(wg_device_seal(&device), ERR_INVALID);
	wg_device_done(&device);
	memcpy(device.public_key, add(&device, 1)->public_key, WG_KEY_SIZE);
	assert_int_equal(wg_device_seal(&device), ERR_INVALID);
	wg_device_done(&device);
	allow(add(&device, 1), 1);
	allow(add(&device, 2), 1);
	assert_int_equal(wg_device_seal(&device), ERR_INVALID);
	wg_device_done(&device);
	allow(add(&device, 1), 1);
	device.peers[0].allowed[0].bits = 24;
	assert_int_equal(wg_device_seal(&device), ERR_INVALID);
	device.peers[0].allowed[0].bits = 33;
	assert_int_equal(wg_device_seal(&device), ERR_INVALID);
	wg_device_done(&device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			applying_the_difference_gives_what_is_wanted_and_nothing_is_left_to_do),
		cmocka_unit_test(one_changed_peer_among_5000_is_one_operation),
		cmocka_unit_test(a_learned_endpoint_is_never_overwritten_by_an_older_belief),
		cmocka_unit_test(
			a_prefix_that_moves_is_given_once_and_its_former_owner_is_left_alone),
		cmocka_unit_test(a_new_key_takes_over_the_prefixes_before_the_old_one_goes),
		cmocka_unit_test(what_wireguard_would_never_keep_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
