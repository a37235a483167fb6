#include "tests/support/cluster_internal.h"

#define UNIT_US 50 /* of any way through two kernels and a wire, besides the latency */

mtime_t net_arrival(struct cluster *c)
{
	int64_t span_us = (c->options.latency_max_ms - c->options.latency_min_ms) * INT64_C(1000);

	return mtime_add_us(c->now, c->options.latency_min_ms * INT64_C(1000) +
					    (int64_t)rng_below(&c->rng, (uint64_t)span_us + 1) +
					    UNIT_US);
}

bool net_chance(struct cluster *c, double p)
{
	return p > 0 && (double)rng_below(&c->rng, 1000000) < p * 1e6;
}

/* Linux: the buffer's own structures (sk_buff and skb_shared_info, 576 bytes) and room for headers,
 * in powers of two. */
size_t net_truesize(size_t size)
{
	return size <= 640 ? 1280 : 2304;
}

/* ---- cuts ---- */

static struct cut *cut_between(struct cluster *c, int a, int b)
{
	uint64_t pair = (uint64_t)(unsigned)a << 32 | (unsigned)b;
	struct cut *cut = map_get(&c->cuts, &pair);
	int err;

	if (!cut) {
		cut = calloc(1, sizeof(*cut));
		assert(cut);
		cut->pair = pair;
		err = map_put(&c->cuts, &cut->pair, cut);
		assert(err == 0);
		(void)err;
	}
	return cut;
}

static void forget_if_whole(struct cluster *c, struct cut *cut)
{
	if (cut->all || cut->udp)
		return;
	map_del(&c->cuts, &cut->pair);
	free(cut);
}

void cluster_cut(struct cluster *c, int a, int b, bool cut)
{
	struct cut *between = cut_between(c, a, b);

	between->all = cut;
	forget_if_whole(c, between);
}

void cluster_cut_udp(struct cluster *c, int a, int b, bool cut)
{
	struct cut *between = cut_between(c, a, b);

	between->udp = cut;
	forget_if_whole(c, between);
}

void cluster_group(struct cluster *c, int node, int group)
{
	c->nodes[node]->group = group;
	c->grouped = true;
}

bool net_is_cut(const struct cluster *c, int from, int to, bool udp)
{
	uint64_t pair = (uint64_t)(unsigned)from << 32 | (unsigned)to;
	const struct cut *cut = c->cuts.count ? map_get(&c->cuts, &pair) : NULL;

	if (c->grouped && c->nodes[from]->group != c->nodes[to]->group)
		return true;
	return cut && (cut->all || (udp && cut->udp));
}

/* ---- datagrams ---- */

void cluster_filter_datagrams(struct cluster *c, cluster_filter filter, void *arg)
{
	c->filter = filter;
	c->filter_arg = arg;
}

static void deliver(struct cluster *c, const struct cluster_datagram *d, mtime_t at)
{
	struct event *event = queue_add(c, at, EVENT_DATAGRAM, d->to, d->bytes, d->size);

	event->from = d->source;
	event->from_node = d->from;
}

/* Through here passes every datagram. */
void net_send(struct cluster *c, int from, const struct gossip_effect *effect)
{
	uint8_t bytes[CLUSTER_DATAGRAM_MAX];
	struct cluster_datagram d = {.from = from,
		.to = cluster_node_at(c, &effect->endpoint),
		.source = cluster_endpoint(c, from),
		.destination = effect->endpoint,
		.bytes = bytes,
		.size = effect->size};

	assert(effect->size <= sizeof(bytes));
	memcpy(bytes, effect->bytes, effect->size);
	c->counts.datagrams++;
	c->counts.bytes += effect->size;
	d.lost = d.to < 0 || net_is_cut(c, from, d.to, true) || net_chance(c, c->options.loss);
	if (!d.lost) {
		d.delay_us = mtime_diff_us(net_arrival(c), c->now);
		d.copies = net_chance(c, c->options.duplication);
	}
	if (c->filter)
		c->filter(c->filter_arg, &d);
	if (d.lost || d.to < 0) {
		c->counts.lost++;
		return;
	}
	deliver(c, &d, mtime_add_us(c->now, d.delay_us));
	c->counts.duplicated += d.copies;
	for (; d.copies; d.copies--)
		deliver(c, &d, net_arrival(c));
}

void cluster_inject(
	struct cluster *c, int to, const struct endpoint *source, const void *bytes, size_t size)
{
	queue_add(c, c->now, EVENT_DATAGRAM, to, bytes, size)->from = *source;
}
