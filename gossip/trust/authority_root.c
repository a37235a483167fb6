/* The first stratum of authority_compute: what the root said, and who is an admin by it. */
#include "gossip/trust/authority_strata.h"

/* By subject; what keeps something before what keeps nothing, then the latest. */
static int compare_expulsions(const void *left, const void *right)
{
	const struct strata_expulsion *a = left, *b = right;
	int order = strata_compare_ids(a->subject, b->subject);

	if (!order)
		order = (b->chunk_count != 0) - (a->chunk_count != 0);
	return order ? order : record_compare(b->newest, a->newest);
}

static struct strata_expulsion whole_list(const struct strata *s, size_t first)
{
	const struct strata_notice *chunks = &s->notices[first];
	struct strata_expulsion expulsion = {
		.subject = &chunks->revocation.subject,
		.chunks = chunks,
		.chunk_count = chunks->revocation.chunk_count,
		.newest = chunks->record,
	};

	for (size_t i = 1; i < expulsion.chunk_count; i++) {
		if (record_compare(chunks[i].record, expulsion.newest) > 0)
			expulsion.newest = chunks[i].record;
	}
	return expulsion;
}

/* A node that the root revoked is no admin either; without a list nothing of it stands. */
static void find_expulsions(struct strata *s)
{
	size_t found = 0;

	for (size_t i = 0; i < s->notice_count; i++) {
		const struct strata_notice *notice = &s->notices[i];

		if (!id_equal(&notice->record->author, s->mesh))
			continue;
		if (notice->record->type == RECORD_ADMIN_REVOCATION && notice->complete &&
			notice->revocation.chunk == 0)
			s->expulsions[found++] = whole_list(s, i);
		else if (notice->record->type == RECORD_REVOCATION)
			s->expulsions[found++] = (struct strata_expulsion){
				.subject = &notice->revocation.subject, .newest = notice->record};
	}
	qsort(s->expulsions, found, sizeof(*s->expulsions), compare_expulsions);
	for (size_t i = 0; i < found; i++) {
		if (i == 0 || !id_equal(s->expulsions[i].subject,
				      s->expulsions[s->expulsion_count - 1].subject))
			s->expulsions[s->expulsion_count++] = s->expulsions[i];
	}
}

static int compare_with_subject(const void *id, const void *expulsion)
{
	return strata_compare_ids(id, ((const struct strata_expulsion *)expulsion)->subject);
}

const struct strata_expulsion *authority_root_expulsion(
	const struct strata *s, const struct id *node)
{
	return bsearch(node, s->expulsions, s->expulsion_count, sizeof(*s->expulsions),
		compare_with_subject);
}

static void add_admin(struct strata *s, const struct id *node)
{
	if (!authority_root_expulsion(s, node))
		s->admins[s->admin_count++] = *node;
}

static void find_admins(struct strata *s)
{
	size_t count, unique = 0;
	const struct record *const *grants = authority_input_of(s, RECORD_GRANT, &count);

	for (size_t i = 0; i < count; i++) {
		struct id node;

		if (!id_equal(&grants[i]->author, s->mesh) || grants[i]->key_size != sizeof(node) ||
			grants[i]->expiry_ms != 0)
			continue;
		memcpy(&node, grants[i]->key, sizeof(node));
		add_admin(s, &node);
	}
	for (size_t i = 0; i < s->invite_count; i++) {
		const struct strata_invite *invite = &s->invites[i];

		for (size_t j = 0; invite->makes_admins && j < invite->count; j++) {
			if (s->candidates[invite->first + j].why == 0)
				add_admin(s, &s->candidates[invite->first + j].record->author);
		}
	}
	qsort(s->admins, s->admin_count, sizeof(*s->admins), strata_compare_ids);
	for (size_t i = 0; i < s->admin_count; i++) {
		if (i == 0 || !id_equal(&s->admins[i], &s->admins[unique - 1]))
			s->admins[unique++] = s->admins[i];
	}
	s->admin_count = unique;
}

void authority_root(struct strata *s)
{
	find_expulsions(s);
	authority_acts(s, true);
	authority_uses(s, true);
	find_admins(s);
}

bool authority_root_stands(const struct strata *s, const struct record *record)
{
	const struct strata_expulsion *expulsion;

	if (id_equal(&record->author, s->mesh) ||
		strata_has_id(s->admins, s->admin_count, &record->author))
		return true;
	expulsion = authority_root_expulsion(s, &record->author);
	for (size_t i = 0; expulsion && i < expulsion->chunk_count; i++) {
		if (revocation_keeps(&expulsion->chunks[i].revocation, &record->hash))
			return true;
	}
	return false;
}
