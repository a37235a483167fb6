/* A disk that can lose power (disk.h), as SQLite's file system: what it is given by default while
 * this is registered. Any folder's name is that one folder; one connection to a database at a
 * time. */
#ifndef MESHD_TESTS_SUPPORT_VFS_LOSS_H
#define MESHD_TESTS_SUPPORT_VFS_LOSS_H

#include "tests/support/disk.h"

void vfs_loss_register(struct disk *disk);
void vfs_loss_unregister(void);

#endif
