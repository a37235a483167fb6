/*
 * Routes of the main table: observed, compared, changed (RTM_*ROUTE, linux/rtnetlink.h).
 *
 * Ours are those over our interface that bear our protocol number. One of somebody else's with the
 * same destination is never replaced: adding ours is refused then (ERR_STATE), and that is shown.
 */
#ifndef MESHD_WG_NET_ROUTE_H
#define MESHD_WG_NET_ROUTE_H

#include "gossip/base/types.h"
#include "wg/nl.h"

#define NET_ROUTE_PROTOCOL 173	 /* nobody's in /etc/iproute2/rt_protos.d and the routing daemons */
#define NET_ROUTES_MAX	   16384 /* of those that one question selects */
#define NET_ROUTE_OPS_MAX  256	 /* of one diff; what is left is found by the next */
#define NET_MTU_DEFAULT	   1500	 /* where no underlay can be told */

struct net_route {
	struct prefix dst;
	struct ip src;	   /* preferred source; family 0: none */
	struct ip gateway; /* family 0: none */
	uint32_t ifindex;  /* 0: several next hops, or none */
	uint32_t table, metric;
	uint8_t protocol, type, scope;
};

struct net_routes {
	struct net_route *items;
	size_t count, capacity;
};

/* Over an interface; the source may be none. */
struct net_route_want {
	struct prefix dst;
	struct ip src;
};

/* Ours. */
int net_route_list(struct nl *nl, uint32_t ifindex, struct net_routes *ret) MUST_CHECK;
/* Other people's that overlap with a prefix and lead somewhere, default routes aside: not over
 * `ifindex` (0: none is ours). */
int net_route_overlaps(struct nl *nl, const struct prefix *prefix, uint32_t ifindex,
	struct net_routes *ret) MUST_CHECK;
void net_routes_done(struct net_routes *routes);

/* The smallest MTU of the links that default routes use, or else of those that are up and not
 * loopback; never of the `exclude`d ones and of those that a meshd made; NET_MTU_DEFAULT if that
 * leaves none. */
int net_route_underlay_mtu(
	struct nl *nl, const uint32_t *exclude, size_t exclude_count, uint32_t *ret_mtu) MUST_CHECK;

struct net_route_op {
	bool remove; /* else add */
	struct net_route route;
};

struct net_route_ops {
	struct net_route_op ops[NET_ROUTE_OPS_MAX]; /* removals first: a source may change */
	size_t count;
};

void net_route_diff(const struct net_route_want *want, size_t want_count,
	const struct net_routes *have, uint32_t ifindex, struct net_route_ops *ret);
int net_route_apply(struct nl *nl, const struct net_route_op *op) MUST_CHECK;

bool net_prefix_overlaps(const struct prefix *a, const struct prefix *b);
/* One message of a dump. ERR_MALFORMED; ERR_UNSUPPORTED: not an IP route. */
int net_route_read(const struct nlmsghdr *msg, struct net_route *ret) MUST_CHECK;

#endif
