/*
 * The memory that a pure plan needs of how each peer is reached: which endpoint WireGuard has,
 * since when, what it heard and sent there, and what gossip believed meanwhile. Pure: time,
 * observations and beliefs are parameters.
 *
 * Whether a path works follows KubeSpan (Talos Linux): up after a handshake that is later than the
 * endpoint and younger than PATHS_SESSION_MS; down when WireGuard has been trying for PATHS_TRY_MS
 * without one. Unlike there, trying begins with the first byte sent: an idle peer is not down, for
 * nothing shows it, and nothing is lost at it.
 *
 * An endpoint that WireGuard learned is kept. Another takes its place only where what we know is
 * newer: WireGuard is down (then the next candidate in turn), or gossip reaches the peer elsewhere
 * and
 *   - WireGuard has no session: at once;
 *   - gossip has just left the very address that WireGuard uses, and WireGuard then hears nothing
 * for PATHS_MOVED_MS;
 *   - WireGuard sends and has heard nothing for PATHS_SILENT_MS.
 * Each belief of gossip gets one try: WireGuard may overrule it by real traffic, and that stands.
 */
#ifndef MESHD_DAEMON_PATHS_H
#define MESHD_DAEMON_PATHS_H

#include "gossip/base/mtime.h"
#include "gossip/base/types.h"
#include "wg/wg.h"

#define PATHS_SESSION_MS \
	275000		      /* WireGuard rejects a session after 180 s and tries for 90 s more */
#define PATHS_TRY_MS	15000 /* three handshake initiations, 5 s apart */
#define PATHS_MOVED_MS	1000
#define PATHS_SILENT_MS 1500
#define PATHS_ADDED_MS	250   /* most round trips, and setting up the peer over there */
#define PATHS_WAKE_MS	30000 /* six handshake initiations */
#define PATHS_WAKE_MAX	128   /* peers at once: a node that boots is no flood */

struct paths;

int paths_new(struct paths **ret) MUST_CHECK;
void paths_free(struct paths *paths);

/* What WireGuard says, after every look at it. heard is called for each member that was heard from
 * since the look before, with NULL for nobody who wants to know. */
typedef void (*paths_heard_cb)(void *context, const struct id *node);
void paths_observe(struct paths *paths, mtime_t now, wtime_t wall, const struct wg_device *have,
	paths_heard_cb heard, void *context);
/* The device was made anew and has no sessions, but peers may go on sending in theirs for 15 s
 * before they notice: it is for us to speak first. */
void paths_wake(struct paths *paths, mtime_t now);
/* This host has moved: the next two plans have WireGuard send in each session, so that peers learn
 * where it is from the best of witnesses. */
void paths_announce(struct paths *paths, mtime_t now);
/* Some peer needs another endpoint: make a plan. */
bool paths_due(const struct paths *paths, mtime_t now);
/* A peer seems to be moving: look at WireGuard at this time at the latest; MTIME_NEVER: no hurry.
 */
mtime_t paths_look_deadline(const struct paths *paths);

/* What gossip believes of one peer, as the plan is made. */
struct paths_belief {
	struct id node;
	uint8_t wireguard_public[WG_KEY_SIZE];
	bool reached;			   /* candidates[0] is where gossip reaches it now */
	const struct endpoint *candidates; /* likeliest first */
	size_t candidate_count;
	/* WireGuard is to have it now. The peer may have asked for a session before that, in vain,
	 * and asks again only after 5 s: so we ask it after PATHS_ADDED_MS without one. Not at
	 * once: of two initiations that cross neither succeeds. */
	bool added;
	const struct endpoint *claims; /* where the member says it is */
	size_t claim_count;
};

struct paths_choice {
	struct endpoint endpoint; /* family 0: none known */
	bool set;		  /* in place of what WireGuard has */
	bool wake;		  /* something is to be sent at once, by turning keepalives on */
	bool quiet;		  /* keepalives are to be off, so that they can be turned on */
};

/* Around every plan: begin, each peer once by rising id, end. Whoever was not chosen for is
 * forgotten; without paths_end, nothing changes. ERR_NOMEM. */
void paths_begin(struct paths *paths);
int paths_choose(struct paths *paths, mtime_t now, const struct paths_belief *belief,
	struct paths_choice *ret) MUST_CHECK;
void paths_end(struct paths *paths);
/* WireGuard has taken the endpoints of the last plan. */
void paths_applied(struct paths *paths, mtime_t now);

/* Whether WireGuard has a session with the peer. */
bool paths_up(const struct paths *paths, mtime_t now, const struct id *node);

#endif
