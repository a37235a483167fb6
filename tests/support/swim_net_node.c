#include "tests/support/swim_net_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#define PACKET_OVERHEAD 120  /* bytes of headers and seal, about */
#define SYN_RETRY_MS	1000 /* RFC 6298's first timeout of a connection */

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
	swim_net_add_event(net, (struct swim_net_event){.at = after_delay(net),
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
	if (swim_net_is_held(net, packet->from))
		swim_net_queue_add(&net->nodes[packet->from].out, packet);
	else
		put_on_wire(net, packet);
}

/* ---- streams: one at a time, to ask whether somebody is there ---- */

static void connect_check(struct swim_net *net, size_t from)
{
	struct swim_net_check *check = &net->nodes[from].check;
	mtime_t at = after_delay(net);

	if (swim_net_is_held(net, from)) /* its SYN is sent when that ends */
		at = net->nodes[from].blocked_until;
	at = mtime_add_us(at, net->delay_us);
	while (is_lost(net) || is_lost(net))
		at = mtime_add_ms(at, SYN_RETRY_MS);
	swim_net_add_event(
		net, (struct swim_net_event){
			     .at = at, .kind = CONNECTS, .node = from, .check = check->number});
}

static void begin_check(struct swim_net *net, size_t from, const struct swim_action *action)
{
	struct swim_net_node *node = &net->nodes[from];

	node->sent.checks++;
	node->check = (struct swim_net_check){.number = ++net->check_number,
		.to = swim_net_number_of(net, &action->to),
		.open = true};
	connect_check(net, from);
	swim_net_add_event(net, (struct swim_net_event){.at = action->until,
					.kind = TIMES_OUT,
					.node = from,
					.check = node->check.number});
}

static void turn(struct swim_net *net, size_t node);

void swim_net_end_check(struct swim_net *net, size_t node, enum swim_check result)
{
	struct swim_net_node *n = &net->nodes[node];

	n->check.open = false;
	swim_checked(n->swim, net->now, swim_net_id(net, n->check.to), result);
	turn(net, node);
}

void swim_net_check_connects(struct swim_net *net, size_t node)
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
			swim_net_end_check(net, node, SWIM_CHECK_FAILED);
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
		packet.to = swim_net_number_of(net, &action.to);
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
			packet.to = swim_net_number_of(net, &chosen[i]);
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
			net->observer(net, observer, swim_net_number_of(net, &change.id), &change);
	}
}

static void turn(struct swim_net *net, size_t node)
{
	take_changes(net, node);
	send_actions(net, node);
	push_news(net, node);
	swim_net_await_tick(net, node);
}

static void stream_received(struct swim_net *net, const struct swim_net_packet *packet)
{
	struct swim_net_check *check = &net->nodes[packet->to].check;
	struct swim_net_packet proof = *packet;

	if (packet->is_proof) {
		if (check->open && check->number == packet->check)
			swim_net_end_check(net, packet->to, SWIM_CHECK_ANSWERED);
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

void swim_net_packet_arrives(struct swim_net *net, struct swim_net_packet *packet)
{
	if (!net->nodes[packet->to].swim) {
		free(packet);
		return;
	}
	if (swim_net_is_held(net, packet->to)) {
		swim_net_queue_add(&net->nodes[packet->to].in, packet);
		return;
	}
	if (is_stream(packet))
		stream_received(net, packet);
	else
		datagram_received(net, packet);
	free(packet);
}

void swim_net_tick(struct swim_net *net, size_t node)
{
	struct swim_net_node *n = &net->nodes[node];

	n->tick_at = MTIME_NEVER;
	if (swim_net_is_paused(net, node))
		return;
	if (mtime_reached(net->now, swim_deadline(n->swim)))
		swim_tick(n->swim, net->now);
	turn(net, node);
}

void swim_net_node_wakes(struct swim_net *net, size_t node)
{
	struct swim_net_node *n = &net->nodes[node];
	struct swim_net_packet *packet;

	if (swim_net_is_held(net, node))
		return;
	swim_net_tick(net, node);
	while ((packet = swim_net_queue_take(&n->out)))
		put_on_wire(net, packet);
	while ((packet = swim_net_queue_take(&n->in)))
		swim_net_packet_arrives(net, packet);
}
