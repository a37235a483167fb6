/*
 * One signed statement: body + signature (64 bytes). The body is the MessagePack array
 *   [version, type, mesh, author, key, stamp, expiry, value]
 * in its one minimal encoding; signed is (author, stamp, hash of the body). The exact bytes
 * received are kept and passed on. A record's identity is the hash of its body; of two valid
 * signatures over one body the lower stays, since Ed25519 signatures are not unique.
 *
 * Records are immutable and counted: record_ref and record_unref.
 */
#ifndef MESHD_GOSSIP_RECORD_RECORD_H
#define MESHD_GOSSIP_RECORD_RECORD_H

#include "gossip/base/mtime.h"
#include "gossip/crypto/keys.h"

#define RECORD_VERSION	 1
#define RECORD_KEY_MAX	 256
#define RECORD_VALUE_MAX (64 * 1024 + 5) /* a byte string of 64 KiB, and its head */
/* value, key, and at most 128 bytes of array head, numbers, ids and length prefixes, 64 of
 * signature */
#define RECORD_SIZE_MAX	 (RECORD_VALUE_MAX + RECORD_KEY_MAX + 192)

/* number, name, label. Numbers are the protocol's; types that a node does not know pass through it.
 */
#define RECORD_TYPE_LIST(X)                                                                       \
	X(1, CHARTER, "charter")		   /* root: the mesh's name and prefixes */       \
	X(2, GRANT, "grant")			   /* root: key = a node that is an admin */      \
	X(3, ADMIN_REVOCATION, "admin-revocation") /* root: key = a node, value = what to keep */ \
	X(4, INVITE, "invite")		    /* admin (or root): key = the invite's public key */  \
	X(5, REVOCATION, "revocation")	    /* admin: key = a node */                             \
	X(6, CLOSING, "closing")	    /* admin: key = an invite, value = whom to keep */    \
	X(7, KEEP, "keep")		    /* admin: key = a node whose admission stands */      \
	X(8, WRITER, "writer")		    /* admin: key = a node with the large quota */        \
	X(9, ADMISSION, "admission")	    /* the joiner; key empty */                           \
	X(10, LEAVE, "leave")		    /* the node itself; key empty */                      \
	X(11, DESCRIPTOR, "descriptor")	    /* the node itself; key empty */                      \
	X(12, MACS, "macs")		    /* a member's bucket of MAC addresses */              \
	X(13, VALUE, "value")		    /* key-value; `mesh/...` is configuration */          \
	X(14, EQUIVOCATION, "equivocation") /* two bodies of one author and stamp */

enum record_type {
#define X(number, name, label) RECORD_##name = number,
	RECORD_TYPE_LIST(X)
#undef X
};

/* Kept small: there may be a million of them. */
struct record {
	struct hash hash; /* of the body */
	struct id author;
	uint64_t stamp;	    /* hybrid logical clock, record/hlc.h */
	int64_t expiry_ms;  /* wall clock; 0: none */
	const uint8_t *key; /* these point into bytes */
	const uint8_t *value;
	const uint8_t *bytes; /* body and signature, as received */
	uint32_t size, body_size, value_size;
	unsigned references;
	uint16_t key_size;
	uint16_t type; /* enum record_type, or one this version does not know */
	bool verified; /* it was signed here: record_verify need not look */
	bool pending;  /* record_draft: there is no signature yet */
};

struct record_draft {
	enum record_type type;
	const void *key;
	size_t key_size;
	uint64_t stamp;
	int64_t expiry_ms;
	const void *value;
	size_t value_size;
};

const char *record_type_label(uint16_t type); /* "unknown" for those not in the list */

/* Well-formed and of this mesh: ERR_MALFORMED, ERR_VERSION, ERR_OTHER_MESH, ERR_TOO_BIG. The
 * signature is not looked at: record_verify. The bytes are copied. */
int record_decode(
	const struct id *mesh, const void *bytes, size_t size, struct record **ret) MUST_CHECK;
/* The author signed it. ERR_BAD_SIGNATURE, ERR_BAD_KEY. */
int record_verify(const struct record *record) MUST_CHECK;
/* The same of a body that is known by its hash only. */
int record_verify_hash(const struct id *author, uint64_t stamp, const struct hash *hash,
	const struct sig *sig) MUST_CHECK;
int record_sign(const struct id *mesh, const struct keys *author, const struct record_draft *draft,
	struct record **ret) MUST_CHECK;
/* The same in two steps, as signing takes longer than all else: the record without its signature,
 * what signs it (anywhere: the keys and these two are all it needs), and the record with it. */
int record_draft(const struct id *mesh, const struct id *author, const struct record_draft *draft,
	struct record **ret) MUST_CHECK;
void record_sign_hash(
	const struct keys *author, uint64_t stamp, const struct hash *hash, struct sig *ret);
void record_set_sig(struct record *record, const struct sig *sig);
/* A record whose body is known except for its signature: what a token carries (trust/token.h). */
int record_assemble(const struct id *mesh, const struct id *author,
	const struct record_draft *draft, const struct sig *sig, struct record **ret) MUST_CHECK;
void record_sig(const struct record *record, struct sig *ret);

struct record *record_ref(struct record *record);
void record_unref(struct record *record); /* NULL is fine */

bool record_same_slot(const struct record *a, const struct record *b); /* author, type and key */
/* Within a slot the later (stamp, hash) wins; over one body the lower signature. > 0: a wins, 0:
 * the same. */
int record_compare(const struct record *a, const struct record *b);

#endif
