/* An attacker that hears all, says it again in part, and ends streams and nodes at any moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/hostile.h"

#define SEEDS 60 /* the environment's HOSTILE_SEEDS runs more */

#define HOUR_MS 3600000

#define CAPTURED 64

struct captured {
	bool stream;
	int node;
	uint64_t number;
	size_t size;
	uint8_t bytes[SEAL_PACKET_MAX];
};

struct mischief {
	struct cluster *c;
	struct rng rng;
	struct captured captured[CAPTURED];
	size_t count;
	uint64_t next;
};

/* An attacker that sees all that goes by. */
static bool overhear(void *arg, int node, const struct gossip_effect *effect)
{
	struct mischief *m = arg;
	struct captured *slot = &m->captured[m->count % CAPTURED];

	if (effect->kind != EFFECT_SEND && effect->kind != EFFECT_STREAM_SEND)
		return false;
	*slot = (struct captured){.stream = effect->kind == EFFECT_STREAM_SEND,
		.node = node,
		.number = effect->stream};
	slot->size = effect->size < SEAL_PACKET_MAX ? effect->size : SEAL_PACKET_MAX;
	memcpy(slot->bytes, effect->bytes, slot->size);
	m->count++;
	return false;
}

static struct captured spoilt(struct mischief *m)
{
	struct captured one =
		m->captured[rng_below(&m->rng, m->count < CAPTURED ? m->count : CAPTURED)];

	if (one.size && rng_below(&m->rng, 2))
		one.bytes[rng_below(&m->rng, one.size)] ^= (uint8_t)(1 << rng_below(&m->rng, 8));
	if (rng_below(&m->rng, 8) == 0)
		rng_bytes(&m->rng, one.bytes, one.size);
	return one;
}

static void into_a_stream(struct mischief *m, int node, const struct captured *one)
{
	struct endpoint from = hostile_somewhere((unsigned)rng_below(&m->rng, 200));
	struct gossip *core = cluster_core(m->c, node);
	uint64_t number = GOSSIP_STREAM_ACCEPTED | UINT64_C(1) << 40 | ++m->next;

	if (rng_below(&m->rng, 2))
		number = one->number; /* of one that is open, perhaps */
	else
		gossip_stream_accepted(core, cluster_time(m->c), number, &from);
	if (rng_below(&m->rng, 4) == 0)
		gossip_stream_closed(core, cluster_time(m->c), number);
	gossip_stream_received(core, cluster_time(m->c), number, one->bytes, one->size);
	gossip_stream_sent(core, cluster_time(m->c), number, one->size);
}

static void do_mischief(struct mischief *m, int count)
{
	int node = (int)rng_below(&m->rng, (uint64_t)count);
	struct endpoint from =
		rng_below(&m->rng, 2)
			? hostile_somewhere((unsigned)rng_below(&m->rng, 200))
			: cluster_endpoint(m->c, (int)rng_below(&m->rng, (uint64_t)count));
	struct captured one = spoilt(m);

	if (rng_below(&m->rng, 40) == 0) {
		if (cluster_is_up(m->c, node))
			cluster_kill(m->c, node);
		else
			cluster_restart(m->c, node);
		return;
	}
	if (one.stream && rng_below(&m->rng, 3))
		node = one.node;
	if (!cluster_is_up(m->c, node))
		return;
	if (one.stream && rng_below(&m->rng, 4) == 0)
		gossip_stream_closed(cluster_core(m->c, node), cluster_time(m->c), one.number);
	else if (one.stream || rng_below(&m->rng, 8) == 0)
		into_a_stream(m, node, &one);
	else
		gossip_receive(
			cluster_core(m->c, node), cluster_time(m->c), &from, one.bytes, one.size);
	cluster_drain(m->c, node);
}

static void join_again(struct cluster *c, int node, const char *token)
{
	if (cluster_is_up(c, node) && cluster_joined(c, node) != 0)
		(void)!cluster_join(c, node, token);
}

static void one_campaign(uint64_t seed)
{
	struct cluster_options options = {.disk_ms = 1};
	struct mischief m = {.next = 0};
	char token[TOKEN_TEXT_MAX];

	options.seed = seed;
	options.latency_max_ms = 20;
	options.loss = 0.05;
	hostile_rng(&m.rng, (uint8_t)seed);
	m.c = cluster_new(&options);
	cluster_mesh(m.c, 4);
	cluster_invite(m.c, 0, 2, HOUR_MS, token);
	int joiners[2] = {cluster_add(m.c), cluster_add(m.c)};
	cluster_watch(m.c, overhear, &m);
	cluster_run(m.c, 2000); /* there is something to play with */
	for (int step = 0; step < 400; step++) {
		if (step % 50 == 0)
			join_again(m.c, joiners[step / 50 % 2], token);
		do_mischief(&m, 6);
		cluster_run(m.c, (int64_t)rng_below(&m.rng, 60));
	}
	for (int node = 0; node < 6; node++) {
		if (!cluster_is_up(m.c, node))
			cluster_restart(m.c, node);
	}
	if (!cluster_wait(m.c, 180000, cluster_converged, NULL)) {
		printf("seed %llu\n", (unsigned long long)seed);
		fail();
	}
	cluster_free(m.c);
}

static void a_mesh_outlives_any_mischief(void **state)
{
	(void)state;
	const char *more = getenv("HOSTILE_SEEDS");
	uint64_t seeds = more ? strtoull(more, NULL, 10) : SEEDS;

	for (uint64_t seed = 1; seed <= seeds; seed++)
		one_campaign(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mesh_outlives_any_mischief),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
