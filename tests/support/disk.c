#include "tests/support/disk.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/rng.h"

#define NAMES_MAX 16 /* a database, its journals, a key file, what is set aside */

struct bytes {
	uint8_t *at;
	size_t size, room;
};

/* What was done to a file and is not on the disk: a write, or a new length. */
struct change {
	struct change *next;
	size_t at, size;
	bool truncates; /* to `at` */
	uint8_t bytes[];
};

struct inode {
	struct inode *next; /* all of the disk's */
	struct bytes now, synced;
	struct change *first, **last;
	unsigned open;
};

struct disk_file {
	struct disk *disk;
	struct inode *inode;
};

/* The folder at some moment. */
struct folder {
	struct folder *later;
	size_t count;
	struct {
		char *name;
		struct inode *inode;
	} entries[NAMES_MAX];
};

struct disk {
	pthread_mutex_t mutex;
	struct rng rng;
	enum disk_kind kind;
	unsigned operations, cut_at; /* cut_at 0: never */
	bool off;
	struct inode *inodes;
	struct folder *synced, *now; /* a list from the one to the other */
};

/* ---- bytes ---- */

static void bytes_resize(struct bytes *bytes, size_t size)
{
	if (size > bytes->room) {
		bytes->room = 2 * size;
		bytes->at = realloc(bytes->at, bytes->room);
		assert(bytes->at);
	}
	if (size > bytes->size)
		memset(bytes->at + bytes->size, 0, size - bytes->size);
	bytes->size = size;
}

static void bytes_write(struct bytes *bytes, size_t at, const void *from, size_t size)
{
	if (at + size > bytes->size)
		bytes_resize(bytes, at + size);
	memcpy(bytes->at + at, from, size);
}

static void bytes_copy(struct bytes *to, const struct bytes *from)
{
	bytes_resize(to, from->size);
	if (from->size)
		memcpy(to->at, from->at, from->size);
}

/* ---- files ---- */

static void inode_forget_changes(struct inode *inode)
{
	while (inode->first) {
		struct change *change = inode->first;

		inode->first = change->next;
		free(change);
	}
	inode->last = &inode->first;
}

static void inode_free(struct inode *inode)
{
	inode_forget_changes(inode);
	free(inode->now.at);
	free(inode->synced.at);
	free(inode);
}

static void inode_change(
	struct inode *inode, bool truncates, size_t at, const void *bytes, size_t size)
{
	struct change *change = calloc(1, sizeof(*change) + size);

	assert(change);
	change->truncates = truncates;
	change->at = at;
	change->size = size;
	if (size)
		memcpy(change->bytes, bytes, size);
	*inode->last = change;
	inode->last = &change->next;
}

static void change_apply(const struct change *change, struct bytes *to)
{
	if (change->truncates)
		bytes_resize(to, change->at);
	else
		bytes_write(to, change->at, change->bytes, change->size);
}

/* ---- the folder ---- */

static int folder_find(const struct folder *folder, const char *name)
{
	for (size_t i = 0; i < folder->count; i++) {
		if (!strcmp(folder->entries[i].name, name))
			return (int)i;
	}
	return -1;
}

static void folder_free(struct folder *folder)
{
	for (size_t i = 0; i < folder->count; i++)
		free(folder->entries[i].name);
	free(folder);
}

/* A copy, that may be changed, becomes the present one. */
static struct folder *folder_change(struct disk *disk)
{
	struct folder *copy = malloc(sizeof(*copy));

	assert(copy);
	*copy = *disk->now;
	for (size_t i = 0; i < copy->count; i++)
		copy->entries[i].name = strdup(copy->entries[i].name);
	disk->now->later = copy;
	disk->now = copy;
	return copy;
}

static void folder_add(struct folder *folder, const char *name, struct inode *inode)
{
	assert(folder->count < NAMES_MAX);
	folder->entries[folder->count].name = strdup(name);
	folder->entries[folder->count++].inode = inode;
}

static void folder_drop(struct folder *folder, int index)
{
	free(folder->entries[index].name);
	folder->entries[index] = folder->entries[--folder->count];
}

static void forget_before(struct disk *disk, struct folder *folder)
{
	while (disk->synced != folder) {
		struct folder *old = disk->synced;

		disk->synced = old->later;
		folder_free(old);
	}
}

/* ---- power ---- */

struct disk *disk_new(enum disk_kind kind, const uint8_t seed[32])
{
	struct disk *disk = calloc(1, sizeof(*disk));

	assert(disk);
	pthread_mutex_init(&disk->mutex, NULL);
	disk->kind = kind;
	rng_init(&disk->rng, seed);
	disk->now = disk->synced = calloc(1, sizeof(*disk->now));
	assert(disk->now);
	return disk;
}

void disk_free(struct disk *disk)
{
	forget_before(disk, disk->now);
	folder_free(disk->now);
	while (disk->inodes) {
		struct inode *inode = disk->inodes;

		disk->inodes = inode->next;
		inode_free(inode);
	}
	pthread_mutex_destroy(&disk->mutex);
	free(disk);
}

/* Every operation counts, so that the power also goes while it is only read. */
static bool begin(struct disk *disk)
{
	pthread_mutex_lock(&disk->mutex);
	disk->operations++;
	if (disk->cut_at && disk->operations >= disk->cut_at)
		disk->off = true;
	return !disk->off;
}

static bool end(struct disk *disk, bool done)
{
	pthread_mutex_unlock(&disk->mutex);
	return done;
}

void disk_cut_after(struct disk *disk, unsigned operations)
{
	pthread_mutex_lock(&disk->mutex);
	disk->cut_at = disk->operations + operations + 1;
	pthread_mutex_unlock(&disk->mutex);
}

bool disk_is_off(struct disk *disk)
{
	bool off;

	pthread_mutex_lock(&disk->mutex);
	off = disk->off;
	return end(disk, off);
}

/* How much of what was not synced stays, in percent: the extremes are as likely as the rest. */
static uint64_t draw_kept(struct rng *rng)
{
	static const uint8_t kept[] = {0, 10, 50, 90, 100};

	return kept[rng_below(rng, sizeof(kept))];
}

static void lose_some(struct rng *rng, struct inode *inode, const struct change *change,
	uint64_t kept, uint64_t garbage)
{
	size_t done = 0;

	while (done < change->size) {
		size_t at = change->at + done;
		size_t size = DISK_SECTOR - at % DISK_SECTOR;
		uint8_t noise[DISK_SECTOR];

		if (size > change->size - done)
			size = change->size - done;
		if (rng_below(rng, 100) < kept) {
			bytes_write(&inode->synced, at, change->bytes + done, size);
		} else if (rng_below(rng, 100) < garbage) {
			rng_bytes(rng, noise, size);
			bytes_write(&inode->synced, at, noise, size);
		}
		done += size;
	}
}

static void inode_power_on(struct rng *rng, struct inode *inode)
{
	uint64_t kept = draw_kept(rng), garbage = rng_below(rng, 2) ? 0 : 20;

	for (const struct change *change = inode->first; change; change = change->next) {
		if (!change->truncates)
			lose_some(rng, inode, change, kept, garbage);
		else if (rng_below(rng, 100) < kept)
			bytes_resize(&inode->synced, change->at);
	}
	/* a length is there without what was written */
	if (inode->synced.size < inode->now.size && rng_below(rng, 4) == 0)
		bytes_resize(&inode->synced, inode->now.size);
	bytes_copy(&inode->now, &inode->synced);
	inode_forget_changes(inode);
}

static bool has_name(const struct folder *folder, const struct inode *inode)
{
	for (size_t i = 0; i < folder->count; i++) {
		if (folder->entries[i].inode == inode)
			return true;
	}
	return false;
}

static void folder_power_on(struct disk *disk)
{
	size_t moments = 1, chosen;
	struct folder *folder = disk->synced;

	for (; folder != disk->now; folder = folder->later)
		moments++;
	chosen = (size_t)rng_below(&disk->rng, moments);
	for (folder = disk->synced; chosen; chosen--)
		folder = folder->later;
	forget_before(disk, folder);
	while (folder->later) {
		struct folder *never = folder->later;

		folder->later = never->later;
		folder_free(never);
	}
	disk->now = folder;
}

void disk_power_on(struct disk *disk)
{
	struct inode **at = &disk->inodes;

	folder_power_on(disk);
	while (*at) {
		struct inode *inode = *at;

		assert(!inode->open);
		if (has_name(disk->now, inode)) {
			inode_power_on(&disk->rng, inode);
			at = &inode->next;
		} else {
			*at = inode->next;
			inode_free(inode);
		}
	}
	disk_process_restarted(disk);
}

void disk_process_restarted(struct disk *disk)
{
	disk->off = false;
	disk->cut_at = 0;
}

/* ---- operations ---- */

static struct inode *create(struct disk *disk, const char *name)
{
	struct inode *inode = calloc(1, sizeof(*inode));

	assert(inode);
	inode->last = &inode->first;
	inode->next = disk->inodes;
	disk->inodes = inode;
	folder_add(folder_change(disk), name, inode);
	return inode;
}

bool disk_open(struct disk *disk, const char *name, bool create_it, struct disk_file **ret)
{
	struct inode *inode = NULL;
	int index;

	if (!begin(disk))
		return end(disk, false);
	index = folder_find(disk->now, name);
	if (index >= 0)
		inode = disk->now->entries[index].inode;
	else if (create_it)
		inode = create(disk, name);
	if (!inode)
		return end(disk, false);
	inode->open++;
	*ret = malloc(sizeof(**ret));
	assert(*ret);
	**ret = (struct disk_file){disk, inode};
	return end(disk, true);
}

void disk_close(struct disk_file *file)
{
	pthread_mutex_lock(&file->disk->mutex);
	file->inode->open--;
	pthread_mutex_unlock(&file->disk->mutex);
	free(file);
}

bool disk_read(struct disk_file *file, size_t at, void *ret, size_t size, size_t *ret_read)
{
	const struct bytes *now = &file->inode->now;

	if (!begin(file->disk))
		return end(file->disk, false);
	if (at > now->size)
		size = 0;
	else if (size > now->size - at)
		size = now->size - at;
	if (size)
		memcpy(ret, now->at + at, size);
	*ret_read = size;
	return end(file->disk, true);
}

bool disk_write(struct disk_file *file, size_t at, const void *bytes, size_t size)
{
	if (!begin(file->disk))
		return end(file->disk, false);
	bytes_write(&file->inode->now, at, bytes, size);
	inode_change(file->inode, false, at, bytes, size);
	return end(file->disk, true);
}

bool disk_truncate(struct disk_file *file, size_t size)
{
	if (!begin(file->disk))
		return end(file->disk, false);
	bytes_resize(&file->inode->now, size);
	inode_change(file->inode, true, size, NULL, 0);
	return end(file->disk, true);
}

bool disk_size(struct disk_file *file, size_t *ret)
{
	bool on = begin(file->disk);

	if (on)
		*ret = file->inode->now.size;
	return end(file->disk, on);
}

bool disk_sync(struct disk_file *file)
{
	struct inode *inode = file->inode;
	bool fails;

	if (!begin(file->disk))
		return end(file->disk, false);
	if (file->disk->kind == DISK_IGNORES_SYNC)
		return end(file->disk, true);
	fails = file->disk->kind == DISK_FAILS_SYNC &&
		rng_below(&file->disk->rng, DISK_SYNC_FAILS_IN) == 0;
	for (const struct change *change = inode->first; change && !fails; change = change->next)
		change_apply(change, &inode->synced);
	inode_forget_changes(inode);
	return end(file->disk, !fails);
}

bool disk_exists(struct disk *disk, const char *name)
{
	bool on = begin(disk);

	return end(disk, on && folder_find(disk->now, name) >= 0);
}

bool disk_remove(struct disk *disk, const char *name)
{
	int index;

	if (!begin(disk))
		return end(disk, false);
	index = folder_find(disk->now, name);
	if (index < 0)
		return end(disk, false);
	folder_drop(folder_change(disk), index);
	return end(disk, true);
}

bool disk_rename(struct disk *disk, const char *from, const char *to)
{
	struct folder *folder;
	struct inode *inode;
	int index;

	if (!begin(disk))
		return end(disk, false);
	index = folder_find(disk->now, from);
	if (index < 0)
		return end(disk, false);
	folder = folder_change(disk);
	inode = folder->entries[index].inode;
	folder_drop(folder, index);
	index = folder_find(folder, to);
	if (index >= 0)
		folder_drop(folder, index);
	folder_add(folder, to, inode);
	return end(disk, true);
}

bool disk_sync_folder(struct disk *disk)
{
	if (!begin(disk))
		return end(disk, false);
	if (disk->kind != DISK_IGNORES_FOLDER_SYNC && disk->kind != DISK_IGNORES_SYNC)
		forget_before(disk, disk->now);
	return end(disk, true);
}
