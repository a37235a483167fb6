#include "tests/support/cluster_internal.h"

#define UNREACHABLE_MS 3000 /* until a connect to a host that does not answer fails */
#define RETRY_MS       400  /* TCP tries again that often while the path is cut */
#define CLIENT_PORT    40000

static void forget_if_over(struct cluster *c, struct wire *w)
{
	if (w->open[0] || w->open[1] || w->events)
		return;
	*(w->previous ? &w->previous->next : &c->wires) = w->next;
	if (w->next)
		w->next->previous = w->previous;
	free(w);
}

void stream_release(struct cluster *c, struct wire *wire)
{
	wire->events--;
	forget_if_over(c, wire);
}

static void end_wire(struct cluster *c, struct wire *w, int end)
{
	w->open[end] = false;
	map_del(&c->wires_by_key, &w->keys[end]);
}

static struct event *add_event(struct cluster *c, struct wire *w, int end, mtime_t at,
	enum event_kind kind, const void *bytes, size_t size)
{
	struct event *event = queue_add(c, at, kind, w->ends[end], bytes, size);

	event->wire = w;
	event->end = end;
	w->events++;
	return event;
}

static struct wire *find_wire(struct cluster *c, int node, uint64_t number, int *ret_end)
{
	struct wire_key key = {number, node};
	struct wire *w = map_get(&c->wires_by_key, &key);

	if (w)
		*ret_end = memcmp(&w->keys[1], &key, sizeof(key)) == 0;
	return w;
}

static mtime_t in_order(struct cluster *c, struct wire *w, int end)
{
	mtime_t at = net_arrival(c);

	if (mtime_before(at, w->last[end]))
		at = mtime_add_us(w->last[end], 1);
	w->last[end] = at;
	return at;
}

static void open_end(struct cluster *c, struct wire *w, int end)
{
	int err = map_put(&c->wires_by_key, &w->keys[end], w);

	assert(err == 0);
	(void)err;
	w->open[end] = true;
}

/* Who is there to answer: a node, nobody at all (-1), or a host without a daemon (-2). */
static int who_answers(const struct cluster *c, int from, const struct endpoint *endpoint)
{
	unsigned address = (unsigned)endpoint->ip.b[1] << 16 | (unsigned)endpoint->ip.b[2] << 8 |
			   endpoint->ip.b[3];
	struct node *node = endpoint->ip.family == 4 && endpoint->ip.b[0] == 10
				    ? map_get(&c->by_address, &address)
				    : NULL;

	if (!node || node->host_down || net_is_cut(c, from, node->number, false) ||
		net_is_cut(c, node->number, from, false))
		return -1;
	return node->up ? node->number : -2;
}

void cluster_filter_connections(struct cluster *c, cluster_connection_filter filter, void *arg)
{
	c->connection_filter = filter;
	c->connection_filter_arg = arg;
}

void stream_open(struct cluster *c, int from, const struct gossip_effect *effect)
{
	struct wire *w = calloc(1, sizeof(*w));
	struct cluster_connection connection = {
		.from = from, .destination = effect->endpoint, .source = cluster_endpoint(c, from)};
	int to;

	assert(w);
	connection.source.port = CLIENT_PORT;
	if (c->connection_filter)
		c->connection_filter(c->connection_filter_arg, &connection);
	to = connection.lost ? -1 : who_answers(c, from, &connection.destination);
	*w = (struct wire){.next = c->wires, .ends = {from, to}, .source = connection.source};
	w->keys[0] = (struct wire_key){effect->stream, from};
	w->keys[1] = (struct wire_key){GOSSIP_STREAM_ACCEPTED | ++c->next_accepted, to};
	if (c->wires)
		c->wires->previous = w;
	c->wires = w;
	c->counts.connections++;
	open_end(c, w, 0);
	if (to < 0) {
		add_event(c, w, 0, mtime_add_ms(net_arrival(c), to == -1 ? UNREACHABLE_MS : 0),
			EVENT_CLOSED, NULL, 0);
		return;
	}
	open_end(c, w, 1);
	add_event(c, w, 1, in_order(c, w, 1), EVENT_CONNECT, NULL, 0);
	add_event(c, w, 0, mtime_add_us(in_order(c, w, 0), 10), EVENT_CONNECT, NULL, 0);
}

void stream_send(struct cluster *c, int from, const struct gossip_effect *effect)
{
	int end;
	struct wire *w = find_wire(c, from, effect->stream, &end);

	if (!w)
		return;
	c->counts.stream_bytes += effect->size;
	if (w->open[!end])
		add_event(
			c, w, !end, in_order(c, w, !end), EVENT_DATA, effect->bytes, effect->size);
	else if (w->ends[!end] >= 0 && !c->nodes[w->ends[!end]]->host_down)
		/* it has forgotten the connection: a reset */
		add_event(c, w, end, in_order(c, w, end), EVENT_CLOSED, NULL, 0);
	add_event(c, w, end, mtime_add_us(c->now, 100), EVENT_SENT, NULL, 0)->ticket = effect->size;
}

void stream_close(struct cluster *c, int from, const struct gossip_effect *effect)
{
	int end;
	struct wire *w = find_wire(c, from, effect->stream, &end);

	if (!w)
		return;
	end_wire(c, w, end);
	if (w->open[!end])
		add_event(
			c, w, !end, mtime_add_us(in_order(c, w, !end), 10), EVENT_CLOSED, NULL, 0);
	forget_if_over(c, w);
}

void stream_host_gone(struct cluster *c, int number, bool tells_others)
{
	struct wire *w = c->wires, *next;

	for (; w; w = next) {
		next = w->next;
		for (int end = 0; end < 2; end++) {
			if (w->ends[end] != number || !w->open[end])
				continue;
			end_wire(c, w, end);
			if (w->open[!end] && tells_others)
				add_event(c, w, !end, in_order(c, w, !end), EVENT_CLOSED, NULL, 0);
		}
		forget_if_over(c, w);
	}
}

/* What comes over a path that is cut comes later, and all behind it after it. */
bool stream_arrives(struct cluster *c, struct event *event)
{
	struct wire *w = event->wire;
	int other = w->ends[!event->end];

	if (event->kind == EVENT_SENT || other < 0)
		return true;
	if (!c->nodes[other]->host_down && net_is_cut(c, other, event->node, false) &&
		!mtime_before(c->now, w->floor[event->end]))
		w->floor[event->end] = mtime_add_ms(c->now, RETRY_MS);
	if (!mtime_before(c->now, w->floor[event->end]))
		return true;
	event->at = w->floor[event->end];
	queue_put(c, event);
	return false;
}

void stream_happen(struct cluster *c, struct node *node, const struct event *event)
{
	struct wire *w = event->wire;
	struct gossip_time time = cluster_node_time(c, node->number);
	uint64_t number = w->keys[event->end].number;

	if (!w->open[event->end])
		return;
	if (event->kind == EVENT_CONNECT && event->end == 1) {
		gossip_stream_accepted(node->core, time, number, &w->source);
	} else if (event->kind == EVENT_CONNECT) {
		gossip_stream_connected(node->core, time, number);
	} else if (event->kind == EVENT_DATA) {
		gossip_stream_received(node->core, time, number, event->bytes, event->size);
	} else if (event->kind == EVENT_SENT) {
		gossip_stream_sent(node->core, time, number, event->ticket);
	} else {
		end_wire(c, w, event->end);
		gossip_stream_closed(node->core, time, number);
	}
}

void stream_free_all(struct cluster *c)
{
	while (c->wires) {
		struct wire *next = c->wires->next;

		free(c->wires);
		c->wires = next;
	}
	map_done(&c->wires_by_key);
}
