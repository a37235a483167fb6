/* What admins say, and what their nodes do by themselves, on a whole mesh: also on one that was
 * split, or slept. Node 0 founded it and holds the root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "gossip/record/hlc.h"
#include "gossip/record/value.h"
#include "tests/support/cluster.h"

#define HOUR_MS	  (3600 * INT64_C(1000))
#define DAY_MS	  (24 * HOUR_MS)
#define SETTLE_MS 30000

static const struct cluster_options calm = {
	.seed = 31, .latency_min_ms = 1, .latency_max_ms = 5, .disk_ms = 1};

static struct cluster *mesh_of(int count)
{
	struct cluster *c = cluster_new(&calm);

	cluster_mesh(c, count);
	assert_true(cluster_wait(c, SETTLE_MS, cluster_converged, NULL));
	return c;
}

static void settle(struct cluster *c)
{
	cluster_run(c, 200);
	assert_true(cluster_wait(c, 4 * SETTLE_MS, cluster_digests_equal, NULL));
	cluster_run(c, 200); /* and views */
}

static struct gossip_member sees(struct cluster *c, int node, int other)
{
	struct gossip_member member;
	struct id id = cluster_id(c, other);

	assert_true(gossip_member(cluster_core(c, node), &id, &member));
	return member;
}

static const struct authority_member *standing(struct cluster *c, int node, int other)
{
	return sees(c, node, other).standing;
}

static int grant(struct cluster *c, int by, int node, enum gossip_office office)
{
	struct id id = cluster_id(c, node);
	uint64_t ticket;
	int err = gossip_grant(cluster_core(c, by), cluster_node_time(c, by), &id, office, &ticket);

	cluster_drain(c, by);
	return err;
}

static int ungrant(struct cluster *c, int by, int node, enum gossip_office office, const char *but)
{
	struct id id = cluster_id(c, node);
	uint64_t ticket;
	int err = gossip_ungrant(cluster_core(c, by), cluster_node_time(c, by), &id, office, &but,
		but != NULL, &ticket);

	cluster_drain(c, by);
	return err;
}

static int keep(struct cluster *c, int by, int node)
{
	struct id id = cluster_id(c, node);
	uint64_t ticket;
	int err = gossip_keep(cluster_core(c, by), cluster_node_time(c, by), &id, &ticket);

	cluster_drain(c, by);
	return err;
}

static struct id mint(struct cluster *c, int by, struct invite *invite, char token[TOKEN_TEXT_MAX])
{
	uint64_t ticket;

	assert_int_equal(gossip_invite(cluster_core(c, by), cluster_node_time(c, by), HOUR_MS,
				 invite, token, &ticket),
		0);
	cluster_drain(c, by);
	cluster_run(c, 100);
	return invite->id;
}

static bool joined(struct cluster *c, void *arg)
{
	return cluster_joined(c, *(int *)arg) != 1;
}

static int join(struct cluster *c, int node, const char *token)
{
	assert_int_equal(cluster_join(c, node, token), 0);
	assert_true(cluster_wait(c, 40000, joined, &node));
	return cluster_joined(c, node);
}

/* All hosts' clocks, right ones, go so far ahead of where they are now. */
static void clocks_ahead(struct cluster *c, int64_t offset_ms)
{
	for (int i = 0; i < cluster_count(c); i++)
		cluster_clock(c, i, offset_ms, 0, true);
}

/* ---- offices ---- */

static void an_admin_is_made_and_unmade_by_the_root_alone(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(4);

	assert_int_equal(grant(c, 1, 2, GOSSIP_ADMIN), ERR_NOT_ADMIN);
	assert_int_equal(grant(c, 0, 2, GOSSIP_ADMIN), 0);
	settle(c);
	for (int i = 0; i < 4; i++) {
		assert_true(standing(c, i, 2)->admin);
		assert_int_equal(cluster_event_count(c, i, GOSSIP_EVENT_GRANTED), 1);
	}
	assert_int_equal(grant(c, 0, 2, GOSSIP_ADMIN), ERR_STATE);
	assert_int_equal(ungrant(c, 2, 0, GOSSIP_ADMIN, NULL), ERR_NOT_ADMIN);
	assert_int_equal(ungrant(c, 0, 2, GOSSIP_ADMIN, NULL), 0);
	settle(c);
	for (int i = 0; i < 4; i++) {
		assert_false(standing(c, i, 2)->admin);
		assert_int_equal(standing(c, i, 2)->standing, AUTHORITY_MEMBER);
		assert_int_equal(cluster_event_count(c, i, GOSSIP_EVENT_UNGRANTED), 1);
	}
	assert_int_equal(grant(c, 0, 2, GOSSIP_ADMIN), ERR_STATE); /* for good */
	cluster_free(c);
}

static void a_writer_is_made_and_unmade_by_any_admin(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(4);

	assert_int_equal(grant(c, 0, 1, GOSSIP_ADMIN), 0);
	settle(c);
	assert_int_equal(grant(c, 2, 3, GOSSIP_WRITER), ERR_NOT_ADMIN);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(grant(c, 0, 3, GOSSIP_WRITER), 0);
		settle(c);
		assert_int_equal(grant(c, 1, 3, GOSSIP_WRITER), ERR_STATE);
		assert_true(standing(c, 2, 3)->writer);
		assert_int_equal(ungrant(c, 1, 3, GOSSIP_WRITER, NULL), 0);
		settle(c);
		assert_false(standing(c, 2, 3)->writer);
	}
	assert_int_equal(ungrant(c, 0, 3, GOSSIP_WRITER, NULL), ERR_STATE);
	assert_int_equal(grant(c, 0, 1, GOSSIP_WRITER), ERR_STATE); /* admins are */
	cluster_free(c);
}

struct count {
	struct id mesh;
	enum record_type type;
	size_t found;
};

static void count_one(void *arg, const uint8_t *bytes, size_t size)
{
	struct count *count = arg;
	struct record *record;

	assert_int_equal(record_decode(&count->mesh, bytes, size, &record), 0);
	count->found += record->type == count->type;
	record_unref(record);
}

static size_t on_disk_of(struct cluster *c, int node, enum record_type type)
{
	struct count count = {cluster_status(c, 0).mesh, type, 0};

	cluster_records(c, node, count_one, &count);
	return count.found;
}

/* Its disk takes its time; the root has spoken by then. */
static void what_an_expelled_admin_had_on_its_way_is_nowhere(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	struct cluster_options slow = calm;
	struct invite invite = {.uses = 1};
	char token[TOKEN_TEXT_MAX];
	uint64_t ticket;
	size_t before;

	assert_int_equal(grant(c, 0, 1, GOSSIP_ADMIN), 0);
	settle(c);
	before = on_disk_of(c, 1, RECORD_INVITE);
	slow.disk_ms = 500;
	cluster_weather(c, &slow);
	assert_int_equal(gossip_invite(cluster_core(c, 1), cluster_node_time(c, 1), HOUR_MS,
				 &invite, token, &ticket),
		0);
	cluster_drain(c, 1);
	cluster_weather(c, &calm);
	assert_int_equal(ungrant(c, 0, 1, GOSSIP_ADMIN, NULL), 0);
	cluster_run(c, 1000);
	assert_int_equal(on_disk_of(c, 1, RECORD_INVITE), before);
	cluster_kill(c, 1);
	cluster_restart(c, 1);
	settle(c);
	cluster_free(c);
}

/* Nobody kept what the root had not heard of. */
static void a_writer_by_an_expelled_admins_word_is_none(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(5);

	assert_int_equal(grant(c, 0, 1, GOSSIP_ADMIN), 0);
	settle(c);
	for (int i = 1; i < 4; i++)
		cluster_group(c, i, 1);
	assert_int_equal(grant(c, 1, 2, GOSSIP_WRITER), 0);
	cluster_run(c, 2000);
	assert_true(standing(c, 3, 2)->writer);
	assert_int_equal(ungrant(c, 0, 1, GOSSIP_ADMIN, NULL), 0);
	for (int i = 1; i < 4; i++)
		cluster_group(c, i, 0);
	settle(c);
	for (int i = 0; i < 5; i++)
		assert_false(standing(c, i, 2)->writer);
	cluster_free(c);
}

static void a_stolen_admins_invite_is_dropped_and_the_rest_stands(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	char good[TOKEN_TEXT_MAX], bad[TOKEN_TEXT_MAX], hex[TEXT_ID_SIZE];
	struct invite invite = {.uses = 1};
	struct id dropped;

	assert_int_equal(grant(c, 0, 1, GOSSIP_ADMIN), 0);
	settle(c);
	mint(c, 1, &invite, good);
	invite = (struct invite){.uses = 1};
	dropped = mint(c, 1, &invite, bad);
	assert_int_equal(join(c, cluster_add(c), good), 0);
	assert_int_equal(join(c, cluster_add(c), bad), 0);
	settle(c);
	assert_int_equal(ungrant(c, 0, 1, GOSSIP_ADMIN, "feedbeef"), ERR_UNKNOWN);
	text_id(&dropped, hex);
	hex[10] = '\0';
	assert_int_equal(ungrant(c, 0, 1, GOSSIP_ADMIN, hex), 0);
	cluster_run(c, 3000);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(standing(c, i, 3)->standing, AUTHORITY_MEMBER);
		assert_int_equal(standing(c, i, 4)->standing, AUTHORITY_VOID);
		assert_false(standing(c, i, 1)->admin);
	}
	assert_int_equal(cluster_status(c, 4).state, GOSSIP_REVOKED);
	cluster_free(c);
}

#define FLOOD 80

static struct keys keys_of(unsigned number)
{
	uint8_t seed[32] = {0x77, (uint8_t)number, (uint8_t)(number >> 8)};
	struct keys keys;

	keys_from_seed(seed, &keys);
	return keys;
}

/* As a hostile admin can: an invite of node 1's, with so many uses. */
static struct record *sign_invite(struct cluster *c, const struct keys *key, uint64_t stamp)
{
	struct id mesh = cluster_status(c, 0).mesh;
	struct invite invite = {
		.id = key->id, .uses = FLOOD, .expires_ms = hlc_stamp_ms(stamp) + HOUR_MS};
	uint8_t value[256];
	struct record_draft draft = {.type = RECORD_INVITE,
		.key = &invite.id,
		.key_size = sizeof(invite.id),
		.stamp = stamp,
		.value = value};
	struct record *record;
	struct pack pack;

	pack_init(&pack, value, sizeof(value));
	invite_encode(&invite, &pack);
	draft.value_size = pack.size;
	assert_int_equal(record_sign(&mesh, cluster_keys(c, 1), &draft, &record), 0);
	return record;
}

/* And whom it lets in, who witness for themselves. */
static struct record *sign_admission(
	struct cluster *c, struct record *invite, const struct keys *key, unsigned number)
{
	struct id mesh = cluster_status(c, 0).mesh;
	struct keys node = keys_of(number);
	struct admission admission = {.node = node.id,
		.invite_record = invite,
		.witness = node.id,
		.stamp = invite->stamp + 1 + number};
	struct record *record;

	snprintf(admission.name, sizeof(admission.name), "flood-%u", number);
	admission_sign_invite(&mesh, key, &node.id, admission.name, &admission.invite_sig);
	admission_sign_witness(&mesh, &node, &node.id, admission.name, &key->id, admission.stamp,
		&admission.witness_sig);
	assert_int_equal(admission_sign(&mesh, &node, &admission, &record), 0);
	return record;
}

static bool only_the_honest_are_members(struct cluster *c, void *unused)
{
	(void)unused;
	for (int i = 0; i < 3; i++) {
		if (cluster_status(c, i).members != 3)
			return false;
	}
	return cluster_digests_equal(c, NULL);
}

static void what_a_hostile_admin_made_goes_with_it(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	struct keys key = keys_of(9999);
	struct record *invite, *record;
	char hex[TEXT_ID_SIZE];

	assert_int_equal(grant(c, 0, 1, GOSSIP_ADMIN), 0);
	settle(c);
	cluster_run(c, 15000); /* everybody is kept */
	cluster_kill(c, 2);
	invite = sign_invite(c, &key, (uint64_t)cluster_time(c).wall.ms << 16);
	cluster_write(c, 2, invite);
	for (unsigned i = 0; i < FLOOD; i++) {
		record = sign_admission(c, invite, &key, i);
		cluster_write(c, 2, record);
		record_unref(record);
	}
	cluster_restart(c, 2);
	settle(c);
	assert_int_equal(cluster_status(c, 0).members, 3 + FLOOD);
	text_id(&key.id, hex);
	assert_int_equal(ungrant(c, 0, 1, GOSSIP_ADMIN, hex), 0);
	assert_true(cluster_wait(c, SETTLE_MS, only_the_honest_are_members, NULL));
	cluster_run(c, 1000);
	assert_int_equal(on_disk_of(c, 0, RECORD_ADMISSION), 3 + AUTHORITY_OVERSPENT_MAX);
	assert_true(cluster_digests_equal(c, NULL));
	/* and does not come again */
	cluster_kill(c, 2);
	record = sign_admission(c, invite, &key, FLOOD + 7);
	cluster_write(c, 2, record);
	record_unref(record);
	cluster_write(c, 2, invite);
	cluster_restart(c, 2);
	settle(c);
	assert_int_equal(on_disk_of(c, 0, RECORD_ADMISSION), 3 + AUTHORITY_OVERSPENT_MAX);
	record_unref(invite);
	cluster_free(c);
}

/* Onto its disk, as if it had come there: that many nodes that nobody knows, revoked by that admin.
 */
static void write_revocations(struct cluster *c, int node, int admin, unsigned count)
{
	struct id mesh = cluster_status(c, node).mesh;
	uint64_t stamp = (uint64_t)cluster_time(c).wall.ms << 16;

	cluster_kill(c, node);
	for (unsigned i = 0; i < count; i++) {
		const struct revocation terms = {.subject.b = {(uint8_t)i, (uint8_t)(i >> 8), 1}};
		uint8_t value[64];
		struct record_draft draft = {.type = RECORD_REVOCATION,
			.key = &terms.subject,
			.key_size = sizeof(terms.subject),
			/* from long ago to a year ahead: authority counts whatever its clock */
			.stamp = i % 2 ? i + 1 : stamp + ((uint64_t)(365 * DAY_MS) << 16) + i,
			.value = value};
		struct record *record;
		struct pack pack;

		pack_init(&pack, value, sizeof(value));
		revocation_encode(&terms, &pack);
		draft.value_size = pack.size;
		assert_int_equal(record_sign(&mesh, cluster_keys(c, admin), &draft, &record), 0);
		cluster_write(c, node, record);
		record_unref(record);
	}
	cluster_restart(c, node);
}

static int revoke(struct cluster *c, int by, int node)
{
	struct id id = cluster_id(c, node);
	uint64_t ticket;
	int err = gossip_revoke(cluster_core(c, by), cluster_node_time(c, by), &id, "", &ticket);

	cluster_drain(c, by);
	return err;
}

static void an_admin_with_ten_thousand_revocations_is_told_what_to_do(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);

	cluster_crash(c, 1); /* what is asked here needs nobody to hear of it */
	cluster_crash(c, 2);
	write_revocations(c, 0, 0, AUTHORITY_REVOCATIONS_MAX - 1);
	cluster_run(c, 200);
	assert_int_equal(revoke(c, 0, 1), 0); /* the last one */
	cluster_run(c, 200);
	assert_int_equal(on_disk_of(c, 0, RECORD_REVOCATION), AUTHORITY_REVOCATIONS_MAX);
	assert_int_equal(revoke(c, 0, 2), ERR_LIMIT);
	assert_non_null(strstr(gossip_error(cluster_core(c, 0)), "revoked 10000 nodes"));
	assert_non_null(strstr(gossip_error(cluster_core(c, 0)), "meshctl uninvite"));
	assert_int_equal(standing(c, 0, 2)->standing, AUTHORITY_MEMBER);
	cluster_free(c);
}

static void a_flood_by_one_admin_keeps_nobodys_word_out_and_goes_whole(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(5);
	struct invite terms = {.uses = 1};
	char token[TOKEN_TEXT_MAX];
	int joiner;

	assert_int_equal(grant(c, 0, 1, GOSSIP_ADMIN), 0);
	assert_int_equal(grant(c, 0, 2, GOSSIP_ADMIN), 0);
	settle(c);
	write_revocations(c, 4, 1, 300);
	/* by the root, by an honest admin, and by who joins in the midst of it */
	assert_int_equal(grant(c, 0, 3, GOSSIP_ADMIN), 0);
	mint(c, 2, &terms, token);
	joiner = cluster_add(c);
	assert_int_equal(join(c, joiner, token), 0);
	settle(c);
	for (int i = 0; i <= joiner; i++) {
		assert_true(standing(c, i, 3)->admin);
		assert_int_equal(standing(c, i, joiner)->standing, AUTHORITY_MEMBER);
		assert_int_equal(on_disk_of(c, i, RECORD_REVOCATION), 300);
	}
	assert_int_equal(ungrant(c, 0, 1, GOSSIP_ADMIN, GOSSIP_EXCEPT_ALL), 0);
	settle(c);
	for (int i = 0; i <= joiner; i++) {
		assert_int_equal(on_disk_of(c, i, RECORD_REVOCATION), 0);
		assert_int_equal(standing(c, i, joiner)->standing, AUTHORITY_MEMBER);
	}
	/* and does not come again */
	write_revocations(c, 4, 1, 3);
	settle(c);
	for (int i = 0; i <= joiner; i++)
		assert_int_equal(on_disk_of(c, i, RECORD_REVOCATION), 0);
	cluster_free(c);
}

static bool shows(struct cluster *c, int node, const char *key, const char *value)
{
	struct gossip_value got;

	if (!gossip_value(cluster_core(c, node), key, strlen(key), &got))
		return value == NULL;
	return value && got.value_size == strlen(value) &&
	       memcmp(got.value, value, got.value_size) == 0;
}

static int put(struct cluster *c, int node, const char *key, const char *value)
{
	uint64_t stamp, ticket;
	int err = gossip_put(cluster_core(c, node), cluster_node_time(c, node), key, strlen(key),
		value, strlen(value), &stamp, &ticket);

	cluster_drain(c, node);
	return err;
}

static void a_revoked_admins_configuration_stands_but_what_is_dropped(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(4);
	struct id id = cluster_id(c, 1);
	uint64_t ticket;

	assert_int_equal(grant(c, 0, 1, GOSSIP_ADMIN), 0);
	settle(c);
	assert_int_equal(put(c, 1, "mesh/good", "yes"), 0);
	assert_int_equal(put(c, 1, "mesh/bad", "no"), 0);
	assert_int_equal(put(c, 1, "plain", "text"), 0);
	settle(c);
	assert_int_equal(ungrant(c, 0, 1, GOSSIP_ADMIN, "mesh/bad"), 0);
	settle(c);
	for (int i = 0; i < 4; i++) {
		assert_true(shows(c, i, "mesh/good", "yes"));
		assert_true(shows(c, i, "mesh/bad", NULL));
		assert_true(shows(c, i, "plain", "text"));
	}
	assert_int_equal(put(c, 1, "mesh/good", "mine"), ERR_NOT_ADMIN);
	assert_int_equal(
		gossip_revoke(cluster_core(c, 0), cluster_node_time(c, 0), &id, "", &ticket), 0);
	cluster_drain(c, 0);
	cluster_run(c, 3000);
	for (int i = 0; i < 4; i++) {
		if (i == 1)
			continue;
		assert_true(shows(c, i, "mesh/good", "yes"));
		assert_true(shows(c, i, "plain", NULL));
	}
	cluster_free(c);
}

/* ---- what admins' nodes do by themselves ---- */

static bool all_kept(struct cluster *c, void *unused)
{
	(void)unused;
	for (int i = 0; i < cluster_count(c); i++) {
		if (!standing(c, 0, i)->kept)
			return false;
	}
	return true;
}

static void every_admission_is_kept_and_hardly_any_twice(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(24);

	assert_true(cluster_wait(c, 30000, all_kept, NULL));
	for (int admin = 1; admin < 10; admin++)
		assert_int_equal(grant(c, 0, admin, GOSSIP_ADMIN), 0);
	settle(c);
	for (int i = 0; i < 8; i++) {
		char token[TOKEN_TEXT_MAX];
		struct invite invite = {.uses = 1};

		mint(c, i % 10, &invite, token);
		assert_int_equal(join(c, cluster_add(c), token), 0);
	}
	assert_true(cluster_wait(c, 30000, all_kept, NULL));
	settle(c);
	assert_in_range(on_disk_of(c, 0, RECORD_KEEP), 23 + 8, 23 + 8 + 4);
	cluster_free(c);
}

static bool all_closed(struct cluster *c, void *unused)
{
	const struct authority_invite *invite;

	(void)unused;
	for (size_t i = 0; (invite = gossip_invite_at(cluster_core(c, 1), i)); i++) {
		if (invite->state != INVITE_CLOSED)
			return false;
	}
	return true;
}

static void an_invite_is_closed_a_week_after_its_expiry_keeping_who_came(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);

	clocks_ahead(c, 6 * DAY_MS);
	cluster_run(c, 2 * HOUR_MS);
	assert_false(all_closed(c, NULL));
	assert_int_equal(on_disk_of(c, 0, RECORD_CLOSING), 0);
	clocks_ahead(c, 8 * DAY_MS);
	assert_true(cluster_wait(c, 2 * HOUR_MS, all_closed, NULL));
	settle(c);
	for (int i = 0; i < 3; i++)
		assert_int_equal(standing(c, 0, i)->standing, AUTHORITY_MEMBER);
	assert_int_equal(
		on_disk_of(c, 0, RECORD_CLOSING), 2); /* the founder's own, and the others' */
	cluster_free(c);
}

/* ---- partitions ---- */

static void split(struct cluster *c, uint64_t side, int count, bool cut)
{
	for (int a = 0; a < count; a++) {
		for (int b = 0; b < count; b++)
			cluster_cut(c, a, b, cut && (side >> a & 1) != (side >> b & 1));
	}
}

static bool is_member(struct cluster *c, int node, int other)
{
	struct gossip_member member;
	struct id id = cluster_id(c, other);

	return gossip_member(cluster_core(c, node), &id, &member) &&
	       member.standing->standing == AUTHORITY_MEMBER;
}

static bool all_agree_on_one(struct cluster *c, void *unused)
{
	bool first = is_member(c, 0, 2);

	(void)unused;
	for (int i = 0; i < 4; i++) {
		if (is_member(c, i, 2) != first || is_member(c, i, 3) == first)
			return false;
	}
	return cluster_status(c, first ? 3 : 2).state == GOSSIP_REVOKED;
}

static bool both_are_members(struct cluster *c, void *unused)
{
	(void)unused;
	return cluster_converged(c, NULL) && cluster_status(c, 2).state == GOSSIP_RUNNING &&
	       cluster_status(c, 3).state == GOSSIP_RUNNING && cluster_status(c, 0).members == 4;
}

/* An admin on either side, whose node keeps whom its side admitted. */
static void of_two_halves_that_spend_one_use_all_agree_and_the_loser_is_told(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	struct invite invite = {.uses = 1, .endpoint_count = 2};
	char token[TOKEN_TEXT_MAX];
	int loser;

	assert_int_equal(grant(c, 0, 1, GOSSIP_ADMIN), 0);
	settle(c);
	invite.endpoints[0] = cluster_endpoint(c, 0);
	invite.endpoints[1] = cluster_endpoint(c, 1);
	mint(c, 0, &invite, token);
	settle(c);
	split(c, 5, 4, true);
	assert_int_equal(join(c, cluster_add(c), token), 0);
	assert_int_equal(join(c, cluster_add(c), token), 0);
	cluster_run(c, 20000);
	assert_true(standing(c, 0, 2)->kept && standing(c, 1, 3)->kept);
	split(c, 5, 4, false);
	assert_true(cluster_wait(c, 200000, all_agree_on_one, NULL));
	loser = cluster_status(c, 2).state == GOSSIP_REVOKED ? 2 : 3;
	assert_non_null(strstr(cluster_status(c, loser).revoked_why, "used up"));
	assert_non_null(strstr(cluster_status(c, loser).revoked_why, "meshctl keep"));
	for (int i = 0; i < 2; i++)
		assert_int_equal(cluster_event_count(c, i, GOSSIP_EVENT_OVERSPENT), 1);
	/* an admin's word brings it back */
	assert_int_equal(keep(c, 1, loser), 0);
	assert_true(cluster_wait(c, 200000, both_are_members, NULL));
	cluster_free(c);
}

/* ---- machines replaced ---- */

static void a_machine_set_up_anew_takes_name_and_addresses_without_any_admin(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(4);
	struct invite invite = {.uses = 1,
		.has_replaced = true,
		.replaced = cluster_id(c, 3),
		.endpoint_count = 1,
		.endpoints = {cluster_endpoint(c, 1)}};
	struct gossip_member old = sees(c, 0, 3), anew;
	struct ip address4 = old.address4, address6 = old.address6;
	char token[TOKEN_TEXT_MAX];
	int node;

	assert_int_equal(address4.family, 4);
	mint(c, 0, &invite, token);
	settle(c);
	assert_int_equal(standing(c, 1, 3)->standing, AUTHORITY_MEMBER);
	cluster_crash(c, 3);
	cluster_crash(c, 0); /* the only admin */
	node = cluster_add(c);
	assert_int_equal(join(c, node, token), 0);
	cluster_run(c, 3000);
	for (int i = 1; i < 3; i++) {
		anew = sees(c, i, node);
		assert_string_equal(anew.standing->name, "n3");
		assert_true(ip_equal(&anew.address4, &address4));
		assert_true(ip_equal(&anew.address6, &address6));
		assert_int_equal(standing(c, i, 3)->standing, AUTHORITY_REVOKED);
		assert_string_equal(standing(c, i, 3)->reason, "replaced by n3");
		assert_int_equal(cluster_event_count(c, i, GOSSIP_EVENT_REVOKED), 1);
	}
	cluster_restart(c, 3);
	cluster_run(c, 60000);
	assert_int_equal(cluster_status(c, 3).state, GOSSIP_REVOKED);
	assert_non_null(strstr(cluster_status(c, 3).revoked_why, "replaced by n3"));
	cluster_free(c);
}

static void an_admin_is_not_replaced_before_it_is_none(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	struct invite invite = {.uses = 1, .has_replaced = true, .replaced = cluster_id(c, 1)};
	char token[TOKEN_TEXT_MAX];
	uint64_t ticket;

	assert_int_equal(grant(c, 0, 1, GOSSIP_ADMIN), 0);
	settle(c);
	assert_int_equal(gossip_invite(cluster_core(c, 0), cluster_node_time(c, 0), HOUR_MS,
				 &invite, token, &ticket),
		ERR_STATE);
	assert_non_null(strstr(gossip_error(cluster_core(c, 0)), "ungrant n1 admin"));
	cluster_free(c);
}

/* ---- leases ---- */

static void an_ephemeral_member_stays_while_it_is_there_and_goes_a_day_later(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	struct invite invite = {.uses = 1, .ephemeral = true};
	char token[TOKEN_TEXT_MAX];
	int node;

	mint(c, 0, &invite, token);
	node = cluster_add(c);
	assert_int_equal(join(c, node, token), 0);
	settle(c);
	for (int hours = 0; hours < 60; hours += 6) {
		clocks_ahead(c, hours * HOUR_MS);
		cluster_run(c, 130000);
		assert_int_equal(standing(c, 1, node)->standing, AUTHORITY_MEMBER);
	}
	cluster_crash(c, node);
	clocks_ahead(c, (54 + 15) * HOUR_MS);
	cluster_run(c, 130000);
	assert_int_equal(sees(c, 1, node).state, GOSSIP_MEMBER_DEAD); /* which is nothing */
	clocks_ahead(c, (54 + 25) * HOUR_MS);
	cluster_run(c, 130000);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(standing(c, i, node)->standing, AUTHORITY_LEFT);
		assert_int_equal(cluster_event_count(c, i, GOSSIP_EVENT_LEFT), 1);
	}
	cluster_restart(c, node);
	cluster_run(c, 5000);
	assert_int_equal(cluster_status(c, node).state, GOSSIP_REVOKED);
	assert_non_null(strstr(cluster_status(c, node).revoked_why, "lease is over"));
	cluster_free(c);
}

/* ---- two things at once ---- */

/* What node 3 says with one stamp to one, and what to another. */
static struct record *sign(struct cluster *c, const char *text, uint64_t stamp)
{
	struct id mesh = cluster_status(c, 0).mesh;
	struct record_draft draft = {
		.type = RECORD_VALUE, .key = "key", .key_size = 3, .stamp = stamp};
	struct record *record;
	struct pack value;

	pack_init_growing(&value, RECORD_VALUE_MAX);
	value_encode(text, strlen(text), &value);
	draft.value = value.data;
	draft.value_size = value.size;
	assert_int_equal(record_sign(&mesh, cluster_keys(c, 3), &draft, &record), 0);
	pack_done(&value);
	return record;
}

static bool everybody_knows(struct cluster *c, void *unused)
{
	(void)unused;
	for (int i = 0; i < 3; i++) {
		if (cluster_event_count(c, i, GOSSIP_EVENT_EQUIVOCATION) == 0)
			return false;
	}
	return cluster_digests_equal(c, NULL);
}

static void whoever_says_two_things_at_once_is_found_out_by_all(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(4);
	uint64_t stamp;

	assert_int_equal(put(c, 3, "before", "stays"), 0);
	settle(c);
	cluster_crash(c, 3);
	for (int i = 1; i < 3; i++)
		cluster_kill(c, i);
	stamp = (uint64_t)cluster_time(c).wall.ms << 16;
	for (int i = 1; i < 3; i++) {
		struct record *record = sign(c, i == 1 ? "one" : "two", stamp);

		cluster_write(c, i, record);
		record_unref(record);
		cluster_restart(c, i);
	}
	assert_true(cluster_wait(c, 60000, everybody_knows, NULL));
	for (int i = 0; i < 3; i++) {
		assert_true(shows(c, i, "key", NULL));
		assert_true(shows(c, i, "before", "stays"));
		assert_int_equal(standing(c, i, 3)->standing, AUTHORITY_MEMBER);
	}
	assert_int_equal(on_disk_of(c, 0, RECORD_EQUIVOCATION), 1);
	cluster_restart(c, 3);
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	cluster_run(c, 1000);
	assert_int_equal(put(c, 3, "after", "counts nowhere"), ERR_STATE);
	assert_true(cluster_status(c, 3).twice && !cluster_status(c, 0).twice);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_admin_is_made_and_unmade_by_the_root_alone),
		cmocka_unit_test(a_writer_is_made_and_unmade_by_any_admin),
		cmocka_unit_test(what_an_expelled_admin_had_on_its_way_is_nowhere),
		cmocka_unit_test(a_writer_by_an_expelled_admins_word_is_none),
		cmocka_unit_test(a_stolen_admins_invite_is_dropped_and_the_rest_stands),
		cmocka_unit_test(what_a_hostile_admin_made_goes_with_it),
		cmocka_unit_test(an_admin_with_ten_thousand_revocations_is_told_what_to_do),
		cmocka_unit_test(a_flood_by_one_admin_keeps_nobodys_word_out_and_goes_whole),
		cmocka_unit_test(a_revoked_admins_configuration_stands_but_what_is_dropped),
		cmocka_unit_test(every_admission_is_kept_and_hardly_any_twice),
		cmocka_unit_test(an_invite_is_closed_a_week_after_its_expiry_keeping_who_came),
		cmocka_unit_test(of_two_halves_that_spend_one_use_all_agree_and_the_loser_is_told),
		cmocka_unit_test(a_machine_set_up_anew_takes_name_and_addresses_without_any_admin),
		cmocka_unit_test(an_admin_is_not_replaced_before_it_is_none),
		cmocka_unit_test(an_ephemeral_member_stays_while_it_is_there_and_goes_a_day_later),
		cmocka_unit_test(whoever_says_two_things_at_once_is_found_out_by_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
