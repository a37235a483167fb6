/* On which of the host's interfaces mDNS is spoken: what the configuration says, and never on what
 * is meshd's own, for members would find each other through the overlay itself. Pure. */
#ifndef MESHD_DAEMON_DISCOVER_LINKS_H
#define MESHD_DAEMON_DISCOVER_LINKS_H

#include "daemon/config.h"
#include "wg/net_link.h"

#define DISCOVER_LINKS_MAX 32 /* each costs avahi-daemon two objects */

struct discover_link {
	uint32_t ifindex;
	char name[NET_NAME_SIZE];
};

/* Returns how many. */
size_t discover_links_choose(const struct net_links *links, const struct config *config,
	struct discover_link ret[DISCOVER_LINKS_MAX]);

#endif
