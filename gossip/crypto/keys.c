#include "gossip/crypto/keys.h"

#include <sodium.h>

#include "gossip/crypto/keys_label.h"
#include "gossip/crypto/point.h"

void keys_from_seed(const uint8_t seed[32], struct keys *ret)
{
	crypto_sign_ed25519_seed_keypair(ret->id.b, ret->secret, seed);
}

void keys_seed(const struct keys *keys, uint8_t ret_seed[32])
{
	crypto_sign_ed25519_sk_to_seed(ret_seed, keys->secret);
}

void keys_done(struct keys *keys)
{
	sodium_memzero(keys, sizeof(*keys));
}

int keys_check(const struct id *id)
{
	uint8_t x25519[32];

	return point_x25519(id, x25519);
}

void keys_sign(const struct keys *keys, enum keys_domain domain, const void *data, size_t size,
	struct sig *ret)
{
	uint8_t message[KEYS_LABEL_SIZE_MAX + KEYS_SIGNED_MAX];
	size_t message_size = keys_label_message(domain, data, size, message);

	crypto_sign_ed25519_detached(ret->b, NULL, message, message_size, keys->secret);
}

void keys_hash(enum keys_domain domain, const void *data, size_t size, struct hash *ret)
{
	const struct keys_label label = keys_label(domain);
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, sizeof(ret->b));
	crypto_generichash_update(&state, (const uint8_t *)label.text, label.size);
	crypto_generichash_update(&state, data, size);
	crypto_generichash_final(&state, ret->b, sizeof(ret->b));
}

void keys_derive(enum keys_domain domain, const uint8_t secret[32], const void *data, size_t size,
	uint8_t ret[32])
{
	const struct keys_label label = keys_label(domain);
	crypto_generichash_state state;

	crypto_generichash_init(&state, secret, 32, 32);
	crypto_generichash_update(&state, (const uint8_t *)label.text, label.size);
	crypto_generichash_update(&state, data, size);
	crypto_generichash_final(&state, ret, 32);
	sodium_memzero(&state, sizeof(state));
}

/* What packets from one of the two to the other are sealed under. */
static void derive_direction(const uint8_t shared[32], const struct id *mesh, const struct id *from,
	const struct id *to, uint8_t ret_key[32], uint8_t ret_tag[8])
{
	struct {
		struct id mesh, from, to;
		uint8_t what; /* 0: key, 1: tag */
	} input = {*mesh, *from, *to, 0};
	uint8_t tag[32];

	keys_derive(KEYS_PAIR, shared, &input, sizeof(input), ret_key);
	input.what = 1;
	keys_derive(KEYS_PAIR, shared, &input, sizeof(input), tag);
	memcpy(ret_tag, tag, 8);
	sodium_memzero(tag, sizeof(tag));
}

void keys_pair(const uint8_t shared[32], const struct id *mesh, const struct id *self,
	const struct id *peer, struct keys_pair *ret)
{
	derive_direction(shared, mesh, self, peer, ret->send_key, ret->send_tag);
	derive_direction(shared, mesh, peer, self, ret->receive_key, ret->receive_tag);
}

void keys_preshared(const uint8_t shared[32], const uint8_t wireguard_a[32],
	const uint8_t wireguard_b[32], uint8_t ret[32])
{
	bool ordered = memcmp(wireguard_a, wireguard_b, 32) <= 0;
	uint8_t both[64];

	memcpy(both, ordered ? wireguard_a : wireguard_b, 32);
	memcpy(both + 32, ordered ? wireguard_b : wireguard_a, 32);
	keys_derive(KEYS_PRESHARED, shared, both, sizeof(both), ret);
}

void keys_wireguard_private(const struct keys *wireguard, uint8_t ret[32])
{
	crypto_sign_ed25519_sk_to_curve25519(ret, wireguard->secret);
}

int keys_wireguard_public(const struct id *wireguard, uint8_t ret[32])
{
	return point_x25519(wireguard, ret);
}
