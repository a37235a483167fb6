/* The last strata of authority_compute: members, less those who left or were revoked, and names. */
#include <stdio.h>

#include "gossip/record/hlc.h"
#include "gossip/trust/address.h"
#include "gossip/trust/authority_strata.h"

#define BLOCK_LEAST 64 /* bytes of texts; each block is as large as all before it */

static const struct id nobody;

/* ---- texts ---- */

static void *keep(struct strata_block **texts, const void *bytes, size_t size)
{
	struct strata_block *block = *texts;

	if (!block || block->size - block->used < size) {
		size_t room = block ? 2 * block->size : BLOCK_LEAST;

		if (room < size)
			room = size;
		block = malloc(sizeof(*block) + room);
		if (!block)
			return NULL;
		*block = (struct strata_block){.next = *texts, .size = room};
		*texts = block;
	}
	block->used += size;
	return memcpy(block->bytes + block->used - size, bytes, size);
}

static int keep_text(struct strata_block **texts, const char *text, const char **ret)
{
	const char *kept = text[0] ? keep(texts, text, strlen(text) + 1) : "";

	if (!kept)
		return ERR_NOMEM;
	*ret = kept;
	return 0;
}

/* ---- members ---- */

static int compare_members(const void *a, const void *b)
{
	return strata_compare_ids(a, b); /* the id comes first */
}

_Static_assert(offsetof(struct authority_member, id) == 0, "members are compared by their start");

/* A pin outside the mesh's prefixes would move other people's traffic into the mesh: it is none. */
static void pin(struct authority_member *member, const struct charter *charter, const struct ip *ip)
{
	const struct prefix *prefix4 = charter ? &charter->prefix4 : NULL;
	const struct prefix *prefix6 = charter ? &charter->prefix6 : NULL;

	if (ip->family == 4 && (!prefix4 || address_in_prefix(prefix4, ip)))
		member->pinned4 = *ip;
	else if (ip->family == 6 && (!prefix6 || address_in_prefix(prefix6, ip)))
		member->pinned6 = *ip;
}

static void take_terms(
	struct authority_member *member, const struct charter *charter, const struct invite *invite)
{
	member->ephemeral = invite->ephemeral;
	member->invite = invite->id;
	for (size_t i = 0; i < invite->address_count; i++)
		pin(member, charter, &invite->addresses[i]);
}

static void add_candidate(const struct strata *s, const struct charter *charter,
	const struct strata_invite *invite, const struct strata_candidate *candidate,
	struct authority_member *member)
{
	const struct record *record = candidate->record;

	member->id = record->author;
	member->kept = candidate->kept;
	member->stamp = record->stamp;
	member->name = member->reason = "";
	member->by = &nobody;
	take_terms(member, charter, &invite->view.invite);
	member->admin = strata_has_id(s->admins, s->admin_count, &member->id);
	if (candidate->why == 0)
		return;
	member->standing = AUTHORITY_VOID;
	member->why = candidate->why;
	member->ended_by = candidate->ended_by;
	if (candidate->why != ERR_USED_UP && candidate->ended_by)
		member->stamp = candidate->ended_by->stamp;
}

/* All of one invite; they share its tags. */
static int add_admitted(const struct strata *s, const struct charter *charter,
	const struct strata_invite *invite, struct strata_block **texts,
	struct authority_member *members, size_t *count)
{
	const struct invite *terms = &invite->view.invite;
	size_t tags_size = terms->tag_count * sizeof(terms->tags[0]);
	const void *tags = tags_size ? keep(texts, terms->tags, tags_size) : NULL;

	if (tags_size && !tags)
		return ERR_NOMEM;
	for (size_t i = 0; i < invite->count; i++) {
		const struct strata_candidate *candidate = &s->candidates[invite->first + i];
		struct authority_member *member = &members[*count];

		if (candidate->dropped)
			continue;
		(*count)++;
		add_candidate(s, charter, invite, candidate, member);
		member->tags = tags;
		member->tag_count = (uint8_t)terms->tag_count;
		if (keep_text(texts, candidate->name, &member->given_name) != 0)
			return ERR_NOMEM;
	}
	return 0;
}

static struct authority_member *find_member(
	struct authority_member *members, size_t count, const struct id *id)
{
	return bsearch(id, members, count, sizeof(*members), compare_members);
}

static void apply_leaves(const struct strata *s, struct authority_member *members, size_t count)
{
	size_t leave_count;
	const struct record *const *leaves = authority_input_of(s, RECORD_LEAVE, &leave_count);

	for (size_t i = 0; i < leave_count; i++) {
		struct authority_member *member = find_member(members, count, &leaves[i]->author);

		if (!member || leaves[i]->key_size != 0 || leaves[i]->expiry_ms != 0)
			continue;
		member->standing = AUTHORITY_LEFT;
		member->why = 0;
		member->stamp = leaves[i]->stamp;
		member->ended_by = leaves[i];
	}
}

/* ---- leases ---- */

/* Of what the member asks for, no more than everybody may have. Its stamp is bounded against mesh
 * time by the store. */
static int64_t asked_until(const struct record *descriptor)
{
	int64_t most = hlc_stamp_ms(descriptor->stamp) + AUTHORITY_LEASE_MS;

	return descriptor->expiry_ms < most ? descriptor->expiry_ms : most;
}

static void apply_leases(const struct strata *s, struct authority_member *members, size_t count)
{
	const struct authority_set *set = s->set;
	int64_t hour_ms = set->now.ms - set->now.ms % AUTHORITY_LEASE_ROUND_MS;

	for (size_t i = 0; i < count; i++) {
		struct authority_member *member = &members[i];
		const struct record *descriptor;

		if (!member->ephemeral || member->standing != AUTHORITY_MEMBER)
			continue;
		member->lease_ms = hlc_stamp_ms(member->stamp) + AUTHORITY_LEASE_MS;
		descriptor = set->descriptor ? set->descriptor(set->context, &member->id) : NULL;
		if (descriptor && asked_until(descriptor) > member->lease_ms)
			member->lease_ms = asked_until(descriptor);
		if (member->lease_ms > hour_ms || !set->now_known)
			continue;
		member->standing = AUTHORITY_LEFT;
		member->why = ERR_EXPIRED;
		member->stamp = hlc_from_ms(member->lease_ms);
	}
}

/* ---- revocations ---- */

/* Whoever has taken its place is the reason. */
static int apply_replacements(const struct strata *s, struct strata_block **texts,
	struct authority_member *members, size_t count)
{
	char reason[AUTHORITY_REASON_MAX + 1];
	int err = 0;

	for (size_t i = 0; i < s->replacement_count && !err; i++) {
		const struct strata_replacement *replacement = &s->replacements[i];
		struct authority_member *member = find_member(members, count, replacement->subject);

		if (!member)
			continue; /* nobody yet */
		member->standing = AUTHORITY_REVOKED;
		member->why = 0;
		member->stamp = replacement->by->record->stamp;
		member->by = replacement->admin;
		member->ended_by = replacement->by->record;
		snprintf(reason, sizeof(reason), "replaced by %s", replacement->by->name);
		err = keep_text(texts, reason, &member->reason);
	}
	return err;
}

static int revoke(struct strata_block **texts, struct authority_member *member,
	const struct strata_notice *notice)
{
	member->standing = AUTHORITY_REVOKED;
	member->why = 0;
	member->stamp = notice->record->stamp;
	member->by = &notice->record->author;
	member->ended_by = notice->record;
	return keep_text(texts, notice->revocation.reason, &member->reason);
}

/* Of several revocations of a node the earliest is told. Revoked is revoked, admitted yet or not:
 * those who are not known otherwise come behind the others. */
static int apply_revocations(const struct strata *s, struct strata_block **texts,
	struct authority_member *members, size_t known, size_t *count)
{
	int err = 0;

	for (size_t i = 0; i < s->revocation_count && !err; i++) {
		const struct strata_notice *notice = s->revocations[i];
		const struct id *subject = &notice->revocation.subject;
		struct authority_member *member;

		if (i > 0 && id_equal(subject, &s->revocations[i - 1]->revocation.subject))
			continue;
		member = find_member(members, known, subject);
		if (!member) {
			member = &members[(*count)++];
			member->id = *subject;
			member->given_name = "";
			err = keep_text(texts, notice->revocation.name, &member->name);
		}
		if (!err)
			err = revoke(texts, member, notice);
	}
	return err;
}

/* ---- clashes ---- */

static int compare_ranks(const struct authority_member *a, const struct authority_member *b)
{
	if (a->kept != b->kept)
		return a->kept ? -1 : 1;
	if (a->stamp != b->stamp)
		return a->stamp < b->stamp ? -1 : 1;
	return strata_compare_ids(&a->id, &b->id);
}

/* By name, then by rank. */
static int compare_names(const void *left, const void *right)
{
	const struct authority_member *a = *(const struct authority_member *const *)left;
	const struct authority_member *b = *(const struct authority_member *const *)right;
	int order = strcmp(a->given_name, b->given_name);

	return order ? order : compare_ranks(a, b);
}

/* By address, the pinned before all others, then by rank. */
static int compare_pins4(const void *left, const void *right)
{
	const struct authority_member *a = *(const struct authority_member *const *)left;
	const struct authority_member *b = *(const struct authority_member *const *)right;
	int order = memcmp(&a->pinned4, &b->pinned4, sizeof(a->pinned4));

	return order ? order : compare_ranks(a, b);
}

static int compare_pins6(const void *left, const void *right)
{
	const struct authority_member *a = *(const struct authority_member *const *)left;
	const struct authority_member *b = *(const struct authority_member *const *)right;
	int order = memcmp(&a->pinned6, &b->pinned6, sizeof(a->pinned6));

	return order ? order : compare_ranks(a, b);
}

/* Of several with one address pinned the first by rank has it; the others have what everybody has
 * who was promised none. */
static int settle_pins(struct authority_member *members, size_t count)
{
	struct authority_member **pinned = strata_alloc(count, sizeof(struct authority_member *));
	size_t pinned_count = 0;

	if (!pinned)
		return ERR_NOMEM;
	for (size_t i = 0; i < count; i++) {
		if (members[i].standing == AUTHORITY_MEMBER &&
			(members[i].pinned4.family || members[i].pinned6.family))
			pinned[pinned_count++] = &members[i];
	}
	qsort(pinned, pinned_count, sizeof(struct authority_member *), compare_pins4);
	for (size_t i = pinned_count; i-- > 1;) {
		if (ip_equal(&pinned[i]->pinned4, &pinned[i - 1]->pinned4))
			pinned[i]->pinned4 = (struct ip){0};
	}
	qsort(pinned, pinned_count, sizeof(struct authority_member *), compare_pins6);
	for (size_t i = pinned_count; i-- > 1;) {
		if (ip_equal(&pinned[i]->pinned6, &pinned[i - 1]->pinned6))
			pinned[i]->pinned6 = (struct ip){0};
	}
	free(pinned);
	return 0;
}

static int give_names(struct strata_block **texts, struct authority_member *members, size_t count)
{
	struct authority_member **named = strata_alloc(count, sizeof(struct authority_member *));
	char shown[AUTHORITY_NAME_MAX + 1];
	size_t named_count = 0;
	int err = 0;

	if (!named)
		return ERR_NOMEM;
	for (size_t i = 0; i < count; i++) {
		if (members[i].standing == AUTHORITY_MEMBER)
			named[named_count++] = &members[i];
		if (!members[i].name[0])
			members[i].name = members[i].given_name;
	}
	qsort(named, named_count, sizeof(struct authority_member *), compare_names);
	for (size_t i = 1; i < named_count && !err; i++) {
		struct authority_member *loser = named[i];

		if (strcmp(loser->given_name, named[i - 1]->given_name) != 0)
			continue;
		snprintf(shown, sizeof(shown), "%s~%02x%02x", loser->given_name, loser->id.b[0],
			loser->id.b[1]);
		err = keep_text(texts, shown, &loser->name);
	}
	free(named);
	return err;
}

static void give_offices(const struct strata *s, struct authority_member *members, size_t count)
{
	for (size_t i = 0; i < count; i++)
		members[i].admin = members[i].admin && members[i].standing == AUTHORITY_MEMBER;
	for (size_t i = 0; i < s->writer_count; i++) {
		struct authority_member *member = bsearch(
			s->writers[i]->key, members, count, sizeof(*members), compare_members);
		bool granted = false;

		if (member && writer_decode(s->writers[i], &granted) == 0)
			member->writer = granted && member->standing == AUTHORITY_MEMBER;
	}
}

int authority_members(const struct strata *s, const struct charter *charter,
	struct strata_block **ret_texts, struct authority_member **ret, size_t *ret_count)
{
	struct authority_member *members =
		strata_alloc(s->candidate_count + s->revocation_count, sizeof(*members));
	size_t known = 0, count;
	int err = members ? 0 : ERR_NOMEM;

	for (size_t i = 0; i < s->invite_count && !err; i++)
		err = add_admitted(s, charter, &s->invites[i], ret_texts, members, &known);
	if (err)
		goto out;
	qsort(members, known, sizeof(*members), compare_members);
	apply_leaves(s, members, known);
	apply_leases(s, members, known);
	count = known;
	err = apply_replacements(s, ret_texts, members, known);
	if (!err)
		err = apply_revocations(s, ret_texts, members, known, &count);
	if (err)
		goto out;
	qsort(members, count, sizeof(*members), compare_members);
	give_offices(s, members, count);
	err = settle_pins(members, count);
	if (!err)
		err = give_names(ret_texts, members, count);
	if (err)
		goto out;
	*ret = members;
	*ret_count = count;
	members = NULL;
out:
	free(members);
	return err;
}
