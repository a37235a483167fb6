/* Tokens: `invite`, `invites`, `uninvite`. */
#ifndef MESHD_DAEMON_CTL_INVITE_H
#define MESHD_DAEMON_CTL_INVITE_H

#include "daemon/ctl_client.h"

void ctl_invite_mint(struct ctl_client *client, const struct ipc_request *request);
void ctl_invite_list(struct ctl_client *client, const struct ipc_request *request);
void ctl_invite_withdraw(struct ctl_client *client, const struct ipc_request *request);

#endif
