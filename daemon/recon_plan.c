#include "daemon/recon_internal.h"

#include <sodium.h>

#include "daemon/keyfile.h"
#include "daemon/log.h"

#define PLAN_SHARE	 10   /* of the loop's time for making plans, as a divisor */
#define UNREADY_MS	 20   /* between plans while keys are computed */
#define HOLD_MS		 5000 /* that a running interface waits for them at most */
#define UNREADY_LATER_MS 1000 /* between plans when they take longer than that */

static bool next_member(const void *source, size_t *index, struct gossip_member *ret)
{
	return gossip_member_next(source, index, ret);
}

/* What this node says of where it is goes beyond the addresses it has. */
bool recon_plan_behind_nat(const struct recon *recon)
{
	struct gossip_member self;
	bool nat = false;

	if (!gossip_member(recon->daemon->gossip, &recon->daemon->keys->identity.id, &self))
		return false;
	for (size_t i = 0; self.has_descriptor && i < self.descriptor.endpoint_count; i++)
		nat |= !recon_host_has(&recon->host, &self.descriptor.endpoints[i].ip);
	gossip_member_wipe(&self);
	return nat;
}

static void tell_mtu(struct recon *recon, struct gossip_time time)
{
	if (!recon->plan.up || recon->plan.mtu == recon->told_mtu)
		return;
	recon->told_mtu = recon->plan.mtu;
	gossip_set_mtu(recon->daemon->gossip, time, recon->plan.mtu);
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

void recon_plan_make(struct recon *recon, struct gossip_time time)
{
	const struct daemon *daemon = recon->daemon;
	const struct config *config = &recon->config;
	uint64_t start_ns = uv_hrtime();
	uint8_t private_key[WG_KEY_SIZE], public_key[WG_KEY_SIZE];
	struct gossip_status status;
	struct plan plan;
	int err;

	gossip_status(daemon->gossip, &status);
	recon->nat = recon_plan_behind_nat(recon);
	struct plan_input input = {.status = &status,
		.next_member = next_member,
		.source = daemon->gossip,
		.interface = config->interface,
		.private_key = private_key,
		.public_key = public_key,
		.listen_port = config->wireguard_port,
		.mtu = config->mtu,
		.underlay_mtu = recon->host.underlay_mtu,
		.have = recon_tunnel_owned(recon) ? &recon->wg.sync.have : NULL,
		.behind_nat = recon->nat};
	keys_wireguard_private(daemon_wireguard_keys(daemon), private_key);
	err = keys_wireguard_public(&daemon_wireguard_keys(daemon)->id, public_key);
	if (!err)
		err = plan_make(&input, recon->paths, time.now, &plan);
	sodium_memzero(private_key, sizeof(private_key));
	recon->counts.plans++;
	recon->counts.plan_us += (uv_hrtime() - start_ns) / 1000;
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
	if (!same_net(&plan, &recon->plan)) {
		recon->net_at = time.now;
		recon->routes_new = true;
	}
	plan_done(&recon->plan);
	recon->plan = plan;
	sodium_memzero(&plan, sizeof(plan));
	recon->apply_due = true;
	tell_mtu(recon, time);
}
