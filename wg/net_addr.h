/*
 * Interface addresses: observed, compared, changed (RTM_*ADDR, linux/if_addr.h).
 *
 * Ours are those on our interface that bear our mark (IFA_PROTO, since Linux 5.18); an address that
 * somebody else put there stays where it is.
 */
#ifndef MESHD_WG_NET_ADDR_H
#define MESHD_WG_NET_ADDR_H

#include "gossip/base/types.h"
#include "wg/nl.h"

#define NET_ADDR_PROTOCOL 173	/* our mark; the same number as NET_ROUTE_PROTOCOL */
#define NET_ADDRS_MAX	  16384 /* a host with more is not read to its end */
#define NET_ADDR_OPS_MAX  64	/* of one diff; what is left is found by the next */

struct net_addr {
	struct prefix prefix; /* the address itself, with its mask */
	uint32_t ifindex;
	uint32_t flags; /* IFA_F_* */
	uint8_t scope;	/* RT_SCOPE_* */
	uint8_t protocol;
};

struct net_addrs {
	struct net_addr *items;
	size_t count, capacity;
};

/* Of one interface, or of all for 0. */
int net_addr_list(struct nl *nl, uint32_t ifindex, struct net_addrs *ret) MUST_CHECK;
void net_addrs_done(struct net_addrs *addrs);

/* Whether others can be told to reach us there: unicast and of wider scope than the host; neither
 * tentative, failed, deprecated nor temporary. Link-local ones are usable on their own link only.
 */
bool net_addr_advertisable(const struct net_addr *addr);

struct net_addr_op {
	bool remove; /* else add */
	/* Of a LAN: the kernel routes its network there, and looks for another who has the address
	 * (RFC 4862). Otherwise neither: the diff's answer, for the overlay. */
	bool lan;
	struct prefix prefix;
};

struct net_addr_ops {
	struct net_addr_op
		ops[NET_ADDR_OPS_MAX]; /* removals first: an address may change its mask */
	size_t count;
};

void net_addr_diff(const struct prefix *want, size_t want_count, const struct net_addrs *have,
	uint32_t ifindex, struct net_addr_ops *ret);
/* ERR_SYSTEM with EACCES: IPv6 is disabled on the interface. */
int net_addr_apply(struct nl *nl, uint32_t ifindex, const struct net_addr_op *op) MUST_CHECK;

/* One message of a dump. ERR_MALFORMED; ERR_UNSUPPORTED: not an IP address. */
int net_addr_read(const struct nlmsghdr *msg, struct net_addr *ret) MUST_CHECK;

#endif
