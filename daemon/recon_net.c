#include "daemon/recon_net.h"

#include <linux/rtnetlink.h>

static bool has(const struct net_addrs *addrs, const struct ip *ip)
{
	for (size_t i = 0; i < addrs->count; i++)
		if (ip_equal(&addrs->items[i].prefix.ip, ip))
			return true;
	return false;
}

static bool lacks_some(const struct net_addrs *after, const struct net_addrs *before)
{
	for (size_t i = 0; i < before->count; i++)
		if (before->items[i].scope == RT_SCOPE_UNIVERSE &&
			!has(after, &before->items[i].prefix.ip))
			return true;
	return false;
}

void recon_net_host(struct nl *nl, const char *interface, mtime_t now, struct recon_faults *faults,
	struct recon_host *host)
{
	struct net_links links = {0};
	struct net_addrs addrs;
	struct net_link link;
	uint32_t ifindex = 0;
	size_t kept = 0;

	/* Also one that an earlier daemon left. */
	if (net_link_get(nl, interface, &link) == 0)
		ifindex = link.ifindex;
	if (net_addr_list(nl, 0, &addrs)) {
		recon_fault_set(faults, RECON_HOST, now, "cannot read the host's addresses: %s",
			nl_error(nl));
		return;
	}
	/* Without them segments' bridges count as well: more is looked at, and nothing is lost. */
	(void)!net_link_list(nl, &links);
	for (size_t i = 0; i < addrs.count; i++)
		if (addrs.items[i].ifindex != ifindex &&
			!net_links_are_ours(&links, addrs.items[i].ifindex))
			addrs.items[kept++] = addrs.items[i];
	addrs.count = kept;
	net_links_done(&links);
	host->moved |= host->known &&
		       (lacks_some(&addrs, &host->addrs) || lacks_some(&host->addrs, &addrs));
	host->known = true;
	net_addrs_done(&host->addrs);
	host->addrs = addrs;
	if (net_route_underlay_mtu(nl, &ifindex, 1, &host->underlay_mtu))
		recon_fault_set(faults, RECON_HOST, now, "cannot tell the underlay's MTU: %s",
			nl_error(nl));
	else
		recon_fault_clear(faults, RECON_HOST);
}

void recon_host_done(struct recon_host *host)
{
	net_addrs_done(&host->addrs);
}

bool recon_host_has(const struct recon_host *host, const struct ip *ip)
{
	if (ip->family == 4 && ip->b[0] == 127)
		return true; /* all of 127/8 is here, though one address is listed */
	return has(&host->addrs, ip);
}

static int turn_link(struct nl *nl, uint32_t ifindex, const struct plan *plan, mtime_t now,
	struct recon_faults *faults, struct net_link *ret)
{
	const struct net_link_want want = {.mtu = plan->mtu, .up = true};
	const char *name = plan->device.name;
	unsigned int changes;
	int err = net_link_get(nl, name, ret);

	if (err == ERR_UNKNOWN || (!err && ret->ifindex != ifindex))
		return ERR_UNKNOWN;
	if (!err) {
		changes = net_link_diff(&want, ret);
		if (!changes) {
			recon_fault_clear(faults, RECON_LINK);
			return 0;
		}
		recon_journal_add(&faults->journal, RECON_JOURNAL_OP, "interface %s: setting%s%s%s",
			name, changes & NET_LINK_MTU ? " MTU" : "",
			changes & NET_LINK_ADDRGEN ? " no automatic addresses" : "",
			changes & NET_LINK_UP ? " up" : "");
		err = net_link_apply(nl, ifindex, &want, changes);
	}
	if (!err) {
		recon_fault_clear(faults, RECON_LINK);
		return 0;
	}
	recon_fault_set(
		faults, RECON_LINK, now, "cannot set up interface %s: %s", name, nl_error(nl));
	recon_fault_set_err(faults, RECON_LINK, err);
	return ERR_NOT_READY;
}

static int turn_addresses(struct nl *nl, const struct net_link *link, const struct plan *plan,
	mtime_t now, struct recon_faults *faults)
{
	struct prefix want[PLAN_ADDRESSES];
	char text[TEXT_PREFIX_SIZE];
	struct net_addr_ops ops;
	struct net_addrs have;
	size_t count = 0;
	int result = 0;

	/* Where there is no IPv6, the overlay is one of IPv4. */
	for (size_t i = 0; i < plan->address_count; i++)
		if (plan->addresses[i].ip.family == 4 || link->ipv6)
			want[count++] = plan->addresses[i];
	if (net_addr_list(nl, link->ifindex, &have)) {
		recon_fault_set(faults, RECON_ADDRESS6, now, "cannot read the addresses of %s: %s",
			link->name, nl_error(nl));
		return ERR_NOT_READY;
	}
	net_addr_diff(want, count, &have, link->ifindex, &ops);
	net_addrs_done(&have);
	for (size_t i = 0; i < ops.count; i++) {
		const struct net_addr_op *op = &ops.ops[i];
		enum recon_object object =
			op->prefix.ip.family == 4 ? RECON_ADDRESS4 : RECON_ADDRESS6;

		if (recon_fault_waits(faults, object, now)) {
			result = ERR_NOT_READY;
			continue;
		}
		text_prefix(&op->prefix, text);
		recon_journal_add(&faults->journal, RECON_JOURNAL_OP, "interface %s: %s %s",
			link->name, op->remove ? "removing" : "adding", text);
		if (!net_addr_apply(nl, link->ifindex, op))
			continue;
		recon_fault_set(faults, object, now, "cannot %s address %s %s %s: %s",
			op->remove ? "remove" : "add", text, op->remove ? "from" : "to", link->name,
			nl_error(nl));
		result = ERR_NOT_READY;
	}
	if (!result) {
		recon_fault_clear(faults, RECON_ADDRESS6);
		recon_fault_clear(faults, RECON_ADDRESS4);
	}
	return result;
}

static int turn_routes(struct nl *nl, const struct net_link *link, const struct plan *plan,
	mtime_t now, struct recon_faults *faults)
{
	struct net_route_want want[PLAN_ADDRESSES];
	char text[TEXT_PREFIX_SIZE];
	struct net_route_ops ops;
	struct net_routes have;
	size_t count = 0;
	int result = 0;

	for (size_t i = 0; i < plan->route_count; i++)
		if (plan->routes[i].dst.ip.family == 4 || link->ipv6)
			want[count++] = plan->routes[i];
	if (net_route_list(nl, link->ifindex, &have)) {
		recon_fault_set(faults, RECON_ROUTE6, now, "cannot read the routes over %s: %s",
			link->name, nl_error(nl));
		return ERR_NOT_READY;
	}
	net_route_diff(want, count, &have, link->ifindex, &ops);
	net_routes_done(&have);
	for (size_t i = 0; i < ops.count; i++) {
		const struct net_route_op *op = &ops.ops[i];
		enum recon_object object =
			op->route.dst.ip.family == 4 ? RECON_ROUTE4 : RECON_ROUTE6;

		if (recon_fault_waits(faults, object, now)) {
			result = ERR_NOT_READY;
			continue;
		}
		text_prefix(&op->route.dst, text);
		recon_journal_add(&faults->journal, RECON_JOURNAL_OP, "interface %s: %s route %s",
			link->name, op->remove ? "removing" : "adding", text);
		if (!net_route_apply(nl, op))
			continue;
		recon_fault_set(faults, object, now, "cannot %s route %s over %s: %s",
			op->remove ? "remove" : "add", text, link->name, nl_error(nl));
		result = ERR_NOT_READY;
	}
	if (!result) {
		recon_fault_clear(faults, RECON_ROUTE6);
		recon_fault_clear(faults, RECON_ROUTE4);
	}
	return result;
}

int recon_net_turn(struct nl *nl, uint32_t ifindex, const struct plan *plan, mtime_t now,
	struct recon_faults *faults)
{
	struct net_link link;
	int err = turn_link(nl, ifindex, plan, now, faults, &link), addresses, routes;

	if (err)
		return err;
	addresses = turn_addresses(nl, &link, plan, now, faults);
	routes = turn_routes(nl, &link, plan, now, faults);
	return addresses ? addresses : routes;
}

int recon_net_marked(struct nl *nl, uint32_t ifindex, bool *ret)
{
	struct net_addrs addrs;
	struct net_routes routes;
	bool marked;
	int err = net_route_list(nl, ifindex, &routes);

	if (err)
		return err;
	marked = routes.count > 0;
	net_routes_done(&routes);
	err = net_addr_list(nl, ifindex, &addrs);
	if (err)
		return err;
	for (size_t i = 0; i < addrs.count; i++)
		marked |= addrs.items[i].protocol == NET_ADDR_PROTOCOL;
	net_addrs_done(&addrs);
	*ret = marked;
	return 0;
}
