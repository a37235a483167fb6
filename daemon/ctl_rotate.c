#include "daemon/ctl_rotate.h"

#include "daemon/ctl_put.h"
#include "daemon/ctl_verb.h"
#include "daemon/keyfile.h"
#include "daemon/recon.h"
#include "daemon/rotate.h"

/* Most rotations take less than a second; one that waits for somebody may take days, and goes on
 * without a client. */
#define LOOK_MS	    20
#define PATIENCE_MS 30000

#define WAITING_SHOWN 64 /* members; a person starts with the first */

struct rotate_task {
	uint64_t started_ms;
};

/* Whom it waits for changes as time goes on: they are put as they are counted. */
static void put_waiting(struct pack *out, struct daemon *daemon)
{
	struct gossip_member members[WAITING_SHOWN];
	uint32_t count = 0;
	size_t index = 0;

	while (count < WAITING_SHOWN && rotate_next_waiting(daemon, &index, &members[count]))
		count++;
	pack_put_str(out, "waiting");
	pack_put_array(out, count);
	for (uint32_t i = 0; i < count; i++) {
		const struct gossip_member *member = &members[i];
		const struct wg_peer *peer = recon_peer(daemon->recon, member->wireguard_public);

		pack_put_map(out, 4);
		ctl_put_id(out, "id", &member->standing->id);
		ctl_put_text(out, "name", member->standing->name);
		ctl_put_text(out, "state", gossip_member_state_label(member->state));
		ctl_put_time(out, "latest_handshake", peer ? peer->last_handshake : (wtime_t){0});
	}
}

static void answer(struct ctl_client *client, bool rotated)
{
	struct daemon *daemon = client->daemon;
	struct pack *out = ctl_client_begin_ok(client);
	char text[TEXT_KEY_SIZE];
	uint8_t public[32];

	pack_put_map(out, 3);
	ctl_put_flag(out, "rotated", rotated);
	ctl_put_text(out, "wireguard_public_key",
		keys_wireguard_public(&daemon_wireguard_keys(daemon)->id, public) == 0
			? text_key(public, text)
			: NULL);
	put_waiting(out, daemon);
	ctl_client_end_ok(client);
}

static void look(uv_timer_t *timer)
{
	struct ctl_client *client = timer->data;
	const struct rotate_task *task = client->task;
	bool under_way = rotate_under_way(client->daemon);

	if (!under_way || uv_now(&client->daemon->loop) - task->started_ms > PATIENCE_MS)
		answer(client, !under_way);
	else
		uv_timer_start(timer, look, LOOK_MS, 0);
}

void ctl_rotate_run(struct ctl_client *client, const struct ipc_request *request)
{
	struct rotate_task *task = ctl_client_task(client, sizeof(*task));
	int err;

	if (!task)
		return;
	task->started_ms = uv_now(&client->daemon->loop);
	err = rotate_begin(client->daemon, ipc_request_number(request, IPC_ARG_FORCE, false));
	if (err == 0)
		look(&client->timer);
	else
		ctl_verb_refuse_daemon(client, err);
}
