#include "daemon/recon.h"

#include <assert.h>
#include <stdlib.h>
#include <sodium.h>

#include "daemon/events.h"
#include "daemon/keyfile.h"
#include "daemon/log.h"
#include "daemon/paths.h"
#include "daemon/recon_cleanup.h"
#include "daemon/recon_net.h"
#include "daemon/recon_wg.h"

/* What others change of ours is put right within 2 s. A look at n peers costs n times about 5 us,
 * so with more than some 2,000 the interval grows, for looking is to take no more than a hundredth
 * of a core. The kernel tells of links, addresses and routes: they are looked at rarely without. */
#define LOOK_MS	    1200
#define LOOK_SHARE  100
#define NET_LOOK_MS 30000

#define EVENT_DELAY_MS 25    /* events come in bursts */
#define HOST_DELAY_MS  50    /* so do a host's addresses */
#define HOST_ROUTES_MS 10000 /* between looks at others' routes: a router has many changes */

#define PLAN_SHARE	 10   /* of the loop's time for making plans, as a divisor */
#define UNREADY_MS	 20   /* between plans while keys are computed */
#define HOLD_MS		 5000 /* that a running interface waits for them at most */
#define UNREADY_LATER_MS 1000 /* between plans when they take longer than that */
#define STEP_LEAST_MS	 5    /* no fault makes the loop spin */

/* A descriptor of the backend's that is polled. Closing takes a turn of the loop, so each has its
 * own memory. */
struct watch {
	uv_poll_t poll;
	struct recon *recon;
};

struct recon {
	struct daemon *daemon;
	uv_timer_t timer;
	uv_poll_t monitor_poll;
	struct watch *watch; /* NULL: nothing to poll */
	size_t handles;	     /* open ones */
	bool stopped;

	struct config config; /* as at the start: what changes here takes a restart */
	struct nl *nl;
	struct nl_monitor *monitor;
	struct paths *paths;
	struct plan plan;
	struct recon_faults faults;
	struct recon_wg wg;
	struct recon_host host;

	bool plan_due, apply_due, net_done, step_due;
	bool wake_due; /* the device is new; everybody's keys are to be known first */
	bool fresh;    /* the device is another one than before and was not looked at yet */
	bool was_up;   /* as told to others */
	bool addresses_changed; /* the host's, and others are to be told */
	mtime_t hold_until;	/* while the plan lacks keys */
	mtime_t plan_at;	/* not before */
	mtime_t look_at, net_at, host_at;
	mtime_t host_routes_at; /* not before, for other people's routes alone */
	uint16_t told_mtu;
	bool nat; /* as planned for */
};

static void turn(struct recon *recon);

/* ---- plan ---- */

static bool next_member(const void *source, size_t *index, struct gossip_member *ret)
{
	return gossip_member_next(source, index, ret);
}

/* What this node says of where it is goes beyond the addresses it has. */
static bool behind_nat(const struct recon *recon)
{
	struct gossip_member self;
	bool nat = false;

	if (!gossip_member(recon->daemon->gossip, &recon->daemon->keys->identity.id, &self))
		return false;
	for (size_t i = 0; self.has_descriptor && i < self.descriptor.endpoint_count; i++)
		nat |= !recon_host_has(&recon->host, &self.descriptor.endpoints[i].ip);
	sodium_memzero(self.preshared, sizeof(self.preshared));
	return nat;
}

static void tell_mtu(struct recon *recon, struct gossip_time time)
{
	if (!recon->plan.up || recon->plan.mtu == recon->told_mtu)
		return;
	recon->told_mtu = recon->plan.mtu;
	gossip_set_mtu(recon->daemon->gossip, time, recon->plan.mtu);
}

static bool wg_owned(const struct recon *recon)
{
	return recon_wg_known(&recon->wg) && recon->wg.owned == recon->wg.backend->generation;
}

/* The one that was just made lacks keys. */
static void plan_again(struct recon *recon, mtime_t now)
{
	mtime_t soon;

	if (!recon->plan.unready)
		recon->hold_until = mtime_add_ms(now, HOLD_MS);
	soon = mtime_add_ms(
		now, mtime_before(now, recon->hold_until) ? UNREADY_MS : UNREADY_LATER_MS);
	recon->plan_due = true;
	if (mtime_before(recon->plan_at, soon))
		recon->plan_at = soon;
}

static bool same_net(const struct plan *a, const struct plan *b)
{
	return a->up == b->up && a->mtu == b->mtu &&
	       memcmp(a->addresses, b->addresses, sizeof(a->addresses)) == 0 &&
	       memcmp(a->routes, b->routes, sizeof(a->routes)) == 0;
}

static void make_plan(struct recon *recon, struct gossip_time time)
{
	const struct daemon *daemon = recon->daemon;
	const struct config *config = &recon->config;
	uint64_t start_ns = uv_hrtime();
	uint8_t private_key[WG_KEY_SIZE], public_key[WG_KEY_SIZE];
	struct gossip_status status;
	struct plan plan;
	int err;

	gossip_status(daemon->gossip, &status);
	recon->nat = behind_nat(recon);
	struct plan_input input = {.status = &status,
		.next_member = next_member,
		.source = daemon->gossip,
		.interface = config->interface,
		.private_key = private_key,
		.public_key = public_key,
		.listen_port = config->wireguard_port,
		.mtu = config->mtu,
		.underlay_mtu = recon->host.underlay_mtu,
		.have = wg_owned(recon) ? &recon->wg.sync.have : NULL,
		.behind_nat = recon->nat};
	keys_wireguard_private(&daemon->keys->wireguard, private_key);
	err = keys_wireguard_public(&daemon->keys->wireguard.id, public_key);
	if (!err)
		err = plan_make(&input, recon->paths, time.now, &plan);
	sodium_memzero(private_key, sizeof(private_key));
	recon->plan_due = false;
	recon->plan_at = mtime_add_us(time.now, (uv_hrtime() - start_ns) / 1000 * PLAN_SHARE);
	if (err) {
		recon->plan_due = true;
		recon_fault_set(&recon->faults, RECON_PLAN, time.now, "cannot plan the overlay: %s",
			err_text(err));
		return;
	}
	recon_fault_clear(&recon->faults, RECON_PLAN);
	if (plan.unready)
		plan_again(recon, time.now);
	if (plan.clashes && plan.clashes != recon->plan.clashes)
		log_warn("%zu WireGuard keys or addresses are claimed by two members: the one "
			 "admitted earlier has them",
			plan.clashes);
	if (!same_net(&plan, &recon->plan))
		recon->net_at = time.now;
	plan_done(&recon->plan);
	recon->plan = plan;
	sodium_memzero(&plan, sizeof(plan));
	recon->apply_due = true;
	tell_mtu(recon, time);
}

/* ---- WireGuard ---- */

static void heard(void *context, const struct id *node)
{
	struct recon *recon = context;

	gossip_evidence(recon->daemon->gossip, daemon_time(recon->daemon), node);
}

static void tell_backend(struct recon *recon, const char *from, const char *to, const char *cause)
{
	struct event event = {.wall_us = daemon_time(recon->daemon).wall.ms * 1000,
		.label = "backend",
		.from = from,
		.to = to,
		.cause = cause};

	events_add(recon->daemon->events, &event);
	log_info("WireGuard of %s: %s%s%s", recon->config.interface, to,
		cause && cause[0] ? ": " : "", cause ? cause : "");
}

static void watch_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;

	watch->recon->handles--;
	free(watch);
}

static void unwatch(struct recon *recon)
{
	if (recon->watch)
		uv_close((uv_handle_t *)&recon->watch->poll, watch_closed);
	recon->watch = NULL;
}

static void watch_ready(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct recon *recon = watch->recon;

	(void)status;
	(void)events;
	recon->step_due = true;
	turn(recon);
}

/* Where it cannot be polled, the periodic look finds out. */
static void watch(struct recon *recon, int fd)
{
	struct watch *made = fd < 0 ? NULL : calloc(1, sizeof(*made));

	if (!made)
		return;
	made->recon = recon;
	if (uv_poll_init(&recon->daemon->loop, &made->poll, fd)) {
		free(made);
		return;
	}
	made->poll.data = made;
	recon->handles++;
	recon->watch = made;
	(void)uv_poll_start(&made->poll, UV_READABLE, watch_ready);
}

/* Returns whether WireGuard runs. */
static bool step(struct recon *recon, struct gossip_time time)
{
	const struct wg_backend *backend = recon->wg.backend;
	enum wg_backend_state before = backend ? backend->state : WG_DOWN;
	uint32_t generation = backend ? backend->generation : 0;
	int err;

	if (backend && backend->state == WG_RUNNING && !recon->step_due &&
		!mtime_reached(time.now, backend->deadline))
		return true;
	recon->step_due = false;
	/* The step may close what is polled. */
	unwatch(recon);
	err = recon_wg_step(&recon->wg, recon->nl, &recon->config, time.now, &recon->faults);
	backend = recon->wg.backend;
	if (!backend)
		return false;
	watch(recon, backend->fd);
	if (backend->generation != generation) {
		recon->look_at = recon->net_at = recon->plan_at = time.now;
		recon->apply_due = recon->fresh = true;
		recon_fault_clear(&recon->faults, RECON_DEVICE);
	}
	if (backend->state != before || backend->generation != generation)
		tell_backend(recon, wg_backend_state_name(before),
			wg_backend_state_name(backend->state), err ? backend->error : NULL);
	return backend->state == WG_RUNNING;
}

/* What was just observed is what the next plan has: nothing learned is lost. */
static void follow_host(struct recon *recon, struct gossip_time time)
{
	recon->host.moved = false;
	recon_wg_refresh_endpoints(&recon->wg);
	paths_announce(recon->paths, time.now);
	recon->plan_due = true;
	recon->plan_at = time.now;
}

static void look(struct recon *recon, struct gossip_time time)
{
	uint64_t start_ns = uv_hrtime();
	int64_t cost_ms;
	int err;

	err = recon_wg_look(&recon->wg, &recon->plan, time.now, &recon->faults);
	cost_ms = (uv_hrtime() - start_ns) / 1000000;
	recon->look_at = mtime_add_ms(
		time.now, cost_ms * LOOK_SHARE > LOOK_MS ? cost_ms * LOOK_SHARE : LOOK_MS);
	if (err) {
		/* Perhaps it has just ended, and the next step finds out why. */
		recon->step_due = true;
		return;
	}
	recon->apply_due = true;
	recon->wake_due |= recon->fresh && recon->wg.sync.have.peer_count == 0;
	recon->plan_due |= recon->fresh;
	recon->fresh = false;
	paths_observe(recon->paths, time.now, time.wall, &recon->wg.sync.have, heard, recon);
	if (recon->host.moved && wg_owned(recon))
		follow_host(recon, time);
	if (paths_due(recon->paths, time.now) || behind_nat(recon) != recon->nat)
		recon->plan_due = true;
}

static void apply(struct recon *recon, struct gossip_time time)
{
	size_t ops;

	if (recon_wg_apply(&recon->wg, &recon->plan, time.now, &recon->faults, &ops)) {
		recon->step_due = true;
		return;
	}
	recon->apply_due = false;
	if (ops)
		log_debug("WireGuard of %s: %zu changes made", recon->wg.backend->name, ops);
	paths_applied(recon->paths, time.now);
	for (uint32_t i = 0; i < recon->plan.device.peer_count; i++)
		recon->plan.device.peers[i].endpoint_set = false;
	if (paths_due(recon->paths, time.now))
		recon->plan_due = true;
}

static mtime_t next_look(const struct recon *recon)
{
	return wg_owned(recon) ? mtime_min(recon->look_at, paths_look_deadline(recon->paths))
			       : recon->look_at;
}

/* A peer that the plan lacks for want of a key must not be taken away, and its session with it. */
static bool on_hold(const struct recon *recon, mtime_t now)
{
	return recon->plan.unready && recon->wg.sync.have.peer_count &&
	       !mtime_reached(now, recon->hold_until);
}

static void turn_wg(struct recon *recon, struct gossip_time time)
{
	if (!step(recon, time))
		return;
	if (mtime_reached(time.now, next_look(recon)))
		look(recon, time);
	if (recon->wake_due && wg_owned(recon) && !recon->plan.unready) {
		paths_wake(recon->paths, time.now);
		recon->wake_due = false;
		recon->plan_due = true;
		recon->plan_at = time.now;
	}
	if (recon->plan_due && mtime_reached(time.now, recon->plan_at))
		make_plan(recon, time);
	if (recon->apply_due && wg_owned(recon) && recon->plan.up && !on_hold(recon, time.now) &&
		!recon_fault_waits(&recon->faults, RECON_DEVICE, time.now))
		apply(recon, time);
}

/* ---- links, addresses, routes ---- */

static void turn_net(struct recon *recon, struct gossip_time time)
{
	int err;

	if (!wg_owned(recon) || !recon->plan.up || !mtime_reached(time.now, recon->net_at))
		return;
	err = recon_net_turn(
		recon->nl, recon->wg.backend->ifindex, &recon->plan, time.now, &recon->faults);
	recon->net_done = !err;
	recon->net_at = mtime_min(mtime_add_ms(time.now, NET_LOOK_MS),
		recon_fault_deadline(&recon->faults, RECON_LINK, RECON_ROUTE4));
	if (err == ERR_UNKNOWN)
		recon->look_at = time.now; /* WireGuard's room makes interfaces */
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
	cost_ms = (uv_hrtime() - start_ns) / 1000000;
	recon->host_routes_at = mtime_add_ms(time.now,
		cost_ms * LOOK_SHARE > HOST_ROUTES_MS ? cost_ms * LOOK_SHARE : HOST_ROUTES_MS);
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
	if (others && (changes.any || changes.link || changes.addr))
		recon->host_at = mtime_min(recon->host_at, mtime_add_ms(time.now, HOST_DELAY_MS));
	else if (others)
		recon->host_at = mtime_min(recon->host_at, recon->host_routes_at);
	recon->addresses_changed |= others && (changes.any || changes.addr);
}

/* ---- the turn ---- */

static void take_down(struct recon *recon)
{
	unwatch(recon);
	if (recon->wg.backend)
		recon_wg_take_down(&recon->wg, &recon->faults);
	for (size_t i = RECON_LINK; i < RECON_OBJECTS; i++)
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
	return recon->plan.up && wg_owned(recon) && recon->wg.applied && recon->net_done;
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
	next = mtime_min(next, next_look(recon));
	if (recon->apply_due)
		next = mtime_min(
			next, recon_fault_deadline(&recon->faults, RECON_DEVICE, RECON_DEVICE));
	return wg_owned(recon) ? mtime_min(next, recon->net_at) : next;
}

static void timer_fired(uv_timer_t *timer)
{
	turn(timer->data);
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

static void turn(struct recon *recon)
{
	struct gossip_time time = daemon_time(recon->daemon);
	bool up;

	if (recon->stopped)
		return;
	turn_host(recon, time);
	if (recon->config.backend != CONFIG_BACKEND_NONE) {
		if (recon->plan_due && mtime_reached(time.now, recon->plan_at))
			make_plan(recon, time);
		if (recon->plan.up) {
			turn_wg(recon, time);
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
	struct recon *recon = calloc(1, sizeof(*recon));
	int err;

	if (!recon)
		return ERR_NOMEM;
	daemon->recon = recon;
	recon->daemon = daemon;
	recon->config = daemon->config;
	recon->plan_due = true;
	(void)uv_timer_init(&daemon->loop, &recon->timer);
	recon->timer.data = recon;
	recon->handles++;
	err = paths_new(&recon->paths);
	if (!err)
		err = open_kernel(recon);
	if (err)
		return err;
	forget_revoked(recon);
	turn(recon);
	return 0;
}

static void recon_changed(struct daemon *daemon)
{
	daemon->recon->plan_due = true;
	turn(daemon->recon);
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
	unwatch(recon);
	uv_close((uv_handle_t *)&recon->timer, handle_closed);
	if (recon->monitor_poll.data)
		uv_close((uv_handle_t *)&recon->monitor_poll, handle_closed);
}

static void recon_free(struct daemon *daemon)
{
	struct recon *recon = daemon->recon;

	if (!recon)
		return;
	assert(recon->handles == 0);
	recon_wg_done(&recon->wg);
	plan_done(&recon->plan);
	paths_free(recon->paths);
	recon_host_done(&recon->host);
	nl_monitor_free(recon->monitor);
	nl_free(recon->nl);
	free(recon);
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
		.listen_port = recon->config.wireguard_port,
		.mtu = recon->plan.mtu,
	};
	if (recon_wg_known(&recon->wg)) {
		ret->listen_port = recon->wg.sync.have.listen_port;
		ret->peers = recon->wg.sync.have.peer_count;
	}
	if (!ret->up)
		ret->problem = recon_fault_text(faults, RECON_PLAN, RECON_ROUTE4);
}

const struct wg_peer *recon_peer(
	const struct recon *recon, const uint8_t wireguard_public[WG_KEY_SIZE])
{
	return recon_wg_known(&recon->wg) ? wg_device_peer(&recon->wg.sync.have, wireguard_public)
					  : NULL;
}

bool recon_reaches(const struct recon *recon, const struct id *node)
{
	return paths_up(recon->paths, daemon_time(recon->daemon).now, node);
}
