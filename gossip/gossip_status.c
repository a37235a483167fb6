#include <sodium.h>

#include "gossip/gossip_internal.h"
#include "gossip/gossip_own.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_version.h"
#include "gossip/replica/store.h"
#include "gossip/trust/address.h"

#define PAST_SHOWN_MS (24 * 3600 * INT64_C(1000)) /* how long members that ended are listed */

#define X(name, label) label,
static const char *const state_labels[] = {"unjoined", "joining", "running", "revoked", "leaving"};
static const char *const member_labels[] = {GOSSIP_MEMBER_STATE_LIST(X)};
static const char *const event_labels[] = {GOSSIP_EVENT_LIST(X)};
static const char *const counter_labels[] = {GOSSIP_COUNTER_LIST(X)};
static const char *const number_labels[] = {GOSSIP_NUMBER_LIST(X)};
static const char *const segment_labels[] = {GOSSIP_SEGMENT_LIST(X)};
#undef X

const char *gossip_state_label(enum gossip_state state)
{
	return state_labels[state];
}

const char *gossip_member_state_label(enum gossip_member_state state)
{
	return member_labels[state];
}

const char *gossip_event_label(enum gossip_event_kind kind)
{
	return event_labels[kind];
}

const char *gossip_segment_label(enum gossip_segment_what what)
{
	return segment_labels[what];
}

const char *gossip_counter_label(enum gossip_counter counter)
{
	return counter_labels[counter];
}

const char *gossip_number_label(enum gossip_number name)
{
	return number_labels[name];
}

const struct swim *gossip_swim(const struct gossip *g)
{
	return g->swim;
}

const uint64_t *gossip_counters(const struct gossip *g)
{
	return g->counters;
}

static void self_status(const struct gossip *g, struct gossip_status *ret)
{
	const struct authority_member *self = authority_member(g->authority, &ret->node);
	uint64_t stamp;

	ret->twice = authority_equivocation(g->authority, &ret->node, &stamp);
	if (self) {
		strcpy(ret->name, self->name);
		ret->admin = self->admin && self->standing == AUTHORITY_MEMBER;
	}
	if (!self || self->standing != AUTHORITY_MEMBER ||
		!authority_has_charter(g->authority, &ret->charter))
		return;
	ret->address4 = g->address4;
	ret->lost4 = g->lost.ip;
	ret->lost4_holder = g->lost.holder;
	ret->lost4_at = g->lost.at;
	ret->address6 = self->pinned6;
	if (!ret->address6.family)
		address_ipv6(&ret->charter.prefix6, &ret->node, &ret->address6);
}

void gossip_status(const struct gossip *g, struct gossip_status *ret)
{
	*ret = (struct gossip_status){.state = g->state,
		.node = g->config.identity->id,
		.has_root = g->config.root != NULL,
		.clock_offset_ms = gossip_mesh_time(g).ms - g->time.wall.ms,
		.revoked_why = g->revoked_why,
		.generation = g->config.generation,
		.yielded_why = gossip_own_yielded_why(g)};
	if (!g->store)
		return;
	if (!gossip_clock_offset(g, &ret->members_offset_ms))
		ret->members_offset_ms = 0;
	ret->has_mesh = g->state != GOSSIP_UNJOINED;
	ret->mesh = g->mesh;
	ret->stale = gossip_age_is_stale(g);
	ret->records = store_count(g->store);
	ret->records_size = store_size(g->store);
	store_digest(g->store, ret->digest);
	ret->cutoff.ms = (int64_t)gossip_age_cutoff(g) * 3600 * 1000;
	if (!g->authority)
		return;
	ret->members = swim_count(g->swim) + (g->state == GOSSIP_RUNNING);
	self_status(g, ret);
}

static void fill_self(const struct gossip *g, struct gossip_member *ret)
{
	const struct record *record =
		store_slot(g->store, &ret->standing->id, RECORD_DESCRIPTOR, NULL, 0);

	ret->self = true;
	ret->state = GOSSIP_MEMBER_ALIVE;
	ret->rtt_us = -1;
	ret->since = (wtime_t){hlc_stamp_ms(ret->standing->stamp)};
	ret->address4 = g->address4;
	ret->has_descriptor = record && descriptor_decode(record, &ret->descriptor) == 0;
}

static void fill_peer(const struct gossip *g, const struct peer *peer, struct gossip_member *ret)
{
	struct swim_info info;

	ret->state = peer->state;
	ret->gone = peer->gone;
	ret->since = peer->since;
	ret->rtt_us = -1;
	if (swim_info(g->swim, &peer->id, &info)) {
		ret->rtt_us = info.rtt_us;
		ret->heard = info.heard;
		if (info.heard)
			ret->silent_ms = mtime_diff_ms(g->time.now, info.last_heard);
	}
	ret->apart = peer->apart;
	ret->unreadable = gossip_version_is_unreadable(g, peer);
	ret->compared = peer->compared.us != MTIME_ZERO.us;
	ret->differs = peer->differs;
	ret->address4 = peer->address4;
	ret->reached = peer->reached;
	ret->has_descriptor =
		peer->descriptor && descriptor_read(peer->descriptor, &ret->descriptor) == 0;
	ret->descriptor.wireguard_port = peer->wireguard_port;
}

static void fill_wireguard(
	const struct gossip *g, const struct peer *peer, struct gossip_member *ret)
{
	struct endpoint reachable[GOSSIP_CANDIDATES_MAX];
	size_t count;

	if (!peer->member || !peer->wireguard_port || !g->config.wireguard_port || !peer->keyed)
		return;
	memcpy(ret->wireguard_public, peer->wireguard_public, sizeof(ret->wireguard_public));
	keys_preshared(peer->shared, g->wireguard_public, ret->wireguard_public, ret->preshared);
	ret->has_wireguard = true;
	ret->confirmed = peer->confirmed;
	if (peer->next) {
		ret->has_next = true;
		memcpy(ret->next_public, peer->next->public, sizeof(ret->next_public));
		keys_preshared(
			peer->shared, g->wireguard_public, ret->next_public, ret->next_preshared);
	}
	count = gossip_peer_candidates(g, peer, reachable);
	for (size_t i = 0; i < count; i++) {
		struct endpoint at = reachable[i];
		bool known = false;

		at.port = peer->wireguard_port;
		for (size_t j = 0; j < ret->candidate_count; j++)
			known |= endpoint_equal(&ret->candidates[j], &at);
		if (!known)
			ret->candidates[ret->candidate_count++] = at;
	}
}

static bool fill(
	const struct gossip *g, const struct authority_member *standing, struct gossip_member *ret)
{
	struct charter charter;
	const struct peer *peer;

	*ret = (struct gossip_member){.standing = standing};
	if (id_equal(&standing->id, &g->config.identity->id)) {
		fill_self(g, ret);
	} else {
		peer = gossip_peer(g, &standing->id);
		if (!peer)
			return false;
		fill_peer(g, peer, ret);
		fill_wireguard(g, peer, ret);
	}
	if (standing->standing != AUTHORITY_MEMBER) {
		ret->state = standing->standing == AUTHORITY_LEFT ? GOSSIP_MEMBER_LEFT
								  : GOSSIP_MEMBER_REVOKED;
		ret->since = (wtime_t){hlc_stamp_ms(standing->stamp)};
		return true;
	}
	if (!authority_has_charter(g->authority, &charter))
		return true;
	ret->address6 = standing->pinned6;
	if (!ret->address6.family)
		address_ipv6(&charter.prefix6, &standing->id, &ret->address6);
	return true;
}

bool gossip_member_next(const struct gossip *g, size_t *index, struct gossip_member *ret)
{
	const struct authority_member *standing;

	while (g->authority && (standing = authority_at(g->authority, (*index)++))) {
		if (standing->standing != AUTHORITY_MEMBER &&
			g->time.wall.ms - hlc_stamp_ms(standing->stamp) > PAST_SHOWN_MS)
			continue;
		if (fill(g, standing, ret))
			return true;
	}
	return false;
}

bool gossip_member(const struct gossip *g, const struct id *node, struct gossip_member *ret)
{
	const struct authority_member *standing =
		g->authority ? authority_member(g->authority, node) : NULL;

	return standing && fill(g, standing, ret);
}

void gossip_member_wipe(struct gossip_member *member)
{
	sodium_memzero(member->preshared, sizeof(member->preshared));
	sodium_memzero(member->next_preshared, sizeof(member->next_preshared));
}

/* Four or more hexadecimal digits are an id prefix: names cannot look like that. */
static bool is_id_prefix(const char *text, const struct id *id)
{
	char hex[TEXT_ID_SIZE];
	size_t size = strlen(text);

	return size >= 4 && size < sizeof(hex) && strncmp(text_id(id, hex), text, size) == 0;
}

static bool is_called(const struct authority_member *member, const char *text)
{
	return strcmp(member->name, text) == 0 || strcmp(member->given_name, text) == 0;
}

int gossip_resolve(const struct gossip *g, const char *text, struct id *ret)
{
	const struct authority_member *member, *found = NULL, *gone = NULL;
	size_t gone_count = 0;

	for (size_t i = 0; *text && g->authority && (member = authority_at(g->authority, i)); i++) {
		bool current = member->standing == AUTHORITY_MEMBER;

		if (!is_id_prefix(text, &member->id) && !(current && is_called(member, text))) {
			if (!current && is_called(member, text)) {
				gone = member;
				gone_count++;
			}
			continue;
		}
		if (found)
			return ERR_INVALID;
		found = member;
	}
	/* the name of one that is gone is free: whoever has it now comes first */
	if (!found && gone_count > 1)
		return ERR_INVALID;
	if (!found)
		found = gone;
	if (!found)
		return ERR_UNKNOWN;
	*ret = found->id;
	return 0;
}

const struct authority_invite *gossip_invite_at(const struct gossip *g, size_t index)
{
	return g->authority ? authority_invite_at(g->authority, index) : NULL;
}

int gossip_resolve_invite(const struct gossip *g, const char *text, struct id *ret)
{
	const struct authority_invite *invite;
	const struct authority_invite *found = NULL;

	for (size_t i = 0; (invite = gossip_invite_at(g, i)); i++) {
		if (!is_id_prefix(text, &invite->invite.id))
			continue;
		if (found)
			return ERR_INVALID;
		found = invite;
	}
	if (!found)
		return ERR_UNKNOWN;
	*ret = found->invite.id;
	return 0;
}

struct record *gossip_record_after(const struct gossip *g, const struct record *after)
{
	return g->store ? store_after(g->store, after) : NULL;
}
