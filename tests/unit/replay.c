/* The replay window: every counter once, whatever the order; far behind is never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gossip/base/rng.h"
#include "gossip/crypto/replay.h"

static void each_counter_counts_once(void **state)
{
	(void)state;
	struct replay r;

	replay_init(&r);
	for (uint64_t i = 0; i < 5000; i++) {
		assert_true(replay_accept(&r, i));
		assert_false(replay_accept(&r, i));
	}
}

static void late_packets_are_taken_once_within_the_window(void **state)
{
	(void)state;
	struct replay r;

	replay_init(&r);
	assert_true(replay_accept(&r, 1000));
	assert_true(replay_accept(&r, 1000 - (REPLAY_WINDOW - 64)));
	assert_false(replay_accept(&r, 1000 - (REPLAY_WINDOW - 64)));
	assert_false(replay_accept(&r, 1000 - REPLAY_WINDOW - 1));
	assert_false(replay_accept(&r, 0));
	assert_true(replay_accept(&r, UINT64_MAX - 1));
	assert_false(replay_accept(&r, UINT64_MAX));
	assert_false(replay_accept(&r, 1001));
}

static void any_order_gives_each_counter_at_most_once(void **state)
{
	(void)state;
	static uint8_t seen[4000];
	uint8_t seed[32] = {5};
	struct rng rng;
	struct replay r;
	uint64_t top = 0;

	rng_init(&rng, seed);
	replay_init(&r);
	for (int i = 0; i < 40000; i++) {
		uint64_t counter = (uint64_t)i / 12 + rng_below(&rng, 300);
		bool taken = replay_accept(&r, counter);

		assert_false(taken && seen[counter]);
		if (counter + REPLAY_WINDOW - 64 > top && !seen[counter])
			assert_true(taken);
		seen[counter] |= taken;
		top = counter > top ? counter : top;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_counter_counts_once),
		cmocka_unit_test(late_packets_are_taken_once_within_the_window),
		cmocka_unit_test(any_order_gives_each_counter_at_most_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
