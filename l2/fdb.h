/*
 * Forwarding entries (RTM_*NEIGH of AF_BRIDGE, linux/neighbour.h): the bridge's, which say behind
 * which port a MAC is, and the VXLAN device's, which say at which member.
 *
 * Ours are those that bear NTF_EXT_LEARNED at our VXLAN device. The bridge takes that from one by
 * itself when it hears the MAC on another port.
 */
#ifndef MESHD_L2_FDB_H
#define MESHD_L2_FDB_H

#include "l2/l2.h"

#define FDB_USER_HZ 100 /* of the kernel's ages; the same on every Linux */

/* Adds a bridge's entries and its VXLAN device's to the table, whose indexes and time are set. A
 * bridge with more than L2_ENTRIES_MAX is not read to its end. The errors are nl.h's. */
int fdb_list(struct nl *nl, struct l2_table *table) MUST_CHECK;

/* L2_FLOOD_FLUSH, L2_FORWARD_*, L2_PLACE_*. Removing what is not there is done. */
int fdb_apply(struct nl *nl, uint32_t vxlan, const struct l2_entry_op *op) MUST_CHECK;

/* One message of a dump, added to the table; others' are passed over. ERR_MALFORMED, ERR_NOMEM. */
int fdb_read(const struct nlmsghdr *msg, struct l2_table *table) MUST_CHECK;

#endif
