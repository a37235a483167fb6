/* What is deleted goes when its time is over: on all who hold the same, the same. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/record/hlc.h"
#include "tests/support/stores.h"

#define DAY_S (24 * 3600)

enum { ANN = STORES_MEMBER, BEN, EVE };

/* A store with its view. */
struct shelf {
	struct kv *values;
	struct store *store;
	size_t buried, on_disk;
};

static bool counts(void *context, const struct record *record)
{
	(void)context;
	(void)record;
	return true;
}

static void changed(void *context, struct record *record, uint64_t number)
{
	(void)context;
	(void)record;
	(void)number;
}

static void added(void *context, struct record *record)
{
	struct shelf *shelf = context;

	shelf->on_disk++;
	if (record->type == RECORD_VALUE)
		(void)kv_add(shelf->values, record, 0);
}

static void removed(void *context, struct record *record, const struct record *successor)
{
	struct shelf *shelf = context;

	shelf->on_disk--;
	if (record->type == RECORD_VALUE && !successor)
		kv_remove(shelf->values, record);
}

static void buried(void *context, struct record *record)
{
	struct shelf *shelf = context;

	shelf->buried++;
	kv_remove(shelf->values, record);
}

static void shelf_init(struct shelf *shelf)
{
	const struct kv_hooks hooks = {.counts = counts, .changed = changed, .context = shelf};
	const struct store_observer observer = {
		.added = added, .removed = removed, .buried = buried, .context = shelf};
	struct records_set set = {.count = 0};

	*shelf = (struct shelf){.values = NULL};
	assert_int_equal(kv_new(&stores_rng, &hooks, &shelf->values), 0);
	kv_begin(shelf->values, 1, 0);
	assert_int_equal(
		store_new(records_mesh(), &stores_rng, shelf->values, &observer, &shelf->store), 0);
	stores_founders(&set);
	for (unsigned node = ANN; node <= EVE; node++)
		stores_member(&set, STORES_ADMIN, node);
	stores_put_all(shelf->store, set.records, set.count);
	records_set_done(&set);
}

static void shelf_done(struct shelf *shelf)
{
	store_free(shelf->store);
	kv_free(shelf->values);
}

static void collect(struct shelf *shelf, unsigned until)
{
	while (!store_collect(shelf->store, hlc_stamp_ms(records_at(until)), 3))
		continue;
}

static void give(struct shelf *shelf, unsigned author, const char *key, const char *value,
	unsigned at, enum store_result expected)
{
	stores_give(shelf->store, records_value(author, key, value, records_at(at)), expected);
}

static bool has(const struct shelf *shelf, unsigned author, const char *key)
{
	struct id id = records_id(author);

	return store_slot(shelf->store, &id, RECORD_VALUE, key, strlen(key)) != NULL;
}

static void a_tombstone_goes_with_all_that_it_hides_and_nothing_else(void **state)
{
	struct shelf shelf;

	(void)state;
	shelf_init(&shelf);
	give(&shelf, ANN, "k", "1", 100, STORE_ADDED);
	give(&shelf, BEN, "k", NULL, 200, STORE_ADDED);
	give(&shelf, EVE, "k", "3", 300, STORE_ADDED);
	give(&shelf, ANN, "l", "1", 100, STORE_ADDED);
	give(&shelf, ANN, "m", NULL, 400, STORE_ADDED);
	collect(&shelf, 200);
	assert_true(has(&shelf, BEN, "k"));
	collect(&shelf, 201);
	assert_false(has(&shelf, ANN, "k"));
	assert_false(has(&shelf, BEN, "k"));
	assert_true(has(&shelf, EVE, "k"));
	assert_true(has(&shelf, ANN, "l"));
	assert_true(has(&shelf, ANN, "m"));
	shelf_done(&shelf);
}

static void what_it_hid_does_not_come_back_for_a_day(void **state)
{
	struct shelf shelf;
	size_t on_disk;

	(void)state;
	shelf_init(&shelf);
	on_disk = shelf.on_disk;
	give(&shelf, BEN, "k", NULL, 200, STORE_ADDED);
	collect(&shelf, 201);
	assert_int_equal(shelf.buried, 1);
	assert_int_equal(shelf.on_disk, on_disk + 1); /* or a restart would forget it */
	give(&shelf, ANN, "k", "1", 100, STORE_KNOWN);
	give(&shelf, BEN, "k", NULL, 200, STORE_KNOWN);
	give(&shelf, ANN, "k", "later", 300, STORE_ADDED);
	collect(&shelf, 200 + DAY_S + 1);
	assert_int_equal(shelf.on_disk, on_disk + 1); /* "later" */
	give(&shelf, EVE, "k", "1", 100, STORE_ADDED);
	shelf_done(&shelf);
}

static void one_that_comes_late_does_its_work(void **state)
{
	struct shelf shelf;

	(void)state;
	shelf_init(&shelf);
	give(&shelf, ANN, "k", "1", 100, STORE_ADDED);
	collect(&shelf, 1000);
	give(&shelf, BEN, "k", NULL, 200, STORE_ADDED);
	assert_false(has(&shelf, ANN, "k"));
	assert_false(has(&shelf, BEN, "k"));
	give(&shelf, ANN, "k", "1", 100, STORE_KNOWN);
	shelf_done(&shelf);
}

/* Whoever writes a key again has taken its tombstone back: it hides nothing any more, there or
 * where it was collected before the news came. */
static void who_takes_it_back_ends_its_grave(void **state)
{
	struct shelf one, other;

	(void)state;
	shelf_init(&one);
	shelf_init(&other);
	for (size_t i = 0; i < 2; i++) {
		struct shelf *shelf = i ? &one : &other;

		give(shelf, ANN, "k", "1", 100, STORE_ADDED);
		give(shelf, BEN, "k", NULL, 200, STORE_ADDED);
	}
	collect(&one, 1000);
	give(&one, BEN, "k", "again", 300, STORE_ADDED);
	give(&other, BEN, "k", "again", 300, STORE_ADDED);
	collect(&other, 1000);
	/* the sync that mends it */
	give(&one, ANN, "k", "1", 100, STORE_ADDED);
	stores_assert_same(one.store, other.store);
	shelf_done(&one);
	shelf_done(&other);
}

/* Of each slot the last: what all who heard everything hold before the hour. */
static void make_values(struct records_set *set)
{
	for (unsigned i = 0; i < 60; i++) {
		unsigned author = ANN + (unsigned)rng_below(&stores_rng, 3);
		char key[] = {(char)('a' + rng_below(&stores_rng, 6)), 0};
		struct record *record =
			records_value(author, key, rng_below(&stores_rng, 3) ? "v" : NULL,
				records_at(100 + (unsigned)rng_below(&stores_rng, 1000)));
		size_t at = 0;

		while (at < set->count && !record_same_slot(set->records[at], record))
			at++;
		if (at == set->count) {
			records_add(set, record);
		} else if (record_compare(record, set->records[at]) > 0) {
			record_unref(set->records[at]);
			set->records[at] = record;
		} else {
			record_unref(record);
		}
	}
}

static void any_order_and_any_time_of_collecting_leaves_the_same(void **state)
{
	enum { CUTOFF = 700 };

	(void)state;
	for (int round = 0; round < 60; round++) {
		struct records_set set = {.count = 0};
		struct shelf first;

		make_values(&set);
		shelf_init(&first);
		stores_put_all(first.store, set.records, set.count);
		collect(&first, CUTOFF);
		for (int again = 0; again < 4; again++) {
			struct shelf shelf;
			size_t before = rng_below(&stores_rng, set.count + 1);

			shelf_init(&shelf);
			stores_shuffle(set.records, set.count);
			/* some come before the hour, and some after it; some twice */
			stores_put_all(shelf.store, set.records, before);
			if (again % 2)
				collect(&shelf, CUTOFF / 2);
			stores_put_all(shelf.store, set.records, before / 2);
			collect(&shelf, CUTOFF);
			stores_put_all(shelf.store, set.records + before, set.count - before);
			stores_put_all(shelf.store, set.records, set.count);
			stores_assert_same(first.store, shelf.store);
			shelf_done(&shelf);
		}
		for (size_t i = 0; i < set.count; i++) {
			if (value_is_tombstone(set.records[i]))
				assert_true(!store_find(first.store, &set.records[i]->hash) ||
					    set.records[i]->stamp >= records_at(CUTOFF));
		}
		shelf_done(&first);
		records_set_done(&set);
	}
}

static void tombstones_that_are_old_when_they_come_fill_no_disk(void **state)
{
	struct shelf shelf;
	char key[16];
	size_t before;

	(void)state;
	shelf_init(&shelf);
	collect(&shelf, 2000);
	before = shelf.on_disk;
	for (int i = 0; i < QUOTA_RECORDS + 100; i++) {
		snprintf(key, sizeof(key), "%d", i);
		give(&shelf, EVE, key, NULL, 1000, STORE_ADDED);
	}
	assert_int_equal(shelf.on_disk - before, QUOTA_RECORDS);
	/* others' are not in the way, and all go in time */
	give(&shelf, ANN, "ann", NULL, 1000, STORE_ADDED);
	assert_int_equal(shelf.on_disk - before, QUOTA_RECORDS + 1);
	collect(&shelf, 2000 + DAY_S);
	assert_int_equal(shelf.on_disk, before);
	give(&shelf, EVE, "again", NULL, 1500 + DAY_S, STORE_ADDED);
	assert_int_equal(shelf.on_disk, before + 1);
	shelf_done(&shelf);
}

static struct record *attached(unsigned author, uint32_t vni, unsigned at)
{
	struct descriptor said = {.wireguard_port = 1, .segment_count = vni > 0, .segments = {vni}};

	return records_descriptor(author, records_at(at), &said);
}

static struct record *bucket(unsigned author, uint32_t vni, uint8_t number, unsigned at)
{
	return records_macs(author, vni, number, NULL, 0, records_at(at));
}

static bool has_bucket(const struct shelf *shelf, unsigned author, uint32_t vni, uint8_t number)
{
	const struct id id = records_id(author);
	uint8_t key[MACS_KEY_SIZE];

	macs_key(vni, number, key);
	return store_slot(shelf->store, &id, RECORD_MACS, key, sizeof(key)) != NULL;
}

static void old_macs_of_who_is_not_attached_go_and_all_others_stay(void **state)
{
	struct shelf shelf;

	(void)state;
	shelf_init(&shelf);
	stores_give(shelf.store, attached(ANN, 100, 400), STORE_ADDED);
	stores_give(shelf.store, bucket(ANN, 100, 0, 1000), STORE_ADDED);
	stores_give(shelf.store, bucket(ANN, 101, 0, 1001), STORE_ADDED);
	stores_give(shelf.store, bucket(ANN, 101, 1, 9000), STORE_ADDED);
	stores_give(shelf.store, bucket(BEN, 100, 0, 1002), STORE_ADDED);
	stores_give(shelf.store, attached(EVE, 100, 400), STORE_ADDED);
	stores_give(shelf.store, bucket(EVE, 100, 0, 1003), STORE_ADDED);
	collect(&shelf, 2000);
	assert_true(has_bucket(&shelf, ANN, 100, 0));
	assert_false(has_bucket(&shelf, ANN, 101, 0));
	assert_true(has_bucket(&shelf, ANN, 101, 1)); /* it may attach yet */
	assert_false(has_bucket(&shelf, BEN, 100, 0));
	/* and they do not come back, from whoever collects later */
	stores_give(shelf.store, bucket(ANN, 101, 0, 1001), STORE_KNOWN);
	assert_false(has_bucket(&shelf, ANN, 101, 0));
	/* whoever detaches later loses them then */
	stores_give(shelf.store, attached(ANN, 101, 2500), STORE_ADDED);
	assert_false(has_bucket(&shelf, ANN, 100, 0));
	stores_give(shelf.store, bucket(ANN, 101, 0, 1001), STORE_ADDED);
	stores_give(shelf.store, records_leave(EVE, records_at(2500)), STORE_ADDED);
	assert_false(has_bucket(&shelf, EVE, 100, 0));
	shelf_done(&shelf);
}

static void make_macs(struct records_set *set)
{
	for (unsigned author = ANN; author <= EVE; author++) {
		for (unsigned i = 0; i < 4; i++)
			records_add(set, attached(author, 100 + (unsigned)rng_below(&stores_rng, 2),
						 500 + (unsigned)rng_below(&stores_rng, 3000)));
		for (unsigned i = 0; i < 24; i++)
			records_add(set, bucket(author, 100 + i % 2, (uint8_t)(i / 4),
						 1000 + (unsigned)rng_below(&stores_rng, 3000)));
	}
	records_add(set, records_leave(BEN, records_at(3500)));
}

/* Two that have given each other what the other lacked, some rounds long. */
static void old_macs_go_alike_whatever_came_first(void **state)
{
	struct records_set set = {.count = 0};
	struct stores_snapshot first, other;

	(void)state;
	make_macs(&set);
	for (unsigned round = 0; round < 60; round++) {
		struct shelf shelf;
		size_t some = rng_below(&stores_rng, set.count);

		shelf_init(&shelf);
		stores_shuffle(set.records, set.count);
		stores_put_all(shelf.store, set.records, some);
		collect(&shelf, 1000 + (unsigned)rng_below(&stores_rng, 1500));
		stores_put_all(shelf.store, set.records + some, set.count - some);
		collect(&shelf, 2500);
		for (unsigned again = 0; again < 2; again++)
			stores_put_all(shelf.store, set.records, set.count);
		other = stores_snapshot(shelf.store);
		if (round == 0)
			first = other;
		assert_true(stores_equal(&first, &other));
		shelf_done(&shelf);
	}
	records_set_done(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tombstone_goes_with_all_that_it_hides_and_nothing_else),
		cmocka_unit_test(what_it_hid_does_not_come_back_for_a_day),
		cmocka_unit_test(one_that_comes_late_does_its_work),
		cmocka_unit_test(who_takes_it_back_ends_its_grave),
		cmocka_unit_test(any_order_and_any_time_of_collecting_leaves_the_same),
		cmocka_unit_test(tombstones_that_are_old_when_they_come_fill_no_disk),
		cmocka_unit_test(old_macs_of_who_is_not_attached_go_and_all_others_stay),
		cmocka_unit_test(old_macs_go_alike_whatever_came_first),
	};

	return cmocka_run_group_tests(tests, stores_start, NULL);
}
