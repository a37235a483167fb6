#include "daemon/metrics_collect.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/ctl_status.h"
#include "daemon/discover.h"
#include "daemon/events.h"
#include "daemon/metrics_members.h"
#include "daemon/metrics_segments.h"
#include "daemon/recon.h"
#include "daemon/recon_fault.h"
#include "daemon/recon_l2.h"
#include "daemon/state.h"

/* ---- the process ---- */

static double resident_bytes(void)
{
	unsigned long all = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file) {
		if (fscanf(file, "%lu %lu", &all, &resident) != 2)
			resident = 0;
		fclose(file);
	}
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(void)
{
	struct rusage usage = {0};

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void put_process(
	struct metrics_text *text, struct daemon *daemon, const struct histogram *turns)
{
	metrics_family(text, "meshd_build_info", METRICS_GAUGE, "Which meshd this is; always 1.");
	metrics_number(text, METRICS_LABELS("version", MESHD_VERSION), 1);
	metrics_one(text, "process_start_time_seconds", METRICS_GAUGE,
		"When meshd was started, since 1970-01-01 UTC.", (double)daemon->started.ms / 1000);
	metrics_one(text, "process_cpu_seconds_total", METRICS_COUNTER,
		"Time that meshd's threads have spent on a processor.", cpu_seconds());
	metrics_one(text, "process_resident_memory_bytes", METRICS_GAUGE,
		"Memory of meshd that is not swapped out.", resident_bytes());
	metrics_times(text, "meshd_loop_turn_seconds",
		"How long each turn of the event loop took: what came in meanwhile waited as long.",
		turns);
}

/* ---- this node ---- */

static void put_state(struct metrics_text *text, const struct gossip_status *status)
{
	metrics_family(text, "meshd_state", METRICS_GAUGE,
		"What this node is in its mesh: 1 for the state that it has.");
	for (enum gossip_state state = GOSSIP_UNJOINED; state <= GOSSIP_LEAVING; state++)
		metrics_number(text, METRICS_LABELS("state", gossip_state_label(state)),
			status->state == state);
}

static void put_node(
	struct metrics_text *text, struct daemon *daemon, const struct gossip_status *status)
{
	char id[TEXT_ID_SIZE], mesh[TEXT_ID_SIZE] = "";

	if (status->has_mesh)
		text_id(&status->mesh, mesh);
	metrics_family(text, "meshd_node_info", METRICS_GAUGE,
		"Who this node is and in which mesh; always 1.");
	metrics_number(text,
		METRICS_LABELS("id", text_id(&status->node, id), "name", status->name, "mesh",
			status->charter.name, "mesh_id", mesh),
		1);
	put_state(text, status);
	metrics_one(text, "meshd_admin", METRICS_GAUGE, "Whether this node is an admin.",
		status->admin);
	metrics_one(text, "meshd_clock_offset_seconds", METRICS_GAUGE,
		"The median of the other members' clocks less this host's.",
		(double)status->members_offset_ms / 1000);
	metrics_one(text, "meshd_clock_synchronized", METRICS_GAUGE,
		"Whether the kernel says that this host's clock is synchronised.", daemon->synced);
}

static void count_one(void *arg, const char *words, const char *advice)
{
	(void)words;
	(void)advice;
	++*(uint64_t *)arg;
}

static void put_notices(struct metrics_text *text, struct daemon *daemon)
{
	static const char *const events[] = {
#define X(name, label) label,
		GOSSIP_EVENT_LIST(X)
#undef X
			"backend",
		"discovery"};
	uint64_t warnings = 0;

	ctl_status_each_warning(daemon, count_one, &warnings);
	metrics_one(text, "meshd_warnings", METRICS_GAUGE,
		"Warnings that `meshctl status` shows now.", (double)warnings);
	metrics_family(text, "meshd_events_total", METRICS_COUNTER,
		"What happened, as `meshctl events` tells it.");
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		metrics_number(text, METRICS_LABELS("event", events[i]),
			events_count(daemon->events, events[i]));
}

/* ---- failure detection ---- */

static void put_swim(struct metrics_text *text, const struct swim *swim)
{
	static const uint64_t no_counts[SWIM_COUNTERS];
	static const struct histogram no_trips;
	static const struct {
		enum swim_counter counter;
		const char *name, *help;
	} families[] = {
		{SWIM_COUNT_PROBES, "meshd_probes_total", "Members that were pinged in turn."},
		{SWIM_COUNT_PROBES_INDIRECT, "meshd_probes_indirect_total",
			"Probes for which other members were asked to ping, too."},
		{SWIM_COUNT_PROBES_CHECKED, "meshd_probes_checked_total",
			"Probes that had to ask over a stream."},
		{SWIM_COUNT_PROBES_FAILED, "meshd_probes_failed_total",
			"Probes that were not answered in any way."},
		{SWIM_COUNT_SUSPICIONS, "meshd_suspicions_total", "Members that became suspect."},
		{SWIM_COUNT_SUSPICIONS_REFUTED, "meshd_suspicions_refuted_total",
			"Suspects that were alive after all: false alarms."},
		{SWIM_COUNT_DEATHS, "meshd_deaths_total", "Members that were held dead."},
		{SWIM_COUNT_REVIVALS, "meshd_revivals_total",
			"Members that were held dead and came back."},
		{SWIM_COUNT_ACCUSATIONS_REFUTED, "meshd_accusations_refuted_total",
			"Suspicions of this node that it refuted."},
	};
	const uint64_t *counts = swim ? swim_counters(swim) : no_counts;

	_Static_assert(ARRAY_SIZE(families) == SWIM_COUNTERS, "all are told");
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		metrics_one(text, families[i].name, METRICS_COUNTER, families[i].help,
			(double)counts[families[i].counter]);
	metrics_times(text, "meshd_round_trip_seconds",
		"Round trips of gossip's pings that were answered.",
		swim ? swim_round_trips(swim) : &no_trips);
	metrics_one(text, "meshd_health_score", METRICS_GAUGE,
		"Signs that this node itself is slow: 0 is good, 8 is the worst.",
		swim ? swim_health(swim) : 0);
}

/* ---- gossip ---- */

/* Those of the core's counters with a family of their own; the others are refusals. */
static const struct {
	enum gossip_counter counter;
	const char *name, *help;
} gossip_families[] = {
	{GOSSIP_COUNT_PACKETS_IN, "meshd_gossip_received_packets_total",
		"Datagrams of gossip received."},
	{GOSSIP_COUNT_PACKETS_OUT, "meshd_gossip_sent_packets_total", "Datagrams of gossip sent."},
	{GOSSIP_COUNT_BYTES_IN, "meshd_gossip_received_bytes_total",
		"Bytes of gossip's datagrams received, without headers."},
	{GOSSIP_COUNT_BYTES_OUT, "meshd_gossip_sent_bytes_total",
		"Bytes of gossip's datagrams sent, without headers."},
	{GOSSIP_COUNT_SYNCS, "meshd_syncs_total",
		"Comparisons of records with another node over a stream."},
	{GOSSIP_COUNT_SYNC_ROUNDS, "meshd_sync_rounds_total",
		"Comparisons of records with another member by datagrams that this node began."},
	{GOSSIP_COUNT_SYNC_BYTES, "meshd_sync_sent_bytes_total",
		"Bytes sent to compare and mend records."},
	{GOSSIP_COUNT_SYNC_RECORDS, "meshd_sync_sent_records_total",
		"Records sent to nodes that lacked them."},
	{GOSSIP_COUNT_JOINS_SERVED, "meshd_joins_served_total",
		"Nodes that joined the mesh through this one."},
	{GOSSIP_COUNT_LATER, "meshd_gossip_passed_over_total",
		"Sections of datagrams and messages of streams that only a later meshd knows."},
};

static const struct {
	enum gossip_counter counter;
	const char *reason;
} refusals[] = {
	{GOSSIP_COUNT_UNKNOWN_TAG, "unknown_tag"},
	{GOSSIP_COUNT_NOT_AUTHENTIC, "not_authentic"},
	{GOSSIP_COUNT_MALFORMED, "malformed"},
	{GOSSIP_COUNT_REPLAYED, "replayed"},
	{GOSSIP_COUNT_UNPROVEN_SESSION, "unproven_session"},
	{GOSSIP_COUNT_REVOKED_SENDER, "revoked_sender"},
	{GOSSIP_COUNT_RECORDS_REFUSED, "record"},
	{GOSSIP_COUNT_STATEMENTS_REFUSED, "statement"},
	{GOSSIP_COUNT_STREAMS_REFUSED, "stream"},
};

static void put_gossip(struct metrics_text *text, const struct gossip *gossip)
{
	const uint64_t *counts = gossip_counters(gossip);

	_Static_assert(ARRAY_SIZE(gossip_families) + ARRAY_SIZE(refusals) == GOSSIP_COUNTERS,
		"all are told");
	for (size_t i = 0; i < ARRAY_SIZE(gossip_families); i++)
		metrics_one(text, gossip_families[i].name, METRICS_COUNTER, gossip_families[i].help,
			(double)counts[gossip_families[i].counter]);
	metrics_family(text, "meshd_gossip_refused_total", METRICS_COUNTER,
		"What came in and was refused, by reason.");
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		metrics_number(text, METRICS_LABELS("reason", refusals[i].reason),
			counts[refusals[i].counter]);
}

/* ---- records and disk ---- */

static void put_store(
	struct metrics_text *text, struct daemon *daemon, const struct gossip_status *status)
{
	struct state_counts counts;

	state_counts(daemon->state, &counts);
	metrics_one(text, "meshd_store_records", METRICS_GAUGE, "Records that this node holds.",
		(double)status->records);
	metrics_one(text, "meshd_store_bytes", METRICS_GAUGE, "Their size.",
		(double)status->records_size);
	metrics_times(text, "meshd_state_commit_seconds",
		"How long each transaction of the database took, until it was on disk.",
		&counts.commits);
	metrics_one(text, "meshd_state_commit_failures_total", METRICS_COUNTER,
		"Transactions that the disk refused; each is tried again.",
		(double)counts.failures);
	metrics_one(text, "meshd_state_written_total", METRICS_COUNTER,
		"Records, endpoints and numbers that were written to the database.",
		(double)counts.written);
	metrics_one(text, "meshd_state_waiting", METRICS_GAUGE, "Those that wait to be written.",
		(double)counts.waiting);
}

/* ---- the kernel ---- */

static void put_overlay(struct metrics_text *text, struct daemon *daemon)
{
	struct recon_status status;

	recon_status(daemon->recon, &status);
	metrics_family(text, "meshd_wireguard_info", METRICS_GAUGE,
		"Which interface the overlay has, and who runs WireGuard; always 1.");
	metrics_number(
		text, METRICS_LABELS("interface", status.interface, "backend", status.backend), 1);
	metrics_one(text, "meshd_overlay_up", METRICS_GAUGE,
		"Whether interface, addresses and routes are as planned.", status.up);
	metrics_one(text, "meshd_overlay_mtu_bytes", METRICS_GAUGE,
		"The largest packet that the overlay's interface carries.", status.mtu);
	metrics_one(text, "meshd_wireguard_peers", METRICS_GAUGE, "Peers that WireGuard has.",
		(double)status.peers);
}

/* The overlay's, and the guard's; each segment's are told apart. */
static void put_faults(struct metrics_text *text, struct daemon *daemon)
{
	const char *name;
	const struct recon_faults *overlay = recon_faults(daemon->recon),
				  *guard = recon_l2_faults(daemon->l2, 0, &name);

	metrics_family(text, "meshd_reconcile_errors_total", METRICS_COUNTER,
		"What could not be done, by object; every try counts.");
	for (enum recon_object i = 0; i < RECON_SEGMENT; i++)
		metrics_number(text, METRICS_LABELS("object", recon_object_label(i)),
			overlay->counts[i] + guard->counts[i]);
	metrics_family(text, "meshd_reconcile_failing", METRICS_GAUGE,
		"Whether the object is not as planned now, and tried again.");
	for (enum recon_object i = 0; i < RECON_SEGMENT; i++)
		metrics_number(text, METRICS_LABELS("object", recon_object_label(i)),
			overlay->of[i].text[0] || guard->of[i].text[0]);
}

static void put_recon(struct metrics_text *text, struct daemon *daemon)
{
	const struct recon_counts *counts = recon_counts(daemon->recon);

	metrics_family(text, "meshd_reconcile_seconds", METRICS_SUMMARY,
		"Time spent on the kernel: whole turns, and of them plans made and looks at "
		"WireGuard.");
	metrics_sum(
		text, METRICS_LABELS("step", "turn"), (double)counts->turn_us / 1e6, counts->turns);
	metrics_sum(
		text, METRICS_LABELS("step", "plan"), (double)counts->plan_us / 1e6, counts->plans);
	metrics_sum(
		text, METRICS_LABELS("step", "look"), (double)counts->look_us / 1e6, counts->looks);
	metrics_family(text, "meshd_reconcile_operations_total", METRICS_COUNTER,
		"Changes made to the kernel, by what was changed.");
	metrics_number(text, METRICS_LABELS("object", "wireguard"), counts->wireguard_ops);
	metrics_number(text, METRICS_LABELS("object", "network"), counts->network_ops);
	put_faults(text, daemon);
}

/* ---- the LAN ---- */

static void put_discovery(struct metrics_text *text, struct daemon *daemon)
{
	metrics_one(text, "meshd_mdns_running", METRICS_GAUGE,
		"Whether this node is announced on the LAN and looks for others there.",
		strcmp(discover_state_label(daemon->discover), "running") == 0);
	metrics_one(text, "meshd_mdns_nodes", METRICS_GAUGE, "Nodes that are seen on the LAN.",
		(double)discover_count(daemon->discover));
}

void metrics_collect(
	struct daemon *daemon, const struct histogram *turns, struct metrics_text *text)
{
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	put_process(text, daemon, turns);
	put_node(text, daemon, &status);
	put_notices(text, daemon);
	metrics_members_put(text, daemon);
	put_swim(text, gossip_swim(daemon->gossip));
	put_gossip(text, daemon->gossip);
	put_store(text, daemon, &status);
	put_overlay(text, daemon);
	put_recon(text, daemon);
	metrics_segments_put(text, daemon);
	put_discovery(text, daemon);
}
