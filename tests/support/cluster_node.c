#include <stdio.h>

#include "tests/support/cluster_internal.h"

#define START_WALL_MS INT64_C(1790000000000)
#define PORT	      8946
#define ADDRESSES     0x1000 /* a node that moves goes so many further */
/* A core that asks again and again without time passing would hang the run: between two ticks some
 * passes. */
#define TICK_GAP_US   10

/* ---- who and where ---- */

struct endpoint cluster_endpoint(const struct cluster *c, int node)
{
	unsigned a = c->nodes[node]->address;
	struct endpoint endpoint = {
		.ip = {.family = 4, .b = {10, (uint8_t)(a >> 16), (uint8_t)(a >> 8), (uint8_t)a}}};

	endpoint.port = PORT;
	return endpoint;
}

int cluster_node_at(const struct cluster *c, const struct endpoint *endpoint)
{
	unsigned address = (unsigned)endpoint->ip.b[1] << 16 | (unsigned)endpoint->ip.b[2] << 8 |
			   endpoint->ip.b[3];
	const struct node *node;

	if (endpoint->ip.family != 4 || endpoint->ip.b[0] != 10 || endpoint->port != PORT)
		return -1;
	node = map_get(&c->by_address, &address);
	return node && node->up ? node->number : -1;
}

int cluster_node_of(const struct cluster *c, const struct id *id)
{
	const struct node *node = map_get(&c->by_id, id);

	return node ? node->number : -1;
}

struct id cluster_id(const struct cluster *c, int node)
{
	return c->nodes[node]->id;
}

const struct keys *cluster_keys(const struct cluster *c, int node)
{
	return &c->nodes[node]->identity;
}

const struct keys *cluster_wireguard_keys(const struct cluster *c, int node)
{
	return &c->nodes[node]->wireguard;
}

const struct keys *cluster_root_keys(const struct cluster *c, int node)
{
	return &c->nodes[node]->root;
}

struct gossip *cluster_core(struct cluster *c, int node)
{
	return c->nodes[node]->core;
}

struct gossip_status cluster_status(struct cluster *c, int node)
{
	struct gossip_status status;

	gossip_status(cluster_core(c, node), &status);
	return status;
}

int cluster_count(const struct cluster *c)
{
	return c->count;
}

bool cluster_is_up(const struct cluster *c, int node)
{
	return c->nodes[node]->up;
}

uint64_t cluster_event_count(const struct cluster *c, int node, enum gossip_event_kind kind)
{
	return c->nodes[node]->event_counts[kind];
}

/* ---- clocks ---- */

struct gossip_time cluster_time(const struct cluster *c)
{
	return (struct gossip_time){c->now, {START_WALL_MS + c->now.us / 1000}, true};
}

struct gossip_time cluster_node_time(const struct cluster *c, int number)
{
	const struct node *node = c->nodes[number];
	struct gossip_time time = cluster_time(c);

	time.wall.ms +=
		node->clock_offset_ms +
		(int64_t)((double)mtime_diff_ms(c->now, node->clock_set) * node->clock_drift);
	time.synced = !node->clock_unsynced;
	return time;
}

void cluster_clock(struct cluster *c, int number, int64_t offset_ms, double drift, bool synced)
{
	struct node *node = c->nodes[number];

	node->clock_offset_ms = offset_ms;
	node->clock_drift = drift;
	node->clock_set = c->now;
	node->clock_unsynced = !synced;
}

/* ---- life ---- */

static void want_tick(struct cluster *c, struct node *node)
{
	mtime_t at = MTIME_NEVER;

	if (node->up && node->anomaly != CLUSTER_STOP) {
		at = gossip_deadline(node->core);
		if (mtime_before(at, mtime_add_us(node->last_tick, TICK_GAP_US)))
			at = mtime_add_us(node->last_tick, TICK_GAP_US);
	}
	if (at.us != node->tick_at.us)
		queue_want_tick(c, node, at);
}

/* A daemon starts with the time in seconds, so that a copied machine, too, comes after what it was
 * copied from. */
static uint64_t next_generation(const struct cluster *c, const struct node *node)
{
	if (node->next_generation)
		return node->next_generation;

	const uint64_t seconds = (UINT64_C(1) << GOSSIP_LIFE_SHIFT) - 1;
	const struct node *twin = node->twin < 0 ? node : c->nodes[node->twin];
	uint64_t last = node->raised > node->generation ? node->raised : node->generation;
	uint64_t twins = twin->raised > twin->generation ? twin->raised : twin->generation;

	if ((twins & seconds) > (last & seconds))
		last = (last & ~seconds) | (twins & seconds);
	return last + 1;
}

static void start_core(struct cluster *c, struct node *node)
{
	struct gossip_config config = {.identity = &node->identity,
		.wireguard = &node->wireguard,
		.root = node->has_root ? &node->root : NULL,
		.mesh = node->disk.has_mesh ? &node->disk.mesh : NULL,
		.generation = next_generation(c, node),
		.mechanisms = c->options.mechanisms,
		.version = CLUSTER_VERSION,
		.wireguard_port = CLUSTER_WIREGUARD_PORT,
		.mtu = CLUSTER_MTU};
	struct endpoint own = cluster_endpoint(c, node->number);
	struct gossip_time time = cluster_node_time(c, node->number);
	int err;

	node->generation = config.generation;
	node->next_generation = 0;
	rng_bytes(&c->rng, config.seed, sizeof(config.seed));
	err = gossip_new(&config, time, &node->core);
	assert(err == 0);
	node->up = true;
	node->host_down = false;
	node->last_tick = MTIME_ZERO;
	disk_restore(c, node);
	err = gossip_start(node->core, time);
	assert(err == 0);
	(void)err;
	gossip_set_endpoints(node->core, time, &own, 1);
	cluster_drain(c, node->number);
}

static void make_room(struct cluster *c)
{
	if (c->count < c->capacity)
		return;
	c->capacity = c->capacity ? c->capacity * 2 : 16;
	c->nodes = realloc(c->nodes, (size_t)c->capacity * sizeof(struct node *));
	c->ticks = realloc(c->ticks, (size_t)c->capacity * sizeof(struct node *));
	assert(c->nodes && c->ticks);
}

static void make_keys(struct cluster *c, struct keys *ret)
{
	uint8_t seed[32];

	rng_bytes(&c->identities, seed, sizeof(seed));
	keys_from_seed(seed, ret);
}

static struct node *add_node(struct cluster *c)
{
	struct node *node = calloc(1, sizeof(*node));
	int err;

	assert(node);
	make_room(c);
	node->number = c->count++;
	c->nodes[node->number] = node;
	node->address = (unsigned)node->number + 1;
	node->joined = 1;
	node->tick_at = MTIME_NEVER;
	node->tick_place = c->tick_count++;
	c->ticks[node->tick_place] = node;
	node->held_in_last = &node->held_in;
	node->held_out_last = &node->held_out;
	node->twin = -1;
	disk_init(c, &node->disk);
	err = map_put(&c->by_address, &node->address, node);
	assert(err == 0);
	(void)err;
	return node;
}

int cluster_add_off(struct cluster *c)
{
	struct node *node = add_node(c);
	int err;

	make_keys(c, &node->identity);
	make_keys(c, &node->wireguard);
	make_keys(c, &node->root);
	node->id = node->identity.id;
	err = map_put(&c->by_id, &node->id, node);
	assert(err == 0);
	(void)err;
	return node->number;
}

int cluster_add_clone(struct cluster *c, int of)
{
	struct node *node = add_node(c), *original = c->nodes[of];
	struct cluster_backup *backup = cluster_backup(c, of);

	node->identity = original->identity;
	node->wireguard = original->wireguard;
	node->root = original->root;
	node->has_root = original->has_root;
	node->id = original->id;
	node->twin = of;
	original->twin = node->number;
	node->disk.has_mesh = original->disk.has_mesh;
	node->disk.mesh = original->disk.mesh;
	cluster_set_back(c, node->number, backup);
	cluster_backup_free(backup);
	return node->number;
}

void cluster_set_generation(struct cluster *c, int number, uint64_t generation)
{
	struct node *node = c->nodes[number];

	node->next_generation = generation;
	node->raised = 0;
}

int cluster_add(struct cluster *c)
{
	int number = cluster_add_off(c);

	start_core(c, c->nodes[number]);
	return number;
}

void cluster_restart(struct cluster *c, int number)
{
	struct node *node = c->nodes[number];

	assert(!node->up);
	c->counts.restarts += node->generation > 0;
	start_core(c, node);
}

void event_free(struct cluster *c, struct event *event)
{
	if (event->wire)
		stream_release(c, event->wire);
	free(event);
}

static void drop_held(struct cluster *c, struct node *node)
{
	while (node->held_in) {
		struct event *next = node->held_in->next;

		event_free(c, node->held_in);
		node->held_in = next;
	}
	while (node->held_out) {
		struct held_effect *next = node->held_out->next;

		free(node->held_out);
		node->held_out = next;
	}
	node->held_in_last = &node->held_in;
	node->held_out_last = &node->held_out;
	node->held_in_size = node->held_out_size = 0;
}

static void end_core(struct cluster *c, struct node *node, bool tells_others)
{
	assert(node->up);
	stream_host_gone(c, node->number, tells_others);
	drop_held(c, node);
	node->anomaly = CLUSTER_NONE;
	gossip_free(node->core);
	node->core = NULL;
	node->up = false;
	queue_want_tick(c, node, MTIME_NEVER);
}

void cluster_kill(struct cluster *c, int number)
{
	c->counts.kills++;
	end_core(c, c->nodes[number], true);
}

void cluster_crash(struct cluster *c, int number)
{
	c->counts.crashes++;
	end_core(c, c->nodes[number], false);
	c->nodes[number]->host_down = true;
}

void node_free(struct cluster *c, struct node *node)
{
	gossip_free(node->core);
	drop_held(c, node);
	disk_done(c, &node->disk);
	free(node);
}

void cluster_move(struct cluster *c, int number)
{
	struct node *node = c->nodes[number];
	struct endpoint own;
	int err;

	map_del(&c->by_address, &node->address);
	node->address += ADDRESSES;
	err = map_put(&c->by_address, &node->address, node);
	assert(err == 0);
	(void)err;
	if (!node->up)
		return;
	own = cluster_endpoint(c, number);
	gossip_set_endpoints(node->core, cluster_node_time(c, number), &own, 1);
	cluster_drain(c, number);
}

/* ---- effects ---- */

static void trace(struct cluster *c, int node, const struct gossip_effect *effect)
{
	int64_t head[4] = {c->now.us, node, effect->kind, (int64_t)effect->size};

	crypto_generichash_update(&c->trace, (const uint8_t *)head, sizeof(head));
	if (effect->size && effect->kind != EFFECT_EVENT)
		crypto_generichash_update(&c->trace, effect->bytes, effect->size);
}

static bool is_output(const struct gossip_effect *effect)
{
	return effect->kind == EFFECT_SEND || effect->kind == EFFECT_CONNECT ||
	       effect->kind == EFFECT_STREAM_SEND || effect->kind == EFFECT_CLOSE;
}

static void hold_output(struct cluster *c, struct node *node, const struct gossip_effect *effect)
{
	struct held_effect *held;

	if (effect->kind == EFFECT_SEND) {
		if (node->held_out_size + net_truesize(effect->size) > CLUSTER_SOCKET_BUFFER) {
			c->counts.overrun++;
			return;
		}
		node->held_out_size += net_truesize(effect->size);
	}
	held = malloc(sizeof(*held) + effect->size);
	assert(held);
	*held = (struct held_effect){.effect = *effect};
	if (effect->size) {
		memcpy(held->bytes, effect->bytes, effect->size);
		held->effect.bytes = held->bytes;
	}
	*node->held_out_last = held;
	node->held_out_last = &held->next;
}

static void put_out(struct cluster *c, struct node *node, const struct gossip_effect *effect)
{
	if (node->anomaly == CLUSTER_BLOCK)
		hold_output(c, node, effect);
	else if (effect->kind == EFFECT_SEND)
		net_send(c, node->number, effect);
	else if (effect->kind == EFFECT_CONNECT)
		stream_open(c, node->number, effect);
	else if (effect->kind == EFFECT_STREAM_SEND)
		stream_send(c, node->number, effect);
	else
		stream_close(c, node->number, effect);
}

static void take_effect(struct cluster *c, struct node *node, const struct gossip_effect *effect)
{
	trace(c, node->number, effect);
	for (size_t i = 0; i < c->observer_count; i++)
		c->observers[i].observer(c->observers[i].arg, node->number, effect);
	if (c->watcher && c->watcher(c->watcher_arg, node->number, effect))
		return;
	if (is_output(effect))
		put_out(c, node, effect);
	else if (effect->ticket)
		disk_write(c, node, effect);
	else if (effect->kind == EFFECT_EVENT)
		node->event_counts[effect->event->kind]++;
	else if (effect->kind == EFFECT_JOINED) {
		node->joined = (int)effect->number;
		snprintf(node->joined_text, sizeof(node->joined_text), "%s", effect->text);
	}
}

void cluster_drain(struct cluster *c, int number)
{
	struct node *node = c->nodes[number];
	struct gossip_effect effect;

	while (gossip_next_effect(node->core, &effect))
		take_effect(c, node, &effect);
	if (c->inspector)
		c->inspector(c->inspector_arg, number);
	want_tick(c, node);
}

/* ---- input ---- */

/* Its kernel keeps it for a process that does not read. */
static void hold_input(struct cluster *c, struct node *node, struct event *event)
{
	if (event->kind == EVENT_DATAGRAM) {
		if (node->held_in_size + net_truesize(event->size) > CLUSTER_SOCKET_BUFFER) {
			c->counts.overrun++;
			event_free(c, event);
			return;
		}
		node->held_in_size += net_truesize(event->size);
	}
	event->next = NULL;
	*node->held_in_last = event;
	node->held_in_last = &event->next;
}

static void count_order(struct cluster *c, struct node *node, const struct event *event)
{
	size_t at = (size_t)event->from_node % ORDERS_SEEN;

	if (event->from_node < 0)
		return;
	if (node->seen[at].from == event->from_node && event->order < node->seen[at].order) {
		c->counts.reordered++;
		return;
	}
	node->seen[at].from = event->from_node;
	node->seen[at].order = event->order;
}

void node_input(struct cluster *c, struct event *event)
{
	struct node *node = c->nodes[event->node];
	struct gossip_time time;

	c->counts.events++;
	if (!node->up || event->life != node->generation)
		goto out;
	if (event->wire && !stream_arrives(c, event))
		return;
	if (node->anomaly == CLUSTER_STOP ||
		(node->anomaly == CLUSTER_BLOCK && event->kind != EVENT_PERSISTED)) {
		hold_input(c, node, event);
		return;
	}
	time = cluster_node_time(c, node->number);
	if (event->kind == EVENT_DATAGRAM) {
		count_order(c, node, event);
		gossip_receive(node->core, time, &event->from, event->bytes, event->size);
	} else if (event->kind == EVENT_PERSISTED) {
		gossip_persisted(node->core, time, event->ticket);
	} else {
		stream_happen(c, node, event);
	}
	cluster_drain(c, node->number);
out:
	event_free(c, event);
}

void node_tick(struct cluster *c, struct node *node)
{
	node->last_tick = c->now;
	gossip_tick(node->core, cluster_node_time(c, node->number));
	cluster_drain(c, node->number);
}

/* ---- anomalies ---- */

static void let_out(struct cluster *c, struct node *node)
{
	struct held_effect *held = node->held_out;

	node->held_out = NULL;
	node->held_out_last = &node->held_out;
	node->held_out_size = 0;
	while (held) {
		struct held_effect *next = held->next;

		put_out(c, node, &held->effect);
		free(held);
		held = next;
	}
}

static void let_in(struct cluster *c, struct node *node)
{
	struct event *held = node->held_in;

	node->held_in = NULL;
	node->held_in_last = &node->held_in;
	node->held_in_size = 0;
	while (held) {
		struct event *next = held->next;

		held->at = c->now;
		queue_put(c, held);
		held = next;
	}
}

void cluster_anomaly(struct cluster *c, int number, enum cluster_anomaly anomaly)
{
	struct node *node = c->nodes[number];
	enum cluster_anomaly before = node->anomaly;

	if (before == anomaly || !node->up)
		return;
	assert(before == CLUSTER_NONE || anomaly == CLUSTER_NONE);
	node->anomaly = anomaly;
	c->counts.blocks += anomaly == CLUSTER_BLOCK;
	c->counts.stops += anomaly == CLUSTER_STOP;
	if (anomaly == CLUSTER_NONE) {
		let_out(c, node);
		let_in(c, node);
	}
	want_tick(c, node);
	/* late: before what waits is read */
	if (before == CLUSTER_STOP && mtime_reached(c->now, node->tick_at))
		node_tick(c, node);
}

enum cluster_anomaly cluster_anomaly_of(const struct cluster *c, int node)
{
	return c->nodes[node]->anomaly;
}
