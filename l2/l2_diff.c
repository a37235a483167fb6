#include "l2/l2.h"

#include <net/if.h>

/* Who was heard so lately that it need not be asked. Asking takes the kernel 3 s at most: three
 * questions, a second apart. */
#define ASK_AFTER_MS 1000

/* ---- links ---- */

static void put_link(struct l2_link_ops *ops, enum l2_link_op_kind kind, const char *name,
	uint32_t ifindex, unsigned int set, uint32_t mtu)
{
	struct l2_link_op *op = &ops->ops[ops->count++];

	*op = (struct l2_link_op){.kind = kind, .link = ifindex, .set = set, .mtu = mtu};
	memcpy(op->name, name, strnlen(name, sizeof(op->name) - 1));
}

static bool is_up(const struct l2_link *link)
{
	return link->link.flags & IFF_UP;
}

static unsigned int diff_bridge(const struct l2_want *want, const struct l2_link *bridge)
{
	unsigned int set = 0;

	if (strcmp(bridge->link.alias, want->mark) != 0)
		set |= L2_SET_MARK;
	if (!mac_equal(&bridge->mac, &want->mac))
		set |= L2_SET_MAC;
	if (bridge->link.mtu != want->mtu)
		set |= L2_SET_MTU;
	if (bridge->stp != want->stp)
		set |= L2_SET_STP;
	if (bridge->snooping)
		set |= L2_SET_SNOOPING;
	if (!is_up(bridge))
		set |= L2_SET_UP;
	return set;
}

/* What the kernel lets nobody change on a device that is there. */
static bool vxlan_is_another(const struct l2_want *want, const struct l2_link *vxlan)
{
	return vxlan->vni != want->vni || vxlan->local.family != want->local.family ||
	       vxlan->udp_port != L2_VXLAN_PORT || vxlan->from_low != L2_FROM_LOW ||
	       vxlan->from_high != L2_FROM_HIGH || vxlan->bound;
}

/* Hosts behind a port send whole frames: those that are too long for the overlay are to reach the
 * device, which tells their sender so. */
static uint32_t vxlan_mtu(
	const struct l2_want *want, const struct l2_links *links, uint32_t bridge, uint32_t vxlan)
{
	bool ports = want->port_count > 0;

	for (size_t i = 0; i < links->count && bridge; i++)
		ports |= links->items[i].master == bridge && links->items[i].link.ifindex != vxlan;
	return ports && want->mtu < L2_PORT_MTU ? L2_PORT_MTU : want->mtu;
}

static unsigned int diff_vxlan(
	const struct l2_want *want, const struct l2_link *vxlan, uint32_t bridge, uint32_t mtu)
{
	unsigned int set = 0;

	if (strcmp(vxlan->link.alias, want->mark) != 0)
		set |= L2_SET_MARK;
	if (!mac_equal(&vxlan->mac, &want->vxlan_mac))
		set |= L2_SET_MAC;
	if (vxlan->link.mtu != mtu)
		set |= L2_SET_MTU;
	if (!ip_equal(&vxlan->local, &want->local))
		set |= L2_SET_LOCAL;
	if (vxlan->learning != want->flood)
		set |= L2_SET_LEARNING;
	if (vxlan->link.addrgen_known && !vxlan->link.addrgen_none)
		set |= L2_SET_ADDRGEN;
	if (vxlan->master == bridge && vxlan->port &&
		(vxlan->port_learning != want->flood || vxlan->port_suppress == want->flood ||
			vxlan->port_cost != L2_TUNNEL_COST))
		set |= L2_SET_PORT;
	if (is_up(vxlan) && !want->up)
		set |= L2_SET_DOWN;
	/* Its port forwards from the moment it is up: not before it is as it should be. */
	if (!is_up(vxlan) && want->up && vxlan->master == bridge && !(set & L2_SET_PORT))
		set |= L2_SET_UP;
	return set;
}

static void put_vxlan(struct l2_link_ops *ops, const struct l2_want *want,
	const struct l2_links *links, const struct l2_link *bridge)
{
	const struct l2_link *vxlan = l2_links_named(links, want->vxlan);
	uint32_t mtu;
	unsigned int set;

	if (!vxlan) {
		put_link(ops, L2_LINK_VXLAN, want->vxlan, 0, 0, 0);
		return;
	}
	if (vxlan_is_another(want, vxlan)) {
		put_link(ops, L2_LINK_DELETE, want->vxlan, vxlan->link.ifindex, 0, 0);
		return;
	}
	mtu = vxlan_mtu(want, links, bridge->link.ifindex, vxlan->link.ifindex);
	set = diff_vxlan(want, vxlan, bridge->link.ifindex, mtu);
	if (set)
		put_link(ops, L2_LINK_SET, want->vxlan, vxlan->link.ifindex, set, mtu);
	if (vxlan->master != bridge->link.ifindex)
		put_link(ops, L2_LINK_ENSLAVE, want->vxlan, vxlan->link.ifindex, 0, 0);
}

static void put_port(struct l2_link_ops *ops, const struct l2_links *links,
	const struct l2_link *bridge, const char *name, enum l2_port_fault *ret)
{
	const struct l2_link *port = l2_links_named(links, name);

	*ret = L2_PORT_FINE;
	if (!port) {
		*ret = L2_PORT_ABSENT;
		return;
	}
	if (port->master && port->master != bridge->link.ifindex) {
		*ret = L2_PORT_ELSEWHERE;
		return;
	}
	if (!port->master)
		put_link(ops, L2_LINK_ENSLAVE, name, port->link.ifindex, 0, 0);
	if (!is_up(port))
		put_link(ops, L2_LINK_SET, name, port->link.ifindex, L2_SET_UP, 0);
}

void l2_link_diff(const struct l2_want *want, const struct l2_links *links, struct l2_link_ops *ret)
{
	const struct l2_link *bridge = l2_links_named(links, want->bridge);
	const struct l2_link *vxlan = l2_links_named(links, want->vxlan);
	unsigned int set;

	*ret = (struct l2_link_ops){.count = 0};
	ret->bridge_taken = l2_owner(bridge, want->mark, L2_BRIDGE, &want->mac) == L2_FOREIGN;
	ret->vxlan_taken = l2_owner(vxlan, want->mark, L2_VXLAN, &want->vxlan_mac) == L2_FOREIGN;
	if (ret->bridge_taken || ret->vxlan_taken)
		return;
	if (!bridge) {
		put_link(ret, L2_LINK_BRIDGE, want->bridge, 0, 0, 0);
		return;
	}
	set = diff_bridge(want, bridge);
	if (set)
		put_link(ret, L2_LINK_SET, want->bridge, bridge->link.ifindex, set, want->mtu);
	put_vxlan(ret, want, links, bridge);
	for (size_t i = 0; i < want->released_count; i++) {
		const struct l2_link *port = l2_links_named(links, want->released[i]);

		if (port && port->master == bridge->link.ifindex)
			put_link(ret, L2_LINK_RELEASE, want->released[i], port->link.ifindex, 0, 0);
	}
	for (size_t i = 0; i < want->port_count; i++)
		put_port(ret, links, bridge, want->ports[i], &ret->ports[i]);
}

/* ---- entries ---- */

static const struct mac zero_mac;

/* Which of two sorted lists goes on; NULL: its end. The key stands first in each item. */
static int order_of(const void *want, const void *have, size_t key_size)
{
	return !want ? 1 : !have ? -1 : memcmp(want, have, key_size);
}

static void put(struct l2_entry_ops *ops, enum l2_entry_op_kind kind, const struct mac *mac,
	const struct ip *ip, uint32_t via)
{
	if (ops->count == L2_OPS_MAX) {
		ops->more = true;
		return;
	}
	ops->ops[ops->count++] = (struct l2_entry_op){.kind = kind, .mac = *mac, .via = via};
	if (ip)
		ops->ops[ops->count - 1].ip = *ip;
}

/* An entry over an interface that is gone cannot be named any more; only all of its MAC can. */
static bool flood_is_stale(const struct l2_want *want, const struct l2_table *have, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (have->forwards[i].via && have->forwards[i].via != want->overlay)
			return true;
	return false;
}

static void diff_flood(const struct l2_want *want, const struct l2_table *have, size_t count,
	bool remove, struct l2_entry_ops *ops)
{
	bool stale = flood_is_stale(want, have, count);
	size_t w = 0, h = 0;

	if (stale && !remove)
		put(ops, L2_FLOOD_FLUSH, &zero_mac, NULL, 0);
	if (stale)
		count = 0;
	while (w < want->member_count || h < count) {
		const struct ip *member = w < want->member_count ? &want->members[w] : NULL;
		const struct l2_forward *copy = h < count ? &have->forwards[h] : NULL;
		int order = order_of(member, copy ? &copy->member : NULL, sizeof(*member));

		/* One that leads anywhere is somebody's mistake; ours stands beside it. */
		if (order == 0 && copy->via != want->overlay)
			order = 1;
		if (order > 0 && remove)
			put(ops, L2_FORWARD_REMOVE, &zero_mac, &copy->member, copy->via);
		if (order < 0 && !remove)
			put(ops, L2_FORWARD_ADD, &zero_mac, member, want->overlay);
		w += order <= 0;
		h += order >= 0;
	}
}

static void diff_forwards(const struct l2_want *want, const struct l2_table *have, size_t from,
	bool remove, struct l2_entry_ops *ops)
{
	size_t w = 0, h = from;

	while (w < want->station_count || h < have->forward_count) {
		const struct l2_station *station =
			w < want->station_count ? &want->stations[w] : NULL;
		const struct l2_forward *forward =
			h < have->forward_count ? &have->forwards[h] : NULL;
		int order = order_of(station, forward, sizeof(struct mac));

		if (order > 0 && forward->ours && remove)
			put(ops, L2_FORWARD_REMOVE, &forward->mac, &forward->member, forward->via);
		if (order < 0 && !remove)
			put(ops, L2_FORWARD_ADD, &station->mac, &station->member, want->overlay);
		if (order == 0 && !remove && !forward->fixed &&
			(!forward->ours || !ip_equal(&forward->member, &station->member) ||
				forward->via != want->overlay))
			put(ops, L2_FORWARD_ADD, &station->mac, &station->member, want->overlay);
		w += order <= 0;
		h += order >= 0;
	}
}

static bool place_is_to_go_there(
	const struct l2_station *station, const struct l2_place *place, const struct l2_table *have)
{
	if (place->ours || place->self || place->fixed)
		return false;
	/* heard here since it is known to be there, it is back */
	return place->port == have->vxlan || !mtime_before(station->known, place->heard);
}

static void diff_places(const struct l2_want *want, const struct l2_table *have, bool remove,
	struct l2_entry_ops *ops)
{
	size_t w = 0, h = 0;

	while (w < want->station_count || h < have->place_count) {
		const struct l2_station *station =
			w < want->station_count ? &want->stations[w] : NULL;
		const struct l2_place *place = h < have->place_count ? &have->places[h] : NULL;
		int order = order_of(station, place, sizeof(struct mac));

		if (order > 0 && place->ours && remove)
			put(ops, L2_PLACE_REMOVE, &place->mac, NULL, 0);
		if (order < 0 && !remove)
			put(ops, L2_PLACE_ADD, &station->mac, NULL, 0);
		if (order == 0 && !remove && place_is_to_go_there(station, place, have))
			put(ops, L2_PLACE_ADD, &station->mac, NULL, 0);
		w += order <= 0;
		h += order >= 0;
	}
}

/* Traffic on this side says so. */
static bool neighbour_is_local(const struct l2_table *have, const struct l2_neighbour_have *there)
{
	return there->valid && l2_table_local(have, &there->mac);
}

/* Others claim the address of one on this side: it has moved there, or they do not have it. Who has
 * it is asked, and believed until it gives no answer: claims from elsewhere drive out nobody. */
static bool neighbour_is_to_be_asked(
	const struct l2_table *have, const struct l2_neighbour_have *there)
{
	return mtime_diff_ms(have->seen, there->heard) >= ASK_AFTER_MS;
}

static void diff_neighbour(const struct l2_neighbour *wanted, const struct l2_table *have,
	const struct l2_neighbour_have *there, bool remove, struct l2_entry_ops *ops)
{
	bool same = mac_equal(&there->mac, &wanted->mac);
	bool contested = mac_equal(&wanted->mac, &zero_mac);

	if (there->fixed)
		return;
	if (!same && neighbour_is_local(have, there)) {
		if (!remove && neighbour_is_to_be_asked(have, there))
			put(ops, L2_NEIGHBOUR_ASK, &there->mac, &there->ip, 0);
	} else if (contested) {
		if (remove && there->ours)
			put(ops, L2_NEIGHBOUR_REMOVE, &there->mac, &there->ip, 0);
	} else if (!remove && !(same && there->ours && there->valid)) {
		put(ops, L2_NEIGHBOUR_ADD, &wanted->mac, &wanted->ip, 0);
	}
}

static void diff_neighbours(const struct l2_want *want, const struct l2_table *have, bool remove,
	struct l2_entry_ops *ops)
{
	size_t w = 0, h = 0;

	while (w < want->neighbour_count || h < have->neighbour_count) {
		const struct l2_neighbour *wanted =
			w < want->neighbour_count ? &want->neighbours[w] : NULL;
		const struct l2_neighbour_have *there =
			h < have->neighbour_count ? &have->neighbours[h] : NULL;
		int order = order_of(wanted, there, sizeof(struct ip));

		if (order > 0 && there->ours && remove && !neighbour_is_local(have, there))
			put(ops, L2_NEIGHBOUR_REMOVE, &there->mac, &there->ip, 0);
		if (order < 0 && !remove && !mac_equal(&wanted->mac, &zero_mac) &&
			(wanted->ip.family == 4 || have->ipv6))
			put(ops, L2_NEIGHBOUR_ADD, &wanted->mac, &wanted->ip, 0);
		if (order == 0)
			diff_neighbour(wanted, have, there, remove, ops);
		w += order <= 0;
		h += order >= 0;
	}
}

void l2_entry_diff(
	const struct l2_want *want, const struct l2_table *have, struct l2_entry_ops *ret)
{
	size_t copies = 0;

	ret->count = 0;
	ret->more = false;
	while (copies < have->forward_count && mac_equal(&have->forwards[copies].mac, &zero_mac))
		copies++;
	for (int remove = 0; remove <= 1; remove++) {
		diff_flood(want, have, copies, remove, ret);
		diff_forwards(want, have, copies, remove, ret);
		diff_places(want, have, remove, ret);
		diff_neighbours(want, have, remove, ret);
	}
}
