#include "daemon/attach_check.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>

#include "gossip/base/text.h"
#include "l2/link.h"
#include "wg/net_addr.h"
#include "wg/net_route.h"

/* ---- words ---- */

/* Bits of the address behind those of its network: all of them 0, or all of them 1. */
static bool host_bits_are(const struct prefix *prefix, bool ones)
{
	unsigned bits = prefix->ip.family == 4 ? 32 : 128;

	for (unsigned bit = prefix->bits; bit < bits; bit++) {
		if ((prefix->ip.b[bit / 8] >> (7 - bit % 8) & 1) != ones)
			return false;
	}
	return true;
}

/* NULL: a host can have it. */
static const char *why_no_host(const struct prefix *prefix)
{
	const struct ip *ip = &prefix->ip;
	static const struct ip loopback6 = {.family = 6, .b = {[15] = 1}};

	if (ip->family == 4 && (ip->b[0] == 0 || ip->b[0] == 127 || ip->b[0] >= 224))
		return "no host has such an address";
	if (ip->family == 6 && (ip->b[0] == 0xff || ip_equal(ip, &loopback6)))
		return "no host has such an address";
	if (prefix->bits == 0)
		return "its network is everything";
	if (ip->family == 4 && prefix->bits < 31 && host_bits_are(prefix, true))
		return "that is its network's broadcast address";
	if (prefix->bits < (ip->family == 4 ? 31 : 127) && host_bits_are(prefix, false))
		return "that is the network itself, not a host in it";
	return NULL;
}

static int add_address(struct daemon *daemon, const char *word, struct attach *attach)
{
	struct prefix prefix;
	const char *why;

	if (!strchr(word, '/') || text_parse_prefix(word, true, &prefix) != 0)
		return daemon_refuse(daemon, ERR_INVALID,
			"`%s` is no address with the length of its network, such as "
			"192.168.7.1/24 or fd12:3456::1/64",
			word);
	why = why_no_host(&prefix);
	if (why)
		return daemon_refuse(daemon, ERR_INVALID, "address %s: %s", word, why);
	for (size_t i = 0; i < attach->address_count; i++) {
		if (ip_equal(&attach->addresses[i].ip, &prefix.ip))
			return daemon_refuse(
				daemon, ERR_INVALID, "address %s was given twice", word);
	}
	if (attach->address_count == ATTACH_ADDRESSES_MAX)
		return daemon_refuse(
			daemon, ERR_INVALID, "%d addresses at most", ATTACH_ADDRESSES_MAX);
	attach->addresses[attach->address_count++] = prefix;
	return 0;
}

int attach_check_addresses(
	struct daemon *daemon, const char *const *words, size_t count, struct attach *attach)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = add_address(daemon, words[i], attach);
	return err;
}

static int add_port(struct daemon *daemon, const char *word, struct attach *attach)
{
	if (!*word || strlen(word) >= NET_NAME_SIZE || strpbrk(word, "/ \t:"))
		return daemon_refuse(daemon, ERR_INVALID, "`%s` is no name of an interface", word);
	for (size_t i = 0; i < attach->port_count; i++) {
		if (strcmp(attach->ports[i], word) == 0)
			return daemon_refuse(daemon, ERR_INVALID, "port %s was given twice", word);
	}
	if (attach->port_count == ATTACH_PORTS_MAX)
		return daemon_refuse(daemon, ERR_INVALID, "%d ports at most", ATTACH_PORTS_MAX);
	strcpy(attach->ports[attach->port_count++], word);
	return 0;
}

int attach_check_ports(
	struct daemon *daemon, const char *const *words, size_t count, struct attach *attach)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = add_port(daemon, words[i], attach);
	return err;
}

/* ---- networks ---- */

static int check_overlay(struct daemon *daemon, const struct prefix *address)
{
	char text[TEXT_PREFIX_SIZE], own[TEXT_PREFIX_SIZE];
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	for (int i = 0; i < 2; i++) {
		const struct prefix *prefix = i ? &status.charter.prefix4 : &status.charter.prefix6;

		if (prefix->ip.family && net_prefix_overlaps(prefix, address))
			return daemon_refuse(daemon, ERR_STATE,
				"address %s is in the overlay's own prefix %s: a segment is a "
				"network of its own",
				text_prefix(address, text), text_prefix(prefix, own));
	}
	return 0;
}

static int check_segments(
	struct daemon *daemon, const struct attach *attach, const struct prefix *address)
{
	char text[TEXT_PREFIX_SIZE], theirs[TEXT_PREFIX_SIZE];
	const struct attach *other;

	for (size_t i = 0; (other = attach_at(daemon, i)); i++) {
		if (strcmp(other->segment, attach->segment) == 0)
			continue;
		for (size_t k = 0; k < other->address_count; k++) {
			if (net_prefix_overlaps(&other->addresses[k], address))
				return daemon_refuse(daemon, ERR_STATE,
					"address %s: the network overlaps with that of segment "
					"%s, where this host has %s",
					text_prefix(address, text), other->segment,
					text_prefix(&other->addresses[k], theirs));
		}
	}
	return 0;
}

static bool is_port(const struct attach *attach, const char *name)
{
	for (size_t i = 0; i < attach->port_count; i++) {
		if (strcmp(attach->ports[i], name) == 0)
			return true;
	}
	return false;
}

/* One network on two interfaces: half of what is in it could not be reached any more, and over the
 * underlay that would be the other members. */
static int check_interfaces(struct daemon *daemon, const struct attach *attach,
	const struct prefix *address, const struct l2_links *links, const struct net_addrs *addrs)
{
	char text[TEXT_PREFIX_SIZE], theirs[TEXT_PREFIX_SIZE];

	for (size_t i = 0; i < addrs->count; i++) {
		const struct net_addr *other = &addrs->items[i];
		const struct l2_link *link = l2_links_index(links, other->ifindex);

		if (!link || strcmp(link->link.name, attach->segment) == 0 ||
			is_port(attach, link->link.name) || other->prefix.bits != address->bits ||
			!net_prefix_overlaps(&other->prefix, address) ||
			other->scope == RT_SCOPE_LINK)
			continue;
		return daemon_refuse(daemon, ERR_STATE,
			"address %s: interface %s is in that network already, with %s",
			text_prefix(address, text), link->link.name,
			text_prefix(&other->prefix, theirs));
	}
	return 0;
}

/* ---- ports ---- */

/* An interface with an address that counts beyond its link; NULL: it has none. */
static const struct net_addr *address_of(const struct net_addrs *addrs, uint32_t ifindex)
{
	for (size_t i = 0; i < addrs->count; i++) {
		if (addrs->items[i].ifindex == ifindex && addrs->items[i].scope < RT_SCOPE_LINK)
			return &addrs->items[i];
	}
	return NULL;
}

static bool reaches_a_member(const struct daemon *daemon, uint32_t ifindex)
{
	struct gossip_member member;
	size_t index = 0;

	while (gossip_member_next(daemon->gossip, &index, &member)) {
		bool over = member.reached.scope == ifindex;

		gossip_member_wipe(&member);
		if (over)
			return true;
	}
	return false;
}

static int check_addresses_of_port(
	struct daemon *daemon, const struct l2_link *link, const struct net_addrs *addrs)
{
	const struct net_addr *address = address_of(addrs, link->link.ifindex);
	char text[TEXT_PREFIX_SIZE];

	if (address)
		return daemon_refuse(daemon, ERR_STATE,
			"port %s has the address %s, which would answer no more, nor would what "
			"goes over it (the tunnels, maybe): take it away, and give it to the "
			"bridge with --address",
			link->link.name, text_prefix(&address->prefix, text));
	if (reaches_a_member(daemon, link->link.ifindex))
		return daemon_refuse(daemon, ERR_STATE,
			"port %s is how other members are reached: a segment rides on that, and "
			"cannot have it as a port",
			link->link.name);
	return 0;
}

static int check_port(struct daemon *daemon, const struct attach *attach, const char *name,
	const struct l2_links *links, const struct net_addrs *addrs)
{
	const struct l2_link *link = l2_links_named(links, name), *master;
	const char *elsewhere = NULL;

	if (!link)
		return daemon_refuse(daemon, ERR_STATE,
			"no interface %s on this host: `ip link` lists those there are", name);
	if (strcmp(name, daemon->config.interface) == 0)
		return daemon_refuse(daemon, ERR_STATE,
			"port %s is the overlay, which carries the segment: it cannot be on it",
			name);
	if (net_link_is_ours(&link->link))
		return daemon_refuse(daemon, ERR_STATE, "port %s is meshd's own", name);
	if (link->link.flags & IFF_LOOPBACK || link->kind == L2_BRIDGE ||
		strcmp(link->link.kind, "wireguard") == 0)
		return daemon_refuse(daemon, ERR_STATE,
			"port %s is %s: no such interface can be on a bridge", name,
			link->link.flags & IFF_LOOPBACK ? "the loopback"
			: link->kind == L2_BRIDGE	? "a bridge itself"
							: "a WireGuard tunnel");
	master = link->master ? l2_links_index(links, link->master) : NULL;
	if (link->master)
		elsewhere = master ? master->link.name : "another interface";
	if (elsewhere && strcmp(elsewhere, attach->segment) != 0)
		return daemon_refuse(daemon, ERR_STATE,
			"port %s is a port of %s already: take it off there first (`ip link set %s "
			"nomaster`)",
			name, elsewhere, name);
	return elsewhere ? 0 : check_addresses_of_port(daemon, link, addrs);
}

/* ---- names ---- */

static int check_names(struct daemon *daemon, const struct attach *attach, uint32_t vni,
	const struct l2_links *links)
{
	char vxlan[NET_NAME_SIZE];
	const char *const names[] = {attach->segment, vxlan};

	snprintf(vxlan, sizeof(vxlan), "vx%u", vni & L2_VNI_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct l2_link *link = l2_links_named(links, names[i]);

		if (link && !net_link_is_ours(&link->link))
			return daemon_refuse(daemon, ERR_STATE,
				"an interface %s is there already, and is not meshd's: rename or "
				"remove it, or use a segment of another name",
				names[i]);
	}
	for (size_t i = 0; i < links->count; i++) {
		const struct l2_link *link = &links->items[i];

		if (link->kind == L2_VXLAN && link->vni == vni && !net_link_is_ours(&link->link) &&
			link->udp_port == L2_VXLAN_PORT)
			return daemon_refuse(daemon, ERR_STATE,
				"interface %s has VNI %u already, and is not meshd's: a VNI is "
				"for one interface of a host",
				link->link.name, vni);
	}
	return 0;
}

static int check_all(struct daemon *daemon, const struct attach *attach, uint32_t vni,
	const struct l2_links *links, const struct net_addrs *addrs)
{
	int err = check_names(daemon, attach, vni, links);

	for (size_t i = 0; i < attach->port_count && !err; i++)
		err = check_port(daemon, attach, attach->ports[i], links, addrs);
	for (size_t i = 0; i < attach->address_count && !err; i++) {
		err = check_overlay(daemon, &attach->addresses[i]);
		if (!err)
			err = check_segments(daemon, attach, &attach->addresses[i]);
		if (!err)
			err = check_interfaces(daemon, attach, &attach->addresses[i], links, addrs);
	}
	return err;
}

int attach_check_host(struct daemon *daemon, const struct attach *attach, uint32_t vni)
{
	struct net_addrs addrs = {0};
	struct l2_links links = {0};
	struct nl *nl;
	int err = nl_new(&nl);

	if (err)
		return daemon_refuse(daemon, ERR_SYSTEM, "cannot open netlink: %s", err_text(err));
	err = link_list(nl, &links);
	if (!err)
		err = net_addr_list(nl, 0, &addrs);
	if (err)
		err = daemon_refuse(
			daemon, ERR_SYSTEM, "cannot read this host's interfaces: %s", nl_error(nl));
	else
		err = check_all(daemon, attach, vni, &links, &addrs);
	net_addrs_done(&addrs);
	link_list_done(&links);
	nl_free(nl);
	return err;
}
