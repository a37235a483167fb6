/* The third stratum of authority_compute: which admissions an invite's uses are spent on. */
#include "gossip/trust/authority_strata.h"

/* Admins are: only the root ends what they are. */
static bool is_protected(const struct strata_candidate *candidate)
{
	return candidate->kept || candidate->listed;
}

/* Those that may stand first; of them the kept before others, the earlier, the smaller id. */
static int compare_rank(const void *left, const void *right)
{
	const struct strata_candidate *a = left, *b = right;

	if ((a->why != 0) != (b->why != 0))
		return a->why ? 1 : -1;
	if (is_protected(a) != is_protected(b))
		return is_protected(a) ? -1 : 1;
	if (a->record->stamp != b->record->stamp)
		return a->record->stamp < b->record->stamp ? -1 : 1;
	return strata_compare_ids(&a->record->author, &b->record->author);
}

static int compare_with_candidate(const void *id, const void *candidate)
{
	return strata_compare_ids(
		id, &((const struct strata_candidate *)candidate)->record->author);
}

/* The closings of an invite, beside each other. */
static const struct strata_closing *closings_of(
	const struct strata *s, const struct id *invite, size_t *ret_count)
{
	size_t low = 0, high = s->closing_count, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strata_compare_ids(s->closings[middle].invite, invite) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < s->closing_count && id_equal(s->closings[end].invite, invite);)
		end++;
	*ret_count = end - low;
	return &s->closings[low];
}

/* Walks the lists rather than the candidates: the cost is what was signed, however many closings
 * there are. The candidates are still in the order of their ids. */
static void mark_listed(struct strata_candidate *candidates, size_t count,
	const struct strata_closing *closings, size_t closing_count)
{
	for (size_t i = 0; i < closing_count; i++) {
		const struct revocation *list = &closings[i].notice->revocation;

		for (size_t j = 0; j < list->keep_count; j++) {
			struct strata_candidate *found = bsearch(list->keep + j * sizeof(struct id),
				candidates, count, sizeof(*candidates), compare_with_candidate);

			if (found)
				found->listed = true;
		}
	}
}

static void withdraw(struct strata_candidate *candidate, int why, const struct record *by)
{
	candidate->why = why;
	candidate->ended_by = by;
}

static void apply_closings(
	struct strata *s, struct strata_invite *invite, struct strata_candidate *candidates)
{
	size_t count;
	const struct strata_closing *closings = closings_of(s, &invite->view.invite.id, &count);

	if (!count)
		return;
	invite->closed = true;
	mark_listed(candidates, invite->count, closings, count);
	for (size_t i = 0; i < invite->count; i++) {
		if (!is_protected(&candidates[i]))
			withdraw(&candidates[i], ERR_WITHDRAWN, closings[0].notice->record);
	}
}

/* The rank decides who has spent the uses, whatever became of them since. */
static void spend_uses(struct strata_invite *invite, struct strata_candidate *candidates)
{
	const uint32_t uses = invite->view.invite.uses;
	size_t standing = 0;

	qsort(candidates, invite->count, sizeof(*candidates), compare_rank);
	while (standing < invite->count && candidates[standing].why == 0)
		standing++;
	for (size_t i = uses; i < standing; i++) {
		if (candidates[i].pardoned)
			continue;
		withdraw(&candidates[i], ERR_USED_UP, candidates[uses - 1].record);
		candidates[i].dropped = i - uses >= AUTHORITY_OVERSPENT_MAX;
	}
	invite->view.used = standing < uses ? (uint32_t)standing : uses;
}

static void settle(struct strata *s, struct strata_invite *invite)
{
	struct strata_candidate *candidates = &s->candidates[invite->first];

	invite->valid = (invite->makes_admins || !invite->view.invite.admin) &&
			authority_root_stands(s, invite->view.record);
	if (invite->valid) {
		apply_closings(s, invite, candidates);
		spend_uses(invite, candidates);
		return;
	}
	const struct strata_expulsion *expulsion =
		authority_root_expulsion(s, &invite->view.author);

	for (size_t i = 0; i < invite->count; i++)
		withdraw(&candidates[i], ERR_NOT_ADMIN, expulsion ? expulsion->newest : NULL);
}

void authority_uses(struct strata *s, bool making_admins)
{
	for (size_t i = 0; i < s->invite_count; i++) {
		if (s->invites[i].makes_admins == making_admins)
			settle(s, &s->invites[i]);
	}
}

/* By subject, then the earliest. */
static int compare_replacements(const void *left, const void *right)
{
	const struct strata_replacement *a = left, *b = right;
	int order = strata_compare_ids(a->subject, b->subject);

	return order ? order : record_compare(a->by->record, b->by->record);
}

static void add_replacement(struct strata *s, const struct strata_invite *invite)
{
	const struct id *subject = &invite->view.invite.replaced;

	/* only the root expels admins */
	if (!invite->view.invite.has_replaced || strata_has_id(s->admins, s->admin_count, subject))
		return;
	for (size_t i = invite->first; i < invite->first + invite->count; i++) {
		const struct strata_candidate *by = &s->candidates[i];

		if (by->why == 0 && !id_equal(&by->record->author, subject))
			s->replacements[s->replacement_count++] = (struct strata_replacement){
				subject, by, &invite->view.record->author};
	}
}

void authority_replacements(struct strata *s)
{
	size_t found;

	for (size_t i = 0; i < s->invite_count; i++)
		add_replacement(s, &s->invites[i]);
	found = s->replacement_count;
	qsort(s->replacements, found, sizeof(*s->replacements), compare_replacements);
	s->replacement_count = 0;
	for (size_t i = 0; i < found; i++) {
		if (i == 0 || !id_equal(s->replacements[i].subject,
				      s->replacements[s->replacement_count - 1].subject))
			s->replacements[s->replacement_count++] = s->replacements[i];
	}
}
