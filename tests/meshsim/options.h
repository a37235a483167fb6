/* What meshsim is asked to do. */
#ifndef MESHD_TESTS_MESHSIM_OPTIONS_H
#define MESHD_TESTS_MESHSIM_OPTIONS_H

#include "tests/support/cluster.h"

/* Pairs of nodes are what memory goes to: 3,000 nodes are 9 million. */
#define OPTIONS_NODES_MAX   10000
#define OPTIONS_SECONDS_MAX 1000000

struct scenario;

struct options {
	int nodes;
	int64_t seconds, warm_up_s;
	uint64_t seed;
	const struct scenario *scenario;
	const char *detector; /* swim, lifeguard, mesh */
	const struct swim_mechanisms *mechanisms;
	double loss;
	int latency_min_ms, latency_max_ms;
	int anomalies; /* nodes that have them */
	int64_t anomaly_ms, interval_ms;
	enum cluster_anomaly anomaly; /* CLUSTER_NONE: their network is cut */
	double churn;		      /* share of the nodes that end and come back in a minute */
	int64_t partition_s, heal_s;
	int64_t differ; /* records, in scenario sync */
	bool json;
};

/* Exits with 2 where they make no sense, saying what is allowed, and with 0 after --help. */
void options_parse(int argc, char **argv, struct options *ret);

#endif
