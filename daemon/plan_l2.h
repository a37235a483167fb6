/*
 * What this node wants of its kernel for the segments that it is attached to: a pure function of
 * what gossip knows, what the operator asked for here (attach.h) and the overlay's interface.
 *
 * A host is reached at the one member that claims it, and answered for where one alone claims its
 * address. What several claim is flooded for, and answers by itself: so nobody is cut off by a
 * claim, and what a liar gets is what it would get on a LAN.
 *
 * Frames are copied to every attached member that is not long dead; a member that is keeps its
 * right to send (the guard's share), since it may be back before it is heard of. Of the two
 * families that the overlay has a segment uses IPv4, which costs 20 bytes less in each frame and is
 * there on every host, unless somebody attached has no IPv4 address: then all of them use IPv6, and
 * for PLAN_L2_HOLD_MS longer, twice as long each time that this comes again. Another family makes a
 * device anew, and a member whose address comes and goes, as by a claim that others have, is not to
 * interrupt everybody each time. The first hold is short: who attaches meanwhile, or has just
 * started, knows nothing of it, and reaches nobody who holds on to IPv6 for as long.
 */
#ifndef MESHD_DAEMON_PLAN_L2_H
#define MESHD_DAEMON_PLAN_L2_H

#include "daemon/attach.h"
#include "gossip/gossip.h"
#include "l2/guard.h"
#include "l2/hold.h"
#include "l2/l2.h"

#define PLAN_L2_HOLD_MS	    5000
#define PLAN_L2_HOLD_MAX_MS 320000
#define PLAN_L2_FORGET_MS   960000 /* since the last lack: the next one is the first again */

struct plan_l2_segment {
	char name[SEGMENT_NAME_MAX + 1];
	uint8_t family;	  /* of the overlay addresses that it uses: 4, 6 */
	mtime_t lacked4;  /* the last plan in which somebody had no IPv4 address; 0: none was */
	uint32_t hold_ms; /* IPv6 is held for so long from then on */
	struct l2_want want;
	struct hold_member *bridges; /* the other members' that are not long dead; sorted by MAC */
	size_t bridge_count, bridge_capacity;
	struct prefix addresses[ATTACH_ADDRESSES_MAX]; /* on the bridge */
	size_t address_count;
};

struct plan_l2 {
	struct plan_l2_segment *segments; /* sorted by name */
	size_t count;
	struct guard_want guard;
	mtime_t again_at; /* it is to be made anew then, though nothing has changed; 0: never */
};

struct plan_l2_input {
	const struct gossip_status *status;
	/* gossip_segment_next, gossip_member_next, gossip_mac_next and attach_find */
	bool (*next_segment)(const void *source, size_t *index, struct gossip_segment *ret);
	bool (*next_member)(const void *source, size_t *index, struct gossip_member *ret);
	bool (*next_mac)(const void *source, uint32_t vni, size_t *index, struct gossip_mac *ret);
	const struct attach *(*attach)(const void *source, const char *segment);
	const void *source;
	const char *interface; /* the overlay's */
	uint32_t overlay;      /* and its index */
	uint16_t mtu;	       /* and its MTU */
	bool stp;
	bool overlap4, overlap6; /* part of the overlay's prefix is elsewhere, too: no spoofing */
	wtime_t wall;		 /* now */
	const struct plan_l2 *before; /* the last one; NULL: this is the first */
};

/* No segments where this node is no running member. ERR_NOMEM, ERR_LIMIT. */
int plan_l2_make(const struct plan_l2_input *input, mtime_t now, struct plan_l2 *ret) MUST_CHECK;
void plan_l2_done(struct plan_l2 *plan); /* a zeroed one is empty */
/* NULL: there is none. */
struct plan_l2_segment *plan_l2_segment(const struct plan_l2 *plan, const char *name);

/* The alias of what belongs to the mesh of that overlay interface: two daemons on one host never
 * share one, and it outlives an identity. */
void plan_l2_mark(const char *interface, char ret_mark[NET_MARK_SIZE]);

#endif
