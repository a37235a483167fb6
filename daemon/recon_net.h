/*
 * The overlay's interface, its addresses and its routes: looked at, compared with the plan, put
 * right. What is not ours is neither read as ours nor touched.
 */
#ifndef MESHD_DAEMON_RECON_NET_H
#define MESHD_DAEMON_RECON_NET_H

#include "daemon/plan.h"
#include "daemon/recon_fault.h"
#include "wg/net_addr.h"
#include "wg/net_link.h"

/* The host, as far as the plan asks. */
struct recon_host {
	struct net_addrs addrs; /* but those of the overlay's interface, and of segments */
	uint32_t underlay_mtu;
	bool known;
	bool moved; /* its global addresses changed since this was last set to false */
};

/* Looks at the host again, what meshd made left out; what could not be read stays as it
 * was.
 */
void recon_net_host(struct nl *nl, const char *interface, mtime_t now, struct recon_faults *faults,
	struct recon_host *host);
void recon_host_done(struct recon_host *host);
bool recon_host_has(const struct recon_host *host, const struct ip *ip);

/* One look and what follows from it. ERR_UNKNOWN: the interface has gone. ERR_NOT_READY: something
 * is missing still, and faults say what and when to try again. */
int recon_net_turn(struct nl *nl, uint32_t ifindex, const struct plan *plan, mtime_t now,
	struct recon_faults *faults) MUST_CHECK;

/* Whether the interface bears a mark of ours: an address or a route with our number. */
int recon_net_marked(struct nl *nl, uint32_t ifindex, bool *ret) MUST_CHECK;

#endif
