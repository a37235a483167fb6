#include "daemon/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/ctl_client.h"
#include "daemon/ctl_kv.h"
#include "daemon/ctl_ping.h"
#include "daemon/ctl_verb.h"
#include "daemon/log.h"

#define BACKLOG 16
#define REFUSED_MAX                                                                  \
	8 /* clients beyond the limit that are being told so; others are just closed \
	   */

struct ctl {
	struct ctl_clients clients;
	uv_pipe_t listener;
	bool opened;  /* the listener is a handle of the loop */
	bool bound;   /* the socket's file is ours */
	bool waiting; /* a connection, for memory */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static int fail(const struct ctl *ctl, const char *what)
{
	log_error("control socket %s: %s: %s", ctl->path, what, strerror(errno));
	return ERR_SYSTEM;
}

/* The folder it stands in, where it is missing: everybody may pass through it. */
static void make_folder(const struct ctl *ctl)
{
	char folder[sizeof(ctl->path)];
	char *slash;

	memcpy(folder, ctl->path, sizeof(folder));
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return;
	*slash = '\0';
	if (mkdir(folder, 0755) == 0 && fchmodat(AT_FDCWD, folder, 0755, AT_SYMLINK_NOFOLLOW) != 0)
		log_warn("cannot open %s to everybody: %s", folder, strerror(errno));
}

/* A socket whose daemon is gone may be removed; anything else is somebody's. */
static int remove_stale(const struct ctl *ctl, const struct sockaddr_un *address)
{
	struct stat st;
	int fd, alive;

	if (lstat(ctl->path, &st) != 0)
		return errno == ENOENT ? 0 : fail(ctl, "stat");
	if (!S_ISSOCK(st.st_mode)) {
		log_error(
			"%s is there and is no socket: move it away, or name another with --socket",
			ctl->path);
		return ERR_SYSTEM;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(ctl, "socket");
	alive = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		errno != ECONNREFUSED;
	close(fd);
	if (alive) {
		log_error("another daemon answers on %s: stop it, or name another socket with "
			  "--socket",
			ctl->path);
		return ERR_SYSTEM;
	}
	return unlink(ctl->path) == 0 || errno == ENOENT ? 0 : fail(ctl, "cannot remove it");
}

/* Owner and group may open it, once it is the right group's, as it is at once where the daemon runs
 * in that group, and may call no chown. No link that somebody puts in its place is followed. */
static int open_to_group(const struct ctl *ctl)
{
	const struct group *group = getgrnam(CTL_GROUP);

	if (group && group->gr_gid != getegid() && lchown(ctl->path, (uid_t)-1, group->gr_gid) != 0)
		log_warn("control socket %s: cannot give it to the group %s: %s", ctl->path,
			CTL_GROUP, strerror(errno));
	return fchmodat(AT_FDCWD, ctl->path, 0660, AT_SYMLINK_NOFOLLOW) == 0 ? 0
									     : fail(ctl, "chmod");
}

static int bind_socket(struct ctl *ctl, int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int failed;

	memcpy(address.sun_path, ctl->path, sizeof(ctl->path));
	make_folder(ctl);
	if (remove_stale(ctl, &address) != 0)
		return ERR_SYSTEM;
	mask = umask(0177); /* nobody's but ours until its group is right */
	failed = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (failed != 0) {
		log_error("control socket %s cannot be made: %s; run meshd as root, or name "
			  "another one with --socket",
			ctl->path, strerror(errno));
		return ERR_SYSTEM;
	}
	ctl->bound = true;
	return open_to_group(ctl);
}

static void take_connection(struct ctl *ctl)
{
	struct ctl_client *client;

	/* Until it is taken, libuv holds all others back. */
	ctl->waiting = ctl_client_new(&ctl->clients, &client) != 0;
	if (ctl->waiting)
		return;
	if (uv_accept((uv_stream_t *)&ctl->listener, (uv_stream_t *)&client->pipe) != 0 ||
		ctl->clients.count > IPC_CLIENTS_MAX + CTL_CLIENTS_RESERVED + REFUSED_MAX)
		ctl_client_close(client);
	else
		ctl_client_start(client);
}

static void on_connection(uv_stream_t *listener, int status)
{
	if (status == 0)
		take_connection(listener->data);
}

static void changed(struct daemon *daemon)
{
	if (daemon->ctl->waiting)
		take_connection(daemon->ctl);
}

static void values(struct daemon *daemon)
{
	ctl_kv_changed(&daemon->ctl->clients);
}

static void pong(struct daemon *daemon, uint64_t ticket, int64_t rtt_us)
{
	ctl_ping_answered(&daemon->ctl->clients, ticket, rtt_us);
}

static int listen_on(struct ctl *ctl, int fd)
{
	int err;

	uv_pipe_init(&ctl->clients.daemon->loop, &ctl->listener, 0);
	ctl->opened = true;
	ctl->listener.data = ctl;
	err = uv_pipe_open(&ctl->listener, fd);
	if (err == 0)
		err = uv_listen((uv_stream_t *)&ctl->listener, BACKLOG, on_connection);
	if (err == 0)
		return 0;
	log_error("control socket %s: %s", ctl->path, uv_strerror(err));
	return ERR_SYSTEM;
}

static int start(struct daemon *daemon)
{
	const char *path = daemon->options.socket;
	struct ctl *ctl = calloc(1, sizeof(*ctl));
	int fd;

	if (!ctl)
		return ERR_NOMEM;
	daemon->ctl = ctl;
	ctl->clients = (struct ctl_clients){.daemon = daemon, .run = ctl_verb_run};
	if (strlen(path) >= sizeof(ctl->path)) {
		log_error("%s is too long for the path of a socket: at most %zu bytes", path,
			sizeof(ctl->path) - 1);
		return ERR_SYSTEM;
	}
	strcpy(ctl->path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(ctl, "socket");
	if (bind_socket(ctl, fd) != 0) {
		close(fd);
		return ERR_SYSTEM;
	}
	return listen_on(ctl, fd);
}

static void stop(struct daemon *daemon)
{
	struct ctl *ctl = daemon->ctl;

	if (!ctl)
		return;
	/* First its name: whoever connects from now on is told that nobody is there. */
	if (ctl->bound && unlink(ctl->path) != 0 && errno != ENOENT)
		log_warn("cannot remove %s: %s", ctl->path, strerror(errno));
	ctl->bound = false;
	if (ctl->opened)
		uv_close((uv_handle_t *)&ctl->listener, NULL);
	ctl->opened = false;
	while (ctl->clients.first)
		ctl_client_close(ctl->clients.first);
}

static void ctl_free(struct daemon *daemon)
{
	free(daemon->ctl);
	daemon->ctl = NULL;
}

const struct daemon_part ctl_part = {
	.name = "control socket",
	.start = start,
	.changed = changed,
	.values = values,
	.pong = pong,
	.stop = stop,
	.free = ctl_free,
};
