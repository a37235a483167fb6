/* What the data plane looks like, for `status` and for whoever waits until it is up. */
#ifndef MESHD_DAEMON_CTL_OVERLAY_H
#define MESHD_DAEMON_CTL_OVERLAY_H

#include "daemon/daemon.h"
#include "daemon/recon.h"

/* The member "wireguard" of the status. */
void ctl_overlay_put(struct pack *out, struct daemon *daemon);
/* The value of "wireguard" of a member; public_key NULL: it has none, or this node has no data
 * plane. */
void ctl_overlay_put_peer(struct pack *out, struct daemon *daemon, const struct id *node,
	const uint8_t public_key[WG_KEY_SIZE]);

#endif
