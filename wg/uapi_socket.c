#include "wg/uapi_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sodium.h>

#include "wg/uapi.h"

#define REPLY_START 16384 /* two dozen peers */

static void path_of(const char *name, char path[UAPI_PATH_SIZE])
{
	snprintf(path, UAPI_PATH_SIZE, "%s/%s.sock", UAPI_DIR, name);
}

int uapi_socket_open(const char *name, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), number;

	if (fd < 0)
		return ERR_SYSTEM;
	path_of(name, address.sun_path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		*ret_fd = fd;
		return 0;
	}
	number = errno;
	close(fd);
	errno = number;
	if (number == ENOENT || number == ECONNREFUSED || number == ENOTDIR)
		return ERR_UNKNOWN;
	return number == EAGAIN ? ERR_TIMEOUT : ERR_SYSTEM;
}

pid_t uapi_socket_pid(int fd)
{
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return 0;
	return peer.pid;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};
	int ready;

	do {
		int64_t left_ms = deadline_ms - now_ms();
		ready = poll(&poll_fd, 1, left_ms > 0 ? left_ms : 0);
	} while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return ERR_SYSTEM;
	return ready ? 0 : ERR_TIMEOUT;
}

static int send_all(int fd, const char *data, size_t size, int64_t deadline_ms)
{
	while (size) {
		ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
		int err;

		if (sent >= 0) {
			data += sent;
			size -= sent;
			continue;
		}
		if (errno == EPIPE || errno == ECONNRESET)
			return ERR_UNKNOWN;
		if (errno != EAGAIN && errno != EINTR)
			return ERR_SYSTEM;
		err = wait_for(fd, POLLOUT, deadline_ms);
		if (err)
			return err;
	}
	return 0;
}

struct reply {
	char *text;
	size_t size, capacity;
};

/* Not realloc: it would leave keys in memory that is no longer ours. */
static int grow(struct reply *reply)
{
	size_t capacity = reply->capacity ? reply->capacity * 2 : REPLY_START;
	char *text;

	if (reply->size < reply->capacity)
		return 0;
	if (capacity > UAPI_REPLY_MAX)
		return ERR_TOO_BIG;
	text = malloc(capacity);
	if (!text)
		return ERR_NOMEM;
	if (reply->text) {
		memcpy(text, reply->text, reply->size);
		uapi_socket_wipe(reply->text, reply->size);
	}
	reply->text = text;
	reply->capacity = capacity;
	return 0;
}

static int receive_all(int fd, struct reply *reply, int64_t deadline_ms)
{
	while (!uapi_complete(reply->text, reply->size)) {
		int err = grow(reply);
		ssize_t size;

		if (err)
			return err;
		size = recv(fd, reply->text + reply->size, reply->capacity - reply->size, 0);
		if (size > 0) {
			reply->size += size;
			continue;
		}
		if (size == 0 || errno == ECONNRESET)
			return ERR_UNKNOWN;
		if (errno != EAGAIN && errno != EINTR)
			return ERR_SYSTEM;
		err = wait_for(fd, POLLIN, deadline_ms);
		if (err)
			return err;
	}
	return 0;
}

int uapi_socket_exchange(const char *name, const char *request, size_t request_size,
	char **ret_reply, size_t *ret_size)
{
	int64_t deadline_ms = now_ms() + UAPI_TIMEOUT_MS;
	struct reply reply = {0};
	int fd, err = uapi_socket_open(name, &fd);

	if (err)
		return err;
	err = send_all(fd, request, request_size, deadline_ms);
	if (!err)
		err = receive_all(fd, &reply, deadline_ms);
	close(fd);
	if (err) {
		uapi_socket_wipe(reply.text, reply.size);
	} else {
		*ret_reply = reply.text;
		*ret_size = reply.size;
	}
	return err;
}

void uapi_socket_wipe(char *reply, size_t size)
{
	if (reply)
		sodium_memzero(reply, size);
	free(reply);
}

void uapi_socket_remove_stale(const char *name)
{
	char path[UAPI_PATH_SIZE];
	int fd;

	if (uapi_socket_open(name, &fd) == 0) {
		close(fd);
	} else if (errno == ECONNREFUSED) {
		path_of(name, path);
		(void)unlink(path);
	}
}
