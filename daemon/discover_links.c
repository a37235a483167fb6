#include "daemon/discover_links.h"

#include <net/if.h>

static bool is_named(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->mdns_interface_count; i++) {
		if (strcmp(config->mdns_interfaces[i], name) == 0)
			return true;
	}
	return config->mdns_interface_count == 0;
}

/* Of this daemon or of another one on this host: overlays, VXLAN devices and bridges bear our mark.
 */
static bool is_own(const struct net_link *link, const struct config *config)
{
	return strcmp(link->name, config->interface) == 0 || net_link_is_ours(link);
}

size_t discover_links_choose(const struct net_links *links, const struct config *config,
	struct discover_link ret[DISCOVER_LINKS_MAX])
{
	const uint32_t not_a_lan = IFF_LOOPBACK | IFF_POINTOPOINT;
	size_t count = 0;

	for (size_t i = 0; i < links->count && count < DISCOVER_LINKS_MAX; i++) {
		const struct net_link *link = &links->items[i];

		if (!(link->flags & IFF_MULTICAST) || link->flags & not_a_lan ||
			is_own(link, config) || !is_named(config, link->name))
			continue;
		ret[count].ifindex = link->ifindex;
		memcpy(ret[count].name, link->name, sizeof(ret[count].name));
		count++;
	}
	return count;
}
