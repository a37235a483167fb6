/* The gossip core's life in the daemon: made from what is kept, and made anew after leaving. */
#ifndef MESHD_DAEMON_CORE_H
#define MESHD_DAEMON_CORE_H

#include "daemon/backup.h"
#include "daemon/daemon.h"
#include "daemon/state.h"

/* Opens the database, numbers this start, and starts the core with what is kept. Logs what is
 * wrong; ERR_SYSTEM: that is not to be lived with. */
int core_open(struct daemon *daemon) MUST_CHECK;
/* Another identity that belongs to no mesh takes the place of this one, on disk too. ERR_SYSTEM as
 * above. */
int core_renew(struct daemon *daemon) MUST_CHECK;
/* What was restored takes the place of a core that belongs to no mesh: it is on disk already, and
 * its keys are daemon->keys. ERR_SYSTEM as above. */
int core_restore(struct daemon *daemon, const struct backup *backup) MUST_CHECK;
/* Greater than any before, also where the last one could not be written: it was the time then. life
 * is the key file's, last of the database. */
uint64_t core_next_generation(struct daemon *daemon, unsigned life, uint64_t last);

#endif
