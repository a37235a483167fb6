#include "daemon/recon_wg.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sodium.h>

#include "daemon/log.h"
#include "wg/net_link.h"

static enum wg_backend_kind kind_of(const struct config *config)
{
	switch (config->backend) {
	case CONFIG_BACKEND_KERNEL:
		return WG_BACKEND_KERNEL;
	case CONFIG_BACKEND_USERSPACE:
		return WG_BACKEND_USERSPACE;
	case CONFIG_BACKEND_AUTO:
	case CONFIG_BACKEND_NONE:
		break;
	}
	return WG_BACKEND_AUTO;
}

/* Where a child's output goes; -1: nowhere. Never a pipe of ours. */
static int output(void)
{
	return log_goes_to_journal() ? STDERR_FILENO : -1;
}

static int make_backend(struct recon_wg *wg, struct nl *nl, const struct config *config,
	mtime_t now, struct recon_faults *faults)
{
	const struct wg_backend_config backend_config = {
		.command = config->userspace_command, .output = output()};
	int err;

	if (recon_fault_waits(faults, RECON_BACKEND, now))
		return ERR_NOT_READY;
	err = wg_backend_new(kind_of(config), nl, config->interface, &backend_config, &wg->backend);
	if (err)
		recon_fault_set(faults, RECON_BACKEND, now, "no WireGuard interface %s: %s%s",
			config->interface, nl_errno(nl) ? nl_error(nl) : err_text(err),
			nl_errno(nl) == EPERM ? ": meshd needs CAP_NET_ADMIN, which root has" : "");
	return err;
}

int recon_wg_step(struct recon_wg *wg, struct nl *nl, const struct config *config, mtime_t now,
	struct recon_faults *faults)
{
	int err = wg->backend ? 0 : make_backend(wg, nl, config, now, faults);

	if (err)
		return err;
	err = wg_backend_step(wg->backend, now);
	if (wg->backend->state == WG_RUNNING)
		recon_fault_clear(faults, RECON_BACKEND);
	else if (wg->backend->state == WG_WAITING && wg->backend->error[0])
		recon_fault_set(faults, RECON_BACKEND, now, "%s", wg->backend->error);
	if (wg->backend->state != WG_RUNNING)
		wg->applied = false;
	return err;
}

bool recon_wg_known(const struct recon_wg *wg)
{
	return wg->backend && wg->backend->state == WG_RUNNING && wg->sync.known &&
	       wg->sync.generation == wg->backend->generation;
}

void recon_wg_refresh_endpoints(struct recon_wg *wg)
{
	if (!recon_wg_known(wg))
		return;
	for (uint32_t i = 0; i < wg->sync.have.peer_count; i++)
		wg->sync.have.peers[i].endpoint = (struct endpoint){0};
}

static int fail(struct recon_wg *wg, int err, mtime_t now, struct recon_faults *faults)
{
	wg->applied = false;
	/* It has just gone: the next step tells why, and makes it again. */
	if (err == ERR_UNKNOWN)
		return err;
	recon_fault_set(faults, RECON_DEVICE, now, "%s",
		wg->backend->error[0] ? wg->backend->error : err_text(err));
	recon_fault_set_err(faults, RECON_DEVICE, err);
	return err;
}

/* So that it is known as ours before it bears anything else of ours. */
static void mark(const struct recon_wg *wg, struct nl *nl, const struct net_link *link,
	const struct plan *plan)
{
	if (strcmp(link->alias, plan->mark) != 0 &&
		net_link_set_alias(nl, link->ifindex, plan->mark))
		log_debug("interface %s cannot be marked: %s", wg->backend->name, nl_error(nl));
}

/* Whoever made an interface gave it a key; from then on it is theirs. */
static int claim(struct recon_wg *wg, struct nl *nl, const struct plan *plan, mtime_t now,
	struct recon_faults *faults)
{
	const struct wg_device *have = &wg->sync.have;
	struct net_link link;
	bool known;

	if (wg->owned == wg->backend->generation)
		return 0;
	known = net_link_get(nl, wg->backend->name, &link) == 0;
	wg->foreign =
		!sodium_is_zero(have->private_key, WG_KEY_SIZE) &&
		sodium_memcmp(have->private_key, plan->device.private_key, WG_KEY_SIZE) != 0 &&
		!(known && strcmp(link.alias, plan->mark) == 0);
	if (wg->foreign) {
		recon_fault_set(faults, RECON_DEVICE, now,
			"WireGuard interface %s exists and has another key: it is not this node's "
			"and is left alone; set another `interface` in [wireguard], or remove it "
			"(`meshd --cleanup` if an earlier meshd left it)",
			wg->backend->name);
		return ERR_STATE;
	}
	if (known)
		mark(wg, nl, &link, plan);
	wg->owned = wg->backend->generation;
	return 0;
}

int recon_wg_look(struct recon_wg *wg, struct nl *nl, const struct plan *plan, mtime_t now,
	struct recon_faults *faults)
{
	int err = wg_sync_look(&wg->sync, wg->backend);

	return err ? fail(wg, err, now, faults) : claim(wg, nl, plan, now, faults);
}

int recon_wg_apply(struct recon_wg *wg, const struct plan *plan, mtime_t now,
	struct recon_faults *faults, size_t *ret_ops)
{
	int err = wg_sync_apply(&wg->sync, wg->backend, &plan->device, ret_ops);

	if (err)
		return fail(wg, err, now, faults);
	recon_fault_clear(faults, RECON_DEVICE);
	wg->applied = true;
	return 0;
}

void recon_wg_take_down(struct recon_wg *wg, struct recon_faults *faults)
{
	if (wg->backend && !wg->foreign) {
		if (wg_backend_stop(wg->backend))
			log_error("%s", wg->backend->error);
		else
			log_info("interface %s is gone", wg->backend->name);
	}
	recon_wg_done(wg);
	recon_fault_clear(faults, RECON_BACKEND);
	recon_fault_clear(faults, RECON_DEVICE);
}

void recon_wg_done(struct recon_wg *wg)
{
	wg_sync_done(&wg->sync);
	wg_backend_free(wg->backend);
	*wg = (struct recon_wg){0};
}
