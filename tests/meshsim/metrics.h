/*
 * What is measured, by looking at the effects of every core: who calls whom dead, and which record
 * has reached whom.
 *
 * False positives: a node concludes `dead` of one that lives. By subject and observer: in an
 * anomaly at that moment or not; and as Lifeguard's paper counts, by whether the node is one of
 * those that have anomalies in this run at all.
 */
#ifndef MESHD_TESTS_MESHSIM_METRICS_H
#define MESHD_TESTS_MESHSIM_METRICS_H

#include "tests/support/cluster.h"

#define METRICS_CRASHES_MAX 64 /* under way at a time: the oldest is given up */
#define METRICS_SPREADS_MAX 64

struct samples {
	int64_t *us;
	size_t count, capacity;
};

struct false_positives {
	uint64_t any, healthy, any_at_healthy, healthy_at_healthy;
	uint64_t paper_any, paper_healthy;
};

struct crash {
	bool active;
	int node;
	mtime_t at;
	bool first_seen;
	int unaware; /* that are up and do not hold it dead */
};

struct spread_watch {
	bool active;
	struct hash hash;
	int origin;
	mtime_t at;
	bool *missing; /* by node */
	int missing_count;
};

struct metrics {
	struct cluster *cluster;
	int nodes;
	uint8_t *views;	 /* [observer * nodes + subject]: enum gossip_member_state */
	bool *afflicted; /* has anomalies in this run */
	bool *anomalous; /* has one now */
	bool measuring;
	struct cluster_counts before, idle; /* at the start; after its part without any news */
	mtime_t began, idle_until, ended;   /* idle_until = began: there is no such part */
	struct samples converge, detect_first, detect_all, spread;
	struct false_positives false_positives;
	uint64_t suspicions; /* alive -> suspect of live members, by any node */
	uint64_t missed;     /* crashes that were not known to all before their end or the run's */
	struct crash crashes[METRICS_CRASHES_MAX];
	size_t next_crash;
	struct spread_watch spreads[METRICS_SPREADS_MAX];
	size_t next_spread;
	int speaker; /* whose next record is watched; -1: nobody's */
};

void metrics_init(struct metrics *metrics, struct cluster *cluster, int nodes);
void metrics_done(struct metrics *metrics);
void metrics_begin(struct metrics *metrics);
/* What came until now was probing alone. */
void metrics_idle_over(struct metrics *metrics);
void metrics_end(struct metrics *metrics);
/* What befalls nodes. */
void metrics_crashed(struct metrics *metrics, int node);
void metrics_started(struct metrics *metrics, int node);
/* The next record that the node signs is watched. */
void metrics_watch_record(struct metrics *metrics, int node);
/* Whether every node that is up sees every other such node alive. */
bool metrics_all_alive(const struct metrics *metrics);

void samples_add(struct samples *samples, int64_t us);
/* q from 0 to 1; 0 without samples. In milliseconds. */
double samples_quantile(struct samples *samples, double q);

#endif
