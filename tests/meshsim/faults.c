#include "tests/meshsim/faults.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "tests/meshsim/faults_internal.h"
#include "tests/meshsim/records.h"

#define SETTLE_MS 3000	/* after the start, before the first fault */
#define ACTION_MS 1500	/* between two of them, at most */
#define LOOK_MS	  100	/* between two looks at whether all agree */
#define STAY_MS	  10000 /* they are whole when they were so long */
#define ENABLED	  0.6	/* of the kinds of faults, in one run */
#define HAS_EVIL  0.5

/* ---- for all of the scenario's files ---- */

int faults_below(struct faults *f, int bound)
{
	return (int)rng_below(&f->rng, (uint64_t)bound);
}

bool faults_chance(struct faults *f, double p)
{
	return (double)rng_below(&f->rng, 1000000) < p * 1e6;
}

int64_t faults_span_ms(struct faults *f, int64_t least, int64_t most)
{
	double turn = (double)rng_below(&f->rng, 1000000) / 1e6;

	return (int64_t)((double)least * pow((double)most / (double)least, turn));
}

void faults_count(struct faults *f, enum fault fault)
{
	f->sim->faults[fault]++;
}

void faults_repair_in(
	struct faults *f, int64_t ms, void (*undo)(struct faults *f, int a, int b), int a, int b)
{
	if (f->repair_count == REPAIRS_MAX)
		return; /* the calm undoes it */
	f->repairs[f->repair_count++] = (struct repair){sim_now_ms(f->sim) + ms, undo, a, b};
}

bool faults_is_well(struct faults *f, int node)
{
	return cluster_is_up(f->cluster, node) &&
	       cluster_anomaly_of(f->cluster, node) == CLUSTER_NONE;
}

struct gossip_time faults_time(struct faults *f, int node)
{
	return cluster_node_time(f->cluster, node);
}

int faults_any(struct faults *f)
{
	int node = faults_below(f, cluster_count(f->cluster));

	return faults_is_well(f, node) ? node : -1;
}

int faults_plain(struct faults *f)
{
	int node = 1 + faults_below(f, f->members - 1);

	return node != f->evil && faults_is_well(f, node) ? node : -1;
}

/* ---- the run ---- */

/* Runs until then, undoing what is due. */
static void run_until(struct faults *f, int64_t until_ms)
{
	for (;;) {
		size_t next = f->repair_count;
		int64_t at_ms = until_ms;

		for (size_t i = 0; i < f->repair_count; i++) {
			if (f->repairs[i].at_ms < at_ms) {
				next = i;
				at_ms = f->repairs[i].at_ms;
			}
		}
		if (at_ms > sim_now_ms(f->sim))
			cluster_run(f->cluster, at_ms - sim_now_ms(f->sim));
		faults_mesh_look(f);
		if (next == f->repair_count)
			return;
		struct repair repair = f->repairs[next];

		f->repairs[next] = f->repairs[--f->repair_count];
		repair.undo(f, repair.a, repair.b);
	}
}

static void start_mesh(struct faults *f)
{
	for (int i = 0; i < f->members; i++)
		cluster_add_off(f->cluster);
	records_install(f->cluster, &f->sim->rng);
	for (int i = 0; i < f->members; i++)
		cluster_restart(f->cluster, i);
	cluster_run(f->cluster, SETTLE_MS);
}

static void one_fault(struct faults *f)
{
	static bool (*const kinds[])(struct faults *) = {
		faults_net, faults_node, faults_mesh, faults_member, faults_value, faults_segment};

	kinds[faults_below(f, ARRAY_SIZE(kinds))](f);
}

static void storm(struct faults *f)
{
	int64_t gap_ms = faults_span_ms(f, 50, ACTION_MS);

	while (sim_now_ms(f->sim) < f->end_ms) {
		run_until(f, sim_now_ms(f->sim) + faults_below(f, (int)(2 * gap_ms)));
		one_fault(f);
	}
}

/* ---- the calm ---- */

static void calm_down(struct faults *f)
{
	f->repair_count = 0;
	faults_member_end(f);
	faults_net_end(f);
	faults_mesh_look(f);
	faults_node_end(f);
}

/* What a node is to the founder; VOID also for one that it never heard of. */
static enum authority_standing standing_of(struct faults *f, int node)
{
	const struct id id = cluster_id(f->cluster, node);
	const struct authority_member *member =
		authority_member(cluster_core(f->cluster, 0)->authority, &id);

	return member ? member->standing : AUTHORITY_VOID;
}

/* All that the founder knows to be members run, and nobody else thinks that it is one. */
static bool knows_what_it_is(struct faults *f, int node)
{
	const struct gossip *g = cluster_core(f->cluster, node);

	/* one that was let in, and gave up before it was told so, is none */
	return !g || g->state == GOSSIP_UNJOINED ||
	       (standing_of(f, node) == AUTHORITY_MEMBER) == (g->state == GOSSIP_RUNNING);
}

static bool is_whole(struct faults *f)
{
	for (int i = 0; i < cluster_count(f->cluster); i++) {
		if (!knows_what_it_is(f, i))
			return false;
	}
	return cluster_converged(f->cluster, NULL);
}

/* For people, of a mesh that is not whole: who is what, and how the founder sees it. */
static void tell_parts(struct faults *f, char *text, size_t size)
{
	static const char *const standings[] = {[AUTHORITY_MEMBER] = "a member",
		[AUTHORITY_LEFT] = "gone",
		[AUTHORITY_REVOKED] = "revoked",
		[AUTHORITY_VOID] = "void or unknown"};
	struct gossip_status status;
	size_t used = 0;

	for (int i = 0; i < cluster_count(f->cluster) && used < size; i++) {
		int seen = cluster_sees(f->cluster, 0, i);

		if (!cluster_core(f->cluster, i))
			continue;
		gossip_status(cluster_core(f->cluster, i), &status);
		used += (size_t)snprintf(text + used, size - used,
			"%sn%d %s with %zu records %02x%02x, to n0 %s%s%s", i ? "; " : "", i,
			gossip_state_label(status.state), status.records, status.digest[0],
			status.digest[1], standings[standing_of(f, i)], seen < 0 ? "" : " and ",
			seen < 0 ? "" : gossip_member_state_label((enum gossip_member_state)seen));
	}
}

/* Whether it knows of any address where a node is now that streams reach. */
static bool could_find_anybody(struct faults *f, int node)
{
	const struct gossip *g = cluster_core(f->cluster, node);
	struct endpoint at[GOSSIP_CANDIDATES_MAX];
	const struct peer *peer;

	map_each (&g->peers, slot, peer) {
		for (size_t i = gossip_peer_candidates(g, peer, at); i-- > 0;) {
			int other = cluster_node_at(f->cluster, &at[i]);

			if (other >= 0 && other != node && !f->nodes[other].nat.on)
				return true;
		}
	}
	return false;
}

/* Who was expelled after it had lost its disk, and all whose addresses it knows have moved, is
 * beyond reach: nobody looks for the expelled (PROTOCOL.md, section 6). */
static void give_up_lost(struct faults *f)
{
	for (int i = 0; i < cluster_count(f->cluster); i++) {
		const struct gossip *g = cluster_core(f->cluster, i);

		if (!g || g->state != GOSSIP_RUNNING || standing_of(f, i) == AUTHORITY_MEMBER ||
			could_find_anybody(f, i))
			continue;
		f->nodes[i].gone = true;
		cluster_kill(f->cluster, i);
	}
}

/* A member that is long dead no longer has its hosts. It becomes so a while after each has found it
 * dead; of who is dead when a node starts, that takes another while. */
static bool agree_with(const struct gossip *a, const struct gossip *b)
{
	const struct peer *peer, *other;

	map_each (&a->peers, slot, peer) {
		other = gossip_peer(b, &peer->id);
		if (other && peer->member && other->gone != peer->gone)
			return false;
	}
	return true;
}

static bool agree_on_gone(const struct faults *f)
{
	const struct gossip *first = NULL;

	for (int i = 0; i < cluster_count(f->cluster); i++) {
		const struct gossip *g = cluster_core(f->cluster, i);

		if (!g || g->state != GOSSIP_RUNNING)
			continue;
		if (first && !agree_with(first, g))
			return false;
		first = first ? first : g;
	}
	return true;
}

static void expect_whole(struct faults *f)
{
	int64_t began_ms = sim_now_ms(f->sim), since_ms = began_ms;
	int64_t until_ms = began_ms + FAULTS_CALM_MS;
	char parts[INVARIANTS_DETAIL_MAX] = "";

	while (sim_now_ms(f->sim) < since_ms + STAY_MS && since_ms <= until_ms) {
		run_until(f, sim_now_ms(f->sim) + LOOK_MS);
		if (sim_now_ms(f->sim) - began_ms > FAULTS_CALM_MS / 2)
			give_up_lost(f);
		if (!is_whole(f))
			since_ms = sim_now_ms(f->sim);
	}
	if (since_ms > until_ms)
		tell_parts(f, parts, sizeof(parts));
	invariants_check(f->checker, INVARIANT_CONVERGES, since_ms <= until_ms, -1,
		"%d s after the last fault: %s", FAULTS_CALM_MS / 1000, parts);
	if (since_ms > until_ms)
		return;
	samples_add(&f->sim->metrics.converge, (since_ms - began_ms) * 1000);
	until_ms = sim_now_ms(f->sim) + FAULTS_CALM_MS;
	while (!agree_on_gone(f) && sim_now_ms(f->sim) < until_ms)
		run_until(f, sim_now_ms(f->sim) + LOOK_MS);
	invariants_check(f->checker, INVARIANT_CONVERGES, agree_on_gone(f), -1,
		"%d s later not all agree who is long dead", FAULTS_CALM_MS / 1000);
	watch_end(f->watch);
}

/* ---- all of it ---- */

static void effect_seen(void *arg, int node, const struct gossip_effect *effect)
{
	struct faults *f = arg;

	if (effect->kind == EFFECT_LEFT)
		f->nodes[node].left = true;
}

static struct faults *begin(struct sim *sim)
{
	struct faults *f = calloc(1, sizeof(*f));
	uint8_t seed[32];

	assert(f && sim->options.nodes >= FAULTS_NODES_MIN &&
		sim->options.nodes <= FAULTS_NODES_MAX);
	f->sim = sim;
	f->cluster = sim->cluster;
	f->members = sim->options.nodes;
	rng_bytes(&sim->rng, seed, sizeof(seed));
	rng_init(&f->rng, seed);
	rng_bytes(&sim->rng, seed, sizeof(seed));
	rng_init(&f->net_rng, seed);
	for (int i = 0; i < INVARIANTS_NODES_MAX; i++)
		f->nodes[i].clone_of = -1;
	for (int i = 0; i < FAULTS; i++)
		f->enabled[i] = faults_chance(f, ENABLED);
	f->evil = faults_chance(f, HAS_EVIL) ? 1 + faults_below(f, f->members - 1) : -1;
	f->checker = sim->checker;
	f->watch = sim->watch;
	cluster_observe(f->cluster, effect_seen, f);
	return f;
}

void faults_run(struct sim *sim)
{
	struct faults *f = begin(sim);

	start_mesh(f);
	metrics_begin(&sim->metrics);
	f->end_ms = sim_now_ms(sim) + sim->options.seconds * 1000;
	faults_net_begin(f);
	faults_member_begin(f);
	storm(f);
	calm_down(f);
	expect_whole(f);
	free(f);
}
