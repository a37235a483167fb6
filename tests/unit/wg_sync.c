/* What is remembered of an interface, and when it is not believed any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "wg/wg_sync.h"

/* WireGuard as far as the sync can see: a device, how often it was asked, and how it fails. */
struct fake {
	struct wg_backend base;
	struct wg_device device;
	int looks, applies, fail;
	size_t ops;
};

static void copy(const struct wg_device *from, struct wg_device *to)
{
	struct wg_device none = {0};
	struct wg_ops ops;

	assert_int_equal(wg_diff(from, &none, &ops), 0);
	*to = (struct wg_device){0};
	assert_int_equal(wg_device_apply(to, &ops), 0);
	wg_ops_done(&ops);
}

static int fake_observe(struct wg_backend *backend, struct wg_device *ret)
{
	struct fake *fake = (struct fake *)backend;

	fake->looks++;
	if (fake->fail)
		return fake->fail;
	copy(&fake->device, ret);
	return 0;
}

static int fake_apply(struct wg_backend *backend, const struct wg_ops *ops)
{
	struct fake *fake = (struct fake *)backend;

	fake->applies++;
	if (fake->fail)
		return fake->fail;
	fake->ops += ops->count;
	return wg_device_apply(&fake->device, ops);
}

static const struct wg_backend_class fake_class = {
	.name = "fake", .observe = fake_observe, .apply = fake_apply};

static struct fake fake_new(void)
{
	return (struct fake){.base = {.class = &fake_class, .state = WG_RUNNING, .fd = -1}};
}

static void build(struct wg_device *want, uint16_t keepalive_s)
{
	*want = (struct wg_device){.private_key = {1}, .public_key = {2}, .listen_port = 1};
	for (uint8_t i = 10; i < 20; i++) {
		uint8_t key[WG_KEY_SIZE] = {i};
		struct prefix prefix = {{4, {10, i}}, 16};
		struct wg_peer *peer;

		assert_int_equal(wg_device_add_peer(want, key, &peer), 0);
		assert_int_equal(wg_peer_add_allowed(peer, &prefix), 0);
		peer->keepalive_s = i == 15 ? keepalive_s : 25;
	}
	assert_int_equal(wg_device_seal(want), 0);
}

static size_t sync_to(struct wg_sync *sync, struct fake *fake, uint16_t keepalive_s)
{
	struct wg_device want;
	size_t ops = SIZE_MAX;

	build(&want, keepalive_s);
	assert_int_equal(wg_sync_apply(sync, &fake->base, &want, &ops), 0);
	wg_device_done(&want);
	return ops;
}

static void what_was_acknowledged_is_remembered_and_not_asked_for_again(void **state)
{
	(void)state;
	struct fake fake = fake_new();
	struct wg_sync sync = {0};

	assert_int_equal(sync_to(&sync, &fake, 25), 11);
	assert_int_equal(sync_to(&sync, &fake, 25), 0);
	assert_int_equal(sync_to(&sync, &fake, 15), 1);
	assert_int_equal(sync_to(&sync, &fake, 25), 1);
	assert_int_equal(fake.looks, 1);
	assert_int_equal(fake.applies, 3);
	wg_sync_done(&sync);
	wg_device_done(&fake.device);
}

static void a_look_finds_what_others_changed(void **state)
{
	(void)state;
	struct fake fake = fake_new();
	struct wg_sync sync = {0};

	sync_to(&sync, &fake, 25);
	fake.device.peers[3].keepalive_s = 99;
	assert_int_equal(sync_to(&sync, &fake, 25), 0);
	assert_int_equal(wg_sync_look(&sync, &fake.base), 0);
	assert_int_equal(sync_to(&sync, &fake, 25), 1);
	assert_int_equal(fake.device.peers[3].keepalive_s, 25);
	wg_sync_done(&sync);
	wg_device_done(&fake.device);
}

static void a_failure_and_a_new_device_are_looked_at_anew(void **state)
{
	(void)state;
	struct fake fake = fake_new();
	struct wg_sync sync = {0};
	struct wg_device want;
	size_t ops = 77;

	sync_to(&sync, &fake, 25);
	build(&want, 15);
	fake.fail = ERR_SYSTEM;
	assert_int_equal(wg_sync_apply(&sync, &fake.base, &want, &ops), ERR_SYSTEM);
	assert_int_equal(ops, 77);
	assert_false(sync.known);
	fake.fail = 0;
	assert_int_equal(wg_sync_apply(&sync, &fake.base, &want, &ops), 0);
	assert_int_equal(ops, 1);
	assert_int_equal(fake.looks, 2);
	wg_device_done(&fake.device); /* killed and started again: empty */
	fake.base.generation++;
	assert_int_equal(wg_sync_apply(&sync, &fake.base, &want, &ops), 0);
	assert_int_equal(ops, 11);
	fake.base.state = WG_WAITING;
	assert_int_equal(wg_sync_look(&sync, &fake.base), ERR_NOT_READY);
	assert_false(sync.known);
	wg_device_done(&want);
	wg_sync_done(&sync);
	wg_device_done(&fake.device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_acknowledged_is_remembered_and_not_asked_for_again),
		cmocka_unit_test(a_look_finds_what_others_changed),
		cmocka_unit_test(a_failure_and_a_new_device_are_looked_at_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
