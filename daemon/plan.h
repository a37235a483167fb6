/*
 * What this node wants of its kernel: the whole desired state of the overlay, a pure function of
 * what gossip knows, the configuration and the paths' memory. The reconcilers make it so.
 *
 * Whoever is a member with a data plane is a peer, alive or not: only leaving, revocation and a
 * void admission take a peer away.
 */
#ifndef MESHD_DAEMON_PLAN_H
#define MESHD_DAEMON_PLAN_H

#include "daemon/paths.h"
#include "gossip/gossip.h"
#include "wg/net_route.h"
#include "wg/wg.h"

#define PLAN_OVERHEAD_MTU 80   /* WireGuard over IPv6: 40 + 8 + 32 bytes */
#define PLAN_MTU_MIN	  1280 /* below it there is no IPv6 (RFC 8200) */
#define PLAN_KEEPALIVE_S  25   /* routers forget a UDP flow after 30 s */
#define PLAN_ADDRESSES	  2    /* one of each family */

/* A key that a member announces; WireGuard is to have it beside the member's current one. */
struct plan_next {
	struct id node;
	uint8_t key[WG_KEY_SIZE];
	bool used; /* the member has switched: it has the addresses */
};

#define PLAN_MARK_SIZE 32

struct plan {
	bool up; /* false: there is to be no interface, and all else here is empty */
	struct wg_device device;
	char mark[PLAN_MARK_SIZE]; /* an interface that bears it is this node's, whatever its key */
	uint16_t mtu;
	struct prefix addresses[PLAN_ADDRESSES];
	size_t address_count;
	struct net_route_want routes[PLAN_ADDRESSES];
	size_t route_count;
	struct plan_next *nexts;
	size_t next_count;
	/* Members whose WireGuard key, and addresses that, another member with an older admission
	 * has: left out. */
	size_t clashes;
	/* Members that are to be peers as soon as the keys that gossip shares with them are
	 * computed: soon after a start. A peer that WireGuard has may be one of them. */
	size_t unready;
};

struct plan_input {
	const struct gossip_status *status;
	/* gossip_member_next's, of members sorted by id */
	bool (*next_member)(const void *source, size_t *index, struct gossip_member *ret);
	const void *source;
	const char *interface;
	const uint8_t *private_key, *public_key; /* WireGuard's, WG_KEY_SIZE each */
	uint16_t listen_port;
	uint16_t mtu;		      /* 0: by the underlay */
	uint32_t underlay_mtu;	      /* of the host's own links */
	const struct wg_device *have; /* as WireGuard is; NULL: not known yet */
	bool behind_nat;	      /* others see this node at an address that it does not have */
};

/* ERR_NOMEM, ERR_LIMIT: paths are as they were. */
int plan_make(const struct plan_input *input, struct paths *paths, mtime_t now,
	struct plan *ret) MUST_CHECK;
void plan_done(struct plan *plan); /* wipes keys; a zeroed plan is an empty one */

uint16_t plan_mtu(uint16_t configured, uint32_t underlay_mtu);

#endif
