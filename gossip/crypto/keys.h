/*
 * Identities and what is derived from them. An identity is an Ed25519 key pair (RFC 8032); its
 * X25519 form (RFC 7748) serves key agreement. A public key that does not convert is no identity at
 * all: a signature can verify under a mixed-order key.
 */
#ifndef MESHD_GOSSIP_CRYPTO_KEYS_H
#define MESHD_GOSSIP_CRYPTO_KEYS_H

#include <stddef.h>

#include "gossip/base/err.h"
#include "gossip/base/types.h"

#define KEYS_SIGNED_MAX 1024 /* bytes of one signed message: records sign their hash */

/* The version of the protocol: PROTOCOL.md, "Versions". */
#define KEYS_PROTOCOL 1

/* What a key is used for goes into every signature, hash and derivation, so that nothing made for
 * one purpose serves another. Each label also names the protocol's version. */
#define KEYS_DOMAIN_LIST(X)                                                               \
	X(RECORD, "meshd1 record")                                                        \
	X(RECORD_HASH, "meshd1 record hash")                                              \
	X(ADMIT, "meshd1 admit")	 /* an invite's key admits a node under a name */ \
	X(WITNESS, "meshd1 witness")	 /* a member saw that admission at a stamp */     \
	X(WIREGUARD, "meshd1 wireguard") /* a WireGuard key belongs to a node */          \
	X(ALIVE, "meshd1 alive")                                                          \
	X(SUSPECT, "meshd1 suspect")                                                      \
	X(CHANNEL_HELLO, "meshd1 hello")                                                  \
	X(CHANNEL_REPLY, "meshd1 reply")                                                  \
	X(PAIR, "meshd1 pair")                                                            \
	X(PRESHARED, "meshd1 preshared")                                                  \
	X(ADDRESS, "meshd1 address")                                                      \
	X(DIGEST, "meshd1 digest")                                                        \
	X(DIGEST_CHAIN, "meshd1 digest chain")                                            \
	X(TOKEN, "meshd1 token")                                                          \
	X(TOPIC, "meshd1 topic")                                                          \
	X(SEGMENT, "meshd1 segment")

enum keys_domain {
#define X(name, label) KEYS_##name,
	KEYS_DOMAIN_LIST(X)
#undef X
};

/* An Ed25519 key pair. Long-lived ones belong in sodium_malloc'd memory; keys_done wipes. */
struct keys {
	struct id id;
	uint8_t secret[64]; /* libsodium's form: seed, then public key */
};

void keys_from_seed(const uint8_t seed[32], struct keys *ret);
void keys_seed(const struct keys *keys, uint8_t ret_seed[32]);
void keys_done(struct keys *keys);

/* Whether this is a usable identity: on the curve, of prime order (ERR_BAD_KEY). */
int keys_check(const struct id *id) MUST_CHECK;

void keys_sign(const struct keys *keys, enum keys_domain domain, const void *data, size_t size,
	struct sig *ret);
/* ERR_BAD_SIGNATURE; ERR_BAD_KEY where keys_check would refuse the signer. */
int keys_verify(const struct id *signer, enum keys_domain domain, const void *data, size_t size,
	const struct sig *sig) MUST_CHECK;
/* BLAKE2b-256 (RFC 7693) over domain and data. */
void keys_hash(enum keys_domain domain, const void *data, size_t size, struct hash *ret);
/* BLAKE2b-256 keyed with secret. */
void keys_derive(enum keys_domain domain, const uint8_t secret[32], const void *data, size_t size,
	uint8_t ret[32]);

/* X25519 between the two identities: the same on both sides, the root of all that two members
 * share. ERR_BAD_KEY. */
int keys_agree(const struct keys *self, const struct id *peer, uint8_t ret_shared[32]) MUST_CHECK;

/* What seals datagrams between self and peer: one key and one tag for each direction. */
struct keys_pair {
	uint8_t send_key[32], receive_key[32];
	uint8_t send_tag[8],
		receive_tag[8]; /* in the clear at the head of a packet; names the ordered pair */
};
void keys_pair(const uint8_t shared[32], const struct id *mesh, const struct id *self,
	const struct id *peer, struct keys_pair *ret);
/* The preshared key of two WireGuard peers, from the DH of the identities and both WireGuard public
 * keys in either order: the same on both sides, never sent. */
void keys_preshared(const uint8_t shared[32], const uint8_t wireguard_a[32],
	const uint8_t wireguard_b[32], uint8_t ret[32]);

/* WireGuard keys are made as Ed25519 so that they can sign whose they are; WireGuard gets the
 * X25519 form. */
void keys_wireguard_private(const struct keys *wireguard, uint8_t ret[32]);
int keys_wireguard_public(const struct id *wireguard, uint8_t ret[32]) MUST_CHECK;

#endif
