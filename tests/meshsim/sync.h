/* Scenario sync: two halves that come back with records that the other half lacks. */
#ifndef MESHD_TESTS_MESHSIM_SYNC_H
#define MESHD_TESTS_MESHSIM_SYNC_H

#include "tests/meshsim/sim.h"

void sync_run(struct sim *sim);

#endif
