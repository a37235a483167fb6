#include "tests/support/cluster.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "gossip/base/rng.h"

#define START_WALL_MS INT64_C(1790000000000)
#define PORT	      8946

struct disk_record {
	struct disk_record *next;
	struct hash hash;
	size_t size;
	uint8_t bytes[];
};

struct node {
	bool exists, up;
	unsigned address; /* changes when it moves */
	struct keys identity, wireguard, root;
	bool has_root;
	struct gossip *core;
	uint64_t generation;
	int joined;
	char joined_text[512];
	uint64_t event_counts[16];
	/* its disk */
	bool has_mesh;
	struct id mesh;
	struct disk_record *records;
	struct endpoint stored[CLUSTER_NODES_MAX];
};

enum event_kind { DATAGRAM, CONNECT, DATA, SENT, CLOSED, PERSISTED };

/* A stream between two nodes, known to each by its own number. */
struct wire {
	struct wire *next;
	int ends[2];
	uint64_t numbers[2];
	bool open[2];
	mtime_t last[2]; /* arrival of the last thing towards each end: streams keep order */
};

struct event {
	mtime_t at;
	uint64_t order;
	enum event_kind kind;
	int node;
	uint64_t life; /* generation it is meant for: a killed node gets nothing that was under way
			*/
	struct endpoint from;
	struct wire *wire;
	uint64_t ticket;
	size_t size;
	uint8_t bytes[];
};

struct cluster {
	struct cluster_options options;
	struct rng rng;
	struct rng identities; /* of their own, so that traffic does not change who the nodes are */
	mtime_t now;
	struct node nodes[CLUSTER_NODES_MAX];
	int count;
	bool cut[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX],
		cut_udp[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX];
	struct wire *wires;
	uint64_t next_accepted, next_order;
	struct event **heap;
	size_t heap_count, heap_capacity;
	struct cluster_counts counts;
	cluster_watcher watcher;
	void *watcher_arg;
	crypto_generichash_state trace;
};

/* ---- the queue of what will happen ---- */

static bool earlier(const struct event *a, const struct event *b)
{
	return a->at.us != b->at.us ? a->at.us < b->at.us : a->order < b->order;
}

static struct event *schedule(struct cluster *c, mtime_t at, enum event_kind kind, int node,
	const void *bytes, size_t size)
{
	struct event *event = calloc(1, sizeof(*event) + size);

	assert(event);
	*event = (struct event){
		.at = at, .order = c->next_order++, .kind = kind, .node = node, .size = size};
	event->life = c->nodes[node].generation;
	if (size)
		memcpy(event->bytes, bytes, size);
	if (c->heap_count == c->heap_capacity) {
		c->heap_capacity = c->heap_capacity ? c->heap_capacity * 2 : 1024;
		c->heap = realloc(c->heap, c->heap_capacity * sizeof(*c->heap));
		assert(c->heap);
	}
	size_t i = c->heap_count++;
	for (; i && earlier(event, c->heap[(i - 1) / 2]); i = (i - 1) / 2)
		c->heap[i] = c->heap[(i - 1) / 2];
	c->heap[i] = event;
	return event;
}

static struct event *pop(struct cluster *c)
{
	struct event *top = c->heap[0], *last = c->heap[--c->heap_count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < c->heap_count) {
		if (child + 1 < c->heap_count && earlier(c->heap[child + 1], c->heap[child]))
			child++;
		if (!earlier(c->heap[child], last))
			break;
		c->heap[i] = c->heap[child];
		i = child;
	}
	c->heap[i] = last;
	return top;
}

static mtime_t arrival(struct cluster *c)
{
	int64_t span_us = (c->options.latency_max_ms - c->options.latency_min_ms) * INT64_C(1000);

	return mtime_add_us(c->now, c->options.latency_min_ms * INT64_C(1000) +
					    (int64_t)rng_below(&c->rng, (uint64_t)span_us + 1) +
					    50);
}

static bool chance(struct cluster *c, double p)
{
	return p > 0 && (double)rng_below(&c->rng, 1000000) < p * 1e6;
}

/* ---- nodes ---- */

struct gossip_time cluster_time(const struct cluster *c)
{
	return (struct gossip_time){c->now, {START_WALL_MS + c->now.us / 1000}, true};
}

struct endpoint cluster_endpoint(const struct cluster *c, int node)
{
	unsigned a = c->nodes[node].address;
	struct endpoint endpoint = {
		.ip = {.family = 4, .b = {10, (uint8_t)(a >> 16), (uint8_t)(a >> 8), (uint8_t)a}}};

	endpoint.port = PORT;
	return endpoint;
}

struct id cluster_id(const struct cluster *c, int node)
{
	return c->nodes[node].identity.id;
}

const struct keys *cluster_keys(const struct cluster *c, int node)
{
	return &c->nodes[node].identity;
}

void cluster_records(const struct cluster *c, int node, cluster_record take, void *arg)
{
	for (const struct disk_record *r = c->nodes[node].records; r; r = r->next)
		take(arg, r->bytes, r->size);
}

void cluster_watch(struct cluster *c, cluster_watcher watcher, void *arg)
{
	c->watcher = watcher;
	c->watcher_arg = arg;
}

struct gossip *cluster_core(struct cluster *c, int node)
{
	return c->nodes[node].core;
}

bool cluster_is_up(const struct cluster *c, int node)
{
	return c->nodes[node].up;
}

static int node_at(const struct cluster *c, const struct endpoint *endpoint)
{
	for (int i = 0; i < c->count; i++) {
		struct endpoint at = cluster_endpoint(c, i);

		if (c->nodes[i].up && endpoint_equal(&at, endpoint))
			return i;
	}
	return -1;
}

static void start_core(struct cluster *c, int number)
{
	struct node *node = &c->nodes[number];
	struct gossip_config config = {.identity = &node->identity,
		.wireguard = &node->wireguard,
		.root = node->has_root ? &node->root : NULL,
		.mesh = node->has_mesh ? &node->mesh : NULL,
		.generation = ++node->generation,
		.version = "test",
		.wireguard_port = 51820,
		.mtu = 1420};
	struct endpoint own = cluster_endpoint(c, number);

	rng_bytes(&c->rng, config.seed, sizeof(config.seed));
	int err = gossip_new(&config, cluster_time(c), &node->core);
	assert(err == 0);
	node->up = true;
	for (struct disk_record *r = node->records; node->has_mesh && r; r = r->next) {
		err = gossip_restore_record(node->core, r->bytes, r->size);
		assert(err == 0);
	}
	for (int i = 0; node->has_mesh && i < c->count; i++) {
		if (node->stored[i].ip.family)
			gossip_restore_endpoint(
				node->core, &c->nodes[i].identity.id, &node->stored[i]);
	}
	err = gossip_start(node->core, cluster_time(c));
	assert(err == 0);
	gossip_set_endpoints(node->core, cluster_time(c), &own, 1);
	cluster_drain(c, number);
}

int cluster_add(struct cluster *c)
{
	int number = c->count++;
	struct node *node = &c->nodes[number];
	uint8_t seed[32];

	assert(number < CLUSTER_NODES_MAX);
	*node = (struct node){.exists = true, .address = (unsigned)number + 1, .joined = 1};
	rng_bytes(&c->identities, seed, sizeof(seed));
	keys_from_seed(seed, &node->identity);
	rng_bytes(&c->identities, seed, sizeof(seed));
	keys_from_seed(seed, &node->wireguard);
	rng_bytes(&c->identities, seed, sizeof(seed));
	keys_from_seed(seed, &node->root);
	start_core(c, number);
	return number;
}

void cluster_kill(struct cluster *c, int number)
{
	struct node *node = &c->nodes[number];

	assert(node->up);
	for (struct wire *w = c->wires; w; w = w->next) {
		for (int end = 0; end < 2; end++) {
			if (w->ends[end] != number || !w->open[end])
				continue;
			w->open[end] = false;
			if (w->open[!end])
				schedule(c, arrival(c), CLOSED, w->ends[!end], NULL, 0)->wire = w;
		}
	}
	gossip_free(node->core);
	node->core = NULL;
	node->up = false;
}

void cluster_restart(struct cluster *c, int number)
{
	assert(!c->nodes[number].up);
	start_core(c, number);
}

void cluster_move(struct cluster *c, int number)
{
	struct endpoint own;

	c->nodes[number].address += 0x1000;
	if (!c->nodes[number].up)
		return;
	own = cluster_endpoint(c, number);
	gossip_set_endpoints(c->nodes[number].core, cluster_time(c), &own, 1);
	cluster_drain(c, number);
}

static void disk_free(struct node *node)
{
	while (node->records) {
		struct disk_record *next = node->records->next;

		free(node->records);
		node->records = next;
	}
}

void cluster_lose_disk(struct cluster *c, int number)
{
	disk_free(&c->nodes[number]);
	memset(c->nodes[number].stored, 0, sizeof(c->nodes[number].stored));
}

void cluster_cut(struct cluster *c, int a, int b, bool cut)
{
	c->cut[a][b] = cut;
}

void cluster_cut_udp(struct cluster *c, int a, int b, bool cut)
{
	c->cut_udp[a][b] = cut;
}

/* ---- effects ---- */

static void trace(struct cluster *c, int node, const struct gossip_effect *effect)
{
	int64_t head[4] = {c->now.us, node, effect->kind, (int64_t)effect->size};

	crypto_generichash_update(&c->trace, (const uint8_t *)head, sizeof(head));
	if (effect->size && effect->kind != EFFECT_EVENT)
		crypto_generichash_update(&c->trace, effect->bytes, effect->size);
}

static void send_datagram(struct cluster *c, int from, const struct gossip_effect *effect)
{
	int to = node_at(c, &effect->endpoint);

	c->counts.datagrams++;
	c->counts.bytes += effect->size;
	if (to < 0 || c->cut[from][to] || c->cut_udp[from][to] || chance(c, c->options.loss)) {
		c->counts.lost++;
		return;
	}
	schedule(c, arrival(c), DATAGRAM, to, effect->bytes, effect->size)->from =
		cluster_endpoint(c, from);
	if (chance(c, c->options.duplication))
		schedule(c, arrival(c), DATAGRAM, to, effect->bytes, effect->size)->from =
			cluster_endpoint(c, from);
}

static struct wire *find_wire(struct cluster *c, int node, uint64_t number, int *ret_end)
{
	for (struct wire *w = c->wires; w; w = w->next) {
		for (int end = 0; end < 2; end++) {
			if (w->ends[end] == node && w->numbers[end] == number) {
				*ret_end = end;
				return w;
			}
		}
	}
	return NULL;
}

static mtime_t in_order(struct cluster *c, struct wire *w, int end)
{
	mtime_t at = arrival(c);

	if (mtime_before(at, w->last[end]))
		at = mtime_add_us(w->last[end], 1);
	w->last[end] = at;
	return at;
}

static void open_wire(struct cluster *c, int from, const struct gossip_effect *effect)
{
	struct wire *w = calloc(1, sizeof(*w));
	int to = node_at(c, &effect->endpoint);

	assert(w);
	*w = (struct wire){.next = c->wires, .ends = {from, to}, .open = {true, true}};
	w->numbers[0] = effect->stream;
	w->numbers[1] = GOSSIP_STREAM_ACCEPTED | ++c->next_accepted;
	c->wires = w;
	if (to < 0 || c->cut[from][to] || c->cut[to][from]) {
		w->open[1] = false;
		w->ends[1] = -1;
		schedule(c, mtime_add_ms(arrival(c), to < 0 ? 0 : 3000), CLOSED, from, NULL, 0)
			->wire = w;
		return;
	}
	schedule(c, in_order(c, w, 1), CONNECT, to, NULL, 0)->wire = w;
	schedule(c, mtime_add_us(in_order(c, w, 0), 10), CONNECT, from, NULL, 0)->wire = w;
}

static void send_stream(struct cluster *c, int from, const struct gossip_effect *effect)
{
	int end;
	struct wire *w = find_wire(c, from, effect->stream, &end);
	struct event *sent;

	if (!w || !w->open[end])
		return;
	c->counts.stream_bytes += effect->size;
	if (w->open[!end] && !c->cut[from][w->ends[!end]])
		schedule(c, in_order(c, w, !end), DATA, w->ends[!end], effect->bytes, effect->size)
			->wire = w;
	sent = schedule(c, mtime_add_us(c->now, 100), SENT, from, NULL, 0);
	sent->wire = w;
	sent->ticket = effect->size;
}

static void close_wire(struct cluster *c, int from, const struct gossip_effect *effect)
{
	int end;
	struct wire *w = find_wire(c, from, effect->stream, &end);

	if (!w || !w->open[end])
		return;
	w->open[end] = false;
	if (w->open[!end])
		schedule(c, mtime_add_us(in_order(c, w, !end), 10), CLOSED, w->ends[!end], NULL, 0)
			->wire = w;
}

static void disk_add(struct node *node, const struct gossip_effect *effect)
{
	struct disk_record *r = malloc(sizeof(*r) + effect->size);

	assert(r);
	*r = (struct disk_record){
		.next = node->records, .hash = effect->hash, .size = effect->size};
	memcpy(r->bytes, effect->bytes, effect->size);
	node->records = r;
}

static void disk_remove(struct node *node, const struct hash *hash)
{
	for (struct disk_record **at = &node->records; *at; at = &(*at)->next) {
		struct disk_record *r = *at;

		if (!hash_equal(&r->hash, hash))
			continue;
		*at = r->next;
		free(r);
		return;
	}
}

static void disk_endpoint(struct cluster *c, struct node *node, const struct gossip_effect *effect)
{
	for (int i = 0; i < c->count; i++) {
		if (id_equal(&c->nodes[i].identity.id, &effect->id))
			node->stored[i] = effect->endpoint;
	}
}

/* Writes are on the virtual disk at once and acknowledged later: a kill in between loses only the
 * word. */
static void persist(struct cluster *c, int number, const struct gossip_effect *effect)
{
	struct node *node = &c->nodes[number];

	c->counts.writes++;
	if (effect->kind == EFFECT_PERSIST_RECORD)
		disk_add(node, effect);
	else if (effect->kind == EFFECT_PERSIST_REMOVE)
		disk_remove(node, &effect->hash);
	else if (effect->kind == EFFECT_PERSIST_ENDPOINT)
		disk_endpoint(c, node, effect);
	else {
		node->has_mesh = true;
		node->mesh = effect->id;
	}
	schedule(c, mtime_add_ms(c->now, c->options.disk_ms), PERSISTED, number, NULL, 0)->ticket =
		effect->ticket;
}

static void take_effect(struct cluster *c, int number, const struct gossip_effect *effect)
{
	struct node *node = &c->nodes[number];

	trace(c, number, effect);
	if (c->watcher && c->watcher(c->watcher_arg, number, effect))
		return;
	switch (effect->kind) {
	case EFFECT_SEND:
		send_datagram(c, number, effect);
		break;
	case EFFECT_CONNECT:
		open_wire(c, number, effect);
		break;
	case EFFECT_STREAM_SEND:
		send_stream(c, number, effect);
		break;
	case EFFECT_CLOSE:
		close_wire(c, number, effect);
		break;
	case EFFECT_PERSIST_RECORD:
	case EFFECT_PERSIST_REMOVE:
	case EFFECT_PERSIST_MESH:
	case EFFECT_PERSIST_ENDPOINT:
		persist(c, number, effect);
		break;
	case EFFECT_EVENT:
		node->event_counts[effect->event->kind]++;
		break;
	case EFFECT_JOINED:
		node->joined = (int)effect->number;
		snprintf(node->joined_text, sizeof(node->joined_text), "%s", effect->text);
		break;
	case EFFECT_CHANGED:
	case EFFECT_STATE:
	case EFFECT_LEFT:
		break;
	}
}

void cluster_drain(struct cluster *c, int number)
{
	struct gossip_effect effect;

	while (gossip_next_effect(c->nodes[number].core, &effect))
		take_effect(c, number, &effect);
}

/* ---- running ---- */

static void stream_event(struct cluster *c, struct node *node, const struct event *event)
{
	struct wire *w = event->wire;
	int end = w->ends[1] == event->node &&
		  !(w->ends[0] == event->node && w->open[0] && event->kind == SENT);
	struct gossip_time time = cluster_time(c);
	struct endpoint from;

	if (!w->open[end])
		return;
	if (event->kind == CONNECT && end == 1) {
		from = cluster_endpoint(c, w->ends[0]);
		from.port = 40000;
		gossip_stream_accepted(node->core, time, w->numbers[1], &from);
	} else if (event->kind == CONNECT) {
		gossip_stream_connected(node->core, time, w->numbers[0]);
	} else if (event->kind == DATA) {
		gossip_stream_received(
			node->core, time, w->numbers[end], event->bytes, event->size);
	} else if (event->kind == SENT) {
		gossip_stream_sent(node->core, time, w->numbers[end], event->ticket);
	} else {
		w->open[end] = false;
		gossip_stream_closed(node->core, time, w->numbers[end]);
	}
}

static void happen(struct cluster *c, const struct event *event)
{
	struct node *node = &c->nodes[event->node];

	c->counts.events++;
	if (!node->up || event->life != node->generation)
		return;
	if (event->kind == DATAGRAM)
		gossip_receive(
			node->core, cluster_time(c), &event->from, event->bytes, event->size);
	else if (event->kind == PERSISTED)
		gossip_persisted(node->core, cluster_time(c), event->ticket);
	else
		stream_event(c, node, event);
	cluster_drain(c, event->node);
}

static int next_to_tick(const struct cluster *c, mtime_t *ret_at)
{
	int chosen = -1;

	*ret_at = MTIME_NEVER;
	for (int i = 0; i < c->count; i++) {
		if (!c->nodes[i].up)
			continue;
		mtime_t deadline = gossip_deadline(c->nodes[i].core);
		if (mtime_before(deadline, *ret_at)) {
			*ret_at = deadline;
			chosen = i;
		}
	}
	return chosen;
}

/* One step; false when there is nothing before `until`. */
static bool step(struct cluster *c, mtime_t until)
{
	mtime_t tick_at;
	int ticks = next_to_tick(c, &tick_at);
	struct event *event;

	if (c->heap_count && !mtime_before(tick_at, c->heap[0]->at)) {
		if (mtime_before(until, c->heap[0]->at))
			return false;
		event = pop(c);
		if (mtime_before(c->now, event->at))
			c->now = event->at;
		happen(c, event);
		free(event);
		return true;
	}
	if (ticks < 0 || mtime_before(until, tick_at))
		return false;
	/* a core that asks again and again without time passing would hang the test: let some pass
	 */
	c->now = mtime_before(c->now, tick_at) ? tick_at : mtime_add_us(c->now, 10);
	gossip_tick(c->nodes[ticks].core, cluster_time(c));
	cluster_drain(c, ticks);
	return true;
}

void cluster_run(struct cluster *c, int64_t ms)
{
	mtime_t until = mtime_add_ms(c->now, ms);

	while (mtime_before(c->now, until) && step(c, until))
		;
	if (mtime_before(c->now, until))
		c->now = until;
}

bool cluster_wait(struct cluster *c, int64_t most_ms, cluster_condition condition, void *arg)
{
	mtime_t until = mtime_add_ms(c->now, most_ms);

	while (!condition(c, arg)) {
		mtime_t pause = mtime_add_ms(c->now, 5);

		if (!mtime_before(c->now, until))
			return false;
		while (mtime_before(c->now, pause) && step(c, pause))
			;
		if (mtime_before(c->now, pause))
			c->now = pause;
	}
	return true;
}

struct cluster *cluster_new(const struct cluster_options *options)
{
	struct cluster *c = calloc(1, sizeof(*c));
	uint8_t seed[32] = {0};

	assert(c && sodium_init() >= 0);
	c->options = *options;
	memcpy(seed, &options->seed, sizeof(options->seed));
	rng_init(&c->rng, seed);
	seed[31] = 1;
	rng_init(&c->identities, seed);
	c->now = (mtime_t){1000000};
	crypto_generichash_init(&c->trace, NULL, 0, 16);
	return c;
}

void cluster_free(struct cluster *c)
{
	for (int i = 0; i < c->count; i++) {
		gossip_free(c->nodes[i].core);
		disk_free(&c->nodes[i]);
	}
	while (c->heap_count)
		free(pop(c));
	free(c->heap);
	while (c->wires) {
		struct wire *next = c->wires->next;

		free(c->wires);
		c->wires = next;
	}
	free(c);
}

/* ---- stories ---- */

static enum gossip_state state_of(struct cluster *c, int node)
{
	struct gossip_status status;

	gossip_status(c->nodes[node].core, &status);
	return status.state;
}

static bool is_running(struct cluster *c, void *arg)
{
	return state_of(c, *(int *)arg) == GOSSIP_RUNNING;
}

static bool must(struct cluster *c, int node, int err, const char *what)
{
	if (err == 0)
		return true;
	fprintf(stderr, "n%d cannot %s: %s (%s)\n", node, what, err_text(err),
		gossip_error(c->nodes[node].core));
	abort();
}

void cluster_found(struct cluster *c, int number)
{
	struct node *node = &c->nodes[number];
	struct gossip_found found = {.prefix4 = c->options.prefix4,
		.root = &node->root,
		.mesh_name = "test",
		.node_name = "n0"};
	uint64_t ticket;

	must(c, number, gossip_found(node->core, cluster_time(c), &found, &ticket), "found");
	node->has_root = true;
	cluster_drain(c, number);
	if (!cluster_wait(c, 10000, is_running, &number))
		must(c, number, ERR_TIMEOUT, "found");
	node->joined = 0;
}

void cluster_invite(struct cluster *c, int number, unsigned uses, int64_t lifetime_ms,
	char text[TOKEN_TEXT_MAX])
{
	struct invite invite = {.uses = uses};
	uint64_t ticket;

	must(c, number,
		gossip_invite(c->nodes[number].core, cluster_time(c), lifetime_ms, &invite, text,
			&ticket),
		"invite");
	cluster_drain(c, number);
	cluster_run(c, c->options.disk_ms + 1);
}

int cluster_join(struct cluster *c, int number, const char *token)
{
	char name[16];
	int err;

	snprintf(name, sizeof(name), "n%d", number);
	c->nodes[number].joined = 1;
	err = gossip_join(c->nodes[number].core, cluster_time(c), token, name,
		GOSSIP_JOIN_TIMEOUT_MS, NULL, 0);
	cluster_drain(c, number);
	return err;
}

int cluster_joined(const struct cluster *c, int node)
{
	return c->nodes[node].joined;
}

const char *cluster_joined_text(const struct cluster *c, int node)
{
	return c->nodes[node].joined_text;
}

static bool join_is_over(struct cluster *c, void *arg)
{
	return c->nodes[*(int *)arg].joined != 1;
}

void cluster_mesh(struct cluster *c, int count)
{
	char token[TOKEN_TEXT_MAX];

	cluster_found(c, cluster_add(c));
	cluster_invite(c, 0, (unsigned)count, 3600000, token);
	for (int i = 1; i < count; i++) {
		int node = cluster_add(c);

		must(c, node, cluster_join(c, node, token), "join");
		if (!cluster_wait(c, GOSSIP_JOIN_TIMEOUT_MS + 1000, join_is_over, &node))
			must(c, node, ERR_TIMEOUT, "join");
		must(c, node, c->nodes[node].joined, c->nodes[node].joined_text);
	}
}

int cluster_sees(struct cluster *c, int node, int other)
{
	struct gossip_member member;
	struct id id = cluster_id(c, other);

	return gossip_member(c->nodes[node].core, &id, &member) ? (int)member.state : -1;
}

bool cluster_all_see(struct cluster *c, enum gossip_member_state state, int other)
{
	for (int i = 0; i < c->count; i++) {
		if (i != other && c->nodes[i].up && state_of(c, i) == GOSSIP_RUNNING &&
			cluster_sees(c, i, other) != (int)state)
			return false;
	}
	return true;
}

bool cluster_digests_equal(struct cluster *c, void *unused)
{
	struct gossip_status status, first = {.node = {{0}}};
	bool have = false;

	(void)unused;
	for (int i = 0; i < c->count; i++) {
		if (!c->nodes[i].up)
			continue;
		gossip_status(c->nodes[i].core, &status);
		if (status.state != GOSSIP_RUNNING)
			continue;
		if (!have)
			first = status;
		have = true;
		if (memcmp(first.digest, status.digest, DIGEST_SIZE) != 0)
			return false;
	}
	return true;
}

bool cluster_converged(struct cluster *c, void *unused)
{
	if (!cluster_digests_equal(c, unused))
		return false;
	for (int i = 0; i < c->count; i++) {
		if (c->nodes[i].up && state_of(c, i) == GOSSIP_RUNNING &&
			!cluster_all_see(c, GOSSIP_MEMBER_ALIVE, i))
			return false;
	}
	return true;
}

const struct cluster_counts *cluster_counts(const struct cluster *c)
{
	return &c->counts;
}

uint64_t cluster_event_count(const struct cluster *c, int node, enum gossip_event_kind kind)
{
	return c->nodes[node].event_counts[kind];
}

void cluster_trace(const struct cluster *c, uint8_t ret[16])
{
	crypto_generichash_state copy = c->trace;

	crypto_generichash_final(&copy, ret, 16);
}
