/* Whom news goes to: along the rings alone it reaches everybody, whoever is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/base/rng.h"
#include "gossip/swim/spread.h"
#include "gossip/swim/swim.h"

#define NODES 60

struct world {
	struct rng rng;
	struct id mesh;
	size_t count;
	struct keys keys[NODES];
	struct spread *spread[NODES];
	struct swim *swim[NODES];
	bool gone[NODES];
};

static const mtime_t start = {1000000};

/* All of them members of each other. */
static void setup(struct world *w, size_t count)
{
	static const uint8_t seed[32] = {12};
	uint8_t key[32];

	memset(w, 0, sizeof(*w));
	w->count = count;
	rng_init(&w->rng, seed);
	rng_bytes(&w->rng, &w->mesh, sizeof(w->mesh));
	for (size_t i = 0; i < count; i++) {
		struct swim_config config = {
			.self = &w->keys[i], .mesh = &w->mesh, .rng = &w->rng, .generation = 1};

		rng_bytes(&w->rng, key, sizeof(key));
		keys_from_seed(key, &w->keys[i]);
		assert_int_equal(spread_new(&w->rng, &w->spread[i]), 0);
		config.spread = w->spread[i];
		assert_int_equal(swim_new(&config, start, &w->swim[i]), 0);
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < count; k++)
			assert_int_equal(swim_add(w->swim[i], start, &w->keys[k].id), 0);
	}
}

static void teardown(struct world *w)
{
	for (size_t i = 0; i < w->count; i++) {
		swim_free(w->swim[i]);
		spread_free(w->spread[i]);
	}
	rng_done(&w->rng);
}

static size_t number_of(const struct world *w, const struct id *id)
{
	size_t i = 0;

	while (!id_equal(&w->keys[i].id, id))
		i++;
	return i;
}

/* Nobody has been heard: there are no others than those on the rings. */
static size_t neighbours(struct world *w, size_t node, struct id ret[SPREAD_FANOUT])
{
	size_t following, count = swim_neighbours(w->swim[node], ret, SPREAD_FANOUT, &following);

	assert_int_equal(count, following);
	assert_in_range(count, 0, SWIM_RINGS);
	return count;
}

static size_t reached_from(struct world *w, size_t node)
{
	size_t queue[NODES], head = 0, tail = 0;
	bool reached[NODES] = {false};

	reached[node] = true;
	queue[tail++] = node;
	while (head < tail) {
		struct id ids[SPREAD_FANOUT];
		size_t count = neighbours(w, queue[head++], ids);

		for (size_t i = 0; i < count; i++) {
			size_t next = number_of(w, &ids[i]);

			assert_false(w->gone[next]);
			if (!reached[next])
				queue[tail++] = next;
			reached[next] = true;
		}
	}
	return tail;
}

static void news_reaches_everybody_from_anybody(void **state)
{
	(void)state;
	static const size_t counts[] = {1, 2, 3, 5, 6, 7, 20, NODES};

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		struct world w;

		setup(&w, counts[i]);
		for (size_t node = 0; node < counts[i]; node++)
			assert_int_equal(reached_from(&w, node), counts[i]);
		teardown(&w);
	}
}

static void nobody_stands_behind_few(void **state)
{
	(void)state;
	size_t behind[NODES] = {0};
	struct world w;

	setup(&w, NODES);
	for (size_t node = 0; node < NODES; node++) {
		struct id ids[SPREAD_FANOUT];
		size_t count = neighbours(&w, node, ids);

		for (size_t i = 0; i < count; i++)
			behind[number_of(&w, &ids[i])]++;
	}
	/* on two rings the same one may come before it */
	for (size_t node = 0; node < NODES; node++)
		assert_in_range(behind[node], SWIM_RINGS - 2, SWIM_RINGS);
	teardown(&w);
}

static void rings_close_behind_who_is_gone(void **state)
{
	(void)state;
	struct world w;
	size_t left = NODES;

	setup(&w, NODES);
	while (left > 2) {
		size_t gone = rng_below(&w.rng, NODES);

		if (w.gone[gone])
			continue;
		w.gone[gone] = true;
		left--;
		for (size_t node = 0; node < NODES; node++)
			swim_remove(w.swim[node], start, &w.keys[gone].id);
		if (left % 7 != 2)
			continue;
		for (size_t node = 0; node < NODES; node++) {
			if (!w.gone[node])
				assert_int_equal(reached_from(&w, node), left);
		}
	}
	teardown(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(news_reaches_everybody_from_anybody),
		cmocka_unit_test(nobody_stands_behind_few),
		cmocka_unit_test(rings_close_behind_who_is_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
