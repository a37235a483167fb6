#include "daemon/ipc/sealed.h"

#include <assert.h>
#include <string.h>

#define MAGIC	   "meshd sealed\n"
#define MAGIC_SIZE (sizeof(MAGIC) - 1)

_Static_assert(SEALED_HEAD_SIZE == MAGIC_SIZE + 2 + 4 + 4 + SEALED_SALT_SIZE, "the head's layout");

static void put_u32(uint8_t *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

void sealed_head_encode(const struct sealed_head *head, uint8_t ret[SEALED_HEAD_SIZE])
{
	uint8_t *at = ret + MAGIC_SIZE;

	memcpy(ret, MAGIC, MAGIC_SIZE);
	*at++ = SEALED_VERSION;
	*at++ = (uint8_t)head->kind;
	put_u32(at, head->operations);
	put_u32(at + 4, head->memory_kib);
	memcpy(at + 8, head->salt, SEALED_SALT_SIZE);
}

int sealed_head_decode(const void *data, size_t size, struct sealed_head *ret)
{
	const uint8_t *at = (const uint8_t *)data + MAGIC_SIZE;
	struct sealed_head head;

	if (size != SEALED_HEAD_SIZE || memcmp(data, MAGIC, MAGIC_SIZE) != 0)
		return ERR_MALFORMED;
	if (at[0] != SEALED_VERSION)
		return ERR_VERSION;
	if (at[1] != SEALED_ROOT && at[1] != SEALED_BACKUP)
		return ERR_MALFORMED;
	head.kind = at[1];
	head.operations = get_u32(at + 2);
	head.memory_kib = get_u32(at + 6);
	memcpy(head.salt, at + 10, SEALED_SALT_SIZE);
	if (head.operations < SEALED_OPERATIONS_MIN || head.operations > SEALED_OPERATIONS_MAX ||
		head.memory_kib < SEALED_MEMORY_KIB_MIN || head.memory_kib > SEALED_MEMORY_KIB_MAX)
		return ERR_LIMIT;
	*ret = head;
	return 0;
}

void sealed_done(struct sealed *sealed)
{
	sodium_memzero(sealed, sizeof(*sealed));
}

void sealed_begin(struct sealed *sealed, const uint8_t key[SEALED_KEY_SIZE],
	const uint8_t head[SEALED_HEAD_SIZE], uint8_t ret_begin[SEALED_BEGIN_SIZE])
{
	memcpy(sealed->head, head, SEALED_HEAD_SIZE);
	sealed->ended = false;
	crypto_secretstream_xchacha20poly1305_init_push(&sealed->stream, ret_begin, key);
}

size_t sealed_put(struct sealed *sealed, const void *plain, size_t size, uint8_t *ret_box)
{
	assert(!sealed->ended && size <= SEALED_PLAIN_MAX);
	sealed->ended = size < SEALED_PLAIN_MAX;
	crypto_secretstream_xchacha20poly1305_push(&sealed->stream, ret_box, NULL, plain, size,
		sealed->head, SEALED_HEAD_SIZE,
		sealed->ended ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : 0);
	return size + SEALED_BOX_OVER;
}

int sealed_open(struct sealed *sealed, const uint8_t key[SEALED_KEY_SIZE],
	const uint8_t head[SEALED_HEAD_SIZE], const void *begin, size_t size)
{
	memcpy(sealed->head, head, SEALED_HEAD_SIZE);
	sealed->ended = false;
	if (size != SEALED_BEGIN_SIZE ||
		crypto_secretstream_xchacha20poly1305_init_pull(&sealed->stream, begin, key) != 0)
		return ERR_AUTH;
	return 0;
}

int sealed_get(
	struct sealed *sealed, const void *box, size_t size, uint8_t *ret_plain, size_t *ret_size)
{
	unsigned long long plain_size;
	uint8_t tag;

	if (sealed->ended || size < SEALED_BOX_OVER || size > SEALED_BOX_MAX ||
		crypto_secretstream_xchacha20poly1305_pull(&sealed->stream, ret_plain, &plain_size,
			&tag, box, size, sealed->head, SEALED_HEAD_SIZE) != 0) {
		sealed->ended = true;
		return ERR_AUTH;
	}
	sealed->ended = size < SEALED_BOX_MAX;
	if (sealed->ended != (tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL)) {
		sodium_memzero(ret_plain, plain_size);
		sealed->ended = true;
		return ERR_AUTH;
	}
	*ret_size = (size_t)plain_size;
	return 0;
}
