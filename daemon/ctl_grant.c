#include "daemon/ctl_grant.h"

#include "daemon/ctl_verb.h"

/* Whom it is about; NULL: told already why nobody. */
static struct ctl_verb_subject *subject_of(
	struct ctl_client *client, const struct ipc_request *request)
{
	struct ctl_verb_subject *task = ctl_client_task(client, sizeof(*task));
	struct gossip_member member;

	if (!task || ctl_verb_resolve_node(client, request, &task->id) != 0)
		return NULL;
	if (gossip_member(client->daemon->gossip, &task->id, &member)) {
		strcpy(task->name, member.standing->name);
		gossip_member_wipe(&member);
	}
	return task;
}

static int office_of(
	struct ctl_client *client, const struct ipc_request *request, enum gossip_office *ret)
{
	static const enum gossip_office offices[] = {GOSSIP_ADMIN, GOSSIP_WRITER};
	const char *text = ipc_request_text(request, IPC_ARG_OFFICE);

	for (size_t i = 0; i < ARRAY_SIZE(offices); i++) {
		if (strcmp(text, gossip_office_label(offices[i])) == 0) {
			*ret = offices[i];
			return 0;
		}
	}
	ctl_client_refuse(client, ERR_INVALID, 2, "`%s` is no office: admin or writer", text);
	return ERR_INVALID;
}

/* The ticket is read here, when err has been found out: as arguments of one call the two have no
 * order. */
static void answer(struct ctl_client *client, int err, const uint64_t *ticket)
{
	if (err != 0)
		ctl_verb_refuse(client, err);
	else
		ctl_verb_await_disk(client, *ticket, ctl_verb_subject_done);
}

void ctl_grant_give(struct ctl_client *client, const struct ipc_request *request)
{
	struct daemon *daemon = client->daemon;
	struct ctl_verb_subject *task;
	enum gossip_office office;
	uint64_t ticket = 0;

	if (office_of(client, request, &office) != 0)
		return;
	task = subject_of(client, request);
	if (task)
		answer(client,
			gossip_grant(
				daemon->gossip, daemon_time(daemon), &task->id, office, &ticket),
			&ticket);
}

void ctl_grant_take(struct ctl_client *client, const struct ipc_request *request)
{
	const struct ipc_value *except = &request->args[IPC_ARG_EXCEPT];
	struct daemon *daemon = client->daemon;
	struct ctl_verb_subject *task;
	enum gossip_office office;
	uint64_t ticket = 0;

	if (office_of(client, request, &office) != 0)
		return;
	task = subject_of(client, request);
	if (task)
		answer(client,
			gossip_ungrant(daemon->gossip, daemon_time(daemon), &task->id, office,
				except->texts, except->count, &ticket),
			&ticket);
}

void ctl_grant_keep(struct ctl_client *client, const struct ipc_request *request)
{
	struct daemon *daemon = client->daemon;
	struct ctl_verb_subject *task = subject_of(client, request);
	uint64_t ticket = 0;

	if (task)
		answer(client, gossip_keep(daemon->gossip, daemon_time(daemon), &task->id, &ticket),
			&ticket);
}

void ctl_grant_revoke(struct ctl_client *client, const struct ipc_request *request)
{
	const char *reason = ipc_request_text(request, IPC_ARG_REASON);
	struct daemon *daemon = client->daemon;
	struct ctl_verb_subject *task = subject_of(client, request);
	uint64_t ticket = 0;

	if (task)
		answer(client,
			gossip_revoke(daemon->gossip, daemon_time(daemon), &task->id,
				reason ? reason : "", &ticket),
			&ticket);
}
