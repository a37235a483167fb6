#include "daemon/ctl_root.h"

#include "daemon/ctl_put.h"
#include "daemon/ctl_verb.h"
#include "daemon/root.h"

bool ctl_root_asks_first(const struct ipc_request *request)
{
	return !ipc_request_has(request, IPC_ARG_SECRET) && !ipc_request_has(request, IPC_ARG_HEAD);
}

void ctl_root_answer_first(struct ctl_client *client, int err)
{
	if (err) {
		ctl_verb_refuse_daemon(client, err);
		return;
	}
	pack_put_nil(ctl_client_begin_ok(client));
	ctl_client_end_ok(client);
}

bool ctl_root_sealed_args(struct ctl_client *client, const struct ipc_request *request,
	enum sealed_kind kind, const uint8_t **ret_key, const uint8_t **ret_head)
{
	const struct ipc_value *secret = &request->args[IPC_ARG_SECRET];
	const struct ipc_value *head = &request->args[IPC_ARG_HEAD];
	struct sealed_head values;

	if (secret->count != SEALED_KEY_SIZE ||
		sealed_head_decode(head->bytes, head->count, &values) != 0) {
		ctl_client_refuse(client, ERR_MALFORMED, 2,
			"secret is a key of %d bytes, and head that of a sealed file",
			(int)SEALED_KEY_SIZE);
		return false;
	}
	if (values.kind != kind) {
		ctl_client_refuse(client, ERR_INVALID, 1,
			kind == SEALED_ROOT ? "that is a backup of a node, not a root key: see "
					      "`meshctl restore --help`"
					    : "that is a mesh's root key, not a backup of a node: "
					      "see `meshctl root import --help`");
		return false;
	}
	*ret_key = secret->bytes;
	*ret_head = head->bytes;
	return true;
}

static void answer(struct ctl_client *client, const uint8_t *sealed, size_t size)
{
	struct gossip_status status;
	struct pack *out;

	gossip_status(client->daemon->gossip, &status);
	out = ctl_client_begin_ok(client);
	pack_put_map(out, sealed ? 2 : 1);
	ctl_put_id(out, "mesh", &status.mesh);
	if (sealed) {
		pack_put_str(out, "sealed");
		pack_put_bin(out, sealed, size);
	}
	ctl_client_end_ok(client);
}

void ctl_root_export(struct ctl_client *client, const struct ipc_request *request)
{
	uint8_t sealed[ROOT_SEALED_MAX];
	const uint8_t *key, *head;
	size_t size;
	int err;

	if (ctl_root_asks_first(request)) {
		ctl_root_answer_first(client, root_may_export(client->daemon));
		return;
	}
	if (!ctl_root_sealed_args(client, request, SEALED_ROOT, &key, &head))
		return;
	err = root_export(client->daemon, key, head, sealed, &size);
	if (err)
		ctl_verb_refuse_daemon(client, err);
	else
		answer(client, sealed, size);
}

void ctl_root_forget(struct ctl_client *client, const struct ipc_request *request)
{
	int err = root_forget(client->daemon);

	(void)request;
	if (err)
		ctl_verb_refuse_daemon(client, err);
	else
		answer(client, NULL, 0);
}

void ctl_root_import(struct ctl_client *client, const struct ipc_request *request)
{
	const struct ipc_value *sealed = &request->args[IPC_ARG_SEALED];
	const uint8_t *key, *head;
	int err;

	if (ctl_root_asks_first(request)) {
		ctl_root_answer_first(client, root_may_import(client->daemon));
		return;
	}
	if (!ctl_root_sealed_args(client, request, SEALED_ROOT, &key, &head))
		return;
	err = root_import(client->daemon, key, head, sealed->bytes, sealed->count);
	if (err)
		ctl_verb_refuse_daemon(client, err);
	else
		answer(client, NULL, 0);
}
