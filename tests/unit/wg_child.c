/* A process that is to outlive us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "wg/wg_child.h"

#define LIMIT_MS 5000

static struct wg_child start(const char *command, int output)
{
	struct wg_child child = WG_CHILD_NONE;

	assert_int_equal(wg_child_start(&child, command, "mesh7", output), 0);
	assert_true(child.own && child.pid > 0 && child.fd >= 0);
	return child;
}

/* Its end, by the descriptor that a loop would poll. */
static void await(struct wg_child *child, char reason[WG_CHILD_REASON_SIZE])
{
	struct pollfd poll_fd = {.fd = child->fd, .events = POLLIN};

	assert_int_equal(poll(&poll_fd, 1, LIMIT_MS), 1);
	assert_true(wg_child_ended(child, reason));
	assert_int_equal(child->pid, 0);
}

static void its_command_is_split_at_blanks_and_names_the_interface(void **state)
{
	(void)state;
	char path[] = "/tmp/wg_child.XXXXXX", text[64] = "", reason[WG_CHILD_REASON_SIZE];
	int fd = mkstemp(path);
	struct wg_child child;

	assert_true(fd >= 0);
	child = start("  printf  <%s>  %i a-%i-b\t$HOME;", fd);
	await(&child, reason);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "<mesh7><a-mesh7-b><$HOME;>");
	close(fd);
	unlink(path);
	assert_int_equal(wg_child_start(&child, "  ", "mesh7", -1), ERR_INVALID);
	assert_int_equal(
		wg_child_start(&child, "/nowhere/wireguard -f", "mesh7", -1), ERR_UNSUPPORTED);
}

static void it_has_a_session_of_its_own_and_none_of_our_descriptors(void **state)
{
	(void)state;
	int leak = open("/dev/zero", O_RDONLY);
	struct wg_child child = start("sleep 60", -1);
	struct dirent *entry;
	char path[64];
	DIR *folder;

	assert_true(leak >= 0);
	assert_int_equal(getsid(child.pid), child.pid);
	snprintf(path, sizeof(path), "/proc/%d/fd", child.pid);
	folder = opendir(path);
	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		char target[64] = "";

		if (readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1) < 0)
			continue;
		assert_string_not_equal(target, "/dev/zero");
		if (atoi(entry->d_name) <= 2)
			assert_string_equal(target, "/dev/null");
	}
	closedir(folder);
	close(leak);
	wg_child_signal(&child, SIGKILL);
	assert_true(wg_child_wait(&child, LIMIT_MS));
}

static void how_it_ended_is_told(void **state)
{
	(void)state;
	char reason[WG_CHILD_REASON_SIZE];
	struct wg_child child = start("false", -1);

	await(&child, reason);
	assert_string_equal(reason, "exited with status 1");
	child = start("sleep 60", -1);
	assert_false(wg_child_ended(&child, reason));
	wg_child_signal(&child, SIGTERM);
	await(&child, reason);
	assert_string_equal(reason, "was killed by signal 15 (Terminated)");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to be reaped */
	assert_int_equal(errno, ECHILD);
}

/* Whoever started us may have left SIGCHLD ignored: the kernel reaps then (wait(2)). */
static void its_end_is_seen_also_where_the_kernel_has_reaped_it(void **state)
{
	(void)state;
	char reason[WG_CHILD_REASON_SIZE];
	struct wg_child child;

	signal(SIGCHLD, SIG_IGN);
	child = start("sleep 60", -1);
	wg_child_signal(&child, SIGTERM);
	await(&child, reason);
	signal(SIGCHLD, SIG_DFL);
	assert_string_equal(reason, "ended");
}

static void one_that_is_not_our_child_is_watched_all_the_same(void **state)
{
	(void)state;
	char reason[WG_CHILD_REASON_SIZE];
	struct wg_child child = start("sleep 60", -1), adopted;

	wg_child_adopt(&adopted, child.pid);
	assert_false(wg_child_ended(&adopted, reason));
	wg_child_signal(&adopted, SIGTERM);
	await(&adopted, reason);
	assert_string_equal(reason, "ended");
	await(&child, reason);
	wg_child_adopt(&adopted, 0); /* in another PID namespace */
	assert_int_equal(adopted.fd, -1);
	assert_false(wg_child_ended(&adopted, reason));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_command_is_split_at_blanks_and_names_the_interface),
		cmocka_unit_test(it_has_a_session_of_its_own_and_none_of_our_descriptors),
		cmocka_unit_test(how_it_ended_is_told),
		cmocka_unit_test(its_end_is_seen_also_where_the_kernel_has_reaped_it),
		cmocka_unit_test(one_that_is_not_our_child_is_watched_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
