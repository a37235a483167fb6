#include "l2/link.h"

#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "l2/bridge.h"
#include "l2/vxlan.h"
#include "wg/array.h"
#include "wg/nl_attr.h"

/* ---- looking ---- */

static bool names(const struct nl_attr *attr, const char *kind)
{
	char text[NET_NAME_SIZE];

	return attr->data && nl_attr_string(attr, text, sizeof(text)) == 0 &&
	       strcmp(text, kind) == 0;
}

static int read_info(const struct nl_attr *nest, struct l2_link *link)
{
	struct nl_attr table[IFLA_INFO_SLAVE_DATA + 1];
	int err = nl_attr_nest(nest, table, IFLA_INFO_SLAVE_DATA);

	if (err)
		return err;
	if (names(&table[IFLA_INFO_KIND], "bridge"))
		link->kind = L2_BRIDGE;
	else if (names(&table[IFLA_INFO_KIND], "vxlan"))
		link->kind = L2_VXLAN;
	if (link->kind == L2_BRIDGE && table[IFLA_INFO_DATA].data)
		err = bridge_read(&table[IFLA_INFO_DATA], link);
	if (link->kind == L2_VXLAN && table[IFLA_INFO_DATA].data)
		err = vxlan_read(&table[IFLA_INFO_DATA], link);
	if (!err && names(&table[IFLA_INFO_SLAVE_KIND], "bridge") &&
		table[IFLA_INFO_SLAVE_DATA].data)
		err = bridge_read_port(&table[IFLA_INFO_SLAVE_DATA], link);
	return err;
}

int link_read(const struct nlmsghdr *msg, struct l2_link *ret)
{
	struct nl_attr table[IFLA_MAX + 1];
	struct l2_link link = {.kind = L2_OTHER};
	struct ifinfomsg info;
	int err = net_link_read(msg, &link.link);

	if (!err)
		err = nl_msg_parse(msg, &info, sizeof(info), table, IFLA_MAX);
	if (!err && table[IFLA_MASTER].data)
		err = nl_attr_u32(&table[IFLA_MASTER], &link.master);
	/* Tunnels and InfiniBand have addresses of other lengths: none of them can be a port. */
	if (!err && table[IFLA_ADDRESS].data && table[IFLA_ADDRESS].size == sizeof(link.mac))
		err = nl_attr_get(&table[IFLA_ADDRESS], &link.mac, sizeof(link.mac));
	if (!err && table[IFLA_LINKINFO].data)
		err = read_info(&table[IFLA_LINKINFO], &link);
	if (!err)
		*ret = link;
	return err;
}

static int take(const struct nlmsghdr *msg, void *context)
{
	struct l2_links *links = context;
	struct l2_link *grown;
	int err;

	if (!msg) {
		links->count = 0;
		return 0;
	}
	if (links->count == LINK_MAX)
		return 0;
	grown = array_reserve(links->items, links->count + 1, sizeof(*grown), &links->capacity);
	if (!grown)
		return ERR_NOMEM;
	links->items = grown;
	err = link_read(msg, &links->items[links->count]);
	links->count += !err;
	return err;
}

int link_list(struct nl *nl, struct l2_links *ret)
{
	struct l2_links links = {0};
	union nl_msg msg;
	int err = nl_dump(nl, NL_ROUTE, net_link_begin(&msg, RTM_GETLINK, 0), take, &links);

	if (err)
		link_list_done(&links);
	else
		*ret = links;
	return err;
}

void link_list_done(struct l2_links *links)
{
	free(links->items);
	*links = (struct l2_links){0};
}

/* ---- changing ---- */

static int set_master(struct nl *nl, uint32_t link, uint32_t master)
{
	union nl_msg msg;
	struct nlmsghdr *nlh = net_link_begin(&msg, RTM_NEWLINK, link);

	mnl_attr_put_u32(nlh, IFLA_MASTER, master);
	return nl_request(nl, NL_ROUTE, nlh);
}

static int set_flags(struct nl *nl, uint32_t link, bool up)
{
	union nl_msg msg;
	struct nlmsghdr *nlh = net_link_begin(&msg, RTM_NEWLINK, link);
	struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);

	info->ifi_change = IFF_UP;
	info->ifi_flags = up ? IFF_UP : 0;
	return nl_request(nl, NL_ROUTE, nlh);
}

static void put_addrgen_none(struct nlmsghdr *nlh)
{
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
}

/* The flags come last and alone: within one message the kernel would set the link up first. */
static int set(struct nl *nl, const struct l2_want *want, const struct l2_link_op *op)
{
	bool vxlan = strcmp(op->name, want->vxlan) == 0;
	unsigned int rest = op->set & ~(L2_SET_UP | L2_SET_DOWN);
	union nl_msg msg;
	struct nlmsghdr *nlh = net_link_begin(&msg, RTM_NEWLINK, op->link);
	int err = 0;

	if (op->set & L2_SET_DOWN)
		err = set_flags(nl, op->link, false);
	if (rest & L2_SET_MARK)
		mnl_attr_put_strz(nlh, IFLA_IFALIAS, want->mark);
	if (rest & L2_SET_MAC)
		mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(struct mac),
			vxlan ? &want->vxlan_mac : &want->mac);
	if (rest & L2_SET_MTU)
		mnl_attr_put_u32(nlh, IFLA_MTU, op->mtu);
	if (rest & L2_SET_ADDRGEN)
		put_addrgen_none(nlh);
	if (rest & (L2_SET_STP | L2_SET_SNOOPING))
		bridge_put_changes(nlh, want, rest);
	if (rest & (L2_SET_LOCAL | L2_SET_LEARNING | L2_SET_PORT))
		vxlan_put_changes(nlh, want, rest);
	if (!err && rest)
		err = nl_request(nl, NL_ROUTE, nlh);
	if (!err && op->set & L2_SET_UP)
		err = set_flags(nl, op->link, true);
	return err;
}

int link_apply(struct nl *nl, const struct l2_want *want, const struct l2_links *links,
	const struct l2_link_op *op)
{
	const struct l2_link *bridge = l2_links_named(links, want->bridge);

	switch (op->kind) {
	case L2_LINK_DELETE:
		return net_link_delete(nl, op->link);
	case L2_LINK_BRIDGE:
		return bridge_create(nl, want);
	case L2_LINK_VXLAN:
		return vxlan_create(nl, want);
	case L2_LINK_SET:
		return set(nl, want, op);
	case L2_LINK_ENSLAVE:
		return bridge ? set_master(nl, op->link, bridge->link.ifindex) : ERR_UNKNOWN;
	case L2_LINK_RELEASE:
		return set_master(nl, op->link, 0);
	}
	return ERR_INVALID;
}
