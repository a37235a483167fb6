/*
 * What a member says of itself: where it can be reached, its WireGuard keys with the proof that
 * they are its own, its address claim, the L2 segments that it is attached to, the versions of the
 * protocol that it speaks. The value of a DESCRIPTOR record: [wireguard port, [current key, proof],
 * [next key, proof] | nil, claim, mtu, version, [endpoint...], [vni...], [least, most]]. Of the
 * last two those that say nothing (no segment; version 1 alone) are left out where nothing follows.
 * Whatever follows them is of a later version of meshd, and passed over.
 */
#ifndef MESHD_GOSSIP_RECORD_DESCRIPTOR_H
#define MESHD_GOSSIP_RECORD_DESCRIPTOR_H

#include "gossip/base/pack.h"
#include "gossip/record/record.h"

#define DESCRIPTOR_ENDPOINTS_MAX 12 /* a record must fit a datagram */
#define DESCRIPTOR_VERSION_MAX	 24 /* characters of a software version */
#define DESCRIPTOR_SEGMENTS_MAX	 64 /* likewise for the datagram: 5 bytes each */
#define DESCRIPTOR_FIELDS_MAX	 32 /* with those of later versions */

struct descriptor {
	uint16_t wireguard_port;    /* 0: no data plane */
	struct id wireguard;	    /* Ed25519 form */
	struct sig wireguard_proof; /* by the WireGuard key over (domain, node id) */
	bool has_next;		    /* announced, not in use yet */
	struct id next;
	struct sig next_proof;
	uint32_t claim; /* which IPv4 address: trust/address.h */
	uint16_t mtu;	/* of its overlay interface, bytes; 0: none */
	char version[DESCRIPTOR_VERSION_MAX + 1];
	size_t endpoint_count;
	struct endpoint
		endpoints[DESCRIPTOR_ENDPOINTS_MAX]; /* gossip, UDP and TCP; best first; scope 0 */
	size_t segment_count;
	uint32_t segments[DESCRIPTOR_SEGMENTS_MAX]; /* VNIs, ascending */
	/* of the protocol (KEYS_PROTOCOL), both included */
	uint16_t protocol_least, protocol_most;
};

void descriptor_prove(const struct keys *wireguard, const struct id *node, struct sig *ret);
void descriptor_encode(const struct descriptor *descriptor, struct pack *out);
/* Decodes and checks the proofs against the record's author. ERR_MALFORMED, ERR_BAD_SIGNATURE,
 * ERR_BAD_KEY. */
int descriptor_decode(const struct record *record, struct descriptor *ret) MUST_CHECK;
/* The same of a record whose proofs were found to hold before. ERR_MALFORMED. */
int descriptor_read(const struct record *record, struct descriptor *ret) MUST_CHECK;
/* Whether its node understands what this one says, and this one that. */
bool descriptor_speaks(const struct descriptor *descriptor);
/* Whether that is among its segments. */
bool descriptor_has_segment(const struct descriptor *descriptor, uint32_t vni);

#endif
