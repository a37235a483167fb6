/* Range-based reconciliation: it finds every difference, at a cost that follows the difference, and
 * what a hostile peer says is refused whole or costs no more than was allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gossip/base/rng.h"
#include "gossip/replica/reconcile.h"
#include "tests/support/records.h"

/* As in a datagram: its seal, its head, and those of IPv4 and UDP. */
#define MESSAGE_MAX   1100
#define PACKET_MAX    1134
#define PACKET_HEAD   (48 + 18 + 28)
#define RECORD_HEAD   3
#define QUEUE_MAX     4096
#define AUTHORS	      64
#define ROUNDS_MOST   2000 /* more than half of all messages may be lost, and a round needs four */
#define TEN_THOUSAND  10000
#define RECORD_SECOND UINT64_C(65536000)

static struct rng rng;
static const struct id mesh = {{1}};

static int start(void **state)
{
	(void)state;
	rng_init(&rng, (const uint8_t[32]){12});
	return 0;
}

/* ---- records and stores ---- */

/* Signed by nobody: what is restored is not verified. About 300 bytes, as a descriptor has. */
static struct record *make(enum record_type type, uint64_t stamp)
{
	static const uint8_t value[128];
	const struct sig nobody = {{0}};
	struct id author = {{(uint8_t)(2 + rng_below(&rng, AUTHORS))}};
	uint64_t key[4] = {rng_u64(&rng)};
	struct record_draft draft = {.type = type,
		.key = key,
		.key_size = sizeof(key),
		.stamp = stamp,
		.value = value,
		.value_size = sizeof(value)};
	struct record *record;

	if (type == RECORD_KEEP)
		draft.value_size = 0;
	assert_int_equal(record_assemble(&mesh, &author, &draft, &nobody, &record), 0);
	return record;
}

static struct store *new_store(void)
{
	struct store *store;

	assert_int_equal(store_new(&mesh, &rng, NULL, NULL, &store), 0);
	return store;
}

static void put(struct store *store, struct record *record)
{
	assert_int_equal(store_restore(store, record), 0);
}

/* One made now and then, so many, as a mesh that has lived for long has them. */
static uint64_t stamp_at(size_t i)
{
	return (i * 61 + rng_below(&rng, 60)) * RECORD_SECOND + rng_below(&rng, 4);
}

static void add_common(struct store *a, struct store *b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct record *record =
			make(rng_below(&rng, 50) ? RECORDS_OTHER : RECORD_KEEP, stamp_at(i));

		put(a, record);
		put(b, record);
		record_unref(record);
	}
}

static void add(struct store *store, uint64_t stamp)
{
	struct record *record = make(RECORDS_OTHER, stamp);

	put(store, record);
	record_unref(record);
}

static bool are_equal(struct store *a, struct store *b)
{
	uint8_t of_a[DIGEST_SIZE], of_b[DIGEST_SIZE];

	store_digest(a, of_a);
	store_digest(b, of_b);
	return memcmp(of_a, of_b, DIGEST_SIZE) == 0 && store_count(a) == store_count(b);
}

/* ---- an exchange over datagrams ---- */

/* What one says in answer to one message: messages, and records, which fill them up. */
struct packet {
	struct exchange *exchange;
	int to;
	size_t size, record_count;
	uint8_t message[MESSAGE_MAX];
	struct record *records[PACKET_MAX / 64];
	size_t room;
};

struct exchange {
	struct store *stores[2];
	struct packet *queue[QUEUE_MAX];
	size_t first, count;
	int speaking;  /* who makes messages now */
	size_t answer; /* where its answer begins in the queue */
	unsigned loss; /* of a hundred */
	size_t messages, bytes, records, record_bytes, rounds;
};

static struct packet *add_packet(struct exchange *e)
{
	struct packet *packet = calloc(1, sizeof(*packet));

	assert_non_null(packet);
	assert_in_range(e->count, 0, QUEUE_MAX - 1);
	packet->to = !e->speaking;
	packet->room = PACKET_MAX;
	e->queue[(e->first + e->count++) % QUEUE_MAX] = packet;
	return packet;
}

static int say(void *context, const void *bytes, size_t size)
{
	struct packet *packet = add_packet(context);

	assert_in_range(size, 17, MESSAGE_MAX);
	assert_int_equal(reconcile_check(bytes, size), 0);
	memcpy(packet->message, bytes, size);
	packet->size = size;
	packet->room -= size;
	return 0;
}

static int send_record(void *context, struct record *record)
{
	struct exchange *e = context;
	struct packet *packet = NULL;

	for (size_t i = e->answer; i < e->first + e->count && !packet; i++) {
		if (e->queue[i % QUEUE_MAX]->room >= record->size + RECORD_HEAD)
			packet = e->queue[i % QUEUE_MAX];
	}
	if (!packet)
		packet = add_packet(e);
	packet->room -= record->size + RECORD_HEAD;
	packet->records[packet->record_count++] = record_ref(record);
	return 0;
}

static struct reconcile_sink sink_of(struct exchange *e, int who)
{
	e->speaking = who;
	e->answer = e->first + e->count;
	return (struct reconcile_sink){
		.message_max = MESSAGE_MAX, .message = say, .lacking = send_record, .context = e};
}

static void deliver(struct exchange *e)
{
	struct packet *packet = e->queue[e->first++ % QUEUE_MAX];
	struct reconcile_sink sink;
	bool lost = rng_below(&rng, 100) < e->loss;

	e->count--;
	e->messages++;
	e->bytes += PACKET_HEAD + PACKET_MAX - packet->room;
	for (size_t i = 0; i < packet->record_count; i++) {
		struct record *record = packet->records[i];

		e->records++;
		e->record_bytes += record->size + RECORD_HEAD;
		if (!lost)
			put(e->stores[packet->to], record);
		record_unref(record);
	}
	if (packet->size && !lost) {
		sink = sink_of(e, packet->to);
		assert_int_equal(reconcile_answer(e->stores[packet->to], packet->message,
					 packet->size, &sink),
			0);
	}
	free(packet);
}

static void begin(struct exchange *e, int who)
{
	struct reconcile_sink sink = sink_of(e, who);
	uint8_t key[RECONCILE_KEY_SIZE];
	size_t before = e->count;

	rng_bytes(&rng, key, sizeof(key));
	assert_int_equal(reconcile_begin(e->stores[who], key, &sink), 0);
	assert_int_equal(e->count, before + 1);
	e->rounds++;
}

static void round_from(struct exchange *e, int who)
{
	begin(e, who);
	while (e->count)
		deliver(e);
}

static struct exchange between(struct store *a, struct store *b)
{
	return (struct exchange){.stores = {a, b}};
}

static void done(struct exchange *e)
{
	assert_int_equal(e->count, 0);
	store_free(e->stores[0]);
	store_free(e->stores[1]);
}

/* ---- what it costs ---- */

static void report(const char *what, const struct exchange *e)
{
	printf("%-40s %3zu messages %7zu bytes, %6zu besides %4zu records\n", what, e->messages,
		e->bytes, e->bytes - e->record_bytes, e->records);
}

/* Starts counting anew. */
static void forget_costs(struct exchange *e)
{
	e->messages = e->bytes = e->records = e->record_bytes = 0;
}

static void one_of_ten_thousand_costs_four_messages_and_3_kb(void **state)
{
	(void)state;
	struct exchange e = between(new_store(), new_store());

	add_common(e.stores[0], e.stores[1], TEN_THOUSAND);
	for (int side = 0; side < 2; side++) {
		for (int newest = 0; newest < 2; newest++) {
			char what[64];

			add(e.stores[side],
				stamp_at(newest ? TEN_THOUSAND + (size_t)side : TEN_THOUSAND / 3));
			forget_costs(&e);
			round_from(&e, 0);
			assert_true(are_equal(e.stores[0], e.stores[1]));
			snprintf(what, sizeof(what), "1 of 10,000, %s, at %s",
				newest ? "the newest" : "any", side ? "the other" : "one's own");
			report(what, &e);
			assert_int_equal(e.records, 1);
			assert_in_range(e.messages, 2, 4);
			assert_in_range(e.bytes, 300, 3072);
		}
	}
	done(&e);
}

struct difference {
	size_t count;
	bool newest;
	size_t most; /* bytes besides the records, but for the packets that bear nothing else */
};

/* One after the other: each makes the two stores equal again. */
static void check_costs(size_t common, const struct difference *cases, size_t count)
{
	struct exchange e = between(new_store(), new_store());

	add_common(e.stores[0], e.stores[1], common);
	for (size_t i = 0; i < count; i++) {
		size_t oldest = store_count(e.stores[0]);
		char what[64];

		for (size_t j = 0; j < cases[i].count; j++)
			add(e.stores[j % 2],
				stamp_at(cases[i].newest ? oldest + j : rng_below(&rng, common)));
		forget_costs(&e);
		round_from(&e, 0);
		assert_true(are_equal(e.stores[0], e.stores[1]));
		assert_int_equal(e.records, cases[i].count);
		snprintf(what, sizeof(what), "%zu of %zu, %s", cases[i].count, oldest,
			cases[i].newest ? "the newest" : "at random");
		report(what, &e);
		assert_in_range(
			e.bytes - e.record_bytes, 1, cases[i].most + e.records * PACKET_HEAD / 3);
	}
	done(&e);
}

static void the_cost_follows_the_difference(void **state)
{
	(void)state;
	static const struct difference of_many[] = {
		{10, false, 7 * 1024},
		{100, false, 40 * 1024},
		{1000, false, 100 * 1024},
		{10, true, 2 * 1024},
		{100, true, 4 * 1024},
		{1000, true, 16 * 1024},
	};
	static const struct difference of_few[] = {{1, false, 700}, {1, true, 700}};

	check_costs(TEN_THOUSAND, of_many, ARRAY_SIZE(of_many));
	check_costs(300, of_few, ARRAY_SIZE(of_few));
	check_costs(30, of_few, ARRAY_SIZE(of_few));
}

static void equal_stores_have_nothing_to_answer(void **state)
{
	(void)state;
	for (size_t count = 0; count <= 4096; count = 4 * count + 1) {
		struct exchange e = between(new_store(), new_store());

		add_common(e.stores[0], e.stores[1], count);
		round_from(&e, 0);
		assert_int_equal(e.messages, 1);
		done(&e);
	}
}

static double cpu_ms(const struct timespec *from)
{
	struct timespec to;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	return (double)(to.tv_sec - from->tv_sec) * 1e3 +
	       (double)(to.tv_nsec - from->tv_nsec) / 1e6;
}

static void time_is_told(void **state)
{
	(void)state;
	struct exchange e = between(new_store(), new_store());
	struct timespec from;

	add_common(e.stores[0], e.stores[1], TEN_THOUSAND);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	begin(&e, 0);
	printf("first message of 10,000: %.2f ms", cpu_ms(&from));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	deliver(&e);
	printf(", comparison %.2f ms\n", cpu_ms(&from));
	done(&e);
}

/* ---- that it works ---- */

/* Rounds from either side, until the two are equal. */
static void converge(struct exchange *e)
{
	while (!are_equal(e->stores[0], e->stores[1])) {
		assert_in_range(e->rounds, 0, ROUNDS_MOST);
		round_from(e, (int)rng_below(&rng, 2));
	}
}

static struct exchange random_sets(void)
{
	static const enum record_type types[] = {RECORDS_OTHER, RECORD_KEEP, RECORD_LEAVE + 10};
	static const uint64_t spans[] = {1, 50, 1000000};
	struct exchange e = between(new_store(), new_store());
	size_t count = rng_below(&rng, 3) ? rng_below(&rng, 400) : rng_below(&rng, 3000);
	unsigned alone = 1 + (unsigned)rng_below(&rng, 100);
	uint64_t span = spans[rng_below(&rng, ARRAY_SIZE(spans))];

	for (size_t i = 0; i < count; i++) {
		struct record *record = make(types[rng_below(&rng, ARRAY_SIZE(types))],
			rng_below(&rng, span) * RECORD_SECOND);
		unsigned where =
			rng_below(&rng, 100) < alone ? 1 + (unsigned)rng_below(&rng, 2) : 3;

		for (unsigned who = 0; who < 2; who++) {
			if (where & 1U << who)
				put(e.stores[who], record);
		}
		record_unref(record);
	}
	return e;
}

static void any_two_sets_become_their_union_in_one_round(void **state)
{
	(void)state;
	for (int i = 0; i < 60; i++) {
		struct exchange e = random_sets();

		round_from(&e, (int)rng_below(&rng, 2));
		assert_true(are_equal(e.stores[0], e.stores[1]));
		done(&e);
	}
}

static void they_do_whatever_is_lost(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		struct exchange e = random_sets();

		e.loss = (unsigned)rng_below(&rng, 60);
		converge(&e);
		done(&e);
	}
}

/* Each round finds less to do than the one before it, for nothing that was found is undone. */
static void what_broke_off_is_resumed(void **state)
{
	(void)state;
	struct exchange e = between(new_store(), new_store());
	size_t bytes = SIZE_MAX;

	add_common(e.stores[0], e.stores[1], 2000);
	for (size_t i = 0; i < 500; i++)
		add(e.stores[i % 2], stamp_at(rng_below(&rng, 2000)));
	for (int i = 0; i < 2; i++) {
		size_t records = e.records;

		begin(&e, 0);
		while (e.count && e.records < records + 200)
			deliver(&e);
		for (e.loss = 100; e.count;)
			deliver(&e);
		e.loss = 0;
	}
	assert_false(are_equal(e.stores[0], e.stores[1]));
	bytes = e.bytes;
	round_from(&e, 1);
	assert_true(are_equal(e.stores[0], e.stores[1]));
	assert_in_range(e.bytes - bytes, 0, bytes);
	done(&e);
}

static void a_store_that_is_empty_gets_all_from_either_side(void **state)
{
	(void)state;
	for (int side = 0; side < 2; side++) {
		struct exchange e = between(new_store(), new_store());
		struct store *other = new_store();

		add_common(e.stores[0], other, 1000);
		round_from(&e, side);
		assert_true(are_equal(e.stores[0], e.stores[1]));
		assert_int_equal(e.records, 1000);
		report(side ? "empty asks for 1,000" : "empty is told of 1,000", &e);
		store_free(other);
		done(&e);
	}
}

static void what_is_asked_for_by_place_is_all_that_comes(void **state)
{
	(void)state;
	struct exchange e = between(new_store(), new_store());
	struct store *other = new_store();
	struct order_key places[3] = {{.class = 1, .stamp = 3}};
	struct reconcile_sink sink;
	uint8_t key[RECONCILE_KEY_SIZE] = {0};

	add_common(e.stores[1], other, 1000);
	places[1] = order_key(order_at(store_order(other), 700)->record);
	places[2] = order_key(order_at(store_order(other), 701)->record);
	sink = sink_of(&e, 0);
	assert_int_equal(reconcile_ask(places, 3, key, &sink), 0);
	while (e.count)
		deliver(&e);
	assert_int_equal(e.messages, 2);
	assert_int_equal(store_count(e.stores[0]), 2);
	assert_non_null(store_find(e.stores[0], &places[1].hash));
	assert_non_null(store_find(e.stores[0], &places[2].hash));
	store_free(other);
	done(&e);
}

/* ---- hostile peers ---- */

#define KEY "0123456789abcdef"

#define CASE(text)                             \
	{                                      \
		KEY text, sizeof(KEY text) - 1 \
	}
struct text {
	const char *bytes;
	size_t size;
};

static const struct text well_formed[] = {
	CASE("\x40\x01\x03"
	     "finger"),
	CASE("\x80\x01\x03"
	     "\0\0"),
	CASE("\x80\x01\x03"
	     "\0\2"
	     "\0\0\0\0\1"
	     "\0\0\0\0\2"),
	CASE("\xc0\x01\x03"
	     "\0\1"
	     "wants"),
	CASE("\x00\x01\x01"
	     "\x40\x01\x02"
	     "finger"),
	CASE("\x80\x01\x01"
	     "\0\0"
	     "\x82\x02\7\7"
	     "\0\0"
	     "\x81\x01\1"
	     "\0\0"),
};

static const struct text malformed[] = {
	CASE(""), CASE("\x40"),
	CASE("\x40\x01\x03"
	     "finge"), /* cut off */
	CASE("\x40\x01\x03"
	     "finger"
	     "x"), /* more at the end */
	CASE("\x40\x00"
	     "finger"), /* a bound that does not ascend */
	CASE("\x40\x01\x00"
	     "finger"), /* nor this */
	CASE("\x40\x02\x01\x00"
	     "finger"), /* that ends in a zero */
	CASE("\x40\x01\x04"
	     "finger"), /* behind the end */
	CASE("\x40\x02\x03\x01"
	     "finger"), /* so is this */
	CASE("\x40\x7f\x01"
	     "finger"), /* longer than any */
	CASE("\x7f\x01\x01"
	     "finger"), /* shared more than there is */
	CASE("\x69\x01\x01"
	     "finger"),
	CASE("\x40\x01\x02"
	     "finger"
	     "\x40\x01\x02"
	     "finger"), /* the same again */
	CASE("\x40\x01\x02"
	     "finger"
	     "\x40\x01\x01"
	     "finger"), /* back */
	CASE("\x40\x02\x01\x01"
	     "finger"
	     "\x40\x02\x01\x02"
	     "finger"),	      /* not shared */
	CASE("\x00\x01\x03"), /* a SKIP at the end */
	CASE("\x00\x01\x01"
	     "\x00\x01\x02"
	     "\x40\x01\x03"
	     "finger"), /* two of them */
	CASE("\x80\x01\x03"
	     "\0"), /* half a count */
	CASE("\x80\x01\x03"
	     "\0\1"), /* fewer than counted */
	CASE("\x80\x01\x03"
	     "\xff\xff"
	     "\0\0\0\0\1"),
	CASE("\x80\x01\x03"
	     "\0\2"
	     "\0\0\0\0\1"
	     "\0\0\0\0\1"), /* twice */
	CASE("\x80\x01\x03"
	     "\0\2"
	     "\0\0\0\0\2"
	     "\0\0\0\0\1"), /* unsorted */
	CASE("\xc0\x01\x03"
	     "\0\0"), /* none is wanted */
};

static void malformed_messages_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(well_formed); i++)
		assert_int_equal(reconcile_check(well_formed[i].bytes, well_formed[i].size), 0);
	for (size_t i = 0; i < ARRAY_SIZE(malformed); i++)
		assert_int_equal(
			reconcile_check(malformed[i].bytes, malformed[i].size), ERR_MALFORMED);
	for (size_t size = 0; size < sizeof(KEY); size++)
		assert_int_equal(reconcile_check(KEY, size), ERR_MALFORMED);
}

static int count_message(void *context, const void *bytes, size_t size)
{
	size_t *total = context;

	assert_int_equal(reconcile_check(bytes, size), 0);
	*total += size;
	return 0;
}

static int count_record(void *context, struct record *record)
{
	(void)context;
	(void)record;
	return 0;
}

/* Whatever was changed in a message, it is refused, or answered within the cost that was told. */
static void changed_messages_do_no_harm(void **state)
{
	(void)state;
	struct exchange e = between(new_store(), new_store());
	unsigned refused = 0;

	add_common(e.stores[0], e.stores[1], 500);
	add(e.stores[0], stamp_at(100));
	begin(&e, 0);
	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[MESSAGE_MAX];
		size_t size = e.queue[0]->size, total = 0;
		struct reconcile_sink sink = {.message_max = RECONCILE_LEAST,
			.message = count_message,
			.lacking = count_record,
			.context = &total};

		memcpy(bytes, e.queue[0]->message, size);
		for (uint64_t times = 1 + rng_below(&rng, 3); times; times--)
			bytes[16 + rng_below(&rng, size - 16)] = (uint8_t)rng_u64(&rng);
		if (rng_below(&rng, 4) == 0)
			size -= rng_below(&rng, size - 16);
		if (reconcile_check(bytes, size) != 0) {
			refused++;
			continue;
		}
		assert_in_range(
			reconcile_cost(e.stores[1], bytes, size), 0, store_count(e.stores[1]));
		assert_int_equal(reconcile_answer(e.stores[1], bytes, size, &sink), 0);
	}
	assert_in_range(refused, 1, 19999);
	while (e.count)
		deliver(&e);
	done(&e);
}

/* Ids that nobody has, more than fit the messages of the one who wants them. */
static void a_long_list_is_answered_in_short_messages(void **state)
{
	(void)state;
	enum { IDS = 2000 };
	static uint8_t message[RECONCILE_KEY_SIZE + 5 + 5 * IDS];
	struct store *store = new_store();
	size_t total = 0;
	struct reconcile_sink sink = {.message_max = RECONCILE_LEAST,
		.message = count_message,
		.lacking = count_record,
		.context = &total};

	memcpy(message + RECONCILE_KEY_SIZE, (const uint8_t[]){0x80, 1, 3, IDS >> 8, (uint8_t)IDS},
		5);
	for (unsigned i = 0; i < IDS; i++) {
		message[RECONCILE_KEY_SIZE + 5 + 5 * i] = (uint8_t)(i >> 8);
		message[RECONCILE_KEY_SIZE + 5 + 5 * i + 1] = (uint8_t)i;
	}
	assert_int_equal(reconcile_check(message, sizeof(message)), 0);
	assert_int_equal(reconcile_answer(store, message, sizeof(message), &sink), 0);
	assert_in_range(total, 5 * IDS, 10 * IDS);
	store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_ten_thousand_costs_four_messages_and_3_kb),
		cmocka_unit_test(the_cost_follows_the_difference),
		cmocka_unit_test(equal_stores_have_nothing_to_answer),
		cmocka_unit_test(time_is_told),
		cmocka_unit_test(any_two_sets_become_their_union_in_one_round),
		cmocka_unit_test(they_do_whatever_is_lost),
		cmocka_unit_test(what_broke_off_is_resumed),
		cmocka_unit_test(a_store_that_is_empty_gets_all_from_either_side),
		cmocka_unit_test(what_is_asked_for_by_place_is_all_that_comes),
		cmocka_unit_test(malformed_messages_are_refused),
		cmocka_unit_test(changed_messages_do_no_harm),
		cmocka_unit_test(a_long_list_is_answered_in_short_messages),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
