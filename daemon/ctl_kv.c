#include "daemon/ctl_kv.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/ctl_put.h"
#include "daemon/ctl_verb.h"
#include "daemon/keyfile.h"
#include "daemon/state.h"

/* 64-bit numbers are texts: whoever makes JSON of them must not round them. */
static void put_number(struct pack *out, const char *key, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	ctl_put_text(out, key, text);
}

void ctl_kv_entry(struct pack *out, const struct gossip_value *value, bool cursor)
{
	pack_put_map(out, cursor ? 5 : 4);
	pack_put_str(out, "key");
	ipc_put_words(out, (const char *)value->key, value->key_size);
	pack_put_str(out, "value");
	if (value->value)
		pack_put_bin(out, value->value, value->value_size);
	else
		pack_put_nil(out);
	ctl_put_id(out, "author", &value->author);
	put_number(out, "stamp", value->stamp);
	if (cursor)
		put_number(out, "cursor", value->cursor);
}

bool ctl_kv_available(struct ctl_client *client)
{
	struct gossip_status status;

	gossip_status(client->daemon->gossip, &status);
	if (!status.has_mesh)
		ctl_client_refuse(client, ERR_STATE, 1,
			"this node belongs to no mesh, and has no keys: `meshctl init` or "
			"`meshctl join` first");
	return status.has_mesh;
}

bool ctl_kv_prefix(
	struct ctl_client *client, const struct ipc_request *request, char ret[VALUE_KEY_MAX + 1])
{
	const char *prefix = ipc_request_text(request, IPC_ARG_PREFIX);

	if (prefix && strlen(prefix) > VALUE_KEY_MAX) {
		ctl_client_refuse(
			client, ERR_TOO_BIG, 2, "a key has at most %d bytes", VALUE_KEY_MAX);
		return false;
	}
	strcpy(ret, prefix ? prefix : "");
	return true;
}

/* ---- put and del ---- */

struct write_task {
	char key[VALUE_KEY_MAX + 1];
	uint64_t stamp;
};

static void write_done(void *arg, int err)
{
	struct ctl_client *client = arg;
	const struct write_task *task = client->task;
	struct pack *out;

	if (ctl_verb_refused_by_disk(client, err))
		return;
	out = ctl_client_begin_ok(client);
	pack_put_map(out, 3);
	ctl_put_text(out, "key", task->key);
	ctl_put_id(out, "author", &client->daemon->keys->identity.id);
	put_number(out, "stamp", task->stamp);
	ctl_client_end_ok(client);
}

/* Answers what the core says to a write; value NULL: deleted. */
static void write_key(
	struct ctl_client *client, const struct ipc_request *request, const struct ipc_value *value)
{
	struct daemon *daemon = client->daemon;
	const char *key = ipc_request_text(request, IPC_ARG_KEY);
	struct write_task *task = ctl_client_task(client, sizeof(*task));
	uint64_t ticket;
	int err;

	/* What is known to fail is not begun: nobody is told no of what is done later. */
	if (!task || ctl_verb_refused_by_disk(client, ctl_verb_disk_status(client)))
		return;
	gossip_sign_elsewhere(daemon->gossip, state_may_sign(daemon->state));
	if (value)
		err = gossip_put(daemon->gossip, daemon_time(daemon), key, strlen(key),
			value->bytes, value->count, &task->stamp, &ticket);
	else
		err = gossip_delete(daemon->gossip, daemon_time(daemon), key, strlen(key),
			&task->stamp, &ticket);
	if (err != 0) {
		ctl_verb_refuse(client, err);
		return;
	}
	snprintf(task->key, sizeof(task->key), "%s", key);
	err = daemon_after_ticket(daemon, ticket, write_done, client);
	if (err != 0)
		ctl_client_refuse(client, err, 1, "%s", err_text(err));
}

void ctl_kv_put(struct ctl_client *client, const struct ipc_request *request)
{
	write_key(client, request, &request->args[IPC_ARG_VALUE]);
}

void ctl_kv_del(struct ctl_client *client, const struct ipc_request *request)
{
	write_key(client, request, NULL);
}

/* ---- get and list ---- */

void ctl_kv_get(struct ctl_client *client, const struct ipc_request *request)
{
	const char *key = ipc_request_text(request, IPC_ARG_KEY);
	struct gossip_value value;
	struct pack *out;

	if (!ctl_kv_available(client))
		return;
	if (!gossip_value(client->daemon->gossip, key, strlen(key), &value)) {
		ctl_client_refuse(client, ERR_UNKNOWN, 1,
			"no key `%s` is known here: `meshctl kv list` lists them", key);
		return;
	}
	out = ctl_client_begin_ok(client);
	ctl_kv_entry(out, &value, false);
	ctl_client_end_ok(client);
}

struct list_task {
	char prefix[VALUE_KEY_MAX + 1];
	uint8_t after[VALUE_KEY_MAX]; /* the last key that was sent */
	size_t after_size;	      /* 0: none yet */
};

/* Fed as it is read: what changes meanwhile may be seen as before or as after. */
static enum ctl_stream fill_list(struct ctl_client *client, struct pack *out)
{
	const struct gossip *gossip = client->daemon->gossip;
	struct list_task *task = client->task;
	struct gossip_value value;
	size_t frame;

	while (gossip_value_next(gossip, task->prefix, strlen(task->prefix),
		task->after_size ? task->after : NULL, task->after_size, &value)) {
		memcpy(task->after, value.key, value.key_size);
		task->after_size = value.key_size;
		frame = ipc_reply_begin_item(out);
		ctl_kv_entry(out, &value, false);
		ipc_frame_end(out, frame);
		if (out->size >= CTL_KV_BATCH)
			return CTL_STREAM_MORE;
	}
	ipc_reply_end(out);
	return CTL_STREAM_END;
}

void ctl_kv_list(struct ctl_client *client, const struct ipc_request *request)
{
	struct list_task *task;

	if (!ctl_kv_available(client))
		return;
	task = ctl_client_task(client, sizeof(*task));
	if (task && ctl_kv_prefix(client, request, task->prefix))
		ctl_client_stream(client, fill_list);
}
