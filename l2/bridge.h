/* A segment's bridge and its ports (linux/if_link.h, IFLA_BR_* and IFLA_BRPORT_*). */
#ifndef MESHD_L2_BRIDGE_H
#define MESHD_L2_BRIDGE_H

#include "l2/l2.h"
#include "wg/nl_attr.h"

/* Down, with its MAC, so that it is known as ours before it is marked. The errors are nl.h's. */
int bridge_create(struct nl *nl, const struct l2_want *want) MUST_CHECK;
/* L2_SET_STP and L2_SET_SNOOPING of a change. */
void bridge_put_changes(struct nlmsghdr *nlh, const struct l2_want *want, unsigned int set);

/* What a dump says of a bridge, and of a port. ERR_MALFORMED. */
int bridge_read(const struct nl_attr *data, struct l2_link *link) MUST_CHECK;
int bridge_read_port(const struct nl_attr *data, struct l2_link *link) MUST_CHECK;

#endif
