/*
 * The control socket: where meshctl talks to this daemon (daemon/ipc/IPC.md). Whoever can open it
 * reads; only root and the daemon's own user change anything. No secret is ever read from it but
 * the token that an invite makes.
 */
#ifndef MESHD_DAEMON_CTL_H
#define MESHD_DAEMON_CTL_H

#include "daemon/daemon.h"

#define CTL_GROUP "meshd" /* owns the socket where there is such a group */

extern const struct daemon_part ctl_part;

#endif
