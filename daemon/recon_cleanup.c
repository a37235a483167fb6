#include "daemon/recon_cleanup.h"

#include <string.h>

#include "daemon/log.h"
#include "daemon/recon_net.h"
#include "daemon/recon_wg.h"

static int stop(struct nl *nl, const struct config *config, enum wg_backend_kind kind)
{
	const struct wg_backend_config backend_config = {
		.command = config->userspace_command, .output = -1};
	struct wg_backend *backend;
	int err = wg_backend_new(kind, nl, config->interface, &backend_config, &backend);

	if (err) {
		log_error("cannot take down %s: %s", config->interface, err_text(err));
		return ERR_SYSTEM;
	}
	err = wg_backend_stop(backend);
	if (err)
		log_error("%s", backend->error);
	wg_backend_free(backend);
	return err ? ERR_SYSTEM : 0;
}

static int take_down(struct nl *nl, const struct config *config, const struct net_link *link)
{
	bool userspace = strcmp(link->kind, "tun") == 0, marked = false;
	int err = 0;

	if (!userspace && strcmp(link->kind, "wireguard") != 0) {
		log_warn("interface %s is no WireGuard interface: left alone", link->name);
		return 0;
	}
	if (net_link_is_ours(link))
		marked = true;
	else
		err = recon_net_marked(nl, link->ifindex, &marked);
	if (err) {
		log_error("cannot read interface %s: %s", link->name, nl_error(nl));
		return ERR_SYSTEM;
	}
	if (!marked) {
		log_warn("interface %s bears no address or route of ours: left alone", link->name);
		return 0;
	}
	err = stop(nl, config, userspace ? WG_BACKEND_USERSPACE : WG_BACKEND_KERNEL);
	if (!err)
		log_info("interface %s is gone", link->name);
	return err;
}

int recon_cleanup(const struct config *config)
{
	struct net_link link;
	struct nl *nl;
	int err = nl_new(&nl);

	if (err) {
		log_error("cannot open netlink: %s", err_text(err));
		return ERR_SYSTEM;
	}
	err = net_link_get(nl, config->interface, &link);
	if (!err) {
		err = take_down(nl, config, &link);
	} else if (err == ERR_UNKNOWN) {
		/* A process that was killed leaves its socket. */
		err = stop(nl, config, WG_BACKEND_USERSPACE);
	} else {
		log_error("cannot read interface %s: %s", config->interface, nl_error(nl));
		err = ERR_SYSTEM;
	}
	nl_free(nl);
	return err;
}
