/* The neighbours of a segment's bridge (RTM_*NEIGH, linux/neighbour.h): what ARP and neighbour
 * discovery have found, and what is known without them. Ours bear NTF_EXT_LEARNED. */
#ifndef MESHD_L2_NEIGHBOUR_H
#define MESHD_L2_NEIGHBOUR_H

#include "l2/l2.h"

/* Adds those of both families to the table, whose bridge is set; a bridge with more than
 * L2_NEIGHBOURS_MAX is not read to its end. The errors are nl.h's. */
int neighbour_list(struct nl *nl, struct l2_table *table) MUST_CHECK;

/* L2_NEIGHBOUR_*. Removing what is not there is done. */
int neighbour_apply(struct nl *nl, uint32_t bridge, const struct l2_entry_op *op) MUST_CHECK;

/* One message of a dump, added to the table; others' are passed over. ERR_MALFORMED, ERR_NOMEM. */
int neighbour_read(const struct nlmsghdr *msg, struct l2_table *table) MUST_CHECK;

#endif
