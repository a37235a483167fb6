#include "daemon/statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"

static int complain(char error[STATEDIR_ERROR_SIZE], int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int complain(char error[STATEDIR_ERROR_SIZE], int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, STATEDIR_ERROR_SIZE, format, args);
	va_end(args);
	return err;
}

/* The system's words, and what to do about it. */
static int complain_system(char error[STATEDIR_ERROR_SIZE], const char *dir, const char *what)
{
	const char *advice = "";
	int number = errno;

	if (number == EACCES || number == EPERM)
		advice = "; run meshd as root, or give it another folder with --state-dir";
	else if (number == EROFS)
		advice = "; mount it writable, or give meshd another folder with --state-dir";
	else if (number == ENOENT)
		advice = "; make the folder that it is to be in first";
	else if (number == ENOTDIR)
		advice = "; it has to be a folder: give another one with --state-dir";
	else if (number == ENOSPC || number == EDQUOT)
		advice = "; make room there";
	return complain(error, ERR_SYSTEM, "state directory %s%s: %s%s", dir, what,
		strerror(number), advice);
}

static int check(int fd, const char *dir, char error[STATEDIR_ERROR_SIZE])
{
	struct stat st;

	if (fstat(fd, &st))
		return complain_system(error, dir, "");
	if (st.st_uid != geteuid())
		return complain(error, ERR_STATE,
			"state directory %s belongs to user %u, but meshd runs as user %u: run it "
			"as "
			"that user, or `chown` the directory",
			dir, (unsigned)st.st_uid, (unsigned)geteuid());
	if (st.st_mode & 022)
		return complain(error, ERR_STATE,
			"state directory %s can be written by others (mode %04o): see that nothing "
			"was "
			"planted there, then `chmod 700` it",
			dir, (unsigned)st.st_mode & 07777);
	if (st.st_mode & 055) {
		if (fchmod(fd, 0700))
			return complain_system(error, dir, "");
		log_info("state directory %s could be read by others: its mode is 0700 now", dir);
	}
	return 0;
}

/* The lock file bears the holder's pid, for people. ERR_UNKNOWN where it is not there and is not
 * to be made: create is O_CREAT or 0. */
static int lock(
	int dir_fd, const char *dir, int create, int *ret_fd, char error[STATEDIR_ERROR_SIZE])
{
	int fd = openat(dir_fd, STATEDIR_LOCK_NAME, O_RDWR | create | O_CLOEXEC | O_NOFOLLOW, 0600);
	char pid[16] = "";
	ssize_t size;
	int err;

	if (fd < 0 && errno == ENOENT && !create)
		return ERR_UNKNOWN;
	if (fd < 0)
		return complain_system(error, dir, " cannot be written");
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		size = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
		/* A full disk leaves no pid, which is only for people. */
		if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)size, 0) != size)
			log_warn("%s/%s: %s", dir, STATEDIR_LOCK_NAME, strerror(errno));
		*ret_fd = fd;
		return 0;
	}
	size = errno == EWOULDBLOCK ? pread(fd, pid, sizeof(pid) - 1, 0) : -1;
	if (size < 0) {
		err = complain(
			error, ERR_SYSTEM, "%s/%s: %s", dir, STATEDIR_LOCK_NAME, strerror(errno));
	} else {
		pid[strcspn(pid, "\n")] = '\0';
		err = complain(error, ERR_STATE,
			"state directory %s is in use by another meshd, pid %s: stop that one%s",
			dir, *pid ? pid : "unknown",
			create ? ", or give this one its own --state-dir" : " first");
	}
	close(fd);
	return err;
}

int statedir_open(const char *dir, int *ret_lock_fd, char ret_error[STATEDIR_ERROR_SIZE])
{
	int fd, err;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return complain_system(ret_error, dir, " cannot be made");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return complain_system(ret_error, dir, "");
	err = check(fd, dir, ret_error);
	if (!err)
		err = lock(fd, dir, O_CREAT, ret_lock_fd, ret_error);
	close(fd);
	return err;
}

int statedir_open_other(const char *dir, int *ret_lock_fd, char ret_error[STATEDIR_ERROR_SIZE])
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (fd < 0 && errno == ENOENT)
		return ERR_UNKNOWN;
	if (fd < 0)
		return complain_system(ret_error, dir, "");
	err = lock(fd, dir, 0, ret_lock_fd, ret_error);
	close(fd);
	return err;
}
