#include "daemon/ctl_verb.h"

#include "daemon/ctl_backup.h"
#include "daemon/ctl_belong.h"
#include "daemon/ctl_discover.h"
#include "daemon/ctl_doctor.h"
#include "daemon/ctl_events.h"
#include "daemon/ctl_grant.h"
#include "daemon/ctl_invite.h"
#include "daemon/ctl_kv.h"
#include "daemon/ctl_dump.h"
#include "daemon/ctl_ping.h"
#include "daemon/ctl_l2.h"
#include "daemon/ctl_l2_view.h"
#include "daemon/ctl_put.h"
#include "daemon/ctl_rotate.h"
#include "daemon/ctl_root.h"
#include "daemon/ctl_status.h"
#include "daemon/ctl_why.h"

void ctl_verb_refuse(struct ctl_client *client, int err)
{
	const char *text = gossip_error(client->daemon->gossip);

	ctl_client_refuse(client, err, 1, "%s", *text ? text : err_text(err));
}

void ctl_verb_refuse_daemon(struct ctl_client *client, int err)
{
	ctl_client_refuse(client, err, 1, "%s", daemon_error(client->daemon));
}

void ctl_verb_await_disk(struct ctl_client *client, uint64_t ticket, daemon_ticket_cb done)
{
	int err = daemon_after_ticket(client->daemon, ticket, done, client);

	daemon_wake(client->daemon);
	if (err != 0)
		ctl_client_refuse(client, err, 1, "%s", err_text(err));
}

int ctl_verb_disk_status(const struct ctl_client *client)
{
	return client->daemon->warnings[DAEMON_WARNING_STATE] ? ERR_SYSTEM : 0;
}

bool ctl_verb_refused_by_disk(struct ctl_client *client, int err)
{
	const char *why = client->daemon->warnings[DAEMON_WARNING_STATE];

	if (err != 0)
		ctl_client_refuse(client, err, 1, "not done: it cannot be written to disk: %s",
			why ? why : err_text(err));
	return err != 0;
}

void ctl_verb_subject_done(void *arg, int err)
{
	struct ctl_client *client = arg;
	const struct ctl_verb_subject *task = client->task;
	struct pack *out;

	if (ctl_verb_refused_by_disk(client, err))
		return;
	out = ctl_client_begin_ok(client);
	pack_put_map(out, *task->name ? 2 : 1);
	ctl_put_id(out, "id", &task->id);
	if (*task->name)
		ctl_put_text(out, "name", task->name);
	ctl_client_end_ok(client);
}

void ctl_verb_refuse_node(struct ctl_client *client, const char *text, int err)
{
	ctl_client_refuse(client, err, 1,
		err == ERR_INVALID ? "`%s` fits more than one node: give its id, or more of it "
				     "(`meshctl --json status` has them)"
				   : "no node `%s` is known here: `meshctl status` lists them",
		text);
}

int ctl_verb_resolve_node(
	struct ctl_client *client, const struct ipc_request *request, struct id *ret)
{
	const char *text = ipc_request_text(request, IPC_ARG_NODE);
	int err = gossip_resolve(client->daemon->gossip, text, ret);

	if (err != 0)
		ctl_verb_refuse_node(client, text, err);
	return err;
}

/* ---- looking ---- */

static void run_status(struct ctl_client *client, const struct ipc_request *request)
{
	struct pack *out = ctl_client_begin_ok(client);

	(void)request;
	ctl_status_put(out, client->daemon);
	ctl_client_end_ok(client);
}

static void run_show(struct ctl_client *client, const struct ipc_request *request)
{
	struct gossip_member member;
	struct pack *out;
	struct id node;

	if (ctl_verb_resolve_node(client, request, &node) != 0)
		return;
	if (!gossip_member(client->daemon->gossip, &node, &member)) {
		ctl_client_refuse(client, ERR_UNKNOWN, 1,
			"%s is no member any more, for more than a day",
			ipc_request_text(request, IPC_ARG_NODE));
		return;
	}
	gossip_member_wipe(&member);
	out = ctl_client_begin_ok(client);
	ctl_status_put_member(out, client->daemon, &node);
	ctl_client_end_ok(client);
}

static void run_doctor(struct ctl_client *client, const struct ipc_request *request)
{
	struct pack *out = ctl_client_begin_ok(client);

	(void)request;
	ctl_doctor_put(out, client->daemon);
	ctl_client_end_ok(client);
}

void ctl_verb_run(struct ctl_client *client, const struct ipc_request *request)
{
	static void (*const handlers[IPC_VERBS])(
		struct ctl_client *, const struct ipc_request *) = {
		[IPC_VERB_INIT] = ctl_belong_init,
		[IPC_VERB_INVITE] = ctl_invite_mint,
		[IPC_VERB_INVITES] = ctl_invite_list,
		[IPC_VERB_UNINVITE] = ctl_invite_withdraw,
		[IPC_VERB_JOIN] = ctl_belong_join,
		[IPC_VERB_LEAVE] = ctl_belong_leave,
		[IPC_VERB_STATUS] = run_status,
		[IPC_VERB_SHOW] = run_show,
		[IPC_VERB_REVOKE] = ctl_grant_revoke,
		[IPC_VERB_ROTATE] = ctl_rotate_run,
		[IPC_VERB_KEEP] = ctl_grant_keep,
		[IPC_VERB_GRANT] = ctl_grant_give,
		[IPC_VERB_UNGRANT] = ctl_grant_take,
		[IPC_VERB_EVENTS] = ctl_events_run,
		[IPC_VERB_DOCTOR] = run_doctor,
		[IPC_VERB_ROOT_EXPORT] = ctl_root_export,
		[IPC_VERB_ROOT_FORGET] = ctl_root_forget,
		[IPC_VERB_ROOT_IMPORT] = ctl_root_import,
		[IPC_VERB_BACKUP] = ctl_backup_run,
		[IPC_VERB_RESTORE] = ctl_backup_restore,
		[IPC_VERB_RESTORE_PART] = ctl_backup_part,
		[IPC_VERB_KV_PUT] = ctl_kv_put,
		[IPC_VERB_KV_GET] = ctl_kv_get,
		[IPC_VERB_KV_DEL] = ctl_kv_del,
		[IPC_VERB_KV_LIST] = ctl_kv_list,
		[IPC_VERB_KV_WATCH] = ctl_kv_watch,
		[IPC_VERB_DISCOVER] = ctl_discover_run,
		[IPC_VERB_L2_CREATE] = ctl_l2_create,
		[IPC_VERB_L2_DELETE] = ctl_l2_delete,
		[IPC_VERB_L2_ATTACH] = ctl_l2_attach,
		[IPC_VERB_L2_DETACH] = ctl_l2_detach,
		[IPC_VERB_L2_LIST] = ctl_l2_view_list,
		[IPC_VERB_PING] = ctl_ping_run,
		[IPC_VERB_WHY] = ctl_why_run,
		[IPC_VERB_DEBUG_DUMP] = ctl_dump_run,
	};

	handlers[request->verb](client, request);
}
