/* How news travels: bounded, fair, the newest first, and not for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/rng.h"
#include "gossip/swim/spread.h"

#define OVERHEAD 3 /* bytes an item takes beside its own */

struct queue {
	struct rng rng;
	struct spread *spread;
	mtime_t now;
};

static void setup(struct queue *queue)
{
	static const uint8_t seed[32] = {7};

	rng_init(&queue->rng, seed);
	queue->now = (mtime_t){5000000};
	assert_int_equal(spread_new(&queue->rng, &queue->spread), 0);
}

static void teardown(struct queue *queue)
{
	spread_free(queue->spread);
	rng_done(&queue->rng);
}

static struct hash topic(uint64_t number)
{
	struct hash hash = {{0}};

	memcpy(hash.b, &number, sizeof(number));
	return hash;
}

/* An item of 100 bytes whose first eight are its topic's number, then its version. */
static void put(struct queue *queue, uint64_t number, uint64_t version)
{
	struct hash about = topic(number);
	uint8_t bytes[100] = {0};

	memcpy(bytes, &number, sizeof(number));
	memcpy(bytes + 8, &version, sizeof(version));
	assert_int_equal(spread_put(queue->spread, SPREAD_STATEMENT, &about, 1, version, bytes,
				 sizeof(bytes)),
		0);
}

#define ITEM_SIZE (100 + OVERHEAD)

struct packet {
	size_t count;
	uint64_t topic[64], version[64];
	const uint8_t *bytes[64];
	size_t size[64];
};

static void take(void *context, enum spread_kind kind, const uint8_t *bytes, size_t size)
{
	struct packet *packet = context;
	size_t i = packet->count++;

	assert_true(kind == SPREAD_STATEMENT || kind == SPREAD_RECORD);
	memcpy(&packet->topic[i], bytes, 8);
	memcpy(&packet->version[i], bytes + 8, 8);
	packet->bytes[i] = bytes;
	packet->size[i] = size;
}

static struct packet pick(struct queue *queue, size_t budget)
{
	struct packet packet = {.count = 0};
	size_t count = spread_pick(queue->spread, budget, take, &packet);

	assert_int_equal(count, packet.count);
	return packet;
}

static struct packet push(struct queue *queue, size_t budget)
{
	struct packet packet = {.count = 0};
	size_t count = spread_push(queue->spread, queue->now, budget, take, &packet);

	assert_int_equal(count, packet.count);
	return packet;
}

/* As it comes back from another node. */
static bool hear_from(struct queue *queue, uint8_t node, uint64_t number, uint64_t version)
{
	const struct id from = {{node}};
	uint8_t bytes[100] = {0};

	memcpy(bytes, &number, sizeof(number));
	memcpy(bytes + 8, &version, sizeof(version));
	return spread_heard(queue->spread, &from, bytes, sizeof(bytes));
}

static bool hear(struct queue *queue, uint64_t number, uint64_t version)
{
	return hear_from(queue, 1, number, version);
}

static void the_newest_goes_first_and_the_least_sent_before_it(void **state)
{
	(void)state;
	struct queue queue;

	setup(&queue);
	for (uint64_t i = 1; i <= 4; i++)
		put(&queue, i, 1);
	struct packet packet = pick(&queue, 2 * ITEM_SIZE);
	assert_int_equal(packet.count, 2);
	assert_true(packet.topic[0] == 4 && packet.topic[1] == 3);
	packet = pick(&queue, 3 * ITEM_SIZE);
	assert_int_equal(packet.count, 3);
	assert_true(packet.topic[0] == 2 && packet.topic[1] == 1 && packet.topic[2] == 4);
	put(&queue, 5, 1);
	packet = pick(&queue, 2 * ITEM_SIZE);
	assert_true(packet.topic[0] == 5 && packet.topic[1] == 3);
	teardown(&queue);
}

static void a_later_version_replaces_and_an_older_one_is_dropped(void **state)
{
	(void)state;
	struct queue queue;

	setup(&queue);
	put(&queue, 1, 5);
	put(&queue, 1, 5);
	put(&queue, 1, 4);
	assert_int_equal(spread_count(queue.spread), 1);
	struct packet packet = pick(&queue, 1000);
	assert_int_equal(packet.count, 1);
	assert_true(packet.version[0] == 5);
	put(&queue, 1, 6);
	assert_true(spread_has_fresh(queue.spread));
	assert_int_equal(spread_count(queue.spread), 1);
	packet = push(&queue, 1000);
	assert_int_equal(packet.count, 1);
	assert_true(packet.version[0] == 6);

	/* the high half of the version counts before the low one */
	struct hash about = topic(1);
	uint8_t bytes[100] = {1};
	assert_int_equal(
		spread_put(queue.spread, SPREAD_RECORD, &about, 0, UINT64_MAX, bytes, 100), 0);
	assert_true(pick(&queue, 1000).version[0] == 6);
	assert_int_equal(spread_put(queue.spread, SPREAD_RECORD, &about, 2, 0, bytes, 100), 0);
	assert_true(pick(&queue, 1000).version[0] == 0);
	teardown(&queue);
}

static void news_ends_when_its_budget_is_spent(void **state)
{
	(void)state;
	static const struct {
		size_t members;
		unsigned packets;
	} budgets[] = {{0, 4}, {1, 4}, {9, 4}, {10, 8}, {99, 8}, {100, 12}, {65536, 20}};

	for (size_t i = 0; i < ARRAY_SIZE(budgets); i++) {
		struct queue queue;

		setup(&queue);
		spread_set_members(queue.spread, budgets[i].members);
		put(&queue, 1, 1);
		for (unsigned sent = 0; sent < budgets[i].packets; sent++)
			assert_int_equal(pick(&queue, 1000).count, 1);
		assert_int_equal(pick(&queue, 1000).count, 0);
		assert_int_equal(push(&queue, 1000).count, 0);
		assert_int_equal(spread_count(queue.spread), 0);
		assert_false(spread_has_fresh(queue.spread));
		teardown(&queue);
	}
}

static void fewer_members_end_what_was_sent_enough_for_them(void **state)
{
	(void)state;
	struct queue queue;

	setup(&queue);
	spread_set_members(queue.spread, 5000);
	put(&queue, 1, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(pick(&queue, 1000).count, 1);
	put(&queue, 2, 1);
	spread_set_members(queue.spread, 5);
	assert_int_equal(spread_count(queue.spread), 1);
	assert_true(pick(&queue, 1000).topic[0] == 2);
	teardown(&queue);
}

static void what_found_no_room_in_a_push_is_in_the_next(void **state)
{
	(void)state;
	struct queue queue;
	bool seen[40] = {false};
	size_t total = 0;

	setup(&queue);
	spread_set_members(queue.spread, 1000);
	for (uint8_t topic = 0; topic < 40; topic++)
		put(&queue, topic, 1);
	while (spread_has_fresh(queue.spread)) {
		struct packet packet = push(&queue, 1000);

		assert_true(packet.count > 0);
		for (size_t i = 0; i < packet.count; i++) {
			assert_false(seen[packet.topic[i]]);
			seen[packet.topic[i]] = true;
			total++;
		}
	}
	assert_int_equal(total, 40);
	/* with nobody to push to, nothing stays fresh for ever */
	put(&queue, 41, 1);
	spread_settle(queue.spread);
	assert_false(spread_has_fresh(queue.spread));
	assert_true(pick(&queue, 1000).topic[0] == 41);
	teardown(&queue);
}

static void a_push_carries_only_what_is_fresh(void **state)
{
	(void)state;
	struct queue queue;

	setup(&queue);
	spread_set_members(queue.spread, 1000);
	assert_false(spread_has_fresh(queue.spread));
	put(&queue, 1, 1);
	assert_int_equal(push(&queue, 1000).count, 1);
	assert_false(spread_has_fresh(queue.spread));
	assert_int_equal(push(&queue, 1000).count, 0);
	put(&queue, 2, 1);
	assert_true(spread_has_fresh(queue.spread));
	/* what a packet carried by the way is fresh still */
	assert_int_equal(pick(&queue, 1000).count, 2);
	struct packet packet = push(&queue, 1000);
	assert_int_equal(packet.count, 1);
	assert_true(packet.topic[0] == 2);
	put(&queue, 2, 2);
	struct hash about = topic(2);
	spread_drop(queue.spread, &about);
	spread_drop(queue.spread, &about);
	assert_false(spread_has_fresh(queue.spread));
	assert_int_equal(spread_count(queue.spread), 1);
	teardown(&queue);
}

static void a_copy_is_known_by_its_bytes(void **state)
{
	(void)state;
	struct queue queue;

	setup(&queue);
	assert_false(hear(&queue, 1, 1));
	put(&queue, 1, 1);
	assert_true(hear(&queue, 1, 1));
	assert_false(hear(&queue, 1, 2));
	put(&queue, 1, 2);
	assert_false(hear(&queue, 1, 1));
	assert_true(hear(&queue, 1, 2));
	struct hash about = topic(1);
	spread_drop(queue.spread, &about);
	assert_false(hear(&queue, 1, 2));
	teardown(&queue);
}

/* Pushed at once, then reviewed. */
static void push_and_review(struct queue *queue, unsigned copies)
{
	for (uint64_t i = 0; i <= copies; i++)
		put(queue, i, 1);
	/* so many copies of each as its number */
	assert_int_equal(push(queue, 1000).count, copies + 1);
	for (uint64_t i = 0; i <= copies; i++) {
		for (uint8_t copy = 0; copy < i; copy++)
			assert_true(hear_from(queue, copy, i, 1));
	}
	mtime_t due = spread_deadline(queue->spread);
	assert_int_equal(mtime_diff_ms(due, queue->now), SPREAD_REVIEW_MS);
	queue->now = mtime_add_ms(due, -1);
	spread_review(queue->spread, queue->now);
	assert_false(spread_has_fresh(queue->spread));
	queue->now = due;
	spread_review(queue->spread, queue->now);
	assert_false(mtime_before(spread_deadline(queue->spread), MTIME_NEVER));
}

static void what_is_heard_too_seldom_is_pushed_once_more(void **state)
{
	(void)state;
	static const struct {
		size_t members;
		unsigned copies;
	} meshes[] = {{1, 1}, {2, 1}, {3, 2}, {4, 3}, {5, 4}, {100, SPREAD_COPIES}};

	for (size_t i = 0; i < ARRAY_SIZE(meshes); i++) {
		unsigned copies = meshes[i].copies;
		struct queue queue;

		setup(&queue);
		spread_set_members(queue.spread, meshes[i].members);
		assert_false(mtime_before(spread_deadline(queue.spread), MTIME_NEVER));
		push_and_review(&queue, copies);
		struct packet packet = push(&queue, 1000);
		assert_int_equal(packet.count, copies);
		for (size_t k = 0; k < packet.count; k++)
			assert_true(packet.topic[k] < copies);
		/* and not for ever */
		assert_false(mtime_before(spread_deadline(queue.spread), MTIME_NEVER));
		teardown(&queue);
	}
}

static void news_of_others_was_heard_once(void **state)
{
	(void)state;
	struct queue queue;

	setup(&queue);
	spread_set_members(queue.spread, 1);
	assert_false(hear(&queue, 1, 1));
	put(&queue, 1, 1);
	assert_int_equal(push(&queue, 1000).count, 1);
	spread_review(queue.spread, mtime_add_ms(queue.now, SPREAD_REVIEW_MS));
	assert_false(spread_has_fresh(queue.spread));
	teardown(&queue);
}

static void what_has_got_around_rides_less(void **state)
{
	(void)state;
	unsigned rides[SPREAD_COPIES + 1] = {0};
	struct queue queue;

	setup(&queue);
	spread_set_members(queue.spread, 100);
	push_and_review(&queue, SPREAD_COPIES);
	for (int i = 0; i < 100; i++) {
		struct packet packet = pick(&queue, 1000);

		for (size_t k = 0; k < packet.count; k++)
			rides[packet.topic[k]]++;
	}
	for (size_t i = 0; i < SPREAD_COPIES; i++)
		assert_int_equal(rides[i], 3 * SPREAD_RETRANSMIT);
	assert_int_equal(rides[SPREAD_COPIES], 3);
	teardown(&queue);
}

static void one_member_cannot_say_that_all_have_heard(void **state)
{
	(void)state;
	struct queue queue;

	setup(&queue);
	spread_set_members(queue.spread, 100);
	assert_false(hear_from(&queue, 1, 1, 1));
	put(&queue, 1, 1);
	/* nor that it need not be pushed to others */
	for (int i = 0; i < 100; i++)
		spread_known(queue.spread);
	assert_int_equal(push(&queue, 1000).count, 1);
	for (int i = 0; i < 100; i++)
		assert_true(hear_from(&queue, 1, 1, 1));
	spread_review(queue.spread, mtime_add_ms(queue.now, SPREAD_REVIEW_MS));
	assert_int_equal(push(&queue, 1000).count, 1);
	teardown(&queue);
}

static void a_record_that_has_got_around_is_done(void **state)
{
	(void)state;
	struct hash about = topic(1);
	const uint8_t bytes[100] = {1};
	struct queue queue;

	setup(&queue);
	spread_set_members(queue.spread, 100);
	assert_int_equal(spread_put(queue.spread, SPREAD_RECORD, &about, 1, 1, bytes, 100), 0);
	assert_int_equal(push(&queue, 1000).count, 1);
	for (uint8_t i = 0; i < SPREAD_COPIES; i++)
		assert_true(spread_heard(queue.spread, &(struct id){{i}}, bytes, sizeof(bytes)));
	spread_review(queue.spread, mtime_add_ms(queue.now, SPREAD_REVIEW_MS));
	assert_int_equal(spread_count(queue.spread), 0);
	teardown(&queue);
}

static void what_a_member_has_costs_it_no_packet(void **state)
{
	(void)state;
	struct queue queue;
	struct packet packet = {.count = 0};
	unsigned told = 0;

	setup(&queue);
	spread_set_members(queue.spread, 9);
	for (uint64_t i = 1; i <= 2; i++) {
		const uint64_t record[12] = {i, 1};
		struct hash about = topic(i);

		assert_int_equal(spread_put(queue.spread, SPREAD_RECORD, &about, 1, 0, record,
					 sizeof(record)),
			0);
	}
	put(&queue, 9, 1);
	assert_int_equal(spread_pick_statements(queue.spread, 1000, take, &packet), 1);
	assert_true(packet.topic[0] == 9);
	spread_settle(queue.spread);
	/* as many members that have it count as much as as many packets */
	for (; spread_count(queue.spread) > 1; told++)
		spread_known(queue.spread);
	assert_int_equal(told, SPREAD_RETRANSMIT);
	packet = pick(&queue, 1000);
	assert_true(packet.count == 1 && packet.topic[0] == 9);
	teardown(&queue);
}

static void a_full_queue_gives_up_what_was_sent_most(void **state)
{
	(void)state;
	struct queue queue;

	setup(&queue);
	for (uint64_t i = 1; i <= SPREAD_ITEMS_MAX; i++) {
		put(&queue, i, 1);
		if (i == 10)
			assert_int_equal(pick(&queue, 2 * ITEM_SIZE).count, 2);
	}
	assert_int_equal(spread_count(queue.spread), SPREAD_ITEMS_MAX);
	/* 10 and 9 have been sent; then the oldest of the rest go */
	for (uint64_t i = 1; i <= 5; i++)
		put(&queue, SPREAD_ITEMS_MAX + i, 1);
	assert_int_equal(spread_count(queue.spread), SPREAD_ITEMS_MAX);
	for (uint64_t i = 1; i <= 12; i++) {
		bool gone = i <= 3 || i == 9 || i == 10;
		struct hash about = topic(i);
		size_t before = spread_count(queue.spread);

		spread_drop(queue.spread, &about);
		assert_int_equal(before - spread_count(queue.spread), !gone);
	}
	teardown(&queue);
}

static void no_item_starves(void **state)
{
	(void)state;
	static unsigned sent[200];
	struct queue queue;

	setup(&queue);
	memset(sent, 0, sizeof(sent));
	spread_set_members(queue.spread, 50);
	for (uint64_t i = 0; i < ARRAY_SIZE(sent); i++)
		put(&queue, i, 1);
	for (int round = 0; round < 60; round++) {
		struct packet packet = pick(&queue, 10 * ITEM_SIZE);

		for (size_t i = 0; i < packet.count; i++)
			sent[packet.topic[i]]++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sent); i++)
		assert_int_equal(sent[i], 3);
	teardown(&queue);
}

static void a_big_item_gets_its_packet(void **state)
{
	(void)state;
	struct queue queue;
	static uint8_t big[SPREAD_ITEM_MAX + 1];
	struct hash about = topic(1000);
	bool was_sent = false;

	setup(&queue);
	assert_int_equal(spread_put(queue.spread, SPREAD_RECORD, &about, 1, 1, big, sizeof(big)),
		ERR_TOO_BIG);
	assert_int_equal(
		spread_put(queue.spread, SPREAD_RECORD, &about, 1, 1, big, SPREAD_ITEM_MAX), 0);
	for (uint64_t i = 0; i < 30; i++)
		put(&queue, i, 1);
	for (int round = 0; round < 10 && !was_sent; round++) {
		struct packet packet = pick(&queue, SPREAD_ITEM_MAX + OVERHEAD);

		was_sent = packet.count == 1 && packet.size[0] == SPREAD_ITEM_MAX;
	}
	assert_true(was_sent);
	teardown(&queue);
}

static void picked_bytes_stay_good_until_the_next_pick(void **state)
{
	(void)state;
	struct queue queue;
	uint64_t number = 0;

	setup(&queue);
	put(&queue, 42, 1);
	for (int i = 0; i < SPREAD_RETRANSMIT - 1; i++)
		(void)pick(&queue, 1000);
	struct packet last = pick(&queue, 1000);
	assert_int_equal(spread_count(queue.spread), 0);
	assert_int_equal(last.count, 1);
	memcpy(&number, last.bytes[0], sizeof(number));
	assert_true(number == 42);
	teardown(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_goes_first_and_the_least_sent_before_it),
		cmocka_unit_test(a_later_version_replaces_and_an_older_one_is_dropped),
		cmocka_unit_test(news_ends_when_its_budget_is_spent),
		cmocka_unit_test(fewer_members_end_what_was_sent_enough_for_them),
		cmocka_unit_test(what_found_no_room_in_a_push_is_in_the_next),
		cmocka_unit_test(a_push_carries_only_what_is_fresh),
		cmocka_unit_test(a_copy_is_known_by_its_bytes),
		cmocka_unit_test(what_a_member_has_costs_it_no_packet),
		cmocka_unit_test(what_is_heard_too_seldom_is_pushed_once_more),
		cmocka_unit_test(news_of_others_was_heard_once),
		cmocka_unit_test(what_has_got_around_rides_less),
		cmocka_unit_test(one_member_cannot_say_that_all_have_heard),
		cmocka_unit_test(a_record_that_has_got_around_is_done),
		cmocka_unit_test(a_full_queue_gives_up_what_was_sent_most),
		cmocka_unit_test(no_item_starves),
		cmocka_unit_test(a_big_item_gets_its_packet),
		cmocka_unit_test(picked_bytes_stay_good_until_the_next_pick),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
