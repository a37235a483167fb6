/* What the checker's files share. */
#ifndef MESHD_TESTS_MESHSIM_INVARIANTS_INTERNAL_H
#define MESHD_TESTS_MESHSIM_INVARIANTS_INTERNAL_H

#include "gossip/base/map.h"
#include "gossip/base/rng.h"
#include "tests/meshsim/invariants.h"

struct seen {
	bool known;
	enum gossip_member_state state;
	struct swim_incarnation incarnation;
};

/* One that was ever seen on any disk. */
struct written {
	struct invariants_record record;
	bool acknowledged;
	uint64_t holders; /* a bit for each node */
	bool lost;	  /* with the last disk that had it */
	bool author_lost; /* with its author's; others may have it */
	bool replaced;	  /* by a later one, which is to survive in its stead */
};

/* The latest that a node ever had in a slot. */
struct latest {
	struct hash slot, hash;
	uint64_t stamp;
};

/* Bytes between a node and an address, or all addresses, in the window that began then. */
struct flow {
	struct endpoint at;
	int64_t began_ms;
	size_t in, out;
};

struct node_facts {
	struct seen seen[INVARIANTS_NODES_MAX];
	struct swim_incarnation issued;
	bool dishonest;
	uint64_t revoked; /* whom it knows to be */
	uint64_t purged; /* whom it ever knew to be: what was theirs may come again, in any order */
	struct map slots; /* of struct latest */
	struct map flows; /* of struct flow */
	struct flow all;
	struct endpoint came; /* family 0: no datagram is worked on */
	size_t came_left;     /* of what may be answered */
	struct invariants_value shown[INVARIANTS_KEYS];
	const struct written *revocation; /* removed by this input; its successor is told next */
};

struct invariants {
	struct rng rng; /* of the maps alone: the order of nothing follows from it */
	int64_t now_ms;
	uint64_t checked, broken;
	struct invariant_break first;
	struct node_facts nodes[INVARIANTS_NODES_MAX];
	struct map by_hash;  /* of struct written */
	struct map by_stamp; /* of the same, by author and stamp */
};

void invariants_record_done(struct invariants *checker);
void invariants_value_calm(
	struct invariants *checker, const struct invariants_end *ends, size_t count);
/* The input is over. */
void invariants_check_revocation(struct invariants *checker, int node);

#endif
