/* `debug dump`: what this node holds, wants, sees and did, for a bug report. No key that is secret,
 * and no value of a key-value pair, is in it. */
#ifndef MESHD_DAEMON_CTL_DUMP_H
#define MESHD_DAEMON_CTL_DUMP_H

#include "daemon/ctl_client.h"

#define CTL_DUMP_RECORDS_MAX 10000 /* 3 MB; how many more there are is said */

void ctl_dump_run(struct ctl_client *client, const struct ipc_request *request);

#endif
