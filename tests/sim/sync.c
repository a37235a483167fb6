/* Nodes that come back with different records, and records too large for a datagram. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_internal.h"
#include "gossip/gossip_record.h"
#include "tests/support/cluster.h"
#include "tests/support/records.h"

#define DATAGRAM_HEAD 28 /* IPv4 and UDP */
#define DAY_MS	      (24 * 3600 * INT64_C(1000))
#define VALUE_SIZE    64

static const struct cluster_options calm = {
	.seed = 5, .latency_min_ms = 1, .latency_max_ms = 5, .disk_ms = 1};
static const struct cluster_options lossy = {
	.seed = 6, .loss = 0.3, .latency_min_ms = 1, .latency_max_ms = 40, .disk_ms = 1};

/* Bit n: on the disk of node n. */
#define EVERYBODY UINT64_MAX

struct writer {
	struct cluster *cluster;
	int nodes;
	int64_t first_ms; /* of the stamps */
	unsigned count;
};

static struct record *make(struct writer *w, size_t size)
{
	struct id mesh;
	struct gossip_status status;
	struct record_draft draft = {.type = RECORDS_OTHER, .key = &w->count, .key_size = 4};
	struct record *record;
	char *value = calloc(1, size);

	gossip_status(cluster_core(w->cluster, 0), &status);
	mesh = status.mesh;
	assert_non_null(value);
	draft.value = value;
	draft.value_size = size;
	draft.stamp = hlc_from_ms(w->first_ms + w->count * INT64_C(5000));
	assert_int_equal(record_sign(&mesh, cluster_keys(w->cluster, (int)w->count % w->nodes),
				 &draft, &record),
		0);
	free(value);
	w->count++;
	return record;
}

static void make_many(struct writer *w, struct record **ret, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ret[i] = make(w, VALUE_SIZE);
}

static void write_and_unref(
	struct writer *w, struct record *const *records, unsigned count, uint64_t where)
{
	for (unsigned i = 0; i < count; i++) {
		for (int node = 0; node < w->nodes; node++) {
			if (where >> node & 1)
				cluster_write(w->cluster, node, records[i]);
		}
		record_unref(records[i]);
	}
}

static uint64_t total(struct cluster *c, int nodes, enum gossip_counter counter)
{
	uint64_t sum = 0;

	for (int node = 0; node < nodes; node++)
		sum += gossip_counters(cluster_core(c, node))[counter];
	return sum;
}

/* A mesh that was down, with so many values on every disk, and each of those that differ on the
 * disks of its author's side: the first half of the nodes, or the second. */
static struct cluster *differing(
	const struct cluster_options *options, int nodes, unsigned common, unsigned differ)
{
	struct cluster *c = cluster_new(options);
	struct record **records = calloc(common + differ + 1, sizeof(*records));
	struct writer w = {.cluster = c, .nodes = nodes};
	uint64_t half = (UINT64_C(1) << nodes / 2) - 1;

	assert_non_null(records);
	cluster_mesh(c, nodes);
	assert_true(cluster_wait(c, 30000, cluster_converged, NULL));
	w.first_ms = cluster_time(c).wall.ms - DAY_MS;
	make_many(&w, records, common + differ);
	for (int node = 0; node < nodes; node++)
		cluster_kill(c, node);
	/* those that differ lie between the others */
	for (unsigned i = 0, next = 0; i < common + differ; i++) {
		bool differs = differ && (uint64_t)i * differ / (common + differ) >= next;
		bool first = cluster_node_of(c, &records[i]->author) < nodes / 2;

		write_and_unref(&w, &records[i], 1, !differs ? EVERYBODY : first ? half : ~half);
		next += differs;
	}
	free(records);
	for (int node = 0; node < nodes; node++)
		cluster_restart(c, node);
	return c;
}

struct cost {
	uint64_t packets, bytes;
};

static void count_sent(void *arg, int node, const struct gossip_effect *effect)
{
	struct cost *cost = arg;

	(void)node;
	if (effect->kind == EFFECT_SEND) {
		cost->packets++;
		cost->bytes += effect->size + DATAGRAM_HEAD;
	}
}

static void stores_that_agree_are_not_compared(void **state)
{
	(void)state;
	struct cluster *c = differing(&calm, 3, 50, 0);

	cluster_run(c, 60000);
	assert_int_equal(total(c, 3, GOSSIP_COUNT_SYNC_ROUNDS), 0);
	assert_int_equal(total(c, 3, GOSSIP_COUNT_SYNCS), 0);
	assert_int_equal(total(c, 3, GOSSIP_COUNT_SYNC_BYTES), 0);
	cluster_free(c);
}

/* Every datagram from the first of the round to when both know that they agree, probes that fall
 * between included. */
static void one_record_that_differs_costs_four_messages_and_3_kb(void **state)
{
	(void)state;
	struct cluster *c = differing(&calm, 2, 2000, 1);
	struct cost cost = {0};

	cluster_observe(c, count_sent, &cost);
	while (total(c, 2, GOSSIP_COUNT_SYNC_ROUNDS) == 0) {
		cost = (struct cost){0};
		cluster_run(c, 1);
	}
	assert_true(cluster_wait(c, 100, cluster_digests_equal, NULL));
	cluster_run(c, 2 * calm.latency_max_ms);
	printf("1 of 2,000: %d datagrams, %d bytes\n", (int)cost.packets, (int)cost.bytes);
	assert_in_range(cost.packets, 2, 4);
	assert_in_range(cost.bytes, 300, 3072);
	cluster_run(c, 3000);
	assert_int_equal(total(c, 2, GOSSIP_COUNT_SYNC_ROUNDS), 1);
	assert_int_equal(total(c, 2, GOSSIP_COUNT_SYNC_RECORDS), 1);
	assert_int_equal(total(c, 2, GOSSIP_COUNT_SYNCS), 0);
	cluster_free(c);
}

static void a_few_differences_are_mended_by_datagrams(void **state)
{
	(void)state;
	struct cluster *c = differing(&calm, 2, 1000, 30);

	assert_true(cluster_wait(c, 5000, cluster_converged, NULL));
	printf("30 of 1,000: %d rounds, %d bytes\n", (int)total(c, 2, GOSSIP_COUNT_SYNC_ROUNDS),
		(int)total(c, 2, GOSSIP_COUNT_SYNC_BYTES));
	assert_int_equal(total(c, 2, GOSSIP_COUNT_SYNCS), 0);
	assert_int_equal(total(c, 2, GOSSIP_COUNT_SYNC_RECORDS), 30);
	cluster_free(c);
}

static void many_differences_are_mended_over_a_stream(void **state)
{
	(void)state;
	struct cluster *c = differing(&calm, 2, 500, 2000);

	assert_true(cluster_wait(c, 10000, cluster_converged, NULL));
	printf("2,000 of 2,500: %d rounds, %d streams, %d bytes, %d records\n",
		(int)total(c, 2, GOSSIP_COUNT_SYNC_ROUNDS), (int)total(c, 2, GOSSIP_COUNT_SYNCS),
		(int)total(c, 2, GOSSIP_COUNT_SYNC_BYTES),
		(int)total(c, 2, GOSSIP_COUNT_SYNC_RECORDS));
	assert_in_range(total(c, 2, GOSSIP_COUNT_SYNCS), 2, 4);
	assert_in_range(total(c, 2, GOSSIP_COUNT_SYNC_RECORDS), 2000, 2400);
	cluster_free(c);
}

static void loss_only_delays(void **state)
{
	(void)state;
	struct cluster *c = differing(&lossy, 6, 300, 100);

	assert_true(cluster_wait(c, 20000, cluster_digests_equal, NULL));
	printf("100 of 400 between 6, 30 %% lost: %d rounds, %d streams, %d bytes, %d records\n",
		(int)total(c, 6, GOSSIP_COUNT_SYNC_ROUNDS), (int)total(c, 6, GOSSIP_COUNT_SYNCS),
		(int)total(c, 6, GOSSIP_COUNT_SYNC_BYTES),
		(int)total(c, 6, GOSSIP_COUNT_SYNC_RECORDS));
	cluster_free(c);
}

static void put(struct cluster *c, int node, const struct record *record)
{
	bool fresh;

	assert_int_equal(
		gossip_record_put_bytes(cluster_core(c, node), record->bytes, record->size, &fresh),
		0);
	assert_true(fresh);
	cluster_drain(c, node);
}

/* Sooner than any comparison of stores would find it. */
static void a_large_record_is_everywhere_within_a_second(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&calm);
	struct writer w = {.cluster = c, .nodes = 20};
	struct record *record;

	cluster_mesh(c, 20);
	assert_true(cluster_wait(c, 30000, cluster_converged, NULL));
	cluster_run(c, 3000);
	w.first_ms = cluster_time(c).wall.ms;
	record = make(&w, RECORD_VALUE_MAX);
	uint64_t rounds = total(c, 20, GOSSIP_COUNT_SYNC_ROUNDS);
	put(c, 4, record);
	cluster_run(c, 10);
	assert_false(cluster_digests_equal(c, NULL));
	assert_true(cluster_wait(c, 1000, cluster_digests_equal, NULL));
	assert_int_equal(total(c, 20, GOSSIP_COUNT_SYNC_ROUNDS), rounds);
	printf("64 KiB to 20: %d streams, %d KiB\n", (int)total(c, 20, GOSSIP_COUNT_SYNCS),
		(int)(total(c, 20, GOSSIP_COUNT_SYNC_BYTES) / 1024));
	record_unref(record);
	cluster_free(c);
}

/* A comparison finds it; no datagram can bring it. */
static void a_large_record_that_was_missed_is_asked_for(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&calm);
	struct writer w = {.cluster = c, .nodes = 2};
	struct record *record;

	cluster_mesh(c, 2);
	assert_true(cluster_wait(c, 30000, cluster_converged, NULL));
	for (int side = 0; side < 2; side++) {
		w.first_ms = cluster_time(c).wall.ms - DAY_MS;
		record = make(&w, 30000);
		cluster_kill(c, side);
		cluster_write(c, side, record);
		cluster_restart(c, side);
		record_unref(record);
		assert_true(cluster_wait(c, 10000, cluster_converged, NULL));
	}
	cluster_free(c);
}

/* What one round finds is news, and goes on to all others. */
static void the_whole_mesh_comes_back_after_a_night_apart(void **state)
{
	(void)state;
	struct cluster *c = differing(&calm, 16, 200, 60);
	struct cost cost = {0};

	cluster_observe(c, count_sent, &cost);
	assert_true(cluster_wait(c, 20000, cluster_digests_equal, NULL));
	assert_in_range(total(c, 16, GOSSIP_COUNT_SYNC_ROUNDS), 1, 16);
	printf("60 of 260 between 16: %d rounds, %d streams, %d KiB, %d records; sent in all %d "
	       "KiB\n",
		(int)total(c, 16, GOSSIP_COUNT_SYNC_ROUNDS), (int)total(c, 16, GOSSIP_COUNT_SYNCS),
		(int)(total(c, 16, GOSSIP_COUNT_SYNC_BYTES) / 1024),
		(int)total(c, 16, GOSSIP_COUNT_SYNC_RECORDS), (int)(cost.bytes / 1024));
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores_that_agree_are_not_compared),
		cmocka_unit_test(one_record_that_differs_costs_four_messages_and_3_kb),
		cmocka_unit_test(a_few_differences_are_mended_by_datagrams),
		cmocka_unit_test(many_differences_are_mended_over_a_stream),
		cmocka_unit_test(loss_only_delays),
		cmocka_unit_test(a_large_record_is_everywhere_within_a_second),
		cmocka_unit_test(a_large_record_that_was_missed_is_asked_for),
		cmocka_unit_test(the_whole_mesh_comes_back_after_a_night_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
