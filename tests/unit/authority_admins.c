/* Who is an admin, and what of its word stands. One story for each rule. */
#include "tests/support/authority_story.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		STORY(what_an_admin_signed_stands_after_it_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
