/* The first step of authority_compute: one record a slot, decoded, in an order of their own. */
#include "gossip/trust/authority_strata.h"

static int compare_slots(const struct record *a, const struct record *b)
{
	size_t shorter = a->key_size < b->key_size ? a->key_size : b->key_size;
	int order;

	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	order = strata_compare_ids(&a->author, &b->author);
	if (!order && shorter)
		order = memcmp(a->key, b->key, shorter);
	if (!order && a->key_size != b->key_size)
		order = a->key_size < b->key_size ? -1 : 1;
	return order;
}

/* By slot; the one that holds the slot first. */
static int compare_records(const void *left, const void *right)
{
	const struct record *a = *(const struct record *const *)left;
	const struct record *b = *(const struct record *const *)right;
	int order = compare_slots(a, b);

	return order ? order : record_compare(b, a);
}

static int fill_slots(struct strata *s)
{
	size_t found = 0;

	s->records = strata_alloc(s->set->count, sizeof(struct record *));
	if (!s->records)
		return ERR_NOMEM;
	for (size_t i = 0; i < s->set->count; i++) {
		if (authority_concerns(s->set->records[i]->type))
			s->records[found++] = s->set->records[i];
	}
	qsort(s->records, found, sizeof(struct record *), compare_records);
	for (size_t i = 0; i < found; i++) {
		if (i == 0 || !record_same_slot(s->records[i], s->records[s->record_count - 1]))
			s->records[s->record_count++] = s->records[i];
	}
	return 0;
}

const struct record *const *authority_input_of(
	const struct strata *s, uint16_t type, size_t *ret_count)
{
	size_t first = 0, end;

	while (first < s->record_count && s->records[first]->type != type)
		first++;
	end = first;
	while (end < s->record_count && s->records[end]->type == type)
		end++;
	*ret_count = end - first;
	return first < end ? &s->records[first] : NULL;
}

static bool same_list(const struct strata_notice *a, const struct strata_notice *b)
{
	return a->record->type == b->record->type &&
	       id_equal(&a->record->author, &b->record->author) &&
	       id_equal(&a->revocation.subject, &b->revocation.subject) &&
	       a->revocation.chunk_count == b->revocation.chunk_count;
}

/* Chunks of one list stand beside each other: their keys differ in the last number. */
static void mark_complete(struct strata *s)
{
	size_t end;

	for (size_t i = 0; i < s->notice_count; i = end) {
		end = i + 1;
		while (end < s->notice_count && same_list(&s->notices[i], &s->notices[end]))
			end++;
		for (size_t j = i; j < end; j++)
			s->notices[j].complete = end - i == s->notices[j].revocation.chunk_count;
	}
}

static int read_notices(struct strata *s)
{
	static const uint16_t types[] = {
		RECORD_ADMIN_REVOCATION, RECORD_REVOCATION, RECORD_CLOSING};
	const struct record *const *records[ARRAY_SIZE(types)];
	size_t counts[ARRAY_SIZE(types)], total = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		records[i] = authority_input_of(s, types[i], &counts[i]);
		total += counts[i];
	}
	s->notices = strata_alloc(total, sizeof(*s->notices));
	if (!s->notices)
		return ERR_NOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		for (size_t j = 0; j < counts[i]; j++) {
			struct strata_notice *notice = &s->notices[s->notice_count];

			notice->record = records[i][j];
			if (revocation_decode(notice->record, &notice->revocation) == 0)
				s->notice_count++;
		}
	}
	mark_complete(s);
	return 0;
}

/* An invite's record: one of the set's own, or taken out of an admission and owned. */
struct source {
	struct record *owned;
	const struct record *record;
};

static int compare_sources(const void *left, const void *right)
{
	const struct source *a = left, *b = right;
	int order = memcmp(&a->record->hash, &b->record->hash, sizeof(a->record->hash));

	if (!order)
		order = record_compare(b->record, a->record);
	return order ? order : (a->owned != NULL) - (b->owned != NULL);
}

static int compare_candidates(const void *left, const void *right)
{
	const struct strata_candidate *a = left, *b = right;
	int order = memcmp(&a->invite, &b->invite, sizeof(a->invite));

	return order ? order : strata_compare_ids(&a->record->author, &b->record->author);
}

static int read_admissions(struct strata *s, const struct record *const *records, size_t count,
	struct source *sources, size_t *source_count)
{
	for (size_t i = 0; i < count; i++) {
		struct strata_candidate *candidate = &s->candidates[s->candidate_count];
		struct admission admission;
		int err = admission_decode(s->mesh, records[i], &admission);

		if (err == ERR_NOMEM)
			return err;
		if (err)
			continue;
		candidate->record = records[i];
		candidate->invite = admission.invite_record->hash;
		memcpy(candidate->name, admission.name, sizeof(candidate->name));
		s->candidate_count++;
		/* the reference moves here */
		sources[(*source_count)++] =
			(struct source){admission.invite_record, admission.invite_record};
	}
	qsort(s->candidates, s->candidate_count, sizeof(*s->candidates), compare_candidates);
	return 0;
}

static void add_invite(struct strata *s, const struct record *record)
{
	struct strata_invite *invite = &s->invites[s->invite_count];

	if (invite_decode(record, &invite->view.invite) != 0)
		return;
	invite->view.author = record->author;
	invite->view.stamp = record->stamp;
	invite->view.record = record;
	invite->makes_admins = invite->view.invite.admin && id_equal(&record->author, s->mesh);
	s->invite_count++;
}

/* One invite of each, owning its record where need be; the other copies go. */
static void merge_sources(struct strata *s, struct source *sources, size_t count)
{
	qsort(sources, count, sizeof(*sources), compare_sources);
	for (size_t i = 0; i < count; i++) {
		const struct strata_invite *last =
			s->invite_count ? &s->invites[s->invite_count - 1] : NULL;

		if (last && hash_equal(&sources[i].record->hash, &last->view.record->hash)) {
			record_unref(sources[i].owned);
			continue;
		}
		add_invite(s, sources[i].record);
		if (sources[i].owned)
			s->embedded[s->embedded_count++] = sources[i].owned;
	}
}

/* Both are ordered by the invite's hash. */
static void assign_candidates(struct strata *s)
{
	size_t at = 0;

	for (size_t i = 0; i < s->invite_count; i++) {
		struct strata_invite *invite = &s->invites[i];

		invite->first = at;
		while (at < s->candidate_count &&
			hash_equal(&s->candidates[at].invite, &invite->view.record->hash))
			at++;
		invite->count = at - invite->first;
	}
}

static int read_invites(struct strata *s)
{
	size_t admission_count, invite_count, count = 0;
	const struct record *const *admissions =
		authority_input_of(s, RECORD_ADMISSION, &admission_count);
	const struct record *const *invites = authority_input_of(s, RECORD_INVITE, &invite_count);
	struct source *sources = strata_alloc(admission_count + invite_count, sizeof(*sources));
	int err = ERR_NOMEM;

	s->candidates = strata_alloc(admission_count, sizeof(*s->candidates));
	s->embedded = strata_alloc(admission_count, sizeof(*s->embedded));
	s->invites = strata_alloc(admission_count + invite_count, sizeof(*s->invites));
	if (!sources || !s->candidates || !s->embedded || !s->invites)
		goto out;
	err = read_admissions(s, admissions, admission_count, sources, &count);
	if (err) {
		while (count)
			record_unref(sources[--count].owned);
		goto out;
	}
	for (size_t i = 0; i < invite_count; i++)
		sources[count++] = (struct source){.record = invites[i]};
	merge_sources(s, sources, count);
	assign_candidates(s);
out:
	free(sources);
	return err;
}

int authority_input(struct strata *s)
{
	int err = fill_slots(s);

	if (!err)
		err = read_notices(s);
	if (!err)
		err = read_invites(s);
	return err;
}
