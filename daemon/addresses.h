/*
 * Where this node says that others can reach it: what is advertised by configuration, then the
 * host's own addresses with the port that it listens on. The host's are looked at when told to and
 * every ADDRESSES_LOOK_MS; advertised names are resolved as often.
 */
#ifndef MESHD_DAEMON_ADDRESSES_H
#define MESHD_DAEMON_ADDRESSES_H

#include "daemon/daemon.h"

#define ADDRESSES_LOOK_MS 60000
#define ADDRESSES_MAX	  64 /* of the host; the core takes the first few */

int addresses_new(struct daemon *daemon, struct addresses **ret) MUST_CHECK;
void addresses_stop(struct addresses *addresses);
void addresses_free(struct addresses *addresses);
/* Looks again, resolves again, and tells the core: also when the core or the configuration is
 * another one. */
void addresses_look(struct addresses *addresses);

#endif
