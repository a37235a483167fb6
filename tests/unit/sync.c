/* A sync over a stream: two stores end equal, each record goes once, and a hostile peer gets
 * nowhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/rng.h"
#include "gossip/replica/reconcile.h"
#include "gossip/replica/sync.h"
#include "tests/support/records.h"

enum { ADMIN = 1, MEMBER = 2, MEMBERS_MAX = 8, INVITES = 100, RANGES = 1, RECORDS = 2 };

static struct rng rng;

static int start(void **state)
{
	(void)state;
	rng_init(&rng, (const uint8_t[32]){11});
	return 0;
}

static struct store *new_store(void)
{
	struct store *store;

	assert_int_equal(store_new(records_mesh(), &rng, NULL, NULL, &store), 0);
	return store;
}

/* A refused one is the store's business. */
static void put(struct store *store, struct record *record)
{
	enum store_result result;

	(void)!store_put(store, record, &result);
}

static void give(struct store *store, struct record *record)
{
	put(store, record);
	record_unref(record);
}

static struct sync *new_sync(struct store *store, bool initiator)
{
	struct sync *sync;

	assert_int_equal(sync_new(store, &rng, initiator, &sync), 0);
	return sync;
}

/* Moves one message, if there is any. */
static bool step(struct sync *from, struct sync *to)
{
	struct pack message;
	bool moved;

	pack_init_growing(&message, SYNC_MESSAGE_MAX);
	assert_int_equal(sync_next(from, &message), 0);
	moved = message.size > 0;
	if (moved)
		assert_int_equal(sync_receive(to, message.data, message.size), 0);
	pack_done(&message);
	return moved;
}

struct outcome {
	struct sync_counts of_a, of_b;
	size_t messages;
};

static struct outcome exchange(struct store *a, struct store *b)
{
	struct sync *of_a = new_sync(a, true), *of_b = new_sync(b, false);
	struct outcome outcome = {.messages = 0};
	bool moved;

	do {
		moved = step(of_a, of_b);
		outcome.messages += moved;
		if (step(of_b, of_a)) {
			moved = true;
			outcome.messages++;
		}
	} while (moved);
	assert_true(sync_is_done(of_a) && sync_is_done(of_b));
	outcome.of_a = sync_counts(of_a);
	outcome.of_b = sync_counts(of_b);
	sync_free(of_a);
	sync_free(of_b);
	return outcome;
}

static bool are_equal(struct store *a, struct store *b)
{
	uint8_t of_a[DIGEST_SIZE], of_b[DIGEST_SIZE];

	store_digest(a, of_a);
	store_digest(b, of_b);
	return memcmp(of_a, of_b, DIGEST_SIZE) == 0 && store_count(a) == store_count(b);
}

/* The founder and members with a few records each. */
static void add_mesh(struct records_set *set, unsigned members)
{
	records_add(set, records_charter(records_at(0)));
	records_add(set, records_grant(ADMIN, records_at(1)));
	records_add(set, records_member(RECORDS_ROOT, ADMIN, INVITES, ADMIN, records_at(2)));
	for (unsigned node = MEMBER; node < MEMBER + members; node++) {
		records_add(set,
			records_member(ADMIN, node, INVITES + node, ADMIN, records_at(10 + node)));
		records_add(set, records_descriptor(node, records_at(20 + node), NULL));
		for (unsigned i = 0; i < 6; i++)
			records_add(set, records_value(node, (char[]){(char)('a' + i % 4), 0}, "v",
						 records_at(30 + i)));
	}
}

static struct store *mesh_store(unsigned members)
{
	struct records_set set = {.count = 0};
	struct store *store = new_store();

	add_mesh(&set, members);
	for (size_t i = 0; i < set.count; i++)
		put(store, set.records[i]);
	records_set_done(&set);
	return store;
}

static void any_two_stores_end_equal(void **state)
{
	(void)state;
	struct records_set set = {.count = 0};

	add_mesh(&set, MEMBERS_MAX);
	for (int round = 0; round < 40; round++) {
		struct store *a = new_store(), *b = new_store();
		unsigned exchanges = 0;

		for (size_t i = 0; i < set.count; i++) {
			unsigned who = (unsigned)rng_below(&rng, 4);

			if (who & 1)
				put(a, set.records[i]);
			if (who & 2)
				put(b, set.records[i]);
		}
		/* what waited for its chain in one store enters it in the first exchange, and is
		 * sent in the next */
		do
			exchange(a, b);
		while (!are_equal(a, b) && ++exchanges < 3);
		assert_true(are_equal(a, b));
		store_free(a);
		store_free(b);
	}
	records_set_done(&set);
}

static void an_empty_store_gets_everything_from_either_side(void **state)
{
	(void)state;
	for (int side = 0; side < 2; side++) {
		struct store *full = mesh_store(4), *empty = new_store();
		struct outcome outcome = side ? exchange(full, empty) : exchange(empty, full);
		struct sync_counts of_full = side ? outcome.of_a : outcome.of_b;
		struct sync_counts of_empty = side ? outcome.of_b : outcome.of_a;

		assert_true(are_equal(full, empty));
		assert_int_equal(of_full.sent, store_count(full));
		assert_int_equal(of_empty.received, store_count(full));
		assert_int_equal(of_empty.refused, 0);
		assert_int_equal(of_empty.sent, 0);
		assert_int_equal(outcome.messages, 4 + side);
		store_free(full);
		store_free(empty);
	}
}

static void equal_stores_send_no_records(void **state)
{
	(void)state;
	struct store *a = mesh_store(3), *b = mesh_store(3), *c = new_store(), *d = new_store();
	struct outcome outcome = exchange(a, b);

	assert_int_equal(outcome.of_a.sent + outcome.of_b.sent, 0);
	assert_int_equal(outcome.messages, 4);
	outcome = exchange(c, d);
	assert_int_equal(outcome.messages, 4);
	store_free(a);
	store_free(b);
	store_free(c);
	store_free(d);
}

static void thousands_of_records_go_in_many_messages(void **state)
{
	(void)state;
	struct store *a = mesh_store(2), *b = mesh_store(2);

	for (unsigned i = 0; i < 5000; i++)
		give(i % 2 ? a : b, records_make(MEMBER + i / 2500, RECORDS_OTHER,
					    records_at(100 + i), &i, sizeof(i), "v", 1));
	size_t common = store_count(a) - 2500;
	struct outcome outcome = exchange(a, b);

	assert_true(are_equal(a, b));
	assert_int_equal(store_count(a), common + 5000);
	assert_int_equal(outcome.of_a.sent, 2500);
	assert_int_equal(outcome.of_b.sent, 2500);
	assert_in_range(outcome.messages, 40, 70);
	store_free(a);
	store_free(b);
}

static void the_largest_records_go_one_by_one(void **state)
{
	(void)state;
	struct store *a = mesh_store(1), *b = mesh_store(1);
	char *value = malloc(RECORD_VALUE_MAX), key[RECORD_KEY_MAX];

	assert_non_null(value);
	memset(value, 'v', RECORD_VALUE_MAX);
	memset(key, 'k', sizeof(key));
	for (unsigned i = 0; i < 10; i++) {
		key[0] = (char)i;
		give(a, records_make(MEMBER, RECORDS_OTHER, records_at(100 + i), key, sizeof(key),
				value, RECORD_VALUE_MAX));
	}
	free(value);
	struct outcome outcome = exchange(a, b);

	assert_true(are_equal(a, b));
	assert_int_equal(outcome.of_a.sent, 10);
	assert_in_range(outcome.messages, 13, 16);
	store_free(a);
	store_free(b);
}

/* Where a smaller successor makes room again, a store that has dropped what now fits gets it back
 * from one that has not. */
static void what_fits_a_quota_again_comes_back(void **state)
{
	(void)state;
	struct store *a = mesh_store(1), *b = mesh_store(1);
	char *value = calloc(1, 60000);

	assert_non_null(value);
	struct record *old = records_value(MEMBER, "old", "v", records_at(50));

	put(a, old);
	put(b, old);
	for (unsigned i = 0; i < 18; i++)
		give(a, records_make(MEMBER, RECORDS_OTHER, records_at(100 + i), &i, sizeof(i),
				value, 60000));
	assert_null(store_find(a, &old->hash));
	for (unsigned i = 0; i < 18; i++) {
		give(a, records_make(
				MEMBER, RECORDS_OTHER, records_at(200 + i), &i, sizeof(i), "v", 1));
		give(b, records_make(
				MEMBER, RECORDS_OTHER, records_at(200 + i), &i, sizeof(i), "v", 1));
	}
	exchange(a, b);
	assert_true(are_equal(a, b));
	assert_non_null(store_find(a, &old->hash));
	record_unref(old);
	free(value);
	store_free(a);
	store_free(b);
}

/* The newest go first: one exchange is enough, and nothing that was added goes again. */
static void a_quota_is_filled_once(void **state)
{
	(void)state;
	struct store *a = mesh_store(1), *b = mesh_store(1);
	char *value = calloc(1, 60000);

	assert_non_null(value);
	for (unsigned i = 0; i < 40; i++)
		give(i % 2 ? a : b, records_make(MEMBER, RECORDS_OTHER, records_at(100 + i), &i,
					    sizeof(i), value, 60000));
	exchange(a, b);
	assert_true(are_equal(a, b));
	struct outcome again = exchange(a, b);

	assert_int_equal(again.of_a.sent + again.of_b.sent, 0);
	free(value);
	store_free(a);
	store_free(b);
}

static void what_the_peer_refuses_is_counted_and_harms_nothing(void **state)
{
	(void)state;
	struct store *a = mesh_store(2), *b = mesh_store(2);
	struct id banned = records_id(MEMBER);

	store_ban(b, &banned);
	struct outcome outcome = exchange(a, b);

	assert_int_equal(outcome.of_a.sent, 5);
	assert_int_equal(outcome.of_b.refused, 5);
	assert_false(are_equal(a, b));
	store_ban(a, &banned);
	assert_true(are_equal(a, b));
	store_free(a);
	store_free(b);
}

static void a_store_may_change_in_mid_exchange(void **state)
{
	(void)state;
	struct store *a = mesh_store(3), *b = mesh_store(1);
	struct sync *of_a = new_sync(a, true), *of_b = new_sync(b, false);
	struct id gone = records_id(MEMBER + 1);
	unsigned i = 0;
	bool moved;

	do {
		moved = step(of_a, of_b);
		give(a, records_value(MEMBER, "new", "v", records_at(500 + i)));
		give(b, records_value(MEMBER, "also", "v", records_at(600 + i++)));
		store_ban(a, &gone);
		moved = step(of_b, of_a) || moved;
	} while (moved);
	assert_true(sync_is_done(of_a) && sync_is_done(of_b));
	sync_free(of_a);
	sync_free(of_b);
	store_ban(b, &gone);
	exchange(a, b);
	assert_true(are_equal(a, b));
	store_free(a);
	store_free(b);
}

/* Cut off after some messages of records: the next sync brings the rest. */
static void a_sync_that_broke_off_is_resumed(void **state)
{
	(void)state;
	struct store *a = mesh_store(2), *b = mesh_store(2);
	char value[200] = {0};

	for (unsigned i = 0; i < 3000; i++)
		give(a, records_make(MEMBER + i / 1500, RECORDS_OTHER, records_at(100 + i), &i,
				sizeof(i), value, sizeof(value)));
	struct sync *of_a = new_sync(a, true), *of_b = new_sync(b, false);
	size_t before = store_count(b);

	while (store_count(b) < before + 1000) {
		bool moved = step(of_a, of_b);

		assert_true(step(of_b, of_a) || moved);
	}
	sync_free(of_a);
	sync_free(of_b);
	size_t lacking = store_count(a) - store_count(b);

	assert_in_range(lacking, 1, 2000);
	struct outcome outcome = exchange(a, b);

	assert_true(are_equal(a, b));
	assert_int_equal(outcome.of_a.sent, lacking);
	store_free(a);
	store_free(b);
}

/* ---- hostile peers ---- */

/* The whole of the order: not one of so many ids, which nobody has, is known. */
static size_t put_list(uint8_t *message, uint16_t count)
{
	memset(message, 7, RECONCILE_KEY_SIZE);
	message += RECONCILE_KEY_SIZE;
	memcpy(message, (const uint8_t[]){0x80, 1, 3, (uint8_t)(count >> 8), (uint8_t)count}, 5);
	for (unsigned i = 0; i < count; i++) {
		memset(message + 5 + 5 * i, 0, 5);
		message[5 + 5 * i] = (uint8_t)(i >> 8);
		message[5 + 5 * i + 1] = (uint8_t)i;
	}
	return RECONCILE_KEY_SIZE + 5 + 5 * (size_t)count;
}

static int receive_ranges(struct sync *sync, bool last, const void *ranges, size_t size)
{
	struct pack message;
	int err;

	pack_init_growing(&message, SYNC_MESSAGE_MAX);
	pack_put_array(&message, 3);
	pack_put_uint(&message, RANGES);
	pack_put_bool(&message, last);
	pack_put_bin(&message, ranges, size);
	assert_int_equal(pack_status(&message), 0);
	err = sync_receive(sync, message.data, message.size);
	pack_done(&message);
	return err;
}

static int receive_records(
	struct sync *sync, bool last, const void *record, size_t size, uint32_t times)
{
	struct pack message;
	int err;

	pack_init_growing(&message, SYNC_MESSAGE_MAX);
	pack_put_array(&message, 3);
	pack_put_uint(&message, RECORDS);
	pack_put_bool(&message, last);
	pack_put_array(&message, times);
	for (uint32_t i = 0; i < times; i++)
		pack_put_bin(&message, record, size);
	assert_int_equal(pack_status(&message), 0);
	err = sync_receive(sync, message.data, message.size);
	pack_done(&message);
	return err;
}

static void a_turn_without_end_is_refused(void **state)
{
	(void)state;
	struct store *store = mesh_store(1);
	struct sync *sync = new_sync(store, false);
	uint8_t *ranges = malloc(RECONCILE_MOST);
	size_t size, total = 0;
	int err;

	assert_non_null(ranges);
	size = put_list(ranges, 12000);
	do {
		err = receive_ranges(sync, false, ranges, size);
		total += size;
	} while (!err && total < 2 * SYNC_TURN_MAX);
	assert_int_equal(err, ERR_LIMIT);
	assert_in_range(total, SYNC_TURN_MAX, SYNC_TURN_MAX + size);
	free(ranges);
	sync_free(sync);
	store_free(store);
}

/* Neither of them gets anywhere, and one could be asked for as much again and again. */
static void turns_without_end_are_refused(void **state)
{
	(void)state;
	struct store *store = mesh_store(8);
	uint8_t ranges[64];
	size_t size = put_list(ranges, 0), turns = 0, asked = 0;
	struct sync *sync = new_sync(store, false);
	struct pack out;
	int err;

	do {
		size = put_list(ranges, 1);
		err = receive_ranges(sync, true, ranges, size);
		pack_init_growing(&out, SYNC_MESSAGE_MAX);
		if (!err)
			err = sync_next(sync, &out);
		pack_done(&out);
		turns += 2;
	} while (!err && turns <= 2 * SYNC_TURNS_MAX);
	assert_int_equal(err, ERR_LIMIT);
	assert_in_range(turns, SYNC_TURNS_MAX, SYNC_TURNS_MAX + 2);
	sync_free(sync);
	sync = new_sync(store, false);
	size = put_list(ranges, 0);
	while ((err = receive_ranges(sync, false, ranges, size)) == 0)
		asked += store_count(store);
	assert_int_equal(err, ERR_LIMIT);
	assert_in_range(asked, SYNC_COST_LEAST, SYNC_COST_LEAST + SYNC_COST_TIMES * 100);
	sync_free(sync);
	store_free(store);
}

static void records_without_end_are_refused(void **state)
{
	(void)state;
	struct store *store = mesh_store(1);
	struct sync *sync = new_sync(store, false);
	size_t count = store_count(store);
	int err = receive_ranges(sync, true, NULL, 0);

	for (unsigned i = 0; !err && i < 2 * SYNC_RECORDS_MAX / 20000; i++)
		err = receive_records(sync, false, "x", 1, 20000);
	assert_int_equal(err, ERR_LIMIT);
	assert_int_equal(sync_counts(sync).refused, SYNC_RECORDS_MAX);
	assert_int_equal(store_count(store), count);
	sync_free(sync);
	store_free(store);
}

static void messages_out_of_order_are_refused(void **state)
{
	(void)state;
	struct store *store = mesh_store(1);
	struct sync *sync = new_sync(store, false);

	assert_int_equal(receive_records(sync, true, NULL, 0, 0), ERR_STATE);
	assert_int_equal(receive_ranges(sync, true, NULL, 0), 0);
	/* that was nothing: it is the records' turn */
	assert_int_equal(receive_ranges(sync, true, NULL, 0), ERR_STATE);
	assert_int_equal(receive_records(sync, true, NULL, 0, 0), 0);
	assert_int_equal(receive_records(sync, true, NULL, 0, 0), ERR_STATE);
	sync_free(sync);
	/* an initiator that has not spoken yet has not been answered */
	sync = new_sync(store, true);
	assert_int_equal(receive_ranges(sync, true, NULL, 0), ERR_STATE);
	sync_free(sync);
	store_free(store);
}

static void senseless_messages_are_refused(void **state)
{
	(void)state;
	struct store *store = mesh_store(1);
	struct sync *sync = new_sync(store, false);
	static const uint8_t others[][6] = {
		{0x93, 0, 0xc3, 0xc4, 0, 0},	/* kind 0 */
		{0x93, 3, 0xc3, 0xc4, 0, 0},	/* kind 3 */
		{0x92, 1, 0xc3, 0xc4, 0, 0},	/* two fields */
		{0x94, 1, 0xc3, 0xc4, 0, 0xc0}, /* four */
		{0x93, 1, 0x01, 0xc4, 0, 0},	/* a number for a flag */
		{0x93, 1, 0xc3, 0xc4, 0, 0xc0}, /* more at the end */
	};
	uint8_t zeros[64] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		size_t size = i == 3 || i == 5 ? 6 : 5;

		assert_int_equal(sync_receive(sync, others[i], size), ERR_MALFORMED);
	}
	assert_int_equal(receive_ranges(sync, false, NULL, 0), ERR_MALFORMED);
	assert_int_equal(receive_ranges(sync, true, zeros, sizeof(zeros)), ERR_MALFORMED);
	assert_int_equal(receive_ranges(sync, true, NULL, 0), 0);
	assert_int_equal(receive_records(sync, false, NULL, 0, 0), ERR_MALFORMED);
	assert_int_equal(receive_records(sync, false, "", 0, 1), ERR_MALFORMED);
	static const uint8_t large[SYNC_MESSAGE_MAX + 1];
	assert_int_equal(sync_receive(sync, large, sizeof(large)), ERR_TOO_BIG);
	sync_free(sync);
	store_free(store);
}

/* One that is cut off changes nothing, not even by the records before the cut. */
static void every_truncated_message_is_refused_whole(void **state)
{
	(void)state;
	struct store *full = mesh_store(1), *empty = new_store();
	struct sync *of_full = new_sync(full, false), *of_empty = new_sync(empty, true);
	struct pack message;

	assert_true(step(of_empty, of_full));
	assert_true(step(of_full, of_empty)); /* nothing to say but records */
	pack_init_growing(&message, SYNC_MESSAGE_MAX);
	assert_int_equal(sync_next(of_full, &message), 0);
	for (size_t size = 0; size < message.size; size++)
		assert_int_equal(sync_receive(of_empty, message.data, size), ERR_MALFORMED);
	assert_int_equal(store_count(empty), 0);
	assert_int_equal(sync_receive(of_empty, message.data, message.size), 0);
	assert_true(are_equal(full, empty));
	pack_done(&message);
	sync_free(of_full);
	sync_free(of_empty);
	store_free(full);
	store_free(empty);
}

static void records_that_were_not_asked_for_are_fine(void **state)
{
	(void)state;
	struct store *store = mesh_store(1);
	struct sync *sync = new_sync(store, false);
	struct record *value = records_value(MEMBER, "pushed", "v", records_at(700));
	uint8_t forged[512];

	memcpy(forged, value->bytes, value->size);
	forged[value->size - 1] ^= 1;
	assert_int_equal(receive_ranges(sync, true, NULL, 0), 0);
	assert_int_equal(receive_records(sync, false, forged, value->size, 1), 0);
	assert_null(store_find(store, &value->hash));
	assert_int_equal(receive_records(sync, true, value->bytes, value->size, 2), 0);
	assert_non_null(store_find(store, &value->hash));
	assert_int_equal(sync_counts(sync).received, 3);
	assert_int_equal(sync_counts(sync).refused, 1);
	record_unref(value);
	sync_free(sync);
	store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_two_stores_end_equal),
		cmocka_unit_test(an_empty_store_gets_everything_from_either_side),
		cmocka_unit_test(equal_stores_send_no_records),
		cmocka_unit_test(thousands_of_records_go_in_many_messages),
		cmocka_unit_test(the_largest_records_go_one_by_one),
		cmocka_unit_test(what_fits_a_quota_again_comes_back),
		cmocka_unit_test(a_quota_is_filled_once),
		cmocka_unit_test(what_the_peer_refuses_is_counted_and_harms_nothing),
		cmocka_unit_test(a_store_may_change_in_mid_exchange),
		cmocka_unit_test(a_sync_that_broke_off_is_resumed),
		cmocka_unit_test(a_turn_without_end_is_refused),
		cmocka_unit_test(turns_without_end_are_refused),
		cmocka_unit_test(records_without_end_are_refused),
		cmocka_unit_test(messages_out_of_order_are_refused),
		cmocka_unit_test(senseless_messages_are_refused),
		cmocka_unit_test(every_truncated_message_is_refused_whole),
		cmocka_unit_test(records_that_were_not_asked_for_are_fine),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
