/*
 * What a member says of the hosts on its own side of a segment: MACS records, one for each of
 * MACS_BUCKETS buckets of a segment, so that a host that comes or goes costs one small record. The
 * key is VNI (3 bytes, network order) and bucket (1); a MAC's bucket is a hash of it. The value:
 *   [[mac, sequence, frozen, [address...]], ...]
 * sorted by MAC, each at most once, addresses sorted likewise. A bucket without any is an empty
 * list. As in EVPN (RFC 7432, section 7.7), of several that announce a MAC the highest sequence has
 * it; frozen: the author has the MAC on its side, but says that it is a duplicate, and does not
 * claim it (section 15.1).
 */
#ifndef MESHD_GOSSIP_RECORD_MACS_H
#define MESHD_GOSSIP_RECORD_MACS_H

#include "gossip/base/pack.h"
#include "gossip/record/record.h"

#define MACS_BUCKETS	 32
#define MACS_KEY_SIZE	 4
#define MACS_SEGMENT_MAX 1024 /* of one member on one segment: what is more does not count */
/* Of one bucket: twice what comes to it on average then, and more than chance gives it. */
#define MACS_BUCKET_MAX	 64
#define MACS_IPS_MAX	 8 /* of a host: a link-local, some of each of two prefixes, and IPv4 */

struct macs_entry {
	uint32_t sequence;
	uint8_t mac[6];
	bool frozen;
	uint8_t ip_count;
	struct ip ips[MACS_IPS_MAX];
};

/* Of one interface: neither a group's (RFC 7042) nor zero. */
bool macs_is_host(const uint8_t mac[6]);
/* Of one interface, too: none unspecified, multicast, loopback or broadcast. */
bool macs_is_host_ip(const struct ip *ip);
/* By network order; IPv4 before IPv6. */
int macs_compare_ips(const void *a, const void *b);
uint8_t macs_bucket(const uint8_t mac[6]);
void macs_key(uint32_t vni, uint8_t bucket, uint8_t ret[MACS_KEY_SIZE]);
/* entries are sorted, and of that bucket; at most MACS_BUCKET_MAX. */
void macs_encode(const struct macs_entry *entries, size_t count, struct pack *out);

/* Reading: macs_read says how many there are, then macs_next gives each. */
struct macs_reader {
	uint32_t vni;
	uint8_t bucket;
	uint32_t left;
	struct pack_reader reader;
};
/* The whole record is looked at. ERR_MALFORMED. */
int macs_read(const struct record *record, struct macs_reader *ret) MUST_CHECK;
bool macs_next(struct macs_reader *reader, struct macs_entry *ret); /* false: no more */

#endif
