#include "daemon/ctl_belong.h"

#include "daemon/ctl_put.h"
#include "daemon/ctl_status.h"
#include "daemon/ctl_verb.h"
#include "daemon/daemon_backup.h"
#include "daemon/recon.h"

/* How long an answer waits for the interface: looked at so often, and no longer than this where it
 * is known what is wrong, or where nobody asked for it to be up. */
#define OVERLAY_LOOK_MS	    10
#define OVERLAY_PATIENCE_MS 3000

struct belonging_task {
	uint64_t started_ms, limit_ms;
	bool must_be_up;
};

static void answer_belonging(struct ctl_client *client)
{
	struct pack *out = ctl_client_begin_ok(client);

	ctl_status_put_belonging(out, client->daemon);
	ctl_client_end_ok(client);
}

static void look_at_overlay(uv_timer_t *timer)
{
	struct ctl_client *client = timer->data;
	const struct belonging_task *task = client->task;
	uint64_t waited_ms = uv_now(&client->daemon->loop) - task->started_ms;
	struct recon_status status;

	recon_status(client->daemon->recon, &status);
	if (status.up || (!task->must_be_up && waited_ms > OVERLAY_PATIENCE_MS)) {
		answer_belonging(client);
	} else if (waited_ms > task->limit_ms ||
		   (status.problem && waited_ms > OVERLAY_PATIENCE_MS)) {
		ctl_client_refuse(client, ERR_NOT_READY, 1,
			"this node is a member now, but its interface %s is not up: %s",
			status.interface,
			status.problem ? status.problem : "it takes longer than it should");
	} else {
		uv_timer_start(timer, look_at_overlay, OVERLAY_LOOK_MS, 0);
	}
}

static void on_belonging(void *arg, int err, const char *text)
{
	struct ctl_client *client = arg;

	if (err != 0)
		ctl_client_refuse(client, err, 1, "%s", text);
	else
		look_at_overlay(&client->timer);
}

static bool begin_belonging(struct ctl_client *client, uint64_t limit_ms, bool must_be_up)
{
	struct belonging_task *task = ctl_client_task(client, sizeof(*task));

	if (!task)
		return false;
	*task = (struct belonging_task){uv_now(&client->daemon->loop), limit_ms, must_be_up};
	return true;
}

static int prefix_of(const struct ipc_request *request, enum ipc_arg arg, struct prefix *ret)
{
	const char *text = ipc_request_text(request, arg);

	return text ? text_parse_prefix(text, false, ret) : 0;
}

void ctl_belong_init(struct ctl_client *client, const struct ipc_request *request)
{
	struct daemon_init init = {
		.node_name = ipc_request_text(request, IPC_ARG_NAME),
		.mesh_name = ipc_request_text(request, IPC_ARG_MESH),
	};
	int err;

	if (prefix_of(request, IPC_ARG_PREFIX4, &init.prefix4) != 0 ||
		prefix_of(request, IPC_ARG_PREFIX6, &init.prefix6) != 0) {
		ctl_client_refuse(client, ERR_MALFORMED, 2,
			"a prefix is an address, a slash and a length, with no bits set beyond it");
		return;
	}
	if (!begin_belonging(client, OVERLAY_PATIENCE_MS, false))
		return;
	err = daemon_init_mesh(client->daemon, &init, on_belonging, client);
	if (err != 0)
		ctl_verb_refuse_daemon(client, err);
}

void ctl_belong_join(struct ctl_client *client, const struct ipc_request *request)
{
	uint64_t timeout_ms =
		ipc_request_number(request, IPC_ARG_TIMEOUT_MS, GOSSIP_JOIN_TIMEOUT_MS);
	int err;

	if (timeout_ms == 0 || timeout_ms > INT32_MAX) {
		ctl_client_refuse(client, ERR_INVALID, 2, "a timeout is at most 24 days");
		return;
	}
	if (!begin_belonging(client, timeout_ms, true))
		return;
	err = daemon_join_mesh(client->daemon, ipc_request_text(request, IPC_ARG_TOKEN),
		ipc_request_text(request, IPC_ARG_NAME), (int64_t)timeout_ms, on_belonging, client);
	if (err != 0)
		ctl_verb_refuse_daemon(client, err);
}

void ctl_belong_restore(struct ctl_client *client, struct backup *backup)
{
	int err;

	if (!begin_belonging(client, OVERLAY_PATIENCE_MS, false))
		return;
	err = daemon_restore(client->daemon, backup, on_belonging, client);
	if (err != 0)
		ctl_verb_refuse_daemon(client, err);
}

static void on_left(void *arg, int err, const char *text)
{
	struct ctl_client *client = arg;
	struct gossip_status status;
	struct pack *out;

	if (err != 0) {
		ctl_client_refuse(client, err, 1, "%s", text);
		return;
	}
	gossip_status(client->daemon->gossip, &status);
	out = ctl_client_begin_ok(client);
	pack_put_map(out, 1);
	ctl_put_text(out, "state", gossip_state_label(status.state));
	ctl_client_end_ok(client);
}

void ctl_belong_leave(struct ctl_client *client, const struct ipc_request *request)
{
	int err = daemon_leave(
		client->daemon, ipc_request_number(request, IPC_ARG_FORCE, false), on_left, client);

	if (err != 0)
		ctl_verb_refuse_daemon(client, err);
}
