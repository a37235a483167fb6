#include "gossip/gossip.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "gossip/crypto/seal.h"
#include "gossip/gossip_age.h"
#include "gossip/gossip_ahead.h"
#include "gossip/gossip_attach.h"
#include "gossip/gossip_check.h"
#include "gossip/gossip_contact.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_fetch.h"
#include "gossip/gossip_hint.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_keep.h"
#include "gossip/gossip_lease.h"
#include "gossip/gossip_leave.h"
#include "gossip/gossip_mac.h"
#include "gossip/gossip_own.h"
#include "gossip/gossip_packet.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_proof.h"
#include "gossip/gossip_purge.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_rotate.h"
#include "gossip/gossip_segment.h"
#include "gossip/gossip_stream.h"
#include "gossip/gossip_sync.h"
#include "gossip/gossip_value.h"
#include "gossip/gossip_view.h"
#include "gossip/replica/store.h"
#include "gossip/swim/spread.h"

/* In a mesh of more than two a node that trusts no clock of its own goes by another's alone when it
 * has heard no second one for so long since it started. */
#define CLOCK_LONELY_MS (3600 * INT64_C(1000))

int gossip_fail(struct gossip *g, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(g->error, sizeof(g->error), format, args);
	va_end(args);
	return err;
}

void gossip_set_state(struct gossip *g, enum gossip_state state)
{
	if (g->state == state)
		return;
	g->state = state;
	gossip_effect_add(g, EFFECT_STATE, NULL, 0);
	gossip_effect_add(g, EFFECT_CHANGED, NULL, 0);
}

/* ---- time ---- */

static int compare_offsets(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* One clock alone is not believed while there are others to be heard: a stamp that is made by a lie
 * stands for as long as that was ahead, and nobody takes it until then. */
static bool is_enough(const struct gossip *g, size_t clocks)
{
	return clocks > 1 ||
	       (clocks == 1 && (swim_count(g->swim) <= 1 ||
				       mtime_diff_ms(g->time.now, g->began) >= CLOCK_LONELY_MS));
}

/* Of several clocks the median, this node's own among them: so of three no one alone decides. */
size_t gossip_clocks(const struct gossip *g, int64_t *ret_ms)
{
	int64_t offsets[64];
	size_t count = 0;
	struct peer *peer;

	map_each (&g->peers, at, peer) {
		if (peer->has_clock && peer->has_session && peer->member &&
			count < ARRAY_SIZE(offsets) - 1)
			offsets[count++] = peer->clock_offset_ms;
	}
	if (!count)
		return 0;
	size_t all = count;

	if (count > 1)
		offsets[all++] = 0;
	qsort(offsets, all, sizeof(offsets[0]), compare_offsets);
	*ret_ms = offsets[all / 2];
	return count;
}

bool gossip_clock_offset(const struct gossip *g, int64_t *ret_ms)
{
	int64_t offset_ms;

	if (!is_enough(g, gossip_clocks(g, &offset_ms)))
		return false;
	*ret_ms = offset_ms;
	return true;
}

bool gossip_mesh_time_known(const struct gossip *g)
{
	int64_t offset_ms;

	return g->time.synced || (g->store && gossip_clock_offset(g, &offset_ms));
}

/* The wall clock where somebody vouches for it, else the median of what the peers' clocks say. */
wtime_t gossip_mesh_time(const struct gossip *g)
{
	int64_t offset_ms;

	if (g->time.synced || !g->store || !gossip_clock_offset(g, &offset_ms))
		return g->time.wall;
	return (wtime_t){g->time.wall.ms + offset_ms};
}

/* ---- life ---- */

int gossip_open_mesh(struct gossip *g, const struct id *mesh)
{
	struct store_observer observer = gossip_record_observer(g);
	struct swim_config swim = {.mechanisms = g->config.mechanisms,
		.self = g->config.identity,
		.mesh = &g->mesh,
		.rng = &g->rng,
		.generation = g->config.generation,
		.version = gossip_own_first_version(g)};
	int err;

	g->mesh = *mesh;
	g->hlc = (struct hlc){0};
	hlc_begin(&g->hlc, rng_u64(&g->rng));
	g->above = g->hlc;
	map_init(&g->peers, sizeof(struct id), &g->rng);
	map_init(&g->tags, SEAL_TAG_SIZE, &g->rng);
	map_init(&g->purged, sizeof(struct id), &g->rng);
	err = gossip_value_open(g);
	if (err == 0)
		err = gossip_mac_open(g);
	if (err == 0)
		err = store_new(mesh, &g->rng, g->kv, &observer, &g->store);
	if (err == 0)
		err = spread_new(&g->rng, &g->spread);
	swim.spread = g->spread;
	if (err == 0)
		err = swim_new(&swim, g->time.now, &g->swim);
	if (err == 0)
		err = gossip_view_compute(g);
	if (err != 0)
		gossip_close_mesh(g);
	gossip_contact_start(g);
	gossip_ahead_start(g);
	return err;
}

void gossip_close_mesh(struct gossip *g)
{
	struct peer *peer;
	size_t at;

	gossip_stream_close_all(g);
	gossip_mac_close(g);
	gossip_segment_close(g);
	for (at = 0; (peer = map_next(&g->peers, &at)); at--) /* another may have its place now */
		gossip_peer_free(g, peer);
	map_done(&g->peers);
	map_done(&g->tags);
	gossip_purge_clear(g);
	map_done(&g->purged);
	gossip_record_drop_own(g);
	gossip_view_drop(g);
	swim_free(g->swim);
	g->swim = NULL;
	spread_free(g->spread);
	g->spread = NULL;
	store_free(g->store);
	gossip_value_close(g);
	gossip_age_close(g);
	g->store = NULL;
	g->authority_version = 0; /* that of the next store, which is empty */
	g->view_dirty = false;
	g->descriptor_dirty = true;
	g->address4 = (struct ip){0};
	g->claim = 0;
	g->lost.ip = (struct ip){0};
	g->keep_next = g->close_next = g->lease_next = MTIME_NEVER;
	g->found_count = 0;
	g->hint_count = 0;
	g->round.active = false;
	g->wanted_count = 0;
	g->holds_next = MTIME_NEVER;
}

int gossip_new(struct gossip_config *config, struct gossip_time time, struct gossip **ret)
{
	struct gossip *g = calloc(1, sizeof(*g));
	int err;

	if (!g)
		return ERR_NOMEM;
	g->config = *config;
	g->time = time;
	rng_init(&g->rng, config->seed);
	sodium_memzero(config->seed, sizeof(config->seed));
	sodium_memzero(g->config.seed, sizeof(g->config.seed));
	g->session = rng_u64(&g->rng);
	rng_bytes(&g->rng, g->challenge_key, sizeof(g->challenge_key));
	g->effect_last = &g->effect_first;
	g->own_last = &g->own_first;
	g->sync_check = MTIME_NEVER;
	g->leave_until = g->leave_next = MTIME_NEVER;
	g->keep_next = g->close_next = g->lease_next = g->gone_next = MTIME_NEVER;
	g->descriptor_dirty = true;
	err = gossip_rotate_init(g);
	if (err == 0 && config->mesh)
		err = gossip_open_mesh(g, config->mesh);
	if (err != 0) {
		gossip_free(g);
		return err;
	}
	*ret = g;
	return 0;
}

void gossip_free(struct gossip *g)
{
	if (!g)
		return;
	if (g->store)
		gossip_close_mesh(g);
	token_done(&g->join.token);
	record_unref(g->join.admission);
	gossip_effect_clear(g);
	rng_done(&g->rng);
	sodium_memzero(g, sizeof(*g));
	free(g);
}

static void restored(struct gossip *g, const struct record *record)
{
	struct descriptor descriptor;

	if (!id_equal(&record->author, &g->config.identity->id) ||
		authority_concerns(record->type)) {
		if (hlc_observe(&g->hlc, g->time.wall, record->stamp) != 0)
			return; /* somebody's clock was wrong: not ours to follow */
		return;
	}
	if (record->stamp > g->hlc.last)
		g->hlc.last = record->stamp;
	if (record->type == RECORD_DESCRIPTOR && descriptor_decode(record, &descriptor) == 0)
		g->claim = descriptor.claim;
}

/* A crash between adding a record and removing what it replaced left both on disk, which come back
 * in any order. */
static int restore_into_store(struct gossip *g, struct record *record)
{
	struct record *before =
		store_slot(g->store, &record->author, record->type, record->key, record->key_size);
	struct hash hash = before ? before->hash : record->hash;
	int err = store_restore(g->store, record);

	if (!store_find(g->store, &hash))
		gossip_effect_remove(g, &hash);
	if (!hash_equal(&hash, &record->hash) && !store_find(g->store, &record->hash))
		gossip_effect_remove(g, &record->hash);
	return err;
}

int gossip_restore_record(struct gossip *g, const void *bytes, size_t size, uint64_t number)
{
	struct record *record;
	int err = record_decode(&g->mesh, bytes, size, &record);

	if (err != 0)
		return err;
	err = restore_into_store(g, record);
	if (err == 0)
		restored(g, record);
	if (err == 0 && record->type == RECORD_VALUE)
		gossip_value_restored(g, record, number);
	record_unref(record);
	return err;
}

void gossip_restore_number(struct gossip *g, enum gossip_number name, uint64_t number)
{
	g->numbers[name] = number;
}

void gossip_restore_endpoint(
	struct gossip *g, const struct id *node, const struct endpoint *endpoint)
{
	struct peer *peer =
		id_equal(node, &g->config.identity->id) ? NULL : gossip_peer_ensure(g, node);

	if (peer)
		peer->stored = *endpoint;
}

int gossip_start(struct gossip *g, struct gossip_time time)
{
	g->time = time;
	g->began = time.now;
	g->own.started = time.now;
	if (g->store) {
		/* who counts, then what keys showed, then what follows for either: what the revoked
		 * said falls as on any day, and is told to readers */
		int err = gossip_view_compute(g);

		if (err != 0)
			return err;
		gossip_value_start(g);
		gossip_segment_start(g);
		gossip_view_refresh(g);
		gossip_age_start(g);
		/* a mesh without this node in it: its database was lost, and its peers bring it
		 * back */
		if (g->state == GOSSIP_UNJOINED)
			gossip_set_state(g, GOSSIP_JOINING);
	}
	g->started = true;
	if (g->store)
		gossip_turn(g);
	return 0;
}

/* ---- work by the clock ---- */

mtime_t gossip_deadline(const struct gossip *g)
{
	mtime_t next;

	if (!g->store)
		return MTIME_NEVER;
	if (gossip_own_has_yielded(g))
		return gossip_leave_deadline(g);
	if (g->unkeyed)
		return g->time.now;
	next = mtime_min(swim_deadline(g->swim), gossip_stream_deadline(g));
	next = mtime_min(next, gossip_leave_deadline(g));
	next = mtime_min(next, gossip_contact_deadline(g));
	next = mtime_min(next, gossip_hint_deadline(g));
	next = mtime_min(next, gossip_sync_deadline(g));
	next = mtime_min(next, gossip_fetch_deadline(g));
	next = mtime_min(next, gossip_age_deadline(g));
	next = mtime_min(next, gossip_rotate_deadline(g));
	next = mtime_min(next, mtime_min(gossip_keep_deadline(g), gossip_lease_deadline(g)));
	next = mtime_min(next, mtime_min(gossip_proof_deadline(g), gossip_ahead_deadline(g)));
	next = mtime_min(next, mtime_min(gossip_attach_deadline(g), gossip_mac_deadline(g)));
	next = mtime_min(next, spread_deadline(g->spread));
	if (g->view_dirty)
		next = mtime_min(next, g->view_next);
	if (spread_has_fresh(g->spread))
		next = mtime_min(next, g->push_next);
	if (g->state == GOSSIP_RUNNING) {
		if (g->descriptor_dirty && g->endpoints_known)
			next = mtime_min(next, g->descriptor_next);
	}
	return next;
}

void gossip_tick(struct gossip *g, struct gossip_time time)
{
	g->time = time;
	if (!g->store)
		return;
	if (gossip_own_has_yielded(g)) {
		gossip_leave_tick(g);
		return;
	}
	gossip_peer_key_some(g);
	if (mtime_reached(g->time.now, swim_deadline(g->swim)))
		swim_tick(g->swim, g->time.now);
	spread_review(g->spread, g->time.now);
	gossip_stream_tick(g);
	if (g->store) { /* a join that failed has closed it */
		gossip_sync_tick(g);
		gossip_fetch_tick(g);
		gossip_age_tick(g);
		gossip_ahead_tick(g);
		gossip_contact_tick(g);
		gossip_hint_tick(g);
		gossip_rotate_tick(g);
		gossip_keep_tick(g);
		gossip_lease_tick(g);
		gossip_proof_tick(g);
		gossip_leave_tick(g);
	}
	gossip_turn(g);
}

static void state_changed(struct gossip *g, const struct swim_change *change)
{
	struct peer *peer = gossip_peer(g, &change->id);
	struct gossip_event event = gossip_view_event(g, GOSSIP_EVENT_MEMBER_STATE, &change->id);
	static const enum gossip_member_state states[] = {
		[SWIM_ALIVE] = GOSSIP_MEMBER_ALIVE,
		[SWIM_SUSPECT] = GOSSIP_MEMBER_SUSPECT,
		[SWIM_DEAD] = GOSSIP_MEMBER_DEAD,
	};

	if (!peer || !peer->member)
		return;
	peer->state = states[change->to];
	gossip_attach_state_changed(g, peer);
	/* it may live without our datagrams: look soon, whoever else died with it */
	if (change->to == SWIM_DEAD)
		gossip_contact_lost(g, peer);
	peer->since = g->time.wall;
	strcpy(event.from, swim_state_label(change->from));
	strcpy(event.to, swim_state_label(change->to));
	snprintf(event.cause, sizeof(event.cause), "%s", change->cause);
	gossip_effect_event(g, &event);
	gossip_effect_add(g, EFFECT_CHANGED, NULL, 0);
}

/* The end of every input: the work that its bits ask for, in the order in which one leads to
 * another. */
void gossip_turn(struct gossip *g)
{
	struct swim_action action;
	struct swim_change change;
	struct swim_pong pong;

	if (!g->store || gossip_own_has_yielded(g))
		return;
	gossip_own_turn(g);
	if (g->view_dirty && mtime_reached(g->time.now, g->view_next))
		gossip_view_refresh(g);
	gossip_segment_turn(g);
	gossip_attach_turn(g);
	gossip_mac_turn(g);
	if (g->state == GOSSIP_RUNNING && g->descriptor_dirty && g->endpoints_known &&
		mtime_reached(g->time.now, g->descriptor_next))
		gossip_view_publish_descriptor(g);
	/* a joiner's peers have to hear of it first, from the member that let it in */
	if (g->hello_due && !g->join.active && g->state == GOSSIP_RUNNING)
		gossip_packet_hello(g);
	while (swim_next_action(g->swim, &action)) {
		if (action.kind == SWIM_CHECK)
			gossip_check_begin(g, &action);
		else
			gossip_packet_action(g, &action);
	}
	while (swim_next_change(g->swim, &change))
		state_changed(g, &change);
	while (swim_next_pong(g->swim, &pong)) {
		struct gossip_effect *effect = gossip_effect_add(g, EFFECT_PONG, NULL, 0);

		effect->id = pong.id;
		effect->ticket = pong.sequence;
		effect->number = pong.rtt_us;
	}
	if (spread_has_fresh(g->spread) && mtime_reached(g->time.now, g->push_next))
		gossip_packet_push(g);
	gossip_value_tell(g);
	gossip_segment_tell(g);
}
