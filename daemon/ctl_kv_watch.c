#include "daemon/ctl_kv.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/ctl_verb.h"

/* A watcher has no queue: it is fed from the store in the order of application, as it reads. */
struct watch_task {
	char prefix[VALUE_KEY_MAX + 1];
	uint64_t cursor;  /* everything up to it was sent */
	uint64_t present; /* deletions up to it are no part of the present state */
	uint64_t floor;	  /* of the store when it was last known to have missed nothing */
};

/* It read so slowly that what was deleted meanwhile is forgotten. */
static bool has_missed(const struct gossip *gossip, struct watch_task *task)
{
	uint64_t floor = gossip_value_floor(gossip);

	if (floor != task->floor && task->cursor < floor)
		return true;
	task->floor = floor;
	return false;
}

static enum ctl_stream fill(struct ctl_client *client, struct pack *out)
{
	const struct gossip *gossip = client->daemon->gossip;
	struct watch_task *task = client->task;
	size_t prefix_size = strlen(task->prefix), frame;
	struct gossip_value value;

	if (has_missed(gossip, task)) {
		ipc_reply_error(out, ERR_EXPIRED,
			"this watch has fallen so far behind that what was deleted since is not "
			"known any more: start again without --since",
			1);
		return CTL_STREAM_END;
	}
	while (out->size < CTL_KV_BATCH && gossip_value_since(gossip, task->cursor, &value)) {
		task->cursor = value.cursor;
		if (value.key_size < prefix_size ||
			memcmp(value.key, task->prefix, prefix_size) != 0 ||
			(!value.value && value.cursor <= task->present))
			continue;
		frame = ipc_reply_begin_item(out);
		ctl_kv_entry(out, &value, true);
		ipc_frame_end(out, frame);
	}
	return out->size ? CTL_STREAM_MORE : CTL_STREAM_WAIT;
}

/* Where to go on from; false: answered, nothing can be promised from there. */
static bool take_since(struct ctl_client *client, const char *text, uint64_t *ret)
{
	struct gossip *gossip = client->daemon->gossip;
	uint64_t cursor;
	char *end;
	int err;

	errno = 0;
	cursor = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0) {
		ctl_client_refuse(client, ERR_MALFORMED, 2,
			"`%.40s` is no cursor: those are numbers that `meshctl kv watch` prints",
			text);
		return false;
	}
	err = gossip_value_check(gossip, cursor);
	if (err != 0) {
		ctl_verb_refuse(client, err);
		return false;
	}
	*ret = cursor;
	return true;
}

void ctl_kv_watch(struct ctl_client *client, const struct ipc_request *request)
{
	const char *since = ipc_request_text(request, IPC_ARG_SINCE);
	struct watch_task *task;

	if (!ctl_kv_available(client))
		return;
	task = ctl_client_task(client, sizeof(*task));
	if (!task || !ctl_kv_prefix(client, request, task->prefix))
		return;
	task->floor = gossip_value_floor(client->daemon->gossip);
	if (!since)
		task->present = gossip_value_cursor(client->daemon->gossip);
	else if (!take_since(client, since, &task->cursor))
		return;
	client->watches = true;
	ctl_client_stream(client, fill);
}

void ctl_kv_changed(struct ctl_clients *all)
{
	struct ctl_client *next;

	for (struct ctl_client *client = all->first; client; client = next) {
		next = client->next; /* it may be closed */
		if (client->watches)
			ctl_client_pump(client);
	}
}
