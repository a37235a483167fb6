/*
 * Ports held down: no two members bridge the same LAN.
 *
 * Among tunnels there are no loops. Where two members have ports on the same LAN there is one, and
 * in it a broadcast runs round for ever, some hundred thousand times a second. So each member says
 * now and then on its bridge that it is there, to everybody; and its bridge's MAC, which every
 * member can compute and which never moves, is heard on a port of another only through a LAN that
 * they share. Of those that share it the one with the lowest id keeps its port and serves the LAN
 * for all; the others hold theirs: the LAN stays on the segment, and nothing runs round. (EVPN's
 * designated forwarder, RFC 7432, elected over the LAN itself, as batman-adv does to avoid loops.
 * What flaps is no such proof: with no learning between tunnel ports a loop's MACs do not flap.)
 *
 * A held port is tried again after a while that doubles: first it only listens, for as long as the
 * others take to say that they are there, and goes on being held if one does. So a loop that lasts
 * costs no storm at each try. When whoever had it held leaves, or is long dead, it is tried at
 * once.
 *
 * What is heard is what the bridge has learned, and what is said is a datagram to all nodes (IPv6,
 * ff02::1, discard): neither needs more than CAP_NET_ADMIN. On a host without IPv6 its own frames,
 * such as questions for addresses, say as much where there are any. A host of the LAN that poses as
 * a member's bridge has the port held, and harms its own LAN alone.
 *
 * Pure; hold_apply and hold_say speak to the kernel. With a spanning tree (stp) there is none of
 * this: then the bridges see to it.
 */
#ifndef MESHD_L2_HOLD_H
#define MESHD_L2_HOLD_H

#include "gossip/base/mtime.h"
#include "l2/l2.h"

#define HOLD_SAY_MS    1000   /* between saying that we are there */
#define HOLD_ANSWER_MS 50     /* the least between answers to others that do */
#define HOLD_LISTEN_MS 2500   /* the others say it at least twice meanwhile */
#define HOLD_MS	       5000   /* the first time */
#define HOLD_MAX_MS    320000 /* and when it has doubled */
#define HOLD_FORGET_MS 600000 /* a port open for so long starts at the first again */

/* A member that is attached to the segment and not long dead. */
struct hold_member {
	struct mac mac; /* of its bridge */
	struct id id;
};

enum hold_state {
	HOLD_OPEN,
	HOLD_HELD,
	HOLD_LISTENING, /* it learns and forwards nothing */
};

struct hold_port {
	char name[NET_NAME_SIZE];
	uint32_t ifindex;
	enum hold_state state;
	mtime_t since, until; /* until: held, listening */
	int64_t hold_ms;      /* the last time; 0: never */
	struct id rival;      /* whom it is held for */
};

/* Of one segment; zeroed at first. */
struct hold {
	struct hold_port ports[L2_PORTS_MAX];
	size_t port_count;
	mtime_t say_at;
};

struct hold_op {
	uint32_t port;
	uint8_t state; /* BR_STATE_*, linux/if_bridge.h */
	bool flush;    /* what it has learned is forgotten */
};

struct hold_ops {
	struct hold_op ops[2 * L2_PORTS_MAX]; /* a new one may be held at once */
	size_t count;
};

/* What is to be done now. links and table are as just seen. self is this node; members, without it,
 * are sorted by MAC. */
void hold_turn(struct hold *hold, mtime_t now, const struct id *self,
	const struct hold_member *members, size_t member_count, const struct l2_want *want,
	const struct l2_links *links, const struct l2_table *table, struct hold_ops *ret);
/* Whoever is heard on a port that does not forward is not reached there: leaves them out. */
void hold_filter(const struct hold *hold, struct l2_table *table);
/* When the next look is due; MTIME_NEVER: at the next change. */
mtime_t hold_deadline(const struct hold *hold);
/* When it is to be said that we are there (hold_say); MTIME_NEVER: there is no port. */
mtime_t hold_say_deadline(const struct hold *hold);
void hold_said(struct hold *hold, mtime_t now);
/* The first port that is held; NULL: none. */
const struct hold_port *hold_first(const struct hold *hold);
void hold_sort(struct hold_member *members, size_t count);
/* In sorted ones; NULL: it is nobody's. */
const struct hold_member *hold_find(
	const struct hold_member *members, size_t count, const struct mac *mac);

/* The errors are nl.h's. */
int hold_apply(struct nl *nl, const struct hold_op *op) MUST_CHECK;
/* On the bridge; best effort: one that is lost is followed by others. */
void hold_say(uint32_t bridge);

#endif
