/*
 * One segment on this host as plain data: what is wanted, what is there, and the few operations
 * that lie between the two. Pure; link.h, fdb.h and neighbour.h observe and apply.
 *
 * A segment is a bridge that bears its name and one VXLAN device as a port of it (RFC 7348). Every
 * other port is this site's. From this site's ports and from the host frames go to a member's
 * overlay address, by the VXLAN device's forwarding entries: one for each MAC that is known to be
 * there, and for the zero MAC one for each attached member, to which everything else is copied
 * (head-end replication). The device never forwards from member to member, so a mesh of tunnels has
 * no loops.
 *
 * Nothing is bound to the overlay's interface but the entries, each of which leads over it: so the
 * device outlives that interface (wireguard-go's goes with its process), and is free to take the
 * frames of 1,500 bytes that this site's hosts send, and to tell them what fits.
 *
 *     want ──┐
 *            ├─> l2_link_diff ─> link operations, one after the other, then look again
 *     links ─┘
 *     want ──┐
 *            ├─> l2_entry_diff ─> entry operations, when the links are as they should be
 *     table ─┘
 */
#ifndef MESHD_L2_L2_H
#define MESHD_L2_L2_H

#include "gossip/base/mtime.h"
#include "gossip/base/types.h"
#include "wg/net_link.h"

#define L2_VXLAN_PORT	  4789 /* IANA's */
/* VXLAN leaves from these ports, which no program without privileges can open: so that none on a
 * member's host sends frames in its name. The kernel takes one below the high end. */
#define L2_FROM_LOW	  512
#define L2_FROM_HIGH	  1024
#define L2_VNI_MAX	  0xffffff
#define L2_TUNNEL_COST	  1    /* of a tunnel, for a spanning tree: less than any LAN */
#define L2_PORT_MTU	  1500 /* of the hosts behind a port: they fill whole frames */
#define L2_PORTS_MAX	  64 /* on one bridge, as far as we look: those of a host with containers */
#define L2_MEMBERS_MAX	  16384 /* that frames are copied to: the list is for one host's uplink */
#define L2_STATIONS_MAX	  65536 /* known MACs of a segment elsewhere: 64 members' full share */
#define L2_NEIGHBOURS_MAX (4 * L2_STATIONS_MAX)
#define L2_ENTRIES_MAX	  (2 * L2_STATIONS_MAX + L2_MEMBERS_MAX) /* read of a bridge */
#define L2_OPS_MAX	  512 /* of one diff, some 5 ms; what is left is found by the next */

/* ---- wanted ---- */

/* A MAC that is at another member. */
struct l2_station {
	struct mac mac;
	struct ip member; /* its overlay address */
	/* Since when it is known to be there: a bridge that heard it here before that is put right,
	 * one that heard it here since is left alone. */
	mtime_t known;
};

/* Who has an IP address: the bridge answers ARP and neighbour discovery for it. */
struct l2_neighbour {
	struct ip ip;
	struct mac mac; /* zero in a sealed one: several claim it, and nobody is answered for */
	bool silent;	/* it claims the address and is not answered for, as hosts of this side */
};

struct l2_want {
	uint32_t vni;
	char bridge[NET_NAME_SIZE], vxlan[NET_NAME_SIZE];
	char mark[NET_MARK_SIZE];  /* the alias of what we made */
	struct mac mac, vxlan_mac; /* of the bridge, and of its port: others' tables stay true over
				      a restart */
	struct ip local;  /* this node's overlay address, of the family that the segment uses */
	uint32_t overlay; /* the overlay's interface */
	uint32_t mtu;	  /* of frames between members, and of this host's own */
	bool up;	  /* the guard stands: frames may come */
	bool flood; /* the VXLAN device learns from traffic; stations and neighbours are empty */
	bool stp;
	char ports[L2_PORTS_MAX][NET_NAME_SIZE];
	size_t port_count;
	/* Ports that were wanted before: given back. Others that somebody else put there stay. */
	char released[L2_PORTS_MAX][NET_NAME_SIZE];
	size_t released_count;
	struct ip *members; /* that frames are copied to; sorted */
	size_t member_count, member_capacity;
	struct l2_station *stations; /* sorted by MAC, each once */
	size_t station_count, station_capacity;
	struct l2_neighbour *neighbours; /* sorted by address, each once */
	size_t neighbour_count, neighbour_capacity;
};

/* ERR_NOMEM, ERR_LIMIT. */
int l2_want_member(struct l2_want *want, const struct ip *member) MUST_CHECK;
int l2_want_station(struct l2_want *want, const struct l2_station *station) MUST_CHECK;
int l2_want_neighbour(struct l2_want *want, const struct l2_neighbour *neighbour) MUST_CHECK;
/* Sorts what was built, and leaves one for each MAC, the one known last, and one for each address
 * that somebody is answered for, or that several claim. */
void l2_want_seal(struct l2_want *want);
void l2_want_done(struct l2_want *want);

/* ---- links ---- */

enum l2_kind {
	L2_OTHER,
	L2_BRIDGE,
	L2_VXLAN,
};

/* A network interface, as far as segments ask. */
struct l2_link {
	struct net_link link;
	enum l2_kind kind;
	uint32_t master; /* the bridge that it is a port of; 0: none */
	struct mac mac;
	bool port; /* of a bridge: these are known */
	bool port_learning, port_suppress;
	uint32_t port_cost; /* of a way over it, for a spanning tree */
	uint8_t port_state; /* BR_STATE_*, linux/if_bridge.h */
	/* L2_BRIDGE */
	bool stp, snooping;
	/* L2_VXLAN */
	uint32_t vni;
	struct ip local;
	uint16_t udp_port;
	uint16_t from_low, from_high; /* of its source ports; 0: the host's usual ones */
	bool learning;
	bool bound; /* to an interface, a group or a fixed remote: we make none such */
};

struct l2_links {
	struct l2_link *items; /* sorted by index after link_list */
	size_t count, capacity;
};

const struct l2_link *l2_links_named(const struct l2_links *links, const char *name);
const struct l2_link *l2_links_index(const struct l2_links *links, uint32_t ifindex);

/* What stands under a name of ours. */
enum l2_owner {
	L2_ABSENT,
	L2_OURS,
	L2_FOREIGN, /* made by somebody else: refused, never touched */
};

/* Ours bears our mark; or the MAC that only we would give it, where we ended before we marked it.
 */
enum l2_owner l2_owner(
	const struct l2_link *link, const char *mark, enum l2_kind kind, const struct mac *mac);

enum l2_link_op_kind {
	L2_LINK_DELETE,	 /* link */
	L2_LINK_BRIDGE,	 /* make the bridge; marked, down */
	L2_LINK_VXLAN,	 /* make the VXLAN device; marked, down */
	L2_LINK_SET,	 /* link, set */
	L2_LINK_ENSLAVE, /* link becomes a port of the bridge */
	L2_LINK_RELEASE, /* link is a port no more */
};

enum l2_link_set {
	L2_SET_MARK = 1 << 0,
	L2_SET_MAC = 1 << 1,
	L2_SET_MTU = 1 << 2,
	L2_SET_STP = 1 << 3,
	L2_SET_SNOOPING = 1 << 4, /* off */
	L2_SET_LOCAL = 1 << 5,	  /* the VXLAN device's source address */
	L2_SET_LEARNING = 1 << 6, /* the VXLAN device's own, and the bridge's on its port */
	L2_SET_PORT = 1 << 7,	  /* learning, suppression and cost on the bridge's port */
	L2_SET_ADDRGEN = 1 << 8,  /* no address on a port that is the bridge's */
	L2_SET_UP = 1 << 9,
	L2_SET_DOWN = 1 << 10,
};

struct l2_link_op {
	enum l2_link_op_kind kind;
	uint32_t link; /* its index */
	char name[NET_NAME_SIZE];
	unsigned int set;
	uint32_t mtu;
};

#define L2_LINK_OPS_MAX (2 * L2_PORTS_MAX + 8)

/* What cannot be had, port by port; the rest of the segment works without it. */
enum l2_port_fault {
	L2_PORT_FINE,
	L2_PORT_ABSENT,
	L2_PORT_ELSEWHERE, /* it is a port of something else */
};

struct l2_link_ops {
	struct l2_link_op ops[L2_LINK_OPS_MAX];
	size_t count;
	bool bridge_taken, vxlan_taken;		/* by somebody else: then there are no operations */
	enum l2_port_fault ports[L2_PORTS_MAX]; /* of those wanted */
};

/* Once these are done, links are to be looked at again: what was just made has an index then. None:
 * the links are as wanted, or as near as somebody else lets them. */
void l2_link_diff(
	const struct l2_want *want, const struct l2_links *links, struct l2_link_ops *ret);

/* ---- entries ---- */

/* The VXLAN device's own. */
struct l2_forward {
	struct mac mac; /* zero: all that has no entry is copied there */
	struct ip member;
	uint32_t via; /* the interface that it leads over; 0: none is given */
	bool ours;
	bool fixed; /* an operator put it there: left alone; else the device learned it */
};

/* The bridge's. */
struct l2_place {
	struct mac mac;
	uint32_t port;
	mtime_t heard; /* not before it was heard last; a hundredth of a second too early, at most
			*/
	bool ours;     /* put there by us, at the VXLAN device */
	bool fixed;    /* an operator put it there: left alone; else the bridge learned it */
	bool self;     /* the bridge's own, or a port's */
};

struct l2_neighbour_have {
	struct ip ip;
	struct mac mac; /* zero where it is being asked for */
	bool ours;
	bool fixed; /* an operator put it there: left alone; else the host learned it */
	bool valid; /* it can be used */
	/* Not before traffic last said so, or else; a hundredth of a second too early, at most. */
	mtime_t heard;
};

struct l2_table {
	uint32_t bridge, vxlan;	     /* of which interfaces it is */
	mtime_t seen;		     /* when */
	bool ipv6;		     /* the bridge has it: else it has no neighbours there */
	struct l2_forward *forwards; /* sorted by MAC, member, interface */
	size_t forward_count, forward_capacity;
	struct l2_place *places; /* sorted by MAC */
	size_t place_count, place_capacity;
	struct l2_neighbour_have *neighbours; /* sorted by address */
	size_t neighbour_count, neighbour_capacity;
};

void l2_table_seal(struct l2_table *table);
void l2_table_done(struct l2_table *table);
/* In a sealed one; NULL: the bridge does not know it. */
const struct l2_place *l2_table_place(const struct l2_table *table, const struct mac *mac);
/* Where it was seen on this side. NULL: nowhere. */
const struct l2_place *l2_table_local(const struct l2_table *table, const struct mac *mac);

enum l2_entry_op_kind {
	L2_FLOOD_FLUSH, /* the list of copies leads over an interface that is gone: all of it */
	L2_FORWARD_ADD, /* mac, ip: in the place of another member; zero MAC: one copy more */
	L2_FORWARD_REMOVE,
	L2_PLACE_ADD, /* mac: behind the VXLAN device */
	L2_PLACE_REMOVE,
	L2_NEIGHBOUR_ADD, /* ip, mac */
	L2_NEIGHBOUR_ASK, /* ip, mac: whether it still has it */
	L2_NEIGHBOUR_REMOVE,
};

struct l2_entry_op {
	enum l2_entry_op_kind kind;
	struct mac mac;
	struct ip ip;
	uint32_t via;
};

struct l2_entry_ops {
	struct l2_entry_op ops[L2_OPS_MAX];
	size_t count;
	bool more; /* there was no room for all */
};

/* Copies first, then what known hosts need; what goes, goes last. */
void l2_entry_diff(
	const struct l2_want *want, const struct l2_table *have, struct l2_entry_ops *ret);

#endif
