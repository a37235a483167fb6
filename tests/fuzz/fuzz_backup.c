/* What is inside a backup, once it has been opened. */
#include "daemon/backup.h"

#include <assert.h>
#include <sodium.h>

#define PIECE 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct backup_stream stream;
	struct backup backup = {0};
	int err = sodium_init() < 0 ? ERR_SYSTEM : backup_stream_init(&stream, PIECE);

	for (size_t at = 0; !err && at < size; at += PIECE)
		err = backup_read(
			&stream, &backup, data + at, size - at < PIECE ? size - at : PIECE);
	if (!err && backup_is_whole(&stream))
		assert(backup.keys && backup.keys->has_mesh);
	backup_stream_done(&stream);
	backup_done(&backup);
	return 0;
}
