/*
 * The segments' share of the reconcilers: what gossip knows and what this node alone knows
 * (attach.h) becomes a plan, and the plan becomes bridges, VXLAN devices and their entries; and
 * what the bridges see on this side is told to gossip.
 *
 * A device is made and goes up once the guard covers its VNI. What bears a name of ours and is
 * somebody else's is left alone, named, and tried again. A daemon's end leaves all of it up; what a
 * daemon left that was killed is taken over by the next.
 */
#ifndef MESHD_DAEMON_RECON_L2_H
#define MESHD_DAEMON_RECON_L2_H

#include "daemon/daemon.h"

struct recon_l2;

extern const struct daemon_part recon_l2_part;

struct recon_l2_status {
	bool present;	     /* something of it is on this host, or is to be */
	bool up;	     /* all of it is as it should be: devices, addresses, ports, entries */
	const char *problem; /* the first thing that is not, for people; NULL: nothing known */
};

/* Of one that is not attached here: not present. The text is good until the next turn of the loop.
 */
void recon_l2_status(const struct recon_l2 *l2, const char *segment, struct recon_l2_status *ret);
struct recon_faults;
struct guard_counters;

/* What was done and what was refused, by index: first of the plan and the guard, with an empty
 * name, then of each segment that is, or was a moment ago, attached. NULL: there are fewer. */
const struct recon_faults *recon_l2_faults(
	const struct recon_l2 *l2, size_t index, const char **ret_segment);
/* What the guard has dropped (l2/guard_nft.h). */
void recon_l2_dropped(const struct recon_l2 *l2, struct guard_counters *ret);
/* Bytes of an Ethernet payload between members; 0: not known yet. */
uint16_t recon_l2_mtu(const struct recon_l2 *l2, const struct gossip_segment *segment);

#endif
