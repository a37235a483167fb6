/* The second stratum of authority_compute: what admins signed and what of it stands. */
#include "gossip/trust/authority_strata.h"

static int compare_closings(const void *left, const void *right)
{
	const struct strata_closing *a = left, *b = right;
	int order = strata_compare_ids(a->invite, b->invite);

	return order ? order : record_compare(a->notice->record, b->notice->record);
}

static int compare_revocations(const void *left, const void *right)
{
	const struct strata_notice *a = *(const struct strata_notice *const *)left;
	const struct strata_notice *b = *(const struct strata_notice *const *)right;
	int order = strata_compare_ids(&a->revocation.subject, &b->revocation.subject);

	return order ? order : record_compare(a->record, b->record);
}

static void add_notice(struct strata *s, const struct strata_notice *notice)
{
	const struct revocation *revocation = &notice->revocation;

	if (notice->record->type == RECORD_CLOSING) {
		if (notice->complete)
			s->closings[s->closing_count++] =
				(struct strata_closing){&revocation->subject, notice};
		return;
	}
	/* only the root expels admins, and whom it revoked is none */
	if (strata_has_id(s->admins, s->admin_count, &revocation->subject))
		return;
	s->revocations[s->revocation_count++] = notice;
	if (revocation->has_invite && notice->complete)
		s->closings[s->closing_count++] =
			(struct strata_closing){&revocation->invite, notice};
}

static bool counts(const struct strata *s, const struct record *record, bool root_alone)
{
	return root_alone ? id_equal(&record->author, s->mesh) : authority_root_stands(s, record);
}

int keep_decode(const struct record *record, bool *ret_by_hand)
{
	struct pack_reader reader = pack_reader(record->value, record->value_size);
	bool by_hand = false;

	if (record->type != RECORD_KEEP || record->key_size != sizeof(struct id) ||
		record->expiry_ms != 0)
		return ERR_MALFORMED;
	if (record->value_size && (pack_get_bool(&reader, "by hand", &by_hand) != 0 ||
					  pack_get_end(&reader, "keep") != 0 || !by_hand))
		return ERR_MALFORMED;
	*ret_by_hand = by_hand;
	return 0;
}

void keep_encode(bool by_hand, struct pack *out)
{
	if (by_hand)
		pack_put_bool(out, true);
}

static void find_kept(struct strata *s, bool root_alone)
{
	size_t count;
	const struct record *const *keeps = authority_input_of(s, RECORD_KEEP, &count);

	for (size_t i = 0; i < count; i++) {
		bool by_hand;

		if (keep_decode(keeps[i], &by_hand) != 0 || !counts(s, keeps[i], root_alone))
			continue;
		memcpy(&s->kept[s->kept_count++], keeps[i]->key, sizeof(struct id));
		if (by_hand)
			memcpy(&s->pardoned[s->pardoned_count++], keeps[i]->key, sizeof(struct id));
	}
	qsort(s->kept, s->kept_count, sizeof(*s->kept), strata_compare_ids);
	qsort(s->pardoned, s->pardoned_count, sizeof(*s->pardoned), strata_compare_ids);
}

static void mark_kept(struct strata *s)
{
	for (size_t i = 0; i < s->candidate_count; i++) {
		const struct id *node = &s->candidates[i].record->author;

		s->candidates[i].kept = strata_has_id(s->kept, s->kept_count, node) ||
					strata_has_id(s->admins, s->admin_count, node);
		s->candidates[i].pardoned = strata_has_id(s->pardoned, s->pardoned_count, node);
	}
}

void authority_acts(struct strata *s, bool root_alone)
{
	s->closing_count = s->revocation_count = s->kept_count = s->pardoned_count = 0;
	for (size_t i = 0; i < s->notice_count; i++) {
		const struct strata_notice *notice = &s->notices[i];

		if (notice->record->type != RECORD_ADMIN_REVOCATION &&
			counts(s, notice->record, root_alone))
			add_notice(s, notice);
	}
	qsort(s->closings, s->closing_count, sizeof(*s->closings), compare_closings);
	qsort(s->revocations, s->revocation_count, sizeof(struct strata_notice *),
		compare_revocations);
	find_kept(s, root_alone);
	mark_kept(s);
}
