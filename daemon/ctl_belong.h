/* To which mesh this node belongs: `init`, `join`, `leave`. */
#ifndef MESHD_DAEMON_CTL_BELONG_H
#define MESHD_DAEMON_CTL_BELONG_H

#include "daemon/ctl_client.h"

void ctl_belong_init(struct ctl_client *client, const struct ipc_request *request);
void ctl_belong_join(struct ctl_client *client, const struct ipc_request *request);
void ctl_belong_leave(struct ctl_client *client, const struct ipc_request *request);

/* The last part of a restore; takes the backup's content over. */
struct backup;
void ctl_belong_restore(struct ctl_client *client, struct backup *backup);

#endif
