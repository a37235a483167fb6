/*
 * Another WireGuard key for this node, make-before-break: when, and how far it may go. What has
 * been done stands in the key file and in this node's own descriptor, so that a start goes on from
 * there, whenever the daemon ended:
 *
 *   key file            descriptor     WireGuard
 *   current A           A              A
 *   current A, next B   A              A          made
 *   current A, next B   A, next B      A          announced: every member installs B beside A,
 *                                                 and says so
 *   current B           A, next B      A          all that count have, or nobody is waited for
 *   current B           B              A          on disk, not told yet
 *   current B           B              B          EFFECT_KEY; then it is told
 *
 * Those that count are the members with which WireGuard has a session: one whose daemon is down
 * would lose its tunnel. Members that are alive without one get some time as well. One that is
 * alive and does not confirm is not waited for without end: else any member could keep every other
 * from ever having another key.
 */
#ifndef MESHD_DAEMON_ROTATE_H
#define MESHD_DAEMON_ROTATE_H

#include "daemon/daemon.h"

extern const struct daemon_part rotate_part;

/* Makes and announces the next key, or goes on with the one that is; with force it waits for nobody
 * whose daemon does not answer at once. The switch comes later: rotate_under_way(). ERR_STATE,
 * ERR_SYSTEM with a text in daemon_error(). */
int rotate_begin(struct daemon *daemon, bool force) MUST_CHECK;
bool rotate_under_way(const struct daemon *daemon);
/* Whom the switch waits for, by id; false at the end; start with *index = 0. */
bool rotate_next_waiting(const struct daemon *daemon, size_t *index, struct gossip_member *ret);

/* Of a member that has not confirmed. */
struct rotate_unconfirmed {
	bool forced;
	int64_t announced_ms; /* since the next key was made */
	int64_t waited_ms;    /* since it was announced in this start, or a person forced it */
	bool alive;
	int64_t alive_ms; /* with alive: since it was anything else */
	bool session;	  /* WireGuard has one with it */
};
bool rotate_must_wait(const struct rotate_unconfirmed *member);

/* EFFECT_KEY: now. */
void rotate_switched(struct daemon *daemon);

#endif
