/* How much of whom a store holds: the same whatever the order. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/trust/authority.h"
#include "tests/support/stores.h"

/* ---- quota ---- */

static void check_newest(const struct store *store, struct record *const *newest_first,
	size_t count, size_t expected)
{
	for (size_t i = 0; i < count; i++) {
		struct record *found = store_find(store, &newest_first[i]->hash);

		assert_true((found != NULL) == (i < expected));
	}
}

static void an_author_keeps_its_newest_records_in_any_order(void **state)
{
	(void)state;
	struct records_set set = {.count = 0};
	struct record *newest_first[20];
	size_t total = 0, fit = 0;

	/* of different sizes, the small ones among the oldest: none may slip in behind a large one
	 */
	for (unsigned i = 0; i < ARRAY_SIZE(newest_first); i++)
		newest_first[i] = records_add(
			&set, stores_sized(i, i >= 18 ? 10 : 60000 + 100 * i, records_at(900 - i)));
	while (fit < ARRAY_SIZE(newest_first) && total < QUOTA_SIZE)
		total += newest_first[fit++]->size;
	assert_in_range(fit, 15, 18);
	for (int round = 0; round < 40; round++) {
		struct store *store = stores_with_member();
		size_t others = store_size(store);

		stores_put_within_quota(store, set.records, set.count);
		check_newest(store, newest_first, ARRAY_SIZE(newest_first), fit);
		assert_int_equal(store_size(store), others + total);
		(void)stores_snapshot(store);
		store_free(store);
		stores_shuffle(set.records, set.count);
	}
	records_set_done(&set);
}

static void a_quota_is_counted_in_records_too(void **state)
{
	(void)state;
	struct store *store = stores_with_member();
	size_t others = store_count(store);
	unsigned i;

	for (i = 0; i < QUOTA_RECORDS; i++)
		stores_give(store, stores_sized(i, 1, records_at(1000 + i)), STORE_ADDED);
	assert_int_equal(store_count(store), others + QUOTA_RECORDS);
	stores_give_refused(store, stores_sized(i, 1, records_at(999)), ERR_LIMIT);
	stores_give(store, stores_sized(i, 1, records_at(9999)), STORE_ADDED);
	assert_int_equal(store_count(store), others + QUOTA_RECORDS);
	stores_give_refused(store, stores_sized(0, 1, records_at(1000)), ERR_LIMIT);
	/* a new record for a slot that is there takes no room */
	stores_give(store, stores_sized(1, 1, records_at(9998)), STORE_ADDED);
	assert_int_equal(store_count(store), others + QUOTA_RECORDS);
	/* nobody else's and no other kind of record is in the way */
	stores_give(store, records_descriptor(STORES_MEMBER, records_at(9999), NULL), STORE_ADDED);
	stores_give(store, records_value(STORES_ADMIN, "k", "v", records_at(1)), STORE_ADDED);
	stores_give(store, records_leave(STORES_MEMBER, records_at(1)), STORE_ADDED);
	store_free(store);
}

static struct record *numbered(unsigned author, unsigned number, bool deleted, uint64_t stamp)
{
	char key[16];

	snprintf(key, sizeof(key), "%u", number);
	return records_value(author, key, deleted ? NULL : "v", stamp);
}

static void fill(struct store *store, unsigned author, bool deleted, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		stores_give(store,
			numbered(author, i + deleted * 10000, deleted, records_at(1000 + i)),
			STORE_ADDED);
}

static size_t held(const struct store *store, unsigned author, enum quota_class class)
{
	struct id id = records_id(author);

	return store_usage(store, &id, class).records;
}

/* Every bucket of every segment fits, and takes no room from values, nor they from it. */
static void macs_are_counted_apart(void **state)
{
	(void)state;
	struct store *store = stores_with_member();
	const struct id member = records_id(STORES_MEMBER);
	struct record *admin_s = records_macs(STORES_ADMIN, 1, 0, NULL, 0, records_at(5000));

	fill(store, STORES_MEMBER, false, QUOTA_RECORDS);
	for (unsigned i = 0; i < QUOTA_MACS_RECORDS; i++)
		stores_give(store,
			records_macs(STORES_MEMBER, 1 + i / MACS_BUCKETS, i % MACS_BUCKETS, NULL, 0,
				records_at(1000 + i)),
			STORE_ADDED);
	assert_int_equal(held(store, STORES_MEMBER, QUOTA_MACS), QUOTA_MACS_RECORDS);
	assert_int_equal(held(store, STORES_MEMBER, QUOTA_VALUES), QUOTA_RECORDS);
	stores_give_refused(
		store, records_macs(STORES_MEMBER, 99, 0, NULL, 0, records_at(999)), ERR_LIMIT);
	stores_give(
		store, records_macs(STORES_MEMBER, 99, 0, NULL, 0, records_at(9000)), STORE_ADDED);
	assert_int_equal(held(store, STORES_MEMBER, QUOTA_MACS), QUOTA_MACS_RECORDS);
	assert_int_equal(held(store, STORES_MEMBER, QUOTA_VALUES), QUOTA_RECORDS);
	/* no office makes it larger; and whoever is revoked loses them */
	stores_put(store, admin_s, STORE_ADDED);
	assert_int_equal(store_usage(store, &admin_s->author, QUOTA_MACS).limits.records,
		QUOTA_MACS_RECORDS);
	record_unref(admin_s);
	store_ban(store, &member);
	assert_int_equal(held(store, STORES_MEMBER, QUOTA_MACS), 0);
	store_free(store);
}

static void tombstones_are_counted_apart(void **state)
{
	(void)state;
	struct store *store = stores_with_member();

	fill(store, STORES_MEMBER, false, QUOTA_RECORDS);
	fill(store, STORES_MEMBER, true, QUOTA_RECORDS);
	assert_int_equal(held(store, STORES_MEMBER, QUOTA_VALUES), QUOTA_RECORDS);
	assert_int_equal(held(store, STORES_MEMBER, QUOTA_TOMBSTONES), QUOTA_RECORDS);
	stores_give_refused(
		store, numbered(STORES_MEMBER, 99999, true, records_at(999)), ERR_LIMIT);
	/* a value that is deleted makes room for another */
	stores_give(store, numbered(STORES_MEMBER, 0, true, records_at(9000)), STORE_ADDED);
	assert_int_equal(held(store, STORES_MEMBER, QUOTA_VALUES), QUOTA_RECORDS - 1);
	assert_int_equal(held(store, STORES_MEMBER, QUOTA_TOMBSTONES), QUOTA_RECORDS);
	store_free(store);
}

static struct record *writer(unsigned admin, unsigned node, bool granted, uint64_t stamp)
{
	struct id id = records_id(node);
	uint8_t bytes[8];
	struct pack value;

	pack_init(&value, bytes, sizeof(bytes));
	writer_encode(granted, &value);
	return records_make(admin, RECORD_WRITER, stamp, &id, sizeof(id), value.data, value.size);
}

static void writers_and_admins_have_more(void **state)
{
	(void)state;
	struct store *store = stores_with_member();

	fill(store, STORES_ADMIN, false, QUOTA_RECORDS + 10);
	fill(store, STORES_INVITED_ADMIN, false, QUOTA_RECORDS + 10);
	assert_int_equal(held(store, STORES_ADMIN, QUOTA_VALUES), QUOTA_RECORDS + 10);
	assert_int_equal(held(store, STORES_INVITED_ADMIN, QUOTA_VALUES), QUOTA_RECORDS + 10);
	stores_give(store, writer(STORES_ADMIN, STORES_MEMBER, true, records_at(500)), STORE_ADDED);
	fill(store, STORES_MEMBER, false, QUOTA_RECORDS + 10);
	assert_int_equal(held(store, STORES_MEMBER, QUOTA_VALUES), QUOTA_RECORDS + 10);
	/* the latest word of all admins counts, and what is too much then goes, the oldest first */
	stores_give(store, writer(STORES_INVITED_ADMIN, STORES_MEMBER, true, records_at(400)),
		STORE_ADDED);
	stores_give(
		store, writer(STORES_ADMIN, STORES_MEMBER, false, records_at(501)), STORE_ADDED);
	assert_int_equal(held(store, STORES_MEMBER, QUOTA_VALUES), QUOTA_RECORDS);
	stores_give_refused(store, numbered(STORES_MEMBER, 0, false, records_at(1000)), ERR_LIMIT);
	store_free(store);
}

/* The grant comes before, in the midst of, or after what it admits, with the sync that brings the
 * rest again; or from a disk, in any order. */
static void a_quota_that_grows_admits_the_same_whenever_it_grew(void **state)
{
	enum { MANY = QUOTA_RECORDS + 100 };

	(void)state;
	struct record *grant = writer(STORES_ADMIN, STORES_MEMBER, true, records_at(500));
	struct record **values = calloc(MANY, sizeof(*values));
	struct store *first = stores_with_member(), *restored;

	assert_non_null(values);
	for (unsigned i = 0; i < MANY; i++)
		values[i] = numbered(STORES_MEMBER, i, false, records_at(1000 + i));
	stores_put_all(first, &grant, 1);
	stores_put_all(first, values, MANY);
	for (unsigned when = 1; when < 3; when++) {
		struct store *store = stores_with_member();
		unsigned before = when * MANY / 2;

		stores_put_all(store, values, before);
		stores_put_all(store, &grant, 1);
		stores_put_all(store, values, MANY);
		stores_assert_same(first, store);
		store_free(store);
	}
	restored = stores_new();
	for (struct record *r = NULL; (r = store_after(first, r));)
		assert_int_equal(store_restore(restored, r), 0);
	store_restored(restored);
	stores_assert_same(first, restored);
	store_free(restored);
	store_free(first);
	for (unsigned i = 0; i < MANY; i++)
		record_unref(values[i]);
	free(values);
	record_unref(grant);
}

/* ---- uses ---- */

enum {
	STORED_OF_ONE_USE = 1 + AUTHORITY_OVERSPENT_MAX,
	FLOOD = STORED_OF_ONE_USE + 6,
	CROWD = 200
};

/* Everybody whom a holder of one token lets in, the earliest first, each with a descriptor. */
static struct record *add_flood(
	struct records_set *set, unsigned author, const struct invite *terms)
{
	struct record *invite =
		records_add(set, records_invite(author, STORES_INVITES, records_at(100), terms));

	for (unsigned i = 0; i < FLOOD; i++) {
		records_add(set, records_admission(CROWD + i, NULL, STORES_INVITES, invite,
					 CROWD + i, records_at(101 + i)));
		records_add(set, records_descriptor(CROWD + i, records_at(300), NULL));
	}
	return invite;
}

static bool is_stored(const struct store *store, unsigned node, uint16_t type)
{
	struct id id = records_id(node);

	return store_slot(store, &id, type, NULL, 0) != NULL;
}

static void the_losers_of_an_invite_are_bounded_in_any_order(void **state)
{
	(void)state;
	struct records_set set = {.count = 0};

	stores_founders(&set);
	add_flood(&set, STORES_ADMIN, NULL);
	for (int round = 0; round < 6; round++) {
		struct store *store = stores_new();

		stores_put_within_quota(store, set.records, set.count);
		for (unsigned i = 0; i < FLOOD; i++) {
			assert_true(is_stored(store, CROWD + i, RECORD_ADMISSION) ==
				    (i < STORED_OF_ONE_USE));
			assert_true(is_stored(store, CROWD + i, RECORD_DESCRIPTOR) ==
				    (i < STORED_OF_ONE_USE));
		}
		(void)stores_snapshot(store);
		store_free(store);
		stores_shuffle(set.records, set.count);
	}
	records_set_done(&set);
}

/* Whoever finds an old token dates its own admissions back; that pushes out nobody who is kept. */
static void whom_an_admin_keeps_is_not_pushed_out(void **state)
{
	(void)state;
	const struct revocation closing = {.subject = records_id(STORES_INVITES)};
	const struct id listed = records_id(CROWD + FLOOD - 2);
	struct records_set set = {.count = 0};

	stores_founders(&set);
	add_flood(&set, STORES_ADMIN, NULL);
	records_add(&set, records_keep(STORES_INVITED_ADMIN, CROWD + FLOOD - 1, records_at(400)));
	records_add(&set, records_revocation(STORES_ADMIN, RECORD_CLOSING, records_at(401),
				  &closing, &listed, 1));
	for (int round = 0; round < 6; round++) {
		struct store *store = stores_new();

		/* again: what came before its keep comes back by the next sync */
		for (int time = 0; time < 2; time++)
			stores_put_within_quota(store, set.records, set.count);
		for (unsigned i = 0; i < FLOOD; i++)
			assert_true(is_stored(store, CROWD + i, RECORD_ADMISSION) ==
				    (i < STORED_OF_ONE_USE || i >= FLOOD - 2));
		(void)stores_snapshot(store);
		store_free(store);
		stores_shuffle(set.records, set.count);
	}
	records_set_done(&set);
}

static void with_an_admin_that_is_pushed_out_goes_what_it_was_the_chain_of(void **state)
{
	(void)state;
	const struct invite for_admins = {.uses = 1, .admin = true};
	const unsigned last = CROWD + FLOOD - 1, guest = 150;
	struct records_set set = {.count = 0};
	struct store *first = NULL;

	stores_founders(&set);
	add_flood(&set, RECORDS_ROOT, &for_admins);
	stores_member(&set, last, guest);
	records_add(&set, records_revoke(last, STORES_MEMBER, records_at(500)));
	for (int round = 0; round < 6; round++) {
		struct store *store = stores_new();

		stores_put_within_quota(store, set.records, set.count);
		assert_false(is_stored(store, last, RECORD_ADMISSION));
		assert_false(is_stored(store, guest, RECORD_ADMISSION));
		assert_false(is_stored(store, guest, RECORD_DESCRIPTOR));
		assert_true(is_stored(store, CROWD, RECORD_ADMISSION));
		if (first) {
			stores_assert_same(first, store);
			store_free(store);
		} else {
			first = store;
		}
		stores_shuffle(set.records, set.count);
	}
	store_free(first);
	records_set_done(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_author_keeps_its_newest_records_in_any_order),
		cmocka_unit_test(a_quota_is_counted_in_records_too),
		cmocka_unit_test(macs_are_counted_apart),
		cmocka_unit_test(tombstones_are_counted_apart),
		cmocka_unit_test(writers_and_admins_have_more),
		cmocka_unit_test(a_quota_that_grows_admits_the_same_whenever_it_grew),
		cmocka_unit_test(the_losers_of_an_invite_are_bounded_in_any_order),
		cmocka_unit_test(whom_an_admin_keeps_is_not_pushed_out),
		cmocka_unit_test(with_an_admin_that_is_pushed_out_goes_what_it_was_the_chain_of),
	};

	return cmocka_run_group_tests(tests, stores_start, NULL);
}
