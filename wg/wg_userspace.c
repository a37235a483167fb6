/* WireGuard as a process of its own: wireguard-go, or whatever speaks the UAPI socket. */
#include "wg/wg_backend.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sodium.h>

#include "wg/net_link.h"
#include "wg/uapi.h"
#include "wg/uapi_socket.h"
#include "wg/wg_child.h"

#define START_POLL_MS	 10    /* wireguard-go answers some 20 ms after its start */
#define START_LIMIT_MS	 5000  /* one that does not answer by then is ended */
#define PROVEN_MS	 10000 /* having run for so long, it is started again at once */
#define BACKOFF_START_MS 250
#define BACKOFF_LIMIT_MS 30000
#define WATCH_MS	 1000 /* of a process that no pidfd can be had for */
#define STOP_LIMIT_MS	 1000

struct wg_userspace {
	struct wg_backend base;
	struct nl *nl;
	char command[WG_CHILD_COMMAND_MAX];
	int output;
	struct wg_child child;
	mtime_t since;	/* of the present state */
	int backoff_ms; /* before the next try; 0: at once */
	bool silent;	/* the last request had no answer */
};

static struct wg_userspace *userspace_of(struct wg_backend *backend)
{
	return (struct wg_userspace *)backend;
}

/* The only place where the state changes. */
static void enter(
	struct wg_userspace *userspace, enum wg_backend_state state, mtime_t now, mtime_t deadline)
{
	userspace->base.state = state;
	userspace->base.fd = userspace->child.fd;
	userspace->base.deadline = deadline;
	userspace->since = now;
}

static int wait_and_retry(struct wg_userspace *userspace, mtime_t now, int err)
{
	int delay_ms = userspace->backoff_ms;

	userspace->backoff_ms = delay_ms == 0			  ? BACKOFF_START_MS
				: delay_ms < BACKOFF_LIMIT_MS / 2 ? delay_ms * 2
								  : BACKOFF_LIMIT_MS;
	enter(userspace, WG_WAITING, now, mtime_add_ms(now, delay_ms));
	return err;
}

static int set_running(struct wg_userspace *userspace, mtime_t now)
{
	struct wg_backend *backend = &userspace->base;
	struct net_link link;
	int err = net_link_get(userspace->nl, backend->name, &link);

	if (err) {
		wg_backend_fail(backend, err, "cannot read interface %s: %.200s", backend->name,
			nl_error(userspace->nl));
		return wait_and_retry(userspace, now, err);
	}
	backend->ifindex = link.ifindex;
	backend->generation++;
	backend->error[0] = '\0';
	enter(userspace, WG_RUNNING, now,
		userspace->child.fd < 0 ? mtime_add_ms(now, WATCH_MS) : MTIME_NEVER);
	return 0;
}

/* Somebody listens at the socket: the process that an earlier daemon left, or one that systemd or
 * an operator started. Network namespaces may share the socket's folder: whoever has no interface
 * here is none of ours. */
static int adopt(struct wg_userspace *userspace, int socket, mtime_t now)
{
	struct wg_backend *backend = &userspace->base;
	pid_t pid = uapi_socket_pid(socket);
	struct net_link link;

	close(socket);
	if (net_link_get(userspace->nl, backend->name, &link) == ERR_UNKNOWN) {
		wg_backend_fail(backend, ERR_STATE,
			"process %d answers at the socket of %s in " UAPI_DIR
			", but its interface is not in this network namespace",
			(int)pid, backend->name);
		return wait_and_retry(userspace, now, ERR_STATE);
	}
	wg_child_forget(&userspace->child);
	wg_child_adopt(&userspace->child, pid);
	return set_running(userspace, now);
}

static int start(struct wg_userspace *userspace, mtime_t now)
{
	struct wg_backend *backend = &userspace->base;
	struct net_link link;
	int err = net_link_get(userspace->nl, backend->name, &link);

	if (!err) {
		wg_backend_fail(backend, ERR_STATE,
			"%s exists%s%s and nobody answers at its socket in " UAPI_DIR,
			backend->name, link.kind[0] ? " as " : "", link.kind);
		return wait_and_retry(userspace, now, ERR_STATE);
	}
	err = wg_child_start(
		&userspace->child, userspace->command, backend->name, userspace->output);
	if (err) {
		wg_backend_fail(backend, err, "cannot start `%s': %s", userspace->command,
			err == ERR_INVALID ? err_text(err) : strerror(errno));
		return wait_and_retry(userspace, now, err);
	}
	enter(userspace, WG_STARTING, now, mtime_add_ms(now, START_POLL_MS));
	return ERR_NOT_READY;
}

static int begin(struct wg_userspace *userspace, mtime_t now)
{
	int socket, err = uapi_socket_open(userspace->base.name, &socket);

	if (!err)
		return adopt(userspace, socket, now);
	if (err == ERR_UNKNOWN)
		return start(userspace, now);
	wg_backend_fail(&userspace->base, err, "the socket of %s: %s", userspace->base.name,
		strerror(errno));
	return wait_and_retry(userspace, now, err);
}

static bool proven(const struct wg_userspace *userspace, mtime_t now)
{
	return mtime_diff_ms(now, userspace->since) >= PROVEN_MS;
}

static int ended(struct wg_userspace *userspace, mtime_t now, const char *reason)
{
	wg_backend_fail(&userspace->base, ERR_NOT_READY, "`%s' %s", userspace->command, reason);
	if (userspace->base.state == WG_RUNNING && proven(userspace, now))
		userspace->backoff_ms = 0;
	if (userspace->backoff_ms)
		return wait_and_retry(userspace, now, ERR_NOT_READY);
	userspace->backoff_ms = BACKOFF_START_MS;
	return begin(userspace, now);
}

static int step_starting(struct wg_userspace *userspace, mtime_t now)
{
	int socket;

	if (uapi_socket_open(userspace->base.name, &socket) == 0) {
		close(socket);
		return set_running(userspace, now);
	}
	if (mtime_diff_ms(now, userspace->since) < START_LIMIT_MS) {
		userspace->base.deadline = mtime_add_ms(now, START_POLL_MS);
		return ERR_NOT_READY;
	}
	wg_child_signal(&userspace->child, SIGKILL);
	(void)wg_child_wait(&userspace->child, START_POLL_MS);
	wg_backend_fail(&userspace->base, ERR_TIMEOUT, "`%s' did not answer within %d s",
		userspace->command, START_LIMIT_MS / 1000);
	return wait_and_retry(userspace, now, ERR_TIMEOUT);
}

/* Looks at the socket: without a pidfd that is all that tells of the end, and a process that has
 * lost its socket cannot be told anything any more. */
static int step_running(struct wg_userspace *userspace, mtime_t now)
{
	bool watched = userspace->child.fd >= 0;
	int socket, err;

	if (!mtime_reached(now, userspace->base.deadline))
		return 0;
	err = uapi_socket_open(userspace->base.name, &socket);
	if (err == ERR_UNKNOWN && !watched)
		return ended(userspace, now, "ended");
	if (err == ERR_UNKNOWN)
		wg_child_signal(&userspace->child, SIGTERM);
	if (!err)
		close(socket);
	userspace->base.deadline = !err && watched ? MTIME_NEVER : mtime_add_ms(now, WATCH_MS);
	return 0;
}

/* It hangs, or talks nonsense: whatever it does, it is asked again only after a while, so that the
 * loop that drives us does not hang with it. */
static int step_silent(struct wg_userspace *userspace, mtime_t now)
{
	userspace->silent = false;
	if (proven(userspace, now) || userspace->backoff_ms == 0)
		userspace->backoff_ms = BACKOFF_START_MS;
	return wait_and_retry(userspace, now, ERR_TIMEOUT);
}

static int userspace_step(struct wg_backend *backend, mtime_t now)
{
	struct wg_userspace *userspace = userspace_of(backend);
	char reason[WG_CHILD_REASON_SIZE];

	if (wg_child_ended(&userspace->child, reason))
		return ended(userspace, now, reason);
	switch (backend->state) {
	case WG_DOWN:
		return begin(userspace, now);
	case WG_STARTING:
		return step_starting(userspace, now);
	case WG_RUNNING:
		return step_running(userspace, now);
	case WG_WAITING:
		if (userspace->silent)
			return step_silent(userspace, now);
		return mtime_reached(now, backend->deadline) ? begin(userspace, now)
							     : ERR_NOT_READY;
	}
	return ERR_STATE;
}

/* One request and its answer. What went wrong is for the next step to look into. */
static int exchange(struct wg_userspace *userspace, const char *request, size_t request_size,
	char **ret_reply, size_t *ret_size)
{
	struct wg_backend *backend = &userspace->base;
	int err = uapi_socket_exchange(backend->name, request, request_size, ret_reply, ret_size);

	if (!err)
		return 0;
	if (err == ERR_TIMEOUT) {
		userspace->silent = true;
		enter(userspace, WG_WAITING, userspace->since, MTIME_ZERO);
	} else if (err == ERR_UNKNOWN) {
		backend->deadline = MTIME_ZERO;
	}
	return wg_backend_fail(backend, err, "the socket of %s: %s", backend->name,
		err == ERR_SYSTEM ? strerror(errno) : err_text(err));
}

static int fail_answer(struct wg_backend *backend, int err, int number)
{
	if (err == ERR_SYSTEM && number == EADDRINUSE)
		err = ERR_IN_USE;
	return wg_backend_fail(backend, err, "WireGuard of %s: %s", backend->name,
		err == ERR_SYSTEM ? strerror(number) : err_text(err));
}

static int userspace_observe(struct wg_backend *backend, struct wg_device *ret)
{
	struct wg_device device;
	size_t size = 0;
	char *reply;
	int number = 0, err;

	err = exchange(userspace_of(backend), UAPI_GET, strlen(UAPI_GET), &reply, &size);
	if (err)
		return err;
	err = uapi_read_device(reply, size, &device, &number);
	uapi_socket_wipe(reply, size);
	if (err)
		return fail_answer(backend, err, number);
	memcpy(device.name, backend->name, sizeof(device.name));
	device.ifindex = backend->ifindex;
	wg_device_move(&device, ret);
	return 0;
}

static int set(struct wg_backend *backend, const char *request, size_t request_size)
{
	size_t size = 0;
	char *reply;
	int number = 0, err;

	err = exchange(userspace_of(backend), request, request_size, &reply, &size);
	if (err)
		return err;
	err = uapi_read_status(reply, size, &number);
	uapi_socket_wipe(reply, size);
	if (!err && number)
		err = ERR_SYSTEM;
	return err ? fail_answer(backend, err, number) : 0;
}

static int userspace_apply(struct wg_backend *backend, const struct wg_ops *ops)
{
	struct uapi_writer writer = uapi_writer(ops);
	char *request = malloc(UAPI_REQUEST_MAX);
	size_t size;
	int err = 0;

	if (!request)
		return ERR_NOMEM;
	while (!err && (size = uapi_next(&writer, request, UAPI_REQUEST_MAX)) > 0) {
		err = set(backend, request, size);
		sodium_memzero(request, size);
	}
	free(request);
	return err;
}

/* A process that cannot be watched goes with its interface; so does one that does not want to. */
static int remove_link(struct wg_userspace *userspace)
{
	struct net_link link;
	int err = net_link_get(userspace->nl, userspace->base.name, &link);

	if (!err && strcmp(link.kind, "tun") == 0)
		err = net_link_delete(userspace->nl, link.ifindex);
	if (!err || err == ERR_UNKNOWN)
		return 0;
	return wg_backend_fail(&userspace->base, err, "cannot remove %s: %.200s",
		userspace->base.name, nl_error(userspace->nl));
}

static int userspace_stop(struct wg_backend *backend)
{
	struct wg_userspace *userspace = userspace_of(backend);
	struct net_link link;
	int socket, err = 0;

	if (!userspace->child.pid && net_link_get(userspace->nl, backend->name, &link) == 0 &&
		uapi_socket_open(backend->name, &socket) == 0) {
		wg_child_adopt(&userspace->child, uapi_socket_pid(socket));
		close(socket);
	}
	if (userspace->child.pid) {
		wg_child_signal(&userspace->child, SIGTERM);
		if (!wg_child_wait(&userspace->child, STOP_LIMIT_MS)) {
			err = remove_link(userspace);
			wg_child_signal(&userspace->child, SIGKILL);
			(void)wg_child_wait(&userspace->child, STOP_LIMIT_MS);
			wg_child_forget(&userspace->child);
		}
	}
	uapi_socket_remove_stale(backend->name);
	enter(userspace, WG_DOWN, MTIME_ZERO, MTIME_NEVER);
	return err;
}

static void userspace_free(struct wg_backend *backend)
{
	struct wg_userspace *userspace = userspace_of(backend);

	wg_child_forget(&userspace->child);
	free(userspace);
}

static const struct wg_backend_class userspace_class = {
	.name = "userspace",
	.step = userspace_step,
	.observe = userspace_observe,
	.apply = userspace_apply,
	.stop = userspace_stop,
	.free = userspace_free,
};

int wg_userspace_new(struct nl *nl, const char *name, const struct wg_backend_config *config,
	struct wg_backend **ret)
{
	struct wg_userspace *userspace;

	if (strlen(config->command) >= sizeof(userspace->command))
		return ERR_INVALID;
	userspace = calloc(1, sizeof(*userspace));
	if (!userspace)
		return ERR_NOMEM;
	userspace->base = (struct wg_backend){.class = &userspace_class, .fd = -1};
	strncpy(userspace->base.name, name, sizeof(userspace->base.name) - 1);
	strcpy(userspace->command, config->command);
	userspace->nl = nl;
	userspace->output = config->output;
	userspace->child = WG_CHILD_NONE;
	*ret = &userspace->base;
	return 0;
}
