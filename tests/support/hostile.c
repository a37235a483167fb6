#include "tests/support/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

struct endpoint hostile_somewhere(unsigned number)
{
	struct endpoint at = {
		.ip = {.family = 4, .b = {192, 0, (uint8_t)(number >> 8), (uint8_t)number}},
		.port = 4000};

	return at;
}

void hostile_rng(struct rng *rng, uint8_t number)
{
	const uint8_t seed[32] = {number, 77};

	rng_init(rng, seed);
}

void hostile_keys(struct rng *rng, struct keys *ret)
{
	uint8_t seed[32];

	rng_bytes(rng, seed, sizeof(seed));
	keys_from_seed(seed, ret);
}

struct hostile *hostile_new(int count)
{
	static const struct cluster_options calm = {
		.seed = 1, .latency_min_ms = 0, .latency_max_ms = 1, .disk_ms = 1};
	struct hostile *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	hostile_rng(&h->rng, 1);
	h->c = cluster_new(&calm);
	cluster_mesh(h->c, count);
	assert_true(cluster_wait(h->c, 15000, cluster_converged, NULL));
	return h;
}

void hostile_free(struct hostile *h)
{
	sync_free(h->actor.sync);
	if (h->actor.cluster)
		actor_done(&h->actor);
	store_free(h->store);
	cluster_free(h->c);
	free(h);
}

void hostile_impersonate(struct hostile *h)
{
	struct endpoint at = hostile_somewhere(1);

	cluster_kill(h->c, 1);
	actor_init(&h->actor, h->c, &h->rng, 0, cluster_keys(h->c, 1), &at);
}

void hostile_begin(struct hostile *h)
{
	hostile_impersonate(h);
	actor_begin(&h->actor);
}

struct copy {
	struct hostile *h;
	bool (*wanted)(const struct record *record);
};

static void take_record(void *arg, const uint8_t *bytes, size_t size)
{
	struct copy *copy = arg;
	struct record *record;

	assert_int_equal(record_decode(&copy->h->actor.mesh, bytes, size, &record), 0);
	if (!copy->wanted || copy->wanted(record))
		assert_int_equal(store_restore(copy->h->store, record), 0);
	record_unref(record);
}

void hostile_copy(struct hostile *h, bool (*wanted)(const struct record *record))
{
	struct copy copy = {h, wanted};

	sync_free(h->actor.sync);
	h->actor.sync = NULL;
	store_free(h->store);
	assert_int_equal(store_new(&h->actor.mesh, &h->rng, NULL, NULL, &h->store), 0);
	cluster_records(h->c, 0, take_record, &copy);
}

void hostile_sync(struct hostile *h, bool initiator)
{
	sync_free(h->actor.sync);
	assert_int_equal(sync_new(h->store, &h->rng, initiator, &h->actor.sync), 0);
}

void hostile_introduce(struct hostile *h)
{
	struct record *admission =
		store_slot(h->store, &h->actor.keys->id, RECORD_ADMISSION, NULL, 0);
	struct frame frame = {.type = FRAME_INTRODUCE};

	assert_non_null(admission);
	frame.record = (struct msg_item){admission->bytes, admission->size};
	actor_prove(&h->actor, CHANNEL_MEMBER, h->actor.keys);
	actor_say(&h->actor, &frame);
	hostile_sync(h, true);
}

void hostile_pump(struct hostile *h)
{
	size_t size;

	do {
		struct frame frame = {.type = FRAME_SYNC};
		struct pack out;

		pack_init_growing(&out, SYNC_MESSAGE_MAX);
		assert_int_equal(sync_next(h->actor.sync, &out), 0);
		size = out.size;
		frame.sync = (struct msg_item){out.data, out.size};
		if (size)
			actor_say(&h->actor, &frame);
		pack_done(&out);
	} while (size);
}
