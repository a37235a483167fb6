/* The ring of events: the contract's fields, bounded, and fair to slow readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "daemon/events.h"
#include "gossip/base/pack.h"

static const struct id node = {{0xab}}, admin = {{0xcd}};

static int setup(void **state)
{
	struct events *events;

	assert_int_equal(events_new(&events), 0);
	*state = events;
	return 0;
}

static int teardown(void **state)
{
	events_free(*state);
	return 0;
}

static void add(struct events *events, const char *cause)
{
	events_add(events, &(struct event){.wall_us = 1794009600000001,
				   .label = "member_state",
				   .node = &node,
				   .name = "alpha",
				   .from = "alive",
				   .to = "suspect",
				   .cause = cause});
}

static void expect(struct pack_reader *reader, const char *expected)
{
	char text[128];

	assert_int_equal(pack_get_str(reader, "text", 0, text, sizeof(text)), 0);
	assert_string_equal(text, expected);
}

static void an_event_has_the_contracts_fields(void **state)
{
	struct events *events = *state;
	struct pack_reader reader;
	const uint8_t *bytes;
	uint64_t number = 0;
	uint32_t count;
	size_t size;

	add(events, "probe timeout");
	events_add(events, &(struct event){.label = "revoked", .by = &admin, .to = ""});
	assert_true(events_next(events, &number, &bytes, &size));
	reader = pack_reader(bytes, size);
	assert_int_equal(pack_get_map(&reader, "event", 10, &count), 0);
	assert_int_equal(count, 6);
	expect(&reader, "time");
	expect(&reader, "2026-11-07T00:00:00.000001Z");
	expect(&reader, "event");
	expect(&reader, "member_state");
	expect(&reader, "node");
	assert_int_equal(pack_get_map(&reader, "node", 10, &count), 0);
	assert_int_equal(count, 2);
	expect(&reader, "id");
	expect(&reader, "ab00000000000000000000000000000000000000000000000000000000000000");
	expect(&reader, "name");
	expect(&reader, "alpha");
	expect(&reader, "from");
	expect(&reader, "alive");
	expect(&reader, "to");
	expect(&reader, "suspect");
	expect(&reader, "cause");
	expect(&reader, "probe timeout");
	assert_int_equal(pack_get_end(&reader, "event"), 0);

	assert_true(events_next(events, &number, &bytes, &size));
	reader = pack_reader(bytes, size);
	assert_int_equal(pack_get_map(&reader, "event", 10, &count), 0);
	assert_int_equal(count, 3);
	expect(&reader, "time");
	expect(&reader, "1970-01-01T00:00:00.000000Z");
	expect(&reader, "event");
	expect(&reader, "revoked");
	expect(&reader, "by");
	expect(&reader, "cd00000000000000000000000000000000000000000000000000000000000000");
	assert_int_equal(pack_get_end(&reader, "event"), 0);
	assert_false(events_next(events, &number, &bytes, &size));
	assert_int_equal(number, events_end(events));
}

static bool has_cause(const uint8_t *bytes, size_t size, unsigned cause)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", cause);
	return size > strlen(text) && !memcmp(bytes + size - strlen(text), text, strlen(text));
}

static void the_last_ten_thousand_are_kept_in_order(void **state)
{
	struct events *events = *state;
	uint64_t number = 0, kept = 0;
	const uint8_t *bytes;
	size_t size;

	for (unsigned i = 0; i < EVENTS_MAX + 123; i++) {
		char cause[16];

		snprintf(cause, sizeof(cause), "%u", i);
		add(events, cause);
	}
	/* A reader that slept sees by the numbers what it has missed. */
	while (events_next(events, &number, &bytes, &size)) {
		assert_int_equal(number, 123 + kept + 1);
		assert_true(has_cause(bytes, size, (unsigned)(123 + kept)));
		kept++;
	}
	assert_int_equal(kept, EVENTS_MAX);
}

struct reader {
	struct events_follower follower;
	unsigned told;
};

static void on_added(struct events_follower *follower)
{
	struct reader *reader = (struct reader *)follower;

	reader->told++;
}

static void followers_are_told_until_they_go(void **state)
{
	struct events *events = *state;
	struct reader a = {.follower.added = on_added}, b = {.follower.added = on_added};

	events_follow(events, &a.follower);
	events_follow(events, &b.follower);
	add(events, "1");
	events_unfollow(events, &a.follower);
	events_unfollow(events, &a.follower);
	add(events, "2");
	events_unfollow(events, &b.follower);
	assert_int_equal(a.told, 1);
	assert_int_equal(b.told, 2);
}

static void an_event_too_long_to_keep_is_lost_alone(void **state)
{
	struct events *events = *state;
	static char cause[EVENTS_ENTRY_SIZE + 1];
	const uint8_t *bytes;
	uint64_t number = 0;
	size_t size;

	memset(cause, 'x', EVENTS_ENTRY_SIZE);
	add(events, cause);
	add(events, "7");
	assert_true(events_next(events, &number, &bytes, &size));
	assert_true(has_cause(bytes, size, 7));
	assert_int_equal(number, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_event_has_the_contracts_fields),
		TEST(the_last_ten_thousand_are_kept_in_order),
		TEST(followers_are_told_until_they_go),
		TEST(an_event_too_long_to_keep_is_lost_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
