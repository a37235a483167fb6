#include "gossip/record/digest.h"

#include <sodium.h>

#include "gossip/crypto/keys.h"

#define EXPANDED_SIZE (DIGEST_WORDS * 2)

void digest_init(struct digest *digest)
{
	memset(digest, 0, sizeof(*digest));
}

/* The words of one member are its hash's ChaCha20 keystream, little-endian. */
static void expand(const struct hash *member, uint8_t ret[EXPANDED_SIZE])
{
	static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES];

	crypto_stream_chacha20_ietf(ret, EXPANDED_SIZE, nonce, member->b);
}

static uint16_t word_at(const uint8_t *bytes, size_t i)
{
	return (uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
}

void digest_add(struct digest *digest, const struct hash *member)
{
	uint8_t bytes[EXPANDED_SIZE];

	expand(member, bytes);
	for (size_t i = 0; i < DIGEST_WORDS; i++)
		digest->words[i] = (uint16_t)(digest->words[i] + word_at(bytes, i));
}

void digest_remove(struct digest *digest, const struct hash *member)
{
	uint8_t bytes[EXPANDED_SIZE];

	expand(member, bytes);
	for (size_t i = 0; i < DIGEST_WORDS; i++)
		digest->words[i] = (uint16_t)(digest->words[i] - word_at(bytes, i));
}

void digest_chain(struct hash *chain, const struct hash *member)
{
	uint8_t bytes[2 * sizeof(*chain)];

	memcpy(bytes, chain, sizeof(*chain));
	memcpy(bytes + sizeof(*chain), member, sizeof(*member));
	keys_hash(KEYS_DIGEST_CHAIN, bytes, sizeof(bytes), chain);
}

void digest_final(const struct digest *digest, const struct hash *chain, uint8_t ret[DIGEST_SIZE])
{
	uint8_t bytes[EXPANDED_SIZE + sizeof(*chain)];
	struct hash hash;

	for (size_t i = 0; i < DIGEST_WORDS; i++) {
		bytes[2 * i] = (uint8_t)digest->words[i];
		bytes[2 * i + 1] = (uint8_t)(digest->words[i] >> 8);
	}
	memcpy(bytes + EXPANDED_SIZE, chain, sizeof(*chain));
	keys_hash(KEYS_DIGEST, bytes, sizeof(bytes), &hash);
	memcpy(ret, hash.b, DIGEST_SIZE);
}
