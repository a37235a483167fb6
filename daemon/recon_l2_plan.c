#include "daemon/log.h"
#include "daemon/recon.h"
#include "daemon/recon_l2_internal.h"

#define PLAN_SHARE 10 /* of the loop's time for making plans, as a divisor */

/* ---- what goes into it ---- */

static bool next_segment(const void *source, size_t *index, struct gossip_segment *ret)
{
	return gossip_segment_next(((const struct daemon *)source)->gossip, index, ret);
}

static bool next_member(const void *source, size_t *index, struct gossip_member *ret)
{
	return gossip_member_next(((const struct daemon *)source)->gossip, index, ret);
}

static bool next_mac(const void *source, uint32_t vni, size_t *index, struct gossip_mac *ret)
{
	return gossip_mac_next(((const struct daemon *)source)->gossip, vni, index, ret);
}

static const struct attach *find_attach(const void *source, const char *segment)
{
	return attach_find(source, segment);
}

static int make_plan(struct recon_l2 *l2, struct gossip_time time,
	const struct gossip_status *status, struct plan_l2 *ret)
{
	struct recon_status overlay;

	recon_status(l2->daemon->recon, &overlay);
	struct plan_l2_input input = {.status = status,
		.next_segment = next_segment,
		.next_member = next_member,
		.next_mac = next_mac,
		.attach = find_attach,
		.source = l2->daemon,
		.interface = l2->config.interface,
		.overlay = overlay.ifindex,
		.mtu = overlay.mtu,
		.stp = l2->config.l2_stp,
		.overlap4 = overlay.overlap4,
		.overlap6 = overlay.overlap6,
		.wall = time.wall,
		.before = l2->planned ? &l2->plan : NULL};

	return plan_l2_make(&input, time.now, ret);
}

/* ---- what comes of it ---- */

static bool same_members(const struct l2_want *a, const struct l2_want *b)
{
	return a->member_count == b->member_count &&
	       (!a->member_count ||
		       !memcmp(a->members, b->members, a->member_count * sizeof(*a->members)));
}

static bool same_links(const struct plan_l2_segment *a, const struct plan_l2_segment *b)
{
	return ip_equal(&a->want.local, &b->want.local) && a->want.vni == b->want.vni &&
	       a->want.mtu == b->want.mtu && a->want.flood == b->want.flood &&
	       a->want.port_count == b->want.port_count &&
	       !memcmp(a->want.ports, b->want.ports, sizeof(a->want.ports)) &&
	       a->address_count == b->address_count &&
	       !memcmp(a->addresses, b->addresses, sizeof(a->addresses));
}

/* What is another than before is looked at now, and all else when its time comes. */
static void compare_plans(struct recon_l2 *l2, const struct plan_l2 *plan, mtime_t now)
{
	struct gossip_segment known;

	if (plan->count != l2->plan.count)
		l2->links_at = now;
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_l2_segment *segment = &plan->segments[i];
		const struct plan_l2_segment *before = plan_l2_segment(&l2->plan, segment->name);
		struct recon_segment *state = recon_segment_add(l2, segment->name);

		if (!before || !same_links(before, segment))
			l2->links_at = now;
		if (state && l2->links_at.us == now.us)
			state->links_up = false;
		if (!state || !gossip_segment(l2->daemon->gossip, segment->name, &known))
			continue;
		if (!before || known.version != state->version ||
			before->want.overlay != segment->want.overlay ||
			!same_members(&before->want, &segment->want))
			state->entries_at = state->entries_next = now;
		state->version = known.version;
	}
}

/* While the overlay is away, or not there yet, everything stays as it is: nothing can be sent to
 * members, and what hosts on this side say to each other goes on. */
static bool is_on_hold(const struct recon_l2 *l2, const struct gossip_status *status)
{
	struct recon_status overlay;

	recon_status(l2->daemon->recon, &overlay);
	return status->state == GOSSIP_RUNNING && l2->config.backend != CONFIG_BACKEND_NONE &&
	       !overlay.ifindex;
}

void recon_l2_plan_guard(struct recon_l2 *l2)
{
	struct guard_want want;
	int err = guard_want_copy(&l2->plan.guard, &want);

	for (size_t i = 0; i < l2->links.count && !err; i++) {
		const struct l2_link *link = &l2->links.items[i];

		if (link->kind == L2_VXLAN && strcmp(link->link.alias, l2->mark) == 0 &&
			!guard_want_has(&want, link->vni))
			err = guard_want_vni(&want, link->vni);
	}
	if (!err) {
		guard_want_sort(&want);
		err = recon_guard_want(l2->guard, &want);
	}
	guard_want_done(&want);
	if (err)
		log_error("cannot guard segments: %s", err_text(err));
}

void recon_l2_plan_make(struct recon_l2 *l2, struct gossip_time time)
{
	uint64_t start_ns = uv_hrtime();
	struct gossip_status status;
	struct plan_l2 made;
	int err;

	gossip_status(l2->daemon->gossip, &status);
	gossip_segments_enable(l2->daemon->gossip, time, l2->config.backend != CONFIG_BACKEND_NONE);
	if (is_on_hold(l2, &status)) {
		l2->plan_due = false; /* whoever brings it up asks for a plan */
		return;
	}
	err = make_plan(l2, time, &status, &made);
	l2->plan_at = mtime_add_us(time.now, (uv_hrtime() - start_ns) / 1000 * PLAN_SHARE);
	if (err) {
		recon_fault_set(&l2->faults, RECON_PLAN, time.now, "cannot plan the segments: %s",
			err_text(err));
		l2->plan_at = l2->faults.of[RECON_PLAN].next;
		return;
	}
	recon_fault_clear(&l2->faults, RECON_PLAN);
	l2->plan_due = false;
	compare_plans(l2, &made, time.now);
	plan_l2_done(&l2->plan);
	l2->plan = made;
	l2->planned = true;
	for (size_t i = 0; i < l2->segment_count; i++)
		l2->segments[i]->wanted = plan_l2_segment(&l2->plan, l2->segments[i]->name) != NULL;
	recon_l2_plan_guard(l2);
}
