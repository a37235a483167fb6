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

#include "tests/support/stores.h"

/* A mesh with a past: several records to a slot, somebody who left, somebody revoked, strangers
 * whose chain never comes, types that nobody knows. */
static void add_history(struct records_set *set)
{
	stores_founders(set);
	for (unsigned node = STORES_MEMBER; node < STORES_MEMBER + 6; node++) {
		stores_member(set, node % 2 ? STORES_ADMIN : STORES_INVITED_ADMIN, node);
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
	records_add(set, records_leave(STORES_MEMBER + 1, records_at(300)));
	records_add(set, records_revoke(STORES_ADMIN, STORES_MEMBER + 2, records_at(301)));
	records_add(set, records_keep(STORES_INVITED_ADMIN, STORES_MEMBER + 3, records_at(302)));
	/* again, by another admin and a later invite */
	records_add(set, records_member(STORES_INVITED_ADMIN, STORES_MEMBER, STORES_INVITES + 40,
				 STORES_ADMIN, records_at(303)));
	/* an admin admits itself as a plain member, later than what made it one */
	records_add(set, records_member(STORES_INVITED_ADMIN, STORES_INVITED_ADMIN,
				 STORES_INVITES + 41, STORES_ADMIN, records_at(304)));
	records_add(set, records_value(STORES_STRANGER, "k", "v", records_at(305)));
	records_add(
		set, records_invite(STORES_STRANGER, STORES_INVITES + 50, records_at(306), NULL));
	records_add(set, records_member(STORES_STRANGER, STORES_STRANGER + 1, STORES_INVITES + 51,
				 STORES_ADMIN, records_at(307)));
	records_add(set, records_value(STORES_STRANGER + 1, "k", "v", records_at(308)));
}

/* ---- one record ---- */

static void what_was_put_is_found(void **state)
{
	(void)state;
	struct store *store = stores_with_member();
	struct record *record = records_value(STORES_MEMBER, "colour", "blue", records_at(400));
	struct id member = records_id(STORES_MEMBER);
	struct stores_snapshot before = stores_snapshot(store), after;

	stores_put(store, record, STORE_ADDED);
	stores_put(store, record, STORE_KNOWN);
	after = stores_snapshot(store);
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
	struct store *one = stores_with_member(), *other = stores_with_member();
	struct record *early = records_value(STORES_MEMBER, "k", "early", records_at(400));
	struct record *late = records_value(STORES_MEMBER, "k", "late", records_at(401));

	stores_put(one, early, STORE_ADDED);
	stores_put(one, late, STORE_ADDED);
	stores_put(other, late, STORE_ADDED);
	stores_put(other, early, STORE_KNOWN);
	assert_null(store_find(one, &early->hash));
	assert_ptr_equal(store_find(one, &late->hash), late);
	stores_assert_same(one, other);
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
	struct record *usual = records_value(STORES_MEMBER, "k", "v", records_at(400));
	struct record *variants[] = {
		usual, sign_again(usual, STORES_MEMBER, 1), sign_again(usual, STORES_MEMBER, 2)};
	struct record *lowest = usual;
	uint8_t digests[6][DIGEST_SIZE];

	for (size_t i = 1; i < 3; i++) {
		if (record_compare(variants[i], lowest) > 0)
			lowest = variants[i];
	}
	for (size_t i = 0; i < 6; i++) {
		static const uint8_t orders[6][3] = {
			{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
		struct store *store = stores_with_member();
		size_t count = store_count(store);

		for (size_t j = 0; j < 3; j++)
			stores_put_all(store, &variants[orders[i][j]], 1);
		assert_int_equal(store_count(store), count + 1);
		assert_ptr_equal(store_find(store, &usual->hash), lowest);
		(void)stores_snapshot(store);
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
	struct store *store = stores_with_member();
	struct record *record = records_value(STORES_MEMBER, "k", "v", records_at(400)), *forged;
	struct stores_snapshot before = stores_snapshot(store), after;
	uint8_t bytes[512];

	memcpy(bytes, record->bytes, record->size);
	bytes[record->size - 1] ^= 1;
	assert_int_equal(record_decode(records_mesh(), bytes, record->size, &forged), 0);
	stores_give_refused(store, forged, ERR_BAD_SIGNATURE);
	after = stores_snapshot(store);
	assert_true(stores_equal(&before, &after));
	stores_give(store, record, STORE_ADDED);
	store_free(store);
}

/* The joiner may sign what it likes; the invite's key and the witness have to have signed too. */
static void an_admission_needs_all_its_signatures(void **state)
{
	(void)state;
	struct store *store = stores_with_member();
	struct record *invite =
		records_invite(STORES_ADMIN, STORES_INVITES + 9, records_at(50), NULL);
	/* "invited" by a key that is not the invite's */
	struct record *admission = records_admission(
		9, NULL, STORES_INVITES + 8, invite, STORES_ADMIN, records_at(51));

	stores_give_refused(store, admission, ERR_BAD_SIGNATURE);
	record_unref(invite);
	/* a genuine invite of an admin cannot be changed by its holder */
	struct keys holder;
	struct record *genuine = records_invite(
			      STORES_ADMIN, STORES_INVITES + 9, records_at(50), NULL),
		      *changed;
	uint8_t bytes[1024];

	records_keys(STORES_INVITES + 9, &holder);
	memcpy(bytes, genuine->bytes, genuine->size);
	bytes[genuine->body_size + 5] ^= 1;
	assert_int_equal(record_decode(records_mesh(), bytes, genuine->size, &changed), 0);
	admission = records_admission(
		9, NULL, STORES_INVITES + 9, changed, STORES_ADMIN, records_at(51));
	stores_give_refused(store, admission, ERR_BAD_SIGNATURE);
	record_unref(genuine);
	record_unref(changed);
	store_free(store);
}

static void authority_that_no_view_could_read_is_refused(void **state)
{
	(void)state;
	struct store *store = stores_with_member();
	static const enum record_type of_root[] = {
		RECORD_CHARTER, RECORD_GRANT, RECORD_ADMIN_REVOCATION};
	static const enum record_type of_admin[] = {
		RECORD_INVITE, RECORD_REVOCATION, RECORD_CLOSING, RECORD_KEEP, RECORD_WRITER};
	static const enum record_type of_member[] = {
		RECORD_ADMISSION, RECORD_LEAVE, RECORD_DESCRIPTOR};
	struct stores_snapshot before = stores_snapshot(store), after;

	for (size_t i = 0; i < ARRAY_SIZE(of_root); i++)
		stores_give_refused(store,
			records_make(RECORDS_ROOT, of_root[i], records_at(400), "k", 1, "v", 1),
			ERR_MALFORMED);
	for (size_t i = 0; i < ARRAY_SIZE(of_admin); i++)
		stores_give_refused(store,
			records_make(STORES_ADMIN, of_admin[i], records_at(400), "k", 1, "v", 1),
			ERR_MALFORMED);
	for (size_t i = 0; i < ARRAY_SIZE(of_member); i++)
		stores_give_refused(store,
			records_make(STORES_MEMBER, of_member[i], records_at(400), "k", 1, "v", 1),
			ERR_MALFORMED);
	after = stores_snapshot(store);
	assert_true(stores_equal(&before, &after));
	store_free(store);
}

/* ---- chains ---- */

static void nothing_enters_without_a_chain(void **state)
{
	(void)state;
	struct store *store = stores_with_member();
	struct stores_snapshot before = stores_snapshot(store), after;
	struct id node = records_id(STORES_STRANGER);

	stores_give(
		store, records_value(STORES_STRANGER, "k", "v", records_at(400)), STORE_WAITING);
	stores_give(
		store, records_descriptor(STORES_STRANGER, records_at(400), NULL), STORE_WAITING);
	stores_give(store,
		records_invite(STORES_MEMBER, STORES_INVITES + 60, records_at(400), NULL),
		STORE_WAITING);
	stores_give(
		store, records_revoke(STORES_MEMBER, STORES_ADMIN, records_at(400)), STORE_WAITING);
	stores_give(store,
		records_member(STORES_MEMBER, STORES_STRANGER, STORES_INVITES + 61, STORES_ADMIN,
			records_at(401)),
		STORE_WAITING);
	stores_give(store,
		records_make(STORES_ADMIN, RECORD_GRANT, records_at(400), &node, 32, NULL, 0),
		STORE_WAITING);
	after = stores_snapshot(store);
	assert_true(stores_equal(&before, &after));
	store_free(store);
}

static void what_waits_enters_when_its_chain_is_there(void **state)
{
	(void)state;
	struct records_set set = {.count = 0};
	struct store *forward = stores_new(), *backward = stores_new();

	stores_founders(&set);
	stores_member(&set, STORES_INVITED_ADMIN, STORES_MEMBER);
	records_add(&set, records_value(STORES_MEMBER, "k", "v", records_at(400)));
	stores_put_all(forward, set.records, set.count);
	assert_int_equal(store_count(forward), set.count);
	for (size_t i = set.count; i-- > 0;)
		stores_put_all(backward, &set.records[i], 1);
	stores_assert_same(forward, backward);
	records_set_done(&set);
	store_free(forward);
	store_free(backward);
}

static void the_pool_is_bounded_and_the_oldest_goes_first(void **state)
{
	(void)state;
	struct store *store = stores_new();
	struct records_set set = {.count = 0};
	size_t founders;
	char key[16];

	for (unsigned i = 0; i < STORE_WAITING_MAX + 10; i++) {
		snprintf(key, sizeof(key), "%u", i);
		stores_give(store, records_value(STORES_MEMBER, key, "v", records_at(400)),
			STORE_WAITING);
		stores_give(store, records_value(STORES_MEMBER, key, "v", records_at(400)),
			STORE_WAITING);
	}
	stores_founders(&set);
	stores_put_all(store, set.records, set.count);
	founders = store_count(store);
	assert_int_equal(founders, set.count);
	stores_give(store,
		records_member(STORES_ADMIN, STORES_MEMBER, STORES_INVITES + STORES_MEMBER,
			STORES_ADMIN, records_at(20)),
		STORE_ADDED);
	assert_int_equal(store_count(store), founders + 1 + STORE_WAITING_MAX);
	struct id member = records_id(STORES_MEMBER);
	assert_null(store_slot(store, &member, RECORD_VALUE, "9", 1));
	assert_non_null(store_slot(store, &member, RECORD_VALUE, "10", 2));
	records_set_done(&set);
	store_free(store);
}

/* Large records fill the pool by their bytes: 512 KiB hold seven of 64 KiB. */
static void the_pool_is_bounded_in_bytes(void **state)
{
	(void)state;
	struct store *store = stores_new();
	struct records_set set = {.count = 0};
	char *large = calloc(1, RECORD_VALUE_MAX);
	size_t founders;

	assert_non_null(large);
	for (unsigned i = 0; i < 20; i++) {
		uint8_t key = (uint8_t)i;

		stores_give(store,
			records_make(STORES_MEMBER, RECORDS_OTHER, records_at(400), &key, 1, large,
				RECORD_VALUE_MAX),
			STORE_WAITING);
	}
	stores_founders(&set);
	stores_put_all(store, set.records, set.count);
	founders = store_count(store);
	stores_give(store,
		records_member(STORES_ADMIN, STORES_MEMBER, STORES_INVITES + STORES_MEMBER,
			STORES_ADMIN, records_at(20)),
		STORE_ADDED);
	assert_int_equal(store_count(store), founders + 1 + 7);
	free(large);
	records_set_done(&set);
	store_free(store);
}

static void a_forgery_that_waits_does_not_keep_the_genuine_out(void **state)
{
	(void)state;
	struct store *store = stores_new();
	struct records_set set = {.count = 0};
	struct record *genuine = records_value(STORES_MEMBER, "k", "v", records_at(400)), *forged;
	uint8_t bytes[512];

	memcpy(bytes, genuine->bytes, genuine->size);
	bytes[genuine->body_size] ^= 1;
	assert_int_equal(record_decode(records_mesh(), bytes, genuine->size, &forged), 0);
	stores_give(store, forged, STORE_WAITING);
	stores_put(store, genuine, STORE_WAITING);
	stores_founders(&set);
	stores_member(&set, STORES_ADMIN, STORES_MEMBER);
	stores_put_all(store, set.records, set.count);
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
	struct store *first = stores_new();
	size_t once;

	add_history(&set);
	stores_put_all(first, set.records, set.count);
	once = set.count;
	for (size_t i = 0; i < once; i += 3)
		records_add(&set, record_ref(set.records[i]));
	for (int round = 0; round < 60; round++) {
		struct store *store = stores_new();

		stores_shuffle(set.records, set.count);
		stores_put_all(store, set.records, set.count);
		stores_assert_same(first, store);
		store_free(store);
	}
	records_set_done(&set);
	store_free(first);
}

static struct store *merged(const struct store *a, const struct store *b)
{
	struct store *store = stores_new();
	const struct store *const both[] = {a, b};

	for (size_t i = 0; i < 2; i++) {
		for (struct record *r = NULL; (r = store_after(both[i], r));)
			stores_put_all(store, &r, 1);
	}
	return store;
}

static void assert_same_and_free(struct store *a, struct store *b)
{
	stores_assert_same(a, b);
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
			s[i] = stores_new();
			for (size_t j = 0; j < set.count; j++) {
				bool authority = authority_concerns(set.records[j]->type);

				if (authority || rng_below(&stores_rng, 2))
					stores_put_all(s[i], &set.records[j], 1);
			}
		}
		ab = merged(s[0], s[1]);
		bc = merged(s[1], s[2]);
		aa = merged(s[0], s[0]);
		stores_assert_same(aa, s[0]);
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
	struct store *all = stores_new();
	uint8_t of_all[DIGEST_SIZE], of_part[DIGEST_SIZE];

	stores_founders(&set);
	stores_member(&set, STORES_ADMIN, STORES_MEMBER);
	for (unsigned i = 0; i < 5; i++)
		records_add(&set, records_value(STORES_MEMBER, (char[]){(char)('a' + i), 0}, "v",
					  records_at(400)));
	stores_put_all(all, set.records, set.count);
	store_digest(all, of_all);
	for (size_t left_out = 0; left_out < set.count; left_out++) {
		struct store *part = stores_new();

		for (size_t i = 0; i < set.count; i++) {
			if (i != left_out)
				stores_put_all(part, &set.records[i], 1);
		}
		store_digest(part, of_part);
		assert_memory_not_equal(of_all, of_part, DIGEST_SIZE);
		stores_put_all(part, &set.records[left_out], 1);
		store_digest(part, of_part);
		assert_memory_equal(of_all, of_part, DIGEST_SIZE);
		store_free(part);
	}
	records_set_done(&set);
	store_free(all);
}

/* ---- bans ---- */

static void a_ban_purges_and_refuses_what_a_member_says_but_not_its_authority(void **state)
{
	(void)state;
	struct store *store = stores_with_member();
	struct id member = records_id(STORES_MEMBER), admin = records_id(STORES_ADMIN);
	struct record *value = records_value(STORES_MEMBER, "k", "v", records_at(400));
	struct record *unknown =
		records_make(STORES_MEMBER, RECORDS_OTHER, records_at(400), NULL, 0, NULL, 0);
	struct stores_snapshot before = stores_snapshot(store), after;

	stores_put(store, value, STORE_ADDED);
	stores_put(store, unknown, STORE_ADDED);
	store_ban(store, &member);
	store_ban(store, &member);
	assert_true(store_banned(store, &member));
	assert_false(store_banned(store, &admin));
	assert_null(store_find(store, &value->hash));
	assert_null(store_find(store, &unknown->hash));
	assert_null(store_slot(store, &member, RECORD_DESCRIPTOR, NULL, 0));
	assert_non_null(store_slot(store, &member, RECORD_ADMISSION, NULL, 0));
	stores_give_refused(store, record_ref(value), ERR_REVOKED);
	stores_give_refused(
		store, records_descriptor(STORES_MEMBER, records_at(500), NULL), ERR_REVOKED);
	stores_give(store, records_leave(STORES_MEMBER, records_at(500)), STORE_ADDED);
	store_ban(store, &admin);
	stores_give(store, records_revoke(STORES_ADMIN, 77, records_at(501)), STORE_ADDED);

	store_unban(store, &member);
	assert_false(store_banned(store, &member));
	stores_put(store, value, STORE_ADDED);
	stores_put(store, unknown, STORE_ADDED);
	stores_give(store, records_descriptor(STORES_MEMBER, records_at(30 + STORES_MEMBER), NULL),
		STORE_ADDED);
	after = stores_snapshot(store);
	assert_int_equal(after.count, before.count + 4);
	record_unref(value);
	record_unref(unknown);
	store_free(store);
}

static void a_ban_before_the_records_comes_to_the_same(void **state)
{
	(void)state;
	struct records_set set = {.count = 0};
	struct store *before = stores_new(), *after = stores_new();
	struct id banned = records_id(STORES_MEMBER);

	add_history(&set);
	store_ban(before, &banned);
	for (size_t i = 0; i < set.count; i++) {
		enum store_result result;
		int err = store_put(before, set.records[i], &result);

		assert_true(err == 0 || err == ERR_REVOKED);
	}
	stores_put_all(after, set.records, set.count);
	store_ban(after, &banned);
	stores_assert_same(before, after);
	records_set_done(&set);
	store_free(before);
	store_free(after);
}

static void what_waits_for_a_banned_author_does_not_enter(void **state)
{
	(void)state;
	struct store *store = stores_new();
	struct records_set set = {.count = 0};
	struct id member = records_id(STORES_MEMBER);

	stores_give(store, records_value(STORES_MEMBER, "k", "v", records_at(400)), STORE_WAITING);
	store_ban(store, &member);
	stores_founders(&set);
	stores_put_all(store, set.records, set.count);
	stores_give(store,
		records_member(STORES_ADMIN, STORES_MEMBER, STORES_INVITES + STORES_MEMBER,
			STORES_ADMIN, records_at(20)),
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
	struct id member = records_id(STORES_MEMBER);
	uint8_t by_observer[DIGEST_SIZE], by_store[DIGEST_SIZE];
	struct hash chain = {{0}};
	struct store *store;

	digest_init(&told.digest);
	assert_int_equal(store_new(records_mesh(), &stores_rng, NULL, &observer, &store), 0);
	add_history(&set);
	for (unsigned i = 0; i < 20; i++)
		records_add(&set, stores_sized(i, 60000, records_at(800 + i)));
	stores_shuffle(set.records, set.count);
	stores_put_within_quota(store, set.records, set.count);
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
	struct store *before = stores_new(), *after;

	add_history(&set);
	stores_put_all(before, set.records, set.count);
	for (struct record *r = NULL; (r = store_after(before, r));)
		records_add(&stored, record_ref(r));
	for (int round = 0; round < 10; round++) {
		stores_shuffle(stored.records, stored.count);
		assert_int_equal(
			store_new(records_mesh(), &stores_rng, NULL, &observer, &after), 0);
		for (size_t i = 0; i < stored.count; i++)
			assert_int_equal(store_restore(after, stored.records[i]), 0);
		stores_assert_same(before, after);
		assert_true(store_authority_version(after) > 0);
		stores_put_all(after, set.records, set.count);
		stores_assert_same(before, after);
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
	struct store *store = stores_with_member();
	uint64_t version = store_authority_version(store);

	stores_give(store, records_value(STORES_MEMBER, "k", "v", records_at(400)), STORE_ADDED);
	stores_give(store, records_descriptor(STORES_MEMBER, records_at(401), NULL), STORE_ADDED);
	assert_true(store_authority_version(store) == version);
	stores_give(
		store, records_revoke(STORES_ADMIN, STORES_MEMBER, records_at(402)), STORE_ADDED);
	assert_true(store_authority_version(store) != version);
	version = store_authority_version(store);
	stores_give(
		store, records_revoke(STORES_ADMIN, STORES_MEMBER, records_at(402)), STORE_KNOWN);
	assert_true(store_authority_version(store) == version);
	stores_give(store, records_leave(STORES_MEMBER, records_at(403)), STORE_ADDED);
	assert_true(store_authority_version(store) != version);
	store_free(store);
}

static void a_walk_goes_on_while_the_store_changes(void **state)
{
	(void)state;
	struct store *store = stores_with_member();
	struct record *at = NULL, *next;
	unsigned made = 0, seen = 0;
	struct order_key last = ORDER_START;

	for (unsigned i = 0; i < 50; i++)
		stores_give(store, stores_sized(i, 1, records_at(1000 + 2 * i)), STORE_ADDED);
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
			stores_give(store, stores_sized(key, 1, records_at(2000 + made++)),
				STORE_ADDED);
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
	struct store *store = stores_with_member();
	enum order_class last = ORDER_REVOCATION;

	stores_give(store, stores_sized(1, 1, records_at(900)), STORE_ADDED);
	stores_give(store, records_leave(STORES_MEMBER, records_at(901)), STORE_ADDED);
	stores_give(
		store, records_revoke(STORES_ADMIN, STORES_MEMBER, records_at(902)), STORE_ADDED);
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
		cmocka_unit_test(a_ban_purges_and_refuses_what_a_member_says_but_not_its_authority),
		cmocka_unit_test(a_ban_before_the_records_comes_to_the_same),
		cmocka_unit_test(what_waits_for_a_banned_author_does_not_enter),
		cmocka_unit_test(an_observer_is_told_of_every_change),
		cmocka_unit_test(what_is_restored_in_any_order_is_what_was_stored),
		cmocka_unit_test(the_authority_version_counts_authority_alone),
		cmocka_unit_test(a_walk_goes_on_while_the_store_changes),
		cmocka_unit_test(authority_comes_first),
	};
	return cmocka_run_group_tests(tests, stores_start, NULL);
}
