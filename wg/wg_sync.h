/*
 * An interface kept in step with what is wanted at the cost of what differs: the last observation
 * is kept true by the operations that WireGuard has acknowledged, so that one changed peer costs
 * one small message, however many peers there are. A periodic look finds what others changed.
 */
#ifndef MESHD_WG_WG_SYNC_H
#define MESHD_WG_WG_SYNC_H

#include "wg/wg.h"
#include "wg/wg_backend.h"

/* Operations by their kind. */
struct wg_sync_tally {
	size_t device, added, updated, removed; /* but for the first, peers */
};

struct wg_sync {
	struct wg_sync_tally tally; /* of the last wg_sync_apply that succeeded */
	struct wg_device have;	    /* sealed; good while `known` */
	uint32_t generation;	    /* of the backend when it was observed */
	bool known;
};

/* A zeroed one knows nothing. */
void wg_sync_done(struct wg_sync *sync);

/* Observes anew; at a failure nothing is known. The backend's errors. */
int wg_sync_look(struct wg_sync *sync, struct wg_backend *backend) MUST_CHECK;

/* Makes the interface what is wanted (sealed), looking first if nothing is known of this device
 * yet. ret_ops is how many operations it took; 0: none was needed. At a failure nothing is known,
 * for some of them may have been done. The backend's errors. */
int wg_sync_apply(struct wg_sync *sync, struct wg_backend *backend, const struct wg_device *want,
	size_t *ret_ops) MUST_CHECK;

#endif
