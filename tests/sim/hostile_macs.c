/* What a member can do to a segment by what it says of MACs: to one that it is not attached to
 * nothing; to one that it is, what any host on a LAN can, and it is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "gossip/record/hlc.h"
#include "gossip/replica/quota.h"
#include "tests/support/hostile.h"
#include "tests/support/records.h"
#include "tests/support/segments.h"

#define NODES 4
#define PHONE 7

/* All are attached, the one that is to be hostile only if it is said. */
static struct hostile *segment(bool attached)
{
	struct hostile *h = hostile_new(NODES);
	struct segment said = {.vni = SEGMENTS_VNI};

	segments_enable(h->c);
	segments_create(h->c, 0, SEGMENTS_NAME, &said);
	cluster_run(h->c, 1000);
	for (int i = 0; i < NODES; i++) {
		if (i != 1 || attached)
			segments_attach(h->c, i, SEGMENTS_NAME);
	}
	cluster_run(h->c, 2000);
	assert_int_equal(segments_members(h->c, 0, SEGMENTS_NAME), NODES - !attached);
	return h;
}

/* One MAC in its bucket, in node 1's name. */
static void announce_on(
	struct hostile *h, uint32_t vni, unsigned host, uint32_t sequence, uint64_t stamp)
{
	struct macs_entry entry = {.sequence = sequence};
	uint8_t key[MACS_KEY_SIZE], value[64];
	struct record_draft draft = {.type = RECORD_MACS,
		.key = key,
		.key_size = sizeof(key),
		.value = value,
		.stamp = stamp};
	struct msg msg = {.record_count = 1};
	struct record *record;
	struct pack pack;

	segments_mac(host, entry.mac);
	macs_key(vni, macs_bucket(entry.mac), key);
	pack_init(&pack, value, sizeof(value));
	macs_encode(&entry, 1, &pack);
	draft.value_size = pack.size;
	assert_int_equal(record_sign(&h->actor.mesh, h->actor.keys, &draft, &record), 0);
	msg.records[0] = (struct msg_item){record->bytes, record->size};
	msg_add(&msg, MSG_RECORDS);
	actor_send(&h->actor, &h->actor.at, &msg);
	record_unref(record);
}

static void announce(struct hostile *h, unsigned host, uint32_t sequence, uint64_t stamp)
{
	announce_on(h, SEGMENTS_VNI, host, sequence, stamp);
}

static uint64_t now_stamp(struct hostile *h)
{
	return hlc_from_ms(cluster_time(h->c).wall.ms) | 0x9000;
}

static void tell_hosts(struct hostile *h, int node, bool fresh)
{
	struct gossip_host host = {.fresh = fresh, .ip_count = 1, .ips = {{4, {10, 0, 0, PHONE}}}};

	segments_mac(PHONE, host.mac);
	gossip_macs_set(
		cluster_core(h->c, node), cluster_node_time(h->c, node), SEGMENTS_VNI, &host, 1);
	cluster_drain(h->c, node);
	cluster_run(h->c, 500);
}

static void who_is_not_attached_moves_nobody(void **state)
{
	(void)state;
	struct hostile *h = segment(false);

	tell_hosts(h, 2, true);
	hostile_begin(h);
	announce(h, PHONE, 1000, now_stamp(h));
	announce(h, PHONE + 1, 0, now_stamp(h) + 1);
	cluster_run(h->c, 3000);
	for (int i = 0; i < NODES; i++) {
		if (i == 1)
			continue;
		assert_int_equal(segments_holder(h->c, i, PHONE), 2);
		assert_int_equal(segments_holder(h->c, i, PHONE + 1), -1);
	}
	hostile_free(h);
}

static bool has_it_back(struct cluster *c, void *unused)
{
	(void)unused;
	return segments_holder(c, 0, PHONE) == 2 && segments_holder(c, 3, PHONE) == 2 &&
	       !segments_look(c, 0, PHONE).frozen;
}

static void who_claims_what_cannot_be_outbid_is_seen_and_has_it_while_it_lives(void **state)
{
	(void)state;
	struct hostile *h = segment(true);
	uint64_t events;

	tell_hosts(h, 2, true);
	hostile_begin(h);
	events = cluster_event_count(h->c, 0, GOSSIP_EVENT_SEGMENT);
	announce(h, PHONE, UINT32_MAX, now_stamp(h));
	cluster_run(h->c, 1000);
	tell_hosts(h, 2, true);
	for (int i = 0; i < NODES; i++) {
		if (i == 1)
			continue;
		assert_int_equal(segments_holder(h->c, i, PHONE), 1);
		assert_true(segments_look(h->c, i, PHONE).frozen);
		/* and what its host says is not forgotten for it */
		assert_int_equal(segments_look(h->c, i, PHONE).ip_count, 1);
	}
	/* it moved, and it is a duplicate */
	assert_int_equal(cluster_event_count(h->c, 0, GOSSIP_EVENT_SEGMENT), events + 2);
	/* says no more, is dead, and a minute later gone */
	assert_true(cluster_wait(h->c, 180000, has_it_back, NULL));
	hostile_free(h);
}

/* Both go on bidding: five times, and then it stays. */
static void who_outbids_without_end_is_frozen(void **state)
{
	(void)state;
	struct hostile *h = segment(true);
	struct gossip_mac mac;

	tell_hosts(h, 2, true);
	hostile_begin(h);
	for (int i = 0; i < 50; i++) {
		mac = segments_look(h->c, 0, PHONE);
		announce(h, PHONE, mac.sequence + 1, now_stamp(h));
		cluster_run(h->c, 500);
		tell_hosts(h, 2, true);
	}
	mac = segments_look(h->c, 0, PHONE);
	assert_true(mac.frozen);
	assert_int_equal(segments_holder(h->c, 0, PHONE), 1);
	hostile_free(h);
}

static void rewriting_buckets_without_end_costs_others_a_rate(void **state)
{
	(void)state;
	enum { SENT = 3000, SECONDS = 10 };
	struct hostile *h = segment(true);
	uint64_t before;

	hostile_begin(h);
	before = cluster_counts(h->c)->writes;
	for (unsigned i = 0; i < SENT; i++) {
		announce(h, PHONE, i % 7, now_stamp(h) + i);
		cluster_run(h->c, SECONDS * 1000 / SENT);
	}
	cluster_run(h->c, 1000);
	/* of each that is taken two writes at three nodes: it, and that another is replaced */
	assert_in_range(cluster_counts(h->c)->writes - before, 2 * (NODES - 1) * 128,
		2 * (NODES - 1) * (128 + 20 * (SECONDS + 2)));
	/* and whoever was held up by it is not: the last word is known in the end */
	announce(h, PHONE, 99, now_stamp(h) + SENT);
	cluster_run(h->c, 5000);
	announce(h, PHONE, 99, now_stamp(h) + SENT);
	cluster_run(h->c, 1000);
	assert_int_equal(segments_look(h->c, 3, PHONE).sequence, 99);
	hostile_free(h);
}

static void writing_ever_new_buckets_costs_others_a_rate_beyond_the_quota(void **state)
{
	(void)state;
	enum { SENT = 6000, SECONDS = 6 };
	struct hostile *h = segment(true);
	uint64_t before;

	hostile_begin(h);
	before = cluster_counts(h->c)->writes;
	for (unsigned i = 0; i < SENT; i++) {
		announce_on(h, SEGMENTS_VNI + i, PHONE, 0, now_stamp(h) + i);
		cluster_run(h->c, SECONDS * 1000 / SENT);
	}
	cluster_run(h->c, 1000);
	assert_in_range(cluster_counts(h->c)->writes - before, (NODES - 1) * QUOTA_MACS_RECORDS,
		(NODES - 1) * (QUOTA_MACS_RECORDS + 2 * (128 + 20 * (SECONDS + 2))));
	hostile_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_not_attached_moves_nobody),
		cmocka_unit_test(
			who_claims_what_cannot_be_outbid_is_seen_and_has_it_while_it_lives),
		cmocka_unit_test(who_outbids_without_end_is_frozen),
		cmocka_unit_test(rewriting_buckets_without_end_costs_others_a_rate),
		cmocka_unit_test(writing_ever_new_buckets_costs_others_a_rate_beyond_the_quota),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
