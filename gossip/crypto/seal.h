/*
 * Datagrams between two members: tag (8) | nonce (24) | ciphertext | authenticator (16), with
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) and the tag as associated data. Nonces are random: a
 * cloned machine must not repeat one under a static key.
 */
#ifndef MESHD_GOSSIP_CRYPTO_SEAL_H
#define MESHD_GOSSIP_CRYPTO_SEAL_H

#include "gossip/crypto/keys.h"

#define SEAL_TAG_SIZE	8
#define SEAL_NONCE_SIZE 24
#define SEAL_OVERHEAD	(SEAL_TAG_SIZE + SEAL_NONCE_SIZE + 16)
/* Fits every underlay that can carry WireGuard's own packets: IPv6's least MTU less headers,
 * tunnels. */
#define SEAL_PACKET_MAX 1200
#define SEAL_PLAIN_MAX	(SEAL_PACKET_MAX - SEAL_OVERHEAD)

/* Seals size <= SEAL_PLAIN_MAX bytes into ret; returns the packet's size. */
size_t seal_packet(const struct keys_pair *pair, const uint8_t nonce[SEAL_NONCE_SIZE],
	const void *plain, size_t size, uint8_t ret[SEAL_PACKET_MAX]);
/* Opens a packet whose tag was found to be pair's receive_tag. ERR_MALFORMED (size), ERR_AUTH. */
int seal_open(const struct keys_pair *pair, const uint8_t *packet, size_t size,
	uint8_t ret_plain[SEAL_PLAIN_MAX], size_t *ret_size) MUST_CHECK;

#endif
