#include "tests/meshsim/sync.h"

#include <assert.h>
#include <stdlib.h>

#include "gossip/record/hlc.h"
#include "tests/support/records.h"

#define APART_MS     10000 /* all are off, as far as anybody knows for longer */
#define BETWEEN_MS   100   /* the stamps of two of the records */
#define VALUE_SIZE   128
#define OF_AN_AUTHOR 1000 /* records: below its quota */

/* The half of it that a node belongs to, or a record is known in. */
static int half_of(int64_t number)
{
	return (int)(number % 2);
}

static struct record *make(struct sim *sim, int64_t number, int64_t first_ms)
{
	static const uint8_t value[VALUE_SIZE];
	int half = half_of(number), authors = (sim->options.nodes + 1 - half) / 2;
	int author = (int)(number / 2 / OF_AN_AUTHOR) % authors * 2 + half;
	struct record_draft draft = {.type = RECORDS_OTHER,
		.key = &number,
		.key_size = sizeof(number),
		.stamp = hlc_from_ms(first_ms + number * BETWEEN_MS),
		.value = value,
		.value_size = sizeof(value)};
	struct record *record;
	int err = record_sign(&cluster_root_keys(sim->cluster, 0)->id,
		cluster_keys(sim->cluster, author), &draft, &record);

	assert(err == 0);
	(void)err;
	return record;
}

static void write_differences(struct sim *sim)
{
	int64_t first_ms = cluster_time(sim->cluster).wall.ms - sim->options.differ * BETWEEN_MS;

	for (int64_t i = 0; i < sim->options.differ; i++) {
		struct record *record = make(sim, i, first_ms);

		for (int node = 0; node < sim->options.nodes; node++) {
			if (half_of(node) == half_of(i))
				cluster_write(sim->cluster, node, record);
		}
		record_unref(record);
	}
}

/* A sync over a stream counts at either end. */
static void count(struct sim *sim)
{
	uint64_t streams = 0;

	for (int node = 0; node < sim->options.nodes; node++) {
		const uint64_t *counters = gossip_counters(cluster_core(sim->cluster, node));

		streams += counters[GOSSIP_COUNT_SYNCS];
		sim->sync_rounds += counters[GOSSIP_COUNT_SYNC_ROUNDS];
		sim->sync_bytes += counters[GOSSIP_COUNT_SYNC_BYTES];
		sim->sync_records += counters[GOSSIP_COUNT_SYNC_RECORDS];
	}
	sim->sync_rounds += streams / 2;
}

void sync_run(struct sim *sim)
{
	int nodes = sim->options.nodes, started = 0;
	int64_t end_ms;

	sim_mesh(sim);
	end_ms = sim_now_ms(sim) + sim->options.seconds * 1000;
	for (int i = 0; i < nodes; i++)
		cluster_crash(sim->cluster, i);
	cluster_run(sim->cluster, APART_MS);
	write_differences(sim);
	for (int ms = 0; ms < SIM_START_JITTER_MS; ms++) {
		for (; started < nodes * (ms + 1) / SIM_START_JITTER_MS; started++)
			sim_restart(sim, started);
		cluster_run(sim->cluster, 1);
	}
	sim_converge(sim);
	if (sim_now_ms(sim) < end_ms)
		cluster_run(sim->cluster, end_ms - sim_now_ms(sim));
	count(sim);
}
