/*
 * A file that only its passphrase opens: what `root export` and `backup` write. meshctl asks for
 * the passphrase, derives the key from it by Argon2id (RFC 9106) and deals with the file, with its
 * user's rights; meshd seals and opens, so that what is inside never crosses the socket in clear.
 *
 *   head     "meshd sealed\n" | version (1) | kind (1) | operations (4) | KiB of memory (4) |
 *            salt (16)                                               written and read by meshctl
 *   begin    header of the stream (24)
 *   box ...  SEALED_PLAIN_MAX bytes of plaintext each, the last one fewer: libsodium's secretstream
 *            (XChaCha20-Poly1305), every box bound to the head, the last one tagged as final
 *
 * Numbers are big-endian. Whatever is cut off, appended, moved or changed does not open.
 */
#ifndef MESHD_DAEMON_IPC_SEALED_H
#define MESHD_DAEMON_IPC_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

#include "gossip/base/err.h"

#define SEALED_VERSION	  1
#define SEALED_HEAD_SIZE  39
#define SEALED_KEY_SIZE	  crypto_secretstream_xchacha20poly1305_KEYBYTES
#define SEALED_BEGIN_SIZE crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define SEALED_SALT_SIZE  crypto_pwhash_argon2id_SALTBYTES
#define SEALED_PLAIN_MAX  (32 * 1024) /* of one box */
#define SEALED_BOX_OVER	  crypto_secretstream_xchacha20poly1305_ABYTES
#define SEALED_BOX_MAX	  (SEALED_PLAIN_MAX + SEALED_BOX_OVER)

/* What deriving a key may cost: no less than libsodium's MODERATE (3 passes over 256 MiB, about a
 * second), and no more than its SENSITIVE, whatever a file says. */
#define SEALED_OPERATIONS_MIN 3
#define SEALED_OPERATIONS_MAX 4
#define SEALED_MEMORY_KIB_MIN (256 * 1024)
#define SEALED_MEMORY_KIB_MAX (1024 * 1024)

enum sealed_kind { SEALED_ROOT = 1, SEALED_BACKUP = 2 };

struct sealed_head {
	enum sealed_kind kind;
	uint32_t operations, memory_kib;
	uint8_t salt[SEALED_SALT_SIZE];
};

void sealed_head_encode(const struct sealed_head *head, uint8_t ret[SEALED_HEAD_SIZE]);
/* ERR_MALFORMED: no such file; ERR_VERSION; ERR_LIMIT: it asks for more, or less, than is allowed.
 */
int sealed_head_decode(const void *data, size_t size, struct sealed_head *ret) MUST_CHECK;

/* Either direction of one file; to be wiped. */
struct sealed {
	crypto_secretstream_xchacha20poly1305_state stream;
	uint8_t head[SEALED_HEAD_SIZE];
	bool ended;
};

void sealed_done(struct sealed *sealed);
void sealed_begin(struct sealed *sealed, const uint8_t key[SEALED_KEY_SIZE],
	const uint8_t head[SEALED_HEAD_SIZE], uint8_t ret_begin[SEALED_BEGIN_SIZE]);
/* The next box of SEALED_PLAIN_MAX bytes, or the last one, of fewer. Returns the size of it. */
size_t sealed_put(struct sealed *sealed, const void *plain, size_t size, uint8_t *ret_box);
/* ERR_AUTH. */
int sealed_open(struct sealed *sealed, const uint8_t key[SEALED_KEY_SIZE],
	const uint8_t head[SEALED_HEAD_SIZE], const void *begin, size_t size) MUST_CHECK;
/* The next box. ERR_AUTH: another key, or it was changed; nothing comes after that. ret_plain has
 * room for SEALED_PLAIN_MAX bytes; `ended` says whether it was the last. */
int sealed_get(struct sealed *sealed, const void *box, size_t size, uint8_t *ret_plain,
	size_t *ret_size) MUST_CHECK;

#endif
