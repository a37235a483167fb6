#include "gossip/crypto/seal.h"

#include <assert.h>
#include <sodium.h>

#define SEAL_HEAD_SIZE (SEAL_TAG_SIZE + SEAL_NONCE_SIZE)

size_t seal_packet(const struct keys_pair *pair, const uint8_t nonce[SEAL_NONCE_SIZE],
	const void *plain, size_t size, uint8_t ret[SEAL_PACKET_MAX])
{
	unsigned long long sealed;

	assert(size <= SEAL_PLAIN_MAX);
	memcpy(ret, pair->send_tag, SEAL_TAG_SIZE);
	memcpy(ret + SEAL_TAG_SIZE, nonce, SEAL_NONCE_SIZE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(ret + SEAL_HEAD_SIZE, &sealed, plain, size, ret,
		SEAL_TAG_SIZE, NULL, nonce, pair->send_key);
	return SEAL_HEAD_SIZE + sealed;
}

int seal_open(const struct keys_pair *pair, const uint8_t *packet, size_t size,
	uint8_t ret_plain[SEAL_PLAIN_MAX], size_t *ret_size)
{
	uint8_t plain[SEAL_PLAIN_MAX];
	unsigned long long plain_size;

	if (size < SEAL_OVERHEAD || size > SEAL_PACKET_MAX)
		return ERR_MALFORMED;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &plain_size, NULL,
		    packet + SEAL_HEAD_SIZE, size - SEAL_HEAD_SIZE, packet, SEAL_TAG_SIZE,
		    packet + SEAL_TAG_SIZE, pair->receive_key) != 0)
		return ERR_AUTH;
	memcpy(ret_plain, plain, plain_size);
	*ret_size = plain_size;
	return 0;
}
