/* Segments, who is on them and where MAC addresses are, as answers show them. */
#ifndef MESHD_DAEMON_CTL_L2_VIEW_H
#define MESHD_DAEMON_CTL_L2_VIEW_H

#include "daemon/ctl_client.h"

/* `l2` of the status. */
void ctl_l2_view_put_status(struct pack *out, struct daemon *daemon);
/* One segment, whole but for its MAC addresses. */
void ctl_l2_view_put_segment(
	struct pack *out, struct daemon *daemon, const struct gossip_segment *segment);
/* `segments` and `macs` of a member: two fields of a map. */
void ctl_l2_view_put_member(
	struct pack *out, struct daemon *daemon, const struct gossip_member *member);
/* What the operator should know of them: in `warnings`. */
void ctl_l2_view_each_warning(struct daemon *daemon, daemon_warning_cb each, void *arg);
/* The verb l2-list: each segment as an item, and each of its MAC addresses as an item behind it. */
void ctl_l2_view_list(struct ctl_client *client, const struct ipc_request *request);

#endif
