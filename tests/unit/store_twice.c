/* The store and those who cannot be trusted any more: who signs two bodies with one stamp is found
 * out, and of who is banned, or was an admin, only what its owner wants stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gossip/base/rng.h"
#include "gossip/replica/store.h"
#include "tests/support/records.h"

enum { ADMIN = 1, TWO = 2, THREE = 3, INVITES = 100 };

#define ORDERS 60

static struct rng rng;
static struct store *store;
static unsigned told;
static struct hash told_hashes[2];
static const struct record *spared;

static void twice(void *context, const struct record *record, const struct record *other)
{
	(void)context;
	assert_true(id_equal(&record->author, &other->author) && record->stamp == other->stamp);
	told_hashes[0] = record->hash;
	told_hashes[1] = other->hash;
	told++;
}

static bool spare(void *context, const struct record *record)
{
	(void)context;
	return spared && hash_equal(&record->hash, &spared->hash);
}

static struct store *open_store(void)
{
	static const struct store_observer observer = {.twice = twice, .spare = spare};
	struct store *opened;

	assert_int_equal(store_new(records_mesh(), &rng, NULL, &observer, &opened), 0);
	return opened;
}

static int try_put(struct record *record)
{
	enum store_result result;
	int err = store_put(store, record, &result);

	return err ? err : (int)result;
}

/* Made for this one call. */
static int give(struct record *record)
{
	int result = try_put(record);

	record_unref(record);
	return result;
}

static int start(void **state)
{
	(void)state;
	rng_init(&rng, (const uint8_t[32]){9});
	told = 0;
	spared = NULL;
	store = open_store();
	assert_int_equal(give(records_grant(ADMIN, records_at(0))), STORE_ADDED);
	for (unsigned node = ADMIN; node <= THREE; node++)
		assert_int_equal(
			give(records_member(ADMIN, node, INVITES + node, ADMIN, records_at(node))),
			STORE_ADDED);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	store_free(store);
	return 0;
}

static void two_bodies_with_one_stamp_are_found_in_two_slots(void **state)
{
	(void)state;
	assert_int_equal(give(records_value(TWO, "a", "x", records_at(10))), STORE_ADDED);
	assert_int_equal(give(records_value(THREE, "a", "y", records_at(10))), STORE_ADDED);
	assert_int_equal(told, 0); /* two authors */
	assert_int_equal(give(records_value(TWO, "b", "x", records_at(10))), STORE_ADDED);
	assert_int_equal(told, 1);
	/* of another class as well */
	assert_int_equal(give(records_leave(TWO, records_at(10))), STORE_ADDED);
	assert_int_equal(told, 2);
}

static void two_bodies_with_one_stamp_are_found_whatever_they_are(void **state)
{
	const struct descriptor terms = {.wireguard_port = 1};

	(void)state;
	assert_int_equal(give(records_value(TWO, "a", NULL, records_at(10))), STORE_ADDED);
	assert_int_equal(give(records_value(TWO, "b", "x", records_at(10))), STORE_ADDED);
	assert_int_equal(told, 1);
	assert_int_equal(give(records_descriptor(THREE, records_at(10), &terms)), STORE_ADDED);
	assert_int_equal(told, 1); /* two authors */
	assert_int_equal(give(records_value(THREE, "a", "x", records_at(10))), STORE_ADDED);
	assert_int_equal(told, 2);
	assert_int_equal(give(records_value(ADMIN, "a", "x", records_at(10))), STORE_ADDED);
	assert_int_equal(give(records_descriptor(ADMIN, records_at(10), &terms)), STORE_ADDED);
	assert_int_equal(told, 3);
}

static void two_bodies_with_one_stamp_are_found_in_one_slot(void **state)
{
	(void)state;
	struct record *one = records_value(TWO, "a", "x", records_at(10));
	struct record *other = records_value(TWO, "a", "y", records_at(10));

	for (int i = 0; i < 2; i++) { /* whichever wins */
		told = 0;
		stop(NULL);
		start(NULL);
		assert_int_equal(try_put(i ? one : other), STORE_ADDED);
		assert_int_equal(try_put(i ? one : other), STORE_KNOWN);
		assert_int_equal(told, 0);
		assert_true(try_put(i ? other : one) >= 0);
		assert_int_equal(told, 1);
		assert_false(hash_equal(&told_hashes[0], &told_hashes[1]));
	}
	record_unref(one);
	record_unref(other);
}

/* A record with another's name on it. */
static struct record *forge(unsigned author, const char *text, uint64_t stamp)
{
	struct record *real = records_value(author, "a", text, stamp), *forged = NULL;
	uint8_t bytes[512];

	assert_true(real->size <= sizeof(bytes));
	memcpy(bytes, real->bytes, real->size);
	bytes[real->size - 1] ^= 1;
	assert_int_equal(record_decode(records_mesh(), bytes, real->size, &forged), 0);
	record_unref(real);
	return forged;
}

static void nobody_is_accused_by_what_it_did_not_sign(void **state)
{
	(void)state;
	assert_int_equal(give(records_value(TWO, "a", "mmm", records_at(10))), STORE_ADDED);
	for (char text[2] = "a"; text[0] <= 'z'; text[0]++)
		(void)give(forge(TWO, text, records_at(10)));
	assert_int_equal(told, 0);
}

static struct record *proof(unsigned finder, unsigned node, unsigned seconds)
{
	struct record *one = records_value(node, "k", "x", records_at(seconds));
	struct record *two = records_value(node, "k", "y", records_at(seconds));
	struct record *record = records_proof(finder, one, two, records_at(50 + seconds));

	record_unref(one);
	record_unref(two);
	return record;
}

static void of_the_proofs_about_a_node_that_of_the_lowest_stamp_stays(void **state)
{
	(void)state;
	struct id id = records_id(TWO);
	struct record *lowest = proof(THREE, TWO, 7), *held;

	assert_int_equal(give(proof(ADMIN, TWO, 9)), STORE_ADDED);
	assert_int_equal(try_put(lowest), STORE_ADDED);
	assert_int_equal(give(proof(ADMIN, TWO, 8)), STORE_KNOWN);
	held = store_slot(store, &id, RECORD_EQUIVOCATION, &id, sizeof(id));
	assert_ptr_equal(held, lowest);
	record_unref(lowest);
	/* what is proven is not told again */
	assert_int_equal(give(records_value(TWO, "a", "x", records_at(10))), STORE_ADDED);
	assert_int_equal(give(records_value(TWO, "b", "x", records_at(10))), STORE_ADDED);
	assert_int_equal(told, 0);
}

static void a_proof_wants_both_signatures_and_its_nodes_admission(void **state)
{
	(void)state;
	struct record *one = forge(TWO, "x", records_at(5));
	struct record *two = records_value(TWO, "a", "y", records_at(5));

	assert_int_equal(give(records_proof(THREE, one, two, records_at(9))), ERR_BAD_SIGNATURE);
	record_unref(one);
	record_unref(two);
	assert_int_equal(give(proof(77, 88, 5)), STORE_WAITING);
	assert_int_equal(give(proof(77, TWO, 5)), STORE_ADDED); /* whoever brings it */
}

static void proofs_in_any_order_give_the_same_store(void **state)
{
	(void)state;
	struct record *records[9];
	uint8_t want[DIGEST_SIZE], got[DIGEST_SIZE];

	for (unsigned i = 0; i < 9; i++)
		records[i] = proof(1 + i % 4, 2 + i % 2, 5 + i / 2);
	for (unsigned order = 0; order < ORDERS; order++) {
		stop(NULL);
		start(NULL);
		for (size_t i = 9; i > 1; i--) {
			size_t j = order ? rng_below(&rng, i) : i - 1;
			struct record *swapped = records[i - 1];

			records[i - 1] = records[j];
			records[j] = swapped;
		}
		for (size_t i = 0; i < 9; i++)
			assert_true(try_put(records[i]) >= 0);
		store_digest(store, order ? got : want);
		if (order)
			assert_memory_equal(got, want, DIGEST_SIZE);
	}
	for (size_t i = 0; i < 9; i++)
		record_unref(records[i]);
}

static void of_a_banned_author_what_is_spared_stays_and_may_come(void **state)
{
	(void)state;
	struct id id = records_id(TWO);
	struct record *kept = records_value(TWO, "mesh/kept", "x", records_at(10));

	assert_int_equal(give(records_value(TWO, "a", "x", records_at(11))), STORE_ADDED);
	assert_int_equal(try_put(kept), STORE_ADDED);
	assert_int_equal(give(records_value(TWO, "b", "x", records_at(12))), STORE_ADDED);
	spared = kept;
	store_ban(store, &id);
	assert_non_null(store_find(store, &kept->hash));
	assert_null(store_slot(store, &id, RECORD_VALUE, "a", 1));
	assert_null(store_slot(store, &id, RECORD_VALUE, "b", 1));
	assert_int_equal(give(records_value(TWO, "c", "x", records_at(13))), ERR_REVOKED);
	stop(NULL);
	store = open_store();
	assert_int_equal(give(records_grant(ADMIN, records_at(0))), STORE_ADDED);
	assert_int_equal(give(records_member(ADMIN, TWO, INVITES + TWO, ADMIN, records_at(TWO))),
		STORE_ADDED);
	store_ban(store, &id);
	assert_int_equal(try_put(kept), STORE_ADDED);
	record_unref(kept);
}

static void without_a_keep_that_goes_an_invite_holds_no_more_than_it_may(void **state)
{
	(void)state;
	struct record *invite = records_invite(ADMIN, 200, records_at(5), NULL), *keeps[3];

	for (unsigned i = 0; i < 3; i++) {
		keeps[i] = records_keep(ADMIN, 300 + i, records_at(6));
		assert_int_equal(try_put(keeps[i]), STORE_ADDED);
	}
	/* the kept come last, and beyond one use and all the losers that are stored */
	for (unsigned i = 1 + AUTHORITY_OVERSPENT_MAX + 3; i-- > 0;)
		assert_int_equal(give(records_admission(
					 300 + i, NULL, 200, invite, ADMIN, records_at(1000 - i))),
			STORE_ADDED);
	size_t before = store_count(store);
	for (unsigned i = 0; i < 3; i++) {
		store_remove(store, keeps[i]);
		record_unref(keeps[i]);
	}
	assert_int_equal(store_count(store), before - 6);
	for (unsigned i = 0; i < 3; i++) {
		struct id id = records_id(300 + i);

		assert_null(store_slot(store, &id, RECORD_ADMISSION, NULL, 0));
	}
	record_unref(invite);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(two_bodies_with_one_stamp_are_found_in_two_slots),
		STORY(two_bodies_with_one_stamp_are_found_whatever_they_are),
		STORY(two_bodies_with_one_stamp_are_found_in_one_slot),
		STORY(nobody_is_accused_by_what_it_did_not_sign),
		STORY(of_the_proofs_about_a_node_that_of_the_lowest_stamp_stays),
		STORY(a_proof_wants_both_signatures_and_its_nodes_admission),
		STORY(proofs_in_any_order_give_the_same_store),
		STORY(of_a_banned_author_what_is_spared_stays_and_may_come),
		STORY(without_a_keep_that_goes_an_invite_holds_no_more_than_it_may),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
