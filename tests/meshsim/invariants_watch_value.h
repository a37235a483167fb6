/* What invariants_watch.c leaves to invariants_watch_value.c. */
#ifndef MESHD_TESTS_MESHSIM_INVARIANTS_WATCH_VALUE_H
#define MESHD_TESTS_MESHSIM_INVARIANTS_WATCH_VALUE_H

#include "tests/meshsim/invariants.h"

/* Somebody who follows a node's changes, through its restarts. */
struct value_reader {
	uint64_t cursor;
	uint64_t generation; /* of the node, that it is connected to */
	uint64_t floor;
	struct invariants_value read[INVARIANTS_KEYS];
	struct invariants_value shown[INVARIANTS_KEYS]; /* when it was last looked at */
	unsigned turn;
};

/* After each input of a node that is in a mesh, or was; truth: what time it is. */
void watch_values(struct invariants *checker, int node, struct gossip *g, wtime_t truth,
	struct value_reader *reader);
/* In the end. */
void watch_values_end(struct invariants *checker, int node, struct gossip *g, wtime_t truth,
	struct value_reader *reader, struct invariants_value ret[INVARIANTS_KEYS]);

#endif
