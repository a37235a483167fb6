/*
 * The text that userspace WireGuard speaks on its socket (https://www.wireguard.com/xplatform/),
 * written and read. Pure. Lines of `key=value`; a request and an answer end with an empty line; an
 * answer's last line is `errno=N`, which wireguard-go gives as a negative number.
 */
#ifndef MESHD_WG_UAPI_H
#define MESHD_WG_UAPI_H

#include "wg/wg.h"

#define UAPI_REQUEST_MAX 262144	    /* of one set: well under its answer's time limit */
#define UAPI_REPLY_MAX	 (64 << 20) /* WG_PEERS_MAX peers with a dozen prefixes each */
#define UAPI_GET	 "get=1\n\n"

struct uapi_writer {
	const struct wg_ops *ops;
	size_t op;	  /* the next one to write */
	uint32_t allowed; /* of its prefixes, those that are written */
};

static inline struct uapi_writer uapi_writer(const struct wg_ops *ops)
{
	return (struct uapi_writer){.ops = ops};
}

/* The next request into text[size], its length returned; 0 when all is written. It holds keys: wipe
 * it. size is at least 1024. */
size_t uapi_next(struct uapi_writer *writer, char *text, size_t size);

/* Whether these bytes end a whole answer. */
bool uapi_complete(const char *text, size_t size);

/*
 * The answer to a set: its errno, positive, 0 for success. ERR_MALFORMED.
 * The answer to a get: the whole device, sealed, its public key computed; ERR_MALFORMED, ERR_LIMIT,
 * ERR_NOMEM, and ERR_SYSTEM where it was an error (*ret_errno). Keys that we do not know are
 * skipped, as newer programs may send them; a known one twice is malformed.
 */
int uapi_read_status(const char *text, size_t size, int *ret_errno) MUST_CHECK;
int uapi_read_device(
	const char *text, size_t size, struct wg_device *ret, int *ret_errno) MUST_CHECK;

#endif
