/*
 * Who keeps an interface: a daemon with another state directory is not seen by the lock in ours.
 * The sign is a Unix socket of the abstract kind, whose names belong to a network namespace as
 * those of interfaces do, and go with their process (unix(7)).
 */
#ifndef MESHD_DAEMON_RECON_KEEPER_H
#define MESHD_DAEMON_RECON_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

/* Says that we do, until the descriptor is closed; below 0: it cannot be said, or somebody does. */
int recon_keeper_take(const char *interface);
/* Whether somebody does, and who. */
bool recon_keeper_find(const char *interface, pid_t *ret_pid);

#endif
