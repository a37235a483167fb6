/* The last strata of authority_compute: members, less those who left or were revoked, and names. */
#include <stdio.h>

#include "gossip/trust/address.h"
#include "gossip/trust/authority_strata.h"

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
	member->tag_count = invite->tag_count;
	memcpy(member->tags, invite->tags, sizeof(member->tags));
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
	memcpy(member->given_name, candidate->name, sizeof(member->given_name));
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

static void revoke(struct authority_member *member, const struct strata_notice *notice)
{
	member->standing = AUTHORITY_REVOKED;
	member->why = 0;
	member->stamp = notice->record->stamp;
	member->by = notice->record->author;
	memcpy(member->reason, notice->revocation.reason, sizeof(member->reason));
	member->ended_by = notice->record;
}

/* Of several revocations of a node the earliest is told. Revoked is revoked, admitted yet or not:
 * those who are not known otherwise come behind the others. */
static void apply_revocations(
	const struct strata *s, struct authority_member *members, size_t known, size_t *count)
{
	for (size_t i = 0; i < s->revocation_count; i++) {
		const struct strata_notice *notice = s->revocations[i];
		const struct id *subject = &notice->revocation.subject;
		struct authority_member *member;

		if (i > 0 && id_equal(subject, &s->revocations[i - 1]->revocation.subject))
			continue;
		member = find_member(members, known, subject);
		if (!member) {
			member = &members[(*count)++];
			member->id = *subject;
			memcpy(member->name, notice->revocation.name, sizeof(member->name));
		}
		revoke(member, notice);
	}
}

/* By name, then by rank. */
static int compare_names(const void *left, const void *right)
{
	const struct authority_member *a = *(const struct authority_member *const *)left;
	const struct authority_member *b = *(const struct authority_member *const *)right;
	int order = strcmp(a->given_name, b->given_name);

	if (order)
		return order;
	if (a->kept != b->kept)
		return a->kept ? -1 : 1;
	if (a->stamp != b->stamp)
		return a->stamp < b->stamp ? -1 : 1;
	return strata_compare_ids(&a->id, &b->id);
}

static int give_names(struct authority_member *members, size_t count)
{
	struct authority_member **named = strata_alloc(count, sizeof(struct authority_member *));
	size_t named_count = 0;

	if (!named)
		return ERR_NOMEM;
	for (size_t i = 0; i < count; i++) {
		if (members[i].standing == AUTHORITY_MEMBER)
			named[named_count++] = &members[i];
		if (!members[i].name[0])
			snprintf(members[i].name, sizeof(members[i].name), "%s",
				members[i].given_name);
	}
	qsort(named, named_count, sizeof(struct authority_member *), compare_names);
	for (size_t i = 1; i < named_count; i++) {
		struct authority_member *loser = named[i];

		if (strcmp(loser->given_name, named[i - 1]->given_name) == 0)
			snprintf(loser->name, sizeof(loser->name), "%s~%02x%02x", loser->given_name,
				loser->id.b[0], loser->id.b[1]);
	}
	free(named);
	return 0;
}

int authority_members(const struct strata *s, const struct charter *charter,
	struct authority_member **ret, size_t *ret_count)
{
	struct authority_member *members =
		strata_alloc(s->candidate_count + s->revocation_count, sizeof(*members));
	size_t known = 0, count;

	if (!members)
		return ERR_NOMEM;
	for (size_t i = 0; i < s->invite_count; i++) {
		const struct strata_invite *invite = &s->invites[i];

		for (size_t j = 0; j < invite->count; j++) {
			const struct strata_candidate *candidate =
				&s->candidates[invite->first + j];

			if (!candidate->dropped)
				add_candidate(s, charter, invite, candidate, &members[known++]);
		}
	}
	qsort(members, known, sizeof(*members), compare_members);
	apply_leaves(s, members, known);
	count = known;
	apply_revocations(s, members, known, &count);
	qsort(members, count, sizeof(*members), compare_members);
	for (size_t i = 0; i < count; i++)
		members[i].admin = members[i].admin && members[i].standing == AUTHORITY_MEMBER;
	if (give_names(members, count) != 0) {
		free(members);
		return ERR_NOMEM;
	}
	*ret = members;
	*ret_count = count;
	return 0;
}
