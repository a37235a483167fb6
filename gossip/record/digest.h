/*
 * The sum over a set of records, updated by one record at a time in any order: LtHash (Bellare and
 * Micciancio 1997; Lewi et al., "Securing Update Propagation with Homomorphic Hashing", 2019) with
 * 1,024 16-bit words expanded by ChaCha20 from the record's hash. Two stores are compared by the
 * first 16 bytes of the hash of the sum.
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
void digest_final(const struct digest *digest, uint8_t ret[DIGEST_SIZE]);

#endif
