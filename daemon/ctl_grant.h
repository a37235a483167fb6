/* What admins say of members: their offices, that an admission stands, and that it does not. */
#ifndef MESHD_DAEMON_CTL_GRANT_H
#define MESHD_DAEMON_CTL_GRANT_H

#include "daemon/ctl_client.h"

void ctl_grant_give(struct ctl_client *client, const struct ipc_request *request);
void ctl_grant_take(struct ctl_client *client, const struct ipc_request *request);
void ctl_grant_keep(struct ctl_client *client, const struct ipc_request *request);
void ctl_grant_revoke(struct ctl_client *client, const struct ipc_request *request);

#endif
