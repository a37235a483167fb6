/* Network interfaces: observed, compared, changed (RTM_*LINK, linux/if_link.h). */
#ifndef MESHD_WG_NET_LINK_H
#define MESHD_WG_NET_LINK_H

#include "gossip/base/types.h"
#include "wg/nl.h"

#define NET_NAME_SIZE 16       /* IFNAMSIZ */
#define NET_MARK_SIZE 64       /* of an alias so much is kept */
#define NET_LINK_MARK "meshd " /* how the alias of an interface that meshd made begins */
#define NET_LINKS_MAX 4096     /* a host with more is not read to its end */

struct net_link {
	uint32_t ifindex;
	char name[NET_NAME_SIZE];
	char kind[NET_NAME_SIZE];  /* "wireguard", "tun", ...; empty for hardware and lo */
	char alias[NET_MARK_SIZE]; /* empty: has none, or a longer one */
	uint32_t mtu;
	uint32_t flags;	    /* IFF_* */
	bool ipv6;	    /* exists on it and is not disabled */
	bool addrgen_none;  /* the kernel makes no link-local address of its own */
	bool addrgen_known; /* it can be asked: IPv6 exists in this kernel */
};

struct net_link_want {
	uint32_t mtu; /* 0: whichever it has */
	bool up;
};

enum net_link_change {
	NET_LINK_MTU = 1 << 0,
	NET_LINK_ADDRGEN = 1 << 1,
	NET_LINK_UP = 1 << 2,
};

struct net_links {
	struct net_link *items;
	size_t count, capacity;
};

/* ERR_UNKNOWN: there is none of that name. */
int net_link_get(struct nl *nl, const char *name, struct net_link *ret) MUST_CHECK;
int net_link_list(struct nl *nl, struct net_links *ret) MUST_CHECK;
void net_links_done(struct net_links *links);

/* Made by a meshd, this one or another: what it bears is no way to this host from outside. */
bool net_link_is_ours(const struct net_link *link);
/* The same of the one with that index; false where there is none. */
bool net_links_are_ours(const struct net_links *links, uint32_t ifindex);

/* ERR_UNSUPPORTED: the kernel has no such kind. ERR_STATE: the name is taken. */
int net_link_create(struct nl *nl, const char *name, const char *kind) MUST_CHECK;
int net_link_delete(struct nl *nl, uint32_t ifindex) MUST_CHECK;
int net_link_set_alias(struct nl *nl, uint32_t ifindex, const char *alias) MUST_CHECK;

/* What turns one into the other, as enum net_link_change; 0 for nothing. Automatic link-local
 * addresses are always to be off: whatever the interface has, we have given it. */
unsigned int net_link_diff(const struct net_link_want *want, const struct net_link *have);
int net_link_apply(struct nl *nl, uint32_t ifindex, const struct net_link_want *want,
	unsigned int changes) MUST_CHECK;

/* The head of a request about a link; 0: about none that is there already, or about all. */
struct nlmsghdr *net_link_begin(union nl_msg *msg, uint16_t type, uint32_t ifindex);
/* One message of a dump. ERR_MALFORMED. */
int net_link_read(const struct nlmsghdr *msg, struct net_link *ret) MUST_CHECK;

#endif
