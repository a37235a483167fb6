/* `root export`, `root forget`, `root import`. */
#ifndef MESHD_DAEMON_CTL_ROOT_H
#define MESHD_DAEMON_CTL_ROOT_H

#include "daemon/ctl_client.h"
#include "daemon/ipc/sealed.h"

void ctl_root_export(struct ctl_client *client, const struct ipc_request *request);
void ctl_root_forget(struct ctl_client *client, const struct ipc_request *request);
void ctl_root_import(struct ctl_client *client, const struct ipc_request *request);

/* It is asked, before a passphrase is, what would be refused whatever the file: err says it. */
bool ctl_root_asks_first(const struct ipc_request *request);
void ctl_root_answer_first(struct ctl_client *client, int err);

/* The derived key and the head of a sealed file in a request, of that kind. false: refused. */
bool ctl_root_sealed_args(struct ctl_client *client, const struct ipc_request *request,
	enum sealed_kind kind, const uint8_t **ret_key, const uint8_t **ret_head);

#endif
