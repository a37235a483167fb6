/*
 * The one list of errors. Functions return 0 or a negative `enum err`; what a person reads is
 * err_text(), and where a field is at fault the decoder names it (struct pack_reader's `where`).
 */
#ifndef MESHD_GOSSIP_BASE_ERR_H
#define MESHD_GOSSIP_BASE_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))

/* name; its stable label in events, metrics and JSON; text for people, lower case, no full stop */
#define ERR_LIST(X)                                                                 \
	X(NOMEM, "nomem", "out of memory")                                          \
	X(INVALID, "invalid", "invalid argument")                                   \
	X(MALFORMED, "malformed", "malformed")                                      \
	X(TOO_BIG, "too_big", "too big")                                            \
	X(VERSION, "version", "made by another version of the protocol")            \
	X(DAMAGED, "damaged", "damaged: the checksum does not match")               \
	X(AUTH, "auth", "does not authenticate")                                    \
	X(BAD_KEY, "bad_key", "unusable public key")                                \
	X(BAD_SIGNATURE, "bad_signature", "bad signature")                          \
	X(OTHER_MESH, "other_mesh", "belongs to another mesh")                      \
	X(NOT_ADMIN, "not_admin", "was minted by somebody who is no admin")         \
	X(EXPIRED, "expired", "has expired")                                        \
	X(USED_UP, "used_up", "has been used up")                                   \
	X(WITHDRAWN, "withdrawn", "was withdrawn")                                  \
	X(NAME_TAKEN, "name_taken", "name is taken")                                \
	X(REVOKED, "revoked", "was revoked")                                        \
	X(FUTURE, "future", "lies too far in the future: check the clocks")         \
	X(REPLAY, "replay", "was seen before")                                      \
	X(UNKNOWN, "unknown", "unknown")                                            \
	X(NO_CHAIN, "no_chain", "not signed by anybody known to have the right to") \
	X(LIMIT, "limit", "a limit is reached")                                     \
	X(STATE, "state", "not possible in this state")                             \
	X(NOT_READY, "not_ready", "not ready yet")                                  \
	X(TIMEOUT, "timeout", "timed out")                                          \
	X(EXHAUSTED, "exhausted", "every address of the prefix is taken")           \
	X(UNSUPPORTED, "unsupported", "not supported by this system")               \
	X(SYSTEM, "system", "system error")                                         \
	X(IN_USE, "in_use", "in use already")

enum err_index {
#define X(name, label, text) ERR_INDEX_##name,
	ERR_LIST(X)
#undef X
		ERR_COUNT,
};

enum err {
#define X(name, label, text) ERR_##name = -1 - ERR_INDEX_##name,
	ERR_LIST(X)
#undef X
};

/* The text of a negative `enum err`; "done" for 0. Never NULL. */
const char *err_text(int err);
/* Its label; "ok" for 0. Never NULL. */
const char *err_name(int err);
/* The error of a label, or 0: none has it. */
int err_find(const char *name);

#endif
