#include "daemon/recon_keeper.h"

#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/log.h"

#define ASKERS_PER_TURN 32 /* anybody may connect, and the loop has other things to do */
#define ASK_TIMEOUT_S	2  /* a daemon that runs makes room for the next one at once */

static int open_socket(
	const char *interface, int flags, struct sockaddr_un *ret, socklen_t *ret_size)
{
	int size;

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	size = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "meshd/%s", interface);
	*ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
}

int recon_keeper_take(const char *interface)
{
	struct sockaddr_un address;
	socklen_t size;
	int fd = open_socket(interface, SOCK_NONBLOCK, &address, &size);

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, size) && !listen(fd, SOMAXCONN))
		return fd;
	log_warn("the socket @meshd/%s cannot be taken: %s; `meshd --cleanup` with another state "
		 "directory would take %s down under this daemon",
		interface, strerror(errno), interface);
	if (fd >= 0)
		close(fd);
	return -1;
}

bool recon_keeper_answer(int fd)
{
	for (int i = 0; i < ASKERS_PER_TURN; i++) {
		int asker = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (asker < 0)
			return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
		close(asker);
	}
	return true;
}

/* Anybody may take a name. Only who could keep an interface is believed: root, we ourselves, and
 * the user that the service runs as. */
static bool believed(uid_t uid)
{
	const struct passwd *user;

	if (uid == 0 || uid == geteuid())
		return true;
	user = getpwnam(RECON_KEEPER_USER);
	return user && user->pw_uid == uid;
}

bool recon_keeper_find(const char *interface, pid_t *ret_pid)
{
	const struct timeval timeout = {.tv_sec = ASK_TIMEOUT_S};
	struct sockaddr_un address;
	struct ucred peer;
	socklen_t size;
	int fd = open_socket(interface, 0, &address, &size);
	bool found = false;

	if (fd < 0)
		return false;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&address, size)) {
		if (errno != ECONNREFUSED)
			log_warn("the socket @meshd/%s is held by no meshd that answers: %s",
				interface, strerror(errno));
		goto out;
	}
	size = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		goto out;
	found = believed(peer.uid);
	if (found)
		*ret_pid = peer.pid;
	else
		log_warn("the socket @meshd/%s is held by process %d of user %u, which is no "
			 "meshd of root's or of user %s's: passed over",
			interface, (int)peer.pid, (unsigned int)peer.uid, RECON_KEEPER_USER);
out:
	close(fd);
	return found;
}
