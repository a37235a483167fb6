#include "tests/support/vfs_loss.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As SQLite's own for Unix tells them: the page cache's unit, and what a write leaves alone. */
#define SECTOR_SIZE 4096
#define PATH_SIZE   4096
#define REGIONS_MAX 64 /* of the index of a log, 32 KiB each */

struct file {
	sqlite3_file base;
	struct disk_file *on_disk;
	bool sync_folder; /* a journal that may be new: its first sync is also its name's */
	bool delete;	  /* with the last close */
	void *regions[REGIONS_MAX]; /* shared memory, of one connection */
	char name[PATH_SIZE];
};

static struct disk *the_disk;
static sqlite3_vfs *system_vfs;

static struct file *of(sqlite3_file *base)
{
	return (struct file *)base;
}

/* ---- one file ---- */

static int file_shm_unmap(sqlite3_file *base, int delete_it)
{
	(void)delete_it;
	for (size_t i = 0; i < REGIONS_MAX; i++) {
		free(of(base)->regions[i]);
		of(base)->regions[i] = NULL;
	}
	return SQLITE_OK;
}

static int file_close(sqlite3_file *base)
{
	file_shm_unmap(base, 1);
	disk_close(of(base)->on_disk);
	if (of(base)->delete)
		disk_remove(the_disk, of(base)->name);
	return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *ret, int size, sqlite3_int64 at)
{
	size_t done;

	if (!disk_read(of(base)->on_disk, (size_t)at, ret, (size_t)size, &done))
		return SQLITE_IOERR_READ;
	if (done == (size_t)size)
		return SQLITE_OK;
	memset((char *)ret + done, 0, (size_t)size - done);
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *bytes, int size, sqlite3_int64 at)
{
	return disk_write(of(base)->on_disk, (size_t)at, bytes, (size_t)size) ? SQLITE_OK
									      : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	return disk_truncate(of(base)->on_disk, (size_t)size) ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int file_sync(sqlite3_file *base, int flags)
{
	(void)flags;
	if (!disk_sync(of(base)->on_disk))
		return SQLITE_IOERR_FSYNC;
	if (of(base)->sync_folder && !disk_sync_folder(the_disk))
		return SQLITE_IOERR_DIR_FSYNC;
	of(base)->sync_folder = false;
	return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret)
{
	size_t size;

	if (!disk_size(of(base)->on_disk, &size))
		return SQLITE_IOERR_FSTAT;
	*ret = (sqlite3_int64)size;
	return SQLITE_OK;
}

/* One connection has nobody to share with. */
static int file_lock(sqlite3_file *base, int level)
{
	(void)base;
	(void)level;
	return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *base, int *ret)
{
	(void)base;
	*ret = 0;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
	(void)base;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base)
{
	(void)base;
	return SECTOR_SIZE;
}

static int file_characteristics(sqlite3_file *base)
{
	(void)base;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int file_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **ret)
{
	assert(region < REGIONS_MAX);
	if (!of(base)->regions[region] && extend)
		of(base)->regions[region] = calloc(1, (size_t)size);
	*ret = of(base)->regions[region];
	return SQLITE_OK;
}

static int file_shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
	(void)base;
	(void)offset;
	(void)count;
	(void)flags;
	return SQLITE_OK;
}

static void file_shm_barrier(sqlite3_file *base)
{
	(void)base;
	__sync_synchronize();
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_lock,
	.xCheckReservedLock = file_check_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

/* ---- the folder ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int vfs_open(
	sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *ret_flags)
{
	const int journals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
	struct file *file = of(base);

	(void)vfs;
	*file = (struct file){.delete = flags & SQLITE_OPEN_DELETEONCLOSE};
	strncpy(file->name, path ? base_name(path) : "temporary", sizeof(file->name) - 1);
	if (!disk_open(the_disk, file->name, flags & SQLITE_OPEN_CREATE, &file->on_disk))
		return SQLITE_CANTOPEN;
	/* as unixOpen() has it: isNewJrnl */
	file->sync_folder = (flags & SQLITE_OPEN_CREATE) && (flags & journals);
	file->base.pMethods = &methods;
	if (ret_flags)
		*ret_flags = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
	(void)vfs;
	if (!disk_exists(the_disk, base_name(path)) && !disk_is_off(the_disk))
		return SQLITE_IOERR_DELETE_NOENT;
	if (!disk_remove(the_disk, base_name(path)))
		return SQLITE_IOERR_DELETE;
	return sync_folder && !disk_sync_folder(the_disk) ? SQLITE_IOERR_DIR_FSYNC : SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret)
{
	(void)vfs;
	(void)flags;
	*ret = disk_exists(the_disk, base_name(path));
	return disk_is_off(the_disk) ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *path, int size, char *ret)
{
	(void)vfs;
	return snprintf(ret, (size_t)size, "%s", path) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_randomness(sqlite3_vfs *vfs, int size, char *ret)
{
	(void)vfs;
	return system_vfs->xRandomness(system_vfs, size, ret);
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return system_vfs->xSleep(system_vfs, us);
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
	(void)vfs;
	return system_vfs->xCurrentTimeInt64(system_vfs, ret);
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *ret)
{
	(void)vfs;
	(void)size;
	(void)ret;
	return 0;
}

static sqlite3_vfs loss = {
	.iVersion = 2,
	.szOsFile = sizeof(struct file),
	.mxPathname = PATH_SIZE - 1,
	.zName = "loss",
	.xOpen = vfs_open,
	.xDelete = vfs_delete,
	.xAccess = vfs_access,
	.xFullPathname = vfs_full_pathname,
	.xRandomness = vfs_randomness,
	.xSleep = vfs_sleep,
	.xGetLastError = vfs_last_error,
	.xCurrentTimeInt64 = vfs_time,
};

void vfs_loss_register(struct disk *disk)
{
	system_vfs = sqlite3_vfs_find(NULL);
	the_disk = disk;
	if (sqlite3_vfs_register(&loss, 1) != SQLITE_OK)
		abort();
}

void vfs_loss_unregister(void)
{
	sqlite3_vfs_unregister(&loss);
	the_disk = NULL;
}
