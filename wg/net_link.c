#include "wg/net_link.h"

#include <stdlib.h>
#include <string.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>

#include "wg/array.h"
#include "wg/nl_attr.h"

struct nlmsghdr *net_link_begin(union nl_msg *msg, uint16_t type, uint32_t ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(msg->bytes);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = type;
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = ifindex;
	return nlh;
}

static int read_kind(const struct nl_attr *attr, struct net_link *link)
{
	struct nl_attr table[IFLA_INFO_KIND + 1];
	int err = nl_attr_nest(attr, table, IFLA_INFO_KIND);

	/* Some kinds have longer names than an interface; they are none of those we ask about. */
	if (!err && table[IFLA_INFO_KIND].data && table[IFLA_INFO_KIND].size <= sizeof(link->kind))
		err = nl_attr_string(&table[IFLA_INFO_KIND], link->kind, sizeof(link->kind));
	return err;
}

static int read_ipv6(const struct nl_attr *spec, struct net_link *link)
{
	struct nl_attr families[AF_INET6 + 1], table[IFLA_INET6_MAX + 1];
	const struct nl_attr *conf = &table[IFLA_INET6_CONF];
	int32_t disabled = 0;
	uint8_t mode;
	int err = nl_attr_nest(spec, families, AF_INET6);

	if (err || !families[AF_INET6].data)
		return err;
	err = nl_attr_nest(&families[AF_INET6], table, IFLA_INET6_MAX);
	if (err)
		return err;
	if (conf->data && conf->size >= (DEVCONF_DISABLE_IPV6 + 1) * sizeof(disabled))
		memcpy(&disabled,
			(const uint8_t *)conf->data + DEVCONF_DISABLE_IPV6 * sizeof(disabled),
			sizeof(disabled));
	link->ipv6 = !disabled;
	if (!table[IFLA_INET6_ADDR_GEN_MODE].data)
		return 0;
	err = nl_attr_u8(&table[IFLA_INET6_ADDR_GEN_MODE], &mode);
	link->addrgen_known = !err;
	link->addrgen_none = !err && mode == IN6_ADDR_GEN_MODE_NONE;
	return err;
}

int net_link_read(const struct nlmsghdr *msg, struct net_link *ret)
{
	struct nl_attr table[IFLA_MAX + 1];
	struct net_link link = {0};
	struct ifinfomsg info;
	int err = nl_msg_parse(msg, &info, sizeof(info), table, IFLA_MAX);

	if (!err)
		err = nl_attr_string(&table[IFLA_IFNAME], link.name, sizeof(link.name));
	if (!err && table[IFLA_MTU].data)
		err = nl_attr_u32(&table[IFLA_MTU], &link.mtu);
	if (!err && table[IFLA_IFALIAS].data && table[IFLA_IFALIAS].size < sizeof(link.alias))
		err = nl_attr_string(&table[IFLA_IFALIAS], link.alias, sizeof(link.alias));
	if (!err && table[IFLA_LINKINFO].data)
		err = read_kind(&table[IFLA_LINKINFO], &link);
	if (!err && table[IFLA_AF_SPEC].data)
		err = read_ipv6(&table[IFLA_AF_SPEC], &link);
	if (err)
		return err;
	link.ifindex = info.ifi_index;
	link.flags = info.ifi_flags;
	*ret = link;
	return 0;
}

static int take_one(const struct nlmsghdr *msg, void *context)
{
	return net_link_read(msg, context);
}

int net_link_get(struct nl *nl, const char *name, struct net_link *ret)
{
	struct net_link link = {0};
	union nl_msg msg;
	struct nlmsghdr *nlh = net_link_begin(&msg, RTM_GETLINK, 0);
	int err;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	err = nl_query(nl, NL_ROUTE, nlh, take_one, &link);
	if (!err && link.ifindex == 0)
		err = ERR_MALFORMED;
	if (!err)
		*ret = link;
	return err;
}

static int take_many(const struct nlmsghdr *msg, void *context)
{
	struct net_links *links = context;
	struct net_link *grown;
	int err;

	if (!msg) {
		links->count = 0;
		return 0;
	}
	if (links->count == NET_LINKS_MAX)
		return 0;
	grown = array_reserve(links->items, links->count + 1, sizeof(*grown), &links->capacity);
	if (!grown)
		return ERR_NOMEM;
	links->items = grown;
	err = net_link_read(msg, &links->items[links->count]);
	links->count += !err;
	return err;
}

int net_link_list(struct nl *nl, struct net_links *ret)
{
	struct net_links links = {0};
	union nl_msg msg;
	int err = nl_dump(nl, NL_ROUTE, net_link_begin(&msg, RTM_GETLINK, 0), take_many, &links);

	if (err)
		net_links_done(&links);
	else
		*ret = links;
	return err;
}

void net_links_done(struct net_links *links)
{
	free(links->items);
	*links = (struct net_links){0};
}

bool net_link_is_ours(const struct net_link *link)
{
	return strncmp(link->alias, NET_LINK_MARK, strlen(NET_LINK_MARK)) == 0;
}

bool net_links_are_ours(const struct net_links *links, uint32_t ifindex)
{
	for (size_t i = 0; i < links->count; i++)
		if (links->items[i].ifindex == ifindex)
			return net_link_is_ours(&links->items[i]);
	return false;
}

int net_link_create(struct nl *nl, const char *name, const char *kind)
{
	union nl_msg msg;
	struct nlmsghdr *nlh = net_link_begin(&msg, RTM_NEWLINK, 0);
	struct nlattr *info;

	nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(nlh, info);
	return nl_request(nl, NL_ROUTE, nlh);
}

int net_link_delete(struct nl *nl, uint32_t ifindex)
{
	union nl_msg msg;

	return nl_request(nl, NL_ROUTE, net_link_begin(&msg, RTM_DELLINK, ifindex));
}

int net_link_set_alias(struct nl *nl, uint32_t ifindex, const char *alias)
{
	union nl_msg msg;
	struct nlmsghdr *nlh = net_link_begin(&msg, RTM_NEWLINK, ifindex);

	mnl_attr_put_strz(nlh, IFLA_IFALIAS, alias);
	return nl_request(nl, NL_ROUTE, nlh);
}

unsigned int net_link_diff(const struct net_link_want *want, const struct net_link *have)
{
	unsigned int changes = 0;

	if (want->mtu && want->mtu != have->mtu)
		changes |= NET_LINK_MTU;
	if (have->addrgen_known && !have->addrgen_none)
		changes |= NET_LINK_ADDRGEN;
	if (want->up != !!(have->flags & IFF_UP))
		changes |= NET_LINK_UP;
	return changes;
}

/* Two messages: within one, the kernel would set the link up before it heard that it is to make no
 * link-local address. */
int net_link_apply(
	struct nl *nl, uint32_t ifindex, const struct net_link_want *want, unsigned int changes)
{
	union nl_msg msg;
	struct nlmsghdr *nlh = net_link_begin(&msg, RTM_NEWLINK, ifindex);
	struct ifinfomsg *info;
	int err = 0;

	if (changes & NET_LINK_MTU)
		mnl_attr_put_u32(nlh, IFLA_MTU, want->mtu);
	if (changes & NET_LINK_ADDRGEN) {
		struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
		struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);

		mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
		mnl_attr_nest_end(nlh, inet6);
		mnl_attr_nest_end(nlh, spec);
	}
	if (changes & (NET_LINK_MTU | NET_LINK_ADDRGEN))
		err = nl_request(nl, NL_ROUTE, nlh);
	if (err || !(changes & NET_LINK_UP))
		return err;
	nlh = net_link_begin(&msg, RTM_NEWLINK, ifindex);
	info = mnl_nlmsg_get_payload(nlh);
	info->ifi_change = IFF_UP;
	info->ifi_flags = want->up ? IFF_UP : 0;
	return nl_request(nl, NL_ROUTE, nlh);
}
