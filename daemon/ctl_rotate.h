/* Another WireGuard key: `rotate`. */
#ifndef MESHD_DAEMON_CTL_ROTATE_H
#define MESHD_DAEMON_CTL_ROTATE_H

#include "daemon/ctl_client.h"

void ctl_rotate_run(struct ctl_client *client, const struct ipc_request *request);

#endif
