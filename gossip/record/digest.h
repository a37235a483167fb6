/*
 * What two stores are compared by: the first 16 bytes of a hash over two things.
 *
 * One is the sum over a set of records, updated by one record at a time in any order: LtHash
 * (Bellare and Micciancio 1997; Lewi et al., "Securing Update Propagation with Homomorphic
 * Hashing", 2019) with 1,024 16-bit words expanded by ChaCha20 from the record's hash.
 *
 * The other is an ordinary hash over a sequence: a chain of BLAKE2b. Revocations go there and not
 * into the sum, so that one that is missing could be hidden by nothing less than a collision of
 * BLAKE2b, whatever becomes of lattices.
 */
#ifndef MESHD_GOSSIP_RECORD_DIGEST_H
#define MESHD_GOSSIP_RECORD_DIGEST_H

#include "gossip/base/types.h"

#define DIGEST_WORDS 1024
#define DIGEST_SIZE  16

struct digest {
	uint16_t words[DIGEST_WORDS];
};

void digest_init(struct digest *digest); /* of the empty set */
void digest_add(struct digest *digest, const struct hash *member);
void digest_remove(struct digest *digest, const struct hash *member);
/* Goes on with a chain, which begins as zeros, by its next member. */
void digest_chain(struct hash *chain, const struct hash *member);
void digest_final(const struct digest *digest, const struct hash *chain, uint8_t ret[DIGEST_SIZE]);

#endif
