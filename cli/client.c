#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/memory.h"

#define SEND_TIMEOUT_MS 10000 /* a daemon that works takes a request at once */
#define OUT_FIRST	4096
#define STEP_SIZE	(64 * 1024) /* what a frame's length says is believed in steps of it */

void client_init(struct client *client)
{
	*client = (struct client){.fd = -1};
}

static void wipe(struct client *client)
{
	if (client->buffer)
		sodium_memzero(client->buffer, client->capacity);
	free(client->buffer);
	client->buffer = NULL;
	client->capacity = 0;
}

void client_done(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	wipe(client);
	client_init(client);
}

int client_connect(struct client *client, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return ERR_INVALID;
	strcpy(address.sun_path, path);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* A full backlog is EAGAIN at once: a Unix socket does not make one wait here. */
	if (client->fd < 0 ||
		connect(client->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return ERR_SYSTEM;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* output: also until nobody reads it any more; below 0: none. */
static int wait_for(int fd, short events, int64_t deadline_ms, int output)
{
	struct pollfd pollers[] = {{.fd = fd, .events = events}, {.fd = output}};

	for (;;) {
		int64_t left_ms = deadline_ms == INT64_MAX ? -1 : deadline_ms - now_ms();
		int ready;

		if (deadline_ms != INT64_MAX && left_ms <= 0)
			return ERR_TIMEOUT;
		ready = poll(pollers, ARRAY_SIZE(pollers),
			left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
		if (ready > 0)
			return pollers[0].revents ? 0 : ERR_WITHDRAWN;
		if (ready < 0 && (errno != EINTR || interrupt_came()))
			return ERR_SYSTEM;
	}
}

static int send_all(int fd, const uint8_t *data, size_t size)
{
	int64_t deadline_ms = now_ms() + SEND_TIMEOUT_MS;
	int err;

	while (size > 0) {
		ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);

		if (sent >= 0) {
			data += sent;
			size -= (size_t)sent;
		} else if (errno == EAGAIN) {
			err = wait_for(fd, POLLOUT, deadline_ms, -1);
			if (err != 0)
				return err;
		} else if (errno != EINTR) {
			return ERR_SYSTEM;
		}
	}
	return 0;
}

int client_send(struct client *client, const struct ipc_request *request)
{
	struct pack out;
	int err;

	pack_init_growing(&out, IPC_HEAD_SIZE + IPC_REQUEST_MAX);
	/* Room for what has a secret in it, so that none is moved and leaves a copy behind. */
	out.data = memory_check(malloc(OUT_FIRST));
	out.capacity = OUT_FIRST;
	ipc_request_encode(request, &out);
	err = pack_status(&out);
	if (err == 0)
		err = send_all(client->fd, out.data, out.size);
	/* The daemon may have answered and closed before it read: its word counts for more. */
	if (err == ERR_SYSTEM && errno == EPIPE)
		err = 0;
	if (out.data)
		sodium_memzero(out.data, out.capacity);
	pack_done(&out);
	return err;
}

static int receive_all(int fd, uint8_t *data, size_t size, int64_t deadline_ms)
{
	int output = deadline_ms == INT64_MAX ? STDOUT_FILENO : -1;
	int err;

	while (size > 0) {
		ssize_t got = recv(fd, data, size, 0);

		if (got > 0) {
			data += got;
			size -= (size_t)got;
		} else if (got == 0 || errno == ECONNRESET) {
			return ERR_STATE;
		} else if (errno == EAGAIN) {
			err = wait_for(fd, POLLIN, deadline_ms, output);
			if (err != 0)
				return err;
		} else if (errno != EINTR) {
			return ERR_SYSTEM;
		}
	}
	return 0;
}

/* A larger block, without realloc leaving a copy behind unwiped. */
static void make_room(struct client *client, size_t capacity, size_t used)
{
	uint8_t *data;

	if (capacity <= client->capacity)
		return;
	data = memory_grow(NULL, capacity, 1);
	if (used)
		memcpy(data, client->buffer, used);
	wipe(client);
	client->buffer = data;
	client->capacity = capacity;
}

int client_receive(struct client *client, int64_t timeout_ms, struct ipc_reply *ret)
{
	int64_t deadline_ms = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
	uint8_t head[IPC_HEAD_SIZE];
	size_t size, have = 0;
	int err = receive_all(client->fd, head, sizeof(head), deadline_ms);

	if (err != 0)
		return err;
	if (ipc_head(head, IPC_REPLY_MAX, &size) != 0)
		return ERR_MALFORMED;
	while (have < size) {
		size_t step = size - have < STEP_SIZE + have ? size - have : STEP_SIZE + have;

		make_room(client, have + step, have);
		err = receive_all(client->fd, client->buffer + have, step, deadline_ms);
		if (err != 0)
			return err;
		have += step;
	}
	return ipc_reply_decode(client->buffer, size, ret);
}
