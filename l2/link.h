/* Network interfaces as segments see them: observed, and changed by l2_link_diff's operations
 * (RTM_*LINK, linux/if_link.h). The errors are nl.h's. */
#ifndef MESHD_L2_LINK_H
#define MESHD_L2_LINK_H

#include "l2/l2.h"

#define LINK_MAX NET_LINKS_MAX /* a host with more is not read to its end */

int link_list(struct nl *nl, struct l2_links *ret) MUST_CHECK;
void link_list_done(struct l2_links *links);

/* ERR_STATE: the name is taken, or the VNI by another device on this host. ERR_UNSUPPORTED: the
 * kernel has no such devices. */
int link_apply(struct nl *nl, const struct l2_want *want, const struct l2_links *links,
	const struct l2_link_op *op) MUST_CHECK;

/* One message of a dump. ERR_MALFORMED. */
int link_read(const struct nlmsghdr *msg, struct l2_link *ret) MUST_CHECK;

#endif
