#include "tests/support/cluster.h"

#include "tests/support/cluster_internal.h"

#define WAIT_STEP_MS 5 /* between two looks at a condition that is waited for */

struct cluster *cluster_new(const struct cluster_options *options)
{
	struct cluster *c = calloc(1, sizeof(*c));
	uint8_t seed[32] = {0};

	assert(c && sodium_init() >= 0);
	c->options = *options;
	memcpy(seed, &options->seed, sizeof(options->seed));
	rng_init(&c->rng, seed);
	seed[31] = 1;
	rng_init(&c->identities, seed);
	seed[31] = 2;
	rng_init(&c->shapes, seed);
	map_init(&c->by_id, sizeof(struct id), &c->shapes);
	map_init(&c->by_address, sizeof(unsigned), &c->shapes);
	map_init(&c->cuts, sizeof(uint64_t), &c->shapes);
	map_init(&c->wires_by_key, sizeof(struct wire_key), &c->shapes);
	map_init(&c->blobs, sizeof(struct hash), &c->shapes);
	map_init(&c->image_hashes, sizeof(struct hash), &c->shapes);
	c->now = (mtime_t){1000000};
	crypto_generichash_init(&c->trace, NULL, 0, 16);
	return c;
}

void cluster_free(struct cluster *c)
{
	struct cut *cut;

	while (c->heap_count)
		event_free(c, queue_pop(c));
	free(c->heap);
	for (int i = 0; i < c->count; i++)
		node_free(c, c->nodes[i]);
	free(c->nodes);
	free(c->ticks);
	map_done(&c->by_id);
	map_done(&c->by_address);
	map_each (&c->cuts, at, cut)
		free(cut);
	map_done(&c->cuts);
	stream_free_all(c);
	disk_free_image(c);
	free(c);
}

void cluster_weather(struct cluster *c, const struct cluster_options *options)
{
	c->options = *options;
}

void cluster_watch(struct cluster *c, cluster_watcher watcher, void *arg)
{
	c->watcher = watcher;
	c->watcher_arg = arg;
}

void cluster_observe(struct cluster *c, cluster_observer observer, void *arg)
{
	assert(c->observer_count < CLUSTER_OBSERVERS_MAX);
	c->observers[c->observer_count].observer = observer;
	c->observers[c->observer_count++].arg = arg;
}

void cluster_inspect(struct cluster *c, cluster_inspector inspector, void *arg)
{
	c->inspector = inspector;
	c->inspector_arg = arg;
}

/* One step; false when there is nothing before `until`. What comes in at the time of a tick comes
 * before it. */
static bool step(struct cluster *c, mtime_t until)
{
	struct node *node = c->tick_count ? c->ticks[0] : NULL;
	mtime_t tick_at = node ? node->tick_at : MTIME_NEVER;

	if (c->heap_count && !mtime_before(tick_at, c->heap[0]->at)) {
		if (mtime_before(until, c->heap[0]->at))
			return false;
		struct event *event = queue_pop(c);

		if (mtime_before(c->now, event->at))
			c->now = event->at;
		node_input(c, event);
		return true;
	}
	if (tick_at.us == MTIME_NEVER.us || mtime_before(until, tick_at))
		return false;
	if (mtime_before(c->now, tick_at))
		c->now = tick_at;
	node_tick(c, node);
	return true;
}

static void run_until(struct cluster *c, mtime_t until)
{
	while (mtime_before(c->now, until) && step(c, until))
		;
	if (mtime_before(c->now, until))
		c->now = until;
}

void cluster_run(struct cluster *c, int64_t ms)
{
	run_until(c, mtime_add_ms(c->now, ms));
}

bool cluster_wait(struct cluster *c, int64_t most_ms, cluster_condition condition, void *arg)
{
	mtime_t until = mtime_add_ms(c->now, most_ms);

	while (!condition(c, arg)) {
		if (!mtime_before(c->now, until))
			return false;
		run_until(c, mtime_add_ms(c->now, WAIT_STEP_MS));
	}
	return true;
}

const struct cluster_counts *cluster_counts(const struct cluster *c)
{
	return &c->counts;
}

void cluster_trace(const struct cluster *c, uint8_t ret[16])
{
	crypto_generichash_state copy = c->trace;

	crypto_generichash_final(&copy, ret, 16);
}
