#include "daemon/recon_internal.h"

#include <stdlib.h>
#include <sodium.h>

#include "daemon/events.h"
#include "daemon/log.h"

/* What others change of ours is put right within 2 s. A look at n peers costs n times about 5 us,
 * so with more than some 2,000 the interval grows. */
#define LOOK_MS 1200

bool recon_tunnel_owned(const struct recon *recon)
{
	return recon_wg_known(&recon->wg) && recon->wg.owned == recon->wg.backend->generation;
}

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
	struct recon_watch *watch = handle->data;

	watch->recon->handles--;
	free(watch);
}

void recon_tunnel_unwatch(struct recon *recon)
{
	if (recon->watch)
		uv_close((uv_handle_t *)&recon->watch->poll, watch_closed);
	recon->watch = NULL;
}

static void watch_ready(uv_poll_t *poll, int status, int events)
{
	struct recon_watch *watch = poll->data;
	struct recon *recon = watch->recon;

	(void)status;
	(void)events;
	recon->step_due = true;
	recon_turn(recon);
}

/* Where it cannot be polled, the periodic look finds out. */
static void watch(struct recon *recon, int fd)
{
	struct recon_watch *made = fd < 0 ? NULL : calloc(1, sizeof(*made));

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
	recon_tunnel_unwatch(recon);
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

/* A member makes handshakes by the key that it announced. */
static bool somebody_switched(const struct recon *recon)
{
	for (size_t i = 0; i < recon->plan.next_count; i++) {
		const struct plan_next *next = &recon->plan.nexts[i];
		const struct wg_peer *peer = wg_device_peer(&recon->wg.sync.have, next->key);

		if (peer && peer->last_handshake.ms && !next->used)
			return true;
	}
	return false;
}

static void look(struct recon *recon, struct gossip_time time)
{
	uint64_t start_ns = uv_hrtime();
	int64_t cost_ms;
	int err;

	err = recon_wg_look(&recon->wg, recon->nl, &recon->plan, time.now, &recon->faults);
	recon->counts.looks++;
	recon->counts.look_us += (uv_hrtime() - start_ns) / 1000;
	cost_ms = (uv_hrtime() - start_ns) / 1000000;
	recon->look_at = mtime_add_ms(time.now,
		cost_ms * RECON_LOOK_SHARE > LOOK_MS ? cost_ms * RECON_LOOK_SHARE : LOOK_MS);
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
	if (recon->host.moved && recon_tunnel_owned(recon))
		follow_host(recon, time);
	if (paths_due(recon->paths, time.now) || recon_plan_behind_nat(recon) != recon->nat ||
		somebody_switched(recon))
		recon->plan_due = true;
}

static void apply(struct recon *recon, struct gossip_time time)
{
	const struct wg_sync_tally *tally = &recon->wg.sync.tally;
	size_t ops;

	if (recon_wg_apply(&recon->wg, &recon->plan, time.now, &recon->faults, &ops)) {
		recon->step_due = true;
		return;
	}
	recon->apply_due = false;
	if (ops)
		recon_journal_add(&recon->faults.journal, RECON_JOURNAL_OP,
			"WireGuard of %s: %zu peers added, %zu changed, %zu removed%s",
			recon->wg.backend->name, tally->added, tally->updated, tally->removed,
			tally->device ? "; the interface itself set" : "");
	recon->counts.wireguard_ops += ops;
	paths_applied(recon->paths, time.now);
	for (size_t i = 0; i < recon->plan.next_count; i++)
		gossip_key_installed(recon->daemon->gossip, time, &recon->plan.nexts[i].node,
			recon->plan.nexts[i].key);
	for (uint32_t i = 0; i < recon->plan.device.peer_count; i++)
		recon->plan.device.peers[i].endpoint_set = false;
	if (paths_due(recon->paths, time.now))
		recon->plan_due = true;
}

mtime_t recon_tunnel_next_look(const struct recon *recon)
{
	return recon_tunnel_owned(recon)
		       ? mtime_min(recon->look_at, paths_look_deadline(recon->paths))
		       : recon->look_at;
}

/* A peer that the plan lacks for want of a key must not be taken away, and its session with it. */
static bool on_hold(const struct recon *recon, mtime_t now)
{
	return recon->plan.unready && recon->wg.sync.have.peer_count &&
	       !mtime_reached(now, recon->hold_until);
}

void recon_tunnel_turn(struct recon *recon, struct gossip_time time)
{
	if (!step(recon, time))
		return;
	if (mtime_reached(time.now, recon_tunnel_next_look(recon)))
		look(recon, time);
	if (recon->wake_due && recon_tunnel_owned(recon) && !recon->plan.unready) {
		paths_wake(recon->paths, time.now);
		recon->wake_due = false;
		recon->plan_due = true;
		recon->plan_at = time.now;
	}
	if (recon->plan_due && mtime_reached(time.now, recon->plan_at))
		recon_plan_make(recon, time);
	if (recon->apply_due && recon_tunnel_owned(recon) && recon->plan.up &&
		!on_hold(recon, time.now) &&
		!recon_fault_waits(&recon->faults, RECON_DEVICE, time.now))
		apply(recon, time);
}

/* First the peers' preshared keys, which only handshakes look at, then the key; and then WireGuard
 * sends in every session, which makes it shake hands anew, before anybody is told: of two
 * handshakes that cross neither succeeds. */
void recon_rekey(struct recon *recon)
{
	struct gossip_time time = daemon_time(recon->daemon);
	uint8_t next[WG_KEY_SIZE];

	if (recon->stopped || recon->config.backend == CONFIG_BACKEND_NONE)
		return;
	recon->plan_due = true;
	recon->plan_at = time.now;
	if (!recon_tunnel_owned(recon) || !recon->plan.up)
		return; /* the next plan that is applied has it */
	paths_announce(recon->paths, time.now);
	recon_plan_make(recon, time);
	if (recon->plan_due || recon->plan.unready)
		return;
	memcpy(next, recon->plan.device.private_key, WG_KEY_SIZE);
	memcpy(recon->plan.device.private_key, recon->wg.sync.have.private_key, WG_KEY_SIZE);
	apply(recon, time);
	memcpy(recon->plan.device.private_key, next, WG_KEY_SIZE);
	sodium_memzero(next, sizeof(next));
	apply(recon, time);
	recon_plan_make(recon, time);
	apply(recon, time);
}
