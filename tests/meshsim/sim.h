/*
 * One run: a mesh of N cores, what is done to it, and what is measured. Scenarios use it; what they
 * have in common is here.
 *
 * The mesh is made without joins: the records that N joins would have left, on every node's disk,
 * and all nodes started within a second, as after a power cut. It runs warm before anything is
 * measured.
 */
#ifndef MESHD_TESTS_MESHSIM_SIM_H
#define MESHD_TESTS_MESHSIM_SIM_H

#include "gossip/base/rng.h"
#include "tests/meshsim/faults_list.h"
#include "tests/meshsim/invariants_watch.h"
#include "tests/meshsim/metrics.h"
#include "tests/meshsim/options.h"

#define SIM_START_JITTER_MS 1000
#define SIM_CONVERGE_MS	    300000 /* given up then */

struct sim {
	struct options options;
	struct cluster *cluster;
	struct rng rng; /* of what is done to the mesh */
	struct metrics metrics;
	/* what looks at every transition; NULL: nothing does (sim_init) */
	struct invariants *checker;
	struct watch *watch;
	/* invariants: how many times one was looked at, and the first that broke */
	uint64_t checked, broken;
	char what[1280];
	mtime_t broken_at;
	/* of scenario sync */
	uint64_t sync_rounds, sync_bytes, sync_records;
	uint64_t faults[FAULTS]; /* of scenario faults: how often each kind happened */
};

/* An empty cluster, the faults of the options' network in it. Of a mesh of up to
 * INVARIANTS_NODES_MAX nodes every transition is looked at: in larger ones that would take longer
 * than all the rest, and other detectors than ours have other rules. */
void sim_init(struct sim *sim, const struct options *options);
void sim_done(struct sim *sim);
/* Makes the mesh, starts it, runs it warm, and begins to measure. */
void sim_mesh(struct sim *sim);

/* The run is over: what the checker has found is the sim's. */
void sim_tell(struct sim *sim);
/* An invariant did not hold. */
void sim_break(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

int64_t sim_now_ms(const struct sim *sim);
/* Some node that is up, other than `but` (-1: any); -1: there is none. */
int sim_random_up(struct sim *sim, int but);
/* A node says something new of itself, which is to reach all. */
void sim_say(struct sim *sim, int node);
/* Ends a node, its host gone or not, and counts who finds out. */
void sim_crash(struct sim *sim, int node, bool host);
void sim_restart(struct sim *sim, int node);
/* Until all that are up hold the same records, and see each other alive; how long that took is a
 * measurement. What does not converge in SIM_CONVERGE_MS breaks an invariant. */
void sim_converge(struct sim *sim);

#endif
