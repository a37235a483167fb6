/*
 * The reconcilers' turn: what gossip knows becomes a plan, and the plan becomes what the kernel
 * has.
 *
 * Gossip's news, kernel events, a dead child and timers only ask for another look or another plan;
 * one function does whatever is due. What others change of ours is put right: at once where the
 * kernel tells of it, else by the periodic look.
 */
#ifndef MESHD_DAEMON_RECON_H
#define MESHD_DAEMON_RECON_H

#include "daemon/daemon.h"
#include "wg/wg.h"

struct recon;
struct plan;
struct recon_faults;
struct recon_host;

extern const struct daemon_part recon_part;

struct recon_status {
	const char *backend; /* "kernel", "userspace", "none" */
	const char *interface;
	bool up;      /* all of it is as planned: device, addresses, routes; always with "none" */
	bool tunnels; /* of that, the device alone; always with "none" */
	bool port_taken; /* by another program: WireGuard does not get it */
	uint16_t listen_port, mtu;
	bool overlap4, overlap6; /* this host has part of that prefix elsewhere, too */
	uint32_t ifindex;	 /* of a device that is this node's; 0: there is none */
	size_t peers;
	const char *problem; /* why it is not up, for people; NULL: nothing known to be wrong */
};

/* What it has done since the start. */
struct recon_counts {
	uint64_t turns, plans, looks; /* turns: whether anything was due or not */
	uint64_t turn_us, plan_us, look_us;
	uint64_t wireguard_ops;
	uint64_t network_ops; /* on the interface, its addresses and its routes */
};
const struct recon_counts *recon_counts(const struct recon *recon);
const struct recon_faults *recon_faults(const struct recon *recon); /* recon_fault.h */
/* What is wanted, what was seen, and the host around it. Private keys are in the first two. */
const struct plan *recon_plan(const struct recon *recon);
const struct wg_device *recon_observed(const struct recon *recon); /* NULL: not known */
const struct recon_host *recon_host(const struct recon *recon);	   /* recon_net.h */

void recon_status(const struct recon *recon, struct recon_status *ret);
/* A peer as it was at the last look, at most a few seconds ago; NULL: WireGuard does not have it.
 */
const struct wg_peer *recon_peer(
	const struct recon *recon, const uint8_t wireguard_public[WG_KEY_SIZE]);
/* WireGuard's key is another one (daemon_wireguard_keys): it has it when this returns, unless it
 * does not run. */
void recon_rekey(struct recon *recon);
/* Whether WireGuard has a session with the member. */
bool recon_reaches(const struct recon *recon, const struct id *node);

#endif
