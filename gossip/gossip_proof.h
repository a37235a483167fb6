#ifndef MESHD_GOSSIP_GOSSIP_PROOF_H
#define MESHD_GOSSIP_GOSSIP_PROOF_H

#include "gossip/gossip.h"
#include "gossip/trust/equivocation.h"

/* Authors of two bodies with one stamp that this node has found out and that wait to be told. */
#define PROOFS_FOUND_MAX 16

/* Two bodies with one stamp, and when it is looked whether somebody else has told it. */
struct suspicion_of_two {
	struct equivocation proof;
	mtime_t due;
};

void gossip_proof_found(struct gossip *g, const struct record *record, const struct record *other);
void gossip_proof_tell(
	struct gossip *g, const struct authority *before, const struct authority *now);
void gossip_proof_tick(struct gossip *g);
mtime_t gossip_proof_deadline(const struct gossip *g);

#endif
