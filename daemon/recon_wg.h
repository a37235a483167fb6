/*
 * The overlay's WireGuard: whoever makes it run is started, watched and started again; what it has
 * is looked at, compared with the plan and put right at the cost of what differs.
 *
 * An interface of our name is ours when it has no key yet or this node's, or bears this node's mark
 * (its alias): a daemon that ended in the middle of a rotation left one with the key before. Any
 * other is refused: nothing of it is touched.
 */
#ifndef MESHD_DAEMON_RECON_WG_H
#define MESHD_DAEMON_RECON_WG_H

#include "daemon/config.h"
#include "daemon/plan.h"
#include "daemon/recon_fault.h"
#include "wg/wg_backend.h"
#include "wg/wg_sync.h"

struct recon_wg {
	struct wg_backend *backend; /* NULL: none is wanted, or none could be made */
	struct wg_sync sync;
	uint32_t owned; /* the generation of the device that was found to be ours; 0: none */
	bool foreign;	/* the device was found to be somebody else's */
	bool applied;	/* the plan that was last given is what WireGuard has */
};

/* Makes the backend if there is none and takes its next step. 0 while it runs, else its errors. */
int recon_wg_step(struct recon_wg *wg, struct nl *nl, const struct config *config, mtime_t now,
	struct recon_faults *faults) MUST_CHECK;
/* Looks, and makes sure that the device is ours. */
int recon_wg_look(struct recon_wg *wg, struct nl *nl, const struct plan *plan, mtime_t now,
	struct recon_faults *faults) MUST_CHECK;
/* Gives WireGuard what differs. ret_ops: how many operations it took. */
int recon_wg_apply(struct recon_wg *wg, const struct plan *plan, mtime_t now,
	struct recon_faults *faults, size_t *ret_ops) MUST_CHECK;
/* The next apply gives every peer its endpoint again, as it is. wireguard-go sends to each from the
 * address where it was last heard; once that address has gone from the host, it fails to send with
 * ENETUNREACH until the peer is heard elsewhere, but an endpoint that is set has no such memory.
 * The kernel looks for itself. */
void recon_wg_refresh_endpoints(struct recon_wg *wg);
/* Whether there is an observation of the device as it is now. */
bool recon_wg_known(const struct recon_wg *wg);

/* Takes the interface down for good unless it is somebody else's, and lets go of the backend. */
void recon_wg_take_down(struct recon_wg *wg, struct recon_faults *faults);
/* Lets go of everything and leaves the interface as it is. */
void recon_wg_done(struct recon_wg *wg);

#endif
