#include "daemon/ctl_l2.h"

#include "daemon/attach_check.h"
#include "daemon/ctl_l2_view.h"
#include "daemon/ctl_put.h"
#include "daemon/ctl_verb.h"
#include "daemon/recon_l2.h"

/* A bridge is up within milliseconds, where nothing is wrong. What is wrong is told once it has
 * been tried again; what takes longer (a guard of thousands of members) gets more time. */
#define LOOK_MS		    10
#define PROBLEM_PATIENCE_MS 2000
#define PATIENCE_MS	    10000
#define UNKNOWN_PATIENCE_MS 1000

/* ---- create and delete ---- */

struct admin_task {
	char name[SEGMENT_NAME_MAX + 1];
	struct segment segment;
};

static void created(void *arg, int err)
{
	struct ctl_client *client = arg;
	const struct admin_task *task = client->task;
	struct gossip_segment segment;
	struct pack *out;

	if (ctl_verb_refused_by_disk(client, err))
		return;
	if (!gossip_segment(client->daemon->gossip, task->name, &segment)) {
		ctl_client_refuse(
			client, ERR_UNKNOWN, 1, "segment `%s` was deleted meanwhile", task->name);
		return;
	}
	out = ctl_client_begin_ok(client);
	pack_put_map(out, 4);
	ctl_put_text(out, "name", task->name);
	ctl_put_number(out, "vni", segment.vni);
	ctl_put_flag(out, "auto", segment.automatic);
	ctl_put_flag(out, "flood", segment.flood);
	ctl_client_end_ok(client);
}

void ctl_l2_create(struct ctl_client *client, const struct ipc_request *request)
{
	const char *name = ipc_request_text(request, IPC_ARG_SEGMENT);
	uint64_t vni = ipc_request_number(request, IPC_ARG_VNI, 0), ticket;
	struct daemon *daemon = client->daemon;
	struct admin_task *task = ctl_client_task(client, sizeof(*task));
	int err;

	if (!task || ctl_verb_refused_by_disk(client, ctl_verb_disk_status(client)))
		return;
	if (strcmp(name, daemon->config.interface) == 0) {
		ctl_client_refuse(client, ERR_INVALID, 1,
			"`%s` is the name of this node's overlay interface: choose another for the "
			"segment",
			name);
		return;
	}
	task->segment = (struct segment){
		.vni = vni > SEGMENT_VNI_MAX ? SEGMENT_VNI_MAX + 1 : (uint32_t)vni,
		.automatic = ipc_request_number(request, IPC_ARG_AUTO, false),
		.flood = ipc_request_number(request, IPC_ARG_FLOOD, false),
	};
	err = gossip_segment_create(
		daemon->gossip, daemon_time(daemon), name, &task->segment, &ticket);
	if (err) {
		ctl_verb_refuse(client, err);
		return;
	}
	strcpy(task->name, name);
	ctl_verb_await_disk(client, ticket, created);
}

static void deleted(void *arg, int err)
{
	struct ctl_client *client = arg;
	const struct admin_task *task = client->task;
	struct pack *out;

	if (ctl_verb_refused_by_disk(client, err))
		return;
	out = ctl_client_begin_ok(client);
	pack_put_map(out, 1);
	ctl_put_text(out, "name", task->name);
	ctl_client_end_ok(client);
}

void ctl_l2_delete(struct ctl_client *client, const struct ipc_request *request)
{
	const char *name = ipc_request_text(request, IPC_ARG_SEGMENT);
	struct daemon *daemon = client->daemon;
	struct admin_task *task = ctl_client_task(client, sizeof(*task));
	uint64_t ticket;
	int err;

	if (!task || ctl_verb_refused_by_disk(client, ctl_verb_disk_status(client)))
		return;
	err = gossip_segment_delete(daemon->gossip, daemon_time(daemon), name, &ticket);
	if (err) {
		ctl_verb_refuse(client, err);
		return;
	}
	snprintf(task->name, sizeof(task->name), "%s", name);
	ctl_verb_await_disk(client, ticket, deleted);
}

/* ---- attach ---- */

struct attach_task {
	struct attach attach, before;
	bool was_attached; /* as before says */
	uint64_t started_ms;
};

/* It did not come up: as it was. What cannot be undone now for want of memory is undone by
 * whoever asks for it later. */
static void undo(struct daemon *daemon, const struct attach_task *task)
{
	uint64_t ticket;

	if (task->was_attached) {
		(void)!attach_put(daemon, &task->before, &ticket);
	} else {
		(void)!attach_remove(daemon, task->attach.segment, &ticket);
		(void)!gossip_segment_detach(
			daemon->gossip, daemon_time(daemon), task->attach.segment);
	}
	daemon_wake(daemon);
}

static void answer_attached(struct ctl_client *client, const struct gossip_segment *segment)
{
	struct pack *out = ctl_client_begin_ok(client);

	ctl_l2_view_put_segment(out, client->daemon, segment);
	ctl_client_end_ok(client);
}

static void look_attached(uv_timer_t *timer)
{
	struct ctl_client *client = timer->data;
	struct daemon *daemon = client->daemon;
	const struct attach_task *task = client->task;
	const char *name = task->attach.segment;
	uint64_t waited_ms = uv_now(&daemon->loop) - task->started_ms;
	struct gossip_segment segment;
	struct recon_l2_status status;

	recon_l2_status(daemon->l2, name, &status);
	if (!gossip_segment(daemon->gossip, name, &segment)) {
		ctl_client_refuse(
			client, ERR_UNKNOWN, 1, "segment `%s` was deleted meanwhile", name);
	} else if (segment.attached && status.up) {
		answer_attached(client, &segment);
	} else if (waited_ms > PATIENCE_MS || (status.problem && waited_ms > PROBLEM_PATIENCE_MS)) {
		undo(daemon, task);
		ctl_client_refuse(client, ERR_NOT_READY, 1, "segment `%s` is not up here: %s", name,
			status.problem ? status.problem : "it takes longer than it should");
	} else {
		uv_timer_start(timer, look_attached, LOOK_MS, 0);
	}
}

static void attach_stored(void *arg, int err)
{
	struct ctl_client *client = arg;

	if (!ctl_verb_refused_by_disk(client, err))
		look_attached(&client->timer);
}

/* What was asked for makes sense, and the segment is there. */
static void begin_attach(struct ctl_client *client, const struct gossip_segment *segment)
{
	struct daemon *daemon = client->daemon;
	struct attach_task *task = client->task;
	const struct attach *before = attach_find(daemon, segment->name);
	uint64_t ticket;
	int err = attach_check_host(daemon, &task->attach, segment->vni);

	if (err) {
		ctl_verb_refuse_daemon(client, err);
		return;
	}
	task->was_attached = before != NULL;
	if (before)
		task->before = *before;
	err = gossip_segment_attach(daemon->gossip, daemon_time(daemon), segment->name);
	if (err) {
		ctl_verb_refuse(client, err);
		return;
	}
	err = attach_put(daemon, &task->attach, &ticket);
	if (err) {
		undo(daemon, task);
		ctl_client_refuse(client, err, 1, "%s", err_text(err));
		return;
	}
	ctl_verb_await_disk(client, ticket, attach_stored);
}

/* One that was created on another member a moment ago is on its way. */
static void look_for_segment(uv_timer_t *timer)
{
	struct ctl_client *client = timer->data;
	struct daemon *daemon = client->daemon;
	const struct attach_task *task = client->task;
	uint64_t waited_ms = uv_now(&daemon->loop) - task->started_ms;
	struct gossip_segment segment;

	if (gossip_segment(daemon->gossip, task->attach.segment, &segment))
		begin_attach(client, &segment);
	else if (waited_ms < UNKNOWN_PATIENCE_MS)
		uv_timer_start(timer, look_for_segment, LOOK_MS, 0);
	else
		ctl_client_refuse(client, ERR_UNKNOWN, 1,
			"no segment `%s` is known here: `meshctl l2 list` lists them, `meshctl l2 "
			"create` makes one",
			task->attach.segment);
}

/* Whether there can be a segment here at all. */
static bool can_attach(struct ctl_client *client, const char *name)
{
	struct daemon *daemon = client->daemon;
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	if (!status.has_mesh)
		ctl_client_refuse(client, ERR_STATE, 1,
			"this node belongs to no mesh, which is what a segment is of: `meshctl "
			"init` or `meshctl join` first");
	else if (daemon->config.backend == CONFIG_BACKEND_NONE)
		ctl_client_refuse(client, ERR_STATE, 1,
			"this node has no overlay for a segment to ride on: its configuration says "
			"`backend = none`");
	else if (!segment_name_is_valid(name, strlen(name)))
		ctl_client_refuse(client, ERR_INVALID, 2, "`%s` is no name of a segment", name);
	else
		return true;
	return false;
}

void ctl_l2_attach(struct ctl_client *client, const struct ipc_request *request)
{
	const struct ipc_value *addresses = &request->args[IPC_ARG_ADDRESSES];
	const struct ipc_value *ports = &request->args[IPC_ARG_PORTS];
	const char *name = ipc_request_text(request, IPC_ARG_SEGMENT);
	struct daemon *daemon = client->daemon;
	struct attach_task *task = ctl_client_task(client, sizeof(*task));
	int err;

	if (!task || ctl_verb_refused_by_disk(client, ctl_verb_disk_status(client)) ||
		!can_attach(client, name))
		return;
	task->started_ms = uv_now(&daemon->loop);
	strcpy(task->attach.segment, name);
	err = attach_check_addresses(daemon, addresses->texts, addresses->count, &task->attach);
	if (!err)
		err = attach_check_ports(daemon, ports->texts, ports->count, &task->attach);
	if (err)
		ctl_verb_refuse_daemon(client, err);
	else
		look_for_segment(&client->timer);
}

/* ---- detach ---- */

struct detach_task {
	char name[SEGMENT_NAME_MAX + 1];
	bool was_attached;
	uint64_t started_ms;
};

static void answer_detached(struct ctl_client *client)
{
	const struct detach_task *task = client->task;
	struct pack *out = ctl_client_begin_ok(client);

	pack_put_map(out, 2);
	ctl_put_text(out, "name", task->name);
	ctl_put_flag(out, "was_attached", task->was_attached);
	ctl_client_end_ok(client);
}

static void look_detached(uv_timer_t *timer)
{
	struct ctl_client *client = timer->data;
	const struct detach_task *task = client->task;
	uint64_t waited_ms = uv_now(&client->daemon->loop) - task->started_ms;
	struct recon_l2_status status;

	recon_l2_status(client->daemon->l2, task->name, &status);
	if (!status.present)
		answer_detached(client);
	else if (waited_ms > PATIENCE_MS)
		ctl_client_refuse(client, ERR_NOT_READY, 1,
			"this node is off segment `%s`, but its bridge is still there: %s",
			task->name, status.problem ? status.problem : "see meshd's log");
	else
		uv_timer_start(timer, look_detached, LOOK_MS, 0);
}

static void detach_stored(void *arg, int err)
{
	struct ctl_client *client = arg;

	if (!ctl_verb_refused_by_disk(client, err))
		look_detached(&client->timer);
}

void ctl_l2_detach(struct ctl_client *client, const struct ipc_request *request)
{
	const char *name = ipc_request_text(request, IPC_ARG_SEGMENT);
	struct daemon *daemon = client->daemon;
	struct detach_task *task = ctl_client_task(client, sizeof(*task));
	struct gossip_segment segment;
	uint64_t ticket;
	bool known;
	int err;

	if (!task || ctl_verb_refused_by_disk(client, ctl_verb_disk_status(client)))
		return;
	known = gossip_segment(daemon->gossip, name, &segment);
	if (!known && !attach_find(daemon, name)) {
		ctl_client_refuse(client, ERR_UNKNOWN, 1,
			"no segment `%s` is known here: `meshctl l2 list` lists them", name);
		return;
	}
	strcpy(task->name, name);
	err = gossip_segment_detach(daemon->gossip, daemon_time(daemon), name);
	if (err && err != ERR_UNKNOWN) {
		ctl_verb_refuse(client, err);
		return;
	}
	task->was_attached = !err;
	err = attach_remove(daemon, name, &ticket);
	if (err) {
		ctl_client_refuse(client, err, 1, "%s", err_text(err));
		return;
	}
	task->started_ms = uv_now(&daemon->loop);
	ctl_verb_await_disk(client, ticket, detach_stored);
}
