#include "daemon/recon_l2.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/log.h"
#include "daemon/recon.h"
#include "daemon/recon_l2_internal.h"
#include "l2/link.h"

#define LINKS_LOOK_MS	 30000 /* the kernel tells of links and addresses */
#define LINKS_DELAY_MS	 15    /* events come in bursts */
#define ENTRIES_DELAY_MS 10    /* so do hosts; a new one is announced within 50 ms */
#define STEP_LEAST_MS	 2     /* no fault makes the loop spin */
/* For so long devices that another daemon left stay up until this one knows what is wanted: what
 * guards them may be gone, and without an overlay nothing is to come over them. */
#define LEFT_UP_MS	 10000

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

static bool link_is_bridge(const void *context, const char *name)
{
	return l2_links_named(context, name)->kind == L2_BRIDGE;
}

/* The bridges stay, for what hosts on this side say to each other. */
static void remove_left_up(struct recon_l2 *l2, mtime_t now)
{
	size_t removed = 0;
	int err = look_at_links(l2, now);

	if (!err)
		err = l2_sync_leftovers(
			l2->nl, l2->mark, link_is_bridge, &l2->links, &l2->links, &removed);
	if (removed)
		log_warn("%zu VXLAN devices were left over, and there is no overlay yet: gone",
			removed);
	l2->left_up_until = err ? mtime_add_ms(now, LEFT_UP_MS) : MTIME_NEVER;
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
			struct recon_segment *state = recon_segment_add(l2, segment->name);

			if (state)
				recon_segment_links(l2, state, segment, now);
		}
		recon_segment_drop_unwanted(l2);
		recon_l2_plan_guard(l2);
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
	mtime_t next = l2->plan.again_at.us ? l2->plan.again_at : MTIME_NEVER;

	if (l2->plan_due)
		next = mtime_min(next, l2->plan_at);
	if (!l2->planned)
		return mtime_min(next, l2->left_up_until);
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
	if (l2->plan.again_at.us && mtime_reached(time.now, l2->plan.again_at)) {
		l2->plan.again_at = MTIME_ZERO;
		l2->plan_due = true;
	}
	if (l2->plan_due && mtime_reached(time.now, l2->plan_at))
		recon_l2_plan_make(l2, time);
	if (l2->planned) {
		turn_links(l2, time.now);
		turn_entries(l2, time);
	} else if (mtime_reached(time.now, l2->left_up_until)) {
		remove_left_up(l2, time.now);
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
		struct recon_segment *segment = recon_segment_find(l2, l2->plan.segments[i].name);

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
	l2->left_up_until = mtime_add_ms(daemon_time(daemon).now, LEFT_UP_MS);
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
	const struct recon_segment *state = recon_segment_find(l2, segment);
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
