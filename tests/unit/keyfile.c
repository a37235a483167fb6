/* The key file: whole or not at all, and nobody else's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/keyfile.h"
#include "daemon/statedir.h"
#include "tests/support/tempdir.h"

#define SEED "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static char dir[TEMPDIR_SIZE], path[TEMPDIR_SIZE + 16], error[KEYFILE_ERROR_SIZE];

static int setup(void **state)
{
	(void)state;
	tempdir_make(dir);
	snprintf(path, sizeof(path), "%s/" KEYFILE_NAME, dir);
	error[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tempdir_remove(dir);
	return 0;
}

static struct keyfile *open_keys(void)
{
	struct keyfile *file;

	if (keyfile_open(dir, &file, error))
		fail_msg("%s", error);
	return file;
}

static void write_file(const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void a_first_start_makes_keys_that_stay(void **state)
{
	(void)state;
	struct keyfile *first = open_keys(), *second = open_keys();
	struct stat st;

	assert_memory_equal(&first->identity, &second->identity, sizeof(first->identity));
	assert_memory_equal(&first->wireguard, &second->wireguard, sizeof(first->wireguard));
	assert_false(id_equal(&first->identity.id, &first->wireguard.id));
	assert_false(first->has_root || first->has_next || first->has_mesh);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	keyfile_free(first);
	keyfile_free(second);
}

static void everything_in_it_reads_back(void **state)
{
	(void)state;
	struct keyfile *first = open_keys(), *second;

	first->has_root = first->root_exported = first->has_next = first->has_mesh = true;
	first->root = first->wireguard;
	first->next = first->identity;
	first->mesh = first->wireguard.id;
	first->life = 41;
	assert_in_range(first->wireguard_made.ms, 1000, INT64_MAX);
	first->wireguard_made.ms = 1700000000000;
	first->next_made.ms = 1800000000999;
	assert_int_equal(keyfile_write(first, dir, error), 0);
	second = open_keys();
	assert_true(second->has_root && second->root_exported && second->has_next);
	assert_memory_equal(&second->root, &first->root, sizeof(first->root));
	assert_memory_equal(&second->next, &first->next, sizeof(first->next));
	assert_int_equal(second->wireguard_made.ms, 1700000000000);
	assert_int_equal(second->next_made.ms, 1800000000000);
	assert_true(second->has_mesh && id_equal(&second->mesh, &first->mesh));
	assert_int_equal(second->life, 41);
	keyfile_fresh(second);
	assert_false(id_equal(&second->identity.id, &first->identity.id));
	assert_false(second->has_root || second->has_mesh || second->life);
	keyfile_free(first);
	keyfile_free(second);
}

static void what_does_not_belong_there_is_refused_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"", "identity is missing"},
		{"identity = " SEED "\n", "wireguard is missing"},
		{"identity = " SEED "\nidentity = " SEED "\n", "line 2"},
		{"identity = " SEED "\nwireguard = AAAA\n", "line 2"},
		{"identity = " SEED "\nwireguard = " SEED "\nwireguard-made = -1\n", "line 3"},
		{"identity = " SEED "\nwireguard = " SEED "\nwireguard-made = 1234567890123\n",
			"line 3"},
		{"identity =" SEED "\n", "line 1"},
		{"identity = " SEED "\nwireguard = " SEED "\nlife = 1000000\n", "line 3"},
		{"identity = " SEED "\nwireguard = " SEED "\nroot-exported = true\n",
			"root-exported without root"},
		{"identity = " SEED "\nwireguard = " SEED "\nroot = " SEED
		 "\nroot-exported = yes\n",
			"line 4"},
		{"identity = " SEED "\nwireguard = " SEED, "line 2: cut off"},
		{"identity = " SEED "\nwireguard = " SEED "\nlife 1\n", "line 3"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct keyfile *file;

		write_file(cases[i].text, 0600);
		assert_int_equal(keyfile_open(dir, &file, error), ERR_MALFORMED);
		if (!strstr(error, cases[i].error) || !strstr(error, path))
			fail_msg("%zu: %s", i, error);
	}
	/* a newer meshd's: what the line means is not to be lost */
	write_file("identity = " SEED "\nwireguard = " SEED "\ncolour = blue\n", 0600);
	struct keyfile *newer;
	assert_int_equal(keyfile_open(dir, &newer, error), ERR_VERSION);
	assert_non_null(strstr(error, "line 3"));
	assert_non_null(strstr(error, "newer meshd"));
	write_file("# a comment\n\nidentity = " SEED "\nwireguard = " SEED "\n", 0600);
	keyfile_free(open_keys());
}

static void a_file_that_others_can_read_is_refused(void **state)
{
	(void)state;
	struct keyfile *file;

	write_file("identity = " SEED "\nwireguard = " SEED "\n", 0640);
	assert_int_equal(keyfile_open(dir, &file, error), ERR_STATE);
	assert_non_null(strstr(error, "mode 0640"));
	assert_non_null(strstr(error, "chmod 600"));
}

static void a_file_of_somebody_else_is_refused(void **state)
{
	(void)state;
	struct keyfile *file;

	if (geteuid())
		skip(); /* only root gives files away */
	write_file("identity = " SEED "\nwireguard = " SEED "\n", 0600);
	assert_int_equal(chown(path, 12345, 0), 0);
	assert_int_equal(keyfile_open(dir, &file, error), ERR_STATE);
	assert_non_null(strstr(error, "12345"));
}

static void a_link_is_not_followed(void **state)
{
	(void)state;
	struct keyfile *file;

	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(keyfile_open(dir, &file, error), ERR_SYSTEM);
}

static void a_write_that_fails_leaves_the_old_file(void **state)
{
	(void)state;
	struct rlimit before, none;
	struct keyfile *first = open_keys(), *second;
	struct id id = first->identity.id;

	keyfile_fresh(first);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = (struct rlimit){8, before.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(keyfile_write(first, dir, error), ERR_SYSTEM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_non_null(strstr(error, "cannot be written"));
	second = open_keys();
	assert_true(id_equal(&second->identity.id, &id));
	keyfile_free(first);
	keyfile_free(second);
}

static void the_second_daemon_is_refused_with_the_firsts_pid(void **state)
{
	(void)state;
	char expected[32];
	int first, second;

	snprintf(expected, sizeof(expected), "pid %d:", (int)getpid());
	assert_int_equal(statedir_open(dir, &first, error), 0);
	assert_int_equal(statedir_open(dir, &second, error), ERR_STATE);
	assert_non_null(strstr(error, expected));
	close(first);
	assert_int_equal(statedir_open(dir, &second, error), 0);
	close(second);
}

static void the_state_directory_is_made_for_the_owner_alone(void **state)
{
	(void)state;
	char inner[TEMPDIR_SIZE + 16];
	struct stat st;
	int fd;

	snprintf(inner, sizeof(inner), "%s/inner", dir);
	assert_int_equal(statedir_open(inner, &fd, error), 0);
	close(fd);
	assert_int_equal(stat(inner, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(chmod(inner, 0755), 0);
	assert_int_equal(statedir_open(inner, &fd, error), 0);
	close(fd);
	assert_int_equal(stat(inner, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(chmod(inner, 0770), 0);
	assert_int_equal(statedir_open(inner, &fd, error), ERR_STATE);
	assert_non_null(strstr(error, "0770"));
	strcat(inner, "/a/b");
	assert_int_equal(statedir_open(inner, &fd, error), ERR_SYSTEM);
}

static void root_locks_anothers_state_directory_and_makes_nothing_there(void **state)
{
	(void)state;
	char inner[TEMPDIR_SIZE + 16], lock[TEMPDIR_SIZE + 32];
	int first, second;

	snprintf(inner, sizeof(inner), "%s/inner", dir);
	snprintf(lock, sizeof(lock), "%s/%s", inner, STATEDIR_LOCK_NAME);
	assert_int_equal(statedir_open_other(inner, &first, error), ERR_UNKNOWN);
	assert_int_equal(mkdir(inner, 0700), 0);
	assert_int_equal(statedir_open_other(inner, &first, error), ERR_UNKNOWN);
	assert_int_not_equal(access(lock, F_OK), 0);
	assert_int_equal(statedir_open(inner, &first, error), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(inner, 1, 1), 0);
		assert_int_equal(chown(lock, 1, 1), 0);
	}
	assert_int_equal(statedir_open_other(inner, &second, error), ERR_STATE);
	close(first);
	assert_int_equal(statedir_open_other(inner, &second, error), 0);
	close(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_first_start_makes_keys_that_stay),
		TEST(everything_in_it_reads_back),
		TEST(what_does_not_belong_there_is_refused_with_its_line),
		TEST(a_file_that_others_can_read_is_refused),
		TEST(a_file_of_somebody_else_is_refused),
		TEST(a_link_is_not_followed),
		TEST(a_write_that_fails_leaves_the_old_file),
		TEST(the_second_daemon_is_refused_with_the_firsts_pid),
		TEST(the_state_directory_is_made_for_the_owner_alone),
		TEST(root_locks_anothers_state_directory_and_makes_nothing_there),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
