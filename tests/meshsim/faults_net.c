/* What befalls datagrams and paths. */
#include <assert.h>
#include <stdlib.h>

#include "tests/meshsim/faults_internal.h"

static bool chance(struct faults *f, double p)
{
	return p > 0 && (double)rng_below(&f->net_rng, 1000000) < p * 1e6;
}

/* ---- kept for later ---- */

static void keep(struct kept_datagram *slot, const struct cluster_datagram *d)
{
	*slot = (struct kept_datagram){
		.from = d->from, .to = d->to, .source = d->source, .size = d->size};
	memcpy(slot->bytes, d->bytes, d->size);
}

/* Somebody on the way remembers, and says again; to whom it was meant for, or to another. */
static void replay(struct faults *f)
{
	const struct kept_datagram *one;
	bool stray = chance(f, 0.3);
	int to;

	if (!f->caught_count)
		return;
	one = &f->caught[rng_below(
		&f->net_rng, f->caught_count < CAUGHT_MAX ? f->caught_count : CAUGHT_MAX)];
	to = stray ? (int)rng_below(&f->net_rng, (uint64_t)cluster_count(f->cluster)) : one->to;
	if (to < 0 || !cluster_is_up(f->cluster, to))
		return;
	faults_count(f, stray ? FAULT_STRAYED : FAULT_REPLAYED);
	cluster_inject(f->cluster, to, &one->source, one->bytes, one->size);
}

/* ---- NAT: a way in is made by what goes out, for its address alone ---- */

static int64_t now_ms(const struct faults *f)
{
	return sim_now_ms(f->sim);
}

static struct pinhole *pinhole_of(struct nat *nat, const struct endpoint *from)
{
	for (size_t i = 0; i < PINHOLES_MAX; i++) {
		if (endpoint_equal(&nat->pinholes[i].from, from))
			return &nat->pinholes[i];
	}
	return NULL;
}

static void nat_out(struct faults *f, struct nat *nat, struct cluster_datagram *d)
{
	struct pinhole *pinhole = pinhole_of(nat, &d->destination);

	if (!pinhole)
		pinhole = &nat->pinholes[nat->next++ % PINHOLES_MAX];
	*pinhole = (struct pinhole){d->destination, now_ms(f) + NAT_IDLE_MS};
	d->source = nat->outside;
}

/* The node whose router has that address. */
static int behind(const struct faults *f, const struct endpoint *outside)
{
	for (int i = 0; i < cluster_count(f->cluster); i++) {
		if (f->nodes[i].nat.on && endpoint_equal(&f->nodes[i].nat.outside, outside) &&
			cluster_is_up(f->cluster, i))
			return i;
	}
	return -1;
}

static void nat_in(struct faults *f, struct cluster_datagram *d)
{
	int to = behind(f, &d->destination);
	const struct pinhole *pinhole;

	if (to < 0) {
		/* to its address inside no way leads */
		if (d->to >= 0 && f->nodes[d->to].nat.on && !d->lost) {
			faults_count(f, FAULT_NAT_DROPS);
			d->lost = true;
		}
		return;
	}
	d->to = to;
	pinhole = pinhole_of(&f->nodes[to].nat, &d->source);
	d->lost = !pinhole || pinhole->until_ms < now_ms(f);
	d->delay_us = 1000;
	if (d->lost)
		faults_count(f, FAULT_NAT_DROPS);
}

/* Behind a router nobody can be reached by a stream, neither inside nor, without a mapping,
 * outside. */
static void nat_streams(void *arg, struct cluster_connection *connection)
{
	struct faults *f = arg;
	const struct nat *nat = &f->nodes[connection->from].nat;
	int to = cluster_node_at(f->cluster, &connection->destination);

	if (nat->on)
		connection->source.ip = nat->outside.ip;
	if (to < 0 || !f->nodes[to].nat.on)
		return;
	connection->lost = true;
	faults_count(f, FAULT_NAT_REFUSALS);
}

static void rebind(struct faults *f, int node, int unused)
{
	struct nat *nat = &f->nodes[node].nat;
	unsigned next = ++f->nats;

	(void)unused;
	*nat = (struct nat){.on = true};
	nat->outside = (struct endpoint){
		.ip = {.family = 4, .b = {10, 250, (uint8_t)(next >> 8), (uint8_t)next}},
		.port = (uint16_t)(20000 + next)};
	/* half of them keep the address and change the port */
	if (next % 2)
		nat->outside.ip.b[3] = (uint8_t)node;
	faults_count(f, FAULT_REBINDINGS);
}

static void nat_off(struct faults *f, int node, int unused)
{
	(void)unused;
	f->nodes[node].nat.on = false;
}

static bool put_behind_nat(struct faults *f)
{
	int node = faults_any(f);
	int64_t ms = faults_span_ms(f, 2000, 40000);

	if (node < 0 || f->nodes[node].nat.on)
		return false;
	rebind(f, node, 0);
	for (int64_t at = faults_span_ms(f, 1000, 20000); at < ms;
		at += faults_span_ms(f, 1000, 20000))
		faults_repair_in(f, at, rebind, node, 0);
	faults_repair_in(f, ms, nat_off, node, 0);
	return true;
}

/* ---- each datagram ---- */

static void spoil(struct faults *f, struct cluster_datagram *d)
{
	if (chance(f, f->corrupt)) {
		d->bytes[rng_below(&f->net_rng, d->size)] ^=
			(uint8_t)(1 << rng_below(&f->net_rng, 8));
		faults_count(f, FAULT_CORRUPTED);
	}
	if (chance(f, f->truncate)) {
		d->size = (size_t)rng_below(&f->net_rng, d->size + 1);
		faults_count(f, FAULT_TRUNCATED);
	}
	if (chance(f, f->delay)) {
		d->delay_us += (int64_t)rng_below(&f->net_rng, (uint64_t)f->delay_most_us);
		faults_count(f, FAULT_DELAYED);
	}
}

static void filter(void *arg, struct cluster_datagram *d)
{
	struct faults *f = arg;

	if (f->nodes[d->from].nat.on)
		nat_out(f, &f->nodes[d->from].nat, d);
	nat_in(f, d);
	if (d->to < 0)
		return;
	if (f->clog[d->from][d->to]) {
		if (f->clogged_count < CLOGGED_MAX)
			keep(&f->clogged[f->clogged_count++], d);
		d->lost = true;
	}
	if (d->lost)
		return;
	if (chance(f, f->replay))
		keep(&f->caught[f->caught_count++ % CAUGHT_MAX], d);
	if (chance(f, f->replay))
		replay(f);
	spoil(f, d);
}

/* ---- paths ---- */

static void unclog(struct faults *f, int a, int b)
{
	size_t left = 0;

	f->clog[a][b] = false;
	cluster_cut(f->cluster, a, b, false);
	for (size_t i = 0; i < f->clogged_count; i++) {
		const struct kept_datagram *one = &f->clogged[i];

		if (one->from == a && one->to == b)
			cluster_inject(f->cluster, b, &one->source, one->bytes, one->size);
		else
			f->clogged[left++] = *one;
	}
	f->clogged_count = left;
}

static void clog_path(struct faults *f, int a, int b)
{
	if (f->clog[a][b])
		return;
	f->clog[a][b] = true;
	cluster_cut(f->cluster, a, b, true); /* what is on streams waits as well */
	faults_count(f, FAULT_CLOGS);
}

/* A random subset of the paths, one by one; open again in another order. */
static bool swizzle(struct faults *f)
{
	int count = cluster_count(f->cluster), paths = 1 + faults_below(f, 2 * count);
	int64_t close_ms = 0, open_ms = faults_span_ms(f, 500, 20000);

	for (int i = 0; i < paths; i++) {
		int a = faults_below(f, count), b = faults_below(f, count);

		if (a == b)
			continue;
		close_ms += faults_below(f, 500);
		faults_repair_in(f, close_ms, clog_path, a, b);
		faults_repair_in(f, close_ms + open_ms + faults_below(f, 5000), unclog, a, b);
	}
	return true;
}

static void whole(struct faults *f, int a, int b)
{
	if (a < 0) {
		for (int i = 0; i < cluster_count(f->cluster); i++)
			cluster_group(f->cluster, i, 0);
		return;
	}
	cluster_cut(f->cluster, a, b, f->clog[a][b]);
	cluster_cut_udp(f->cluster, a, b, false);
}

static bool part(struct faults *f)
{
	int count = cluster_count(f->cluster), alone = faults_below(f, count);
	bool isolate = f->enabled[FAULT_ISOLATIONS] &&
		       (!f->enabled[FAULT_PARTITIONS] || faults_chance(f, 0.5));

	for (int i = 0; i < count; i++)
		cluster_group(f->cluster, i, isolate ? i == alone : faults_below(f, 2));
	faults_count(f, isolate ? FAULT_ISOLATIONS : FAULT_PARTITIONS);
	faults_repair_in(f, faults_span_ms(f, 500, 40000), whole, -1, 0);
	return true;
}

static bool cut_some(struct faults *f, bool udp)
{
	int count = cluster_count(f->cluster), paths = 1 + faults_below(f, count);

	for (int i = 0; i < paths; i++) {
		int a = faults_below(f, count), b = faults_below(f, count);

		if (a == b)
			continue;
		if (udp)
			cluster_cut_udp(f->cluster, a, b, true);
		else
			cluster_cut(f->cluster, a, b, true);
		faults_count(f, udp ? FAULT_UDP_CUTS : FAULT_ONE_WAY_CUTS);
		faults_repair_in(f, faults_span_ms(f, 500, 30000), whole, a, b);
	}
	return true;
}

bool faults_net(struct faults *f)
{
	switch (faults_below(f, 5)) {
	case 0:
		return f->enabled[FAULT_CLOGS] && swizzle(f);
	case 1:
		return (f->enabled[FAULT_PARTITIONS] || f->enabled[FAULT_ISOLATIONS]) && part(f);
	case 2:
		return f->enabled[FAULT_ONE_WAY_CUTS] && cut_some(f, false);
	case 3:
		return f->enabled[FAULT_UDP_CUTS] && cut_some(f, true);
	default:
		return f->enabled[FAULT_REBINDINGS] && put_behind_nat(f);
	}
}

/* ---- from calm to calm ---- */

static double some(struct faults *f, enum fault fault, double most)
{
	return f->enabled[fault] ? most * faults_below(f, 1000) / 1000 : 0;
}

void faults_net_begin(struct faults *f)
{
	struct cluster_options weather = {.seed = f->sim->options.seed,
		.loss = faults_chance(f, 0.7) ? 0.3 * faults_below(f, 1000) / 1000 : 0,
		.duplication = faults_chance(f, 0.5) ? 0.3 * faults_below(f, 1000) / 1000 : 0,
		.latency_min_ms = faults_below(f, 20),
		.disk_ms = 1 + faults_below(f, 30),
		.mechanisms = f->sim->options.mechanisms};

	weather.latency_max_ms = weather.latency_min_ms + faults_below(f, 100);
	cluster_weather(f->cluster, &weather);
	f->corrupt = some(f, FAULT_CORRUPTED, 0.1);
	f->truncate = some(f, FAULT_TRUNCATED, 0.1);
	f->replay = some(f, FAULT_REPLAYED, 0.3);
	f->delay = some(f, FAULT_DELAYED, 0.2);
	f->delay_most_us = faults_span_ms(f, 50, 5000) * 1000;
	f->clogged = calloc(CLOGGED_MAX, sizeof(*f->clogged));
	assert(f->clogged);
	cluster_filter_datagrams(f->cluster, filter, f);
	cluster_filter_connections(f->cluster, nat_streams, f);
}

void faults_net_end(struct faults *f)
{
	struct cluster_options weather = {.seed = f->sim->options.seed,
		.latency_max_ms = 5,
		.disk_ms = 1,
		.mechanisms = f->sim->options.mechanisms};
	int count = cluster_count(f->cluster);

	cluster_weather(f->cluster, &weather);
	whole(f, -1, 0);
	for (int a = 0; a < count; a++) {
		f->nodes[a].nat.on = false;
		for (int b = 0; b < count; b++) {
			if (f->clog[a][b])
				unclog(f, a, b);
			if (a != b)
				whole(f, a, b);
		}
	}
	cluster_filter_datagrams(f->cluster, NULL, NULL);
	cluster_filter_connections(f->cluster, NULL, NULL);
	free(f->clogged);
	f->clogged = NULL;
}
