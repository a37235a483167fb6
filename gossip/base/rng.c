#include "gossip/base/rng.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static void refill(struct rng *rng)
{
	static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES];

	crypto_stream_chacha20_ietf(rng->block, sizeof(rng->block), nonce, rng->key);
	memcpy(rng->key, rng->block, sizeof(rng->key));
	sodium_memzero(rng->block, sizeof(rng->key));
	rng->used = sizeof(rng->key);
}

void rng_init(struct rng *rng, const uint8_t seed[32])
{
	memcpy(rng->key, seed, sizeof(rng->key));
	refill(rng);
}

void rng_done(struct rng *rng)
{
	sodium_memzero(rng, sizeof(*rng));
}

void rng_bytes(struct rng *rng, void *ret, size_t size)
{
	uint8_t *out = ret;

	while (size) {
		if (rng->used == sizeof(rng->block))
			refill(rng);
		size_t n = sizeof(rng->block) - rng->used;
		if (n > size)
			n = size;
		memcpy(out, rng->block + rng->used, n);
		sodium_memzero(rng->block + rng->used, n);
		rng->used += n;
		out += n;
		size -= n;
	}
}

uint64_t rng_u64(struct rng *rng)
{
	uint64_t value;

	rng_bytes(rng, &value, sizeof(value));
	return value;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
	assert(bound > 0);
	uint64_t least = -bound % bound; /* 2^64 mod bound: what would favour the low values */
	uint64_t value;

	do
		value = rng_u64(rng);
	while (value < least);
	return value % bound;
}
