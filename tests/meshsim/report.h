/* What a run says in the end. */
#ifndef MESHD_TESTS_MESHSIM_REPORT_H
#define MESHD_TESTS_MESHSIM_REPORT_H

#include "tests/meshsim/sim.h"

void report_json(struct sim *sim, double wall_s);
void report_table(struct sim *sim, double wall_s);

#endif
