/*
 * Finding members on the LAN (packaging/PORTS.md, "On a LAN"): this node is announced through mDNS,
 * and what is seen of this mesh goes to the core as hints, which are only candidates: a node still
 * proves who it is. discover_mdns.h speaks to avahi-daemon; here it is decided what is wanted of
 * it, and what becomes of what it sees.
 */
#ifndef MESHD_DAEMON_DISCOVER_H
#define MESHD_DAEMON_DISCOVER_H

#include "daemon/daemon.h"
#include "daemon/discover_mdns.h"

extern const struct daemon_part discover_part;

/* As in the status: "running", "unavailable", "off". */
const char *discover_state_label(const struct discover *discover);
/* What is seen, until the loop's next turn. */
const struct discover_view *discover_view(const struct discover *discover);
/* Different nodes in the view, by their salts. */
size_t discover_count(const struct discover *discover);
/* Whether a join may count on hints. */
bool discover_looks(const struct discover *discover);
/* The interfaces on which mDNS is spoken. */
const struct discover_link *discover_links(const struct discover *discover, size_t *ret_count);

#endif
