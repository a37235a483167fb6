/* A segment's VXLAN device (RFC 7348; linux/if_link.h, IFLA_VXLAN_*). */
#ifndef MESHD_L2_VXLAN_H
#define MESHD_L2_VXLAN_H

#include "l2/l2.h"
#include "wg/nl_attr.h"

/* Down, with its MAC. The errors are nl.h's; ERR_STATE also where another device on this host has
 * the VNI. */
int vxlan_create(struct nl *nl, const struct l2_want *want) MUST_CHECK;
/* L2_SET_LOCAL, L2_SET_LEARNING and L2_SET_PORT of a change. */
void vxlan_put_changes(struct nlmsghdr *nlh, const struct l2_want *want, unsigned int set);

/* What a dump says of one. ERR_MALFORMED. */
int vxlan_read(const struct nl_attr *data, struct l2_link *link) MUST_CHECK;

#endif
