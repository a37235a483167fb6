#include "l2/hold.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#define DISCARD_PORT 9 /* RFC 863 */

/* ---- who is heard where ---- */

static int compare_members(const void *a, const void *b)
{
	return memcmp(&((const struct hold_member *)a)->mac, &((const struct hold_member *)b)->mac,
		sizeof(struct mac));
}

void hold_sort(struct hold_member *members, size_t count)
{
	if (count)
		qsort(members, count, sizeof(*members), compare_members);
}

const struct hold_member *hold_find(
	const struct hold_member *members, size_t count, const struct mac *mac)
{
	const struct hold_member wanted = {.mac = *mac};

	return count ? bsearch(&wanted, members, count, sizeof(wanted), compare_members) : NULL;
}

static bool is_member(const struct hold_member *members, size_t count, const struct id *id)
{
	for (size_t i = 0; i < count; i++)
		if (id_equal(&members[i].id, id))
			return true;
	return false;
}

/* What is heard on one port. */
struct heard {
	const struct id *before; /* a member that goes before us; NULL: none */
	bool after;		 /* one that we go before */
};

static struct heard listen_on(uint32_t port, const struct id *self,
	const struct hold_member *members, size_t count, const struct l2_table *table)
{
	struct heard heard = {0};

	for (size_t i = 0; i < count; i++) {
		const struct l2_place *place = l2_table_local(table, &members[i].mac);

		if (!place || place->port != port)
			continue;
		if (memcmp(&members[i].id, self, sizeof(*self)) < 0)
			heard.before = &members[i].id;
		else
			heard.after = true;
	}
	return heard;
}

/* ---- one port ---- */

static void change(struct hold_port *port, enum hold_state state, mtime_t now, int64_t for_ms,
	struct hold_ops *ops)
{
	static const uint8_t states[] = {[HOLD_OPEN] = BR_STATE_FORWARDING,
		[HOLD_HELD] = BR_STATE_DISABLED,
		[HOLD_LISTENING] = BR_STATE_LEARNING};

	port->state = state;
	port->since = now;
	port->until = for_ms ? mtime_add_ms(now, for_ms) : MTIME_NEVER;
	/* What it has learned there is not where frames are to go any more, or is old news. */
	ops->ops[ops->count++] = (struct hold_op){
		.port = port->ifindex, .state = states[state], .flush = state != HOLD_OPEN};
}

static void hold_down(
	struct hold_port *port, const struct id *rival, mtime_t now, struct hold_ops *ops)
{
	if (port->state == HOLD_OPEN && mtime_diff_ms(now, port->since) >= HOLD_FORGET_MS)
		port->hold_ms = 0;
	port->hold_ms = port->hold_ms ? port->hold_ms * 2 : HOLD_MS;
	if (port->hold_ms > HOLD_MAX_MS)
		port->hold_ms = HOLD_MAX_MS;
	port->rival = *rival;
	change(port, HOLD_HELD, now, port->hold_ms, ops);
}

static void port_turn(struct hold_port *port, mtime_t now, const struct id *rival, bool rival_there,
	uint8_t kernel_state, struct hold_ops *ops)
{
	switch (port->state) {
	case HOLD_OPEN:
		if (rival)
			hold_down(port, rival, now, ops);
		break;
	case HOLD_HELD:
		if (!rival_there || mtime_reached(now, port->until))
			change(port, HOLD_LISTENING, now, HOLD_LISTEN_MS, ops);
		else if (kernel_state != BR_STATE_DISABLED) /* its cable was out and in again */
			ops->ops[ops->count++] = (struct hold_op){
				.port = port->ifindex, .state = BR_STATE_DISABLED, .flush = true};
		break;
	case HOLD_LISTENING:
		/* In the turn that it begins in, what is known is old. */
		if (port->since.us == now.us)
			break;
		if (rival)
			hold_down(port, rival, now, ops);
		else if (mtime_reached(now, port->until))
			change(port, HOLD_OPEN, now, 0, ops);
		break;
	}
}

/* ---- all of them ---- */

static struct hold_port *find(struct hold *hold, const struct l2_link *link)
{
	for (size_t i = 0; i < hold->port_count; i++)
		if (hold->ports[i].ifindex == link->link.ifindex)
			return &hold->ports[i];
	return NULL;
}

static bool is_port(const struct l2_link *link, const struct l2_link *bridge, const char *vxlan)
{
	return link->master == bridge->link.ifindex && link->port &&
	       (link->link.flags & IFF_RUNNING) && strcmp(link->link.name, vxlan) != 0;
}

/* One that a daemon before us has left held has to be tried before it may forward. */
static void add_port(
	struct hold *hold, const struct l2_link *link, mtime_t now, struct hold_ops *ops)
{
	struct hold_port *port = &hold->ports[hold->port_count++];

	*port = (struct hold_port){.ifindex = link->link.ifindex,
		.state = HOLD_OPEN,
		.since = now,
		.until = MTIME_NEVER};
	memcpy(port->name, link->link.name, sizeof(port->name));
	if (link->port_state == BR_STATE_DISABLED || link->port_state == BR_STATE_LEARNING)
		change(port, HOLD_LISTENING, now, HOLD_LISTEN_MS, ops);
	hold->say_at = now; /* there may be a loop now */
}

/* Those that are gone, or lost their cable, are new ones when they are back. */
static void follow_ports(struct hold *hold, const struct l2_want *want,
	const struct l2_links *links, mtime_t now, struct hold_ops *ops)
{
	const struct l2_link *bridge = l2_links_named(links, want->bridge);
	size_t kept = 0;

	for (size_t i = 0; i < hold->port_count; i++) {
		const struct l2_link *link = l2_links_index(links, hold->ports[i].ifindex);

		if (bridge && link && is_port(link, bridge, want->vxlan))
			hold->ports[kept++] = hold->ports[i];
	}
	hold->port_count = kept;
	for (size_t i = 0; bridge && i < links->count; i++)
		if (is_port(&links->items[i], bridge, want->vxlan) &&
			!find(hold, &links->items[i]) && hold->port_count < L2_PORTS_MAX)
			add_port(hold, &links->items[i], now, ops);
}

void hold_turn(struct hold *hold, mtime_t now, const struct id *self,
	const struct hold_member *members, size_t member_count, const struct l2_want *want,
	const struct l2_links *links, const struct l2_table *table, struct hold_ops *ret)
{
	bool answer = false;

	*ret = (struct hold_ops){.count = 0};
	if (want->stp) {
		hold->port_count = 0;
		return;
	}
	follow_ports(hold, want, links, now, ret);
	for (size_t i = 0; i < hold->port_count; i++) {
		struct hold_port *port = &hold->ports[i];
		const struct l2_link *link = l2_links_index(links, port->ifindex);
		struct heard heard = listen_on(port->ifindex, self, members, member_count, table);

		answer |= heard.after;
		port_turn(port, now, heard.before, is_member(members, member_count, &port->rival),
			link->port_state, ret);
	}
	/* Whoever is heard and has to hold has not heard us yet. */
	if (answer && mtime_before(mtime_add_ms(now, HOLD_ANSWER_MS), hold->say_at))
		hold->say_at = mtime_add_ms(now, HOLD_ANSWER_MS);
}

mtime_t hold_say_deadline(const struct hold *hold)
{
	return hold->port_count ? hold->say_at : MTIME_NEVER;
}

void hold_said(struct hold *hold, mtime_t now)
{
	hold->say_at = mtime_add_ms(now, HOLD_SAY_MS);
}

mtime_t hold_deadline(const struct hold *hold)
{
	mtime_t deadline = MTIME_NEVER;

	for (size_t i = 0; i < hold->port_count; i++)
		deadline = mtime_min(deadline, hold->ports[i].until);
	return deadline;
}

const struct hold_port *hold_first(const struct hold *hold)
{
	for (size_t i = 0; i < hold->port_count; i++)
		if (hold->ports[i].state != HOLD_OPEN)
			return &hold->ports[i];
	return NULL;
}

void hold_filter(const struct hold *hold, struct l2_table *table)
{
	size_t kept = 0;

	for (size_t i = 0; i < table->place_count; i++) {
		const struct l2_place *place = &table->places[i];
		bool closed = false;

		for (size_t j = 0; j < hold->port_count; j++)
			closed |= hold->ports[j].ifindex == place->port &&
				  hold->ports[j].state != HOLD_OPEN && !place->self;
		if (!closed)
			table->places[kept++] = *place;
	}
	table->place_count = kept;
}

/* ---- the kernel ---- */

int hold_apply(struct nl *nl, const struct hold_op *op)
{
	union nl_msg msg;
	struct nlmsghdr *nlh = net_link_begin(&msg, RTM_SETLINK, op->port);
	struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct nlattr *port;

	info->ifi_family = AF_BRIDGE;
	port = mnl_attr_nest_start(nlh, IFLA_PROTINFO);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_STATE, op->state);
	if (op->flush)
		mnl_attr_put(nlh, IFLA_BRPORT_FLUSH, 0, NULL);
	mnl_attr_nest_end(nlh, port);
	return nl_request(nl, NL_ROUTE, nlh);
}

/* From the bridge itself, so with its MAC, and so out of every port of it. */
void hold_say(uint32_t bridge)
{
	const struct sockaddr_in6 all_nodes = {.sin6_family = AF_INET6,
		.sin6_port = htons(DISCARD_PORT),
		.sin6_addr = {{{0xff, 0x02, [15] = 1}}},
		.sin6_scope_id = bridge};
	int off = 0, index = bridge;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof(off));
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index));
	(void)sendto(fd, "", 0, 0, (const struct sockaddr *)&all_nodes, sizeof(all_nodes));
	close(fd);
}
