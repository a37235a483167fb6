/* Writers, keeps by hand, machines replaced, leases, and those who say two things at once. One
 * story for each rule. */
#include "tests/support/authority_story.h"

#include "gossip/base/text.h"
#include "gossip/record/hlc.h"
#include "gossip/trust/address.h"
#include "gossip/trust/equivocation.h"

#define HOUR_S	(3600)
#define LEASE_S (AUTHORITY_LEASE_MS / 1000)

static void writer(unsigned admin, unsigned node, bool granted, unsigned seconds)
{
	add(records_writer(admin, node, granted, records_at(seconds)));
}

static void a_writer_is_one_until_the_last_word_says_otherwise(void **state)
{
	(void)state;
	admit(FOUNDER, 2, 5);
	look();
	assert_false(member(2)->writer);
	writer(FOUNDER, 2, true, 10);
	look();
	assert_true(member(2)->writer);
	make_admin(3, 11);
	writer(3, 2, false, 12);
	look();
	assert_false(member(2)->writer);
	writer(FOUNDER, 2, true, 13);
	look();
	assert_true(member(2)->writer);
	assert_true(id_equal(
		&authority_writer(authority, &member(2)->id)->author, &member(FOUNDER)->id));
}

static void only_admins_make_writers(void **state)
{
	(void)state;
	admit(FOUNDER, 2, 5);
	writer(2, 2, true, 10);
	look();
	assert_false(member(2)->writer);
	assert_null(authority_writer(authority, &member(2)->id));
}

static void of_an_expelled_admin_the_writers_that_the_root_keeps_stay(void **state)
{
	(void)state;
	struct record *kept;

	make_admin(2, 5);
	admit(FOUNDER, 3, 6);
	admit(FOUNDER, 4, 6);
	kept = records_add(&set, records_writer(2, 3, true, records_at(7)));
	writer(2, 4, true, 7);
	expel_admin(2, kept, 20);
	look();
	assert_true(member(3)->writer);
	assert_false(member(4)->writer);
	assert_true(authority_is_expelled(authority, &member(2)->id));
	assert_true(authority_stands(authority, kept));
}

static void a_keep_by_hand_stands_beyond_the_uses(void **state)
{
	(void)state;
	struct record *one = invite(FOUNDER, 200, 1);

	use(one, 200, 2, 10);
	use(one, 200, 3, 20);
	add(records_keep(FOUNDER, 2, records_at(30)));
	add(records_keep(FOUNDER, 3, records_at(31))); /* another half of the mesh by itself */
	look();
	expect_member(2);
	expect(3, AUTHORITY_VOID, ERR_USED_UP);
	add(records_keep_by_hand(FOUNDER, 3, records_at(40)));
	look();
	expect_member(2);
	expect_member(3);
}

/* An invite by which one machine takes the place of node `old`. */
static struct record *replacing(unsigned admin, unsigned number, unsigned old)
{
	struct invite terms = {.uses = 1, .has_replaced = true, .replaced = records_id(old)};

	strcpy(terms.node_name, "node-2");
	return records_add(&set, records_invite(admin, number, records_at(2), &terms));
}

static void a_machine_that_takes_a_place_revokes_who_had_it(void **state)
{
	(void)state;
	struct record *place = replacing(FOUNDER, 200, 2);

	admit(FOUNDER, 2, 5);
	look();
	expect_member(2); /* minting is not enough */
	add(records_admission(3, "node-2", 200, place, FOUNDER, records_at(10)));
	look();
	expect(2, AUTHORITY_REVOKED, 0);
	assert_string_equal(member(2)->reason, "replaced by node-2");
	assert_true(id_equal(member(2)->by, &member(FOUNDER)->id));
	assert_int_equal(member(2)->ended_by->type, RECORD_ADMISSION);
	expect_member(3);
	assert_string_equal(member(3)->name, "node-2");
}

static void only_one_takes_a_place_and_it_goes_with_its_admission(void **state)
{
	(void)state;
	struct record *place = replacing(FOUNDER, 200, 2);

	admit(FOUNDER, 2, 5);
	add(records_admission(3, "node-2", 200, place, FOUNDER, records_at(10)));
	add(records_admission(4, "node-2", 200, place, FOUNDER, records_at(11)));
	look();
	expect(2, AUTHORITY_REVOKED, 0);
	expect_member(3);
	expect(4, AUTHORITY_VOID, ERR_USED_UP);
	close_invite(FOUNDER, 200, 0, 0, 12);
	look();
	expect_member(2);
	expect(3, AUTHORITY_VOID, ERR_WITHDRAWN);
}

static void an_admin_is_replaced_by_nobody(void **state)
{
	(void)state;
	struct record *place = replacing(FOUNDER, 200, 2);

	make_admin(2, 5);
	add(records_admission(3, "node-2", 200, place, FOUNDER, records_at(10)));
	look();
	expect_member(2);
	expect_member(3);
}

static void who_is_no_admin_replaces_nobody(void **state)
{
	(void)state;
	struct record *place = replacing(5, 200, 2);

	admit(FOUNDER, 2, 5);
	add(records_admission(3, "node-2", 200, place, FOUNDER, records_at(10)));
	look();
	expect_member(2);
	expect(3, AUTHORITY_VOID, ERR_NOT_ADMIN);
}

static void of_two_with_one_address_promised_the_first_has_it(void **state)
{
	(void)state;
	struct invite terms = {.uses = 2, .address_count = 2};
	struct prefix prefix4, prefix6;
	struct record *record;

	address_default_prefixes(records_mesh(), &prefix4, &prefix6);
	terms.addresses[0] = prefix4.ip;
	terms.addresses[0].b[3] = 9;
	terms.addresses[1] = prefix6.ip;
	terms.addresses[1].b[15] = 9;
	record = records_add(&set, records_invite(FOUNDER, 200, records_at(2), &terms));
	use(record, 200, 2, 10);
	use(record, 200, 3, 11);
	look();
	assert_true(ip_equal(&member(2)->pinned4, &terms.addresses[0]));
	assert_true(ip_equal(&member(2)->pinned6, &terms.addresses[1]));
	assert_int_equal(member(3)->pinned4.family, 0);
	assert_int_equal(member(3)->pinned6.family, 0);
	add(records_keep(FOUNDER, 3, records_at(20)));
	look();
	assert_int_equal(member(2)->pinned4.family, 0);
	assert_true(ip_equal(&member(3)->pinned4, &terms.addresses[0]));
	assert_true(ip_equal(&member(3)->pinned6, &terms.addresses[1]));
	add(records_leave(3, records_at(30)));
	look();
	assert_true(ip_equal(&member(2)->pinned4, &terms.addresses[0]));
}

/* ---- leases ---- */

static void admit_ephemeral(unsigned node, unsigned seconds)
{
	struct record *record =
		records_add(&set, records_invite(FOUNDER, 200, records_at(2),
					  &(struct invite){.uses = 9, .ephemeral = true}));

	use(record, 200, node, seconds);
}

static void renew(unsigned node, unsigned seconds, int64_t until_s)
{
	add(records_lease(node, records_at(seconds), RECORDS_START_MS + until_s * 1000));
}

/* So many seconds after the first full hour of the stories. */
static void at_hour(int64_t seconds)
{
	const int64_t into_ms = RECORDS_START_MS % AUTHORITY_LEASE_ROUND_MS;

	now_s = seconds + (AUTHORITY_LEASE_ROUND_MS - into_ms) / 1000;
	look();
}

static void an_ephemeral_member_is_none_after_its_lease(void **state)
{
	(void)state;
	admit(FOUNDER, 2, 10);
	admit_ephemeral(3, 10);
	look();
	expect_member(3);
	assert_true(member(3)->lease_ms == RECORDS_START_MS + 10 * 1000 + AUTHORITY_LEASE_MS);
	assert_true(authority_has_leases(authority));
	at_hour(LEASE_S - HOUR_S);
	expect_member(3);
	at_hour(LEASE_S + 1);
	expect(3, AUTHORITY_LEFT, ERR_EXPIRED);
	expect_member(2);
}

static void a_lease_ends_at_a_full_hour_for_all_alike(void **state)
{
	(void)state;
	const int64_t into_s = RECORDS_START_MS % AUTHORITY_LEASE_ROUND_MS / 1000;

	admit_ephemeral(2, 10);
	at_hour(LEASE_S + HOUR_S - into_s - 1 - 3600); /* over, and the hour is not full */
	expect_member(2);
	at_hour(LEASE_S);
	expect(2, AUTHORITY_LEFT, ERR_EXPIRED);
}

static void a_lease_is_renewed_by_the_members_own_word(void **state)
{
	(void)state;
	admit_ephemeral(2, 10);
	renew(2, 20 * HOUR_S, 20 * HOUR_S + LEASE_S);
	at_hour(LEASE_S + HOUR_S);
	expect_member(2);
	assert_true(
		member(2)->lease_ms == RECORDS_START_MS + (20 * HOUR_S + LEASE_S) * INT64_C(1000));
	at_hour(2 * LEASE_S);
	expect(2, AUTHORITY_LEFT, ERR_EXPIRED);
}

static void nobody_has_a_longer_lease_than_all_others(void **state)
{
	(void)state;
	admit_ephemeral(2, 10);
	renew(2, HOUR_S, 1000 * LEASE_S);
	look();
	assert_true(member(2)->lease_ms == RECORDS_START_MS + (HOUR_S + LEASE_S) * INT64_C(1000));
}

static void while_nobody_knows_the_time_no_lease_ends(void **state)
{
	(void)state;
	struct authority_set unsure = {
		.mesh = records_mesh(), .now = {RECORDS_START_MS + 1000 * AUTHORITY_LEASE_MS}};

	admit_ephemeral(2, 10);
	authority_free(authority);
	unsure.records = (const struct record *const *)set.records;
	unsure.count = set.count;
	assert_int_equal(authority_compute(&unsure, &authority), 0);
	expect_member(2);
}

/* ---- two things at once ---- */

static struct record *said(unsigned node, const char *text, unsigned seconds)
{
	return records_value(node, "key", text, records_at(seconds));
}

static void prove(unsigned finder, unsigned node, unsigned seconds)
{
	struct record *a = said(node, "one", seconds), *b = said(node, "two", seconds);

	add(records_proof(finder, a, b, records_at(100)));
	record_unref(a);
	record_unref(b);
}

static void of_one_who_says_two_things_at_once_what_follows_is_void(void **state)
{
	(void)state;
	struct id id = records_id(2);
	uint64_t from;

	admit(FOUNDER, 2, 5);
	admit(FOUNDER, 3, 5);
	prove(3, 2, 20);
	prove(FOUNDER, 2, 30); /* the lower one counts */
	look();
	expect_member(2); /* and stays one, with its keys and its peers */
	assert_true(authority_equivocation(authority, &id, &from));
	assert_true(from == records_at(20));
	assert_true(authority_value_is_void(authority, &id, records_at(20)));
	assert_true(authority_value_is_void(authority, &id, records_at(99)));
	assert_false(authority_value_is_void(authority, &id, records_at(19)));
	assert_false(authority_value_is_void(authority, &member(3)->id, records_at(99)));
}

static void a_proof_holds_two_signatures_of_one_stamp(void **state)
{
	(void)state;
	struct record *one = said(2, "one", 5), *two = said(2, "two", 5),
		      *later = said(2, "one", 6);
	struct record *other = said(3, "one", 5), *record;
	struct equivocation proof;

	assert_int_equal(equivocation_between(one, one, &proof), ERR_INVALID);
	assert_int_equal(equivocation_between(one, later, &proof), ERR_INVALID);
	assert_int_equal(equivocation_between(one, other, &proof), ERR_INVALID);
	assert_int_equal(equivocation_between(two, one, &proof), 0);
	assert_int_equal(equivocation_verify(&proof), 0);
	record = records_proof(3, one, two, records_at(9));
	assert_true(record->value_size <= EQUIVOCATION_VALUE_MAX);
	assert_true(record->size < 500);
	assert_int_equal(equivocation_decode(record, &proof), 0);
	assert_int_equal(equivocation_verify(&proof), 0);
	proof.sigs[1].b[3] ^= 1;
	assert_int_equal(equivocation_verify(&proof), ERR_BAD_SIGNATURE);
	record_unref(record);
	record_unref(one);
	record_unref(two);
	record_unref(later);
	record_unref(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_writer_is_one_until_the_last_word_says_otherwise),
		STORY(only_admins_make_writers),
		STORY(of_an_expelled_admin_the_writers_that_the_root_keeps_stay),
		STORY(a_keep_by_hand_stands_beyond_the_uses),
		STORY(a_machine_that_takes_a_place_revokes_who_had_it),
		STORY(only_one_takes_a_place_and_it_goes_with_its_admission),
		STORY(an_admin_is_replaced_by_nobody),
		STORY(who_is_no_admin_replaces_nobody),
		STORY(of_two_with_one_address_promised_the_first_has_it),
		STORY(an_ephemeral_member_is_none_after_its_lease),
		STORY(a_lease_ends_at_a_full_hour_for_all_alike),
		STORY(a_lease_is_renewed_by_the_members_own_word),
		STORY(nobody_has_a_longer_lease_than_all_others),
		STORY(while_nobody_knows_the_time_no_lease_ends),
		STORY(of_one_who_says_two_things_at_once_what_follows_is_void),
		STORY(a_proof_holds_two_signatures_of_one_stamp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
