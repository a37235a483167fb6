#include "daemon/discover.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/events.h"
#include "daemon/keyfile.h"
#include "daemon/log.h"
#include "daemon/sockaddr.h"

#define LINKS_DELAY_MS 50 /* netlink's events come in bursts */
/* Events about what is seen on the LAN, which may be made up: so many at once, and one each. */
#define EVENT_BURST    16
#define EVENT_GAP_MS   2000

struct discover {
	struct daemon *daemon;
	struct discover_mdns *mdns;
	struct discover_want want;
	struct nl *nl;
	struct nl_monitor *monitor;
	uv_poll_t poll;
	uv_timer_t timer;
	bool polls, stopped;
	mtime_t events; /* of their rate */
	struct discover_view view, before;
	size_t first; /* in the view, of those that the core is told of */
};

static bool is_on(const struct discover *discover)
{
	return discover->daemon->config.mdns;
}

static enum discover_state state_of(const struct discover *discover)
{
	return is_on(discover) ? discover->view.state : DISCOVER_OFF;
}

const char *discover_state_label(const struct discover *discover)
{
	switch (state_of(discover)) {
	case DISCOVER_OFF:
		return "off";
	case DISCOVER_RUNNING:
		return "running";
	case DISCOVER_STARTING:
	case DISCOVER_UNAVAILABLE:
		break;
	}
	return "unavailable";
}

const struct discover_view *discover_view(const struct discover *discover)
{
	return &discover->view;
}

static bool is_first(const struct discover_view *view, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (memcmp(view->seen[i].salt, view->seen[at].salt, DISCOVER_SALT_SIZE) == 0)
			return false;
	}
	return true;
}

size_t discover_count(const struct discover *discover)
{
	size_t count = 0;

	for (size_t i = 0; i < discover->view.count; i++)
		count += is_first(&discover->view, i);
	return count;
}

bool discover_looks(const struct discover *discover)
{
	enum discover_state state = state_of(discover);

	return state == DISCOVER_RUNNING || state == DISCOVER_STARTING;
}

const struct discover_link *discover_links(const struct discover *discover, size_t *ret_count)
{
	*ret_count = discover->want.link_count;
	return discover->want.links;
}

/* ---- what is wanted ---- */

/* A node that listens on this host alone has nothing to say on a LAN. */
static void want_links(struct discover *discover)
{
	const struct config *config = &discover->daemon->config;
	struct net_links links = {0};

	discover->want.link_count = 0;
	if (!config->mdns || sockaddr_is_loopback(&config->listen))
		return;
	if (net_link_list(discover->nl, &links) != 0)
		log_warn("cannot list this host's interfaces: %s", nl_error(discover->nl));
	discover->want.link_count = discover_links_choose(&links, config, discover->want.links);
	net_links_done(&links);
}

static void want_mesh(struct discover *discover)
{
	const struct daemon *daemon = discover->daemon;
	struct discover_want *want = &discover->want;
	struct gossip_status status;

	gossip_status(daemon->gossip, &status);
	want->on = daemon->config.mdns;
	want->only4 = daemon->config.listen.ip.family == 4;
	want->port = daemon->config.listen.port;
	want->has_mesh = status.state == GOSSIP_RUNNING || status.state == GOSSIP_JOINING;
	want->mesh = want->has_mesh ? status.mesh : (struct id){{0}};
	/* one whose database was lost still is, by its keys: its peers bring the rest back */
	want->is_member = status.state == GOSSIP_RUNNING ||
			  (status.state == GOSSIP_JOINING && daemon->keys->has_mesh);
}

static bool same_links(const struct discover_want *a, const struct discover_want *b)
{
	bool same = a->link_count == b->link_count;

	for (size_t i = 0; same && i < a->link_count; i++)
		same = a->links[i].ifindex == b->links[i].ifindex &&
		       strcmp(a->links[i].name, b->links[i].name) == 0;
	return same;
}

/* Members change often, and the thread need not be woken for that. */
static void tell_thread(struct discover *discover, const struct discover_want *before)
{
	const struct discover_want *want = &discover->want;

	if (want->on != before->on || want->only4 != before->only4 || want->port != before->port ||
		want->has_mesh != before->has_mesh || want->is_member != before->is_member ||
		!id_equal(&want->mesh, &before->mesh) || !same_links(want, before))
		discover_mdns_set(discover->mdns, want);
}

/* ---- what is seen ---- */

static void tell_core(struct discover *discover)
{
	const struct discover_view *view = &discover->view;
	struct daemon *daemon = discover->daemon;
	struct endpoint hints[GOSSIP_HINTS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < view->count && count < GOSSIP_HINTS_MAX; i++) {
		const struct discover_seen *seen = &view->seen[(discover->first + i) % view->count];

		if (seen->ours)
			hints[count++] = seen->endpoint;
	}
	gossip_set_hints(daemon->gossip, daemon_time(daemon), hints, count);
}

static void add_event(
	struct discover *discover, const char *from, const char *to, const char *cause)
{
	struct timespec now;

	if (!mtime_allows(&discover->events, daemon_time(discover->daemon).now, EVENT_GAP_MS,
		    EVENT_BURST))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	events_add(discover->daemon->events,
		&(struct event){
			.wall_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000,
			.label = "discovery",
			.from = from,
			.to = to,
			.cause = cause,
		});
	log_info("discovery:%s%s%s%s: %s", from ? " from " : "", from ? from : "", to ? " to " : "",
		to ? to : "", cause);
}

static bool has(const struct discover_view *view, const struct endpoint *endpoint)
{
	for (size_t i = 0; i < view->count; i++) {
		if (view->seen[i].ours && endpoint_equal(&view->seen[i].endpoint, endpoint))
			return true;
	}
	return false;
}

/* This mesh's nodes that are in one and not in the other. */
static void add_events(struct discover *discover, const struct discover_view *these,
	const struct discover_view *those)
{
	bool new = these == &discover->view;
	char text[TEXT_ENDPOINT_SIZE], cause[64];

	for (size_t i = 0; i < these->count; i++) {
		const struct discover_seen *seen = &these->seen[i];

		if (!seen->ours || has(those, &seen->endpoint))
			continue;
		text_endpoint(&seen->endpoint, text);
		snprintf(cause, sizeof(cause), "%s on %s", new ? "seen" : "gone", seen->link);
		add_event(discover, new ? NULL : text, new ? text : NULL, cause);
	}
}

static void warn(struct discover *discover)
{
	struct daemon *daemon = discover->daemon;
	enum discover_state state = state_of(discover);

	if (state == DISCOVER_UNAVAILABLE)
		daemon_warn(daemon, DAEMON_WARNING_MDNS,
			"members are not looked for on the LAN: %s (`mdns = false` in [gossip] if "
			"that is as it should be)",
			discover->view.why);
	else if (state == DISCOVER_RUNNING && discover->view.why[0])
		daemon_warn(daemon, DAEMON_WARNING_MDNS, "members may not be found on the LAN: %s",
			discover->view.why);
	else
		daemon_warn_clear(daemon, DAEMON_WARNING_MDNS);
}

static void view_changed(void *arg)
{
	struct discover *discover = arg;
	const char *before = discover_state_label(discover), *now;

	if (discover->stopped)
		return;
	discover->before = discover->view;
	discover_mdns_view(discover->mdns, &discover->view);
	/* where more are seen than there is room for, others at each look */
	discover->first = randombytes_uniform(DISCOVER_ROWS_MAX);
	now = discover_state_label(discover);
	if (strcmp(before, now) != 0)
		add_event(discover, before, now,
			discover->view.why[0] ? discover->view.why : "avahi-daemon answers");
	add_events(discover, &discover->before, &discover->view);
	add_events(discover, &discover->view, &discover->before);
	warn(discover);
	tell_core(discover);
}

/* ---- the host's interfaces ---- */

static void links_changed(uv_timer_t *timer)
{
	struct discover *discover = timer->data;
	struct discover_want before = discover->want;

	want_links(discover);
	tell_thread(discover, &before);
}

static void monitor_ready(uv_poll_t *poll, int status, int events)
{
	struct discover *discover = poll->data;
	struct nl_changes changes = {0};

	(void)status;
	(void)events;
	if (nl_monitor_drain(discover->monitor, &changes))
		changes.any = true;
	if ((changes.link || changes.any) && !uv_is_active((uv_handle_t *)&discover->timer))
		uv_timer_start(&discover->timer, links_changed, LINKS_DELAY_MS, 0);
}

/* ---- the part ---- */

static void discover_changed(struct daemon *daemon)
{
	struct discover *discover = daemon->discover;
	struct discover_want before = discover->want;

	want_mesh(discover);
	tell_thread(discover, &before);
	/* another core knows nothing of what is seen, nor does a join that has just begun */
	if (discover->want.has_mesh)
		tell_core(discover);
}

static void discover_reload(struct daemon *daemon, const struct config *before)
{
	struct discover *discover = daemon->discover;
	struct discover_want want = discover->want;

	(void)before;
	want_links(discover);
	want_mesh(discover);
	tell_thread(discover, &want);
	warn(discover);
}

static int open_kernel(struct discover *discover)
{
	int err = nl_new(&discover->nl);

	if (!err)
		err = nl_monitor_new(&discover->monitor);
	if (err)
		return err;
	if (uv_poll_init(
		    &discover->daemon->loop, &discover->poll, nl_monitor_fd(discover->monitor)))
		return ERR_SYSTEM;
	discover->polls = true;
	discover->poll.data = discover;
	(void)uv_poll_start(&discover->poll, UV_READABLE, monitor_ready);
	return 0;
}

static int discover_start(struct daemon *daemon)
{
	struct discover *discover = calloc(1, sizeof(*discover));
	int err;

	if (!discover)
		return ERR_NOMEM;
	daemon->discover = discover;
	discover->daemon = daemon;
	(void)uv_timer_init(&daemon->loop, &discover->timer);
	discover->timer.data = discover;
	err = open_kernel(discover);
	if (!err)
		err = discover_mdns_new(&daemon->loop, view_changed, discover, &discover->mdns);
	if (err)
		return err;
	discover_mdns_view(discover->mdns, &discover->view);
	discover_reload(daemon, &daemon->config);
	return 0;
}

static void discover_stop(struct daemon *daemon)
{
	struct discover *discover = daemon->discover;

	if (!discover || discover->stopped)
		return;
	discover->stopped = true;
	discover_mdns_stop(discover->mdns);
	uv_close((uv_handle_t *)&discover->timer, NULL);
	if (discover->polls)
		uv_close((uv_handle_t *)&discover->poll, NULL);
}

static void discover_free(struct daemon *daemon)
{
	struct discover *discover = daemon->discover;

	if (!discover)
		return;
	discover_mdns_free(discover->mdns);
	nl_monitor_free(discover->monitor);
	nl_free(discover->nl);
	free(discover);
	daemon->discover = NULL;
}

const struct daemon_part discover_part = {
	.name = "discovery",
	.start = discover_start,
	.changed = discover_changed,
	.reload = discover_reload,
	.stop = discover_stop,
	.free = discover_free,
};
