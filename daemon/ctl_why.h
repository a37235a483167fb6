/*
 * `why`: one causal trace of why this node and another, or two others, can or cannot talk, as far
 * as this node knows, step by step: each is ok, failed or unknown, and says what to do. What takes
 * a packet over the overlay to find out meshctl adds.
 */
#ifndef MESHD_DAEMON_CTL_WHY_H
#define MESHD_DAEMON_CTL_WHY_H

#include "daemon/ctl_client.h"

void ctl_why_run(struct ctl_client *client, const struct ipc_request *request);

#endif
