/*
 * Somebody with the keys of node 1, which is down, who speaks to node 0 of a small mesh: what tests
 * of hostile members begin with, and end.
 */
#ifndef MESHD_TESTS_SUPPORT_HOSTILE_H
#define MESHD_TESTS_SUPPORT_HOSTILE_H

#include "gossip/base/rng.h"
#include "tests/support/actor.h"

struct hostile {
	struct cluster *c;
	struct actor actor; /* with its own sync, where it has one */
	struct rng rng;
	struct store *store; /* its copy of node 0's records; NULL: none */
};

/* A mesh of so many nodes that is calm and agrees; the actor says nothing yet. */
struct hostile *hostile_new(int count);
void hostile_free(struct hostile *h);

/* Node 1 goes down, and the actor has its keys; and begins a session, too. */
void hostile_impersonate(struct hostile *h);
void hostile_begin(struct hostile *h);

/* Copies those of node 0's records that are wanted (NULL: all). */
void hostile_copy(struct hostile *h, bool (*wanted)(const struct record *record));
/* Another sync of the copy. */
void hostile_sync(struct hostile *h, bool initiator);
/* Comes over a stream as node 1 does, with its admission from the copy, and begins a sync. */
void hostile_introduce(struct hostile *h);
/* Says all that there is to be said now in the sync. */
void hostile_pump(struct hostile *h);

/* An address that no node has. */
struct endpoint hostile_somewhere(unsigned number);
void hostile_rng(struct rng *rng, uint8_t number);
void hostile_keys(struct rng *rng, struct keys *ret);

#endif
