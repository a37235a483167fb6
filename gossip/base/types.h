/* Plain data that every room shares. Multi-byte numbers are in host order unless a name says so. */
#ifndef MESHD_GOSSIP_BASE_TYPES_H
#define MESHD_GOSSIP_BASE_TYPES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A node, an invite or the root: its Ed25519 public key (RFC 8032). The mesh's id is the root's. */
struct id {
	uint8_t b[32];
};

/* BLAKE2b-256. A record's identity is the hash of its body. */
struct hash {
	uint8_t b[32];
};

/* Ed25519 signature. */
struct sig {
	uint8_t b[64];
};

/* An IP address. family is 4, 6, or 0 for none; IPv4 stands in the first four bytes, the rest is 0.
 */
struct ip {
	uint8_t family;
	uint8_t b[16]; /* network order */
};

/* bits counts from the left: at most 32 or 128. */
struct prefix {
	struct ip ip;
	uint8_t bits;
};

/* Where datagrams and connections go. scope is the interface index of a link-local address, else 0:
 * it is local knowledge and never sent. */
struct endpoint {
	struct ip ip;
	uint16_t port;
	uint32_t scope;
};

/* An Ethernet address (IEEE 802). Zero: none. */
struct mac {
	uint8_t b[6];
};

static inline bool id_equal(const struct id *a, const struct id *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool id_is_zero(const struct id *a)
{
	static const struct id zero;
	return id_equal(a, &zero);
}

static inline bool hash_equal(const struct hash *a, const struct hash *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool ip_equal(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline bool mac_equal(const struct mac *a, const struct mac *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Of one station: neither zero nor a group's, broadcast included. */
static inline bool mac_is_unicast(const struct mac *a)
{
	static const struct mac zero;
	return !(a->b[0] & 1) && !mac_equal(a, &zero);
}

static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return ip_equal(&a->ip, &b->ip) && a->port == b->port && a->scope == b->scope;
}

#endif
