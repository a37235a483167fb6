#include "tests/support/stores.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rng stores_rng;

int stores_start(void **state)
{
	(void)state;
	rng_init(&stores_rng, (const uint8_t[32]){7});
	return 0;
}

struct store *stores_new(void)
{
	struct store *store;

	assert_int_equal(store_new(records_mesh(), &stores_rng, NULL, NULL, &store), 0);
	return store;
}

void stores_put(struct store *store, struct record *record, enum store_result expected)
{
	enum store_result result;

	assert_int_equal(store_put(store, record, &result), 0);
	assert_int_equal(result, expected);
}

void stores_give(struct store *store, struct record *record, enum store_result expected)
{
	stores_put(store, record, expected);
	record_unref(record);
}

void stores_give_refused(struct store *store, struct record *record, int expected)
{
	enum store_result result = (enum store_result)99;

	assert_int_equal(store_put(store, record, &result), expected);
	assert_int_equal(result, 99);
	record_unref(record);
}

struct stores_snapshot stores_snapshot(struct store *store)
{
	struct stores_snapshot s = {.count = store_count(store), .size = store_size(store)};
	struct record *r = NULL;
	size_t count = 0, size = 0;

	store_digest(store, s.digest);
	while ((r = store_after(store, r))) {
		crypto_generichash_state state;

		crypto_generichash_init(&state, NULL, 0, sizeof(s.contents));
		crypto_generichash_update(&state, s.contents.b, sizeof(s.contents));
		crypto_generichash_update(&state, r->bytes, r->size);
		crypto_generichash_final(&state, s.contents.b, sizeof(s.contents));
		count++;
		size += r->size;
	}
	assert_int_equal(count, s.count);
	assert_int_equal(size, s.size);
	return s;
}

bool stores_equal(const struct stores_snapshot *a, const struct stores_snapshot *b)
{
	return memcmp(a->digest, b->digest, DIGEST_SIZE) == 0 && a->count == b->count &&
	       a->size == b->size && hash_equal(&a->contents, &b->contents);
}

void stores_assert_same(struct store *a, struct store *b)
{
	struct stores_snapshot of_a = stores_snapshot(a), of_b = stores_snapshot(b);

	assert_memory_equal(of_a.digest, of_b.digest, DIGEST_SIZE);
	assert_true(stores_equal(&of_a, &of_b));
}

void stores_founders(struct records_set *set)
{
	const struct invite for_admins = {.uses = 1, .admin = true};
	struct record *invite;

	records_add(set, records_charter(records_at(0)));
	records_add(set, records_grant(STORES_ADMIN, records_at(1)));
	records_add(set, records_member(RECORDS_ROOT, STORES_ADMIN, STORES_INVITES + STORES_ADMIN,
				 STORES_ADMIN, records_at(2)));
	invite =
		records_add(set, records_invite(RECORDS_ROOT, STORES_INVITES + STORES_INVITED_ADMIN,
					 records_at(3), &for_admins));
	records_add(set,
		records_admission(STORES_INVITED_ADMIN, NULL, STORES_INVITES + STORES_INVITED_ADMIN,
			invite, STORES_ADMIN, records_at(4)));
}

void stores_member(struct records_set *set, unsigned admin, unsigned node)
{
	struct record *invite = records_add(
		set, records_invite(admin, STORES_INVITES + node, records_at(10 + node), NULL));

	records_add(set, records_admission(node, NULL, STORES_INVITES + node, invite, admin,
				 records_at(20 + node)));
	records_add(set, records_descriptor(node, records_at(30 + node), NULL));
}

void stores_shuffle(struct record **records, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t j = rng_below(&stores_rng, i);
		struct record *swap = records[i - 1];

		records[i - 1] = records[j];
		records[j] = swap;
	}
}

void stores_put_all(struct store *store, struct record *const *records, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum store_result result;

		assert_int_equal(store_put(store, records[i], &result), 0);
	}
}

struct store *stores_with_member(void)
{
	struct records_set set = {.count = 0};
	struct store *store = stores_new();

	stores_founders(&set);
	stores_member(&set, STORES_ADMIN, STORES_MEMBER);
	stores_put_all(store, set.records, set.count);
	assert_int_equal(store_count(store), set.count);
	records_set_done(&set);
	return store;
}

void stores_put_within_quota(struct store *store, struct record *const *records, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum store_result result;
		int err = store_put(store, records[i], &result);

		assert_true(err == 0 || err == ERR_LIMIT);
	}
}

struct record *stores_sized(unsigned key, size_t size, uint64_t stamp)
{
	char *value = calloc(1, size);
	struct record *record;

	assert_non_null(value);
	record = records_make(STORES_MEMBER, RECORDS_OTHER, stamp, &key, sizeof(key), value, size);
	free(value);
	return record;
}
