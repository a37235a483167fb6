/* Which endpoint WireGuard is given, and when one that it learned may be overruled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/paths.h"

#define START_MS    1000000
#define WALL_MS	    INT64_C(1800000000000)
#define INITIATION  148 /* bytes of a handshake initiation */
#define DATA_PACKET 112

/* One peer, as WireGuard has it, and what gossip believes of it. */
struct scene {
	struct paths *paths;
	struct wg_device device;
	struct wg_peer *peer;
	struct endpoint candidates[4];
	size_t candidate_count;
	struct endpoint claim; /* the address it says it has */
	bool reached, added;
	int64_t ms; /* since the start */
	struct paths_choice choice;
	int heard;
};

static struct endpoint at(uint8_t last)
{
	return (struct endpoint){.ip = {4, {192, 0, 2, last}}, .port = 51820};
}

static mtime_t now(const struct scene *scene)
{
	return mtime_add_ms(MTIME_ZERO, START_MS + scene->ms);
}

static wtime_t wall(const struct scene *scene)
{
	return (wtime_t){WALL_MS + scene->ms};
}

static void count_heard(void *context, const struct id *node)
{
	assert_int_equal(node->b[0], 1);
	++*(int *)context;
}

static void look(struct scene *scene)
{
	scene->heard = 0;
	paths_observe(
		scene->paths, now(scene), wall(scene), &scene->device, count_heard, &scene->heard);
}

static void choose(struct scene *scene)
{
	struct paths_belief belief = {.node = {{1}},
		.wireguard_public = {1},
		.reached = scene->reached,
		.added = scene->added,
		.candidates = scene->candidates,
		.candidate_count = scene->candidate_count,
		.claims = &scene->claim,
		.claim_count = 1};

	paths_begin(scene->paths);
	assert_int_equal(paths_choose(scene->paths, now(scene), &belief, &scene->choice), 0);
	paths_end(scene->paths);
}

/* What the reconciler does with a choice. */
static void apply(struct scene *scene)
{
	if (scene->choice.set || !scene->peer->endpoint.ip.family)
		scene->peer->endpoint = scene->choice.endpoint;
	paths_applied(scene->paths, now(scene));
}

static void turn(struct scene *scene)
{
	look(scene);
	if (paths_due(scene->paths, now(scene))) {
		choose(scene);
		apply(scene);
	}
}

static void run(struct scene *scene, int64_t for_ms)
{
	for (int64_t end = scene->ms + for_ms; scene->ms < end; turn(scene))
		scene->ms += 500;
}

static void handshake(struct scene *scene)
{
	scene->peer->last_handshake = wall(scene);
	scene->peer->rx_bytes += INITIATION;
	scene->peer->tx_bytes += INITIATION;
}

static void expect_endpoint(const struct scene *scene, uint8_t last)
{
	struct endpoint expected = at(last);
	assert_int_equal(scene->peer->endpoint.ip.b[3], last);
	assert_true(endpoint_equal(&scene->peer->endpoint, &expected));
}

/* Reached at .1, and the descriptor has .1, .2 and .3. */
static void scene_start(struct scene *scene)
{
	uint8_t key[WG_KEY_SIZE] = {1};

	*scene = (struct scene){
		.candidates = {at(1), at(2), at(3)}, .candidate_count = 3, .reached = true};
	assert_int_equal(paths_new(&scene->paths), 0);
	assert_int_equal(wg_device_add_peer(&scene->device, key, &scene->peer), 0);
	choose(scene);
	apply(scene);
	look(scene);
}

static void scene_end(struct scene *scene)
{
	paths_free(scene->paths);
	wg_device_done(&scene->device);
}

static void a_new_peer_gets_the_likeliest_candidate(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	expect_endpoint(&scene, 1);
	assert_false(scene.choice.set);
	scene_end(&scene);
}

static void a_peer_that_nothing_is_sent_to_is_left_alone(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	run(&scene, 3600 * 1000);
	expect_endpoint(&scene, 1);
	assert_false(paths_up(scene.paths, now(&scene), &(struct id){{1}}));
	scene_end(&scene);
}

static void candidates_take_turns_while_nobody_answers(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	for (int i = 0; i < 6; i++) {
		expect_endpoint(&scene, i % 3 + 1);
		scene.peer->tx_bytes += INITIATION;
		run(&scene, PATHS_TRY_MS + 1000);
	}
	scene_end(&scene);
}

static void a_single_candidate_is_not_set_over_and_over(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.candidate_count = 1;
	choose(&scene);
	for (int i = 0; i < 20; i++) {
		scene.peer->tx_bytes += INITIATION;
		run(&scene, 5000);
		assert_false(scene.choice.set);
	}
	expect_endpoint(&scene, 1);
	scene_end(&scene);
}

static void an_answer_ends_the_search(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.peer->tx_bytes += INITIATION;
	run(&scene, PATHS_TRY_MS + 1000);
	expect_endpoint(&scene, 2);
	handshake(&scene);
	look(&scene);
	assert_int_equal(scene.heard, 1);
	assert_true(paths_up(scene.paths, now(&scene), &(struct id){{1}}));
	run(&scene, PATHS_SESSION_MS - 1000);
	assert_true(paths_up(scene.paths, now(&scene), &(struct id){{1}}));
	expect_endpoint(&scene, 2);
	run(&scene, 2000);
	assert_false(paths_up(scene.paths, now(&scene), &(struct id){{1}}));
	scene_end(&scene);
}

static void what_wireguard_learned_is_kept(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	handshake(&scene);
	turn(&scene);
	scene.claim = at(1); /* what it says of itself is older */
	choose(&scene);
	scene.peer->endpoint = at(77); /* real traffic came from there */
	scene.peer->rx_bytes += DATA_PACKET;
	for (int i = 0; i < 50; i++) {
		run(&scene, 5000);
		choose(&scene); /* some other member changed */
		apply(&scene);
	}
	expect_endpoint(&scene, 77);
	scene_end(&scene);
}

static void what_wireguard_learned_outlives_its_process(void **state)
{
	struct scene scene;
	uint8_t key[WG_KEY_SIZE] = {1};

	(void)state;
	scene_start(&scene);
	handshake(&scene);
	scene.peer->endpoint = at(77);
	turn(&scene);
	wg_device_done(&scene.device); /* and a new one has no peers */
	look(&scene);
	choose(&scene);
	assert_int_equal(wg_device_add_peer(&scene.device, key, &scene.peer), 0);
	apply(&scene);
	turn(&scene);
	expect_endpoint(&scene, 77);
	assert_false(paths_up(scene.paths, now(&scene), &(struct id){{1}}));
	scene_end(&scene);
}

static void a_member_that_moves_is_followed_within_three_seconds(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	handshake(&scene);
	turn(&scene);
	run(&scene, 10000);
	scene.candidates[0] = at(9); /* gossip hears it from there */
	choose(&scene);
	expect_endpoint(&scene, 1);
	assert_true(mtime_reached(now(&scene), paths_look_deadline(scene.paths)));
	run(&scene, 2500);
	expect_endpoint(&scene, 9);
	assert_int_equal(paths_look_deadline(scene.paths).us, MTIME_NEVER.us);
	scene_end(&scene);
}

static void a_member_that_moves_while_gossip_takes_another_way_is_followed(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.peer->endpoint = scene.claim = at(77);
	handshake(&scene);
	turn(&scene);
	choose(&scene);
	run(&scene, 10000);
	expect_endpoint(&scene, 77);
	scene.claim = at(9); /* its descriptor changed */
	scene.candidates[0] = at(8);
	choose(&scene);
	run(&scene, 2500);
	expect_endpoint(&scene, 8);
	scene_end(&scene);
}

static void a_member_that_answers_at_its_old_address_is_left_there(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	handshake(&scene);
	turn(&scene);
	scene.candidates[0] = at(9);
	choose(&scene);
	for (int i = 0; i < 40; i++) {
		scene.peer->tx_bytes += DATA_PACKET;
		scene.peer->rx_bytes += DATA_PACKET;
		run(&scene, 500);
	}
	expect_endpoint(&scene, 1);
	scene_end(&scene);
}

static void without_a_session_gossip_is_followed_at_once(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.candidates[0] = at(9);
	choose(&scene);
	assert_true(scene.choice.set);
	apply(&scene);
	expect_endpoint(&scene, 9);
	scene_end(&scene);
}

static void a_belief_gets_one_try(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	scene.peer->endpoint = at(77);
	turn(&scene);
	expect_endpoint(&scene, 1); /* gossip reaches it there, and WireGuard had no session */
	scene.peer->endpoint = at(77);
	handshake(&scene); /* but it answered from here */
	turn(&scene);
	for (int i = 0; i < 20; i++) {
		scene.peer->tx_bytes += DATA_PACKET;
		run(&scene, 1000);
	}
	expect_endpoint(&scene, 77);
	scene_end(&scene);
}

static void silence_turns_to_where_gossip_reaches_it(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	handshake(&scene);
	scene.peer->endpoint = at(77);
	turn(&scene);
	scene.peer->tx_bytes += DATA_PACKET;
	run(&scene, PATHS_SILENT_MS - 500);
	expect_endpoint(&scene, 77);
	run(&scene, 2000);
	expect_endpoint(&scene, 1);
	scene_end(&scene);
}

static void keepalives_ask_for_no_answer(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	handshake(&scene);
	scene.peer->endpoint = at(77);
	turn(&scene);
	for (int i = 0; i < 8; i++) {
		scene.peer->tx_bytes += 32;
		run(&scene, 25000);
	}
	expect_endpoint(&scene, 77);
	scene_end(&scene);
}

static void a_running_interface_is_taken_over_as_it_is(void **state)
{
	struct scene scene = {.candidates = {at(1), at(2)}, .candidate_count = 2, .reached = true};
	uint8_t key[WG_KEY_SIZE] = {1};

	(void)state;
	assert_int_equal(paths_new(&scene.paths), 0);
	assert_int_equal(wg_device_add_peer(&scene.device, key, &scene.peer), 0);
	scene.peer->endpoint = at(77);
	scene.peer->last_handshake = (wtime_t){WALL_MS - 60000};
	scene.peer->rx_bytes = scene.peer->tx_bytes = 5000;
	choose(&scene);
	assert_false(scene.choice.set);
	apply(&scene);
	look(&scene);
	assert_int_equal(scene.heard, 0); /* long ago is no evidence */
	assert_true(paths_up(scene.paths, now(&scene), &(struct id){{1}}));
	run(&scene, 100000);
	expect_endpoint(&scene, 77);
	scene_end(&scene);
}

static void a_device_made_anew_speaks_first(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	choose(&scene);
	assert_false(scene.choice.wake);
	paths_wake(scene.paths, now(&scene));
	choose(&scene);
	assert_true(scene.choice.wake);
	run(&scene, 1000);
	assert_true(scene.choice.wake);
	handshake(&scene);
	turn(&scene);
	assert_false(scene.choice.wake);
	scene_end(&scene);
}

static void start_added(struct scene *scene)
{
	scene_start(scene);
	paths_free(scene->paths); /* as the plan finds a member that it has not seen before */
	assert_int_equal(paths_new(&scene->paths), 0);
	scene->added = true;
	choose(scene);
	scene->added = false;
	assert_false(scene->choice.wake);
}

static void whoever_added_a_peer_speaks_to_it_when_it_has_not_spoken(void **state)
{
	struct scene scene;

	(void)state;
	start_added(&scene);
	assert_int_equal(
		mtime_diff_ms(paths_look_deadline(scene.paths), now(&scene)), PATHS_ADDED_MS);
	run(&scene, PATHS_ADDED_MS + 500);
	assert_true(scene.choice.wake);
	handshake(&scene);
	turn(&scene);
	assert_false(scene.choice.wake);
	scene_end(&scene);

	start_added(&scene);
	handshake(&scene);
	run(&scene, PATHS_ADDED_MS + 500);
	assert_false(scene.choice.wake);
	scene_end(&scene);
}

static void a_host_that_moved_says_so_once_in_every_session(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	paths_announce(scene.paths, now(&scene));
	choose(&scene);
	assert_false(scene.choice.wake); /* there is no session */
	handshake(&scene);
	look(&scene);
	paths_announce(scene.paths, now(&scene));
	assert_true(paths_due(scene.paths, now(&scene)));
	choose(&scene);
	assert_true(scene.choice.quiet && !scene.choice.wake);
	assert_true(paths_due(scene.paths, now(&scene)));
	choose(&scene);
	assert_true(scene.choice.wake && !scene.choice.quiet);
	assert_true(paths_due(scene.paths, now(&scene)));
	choose(&scene);
	assert_false(scene.choice.wake || scene.choice.quiet);
	assert_false(paths_due(scene.paths, now(&scene)));
	scene_end(&scene);
}

static void who_cannot_be_woken_is_let_sleep(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	paths_wake(scene.paths, now(&scene));
	choose(&scene);
	run(&scene, PATHS_WAKE_MS + 1000);
	assert_false(scene.choice.wake);
	scene_end(&scene);
}

static void who_left_is_forgotten(void **state)
{
	struct scene scene;

	(void)state;
	scene_start(&scene);
	handshake(&scene);
	turn(&scene);
	paths_begin(scene.paths);
	paths_end(scene.paths);
	assert_false(paths_up(scene.paths, now(&scene), &(struct id){{1}}));
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_peer_gets_the_likeliest_candidate),
		cmocka_unit_test(a_peer_that_nothing_is_sent_to_is_left_alone),
		cmocka_unit_test(candidates_take_turns_while_nobody_answers),
		cmocka_unit_test(a_single_candidate_is_not_set_over_and_over),
		cmocka_unit_test(an_answer_ends_the_search),
		cmocka_unit_test(what_wireguard_learned_is_kept),
		cmocka_unit_test(what_wireguard_learned_outlives_its_process),
		cmocka_unit_test(a_member_that_moves_is_followed_within_three_seconds),
		cmocka_unit_test(a_member_that_moves_while_gossip_takes_another_way_is_followed),
		cmocka_unit_test(a_member_that_answers_at_its_old_address_is_left_there),
		cmocka_unit_test(without_a_session_gossip_is_followed_at_once),
		cmocka_unit_test(a_belief_gets_one_try),
		cmocka_unit_test(silence_turns_to_where_gossip_reaches_it),
		cmocka_unit_test(keepalives_ask_for_no_answer),
		cmocka_unit_test(a_running_interface_is_taken_over_as_it_is),
		cmocka_unit_test(a_device_made_anew_speaks_first),
		cmocka_unit_test(whoever_added_a_peer_speaks_to_it_when_it_has_not_spoken),
		cmocka_unit_test(a_host_that_moved_says_so_once_in_every_session),
		cmocka_unit_test(who_cannot_be_woken_is_let_sleep),
		cmocka_unit_test(who_left_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
