#include "daemon/ctl_events.h"

#include <inttypes.h>
#include <stdio.h>

#define BATCH_SIZE (32 * 1024) /* bytes on their way to one reader: the ring holds the rest */

/* A reader that the ring has overtaken is told so, and that its stream ends here. */
static void put_overtaken(struct pack *out, uint64_t missed)
{
	char text[160];

	snprintf(text, sizeof(text),
		"events came faster than they were read, and %" PRIu64 " were missed: run "
		"`meshctl events` again",
		missed);
	ipc_reply_error(out, ERR_LIMIT, text, 1);
}

static enum ctl_stream fill(struct ctl_client *client, struct pack *out)
{
	const struct events *events = client->daemon->events;
	const uint8_t *bytes;
	size_t size, frame;

	while (out->size < BATCH_SIZE && client->event < client->event_end) {
		uint64_t wanted = client->event;

		if (!events_next(events, &client->event, &bytes, &size))
			break;
		if (client->event != wanted + 1 && wanted != 0) {
			put_overtaken(out, client->event - 1 - wanted);
			return CTL_STREAM_END;
		}
		frame = ipc_reply_begin_item(out);
		pack_put_raw(out, bytes, size);
		ipc_frame_end(out, frame);
	}
	if (client->follows || out->size >= BATCH_SIZE)
		return out->size ? CTL_STREAM_MORE : CTL_STREAM_WAIT;
	ipc_reply_end(out);
	return CTL_STREAM_END;
}

static void on_more(uv_timer_t *timer)
{
	ctl_client_pump(timer->data);
}

/* Not here: the event is being added. While output is on its way, its end takes care of it. */
static void added(struct events_follower *follower)
{
	struct ctl_client *client =
		(struct ctl_client *)((char *)follower - offsetof(struct ctl_client, follower));

	if (!client->writing)
		uv_timer_start(&client->timer, on_more, 0, 0);
}

void ctl_events_run(struct ctl_client *client, const struct ipc_request *request)
{
	client->follows =
		ipc_request_has(request, IPC_ARG_FOLLOW) && request->args[IPC_ARG_FOLLOW].number;
	client->event = 0;
	client->event_end = client->follows ? UINT64_MAX : events_end(client->daemon->events);
	if (client->follows) {
		client->follower.added = added;
		events_follow(client->daemon->events, &client->follower);
	}
	ctl_client_stream(client, fill);
}
