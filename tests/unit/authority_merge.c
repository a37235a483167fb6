/* One truth on every node: the same records in any order, with any repetition, by way of any
 * merges, give the same authority, bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "gossip/base/rng.h"
#include "gossip/trust/address.h"
#include "tests/support/records.h"

#define HISTORIES      4
#define ORDERS	       250 /* of each history */
#define MERGES	       10
#define ADMINS	       4  /* nodes 1 to this one, granted by the root */
#define NODES	       36 /* numbers from 1 on */
#define INVITES	       12 /* numbers from 200 on */
#define ROOT_INVITE    300
#define LATE_MS	       (RECORDS_START_MS + 28 * INT64_C(3600000)) /* some leases are over */
#define DUMP_LIMIT     (1024 * 1024)
#define DUPLICATES_MAX 64

static struct rng rng;

static unsigned between(unsigned low, unsigned high)
{
	return low + (unsigned)rng_below(&rng, high - low + 1);
}

static bool one_in(unsigned n)
{
	return rng_below(&rng, n) == 0;
}

static struct id random_node(void)
{
	return records_id(between(1, NODES));
}

/* ---- a history ---- */

static struct record *random_invite(struct records_set *set, unsigned number)
{
	static const char *const names[] = {"", "", "", "fixed"};
	struct prefix prefix4, prefix6;
	struct invite terms = {
		.uses = between(1, 4),
		.expires_ms = RECORDS_START_MS + between(100, 5000) * INT64_C(1000),
		.ephemeral = one_in(3),
		.tag_count = one_in(2),
		.tags = {"tag"},
	};

	strcpy(terms.node_name, names[between(0, 3)]);
	if (one_in(3)) {
		address_default_prefixes(records_mesh(), &prefix4, &prefix6);
		terms.address_count = 2;
		terms.addresses[0] = prefix4.ip;
		terms.addresses[0].b[3] = (uint8_t)between(1, 2);
		terms.addresses[1] = prefix6.ip;
		terms.addresses[1].b[15] = (uint8_t)between(1, 2);
	}
	terms.has_replaced = one_in(3);
	if (terms.has_replaced) {
		terms.uses = 1;
		terms.replaced = random_node();
	}
	/* now and then by somebody who is no admin */
	return records_add(set, records_invite(between(1, ADMINS + one_in(4)), number,
					records_at(between(1, 50)), &terms));
}

static const char *random_name(const struct record *invite)
{
	static const char *const names[] = {NULL, NULL, "printer", "door"};
	struct invite terms;

	assert_int_equal(invite_decode(invite, &terms), 0);
	return terms.node_name[0] ? "fixed" : names[between(0, 3)];
}

static void add_admissions(struct records_set *set, struct record *const *invites)
{
	for (unsigned node = 1; node <= NODES; node++) {
		unsigned which = between(0, INVITES - 1);

		records_add(set, records_admission(node, random_name(invites[which]), 200 + which,
					 invites[which], between(1, NODES),
					 records_at(between(51, 60) + node % 3 * 1000)));
		if (one_in(8)) /* another one in the same slot */
			records_add(set, records_admission(node, random_name(invites[which]),
						 200 + which, invites[which], between(1, NODES),
						 records_at(between(51, 3000))));
	}
}

static void add_root_invite(struct records_set *set)
{
	struct record *invite = records_add(
		set, records_invite(RECORDS_ROOT, ROOT_INVITE, records_at(1),
			     &(struct invite){.admin = true,
				     .expires_ms = RECORDS_START_MS + 5000 * INT64_C(1000)}));

	for (unsigned node = NODES + 1; node <= NODES + 3; node++)
		records_add(set, records_admission(node, NULL, ROOT_INVITE, invite, 1,
					 records_at(between(2, 60))));
}

/* Somebody tells of somebody. */
static struct record *random_proof(unsigned node, unsigned seconds)
{
	uint64_t stamp = records_at(between(1, 3000));
	struct record *one = records_value(node, "key", "one", stamp);
	struct record *two = records_value(node, "key", "two", stamp);
	struct record *proof = records_proof(between(1, NODES), one, two, records_at(seconds));

	record_unref(one);
	record_unref(two);
	return proof;
}

static void add_leases(struct records_set *set)
{
	for (unsigned node = 1; node <= NODES; node += between(1, 3)) {
		unsigned at = between(60, 5 * 3600);

		records_add(set, records_lease(node, records_at(at),
					 RECORDS_START_MS + at * INT64_C(1000) +
						 between(1, 30) * INT64_C(3600000)));
	}
}

static struct record *random_act(unsigned seconds)
{
	struct revocation terms = {.reason = "random"};
	unsigned admin = between(1, ADMINS);
	struct id keep[3] = {random_node(), random_node(), random_node()};
	size_t keep_count = between(0, 3);

	while (keep_count > 1 && (id_equal(&keep[0], &keep[1]) || id_equal(&keep[1], &keep[2]) ||
					 id_equal(&keep[0], &keep[2])))
		keep_count--;
	switch (between(0, 6)) {
	case 0:
		terms.subject = random_node();
		terms.has_invite = one_in(2);
		if (terms.has_invite)
			terms.invite = records_id(between(200, 199 + INVITES));
		if (one_in(4)) {
			terms.chunk_count = 2;
			terms.chunk = (uint16_t)one_in(2);
		}
		return records_revocation(
			admin, RECORD_REVOCATION, records_at(seconds), &terms, keep, keep_count);
	case 1:
		terms.subject = records_id(between(200, 203)); /* several for one invite */
		return records_revocation(
			admin, RECORD_CLOSING, records_at(seconds), &terms, keep, keep_count);
	case 2:
		return records_leave(between(1, NODES), records_at(seconds));
	case 3: /* now and then by somebody who is no admin */
		return records_writer(between(1, ADMINS + one_in(4)), between(1, NODES), !one_in(3),
			records_at(seconds));
	case 4:
		return records_keep_by_hand(admin, between(1, NODES), records_at(seconds));
	case 5:
		return random_proof(between(1, NODES), seconds);
	default:
		return records_keep(admin, between(1, NODES), records_at(seconds));
	}
}

static int compare_hashes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct hash));
}

/* Expels an admin, keeping half of what it signed, in one list or in two chunks. */
static void expel(struct records_set *set, unsigned admin)
{
	struct revocation terms = {.subject = records_id(admin)};
	struct hash kept[RECORDS_SET_MAX];
	size_t count = 0, half;

	for (size_t i = 0; i < set->count; i++) {
		if (id_equal(&set->records[i]->author, &terms.subject) && one_in(2))
			kept[count++] = set->records[i]->hash;
	}
	qsort(kept, count, sizeof(*kept), compare_hashes);
	half = one_in(2) ? count / 2 : count;
	terms.chunk_count = half < count ? 2 : 1;
	records_add(set, records_revocation(RECORDS_ROOT, RECORD_ADMIN_REVOCATION, records_at(4000),
				 &terms, kept, half));
	if (half == count)
		return;
	terms.chunk = 1;
	records_add(set, records_revocation(RECORDS_ROOT, RECORD_ADMIN_REVOCATION, records_at(4001),
				 &terms, kept + half, count - half));
}

static void make_history(struct records_set *set)
{
	struct record *invites[INVITES];

	records_add(set, records_charter(records_at(0)));
	for (unsigned node = 1; node <= ADMINS; node++)
		records_add(set, records_grant(node, records_at(0)));
	for (unsigned i = 0; i < INVITES; i++)
		invites[i] = random_invite(set, 200 + i);
	add_admissions(set, invites);
	add_root_invite(set);
	add_leases(set);
	for (unsigned i = 0; i < 60; i++)
		records_add(set, random_act(3000 + i));
	expel(set, between(2, ADMINS));
	records_add(set, records_value(1, "passed", "over", records_at(1)));
}

/* ---- what it comes to, in bytes ---- */

static void dump_member(struct pack *out, const struct authority_member *m)
{
	pack_put_bin(out, &m->id, sizeof(m->id));
	pack_put_uint(out, m->standing);
	pack_put_uint(out, (uint64_t)m->why);
	pack_put_uint(out, (m->admin ? 1 : 0) | (m->ephemeral ? 2 : 0) | (m->kept ? 4 : 0) |
				   (m->writer ? 8 : 0));
	pack_put_uint(out, (uint64_t)m->lease_ms);
	pack_put_bin(out, &m->pinned4, sizeof(m->pinned4));
	pack_put_bin(out, &m->pinned6, sizeof(m->pinned6));
	pack_put_str(out, m->given_name);
	pack_put_str(out, m->name);
	pack_put_uint(out, m->stamp);
	pack_put_bin(out, m->by, sizeof(*m->by));
	pack_put_str(out, m->reason);
	pack_put_bin(out, &m->invite, sizeof(m->invite));
	for (size_t i = 0; i < m->tag_count; i++)
		pack_put_str(out, m->tags[i]);
	if (m->ended_by)
		pack_put_bin(out, m->ended_by->bytes, m->ended_by->size);
}

/* At one time. */
static void dump_at(
	struct pack *out, const struct record *const *records, size_t count, int64_t now_ms)
{
	struct authority *authority;
	const struct authority_member *member;
	const struct authority_invite *invite;
	struct charter charter;
	uint64_t stamp;

	assert_int_equal(records_compute(records, count, now_ms, &authority), 0);
	pack_put_bool(out, authority_has_charter(authority, &charter));
	for (size_t i = 0; (member = authority_at(authority, i)); i++) {
		dump_member(out, member);
		pack_put_bool(out, authority_is_admin(authority, &member->id));
		pack_put_bool(
			out, authority_value_is_void(authority, &member->id, records_at(1500)));
		if (authority_equivocation(authority, &member->id, &stamp))
			pack_put_uint(out, stamp);
	}
	for (size_t i = 0; (invite = authority_invite_at(authority, i)); i++) {
		pack_put_bin(out, invite->record->bytes, invite->record->size);
		pack_put_bin(out, &invite->invite.id, sizeof(invite->invite.id));
		pack_put_uint(out, invite->used);
		pack_put_uint(out, invite->state);
	}
	assert_int_equal(pack_status(out), 0);
	authority_free(authority);
}

/* While invites are open, and when leases are over. */
static void dump(struct pack *out, const struct record *const *records, size_t count)
{
	pack_init_growing(out, DUMP_LIMIT);
	dump_at(out, records, count, RECORDS_START_MS + 2000 * INT64_C(1000));
	dump_at(out, records, count, LATE_MS);
}

static void expect_same(const struct pack *want, const struct record *const *records, size_t count)
{
	struct pack got;

	dump(&got, records, count);
	assert_int_equal(got.size, want->size);
	assert_memory_equal(got.data, want->data, want->size);
	pack_done(&got);
}

/* ---- orders and merges ---- */

static void shuffle(const struct record **records, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t j = rng_below(&rng, i);
		const struct record *swapped = records[i - 1];

		records[i - 1] = records[j];
		records[j] = swapped;
	}
}

/* What a store keeps of a set: one record a slot. */
static size_t keep_slots(const struct record **records, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		size_t slot = 0;

		while (slot < kept && !record_same_slot(records[slot], records[i]))
			slot++;
		if (slot == kept)
			records[kept++] = records[i];
		else if (record_compare(records[i], records[slot]) > 0)
			records[slot] = records[i];
	}
	return kept;
}

static void any_order_with_any_repetition_gives_the_same(void **state)
{
	(void)state;
	static struct records_set set;
	static const struct record *order[RECORDS_SET_MAX + DUPLICATES_MAX];

	for (unsigned history = 0; history < HISTORIES; history++) {
		struct pack want;

		make_history(&set);
		dump(&want, (const struct record *const *)set.records, set.count);
		for (unsigned i = 0; i < ORDERS; i++) {
			size_t count = set.count;

			memcpy(order, set.records, count * sizeof(*order));
			for (unsigned more = between(0, DUPLICATES_MAX); more; more--)
				order[count++] = set.records[rng_below(&rng, set.count)];
			shuffle(order, count);
			expect_same(&want, order, count);
		}
		pack_done(&want);
		records_set_done(&set);
	}
}

static void any_way_of_merging_gives_the_same(void **state)
{
	(void)state;
	static struct records_set set;
	static const struct record *parts[2][RECORDS_SET_MAX];

	for (unsigned i = 0; i < MERGES * HISTORIES; i++) {
		size_t counts[2] = {0, 0};
		struct pack want;

		if (i % MERGES == 0) {
			records_set_done(&set);
			make_history(&set);
		}
		dump(&want, (const struct record *const *)set.records, set.count);
		/* two stores that share some, each of which keeps one record a slot */
		for (size_t j = 0; j < set.count; j++) {
			bool in_first = one_in(2);

			if (in_first)
				parts[0][counts[0]++] = set.records[j];
			if (!in_first || one_in(3))
				parts[1][counts[1]++] = set.records[j];
		}
		counts[0] = keep_slots(parts[0], counts[0]);
		counts[1] = keep_slots(parts[1], counts[1]);
		memcpy(&parts[0][counts[0]], parts[1], counts[1] * sizeof(parts[1][0]));
		expect_same(&want, parts[0], counts[0] + counts[1]);
		pack_done(&want);
	}
	records_set_done(&set);
}

static void the_histories_have_everything_in_them(void **state)
{
	(void)state;
	static struct records_set set;
	unsigned standings[4] = {0}, withdrawn = 0, used_up = 0, not_admin = 0, clashes = 0;
	unsigned writers = 0, voids = 0, over = 0, renewed = 0, replaced = 0, pins = 0;

	for (unsigned history = 0; history < HISTORIES; history++) {
		struct authority *authority;
		const struct authority_member *member;

		make_history(&set);
		assert_int_equal(records_compute((const struct record *const *)set.records,
					 set.count, LATE_MS, &authority),
			0);
		for (size_t i = 0; (member = authority_at(authority, i)); i++) {
			standings[member->standing]++;
			withdrawn += member->why == ERR_WITHDRAWN;
			used_up += member->why == ERR_USED_UP;
			not_admin += member->why == ERR_NOT_ADMIN;
			clashes += strchr(member->name, '~') != NULL;
			writers += member->writer;
			voids += authority_value_is_void(authority, &member->id, UINT64_MAX);
			over += member->why == ERR_EXPIRED;
			renewed += member->lease_ms && member->standing == AUTHORITY_MEMBER;
			replaced += strncmp(member->reason, "replaced", 8) == 0;
			pins += member->pinned4.family != 0;
		}
		authority_free(authority);
		records_set_done(&set);
	}
	for (size_t i = 0; i < ARRAY_SIZE(standings); i++)
		assert_true(standings[i] > 0);
	assert_true(withdrawn && used_up && not_admin && clashes);
	assert_true(writers && voids && over && renewed && replaced && pins);
}

static int setup(void **state)
{
	(void)state;
	static const uint8_t seed[32] = "one truth on every node";

	rng_init(&rng, seed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(any_order_with_any_repetition_gives_the_same, setup),
		cmocka_unit_test_setup(any_way_of_merging_gives_the_same, setup),
		cmocka_unit_test_setup(the_histories_have_everything_in_them, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
