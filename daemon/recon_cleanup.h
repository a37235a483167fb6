/*
 * Takes down the overlay that an earlier daemon left up: the interface with its routes and
 * addresses, and the process that serves it. Ours is a WireGuard interface of the configured name
 * that bears an address or a route with our number; anything else is left alone, and named.
 */
#ifndef MESHD_DAEMON_RECON_CLEANUP_H
#define MESHD_DAEMON_RECON_CLEANUP_H

#include "daemon/config.h"

/* ERR_SYSTEM, logged. */
int recon_cleanup(const struct config *config) MUST_CHECK;

#endif
