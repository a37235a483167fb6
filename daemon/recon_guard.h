/*
 * The guard's share of the reconcilers: keeps the nftables table of l2/guard.h as it should be, on
 * a worker thread. Its owner says what it wants, is called when something has changed, and attaches
 * nothing that is not covered.
 *
 * A table that others change or take away is put back: the kernel tells of it at once, and a look
 * from time to time finds the rest. Devices stay up meanwhile, and when a daemon starts where
 * another left them. Only where it fails they are to go down rather than stand open.
 */
#ifndef MESHD_DAEMON_RECON_GUARD_H
#define MESHD_DAEMON_RECON_GUARD_H

#include <uv.h>

#include "daemon/config.h"
#include "daemon/recon_fault.h"
#include "l2/guard_nft.h"

struct recon_guard;

/* Called on the loop when state() or problem() may answer otherwise than before. */
typedef void (*recon_guard_cb)(void *arg);

/* Of the faults RECON_GUARD is its own. ERR_NOMEM. */
int recon_guard_new(uv_loop_t *loop, struct recon_faults *faults, recon_guard_cb changed, void *arg,
	struct recon_guard **ret) MUST_CHECK;
/* Copied, and made so soon. A VNI stays in here until its device is gone. */
int recon_guard_want(struct recon_guard *guard, const struct guard_want *want) MUST_CHECK;
enum recon_guard_state {
	RECON_GUARD_PENDING, /* soon known: a device that is up stays, one that is down does */
	RECON_GUARD_COVERED, /* the table has this VNI: its device may be up */
	RECON_GUARD_OPEN,    /* there is no table that has it, and none can be had: down with it */
};

enum recon_guard_state recon_guard_state(const struct recon_guard *guard, uint32_t vni);
/* Why what is wanted is not so, for people; NULL: all is well, or not tried yet. */
const char *recon_guard_problem(const struct recon_guard *guard);
/* At most some seconds old. */
void recon_guard_counters(const struct recon_guard *guard, struct guard_counters *ret);
/* Closes its handles; the table stays, since frames come without a daemon too. Freed once the loop
 * has ended. */
void recon_guard_stop(struct recon_guard *guard);
void recon_guard_free(struct recon_guard *guard);

/* meshd --cleanup, leaving: takes the interface's table away, after its devices. Blocks; logs.
 * ERR_SYSTEM. */
int recon_guard_cleanup(const struct config *config) MUST_CHECK;

#endif
