#include "gossip/gossip_view.h"

#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_address.h"
#include "gossip/gossip_attach.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_grant.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_keep.h"
#include "gossip/gossip_lease.h"
#include "gossip/gossip_packet.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_proof.h"
#include "gossip/gossip_purge.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_rotate.h"
#include "gossip/gossip_version.h"
#include "gossip/gossip_value.h"
#include "gossip/replica/store.h"
#include "gossip/swim/spread.h"

#define VIEW_GAP_MS	 20   /* between two computations of the views, while records stream in */
#define REPUBLISH_GAP_MS 2000 /* between two descriptors of ours because of changed addresses */

struct gossip_event gossip_view_event(
	const struct gossip *g, enum gossip_event_kind kind, const struct id *node)
{
	const struct authority_member *member =
		g->authority ? authority_member(g->authority, node) : NULL;
	struct gossip_event event = {.kind = kind, .node = *node};

	if (member)
		strcpy(event.name, member->name);
	return event;
}

/* ---- members ---- */

static void peer_joined(struct gossip *g, struct peer *peer, const struct authority_member *member)
{
	struct record *record = store_slot(g->store, &member->id, RECORD_DESCRIPTOR, NULL, 0);

	peer->member = true;
	peer->state = GOSSIP_MEMBER_ALIVE;
	peer->since = g->time.wall;
	peer->gone = false;
	peer->gone_at = MTIME_NEVER;
	if (record)
		gossip_view_descriptor(g, record);
	if (peer->segment_count)
		gossip_attach_changed(g);
	if (swim_add(g->swim, g->time.now, &member->id) != 0)
		return; /* beyond the limit: a member that is configured but not watched */
	if (g->started) {
		struct gossip_event event = gossip_view_event(g, GOSSIP_EVENT_JOINED, &member->id);

		gossip_effect_event(g, &event);
	}
}

static void tell_ended(struct gossip *g, const struct authority_member *member)
{
	bool left = member->standing == AUTHORITY_LEFT;
	struct gossip_event event =
		gossip_view_event(g, left ? GOSSIP_EVENT_LEFT : GOSSIP_EVENT_REVOKED, &member->id);

	if (member->standing == AUTHORITY_REVOKED) {
		event.has_by = true;
		event.by = *member->by;
		strcpy(event.cause, member->reason);
	} else if (member->standing == AUTHORITY_VOID) {
		event.kind =
			member->why == ERR_USED_UP ? GOSSIP_EVENT_OVERSPENT : GOSSIP_EVENT_REVOKED;
		event.has_by = member->ended_by && member->ended_by->type != RECORD_ADMISSION;
		if (event.has_by)
			event.by = member->ended_by->author;
		snprintf(event.cause, sizeof(event.cause), "its invite %s", err_text(member->why));
	} else if (member->why == ERR_EXPIRED) {
		strcpy(event.cause, "its lease is over");
	}
	gossip_effect_event(g, &event);
}

/* Its last session hears by what it ended, before nothing is answered any more. */
static void peer_ended(
	struct gossip *g, struct peer *peer, const struct authority_member *member, bool was_known)
{
	bool was_member = peer->member;
	bool overspent = member->standing == AUTHORITY_VOID && member->why == ERR_USED_UP;

	if (was_member && peer->has_session && member->ended_by &&
		member->standing != AUTHORITY_LEFT)
		gossip_packet_tell(g, peer, member->ended_by);
	peer->member = false;
	peer->state =
		member->standing == AUTHORITY_LEFT ? GOSSIP_MEMBER_LEFT : GOSSIP_MEMBER_REVOKED;
	peer->since = (wtime_t){hlc_stamp_ms(member->stamp)};
	peer->address4 = (struct ip){0};
	if (was_member && peer->segment_count)
		gossip_attach_changed(g);
	swim_remove(g->swim, g->time.now, &member->id);
	/* that an invite is overspent is worth knowing, whoever was admitted beyond its uses */
	if (g->started && (was_member || (overspent && !was_known)))
		tell_ended(g, member);
}

static void apply_member(struct gossip *g, const struct authority_member *member)
{
	bool was_known = gossip_peer(g, &member->id) != NULL;
	struct peer *peer;

	if (member->standing == AUTHORITY_REVOKED)
		store_ban(g->store, &member->id);
	else if (store_banned(g->store, &member->id))
		store_unban(g->store, &member->id);
	if (id_equal(&member->id, &g->config.identity->id))
		return;
	peer = gossip_peer_ensure(g, &member->id);
	if (!peer)
		return; /* no memory: the next change of authority tries again */
	if (member->standing != AUTHORITY_MEMBER)
		peer_ended(g, peer, member, was_known);
	else if (!peer->member)
		peer_joined(g, peer, member);
}

/* Those whose admissions were found to be beyond an invite's uses are not even listed as void. */
static void end_unlisted(struct gossip *g)
{
	struct peer *peer;

	map_each (&g->peers, at, peer) {
		if (!peer->member || authority_member(g->authority, &peer->id))
			continue;
		peer->member = false;
		peer->address4 = (struct ip){0};
		gossip_attach_changed(g);
		swim_remove(g->swim, g->time.now, &peer->id);
	}
}

/* What has ended this node's membership, and what to do, for people. */
static void tell_self(struct gossip *g, const struct authority_member *self)
{
	static const char anew[] = "`meshctl leave`, then join by a new token";
	char *why = g->revoked_why;
	size_t size = sizeof(g->revoked_why);

	if (!self)
		snprintf(why, size,
			"its invite has no use for it, or counts for nothing any more; %s", anew);
	else if (self->standing == AUTHORITY_VOID && self->why == ERR_USED_UP)
		snprintf(why, size,
			"its invite has been used up: others have its uses; %s, or ask an admin to "
			"`meshctl keep` this node",
			anew);
	else if (self->standing == AUTHORITY_VOID && self->why == ERR_WITHDRAWN)
		snprintf(why, size,
			"its invite was withdrawn, and nobody knew of this node; %s, or ask an "
			"admin "
			"to `meshctl keep` this node",
			anew);
	else if (self->standing == AUTHORITY_VOID)
		snprintf(why, size, "its invite %s; %s", err_text(self->why), anew);
	else if (self->standing == AUTHORITY_REVOKED)
		snprintf(why, size, "revoked%s%s", self->reason[0] ? ": " : "", self->reason);
	else if (self->why == ERR_EXPIRED)
		snprintf(why, size,
			"it is an ephemeral member, and its lease is over: it was away for too "
			"long; %s",
			anew);
	else
		snprintf(why, size, "this identity left the mesh");
}

static void apply_self(struct gossip *g)
{
	const struct authority_member *self =
		authority_member(g->authority, &g->config.identity->id);

	if (g->state == GOSSIP_LEAVING)
		return;
	if (!self) {
		if (g->state == GOSSIP_RUNNING) { /* not even listed: see end_unlisted */
			tell_self(g, NULL);
			gossip_set_state(g, GOSSIP_REVOKED);
		}
		return;
	}
	if (self->standing == AUTHORITY_MEMBER) {
		if (g->join.active && !g->join.synced)
			return; /* by a part of what there is to know */
		if (g->state == GOSSIP_JOINING || g->state == GOSSIP_REVOKED || !g->started) {
			g->descriptor_dirty = true;
			g->hello_due = true;
			gossip_set_state(g, GOSSIP_RUNNING);
		}
		return;
	}
	tell_self(g, self);
	if (g->state == GOSSIP_RUNNING || (g->state == GOSSIP_JOINING && !g->join.active) ||
		!g->started)
		gossip_set_state(g, GOSSIP_REVOKED);
}

void gossip_view_drop(struct gossip *g)
{
	authority_free(g->authority);
	g->authority = NULL;
	while (g->authority_count)
		record_unref(g->authority_records[--g->authority_count]);
	free(g->authority_records);
	g->authority_records = NULL;
}

static const struct record *descriptor_of(void *context, const struct id *node)
{
	return store_slot(((struct gossip *)context)->store, node, RECORD_DESCRIPTOR, NULL, 0);
}

/* The authority borrows its records, and the store may replace them before the next computation:
 * they are held until then. */
int gossip_view_compute(struct gossip *g)
{
	uint64_t version = store_authority_version(g->store);
	size_t count = 0, capacity = store_count(g->store);
	struct record **records = calloc(capacity ? capacity : 1, sizeof(struct record *));
	struct authority_set set = {.mesh = &g->mesh,
		.records = (const struct record *const *)records,
		.descriptor = descriptor_of,
		.context = g,
		.now = gossip_mesh_time(g),
		.now_known = gossip_mesh_time_known(g)};
	struct authority *authority;
	int err;

	if (!records)
		return ERR_NOMEM;
	/* they come first */
	for (struct record *r = store_after(g->store, NULL); r && authority_concerns(r->type);
		r = store_after(g->store, r))
		records[count++] = record_ref(r);
	set.count = count;
	err = authority_compute(&set, &authority);
	if (err != 0) {
		while (count)
			record_unref(records[--count]);
		free(records);
		return err;
	}
	if (g->started && g->authority) {
		gossip_grant_tell(g, g->authority, authority);
		gossip_proof_tell(g, g->authority, authority);
	}
	gossip_view_drop(g);
	g->authority = authority;
	g->authority_records = records;
	g->authority_count = count;
	g->authority_version = version;
	g->authority_applied = count == 0; /* nothing follows from none */
	gossip_lease_computed(g);
	return 0;
}

static void apply_members(struct gossip *g)
{
	const struct authority_member *member;
	size_t members = 0;

	g->authority_applied = true;
	g->claims_dirty = true;
	for (size_t i = 0; (member = authority_at(g->authority, i)); i++) {
		apply_member(g, member);
		members += member->standing == AUTHORITY_MEMBER;
	}
	end_unlisted(g);
	gossip_value_review(g);
	spread_set_members(g->spread, members);
	gossip_purge(g);
}

void gossip_view_refresh(struct gossip *g)
{
	bool current = g->authority && store_authority_version(g->store) == g->authority_version &&
		       !gossip_lease_changed(g);

	g->view_dirty = false;
	g->view_next = mtime_add_ms(g->time.now, VIEW_GAP_MS);
	if (!current && gossip_view_compute(g) != 0) {
		g->view_dirty = true; /* no memory: try again */
		return;
	}
	if (!g->authority_applied)
		apply_members(g);
	apply_self(g);
	gossip_address_apply(g);
	gossip_keep_view_changed(g);
	gossip_effect_add(g, EFFECT_CHANGED, NULL, 0);
}

static void refused(struct gossip *g, const struct record *record)
{
	struct gossip_event event =
		gossip_view_event(g, GOSSIP_EVENT_RECORD_REFUSED, &record->author);

	strcpy(event.cause, "descriptor without a valid proof of its WireGuard key");
	gossip_effect_event(g, &event);
}

void gossip_view_descriptor(struct gossip *g, struct record *record)
{
	struct peer *peer = gossip_peer(g, &record->author);
	struct descriptor descriptor;
	struct endpoint *endpoints;
	size_t size;

	if (id_equal(&record->author, &g->config.identity->id))
		gossip_address_met(g, record);
	if (!peer)
		return;
	if (descriptor_decode(record, &descriptor) != 0) {
		refused(g, record);
		return;
	}
	size = descriptor.endpoint_count * sizeof(*endpoints);
	endpoints = malloc(size ? size : 1);
	if (!endpoints)
		return;
	memcpy(endpoints, descriptor.endpoints, size);
	free(peer->endpoints);
	peer->endpoints = endpoints;
	peer->endpoint_count = (uint8_t)descriptor.endpoint_count;
	gossip_version_described(g, peer, &descriptor);
	gossip_rotate_described(g, peer, &descriptor);
	gossip_attach_described(g, peer, &descriptor);
	if (!peer->descriptor || peer->claim != descriptor.claim)
		g->claims_dirty = true;
	peer->claim = descriptor.claim;
	record_unref(peer->descriptor);
	peer->descriptor = record_ref(record);
	g->view_dirty = true;
	gossip_lease_renewed(g, peer);
}

struct record *gossip_view_grant_behind(const struct gossip *g, const struct id *node)
{
	const struct authority_member *member = authority_member(g->authority, node);
	const struct authority_invite *invite =
		member ? authority_invite(g->authority, &member->invite) : NULL;

	return invite ? store_slot(g->store, &g->mesh, RECORD_GRANT, &invite->author,
				sizeof(invite->author))
		      : NULL;
}

/* ---- own descriptor ---- */

static void add_endpoint(struct descriptor *descriptor, const struct endpoint *endpoint)
{
	for (size_t i = 0; i < descriptor->endpoint_count; i++) {
		if (endpoint_equal(&descriptor->endpoints[i], endpoint))
			return;
	}
	if (descriptor->endpoint_count < DESCRIPTOR_ENDPOINTS_MAX)
		descriptor->endpoints[descriptor->endpoint_count++] = *endpoint;
}

/* Where others see this node from outside: believed once two of them agree, or the only one says
 * so. */
static void add_seen(const struct gossip *g, struct descriptor *descriptor)
{
	size_t others = swim_count(g->swim);

	for (size_t i = 0; i < SEEN_MAX; i++) {
		size_t agree = 0;

		if (!g->seen[i].endpoint.ip.family || !gossip_peer(g, &g->seen[i].witness))
			continue;
		for (size_t j = 0; j < SEEN_MAX; j++)
			agree += endpoint_equal(&g->seen[i].endpoint, &g->seen[j].endpoint);
		if (agree >= 2 || others == 1)
			add_endpoint(descriptor, &g->seen[i].endpoint);
	}
}

void gossip_view_own_descriptor(const struct gossip *g, struct descriptor *ret)
{
	*ret = (struct descriptor){.wireguard_port = g->config.wireguard_port,
		.wireguard = g->key.id,
		.wireguard_proof = g->key.proof,
		.has_next = g->has_next_key,
		.next = g->next_key.id,
		.next_proof = g->next_key.proof,
		.claim = g->claim,
		.mtu = g->config.mtu,
		.protocol_least = KEYS_PROTOCOL,
		.protocol_most = KEYS_PROTOCOL};
	strcpy(ret->version, g->config.version);
	gossip_attach_describe(g, ret);
	for (size_t i = 0; i < g->endpoint_count; i++) {
		if (gossip_peer_usable(g, &g->endpoints[i]))
			add_endpoint(ret, &g->endpoints[i]);
	}
	add_seen(g, ret);
}

void gossip_view_publish_descriptor(struct gossip *g)
{
	const struct record *said = gossip_record_published(g, RECORD_DESCRIPTOR, NULL, 0);
	struct record_draft draft = {.type = RECORD_DESCRIPTOR};
	struct descriptor descriptor;
	uint8_t value[1024];
	struct pack pack;

	g->descriptor_dirty = false;
	gossip_view_own_descriptor(g, &descriptor);
	pack_init(&pack, value, sizeof(value));
	descriptor_encode(&descriptor, &pack);
	draft.value = value;
	draft.value_size = pack.size;
	if (pack_status(&pack) != 0)
		return;
	if (said && said->value_size == pack.size && memcmp(said->value, value, pack.size) == 0 &&
		!gossip_lease_is_due(g, said))
		return;
	draft.expiry_ms = gossip_lease_expiry(g);
	g->descriptor_next = mtime_add_ms(g->time.now, REPUBLISH_GAP_MS);
	gossip_rotate_publishing(
		g, store_slot(g->store, &g->config.identity->id, RECORD_DESCRIPTOR, NULL, 0));
	if (gossip_record_publish(g, g->config.identity, &draft) != 0)
		g->descriptor_dirty = true;
}
