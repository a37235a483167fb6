#include "wg/net_route.h"

#include <stdlib.h>
#include <string.h>
#include <net/if.h>
#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "wg/array.h"
#include "wg/net_link.h"
#include "wg/nl_attr.h"

bool net_prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	uint8_t bits = a->bits < b->bits ? a->bits : b->bits;
	uint8_t mask = ~(0xff >> bits % 8);

	return a->ip.family == b->ip.family && memcmp(a->ip.b, b->ip.b, bits / 8) == 0 &&
	       (bits % 8 == 0 || ((a->ip.b[bits / 8] ^ b->ip.b[bits / 8]) & mask) == 0);
}

static int read_optional_ip(const struct nl_attr *attr, int af, struct ip *ret)
{
	return attr->data ? nl_attr_ip(attr, af, ret) : 0;
}

int net_route_read(const struct nlmsghdr *msg, struct net_route *ret)
{
	struct nl_attr table[RTA_MAX + 1];
	struct net_route route = {0};
	struct rtmsg info;
	int err = nl_msg_parse(msg, &info, sizeof(info), table, RTA_MAX);

	if (err)
		return err;
	if (info.rtm_family != AF_INET && info.rtm_family != AF_INET6)
		return ERR_UNSUPPORTED;
	if (info.rtm_dst_len > (info.rtm_family == AF_INET ? 32 : 128))
		return ERR_MALFORMED;
	route.dst =
		(struct prefix){{.family = info.rtm_family == AF_INET ? 4 : 6}, info.rtm_dst_len};
	route.table = info.rtm_table;
	route.protocol = info.rtm_protocol;
	route.type = info.rtm_type;
	route.scope = info.rtm_scope;
	err = read_optional_ip(&table[RTA_DST], info.rtm_family, &route.dst.ip);
	if (!err)
		err = read_optional_ip(&table[RTA_PREFSRC], info.rtm_family, &route.src);
	if (!err)
		err = read_optional_ip(&table[RTA_GATEWAY], info.rtm_family, &route.gateway);
	if (!err && table[RTA_OIF].data)
		err = nl_attr_u32(&table[RTA_OIF], &route.ifindex);
	if (!err && table[RTA_TABLE].data)
		err = nl_attr_u32(&table[RTA_TABLE], &route.table);
	if (!err && table[RTA_PRIORITY].data)
		err = nl_attr_u32(&table[RTA_PRIORITY], &route.metric);
	if (!err)
		*ret = route;
	return err;
}

/* Which routes a dump keeps: a table of a router may be large, so the rest is let go at once. */
struct selection {
	bool (*keep)(const struct selection *selection, const struct net_route *route);
	uint32_t ifindex;
	const struct prefix *prefix;
	struct net_routes routes;
};

static int take(const struct nlmsghdr *msg, void *context)
{
	struct selection *selection = context;
	struct net_routes *routes = &selection->routes;
	struct net_route route, *grown;
	int err;

	if (!msg) {
		routes->count = 0;
		return 0;
	}
	err = net_route_read(msg, &route);
	if (err)
		return err == ERR_UNSUPPORTED ? 0 : err;
	if (routes->count == NET_ROUTES_MAX || !selection->keep(selection, &route))
		return 0;
	grown = array_reserve(routes->items, routes->count + 1, sizeof(*grown), &routes->capacity);
	if (!grown)
		return ERR_NOMEM;
	routes->items = grown;
	routes->items[routes->count++] = route;
	return 0;
}

static struct nlmsghdr *begin(union nl_msg *msg, uint16_t type, int family)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(msg->bytes);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = type;
	info->rtm_family = family;
	info->rtm_table = RT_TABLE_MAIN;
	return nlh;
}

/* Moves what a selection has found behind what was found before. */
static int gather(struct net_routes *all, struct net_routes *found)
{
	struct net_route *grown;

	if (found->count) {
		grown = array_reserve(
			all->items, all->count + found->count, sizeof(*grown), &all->capacity);
		if (!grown)
			return ERR_NOMEM;
		memcpy(grown + all->count, found->items, found->count * sizeof(*grown));
		all->items = grown;
		all->count += found->count;
	}
	net_routes_done(found);
	return 0;
}

/* The kernel passes over what is not ours by itself. */
static void filter_ours(struct nlmsghdr *nlh, uint32_t ifindex)
{
	struct rtmsg *info = mnl_nlmsg_get_payload(nlh);

	info->rtm_protocol = NET_ROUTE_PROTOCOL;
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
}

/* One family after the other: a dump of both cannot be filtered by the kernel. Each has a list of
 * its own, for its dump may start over. */
static int dump(struct nl *nl, struct selection *selection, bool ours, struct net_routes *ret)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct net_routes all = {0};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(families) && !err; i++) {
		union nl_msg msg;
		struct nlmsghdr *nlh = begin(&msg, RTM_GETROUTE, families[i]);

		if (ours)
			filter_ours(nlh, selection->ifindex);
		err = nl_dump(nl, NL_ROUTE, nlh, take, selection);
		if (err == ERR_UNSUPPORTED || (err == ERR_UNKNOWN && ours))
			err = 0; /* a host without IPv6; an interface that has just gone */
		if (!err)
			err = gather(&all, &selection->routes);
	}
	net_routes_done(&selection->routes);
	if (err)
		net_routes_done(&all);
	else
		*ret = all;
	return err;
}

static bool keep_ours(const struct selection *selection, const struct net_route *route)
{
	return route->ifindex == selection->ifindex && route->protocol == NET_ROUTE_PROTOCOL &&
	       route->table == RT_TABLE_MAIN;
}

/* Halves of everything are a default route that spares the one it stands in for. Routes that say
 * that nothing is there take no traffic that could be missed. */
static bool leads_somewhere(const struct net_route *route)
{
	return route->dst.bits > 1 && route->type != RTN_BLACKHOLE &&
	       route->type != RTN_UNREACHABLE && route->type != RTN_PROHIBIT &&
	       route->type != RTN_THROW;
}

static bool keep_overlap(const struct selection *selection, const struct net_route *route)
{
	return route->table == RT_TABLE_MAIN && leads_somewhere(route) &&
	       (!selection->ifindex || route->ifindex != selection->ifindex) &&
	       net_prefix_overlaps(&route->dst, selection->prefix);
}

static bool keep_default(const struct selection *selection, const struct net_route *route)
{
	(void)selection;
	return route->table == RT_TABLE_MAIN && route->dst.bits == 0 && route->type == RTN_UNICAST;
}

int net_route_list(struct nl *nl, uint32_t ifindex, struct net_routes *ret)
{
	struct selection selection = {.keep = keep_ours, .ifindex = ifindex};

	return dump(nl, &selection, true, ret);
}

int net_route_overlaps(
	struct nl *nl, const struct prefix *prefix, uint32_t ifindex, struct net_routes *ret)
{
	struct selection selection = {.keep = keep_overlap, .ifindex = ifindex, .prefix = prefix};

	return dump(nl, &selection, false, ret);
}

void net_routes_done(struct net_routes *routes)
{
	free(routes->items);
	*routes = (struct net_routes){0};
}

static bool among(const uint32_t *ifindexes, size_t count, uint32_t ifindex)
{
	for (size_t i = 0; i < count; i++)
		if (ifindexes[i] == ifindex)
			return true;
	return false;
}

static bool carries_default(const struct net_routes *defaults, uint32_t ifindex)
{
	for (size_t i = 0; i < defaults->count; i++)
		if (defaults->items[i].ifindex == ifindex)
			return true;
	return false;
}

int net_route_underlay_mtu(
	struct nl *nl, const uint32_t *exclude, size_t exclude_count, uint32_t *ret_mtu)
{
	struct selection selection = {.keep = keep_default};
	uint32_t by_default = UINT32_MAX, by_link = UINT32_MAX;
	struct net_routes defaults;
	struct net_links links;
	int err = dump(nl, &selection, false, &defaults);

	if (err)
		return err;
	err = net_link_list(nl, &links);
	if (err)
		goto out;
	for (size_t i = 0; i < links.count; i++) {
		const struct net_link *link = &links.items[i];

		if (!(link->flags & IFF_UP) || (link->flags & IFF_LOOPBACK) || !link->mtu ||
			net_link_is_ours(link) || among(exclude, exclude_count, link->ifindex))
			continue;
		if (link->mtu < by_link)
			by_link = link->mtu;
		if (link->mtu < by_default && carries_default(&defaults, link->ifindex))
			by_default = link->mtu;
	}
	*ret_mtu = by_default != UINT32_MAX ? by_default
		   : by_link != UINT32_MAX  ? by_link
					    : NET_MTU_DEFAULT;
	net_links_done(&links);
out:
	net_routes_done(&defaults);
	return err;
}

static bool satisfies(const struct net_route *route, const struct net_route_want *want)
{
	return memcmp(&route->dst, &want->dst, sizeof(want->dst)) == 0 &&
	       ip_equal(&route->src, &want->src) && route->type == RTN_UNICAST &&
	       !route->gateway.family;
}

static bool wanted(
	const struct net_route_want *want, size_t want_count, const struct net_route *route)
{
	for (size_t i = 0; i < want_count; i++)
		if (satisfies(route, &want[i]))
			return true;
	return false;
}

static bool there(
	const struct net_routes *have, uint32_t ifindex, const struct net_route_want *want)
{
	struct selection ours = {.ifindex = ifindex};

	for (size_t i = 0; i < have->count; i++)
		if (keep_ours(&ours, &have->items[i]) && satisfies(&have->items[i], want))
			return true;
	return false;
}

void net_route_diff(const struct net_route_want *want, size_t want_count,
	const struct net_routes *have, uint32_t ifindex, struct net_route_ops *ret)
{
	struct selection ours = {.ifindex = ifindex};

	ret->count = 0;
	for (size_t i = 0; i < have->count && ret->count < NET_ROUTE_OPS_MAX; i++)
		if (keep_ours(&ours, &have->items[i]) && !wanted(want, want_count, &have->items[i]))
			ret->ops[ret->count++] = (struct net_route_op){true, have->items[i]};
	for (size_t i = 0; i < want_count && ret->count < NET_ROUTE_OPS_MAX; i++)
		if (!there(have, ifindex, &want[i]))
			ret->ops[ret->count++] = (struct net_route_op){
				.route = {.dst = want[i].dst,
					.src = want[i].src,
					.ifindex = ifindex,
					.table = RT_TABLE_MAIN,
					.protocol = NET_ROUTE_PROTOCOL,
					.type = RTN_UNICAST,
					.scope = want[i].dst.ip.family == 4 ? RT_SCOPE_LINK
									    : RT_SCOPE_UNIVERSE},
			};
}

int net_route_apply(struct nl *nl, const struct net_route_op *op)
{
	const struct net_route *route = &op->route;
	size_t size = route->dst.ip.family == 4 ? 4 : 16;
	union nl_msg msg;
	struct nlmsghdr *nlh = begin(&msg, op->remove ? RTM_DELROUTE : RTM_NEWROUTE,
		route->dst.ip.family == 4 ? AF_INET : AF_INET6);
	struct rtmsg *info = mnl_nlmsg_get_payload(nlh);

	/* Never NLM_F_REPLACE: it may replace a route that is not ours. */
	nlh->nlmsg_flags = op->remove ? 0 : NLM_F_CREATE | NLM_F_EXCL;
	info->rtm_dst_len = route->dst.bits;
	info->rtm_protocol = route->protocol;
	info->rtm_scope = route->scope;
	info->rtm_type = route->type;
	mnl_attr_put(nlh, RTA_DST, size, route->dst.ip.b);
	mnl_attr_put_u32(nlh, RTA_OIF, route->ifindex);
	if (route->metric)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, route->metric);
	if (route->src.family)
		mnl_attr_put(nlh, RTA_PREFSRC, size, route->src.b);
	return nl_request(nl, NL_ROUTE, nlh);
}
