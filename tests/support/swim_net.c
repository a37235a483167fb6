#include "tests/support/swim_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#define CUT_DATAGRAMS	1
#define CUT_STREAMS	2
#define PACKET_OVERHEAD 120  /* bytes of headers and seal, about */
#define SYN_RETRY_MS	1000 /* RFC 6298's first timeout of a connection */

struct swim_net_packet {
	struct swim_net_packet *next; /* in a queue */
	size_t from, to, size;
	bool has_action; /* else it is a push of news */
	bool is_proof;	 /* the answer to a SWIM_CHECK */
	uint64_t check;
	struct swim_action action;
	size_t count;
	struct {
		uint8_t bytes[SWIM_STATEMENT_MAX];
		size_t size;
	} statements[SWIM_NET_STATEMENTS_MAX];
};

enum event_kind { TICK, ARRIVES, WAKES, CONNECTS, TIMES_OUT };

struct swim_net_event {
	mtime_t at;
	uint64_t order;
	enum event_kind kind;
	size_t node;
	uint64_t check;
	struct swim_net_packet *packet;
};

/* ---- the queue of events: a heap ---- */

static bool is_earlier(const struct swim_net_event *a, const struct swim_net_event *b)
{
	return a->at.us != b->at.us ? a->at.us < b->at.us : a->order < b->order;
}

static void add_event(struct swim_net *net, struct swim_net_event event)
{
	if (net->event_count == net->event_capacity) {
		net->event_capacity = net->event_capacity ? net->event_capacity * 2 : 64;
		net->events = realloc(net->events, net->event_capacity * sizeof(*net->events));
		assert_non_null(net->events);
	}
	size_t at = net->event_count++;

	event.order = net->event_order++;
	while (at && is_earlier(&event, &net->events[(at - 1) / 2])) {
		net->events[at] = net->events[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	net->events[at] = event;
}

static struct swim_net_event take_event(struct swim_net *net)
{
	struct swim_net_event first = net->events[0], last = net->events[--net->event_count];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < net->event_count) {
		if (child + 1 < net->event_count &&
			is_earlier(&net->events[child + 1], &net->events[child]))
			child++;
		if (!is_earlier(&net->events[child], &last))
			break;
		net->events[at] = net->events[child];
		at = child;
	}
	net->events[at] = last;
	return first;
}

/* ---- nodes ---- */

static void queue_init(struct swim_net_queue *queue)
{
	*queue = (struct swim_net_queue){.last = &queue->first};
}

static void queue_add(struct swim_net_queue *queue, struct swim_net_packet *packet)
{
	if (queue->bytes + packet->size > SWIM_NET_BUFFER) {
		free(packet);
		return;
	}
	queue->bytes += packet->size;
	packet->next = NULL;
	*queue->last = packet;
	queue->last = &packet->next;
}

static struct swim_net_packet *queue_take(struct swim_net_queue *queue)
{
	struct swim_net_packet *packet = queue->first;

	if (packet) {
		queue->first = packet->next;
		queue->bytes -= packet->size;
		if (!queue->first)
			queue->last = &queue->first;
	}
	return packet;
}

static void queue_done(struct swim_net_queue *queue)
{
	struct swim_net_packet *packet;

	while ((packet = queue_take(queue)))
		free(packet);
}

void swim_net_init(struct swim_net *net, size_t count, uint8_t seed)
{
	uint8_t bytes[32] = {seed};

	*net = (struct swim_net){.count = count, .delay_us = 1000, .jitter_us = 1000};
	rng_init(&net->rng, bytes);
	rng_bytes(&net->rng, &net->mesh, sizeof(net->mesh));
	map_init(&net->by_id, sizeof(struct id), &net->rng);
	net->nodes = calloc(count, sizeof(*net->nodes));
	net->cut = calloc(count * count, sizeof(*net->cut));
	assert_non_null(net->nodes);
	assert_non_null(net->cut);
	for (size_t i = 0; i < count; i++) {
		struct swim_net_node *node = &net->nodes[i];

		rng_bytes(&net->rng, bytes, sizeof(bytes));
		keys_from_seed(bytes, &node->keys);
		assert_int_equal(map_put(&net->by_id, &node->keys.id, node), 0);
		queue_init(&node->in);
		queue_init(&node->out);
	}
}

void swim_net_crash(struct swim_net *net, size_t node)
{
	struct swim_net_node *n = &net->nodes[node];

	swim_free(n->swim);
	spread_free(n->spread);
	n->swim = NULL;
	n->spread = NULL;
	n->check.open = false;
	queue_done(&n->in);
	queue_done(&n->out);
}

void swim_net_done(struct swim_net *net)
{
	for (size_t i = 0; i < net->count; i++)
		swim_net_crash(net, i);
	for (size_t i = 0; i < net->event_count; i++)
		free(net->events[i].packet);
	map_done(&net->by_id);
	free(net->nodes);
	free(net->cut);
	free(net->events);
}

static void await_tick(struct swim_net *net, size_t node)
{
	struct swim_net_node *n = &net->nodes[node];
	mtime_t at = mtime_min(swim_deadline(n->swim), spread_deadline(n->spread));

	if (mtime_before(at, net->now))
		at = net->now;
	if (!mtime_before(at, n->tick_at))
		return;
	n->tick_at = at;
	add_event(net, (struct swim_net_event){.at = at, .kind = TICK, .node = node});
}

void swim_net_start(struct swim_net *net, size_t node)
{
	struct swim_net_node *n = &net->nodes[node];
	uint8_t seed[32];

	assert_null(n->swim);
	rng_bytes(&net->rng, seed, sizeof(seed));
	rng_init(&n->rng, seed);
	assert_int_equal(spread_new(&n->rng, &n->spread), 0);
	const struct swim_config config = {.mechanisms = net->mechanisms,
		.self = &n->keys,
		.mesh = &net->mesh,
		.rng = &n->rng,
		.spread = n->spread,
		.generation = ++n->generation};
	assert_int_equal(swim_new(&config, net->now, &n->swim), 0);
	for (size_t i = 0; i < net->count; i++)
		assert_int_equal(swim_add(n->swim, net->now, swim_net_id(net, i)), 0);
	n->tick_at = MTIME_NEVER;
	await_tick(net, node);
}

void swim_net_start_all(struct swim_net *net)
{
	for (size_t i = 0; i < net->count; i++)
		swim_net_start(net, i);
}

static void wakes(struct swim_net *net, size_t node, mtime_t at)
{
	add_event(net, (struct swim_net_event){.at = at, .kind = WAKES, .node = node});
}

void swim_net_pause(struct swim_net *net, size_t node, int64_t ms)
{
	net->nodes[node].paused_until = mtime_add_ms(net->now, ms);
	wakes(net, node, net->nodes[node].paused_until);
}

void swim_net_block(struct swim_net *net, size_t node, int64_t ms)
{
	net->nodes[node].blocked_until = mtime_add_ms(net->now, ms);
	wakes(net, node, net->nodes[node].blocked_until);
}

static bool is_paused(const struct swim_net *net, size_t node)
{
	return mtime_before(net->now, net->nodes[node].paused_until);
}

static bool is_held(const struct swim_net *net, size_t node)
{
	return is_paused(net, node) || mtime_before(net->now, net->nodes[node].blocked_until);
}

void swim_net_cut(struct swim_net *net, size_t from, size_t to)
{
	net->cut[from * net->count + to] = CUT_DATAGRAMS | CUT_STREAMS;
}

void swim_net_cut_datagrams(struct swim_net *net, size_t from, size_t to)
{
	net->cut[from * net->count + to] |= CUT_DATAGRAMS;
}

void swim_net_split(struct swim_net *net, size_t first_half)
{
	for (size_t a = 0; a < first_half; a++) {
		for (size_t b = first_half; b < net->count; b++) {
			swim_net_cut(net, a, b);
			swim_net_cut(net, b, a);
		}
	}
}

void swim_net_isolate(struct swim_net *net, size_t node)
{
	for (size_t i = 0; i < net->count; i++) {
		swim_net_cut(net, node, i);
		swim_net_cut(net, i, node);
	}
}

void swim_net_heal(struct swim_net *net)
{
	memset(net->cut, 0, net->count * net->count * sizeof(*net->cut));
}

const struct id *swim_net_id(const struct swim_net *net, size_t node)
{
	return &net->nodes[node].keys.id;
}

static size_t number_of(const struct swim_net *net, const struct id *id)
{
	const struct swim_net_node *node = map_get(&net->by_id, id);

	assert_non_null(node);
	return (size_t)(node - net->nodes);
}

/* ---- datagrams out ---- */

static void take_statement(void *context, enum spread_kind kind, const uint8_t *bytes, size_t size)
{
	struct swim_net_packet *packet = context;

	assert_int_equal(kind, SPREAD_STATEMENT);
	assert_true(packet->count < SWIM_NET_STATEMENTS_MAX && size <= SWIM_STATEMENT_MAX);
	memcpy(packet->statements[packet->count].bytes, bytes, size);
	packet->statements[packet->count++].size = size;
	packet->size += size;
}

static void take_statements(
	struct swim_net_packet *packet, const struct pack *statements, size_t count)
{
	struct pack_reader reader = pack_reader(statements->data, statements->size);

	assert_int_equal(pack_status(statements), 0);
	while (count--) {
		const uint8_t *statement;
		size_t size;

		assert_int_equal(pack_get_bin(&reader, "statement", 1, SWIM_STATEMENT_MAX,
					 &statement, &size),
			0);
		take_statement(packet, SPREAD_STATEMENT, statement, size);
	}
}

/* What goes along with an action in any case; its size. */
static size_t greet(struct swim_net *net, struct swim_net_packet *packet)
{
	struct swim *swim = net->nodes[packet->from].swim;
	uint8_t bytes[SWIM_GREETING_MAX + SWIM_STATEMENT_MAX + 2];
	struct pack statements;
	size_t count;

	pack_init(&statements, bytes, sizeof(bytes));
	swim_greet(swim, swim_net_id(net, packet->to), &statements, &count);
	take_statements(packet, &statements, count);
	if (packet->action.kind == SWIM_RELAY && !packet->action.answered) {
		pack_init(&statements, bytes, sizeof(bytes));
		swim_vouch(swim, &packet->action.target, &statements, &count);
		take_statements(packet, &statements, count);
	}
	return packet->size;
}

static void count_sent(struct swim_net_counts *sent, const struct swim_net_packet *packet)
{
	sent->packets++;
	sent->bytes += packet->size;
	sent->statements += packet->count;
	if (!packet->has_action) {
		sent->pushes++;
		return;
	}
	switch (packet->action.kind) {
	case SWIM_PING:
		sent->pings++;
		break;
	case SWIM_ACK:
		sent->acks++;
		break;
	case SWIM_PING_REQ:
		sent->requests++;
		break;
	case SWIM_RELAY:
		sent->relays++;
		sent->nacks += !packet->action.answered;
		break;
	case SWIM_CHECK:
		break;
	}
}

static bool is_stream(const struct swim_net_packet *packet)
{
	return packet->has_action && packet->action.kind == SWIM_CHECK;
}

static mtime_t after_delay(struct swim_net *net)
{
	return mtime_add_us(net->now,
		net->delay_us + (int64_t)rng_below(&net->rng, (uint64_t)net->jitter_us + 1));
}

static bool is_lost(struct swim_net *net)
{
	return rng_below(&net->rng, 100) < net->loss_percent;
}

static void put_on_wire(struct swim_net *net, struct swim_net_packet *packet)
{
	uint8_t cut = net->cut[packet->from * net->count + packet->to];

	if (!net->nodes[packet->to].swim ||
		(is_stream(packet) ? cut & CUT_STREAMS : cut & CUT_DATAGRAMS || is_lost(net))) {
		free(packet);
		return;
	}
	add_event(net, (struct swim_net_event){.at = after_delay(net),
			       .kind = ARRIVES,
			       .node = packet->to,
			       .packet = packet});
}

static void send_packet(struct swim_net *net, const struct swim_net_packet *content)
{
	struct swim_net_packet *packet = malloc(sizeof(*packet));

	assert_non_null(packet);
	*packet = *content;
	packet->size += PACKET_OVERHEAD;
	count_sent(&net->nodes[packet->from].sent, packet);
	if (is_held(net, packet->from))
		queue_add(&net->nodes[packet->from].out, packet);
	else
		put_on_wire(net, packet);
}

/* ---- streams: one at a time, to ask whether somebody is there ---- */

static void connect_check(struct swim_net *net, size_t from)
{
	struct swim_net_check *check = &net->nodes[from].check;
	mtime_t at = after_delay(net);

	if (is_held(net, from)) /* its SYN is sent when that ends */
		at = net->nodes[from].blocked_until;
	at = mtime_add_us(at, net->delay_us);
	while (is_lost(net) || is_lost(net))
		at = mtime_add_ms(at, SYN_RETRY_MS);
	add_event(net, (struct swim_net_event){
			       .at = at, .kind = CONNECTS, .node = from, .check = check->number});
}

static void begin_check(struct swim_net *net, size_t from, const struct swim_action *action)
{
	struct swim_net_node *node = &net->nodes[from];

	node->sent.checks++;
	node->check = (struct swim_net_check){
		.number = ++net->check_number, .to = number_of(net, &action->to), .open = true};
	connect_check(net, from);
	add_event(net, (struct swim_net_event){.at = action->until,
			       .kind = TIMES_OUT,
			       .node = from,
			       .check = node->check.number});
}

static void turn(struct swim_net *net, size_t node);

static void end_check(struct swim_net *net, size_t node, enum swim_check result)
{
	struct swim_net_node *n = &net->nodes[node];

	n->check.open = false;
	swim_checked(n->swim, net->now, swim_net_id(net, n->check.to), result);
	turn(net, node);
}

static void check_connects(struct swim_net *net, size_t node)
{
	struct swim_net_check *check = &net->nodes[node].check;
	uint8_t cut =
		net->cut[node * net->count + check->to] | net->cut[check->to * net->count + node];
	struct swim_net_packet hello = {.from = node,
		.to = check->to,
		.has_action = true,
		.action = {.kind = SWIM_CHECK},
		.check = check->number};

	if (cut & CUT_STREAMS)
		return;
	if (!net->nodes[check->to].swim) {
		if (!net->hosts_die)
			end_check(net, node, SWIM_CHECK_FAILED);
		return;
	}
	check->connected = true;
	send_packet(net, &hello);
}

/* ---- a node's turn ---- */

static void send_actions(struct swim_net *net, size_t from)
{
	struct swim_net_node *node = &net->nodes[from];
	struct swim_action action;

	while (swim_next_action(node->swim, &action)) {
		struct swim_net_packet packet = {
			.from = from, .has_action = true, .action = action};

		if (action.kind == SWIM_CHECK) {
			begin_check(net, from, &action);
			continue;
		}
		packet.to = number_of(net, &action.to);
		size_t used = greet(net, &packet);

		spread_pick(node->spread, SWIM_NET_BUDGET - used, take_statement, &packet);
		send_packet(net, &packet);
	}
}

static void push_news(struct swim_net *net, size_t from)
{
	struct swim_net_node *node = &net->nodes[from];
	struct swim_net_packet packet = {.from = from};
	struct id chosen[SPREAD_FANOUT];
	size_t following, count;

	spread_review(node->spread, net->now);
	count = swim_neighbours(node->swim, chosen, SPREAD_FANOUT, &following);
	if (count == 0)
		spread_settle(node->spread);
	while (spread_push(node->spread, net->now, SWIM_NET_BUDGET, take_statement, &packet)) {
		for (size_t i = 0; i < count; i++) {
			packet.to = number_of(net, &chosen[i]);
			send_packet(net, &packet);
		}
		packet = (struct swim_net_packet){.from = from};
	}
}

static void take_changes(struct swim_net *net, size_t observer)
{
	struct swim_net_node *node = &net->nodes[observer];
	bool believes = net->mechanisms && net->mechanisms->believes;
	struct swim_change change;

	while (swim_next_change(node->swim, &change)) {
		assert_true(change.from != change.to);
		assert_false(change.from == SWIM_DEAD && change.to == SWIM_SUSPECT);
		assert_false(!believes && change.from == SWIM_ALIVE && change.to == SWIM_DEAD);
		assert_non_null(change.cause);
		node->suspicions += change.to == SWIM_SUSPECT;
		node->deaths += change.to == SWIM_DEAD;
		if (net->observer)
			net->observer(net, observer, number_of(net, &change.id), &change);
	}
}

static void turn(struct swim_net *net, size_t node)
{
	take_changes(net, node);
	send_actions(net, node);
	push_news(net, node);
	await_tick(net, node);
}

static void stream_received(struct swim_net *net, const struct swim_net_packet *packet)
{
	struct swim_net_check *check = &net->nodes[packet->to].check;
	struct swim_net_packet proof = *packet;

	if (packet->is_proof) {
		if (check->open && check->number == packet->check)
			end_check(net, packet->to, SWIM_CHECK_ANSWERED);
		return;
	}
	proof.from = packet->to;
	proof.to = packet->from;
	proof.is_proof = true;
	send_packet(net, &proof);
}

static void datagram_received(struct swim_net *net, const struct swim_net_packet *packet)
{
	struct swim *swim = net->nodes[packet->to].swim;
	const struct id *from = swim_net_id(net, packet->from);
	const struct swim_action *action = &packet->action;
	bool news;

	swim_heard(swim, net->now, from);
	for (size_t i = 0; i < packet->count; i++) {
		if (spread_heard(net->nodes[packet->to].spread, from, packet->statements[i].bytes,
			    packet->statements[i].size))
			continue;
		assert_int_equal(
			swim_statement_received(swim, net->now, packet->statements[i].bytes,
				packet->statements[i].size, &news),
			0);
	}
	if (packet->has_action) {
		switch (action->kind) {
		case SWIM_PING:
			swim_ping_received(swim, net->now, from, action->sequence);
			break;
		case SWIM_ACK:
			swim_ack_received(swim, net->now, from, action->sequence);
			break;
		case SWIM_PING_REQ:
			swim_ping_req_received(
				swim, net->now, from, action->sequence, &action->target);
			break;
		case SWIM_RELAY:
			swim_relay_received(
				swim, net->now, from, action->sequence, action->answered);
			break;
		case SWIM_CHECK:
			break;
		}
	}
	turn(net, packet->to);
}

static void packet_arrives(struct swim_net *net, struct swim_net_packet *packet)
{
	if (!net->nodes[packet->to].swim) {
		free(packet);
		return;
	}
	if (is_held(net, packet->to)) {
		queue_add(&net->nodes[packet->to].in, packet);
		return;
	}
	if (is_stream(packet))
		stream_received(net, packet);
	else
		datagram_received(net, packet);
	free(packet);
}

static void tick(struct swim_net *net, size_t node)
{
	struct swim_net_node *n = &net->nodes[node];

	n->tick_at = MTIME_NEVER;
	if (is_paused(net, node))
		return;
	if (mtime_reached(net->now, swim_deadline(n->swim)))
		swim_tick(n->swim, net->now);
	turn(net, node);
}

static void node_wakes(struct swim_net *net, size_t node)
{
	struct swim_net_node *n = &net->nodes[node];
	struct swim_net_packet *packet;

	if (is_held(net, node))
		return;
	tick(net, node);
	while ((packet = queue_take(&n->out)))
		put_on_wire(net, packet);
	while ((packet = queue_take(&n->in)))
		packet_arrives(net, packet);
}

static bool step(struct swim_net *net, mtime_t end)
{
	if (!net->event_count || !mtime_before(net->events[0].at, end)) {
		net->now = end;
		return false;
	}
	struct swim_net_event event = take_event(net);
	struct swim_net_node *node = &net->nodes[event.node];

	net->now = event.at;
	if (event.kind == ARRIVES) {
		packet_arrives(net, event.packet);
		return true;
	}
	if (!node->swim)
		return true;
	if (is_paused(net, event.node)) {
		event.at = node->paused_until;
		add_event(net, event);
		return true;
	}
	bool is_open = node->check.open && node->check.number == event.check;

	if (event.kind == WAKES)
		node_wakes(net, event.node);
	else if (event.kind == TICK && event.at.us == node->tick_at.us)
		tick(net, event.node);
	else if (event.kind == CONNECTS && is_open)
		check_connects(net, event.node);
	else if (event.kind == TIMES_OUT && is_open)
		end_check(net, event.node,
			node->check.connected ? SWIM_CHECK_SILENT : SWIM_CHECK_FAILED);
	return true;
}

void swim_net_run(struct swim_net *net, int64_t ms)
{
	mtime_t end = mtime_add_ms(net->now, ms);

	while (step(net, end))
		;
}

enum swim_state swim_net_state(const struct swim_net *net, size_t observer, size_t subject)
{
	struct swim_info info;

	assert_true(swim_info(net->nodes[observer].swim, swim_net_id(net, subject), &info));
	return info.state;
}

size_t swim_net_holding(const struct swim_net *net, size_t subject, enum swim_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < net->count; i++)
		count += i != subject && net->nodes[i].swim &&
			 swim_net_state(net, i, subject) == state;
	return count;
}

static size_t running_but(const struct swim_net *net, size_t subject)
{
	size_t count = 0;

	for (size_t i = 0; i < net->count; i++)
		count += i != subject && net->nodes[i].swim;
	return count;
}

int64_t swim_net_wait(struct swim_net *net, size_t subject, enum swim_state state, int64_t max_ms)
{
	mtime_t start = net->now, end = mtime_add_ms(start, max_ms);

	while (swim_net_holding(net, subject, state) < running_but(net, subject)) {
		if (!step(net, end))
			return -1;
	}
	return mtime_diff_ms(net->now, start);
}

int64_t swim_net_wait_whole(struct swim_net *net, int64_t max_ms)
{
	mtime_t start = net->now, end = mtime_add_ms(start, max_ms);

	for (size_t i = 0; i < net->count; i++) {
		if (!net->nodes[i].swim ||
			swim_net_holding(net, i, SWIM_ALIVE) == running_but(net, i))
			continue;
		if (!step(net, end))
			return -1;
		i = SIZE_MAX; /* again from the first */
	}
	return mtime_diff_ms(net->now, start);
}

struct swim_net_counts swim_net_sent(const struct swim_net *net)
{
	struct swim_net_counts sum = {0};

	for (size_t i = 0; i < net->count; i++) {
		const struct swim_net_counts *sent = &net->nodes[i].sent;

		sum.packets += sent->packets;
		sum.pings += sent->pings;
		sum.acks += sent->acks;
		sum.requests += sent->requests;
		sum.relays += sent->relays;
		sum.nacks += sent->nacks;
		sum.pushes += sent->pushes;
		sum.statements += sent->statements;
		sum.checks += sent->checks;
		sum.bytes += sent->bytes;
	}
	return sum;
}

size_t swim_net_deaths(const struct swim_net *net)
{
	size_t sum = 0;

	for (size_t i = 0; i < net->count; i++)
		sum += net->nodes[i].deaths;
	return sum;
}

size_t swim_net_suspicions(const struct swim_net *net)
{
	size_t sum = 0;

	for (size_t i = 0; i < net->count; i++)
		sum += net->nodes[i].suspicions;
	return sum;
}
