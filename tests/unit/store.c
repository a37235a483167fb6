/* The store: the same records in any order give the same store; nothing enters without a chain. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/rng.h"
#include "gossip/replica/store.h"
#include "tests/support/records.h"

enum {
	ADMIN = 1,	   /* granted by the root */
	INVITED_ADMIN = 2, /* admitted by an invite for admins that the root signed */
	MEMBER = 3,	   /* and the numbers after it */
	STRANGER = 50,
	INVITES = 100, /* the invite of node n is INVITES + n */
};

static struct rng rng;

static int start(void **state)
{
	(void)state;
	rng_init(&rng, (const uint8_t[32]){7});
	return 0;
}

static struct store *new_store(void)
{
	struct store *store;

	assert_int_equal(store_new(records_mesh(), &rng, NULL, NULL, &store), 0);
	return store;
}

static void put(struct store *store, struct record *record, enum store_result expected)
{
	enum store_result result;

	assert_int_equal(store_put(store, record, &result), 0);
	assert_int_equal(result, expected);
}

/* The same for a record made for this one call. */
static void give(struct store *store, struct record *record, enum store_result expected)
{
	put(store, record, expected);
	record_unref(record);
}

static void give_refused(struct store *store, struct record *record, int expected)
{
	enum store_result result = (enum store_result)99;

	assert_int_equal(store_put(store, record, &result), expected);
	assert_int_equal(result, 99);
	record_unref(record);
}

/* All that can be seen of a store. */
struct snapshot {
	uint8_t digest[DIGEST_SIZE];
	size_t count, size;
	struct hash contents; /* of all bytes in order */
};

static struct snapshot snapshot(struct store *store)
{
	struct snapshot s = {.count = store_count(store), .size = store_size(store)};
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

static bool snapshots_equal(const struct snapshot *a, const struct snapshot *b)
{
	return memcmp(a->digest, b->digest, DIGEST_SIZE) == 0 && a->count == b->count &&
	       a->size == b->size && hash_equal(&a->contents, &b->contents);
}

static void assert_same(struct store *a, struct store *b)
{
	struct snapshot of_a = snapshot(a), of_b = snapshot(b);

	assert_memory_equal(of_a.digest, of_b.digest, DIGEST_SIZE);
	assert_true(snapshots_equal(&of_a, &of_b));
}

/* The founder's records, and two admins: enough for everybody's chain. */
static void add_founders(struct records_set *set)
{
	const struct invite for_admins = {.uses = 1, .admin = true};
	struct record *invite;

	records_add(set, records_charter(records_at(0)));
	records_add(set, records_grant(ADMIN, records_at(1)));
	records_add(
		set, records_member(RECORDS_ROOT, ADMIN, INVITES + ADMIN, ADMIN, records_at(2)));
	invite = records_add(set,
		records_invite(RECORDS_ROOT, INVITES + INVITED_ADMIN, records_at(3), &for_admins));
	records_add(set, records_admission(INVITED_ADMIN, NULL, INVITES + INVITED_ADMIN, invite,
				 ADMIN, records_at(4)));
}

static void add_member(struct records_set *set, unsigned admin, unsigned node)
{
	struct record *invite = records_add(
		set, records_invite(admin, INVITES + node, records_at(10 + node), NULL));

	records_add(set, records_admission(
				 node, NULL, INVITES + node, invite, admin, records_at(20 + node)));
	records_add(set, records_descriptor(node, records_at(30 + node), NULL));
}

/* A mesh with a past: several records to a slot, somebody who left, somebody revoked, strangers
 * whose chain never comes, types that nobody knows. */
static void add_history(struct records_set *set)
{
	add_founders(set);
	for (unsigned node = MEMBER; node < MEMBER + 6; node++) {
		add_member(set, node % 2 ? ADMIN : INVITED_ADMIN, node);
		records_add(set, records_descriptor(node, records_at(100 + node), NULL));
		for (unsigned i = 0; i < 5; i++) {
			char key[8], value[16];

			snprintf(key, sizeof(key), "key-%u", i % 3);
			snprintf(value, sizeof(value), "value-%u", i);
			records_add(set, records_value(node, key, value, records_at(200 + i)));
		}
		records_add(
			set, records_make(node, RECORDS_OTHER, records_at(210), "x", 1, "y", 1));
	}
	records_add(set, records_leave(MEMBER + 1, records_at(300)));
	records_add(set, records_revoke(ADMIN, MEMBER + 2, records_at(301)));
	records_add(set, records_keep(INVITED_ADMIN, MEMBER + 3, records_at(302)));
	/* again, by another admin and a later invite */
	records_add(
		set, records_member(INVITED_ADMIN, MEMBER, INVITES + 40, ADMIN, records_at(303)));
	/* an admin admits itself as a plain member, later than what made it one */
	records_add(set,
		records_member(INVITED_ADMIN, INVITED_ADMIN, INVITES + 41, ADMIN, records_at(304)));
	records_add(set, records_value(STRANGER, "k", "v", records_at(305)));
	records_add(set, records_invite(STRANGER, INVITES + 50, records_at(306), NULL));
	records_add(
		set, records_member(STRANGER, STRANGER + 1, INVITES + 51, ADMIN, records_at(307)));
	records_add(set, records_value(STRANGER + 1, "k", "v", records_at(308)));
}

static void shuffle(struct record **records, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t j = rng_below(&rng, i);
		struct record *swap = records[i - 1];

		records[i - 1] = records[j];
		records[j] = swap;
	}
}

static void put_all(struct store *store, struct record *const *records, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum store_result result;

		assert_int_equal(store_put(store, records[i], &result), 0);
	}
}

/* Founders, and a member. */
static struct store *store_with_member(void)
{
	struct records_set set = {.count = 0};
	struct store *store = new_store();

	add_founders(&set);
	add_member(&set, ADMIN, MEMBER);
	put_all(store, set.records, set.count);
	assert_int_equal(store_count(store), set.count);
	records_set_done(&set);
	return store;
}

/* ---- one record ---- */

static void what_was_put_is_found(void **state)
{
	(void)state;
	struct store *store = store_with_member();
	struct record *record = records_value(MEMBER, "colour", "blue", records_at(400));
	struct id member = records_id(MEMBER);
	struct snapshot before = snapshot(store), after;

	put(store, record, STORE_ADDED);
	put(store, record, STORE_KNOWN);
	after = snapshot(store);
	assert_int_equal(after.count, before.count + 1);
	assert_int_equal(after.size, before.size + record->size);
	assert_memory_not_equal(before.digest, after.digest, DIGEST_SIZE);
	assert_ptr_equal(store_find(store, &record->hash), record);
	assert_ptr_equal(store_slot(store, &member, RECORD_VALUE, "colour", 6), record);
	assert_null(store_slot(store, &member, RECORD_VALUE, "color", 5));
	assert_null(store_slot(store, &member, RECORD_MACS, "colour", 6));
	record_unref(record);
	store_free(store);
}

static void a_slot_keeps_the_later_whichever_comes_first(void **state)
{
	(void)state;
	struct store *one = store_with_member(), *other = store_with_member();
	struct record *early = records_value(MEMBER, "k", "early", records_at(400));
	struct record *late = records_value(MEMBER, "k", "late", records_at(401));

	put(one, early, STORE_ADDED);
	put(one, late, STORE_ADDED);
	put(other, late, STORE_ADDED);
	put(other, early, STORE_KNOWN);
	assert_null(store_find(one, &early->hash));
	assert_ptr_equal(store_find(one, &late->hash), late);
	assert_same(one, other);
	record_unref(early);
	record_unref(late);
	store_free(one);
	store_free(other);
}

/* The same body under another valid signature: Ed25519 with a nonce of our own (RFC 8032, 5.1.6,
 * but for step 2). */
static struct record *sign_again(const struct record *record, unsigned author, uint8_t nonce)
{
	uint8_t message[14 + 32 + 8 + 32], wide[64], r[64] = {nonce}, seed_hash[64], k[32], s[32];
	struct keys keys;
	struct sig sig;
	crypto_hash_sha512_state hash;
	struct record *again;

	records_keys(author, &keys);
	memcpy(message, "meshd1 record", 14);
	memcpy(message + 14, &record->author, 32);
	for (int i = 0; i < 8; i++)
		message[46 + i] = (uint8_t)(record->stamp >> (56 - 8 * i));
	memcpy(message + 54, &record->hash, 32);
	crypto_hash_sha512(seed_hash, keys.secret, 32);
	seed_hash[0] &= 248;
	seed_hash[31] = (uint8_t)((seed_hash[31] & 127) | 64);
	crypto_core_ed25519_scalar_reduce(r, (uint8_t[64]){nonce});
	assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(sig.b, r), 0);
	crypto_hash_sha512_init(&hash);
	crypto_hash_sha512_update(&hash, sig.b, 32);
	crypto_hash_sha512_update(&hash, keys.id.b, 32);
	crypto_hash_sha512_update(&hash, message, sizeof(message));
	crypto_hash_sha512_final(&hash, wide);
	crypto_core_ed25519_scalar_reduce(k, wide);
	memset(wide, 0, sizeof(wide));
	memcpy(wide, seed_hash, 32);
	crypto_core_ed25519_scalar_reduce(s, wide);
	crypto_core_ed25519_scalar_mul(k, k, s);
	crypto_core_ed25519_scalar_add(sig.b + 32, k, r);

	const struct record_draft draft = {
		.type = record->type,
		.key = record->key,
		.key_size = record->key_size,
		.stamp = record->stamp,
		.expiry_ms = record->expiry_ms,
		.value = record->value,
		.value_size = record->value_size,
	};
	assert_int_equal(record_assemble(records_mesh(), &record->author, &draft, &sig, &again), 0);
	assert_int_equal(record_verify(again), 0);
	return again;
}

static void of_two_signatures_the_lower_stays_and_the_digest_does_not_care(void **state)
{
	(void)state;
	struct record *usual = records_value(MEMBER, "k", "v", records_at(400));
	struct record *variants[] = {
		usual, sign_again(usual, MEMBER, 1), sign_again(usual, MEMBER, 2)};
	struct record *lowest = usual;
	uint8_t digests[6][DIGEST_SIZE];

	for (size_t i = 1; i < 3; i++) {
		if (record_compare(variants[i], lowest) > 0)
			lowest = variants[i];
	}
	for (size_t i = 0; i < 6; i++) {
		static const uint8_t orders[6][3] = {
			{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
		struct store *store = store_with_member();
		size_t count = store_count(store);

		for (size_t j = 0; j < 3; j++)
			put_all(store, &variants[orders[i][j]], 1);
		assert_int_equal(store_count(store), count + 1);
		assert_ptr_equal(store_find(store, &usual->hash), lowest);
		(void)snapshot(store);
		store_digest(store, digests[i]);
		assert_memory_equal(digests[i], digests[0], DIGEST_SIZE);
		store_free(store);
	}
	for (size_t i = 0; i < 3; i++)
		record_unref(variants[i]);
}

static void a_bad_signature_is_refused(void **state)
{
	(void)state;
	struct store *store = store_with_member();
	struct record *record = records_value(MEMBER, "k", "v", records_at(400)), *forged;
	struct snapshot before = snapshot(store), after;
	uint8_t bytes[512];

	memcpy(bytes, record->bytes, record->size);
	bytes[record->size - 1] ^= 1;
	assert_int_equal(record_decode(records_mesh(), bytes, record->size, &forged), 0);
	give_refused(store, forged, ERR_BAD_SIGNATURE);
	after = snapshot(store);
	assert_true(snapshots_equal(&before, &after));
	give(store, record, STORE_ADDED);
	store_free(store);
}

/* The joiner may sign what it likes; the invite's key and the witness have to have signed too. */
static void an_admission_needs_all_its_signatures(void **state)
{
	(void)state;
	struct store *store = store_with_member();
	struct record *invite = records_invite(ADMIN, INVITES + 9, records_at(50), NULL);
	/* "invited" by a key that is not the invite's */
	struct record *admission =
		records_admission(9, NULL, INVITES + 8, invite, ADMIN, records_at(51));

	give_refused(store, admission, ERR_BAD_SIGNATURE);
	record_unref(invite);
	/* a genuine invite of an admin cannot be changed by its holder */
	struct keys holder;
	struct record *genuine = records_invite(ADMIN, INVITES + 9, records_at(50), NULL), *changed;
	uint8_t bytes[1024];

	records_keys(INVITES + 9, &holder);
	memcpy(bytes, genuine->bytes, genuine->size);
	bytes[genuine->body_size + 5] ^= 1;
	assert_int_equal(record_decode(records_mesh(), bytes, genuine->size, &changed), 0);
	admission = records_admission(9, NULL, INVITES + 9, changed, ADMIN, records_at(51));
	give_refused(store, admission, ERR_BAD_SIGNATURE);
	record_unref(genuine);
	record_unref(changed);
	store_free(store);
}

static void authority_that_no_view_could_read_is_refused(void **state)
{
	(void)state;
	struct store *store = store_with_member();
	static const enum record_type of_root[] = {
		RECORD_CHARTER, RECORD_GRANT, RECORD_ADMIN_REVOCATION};
	static const enum record_type of_admin[] = {
		RECORD_INVITE, RECORD_REVOCATION, RECORD_CLOSING, RECORD_KEEP, RECORD_WRITER};
	static const enum record_type of_member[] = {
		RECORD_ADMISSION, RECORD_LEAVE, RECORD_DESCRIPTOR};
	struct snapshot before = snapshot(store), after;

	for (size_t i = 0; i < ARRAY_SIZE(of_root); i++)
		give_refused(store,
			records_make(RECORDS_ROOT, of_root[i], records_at(400), "k", 1, "v", 1),
			ERR_MALFORMED);
	for (size_t i = 0; i < ARRAY_SIZE(of_admin); i++)
		give_refused(store,
			records_make(ADMIN, of_admin[i], records_at(400), "k", 1, "v", 1),
			ERR_MALFORMED);
	for (size_t i = 0; i < ARRAY_SIZE(of_member); i++)
		give_refused(store,
			records_make(MEMBER, of_member[i], records_at(400), "k", 1, "v", 1),
			ERR_MALFORMED);
	after = snapshot(store);
	assert_true(snapshots_equal(&before, &after));
	store_free(store);
}

/* ---- chains ---- */

static void nothing_enters_without_a_chain(void **state)
{
	(void)state;
	struct store *store = store_with_member();
	struct snapshot before = snapshot(store), after;
	struct id node = records_id(STRANGER);

	give(store, records_value(STRANGER, "k", "v", records_at(400)), STORE_WAITING);
	give(store, records_descriptor(STRANGER, records_at(400), NULL), STORE_WAITING);
	give(store, records_invite(MEMBER, INVITES + 60, records_at(400), NULL), STORE_WAITING);
	give(store, records_revoke(MEMBER, ADMIN, records_at(400)), STORE_WAITING);
	give(store, records_member(MEMBER, STRANGER, INVITES + 61, ADMIN, records_at(401)),
		STORE_WAITING);
	give(store, records_make(ADMIN, RECORD_GRANT, records_at(400), &node, 32, NULL, 0),
		STORE_WAITING);
	after = snapshot(store);
	assert_true(snapshots_equal(&before, &after));
	store_free(store);
}

static void what_waits_enters_when_its_chain_is_there(void **state)
{
	(void)state;
	struct records_set set = {.count = 0};
	struct store *forward = new_store(), *backward = new_store();

	add_founders(&set);
	add_member(&set, INVITED_ADMIN, MEMBER);
	records_add(&set, records_value(MEMBER, "k", "v", records_at(400)));
	put_all(forward, set.records, set.count);
	assert_int_equal(store_count(forward), set.count);
	for (size_t i = set.count; i-- > 0;)
		put_all(backward, &set.records[i], 1);
	assert_same(forward, backward);
	records_set_done(&set);
	store_free(forward);
	store_free(backward);
}

static void the_pool_is_bounded_and_the_oldest_goes_first(void **state)
{
	(void)state;
	struct store *store = new_store();
	struct records_set set = {.count = 0};
	size_t founders;
	char key[16];

	for (unsigned i = 0; i < STORE_WAITING_MAX + 10; i++) {
		snprintf(key, sizeof(key), "%u", i);
		give(store, records_value(MEMBER, key, "v", records_at(400)), STORE_WAITING);
		give(store, records_value(MEMBER, key, "v", records_at(400)), STORE_WAITING);
	}
	add_founders(&set);
	put_all(store, set.records, set.count);
	founders = store_count(store);
	assert_int_equal(founders, set.count);
	give(store, records_member(ADMIN, MEMBER, INVITES + MEMBER, ADMIN, records_at(20)),
		STORE_ADDED);
	assert_int_equal(store_count(store), founders + 1 + STORE_WAITING_MAX);
	struct id member = records_id(MEMBER);
	assert_null(store_slot(store, &member, RECORD_VALUE, "9", 1));
	assert_non_null(store_slot(store, &member, RECORD_VALUE, "10", 2));
	records_set_done(&set);
	store_free(store);
}

/* Large records fill the pool by their bytes: 512 KiB hold seven of 64 KiB. */
static void the_pool_is_bounded_in_bytes(void **state)
{
	(void)state;
	struct store *store = new_store();
	struct records_set set = {.count = 0};
	char *large = calloc(1, RECORD_VALUE_MAX);
	size_t founders;

	assert_non_null(large);
	for (unsigned i = 0; i < 20; i++) {
		uint8_t key = (uint8_t)i;

		give(store,
			records_make(MEMBER, RECORDS_OTHER, records_at(400), &key, 1, large,
				RECORD_VALUE_MAX),
			STORE_WAITING);
	}
	add_founders(&set);
	put_all(store, set.records, set.count);
	founders = store_count(store);
	give(store, records_member(ADMIN, MEMBER, INVITES + MEMBER, ADMIN, records_at(20)),
		STORE_ADDED);
	assert_int_equal(store_count(store), founders + 1 + 7);
	free(large);
	records_set_done(&set);
	store_free(store);
}

static void a_forgery_that_waits_does_not_keep_the_genuine_out(void **state)
{
	(void)state;
	struct store *store = new_store();
	struct records_set set = {.count = 0};
	struct record *genuine = records_value(MEMBER, "k", "v", records_at(400)), *forged;
	uint8_t bytes[512];

	memcpy(bytes, genuine->bytes, genuine->size);
	bytes[genuine->body_size] ^= 1;
	assert_int_equal(record_decode(records_mesh(), bytes, genuine->size, &forged), 0);
	give(store, forged, STORE_WAITING);
	put(store, genuine, STORE_WAITING);
	add_founders(&set);
	add_member(&set, ADMIN, MEMBER);
	put_all(store, set.records, set.count);
	assert_ptr_equal(store_find(store, &genuine->hash), genuine);
	record_unref(genuine);
	records_set_done(&set);
	store_free(store);
}

/* ---- any order ---- */

static void any_order_with_any_repetition_gives_the_same_store(void **state)
{
	(void)state;
	struct records_set set = {.count = 0};
	struct store *first = new_store();
	size_t once;

	add_history(&set);
	put_all(first, set.records, set.count);
	once = set.count;
	for (size_t i = 0; i < once; i += 3)
		records_add(&set, record_ref(set.records[i]));
	for (int round = 0; round < 60; round++) {
		struct store *store = new_store();

		shuffle(set.records, set.count);
		put_all(store, set.records, set.count);
		assert_same(first, store);
		store_free(store);
	}
	records_set_done(&set);
	store_free(first);
}

static struct store *merged(const struct store *a, const struct store *b)
{
	struct store *store = new_store();
	const struct store *const both[] = {a, b};

	for (size_t i = 0; i < 2; i++) {
		for (struct record *r = NULL; (r = store_after(both[i], r));)
			put_all(store, &r, 1);
	}
	return store;
}

static void assert_same_and_free(struct store *a, struct store *b)
{
	assert_same(a, b);
	store_free(a);
	store_free(b);
}

/* Over stores that share the authority: what waits is no part of a store. */
static void merging_is_commutative_associative_and_idempotent(void **state)
{
	(void)state;
	struct records_set set = {.count = 0};

	add_history(&set);
	for (int round = 0; round < 12; round++) {
		struct store *s[3], *ab, *bc, *aa;

		for (size_t i = 0; i < 3; i++) {
			s[i] = new_store();
			for (size_t j = 0; j < set.count; j++) {
				bool authority = authority_concerns(set.records[j]->type);

				if (authority || rng_below(&rng, 2))
					put_all(s[i], &set.records[j], 1);
			}
		}
		ab = merged(s[0], s[1]);
		bc = merged(s[1], s[2]);
		aa = merged(s[0], s[0]);
		assert_same(aa, s[0]);
		assert_same_and_free(merged(s[0], s[1]), merged(s[1], s[0]));
		assert_same_and_free(merged(ab, s[2]), merged(s[0], bc));
		assert_same_and_free(merged(ab, s[1]), merged(s[0], s[1]));
		for (size_t i = 0; i < 3; i++)
			store_free(s[i]);
		store_free(ab);
		store_free(bc);
		store_free(aa);
	}
	records_set_done(&set);
}

static void digests_are_equal_exactly_when_the_sets_are(void **state)
{
	(void)state;
	struct records_set set = {.count = 0};
	struct store *all = new_store();
	uint8_t of_all[DIGEST_SIZE], of_part[DIGEST_SIZE];

	add_founders(&set);
	add_member(&set, ADMIN, MEMBER);
	for (unsigned i = 0; i < 5; i++)
		records_add(&set,
			records_value(MEMBER, (char[]){(char)('a' + i), 0}, "v", records_at(400)));
	put_all(all, set.records, set.count);
	store_digest(all, of_all);
	for (size_t left_out = 0; left_out < set.count; left_out++) {
		struct store *part = new_store();

		for (size_t i = 0; i < set.count; i++) {
			if (i != left_out)
				put_all(part, &set.records[i], 1);
		}
		store_digest(part, of_part);
		assert_memory_not_equal(of_all, of_part, DIGEST_SIZE);
		put_all(part, &set.records[left_out], 1);
		store_digest(part, of_part);
		assert_memory_equal(of_all, of_part, DIGEST_SIZE);
		store_free(part);
	}
	records_set_done(&set);
	store_free(all);
}

/* ---- quota ---- */

static struct record *sized_value(unsigned key, size_t size, uint64_t stamp)
{
	char *value = calloc(1, size);
	struct record *record;

	assert_non_null(value);
	record = records_make(MEMBER, RECORDS_OTHER, stamp, &key, sizeof(key), value, size);
	free(value);
	return record;
}

static void put_within_quota(struct store *store, struct record *const *records, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum store_result result;
		int err = store_put(store, records[i], &result);

		assert_true(err == 0 || err == ERR_LIMIT);
	}
}

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
			&set, sized_value(i, i >= 18 ? 10 : 60000 + 100 * i, records_at(900 - i)));
	while (fit < ARRAY_SIZE(newest_first) && total < QUOTA_SIZE)
		total += newest_first[fit++]->size;
	assert_in_range(fit, 15, 18);
	for (int round = 0; round < 40; round++) {
		struct store *store = store_with_member();
		size_t others = store_size(store);

		put_within_quota(store, set.records, set.count);
		check_newest(store, newest_first, ARRAY_SIZE(newest_first), fit);
		assert_int_equal(store_size(store), others + total);
		(void)snapshot(store);
		store_free(store);
		shuffle(set.records, set.count);
	}
	records_set_done(&set);
}

static void a_quota_is_counted_in_records_too(void **state)
{
	(void)state;
	struct store *store = store_with_member();
	size_t others = store_count(store);
	unsigned i;

	for (i = 0; i < QUOTA_RECORDS; i++)
		give(store, sized_value(i, 1, records_at(1000 + i)), STORE_ADDED);
	assert_int_equal(store_count(store), others + QUOTA_RECORDS);
	give_refused(store, sized_value(i, 1, records_at(999)), ERR_LIMIT);
	give(store, sized_value(i, 1, records_at(9999)), STORE_ADDED);
	assert_int_equal(store_count(store), others + QUOTA_RECORDS);
	give_refused(store, sized_value(0, 1, records_at(1000)), ERR_LIMIT);
	/* a new record for a slot that is there takes no room */
	give(store, sized_value(1, 1, records_at(9998)), STORE_ADDED);
	assert_int_equal(store_count(store), others + QUOTA_RECORDS);
	/* nobody else's and no other kind of record is in the way */
	give(store, records_descriptor(MEMBER, records_at(9999), NULL), STORE_ADDED);
	give(store, records_value(ADMIN, "k", "v", records_at(1)), STORE_ADDED);
	give(store, records_leave(MEMBER, records_at(1)), STORE_ADDED);
	store_free(store);
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
		records_add(set, records_invite(author, INVITES, records_at(100), terms));

	for (unsigned i = 0; i < FLOOD; i++) {
		records_add(set, records_admission(CROWD + i, NULL, INVITES, invite, CROWD + i,
					 records_at(101 + i)));
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

	add_founders(&set);
	add_flood(&set, ADMIN, NULL);
	for (int round = 0; round < 6; round++) {
		struct store *store = new_store();

		put_within_quota(store, set.records, set.count);
		for (unsigned i = 0; i < FLOOD; i++) {
			assert_true(is_stored(store, CROWD + i, RECORD_ADMISSION) ==
				    (i < STORED_OF_ONE_USE));
			assert_true(is_stored(store, CROWD + i, RECORD_DESCRIPTOR) ==
				    (i < STORED_OF_ONE_USE));
		}
		(void)snapshot(store);
		store_free(store);
		shuffle(set.records, set.count);
	}
	records_set_done(&set);
}

/* Whoever finds an old token dates its own admissions back; that pushes out nobody who is kept. */
static void whom_an_admin_keeps_is_not_pushed_out(void **state)
{
	(void)state;
	const struct revocation closing = {.subject = records_id(INVITES)};
	const struct id listed = records_id(CROWD + FLOOD - 2);
	struct records_set set = {.count = 0};

	add_founders(&set);
	add_flood(&set, ADMIN, NULL);
	records_add(&set, records_keep(INVITED_ADMIN, CROWD + FLOOD - 1, records_at(400)));
	records_add(&set,
		records_revocation(ADMIN, RECORD_CLOSING, records_at(401), &closing, &listed, 1));
	for (int round = 0; round < 6; round++) {
		struct store *store = new_store();

		/* again: what came before its keep comes back by the next sync */
		for (int time = 0; time < 2; time++)
			put_within_quota(store, set.records, set.count);
		for (unsigned i = 0; i < FLOOD; i++)
			assert_true(is_stored(store, CROWD + i, RECORD_ADMISSION) ==
				    (i < STORED_OF_ONE_USE || i >= FLOOD - 2));
		(void)snapshot(store);
		store_free(store);
		shuffle(set.records, set.count);
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

	add_founders(&set);
	add_flood(&set, RECORDS_ROOT, &for_admins);
	add_member(&set, last, guest);
	records_add(&set, records_revoke(last, MEMBER, records_at(500)));
	for (int round = 0; round < 6; round++) {
		struct store *store = new_store();

		put_within_quota(store, set.records, set.count);
		assert_false(is_stored(store, last, RECORD_ADMISSION));
		assert_false(is_stored(store, guest, RECORD_ADMISSION));
		assert_false(is_stored(store, guest, RECORD_DESCRIPTOR));
		assert_true(is_stored(store, CROWD, RECORD_ADMISSION));
		if (first) {
			assert_same(first, store);
			store_free(store);
		} else {
			first = store;
		}
		shuffle(set.records, set.count);
	}
	store_free(first);
	records_set_done(&set);
}

/* ---- bans ---- */

static void a_ban_purges_and_refuses_what_a_member_says_but_not_its_authority(void **state)
{
	(void)state;
	struct store *store = store_with_member();
	struct id member = records_id(MEMBER), admin = records_id(ADMIN);
	struct record *value = records_value(MEMBER, "k", "v", records_at(400));
	struct record *unknown =
		records_make(MEMBER, RECORDS_OTHER, records_at(400), NULL, 0, NULL, 0);
	struct snapshot before = snapshot(store), after;

	put(store, value, STORE_ADDED);
	put(store, unknown, STORE_ADDED);
	store_ban(store, &member);
	store_ban(store, &member);
	assert_true(store_banned(store, &member));
	assert_false(store_banned(store, &admin));
	assert_null(store_find(store, &value->hash));
	assert_null(store_find(store, &unknown->hash));
	assert_null(store_slot(store, &member, RECORD_DESCRIPTOR, NULL, 0));
	assert_non_null(store_slot(store, &member, RECORD_ADMISSION, NULL, 0));
	give_refused(store, record_ref(value), ERR_REVOKED);
	give_refused(store, records_descriptor(MEMBER, records_at(500), NULL), ERR_REVOKED);
	give(store, records_leave(MEMBER, records_at(500)), STORE_ADDED);
	store_ban(store, &admin);
	give(store, records_revoke(ADMIN, 77, records_at(501)), STORE_ADDED);

	store_unban(store, &member);
	assert_false(store_banned(store, &member));
	put(store, value, STORE_ADDED);
	put(store, unknown, STORE_ADDED);
	give(store, records_descriptor(MEMBER, records_at(30 + MEMBER), NULL), STORE_ADDED);
	after = snapshot(store);
	assert_int_equal(after.count, before.count + 4);
	record_unref(value);
	record_unref(unknown);
	store_free(store);
}

static void a_ban_before_the_records_comes_to_the_same(void **state)
{
	(void)state;
	struct records_set set = {.count = 0};
	struct store *before = new_store(), *after = new_store();
	struct id banned = records_id(MEMBER);

	add_history(&set);
	store_ban(before, &banned);
	for (size_t i = 0; i < set.count; i++) {
		enum store_result result;
		int err = store_put(before, set.records[i], &result);

		assert_true(err == 0 || err == ERR_REVOKED);
	}
	put_all(after, set.records, set.count);
	store_ban(after, &banned);
	assert_same(before, after);
	records_set_done(&set);
	store_free(before);
	store_free(after);
}

static void what_waits_for_a_banned_author_does_not_enter(void **state)
{
	(void)state;
	struct store *store = new_store();
	struct records_set set = {.count = 0};
	struct id member = records_id(MEMBER);

	give(store, records_value(MEMBER, "k", "v", records_at(400)), STORE_WAITING);
	store_ban(store, &member);
	add_founders(&set);
	put_all(store, set.records, set.count);
	give(store, records_member(ADMIN, MEMBER, INVITES + MEMBER, ADMIN, records_at(20)),
		STORE_ADDED);
	assert_null(store_slot(store, &member, RECORD_VALUE, "k", 1));
	records_set_done(&set);
	store_free(store);
}

/* ---- disk, views, walks ---- */

/* What an observer has been told, as a set of its own. */
struct told {
	struct digest digest;
	size_t added, removed;
};

static void note_added(void *context, struct record *record)
{
	struct told *told = context;

	told->added++;
	if (order_class(record->type) != ORDER_REVOCATION)
		digest_add(&told->digest, &record->hash);
}

static void note_removed(void *context, struct record *record, const struct record *successor)
{
	(void)successor;
	struct told *told = context;

	told->removed++;
	if (order_class(record->type) != ORDER_REVOCATION)
		digest_remove(&told->digest, &record->hash);
}

static void an_observer_is_told_of_every_change(void **state)
{
	(void)state;
	struct told told = {.added = 0};
	const struct store_observer observer = {
		.added = note_added, .removed = note_removed, .context = &told};
	struct records_set set = {.count = 0};
	struct id member = records_id(MEMBER);
	uint8_t by_observer[DIGEST_SIZE], by_store[DIGEST_SIZE];
	struct hash chain = {{0}};
	struct store *store;

	digest_init(&told.digest);
	assert_int_equal(store_new(records_mesh(), &rng, NULL, &observer, &store), 0);
	add_history(&set);
	for (unsigned i = 0; i < 20; i++)
		records_add(&set, sized_value(i, 60000, records_at(800 + i)));
	shuffle(set.records, set.count);
	put_within_quota(store, set.records, set.count);
	store_ban(store, &member);
	assert_int_equal(told.added - told.removed, store_count(store));
	assert_in_range(told.removed, 1, told.added);
	for (struct record *r = NULL; (r = store_after(store, r));) {
		if (order_class(r->type) == ORDER_REVOCATION)
			digest_chain(&chain, &r->hash);
	}
	digest_final(&told.digest, &chain, by_observer);
	store_digest(store, by_store);
	assert_memory_equal(by_observer, by_store, DIGEST_SIZE);
	records_set_done(&set);
	store_free(store);
}

static void what_is_restored_in_any_order_is_what_was_stored(void **state)
{
	(void)state;
	struct told told = {.added = 0};
	const struct store_observer observer = {
		.added = note_added, .removed = note_removed, .context = &told};
	struct records_set set = {.count = 0}, stored = {.count = 0};
	struct store *before = new_store(), *after;

	add_history(&set);
	put_all(before, set.records, set.count);
	for (struct record *r = NULL; (r = store_after(before, r));)
		records_add(&stored, record_ref(r));
	for (int round = 0; round < 10; round++) {
		shuffle(stored.records, stored.count);
		assert_int_equal(store_new(records_mesh(), &rng, NULL, &observer, &after), 0);
		for (size_t i = 0; i < stored.count; i++)
			assert_int_equal(store_restore(after, stored.records[i]), 0);
		assert_same(before, after);
		assert_true(store_authority_version(after) > 0);
		put_all(after, set.records, set.count);
		assert_same(before, after);
		assert_int_equal(told.added, 0);
		store_free(after);
	}
	records_set_done(&set);
	records_set_done(&stored);
	store_free(before);
}

static void the_authority_version_counts_authority_alone(void **state)
{
	(void)state;
	struct store *store = store_with_member();
	uint64_t version = store_authority_version(store);

	give(store, records_value(MEMBER, "k", "v", records_at(400)), STORE_ADDED);
	give(store, records_descriptor(MEMBER, records_at(401), NULL), STORE_ADDED);
	assert_true(store_authority_version(store) == version);
	give(store, records_revoke(ADMIN, MEMBER, records_at(402)), STORE_ADDED);
	assert_true(store_authority_version(store) != version);
	version = store_authority_version(store);
	give(store, records_revoke(ADMIN, MEMBER, records_at(402)), STORE_KNOWN);
	assert_true(store_authority_version(store) == version);
	give(store, records_leave(MEMBER, records_at(403)), STORE_ADDED);
	assert_true(store_authority_version(store) != version);
	store_free(store);
}

static void a_walk_goes_on_while_the_store_changes(void **state)
{
	(void)state;
	struct store *store = store_with_member();
	struct record *at = NULL, *next;
	unsigned made = 0, seen = 0;
	struct order_key last = ORDER_START;

	for (unsigned i = 0; i < 50; i++)
		give(store, sized_value(i, 1, records_at(1000 + 2 * i)), STORE_ADDED);
	while ((next = store_after(store, at))) {
		record_ref(next);
		record_unref(at);
		at = next;
		assert_true(order_compare(&last, &(struct order_key[]){order_key(at)}[0]) < 0);
		last = order_key(at);
		seen++;
		/* the one we stand on goes, and one comes that is still ahead */
		if (at->type == RECORDS_OTHER && made < 50) {
			unsigned key;

			memcpy(&key, at->key, sizeof(key));
			give(store, sized_value(key, 1, records_at(2000 + made++)), STORE_ADDED);
		}
	}
	record_unref(at);
	assert_int_equal(made, 50);
	assert_int_equal(seen, store_count(store) + 50);
	store_free(store);
}

static void authority_comes_first(void **state)
{
	(void)state;
	struct store *store = store_with_member();
	enum order_class last = ORDER_REVOCATION;

	give(store, sized_value(1, 1, records_at(900)), STORE_ADDED);
	give(store, records_leave(MEMBER, records_at(901)), STORE_ADDED);
	give(store, records_revoke(ADMIN, MEMBER, records_at(902)), STORE_ADDED);
	assert_int_equal(store_after(store, NULL)->type, RECORD_REVOCATION);
	for (struct record *r = NULL; (r = store_after(store, r));) {
		assert_true(order_class(r->type) >= last);
		assert_int_equal(authority_concerns(r->type), order_class(r->type) < ORDER_OTHER);
		last = order_class(r->type);
	}
	assert_int_equal(last, ORDER_OTHER);
	store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_found),
		cmocka_unit_test(a_slot_keeps_the_later_whichever_comes_first),
		cmocka_unit_test(of_two_signatures_the_lower_stays_and_the_digest_does_not_care),
		cmocka_unit_test(a_bad_signature_is_refused),
		cmocka_unit_test(an_admission_needs_all_its_signatures),
		cmocka_unit_test(authority_that_no_view_could_read_is_refused),
		cmocka_unit_test(nothing_enters_without_a_chain),
		cmocka_unit_test(what_waits_enters_when_its_chain_is_there),
		cmocka_unit_test(the_pool_is_bounded_and_the_oldest_goes_first),
		cmocka_unit_test(the_pool_is_bounded_in_bytes),
		cmocka_unit_test(a_forgery_that_waits_does_not_keep_the_genuine_out),
		cmocka_unit_test(any_order_with_any_repetition_gives_the_same_store),
		cmocka_unit_test(merging_is_commutative_associative_and_idempotent),
		cmocka_unit_test(digests_are_equal_exactly_when_the_sets_are),
		cmocka_unit_test(an_author_keeps_its_newest_records_in_any_order),
		cmocka_unit_test(a_quota_is_counted_in_records_too),
		cmocka_unit_test(the_losers_of_an_invite_are_bounded_in_any_order),
		cmocka_unit_test(whom_an_admin_keeps_is_not_pushed_out),
		cmocka_unit_test(with_an_admin_that_is_pushed_out_goes_what_it_was_the_chain_of),
		cmocka_unit_test(a_ban_purges_and_refuses_what_a_member_says_but_not_its_authority),
		cmocka_unit_test(a_ban_before_the_records_comes_to_the_same),
		cmocka_unit_test(what_waits_for_a_banned_author_does_not_enter),
		cmocka_unit_test(an_observer_is_told_of_every_change),
		cmocka_unit_test(what_is_restored_in_any_order_is_what_was_stored),
		cmocka_unit_test(the_authority_version_counts_authority_alone),
		cmocka_unit_test(a_walk_goes_on_while_the_store_changes),
		cmocka_unit_test(authority_comes_first),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
