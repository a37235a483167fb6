/* What `status` and `show` answer, and the parts of it that other answers have too. */
#ifndef MESHD_DAEMON_CTL_STATUS_H
#define MESHD_DAEMON_CTL_STATUS_H

#include "daemon/daemon.h"

void ctl_status_put(struct pack *out, struct daemon *daemon);
/* The node must be one that gossip_member() finds. */
void ctl_status_put_member(struct pack *out, struct daemon *daemon, const struct id *node);
/* What this node is part of: {"node", "mesh", "warnings"}. */
void ctl_status_put_belonging(struct pack *out, struct daemon *daemon);

/* What the operator should know: everything in `warnings`, each with what to type; no warning is
 * without. */
void ctl_status_each_warning(struct daemon *daemon, daemon_warning_cb each, void *arg);

#endif
