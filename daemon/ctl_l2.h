/* Verbs about L2 segments: what the mesh has, and what this node is attached to. */
#ifndef MESHD_DAEMON_CTL_L2_H
#define MESHD_DAEMON_CTL_L2_H

#include "daemon/ctl_client.h"

void ctl_l2_create(struct ctl_client *client, const struct ipc_request *request);
void ctl_l2_delete(struct ctl_client *client, const struct ipc_request *request);
/* Answered once the segment is up here, or has gone; one that does not come up is as it was before.
 */
void ctl_l2_attach(struct ctl_client *client, const struct ipc_request *request);
void ctl_l2_detach(struct ctl_client *client, const struct ipc_request *request);

#endif
