#include "tests/support/swim_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

void swim_net_init(struct swim_net *net, size_t count, uint8_t seed)
{
	uint8_t bytes[32] = {seed};

	*net = (struct swim_net){.count = count, .delay_us = 1000, .jitter_us = 1000};
	rng_init(&net->rng, bytes);
	rng_bytes(&net->rng, &net->mesh, sizeof(net->mesh));
	net->nodes = calloc(count, sizeof(*net->nodes));
	net->cut = calloc(count * count, sizeof(*net->cut));
	assert_non_null(net->nodes);
	assert_non_null(net->cut);
	for (size_t i = 0; i < count; i++) {
		rng_bytes(&net->rng, bytes, sizeof(bytes));
		keys_from_seed(bytes, &net->nodes[i].keys);
	}
}

void swim_net_crash(struct swim_net *net, size_t node)
{
	struct swim_net_node *n = &net->nodes[node];

	swim_free(n->swim);
	spread_free(n->spread);
	n->swim = NULL;
	n->spread = NULL;
}

void swim_net_done(struct swim_net *net)
{
	for (size_t i = 0; i < net->count; i++)
		swim_net_crash(net, i);
	free(net->nodes);
	free(net->cut);
	free(net->packets);
}

void swim_net_start(struct swim_net *net, size_t node)
{
	struct swim_net_node *n = &net->nodes[node];
	uint8_t seed[32];

	assert_null(n->swim);
	rng_bytes(&net->rng, seed, sizeof(seed));
	rng_init(&n->rng, seed);
	assert_int_equal(spread_new(&n->rng, &n->spread), 0);
	const struct swim_config config = {.self = &n->keys,
		.mesh = &net->mesh,
		.rng = &n->rng,
		.spread = n->spread,
		.generation = ++n->generation};
	assert_int_equal(swim_new(&config, net->now, &n->swim), 0);
	for (size_t i = 0; i < net->count; i++)
		assert_int_equal(swim_add(n->swim, net->now, swim_net_id(net, i)), 0);
}

void swim_net_start_all(struct swim_net *net)
{
	for (size_t i = 0; i < net->count; i++)
		swim_net_start(net, i);
}

void swim_net_pause(struct swim_net *net, size_t node, int64_t ms)
{
	net->nodes[node].paused_until = mtime_add_ms(net->now, ms);
}

void swim_net_cut(struct swim_net *net, size_t from, size_t to)
{
	net->cut[from * net->count + to] = true;
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
	size_t i = 0;

	while (i < net->count && !id_equal(swim_net_id(net, i), id))
		i++;
	assert_true(i < net->count);
	return i;
}

static void take_statement(void *context, enum spread_kind kind, const uint8_t *bytes, size_t size)
{
	struct swim_net_packet *packet = context;

	assert_int_equal(kind, SPREAD_STATEMENT);
	assert_true(packet->count < SWIM_NET_STATEMENTS_MAX && size <= SWIM_STATEMENT_MAX);
	memcpy(packet->statements[packet->count].bytes, bytes, size);
	packet->statements[packet->count++].size = size;
}

static size_t greet(struct swim_net *net, struct swim_net_packet *packet)
{
	uint8_t bytes[SWIM_GREETING_MAX];
	struct pack greeting;
	size_t count;

	pack_init(&greeting, bytes, sizeof(bytes));
	swim_greet(net->nodes[packet->from].swim, swim_net_id(net, packet->to), &greeting, &count);
	assert_int_equal(pack_status(&greeting), 0);
	struct pack_reader reader = pack_reader(bytes, greeting.size);

	while (count--) {
		const uint8_t *statement;
		size_t size;

		assert_int_equal(
			pack_get_bin(&reader, "greeting", 1, SWIM_STATEMENT_MAX, &statement, &size),
			0);
		take_statement(packet, SPREAD_STATEMENT, statement, size);
	}
	return greeting.size;
}

static void count_sent(struct swim_net_counts *sent, const struct swim_net_packet *packet)
{
	sent->packets++;
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
	}
}

static void send_packet(struct swim_net *net, struct swim_net_packet *packet)
{
	count_sent(&net->nodes[packet->from].sent, packet);
	if (!net->nodes[packet->to].swim || net->cut[packet->from * net->count + packet->to] ||
		rng_below(&net->rng, 100) < net->loss_percent)
		return;
	packet->at = mtime_add_us(net->now,
		net->delay_us + (int64_t)rng_below(&net->rng, (uint64_t)net->jitter_us + 1));
	if (net->packet_count == net->packet_capacity) {
		net->packet_capacity = net->packet_capacity ? net->packet_capacity * 2 : 64;
		net->packets = realloc(net->packets, net->packet_capacity * sizeof(*net->packets));
		assert_non_null(net->packets);
	}
	net->packets[net->packet_count++] = *packet;
}

static void send_actions(struct swim_net *net, size_t from)
{
	struct swim_net_node *node = &net->nodes[from];
	struct swim_net_packet packet = {.from = from, .has_action = true};

	while (swim_next_action(node->swim, &packet.action)) {
		packet.to = number_of(net, &packet.action.to);
		packet.count = 0;
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

static void take_changes(struct swim_net_node *node)
{
	struct swim_change change;

	while (swim_next_change(node->swim, &change)) {
		assert_true(change.from != change.to);
		assert_false(change.from == SWIM_DEAD && change.to == SWIM_SUSPECT);
		assert_false(change.from == SWIM_ALIVE && change.to == SWIM_DEAD);
		assert_non_null(change.cause);
		node->suspicions += change.to == SWIM_SUSPECT;
		node->deaths += change.to == SWIM_DEAD;
	}
}

static void turn(struct swim_net *net, size_t node)
{
	take_changes(&net->nodes[node]);
	send_actions(net, node);
	push_news(net, node);
}

static void deliver(struct swim_net *net, const struct swim_net_packet *packet)
{
	struct swim *swim = net->nodes[packet->to].swim;
	const struct id *from = swim_net_id(net, packet->from);
	const struct swim_action *action = &packet->action;
	bool news;

	if (!swim)
		return;
	swim_heard(swim, net->now, from);
	for (size_t i = 0; i < packet->count; i++) {
		if (spread_heard(net->nodes[packet->to].spread, packet->statements[i].bytes,
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
		}
	}
	turn(net, packet->to);
}

/* A paused node's timers and packets wait; then its timers come first, which is the worst order. */
static mtime_t awake_at(const struct swim_net_node *node, mtime_t at)
{
	return mtime_before(at, node->paused_until) ? node->paused_until : at;
}

static bool step(struct swim_net *net, mtime_t end)
{
	mtime_t next = end;
	size_t node = SIZE_MAX, packet = SIZE_MAX;

	for (size_t i = 0; i < net->count; i++) {
		const struct swim_net_node *n = &net->nodes[i];

		if (n->swim && mtime_before(awake_at(n, swim_deadline(n->swim)), next)) {
			next = awake_at(n, swim_deadline(n->swim));
			node = i;
		}
	}
	for (size_t i = 0; i < net->packet_count; i++) {
		mtime_t at = awake_at(&net->nodes[net->packets[i].to], net->packets[i].at);

		if (mtime_before(at, next)) {
			next = at;
			packet = i;
		}
	}
	if (mtime_before(net->now, next))
		net->now = next;
	if (packet != SIZE_MAX) {
		struct swim_net_packet one = net->packets[packet];

		net->packets[packet] = net->packets[--net->packet_count];
		deliver(net, &one);
	} else if (node != SIZE_MAX) {
		swim_tick(net->nodes[node].swim, net->now);
		turn(net, node);
	}
	return packet != SIZE_MAX || node != SIZE_MAX;
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
