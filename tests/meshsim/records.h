/* A mesh without its joins: the records that they would have left, by one admin's one invite. */
#ifndef MESHD_TESTS_MESHSIM_RECORDS_H
#define MESHD_TESTS_MESHSIM_RECORDS_H

#include "tests/support/cluster.h"

struct rng;

/* On the disk of every node of the cluster, none of which has been started yet. Node 0 is the
 * founder. */
void records_install(struct cluster *cluster, struct rng *rng);

#endif
