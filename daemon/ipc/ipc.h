/*
 * The control protocol between meshctl and meshd over a Unix socket: what both sides must agree on.
 * IPC.md beside this file describes it for whoever writes another client.
 *
 * A frame is a 32-bit big-endian length and so many bytes of MessagePack: one map. A request is
 * answered by any number of items and one end: ok with a result, or an error.
 */
#ifndef MESHD_DAEMON_IPC_IPC_H
#define MESHD_DAEMON_IPC_IPC_H

#include "gossip/base/pack.h"

#define IPC_VERSION   1
#define IPC_LABEL_MAX 64 /* characters of a verb or an argument, a later version's as well */

#define IPC_SOCKET_DEFAULT  "/run/meshd/meshd.sock"
#define IPC_SOCKET_INSTANCE "/run/meshd/%s.sock" /* of meshd@NAME */

#define IPC_HEAD_SIZE	    4		/* a frame's length */
#define IPC_REQUEST_MAX	    (72 * 1024) /* bytes: a value of 64 KiB, its key, and the rest */
#define IPC_REPLY_MAX	    (64 << 20)	/* bytes: the status of 65,536 members fits */
#define IPC_TEXT_MAX	    2048	/* bytes of one argument; a token has fewer than 1,024 */
#define IPC_LIST_MAX	    16		/* texts in one argument */
#define IPC_BYTES_MAX	    (64 * 1024) /* bytes of one argument: a value */
#define IPC_CLIENTS_MAX	    32		/* connected at once; more are told so and closed */
#define IPC_IDLE_TIMEOUT_MS 30000 /* without a request, or without reading the answer: closed */

/* name, label, kind: every argument of every verb */
#define IPC_ARG_LIST(X)                     \
	X(NAME, "name", TEXT)               \
	X(MESH, "mesh", TEXT)               \
	X(PREFIX4, "prefix4", TEXT)         \
	X(PREFIX6, "prefix6", TEXT)         \
	X(EXPIRES_MS, "expires_ms", NUMBER) \
	X(USES, "uses", NUMBER)             \
	X(TAGS, "tags", LIST)               \
	X(EPHEMERAL, "ephemeral", FLAG)     \
	X(ADMIN, "admin", FLAG)             \
	X(NODE_NAME, "node_name", TEXT)     \
	X(ADDRESSES, "addresses", LIST)     \
	X(ENDPOINTS, "endpoints", LIST)     \
	X(INVITE, "invite", TEXT)           \
	X(TOKEN, "token", TEXT)             \
	X(TIMEOUT_MS, "timeout_ms", NUMBER) \
	X(FORCE, "force", FLAG)             \
	X(NODE, "node", TEXT)               \
	X(REASON, "reason", TEXT)           \
	X(FOLLOW, "follow", FLAG)           \
	X(KEY, "key", TEXT)                 \
	X(VALUE, "value", BYTES)            \
	X(PREFIX, "prefix", TEXT)           \
	X(SINCE, "since", TEXT)             \
	X(SECRET, "secret", BYTES)          \
	X(HEAD, "head", BYTES)              \
	X(SEALED, "sealed", BYTES)          \
	X(OFFICE, "office", TEXT)           \
	X(EXCEPT, "except", LIST)           \
	X(REPLACE, "replace", TEXT)         \
	X(SEGMENT, "segment", TEXT)         \
	X(VNI, "vni", NUMBER)               \
	X(AUTO, "auto", FLAG)               \
	X(FLOOD, "flood", FLAG)             \
	X(PORTS, "ports", LIST)             \
	X(OTHER, "other", TEXT)

enum ipc_arg {
#define X(name, label, kind) IPC_ARG_##name,
	IPC_ARG_LIST(X)
#undef X
		IPC_ARGS,
};

#define IPC_BIT(arg) (UINT64_C(1) << IPC_ARG_##arg)

/* READ: whoever can open the socket; CHANGE: root and the daemon's own user. */
enum ipc_right { IPC_READ, IPC_CHANGE };

/* name, label, right, arguments that may be there, those that must be */
#define IPC_VERB_LIST(X)                                                                         \
	X(INIT, "init", CHANGE,                                                                  \
		IPC_BIT(NAME) | IPC_BIT(MESH) | IPC_BIT(PREFIX4) | IPC_BIT(PREFIX6), 0)          \
	X(INVITE, "invite", CHANGE,                                                              \
		IPC_BIT(EXPIRES_MS) | IPC_BIT(USES) | IPC_BIT(TAGS) | IPC_BIT(EPHEMERAL) |       \
			IPC_BIT(ADMIN) | IPC_BIT(NODE_NAME) | IPC_BIT(ADDRESSES) |               \
			IPC_BIT(ENDPOINTS) | IPC_BIT(REPLACE),                                   \
		0)                                                                               \
	X(INVITES, "invites", READ, 0, 0)                                                        \
	X(UNINVITE, "uninvite", CHANGE, 0, IPC_BIT(INVITE))                                      \
	X(JOIN, "join", CHANGE, IPC_BIT(NAME) | IPC_BIT(TIMEOUT_MS), IPC_BIT(TOKEN))             \
	X(LEAVE, "leave", CHANGE, IPC_BIT(FORCE), 0)                                             \
	X(STATUS, "status", READ, 0, 0)                                                          \
	X(SHOW, "show", READ, 0, IPC_BIT(NODE))                                                  \
	X(REVOKE, "revoke", CHANGE, IPC_BIT(REASON), IPC_BIT(NODE))                              \
	X(ROTATE, "rotate", CHANGE, IPC_BIT(FORCE), 0)                                           \
	X(KEEP, "keep", CHANGE, 0, IPC_BIT(NODE))                                                \
	X(GRANT, "grant", CHANGE, 0, IPC_BIT(NODE) | IPC_BIT(OFFICE))                            \
	X(UNGRANT, "ungrant", CHANGE, IPC_BIT(EXCEPT), IPC_BIT(NODE) | IPC_BIT(OFFICE))          \
	X(EVENTS, "events", READ, IPC_BIT(FOLLOW), 0)                                            \
	X(DOCTOR, "doctor", READ, 0, 0)                                                          \
	X(ROOT_EXPORT, "root-export", CHANGE, IPC_BIT(SECRET) | IPC_BIT(HEAD), 0)                \
	X(ROOT_FORGET, "root-forget", CHANGE, 0, 0)                                              \
	X(ROOT_IMPORT, "root-import", CHANGE, IPC_BIT(SECRET) | IPC_BIT(HEAD) | IPC_BIT(SEALED), \
		0)                                                                               \
	X(KV_PUT, "kv-put", CHANGE, 0, IPC_BIT(KEY) | IPC_BIT(VALUE))                            \
	X(KV_GET, "kv-get", READ, 0, IPC_BIT(KEY))                                               \
	X(KV_DEL, "kv-del", CHANGE, 0, IPC_BIT(KEY))                                             \
	X(KV_LIST, "kv-list", READ, IPC_BIT(PREFIX), 0)                                          \
	X(KV_WATCH, "kv-watch", READ, IPC_BIT(PREFIX) | IPC_BIT(SINCE), 0)                       \
	X(BACKUP, "backup", CHANGE, IPC_BIT(SECRET) | IPC_BIT(HEAD), 0)                          \
	X(RESTORE, "restore", CHANGE, IPC_BIT(SECRET) | IPC_BIT(HEAD), 0)                        \
	X(RESTORE_PART, "restore-part", CHANGE, 0, IPC_BIT(SEALED))                              \
	X(DISCOVER, "discover", READ, 0, 0)                                                      \
	X(L2_CREATE, "l2-create", CHANGE, IPC_BIT(VNI) | IPC_BIT(AUTO) | IPC_BIT(FLOOD),         \
		IPC_BIT(SEGMENT))                                                                \
	X(L2_DELETE, "l2-delete", CHANGE, 0, IPC_BIT(SEGMENT))                                   \
	X(L2_ATTACH, "l2-attach", CHANGE, IPC_BIT(ADDRESSES) | IPC_BIT(PORTS), IPC_BIT(SEGMENT)) \
	X(L2_DETACH, "l2-detach", CHANGE, 0, IPC_BIT(SEGMENT))                                   \
	X(L2_LIST, "l2-list", READ, 0, 0)                                                        \
	X(PING, "ping", READ, IPC_BIT(TIMEOUT_MS), IPC_BIT(NODE))                                \
	X(WHY, "why", READ, IPC_BIT(OTHER), IPC_BIT(NODE))                                       \
	X(DEBUG_DUMP, "debug-dump", READ, 0, 0)

enum ipc_verb {
#define X(name, label, right, may, must) IPC_VERB_##name,
	IPC_VERB_LIST(X)
#undef X
		IPC_VERBS,
};

enum ipc_kind { IPC_TEXT, IPC_NUMBER, IPC_FLAG, IPC_LIST, IPC_BYTES };

const char *ipc_verb_label(enum ipc_verb verb);
enum ipc_right ipc_verb_right(enum ipc_verb verb);
bool ipc_verb_takes(enum ipc_verb verb, enum ipc_arg arg);
/* Whether these arguments (IPC_BIT) are all that the verb must have. */
bool ipc_verb_complete(enum ipc_verb verb, uint64_t present);
const char *ipc_arg_label(enum ipc_arg arg);
enum ipc_kind ipc_arg_kind(enum ipc_arg arg);

/* The length of the frame whose first IPC_HEAD_SIZE bytes these are. ERR_TOO_BIG beyond max;
 * ERR_MALFORMED for an empty one. */
int ipc_head(const uint8_t head[IPC_HEAD_SIZE], size_t max, size_t *ret_size) MUST_CHECK;
/* Reads the key that has to come next in a frame's map. ERR_MALFORMED. */
int ipc_get_key(struct pack_reader *reader, const char *key) MUST_CHECK;
/* Appends a head, and fills it in once the frame's bytes are there. */
size_t ipc_frame_begin(struct pack *out);
void ipc_frame_end(struct pack *out, size_t start);

#define IPC_WORDS_MAX 1024 /* bytes of a text that had to be made fit; the rest is cut off */

/* A text for people that may hold anything, such as a file's name: what the protocol does not take
 * (it wants UTF-8 without control characters) is replaced. */
void ipc_put_words(struct pack *out, const char *text, size_t size);

/* ---- requests ---- */

/* Texts and bytes are borrowed by the encoder; those of a decoded request live in `memory`. */
struct ipc_value {
	const char *text;
	uint64_t number; /* a flag: 0 or 1 */
	size_t count;	 /* of texts, or of bytes */
	const char *texts[IPC_LIST_MAX];
	const uint8_t *bytes;
};

struct ipc_request {
	enum ipc_verb verb;
	uint64_t present; /* IPC_BIT of those that are there */
	struct ipc_value args[IPC_ARGS];
	char *memory;
	size_t memory_size;
};

static inline bool ipc_request_has(const struct ipc_request *request, enum ipc_arg arg)
{
	return request->present & UINT64_C(1) << arg;
}

/* NULL where it is absent. */
static inline const char *ipc_request_text(const struct ipc_request *request, enum ipc_arg arg)
{
	return ipc_request_has(request, arg) ? request->args[arg].text : NULL;
}

static inline uint64_t ipc_request_number(
	const struct ipc_request *request, enum ipc_arg arg, uint64_t otherwise)
{
	return ipc_request_has(request, arg) ? request->args[arg].number : otherwise;
}

void ipc_request_init(struct ipc_request *request, enum ipc_verb verb);
/* ERR_TOO_BIG: a text, a list or bytes beyond the limit. */
int ipc_request_set_text(
	struct ipc_request *request, enum ipc_arg arg, const char *text) MUST_CHECK;
int ipc_request_add_text(
	struct ipc_request *request, enum ipc_arg arg, const char *text) MUST_CHECK;
int ipc_request_set_bytes(
	struct ipc_request *request, enum ipc_arg arg, const void *bytes, size_t size) MUST_CHECK;
void ipc_request_set_number(struct ipc_request *request, enum ipc_arg arg, uint64_t number);
/* Appends the whole frame. */
void ipc_request_encode(const struct ipc_request *request, struct pack *out);
/* A frame without its head. ERR_VERSION: another protocol version; ERR_UNKNOWN: no such verb, or no
 * such argument, as ret_where says; ERR_MALFORMED, with the field at fault there (untouched
 * otherwise); ERR_NOMEM. */
int ipc_request_decode(
	const void *data, size_t size, struct ipc_request *ret, const char **ret_where) MUST_CHECK;
void ipc_request_done(struct ipc_request *request); /* wipes it: tokens are secrets */

/* ---- replies ---- */

/* Begin, put exactly one value, ipc_frame_end. */
size_t ipc_reply_begin_ok(struct pack *out);
size_t ipc_reply_begin_item(struct pack *out);
/* A whole frame: done, and there is nothing to say. The end of a stream. */
void ipc_reply_end(struct pack *out);
/* A whole frame. text is for people; exit_status is what meshctl ends with: 1 refused or failed, 2
 * usage. */
void ipc_reply_error(struct pack *out, int err, const char *text, unsigned exit_status);

#define IPC_ERROR_TEXT_MAX 512 /* bytes of an error's text, with NUL; longer ones are cut */
#define IPC_ERROR_NAME_MAX 32

enum ipc_reply_kind { IPC_REPLY_OK, IPC_REPLY_ITEM, IPC_REPLY_ERROR };

struct ipc_reply {
	enum ipc_reply_kind kind;
	const uint8_t *value; /* OK and ITEM: one whole well-formed value in the frame's bytes */
	size_t value_size;
	char error[IPC_ERROR_TEXT_MAX];
	char error_name[IPC_ERROR_NAME_MAX];
	unsigned exit_status;
};

/* A frame without its head. ERR_MALFORMED. */
int ipc_reply_decode(const void *data, size_t size, struct ipc_reply *ret) MUST_CHECK;

#endif
