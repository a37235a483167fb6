#include "gossip/gossip.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_internal.h"

#define LEAVE_TELL_MEMBERS 64

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
bool gossip_clock_offset(const struct gossip *g, int64_t *ret_ms)
{
	int64_t offsets[64];
	size_t count = 0;
	struct peer *peer;

	map_each (&g->peers, at, peer) {
		if (peer->has_clock && peer->has_session && peer->member &&
			count < ARRAY_SIZE(offsets) - 1)
			offsets[count++] = peer->clock_offset_ms;
	}
	if (!is_enough(g, count))
		return false;
	if (count > 1)
		offsets[count++] = 0;
	qsort(offsets, count, sizeof(offsets[0]), compare_offsets);
	*ret_ms = offsets[count / 2];
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

/* ---- records ---- */

/* News about one slot replace each other. */
static void spread_record(struct gossip *g, const struct record *record)
{
	struct hash topic;
	int err;

	store_topic(record, &topic);
	if (record->size <= SPREAD_ITEM_MAX)
		err = spread_put(g->spread, SPREAD_RECORD, &topic, record->stamp, 0, record->bytes,
			record->size);
	else
		err = gossip_fetch_announce(g, record, &topic);
	if (err != 0)
		return; /* no memory: the next comparison of stores brings it */
}

static void record_added(void *context, struct record *record)
{
	struct gossip *g = context;
	uint64_t number = record->type == RECORD_VALUE ? gossip_value_added(g, record) : 0;

	g->store_changed = g->time.now;
	g->agreed = false;
	if (record != g->storing || number != g->storing_number)
		gossip_effect_record(g, record, number);
	if (authority_concerns(record->type))
		g->view_dirty = true;
	if (record->type == RECORD_DESCRIPTOR)
		gossip_view_descriptor(g, record);
	if (record->type == RECORD_MACS)
		gossip_mac_record_changed(g, record);
	if (record != g->storing && id_equal(&record->author, &g->config.identity->id))
		gossip_own_record_met(g, record);
	/* what a joiner is given is news to nobody else */
	if (!g->join.active && !gossip_age_withholds(g, NULL, record))
		spread_record(g, record);
}

static void record_removed(void *context, struct record *record, const struct record *successor)
{
	struct gossip *g = context;

	gossip_effect_remove(g, &record->hash);
	g->store_changed = g->time.now;
	g->agreed = false;
	if (authority_concerns(record->type))
		g->view_dirty = true;
	if (record->type == RECORD_VALUE && !successor)
		gossip_value_removed(g, record);
	if (record->type == RECORD_MACS && !successor)
		gossip_mac_record_changed(g, record);
}

static void record_buried(void *context, struct record *record)
{
	struct gossip *g = context;

	g->store_changed = g->time.now;
	g->agreed = false;
	gossip_value_removed(g, record);
}

/* What members say may not lie in the future; what authority says counts whatever its clock. */
static int record_admit(void *context, const struct record *record)
{
	struct gossip *g = context;
	struct peer *peer;
	struct id subject;
	int err = hlc_observe(&g->hlc, gossip_mesh_time(g), record->stamp);

	/* what this node has on its disk and has been told so stands, though its clock be behind
	 * what it has seen */
	if (authority_concerns(record->type) || record == g->storing)
		err = 0;
	if (err == 0)
		err = gossip_purge_admit(g, record);
	/* what a member may say again and again, and what each time costs every node a write, or a
	 * look at all there is of authority */
	peer = record->type == RECORD_DESCRIPTOR || record->type == RECORD_ADMISSION ||
			       record->type == RECORD_LEAVE
		       ? gossip_peer(g, &record->author)
		       : NULL;
	if (record->type == RECORD_EQUIVOCATION) { /* its subject alone can make others */
		memcpy(&subject, record->key, sizeof(subject));
		peer = gossip_peer(g, &subject);
	}
	if (err == 0 && peer &&
		!mtime_allows(&peer->described, g->time.now, DESCRIBE_GAP_MS, DESCRIBE_BURST))
		return ERR_LIMIT; /* it comes again by a sync, if it is the last */
	return err == 0 && record->type == RECORD_MACS ? gossip_mac_admit(g, record) : err;
}

/* The configuration that the root keeps of an admin that it took out. */
static bool record_spare(void *context, const struct record *record)
{
	struct gossip *g = context;

	return g->authority && gossip_grant_is_act(record) &&
	       authority_stands(g->authority, record);
}

static void record_twice(void *context, const struct record *record, const struct record *other)
{
	gossip_proof_found(context, record, other);
}

int gossip_put_record(struct gossip *g, struct record *record, bool *ret_fresh)
{
	enum store_result result;
	int err = store_put(g->store, record, &result);
	if (err == 0)
		*ret_fresh = result == STORE_ADDED;
	return err;
}

int gossip_put_bytes(struct gossip *g, const void *bytes, size_t size, bool *ret_fresh)
{
	struct record *record;
	int err = record_decode(&g->mesh, bytes, size, &record);

	if (err != 0)
		return err;
	err = gossip_put_record(g, record, ret_fresh);
	record_unref(record);
	return err;
}

/* Records that come with a request are put like any others: the chain decides. */
int gossip_put_item(struct gossip *g, const struct msg_item *item)
{
	bool fresh;

	return item->size ? gossip_put_bytes(g, item->bytes, item->size, &fresh) : 0;
}

void gossip_publish_signed(struct gossip *g, struct record *record)
{
	struct own_record *own = calloc(1, sizeof(*own));

	if (!own)
		abort(); /* as for effects */
	own->record = record;
	if (record->type == RECORD_VALUE)
		gossip_value_publish(g, own);
	gossip_effect_record(g, record, own->number);
	own->ticket = g->awaited = g->ticket;
	*g->own_last = own;
	g->own_last = &own->next;
}

int gossip_publish(struct gossip *g, const struct keys *author, struct record_draft *draft)
{
	struct record *record;
	int err;

	err = gossip_own_may_write(g);
	if (err != 0)
		return err;
	draft->stamp = hlc_next(&g->hlc, gossip_mesh_time(g));
	err = record_sign(&g->mesh, author, draft, &record);
	if (err == 0)
		gossip_publish_signed(g, record);
	return err;
}

static bool is_in_slot(const struct record *record, const struct id *author, uint16_t type,
	const void *key, size_t key_size)
{
	return record->type == type && id_equal(&record->author, author) &&
	       record->key_size == key_size &&
	       (!key_size || memcmp(record->key, key, key_size) == 0);
}

const struct record *gossip_published(
	const struct gossip *g, uint16_t type, const void *key, size_t key_size)
{
	const struct id *self = &g->config.identity->id;
	const struct record *last = store_slot(g->store, self, type, key, key_size);

	for (const struct own_record *own = g->own_first; own; own = own->next) {
		if (is_in_slot(own->record, self, type, key, key_size) &&
			(!last || own->record->stamp > last->stamp))
			last = own->record;
	}
	return last;
}

/* What has become of no use while it was on its way to the disk goes from there, too: an admin was
 * expelled meanwhile. */
static void own_refused(struct gossip *g, const struct record *record, int err)
{
	struct gossip_event event =
		gossip_view_event(g, GOSSIP_EVENT_RECORD_REFUSED, &record->author);

	snprintf(event.cause, sizeof(event.cause), "own %s: %s", record_type_label(record->type),
		err_text(err));
	gossip_effect_event(g, &event);
	if (err != ERR_NOMEM) /* else the next start has it */
		gossip_effect_remove(g, &record->hash);
}

static void own_persisted(struct gossip *g, const struct own_record *own)
{
	struct record *record = own->record;
	bool fresh;

	gossip_value_storing(g, own);
	g->storing = record;
	int err = gossip_put_record(g, record, &fresh);
	g->storing = NULL;
	if (err != 0) {
		own_refused(g, record, err);
		return;
	}
	if (record->type == RECORD_DESCRIPTOR) {
		gossip_join_own(g, record);
		gossip_rotate_published(g, record);
	}
	if (record->type == RECORD_LEAVE && g->state == GOSSIP_LEAVING) {
		g->leave_until = mtime_add_ms(g->time.now, swim_count(g->swim) ? LEAVE_TELL_MS : 0);
		g->leave_next = g->time.now;
	}
}

void gossip_signed(struct gossip *g, const struct hash *hash, const struct sig *sig)
{
	for (struct own_record *own = g->own_first; own; own = own->next) {
		if (own->record->pending && hash_equal(&own->record->hash, hash)) {
			record_set_sig(own->record, sig);
			return;
		}
	}
}

uint64_t gossip_awaited(const struct gossip *g)
{
	return g->awaited;
}

uint64_t gossip_ticket(struct gossip *g)
{
	return ++g->ticket;
}

void gossip_persisted(struct gossip *g, struct gossip_time time, uint64_t ticket)
{
	g->time = time;
	g->persisted = ticket;
	if (g->own_first && g->own_first->ticket <= ticket)
		g->view_next = time.now; /* whoever asked for it finds it done when told so */
	while (g->own_first && g->own_first->ticket <= ticket) {
		struct own_record *own = g->own_first;

		g->own_first = own->next;
		if (!g->own_first)
			g->own_last = &g->own_first;
		own_persisted(g, own);
		record_unref(own->record);
		free(own);
	}
	gossip_stream_persisted(g);
	gossip_own_persisted(g);
	gossip_turn(g);
}

/* ---- life ---- */

int gossip_open_mesh(struct gossip *g, const struct id *mesh)
{
	struct store_observer observer = {.added = record_added,
		.removed = record_removed,
		.buried = record_buried,
		.admit = record_admit,
		.spare = record_spare,
		.twice = record_twice,
		.context = g};
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
	return err;
}

void gossip_close_mesh(struct gossip *g)
{
	struct peer *peer;
	size_t at;

	gossip_stream_close_all(g);
	gossip_mac_close(g);
	gossip_segment_close(g);
	while (at = 0, (peer = map_next(&g->peers, &at)))
		gossip_peer_free(g, peer);
	map_done(&g->peers);
	map_done(&g->tags);
	gossip_purge_clear(g);
	map_done(&g->purged);
	while (g->own_first) {
		struct own_record *own = g->own_first;

		g->own_first = own->next;
		record_unref(own->record);
		free(own);
	}
	g->own_last = &g->own_first;
	gossip_view_drop(g);
	swim_free(g->swim);
	g->swim = NULL;
	spread_free(g->spread);
	g->spread = NULL;
	store_free(g->store);
	gossip_value_close(g);
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

	if (!id_equal(&record->author, &g->config.identity->id)) {
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

static void leave_tick(struct gossip *g)
{
	struct record *record;
	struct peer *peer;
	size_t left = LEAVE_TELL_MEMBERS;

	if (g->state != GOSSIP_LEAVING)
		return;
	if (mtime_reached(g->time.now, g->leave_until)) {
		g->leave_until = g->leave_next = MTIME_NEVER;
		gossip_effect_add(g, EFFECT_LEFT, NULL, 0);
		return;
	}
	if (!mtime_reached(g->time.now, g->leave_next))
		return;
	g->leave_next = mtime_add_ms(g->time.now, LEAVE_TELL_GAP_MS);
	record = store_slot(g->store, &g->config.identity->id, RECORD_LEAVE, NULL, 0);
	map_each (&g->peers, at, peer) {
		if (record && left && peer->member && peer->state == GOSSIP_MEMBER_ALIVE) {
			gossip_packet_tell(g, peer, record);
			left--;
		}
	}
}

mtime_t gossip_deadline(const struct gossip *g)
{
	mtime_t next;

	if (!g->store)
		return MTIME_NEVER;
	if (gossip_own_has_yielded(g))
		return mtime_min(g->leave_until, g->leave_next);
	if (g->unkeyed)
		return g->time.now;
	next = mtime_min(swim_deadline(g->swim), gossip_stream_deadline(g));
	next = mtime_min(next, mtime_min(g->leave_until, g->leave_next));
	next = mtime_min(next, gossip_contact_deadline(g));
	next = mtime_min(next, gossip_hint_deadline(g));
	next = mtime_min(next, gossip_sync_deadline(g));
	next = mtime_min(next, gossip_fetch_deadline(g));
	next = mtime_min(next, gossip_age_deadline(g));
	next = mtime_min(next, gossip_rotate_deadline(g));
	next = mtime_min(next, mtime_min(gossip_keep_deadline(g), gossip_lease_deadline(g)));
	next = mtime_min(next, gossip_proof_deadline(g));
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
		leave_tick(g);
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
		gossip_contact_tick(g);
		gossip_hint_tick(g);
		gossip_rotate_tick(g);
		gossip_keep_tick(g);
		gossip_lease_tick(g);
		gossip_proof_tick(g);
		leave_tick(g);
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
