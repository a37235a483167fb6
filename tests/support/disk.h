/*
 * One folder on a disk that can lose power, in memory. What is written is seen at once, as through
 * a page cache; it is on the disk once it is synced. When the power goes, every operation fails
 * from then on, and when it is back, of what was not synced
 *
 *   each 512 bytes of a write are there or not, or are garbage, each for itself; a length is
 *       another one or not, and what nobody wrote of it is zero;
 *   names (made, renamed, removed) are as they were at some moment since the folder was synced:
 *       file systems keep those in order.
 *
 * Bytes beside a write are never harmed (SQLITE_IOCAP_POWERSAFE_OVERWRITE says the same). Any
 * thread may use it.
 */
#ifndef MESHD_TESTS_SUPPORT_DISK_H
#define MESHD_TESTS_SUPPORT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_SECTOR	   512
#define DISK_SYNC_FAILS_IN 20 /* one of so many, where syncs fail */

struct disk;
struct disk_file;

/*
 * Two kinds say that they have synced, and have not: what a test must find out. One fails to sync a
 * file now and then, and says so; then it is as Linux has it: what was to be synced goes on to be
 * seen, is not on the disk, and counts as clean, so that no later sync writes it.
 */
enum disk_kind { DISK_HONEST, DISK_IGNORES_SYNC, DISK_IGNORES_FOLDER_SYNC, DISK_FAILS_SYNC };

struct disk *disk_new(enum disk_kind kind, const uint8_t seed[32]);
void disk_free(struct disk *disk);

/* So many operations, of whatever kind, still succeed. */
void disk_cut_after(struct disk *disk, unsigned operations);
bool disk_is_off(struct disk *disk);
/* These two end it; all files have to be closed. */
void disk_power_on(struct disk *disk);
void disk_process_restarted(struct disk *disk); /* only the process had died: nothing is lost */

/* All these: false when the power is off, or there is no such file. */
bool disk_open(struct disk *disk, const char *name, bool create, struct disk_file **ret);
void disk_close(struct disk_file *file);
bool disk_read(struct disk_file *file, size_t at, void *ret, size_t size, size_t *ret_read);
bool disk_write(struct disk_file *file, size_t at, const void *bytes, size_t size);
bool disk_truncate(struct disk_file *file, size_t size);
bool disk_size(struct disk_file *file, size_t *ret);
bool disk_sync(struct disk_file *file);
bool disk_exists(struct disk *disk, const char *name);
bool disk_remove(struct disk *disk, const char *name);
bool disk_rename(struct disk *disk, const char *from, const char *to);
bool disk_sync_folder(struct disk *disk);

#endif
