#include "tests/support/swim_net_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

/* ---- the queue of events: a heap ---- */

static bool is_earlier(const struct swim_net_event *a, const struct swim_net_event *b)
{
	return a->at.us != b->at.us ? a->at.us < b->at.us : a->order < b->order;
}

void swim_net_add_event(struct swim_net *net, struct swim_net_event event)
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

void swim_net_queue_add(struct swim_net_queue *queue, struct swim_net_packet *packet)
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

struct swim_net_packet *swim_net_queue_take(struct swim_net_queue *queue)
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

	while ((packet = swim_net_queue_take(queue)))
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

void swim_net_await_tick(struct swim_net *net, size_t node)
{
	struct swim_net_node *n = &net->nodes[node];
	mtime_t at = mtime_min(swim_deadline(n->swim), spread_deadline(n->spread));

	if (mtime_before(at, net->now))
		at = net->now;
	if (!mtime_before(at, n->tick_at))
		return;
	n->tick_at = at;
	swim_net_add_event(net, (struct swim_net_event){.at = at, .kind = TICK, .node = node});
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
	swim_net_await_tick(net, node);
}

void swim_net_start_all(struct swim_net *net)
{
	for (size_t i = 0; i < net->count; i++)
		swim_net_start(net, i);
}

static void wakes(struct swim_net *net, size_t node, mtime_t at)
{
	swim_net_add_event(net, (struct swim_net_event){.at = at, .kind = WAKES, .node = node});
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

bool swim_net_is_paused(const struct swim_net *net, size_t node)
{
	return mtime_before(net->now, net->nodes[node].paused_until);
}

bool swim_net_is_held(const struct swim_net *net, size_t node)
{
	return swim_net_is_paused(net, node) ||
	       mtime_before(net->now, net->nodes[node].blocked_until);
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

size_t swim_net_number_of(const struct swim_net *net, const struct id *id)
{
	const struct swim_net_node *node = map_get(&net->by_id, id);

	assert_non_null(node);
	return (size_t)(node - net->nodes);
}

/* ---- the run ---- */

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
		swim_net_packet_arrives(net, event.packet);
		return true;
	}
	if (!node->swim)
		return true;
	if (swim_net_is_paused(net, event.node)) {
		event.at = node->paused_until;
		swim_net_add_event(net, event);
		return true;
	}
	bool is_open = node->check.open && node->check.number == event.check;

	if (event.kind == WAKES)
		swim_net_node_wakes(net, event.node);
	else if (event.kind == TICK && event.at.us == node->tick_at.us)
		swim_net_tick(net, event.node);
	else if (event.kind == CONNECTS && is_open)
		swim_net_check_connects(net, event.node);
	else if (event.kind == TIMES_OUT && is_open)
		swim_net_end_check(net, event.node,
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
