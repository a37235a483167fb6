#include "daemon/ctl_why.h"

#include "daemon/ctl_put.h"
#include "daemon/ctl_verb.h"
#include "daemon/why_trace.h"

static void put_step(struct pack *out, const struct why_step *step)
{
	static const char *const states[] = {
		[WHY_OK] = "ok", [WHY_FAILED] = "failed", [WHY_UNKNOWN] = "unknown"};

	pack_put_map(out, 5);
	ctl_put_text(out, "step", step->name);
	ctl_put_text(out, "about", *step->about ? step->about : NULL);
	ctl_put_text(out, "state", states[step->state]);
	ctl_put_text(out, "finding", step->finding);
	ctl_put_text(out, "advice", *step->advice ? step->advice : NULL);
}

static void put_end(struct pack *out, const char *key, const struct gossip_member *member)
{
	pack_put_str(out, key);
	pack_put_map(out, 3);
	ctl_put_id(out, "id", &member->standing->id);
	ctl_put_text(out, "name", member->standing->name);
	ctl_put_flag(out, "self", member->self);
}

static void put(struct pack *out, const struct why_trace *trace, const struct gossip_member *a,
	const struct gossip_member *b)
{
	pack_put_map(out, 3);
	put_end(out, "from", a);
	put_end(out, "to", b);
	pack_put_str(out, "steps");
	pack_put_array(out, (uint32_t)trace->count);
	for (size_t i = 0; i < trace->count; i++)
		put_step(out, &trace->steps[i]);
}

/* Whom they mean; the node itself comes first. false: answered already. */
static bool resolve(struct ctl_client *client, const struct ipc_request *request, struct id *ret_a,
	struct id *ret_b)
{
	struct gossip *gossip = client->daemon->gossip;
	const char *other = ipc_request_text(request, IPC_ARG_OTHER);
	struct gossip_status status;
	struct id swap;
	int err;

	gossip_status(gossip, &status);
	if (status.state != GOSSIP_RUNNING) {
		ctl_client_refuse(client, ERR_STATE, 1,
			"this node is %s: it is in no mesh, so it talks to nobody (`meshctl "
			"status` "
			"says more)",
			gossip_state_label(status.state));
		return false;
	}
	if (ctl_verb_resolve_node(client, request, ret_b) != 0)
		return false;
	*ret_a = status.node;
	if (other) {
		*ret_a = *ret_b;
		err = gossip_resolve(gossip, other, ret_b);
		if (err != 0) {
			ctl_verb_refuse_node(client, other, err);
			return false;
		}
	}
	if (id_equal(ret_b, &status.node)) {
		swap = *ret_a;
		*ret_a = *ret_b;
		*ret_b = swap;
	}
	if (id_equal(ret_a, ret_b)) {
		ctl_client_refuse(client, ERR_INVALID, 1, "that is one node: name another");
		return false;
	}
	return true;
}

void ctl_why_run(struct ctl_client *client, const struct ipc_request *request)
{
	struct daemon *daemon = client->daemon;
	struct why_trace *trace = ctl_client_task(client, sizeof(*trace));
	struct gossip_member a, b;
	struct id from, to;
	struct pack *out;

	if (!trace || !resolve(client, request, &from, &to))
		return;
	if (!gossip_member(daemon->gossip, &from, &a)) {
		ctl_client_refuse(client, ERR_UNKNOWN, 1, "it is no member any more");
		return;
	}
	if (!gossip_member(daemon->gossip, &to, &b)) {
		gossip_member_wipe(&a);
		ctl_client_refuse(client, ERR_UNKNOWN, 1, "it is no member any more");
		return;
	}
	why_trace_make(trace, daemon, &a, &b);
	out = ctl_client_begin_ok(client);
	put(out, trace, &a, &b);
	gossip_member_wipe(&a);
	gossip_member_wipe(&b);
	ctl_client_end_ok(client);
}
