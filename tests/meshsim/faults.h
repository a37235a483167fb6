/*
 * Everything at once, drawn from the seed: which kinds of faults this run has, how bad they are and
 * when they come. Then calm: the network is whole, the clocks are right, every node that belongs to
 * the mesh runs. Within FAULTS_CALM_MS all of them must agree again, and every invariant must have
 * held at every transition (invariants.h).
 *
 *   faults.c          the run: mesh, faults, calm
 *   faults_net.c      what befalls datagrams and paths
 *   faults_node.c     what befalls hosts, processes, disks and clocks
 *   faults_mesh.c     joins, leaves, revocations, commands: life that goes on meanwhile
 *   faults_value.c    values that are put and deleted
 *   faults_member.c   a member that lies, and nodes of other versions
 */
#ifndef MESHD_TESTS_MESHSIM_FAULTS_H
#define MESHD_TESTS_MESHSIM_FAULTS_H

#include "tests/meshsim/scenario.h"

/* The slowest way back: a pair that goes on to differ syncs once a minute, and whoever is isolated
 * or dead to others is dialled as rarely (PROTOCOL.md, section 4). */
#define FAULTS_CALM_MS 120000

/* With so many nodes at most: that of joiners and clones is added, and sets have a bit for each. */
#define FAULTS_NODES_MIN 3
#define FAULTS_NODES_MAX 48

void faults_run(struct sim *sim);

#endif
