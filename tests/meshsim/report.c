#include "tests/meshsim/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "tests/meshsim/scenario.h"

static const char *const fault_labels[] = {
#define X(name, label) label,
	FAULTS_LIST(X)
#undef X
};

static double rate_of(const struct sim *sim, mtime_t until, uint64_t now, uint64_t before)
{
	double seconds = (double)mtime_diff_us(until, sim->metrics.began) / 1e6;

	return seconds > 0 ? (double)(now - before) / seconds / sim->options.nodes : 0;
}

/* A node and second, of those measured. */
static double rate(const struct sim *sim, uint64_t now, uint64_t before)
{
	return rate_of(sim, sim->metrics.ended, now, before);
}

/* The same while there was no news: probing alone. 0 in scenarios without such a part. */
static double idle_messages(const struct sim *sim)
{
	return rate_of(sim, sim->metrics.idle_until, sim->metrics.idle.datagrams,
		sim->metrics.before.datagrams);
}

static double idle_bytes(const struct sim *sim)
{
	return rate_of(sim, sim->metrics.idle_until,
		sim->metrics.idle.bytes + sim->metrics.idle.stream_bytes,
		sim->metrics.before.bytes + sim->metrics.before.stream_bytes);
}

static void trace_text(const struct sim *sim, char ret[33])
{
	uint8_t trace[16];

	cluster_trace(sim->cluster, trace);
	for (int i = 0; i < 16; i++)
		snprintf(ret + 2 * i, 3, "%02x", trace[i]);
}

static void put_samples(const char *name, struct samples *s)
{
	printf(" \"%s\": {\"min\": %.3f, \"median\": %.3f, \"p99\": %.3f, \"max\": %.3f, "
	       "\"count\": %zu},\n",
		name, samples_quantile(s, 0), samples_quantile(s, 0.5), samples_quantile(s, 0.99),
		samples_quantile(s, 1), s->count);
}

void report_json(struct sim *sim, double wall_s)
{
	const struct cluster_counts *now = cluster_counts(sim->cluster);
	const struct cluster_counts *before = &sim->metrics.before;
	const struct false_positives *fp = &sim->metrics.false_positives;
	char trace[33];

	trace_text(sim, trace);
	printf("{\"ok\": %s, \"seed\": %" PRIu64 ", \"trace_hash\": \"%s\", \"nodes\": %d, "
	       "\"seconds\": %" PRId64 ", \"scenario\": \"%s\", \"detector\": \"%s\",\n",
		sim->broken ? "false" : "true", sim->options.seed, trace, sim->options.nodes,
		sim->options.seconds, sim->options.scenario->name, sim->options.detector);
	printf(" \"messages_per_node_s\": %.3f, \"bytes_per_node_s\": %.1f, "
	       "\"connections_per_node_s\": %.4f, \"stream_bytes_per_node_s\": %.1f, "
	       "\"wall_s\": %.2f,\n",
		rate(sim, now->datagrams, before->datagrams),
		rate(sim, now->bytes + now->stream_bytes, before->bytes + before->stream_bytes),
		rate(sim, now->connections, before->connections),
		rate(sim, now->stream_bytes, before->stream_bytes), wall_s);
	printf(" \"idle_messages_per_node_s\": %.3f, \"idle_bytes_per_node_s\": %.1f,\n",
		idle_messages(sim), idle_bytes(sim));
	put_samples("converge_ms", &sim->metrics.converge);
	put_samples("detect_first_ms", &sim->metrics.detect_first);
	put_samples("detect_all_ms", &sim->metrics.detect_all);
	put_samples("spread_ms", &sim->metrics.spread);
	printf(" \"false_positives\": {\"any\": %" PRIu64 ", \"healthy\": %" PRIu64
	       ", \"any_at_healthy\": %" PRIu64 ", \"healthy_at_healthy\": %" PRIu64
	       ", \"paper_any\": %" PRIu64 ", \"paper_healthy\": %" PRIu64 "},\n",
		fp->any, fp->healthy, fp->any_at_healthy, fp->healthy_at_healthy, fp->paper_any,
		fp->paper_healthy);
	printf(" \"suspicions\": %" PRIu64 ", \"undetected\": %" PRIu64 ",\n",
		sim->metrics.suspicions, sim->metrics.missed);
	printf(" \"sync\": {\"rounds\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"records\": %" PRIu64
	       "},\n",
		sim->sync_rounds, sim->sync_bytes, sim->sync_records);
	printf(" \"invariants\": {\"checked\": %" PRIu64 ", \"broken\": %" PRIu64 "},\n",
		sim->checked, sim->broken);
	printf(" \"faults\": {\"lost\": %" PRIu64 ", \"duplicated\": %" PRIu64
	       ", \"reordered\": %" PRIu64 ", \"crashes\": %" PRIu64 ", \"kills\": %" PRIu64
	       ", \"restarts\": %" PRIu64 ", \"blocks\": %" PRIu64 ", \"stops\": %" PRIu64
	       ", \"overrun\": %" PRIu64,
		now->lost, now->duplicated, now->reordered, now->crashes, now->kills, now->restarts,
		now->blocks, now->stops, now->overrun);
	for (int i = 0; i < FAULTS; i++)
		printf(", \"%s\": %" PRIu64, fault_labels[i], sim->faults[i]);
	printf("}}\n");
}

static void row(const char *name, struct samples *s)
{
	if (s->count)
		printf("%-26s %10.1f %10.1f %10.1f %10.1f  of %zu\n", name, samples_quantile(s, 0),
			samples_quantile(s, 0.5), samples_quantile(s, 0.99), samples_quantile(s, 1),
			s->count);
}

void report_table(struct sim *sim, double wall_s)
{
	const struct cluster_counts *now = cluster_counts(sim->cluster);
	const struct cluster_counts *before = &sim->metrics.before;
	const struct false_positives *fp = &sim->metrics.false_positives;
	char trace[33];

	trace_text(sim, trace);
	printf("%d nodes, %" PRId64 " s of %s, detector %s, seed %" PRIu64 ": %s in %.1f s\n",
		sim->options.nodes, sim->options.seconds, sim->options.scenario->name,
		sim->options.detector, sim->options.seed, sim->broken ? "BROKEN" : "ok", wall_s);
	printf("%-26s %s\n", "trace", trace);
	printf("%-26s %10.2f\n", "datagrams/node/s", rate(sim, now->datagrams, before->datagrams));
	printf("%-26s %10.1f  UDP and TCP payload\n", "bytes/node/s",
		rate(sim, now->bytes + now->stream_bytes, before->bytes + before->stream_bytes));
	printf("%-26s %10.4f\n", "connections/node/s",
		rate(sim, now->connections, before->connections));
	if (sim->metrics.idle_until.us > sim->metrics.began.us)
		printf("%-26s %10.2f datagrams, %.1f bytes/node/s\n", "probing alone",
			idle_messages(sim), idle_bytes(sim));
	printf("%-26s %10s %10s %10s %10s\n", "ms", "min", "median", "p99", "max");
	row("converged", &sim->metrics.converge);
	row("crash known to the first", &sim->metrics.detect_first);
	row("crash known to all", &sim->metrics.detect_all);
	row("record known to all", &sim->metrics.spread);
	if (sim->sync_rounds)
		printf("%-26s %10" PRIu64 " rounds, %" PRIu64 " bytes, %" PRIu64 " records\n",
			"compared in", sim->sync_rounds, sim->sync_bytes, sim->sync_records);
	printf("%-26s %10" PRIu64 "  about healthy nodes %" PRIu64 ", by healthy ones %" PRIu64
	       "; suspicions %" PRIu64 "\n",
		"false positives", fp->any, fp->healthy, fp->healthy_at_healthy,
		sim->metrics.suspicions);
	printf("%-26s %10" PRIu64 "  broken %" PRIu64 "\n", "invariants checked", sim->checked,
		sim->broken);
}
