/* Who is a member: admissions, uses, closings, names, terms. One story for each rule. */
#include "tests/support/authority_story.h"

#include <stdio.h>

#include "gossip/base/text.h"
#include "gossip/trust/address.h"

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
		STORY(closings_unite_and_void_who_is_on_no_list),
		STORY(a_backdated_admission_after_a_closing_takes_nobodys_place),
		STORY(a_keep_brings_back_an_honest_late_one),
		STORY(who_left_has_left_for_good_and_its_name_is_free),
		STORY(in_a_clash_the_lower_rank_is_shown_with_four_digits),
		STORY(invites_say_how_they_are),
		STORY(an_admission_after_its_invites_expiry_is_none),
		STORY(members_have_what_their_invite_gives_them),
		STORY(an_empty_set_is_an_empty_mesh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
