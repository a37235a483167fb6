/*
 * mDNS, through avahi-daemon: announces this node, browses for others. D-Bus can block, so all of
 * it runs on a thread of its own, which shares with the loop what is wanted and what is seen: plain
 * data under one mutex that nobody holds while calling anything. discover_mdns.c speaks to avahi,
 * discover_mdns_none.c stands in its place in a build without (WITH_AVAHI).
 */
#ifndef MESHD_DAEMON_DISCOVER_MDNS_H
#define MESHD_DAEMON_DISCOVER_MDNS_H

#include <uv.h>

#include "daemon/discover_links.h"
#include "daemon/discover_table.h"

#define DISCOVER_SERVICE  "_meshd._udp"
#define DISCOVER_WHY_SIZE 160

enum discover_state {
	DISCOVER_OFF,	      /* nobody wants it */
	DISCOVER_STARTING,    /* nothing is known yet, or avahi-daemon is choosing a host name */
	DISCOVER_UNAVAILABLE, /* it is tried again */
	DISCOVER_RUNNING,
};

struct discover_want {
	bool on;
	bool only4;	/* gossip listens on IPv4 only */
	uint16_t port;	/* gossip's */
	bool has_mesh;	/* looks for members of this one */
	bool is_member; /* and is one */
	struct id mesh;
	size_t link_count;
	struct discover_link links[DISCOVER_LINKS_MAX];
};

struct discover_seen {
	uint8_t salt[DISCOVER_SALT_SIZE]; /* of its start: the same on all interfaces */
	char link[NET_NAME_SIZE];
	struct endpoint endpoint;
	bool ours, has_tag;
	uint8_t tag[DISCOVER_TAG_SIZE];
};

struct discover_view {
	enum discover_state state;
	/* UNAVAILABLE: why; RUNNING: what does not work all the same; empty: nothing */
	char why[DISCOVER_WHY_SIZE];
	uint64_t displaced; /* of what was seen, for want of room */
	size_t count;
	struct discover_seen seen[DISCOVER_ROWS_MAX]; /* in no order */
};

struct discover_mdns;

/* changed: the view is another one; on the loop. ERR_NOMEM, ERR_SYSTEM. */
int discover_mdns_new(uv_loop_t *loop, void (*changed)(void *arg), void *arg,
	struct discover_mdns **ret) MUST_CHECK;
void discover_mdns_set(struct discover_mdns *mdns, const struct discover_want *want);
void discover_mdns_view(struct discover_mdns *mdns, struct discover_view *ret);
/* Its handles close soon, whatever D-Bus does; free once they have. */
void discover_mdns_stop(struct discover_mdns *mdns);
void discover_mdns_free(struct discover_mdns *mdns);

#endif
