/* Tells a checker all that the cores of a cluster do: each effect before it is carried out, and
 * after each input what has become of the core. */
#ifndef MESHD_TESTS_MESHSIM_INVARIANTS_WATCH_H
#define MESHD_TESTS_MESHSIM_INVARIANTS_WATCH_H

#include "tests/meshsim/invariants.h"
#include "tests/support/cluster.h"

struct watch;

/* Before the cluster does anything; both are borrowed, for the cluster's life. */
struct watch *watch_new(struct cluster *cluster, struct invariants *checker);
void watch_free(struct watch *watch);
/* To be said when a disk is lost or set back: it is read anew at the next start. */
void watch_disk_lost(struct watch *watch, int node);
/* The calm is over: what all that run now hold. */
void watch_end(struct watch *watch);

#endif
