#include "daemon/recon_l2_internal.h"

#include <stdio.h>

#include "daemon/keyfile.h"
#include "daemon/log.h"

/* For people; one that a daemon before this one held is held for somebody. */
static void name_of(const struct recon_l2 *l2, const struct id *id, char ret[RECON_NAME_SIZE])
{
	struct gossip_member member;

	snprintf(ret, RECON_NAME_SIZE, "another member");
	if (!gossip_member(l2->daemon->gossip, id, &member))
		return;
	snprintf(ret, RECON_NAME_SIZE, "%s", member.standing->name);
	gossip_member_wipe(&member);
}

static void tell(struct recon_l2 *l2, struct recon_segment *segment, mtime_t now)
{
	const char *told = segment->faults.of[RECON_SEGMENT_LOOP].text;
	const struct hold_port *port = hold_first(&segment->hold);
	char name[RECON_NAME_SIZE], text[RECON_FAULT_SIZE];

	if (!port) {
		recon_fault_clear(&segment->faults, RECON_SEGMENT_LOOP);
		return;
	}
	name_of(l2, &port->rival, name);
	snprintf(text, sizeof(text),
		"segment %s: port %s is held down: %s is on the same LAN and serves it, and both "
		"together would be a loop",
		segment->name, port->name, name);
	if (strcmp(text, told) != 0)
		recon_fault_set(&segment->faults, RECON_SEGMENT_LOOP, now, "%s", text);
}

void recon_loop_turn(struct recon_l2 *l2, struct recon_segment *segment,
	const struct plan_l2_segment *plan, struct l2_table *table, mtime_t now)
{
	struct hold_ops ops;

	hold_turn(&segment->hold, now, &l2->daemon->keys->identity.id, plan->bridges,
		plan->bridge_count, &plan->want, &l2->links, table, &ops);
	for (size_t i = 0; i < ops.count; i++) {
		recon_journal_add(&segment->faults.journal, RECON_JOURNAL_OP,
			"segment %s: port %u to state %u", segment->name, ops.ops[i].port,
			ops.ops[i].state);
		/* One that is gone meanwhile needs none; of all else the next look finds out. */
		if (hold_apply(l2->nl, &ops.ops[i]))
			log_debug("segment %s: port %u: %s", segment->name, ops.ops[i].port,
				nl_error(l2->nl));
	}
	hold_filter(&segment->hold, table);
	tell(l2, segment, now);
}

void recon_loop_say(struct recon_l2 *l2, struct recon_segment *segment,
	const struct plan_l2_segment *plan, mtime_t now)
{
	const struct l2_link *bridge = l2_links_named(&l2->links, plan->want.bridge);

	if (!bridge || !mtime_reached(now, hold_say_deadline(&segment->hold)))
		return;
	hold_say(bridge->link.ifindex);
	hold_said(&segment->hold, now);
}
