/* A file that meshctl is to open: its head, and boxes under a key that is known here. */
#include "daemon/ipc/sealed.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[SEALED_KEY_SIZE];
	static uint8_t plain[SEALED_PLAIN_MAX];
	size_t head_size = size < SEALED_HEAD_SIZE ? size : SEALED_HEAD_SIZE, at, got;
	uint8_t again[SEALED_HEAD_SIZE];
	struct sealed_head head;
	struct sealed sealed;

	if (sealed_head_decode(data, head_size, &head) != 0)
		return 0;
	sealed_head_encode(&head, again);
	assert(memcmp(again, data, sizeof(again)) == 0);
	at = SEALED_HEAD_SIZE + SEALED_BEGIN_SIZE;
	if (size < at ||
		sealed_open(&sealed, key, data, data + SEALED_HEAD_SIZE, SEALED_BEGIN_SIZE))
		return 0;
	while (at < size) {
		size_t box = size - at < SEALED_BOX_MAX ? size - at : SEALED_BOX_MAX;

		if (sealed_get(&sealed, data + at, box, plain, &got) != 0)
			break;
		assert(got + SEALED_BOX_OVER == box);
		at += box;
	}
	return 0;
}
