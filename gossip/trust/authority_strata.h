/*
 * What the strata of authority_compute hand on, each computed only from the ones before. Inside
 * authority_*.c only; the order of the calls is in authority.c.
 */
#ifndef MESHD_GOSSIP_TRUST_AUTHORITY_STRATA_H
#define MESHD_GOSSIP_TRUST_AUTHORITY_STRATA_H

#include <stdlib.h>

#include "gossip/trust/authority.h"

/* Texts of the result, side by side in blocks that grow. */
struct strata_block {
	struct strata_block *next;
	size_t used, size;
	char bytes[];
};

/* A revocation of any kind, or a closing. */
struct strata_notice {
	const struct record *record;
	struct revocation revocation;
	bool complete; /* all chunks of its list are there */
};

/* A node that the root took out of the admins, with what stands of what it signed. */
struct strata_expulsion {
	const struct id *subject;
	const struct strata_notice *chunks; /* the list's, beside each other */
	size_t chunk_count;		    /* 0: nothing stands */
	const struct record *newest;	    /* of the chunks */
};

struct strata_closing {
	const struct id *invite;
	const struct strata_notice *notice; /* a chunk of a complete list; lists unite */
};

/* An admission: a candidate for membership. */
struct strata_candidate {
	const struct record *record;
	struct hash invite; /* of the embedded record */
	char name[ADMISSION_NAME_MAX + 1];
	bool listed;   /* by a closing of its invite */
	bool kept;     /* by an admin's keep, or as an admin by the root's word */
	bool pardoned; /* by an admin's own hand: whatever the uses */
	bool dropped;  /* a loser beyond AUTHORITY_OVERSPENT_MAX */
	int why;       /* 0: it stands */
	const struct record *ended_by;
};

/* A node whose place another took: by the admission of that one. */
struct strata_replacement {
	const struct id *subject;
	const struct strata_candidate *by;
	const struct id *admin; /* who minted the invite */
};

/* From this stamp on the values of the node count for nothing. */
struct strata_void {
	struct id node;
	uint64_t stamp;
};

struct strata_invite {
	struct authority_invite view;
	bool makes_admins; /* signed by the root for an admin: settled before there are admins */
	bool valid, closed;
	size_t first, count; /* its candidates */
};

struct strata {
	const struct id *mesh;
	const struct authority_set *set;

	/* input */
	const struct record **records; /* one a slot, ordered by type, author, key */
	size_t record_count;
	struct strata_notice *notices; /* ordered as the records */
	size_t notice_count;
	struct strata_invite *invites; /* ordered by the record's hash */
	size_t invite_count;
	struct strata_candidate *candidates; /* grouped by invite, in the invites' order */
	size_t candidate_count;
	struct record **embedded; /* owned: invites that no record of the set's own brought */
	size_t embedded_count;

	/* the root's word */
	struct strata_expulsion *expulsions; /* ordered by subject, one each */
	size_t expulsion_count;
	struct id *admins; /* ordered */
	size_t admin_count;

	/* the admins' acts */
	struct strata_closing *closings; /* ordered by invite, stamp, hash */
	size_t closing_count;
	const struct strata_notice **revocations; /* in force; ordered by subject, stamp, hash */
	size_t revocation_count;
	struct id *kept; /* ordered */
	size_t kept_count;
	struct id *pardoned; /* of them by hand; ordered */
	size_t pardoned_count;

	/* the admissions */
	struct strata_replacement *replacements; /* ordered by subject, one each */
	size_t replacement_count;

	/* offices */
	const struct record **writers; /* the word that counts, ordered by node, one each */
	size_t writer_count;
	struct strata_void *voids; /* ordered by node, one each */
	size_t void_count;
};

static inline void *strata_alloc(size_t count, size_t size)
{
	return calloc(count ? count : 1, size);
}

static inline int strata_compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct id));
}

static inline bool strata_has_id(const struct id *ids, size_t count, const struct id *id)
{
	return bsearch(id, ids, count, sizeof(*ids), strata_compare_ids) != NULL;
}

/* Decodes and orders strata->set. ERR_NOMEM. */
int authority_input(struct strata *strata) MUST_CHECK;
/* The records of one type; NULL and 0 where there are none. */
const struct record *const *authority_input_of(
	const struct strata *strata, uint16_t type, size_t *ret_count);

/* Whom the root took out, then who is an admin. */
void authority_root(struct strata *strata);
/* Whether what the record says counts, for all that is known of its author. */
bool authority_root_stands(const struct strata *strata, const struct record *record);
/* The expulsion of a node; NULL if there is none. */
const struct strata_expulsion *authority_root_expulsion(
	const struct strata *strata, const struct id *node);

/* Closings, revocations and keeps that stand: the root's alone, which decide on admins, or all. */
void authority_acts(struct strata *strata, bool root_alone);

/* Which candidates of the invites that make admins, or of all others, stand, and why the rest does
 * not. */
void authority_uses(struct strata *strata, bool making_admins);
/* Whom the admissions that stand have replaced. */
void authority_replacements(struct strata *strata);

/* Writers, and whose values are void. */
void authority_offices(struct strata *strata);

/* Everybody who was ever admitted or revoked, as shown, ordered by id. charter may be NULL.
 * ERR_NOMEM: what is in ret_texts is to be released all the same. */
int authority_members(const struct strata *strata, const struct charter *charter,
	struct strata_block **ret_texts, struct authority_member **ret,
	size_t *ret_count) MUST_CHECK;

#endif
