/* What can happen to a mesh. */
#ifndef MESHD_TESTS_MESHSIM_SCENARIO_H
#define MESHD_TESTS_MESHSIM_SCENARIO_H

#include "tests/meshsim/sim.h"

struct scenario {
	const char *name, *about;
	void (*run)(struct sim *sim); /* of an initialised sim: makes its mesh, and all else */
	int nodes_min, nodes_max;     /* 0: any number */
};

/* The first is the default; a NULL name ends it. */
extern const struct scenario scenario_list[];

#endif
