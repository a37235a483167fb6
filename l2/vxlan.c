#include "l2/vxlan.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

static void put_local(struct nlmsghdr *nlh, const struct ip *local)
{
	bool ipv4 = local->family == 4;

	mnl_attr_put(nlh, ipv4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, ipv4 ? 4 : 16, local->b);
}

/*
 * Not bound to an interface (l2.h says why), and the default time to live is the host's own. The
 * outer checksum: WireGuard vouches for every byte, so IPv4 does without, as the kernel's other
 * tunnels do. IPv6 keeps it: whether a socket takes datagrams without is the socket's, which is
 * shared by every VXLAN device on the port, other people's included, and costs little, since it
 * follows from the inner one.
 */
int vxlan_create(struct nl *nl, const struct l2_want *want)
{
	union nl_msg msg;
	struct nlmsghdr *nlh = net_link_begin(&msg, RTM_NEWLINK, 0);
	const struct ifla_vxlan_port_range from = {htons(L2_FROM_LOW), htons(L2_FROM_HIGH)};
	struct nlattr *info, *data;

	nlh->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, want->vxlan);
	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(want->vxlan_mac), &want->vxlan_mac);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "vxlan");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u32(nlh, IFLA_VXLAN_ID, want->vni);
	mnl_attr_put_u16(nlh, IFLA_VXLAN_PORT, htons(L2_VXLAN_PORT));
	mnl_attr_put(nlh, IFLA_VXLAN_PORT_RANGE, sizeof(from), &from);
	mnl_attr_put_u8(nlh, IFLA_VXLAN_LEARNING, want->flood);
	put_local(nlh, &want->local);
	if (want->local.family == 4)
		mnl_attr_put_u8(nlh, IFLA_VXLAN_UDP_CSUM, 0);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return nl_request(nl, NL_ROUTE, nlh);
}

/* The bridge is not to learn what it is told, and answers for the hosts elsewhere that it knows;
 * where nobody tells it, it learns and asks. */
static void put_port(struct nlmsghdr *nlh, const struct l2_want *want)
{
	struct nlattr *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_SLAVE_DATA);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_LEARNING, want->flood);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_NEIGH_SUPPRESS, !want->flood);
	mnl_attr_put_u32(nlh, IFLA_BRPORT_COST, L2_TUNNEL_COST);
	mnl_attr_nest_end(nlh, data);
}

void vxlan_put_changes(struct nlmsghdr *nlh, const struct l2_want *want, unsigned int set)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO), *data;

	if (set & (L2_SET_LOCAL | L2_SET_LEARNING)) {
		mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "vxlan"); /* never without data */
		data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
		mnl_attr_put_u32(nlh, IFLA_VXLAN_ID, want->vni);
		if (set & L2_SET_LOCAL)
			put_local(nlh, &want->local);
		if (set & L2_SET_LEARNING)
			mnl_attr_put_u8(nlh, IFLA_VXLAN_LEARNING, want->flood);
		mnl_attr_nest_end(nlh, data);
	}
	if (set & L2_SET_PORT)
		put_port(nlh, want);
	mnl_attr_nest_end(nlh, info);
}

int vxlan_read(const struct nl_attr *nest, struct l2_link *link)
{
	struct nl_attr table[IFLA_VXLAN_MAX + 1];
	struct ifla_vxlan_port_range from = {0};
	uint8_t learning = 0, external = 0;
	uint16_t port = 0;
	int err = nl_attr_nest(nest, table, IFLA_VXLAN_MAX);

	if (!err && table[IFLA_VXLAN_ID].data)
		err = nl_attr_u32(&table[IFLA_VXLAN_ID], &link->vni);
	if (!err && table[IFLA_VXLAN_LOCAL].data)
		err = nl_attr_ip(&table[IFLA_VXLAN_LOCAL], AF_INET, &link->local);
	if (!err && table[IFLA_VXLAN_LOCAL6].data)
		err = nl_attr_ip(&table[IFLA_VXLAN_LOCAL6], AF_INET6, &link->local);
	if (!err && table[IFLA_VXLAN_PORT].data)
		err = nl_attr_u16(&table[IFLA_VXLAN_PORT], &port);
	if (!err && table[IFLA_VXLAN_PORT_RANGE].data)
		err = nl_attr_get(&table[IFLA_VXLAN_PORT_RANGE], &from, sizeof(from));
	if (!err && table[IFLA_VXLAN_LEARNING].data)
		err = nl_attr_u8(&table[IFLA_VXLAN_LEARNING], &learning);
	if (!err && table[IFLA_VXLAN_COLLECT_METADATA].data)
		err = nl_attr_u8(&table[IFLA_VXLAN_COLLECT_METADATA], &external);
	if (err)
		return err;
	link->udp_port = ntohs(port);
	link->from_low = ntohs(from.low);
	link->from_high = ntohs(from.high);
	link->learning = learning != 0;
	link->bound = external || table[IFLA_VXLAN_LINK].data || table[IFLA_VXLAN_GROUP].data ||
		      table[IFLA_VXLAN_GROUP6].data;
	return 0;
}
