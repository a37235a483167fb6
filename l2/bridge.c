#include "l2/bridge.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

/* IEEE 802.1D: the lower is the root; switches come with the latter. */
#define PRIORITY_STP	 0x1000
#define PRIORITY_DEFAULT 0x8000

static void put_data(struct nlmsghdr *nlh, const struct l2_want *want, unsigned int set)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	/* With a spanning tree a member is its root, not a switch of some LAN: seen from there the
	 * tunnels are the nearest way to every other member, and none of them is blocked. */
	if (set & L2_SET_STP) {
		mnl_attr_put_u16(
			nlh, IFLA_BR_PRIORITY, want->stp ? PRIORITY_STP : PRIORITY_DEFAULT);
		mnl_attr_put_u32(nlh, IFLA_BR_STP_STATE, want->stp);
	}
	/* Without a querier on the segment, snooping would cut groups off after some minutes. */
	if (set & L2_SET_SNOOPING)
		mnl_attr_put_u8(nlh, IFLA_BR_MCAST_SNOOPING, 0);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

int bridge_create(struct nl *nl, const struct l2_want *want)
{
	union nl_msg msg;
	struct nlmsghdr *nlh = net_link_begin(&msg, RTM_NEWLINK, 0);

	nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, want->bridge);
	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(want->mac), &want->mac);
	put_data(nlh, want, L2_SET_STP | L2_SET_SNOOPING);
	return nl_request(nl, NL_ROUTE, nlh);
}

void bridge_put_changes(struct nlmsghdr *nlh, const struct l2_want *want, unsigned int set)
{
	put_data(nlh, want, set);
}

int bridge_read(const struct nl_attr *nest, struct l2_link *link)
{
	struct nl_attr table[IFLA_BR_MCAST_SNOOPING + 1];
	uint32_t stp = 0;
	uint8_t snooping = 0;
	int err = nl_attr_nest(nest, table, IFLA_BR_MCAST_SNOOPING);

	if (!err && table[IFLA_BR_STP_STATE].data)
		err = nl_attr_u32(&table[IFLA_BR_STP_STATE], &stp);
	/* A kernel that cannot snoop does not say. */
	if (!err && table[IFLA_BR_MCAST_SNOOPING].data)
		err = nl_attr_u8(&table[IFLA_BR_MCAST_SNOOPING], &snooping);
	if (err)
		return err;
	link->stp = stp != 0;
	link->snooping = snooping != 0;
	return 0;
}

int bridge_read_port(const struct nl_attr *nest, struct l2_link *link)
{
	struct nl_attr table[IFLA_BRPORT_NEIGH_SUPPRESS + 1];
	uint8_t learning = 0, suppress = 0;
	int err = nl_attr_nest(nest, table, IFLA_BRPORT_NEIGH_SUPPRESS);

	if (!err && table[IFLA_BRPORT_STATE].data)
		err = nl_attr_u8(&table[IFLA_BRPORT_STATE], &link->port_state);
	if (!err && table[IFLA_BRPORT_COST].data)
		err = nl_attr_u32(&table[IFLA_BRPORT_COST], &link->port_cost);
	if (!err && table[IFLA_BRPORT_LEARNING].data)
		err = nl_attr_u8(&table[IFLA_BRPORT_LEARNING], &learning);
	if (!err && table[IFLA_BRPORT_NEIGH_SUPPRESS].data)
		err = nl_attr_u8(&table[IFLA_BRPORT_NEIGH_SUPPRESS], &suppress);
	if (err)
		return err;
	link->port = true;
	link->port_learning = learning != 0;
	link->port_suppress = suppress != 0;
	return 0;
}
