#include "wg/wg_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

struct command {
	char text[WG_CHILD_COMMAND_MAX];
	char *words[WG_CHILD_ARGS_MAX + 1];
};

static int split(struct command *command, const char *template, const char *name)
{
	size_t used = 0, words = 0;
	bool inside = false;

	for (const char *at = template; *at; at++) {
		bool blank = *at == ' ' || *at == '\t';
		int size;

		if (!blank && !inside) {
			if (words == WG_CHILD_ARGS_MAX)
				return ERR_INVALID;
			command->words[words++] = command->text + used;
		}
		if (!blank || inside) {
			bool name_here = at[0] == '%' && at[1] == 'i';

			if (used + strlen(name) + 1 >= sizeof(command->text))
				return ERR_INVALID;
			size = name_here ? snprintf(command->text + used, strlen(name) + 1, "%s",
						   name)
					 : 1;
			if (!name_here)
				command->text[used] = blank ? '\0' : *at;
			used += size;
			at += name_here;
		}
		inside = !blank;
	}
	command->text[used] = '\0';
	command->words[words] = NULL;
	return words ? 0 : ERR_INVALID;
}

static int spawn(struct command *command, int output, pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int number;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(
		&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	number = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	for (int fd = 1; fd <= 2 && !number; fd++)
		number = output >= 0 ? posix_spawn_file_actions_adddup2(&files, output, fd)
				     : posix_spawn_file_actions_addopen(
					       &files, fd, "/dev/null", O_WRONLY, 0);
	/* Ours are closed on exec as they are opened; this is for those of libraries. */
	(void)syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
	if (!number)
		number = posix_spawn_file_actions_addchdir_np(&files, "/");
	if (!number)
		number = posix_spawnp(
			ret_pid, command->words[0], &files, &attributes, command->words, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return number;
}

int wg_child_start(struct wg_child *child, const char *command, const char *name, int output)
{
	struct command words;
	pid_t pid = -1;
	int err = split(&words, command, name);

	if (err)
		return err;
	errno = spawn(&words, output, &pid);
	if (errno == ENOENT)
		return ERR_UNSUPPORTED;
	if (errno)
		return errno == ENOMEM ? ERR_NOMEM : ERR_SYSTEM;
	wg_child_adopt(child, pid);
	child->own = true;
	return 0;
}

/* By the system call: not every C library has a function for it. */
static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

void wg_child_adopt(struct wg_child *child, pid_t pid)
{
	*child = (struct wg_child){.pid = pid, .fd = pid > 0 ? open_pidfd(pid) : -1};
}

void wg_child_forget(struct wg_child *child)
{
	if (child->fd >= 0)
		close(child->fd);
	*child = WG_CHILD_NONE;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&poll_fd, 1, timeout_ms) > 0;
}

bool wg_child_ended(struct wg_child *child, char ret_reason[WG_CHILD_REASON_SIZE])
{
	pid_t reaped = -1; /* by us: not somebody else's child, nor where SIGCHLD is ignored */
	int status;

	if (child->fd >= 0 ? !readable(child->fd, 0) : !child->own)
		return false;
	if (child->own)
		reaped = waitpid(child->pid, &status, WNOHANG);
	if (reaped == 0)
		return false;
	if (reaped < 0)
		snprintf(ret_reason, WG_CHILD_REASON_SIZE, "ended");
	else if (WIFSIGNALED(status))
		snprintf(ret_reason, WG_CHILD_REASON_SIZE, "was killed by signal %d (%s)",
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(ret_reason, WG_CHILD_REASON_SIZE, "exited with status %d",
			WEXITSTATUS(status));
	wg_child_forget(child);
	return true;
}

void wg_child_signal(const struct wg_child *child, int number)
{
	if (child->fd >= 0)
		(void)syscall(SYS_pidfd_send_signal, child->fd, number, NULL, 0);
	else if (child->own)
		(void)kill(child->pid, number); /* not reaped yet: the number is still its own */
}

bool wg_child_wait(struct wg_child *child, int timeout_ms)
{
	char reason[WG_CHILD_REASON_SIZE];

	(void)readable(child->fd, timeout_ms);
	return wg_child_ended(child, reason);
}
