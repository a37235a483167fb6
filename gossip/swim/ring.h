/*
 * To whom news goes first: on each of a few rings, on which all nodes order all members alike, the
 * member that follows this one and is not dead. So each member stands behind as many others as it
 * has in front, where random choice would leave a few without any: that takes a packet for each
 * e-fold of the mesh, this takes as many as there are rings, whatever its size.
 *
 * A place on a ring is a part of the node's id. Somebody could make identities until some of them
 * follow their victim's predecessors on all rings, and have them admitted: therefore each push goes
 * to a random member too, and what a probe finds missing is compared anyway.
 */
#ifndef MESHD_GOSSIP_SWIM_RING_H
#define MESHD_GOSSIP_SWIM_RING_H

#include "gossip/base/types.h"
#include "gossip/swim/swim.h"

struct member;

struct ring {
	struct member *next[SWIM_RINGS]; /* NULL: nobody else is left; one may be on several */
};

/* It is there, or back from the dead. */
void ring_add(struct swim *swim, struct member *member);
/* It is dead, or gone from the members already and about to be freed. */
void ring_lost(struct swim *swim, const struct member *member);
/* Those that follow, each once. */
size_t ring_list(const struct swim *swim, struct id *ret, size_t count);

#endif
