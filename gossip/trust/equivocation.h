/*
 * Proof that somebody signed two bodies with one stamp. An honest node never does: its stamps only
 * grow, over restarts and restores as well (record/hlc.h). Since what is signed of a record is
 * (author, stamp, hash of the body), two such hashes and signatures prove it, whatever the bodies
 * were and to whoever has neither.
 *
 * The value of an EQUIVOCATION record: [stamp, hash, signature, hash, signature], the hashes in
 * their order. Its key is the node, its author anybody who found it. Of one node the proof of the
 * lowest stamp counts.
 */
#ifndef MESHD_GOSSIP_TRUST_EQUIVOCATION_H
#define MESHD_GOSSIP_TRUST_EQUIVOCATION_H

#include "gossip/base/pack.h"
#include "gossip/record/record.h"

#define EQUIVOCATION_VALUE_MAX 256 /* bytes: 212 at most */

struct equivocation {
	struct id node;
	uint64_t stamp;
	struct hash hashes[2]; /* ascending */
	struct sig sigs[2];
};

/* Two records of one author and stamp with different bodies. ERR_INVALID: they are not. */
int equivocation_between(
	const struct record *a, const struct record *b, struct equivocation *ret) MUST_CHECK;
void equivocation_encode(const struct equivocation *equivocation, struct pack *out);
/* ERR_MALFORMED. The signatures are not looked at. */
int equivocation_decode(const struct record *record, struct equivocation *ret) MUST_CHECK;
/* The node signed both. ERR_BAD_SIGNATURE, ERR_BAD_KEY. */
int equivocation_verify(const struct equivocation *equivocation) MUST_CHECK;

#endif
