/*
 * Who may speak: a pure function of a set of records, in strata, each computed only from the ones
 * before; within a stratum removal wins; a witness's own standing is never an input.
 *
 *   root          the key whose public half is the mesh's id
 *   admins        grants, and admissions by root-signed invites, less the root's admin revocations
 *   admin acts    invites, revocations, closings, keeps, writer grants: by the root, an admin, or
 *                 one who was revoked with this very record named to be kept
 *   admissions    by a valid invite, within its uses: kept before others, then the earlier stamp,
 *                 then the smaller id; a use is spent for ever, also by those who left or were
 *                 revoked; of a closed invite only those that a closing lists or a keep names;
 *                 whom an admin kept by hand stands beyond the uses as well;
 *                 root-signed admin invites rank without keeps, which are a later stratum, and
 *                 only the root closes them
 *   members       less the revoked, the replaced, the left, and the ephemeral whose lease is over;
 *                 names and pinned addresses: in a clash the same rank; the loser of a name is
 * shown as `name~ab12`, of an address has none pinned offices       writers: of all that stands of
 * what admins said of a node the latest word voids         of whoever signed two bodies with one
 * stamp the values from there on
 *
 * Only the root expels admins: a plain admin's revocation or closing does nothing to one. An admin
 * who left has left for good, but what it signed stands; an admin revocation that names nothing to
 * keep voids it all.
 *
 * The result does not depend on the order, repetition or source of the records.
 */
#ifndef MESHD_GOSSIP_TRUST_AUTHORITY_H
#define MESHD_GOSSIP_TRUST_AUTHORITY_H

#include "gossip/trust/admission.h"

#define AUTHORITY_REASON_MAX	   200 /* bytes of the text that goes with a revocation */
#define AUTHORITY_NAME_MAX	   (ADMISSION_NAME_MAX + 6)
#define AUTHORITY_OVERSPENT_MAX	   64	 /* losers of one invite that are kept and told why */
#define AUTHORITY_REVOCATIONS_MAX  10000 /* per admin; beyond: close invites */
#define AUTHORITY_CHARTER_NAME_MAX 63

/* An ephemeral member says in its descriptor until when it is one: so long from then at most. What
 * comes and goes is away for a night, or for good. Without a descriptor it counts from the
 * admission. It is over at the first full hour of mesh time after its end: so nodes whose clocks
 * are apart disagree for no longer than that, and all that happens in an hour is one change. */
#define AUTHORITY_LEASE_MS	 (24 * 3600 * INT64_C(1000))
#define AUTHORITY_LEASE_ROUND_MS (3600 * INT64_C(1000))

/* The value of the CHARTER record: what the founder chose. */
struct charter {
	char name[AUTHORITY_CHARTER_NAME_MAX + 1];
	struct prefix prefix4, prefix6;
};

void charter_encode(const struct charter *charter, struct pack *out);
/* ERR_MALFORMED; prefixes are as address_check_prefix wants them. */
int charter_decode(const struct record *record, struct charter *ret) MUST_CHECK;

/* The value of a REVOCATION (its key is the node): the invite that admitted the node is closed by
 * the same act, keeping the others it admitted so far. ADMIN_REVOCATION: `keep` lists hashes of
 * records of that admin. CLOSING: `keep` lists nodes. */
struct revocation {
	struct id subject; /* the record's key: a node, or for a closing the invite */
	char name[AUTHORITY_NAME_MAX + 1]; /* of the node, for people; may be empty */
	char reason[AUTHORITY_REASON_MAX + 1];
	bool has_invite;
	struct id invite; /* closed by it */
	uint16_t chunk,
		chunk_count; /* part of a longer list; 0 of 1 or, to encode, 0 of 0: whole */
	size_t keep_count;
	const uint8_t *keep; /* 32 bytes each, sorted, no duplicates; points into the record */
};

/* The largest list that fits a record. Longer ones are several records, with count and number of
 * the chunk (16 bits each, network order) at the end of the key. A list takes effect when all its
 * chunks are there; that a node is revoked, with the first. Of one author's lists for an admin's
 * revocation the latest complete one counts; lists of closings unite. */
#define REVOCATION_KEEP_MAX   1900
#define REVOCATION_CHUNKS_MAX 128 /* 243,200 records of one admin: above its quota of them */
#define REVOCATION_KEY_MAX    36
/* The key of its record; returns its size. */
size_t revocation_key(const struct revocation *revocation, uint8_t ret_key[REVOCATION_KEY_MAX]);
/* The value of its record. keep_count is at most REVOCATION_KEEP_MAX. */
void revocation_encode(const struct revocation *revocation, struct pack *out);
/* ERR_MALFORMED. */
int revocation_decode(const struct record *record, struct revocation *ret) MUST_CHECK;
/* Whether its list names this id or hash. */
bool revocation_keeps(const struct revocation *revocation, const void *item);

/* The value of a KEEP record: none where an admin's node signed it by itself, when it saw a valid
 * admission: that one ranks before those that nobody kept. `true`: an admin said it, and the
 * admission stands whatever the invite's uses. Either stands where the invite is closed.
 * ERR_MALFORMED. */
int keep_decode(const struct record *record, bool *ret_by_hand) MUST_CHECK;
void keep_encode(bool by_hand, struct pack *out);

/* The value of a WRITER record: none where it grants the office, else `false`: it is taken back.
 * ERR_MALFORMED. */
int writer_decode(const struct record *record, bool *ret_granted) MUST_CHECK;
void writer_encode(bool granted, struct pack *out);

enum authority_standing {
	AUTHORITY_MEMBER,
	AUTHORITY_LEFT,	   /* by its own word, or (`why`: ERR_EXPIRED) its lease is over */
	AUTHORITY_REVOKED, /* or replaced */
	AUTHORITY_VOID,	   /* `why` says: ERR_USED_UP, ERR_WITHDRAWN, ERR_NOT_ADMIN, ... */
};

/* Small: there is one for each pair of nodes in the mesh. What it points to lives as long as the
 * authority; texts and by are never NULL. */
struct authority_member {
	struct id id;
	enum authority_standing standing;
	int why;     /* enum err for AUTHORITY_VOID and a lease that is over, else 0 */
	bool admin;  /* and a member */
	bool writer; /* by an admin's word, and a member; admins need none */
	bool ephemeral;
	bool kept; /* an admin's keep names it, or it is an admin: ranks first in a clash */
	uint8_t tag_count;
	const char *given_name; /* in its admission */
	const char *name;	/* as shown: `name~ab12` for the loser of a clash */
	uint64_t stamp;		/* of its admission, or of what ended its membership */
	int64_t lease_ms;	/* wall clock: until when an ephemeral one is a member; else 0 */
	const struct id *by;	/* who revoked it, or had it replaced; zero otherwise */
	const char *reason;	/* at most AUTHORITY_REASON_MAX bytes */
	struct id invite;
	const char (*tags)[INVITE_TAG_MAX + 1];
	struct ip pinned4, pinned6; /* family 0: not pinned, or outside the mesh's prefixes */
	/* The record that ended it, to tell it; for ERR_USED_UP the admission that took the last
	 * use. NULL for members, and where nothing but silence speaks against it. */
	const struct record *ended_by;
};

enum authority_invite_state {
	INVITE_OPEN,
	INVITE_EXPIRED,
	INVITE_USED_UP,
	INVITE_CLOSED,
	INVITE_INVALID
};

struct authority_invite {
	struct invite invite;
	struct id author;
	uint64_t stamp;
	uint32_t used;
	enum authority_invite_state state; /* expired: by the time given to authority_compute */
	const struct record *record;
};

struct authority;

/* What it is computed from. */
struct authority_set {
	const struct id *mesh;
	/* verified and of this mesh (record_verify, admission_verify); of other types than the
	 * authority's they are passed over; borrowed for the result's life */
	const struct record *const *records;
	size_t count;
	/* The descriptor of a node, for the leases: asked of the ephemeral only. NULL: it has none,
	 * or there are none in the set. */
	const struct record *(*descriptor)(void *context, const struct id *node);
	void *context;
	wtime_t now;	/* mesh time */
	bool now_known; /* somebody vouches for it; else no lease is over yet */
};

/* O(n log n). ERR_NOMEM. */
int authority_compute(const struct authority_set *set, struct authority **ret) MUST_CHECK;
void authority_free(struct authority *authority);

bool authority_has_charter(const struct authority *authority, struct charter *ret);
/* Whether what it signs counts: also that of an admin who has left. */
bool authority_is_admin(const struct authority *authority, const struct id *node);
/* Whether the record counts as the word of an admin: its author is one, or the root, or was one and
 * the root's revocation names this very record among what is to be kept. */
bool authority_stands(const struct authority *authority, const struct record *record);
/* Whether the root took the node's office, or all it had. Then only what it names stands. */
bool authority_is_expelled(const struct authority *authority, const struct id *node);
size_t authority_expelled_count(const struct authority *authority);
/* The word of an admin that counts on whether the node is a writer; NULL: none was said. */
const struct record *authority_writer(const struct authority *authority, const struct id *node);
/* Whether what the node said in a value of that stamp counts for nothing, since it has signed two
 * bodies with that stamp or one before it. */
bool authority_value_is_void(
	const struct authority *authority, const struct id *author, uint64_t stamp);
/* The lowest stamp that the node is proven to have used twice; false: none is. */
bool authority_equivocation(
	const struct authority *authority, const struct id *node, uint64_t *ret_stamp);
/* Whether it is different with another hour. */
bool authority_has_leases(const struct authority *authority);
const struct authority_member *authority_member(
	const struct authority *authority, const struct id *node);
/* All that were ever admitted, and the revoked even before their admission is known, sorted by id;
 * index from 0, NULL at the end. Of an overspent invite at most AUTHORITY_OVERSPENT_MAX losers. */
const struct authority_member *authority_at(const struct authority *authority, size_t index);
/* Of several with one id the latest that is valid. */
const struct authority_invite *authority_invite(
	const struct authority *authority, const struct id *invite);
const struct authority_invite *authority_invite_at(const struct authority *authority, size_t index);

/* Who must be known before a record may enter a store, by its structure alone (whether that
 * authority still stands is the view's business). */
enum authority_chain {
	CHAIN_ROOT,	 /* author is the mesh's root */
	CHAIN_ADMIN,	 /* author has a grant, or an admission by a root-signed invite */
	CHAIN_ADMISSION, /* the embedded invite's author is as for CHAIN_ADMIN, or the root */
	CHAIN_MEMBER,	 /* author has an admission */
	CHAIN_SUBJECT,	 /* the node that its key names has one, whoever the author is */
};
enum authority_chain authority_chain(uint16_t type);
/* Types that authority_compute looks at. */
bool authority_concerns(uint16_t type);

#endif
