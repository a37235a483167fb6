#include "daemon/ctl_client.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for most answers, so that none with a token in it is moved and leaves a copy behind. */
#define OUT_FIRST 4096

static void on_closed(uv_handle_t *handle)
{
	struct ctl_client *client = handle->data;

	if (--client->open_handles == 0)
		free(client);
}

static void wipe_request(struct ctl_client *client)
{
	if (client->body)
		sodium_memzero(client->body, client->body_size);
	free(client->body);
	client->body = NULL;
	client->body_size = client->have = 0;
}

static void wipe_output(struct ctl_client *client)
{
	client->all->output_size -= client->writing ? client->out.size : 0;
	client->writing = false;
	if (client->out.data)
		sodium_memzero(client->out.data, client->out.capacity);
	pack_done(&client->out);
}

static void wipe_task(struct ctl_client *client)
{
	if (client->task)
		sodium_memzero(client->task, client->task_size);
	free(client->task);
	client->task = NULL;
}

void ctl_client_close(struct ctl_client *client)
{
	struct ctl_client **at = &client->all->first;

	if (client->closing)
		return;
	client->closing = true;
	daemon_forget(client->daemon, client);
	events_unfollow(client->daemon->events, &client->follower);
	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	client->all->count--;
	wipe_request(client);
	wipe_task(client);
	ctl_client_hold(client, NULL, NULL);
	/* A write that is under way still reads the output: on_written gives it back. */
	if (!client->writing)
		wipe_output(client);
	uv_close((uv_handle_t *)&client->pipe, on_closed);
	uv_close((uv_handle_t *)&client->timer, on_closed);
}

static void on_timeout(uv_timer_t *timer)
{
	ctl_client_close(timer->data);
}

static void limit_idleness(struct ctl_client *client)
{
	uv_timer_start(&client->timer, on_timeout, IPC_IDLE_TIMEOUT_MS, 0);
}

static void finish_answer(struct ctl_client *client)
{
	client->watches = client->pings = false;
	events_unfollow(client->daemon->events, &client->follower);
	wipe_task(client);
	if (client->hang_up) {
		ctl_client_close(client);
		return;
	}
	client->busy = false;
	limit_idleness(client);
}

static void on_written(uv_write_t *write, int status)
{
	struct ctl_client *client = write->data;

	wipe_output(client);
	if (client->closing)
		return;
	if (status < 0)
		ctl_client_close(client);
	else if (client->fill)
		ctl_client_pump(client);
	else
		finish_answer(client);
}

static struct pack *begin(struct ctl_client *client)
{
	wipe_output(client);
	pack_init_growing(&client->out, IPC_HEAD_SIZE + IPC_REPLY_MAX);
	client->out.data = malloc(OUT_FIRST);
	client->out.capacity = client->out.data ? OUT_FIRST : 0;
	return &client->out;
}

/* The output as it is, or why it cannot be sent. */
static void check_output(struct ctl_client *client)
{
	size_t waiting = client->all->output_size;

	if (pack_status(&client->out) != 0) {
		client->fill = NULL;
		ipc_reply_error(begin(client), ERR_LIMIT,
			"the answer is too big, or there is no memory for it", 1);
	} else if (waiting > CTL_OUTPUT_MAX || client->out.size > CTL_OUTPUT_MAX - waiting) {
		client->fill = NULL;
		ipc_reply_error(begin(client), ERR_LIMIT,
			"too many big answers are still being read by others: try again", 1);
	}
}

/* Gives the kernel what it takes at once, which is all of most answers: that costs one call, while
 * a write request costs an event of its own. Streams go on when they are asked to. Whether all is
 * taken. */
static bool write_at_once(struct ctl_client *client, uv_buf_t *rest)
{
	int written = client->fill ? 0 : uv_try_write((uv_stream_t *)&client->pipe, rest, 1);

	if (written > 0) {
		rest->base += written;
		rest->len -= (size_t)written;
	}
	return rest->len == 0;
}

static void send_output(struct ctl_client *client)
{
	uv_buf_t buf;

	check_output(client);
	if (pack_status(&client->out) != 0) {
		ctl_client_close(client);
		return;
	}
	buf = uv_buf_init((char *)client->out.data, (unsigned)client->out.size);
	if (write_at_once(client, &buf)) {
		wipe_output(client);
		finish_answer(client);
		return;
	}
	client->write.data = client;
	client->writing = true;
	client->all->output_size += client->out.size;
	limit_idleness(client);
	if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buf, 1, on_written) != 0) {
		wipe_output(client);
		ctl_client_close(client);
	}
}

struct pack *ctl_client_begin_ok(struct ctl_client *client)
{
	struct pack *out = begin(client);

	(void)ipc_reply_begin_ok(out); /* at the start of the output */
	return out;
}

void ctl_client_end_ok(struct ctl_client *client)
{
	ipc_frame_end(&client->out, 0);
	send_output(client);
}

void ctl_client_refuse(
	struct ctl_client *client, int err, unsigned exit_status, const char *format, ...)
{
	char text[IPC_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	client->fill = NULL;
	ipc_reply_error(begin(client), err, text, exit_status);
	send_output(client);
}

void ctl_client_stream(struct ctl_client *client, ctl_client_fill fill)
{
	client->fill = fill;
	ctl_client_pump(client);
}

void ctl_client_pump(struct ctl_client *client)
{
	enum ctl_stream state;
	struct pack *out;

	if (client->closing || client->writing || !client->fill)
		return;
	out = begin(client);
	state = client->fill(client, out);
	if (state == CTL_STREAM_END)
		client->fill = NULL;
	if (state == CTL_STREAM_WAIT && out->size == 0) {
		wipe_output(client);
		uv_timer_stop(&client->timer);
		return;
	}
	send_output(client);
}

void ctl_client_hold(struct ctl_client *client, void *held, void (*held_free)(void *held))
{
	if (client->held)
		client->held_free(client->held);
	client->held = held;
	client->held_free = held_free;
}

void *ctl_client_task(struct ctl_client *client, size_t size)
{
	client->task = calloc(1, size);
	client->task_size = size;
	if (!client->task)
		ctl_client_refuse(client, ERR_NOMEM, 1, "%s", err_text(ERR_NOMEM));
	return client->task;
}

/* ---- requests ---- */

static void refuse_request(struct ctl_client *client, int err, const char *where)
{
	switch (err) {
	case ERR_VERSION:
		ctl_client_refuse(client, err, 1,
			"meshctl speaks another version of the control protocol than this meshd "
			"(%s, version %d): after an upgrade, restart meshd (tunnels stay up)",
			MESHD_VERSION, IPC_VERSION);
		break;
	case ERR_UNKNOWN:
		ctl_client_refuse(client, err, 1,
			"this meshd (%s) does not know that %s: after an upgrade, restart meshd "
			"(tunnels stay up)",
			MESHD_VERSION, where);
		break;
	case ERR_MALFORMED:
		ctl_client_refuse(client, err, 2,
			"%s: refused: not what is allowed there, or not UTF-8 text without control "
			"characters",
			where);
		break;
	default:
		ctl_client_refuse(client, err, 1, "%s", err_text(err));
	}
}

static void take_request(struct ctl_client *client)
{
	struct ipc_request request;
	const char *where = "";
	int err = ipc_request_decode(client->body, client->body_size, &request, &where);

	wipe_request(client);
	client->busy = client->taken = true;
	uv_timer_stop(&client->timer);
	if (err != 0) {
		refuse_request(client, err, where);
		return;
	}
	if (ipc_verb_right(request.verb) == IPC_CHANGE && !client->may_change)
		ctl_client_refuse(client, ERR_AUTH, 1,
			"%s: only root and meshd's own user may change anything: run it as root",
			ipc_verb_label(request.verb));
	else
		client->all->run(client, &request);
	ipc_request_done(&request);
}

static void take_head(struct ctl_client *client)
{
	size_t size;
	int err = ipc_head(client->head, IPC_REQUEST_MAX, &size);

	if (err == 0) {
		client->body = malloc(size);
		client->body_size = size;
		err = client->body ? 0 : ERR_NOMEM;
	}
	if (err != 0) {
		client->busy = client->hang_up = true;
		ctl_client_refuse(client, err, 1, "the request is empty or too big");
	}
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct ctl_client *client = handle->data;

	(void)suggested;
	/* libuv reads on behind a request that filled its buffer; mostly there is nothing. */
	if (client->taken) {
		client->taken = false;
		*ret = uv_buf_init(NULL, 0);
		return;
	}
	/* The kernel has the whole answer, and on_written comes at the next turn: who is quick has
	 * read it and asks again already. Not before then. */
	if (client->writing && uv_stream_get_write_queue_size((uv_stream_t *)handle) == 0)
		*ret = uv_buf_init(NULL, 0);
	else if (client->busy)
		*ret = uv_buf_init(&client->surplus, 1);
	else if (client->have < IPC_HEAD_SIZE)
		*ret = uv_buf_init((char *)client->head + client->have,
			(unsigned)(IPC_HEAD_SIZE - client->have));
	else
		*ret = uv_buf_init((char *)client->body + client->have - IPC_HEAD_SIZE,
			(unsigned)(client->body_size + IPC_HEAD_SIZE - client->have));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
	struct ctl_client *client = stream->data;

	(void)buf;
	if (got == 0 || got == UV_ENOBUFS)
		return;
	/* It has gone, or says more before it has had its answer. */
	if (got < 0 || client->busy) {
		ctl_client_close(client);
		return;
	}
	client->have += (size_t)got;
	if (client->have == IPC_HEAD_SIZE)
		take_head(client);
	else if (client->have == IPC_HEAD_SIZE + client->body_size)
		take_request(client);
}

int ctl_client_new(struct ctl_clients *all, struct ctl_client **ret)
{
	struct ctl_client *client = calloc(1, sizeof(*client));

	if (!client)
		return ERR_NOMEM;
	client->all = all;
	client->daemon = all->daemon;
	client->pipe.data = client->timer.data = client;
	client->open_handles = 2;
	uv_pipe_init(&all->daemon->loop, &client->pipe, 0);
	uv_timer_init(&all->daemon->loop, &client->timer);
	client->next = all->first;
	all->first = client;
	all->count++;
	*ret = client;
	return 0;
}

/* Who is at the other end, as the kernel says. */
static bool is_trusted(struct ctl_client *client)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	uv_os_fd_t fd;

	return uv_fileno((uv_handle_t *)&client->pipe, &fd) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

void ctl_client_start(struct ctl_client *client)
{
	size_t allowed = IPC_CLIENTS_MAX;

	client->may_change = is_trusted(client);
	if (client->may_change)
		allowed += CTL_CLIENTS_RESERVED;
	limit_idleness(client);
	if (uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read) != 0) {
		ctl_client_close(client);
	} else if (client->all->count > allowed) {
		client->busy = client->hang_up = true;
		ctl_client_refuse(client, ERR_LIMIT, 1,
			"%zu programs are asking meshd something already: try again", allowed);
	}
}
