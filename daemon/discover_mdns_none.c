/* A build without avahi: says so. */
#include "daemon/discover_mdns.h"

#include <stdio.h>
#include <stdlib.h>

struct discover_mdns {
	bool on;
	void (*changed)(void *arg);
	void *arg;
};

int discover_mdns_new(
	uv_loop_t *loop, void (*changed)(void *arg), void *arg, struct discover_mdns **ret)
{
	struct discover_mdns *mdns = calloc(1, sizeof(*mdns));

	(void)loop;
	if (!mdns)
		return ERR_NOMEM;
	mdns->changed = changed;
	mdns->arg = arg;
	*ret = mdns;
	return 0;
}

void discover_mdns_set(struct discover_mdns *mdns, const struct discover_want *want)
{
	mdns->on = want->on;
	mdns->changed(mdns->arg);
}

void discover_mdns_view(struct discover_mdns *mdns, struct discover_view *ret)
{
	ret->state = mdns->on ? DISCOVER_UNAVAILABLE : DISCOVER_OFF;
	snprintf(ret->why, sizeof(ret->why), "%s",
		mdns->on ? "this meshd was built without avahi" : "");
	ret->displaced = 0;
	ret->count = 0;
}

void discover_mdns_stop(struct discover_mdns *mdns)
{
	(void)mdns;
}

void discover_mdns_free(struct discover_mdns *mdns)
{
	free(mdns);
}
