/*
 * The core's only source of randomness: a ChaCha20 generator with fast key erasure, seeded by the
 * caller. The daemon seeds it from the kernel, the simulator from its seed.
 */
#ifndef MESHD_GOSSIP_BASE_RNG_H
#define MESHD_GOSSIP_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

#define RNG_BLOCK_SIZE 512 /* made at a time; the first 32 bytes become the next key */

struct rng {
	uint8_t key[32];
	uint8_t block[RNG_BLOCK_SIZE];
	size_t used;
};

void rng_init(struct rng *rng, const uint8_t seed[32]);
void rng_done(struct rng *rng); /* wipes it */
void rng_bytes(struct rng *rng, void *ret, size_t size);
uint64_t rng_u64(struct rng *rng);
/* Uniform in [0, bound); bound > 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);

#endif
