#include "daemon/plan_l2.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sodium.h>

#include "gossip/base/pack.h"
#include "wg/array.h"

#define MAC_LABEL "meshd l2 mac"

/* A member, as far as segments ask; sorted by id. */
struct entry {
	struct id id;
	struct ip address4, address6;
	bool self, gone;
	size_t segment_count;
	uint32_t segments[DESCRIPTOR_SEGMENTS_MAX];
};

struct builder {
	const struct plan_l2_input *input;
	mtime_t now;
	struct plan_l2 plan;
	size_t capacity;
	struct entry *entries;
	size_t entry_count, entry_capacity;
};

void plan_l2_mark(const char *interface, char ret_mark[NET_MARK_SIZE])
{
	snprintf(ret_mark, NET_MARK_SIZE, NET_LINK_MARK "l2 %.15s", interface);
}

/* Locally administered, and the same for as long as the node is the same: what others have learned
 * of it stays true over a restart, and its link-local address with it. */
static struct mac derive_mac(const struct id *node, uint32_t vni, uint8_t which)
{
	uint8_t hash[crypto_generichash_BYTES_MIN];
	uint8_t bytes[sizeof(*node) + sizeof(vni) + 1];
	crypto_generichash_state state;
	struct mac mac;

	memcpy(bytes, node, sizeof(*node));
	for (size_t i = 0; i < sizeof(vni); i++)
		bytes[sizeof(*node) + i] = vni >> (8 * i);
	bytes[sizeof(bytes) - 1] = which;
	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	crypto_generichash_update(&state, (const uint8_t *)MAC_LABEL, sizeof(MAC_LABEL));
	crypto_generichash_update(&state, bytes, sizeof(bytes));
	crypto_generichash_final(&state, hash, sizeof(hash));
	memcpy(&mac, hash, sizeof(mac));
	mac.b[0] = (mac.b[0] & 0xfc) | 2;
	return mac;
}

/* ---- members ---- */

static int add_entry(struct builder *builder, const struct gossip_member *member)
{
	struct entry *grown, *entry;

	if (member->standing->standing != AUTHORITY_MEMBER || !member->has_descriptor ||
		!member->descriptor.segment_count)
		return 0;
	grown = array_reserve(builder->entries, builder->entry_count + 1, sizeof(*grown),
		&builder->entry_capacity);
	if (!grown)
		return ERR_NOMEM;
	builder->entries = grown;
	entry = &grown[builder->entry_count++];
	*entry = (struct entry){.id = member->standing->id,
		.address4 = member->address4,
		.address6 = member->address6,
		.self = member->self,
		.gone = member->gone,
		.segment_count = member->descriptor.segment_count};
	memcpy(entry->segments, member->descriptor.segments,
		entry->segment_count * sizeof(*entry->segments));
	return 0;
}

static int collect(struct builder *builder)
{
	struct gossip_member member;
	size_t index = 0;
	int err = 0;

	while (!err && builder->input->next_member(builder->input->source, &index, &member)) {
		err = add_entry(builder, &member);
		gossip_member_wipe(&member);
	}
	return err;
}

static bool is_on(const struct entry *entry, uint32_t vni)
{
	for (size_t i = 0; i < entry->segment_count; i++)
		if (entry->segments[i] == vni)
			return true;
	return false;
}

static int compare_entries(const void *a, const void *b)
{
	return memcmp(
		&((const struct entry *)a)->id, &((const struct entry *)b)->id, sizeof(struct id));
}

static const struct entry *find_entry(const struct builder *builder, const struct id *id)
{
	const struct entry wanted = {.id = *id};

	return builder->entry_count ? bsearch(&wanted, builder->entries, builder->entry_count,
					      sizeof(wanted), compare_entries)
				    : NULL;
}

static bool lacks_ipv4(const struct builder *builder, uint32_t vni)
{
	if (!builder->input->status->address4.family)
		return true;
	for (size_t i = 0; i < builder->entry_count; i++)
		if (is_on(&builder->entries[i], vni) && !builder->entries[i].self &&
			!builder->entries[i].address4.family)
			return true;
	return false;
}

/* How long IPv6 is held, from the last time that somebody lacked IPv4. */
static uint32_t choose_hold(const struct plan_l2_segment *before, mtime_t now)
{
	if (!before || !before->lacked4.us ||
		mtime_reached(now, mtime_add_ms(before->lacked4, PLAN_L2_FORGET_MS)))
		return PLAN_L2_HOLD_MS;
	if (before->family == 6 || before->hold_ms == PLAN_L2_HOLD_MAX_MS)
		return before->hold_ms;
	return 2 * before->hold_ms;
}

static void choose_family(struct builder *builder, struct plan_l2_segment *segment, uint32_t vni)
{
	const struct plan_l2 *plan = builder->input->before;
	const struct plan_l2_segment *before = plan ? plan_l2_segment(plan, segment->name) : NULL;
	mtime_t *again_at = &builder->plan.again_at, until;

	segment->family = 6;
	segment->lacked4 = before ? before->lacked4 : MTIME_ZERO;
	segment->hold_ms = before ? before->hold_ms : 0;
	if (lacks_ipv4(builder, vni)) {
		segment->hold_ms = choose_hold(before, builder->now);
		segment->lacked4 = builder->now;
		return;
	}
	until = mtime_add_ms(segment->lacked4, segment->hold_ms);
	if (!segment->lacked4.us || mtime_reached(builder->now, until))
		segment->family = 4;
	else if (!again_at->us || mtime_before(until, *again_at))
		*again_at = until;
}

static const struct ip *address_of(const struct entry *entry, uint8_t family)
{
	return family == 4 ? &entry->address4 : &entry->address6;
}

static int add_bridge(struct plan_l2_segment *segment, const struct entry *entry)
{
	struct hold_member *grown = array_reserve(segment->bridges, segment->bridge_count + 1,
		sizeof(*grown), &segment->bridge_capacity);

	if (!grown)
		return ERR_NOMEM;
	segment->bridges = grown;
	grown[segment->bridge_count++] = (struct hold_member){
		.mac = derive_mac(&entry->id, segment->want.vni, 0), .id = entry->id};
	return 0;
}

static int put_members(struct builder *builder, struct plan_l2_segment *segment)
{
	uint32_t vni = segment->want.vni;
	int err = guard_want_vni(&builder->plan.guard, vni);

	for (size_t i = 0; i < builder->entry_count && !err; i++) {
		const struct entry *entry = &builder->entries[i];
		const struct ip *address = address_of(entry, segment->family);

		if (entry->self || !is_on(entry, vni))
			continue;
		if (entry->address4.family)
			err = guard_want_source(&builder->plan.guard, vni, &entry->address4);
		if (!err && entry->address6.family)
			err = guard_want_source(&builder->plan.guard, vni, &entry->address6);
		if (!err && !entry->gone && address->family)
			err = l2_want_member(&segment->want, address);
		if (!err && !entry->gone)
			err = add_bridge(segment, entry);
	}
	hold_sort(segment->bridges, segment->bridge_count);
	return err;
}

/* ---- hosts elsewhere ---- */

/* A table that is full takes no more; what is not in it is copied to everybody. */
static int unless_full(int err)
{
	return err == ERR_LIMIT ? 0 : err;
}

static int put_station(struct builder *builder, struct plan_l2_segment *segment,
	const struct gossip_mac *mac, const struct entry *member, bool bridge)
{
	int64_t known_ms = builder->input->wall.ms - mac->since.ms;
	struct l2_station station = {.member = *address_of(member, segment->family),
		.known = mtime_add_ms(builder->now, known_ms > 0 ? -known_ms : 0)};

	memcpy(&station.mac, mac->mac, sizeof(station.mac));
	/* whatever is heard of it here: over a LAN that both members have, perhaps */
	if (bridge)
		station.known = MTIME_NEVER;
	return unless_full(l2_want_station(&segment->want, &station));
}

static int put_neighbours(
	struct plan_l2_segment *segment, const struct gossip_mac *mac, bool silent)
{
	int err = 0;

	for (size_t i = 0; i < mac->ip_count && !err; i++) {
		struct l2_neighbour neighbour = {.ip = mac->ips[i], .silent = silent};

		memcpy(&neighbour.mac, mac->mac, sizeof(neighbour.mac));
		err = unless_full(l2_want_neighbour(&segment->want, &neighbour));
	}
	return err;
}

static bool takes_frames(const struct entry *member, const struct plan_l2_segment *segment)
{
	return member && !member->self && !member->gone && is_on(member, segment->want.vni) &&
	       address_of(member, segment->family)->family;
}

/* A host that several members claim to have (frozen) is flooded for: so frames get to where it is,
 * whoever lies. A member's bridge is at that member, whoever else claims it. */
static int put_mac(
	struct builder *builder, struct plan_l2_segment *segment, const struct gossip_mac *mac)
{
	const struct l2_want *want = &segment->want;
	const struct hold_member *bridge;
	const struct entry *member;
	const struct id *at;
	struct mac address;
	bool here, sure;
	int err = 0;

	memcpy(&address, mac->mac, sizeof(address));
	bridge = hold_find(segment->bridges, segment->bridge_count, &address);
	at = bridge ? &bridge->id : &mac->holder;
	member = find_entry(builder, at);
	here = mac->own || (mac->self && !bridge);
	sure = !mac->frozen && id_equal(at, &mac->holder);
	if (!here &&
		(!takes_frames(member, segment) || !mac_is_unicast(&address) ||
			mac_equal(&address, &want->mac) || mac_equal(&address, &want->vxlan_mac)))
		return 0;
	if (!here && (sure || bridge))
		err = put_station(builder, segment, mac, member, bridge != NULL);
	return err ? err : put_neighbours(segment, mac, here || !sure);
}

static int put_macs(struct builder *builder, struct plan_l2_segment *segment)
{
	struct gossip_mac mac;
	size_t index = 0;
	int err = 0;

	while (!err &&
		builder->input->next_mac(builder->input->source, segment->want.vni, &index, &mac))
		err = put_mac(builder, segment, &mac);
	return err;
}

/* ---- segments ---- */

static void put_attach(struct builder *builder, struct plan_l2_segment *segment)
{
	const struct attach *attach = builder->input->attach(builder->input->source, segment->name);

	_Static_assert(ATTACH_PORTS_MAX <= L2_PORTS_MAX, "ports");
	if (!attach)
		return; /* of one that attaches everybody, nothing more is known */
	segment->address_count = attach->address_count;
	memcpy(segment->addresses, attach->addresses, sizeof(segment->addresses));
	segment->want.port_count = attach->port_count;
	for (size_t i = 0; i < attach->port_count; i++)
		memcpy(segment->want.ports[i], attach->ports[i], NET_NAME_SIZE);
}

/* Until the members' are known, this node's own tells. */
static uint32_t choose_mtu(
	const struct builder *builder, const struct gossip_segment *known, uint8_t family)
{
	struct gossip_segment own = {.overlay_mtu = builder->input->mtu};
	uint16_t mtu = gossip_segment_mtu(known, family);

	return mtu ? mtu : gossip_segment_mtu(&own, family);
}

static int add_segment(struct builder *builder, const struct gossip_segment *known)
{
	const struct plan_l2_input *input = builder->input;
	struct plan_l2_segment *grown, *segment;
	struct l2_want *want;
	int err;

	grown = array_reserve(builder->plan.segments, builder->plan.count + 1, sizeof(*grown),
		&builder->capacity);
	if (!grown)
		return ERR_NOMEM;
	builder->plan.segments = grown;
	segment = &grown[builder->plan.count++];
	*segment = (struct plan_l2_segment){.lacked4 = MTIME_ZERO};
	memcpy(segment->name, known->name, sizeof(segment->name));
	choose_family(builder, segment, known->vni);
	want = &segment->want;
	want->vni = known->vni;
	snprintf(want->bridge, sizeof(want->bridge), "%s", known->name);
	snprintf(want->vxlan, sizeof(want->vxlan), "vx%u", known->vni & L2_VNI_MAX);
	plan_l2_mark(input->interface, want->mark);
	want->mac = derive_mac(&input->status->node, known->vni, 0);
	want->vxlan_mac = derive_mac(&input->status->node, known->vni, 1);
	want->local = segment->family == 4 ? input->status->address4 : input->status->address6;
	want->overlay = input->overlay;
	want->mtu = choose_mtu(builder, known, segment->family);
	want->flood = known->flood;
	want->stp = input->stp;
	put_attach(builder, segment);
	err = put_members(builder, segment);
	if (!err && !known->flood)
		err = put_macs(builder, segment);
	l2_want_seal(want);
	return err;
}

static int add_segments(struct builder *builder)
{
	struct gossip_segment known;
	size_t index = 0;
	int err = 0;

	while (!err && builder->input->next_segment(builder->input->source, &index, &known))
		if (known.attached && !known.clash)
			err = add_segment(builder, &known);
	return err;
}

static void put_guard(struct builder *builder)
{
	const struct gossip_status *status = builder->input->status;
	struct guard_want *guard = &builder->plan.guard;

	snprintf(guard->interface, sizeof(guard->interface), "%s", builder->input->interface);
	/* Where a LAN of this host has part of the prefix, its hosts are no forgers. */
	if (status->charter.prefix4.ip.family && status->address4.family &&
		!builder->input->overlap4)
		guard->prefixes[guard->prefix_count++] = status->charter.prefix4;
	if (status->charter.prefix6.ip.family && status->address6.family &&
		!builder->input->overlap6)
		guard->prefixes[guard->prefix_count++] = status->charter.prefix6;
}

int plan_l2_make(const struct plan_l2_input *input, mtime_t now, struct plan_l2 *ret)
{
	struct builder builder = {.input = input, .now = now};
	int err = 0;

	put_guard(&builder);
	if (input->status->state == GOSSIP_RUNNING) {
		err = collect(&builder);
		if (!err)
			err = add_segments(&builder);
	}
	free(builder.entries);
	if (err)
		plan_l2_done(&builder.plan);
	else
		*ret = builder.plan;
	return err;
}

void plan_l2_done(struct plan_l2 *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		l2_want_done(&plan->segments[i].want);
		free(plan->segments[i].bridges);
	}
	free(plan->segments);
	guard_want_done(&plan->guard);
	*plan = (struct plan_l2){0};
}

struct plan_l2_segment *plan_l2_segment(const struct plan_l2 *plan, const char *name)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->segments[i].name, name) == 0)
			return &plan->segments[i];
	return NULL;
}
