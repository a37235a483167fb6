#include "daemon/ctl_ping.h"

#include "daemon/ctl_overlay.h"
#include "daemon/ctl_put.h"
#include "daemon/ctl_verb.h"
#include "daemon/recon.h"

struct ping_task {
	struct id node;
	uint64_t ticket;
};

static void put(
	struct pack *out, struct daemon *daemon, const struct gossip_member *member, int64_t rtt_us)
{
	const struct authority_member *standing = member->standing;
	struct recon_status overlay;

	recon_status(daemon->recon, &overlay);
	pack_put_map(out, 10);
	ctl_put_id(out, "id", &standing->id);
	ctl_put_text(out, "name", standing->name);
	ctl_put_text(out, "state", gossip_member_state_label(member->state));
	ctl_put_rtt(out, rtt_us);
	ctl_put_endpoint(out, "reached", &member->reached);
	ctl_put_addresses(out, "addresses", &member->address6, &member->address4);
	ctl_put_text(out, "interface", overlay.interface);
	ctl_put_text(out, "backend", overlay.backend);
	ctl_put_number(out, "mtu",
		member->has_descriptor && member->descriptor.mtu &&
				member->descriptor.mtu < overlay.mtu
			? member->descriptor.mtu
			: overlay.mtu);
	pack_put_str(out, "wireguard");
	ctl_overlay_put_peer(out, daemon, &standing->id,
		member->has_wireguard ? member->wireguard_public : NULL);
}

/* rtt_us below 0: it did not answer. */
static void answer(struct ctl_client *client, int64_t rtt_us)
{
	const struct ping_task *task = client->task;
	struct gossip_member member;
	struct pack *out;

	client->pings = false;
	uv_timer_stop(&client->timer);
	if (!gossip_member(client->daemon->gossip, &task->node, &member)) {
		ctl_client_refuse(client, ERR_UNKNOWN, 1, "it is no member any more");
		return;
	}
	out = ctl_client_begin_ok(client);
	put(out, client->daemon, &member, rtt_us);
	gossip_member_wipe(&member);
	ctl_client_end_ok(client);
}

static void on_timeout(uv_timer_t *timer)
{
	answer(timer->data, -1);
}

void ctl_ping_answered(struct ctl_clients *all, uint64_t ticket, int64_t rtt_us)
{
	struct ctl_client *next;

	for (struct ctl_client *client = all->first; client; client = next) {
		next = client->next; /* it may be closed */
		if (client->pings && ((const struct ping_task *)client->task)->ticket == ticket)
			answer(client, rtt_us);
	}
}

/* It is listed for a day after it has left or was revoked. */
static bool is_gone(const struct gossip *gossip, const struct id *node)
{
	struct gossip_member member;
	bool gone = !gossip_member(gossip, node, &member);

	if (gone)
		return true;
	gone = member.state == GOSSIP_MEMBER_LEFT || member.state == GOSSIP_MEMBER_REVOKED;
	gossip_member_wipe(&member);
	return gone;
}

void ctl_ping_run(struct ctl_client *client, const struct ipc_request *request)
{
	struct daemon *daemon = client->daemon;
	uint64_t timeout_ms = ipc_request_number(request, IPC_ARG_TIMEOUT_MS, CTL_PING_TIMEOUT_MS);
	struct ping_task *task = ctl_client_task(client, sizeof(*task));
	int err;

	if (!task || ctl_verb_resolve_node(client, request, &task->node) != 0)
		return;
	if (is_gone(daemon->gossip, &task->node)) {
		const char *name = ipc_request_text(request, IPC_ARG_NODE);

		ctl_client_refuse(client, ERR_UNKNOWN, 1,
			"%s is no member any more: `meshctl show %s` says since when", name, name);
		return;
	}
	err = gossip_ping(daemon->gossip, daemon_time(daemon), &task->node, &task->ticket);
	if (err != 0) {
		ctl_verb_refuse(client, err);
		return;
	}
	client->pings = true;
	uv_timer_start(&client->timer, on_timeout,
		timeout_ms < CTL_PING_TIMEOUT_MAX_MS ? timeout_ms : CTL_PING_TIMEOUT_MAX_MS, 0);
	daemon_wake(daemon); /* what is to be sent goes out now */
}
