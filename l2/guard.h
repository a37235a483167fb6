/*
 * The guard: which VXLAN frames get on a segment.
 *
 * A VXLAN device takes frames from any interface and any source, whatever address and interface it
 * is bound to (drivers/net/vxlan: the socket listens on the wildcard address). So one nftables
 * table of ours, one for each overlay interface, drops
 *   stray       frames of one of our VNIs that did not come over the overlay, or from a port that
 *               needs no privileges to be sent from (L2_FROM_HIGH), and such frames that somebody
 *               sends through this host into the overlay;
 *   unattached  those that came over the overlay from a member that is not attached to that VNI
 *               (WireGuard vouches for the source address there);
 *   truncated   datagrams to VXLAN's port in which there is no VNI to be read. IPv6 passes a
 *               packet's fragments by here one by one, before they are put together (IPv4 after),
 *               and a first fragment cut short would hide its VNI. No VXLAN is that short;
 *   spoofed     packets with a source address of the overlay that came over something else.
 * A frame of another VNI is none of ours and passes, whoever's device it is for. What is not kept
 * off: whoever has the privileges of a low port on an attached member (CAP_NET_BIND_SERVICE, or all
 * where ip_unprivileged_port_start is lowered) can send frames as that member, for the kernel's own
 * look the same there.
 *
 * This header is plain data and text, pure; guard_nft.h speaks to the kernel. The order of things:
 * the table has a VNI before its device is up, and until it is gone.
 */
#ifndef MESHD_L2_GUARD_H
#define MESHD_L2_GUARD_H

#include <stddef.h>

#include "gossip/base/err.h"
#include "gossip/base/types.h"
#include "l2/l2.h"

#define GUARD_PREFIXES_MAX 2 /* the overlay's, one of each family */
/* nft takes 70 us for each, so a table of that many takes some 5 s to write, off the loop. */
#define GUARD_SOURCES_MAX  65536
#define GUARD_VNIS_MAX	   4096
#define GUARD_TABLE_SIZE   32		 /* "meshd_" and an interface */
#define GUARD_MARK	   "meshd guard" /* how the comment of a table of ours begins */

/* An overlay address of a member that is attached to the VNI. */
struct guard_source {
	uint32_t vni;
	struct ip ip;
};

/* Zeroed but for the interface is the empty one: no table. */
struct guard_want {
	char interface[NET_NAME_SIZE];		    /* the overlay's: letters, digits, _ . and - */
	struct prefix prefixes[GUARD_PREFIXES_MAX]; /* the overlay's that are nowhere else */
	size_t prefix_count;
	uint32_t *vnis; /* those with a device here, or about to have one */
	size_t vni_count, vni_capacity;
	struct guard_source *sources;
	size_t source_count, source_capacity;
};

/* The name of the table for an interface. ERR_INVALID: the name has other characters. */
int guard_table(const char *interface, char ret_name[GUARD_TABLE_SIZE]) MUST_CHECK;

/* ERR_NOMEM, ERR_LIMIT, ERR_INVALID. */
int guard_want_vni(struct guard_want *want, uint32_t vni) MUST_CHECK;
int guard_want_source(struct guard_want *want, uint32_t vni, const struct ip *ip) MUST_CHECK;
/* Sorts, and leaves each once. What is compared and written is in order. */
void guard_want_sort(struct guard_want *want);
int guard_want_copy(const struct guard_want *want, struct guard_want *ret) MUST_CHECK;
void guard_want_done(struct guard_want *want);
bool guard_want_has(const struct guard_want *want, uint32_t vni);
bool guard_want_equal(const struct guard_want *a, const struct guard_want *b);

/* Commands for nft, each text one transaction; the caller frees it. ERR_INVALID: the interface;
 * ERR_NOMEM. */
int guard_text_whole(const struct guard_want *want, char **ret) MUST_CHECK;
/* From have to want by single elements: counters go on, and a large set costs only its difference.
 * ERR_STATE: more than elements differ. An empty text where nothing does. */
int guard_text_change(
	const struct guard_want *have, const struct guard_want *want, char **ret) MUST_CHECK;
int guard_text_remove(const char *interface, char **ret) MUST_CHECK;

#endif
