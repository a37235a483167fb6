#include "daemon/metrics_segments.h"

#include "daemon/recon_fault.h"
#include "daemon/recon_l2.h"
#include "l2/guard_nft.h"

static double members_of(struct daemon *daemon, const struct gossip_segment *segment)
{
	(void)daemon;
	return (double)segment->members;
}

static double macs_of(struct daemon *daemon, const struct gossip_segment *segment)
{
	(void)daemon;
	return (double)segment->macs;
}

static double attached_of(struct daemon *daemon, const struct gossip_segment *segment)
{
	(void)daemon;
	return segment->attached;
}

static double segment_up_of(struct daemon *daemon, const struct gossip_segment *segment)
{
	struct recon_l2_status status;

	recon_l2_status(daemon->l2, segment->name, &status);
	return segment->attached ? status.up : -1;
}

static double mtu_of(struct daemon *daemon, const struct gossip_segment *segment)
{
	uint16_t mtu = recon_l2_mtu(daemon->l2, segment);

	return segment->attached && mtu ? mtu : -1;
}

/* Values of one segment; below 0: it has none. There are GOSSIP_SEGMENTS_MAX at most. */
static const struct {
	const char *name, *help;
	double (*value)(struct daemon *daemon, const struct gossip_segment *segment);
} segment_families[] = {
	{"meshd_segment_members", "Members attached to the L2 segment, dead ones included.",
		members_of},
	{"meshd_segment_macs", "MAC addresses that are known on the segment, of all members.",
		macs_of},
	{"meshd_segment_attached", "Whether this node is attached to the segment.", attached_of},
	{"meshd_segment_up",
		"Whether devices and entries of a segment attached here are as planned.",
		segment_up_of},
	{"meshd_segment_mtu_bytes", "The largest packet that the segment carries between members.",
		mtu_of},
};

/* What was done for each that is attached, and what was refused. */
static void put_segment_work(struct metrics_text *text, struct daemon *daemon, const char *name,
	const char *help, bool errors)
{
	const struct recon_faults *faults;
	const char *segment;

	metrics_family(text, name, METRICS_COUNTER, help);
	for (size_t i = 1; (faults = recon_l2_faults(daemon->l2, i, &segment)); i++) {
		uint64_t count = errors ? 0 : faults->journal.counts[RECON_JOURNAL_OP];

		for (enum recon_object j = 0; errors && j < RECON_OBJECTS; j++)
			count += faults->counts[j];
		metrics_number(text, METRICS_LABELS("segment", segment), count);
	}
}

static void put_guard(struct metrics_text *text, struct daemon *daemon)
{
	struct guard_counters dropped;

	recon_l2_dropped(daemon->l2, &dropped);
	metrics_family(text, "meshd_guard_dropped_packets_total", METRICS_COUNTER,
		"Packets that the guard's nftables table dropped, since it was last written.");
	metrics_number(text, METRICS_LABELS("reason", "stray"), dropped.stray);
	metrics_number(text, METRICS_LABELS("reason", "unattached"), dropped.unattached);
	metrics_number(text, METRICS_LABELS("reason", "truncated"), dropped.truncated);
	metrics_number(text, METRICS_LABELS("reason", "spoofed"), dropped.spoofed);
}

void metrics_segments_put(struct metrics_text *text, struct daemon *daemon)
{
	struct gossip_segment segment;

	for (size_t i = 0; i < ARRAY_SIZE(segment_families); i++) {
		size_t index = 0;

		metrics_family(
			text, segment_families[i].name, METRICS_GAUGE, segment_families[i].help);
		while (gossip_segment_next(daemon->gossip, &index, &segment)) {
			double value = segment_families[i].value(daemon, &segment);

			if (value >= 0)
				metrics_real(text, METRICS_LABELS("segment", segment.name), value);
		}
	}
	put_segment_work(text, daemon, "meshd_segment_operations_total",
		"Rounds of changes to the segment's devices, addresses and entries.", false);
	put_segment_work(text, daemon, "meshd_segment_errors_total",
		"What could not be done for the segment; every try counts.", true);
	put_guard(text, daemon);
}
