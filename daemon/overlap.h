/* Prefixes of the mesh that this host has another way to already. */
#ifndef MESHD_DAEMON_OVERLAP_H
#define MESHD_DAEMON_OVERLAP_H

#include "gossip/base/types.h"
#include "wg/nl.h"

#define OVERLAP_TEXT_SIZE 128

/* Whether the host has routes, not over our interface, to a part of the prefix or all of it: the
 * first is told as "10.0.0.0/24 over eth0". What cannot be read does not overlap. */
bool overlap_find(struct nl *nl, const char *interface, const struct prefix *prefix,
	char ret_text[OVERLAP_TEXT_SIZE]);

#endif
