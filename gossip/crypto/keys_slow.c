/*
 * The two public-key operations that cost most, in a file of their own: a simulation of thousands
 * of nodes links cheap ones in their place.
 */
#include "gossip/crypto/keys.h"

#include <sodium.h>

#include "gossip/crypto/keys_label.h"

int keys_verify(const struct id *signer, enum keys_domain domain, const void *data, size_t size,
	const struct sig *sig)
{
	uint8_t message[KEYS_LABEL_SIZE_MAX + KEYS_SIGNED_MAX];
	size_t message_size = keys_label_message(domain, data, size, message);

	if (keys_check(signer) != 0)
		return ERR_BAD_KEY;
	if (crypto_sign_ed25519_verify_detached(sig->b, message, message_size, signer->b) != 0)
		return ERR_BAD_SIGNATURE;
	return 0;
}

int keys_agree(const struct keys *self, const struct id *peer, uint8_t ret_shared[32])
{
	uint8_t secret[32], public[32], shared[32];
	int err = ERR_BAD_KEY;

	crypto_sign_ed25519_sk_to_curve25519(secret, self->secret);
	if (keys_wireguard_public(peer, public) != 0 ||
		crypto_scalarmult(shared, secret, public) != 0)
		goto out;
	memcpy(ret_shared, shared, sizeof(shared));
	err = 0;
out:
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(shared, sizeof(shared));
	return err;
}
