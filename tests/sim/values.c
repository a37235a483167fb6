/* Key-values of a whole mesh: what is put on one node is shown on all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_age.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_record.h"
#include "gossip/record/value.h"
#include "gossip/replica/store.h"
#include "tests/support/cluster.h"

#define NODES  4
#define DAY_MS (24 * 3600 * INT64_C(1000))

static const struct cluster_options calm = {
	.seed = 15, .latency_min_ms = 1, .latency_max_ms = 5, .disk_ms = 1};

static struct cluster *mesh_of(int count)
{
	struct cluster *c = cluster_new(&calm);

	cluster_mesh(c, count);
	assert_true(cluster_wait(c, 30000, cluster_converged, NULL));
	return c;
}

static int try_put(struct cluster *c, int node, const char *key, const void *value, size_t size)
{
	uint64_t stamp, ticket;
	int err = gossip_put(cluster_core(c, node), cluster_node_time(c, node), key, strlen(key),
		value, size, &stamp, &ticket);

	cluster_drain(c, node);
	return err;
}

static void put(struct cluster *c, int node, const char *key, const char *value)
{
	assert_int_equal(try_put(c, node, key, value, strlen(value)), 0);
}

static int try_delete(struct cluster *c, int node, const char *key)
{
	uint64_t stamp, ticket;
	int err = gossip_delete(cluster_core(c, node), cluster_node_time(c, node), key, strlen(key),
		&stamp, &ticket);

	cluster_drain(c, node);
	return err;
}

static bool shows(struct cluster *c, int node, const char *key, const char *value)
{
	struct gossip_value got;

	if (!gossip_value(cluster_core(c, node), key, strlen(key), &got))
		return value == NULL;
	return value && got.value_size == strlen(value) &&
	       memcmp(got.value, value, got.value_size) == 0;
}

struct wish {
	const char *key, *value; /* NULL: none */
};

static bool all_show(struct cluster *c, void *arg)
{
	const struct wish *wish = arg;

	for (int node = 0; node < cluster_count(c); node++) {
		if (cluster_is_up(c, node) && !shows(c, node, wish->key, wish->value))
			return false;
	}
	return true;
}

static void wait_all(struct cluster *c, int64_t most_ms, const char *key, const char *value)
{
	struct wish wish = {key, value};

	assert_true(cluster_wait(c, most_ms, all_show, &wish));
}

static void what_is_put_on_one_node_is_shown_on_all(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(NODES);

	put(c, 1, "colour", "blue");
	assert_false(shows(c, 1, "colour", "blue")); /* not before it is on its disk */
	wait_all(c, 200, "colour", "blue");
	put(c, 2, "colour", "red");
	wait_all(c, 200, "colour", "red");
	assert_int_equal(try_delete(c, 3, "colour"), 0);
	wait_all(c, 200, "colour", NULL);
	assert_int_equal(try_delete(c, 3, "colour"), ERR_UNKNOWN);
	cluster_free(c);
}

/* As whoever has changed its meshd. */
static void put_by_hand(struct cluster *c, int node, const char *key, const char *value)
{
	const struct id mesh = cluster_status(c, node).mesh, author = cluster_id(c, node);
	struct record_draft draft = {.type = RECORD_VALUE,
		.key = key,
		.key_size = strlen(key),
		.stamp = hlc_from_ms(cluster_time(c).wall.ms + 1000)};
	struct record *record;
	struct pack pack;
	bool fresh;

	pack_init_growing(&pack, RECORD_VALUE_MAX);
	value_encode(value, strlen(value), &pack);
	draft.value = pack.data;
	draft.value_size = pack.size;
	assert_int_equal(record_sign(&mesh, cluster_keys(c, node), &draft, &record), 0);
	for (int i = 0; i < cluster_count(c); i++) {
		assert_int_equal(gossip_record_put(cluster_core(c, i), record, &fresh), 0);
		cluster_drain(c, i);
		assert_non_null(store_slot(
			cluster_core(c, i)->store, &author, RECORD_VALUE, key, strlen(key)));
	}
	record_unref(record);
	pack_done(&pack);
}

static void configuration_is_the_admins_alone(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(NODES);

	put(c, 0, "mesh/dns", "on");
	wait_all(c, 200, "mesh/dns", "on");
	assert_int_equal(try_put(c, 1, "mesh/dns", "off", 3), ERR_NOT_ADMIN);
	assert_int_equal(try_delete(c, 1, "mesh/dns"), ERR_NOT_ADMIN);
	put(c, 1, "meshes", "fine");
	wait_all(c, 200, "meshes", "fine");
	/* whoever says it all the same is heard by all, and counts for nobody */
	put_by_hand(c, 1, "mesh/dns", "off");
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	wait_all(c, 0, "mesh/dns", "on");
	cluster_free(c);
}

static void what_makes_no_key_or_value_is_refused(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(1);
	static char large[VALUE_SIZE_MAX + 1];
	char key[VALUE_KEY_MAX + 2];

	memset(key, 'k', sizeof(key));
	key[VALUE_KEY_MAX + 1] = '\0';
	assert_int_equal(try_put(c, 0, key, "", 0), ERR_INVALID);
	key[VALUE_KEY_MAX] = '\0';
	assert_int_equal(try_put(c, 0, key, large, VALUE_SIZE_MAX), 0);
	assert_int_equal(try_put(c, 0, key, large, VALUE_SIZE_MAX + 1), ERR_TOO_BIG);
	assert_int_equal(try_put(c, 0, "", "", 0), ERR_INVALID);
	assert_int_equal(try_put(c, 0, "a\tb", "", 0), ERR_INVALID);
	cluster_run(c, 100);
	assert_true(shows(c, 0, "a", NULL));
	cluster_free(c);
}

/* What no datagram carries is announced, and pulled over streams. */
static void the_largest_values_are_on_all_nodes_soon(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(NODES);
	char *large = malloc(VALUE_SIZE_MAX + 1);

	assert_non_null(large);
	memset(large, 'x', VALUE_SIZE_MAX);
	large[VALUE_SIZE_MAX] = '\0';
	put(c, 1, "large", large);
	put(c, 2, "largest", large);
	wait_all(c, 2000, "large", large);
	wait_all(c, 2000, "largest", large);
	assert_int_equal(try_delete(c, 3, "large"), 0);
	wait_all(c, 200, "large", NULL);
	assert_true(cluster_converged(c, NULL));
	free(large);
	cluster_free(c);
}

/* A reader that goes on from a cursor, over a restart. */
static void a_reader_misses_nothing_over_a_restart(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	struct gossip_value got;
	uint64_t cursor;

	put(c, 0, "a", "1");
	put(c, 0, "b", "1");
	wait_all(c, 200, "b", "1");
	cluster_run(c, 50);
	cursor = gossip_value_cursor(cluster_core(c, 2));
	assert_false(gossip_value_since(cluster_core(c, 2), cursor, &got));
	cluster_kill(c, 2);
	put(c, 1, "a", "2");
	assert_int_equal(try_delete(c, 0, "b"), 0);
	cluster_run(c, 5000);
	cluster_restart(c, 2);
	wait_all(c, 30000, "b", NULL);
	wait_all(c, 30000, "a", "2");
	assert_int_equal(gossip_value_check(cluster_core(c, 2), cursor), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_true(gossip_value_since(cluster_core(c, 2), cursor, &got));
		assert_true(got.cursor > cursor);
		assert_int_equal(got.value != NULL, got.key[0] == 'a');
		cursor = got.cursor;
	}
	assert_false(gossip_value_since(cluster_core(c, 2), cursor, &got));
	assert_int_equal(gossip_value_cursor(cluster_core(c, 2)), cursor);
	assert_int_equal(gossip_value_check(cluster_core(c, 2), cursor + 1), ERR_INVALID);
	cluster_free(c);
}

/* ---- time ---- */

/* All clocks go on by so many days, a day at a time: there is no need to live through all of it. */
struct calendar {
	struct cluster *c;
	int64_t days;
};

static void set_clock(struct calendar *calendar, int node)
{
	cluster_clock(calendar->c, node, calendar->days * DAY_MS, 0, true);
}

static void days_pass(struct calendar *calendar, int days)
{
	while (days--) {
		calendar->days++;
		for (int node = 0; node < cluster_count(calendar->c); node++)
			set_clock(calendar, node);
		cluster_run(calendar->c, 4000);
	}
}

static size_t records_on(struct cluster *c, int node)
{
	struct gossip_status status;

	gossip_status(cluster_core(c, node), &status);
	return status.records;
}

static uint64_t current_cutoff(struct cluster *c, int node)
{
	return (uint64_t)cluster_node_time(c, node).wall.ms / 3600000 - 240;
}

static void what_is_deleted_is_forgotten_after_ten_days(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	struct calendar calendar = {c, 0};
	size_t before;
	uint64_t cursor;

	put(c, 0, "kept", "1");
	days_pass(&calendar, 9); /* the invites are closed by then */
	before = records_on(c, 1);
	put(c, 1, "gone", "1");
	put(c, 2, "gone", "2");
	cluster_run(c, 500);
	cursor = gossip_value_cursor(cluster_core(c, 1));
	assert_int_equal(try_delete(c, 0, "gone"), 0);
	wait_all(c, 200, "gone", NULL);
	days_pass(&calendar, 9);
	assert_int_equal(records_on(c, 1), before + 3);
	/* nobody is talked into collecting what is not due */
	assert_int_equal(gossip_age_believed(cluster_core(c, 1), UINT64_MAX), 0);
	assert_int_equal(gossip_age_believed(cluster_core(c, 1),
				 (uint64_t)cluster_node_time(c, 1).wall.ms / 3600000),
		0);
	assert_int_not_equal(
		gossip_age_believed(cluster_core(c, 1), gossip_age_cutoff(cluster_core(c, 1))), 0);
	assert_int_equal(gossip_value_check(cluster_core(c, 1), cursor), 0);
	days_pass(&calendar, 2);
	for (int node = 0; node < 3; node++)
		assert_int_equal(records_on(c, node), before);
	assert_true(cluster_converged(c, NULL));
	assert_int_equal(gossip_value_check(cluster_core(c, 1), cursor), ERR_EXPIRED);
	wait_all(c, 0, "kept", "1");
	/* what is on disk for a day more is not in the store again after a restart */
	cluster_kill(c, 2);
	cluster_restart(c, 2);
	cluster_run(c, 5000);
	assert_int_equal(records_on(c, 2), before);
	/* it is on no disk any more either, a day later */
	days_pass(&calendar, 2);
	cluster_kill(c, 1);
	cluster_restart(c, 1);
	cluster_run(c, 5000);
	assert_int_equal(records_on(c, 1), before);
	assert_int_equal(gossip_value_check(cluster_core(c, 1), cursor), ERR_EXPIRED);
	cluster_free(c);
}

static void jump(struct calendar *calendar, int node, int days)
{
	calendar->days += days;
	set_clock(calendar, node);
	calendar->days -= days;
}

static bool is_said_there(struct cluster *c, void *node)
{
	return shows(c, *(int *)node, "said", "1");
}

/* It would collect what nobody else does, and compare with nobody until that is due. */
static void a_clock_days_ahead_collects_nothing_early(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(4);
	struct calendar calendar = {c, 0};
	int wrong = 2;

	put(c, 0, "k", "1");
	cluster_run(c, 500);
	assert_int_equal(try_delete(c, 0, "k"), 0);
	days_pass(&calendar, 8);
	/* somebody vouches for it; before and after a start */
	for (int i = 0; i < 2; i++) {
		jump(&calendar, wrong, 5);
		cluster_run(c, 60000);
		assert_int_equal(gossip_age_cutoff(cluster_core(c, wrong)),
			gossip_age_cutoff(cluster_core(c, 0)));
		cluster_kill(c, wrong);
		cluster_run(c, 1000);
		cluster_restart(c, wrong);
	}
	cluster_run(c, 60000);
	/* what was never news to it comes by comparison, as soon as its clock is right */
	cluster_kill(c, wrong);
	put(c, 0, "said", "1");
	cluster_run(c, 20000);
	cluster_restart(c, wrong);
	set_clock(&calendar, wrong);
	assert_true(cluster_wait(c, 60000, is_said_there, &wrong));
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	days_pass(&calendar, 3);
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	assert_int_equal(
		gossip_age_cutoff(cluster_core(c, wrong)), gossip_age_cutoff(cluster_core(c, 0)));
	cluster_free(c);
}

static void never(struct cluster *c, int64_t ms, const char *key)
{
	for (; ms > 0; ms -= 50) {
		cluster_run(c, 50);
		for (int node = 0; node < 2; node++)
			assert_true(shows(c, node, key, NULL));
	}
}

static void who_was_away_for_eleven_days_brings_nothing_back(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(4);
	struct calendar calendar = {c, 0};

	put(c, 0, "a", "1");
	put(c, 2, "b", "1");
	put(c, 1, "kept", "1");
	wait_all(c, 200, "b", "1");
	wait_all(c, 200, "kept", "1");
	cluster_run(c, 5000);
	cluster_kill(c, 2);
	assert_int_equal(try_delete(c, 1, "a"), 0);
	assert_int_equal(try_delete(c, 1, "b"), 0);
	days_pass(&calendar, 12);
	put(c, 0, "new", "1");
	cluster_run(c, 500);
	assert_int_equal(gossip_age_cutoff(cluster_core(c, 0)), current_cutoff(c, 0));
	cluster_restart(c, 2);
	set_clock(&calendar, 2);
	assert_true(shows(c, 2, "a", "1"));
	assert_true(cluster_status(c, 2).stale);
	never(c, 15000, "b");
	wait_all(c, 1000, "a", NULL);
	wait_all(c, 1000, "b", NULL);
	wait_all(c, 0, "kept", "1");
	wait_all(c, 0, "new", "1");
	assert_true(cluster_converged(c, NULL));
	/* it is one like the others again */
	assert_false(cluster_status(c, 2).stale);
	put(c, 2, "b", "2");
	wait_all(c, 200, "b", "2");
	cluster_free(c);
}

static void what_was_written_apart_is_kept(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(4);
	struct calendar calendar = {c, 0};

	put(c, 2, "old", "1");
	wait_all(c, 200, "old", "1");
	cluster_run(c, 5000);
	cluster_group(c, 2, 1);
	assert_int_equal(try_delete(c, 1, "old"), 0);
	days_pass(&calendar, 6);
	put(c, 2, "apart", "1");
	days_pass(&calendar, 6);
	assert_int_equal(gossip_age_cutoff(cluster_core(c, 0)), current_cutoff(c, 0));
	cluster_group(c, 2, 0);
	wait_all(c, 120000, "apart", "1");
	wait_all(c, 120000, "old", NULL);
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	cluster_free(c);
}

/* Ten days by the clock that does not jump. */
static void stay_awake(struct cluster *c, int count)
{
	for (int node = 0; node < count; node++) {
		struct age *age = &cluster_core(c, node)->age;

		age->since = mtime_add_ms(age->since, -11 * DAY_MS);
	}
	cluster_run(c, 5000);
}

static void a_mesh_that_slept_all_winter_wakes_up_whole(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(4);
	struct calendar calendar = {c, 0};
	const struct id author = cluster_id(c, 0), deleter = cluster_id(c, 3);

	put(c, 0, "all", "1");
	put(c, 3, "gone", "1");
	wait_all(c, 200, "gone", "1");
	cluster_run(c, 5000);
	/* one hears of neither any more */
	cluster_kill(c, 3);
	assert_int_equal(try_delete(c, 0, "gone"), 0);
	put(c, 1, "last", "1");
	cluster_run(c, 20);
	for (int node = 0; node < 3; node++)
		cluster_kill(c, node);
	calendar.days = 120;
	for (int node = 0; node < 4; node++)
		set_clock(&calendar, node);
	cluster_restart(c, 3);
	cluster_restart(c, 2);
	cluster_run(c, 60000);
	cluster_restart(c, 0);
	days_pass(&calendar, 2);
	cluster_restart(c, 1);
	wait_all(c, 60000, "last", "1");
	wait_all(c, 60000, "gone", NULL);
	wait_all(c, 0, "all", "1");
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	put(c, 2, "spring", "1");
	wait_all(c, 200, "spring", "1");
	/* after ten days they are current again, and collect as before */
	stay_awake(c, 4);
	for (int node = 0; node < 4; node++)
		assert_int_equal(gossip_age_cutoff(cluster_core(c, node)), current_cutoff(c, node));
	assert_int_equal(try_delete(c, 3, "all"), 0);
	wait_all(c, 200, "all", NULL);
	days_pass(&calendar, 12);
	for (int node = 0; node < 4; node++) {
		assert_null(
			store_slot(cluster_core(c, node)->store, &author, RECORD_VALUE, "all", 3));
		assert_null(
			store_slot(cluster_core(c, node)->store, &deleter, RECORD_VALUE, "all", 3));
	}
	assert_true(cluster_converged(c, NULL));
	cluster_free(c);
}

/* A member that says it is current, and has forgotten all values. */
static void begin_to_lie(struct cluster *c, int node)
{
	struct gossip *g = cluster_core(c, node);
	struct record *at = NULL, *next;

	g->age.collecting = false;
	g->age.contact_ms = cluster_node_time(c, node).wall.ms;
	g->numbers[GOSSIP_NUMBER_CUTOFF] = current_cutoff(c, node);
	while ((next = store_after(g->store, at))) {
		if (next->type == RECORD_VALUE)
			store_drop(g->store, next);
		else
			at = next;
	}
	cluster_drain(c, node);
}

static void one_liar_makes_nobody_forget(void **state)
{
	(void)state;
	enum { LIAR = 3 };
	struct cluster *c = mesh_of(4);
	struct calendar calendar = {c, 0};

	put(c, 1, "kept", "1");
	wait_all(c, 200, "kept", "1");
	cluster_run(c, 70000); /* until it is on disk that they agree */
	for (int node = 0; node < 4; node++)
		cluster_kill(c, node);
	calendar.days = 120;
	for (int node = 0; node < 4; node++)
		set_clock(&calendar, node);
	cluster_restart(c, LIAR);
	begin_to_lie(c, LIAR);
	for (int node = 0; node < LIAR; node++) {
		cluster_restart(c, node);
		cluster_run(c, 120000);
		assert_true(shows(c, LIAR, "kept", NULL));
		for (int up = 0; up <= node; up++)
			assert_true(shows(c, up, "kept", "1"));
	}
	/* nobody has borne it out: the others go on together */
	stay_awake(c, LIAR);
	wait_all(c, 120000, "kept", "1");
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	cluster_free(c);
}

static void of_two_the_one_believes_the_other(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	struct calendar calendar = {c, 0};

	put(c, 0, "a", "1");
	wait_all(c, 200, "a", "1");
	cluster_run(c, 5000);
	cluster_kill(c, 1);
	assert_int_equal(try_delete(c, 0, "a"), 0);
	days_pass(&calendar, 12);
	begin_to_lie(c, 0); /* alone for so long it is stale as well */
	cluster_restart(c, 1);
	set_clock(&calendar, 1);
	wait_all(c, 60000, "a", NULL);
	assert_true(cluster_wait(c, 60000, cluster_converged, NULL));
	cluster_free(c);
}

/* Of a newcomer, whose cutoff is none yet, and who collects to that of the first that it agreed
 * with when another says an earlier hour. */
static void a_collection_under_way_is_not_set_back(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	struct gossip *g = cluster_core(c, 1);
	const struct id other = cluster_id(c, 2);
	uint64_t cutoff;

	cluster_run(c, 5000);
	cutoff = gossip_age_cutoff(g);
	g->numbers[GOSSIP_NUMBER_CUTOFF] = 0;
	gossip_peer(g, &other)->cutoff = cutoff;
	gossip_age_agreed(g, gossip_peer(g, &other));
	gossip_peer(g, &other)->cutoff = 1000;
	gossip_age_agreed(g, gossip_peer(g, &other));
	cluster_run(c, 2000);
	assert_int_equal(gossip_age_cutoff(g), cutoff);
	cluster_free(c);
}

/* However long its disk takes, and though the node is killed when the disk has it already: nobody
 * reads on behind it before it is told. */
static void a_put_that_its_disk_keeps_waiting_is_missed_by_no_reader(void **state)
{
	(void)state;

	for (int killed = 0; killed < 2; killed++) {
		struct cluster *c = mesh_of(2);
		struct cluster_options slow = calm;
		struct gossip_value value;
		uint64_t cursor;

		slow.disk_ms = 5000;
		cluster_weather(c, &slow);
		put(c, 0, "late", "yes");
		cluster_run(c, 2000);
		cursor = gossip_value_cursor(cluster_core(c, 0));
		assert_false(gossip_value_since(cluster_core(c, 0), cursor, &value));
		if (killed) {
			cluster_kill(c, 0);
			cluster_restart(c, 0);
		}
		cluster_run(c, 4000);
		assert_true(shows(c, 0, "late", "yes"));
		assert_int_equal(gossip_value_check(cluster_core(c, 0), cursor), 0);
		assert_true(gossip_value_since(cluster_core(c, 0), cursor, &value));
		assert_int_equal(value.key_size, strlen("late"));
		cluster_free(c);
	}
}

struct copying {
	struct cluster *c;
	struct id mesh;
	int to; /* that node's disk; or how many there are */
};

static void copy_revocation(void *arg, const uint8_t *bytes, size_t size)
{
	struct copying *copying = arg;
	struct record *record;

	assert_int_equal(record_decode(&copying->mesh, bytes, size, &record), 0);
	if (record->type == RECORD_REVOCATION)
		cluster_write(copying->c, copying->to, record);
	record_unref(record);
}

/* A crash came between the word that reached its disk, and what follows from it. */
static void a_value_that_falls_at_a_start_is_missed_by_no_reader(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	struct copying copying = {.c = c, .to = 1};
	struct gossip_status status;
	struct gossip_value value;
	struct id id = cluster_id(c, 2);
	uint64_t cursor, ticket;

	put(c, 0, "key", "older");
	assert_true(cluster_wait(c, 5000, all_show, &(struct wish){"key", "older"}));
	put(c, 2, "key", "later");
	assert_true(cluster_wait(c, 5000, all_show, &(struct wish){"key", "later"}));
	cursor = gossip_value_cursor(cluster_core(c, 1));
	gossip_status(cluster_core(c, 0), &status);
	copying.mesh = status.mesh;
	cluster_kill(c, 1);
	assert_int_equal(
		gossip_revoke(cluster_core(c, 0), cluster_node_time(c, 0), &id, "lost", &ticket),
		0);
	cluster_drain(c, 0);
	cluster_records(c, 0, copy_revocation, &copying);
	cluster_group(c, 1, 1);
	cluster_restart(c, 1);
	cluster_run(c, 1000);
	assert_true(shows(c, 1, "key", "older"));
	assert_true(gossip_value_since(cluster_core(c, 1), cursor, &value));
	assert_int_equal(value.value_size, strlen("older"));
	cluster_free(c);
}

static void count_value(void *arg, const uint8_t *bytes, size_t size)
{
	struct copying *copying = arg;
	struct record *record;

	assert_int_equal(record_decode(&copying->mesh, bytes, size, &record), 0);
	copying->to += record->type == RECORD_VALUE;
	record_unref(record);
}

/* It was written, and what it replaces not yet removed. */
static void what_a_crash_left_beside_its_successor_goes_at_the_start(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(2);
	struct copying values = {.c = c};
	struct gossip_status status;

	gossip_status(cluster_core(c, 0), &status);
	values.mesh = status.mesh;
	put(c, 1, "key", "older");
	cluster_run(c, 1000);
	put(c, 1, "key", "later");
	cluster_kill(c, 1);
	cluster_restart(c, 1);
	cluster_run(c, 1000);
	assert_true(shows(c, 1, "key", "later"));
	cluster_records(c, 1, count_value, &values);
	assert_int_equal(values.to, 1);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_on_one_node_is_shown_on_all),
		cmocka_unit_test(configuration_is_the_admins_alone),
		cmocka_unit_test(what_makes_no_key_or_value_is_refused),
		cmocka_unit_test(the_largest_values_are_on_all_nodes_soon),
		cmocka_unit_test(a_put_that_its_disk_keeps_waiting_is_missed_by_no_reader),
		cmocka_unit_test(a_value_that_falls_at_a_start_is_missed_by_no_reader),
		cmocka_unit_test(what_a_crash_left_beside_its_successor_goes_at_the_start),
		cmocka_unit_test(a_reader_misses_nothing_over_a_restart),
		cmocka_unit_test(a_clock_days_ahead_collects_nothing_early),
		cmocka_unit_test(what_is_deleted_is_forgotten_after_ten_days),
		cmocka_unit_test(who_was_away_for_eleven_days_brings_nothing_back),
		cmocka_unit_test(what_was_written_apart_is_kept),
		cmocka_unit_test(a_mesh_that_slept_all_winter_wakes_up_whole),
		cmocka_unit_test(one_liar_makes_nobody_forget),
		cmocka_unit_test(of_two_the_one_believes_the_other),
		cmocka_unit_test(a_collection_under_way_is_not_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
