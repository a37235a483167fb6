#include "daemon/recon_l2.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/log.h"
#include "daemon/recon.h"
#include "daemon/recon_l2_internal.h"
#include "l2/link.h"
#include "wg/array.h"

#define LINKS_LOOK_MS	 30000 /* the kernel tells of links and addresses */
#define LINKS_DELAY_MS	 15    /* events come in bursts */
#define ENTRIES_DELAY_MS 10    /* so do hosts; a new one is announced within 50 ms */
#define PLAN_SHARE	 10    /* of the loop's time for making plans, as a divisor */
#define STEP_LEAST_MS	 2     /* no fault makes the loop spin */

/* ---- what is remembered ---- */

static struct recon_segment *find_segment(const struct recon_l2 *l2, const char *name)
{
	for (size_t i = 0; i < l2->segment_count; i++)
		if (strcmp(l2->segments[i]->name, name) == 0)
			return l2->segments[i];
	return NULL;
}

static struct recon_segment *add_segment(struct recon_l2 *l2, const char *name)
{
	struct recon_segment *segment = find_segment(l2, name), **grown;

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

/* With its bridge what was remembered goes. */
static void drop_unwanted(struct recon_l2 *l2)
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

/* ---- the plan ---- */

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
		struct recon_segment *state = add_segment(l2, segment->name);

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

/* A VNI is guarded for as long as a device of ours has it. */
static void tell_guard(struct recon_l2 *l2)
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

static void plan(struct recon_l2 *l2, struct gossip_time time)
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
	tell_guard(l2);
}

/* ---- devices ---- */

static bool link_is_wanted(const void *context, const char *name)
{
	const struct plan_l2 *wanted = context;

	for (size_t i = 0; i < wanted->count; i++)
		if (strcmp(wanted->segments[i].want.bridge, name) == 0 ||
			strcmp(wanted->segments[i].want.vxlan, name) == 0)
			return true;
	return false;
}

static int look_at_links(struct recon_l2 *l2, mtime_t now)
{
	struct l2_links seen;
	int err = link_list(l2->nl, &seen);

	if (err) {
		recon_fault_set(&l2->faults, RECON_LINK, now,
			"cannot read the network interfaces: %s", nl_error(l2->nl));
		return err;
	}
	recon_fault_clear(&l2->faults, RECON_LINK);
	link_list_done(&l2->links);
	l2->links = seen;
	return 0;
}

static void remove_leftovers(struct recon_l2 *l2, mtime_t now)
{
	size_t removed;
	int err = l2_sync_leftovers(
		l2->nl, l2->mark, link_is_wanted, &l2->plan, &l2->links, &removed);

	if (err)
		recon_fault_set(&l2->faults, RECON_SEGMENT, now,
			"cannot remove a device of a segment that is no more: %s",
			nl_error(l2->nl));
	else
		recon_fault_clear(&l2->faults, RECON_SEGMENT);
	if (removed) {
		log_info("%zu devices of segments that are no more are gone", removed);
		if (look_at_links(l2, now))
			log_debug("their absence is seen later");
	}
}

/* A fault that this look could not get at has its next try behind it already. */
static mtime_t links_deadline(const struct recon_l2 *l2, mtime_t now)
{
	mtime_t soonest = mtime_add_ms(now, RECON_FAULT_WAIT_MS);
	mtime_t next = mtime_add_ms(now, LINKS_LOOK_MS);

	next = mtime_min(next, recon_fault_deadline(&l2->faults, RECON_LINK, RECON_LINK));
	next = mtime_min(next, recon_fault_deadline(&l2->faults, RECON_SEGMENT, RECON_SEGMENT));
	for (size_t i = 0; i < l2->segment_count; i++)
		next = mtime_min(next, recon_fault_deadline(&l2->segments[i]->faults, RECON_SEGMENT,
					       RECON_SEGMENT_PORT));
	return mtime_before(next, soonest) ? soonest : next;
}

static void turn_links(struct recon_l2 *l2, mtime_t now)
{
	uint64_t start_ns = uv_hrtime();

	if (!mtime_reached(now, l2->links_at) || !mtime_reached(now, l2->links_next))
		return;
	if (look_at_links(l2, now) == 0) {
		remove_leftovers(l2, now);
		for (size_t i = 0; i < l2->plan.count; i++) {
			struct plan_l2_segment *segment = &l2->plan.segments[i];
			struct recon_segment *state = add_segment(l2, segment->name);

			if (state)
				recon_segment_links(l2, state, segment, now);
		}
		drop_unwanted(l2);
		tell_guard(l2);
	}
	l2->links_at = links_deadline(l2, now);
	l2->links_next = recon_l2_pause(now, start_ns);
}

static void turn_entries(struct recon_l2 *l2, struct gossip_time time)
{
	for (size_t i = 0; i < l2->segment_count; i++) {
		struct recon_segment *segment = l2->segments[i];
		const struct plan_l2_segment *wanted = plan_l2_segment(&l2->plan, segment->name);

		if (wanted && mtime_reached(time.now, segment->entries_at) &&
			mtime_reached(time.now, segment->entries_next))
			recon_segment_entries(l2, segment, wanted, time);
		if (wanted)
			recon_loop_say(l2, segment, wanted, time.now);
	}
}

/* ---- the turn ---- */

static const char *problem(const struct recon_l2 *l2)
{
	const char *text = recon_fault_text(&l2->faults, RECON_PLAN, RECON_SEGMENT_ENTRY);

	for (size_t i = 0; i < l2->segment_count && !text; i++)
		text = recon_fault_text(&l2->segments[i]->faults, RECON_PLAN, RECON_SEGMENT_ENTRY);
	return text;
}

static mtime_t next_turn(const struct recon_l2 *l2)
{
	mtime_t next = MTIME_NEVER;

	if (l2->plan_due)
		next = l2->plan_at;
	if (!l2->planned)
		return next;
	next = mtime_min(
		next, mtime_before(l2->links_at, l2->links_next) ? l2->links_next : l2->links_at);
	for (size_t i = 0; i < l2->segment_count; i++) {
		const struct recon_segment *segment = l2->segments[i];

		if (segment->wanted)
			next = mtime_min(next, hold_say_deadline(&segment->hold));
		if (segment->wanted)
			next = mtime_min(
				next, mtime_before(segment->entries_at, segment->entries_next)
					      ? segment->entries_next
					      : segment->entries_at);
	}
	return next;
}

static void turn(struct recon_l2 *l2);

static void timer_fired(uv_timer_t *timer)
{
	turn(timer->data);
}

static void schedule(struct recon_l2 *l2)
{
	mtime_t next = next_turn(l2);
	int64_t delay_ms;

	if (l2->stopped)
		return;
	if (next.us == MTIME_NEVER.us) {
		(void)uv_timer_stop(&l2->timer);
		return;
	}
	delay_ms = mtime_diff_us(next, daemon_time(l2->daemon).now) / 1000 + 1;
	uv_update_time(&l2->daemon->loop);
	(void)uv_timer_start(
		&l2->timer, timer_fired, delay_ms < STEP_LEAST_MS ? STEP_LEAST_MS : delay_ms, 0);
}

static void turn(struct recon_l2 *l2)
{
	struct gossip_time time = daemon_time(l2->daemon);
	const char *text;

	if (l2->stopped)
		return;
	if (l2->plan_due && mtime_reached(time.now, l2->plan_at))
		plan(l2, time);
	if (l2->planned) {
		turn_links(l2, time.now);
		turn_entries(l2, time);
	}
	text = problem(l2);
	if (text)
		daemon_warn(l2->daemon, DAEMON_WARNING_L2, "%s", text);
	else
		daemon_warn_clear(l2->daemon, DAEMON_WARNING_L2);
	schedule(l2);
}

/* ---- events ---- */

static void guard_changed(void *arg)
{
	struct recon_l2 *l2 = arg;

	l2->links_at = l2->links_next = daemon_time(l2->daemon).now;
	turn(l2);
}

/* Whether it is a segment's bridge, its device or a port of it. */
static bool touches(
	const struct recon_l2 *l2, const struct nl_changes *changes, const struct l2_want *want)
{
	const struct l2_link *bridge = l2_links_named(&l2->links, want->bridge);

	if (changes->any || !bridge)
		return changes->any;
	for (size_t i = 0; i < changes->ifindex_count; i++) {
		const struct l2_link *link = l2_links_index(&l2->links, changes->ifindexes[i]);

		if (link && (link == bridge || link->master == bridge->link.ifindex))
			return true;
	}
	return false;
}

static void monitor_ready(uv_poll_t *poll, int status, int events)
{
	struct recon_l2 *l2 = poll->data;
	mtime_t now = daemon_time(l2->daemon).now;
	struct nl_changes changes = {0};

	(void)status;
	(void)events;
	if (nl_monitor_drain(l2->monitor, &changes))
		changes.any = true;
	if (changes.any || changes.link || changes.addr)
		l2->links_at = mtime_min(l2->links_at, mtime_add_ms(now, LINKS_DELAY_MS));
	if (changes.any || changes.link)
		l2->plan_due = true; /* the overlay's interface may be another one */
	for (size_t i = 0; i < l2->plan.count; i++) {
		struct recon_segment *segment = find_segment(l2, l2->plan.segments[i].name);

		if (segment && touches(l2, &changes, &l2->plan.segments[i].want))
			segment->entries_at =
				mtime_min(segment->entries_at, mtime_add_ms(now, ENTRIES_DELAY_MS));
	}
	schedule(l2);
}

/* ---- the part ---- */

static int open_kernel(struct recon_l2 *l2)
{
	uv_loop_t *loop = &l2->daemon->loop;
	int err = nl_new(&l2->nl);

	if (!err)
		err = nl_monitor_new_neighbours(&l2->monitor);
	if (!err)
		err = recon_guard_new(loop, &l2->faults, guard_changed, l2, &l2->guard);
	if (err) {
		log_error("cannot open netlink for segments: %s", err_text(err));
		return ERR_SYSTEM;
	}
	if (uv_poll_init(loop, &l2->monitor_poll, nl_monitor_fd(l2->monitor))) {
		log_error("cannot poll netlink");
		return ERR_SYSTEM;
	}
	l2->handles++;
	l2->monitor_poll.data = l2;
	(void)uv_poll_start(&l2->monitor_poll, UV_READABLE, monitor_ready);
	return 0;
}

static int recon_l2_start(struct daemon *daemon)
{
	struct recon_l2 *l2 = calloc(1, sizeof(*l2));
	int err;

	if (!l2)
		return ERR_NOMEM;
	daemon->l2 = l2;
	l2->daemon = daemon;
	l2->config = daemon->config;
	l2->plan_due = true;
	plan_l2_mark(l2->config.interface, l2->mark);
	(void)uv_timer_init(&daemon->loop, &l2->timer);
	l2->timer.data = l2;
	l2->handles++;
	err = open_kernel(l2);
	if (err)
		return err;
	if (look_at_links(l2, daemon_time(daemon).now))
		log_debug("looked at again soon");
	turn(l2);
	return 0;
}

static void recon_l2_changed(struct daemon *daemon)
{
	daemon->l2->plan_due = true;
	turn(daemon->l2);
}

static void handle_closed(uv_handle_t *handle)
{
	struct recon_l2 *l2 = handle->data;

	l2->handles--;
}

static void recon_l2_stop(struct daemon *daemon)
{
	struct recon_l2 *l2 = daemon->l2;

	if (!l2 || l2->stopped)
		return;
	l2->stopped = true;
	uv_close((uv_handle_t *)&l2->timer, handle_closed);
	if (l2->monitor_poll.data)
		uv_close((uv_handle_t *)&l2->monitor_poll, handle_closed);
	if (l2->guard)
		recon_guard_stop(l2->guard);
}

static void recon_l2_free(struct daemon *daemon)
{
	struct recon_l2 *l2 = daemon->l2;

	if (!l2)
		return;
	assert(l2->handles == 0);
	recon_guard_free(l2->guard);
	for (size_t i = 0; i < l2->segment_count; i++)
		free(l2->segments[i]);
	free(l2->segments);
	plan_l2_done(&l2->plan);
	link_list_done(&l2->links);
	nl_monitor_free(l2->monitor);
	nl_free(l2->nl);
	free(l2);
	daemon->l2 = NULL;
}

static bool nothing_is_wanted(const void *context, const char *name)
{
	(void)context;
	(void)name;
	return false;
}

/* meshd --cleanup: the devices first, then what guards them. */
static int recon_l2_cleanup(const struct config *config)
{
	char mark[NET_MARK_SIZE];
	struct l2_links links = {0};
	size_t removed = 0;
	struct nl *nl = NULL;
	int err = nl_new(&nl);

	plan_l2_mark(config->interface, mark);
	if (!err)
		err = link_list(nl, &links);
	if (!err)
		err = l2_sync_leftovers(nl, mark, nothing_is_wanted, NULL, &links, &removed);
	if (err)
		log_error("cannot take down the segments: %s", nl ? nl_error(nl) : err_text(err));
	else if (removed)
		log_info("%zu devices of segments are gone", removed);
	link_list_done(&links);
	nl_free(nl);
	return err || recon_guard_cleanup(config) ? ERR_SYSTEM : 0;
}

const struct daemon_part recon_l2_part = {
	.name = "segments",
	.start = recon_l2_start,
	.changed = recon_l2_changed,
	.stop = recon_l2_stop,
	.free = recon_l2_free,
	.cleanup = recon_l2_cleanup,
};

/* ---- what others ask ---- */

/* What the operator has just asked for is planned soon. */
static bool is_as_asked(const struct recon_l2 *l2, const struct plan_l2_segment *segment)
{
	const struct attach *attach = attach_find(l2->daemon, segment->name);

	if (!attach)
		return !segment->address_count && !segment->want.port_count;
	return attach->address_count == segment->address_count &&
	       !memcmp(attach->addresses, segment->addresses,
		       attach->address_count * sizeof(attach->addresses[0])) &&
	       attach->port_count == segment->want.port_count &&
	       !memcmp(attach->ports, segment->want.ports,
		       attach->port_count * sizeof(attach->ports[0]));
}

void recon_l2_status(const struct recon_l2 *l2, const char *segment, struct recon_l2_status *ret)
{
	const struct recon_segment *state = find_segment(l2, segment);
	const struct plan_l2_segment *wanted = plan_l2_segment(&l2->plan, segment);

	struct recon_status overlay;

	*ret = (struct recon_l2_status){.present = state || wanted};
	ret->up = state && wanted && state->links_up && state->entries_done &&
		  is_as_asked(l2, wanted);
	if (state)
		ret->problem = recon_fault_text(&state->faults, RECON_PLAN, RECON_SEGMENT_ENTRY);
	if (!ret->up && !ret->problem)
		ret->problem = recon_fault_text(&l2->faults, RECON_PLAN, RECON_SEGMENT_ENTRY);
	recon_status(l2->daemon->recon, &overlay);
	if (!ret->up && !ret->problem)
		ret->problem = overlay.problem;
}

uint16_t recon_l2_mtu(const struct recon_l2 *l2, const struct gossip_segment *segment)
{
	const struct plan_l2_segment *wanted = plan_l2_segment(&l2->plan, segment->name);

	return gossip_segment_mtu(segment, wanted ? wanted->family : 4);
}

const struct recon_faults *recon_l2_faults(
	const struct recon_l2 *l2, size_t index, const char **ret_segment)
{
	if (index > l2->segment_count)
		return NULL;
	*ret_segment = index ? l2->segments[index - 1]->name : "";
	return index ? &l2->segments[index - 1]->faults : &l2->faults;
}

void recon_l2_dropped(const struct recon_l2 *l2, struct guard_counters *ret)
{
	recon_guard_counters(l2->guard, ret);
}
