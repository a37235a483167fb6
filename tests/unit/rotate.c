/* Whom the switch to another WireGuard key waits for; and what is left of a rotation that is under
 * way when the node leaves its mesh: nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include "daemon/keyfile.h"
#include "daemon/recon.h"
#include "daemon/rotate.h"

#define HOUR_MS (3600 * INT64_C(1000))
#define DAY_MS	(24 * HOUR_MS)

static struct daemon daemon_;
static struct keyfile keys;
static enum gossip_state membership;
static int64_t now_ms;
static bool warned;
static unsigned switched;

/* ---- the daemon: one member, whose meshd is down and whose tunnel is in use ---- */

static const struct wg_peer in_use = {.last_handshake = {INT64_MAX / 4}};

struct gossip_time daemon_time(struct daemon *daemon)
{
	(void)daemon;
	return (struct gossip_time){.now = mtime_add_ms(MTIME_ZERO, now_ms), .wall = {now_ms}};
}

void daemon_wake(struct daemon *daemon)
{
	(void)daemon;
}

void daemon_warn(struct daemon *daemon, enum daemon_warning which, const char *format, ...)
{
	(void)daemon, (void)format;
	assert_int_equal(which, DAEMON_WARNING_ROTATE);
	warned = true;
}

void daemon_warn_clear(struct daemon *daemon, enum daemon_warning which)
{
	(void)daemon;
	assert_int_equal(which, DAEMON_WARNING_ROTATE);
	warned = false;
}

void keyfile_fresh(struct keyfile *file)
{
	uint8_t seed[32] = {1};

	*file = (struct keyfile){0};
	keys_from_seed(seed, &file->wireguard);
	file->wireguard_made.ms = now_ms;
}

int keyfile_write(const struct keyfile *file, const char *dir, char ret_error[KEYFILE_ERROR_SIZE])
{
	(void)file, (void)dir, (void)ret_error;
	return 0;
}

void gossip_status(const struct gossip *gossip, struct gossip_status *ret)
{
	(void)gossip;
	*ret = (struct gossip_status){.state = membership};
}

int gossip_announce_key(struct gossip *gossip, struct gossip_time time, const struct keys *next)
{
	(void)gossip, (void)time, (void)next;
	return 0;
}

int gossip_switch_key(struct gossip *gossip, struct gossip_time time)
{
	(void)gossip, (void)time;
	switched++;
	return 0;
}

const char *gossip_error(const struct gossip *gossip)
{
	(void)gossip;
	return "";
}

bool gossip_member_next(const struct gossip *gossip, size_t *index, struct gossip_member *ret)
{
	static const struct authority_member standing = {.name = "beta"};

	(void)gossip;
	*ret = (struct gossip_member){
		.standing = &standing, .state = GOSSIP_MEMBER_DEAD, .has_wireguard = true};
	return (*index)++ == 0;
}

void gossip_member_wipe(struct gossip_member *member)
{
	(void)member;
}

const struct wg_peer *recon_peer(const struct recon *recon, const uint8_t public[WG_KEY_SIZE])
{
	(void)recon, (void)public;
	return &in_use;
}

void recon_status(const struct recon *recon, struct recon_status *ret)
{
	(void)recon;
	*ret = (struct recon_status){.tunnels = true};
}

void recon_rekey(struct recon *recon)
{
	(void)recon;
}

/* ---- the stage ---- */

static int set_up(void **state)
{
	(void)state;
	assert_true(sodium_init() >= 0);
	memset(&daemon_, 0, sizeof(daemon_));
	keyfile_fresh(&keys);
	daemon_.keys = &keys;
	now_ms = 1000;
	warned = false;
	switched = 0;
	membership = GOSSIP_RUNNING;
	assert_int_equal(uv_loop_init(&daemon_.loop), 0);
	return rotate_part.start(&daemon_);
}

static int tear_down(void **state)
{
	(void)state;
	rotate_part.stop(&daemon_);
	uv_run(&daemon_.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&daemon_.loop), 0);
	rotate_part.free(&daemon_);
	return 0;
}

static void pass(int64_t ms)
{
	now_ms += ms;
	rotate_part.changed(&daemon_);
}

/* The node has a new identity, and is a member of another mesh soon after. */
static void leave_and_join(void)
{
	keyfile_fresh(&keys);
	membership = GOSSIP_UNJOINED;
	pass(1000);
	membership = GOSSIP_RUNNING;
	pass(1000);
}

/* ---- promises ---- */

static void force_is_for_the_rotation_that_it_was_asked_for(void **state)
{
	(void)state;
	assert_int_equal(rotate_begin(&daemon_, true), 0);
	leave_and_join();
	assert_int_equal(switched, 0);
	assert_int_equal(rotate_begin(&daemon_, false), 0);
	pass(60000);
	assert_int_equal(switched, 0);
	assert_true(rotate_under_way(&daemon_));
	assert_int_equal(rotate_begin(&daemon_, true), 0);
	pass(60000);
	assert_int_equal(switched, 1);
}

static void who_was_waited_for_in_a_mesh_that_was_left_is_named_no_more(void **state)
{
	(void)state;
	assert_int_equal(rotate_begin(&daemon_, false), 0);
	pass(8 * DAY_MS);
	assert_true(warned);
	leave_and_join();
	assert_false(warned);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* ---- whom it waits for ---- */

static void a_tunnel_to_whom_is_silent_is_waited_for_without_end(void **state)
{
	(void)state;
	assert_true(rotate_must_wait(&(struct rotate_unconfirmed){
		.session = true, .announced_ms = 1000 * DAY_MS, .waited_ms = 1000 * DAY_MS}));
}

static void who_is_alive_and_does_not_confirm_holds_nobody_up_for_ever(void **state)
{
	struct rotate_unconfirmed member = {
		.session = true, .alive = true, .waited_ms = HOUR_MS, .alive_ms = 20 * DAY_MS};

	(void)state;
	member.announced_ms = 13 * DAY_MS;
	assert_true(rotate_must_wait(&member));
	member.announced_ms = 14 * DAY_MS;
	assert_false(rotate_must_wait(&member));
	/* but who has just come back is given its time */
	member.alive_ms = HOUR_MS / 2;
	assert_true(rotate_must_wait(&member));
	/* and not again and again */
	member.announced_ms = 28 * DAY_MS;
	assert_false(rotate_must_wait(&member));
}

static void who_is_alive_without_a_tunnel_has_a_moment(void **state)
{
	struct rotate_unconfirmed member = {.alive = true, .waited_ms = 10000};

	(void)state;
	assert_true(rotate_must_wait(&member));
	member.waited_ms = 15000;
	assert_false(rotate_must_wait(&member));
	member = (struct rotate_unconfirmed){.waited_ms = 0};
	assert_false(rotate_must_wait(&member)); /* neither alive nor a tunnel */
}

static void force_waits_for_an_answer_at_once_and_for_no_tunnel(void **state)
{
	struct rotate_unconfirmed member = {
		.forced = true, .alive = true, .session = true, .waited_ms = 1000};

	(void)state;
	assert_true(rotate_must_wait(&member));
	member.waited_ms = 2000;
	assert_false(rotate_must_wait(&member));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(force_is_for_the_rotation_that_it_was_asked_for),
		TEST(who_was_waited_for_in_a_mesh_that_was_left_is_named_no_more),
		cmocka_unit_test(a_tunnel_to_whom_is_silent_is_waited_for_without_end),
		cmocka_unit_test(who_is_alive_and_does_not_confirm_holds_nobody_up_for_ever),
		cmocka_unit_test(who_is_alive_without_a_tunnel_has_a_moment),
		cmocka_unit_test(force_waits_for_an_answer_at_once_and_for_no_tunnel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
