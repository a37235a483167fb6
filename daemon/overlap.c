#include "daemon/overlap.h"

#include <net/if.h>
#include <stdio.h>

#include "gossip/base/text.h"
#include "wg/net_route.h"

bool overlap_find(struct nl *nl, const char *interface, const struct prefix *prefix,
	char ret_text[OVERLAP_TEXT_SIZE])
{
	char dst[TEXT_PREFIX_SIZE], device[IF_NAMESIZE];
	const struct net_route *first;
	struct net_routes routes;
	bool found;

	if (!prefix->ip.family ||
		net_route_overlaps(nl, prefix, if_nametoindex(interface), &routes) != 0)
		return false;
	found = routes.count > 0;
	if (found) {
		first = &routes.items[0];
		text_prefix(&first->dst, dst);
		if (if_indextoname(first->ifindex, device))
			snprintf(ret_text, OVERLAP_TEXT_SIZE, "%s over %s", dst, device);
		else
			snprintf(ret_text, OVERLAP_TEXT_SIZE, "%s", dst);
	}
	net_routes_done(&routes);
	return found;
}
