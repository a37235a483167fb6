/* The key-value store over the control socket. Watchers are in ctl_kv_watch.c. */
#ifndef MESHD_DAEMON_CTL_KV_H
#define MESHD_DAEMON_CTL_KV_H

#include "daemon/ctl_client.h"

#define CTL_KV_BATCH (32 * 1024) /* bytes on their way to one reader: the store holds the rest */

void ctl_kv_put(struct ctl_client *client, const struct ipc_request *request);
void ctl_kv_get(struct ctl_client *client, const struct ipc_request *request);
void ctl_kv_del(struct ctl_client *client, const struct ipc_request *request);
void ctl_kv_list(struct ctl_client *client, const struct ipc_request *request);

void ctl_kv_watch(struct ctl_client *client, const struct ipc_request *request);
/* Keys show something new: every watcher is given it. */
void ctl_kv_changed(struct ctl_clients *all);

/* A map: key, value (nil: deleted), author, stamp, and with `cursor` the cursor behind it. */
void ctl_kv_entry(struct pack *out, const struct gossip_value *value, bool cursor);
/* The request's prefix, empty where it has none; false: answered, no key is that long. */
bool ctl_kv_prefix(
	struct ctl_client *client, const struct ipc_request *request, char ret[VALUE_KEY_MAX + 1]);
/* Whether there is a mesh whose keys could be looked at; answered where there is none. */
bool ctl_kv_available(struct ctl_client *client);

#endif
