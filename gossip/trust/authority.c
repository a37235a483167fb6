#include "gossip/trust/authority.h"

#include "gossip/trust/authority_strata.h"

struct authority {
	bool has_charter;
	struct charter charter;
	struct id mesh;
	struct strata root; /* what of the root's word and of offices is asked for; not the rest */
	bool has_leases;
	struct authority_member *members; /* ordered by id */
	size_t member_count;
	struct strata_block *texts; /* of theirs */
	struct authority_invite
		*invites; /* ordered by id; of those with one id what counts first */
	size_t invite_count;
	struct record **embedded; /* owned: invites known from admissions only */
	size_t embedded_count;
};

static void find_charter(const struct strata *s, struct authority *ret)
{
	size_t count;
	const struct record *const *charters = authority_input_of(s, RECORD_CHARTER, &count);

	for (size_t i = 0; i < count && !ret->has_charter; i++)
		ret->has_charter = id_equal(&charters[i]->author, s->mesh) &&
				   charter_decode(charters[i], &ret->charter) == 0;
}

static int compare_invites(const void *left, const void *right)
{
	const struct authority_invite *a = left, *b = right;
	int order = strata_compare_ids(&a->invite.id, &b->invite.id);

	if (!order)
		order = (a->state == INVITE_INVALID) - (b->state == INVITE_INVALID);
	return order ? order : record_compare(b->record, a->record);
}

static enum authority_invite_state invite_state(const struct strata_invite *invite, wtime_t now)
{
	if (!invite->valid)
		return INVITE_INVALID;
	if (invite->closed)
		return INVITE_CLOSED;
	if (invite->view.used >= invite->view.invite.uses)
		return INVITE_USED_UP;
	return now.ms > invite->view.invite.expires_ms ? INVITE_EXPIRED : INVITE_OPEN;
}

static int show_invites(const struct strata *s, wtime_t now, struct authority *ret)
{
	ret->invites = strata_alloc(s->invite_count, sizeof(*ret->invites));
	if (!ret->invites)
		return ERR_NOMEM;
	for (size_t i = 0; i < s->invite_count; i++) {
		ret->invites[i] = s->invites[i].view;
		ret->invites[i].state = invite_state(&s->invites[i], now);
	}
	ret->invite_count = s->invite_count;
	qsort(ret->invites, ret->invite_count, sizeof(*ret->invites), compare_invites);
	return 0;
}

static int alloc_strata(struct strata *s)
{
	size_t grants, keeps, writers, proofs;

	(void)authority_input_of(s, RECORD_GRANT, &grants);
	(void)authority_input_of(s, RECORD_KEEP, &keeps);
	(void)authority_input_of(s, RECORD_WRITER, &writers);
	(void)authority_input_of(s, RECORD_EQUIVOCATION, &proofs);
	s->expulsions = strata_alloc(s->notice_count, sizeof(*s->expulsions));
	s->admins = strata_alloc(grants + s->candidate_count, sizeof(*s->admins));
	s->closings = strata_alloc(s->notice_count, sizeof(*s->closings));
	s->revocations = strata_alloc(s->notice_count, sizeof(struct strata_notice *));
	s->kept = strata_alloc(keeps, sizeof(*s->kept));
	s->pardoned = strata_alloc(keeps, sizeof(*s->pardoned));
	s->replacements = strata_alloc(s->candidate_count, sizeof(*s->replacements));
	s->writers = strata_alloc(writers, sizeof(struct record *));
	s->voids = strata_alloc(proofs, sizeof(*s->voids));
	return s->expulsions && s->admins && s->closings && s->revocations && s->kept &&
			       s->pardoned && s->replacements && s->writers && s->voids
		       ? 0
		       : ERR_NOMEM;
}

static void unref_all(struct record **records, size_t count)
{
	for (size_t i = 0; i < count; i++)
		record_unref(records[i]);
	free(records);
}

/* All but the decided: what the result has taken over is NULL by now. */
static void strata_done(struct strata *s)
{
	unref_all(s->embedded, s->embedded_count);
	free(s->records);
	free(s->notices);
	free(s->invites);
	free(s->candidates);
	free(s->expulsions);
	free(s->admins);
	free(s->closings);
	free(s->revocations);
	free(s->kept);
	free(s->pardoned);
	free(s->replacements);
	free(s->writers);
	free(s->voids);
}

static void take_over(struct strata *s, struct authority *ret)
{
	ret->root = (struct strata){
		.mesh = &ret->mesh,
		.notices = s->notices,
		.notice_count = s->notice_count,
		.expulsions = s->expulsions,
		.expulsion_count = s->expulsion_count,
		.admins = s->admins,
		.admin_count = s->admin_count,
		.writers = s->writers,
		.writer_count = s->writer_count,
		.voids = s->voids,
		.void_count = s->void_count,
	};
	s->notices = NULL;
	s->expulsions = NULL;
	s->admins = NULL;
	s->writers = NULL;
	s->voids = NULL;
	ret->embedded = s->embedded;
	ret->embedded_count = s->embedded_count;
	s->embedded = NULL;
	s->embedded_count = 0;
}

static int show(struct strata *s, struct authority *ret)
{
	int err;

	find_charter(s, ret);
	err = authority_members(s, ret->has_charter ? &ret->charter : NULL, &ret->texts,
		&ret->members, &ret->member_count);
	for (size_t i = 0; i < ret->member_count && !ret->has_leases; i++)
		ret->has_leases = ret->members[i].lease_ms != 0;
	if (!err)
		err = show_invites(s, s->set->now, ret);
	take_over(s, ret);
	return err;
}

int authority_compute(const struct authority_set *set, struct authority **ret)
{
	struct strata strata = {.mesh = set->mesh, .set = set};
	struct authority *authority = strata_alloc(1, sizeof(*authority));
	int err = authority ? authority_input(&strata) : ERR_NOMEM;

	if (authority)
		authority->mesh = *set->mesh;
	if (!err)
		err = alloc_strata(&strata);
	if (!err) {
		authority_root(&strata);
		authority_acts(&strata, false);
		authority_uses(&strata, false);
		authority_replacements(&strata);
		authority_offices(&strata);
		err = show(&strata, authority);
	}
	strata_done(&strata);
	if (err)
		authority_free(authority);
	else
		*ret = authority;
	return err;
}

void authority_free(struct authority *authority)
{
	if (!authority)
		return;
	unref_all(authority->embedded, authority->embedded_count);
	strata_done(&authority->root);
	free(authority->members);
	while (authority->texts) {
		struct strata_block *next = authority->texts->next;

		free(authority->texts);
		authority->texts = next;
	}
	free(authority->invites);
	free(authority);
}

bool authority_has_charter(const struct authority *authority, struct charter *ret)
{
	if (authority->has_charter)
		*ret = authority->charter;
	return authority->has_charter;
}

bool authority_is_admin(const struct authority *authority, const struct id *node)
{
	return strata_has_id(authority->root.admins, authority->root.admin_count, node);
}

bool authority_stands(const struct authority *authority, const struct record *record)
{
	return authority_root_stands(&authority->root, record);
}

bool authority_is_expelled(const struct authority *authority, const struct id *node)
{
	return authority_root_expulsion(&authority->root, node) != NULL;
}

size_t authority_expelled_count(const struct authority *authority)
{
	return authority->root.expulsion_count;
}

static int compare_with_writer(const void *id, const void *writer)
{
	return memcmp(id, (*(const struct record *const *)writer)->key, sizeof(struct id));
}

const struct record *authority_writer(const struct authority *authority, const struct id *node)
{
	const struct record *const *found = bsearch(node, authority->root.writers,
		authority->root.writer_count, sizeof(struct record *), compare_with_writer);

	return found ? *found : NULL;
}

bool authority_equivocation(
	const struct authority *authority, const struct id *node, uint64_t *ret_stamp)
{
	/* its id comes first */
	const struct strata_void *found = bsearch(node, authority->root.voids,
		authority->root.void_count, sizeof(*found), strata_compare_ids);

	if (found)
		*ret_stamp = found->stamp;
	return found != NULL;
}

bool authority_value_is_void(
	const struct authority *authority, const struct id *author, uint64_t stamp)
{
	uint64_t from;

	return authority_equivocation(authority, author, &from) && stamp >= from;
}

bool authority_has_leases(const struct authority *authority)
{
	return authority->has_leases;
}

static int compare_with_member(const void *id, const void *member)
{
	return strata_compare_ids(id, &((const struct authority_member *)member)->id);
}

const struct authority_member *authority_member(
	const struct authority *authority, const struct id *node)
{
	return bsearch(node, authority->members, authority->member_count,
		sizeof(*authority->members), compare_with_member);
}

const struct authority_member *authority_at(const struct authority *authority, size_t index)
{
	return index < authority->member_count ? &authority->members[index] : NULL;
}

const struct authority_invite *authority_invite(
	const struct authority *authority, const struct id *invite)
{
	size_t low = 0, high = authority->invite_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strata_compare_ids(&authority->invites[middle].invite.id, invite) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < authority->invite_count && id_equal(&authority->invites[low].invite.id, invite)
		       ? &authority->invites[low]
		       : NULL;
}

const struct authority_invite *authority_invite_at(const struct authority *authority, size_t index)
{
	return index < authority->invite_count ? &authority->invites[index] : NULL;
}
