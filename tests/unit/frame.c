/* The messages of a stream: golden bytes, and nothing else is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "gossip/base/text.h"
#include "gossip/wire/frame.h"

static struct msg_item item(const char *text)
{
	return (struct msg_item){(const uint8_t *)text, strlen(text)};
}

static struct frame example(enum frame_type type)
{
	struct frame frame = {.type = type};

	memset(&frame.node, 0xaa, sizeof(frame.node));
	memset(&frame.sig, 0xbb, sizeof(frame.sig));
	frame.record = item("record");
	frame.grant = type == FRAME_INTRODUCE ? item("grant") : (struct msg_item){NULL, 0};
	strcpy(frame.name, "alpha");
	frame.stamp = UINT64_C(0x0123456789abcdef);
	frame.time = (wtime_t){1790000000000};
	strcpy(frame.label, "used_up");
	frame.sync = item("sync");
	memset(frame.holds, 0xcc, sizeof(frame.holds));
	frame.record_count = 2;
	frame.records[0] = item("one");
	frame.records[1] = item("two");
	return frame;
}

#define A32 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B32 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const char *const golden[] = {
	[FRAME_JOIN_REQUEST] = "9601c0c4067265636f7264c420" A32 "a5616c706861c440" B32 B32,
	[FRAME_JOIN_OFFER] = "9502cf0123456789abcdefc420" A32 "c440" B32 B32 "cf000001a0c4506c00",
	[FRAME_JOIN_COMMIT] = "9203c4067265636f7264",
	[FRAME_JOIN_DONE] = "9104",
	[FRAME_REFUSED] = "9205a7757365645f7570",
	[FRAME_SYNC] = "9206c40473796e63",
	[FRAME_RECORDS] = "920792c4036f6e65c40374776f",
	[FRAME_INTRODUCE] = "9308c4056772616e74c4067265636f7264",
	[FRAME_VOID] = "9209c4067265636f7264",
	[FRAME_HOLDS] = "920ac408cccccccccccccccc",
};

static void encode(const struct frame *frame, uint8_t *bytes, size_t capacity, size_t *size)
{
	struct pack out;

	pack_init(&out, bytes, capacity);
	frame_encode(frame, &out);
	assert_int_equal(pack_status(&out), 0);
	*size = out.size;
}

static void the_bytes_are_those_of_the_protocol(void **state)
{
	(void)state;
	for (int type = FRAME_JOIN_REQUEST; type <= FRAME_LAST; type++) {
		struct frame frame = example(type), back;
		uint8_t bytes[512], again[512];
		size_t size, again_size;
		char hex[1025];
		const char *where;

		encode(&frame, bytes, sizeof(bytes), &size);
		assert_string_equal(text_hex(bytes, size, hex), golden[type]);
		assert_int_equal(frame_decode(bytes, size, &back, &where), 0);
		encode(&back, again, sizeof(again), &again_size);
		assert_int_equal(size, again_size);
		assert_memory_equal(bytes, again, size);
	}
}

static void truncations_and_trailing_bytes_are_refused(void **state)
{
	(void)state;
	for (int type = FRAME_JOIN_REQUEST; type <= FRAME_LAST; type++) {
		struct frame frame = example(type), back;
		uint8_t bytes[512];
		size_t size;
		const char *where = NULL;

		encode(&frame, bytes, sizeof(bytes) - 1, &size);
		bytes[size] = 0xc0;
		for (size_t cut = 0; cut <= size + 1; cut++) {
			if (cut == size)
				continue;
			assert_int_equal(frame_decode(bytes, cut, &back, &where), ERR_MALFORMED);
			assert_non_null(where);
		}
	}
}

static void other_types_and_lengths_are_refused(void **state)
{
	(void)state;
	static const struct {
		uint8_t bytes[8];
		size_t size;
		const char *where;
	} bad[] = {
		{{0x91, 0x00}, 2, "type"},
		{{0x91, 0xff}, 2, "type"},
		{{0x92, 0x63, 0xc1}, 3, "frame"},
		{{0x92, 0x63}, 2, "frame"},
		{{0x92, 0x04, 0xc1}, 3, "frame"},
		{{0xdc, 0x00, 0x11, 0x04}, 4, "frame"},
		{{0x91, 0x03}, 2, "type"},
		{{0x90}, 1, "frame"},
		{{0x92, 0x07, 0x90}, 3, "records"},
		{{0x92, 0x06, 0xc4, 0x00}, 4, "sync"},
		{{0x92, 0x05, 0xa0}, 3, "label"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct frame frame;
		const char *where = NULL;

		assert_int_equal(
			frame_decode(bad[i].bytes, bad[i].size, &frame, &where), ERR_MALFORMED);
		assert_string_equal(where, bad[i].where);
	}
}

static void what_a_later_version_adds_is_passed_over(void **state)
{
	(void)state;
	static const uint8_t unknown[] = {0x93, 0x63, 0x81, 0x01, 0xc3, 0x00};
	struct frame frame, expected;
	const char *where = NULL;
	uint8_t bytes[512];
	size_t size;

	assert_int_equal(frame_decode(unknown, sizeof(unknown), &frame, &where), 0);
	assert_int_equal(frame.type, FRAME_LATER);
	for (int type = FRAME_JOIN_REQUEST; type <= FRAME_LAST; type++) {
		expected = example(type);
		encode(&expected, bytes, sizeof(bytes), &size);
		bytes[0] += 2;
		memcpy(bytes + size, "\xc0\x92\x01\xa1x", 5);
		assert_int_equal(frame_decode(bytes, size + 5, &frame, &where), 0);
		assert_int_equal(frame.type, type);
		encode(&frame, bytes, sizeof(bytes), &size);
		char hex[1025];
		assert_string_equal(text_hex(bytes, size, hex), golden[type]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bytes_are_those_of_the_protocol),
		cmocka_unit_test(truncations_and_trailing_bytes_are_refused),
		cmocka_unit_test(other_types_and_lengths_are_refused),
		cmocka_unit_test(what_a_later_version_adds_is_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
