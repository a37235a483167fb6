/*
 * The power goes while the key file is written: what is there then is the old file or the new one,
 * whole. The real code, with the system calls that it makes linked to a disk that loses what was
 * not synced (CMakeLists.txt has the list).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/keyfile.h"
#include "gossip/base/rng.h"
#include "tests/support/disk.h"
#include "tests/support/rounds.h"

#define ROUNDS	    2000
#define STEPS	    24 /* of the disk, until the power goes, at most: two writes of it */
#define FIRST_FD    1000
#define DESCRIPTORS 8
#define FOLDER	    "/nowhere"

/* ---- the system calls ---- */

static struct disk *disk;
static struct {
	bool open;
	struct disk_file *file; /* NULL: the folder */
	size_t at;
} descriptors[DESCRIPTORS];

static int failed(int reason)
{
	errno = reason;
	return -1;
}

static int descriptor_new(struct disk_file *file)
{
	int i = 0;

	while (descriptors[i].open)
		assert_true(++i < DESCRIPTORS);
	descriptors[i].open = true;
	descriptors[i].file = file;
	descriptors[i].at = 0;
	return FIRST_FD + i;
}

static const char *last_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int __wrap_openat(int folder, const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...)
{
	struct disk_file *file;

	(void)folder;
	if (!disk_open(disk, last_of(path), flags & O_CREAT, &file))
		return failed(disk_is_off(disk) ? EIO : ENOENT);
	if ((flags & O_TRUNC) && !disk_truncate(file, 0)) {
		disk_close(file);
		return failed(EIO);
	}
	return descriptor_new(file);
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	if (flags & O_DIRECTORY)
		return descriptor_new(NULL);
	return __wrap_openat(AT_FDCWD, path, flags);
}

int __wrap_close(int fd);
int __wrap_close(int fd)
{
	if (descriptors[fd - FIRST_FD].file)
		disk_close(descriptors[fd - FIRST_FD].file);
	descriptors[fd - FIRST_FD].open = false;
	return 0;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	size_t *at = &descriptors[fd - FIRST_FD].at;

	/* a write may be a short one */
	if (size > 100)
		size /= 2;
	if (!disk_write(descriptors[fd - FIRST_FD].file, *at, bytes, size))
		return failed(EIO);
	*at += size;
	return (ssize_t)size;
}

ssize_t __wrap_read(int fd, void *ret, size_t size);
ssize_t __wrap_read(int fd, void *ret, size_t size)
{
	size_t *at = &descriptors[fd - FIRST_FD].at, got;

	if (!disk_read(descriptors[fd - FIRST_FD].file, *at, ret, size, &got))
		return failed(EIO);
	*at += got;
	return (ssize_t)got;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	struct disk_file *file = descriptors[fd - FIRST_FD].file;

	return (file ? disk_sync(file) : disk_sync_folder(disk)) ? 0 : failed(EIO);
}

int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode)
{
	(void)fd;
	(void)mode;
	return 0;
}

int __wrap_fstat(int fd, struct stat *ret);
int __wrap_fstat(int fd, struct stat *ret)
{
	size_t size;

	if (!disk_size(descriptors[fd - FIRST_FD].file, &size))
		return failed(EIO);
	*ret = (struct stat){
		.st_mode = S_IFREG | 0600, .st_uid = geteuid(), .st_size = (off_t)size};
	return 0;
}

int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	(void)from_folder;
	(void)to_folder;
	return disk_rename(disk, from, to) ? 0 : failed(EIO);
}

int __wrap_unlinkat(int folder, const char *path, int flags);
int __wrap_unlinkat(int folder, const char *path, int flags)
{
	(void)folder;
	(void)flags;
	return disk_remove(disk, path) ? 0 : failed(EIO);
}

/* ---- the promises ---- */

/* After power came back: the keys that were acknowledged last, or those that were being written.
 * They are on the disk now. */
static bool find(struct id *acknowledged, const struct id *written)
{
	char error[KEYFILE_ERROR_SIZE];
	struct keyfile *file;
	bool found;

	if (keyfile_open(FOLDER, &file, error))
		return false;
	found = id_equal(&file->identity.id, acknowledged) || id_equal(&file->identity.id, written);
	*acknowledged = file->identity.id;
	keyfile_free(file);
	return found;
}

/* false: keys that a write had acknowledged were gone, or a file was there by half. */
static bool play(enum disk_kind kind, unsigned rounds)
{
	uint8_t seed[32] = {1};
	char error[KEYFILE_ERROR_SIZE];
	struct keyfile *file;
	struct id acknowledged, written;
	struct rng rng;
	bool fine = true;

	rng_init(&rng, seed);
	disk = disk_new(kind, seed);
	assert_int_equal(keyfile_open(FOLDER, &file, error), 0);
	acknowledged = written = file->identity.id;
	while (rounds-- && fine) {
		disk_cut_after(disk, (unsigned)rng_below(&rng, STEPS));
		while (!disk_is_off(disk)) {
			keyfile_fresh(file);
			file->has_root = file->has_mesh = rng_below(&rng, 2); /* a longer file */
			written = file->identity.id;
			if (!keyfile_write(file, FOLDER, error))
				acknowledged = written;
		}
		disk_power_on(disk);
		fine = find(&acknowledged, &written);
	}
	keyfile_free(file);
	disk_free(disk);
	return fine;
}

static void the_key_file_is_the_old_or_the_new_one_after_a_loss_of_power(void **state)
{
	(void)state;
	assert_true(play(DISK_HONEST, rounds_wanted(ROUNDS)));
}

static void a_disk_that_ignores_syncs_is_found_out(void **state)
{
	(void)state;
	assert_false(play(DISK_IGNORES_SYNC, ROUNDS));
	assert_false(play(DISK_IGNORES_FOLDER_SYNC, ROUNDS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_file_is_the_old_or_the_new_one_after_a_loss_of_power),
		cmocka_unit_test(a_disk_that_ignores_syncs_is_found_out),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
