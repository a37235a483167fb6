/*
 * The insides of the reconcilers' turn, shared by recon.c (the turn, the host, the part),
 * recon_plan.c (from what gossip knows to a plan) and recon_tunnel.c (WireGuard's share of a turn).
 */
#ifndef MESHD_DAEMON_RECON_INTERNAL_H
#define MESHD_DAEMON_RECON_INTERNAL_H

#include "daemon/paths.h"
#include "daemon/recon.h"
#include "daemon/recon_net.h"
#include "daemon/recon_wg.h"

/* Looking takes no more than this share of a core, as a divisor. */
#define RECON_LOOK_SHARE 100

/* A descriptor of the backend's that is polled. Closing takes a turn of the loop, so each has its
 * own memory. */
struct recon_watch {
	uv_poll_t poll;
	struct recon *recon;
};

struct recon {
	struct daemon *daemon;
	uv_timer_t timer;
	uv_poll_t monitor_poll;
	uv_poll_t keeper_poll;
	struct recon_watch *watch; /* NULL: nothing to poll */
	size_t handles;		   /* open ones */
	bool stopped;

	struct config config; /* as at the start: what changes here takes a restart */
	int keeper_fd;	      /* recon_keeper.h; below 0: none */
	struct nl *nl;
	struct nl_monitor *monitor;
	struct paths *paths;
	struct plan plan;
	struct recon_faults faults;
	struct recon_counts counts;
	struct recon_wg wg;
	struct recon_host host;

	bool plan_due, apply_due, net_done, step_due;
	bool wake_due; /* the device is new; everybody's keys are to be known first */
	bool fresh;    /* the device is another one than before and was not looked at yet */
	bool was_up;   /* as told to others */
	bool addresses_changed;	 /* the host's, and others are to be told */
	bool overlap4, overlap6; /* the mesh's prefix of that family is also elsewhere */
	bool routes_new;	 /* the plan has others than before */
	mtime_t hold_until;	 /* while the plan lacks keys */
	mtime_t plan_at;	 /* not before */
	mtime_t look_at, net_at, host_at;
	mtime_t replaced_at;	/* not before: the look at what an IPv4 route of others replaced */
	mtime_t host_routes_at; /* not before, for other people's routes alone */
	uint16_t told_mtu;
	bool nat; /* as planned for */
};

/* recon.c: does whatever is due. */
void recon_turn(struct recon *recon);

/* recon_plan.c. recon->plan is the new one unless it could not be made; then a fault says so. */
void recon_plan_make(struct recon *recon, struct gossip_time time);
/* What this node says of where it is goes beyond the addresses it has. */
bool recon_plan_behind_nat(const struct recon *recon);

/* recon_tunnel.c */
void recon_tunnel_turn(struct recon *recon, struct gossip_time time);
void recon_tunnel_unwatch(struct recon *recon);
/* There is an observation of the device, and it is ours. */
bool recon_tunnel_owned(const struct recon *recon);
mtime_t recon_tunnel_next_look(const struct recon *recon);

#endif
