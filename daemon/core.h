/* The gossip core's life in the daemon: made from what is kept, and made anew after leaving. */
#ifndef MESHD_DAEMON_CORE_H
#define MESHD_DAEMON_CORE_H

#include "daemon/daemon.h"
#include "daemon/state.h"

/* Opens the database, numbers this start, and starts the core with what is kept. Logs what is
 * wrong; ERR_SYSTEM: that is not to be lived with. */
int core_open(struct daemon *daemon) MUST_CHECK;
/* Another identity that belongs to no mesh takes the place of this one, on disk too. ERR_SYSTEM as
 * above. */
int core_renew(struct daemon *daemon) MUST_CHECK;

#endif
