/*
 * Who keeps an interface: a daemon with another state directory is not seen by the lock in ours.
 * The sign is a Unix socket of the abstract kind, whose names belong to a network namespace as
 * those of interfaces do, and go with their process (unix(7)). Anybody on the host may take such a
 * name and connect to it; who listens is known by SO_PEERCRED.
 */
#ifndef MESHD_DAEMON_RECON_KEEPER_H
#define MESHD_DAEMON_RECON_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#define RECON_KEEPER_USER "meshd" /* the packaged service's */

/* Says that we do, until the descriptor is closed; below 0: somebody has the name, or it cannot be
 * said; the log has it. */
int recon_keeper_take(const char *interface);
/* Lets go whoever has asked, so that none of them stands in another's way. False: it could not. */
bool recon_keeper_answer(int fd);
/* Whether a daemon does, and who. What another user's process holds is passed over. */
bool recon_keeper_find(const char *interface, pid_t *ret_pid);

#endif
