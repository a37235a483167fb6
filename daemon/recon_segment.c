#include "daemon/recon_l2_internal.h"

#include <net/if.h>
#include <stdlib.h>

#include "daemon/log.h"
#include "gossip/base/text.h"
#include "wg/array.h"

#define ENTRIES_LOOK_MS 5000 /* the kernel tells of entries that come and go, not of their age */
#define ENTRIES_MORE_MS 2    /* before the next batch: the loop has other work too */

/* ---- what is remembered ---- */

struct recon_segment *recon_segment_find(const struct recon_l2 *l2, const char *name)
{
	for (size_t i = 0; i < l2->segment_count; i++)
		if (strcmp(l2->segments[i]->name, name) == 0)
			return l2->segments[i];
	return NULL;
}

struct recon_segment *recon_segment_add(struct recon_l2 *l2, const char *name)
{
	struct recon_segment *segment = recon_segment_find(l2, name), **grown;

	if (segment)
		return segment;
	segment = calloc(1, sizeof(*segment));
	grown = array_reserve(l2->segments, l2->segment_count + 1, sizeof(struct recon_segment *),
		&l2->segment_capacity);
	if (grown)
		l2->segments = grown;
	if (!grown || !segment) {
		free(segment);
		return NULL;
	}
	memcpy(segment->name, name, strnlen(name, sizeof(segment->name) - 1));
	l2->segments[l2->segment_count++] = segment;
	return segment;
}

static bool is_there(const struct recon_l2 *l2, const struct recon_segment *segment)
{
	const struct l2_link *bridge = l2_links_named(&l2->links, segment->name);

	return bridge && strcmp(bridge->link.alias, l2->mark) == 0;
}

void recon_segment_drop_unwanted(struct recon_l2 *l2)
{
	size_t kept = 0;

	for (size_t i = 0; i < l2->segment_count; i++) {
		struct recon_segment *segment = l2->segments[i];

		if (segment->wanted || is_there(l2, segment))
			l2->segments[kept++] = segment;
		else
			free(segment);
	}
	l2->segment_count = kept;
}

/* ---- devices ---- */

static void forget_port(struct recon_segment *segment, size_t index)
{
	segment->port_count--;
	memmove(segment->ports[index], segment->ports[index + 1],
		(segment->port_count - index) * sizeof(segment->ports[0]));
}

static bool has_port(const char (*ports)[NET_NAME_SIZE], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(ports[i], name) == 0)
			return true;
	return false;
}

/* Only what was put on the bridge by us is taken from it. */
static void remember_ports(struct recon_segment *segment, struct l2_want *want)
{
	for (size_t i = 0; i < want->port_count; i++)
		if (!has_port(segment->ports, segment->port_count, want->ports[i]) &&
			segment->port_count < L2_PORTS_MAX)
			memcpy(segment->ports[segment->port_count++], want->ports[i],
				NET_NAME_SIZE);
	want->released_count = 0;
	for (size_t i = 0; i < segment->port_count; i++)
		if (!has_port(want->ports, want->port_count, segment->ports[i]))
			memcpy(want->released[want->released_count++], segment->ports[i],
				NET_NAME_SIZE);
}

static void ports_released(struct recon_segment *segment, struct l2_want *want)
{
	for (size_t i = segment->port_count; i-- > 0;)
		if (has_port(want->released, want->released_count, segment->ports[i]))
			forget_port(segment, i);
	want->released_count = 0;
}

/* A device that is up stays while that is found out, and one that is down does. */
static bool may_be_up(const struct recon_l2 *l2, const struct l2_want *want)
{
	const struct l2_link *vxlan = l2_links_named(&l2->links, want->vxlan);

	switch (recon_guard_state(l2->guard, want->vni)) {
	case RECON_GUARD_COVERED:
		return true;
	case RECON_GUARD_PENDING:
		return vxlan && vxlan->link.flags & IFF_UP;
	case RECON_GUARD_OPEN:
		break;
	}
	return false;
}

static const char *kind_text(const struct l2_links *links, const char *name)
{
	const struct l2_link *link = l2_links_named(links, name);

	return link && link->link.kind[0] ? link->link.kind : "network";
}

static void fail_links(struct recon_l2 *l2, struct recon_segment *segment,
	const struct l2_want *want, const struct l2_link_report *report, int err, mtime_t now)
{
	static const char *const doing[] = {
		[L2_LINK_DELETE] = "delete",
		[L2_LINK_BRIDGE] = "make the bridge",
		[L2_LINK_VXLAN] = "make the VXLAN device",
		[L2_LINK_SET] = "set up",
		[L2_LINK_ENSLAVE] = "put on its bridge",
		[L2_LINK_RELEASE] = "give back",
	};
	const char *taken = report->bridge_taken ? want->bridge : want->vxlan;

	if (report->bridge_taken || report->vxlan_taken)
		recon_fault_set(&segment->faults, RECON_SEGMENT, now,
			"segment %s needs the name %s, which a %s interface has that is not this "
			"daemon's: it is left alone; rename it or remove it",
			segment->name, taken, kind_text(&l2->links, taken));
	else if (report->failed.name[0])
		recon_fault_set(&segment->faults, RECON_SEGMENT, now,
			"segment %s: cannot %s %s: %s", segment->name, doing[report->failed.kind],
			report->failed.name, nl_error(l2->nl));
	else
		recon_fault_set(&segment->faults, RECON_SEGMENT, now,
			"segment %s: its devices are not as they should be: %s", segment->name,
			err == ERR_NOT_READY ? "somebody keeps changing them" : nl_error(l2->nl));
}

static int turn_ports(struct recon_segment *segment, const struct l2_want *want,
	const struct l2_link_report *report, mtime_t now)
{
	for (size_t i = 0; i < want->port_count; i++) {
		const char *why = report->port_errors[i]	       ? report->port_texts[i]
				  : report->ports[i] == L2_PORT_ABSENT ? "there is none"
				  : report->ports[i] == L2_PORT_ELSEWHERE
					  ? "it is a port of another "
					    "interface"
					  : NULL;

		if (!why)
			continue;
		recon_fault_set(&segment->faults, RECON_SEGMENT_PORT, now,
			"segment %s: port %s: %s", segment->name, want->ports[i], why);
		return ERR_NOT_READY;
	}
	recon_fault_clear(&segment->faults, RECON_SEGMENT_PORT);
	return 0;
}

static int apply_address(struct recon_l2 *l2, struct recon_segment *segment,
	const struct net_link *bridge, struct net_addr_op *op, mtime_t now)
{
	char text[TEXT_PREFIX_SIZE];

	op->lan = true;
	text_prefix(&op->prefix, text);
	recon_journal_add(&segment->faults.journal, RECON_JOURNAL_OP, "interface %s: %s %s",
		bridge->name, op->remove ? "removing" : "adding", text);
	if (!net_addr_apply(l2->nl, bridge->ifindex, op))
		return 0;
	recon_fault_set(&segment->faults, RECON_SEGMENT_ADDRESS, now,
		"segment %s: cannot %s address %s: %s", segment->name,
		op->remove ? "remove" : "add", text, nl_error(l2->nl));
	return ERR_NOT_READY;
}

static int turn_addresses(struct recon_l2 *l2, struct recon_segment *segment,
	const struct plan_l2_segment *plan, mtime_t now)
{
	const struct l2_link *bridge = l2_links_named(&l2->links, plan->want.bridge);
	struct net_addr_ops ops;
	struct net_addrs have;
	int result = 0;

	if (!bridge || net_addr_list(l2->nl, bridge->link.ifindex, &have)) {
		recon_fault_set(&segment->faults, RECON_SEGMENT_ADDRESS, now,
			"segment %s: cannot read its addresses", segment->name);
		return ERR_NOT_READY;
	}
	net_addr_diff(plan->addresses, plan->address_count, &have, bridge->link.ifindex, &ops);
	net_addrs_done(&have);
	for (size_t i = 0; i < ops.count; i++)
		if (apply_address(l2, segment, &bridge->link, &ops.ops[i], now))
			result = ERR_NOT_READY;
	if (!result)
		recon_fault_clear(&segment->faults, RECON_SEGMENT_ADDRESS);
	return result;
}

void recon_segment_links(struct recon_l2 *l2, struct recon_segment *segment,
	struct plan_l2_segment *plan, mtime_t now)
{
	struct l2_link_report report;
	int err, ports, addresses;

	segment->links_up = false;
	plan->want.up = may_be_up(l2, &plan->want);
	remember_ports(segment, &plan->want);
	err = l2_sync_links(l2->nl, &plan->want, &l2->links, &report);
	if (report.ops)
		recon_journal_add(&segment->faults.journal, RECON_JOURNAL_OP,
			"segment %s: %zu changes to its devices", segment->name, report.ops);
	if (err) {
		fail_links(l2, segment, &plan->want, &report, err, now);
		return;
	}
	recon_fault_clear(&segment->faults, RECON_SEGMENT);
	recon_mtu_tell(l2, segment, plan, now);
	ports_released(segment, &plan->want);
	ports = turn_ports(segment, &plan->want, &report, now);
	addresses = turn_addresses(l2, segment, plan, now);
	segment->links_up = !ports && !addresses && plan->want.up;
	segment->entries_at = now;
}

/* ---- entries ---- */

void recon_segment_entries(struct recon_l2 *l2, struct recon_segment *segment,
	const struct plan_l2_segment *plan, struct gossip_time time)
{
	uint64_t start_ns = uv_hrtime();
	struct l2_entry_ops ops;
	struct l2_table table;
	int err = l2_sync_look(l2->nl, &plan->want, &l2->links, time.now, &table);

	segment->entries_at = mtime_add_ms(time.now, ENTRIES_LOOK_MS);
	if (err) {
		/* Its links are not there; whoever sees to them asks for this. */
		segment->entries_done = false;
		return;
	}
	recon_loop_turn(l2, segment, plan, &table, time.now);
	if (!plan->want.flood)
		recon_hosts_tell(l2, plan, &table, time);
	err = l2_sync_entries(l2->nl, &plan->want, &table, &ops);
	l2_table_done(&table);
	if (ops.count)
		recon_journal_add(&segment->faults.journal, RECON_JOURNAL_OP,
			"segment %s: %zu changes to its entries", segment->name, ops.count);
	if (err)
		recon_fault_set(&segment->faults, RECON_SEGMENT_ENTRY, time.now,
			"segment %s: cannot set an entry: %s", segment->name, nl_error(l2->nl));
	else
		recon_fault_clear(&segment->faults, RECON_SEGMENT_ENTRY);
	segment->entries_done = !err && !ops.more;
	segment->entries_next = ops.more ? mtime_add_ms(time.now, ENTRIES_MORE_MS)
					 : recon_l2_pause(time.now, start_ns);
	if (ops.more)
		segment->entries_at = segment->entries_next;
	segment->entries_at = mtime_min(segment->entries_at, hold_deadline(&segment->hold));
	if (err)
		segment->entries_at = mtime_min(
			segment->entries_at, segment->faults.of[RECON_SEGMENT_ENTRY].next);
}
