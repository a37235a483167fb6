/* The simulator: the same gossip code as the daemon's, a virtual clock, a faulty network. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "tests/meshsim/report.h"
#include "tests/meshsim/scenario.h"

static double wall_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double began = wall_now();
	struct options options;
	struct sim sim;
	int status;

	options_parse(argc, argv, &options);
	sim_init(&sim, &options);
	options.scenario->run(&sim);
	sim_tell(&sim);
	metrics_end(&sim.metrics);
	if (options.json)
		report_json(&sim, wall_now() - began);
	else
		report_table(&sim, wall_now() - began);
	status = sim.broken != 0;
	if (status)
		fprintf(stderr, "meshsim: seed %" PRIu64 ", at %.6f s of virtual time: %s\n",
			options.seed, (double)sim.broken_at.us / 1e6, sim.what);
	sim_done(&sim);
	return status;
}
