/* Who may speak: one story for each rule. Node n's admission is by invite 100 + n unless said
 * otherwise; node 1 founded the mesh and is its first admin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "gossip/base/text.h"
#include "gossip/trust/address.h"
#include "tests/support/records.h"

#define FOUNDER 1

static struct records_set set;
static struct authority *authority;

static int64_t now_s = 60;

static void look(void)
{
	authority_free(authority);
	authority = NULL;
	assert_int_equal(records_compute((const struct record *const *)set.records, set.count,
				 RECORDS_START_MS + now_s * INT64_C(1000), &authority),
		0);
}

static void add(struct record *record)
{
	records_add(&set, record);
}

static int setup(void **state)
{
	(void)state;
	add(records_charter(records_at(0)));
	add(records_grant(FOUNDER, records_at(0)));
	add(records_member(FOUNDER, FOUNDER, 100 + FOUNDER, FOUNDER, records_at(1)));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	authority_free(authority);
	authority = NULL;
	records_set_done(&set);
	now_s = 60;
	return 0;
}

static void admit(unsigned admin, unsigned node, unsigned seconds)
{
	add(records_member(admin, node, 100 + node, admin, records_at(seconds)));
}

/* An invite with so many uses; returns its record. */
static struct record *invite(unsigned author, unsigned number, uint32_t uses)
{
	return records_add(&set,
		records_invite(author, number, records_at(2), &(struct invite){.uses = uses}));
}

/* A node admitted with an invite of many uses. */
static void use(struct record *invite_record, unsigned number, unsigned node, unsigned seconds)
{
	add(records_admission(node, NULL, number, invite_record, FOUNDER, records_at(seconds)));
}

static void make_admin(unsigned node, unsigned seconds)
{
	admit(FOUNDER, node, seconds);
	add(records_grant(node, records_at(seconds)));
}

static const struct authority_member *member(unsigned node)
{
	struct id id = records_id(node);

	return authority_member(authority, &id);
}

static void expect(unsigned node, enum authority_standing standing, int why)
{
	const struct authority_member *found = member(node);

	assert_non_null(found);
	assert_int_equal(found->standing, standing);
	assert_int_equal(found->why, why);
	assert_true((standing == AUTHORITY_MEMBER) <= (found->ended_by == NULL));
}

static void expect_member(unsigned node)
{
	expect(node, AUTHORITY_MEMBER, 0);
}

static bool is_admin(unsigned node)
{
	struct id id = records_id(node);

	return authority_is_admin(authority, &id);
}

static enum authority_invite_state invite_state(unsigned number, uint32_t used)
{
	struct id id = records_id(number);
	const struct authority_invite *found = authority_invite(authority, &id);

	assert_non_null(found);
	assert_int_equal(found->used, used);
	return found->state;
}

/* A closing of an invite by an admin, listing up to two nodes (0: none). */
static void close_invite(
	unsigned admin, unsigned number, unsigned keep1, unsigned keep2, unsigned seconds)
{
	const struct revocation terms = {.subject = records_id(number)};
	struct id keep[2] = {records_id(keep1), records_id(keep2)};

	add(records_revocation(admin, RECORD_CLOSING, records_at(seconds), &terms, keep,
		(keep1 != 0) + (keep2 != 0)));
}

static void expel_admin(unsigned node, const struct record *kept, unsigned seconds)
{
	const struct revocation terms = {.subject = records_id(node)};

	add(records_revocation(RECORDS_ROOT, RECORD_ADMIN_REVOCATION, records_at(seconds), &terms,
		kept ? &kept->hash : NULL, kept != NULL));
}

static void the_founder_is_a_member_and_an_admin(void **state)
{
	(void)state;
	struct charter charter;

	look();
	expect_member(FOUNDER);
	assert_true(is_admin(FOUNDER) && member(FOUNDER)->admin);
	assert_string_equal(member(FOUNDER)->name, "node-1");
	assert_true(authority_has_charter(authority, &charter));
	assert_string_equal(charter.name, "test");
	assert_int_equal(invite_state(101, 1), INVITE_USED_UP);
	assert_ptr_equal(authority_at(authority, 0), member(FOUNDER));
	assert_null(authority_at(authority, 1));
	assert_null(member(2));
}

static void only_the_root_grants_and_charters(void **state)
{
	(void)state;
	struct id id = records_id(2);
	struct charter charter;

	admit(FOUNDER, 2, 5);
	add(records_make(FOUNDER, RECORD_GRANT, records_at(6), &id, sizeof(id), NULL, 0));
	add(records_make(FOUNDER, RECORD_CHARTER, records_at(6), NULL, 0, "", 0));
	look();
	assert_false(is_admin(2));
	assert_true(authority_has_charter(authority, &charter));
}

static void an_invite_by_no_admin_admits_nobody(void **state)
{
	(void)state;
	admit(FOUNDER, 2, 5);
	admit(2, 3, 10);
	look();
	expect_member(2);
	expect(3, AUTHORITY_VOID, ERR_NOT_ADMIN);
	assert_null(member(3)->ended_by);
	assert_int_equal(invite_state(103, 0), INVITE_INVALID);
}

static void uses_go_to_the_earlier_stamp_then_to_the_smaller_id(void **state)
{
	(void)state;
	struct record *two = invite(FOUNDER, 200, 2);
	struct id id4 = records_id(4), id5 = records_id(5);
	unsigned smaller = memcmp(&id4, &id5, sizeof(id4)) < 0 ? 4 : 5;

	use(two, 200, 4, 20);
	use(two, 200, 5, 20);
	look();
	expect_member(4);
	expect_member(5);
	assert_int_equal(invite_state(200, 2), INVITE_USED_UP);
	use(two, 200, 3, 10);
	look();
	expect_member(3);
	expect_member(smaller);
	expect(9 - smaller, AUTHORITY_VOID, ERR_USED_UP);
	assert_true(id_equal(&member(9 - smaller)->ended_by->author, &member(smaller)->id));
}

static void the_kept_stay_before_the_earlier(void **state)
{
	(void)state;
	struct record *one = invite(FOUNDER, 200, 1);

	use(one, 200, 2, 20);
	use(one, 200, 3, 10); /* whoever kept the token witnessed itself into the past */
	look();
	expect(2, AUTHORITY_VOID, ERR_USED_UP);
	add(records_keep(3, 3, records_at(21))); /* its own word for itself is nothing */
	add(records_keep(FOUNDER, 2, records_at(22)));
	look();
	expect_member(2);
	assert_true(member(2)->kept);
	expect(3, AUTHORITY_VOID, ERR_USED_UP);
}

static void a_use_is_spent_for_ever(void **state)
{
	(void)state;
	struct record *two = invite(FOUNDER, 200, 2);

	use(two, 200, 2, 10);
	use(two, 200, 3, 11);
	add(records_leave(2, records_at(12)));
	add(records_revoke(FOUNDER, 3, records_at(13)));
	use(two, 200, 4, 14);
	look();
	expect(2, AUTHORITY_LEFT, 0);
	expect(3, AUTHORITY_REVOKED, 0);
	expect(4, AUTHORITY_VOID, ERR_USED_UP);
}

static void losers_beyond_the_limit_are_not_remembered(void **state)
{
	(void)state;
	struct record *one = invite(FOUNDER, 200, 1);

	for (unsigned i = 0; i < AUTHORITY_OVERSPENT_MAX + 5; i++)
		use(one, 200, 300 + i, 10 + i);
	look();
	expect_member(300);
	expect(300 + AUTHORITY_OVERSPENT_MAX, AUTHORITY_VOID, ERR_USED_UP);
	assert_null(member(301 + AUTHORITY_OVERSPENT_MAX));
}

static struct record *admin_invite(unsigned author, unsigned number)
{
	return records_add(&set,
		records_invite(author, number, records_at(2), &(struct invite){.admin = true}));
}

static void a_root_signed_invite_makes_one_admin_whatever_is_kept(void **state)
{
	(void)state;
	struct record *record = admin_invite(RECORDS_ROOT, 200);

	use(record, 200, 2, 10);
	use(record, 200, 3, 11);
	add(records_keep(FOUNDER, 3, records_at(12)));
	admit(2, 4, 13);
	look();
	expect_member(2);
	assert_true(is_admin(2) && member(2)->admin);
	expect(3, AUTHORITY_VOID, ERR_USED_UP);
	assert_false(is_admin(3));
	expect_member(4);
}

static void an_admin_cannot_mint_admins_nor_close_the_roots_invite(void **state)
{
	(void)state;
	struct record *forged = admin_invite(FOUNDER, 201);
	struct record *record = admin_invite(RECORDS_ROOT, 200);

	use(forged, 201, 3, 10);
	use(record, 200, 2, 10);
	close_invite(FOUNDER, 200, 0, 0, 5);
	look();
	assert_null(member(3));
	assert_int_equal(invite_state(201, 0), INVITE_INVALID);
	expect_member(2);
	assert_true(is_admin(2));
	close_invite(RECORDS_ROOT, 200, 0, 0, 6);
	look();
	expect(2, AUTHORITY_VOID, ERR_WITHDRAWN);
	assert_false(is_admin(2));
}

static void revocation_wins_in_any_order(void **state)
{
	(void)state;
	const struct revocation terms = {
		.subject = records_id(2), .name = "node-2", .reason = "stolen laptop"};
	struct id founder = records_id(FOUNDER);

	add(records_revocation(FOUNDER, RECORD_REVOCATION, records_at(5), &terms, NULL, 0));
	look();
	expect(2, AUTHORITY_REVOKED, 0); /* its admission has not arrived yet */
	assert_string_equal(member(2)->name, "node-2");
	admit(FOUNDER, 2, 50);
	add(records_keep(FOUNDER, 2, records_at(60)));
	add(records_leave(2, records_at(61)));
	look();
	expect(2, AUTHORITY_REVOKED, 0);
	assert_string_equal(member(2)->reason, "stolen laptop");
	assert_true(id_equal(member(2)->by, &founder));
	assert_true(member(2)->stamp == records_at(5));
	assert_int_equal(member(2)->ended_by->type, RECORD_REVOCATION);
}

static void of_several_revocations_the_earliest_is_told(void **state)
{
	(void)state;
	make_admin(2, 5);
	make_admin(3, 5);
	admit(FOUNDER, 4, 6);
	for (unsigned admin = FOUNDER; admin <= 3; admin++)
		add(records_revoke(admin, 4, records_at(admin == 2 ? 10 : 10 + admin)));
	look();
	expect(4, AUTHORITY_REVOKED, 0);
	assert_true(member(4)->stamp == records_at(10));
	assert_true(id_equal(member(4)->by, &member(2)->id));
}

static void the_word_of_a_member_revokes_nobody(void **state)
{
	(void)state;
	admit(FOUNDER, 2, 5);
	admit(FOUNDER, 3, 6);
	add(records_revoke(2, 3, records_at(7)));
	close_invite(2, 103, 0, 0, 8);
	look();
	expect_member(3);
}

static void only_the_root_expels_admins(void **state)
{
	(void)state;
	make_admin(2, 5);
	add(records_revoke(FOUNDER, 2, records_at(6)));
	add(records_revoke(2, FOUNDER, records_at(6)));
	close_invite(FOUNDER, 102, 0, 0, 7);
	look();
	expect_member(2);
	expect_member(FOUNDER);
	expel_admin(2, NULL, 8);
	look();
	assert_false(is_admin(2));
	expect(2, AUTHORITY_REVOKED, 0); /* no admin any more: the founder's word counts */
	expect_member(FOUNDER);
}

static void the_roots_own_revocation_takes_an_admin_and_all_it_signed(void **state)
{
	(void)state;
	make_admin(2, 5);
	admit(2, 3, 10);
	add(records_revoke(RECORDS_ROOT, 2, records_at(20)));
	look();
	expect(2, AUTHORITY_REVOKED, 0);
	assert_false(is_admin(2));
	expect(3, AUTHORITY_VOID, ERR_NOT_ADMIN);
	assert_int_equal(member(3)->ended_by->type, RECORD_REVOCATION);
}

static void an_admin_without_the_office_is_still_a_member(void **state)
{
	(void)state;
	make_admin(2, 5);
	expel_admin(2, NULL, 8);
	add(records_grant(2, records_at(9))); /* removal wins */
	look();
	expect_member(2);
	assert_false(is_admin(2));
	assert_false(member(2)->admin);
}

static void of_an_expelled_admin_what_the_root_names_stands(void **state)
{
	(void)state;
	struct record *one, *other;

	make_admin(2, 5);
	one = invite(2, 200, 1);
	other = invite(2, 201, 1);
	use(one, 200, 3, 10);
	use(other, 201, 4, 10);
	add(records_revoke(2, 1234, records_at(11)));
	expel_admin(2, one, 20);
	look();
	expect_member(3);
	expect(4, AUTHORITY_VOID, ERR_NOT_ADMIN);
	assert_int_equal(member(4)->ended_by->type, RECORD_ADMIN_REVOCATION);
	assert_true(member(4)->stamp == records_at(20));
	assert_null(member(1234)); /* its revocations likewise */
	expel_admin(2, other, 21); /* the later word in the same slot */
	look();
	expect(3, AUTHORITY_VOID, ERR_NOT_ADMIN);
	expect_member(4);
}

static void kept_revocations_and_keeps_of_an_expelled_admin_stand(void **state)
{
	(void)state;
	struct record *revocation;

	make_admin(2, 5);
	admit(FOUNDER, 3, 6);
	admit(FOUNDER, 4, 6);
	revocation = records_add(&set, records_revoke(2, 3, records_at(7)));
	add(records_revoke(2, 4, records_at(8)));
	expel_admin(2, revocation, 9);
	look();
	expect(3, AUTHORITY_REVOKED, 0);
	expect_member(4);
}

static void long_lists_count_when_all_their_chunks_are_there(void **state)
{
	(void)state;
	struct record *kept[2];
	struct revocation terms = {.subject = records_id(2), .chunk_count = 2};

	make_admin(2, 5);
	kept[0] = invite(2, 200, 1);
	kept[1] = invite(2, 201, 1);
	use(kept[0], 200, 3, 10);
	use(kept[1], 201, 4, 10);
	add(records_revocation(
		RECORDS_ROOT, RECORD_ADMIN_REVOCATION, records_at(20), &terms, &kept[0]->hash, 1));
	look();
	assert_true(is_admin(2)); /* not yet: half a list would void the other half */
	terms.chunk = 1;
	add(records_revocation(
		RECORDS_ROOT, RECORD_ADMIN_REVOCATION, records_at(21), &terms, &kept[1]->hash, 1));
	look();
	assert_false(is_admin(2));
	expect_member(3);
	expect_member(4);
}

static void of_several_whole_lists_of_the_root_the_latest_counts(void **state)
{
	(void)state;
	struct record *one, *other;
	struct revocation terms = {.subject = records_id(2), .chunk_count = 2};

	make_admin(2, 5);
	one = invite(2, 200, 1);
	other = invite(2, 201, 1);
	use(one, 200, 3, 10);
	use(other, 201, 4, 10);
	expel_admin(2, one, 30);
	for (terms.chunk = 0; terms.chunk < 2; terms.chunk++)
		add(records_revocation(RECORDS_ROOT, RECORD_ADMIN_REVOCATION,
			records_at(terms.chunk ? 40 : 20), &terms, &other->hash, terms.chunk == 0));
	look();
	expect(3, AUTHORITY_VOID, ERR_NOT_ADMIN);
	expect_member(4);
	expel_admin(2, one, 50);
	look();
	expect_member(3);
	expect(4, AUTHORITY_VOID, ERR_NOT_ADMIN);
}

static void a_chunk_of_a_revocation_revokes_and_the_whole_closes(void **state)
{
	(void)state;
	struct record *three = invite(FOUNDER, 200, 3);
	struct revocation terms = {.subject = records_id(2),
		.has_invite = true,
		.invite = records_id(200),
		.chunk_count = 2};
	struct id keep = records_id(3);

	use(three, 200, 2, 10);
	use(three, 200, 3, 11);
	use(three, 200, 4, 12);
	add(records_revocation(FOUNDER, RECORD_REVOCATION, records_at(20), &terms, &keep, 1));
	look();
	expect(2, AUTHORITY_REVOKED, 0);
	expect_member(4);
	terms.chunk = 1;
	add(records_revocation(FOUNDER, RECORD_REVOCATION, records_at(21), &terms, NULL, 0));
	look();
	expect_member(3);
	expect(4, AUTHORITY_VOID, ERR_WITHDRAWN);
	assert_int_equal(invite_state(200, 1), INVITE_CLOSED);
}

static void closings_unite_and_void_who_is_on_no_list(void **state)
{
	(void)state;
	struct record *many = invite(FOUNDER, 200, 10);

	make_admin(2, 5);
	for (unsigned node = 3; node <= 6; node++)
		use(many, 200, node, 10 + node);
	close_invite(FOUNDER, 200, 3, 4, 30);
	close_invite(2, 200, 4, 5, 31);
	look();
	expect_member(3);
	expect_member(4);
	expect_member(5);
	expect(6, AUTHORITY_VOID, ERR_WITHDRAWN);
	assert_int_equal(member(6)->ended_by->type, RECORD_CLOSING);
	assert_true(member(6)->stamp == records_at(30));
	assert_int_equal(invite_state(200, 3), INVITE_CLOSED);
}

static void a_backdated_admission_after_a_closing_takes_nobodys_place(void **state)
{
	(void)state;
	struct record *one = invite(FOUNDER, 200, 1);

	use(one, 200, 2, 10);
	close_invite(FOUNDER, 200, 2, 0, 30);
	use(one, 200, 3, 5);
	look();
	expect_member(2);
	expect(3, AUTHORITY_VOID, ERR_WITHDRAWN);
}

static void a_keep_brings_back_an_honest_late_one(void **state)
{
	(void)state;
	struct record *two = invite(FOUNDER, 200, 2);

	use(two, 200, 2, 10);
	close_invite(FOUNDER, 200, 2, 0, 30);
	use(two, 200, 3, 20); /* admitted far away, heard of late */
	look();
	expect(3, AUTHORITY_VOID, ERR_WITHDRAWN);
	add(records_keep(FOUNDER, 3, records_at(40)));
	look();
	expect_member(3);
}

static void who_left_has_left_for_good_and_its_name_is_free(void **state)
{
	(void)state;
	struct record *one = invite(FOUNDER, 200, 1);

	admit(FOUNDER, 2, 5);
	add(records_leave(2, records_at(6)));
	add(records_admission(3, "node-2", 200, one, FOUNDER, records_at(10)));
	look();
	expect(2, AUTHORITY_LEFT, 0);
	assert_true(member(2)->stamp == records_at(6));
	assert_int_equal(member(2)->ended_by->type, RECORD_LEAVE);
	expect_member(3);
	assert_string_equal(member(3)->name, "node-2");
	assert_string_equal(member(2)->name, "node-2");
}

static void what_an_admin_signed_stands_after_it_left(void **state)
{
	(void)state;
	make_admin(2, 5);
	admit(2, 3, 6);
	add(records_leave(2, records_at(7)));
	look();
	expect(2, AUTHORITY_LEFT, 0);
	assert_false(member(2)->admin);
	assert_true(is_admin(2));
	expect_member(3);
}

static void in_a_clash_the_lower_rank_is_shown_with_four_digits(void **state)
{
	(void)state;
	struct record *many = invite(FOUNDER, 200, 3);
	struct id id3 = records_id(3);
	char want[AUTHORITY_NAME_MAX + 1];

	add(records_admission(2, "printer", 200, many, FOUNDER, records_at(10)));
	add(records_admission(3, "printer", 200, many, FOUNDER, records_at(11)));
	look();
	snprintf(want, sizeof(want), "printer~%02x%02x", id3.b[0], id3.b[1]);
	assert_string_equal(member(2)->name, "printer");
	assert_string_equal(member(3)->name, want);
	assert_string_equal(member(3)->given_name, "printer");
	add(records_keep(FOUNDER, 3, records_at(20)));
	look();
	assert_string_equal(member(3)->name, "printer");
	assert_memory_equal(member(2)->name, "printer~", 8);
	add(records_revoke(FOUNDER, 3, records_at(30)));
	look();
	assert_string_equal(member(2)->name, "printer");
}

static void invites_say_how_they_are(void **state)
{
	(void)state;
	struct id unknown = records_id(999);

	add(records_invite(FOUNDER, 200, records_at(2), &(struct invite){.uses = 2}));
	add(records_invite(FOUNDER, 201, records_at(2),
		&(struct invite){.expires_ms = RECORDS_START_MS + 30 * 1000}));
	add(records_invite(FOUNDER, 202, records_at(2), NULL));
	close_invite(FOUNDER, 202, 0, 0, 3);
	look();
	assert_int_equal(invite_state(200, 0), INVITE_OPEN);
	assert_int_equal(invite_state(201, 0), INVITE_EXPIRED);
	assert_int_equal(invite_state(202, 0), INVITE_CLOSED);
	assert_null(authority_invite(authority, &unknown));
	assert_non_null(authority_invite_at(authority, 3));
	assert_null(authority_invite_at(authority, 4));
}

static void an_admission_after_its_invites_expiry_is_none(void **state)
{
	(void)state;
	struct record *brief = records_add(&set,
		records_invite(FOUNDER, 200, records_at(10),
			&(struct invite){.uses = 3, .expires_ms = RECORDS_START_MS + 30 * 1000}));

	use(brief, 200, 2, 9);
	use(brief, 200, 3, 10);
	use(brief, 200, 4, 30);
	use(brief, 200, 5, 31);
	look();
	assert_null(member(2));
	expect_member(3);
	expect_member(4);
	assert_null(member(5));
}

static void members_have_what_their_invite_gives_them(void **state)
{
	(void)state;
	struct invite terms = {
		.uses = 1, .ephemeral = true, .tag_count = 1, .tags = {"edge"}, .address_count = 2};
	struct prefix prefix4, prefix6;
	struct record *record;

	address_default_prefixes(records_mesh(), &prefix4, &prefix6);
	terms.addresses[0] = prefix4.ip;
	terms.addresses[0].b[3] = 9;
	assert_int_equal(text_parse_ip("2001:db8::1", &terms.addresses[1]), 0);
	record = records_add(&set, records_invite(FOUNDER, 200, records_at(2), &terms));
	use(record, 200, 2, 5);
	look();
	expect_member(2);
	assert_true(member(2)->ephemeral);
	assert_int_equal(member(2)->tag_count, 1);
	assert_string_equal(member(2)->tags[0], "edge");
	assert_true(ip_equal(&member(2)->pinned4, &terms.addresses[0]));
	assert_int_equal(member(2)->pinned6.family, 0); /* it is outside the mesh's prefix */
	assert_false(member(FOUNDER)->ephemeral);
	assert_int_equal(member(FOUNDER)->pinned4.family, 0);
}

static void an_empty_set_is_an_empty_mesh(void **state)
{
	(void)state;
	struct charter charter;
	struct id id = records_id(1);

	records_set_done(&set);
	look();
	assert_false(authority_has_charter(authority, &charter));
	assert_null(authority_at(authority, 0));
	assert_null(authority_invite_at(authority, 0));
	assert_null(authority_member(authority, &id));
	assert_false(authority_is_admin(authority, &id));
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(the_founder_is_a_member_and_an_admin),
		STORY(only_the_root_grants_and_charters),
		STORY(an_invite_by_no_admin_admits_nobody),
		STORY(uses_go_to_the_earlier_stamp_then_to_the_smaller_id),
		STORY(the_kept_stay_before_the_earlier),
		STORY(a_use_is_spent_for_ever),
		STORY(losers_beyond_the_limit_are_not_remembered),
		STORY(a_root_signed_invite_makes_one_admin_whatever_is_kept),
		STORY(an_admin_cannot_mint_admins_nor_close_the_roots_invite),
		STORY(revocation_wins_in_any_order),
		STORY(of_several_revocations_the_earliest_is_told),
		STORY(the_word_of_a_member_revokes_nobody),
		STORY(only_the_root_expels_admins),
		STORY(the_roots_own_revocation_takes_an_admin_and_all_it_signed),
		STORY(an_admin_without_the_office_is_still_a_member),
		STORY(of_an_expelled_admin_what_the_root_names_stands),
		STORY(kept_revocations_and_keeps_of_an_expelled_admin_stand),
		STORY(long_lists_count_when_all_their_chunks_are_there),
		STORY(of_several_whole_lists_of_the_root_the_latest_counts),
		STORY(a_chunk_of_a_revocation_revokes_and_the_whole_closes),
		STORY(closings_unite_and_void_who_is_on_no_list),
		STORY(a_backdated_admission_after_a_closing_takes_nobodys_place),
		STORY(a_keep_brings_back_an_honest_late_one),
		STORY(who_left_has_left_for_good_and_its_name_is_free),
		STORY(what_an_admin_signed_stands_after_it_left),
		STORY(in_a_clash_the_lower_rank_is_shown_with_four_digits),
		STORY(invites_say_how_they_are),
		STORY(an_admission_after_its_invites_expiry_is_none),
		STORY(members_have_what_their_invite_gives_them),
		STORY(an_empty_set_is_an_empty_mesh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
