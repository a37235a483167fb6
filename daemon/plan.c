#include "daemon/plan.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sodium.h>

#include "gossip/trust/address.h"
#include "wg/array.h"
#include "wg/net_link.h"

/* One who may be a peer; sorted copies of pointers to them find clashes. */
struct entry {
	struct id id;
	uint64_t stamp; /* of its admission: the older one keeps what two claim */
	bool self, out;
	struct prefix addresses[PLAN_ADDRESSES]; /* family 0: not its own */
	struct wg_peer peer;			 /* by the key that it uses */
	/* While it rotates: by the other one, without addresses. */
	bool has_other;
	struct wg_peer other;
	uint8_t announced[WG_KEY_SIZE]; /* one of the two */
};

struct key_claim {
	const uint8_t *key;
	struct entry *entry;
	bool other;
};

struct claim {
	struct prefix prefix;
	struct entry *entry;
	struct prefix *source;
};

struct builder {
	const struct plan_input *input;
	struct plan plan;
	struct entry *entries;
	size_t count, capacity, others;
};

uint16_t plan_mtu(uint16_t configured, uint32_t underlay_mtu)
{
	if (configured)
		return configured;
	if (underlay_mtu < PLAN_MTU_MIN + PLAN_OVERHEAD_MTU)
		return PLAN_MTU_MIN; /* WireGuard's own packets are fragmented then */
	if (underlay_mtu - PLAN_OVERHEAD_MTU > UINT16_MAX)
		return UINT16_MAX;
	return underlay_mtu - PLAN_OVERHEAD_MTU;
}

static struct prefix host_prefix(const struct ip *ip)
{
	struct prefix prefix = {.ip = *ip, .bits = ip->family == 4 ? 32 : 128};

	if (!ip->family)
		prefix.bits = 0;
	return prefix;
}

static struct entry *add_entry(struct builder *builder)
{
	struct entry *grown = array_reserve_secret(
		builder->entries, builder->count + 1, sizeof(*grown), &builder->capacity);

	if (!grown)
		return NULL;
	builder->entries = grown;
	grown += builder->count++;
	memset(grown, 0, sizeof(*grown));
	return grown;
}

/* A tunnel inside itself reaches nobody. */
static bool outside_overlay(const struct builder *builder, const struct ip *ip)
{
	for (size_t i = 0; i < builder->plan.route_count; i++)
		if (builder->plan.routes[i].dst.ip.family == ip->family &&
			address_in_prefix(&builder->plan.routes[i].dst, ip))
			return false;
	return ip->family != 0;
}

/* A peer behind NAT that has not found out yet; one that has keeps the way open by itself. */
static bool seen_elsewhere(const struct gossip_member *member)
{
	if (!member->reached.ip.family || !member->has_descriptor)
		return false;
	for (size_t i = 0; i < member->descriptor.endpoint_count; i++)
		if (ip_equal(&member->descriptor.endpoints[i].ip, &member->reached.ip))
			return false;
	return true;
}

static const struct wg_peer *observed(const struct builder *builder, const uint8_t *key)
{
	return builder->input->have ? wg_device_peer(builder->input->have, key) : NULL;
}

static int choose_endpoint(const struct builder *builder, struct paths *paths, mtime_t now,
	const struct gossip_member *member, struct wg_peer *peer)
{
	struct endpoint candidates[GOSSIP_CANDIDATES_MAX];
	struct paths_belief belief = {.node = member->standing->id,
		.candidates = candidates,
		.claims = member->descriptor.endpoints,
		.claim_count = member->descriptor.endpoint_count};
	struct paths_choice choice;
	int err;

	memcpy(belief.wireguard_public, peer->public_key, WG_KEY_SIZE);
	for (size_t i = 0; i < member->candidate_count; i++)
		if (outside_overlay(builder, &member->candidates[i].ip))
			candidates[belief.candidate_count++] = member->candidates[i];
	belief.reached = member->reached.ip.family && belief.candidate_count &&
			 ip_equal(&candidates[0].ip, &member->reached.ip);
	belief.added = builder->input->have && !observed(builder, peer->public_key);
	err = paths_choose(paths, now, &belief, &choice);
	if (err)
		return err;
	peer->endpoint = choice.endpoint;
	peer->endpoint_set = choice.set;
	/* WireGuard sends the first one at once. */
	if (choice.wake)
		peer->keepalive_s = PLAN_KEEPALIVE_S;
	if (choice.quiet)
		peer->keepalive_s = 0;
	return 0;
}

static void set_keys(struct wg_peer *peer, const uint8_t *public_key, const uint8_t *preshared_key)
{
	memcpy(peer->public_key, public_key, WG_KEY_SIZE);
	memcpy(peer->preshared_key, preshared_key, WG_KEY_SIZE);
}

/* By the current key, until a handshake by the announced one shows that the member has switched: no
 * other could have made it. */
static void choose_keys(
	struct builder *builder, const struct gossip_member *member, struct entry *entry)
{
	const struct wg_peer *next;

	set_keys(&entry->peer, member->wireguard_public, member->preshared);
	if (!member->has_next)
		return;
	entry->has_other = true;
	builder->others++;
	memcpy(entry->announced, member->next_public, WG_KEY_SIZE);
	set_keys(&entry->other, member->next_public, member->next_preshared);
	next = observed(builder, member->next_public);
	if (next && next->last_handshake.ms) {
		entry->other = entry->peer;
		set_keys(&entry->peer, member->next_public, member->next_preshared);
	}
}

/* Where the member is reached by the key in use it will be reached by the next one. */
static void place_other(const struct builder *builder, struct entry *entry)
{
	const struct wg_peer *used = observed(builder, entry->peer.public_key);
	const struct wg_peer *other = observed(builder, entry->other.public_key);

	entry->other.endpoint = used && used->endpoint.ip.family && !entry->peer.endpoint_set
					? used->endpoint
					: entry->peer.endpoint;
	/* WireGuard has learned none for it, as nobody uses it yet. */
	entry->other.endpoint_set = other && !other->last_handshake.ms;
}

static int add_member(struct builder *builder, struct paths *paths, mtime_t now,
	const struct gossip_member *member)
{
	struct entry *entry;
	int err;

	if (member->standing->standing != AUTHORITY_MEMBER || member->self)
		return 0;
	if (!member->has_wireguard) {
		builder->plan.unready +=
			member->has_descriptor && member->descriptor.wireguard_port;
		return 0;
	}
	entry = add_entry(builder);
	if (!entry)
		return ERR_NOMEM;
	entry->id = member->standing->id;
	entry->stamp = member->standing->stamp;
	entry->addresses[0] = host_prefix(&member->address6);
	entry->addresses[1] = host_prefix(&member->address4);
	choose_keys(builder, member, entry);
	if (builder->input->behind_nat || seen_elsewhere(member))
		entry->peer.keepalive_s = PLAN_KEEPALIVE_S;
	err = choose_endpoint(builder, paths, now, member, &entry->peer);
	if (!err && entry->has_other)
		place_other(builder, entry);
	return err;
}

static int add_members(struct builder *builder, struct paths *paths, mtime_t now)
{
	struct gossip_member member;
	size_t index = 0;
	int err = 0;

	while (!err && builder->input->next_member(builder->input->source, &index, &member)) {
		err = add_member(builder, paths, now, &member);
		gossip_member_wipe(&member);
	}
	return err;
}

/* What this node has cannot be a peer's as well. */
static int add_self(struct builder *builder)
{
	const struct gossip_status *status = builder->input->status;
	struct plan *plan = &builder->plan;
	struct entry *self = add_entry(builder);

	if (!self)
		return ERR_NOMEM;
	self->self = true;
	self->id = status->node;
	self->addresses[0] = host_prefix(&status->address6);
	self->addresses[1] = host_prefix(&status->address4);
	memcpy(self->peer.public_key, builder->input->public_key, WG_KEY_SIZE);
	for (size_t i = 0; i < PLAN_ADDRESSES; i++)
		if (self->addresses[i].ip.family)
			plan->addresses[plan->address_count++] = self->addresses[i];
	return 0;
}

static int compare_rank(const struct entry *a, const struct entry *b)
{
	if (a->self != b->self)
		return a->self ? -1 : 1;
	if (a->stamp != b->stamp)
		return a->stamp < b->stamp ? -1 : 1;
	return memcmp(&a->id, &b->id, sizeof(a->id));
}

static int compare_keys(const void *left, const void *right)
{
	const struct key_claim *a = left, *b = right;
	int order = memcmp(a->key, b->key, WG_KEY_SIZE);

	if (order)
		return order;
	if (a->other != b->other)
		return a->other ? 1 : -1;
	return compare_rank(a->entry, b->entry);
}

/* WireGuard has one peer for a key. Each proof is made by the key's owner, so two nodes with one
 * key are one operator's doing; it must not stop anybody else's overlay. */
static int settle_keys(struct builder *builder)
{
	struct key_claim *claims = calloc(builder->count + builder->others, sizeof(*claims));
	size_t count = 0;

	if (!claims)
		return ERR_NOMEM;
	for (size_t i = 0; i < builder->count; i++) {
		struct entry *entry = &builder->entries[i];

		claims[count++] = (struct key_claim){entry->peer.public_key, entry, false};
		if (entry->has_other)
			claims[count++] = (struct key_claim){entry->other.public_key, entry, true};
	}
	qsort(claims, count, sizeof(*claims), compare_keys);
	for (size_t i = 1; i < count; i++) {
		if (memcmp(claims[i].key, claims[i - 1].key, WG_KEY_SIZE) != 0)
			continue;
		if (claims[i].other)
			claims[i].entry->has_other = false;
		else
			claims[i].entry->out = true;
		builder->plan.clashes++;
	}
	free(claims);
	return 0;
}

static int compare_claims(const void *left, const void *right)
{
	const struct claim *a = left, *b = right;
	int order = memcmp(&a->prefix, &b->prefix, sizeof(a->prefix));

	return order ? order : compare_rank(a->entry, b->entry);
}

/* One address is one peer's: given to two, it would move to and fro. */
static int settle_addresses(struct builder *builder)
{
	struct claim *claims;
	size_t count = 0;

	assert(builder->count); /* this node, at least */
	claims = calloc(builder->count * PLAN_ADDRESSES, sizeof(*claims));
	if (!claims)
		return ERR_NOMEM;
	for (size_t i = 0; i < builder->count; i++) {
		struct entry *entry = &builder->entries[i];

		for (size_t k = 0; k < PLAN_ADDRESSES && !entry->out; k++)
			if (entry->addresses[k].ip.family)
				claims[count++] = (struct claim){
					entry->addresses[k], entry, &entry->addresses[k]};
	}
	qsort(claims, count, sizeof(*claims), compare_claims);
	for (size_t i = 1; i < count; i++) {
		if (memcmp(&claims[i].prefix, &claims[i - 1].prefix, sizeof(struct prefix)) != 0)
			continue;
		*claims[i].source = (struct prefix){0};
		builder->plan.clashes++;
	}
	free(claims);
	return 0;
}

static int put_peer(struct wg_device *device, const struct entry *entry)
{
	struct wg_peer *peer;
	int err = wg_device_add_peer(device, entry->peer.public_key, &peer);

	if (err)
		return err;
	*peer = entry->peer; /* it owns nothing yet */
	for (size_t i = 0; i < PLAN_ADDRESSES && !err; i++)
		if (entry->addresses[i].ip.family)
			err = wg_peer_add_allowed(peer, &entry->addresses[i]);
	return err;
}

/* Beside those in use, as far as there is room: who lacks one finds it when it is in use. */
static int put_others(struct builder *builder)
{
	struct wg_device *device = &builder->plan.device;
	struct wg_peer *peer;
	int err = 0;

	if (!builder->others)
		return 0;
	builder->plan.nexts = calloc(builder->others, sizeof(*builder->plan.nexts));
	if (!builder->plan.nexts)
		return ERR_NOMEM;
	for (size_t i = 0; i < builder->count && !err; i++) {
		const struct entry *entry = &builder->entries[i];
		struct plan_next *next = &builder->plan.nexts[builder->plan.next_count];

		if (!entry->has_other || entry->out || device->peer_count == WG_PEERS_MAX)
			continue;
		err = wg_device_add_peer(device, entry->other.public_key, &peer);
		if (err)
			break;
		*peer = entry->other; /* it owns nothing */
		next->node = entry->id;
		next->used = memcmp(entry->peer.public_key, entry->announced, WG_KEY_SIZE) == 0;
		memcpy(next->key, entry->announced, WG_KEY_SIZE);
		builder->plan.next_count++;
	}
	return err;
}

static int put_device(struct builder *builder)
{
	const struct plan_input *input = builder->input;
	struct wg_device *device = &builder->plan.device;
	int err = 0;

	strncpy(device->name, input->interface, sizeof(device->name) - 1);
	memcpy(device->private_key, input->private_key, WG_KEY_SIZE);
	memcpy(device->public_key, input->public_key, WG_KEY_SIZE);
	device->listen_port = input->listen_port;
	for (size_t i = 0; i < builder->count && !err; i++)
		if (!builder->entries[i].self && !builder->entries[i].out)
			err = put_peer(device, &builder->entries[i]);
	if (!err)
		err = put_others(builder);
	return err ? err : wg_device_seal(device);
}

static void put_routes(struct builder *builder)
{
	const struct gossip_status *status = builder->input->status;
	struct plan *plan = &builder->plan;

	if (status->charter.prefix6.ip.family && status->address6.family)
		plan->routes[plan->route_count++] =
			(struct net_route_want){.dst = status->charter.prefix6};
	if (status->charter.prefix4.ip.family && status->address4.family)
		plan->routes[plan->route_count++] =
			(struct net_route_want){.dst = status->charter.prefix4};
}

static void put_mark(struct builder *builder)
{
	char id[TEXT_ID_SIZE];

	text_id(&builder->input->status->node, id);
	snprintf(builder->plan.mark, sizeof(builder->plan.mark), NET_LINK_MARK "%.16s", id);
}

static int build(struct builder *builder, struct paths *paths, mtime_t now)
{
	int err;

	builder->plan.up = true;
	put_mark(builder);
	builder->plan.mtu = plan_mtu(builder->input->mtu, builder->input->underlay_mtu);
	put_routes(builder);
	err = add_self(builder);
	if (!err)
		err = add_members(builder, paths, now);
	if (!err)
		err = settle_keys(builder);
	if (!err)
		err = settle_addresses(builder);
	return err ? err : put_device(builder);
}

int plan_make(const struct plan_input *input, struct paths *paths, mtime_t now, struct plan *ret)
{
	struct builder builder = {.input = input};
	int err = 0;

	paths_begin(paths);
	if (input->status->state == GOSSIP_RUNNING)
		err = build(&builder, paths, now);
	if (builder.entries)
		sodium_memzero(builder.entries, builder.count * sizeof(*builder.entries));
	free(builder.entries);
	if (err) {
		plan_done(&builder.plan);
		return err;
	}
	paths_end(paths);
	*ret = builder.plan;
	sodium_memzero(&builder.plan, sizeof(builder.plan));
	return 0;
}

void plan_done(struct plan *plan)
{
	wg_device_done(&plan->device);
	free(plan->nexts);
	*plan = (struct plan){0};
}
