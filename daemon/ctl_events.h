/* `events`: all that are kept, and with `follow` those that come. */
#ifndef MESHD_DAEMON_CTL_EVENTS_H
#define MESHD_DAEMON_CTL_EVENTS_H

#include "daemon/ctl_client.h"

void ctl_events_run(struct ctl_client *client, const struct ipc_request *request);

#endif
