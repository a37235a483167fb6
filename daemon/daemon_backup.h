/* A node's whole state, taken out of the running daemon and put into another one. */
#ifndef MESHD_DAEMON_DAEMON_BACKUP_H
#define MESHD_DAEMON_DAEMON_BACKUP_H

#include "daemon/backup.h"
#include "daemon/daemon.h"

/* All that this node is, to be released with backup_done. ERR_STATE: it belongs to no mesh. */
int daemon_backup(struct daemon *daemon, struct backup *ret) MUST_CHECK;
/* ERR_STATE: it belongs to no mesh. */
int daemon_may_backup(struct daemon *daemon) MUST_CHECK;
/* ERR_STATE: this node belongs to a mesh, or is about to. */
int daemon_may_restore(struct daemon *daemon) MUST_CHECK;
/* Makes this node the one in the backup, and empties that. done is called when all of it is on
 * disk, and the core is that node's. Until then nothing has changed, also where it fails. */
int daemon_restore(
	struct daemon *daemon, struct backup *backup, daemon_done_cb done, void *arg) MUST_CHECK;

#endif
