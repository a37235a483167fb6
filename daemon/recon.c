#include "daemon/recon.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/overlap.h"
#include "daemon/recon_cleanup.h"
#include "daemon/recon_internal.h"
#include "daemon/recon_keeper.h"

#define NET_LOOK_MS 30000 /* the kernel tells of links, addresses and routes */

#define EVENT_DELAY_MS 25    /* events come in bursts */
#define HOST_DELAY_MS  50    /* so do a host's addresses */
#define HOST_ROUTES_MS 10000 /* between looks at others' routes: a router has many changes */
#define REPLACED_MS    1000  /* between looks whether what one of them replaced was ours */

#define STEP_LEAST_MS 5 /* no fault makes the loop spin */

/* ---- links, addresses, routes ---- */

static uint64_t ops_done(const struct recon *recon)
{
	return recon->faults.journal.counts[RECON_JOURNAL_OP];
}

static void turn_net(struct recon *recon, struct gossip_time time)
{
	uint64_t ops = ops_done(recon), start_ns = uv_hrtime();
	int64_t cost_ms;
	int err;

	if (!recon_tunnel_owned(recon) || !recon->plan.up ||
		!mtime_reached(time.now, recon->net_at))
		return;
	err = recon_net_turn(
		recon->nl, recon->wg.backend->ifindex, &recon->plan, time.now, &recon->faults);
	recon->counts.network_ops += ops_done(recon) - ops;
	cost_ms = (uv_hrtime() - start_ns) / 1000000;
	recon->replaced_at = mtime_add_ms(time.now, cost_ms * RECON_LOOK_SHARE > REPLACED_MS
							    ? cost_ms * RECON_LOOK_SHARE
							    : REPLACED_MS);
	recon->net_done = !err;
	recon->net_at = mtime_min(mtime_add_ms(time.now, NET_LOOK_MS),
		recon_fault_deadline(&recon->faults, RECON_LINK, RECON_ROUTE4));
	if (err == ERR_UNKNOWN)
		recon->look_at = time.now; /* WireGuard's room makes interfaces */
}

/* A host that joins has no say in the mesh's prefixes. */
static void warn_overlaps(struct recon *recon)
{
	char text[OVERLAP_TEXT_SIZE], own[TEXT_PREFIX_SIZE];
	const struct plan *plan = &recon->plan;
	bool found4 = false, found6 = false;

	for (size_t i = 0; i < plan->route_count; i++) {
		const struct prefix *prefix = &plan->routes[i].dst;

		if (!overlap_find(recon->nl, recon->config.interface, prefix, text))
			continue;
		if (!found4 && !found6)
			daemon_warn(recon->daemon, DAEMON_WARNING_OVERLAP,
				"the mesh's prefix %s overlaps with this host's route %s: one of "
				"the two is not reached by all that it should be",
				text_prefix(prefix, own), text);
		found4 |= prefix->ip.family == 4;
		found6 |= prefix->ip.family == 6;
	}
	if (!found4 && !found6)
		daemon_warn_clear(recon->daemon, DAEMON_WARNING_OVERLAP);
	if (found4 != recon->overlap4 || found6 != recon->overlap6)
		daemon_wake(recon->daemon);
	recon->overlap4 = found4;
	recon->overlap6 = found6;
}

static void turn_host(struct recon *recon, struct gossip_time time)
{
	uint32_t mtu = recon->host.underlay_mtu;
	uint64_t start_ns = uv_hrtime();
	int64_t cost_ms;

	if (!mtime_reached(time.now, recon->host_at))
		return;
	recon->host_at = MTIME_NEVER;
	if (recon->addresses_changed)
		daemon_addresses_changed(recon->daemon);
	recon->addresses_changed = false;
	recon_net_host(recon->nl, recon->config.interface, time.now, &recon->faults, &recon->host);
	if (recon->faults.of[RECON_HOST].text[0])
		recon->host_at = recon->faults.of[RECON_HOST].next;
	warn_overlaps(recon);
	cost_ms = (uv_hrtime() - start_ns) / 1000000;
	recon->host_routes_at = mtime_add_ms(time.now, cost_ms * RECON_LOOK_SHARE > HOST_ROUTES_MS
							       ? cost_ms * RECON_LOOK_SHARE
							       : HOST_ROUTES_MS);
	if (recon->host.moved)
		recon->look_at = time.now;
	if (recon->host.underlay_mtu != mtu)
		log_debug("the underlay's MTU is %u", recon->host.underlay_mtu);
	recon->plan_due = true;
}

static void drain_monitor(struct recon *recon, struct gossip_time time)
{
	const struct wg_backend *backend = recon->wg.backend;
	uint32_t ours = backend ? backend->ifindex : 0;
	struct nl_changes changes = {0};
	mtime_t soon = mtime_add_ms(time.now, EVENT_DELAY_MS);
	bool mine, others;

	if (nl_monitor_drain(recon->monitor, &changes))
		changes.any = true;
	mine = changes.any || (ours && nl_changes_touch(&changes, ours));
	others = changes.any || changes.ifindex_count > (size_t)mine;
	if (mine) {
		recon->net_at = mtime_min(recon->net_at, soon);
		if (changes.link || changes.any)
			recon->look_at = mtime_min(recon->look_at, soon);
	}
	if (changes.replaced)
		recon->net_at = mtime_min(recon->net_at,
			mtime_before(soon, recon->replaced_at) ? recon->replaced_at : soon);
	if (others && (changes.any || changes.link || changes.addr))
		recon->host_at = mtime_min(recon->host_at, mtime_add_ms(time.now, HOST_DELAY_MS));
	else if (others)
		recon->host_at = mtime_min(recon->host_at, recon->host_routes_at);
	recon->addresses_changed |= others && (changes.any || changes.addr);
}

/* ---- the turn ---- */

static void take_down(struct recon *recon)
{
	recon_tunnel_unwatch(recon);
	if (recon->wg.backend)
		recon_wg_take_down(&recon->wg, &recon->faults);
	for (size_t i = RECON_LINK; i <= RECON_ROUTE4; i++)
		recon_fault_clear(&recon->faults, i);
	recon->net_done = false;
	recon->told_mtu = 0;
}

static void warn(struct recon *recon)
{
	struct daemon *daemon = recon->daemon;
	const char *wg = recon_fault_text(&recon->faults, RECON_PLAN, RECON_DEVICE);
	const char *net = recon_fault_text(&recon->faults, RECON_HOST, RECON_ROUTE4);

	if (wg)
		daemon_warn(daemon, DAEMON_WARNING_WIREGUARD, "%s", wg);
	else
		daemon_warn_clear(daemon, DAEMON_WARNING_WIREGUARD);
	if (net)
		daemon_warn(daemon, DAEMON_WARNING_NETWORK, "%s", net);
	else
		daemon_warn_clear(daemon, DAEMON_WARNING_NETWORK);
}

static bool is_up(const struct recon *recon)
{
	return recon->plan.up && recon_tunnel_owned(recon) && recon->wg.applied && recon->net_done;
}

static mtime_t next_turn(const struct recon *recon)
{
	const struct wg_backend *backend = recon->wg.backend;
	mtime_t next = recon->host_at;

	if (recon->config.backend == CONFIG_BACKEND_NONE)
		return next; /* nothing is planned */
	if (recon->plan_due)
		next = mtime_min(next, recon->plan_at);
	if (!recon->plan.up)
		return next;
	if (!backend)
		return mtime_min(
			next, recon_fault_deadline(&recon->faults, RECON_BACKEND, RECON_BACKEND));
	next = mtime_min(next, backend->deadline);
	if (backend->state != WG_RUNNING)
		return next;
	next = mtime_min(next, recon_tunnel_next_look(recon));
	if (recon->apply_due)
		next = mtime_min(
			next, recon_fault_deadline(&recon->faults, RECON_DEVICE, RECON_DEVICE));
	return recon_tunnel_owned(recon) ? mtime_min(next, recon->net_at) : next;
}

static void timer_fired(uv_timer_t *timer)
{
	recon_turn(timer->data);
}

static void schedule(struct recon *recon)
{
	mtime_t next = next_turn(recon);
	int64_t delay_ms;

	if (recon->stopped)
		return;
	if (next.us == MTIME_NEVER.us) {
		(void)uv_timer_stop(&recon->timer);
		return;
	}
	delay_ms = mtime_diff_us(next, daemon_time(recon->daemon).now) / 1000 + 1;
	uv_update_time(&recon->daemon->loop);
	(void)uv_timer_start(
		&recon->timer, timer_fired, delay_ms < STEP_LEAST_MS ? STEP_LEAST_MS : delay_ms, 0);
}

void recon_turn(struct recon *recon)
{
	struct gossip_time time = daemon_time(recon->daemon);
	uint64_t start_ns = uv_hrtime();
	bool up;

	if (recon->stopped)
		return;
	turn_host(recon, time);
	if (recon->config.backend != CONFIG_BACKEND_NONE) {
		if (recon->plan_due && mtime_reached(time.now, recon->plan_at))
			recon_plan_make(recon, time);
		if (recon->routes_new)
			warn_overlaps(recon);
		recon->routes_new = false;
		if (recon->plan.up) {
			recon_tunnel_turn(recon, time);
			turn_net(recon, time);
		} else {
			take_down(recon);
		}
		warn(recon);
	}
	up = is_up(recon);
	if (up != recon->was_up) {
		recon->was_up = up;
		if (up)
			log_info("overlay %s is up: %u peers", recon->plan.device.name,
				recon->plan.device.peer_count);
		daemon_wake(recon->daemon); /* somebody may be waiting for it */
	}
	recon->counts.turns++;
	recon->counts.turn_us += (uv_hrtime() - start_ns) / 1000;
	schedule(recon);
}

static void monitor_ready(uv_poll_t *poll, int status, int events)
{
	struct recon *recon = poll->data;

	(void)status;
	(void)events;
	drain_monitor(recon, daemon_time(recon->daemon));
	schedule(recon);
}

/* ---- the part ---- */

static int open_kernel(struct recon *recon)
{
	uv_loop_t *loop = &recon->daemon->loop;
	int err = nl_new(&recon->nl);

	if (!err)
		err = nl_monitor_new(&recon->monitor);
	if (err) {
		log_error("cannot open netlink: %s", err_text(err));
		return ERR_SYSTEM;
	}
	if (uv_poll_init(loop, &recon->monitor_poll, nl_monitor_fd(recon->monitor))) {
		log_error("cannot poll netlink");
		return ERR_SYSTEM;
	}
	recon->handles++;
	recon->monitor_poll.data = recon;
	(void)uv_poll_start(&recon->monitor_poll, UV_READABLE, monitor_ready);
	return 0;
}

static void keeper_asked(uv_poll_t *poll, int status, int events)
{
	const struct recon *recon = poll->data;

	(void)events;
	if (status || !recon_keeper_answer(recon->keeper_fd))
		(void)uv_poll_stop(poll);
}

/* With no data plane there is nothing to keep. */
static void keep_interface(struct recon *recon)
{
	recon->keeper_fd = -1;
	if (recon->config.backend == CONFIG_BACKEND_NONE)
		return;
	recon->keeper_fd = recon_keeper_take(recon->config.interface);
	if (recon->keeper_fd < 0 ||
		uv_poll_init(&recon->daemon->loop, &recon->keeper_poll, recon->keeper_fd))
		return;
	recon->handles++;
	recon->keeper_poll.data = recon;
	(void)uv_poll_start(&recon->keeper_poll, UV_READABLE, keeper_asked);
}

/* Expelled while no daemon ran: what an earlier one left goes now. */
static void forget_revoked(const struct recon *recon)
{
	struct gossip_status status;

	gossip_status(recon->daemon->gossip, &status);
	if (status.state == GOSSIP_REVOKED && recon_cleanup(&recon->config))
		log_warn("this node is revoked, and its overlay may be up still");
}

static int recon_start(struct daemon *daemon)
{
	/* guarded, and wiped in the end: what is wanted and what is there have the private key */
	struct recon *recon = sodium_malloc(sizeof(*recon));
	int err;

	if (!recon)
		return ERR_NOMEM;
	sodium_memzero(recon, sizeof(*recon));
	daemon->recon = recon;
	recon->daemon = daemon;
	recon->config = daemon->config;
	recon->plan_due = true;
	keep_interface(recon);
	(void)uv_timer_init(&daemon->loop, &recon->timer);
	recon->timer.data = recon;
	recon->handles++;
	err = paths_new(&recon->paths);
	if (!err)
		err = open_kernel(recon);
	if (err)
		return err;
	forget_revoked(recon);
	recon_turn(recon);
	return 0;
}

static void recon_changed(struct daemon *daemon)
{
	daemon->recon->plan_due = true;
	recon_turn(daemon->recon);
}

static void handle_closed(uv_handle_t *handle)
{
	struct recon *recon = handle->data;

	recon->handles--;
}

static void recon_stop(struct daemon *daemon)
{
	struct recon *recon = daemon->recon;

	if (!recon || recon->stopped)
		return;
	recon->stopped = true;
	recon_tunnel_unwatch(recon);
	uv_close((uv_handle_t *)&recon->timer, handle_closed);
	if (recon->monitor_poll.data)
		uv_close((uv_handle_t *)&recon->monitor_poll, handle_closed);
	if (recon->keeper_poll.data)
		uv_close((uv_handle_t *)&recon->keeper_poll, handle_closed);
}

static void recon_free(struct daemon *daemon)
{
	struct recon *recon = daemon->recon;

	if (!recon)
		return;
	assert(recon->handles == 0);
	if (recon->keeper_fd >= 0)
		close(recon->keeper_fd);
	recon_wg_done(&recon->wg);
	plan_done(&recon->plan);
	paths_free(recon->paths);
	recon_host_done(&recon->host);
	nl_monitor_free(recon->monitor);
	nl_free(recon->nl);
	sodium_free(recon);
	daemon->recon = NULL;
}

const struct daemon_part recon_part = {
	.name = "data plane",
	.start = recon_start,
	.changed = recon_changed,
	.stop = recon_stop,
	.free = recon_free,
	.cleanup = recon_cleanup,
};

const struct recon_counts *recon_counts(const struct recon *recon)
{
	return &recon->counts;
}

const struct recon_faults *recon_faults(const struct recon *recon)
{
	return &recon->faults;
}

const struct plan *recon_plan(const struct recon *recon)
{
	return &recon->plan;
}

const struct wg_device *recon_observed(const struct recon *recon)
{
	return recon_wg_known(&recon->wg) ? &recon->wg.sync.have : NULL;
}

const struct recon_host *recon_host(const struct recon *recon)
{
	return &recon->host;
}

void recon_status(const struct recon *recon, struct recon_status *ret)
{
	const struct recon_faults *faults = &recon->faults;
	enum config_backend wanted = recon->config.backend;
	bool none = wanted == CONFIG_BACKEND_NONE;

	/* Which one `auto' is, is known once there is a need for it. */
	if (wanted == CONFIG_BACKEND_AUTO)
		wanted = CONFIG_BACKEND_NONE;
	*ret = (struct recon_status){
		.backend = recon->wg.backend ? wg_backend_name(recon->wg.backend)
					     : config_backend_label(wanted),
		.interface = recon->config.interface,
		.up = none || is_up(recon),
		.tunnels = none || (recon_tunnel_owned(recon) && recon->wg.applied),
		.listen_port = recon->config.wireguard_port,
		.mtu = recon->plan.mtu,
		.overlap4 = recon->overlap4,
		.overlap6 = recon->overlap6,
	};
	if (recon_tunnel_owned(recon)) {
		ret->ifindex = recon->wg.backend->ifindex;
		ret->listen_port = recon->wg.sync.have.listen_port;
		ret->peers = recon->wg.sync.have.peer_count;
	}
	if (!ret->up)
		ret->problem = recon_fault_text(faults, RECON_PLAN, RECON_ROUTE4);
	/* wireguard-go is told its port, the kernel takes it when the interface comes up. */
	ret->port_taken = faults->of[RECON_DEVICE].err == ERR_IN_USE ||
			  faults->of[RECON_LINK].err == ERR_IN_USE;
}

const struct wg_peer *recon_peer(
	const struct recon *recon, const uint8_t wireguard_public[WG_KEY_SIZE])
{
	return recon_tunnel_owned(recon) ? wg_device_peer(&recon->wg.sync.have, wireguard_public)
					 : NULL;
}

bool recon_reaches(const struct recon *recon, const struct id *node)
{
	return paths_up(recon->paths, daemon_time(recon->daemon).now, node);
}
