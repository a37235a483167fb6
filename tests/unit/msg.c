/* Bytes to messages and back: one form of every message, and none but that is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/base/rng.h"
#include "gossip/wire/msg.h"

static size_t from_hex(const char *hex, uint8_t *ret)
{
	size_t size = 0;

	for (const char *at = hex; *at;) {
		unsigned value = 0;

		if (*at == ' ') {
			at++;
			continue;
		}
		for (int i = 0; i < 2; i++, at++)
			value = value << 4 | (unsigned)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
		ret[size++] = (uint8_t)value;
	}
	return size;
}

#define ID_HEX                             \
	"a0a1a2a3a4a5a6a7a8a9aaabacadaeaf" \
	"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"

/* Bytes from 0x10 on. */
#define PLACE_HEX                                                          \
	"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f" \
	"303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f" \
	"505152535455565758"

static struct msg minimal(void)
{
	return (struct msg){.session = 1, .counter = 2};
}

/* A message with every section. */
static struct msg everything(void)
{
	struct msg msg = {
		.session = UINT64_C(0x1122334455667788),
		.counter = 300,
		.challenge = UINT64_MAX,
		.echo = 0,
		.ping = 127,
		.ack = 128,
		.ping_req = 65535,
		.relay = 65536,
		.relay_answered = true,
		.cutoff_hour = 491520,
		.time = {1763683200000},
		.seen = {.ip = {4, {192, 0, 2, 7}}, .port = 7437},
		.statement_count = 2,
		.statements = {{(const uint8_t *)"ab", 2}, {(const uint8_t *)"c", 1}},
		.record_count = 1,
		.records = {{(const uint8_t *)"record", 6}},
		.void_record = {(const uint8_t *)"void", 4},
		.pad_size = 2,
		.reconcile = {(const uint8_t *)"rec", 3},
		.place_count = 1,
		.holds = "holdsit",
		.held = "helditt",
	};
	static uint8_t place[MSG_PLACE_SIZE];

	for (unsigned i = 0; i < sizeof(place); i++)
		place[i] = (uint8_t)(0x10 + i);
	msg.places[0] = (struct msg_item){place, sizeof(place)};
	for (unsigned section = 1; section <= MSG_SECTION_LAST; section++)
		msg_add(&msg, section);
	for (unsigned i = 0; i < sizeof(msg.ping_req_target.b); i++)
		msg.ping_req_target.b[i] = (uint8_t)(0xa0 + i);
	memset(msg.digest, 0xdd, sizeof(msg.digest));
	return msg;
}

static const char minimal_hex[] = "93 01 02 80";
static const char everything_hex[] = "93 cf1122334455667788 cd012c de0011"
				     "01 cfffffffffffffffff"			   /* CHALLENGE */
				     "02 00"					   /* ECHO */
				     "03 7f"					   /* PING */
				     "04 cc80"					   /* ACK */
				     "05 92 cdffff c420" ID_HEX			   /* PING_REQ */
				     "06 92 ce00010000 c3"			   /* RELAY */
				     "07 92 c410 dddddddddddddddddddddddddddddddd" /* DIGEST */
				     "ce00078000"				   /* its cutoff */
				     "08 cf0000019aa3b5ec00"			   /* TIME */
				     "09 92 c404 c0000207 cd1d0d"		   /* SEEN */
				     "0a 92 c402 6162 c401 63"			   /* STATEMENTS */
				     "0b 91 c406 7265636f7264"			   /* RECORDS */
				     "0c c404 766f6964"				   /* VOID */
				     "0d c402 0000"				   /* PAD */
				     "0e c403 726563"				   /* RECONCILE */
				     "0f 91 c449" PLACE_HEX			   /* ANNOUNCE */
				     "10 c408 686f6c6473697400"			   /* HOLDS */
				     "11 c408 68656c6469747400" /* HELD */;

static void assert_items_equal(const struct msg_item *a, const struct msg_item *b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(a[i].size, b[i].size);
		assert_memory_equal(a[i].bytes, b[i].bytes, a[i].size);
	}
}

static void assert_msg_equal(const struct msg *a, const struct msg *b)
{
	assert_true(a->session == b->session && a->counter == b->counter);
	assert_int_equal(a->present, b->present);
	assert_true(a->challenge == b->challenge && a->echo == b->echo);
	assert_true(a->ping == b->ping && a->ack == b->ack);
	assert_true(a->ping_req == b->ping_req);
	assert_true(id_equal(&a->ping_req_target, &b->ping_req_target));
	assert_true(a->relay == b->relay && a->relay_answered == b->relay_answered);
	assert_memory_equal(a->digest, b->digest, sizeof(a->digest));
	assert_true(a->cutoff_hour == b->cutoff_hour && a->time.ms == b->time.ms);
	assert_true(endpoint_equal(&a->seen, &b->seen));
	assert_int_equal(a->statement_count, b->statement_count);
	assert_items_equal(a->statements, b->statements, a->statement_count);
	assert_int_equal(a->record_count, b->record_count);
	assert_items_equal(a->records, b->records, a->record_count);
	assert_int_equal(a->void_record.size, b->void_record.size);
	assert_items_equal(&a->void_record, &b->void_record, a->void_record.size ? 1 : 0);
	assert_int_equal(a->reconcile.size, b->reconcile.size);
	assert_items_equal(&a->reconcile, &b->reconcile, a->reconcile.size ? 1 : 0);
	assert_int_equal(a->place_count, b->place_count);
	assert_items_equal(a->places, b->places, a->place_count);
	assert_memory_equal(a->holds, b->holds, sizeof(a->holds));
	assert_memory_equal(a->held, b->held, sizeof(a->held));
}

static void check_golden(const struct msg *msg, const char *hex)
{
	uint8_t golden[512], bytes[512];
	size_t golden_size = from_hex(hex, golden), size = 0;
	const char *where = NULL;
	struct msg back;

	assert_int_equal(msg_encode(msg, bytes, sizeof(bytes), &size), 0);
	assert_int_equal(size, golden_size);
	assert_memory_equal(bytes, golden, size);
	assert_int_equal(msg_size(msg), size);
	assert_int_equal(msg_decode(golden, golden_size, &back, &where), 0);
	assert_null(where);
	assert_msg_equal(msg, &back);
	for (size_t less = 0; less < size; less++)
		assert_int_equal(msg_encode(msg, bytes, less, &golden_size), ERR_TOO_BIG);
}

static void the_bytes_are_those_of_the_protocol(void **state)
{
	(void)state;
	struct msg none = minimal(), all = everything();

	check_golden(&none, minimal_hex);
	check_golden(&all, everything_hex);
	all.seen = (struct endpoint){.ip = {6, {0x20, 1, 0xd, 0xb8}}, .port = 1};
	uint8_t bytes[512];
	size_t size;
	assert_int_equal(msg_encode(&all, bytes, sizeof(bytes), &size), 0);
	assert_int_equal(size, msg_size(&all));
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	uint8_t golden[512];
	size_t size = from_hex(everything_hex, golden);
	struct msg all = everything(), untouched = all;

	for (size_t less = 0; less < size; less++) {
		const char *where = NULL;

		assert_int_equal(msg_decode(golden, less, &all, &where), ERR_MALFORMED);
		assert_non_null(where);
		assert_memory_equal(&all, &untouched, sizeof(all));
	}
	const char *where = NULL;
	golden[size] = 0;
	assert_int_equal(msg_decode(golden, size + 1, &all, &where), ERR_MALFORMED);
	assert_string_equal(where, "end");
}

/* Whatever is read at all is read as the one message that encodes to just those bytes; but for what
 * is of a later version. */
static void check_canonical(const uint8_t *bytes, size_t size)
{
	uint8_t again[512];
	size_t again_size;
	struct msg msg;
	const char *where = NULL;

	if (msg_decode(bytes, size, &msg, &where) != 0) {
		assert_non_null(where);
		return;
	}
	if (msg.later)
		return;
	assert_int_equal(msg_encode(&msg, again, sizeof(again), &again_size), 0);
	assert_int_equal(again_size, size);
	assert_memory_equal(again, bytes, size);
}

static void every_mutation_is_refused_or_another_message(void **state)
{
	(void)state;
	uint8_t golden[512];
	size_t size = from_hex(everything_hex, golden);

	for (size_t at = 0; at < size; at++) {
		uint8_t before = golden[at];

		for (unsigned value = 0; value <= UINT8_MAX; value++) {
			golden[at] = (uint8_t)value;
			check_canonical(golden, size);
		}
		golden[at] = before;
	}
}

static void what_is_wrong_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *where;
	} bad[] = {
		{"", "message"},
		{"92 01 02", "message"},
		{"94 01 02 80 00", "message"},
		{"93 c0 02 80", "session"},
		{"93 cc01 02 80", "session"},
		{"93 01 ff 80", "counter"},
		{"93 01 02 90", "sections"},
		{"93 01 02 81 00 00", "section"},
		{"93 01 02 81 12 c403 01", "section"},
		{"93 01 02 81 12 d4 00 00", "section"},
		{"93 01 02 81 12 93 00 00", "section"},
		{"93 01 02 82 12 00 12 00", "section"},
		{"93 01 02 82 12 00 03 01", "section"},
		{"93 01 02 81 ce00010000 00", "section"},
		{"93 01 02 de 0021", "sections"},
		{"93 01 02 81 0d c4 01 01", "pad"},
		{"93 01 02 82 03 01 03 01", "section"},
		{"93 01 02 82 04 01 03 01", "section"},
		{"93 01 02 81 03 ff", "ping"},
		{"93 01 02 81 05 92 01 c401 00", "ping_req.target"},
		{"93 01 02 81 06 92 01 01", "relay.answered"},
		{"93 01 02 81 07 92 c401 00 01", "digest.digest"},
		{"93 01 02 81 08 cf8000000000000000", "time"},
		{"93 01 02 81 09 92 c404 c0000207 00", "seen"},
		{"93 01 02 81 09 92 c403 c00002 07", "seen"},
		{"93 01 02 81 0a 90", "statements"},
		{"93 01 02 81 0a 91 c400", "statements"},
		{"93 01 02 81 0b 91 a161", "records"},
		{"93 01 02 81 0b dc 00 41 00", "records"},
		{"93 01 02 81 0c c400", "void"},
		{"93 01 02 81 0e c400", "reconcile"},
		{"93 01 02 81 0f 90", "announce"},
		{"93 01 02 81 0f 91 c4 01 01", "announce"},
		{"93 01 02 81 10 c407 01020304050607", "holds"},
		{"93 01 02 81 11 c409 010203040506070809", "held"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint8_t bytes[64];
		struct msg msg;
		const char *where = NULL;

		assert_int_equal(msg_decode(bytes, from_hex(bad[i].hex, bytes), &msg, &where),
			ERR_MALFORMED);
		assert_string_equal(where, bad[i].where);
	}
}

/* What a later version may say besides: anything of MessagePack's own kinds. */
static void sections_of_a_later_version_are_passed_over(void **state)
{
	(void)state;
	static const char *const sections[] = {
		"12 00", "14 c0", "cd01ff c403 010203", "cdffff 82 01 93 c3 ff a161 02 80"};
	struct msg msg, expected = {.session = 1, .counter = 2, .ping = 5};

	expected.later = true;
	msg_add(&expected, MSG_PING);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		uint8_t bytes[64];
		const char *where = NULL;
		size_t size = from_hex("93 01 02 82 03 05", bytes);

		size += from_hex(sections[i], bytes + size);
		assert_int_equal(msg_decode(bytes, size, &msg, &where), 0);
		assert_msg_equal(&msg, &expected);
		assert_true(msg.later);
	}
}

static void items_are_limited_by_their_number(void **state)
{
	(void)state;
	uint8_t bytes[256];
	struct pack out;

	for (unsigned count = MSG_ITEMS_MAX; count <= MSG_ITEMS_MAX + 1; count++) {
		struct msg msg;
		const char *where = NULL;

		pack_init(&out, bytes, sizeof(bytes));
		pack_put_array(&out, 3);
		pack_put_uint(&out, 0);
		pack_put_uint(&out, 0);
		pack_put_map(&out, 1);
		pack_put_uint(&out, MSG_RECORDS);
		pack_put_array(&out, count);
		for (unsigned i = 0; i < count; i++)
			pack_put_bin(&out, "x", 1);
		assert_int_equal(pack_status(&out), 0);
		int err = msg_decode(bytes, out.size, &msg, &where);
		assert_int_equal(err, count <= MSG_ITEMS_MAX ? 0 : ERR_MALFORMED);
		if (err == 0)
			assert_int_equal(msg_size(&msg), out.size);
	}
}

static uint64_t any_number(struct rng *rng)
{
	return rng_u64(rng) >> rng_below(rng, 64);
}

static struct msg any_msg(struct rng *rng, const uint8_t *memory, size_t memory_size)
{
	struct msg msg = everything();

	msg.present = 0;
	for (unsigned section = 1; section <= MSG_SECTION_LAST; section++) {
		if (rng_below(rng, 2))
			msg_add(&msg, section);
	}
	msg.session = any_number(rng);
	msg.counter = any_number(rng);
	msg.challenge = any_number(rng);
	msg.ping_req = any_number(rng);
	msg.relay = any_number(rng);
	msg.cutoff_hour = any_number(rng);
	msg.time.ms = (int64_t)(any_number(rng) >> 16);
	msg.record_count = 1 + rng_below(rng, MSG_ITEMS_MAX);
	for (size_t i = 0; i < msg.record_count; i++)
		msg.records[i] = (struct msg_item){
			memory, 1 + (rng_below(rng, memory_size) >> rng_below(rng, 16))};
	return msg;
}

static void the_size_is_known_before_encoding(void **state)
{
	(void)state;
	static uint8_t memory[70000], bytes[MSG_ITEMS_MAX * (sizeof(memory) + 5) + 1000];
	static const uint8_t seed[32] = {1};
	struct rng rng;

	rng_init(&rng, seed);
	for (int i = 0; i < 300; i++) {
		struct msg msg = any_msg(&rng, memory, sizeof(memory)), back;
		const char *where = NULL;
		size_t size;

		assert_int_equal(msg_encode(&msg, bytes, sizeof(bytes), &size), 0);
		assert_int_equal(msg_size(&msg), size);
		assert_int_equal(msg_decode(bytes, size, &back, &where), 0);
		assert_int_equal(back.present, msg.present);
	}
	rng_done(&rng);
}

static void padding_gives_exactly_the_size_asked_for(void **state)
{
	(void)state;
	for (size_t size = 0; size < 1100; size++) {
		struct msg msg = minimal(), back;
		uint8_t plain[1200];
		size_t bare = msg_size(&msg), encoded;
		const char *where;

		msg_pad(&msg, size);
		if (size < bare + 3) {
			assert_int_equal(msg_size(&msg), bare);
			continue;
		}
		/* one size has no encoding: between the longest short string and the shortest long
		 * one */
		assert_true(msg_size(&msg) == size || msg_size(&msg) == size - 1);
		assert_int_equal(msg_encode(&msg, plain, sizeof(plain), &encoded), 0);
		assert_int_equal(encoded, msg_size(&msg));
		assert_int_equal(msg_decode(plain, encoded, &back, &where), 0);
		plain[encoded - 1] ^= msg.pad_size > 0;
		assert_int_equal(msg_decode(plain, encoded, &back, &where),
			msg.pad_size ? ERR_MALFORMED : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bytes_are_those_of_the_protocol),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_mutation_is_refused_or_another_message),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(sections_of_a_later_version_are_passed_over),
		cmocka_unit_test(items_are_limited_by_their_number),
		cmocka_unit_test(the_size_is_known_before_encoding),
		cmocka_unit_test(padding_gives_exactly_the_size_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
