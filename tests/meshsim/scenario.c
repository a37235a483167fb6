#include "tests/meshsim/scenario.h"

#include <stdlib.h>

#include "tests/meshsim/faults.h"
#include "tests/meshsim/sync.h"

#define SAY_MS	  5000	/* between two records that are new */
#define QUIET_MS  20000 /* the first part of steady, or a quarter of it: probing alone */
#define CRASH_MS  10000 /* between two crashes, in steady */
#define DOWN_MS	  40000 /* until one that crashed comes back: longer than anybody's verdict takes */
#define CHURN_MS  100	/* between two drawings of who ends */
#define BACK_MS	  5000	/* one that ended by churn comes back after that, or up to thrice that */
#define CALM_MS	  5000	/* before a storm */
#define MINUTE_MS 60000

/* ---- what goes on in all of them ---- */

struct course {
	int64_t end_ms, say_ms;
};

static struct course begin(struct sim *sim)
{
	sim_mesh(sim);
	return (struct course){.end_ms = sim_now_ms(sim) + sim->options.seconds * 1000,
		.say_ms = sim_now_ms(sim) + SAY_MS};
}

/* Runs until then, or the course's end; now and then somebody has news. */
static bool run_until(struct sim *sim, struct course *course, int64_t until_ms)
{
	int64_t end_ms = until_ms < course->end_ms ? until_ms : course->end_ms;

	while (sim_now_ms(sim) < end_ms) {
		int64_t next_ms = course->say_ms < end_ms ? course->say_ms : end_ms;

		cluster_run(sim->cluster, next_ms - sim_now_ms(sim));
		if (sim_now_ms(sim) < course->say_ms)
			continue;
		course->say_ms += SAY_MS;
		int node = sim_random_up(sim, -1);

		if (node >= 0 && cluster_anomaly_of(sim->cluster, node) == CLUSTER_NONE)
			sim_say(sim, node);
	}
	return sim_now_ms(sim) < course->end_ms;
}

/* ---- steady ---- */

static void stay_quiet(struct sim *sim, struct course *course)
{
	int64_t quiet_ms = sim->options.seconds * 1000 / 4;

	cluster_run(sim->cluster, quiet_ms < QUIET_MS ? quiet_ms : QUIET_MS);
	metrics_idle_over(&sim->metrics);
	course->say_ms = sim_now_ms(sim) + SAY_MS;
}

static void run_steady(struct sim *sim)
{
	struct course course = begin(sim);
	int64_t *back_ms = calloc((size_t)sim->options.nodes, sizeof(*back_ms));
	bool host = true;

	stay_quiet(sim, &course);
	int64_t next_ms = sim_now_ms(sim) + CRASH_MS / 4;
	if (!back_ms)
		abort();
	while (run_until(sim, &course, next_ms)) {
		int node = sim_random_up(sim, -1);

		/* the last ones could not be found out before the end */
		if (next_ms + DOWN_MS <= course.end_ms && node >= 0 && sim->options.nodes > 2) {
			sim_crash(sim, node, host);
			back_ms[node] = next_ms + DOWN_MS;
			host = !host;
		}
		next_ms += CRASH_MS;
		for (int i = 0; i < sim->options.nodes; i++) {
			if (back_ms[i] && back_ms[i] <= sim_now_ms(sim)) {
				sim_restart(sim, i);
				back_ms[i] = 0;
			}
		}
	}
	free(back_ms);
}

/* ---- Lifeguard's experiment ---- */

static void afflict(struct sim *sim, const int *chosen, bool on)
{
	for (int i = 0; i < sim->options.anomalies; i++) {
		if (sim->options.anomaly == CLUSTER_NONE)
			cluster_group(sim->cluster, chosen[i], on ? chosen[i] + 1 : 0);
		else
			cluster_anomaly(
				sim->cluster, chosen[i], on ? sim->options.anomaly : CLUSTER_NONE);
		sim->metrics.anomalous[chosen[i]] = on;
	}
}

static void run_anomalies(struct sim *sim)
{
	struct course course = begin(sim);
	int nodes = sim->options.nodes, count = 0;
	int *chosen = calloc((size_t)nodes, sizeof(*chosen));
	bool goes_on = true;

	if (!chosen)
		abort();
	while (count < sim->options.anomalies) {
		int node = (int)rng_below(&sim->rng, (uint64_t)nodes);

		if (sim->metrics.afflicted[node])
			continue;
		sim->metrics.afflicted[node] = true;
		chosen[count++] = node;
	}
	while (goes_on) {
		afflict(sim, chosen, true);
		goes_on = run_until(sim, &course, sim_now_ms(sim) + sim->options.anomaly_ms);
		afflict(sim, chosen, false);
		goes_on = goes_on &&
			  run_until(sim, &course, sim_now_ms(sim) + sim->options.interval_ms);
	}
	free(chosen);
}

/* ---- churn ---- */

static void run_churn(struct sim *sim)
{
	struct course course = begin(sim);
	int nodes = sim->options.nodes;
	int64_t *back_ms = calloc((size_t)nodes, sizeof(*back_ms));
	double chance = sim->options.churn * CHURN_MS / MINUTE_MS;

	if (!back_ms)
		abort();
	while (run_until(sim, &course, sim_now_ms(sim) + CHURN_MS)) {
		for (int i = 0; i < nodes; i++) {
			if (back_ms[i] && back_ms[i] <= sim_now_ms(sim)) {
				sim_restart(sim, i);
				back_ms[i] = 0;
			} else if (!back_ms[i] &&
				   (double)rng_below(&sim->rng, 1000000) < chance * 1e6) {
				sim_crash(sim, i, rng_below(&sim->rng, 2) == 0);
				back_ms[i] = sim_now_ms(sim) + BACK_MS +
					     (int64_t)rng_below(&sim->rng, 2 * BACK_MS);
			}
		}
	}
	for (int i = 0; i < nodes; i++) {
		if (back_ms[i])
			sim_restart(sim, i);
	}
	free(back_ms);
	sim_converge(sim);
}

/* ---- a partition ---- */

static void run_partition(struct sim *sim)
{
	struct course course = begin(sim);
	int64_t began_ms = sim_now_ms(sim);

	run_until(sim, &course, began_ms + sim->options.partition_s * 1000);
	for (int i = 0; i < sim->options.nodes; i++) {
		cluster_group(sim->cluster, i, i % 2);
		sim->metrics.anomalous[i] = true; /* who calls the other side dead is right */
	}
	run_until(sim, &course, began_ms + sim->options.heal_s * 1000);
	for (int i = 0; i < sim->options.nodes; i++) {
		cluster_group(sim->cluster, i, 0);
		sim->metrics.anomalous[i] = false;
	}
	sim_converge(sim);
	run_until(sim, &course, course.end_ms);
}

/* ---- a mass restart ---- */

static void run_storm(struct sim *sim)
{
	struct course course = begin(sim);
	int nodes = sim->options.nodes, started = 0;

	run_until(sim, &course, sim_now_ms(sim) + CALM_MS);
	for (int i = 0; i < nodes; i++)
		cluster_crash(sim->cluster, i);
	cluster_run(sim->cluster, CALM_MS);
	for (int ms = 0; ms < SIM_START_JITTER_MS; ms++) {
		for (; started < nodes * (ms + 1) / SIM_START_JITTER_MS; started++)
			sim_restart(sim, started);
		cluster_run(sim->cluster, 1);
	}
	sim_converge(sim);
	run_until(sim, &course, course.end_ms);
}

const struct scenario scenario_list[] = {
	{"steady", "a crash now and then (in the first half of it), and news", run_steady, 0, 0},
	{"anomalies", "Lifeguard's experiment: nodes that stand still again and again",
		run_anomalies, 0, 0},
	{"churn", "nodes end and come back", run_churn, 0, 0},
	{"partition", "the mesh falls in two, and heals", run_partition, 0, 0},
	{"storm", "all nodes start again within a second", run_storm, 0, 0},
	{"sync", "two halves come back with records that the other lacks: --differ of them",
		sync_run, 2, 0},
	{"faults", "everything at once, drawn from the seed; then all must be whole again",
		faults_run, FAULTS_NODES_MIN, FAULTS_NODES_MAX},
	{NULL, NULL, NULL, 0, 0},
};
