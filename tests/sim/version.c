/* Members of other versions: what a later one says besides is passed over, what it keeps is kept,
 * and one that cannot be understood is told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gossip/record/hlc.h"
#include "tests/support/hostile.h"
#include "tests/support/records.h"

static uint64_t count(struct hostile *h, enum gossip_counter counter)
{
	return gossip_counters(cluster_core(h->c, 0))[counter];
}

/* [session, counter, {PING: 9, 40: {1: "later"}, 41: nil}] */
static void ping_with_more(struct hostile *h)
{
	uint8_t plain[SEAL_PLAIN_MAX], packet[SEAL_PACKET_MAX], nonce[SEAL_NONCE_SIZE];
	struct pack pack;
	size_t size;

	pack_init(&pack, plain, sizeof(plain));
	pack_put_array(&pack, 3);
	pack_put_uint(&pack, h->actor.session);
	pack_put_uint(&pack, h->actor.counter++);
	pack_put_map(&pack, 3);
	pack_put_uint(&pack, MSG_PING);
	pack_put_uint(&pack, 9);
	pack_put_uint(&pack, 40);
	pack_put_map(&pack, 1);
	pack_put_uint(&pack, 1);
	pack_put_str(&pack, "later");
	pack_put_uint(&pack, 41);
	pack_put_nil(&pack);
	assert_int_equal(pack_status(&pack), 0);
	rng_bytes(&h->rng, nonce, sizeof(nonce));
	size = seal_packet(&h->actor.pair, nonce, plain, pack.size, packet);
	gossip_receive(cluster_core(h->c, 0), cluster_time(h->c), &h->actor.at, packet, size);
	cluster_drain(h->c, 0);
}

static void of_a_datagram_that_says_more_the_rest_is_understood(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);

	hostile_begin(h);
	h->actor.heard = (struct msg){0};
	ping_with_more(h);
	assert_true(msg_has(&h->actor.heard, MSG_ACK));
	assert_int_equal(h->actor.heard.ack, 9);
	assert_int_equal(count(h, GOSSIP_COUNT_MALFORMED), 0);
	assert_int_equal(count(h, GOSSIP_COUNT_LATER), 1);
	hostile_free(h);
}

/* [99, "later"] */
static void say_unknown_frame(struct hostile *h)
{
	static const uint8_t plain[] = {0x92, 0x63, 0xa5, 'l', 'a', 't', 'e', 'r'};
	struct pack out;

	pack_init_growing(&out, 4096);
	assert_int_equal(channel_send(h->actor.channel, plain, sizeof(plain), &out), 0);
	actor_say_bytes(&h->actor, out.data, out.size);
	pack_done(&out);
}

static void keep(struct hostile *h, uint16_t type)
{
	struct record_draft draft = {.type = (enum record_type)type,
		.key = "k",
		.key_size = 1,
		.stamp = hlc_from_ms(cluster_time(h->c).wall.ms)};
	struct record *record;

	assert_int_equal(record_sign(&h->actor.mesh, h->actor.keys, &draft, &record), 0);
	assert_int_equal(store_restore(h->store, record), 0);
	record_unref(record);
}

static void a_sync_goes_on_over_messages_that_nobody_knows(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);

	hostile_impersonate(h);
	hostile_copy(h, NULL);
	keep(h, RECORDS_OTHER);
	hostile_introduce(h);
	say_unknown_frame(h);
	hostile_pump(h);
	say_unknown_frame(h);
	assert_true(sync_is_done(h->actor.sync));
	assert_false(h->actor.closed);
	assert_int_equal(count(h, GOSSIP_COUNT_LATER), 2);
	hostile_free(h);
}

/* Nobody has its type; both keep it over a restart, and a third has it from the second. */
static void a_record_of_an_unknown_type_goes_on_from_node_to_node(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(3);
	struct id author;

	cluster_group(h->c, 2, 1);
	hostile_impersonate(h);
	author = h->actor.keys->id;
	hostile_copy(h, NULL);
	keep(h, RECORDS_OTHER);
	hostile_introduce(h);
	hostile_pump(h);
	cluster_run(h->c, 1000);
	actor_done(&h->actor);
	h->actor.channel = NULL;
	h->actor.frame_bytes = NULL;
	cluster_kill(h->c, 0);
	cluster_restart(h->c, 0);
	cluster_group(h->c, 2, 0);
	assert_true(cluster_wait(h->c, 60000, cluster_digests_equal, NULL));
	for (int node = 0; node <= 2; node += 2) {
		const struct gossip *core = cluster_core(h->c, node);
		struct record *record = NULL;

		while ((record = gossip_record_after(core, record))) {
			if (record->type == RECORDS_OTHER && id_equal(&record->author, &author))
				break;
		}
		assert_non_null(record);
	}
	hostile_free(h);
}

static struct gossip_member member(struct cluster *c, int node, int other)
{
	struct id id = cluster_id(c, other);
	struct gossip_member ret;

	assert_true(gossip_member(cluster_core(c, node), &id, &ret));
	gossip_member_wipe(&ret);
	return ret;
}

static void who_speaks_no_version_in_common_is_told_of(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(2);
	struct descriptor said = member(h->c, 0, 1).descriptor;
	uint8_t bytes[1024];
	struct pack value;
	struct record_draft draft = {.type = RECORD_DESCRIPTOR};
	struct record *record;
	struct msg msg = {.record_count = 1};

	assert_false(member(h->c, 0, 1).apart);
	hostile_begin(h);
	for (uint16_t least = 1; least <= 2; least++) {
		said.protocol_least = least;
		said.protocol_most = 3;
		pack_init(&value, bytes, sizeof(bytes));
		descriptor_encode(&said, &value);
		draft.value = value.data;
		draft.value_size = value.size;
		draft.stamp = hlc_from_ms(cluster_time(h->c).wall.ms) + least;
		assert_int_equal(record_sign(&h->actor.mesh, h->actor.keys, &draft, &record), 0);
		msg.records[0] = (struct msg_item){record->bytes, record->size};
		msg_add(&msg, MSG_RECORDS);
		actor_send(&h->actor, &h->actor.at, &msg);
		record_unref(record);
		assert_int_equal(member(h->c, 0, 1).apart, least > 1);
		assert_int_equal(
			cluster_event_count(h->c, 0, GOSSIP_EVENT_OTHER_VERSION), least > 1);
	}
	assert_int_equal(member(h->c, 0, 1).descriptor.protocol_most, 3);
	hostile_free(h);
}

static void say_gibberish(struct hostile *h, const struct endpoint *from)
{
	uint8_t bytes[64];

	rng_bytes(&h->rng, bytes, sizeof(bytes));
	cluster_inject(h->c, 0, from, bytes, sizeof(bytes));
	cluster_run(h->c, 1100);
}

static void what_comes_from_a_dead_member_and_cannot_be_read_is_told_of(void **state)
{
	(void)state;
	struct hostile *h = hostile_new(3);
	struct endpoint from = cluster_endpoint(h->c, 1);
	struct endpoint elsewhere = hostile_somewhere(5);

	say_gibberish(h, &from); /* it is alive: anybody may have said so */
	assert_int_equal(cluster_event_count(h->c, 0, GOSSIP_EVENT_OTHER_VERSION), 0);
	cluster_kill(h->c, 1);
	cluster_run(h->c, 60000);
	assert_int_equal(cluster_sees(h->c, 0, 1), GOSSIP_MEMBER_DEAD);
	say_gibberish(h, &elsewhere);
	assert_false(member(h->c, 0, 1).unreadable);
	for (int i = 0; i < 5; i++)
		say_gibberish(h, &from);
	assert_true(member(h->c, 0, 1).unreadable);
	assert_int_equal(cluster_event_count(h->c, 0, GOSSIP_EVENT_OTHER_VERSION), 1);
	/* long silent */
	cluster_run(h->c, 160000);
	assert_false(member(h->c, 0, 1).unreadable);
	say_gibberish(h, &from);
	assert_true(member(h->c, 0, 1).unreadable);
	assert_int_equal(cluster_event_count(h->c, 0, GOSSIP_EVENT_OTHER_VERSION), 2);
	/* and it is of this version after all */
	cluster_restart(h->c, 1);
	assert_true(cluster_wait_seen(h->c, 90000, 1, GOSSIP_MEMBER_ALIVE));
	assert_false(member(h->c, 0, 1).unreadable);
	hostile_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_datagram_that_says_more_the_rest_is_understood),
		cmocka_unit_test(a_sync_goes_on_over_messages_that_nobody_knows),
		cmocka_unit_test(a_record_of_an_unknown_type_goes_on_from_node_to_node),
		cmocka_unit_test(who_speaks_no_version_in_common_is_told_of),
		cmocka_unit_test(what_comes_from_a_dead_member_and_cannot_be_read_is_told_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
