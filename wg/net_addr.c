#include "wg/net_addr.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "wg/array.h"
#include "wg/nl_attr.h"

int net_addr_read(const struct nlmsghdr *msg, struct net_addr *ret)
{
	struct nl_attr table[IFA_MAX + 1];
	struct net_addr addr = {0};
	struct ifaddrmsg info;
	int err = nl_msg_parse(msg, &info, sizeof(info), table, IFA_MAX);

	if (err)
		return err;
	/* On a point-to-point link IFA_ADDRESS is the other end. */
	err = nl_attr_ip(&table[table[IFA_LOCAL].data ? IFA_LOCAL : IFA_ADDRESS], info.ifa_family,
		&addr.prefix.ip);
	addr.flags = info.ifa_flags;
	if (!err && table[IFA_FLAGS].data)
		err = nl_attr_u32(&table[IFA_FLAGS], &addr.flags);
	if (!err && table[IFA_PROTO].data)
		err = nl_attr_u8(&table[IFA_PROTO], &addr.protocol);
	if (!err && info.ifa_prefixlen > (info.ifa_family == AF_INET ? 32 : 128))
		err = ERR_MALFORMED;
	if (err)
		return err;
	addr.prefix.bits = info.ifa_prefixlen;
	addr.ifindex = info.ifa_index;
	addr.scope = info.ifa_scope;
	*ret = addr;
	return 0;
}

static int take(const struct nlmsghdr *msg, void *context)
{
	struct net_addrs *addrs = context;
	struct net_addr *grown;
	int err;

	if (!msg) {
		addrs->count = 0;
		return 0;
	}
	if (addrs->count == NET_ADDRS_MAX)
		return 0;
	grown = array_reserve(addrs->items, addrs->count + 1, sizeof(*grown), &addrs->capacity);
	if (!grown)
		return ERR_NOMEM;
	addrs->items = grown;
	err = net_addr_read(msg, &addrs->items[addrs->count]);
	addrs->count += !err;
	return err == ERR_UNSUPPORTED ? 0 : err;
}

int net_addr_list(struct nl *nl, uint32_t ifindex, struct net_addrs *ret)
{
	struct net_addrs addrs = {0};
	union nl_msg msg;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(msg.bytes);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	size_t kept = 0;
	int err;

	nlh->nlmsg_type = RTM_GETADDR;
	info->ifa_family = AF_UNSPEC;
	info->ifa_index = ifindex;
	err = nl_dump(nl, NL_ROUTE, nlh, take, &addrs);
	if (err) {
		net_addrs_done(&addrs);
		return err;
	}
	/* Kernels before 5.0 do not filter. */
	for (size_t i = 0; i < addrs.count; i++)
		if (!ifindex || addrs.items[i].ifindex == ifindex)
			addrs.items[kept++] = addrs.items[i];
	addrs.count = kept;
	*ret = addrs;
	return 0;
}

void net_addrs_done(struct net_addrs *addrs)
{
	free(addrs->items);
	*addrs = (struct net_addrs){0};
}

bool net_addr_advertisable(const struct net_addr *addr)
{
	return addr->scope < RT_SCOPE_HOST &&
	       !(addr->flags &
		       (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED | IFA_F_TEMPORARY));
}

static bool wanted(const struct prefix *want, size_t count, const struct prefix *prefix)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(&want[i], prefix, sizeof(*prefix)) == 0)
			return true;
	return false;
}

static bool there(const struct net_addrs *have, uint32_t ifindex, const struct prefix *prefix)
{
	for (size_t i = 0; i < have->count; i++)
		if (have->items[i].ifindex == ifindex &&
			memcmp(&have->items[i].prefix, prefix, sizeof(*prefix)) == 0)
			return true;
	return false;
}

static void put(struct net_addr_ops *ops, bool remove, const struct prefix *prefix)
{
	if (ops->count < NET_ADDR_OPS_MAX)
		ops->ops[ops->count++] = (struct net_addr_op){.remove = remove, .prefix = *prefix};
}

void net_addr_diff(const struct prefix *want, size_t want_count, const struct net_addrs *have,
	uint32_t ifindex, struct net_addr_ops *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < have->count; i++) {
		const struct net_addr *addr = &have->items[i];

		if (addr->ifindex == ifindex && addr->protocol == NET_ADDR_PROTOCOL &&
			!wanted(want, want_count, &addr->prefix))
			put(ret, true, &addr->prefix);
	}
	for (size_t i = 0; i < want_count; i++)
		if (!there(have, ifindex, &want[i]))
			put(ret, false, &want[i]);
}

/* On the overlay nobody else can have an address that is derived from a key, so there is nothing to
 * detect; and routes are our own business. */
int net_addr_apply(struct nl *nl, uint32_t ifindex, const struct net_addr_op *op)
{
	union nl_msg msg;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(msg.bytes);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	const struct ip *ip = &op->prefix.ip;

	nlh->nlmsg_type = op->remove ? RTM_DELADDR : RTM_NEWADDR;
	nlh->nlmsg_flags = op->remove ? 0 : NLM_F_CREATE | NLM_F_EXCL;
	info->ifa_family = ip->family == 4 ? AF_INET : AF_INET6;
	info->ifa_prefixlen = op->prefix.bits;
	info->ifa_index = ifindex;
	mnl_attr_put(nlh, IFA_LOCAL, ip->family == 4 ? 4 : 16, ip->b);
	mnl_attr_put(nlh, IFA_ADDRESS, ip->family == 4 ? 4 : 16, ip->b);
	if (!op->remove) {
		mnl_attr_put_u32(nlh, IFA_FLAGS, op->lan ? 0 : IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
		mnl_attr_put_u8(nlh, IFA_PROTO, NET_ADDR_PROTOCOL);
	}
	return nl_request(nl, NL_ROUTE, nlh);
}
