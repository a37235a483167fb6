/*
 * The insides of the segments' reconciler, shared by recon_l2.c (the turn, the part),
 * recon_l2_plan.c (what is wanted, and guarded), recon_segment.c (one segment's devices and
 * entries), recon_loop.c (its ports, where two members have one LAN), recon_mtu.c (what it carries)
 * and recon_hosts.c (what its bridge sees).
 */
#ifndef MESHD_DAEMON_RECON_L2_INTERNAL_H
#define MESHD_DAEMON_RECON_L2_INTERNAL_H

#include "daemon/plan_l2.h"
#include "daemon/recon_guard.h"
#include "daemon/recon_l2.h"
#include "l2/hold.h"
#include "l2/l2_sync.h"
#include "wg/net_addr.h"

#define RECON_NAME_SIZE 80 /* of a member, with what tells two of one name apart */

/* What is remembered of one segment between turns, from its first wanting to its last. */
struct recon_segment {
	char name[NET_NAME_SIZE];
	bool wanted;   /* it is in the plan */
	bool links_up; /* devices, addresses and ports are as they should be */
	bool entries_done;
	struct recon_faults faults;
	struct hold hold;
	mtime_t entries_at;   /* not later */
	mtime_t entries_next; /* and not before: looking has its share of the time, no more */
	uint64_t version;     /* of gossip's table that was planned with */
	/* Ports that were wanted since the start, and are ours to give back. */
	char ports[L2_PORTS_MAX][NET_NAME_SIZE];
	size_t port_count;
};

struct recon_l2 {
	struct daemon *daemon;
	uv_timer_t timer;
	uv_poll_t monitor_poll;
	size_t handles; /* open ones */
	bool stopped;

	struct config config; /* as at the start: what changes here takes a restart */
	char mark[NET_MARK_SIZE];
	struct nl *nl;
	struct nl_monitor *monitor;
	struct recon_guard *guard;
	struct recon_faults faults; /* the plan's and the guard's */
	struct plan_l2 plan;
	bool planned;	       /* once */
	mtime_t left_up_until; /* before: what a daemon left that was killed */
	struct recon_segment **segments;
	size_t segment_count, segment_capacity;
	struct l2_links links; /* as last seen */

	bool plan_due;
	mtime_t plan_at;    /* not before */
	mtime_t links_at;   /* not later */
	mtime_t links_next; /* not before */
};

/* Looking takes no more than this share of the loop's time, as a divisor; and one look that the
 * kernel was slow to answer holds up the next for so long at most. */
#define RECON_L2_LOOK_SHARE   50
#define RECON_L2_PAUSE_MAX_MS 300

/* The time before which there is no other look: one has begun at start_ns, uv_hrtime()'s. */
static inline mtime_t recon_l2_pause(mtime_t now, uint64_t start_ns)
{
	int64_t pause_us = (int64_t)((uv_hrtime() - start_ns) / 1000) * RECON_L2_LOOK_SHARE;

	return mtime_add_us(now,
		pause_us < RECON_L2_PAUSE_MAX_MS * 1000 ? pause_us : RECON_L2_PAUSE_MAX_MS * 1000);
}

/* recon_l2_plan.c: makes the next plan, unless the overlay is away: then all stays as it is, since
 * nothing can be sent to members, and hosts on this side go on. */
void recon_l2_plan_make(struct recon_l2 *l2, struct gossip_time time);
/* A VNI is guarded for as long as a device of ours has it: to be called when they were looked at.
 */
void recon_l2_plan_guard(struct recon_l2 *l2);

/* recon_segment.c: what is remembered of one. NULL: nothing; no memory. */
struct recon_segment *recon_segment_find(const struct recon_l2 *l2, const char *name);
struct recon_segment *recon_segment_add(struct recon_l2 *l2, const char *name);
/* With its bridge what was remembered goes. */
void recon_segment_drop_unwanted(struct recon_l2 *l2);
/* One look, and what follows from it. */
void recon_segment_links(struct recon_l2 *l2, struct recon_segment *segment,
	struct plan_l2_segment *plan, mtime_t now);
void recon_segment_entries(struct recon_l2 *l2, struct recon_segment *segment,
	const struct plan_l2_segment *plan, struct gossip_time time);

/* recon_loop.c: holds ports of LANs that another member serves; what is heard there is taken out of
 * the table. */
void recon_loop_turn(struct recon_l2 *l2, struct recon_segment *segment,
	const struct plan_l2_segment *plan, struct l2_table *table, mtime_t now);
void recon_loop_say(struct recon_l2 *l2, struct recon_segment *segment,
	const struct plan_l2_segment *plan, mtime_t now);

/* recon_mtu.c: warns of a segment that is too narrow for IPv6. */
void recon_mtu_tell(struct recon_l2 *l2, struct recon_segment *segment,
	const struct plan_l2_segment *plan, mtime_t now);

/* recon_hosts.c: tells gossip who is on this side. A flooding segment's bridge is left alone. */
void recon_hosts_tell(struct recon_l2 *l2, const struct plan_l2_segment *plan,
	const struct l2_table *table, struct gossip_time time);

#endif
