/* `backup`, and `restore` by its parts. */
#ifndef MESHD_DAEMON_CTL_BACKUP_H
#define MESHD_DAEMON_CTL_BACKUP_H

#include "daemon/ctl_client.h"

void ctl_backup_run(struct ctl_client *client, const struct ipc_request *request);
/* A restore is a conversation on one connection: this begins it, parts follow, the last of which
 * makes the node the one in the backup. */
void ctl_backup_restore(struct ctl_client *client, const struct ipc_request *request);
void ctl_backup_part(struct ctl_client *client, const struct ipc_request *request);

#endif
