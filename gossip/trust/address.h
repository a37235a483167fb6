/*
 * Overlay addresses without a server. IPv6 is derived: the mesh's /48 (ULA, RFC 4193, from the mesh
 * id) and 64 bits of the node key's hash. IPv4 is the hash of the node key and a claim: a small
 * number in the descriptor that only its owner raises, when it lost a clash. Pinned addresses come
 * from the invite. A claim clashes only with living claims; pinned before kept before the earlier
 * admission stamp before the smaller id.
 */
#ifndef MESHD_GOSSIP_TRUST_ADDRESS_H
#define MESHD_GOSSIP_TRUST_ADDRESS_H

#include "gossip/base/mtime.h"
#include "gossip/crypto/keys.h"

#define ADDRESS_CLAIM_MAX 4096 /* tries before a prefix counts as full */

/* A /16 of 100.64.0.0/10 (RFC 6598) and a ULA /48, by the mesh's id. */
void address_default_prefixes(
	const struct id *mesh, struct prefix *ret_prefix4, struct prefix *ret_prefix6);
/* ERR_INVALID: an IPv4 prefix must be /8 to /24, an IPv6 prefix /32 to /64, and neither multicast,
 * loopback, link-local, unspecified nor reserved. No bits beyond the mask. */
int address_check_prefix(const struct prefix *prefix) MUST_CHECK;
bool address_in_prefix(const struct prefix *prefix, const struct ip *ip);

void address_ipv6(const struct prefix *prefix6, const struct id *node, struct ip *ret);
/* Never the prefix's first or last address. */
void address_ipv4(
	const struct prefix *prefix4, const struct id *node, uint32_t claim, struct ip *ret);

struct address_claim {
	struct id node;
	struct ip ip; /* what it claims: address_ipv4, or its pinned address */
	bool pinned, kept;
	uint64_t stamp; /* of its admission */
	bool holds;	/* out: false for the loser of a clash */
};

/* Sorts claims by address and rank, and sets `holds`: one holder for each address. */
void address_resolve(struct address_claim *claims, size_t count);
/* The first claim from `from` on whose address no other node in claims holds, as address_resolve
 * left them. ERR_EXHAUSTED. */
int address_choose(const struct prefix *prefix4, const struct id *node, uint32_t from,
	const struct address_claim *claims, size_t count, uint32_t *ret_claim) MUST_CHECK;

#endif
