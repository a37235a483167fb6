/* `discover`: what mDNS sees on the LAN. */
#ifndef MESHD_DAEMON_CTL_DISCOVER_H
#define MESHD_DAEMON_CTL_DISCOVER_H

#include "daemon/ctl_client.h"

void ctl_discover_run(struct ctl_client *client, const struct ipc_request *request);

#endif
