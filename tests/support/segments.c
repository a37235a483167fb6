#include "tests/support/segments.h"

#include <stdio.h>
#include <stdlib.h>

#define STEP_MS 50

static void must(struct cluster *c, int node, int err, const char *what)
{
	if (err == 0)
		return;
	fprintf(stderr, "n%d cannot %s: %s (%s)\n", node, what, err_text(err),
		gossip_error(cluster_core(c, node)));
	abort();
}

void segments_enable(struct cluster *c)
{
	for (int i = 0; i < cluster_count(c); i++) {
		if (!cluster_is_up(c, i))
			continue;
		gossip_segments_enable(cluster_core(c, i), cluster_node_time(c, i), true);
		cluster_drain(c, i);
	}
}

void segments_create(struct cluster *c, int node, const char *name, const struct segment *segment)
{
	uint64_t ticket;

	must(c, node,
		gossip_segment_create(
			cluster_core(c, node), cluster_node_time(c, node), name, segment, &ticket),
		"create a segment");
	cluster_drain(c, node);
}

void segments_delete(struct cluster *c, int node, const char *name)
{
	uint64_t ticket;

	must(c, node,
		gossip_segment_delete(
			cluster_core(c, node), cluster_node_time(c, node), name, &ticket),
		"delete a segment");
	cluster_drain(c, node);
}

void segments_attach(struct cluster *c, int node, const char *name)
{
	must(c, node,
		gossip_segment_attach(cluster_core(c, node), cluster_node_time(c, node), name),
		"attach");
	cluster_drain(c, node);
}

void segments_detach(struct cluster *c, int node, const char *name)
{
	must(c, node,
		gossip_segment_detach(cluster_core(c, node), cluster_node_time(c, node), name),
		"detach");
	cluster_drain(c, node);
}

int segments_members(struct cluster *c, int node, const char *name)
{
	struct gossip_segment segment;

	return gossip_segment(cluster_core(c, node), name, &segment) ? (int)segment.members : -1;
}

/* ---- bridges ---- */

static bool all_attached(struct cluster *c, void *unused)
{
	(void)unused;
	for (int i = 0; i < cluster_count(c); i++) {
		if (segments_members(c, i, SEGMENTS_NAME) != cluster_count(c))
			return false;
	}
	return true;
}

static bool all_know(struct cluster *c, void *unused)
{
	(void)unused;
	for (int i = 0; i < cluster_count(c); i++) {
		if (segments_members(c, i, SEGMENTS_NAME) < 0)
			return false;
	}
	return true;
}

struct segments *segments_new(const struct cluster_options *options, int count, bool flood)
{
	struct segments *lan = calloc(1, sizeof(*lan));
	struct segment segment = {.vni = SEGMENTS_VNI, .flood = flood};

	if (!lan || count > SEGMENTS_NODES)
		abort();
	lan->c = cluster_new(options);
	cluster_mesh(lan->c, count);
	cluster_run(lan->c, 3000);
	segments_enable(lan->c);
	segments_create(lan->c, 0, SEGMENTS_NAME, &segment);
	if (!cluster_wait(lan->c, 30000, all_know, NULL))
		abort();
	for (int i = 0; i < count; i++)
		segments_attach(lan->c, i, SEGMENTS_NAME);
	if (!cluster_wait(lan->c, 30000, all_attached, NULL))
		abort();
	return lan;
}

void segments_free(struct segments *lan)
{
	cluster_free(lan->c);
	free(lan);
}

void segments_mac(unsigned host, uint8_t ret[6])
{
	const uint8_t mac[6] = {2, 0, 0, 0, (uint8_t)(host >> 8), (uint8_t)host};

	memcpy(ret, mac, sizeof(mac));
}

static struct gossip_host seen_host(unsigned host, bool fresh)
{
	struct gossip_host ret = {.fresh = fresh, .ip_count = 1};

	segments_mac(host, ret.mac);
	ret.ips[0] = (struct ip){4, {192, 0, (uint8_t)(host >> 8), (uint8_t)host}};
	return ret;
}

void segments_tell(struct segments *lan, int node, int fresh)
{
	static struct gossip_host hosts[SEGMENTS_HOSTS];
	size_t count = 0;

	for (unsigned i = 0; i < SEGMENTS_HOSTS; i++) {
		if (lan->here[node][i])
			hosts[count++] = seen_host(i, (int)i == fresh);
	}
	gossip_macs_set(cluster_core(lan->c, node), cluster_node_time(lan->c, node), SEGMENTS_VNI,
		hosts, count);
	cluster_drain(lan->c, node);
}

struct gossip_mac segments_look(struct cluster *c, int node, unsigned host)
{
	struct gossip_mac ret = {.ip_count = 0};
	uint8_t mac[6];

	segments_mac(host, mac);
	(void)gossip_mac(cluster_core(c, node), SEGMENTS_VNI, mac, &ret);
	return ret;
}

int segments_holder(struct cluster *c, int node, unsigned host)
{
	struct gossip_mac mac;
	uint8_t key[6];

	segments_mac(host, key);
	return gossip_mac(cluster_core(c, node), SEGMENTS_VNI, key, &mac)
		       ? cluster_node_of(c, &mac.holder)
		       : -1;
}

/* What is frozen elsewhere is a sticky entry, which no frame moves. */
void segments_hear(struct segments *lan, int node, unsigned host)
{
	struct gossip_mac mac = segments_look(lan->c, node, host);
	bool known = segments_holder(lan->c, node, host) >= 0;

	if (known && mac.frozen && !mac.self)
		return;
	lan->here[node][host] = true;
	segments_tell(lan, node, (int)host);
}

void segments_forget(struct segments *lan, int node, unsigned host)
{
	lan->here[node][host] = false;
	segments_tell(lan, node, -1);
}

/* The entries that its node has the kernel install take the place of what was learnt. */
static void follow(struct segments *lan, int node)
{
	bool changed = false;

	for (unsigned i = 0; i < SEGMENTS_HOSTS; i++) {
		int holder = lan->here[node][i] ? segments_holder(lan->c, node, i) : node;

		if (holder == node || holder < 0)
			continue;
		lan->here[node][i] = false;
		changed = true;
	}
	if (changed)
		segments_tell(lan, node, -1);
}

static void step(struct segments *lan)
{
	cluster_run(lan->c, STEP_MS);
	for (int i = 0; i < cluster_count(lan->c); i++) {
		if (cluster_is_up(lan->c, i))
			follow(lan, i);
	}
}

void segments_run(struct segments *lan, int64_t ms)
{
	for (int64_t at = 0; at < ms; at += STEP_MS)
		step(lan);
}

bool segments_wait(struct segments *lan, int64_t most_ms,
	bool (*condition)(struct segments *lan, void *arg), void *arg)
{
	for (int64_t at = 0; at < most_ms; at += STEP_MS) {
		if (condition(lan, arg))
			return true;
		step(lan);
	}
	return condition(lan, arg);
}

/* ---- what can be asked ---- */

static bool is_attached(struct cluster *c, int node)
{
	struct gossip_segment segment;

	return cluster_is_up(c, node) &&
	       gossip_segment(cluster_core(c, node), SEGMENTS_NAME, &segment) && segment.attached;
}

static bool is_equal(const struct gossip_mac *a, const struct gossip_mac *b)
{
	return id_equal(&a->holder, &b->holder) && a->sequence == b->sequence &&
	       a->frozen == b->frozen && a->ip_count == b->ip_count &&
	       memcmp(a->ips, b->ips, a->ip_count * sizeof(a->ips[0])) == 0;
}

/* Each of its MACs is where the other has it. */
static bool is_part_of(struct cluster *c, int node, int other)
{
	struct gossip_mac mac, its;
	struct gossip_member member;
	size_t at = 0;

	while (gossip_mac_next(cluster_core(c, node), SEGMENTS_VNI, &at, &mac)) {
		if (!gossip_mac(cluster_core(c, other), SEGMENTS_VNI, mac.mac, &its) ||
			!is_equal(&mac, &its))
			return false;
		if (!gossip_member(cluster_core(c, node), &mac.holder, &member) ||
			(!member.self && !descriptor_has_segment(&member.descriptor, SEGMENTS_VNI)))
			return false;
	}
	return true;
}

bool segments_agree(struct segments *lan, void *unused)
{
	struct cluster *c = lan->c;
	int first = -1;

	(void)unused;
	for (int i = 0; i < cluster_count(c); i++) {
		if (!is_attached(c, i))
			continue;
		if (first >= 0 && (!is_part_of(c, i, first) || !is_part_of(c, first, i)))
			return false;
		first = first < 0 ? i : first;
	}
	return true;
}

bool segments_all_see(struct segments *lan, void *arg)
{
	const struct segments_at *at = arg;

	for (int i = 0; i < cluster_count(lan->c); i++) {
		if (is_attached(lan->c, i) && segments_holder(lan->c, i, at->host) != at->node)
			return false;
	}
	return true;
}
