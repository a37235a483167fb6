#include "daemon/recon_keeper.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int open_socket(const char *interface, struct sockaddr_un *ret, socklen_t *ret_size)
{
	int size;

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	size = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "meshd/%s", interface);
	*ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int recon_keeper_take(const char *interface)
{
	struct sockaddr_un address;
	socklen_t size;
	int fd = open_socket(interface, &address, &size);

	/* Whoever asks connects; nobody is ever answered. */
	if (fd >= 0 && (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1))) {
		close(fd);
		return -1;
	}
	return fd;
}

bool recon_keeper_find(const char *interface, pid_t *ret_pid)
{
	struct sockaddr_un address;
	struct ucred peer = {0};
	socklen_t size;
	int fd = open_socket(interface, &address, &size);
	bool found;

	if (fd < 0)
		return false;
	/* EAGAIN: others have asked, and stay. */
	found = connect(fd, (struct sockaddr *)&address, size) == 0 || errno == EAGAIN;
	size = sizeof(peer);
	if (found)
		*ret_pid =
			getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
	close(fd);
	return found;
}
