/* `ping`: asks a member over gossip, now, and says what is known of the way to it. */
#ifndef MESHD_DAEMON_CTL_PING_H
#define MESHD_DAEMON_CTL_PING_H

#include "daemon/ctl_client.h"

#define CTL_PING_TIMEOUT_MS	1000  /* unless the request says otherwise */
#define CTL_PING_TIMEOUT_MAX_MS 10000 /* meshctl waits for no longer */

void ctl_ping_run(struct ctl_client *client, const struct ipc_request *request);
/* Gossip's answer: for whoever waits for it. */
void ctl_ping_answered(struct ctl_clients *all, uint64_t ticket, int64_t rtt_us);

#endif
