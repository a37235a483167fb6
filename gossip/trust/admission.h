/*
 * How a node gets in. An invite is an admin's record that names a public key; whoever holds the
 * matching secret (the token) may admit a node under a name. The admission is the joiner's own
 * record, with the whole invite record embedded, so that it can be checked by anybody alone:
 *
 *   joiner -> member   its node id and name, signed with the invite's key
 *   member -> joiner   a stamp, and the member's signature over it: the witness
 *   joiner             signs the admission with its identity at that stamp
 *
 * Here are the two records' values, and what can be checked without looking at other records.
 */
#ifndef MESHD_GOSSIP_TRUST_ADMISSION_H
#define MESHD_GOSSIP_TRUST_ADMISSION_H

#include "gossip/base/pack.h"
#include "gossip/record/record.h"

#define ADMISSION_NAME_MAX   63 /* as a DNS label (RFC 1035) */
#define INVITE_TAGS_MAX	     8
#define INVITE_TAG_MAX	     32
#define INVITE_ADDRESSES_MAX 2 /* one IPv4, one IPv6 */
#define INVITE_ENDPOINTS_MAX 4
#define INVITE_USES_MAX	     10000

/* The value of an INVITE record; its key is the invite's public key, its author an admin or the
 * root. */
struct invite {
	struct id id;
	int64_t expires_ms; /* wall clock */
	uint32_t uses;
	bool admin; /* whoever it admits is an admin: only signed by the root, for one use */
	bool ephemeral;
	char node_name[ADMISSION_NAME_MAX + 1]; /* empty: the joiner chooses */
	size_t tag_count;
	char tags[INVITE_TAGS_MAX][INVITE_TAG_MAX + 1];
	size_t address_count;
	struct ip addresses[INVITE_ADDRESSES_MAX];
	size_t endpoint_count;
	struct endpoint endpoints[INVITE_ENDPOINTS_MAX]; /* where to knock first */
	/* A node, no admin, that is revoked by the admission of another one with this invite, which
	 * is for one use. */
	bool has_replaced;
	struct id replaced;
};

void invite_encode(const struct invite *invite, struct pack *out);
/* ERR_MALFORMED. Tags are words of [a-z0-9-], each once; an invite for an admin,
 * or that replaces a node, is for one use. */
int invite_decode(const struct record *record, struct invite *ret) MUST_CHECK;

/* [a-z0-9-]{1,63}, no leading or trailing '-', not four or more hexadecimal digits only (those are
 * id prefixes). ERR_INVALID. */
int admission_check_name(const char *name) MUST_CHECK;

/* An ADMISSION record, taken apart; author is the joiner, stamp the witness's. */
struct admission {
	struct id node;
	char name[ADMISSION_NAME_MAX + 1];
	struct record *invite_record; /* owned */
	struct invite invite;
	struct sig invite_sig; /* by the invite's key over (mesh, node, name) */
	struct id witness;
	struct sig witness_sig; /* over (mesh, node, name, invite, stamp) */
	uint64_t stamp;
};

void admission_sign_invite(const struct id *mesh, const struct keys *invite, const struct id *node,
	const char *name, struct sig *ret);
int admission_verify_invite(const struct id *mesh, const struct id *invite, const struct id *node,
	const char *name, const struct sig *sig) MUST_CHECK;
void admission_sign_witness(const struct id *mesh, const struct keys *witness,
	const struct id *node, const char *name, const struct id *invite, uint64_t stamp,
	struct sig *ret);
int admission_verify_witness(const struct id *mesh, const struct id *witness, const struct id *node,
	const char *name, const struct id *invite, uint64_t stamp,
	const struct sig *sig) MUST_CHECK;

/* The joiner's last step: everything of admission but its stamp, node and invite is set already. */
int admission_sign(const struct id *mesh, const struct keys *node,
	const struct admission *admission, struct record **ret) MUST_CHECK;
/* Takes apart, and checks what needs no other record: the name, and that it is the invite's where
 * it fixes one; the stamp between the invite's creation and expiry (ERR_EXPIRED); that an invite
 * for an admin is the root's (ERR_NOT_ADMIN). Else ERR_MALFORMED, and record_decode's. Signatures
 * are admission_verify's. Nothing in ret points into the record. */
int admission_decode(
	const struct id *mesh, const struct record *record, struct admission *ret) MUST_CHECK;
/* All signatures in it but the record's own: the invite's author (unless those very bytes have been
 * verified already), the invite, the witness. */
int admission_verify(
	const struct id *mesh, const struct admission *admission, bool invite_verified) MUST_CHECK;
void admission_done(struct admission *admission);

#endif
