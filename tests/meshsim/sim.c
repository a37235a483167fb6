#include "tests/meshsim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/meshsim/memo.h"
#include "tests/meshsim/records.h"

#define CONVERGE_STEP_MS 20   /* between two looks at whether all agree */
#define MTU_LEAST	 1280 /* what nodes say of themselves that is new: another MTU */
#define MTU_COUNT	 140

void sim_init(struct sim *sim, const struct options *options)
{
	const struct cluster_options network = {.seed = options->seed,
		.loss = options->loss,
		.latency_min_ms = options->latency_min_ms,
		.latency_max_ms = options->latency_max_ms,
		.disk_ms = 1,
		.mechanisms = options->mechanisms};
	uint8_t seed[32] = {[31] = 3};

	*sim = (struct sim){.options = *options};
	memcpy(seed, &options->seed, sizeof(options->seed));
	rng_init(&sim->rng, seed);
	sim->cluster = cluster_new(&network);
	metrics_init(&sim->metrics, sim->cluster, options->nodes);
	if (options->nodes > INVARIANTS_NODES_MAX || options->mechanisms != &swim_mesh)
		return;
	sim->checker = invariants_new();
	sim->watch = watch_new(sim->cluster, sim->checker);
}

void sim_done(struct sim *sim)
{
	cluster_free(sim->cluster);
	metrics_done(&sim->metrics);
	watch_free(sim->watch);
	invariants_free(sim->checker);
}

void sim_tell(struct sim *sim)
{
	struct invariant_break first;

	if (!sim->checker)
		return;
	sim->checked += invariants_checked(sim->checker);
	if (!invariants_first(sim->checker, &first))
		return;
	sim->broken = 0; /* what was seen at the end follows from it */
	sim_break(sim, "%s: n%d: %s", invariant_text(first.invariant), first.node, first.detail);
	sim->broken_at = (mtime_t){first.at_ms * 1000};
	sim->broken = invariants_broken(sim->checker);
}

void sim_mesh(struct sim *sim)
{
	int nodes = sim->options.nodes, started = 0;
	int *order = calloc((size_t)nodes, sizeof(*order));

	if (!order)
		abort();
	for (int i = 0; i < nodes; i++) {
		memo_know(cluster_keys(sim->cluster, cluster_add_off(sim->cluster)));
		order[i] = i;
	}
	records_install(sim->cluster, &sim->rng);
	/* all within the jitter, in any order */
	for (int i = nodes - 1; i > 0; i--) {
		int j = (int)rng_below(&sim->rng, (uint64_t)i + 1), other = order[i];

		order[i] = order[j];
		order[j] = other;
	}
	for (int ms = 0; ms < SIM_START_JITTER_MS; ms++) {
		for (; started < nodes * (ms + 1) / SIM_START_JITTER_MS; started++)
			cluster_restart(sim->cluster, order[started]);
		cluster_run(sim->cluster, 1);
	}
	free(order);
	cluster_run(sim->cluster, sim->options.warm_up_s * 1000);
	metrics_begin(&sim->metrics);
}

int64_t sim_now_ms(const struct sim *sim)
{
	return cluster_time(sim->cluster).now.us / 1000;
}

void sim_break(struct sim *sim, const char *format, ...)
{
	va_list args;

	if (sim->broken++)
		return;
	sim->broken_at = cluster_time(sim->cluster).now;
	va_start(args, format);
	vsnprintf(sim->what, sizeof(sim->what), format, args);
	va_end(args);
}

int sim_random_up(struct sim *sim, int but)
{
	int nodes = sim->options.nodes;
	int start = (int)rng_below(&sim->rng, (uint64_t)nodes);

	for (int i = 0; i < nodes; i++) {
		int node = (start + i) % nodes;

		if (node != but && cluster_is_up(sim->cluster, node))
			return node;
	}
	return -1;
}

void sim_say(struct sim *sim, int node)
{
	uint16_t mtu = (uint16_t)(MTU_LEAST + rng_below(&sim->rng, MTU_COUNT));

	metrics_watch_record(&sim->metrics, node);
	gossip_set_mtu(
		cluster_core(sim->cluster, node), cluster_node_time(sim->cluster, node), mtu);
	cluster_drain(sim->cluster, node);
}

void sim_crash(struct sim *sim, int node, bool host)
{
	if (host)
		cluster_crash(sim->cluster, node);
	else
		cluster_kill(sim->cluster, node);
	metrics_crashed(&sim->metrics, node);
}

void sim_restart(struct sim *sim, int node)
{
	metrics_started(&sim->metrics, node);
	cluster_restart(sim->cluster, node);
}

void sim_converge(struct sim *sim)
{
	mtime_t began = cluster_time(sim->cluster).now, now = began;

	for (;; now = cluster_time(sim->cluster).now) {
		if (metrics_all_alive(&sim->metrics) && cluster_digests_equal(sim->cluster, NULL))
			break;
		if (mtime_diff_ms(now, began) > SIM_CONVERGE_MS) {
			sim->checked++;
			sim_break(sim, "not converged %d s after calm", SIM_CONVERGE_MS / 1000);
			return;
		}
		cluster_run(sim->cluster, CONVERGE_STEP_MS);
	}
	sim->checked++;
	samples_add(&sim->metrics.converge, mtime_diff_us(now, began));
}
