/*
 * How old what this node knows is: when tombstones are collected, and what happens to a node that
 * was away for longer than they are kept.
 *
 *   cutoff    the hour up to which it has collected; only the digests of equal ones are compared
 *   contact   when it last held what a member that is current held; nothing of before that is news
 *
 * A node is current while its last contact is younger than the grace. Then its cutoff follows the
 * clock, as long as it hears others': the hour of mesh time less the grace. Else it is stale, its
 * cutoff stands still, and whoever has a later one may have collected tombstones that it never saw.
 * So it keeps its key-values of before the contact to itself, until it has compared all it has with
 * such members: then those that they lack were deleted meanwhile, and go. It takes two of them,
 * where there are two others, or a liar could make it forget what nobody deleted; whoever is
 * rightly current became so with another one. Where all are stale nobody has collected anything
 * since, they merge as ever, and the latest cutoff of them becomes that of all; after the grace
 * they are current again.
 */
#include "gossip/gossip_age.h"

#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/replica/kv.h"
#include "gossip/replica/store.h"
#include "gossip/replica/sync.h"

#define HOUR_MS	      (3600 * INT64_C(1000))
#define GRACE_HOURS   240 /* 10 days */
#define GRACE_MS      (GRACE_HOURS * HOUR_MS)
#define APART_MAX     24 /* hours between cutoffs that are compared: graves hide for as long */
#define TURN_MS	      (5 * 60 * INT64_C(1000)) /* around a full hour not all have turned */
#define LOOK_MS	      1000
#define STEP_MS	      (60 * 1000) /* more than a clock that is kept in time steps */
#define COLLECT_MS    10 /* between two lots of what is collected, and how many go at a time */
#define COLLECT_COUNT 1000
#define NOTE_MS	      (60 * 1000) /* between two writes of the contact, if anything has changed */

/* The earlier of this node's time and the members', where they are heard: what a clock collects
 * that is days ahead, though somebody vouches for it, does not come back when it is set right. */
static int64_t now_ms(const struct gossip *g)
{
	int64_t own_ms = gossip_mesh_time(g).ms, offset_ms;

	if (!g->store || !gossip_clock_offset(g, &offset_ms))
		return own_ms;
	return g->time.wall.ms + offset_ms < own_ms ? g->time.wall.ms + offset_ms : own_ms;
}

/* After a step of this node's clock, or a sleep, it is not known how far the others' are from it,
 * until each has told its own again. */
static void watch_clock(struct gossip *g)
{
	int64_t ahead_ms = g->time.wall.ms - mtime_diff_ms(g->time.now, MTIME_ZERO);
	int64_t step_ms = ahead_ms - g->age.wall_ahead_ms;
	struct peer *peer;

	g->age.wall_ahead_ms = ahead_ms;
	if (step_ms < STEP_MS && step_ms > -STEP_MS)
		return;
	map_each (&g->peers, at, peer)
		peer->has_clock = false;
}

static bool is_time_known(const struct gossip *g)
{
	int64_t offset_ms;

	return swim_count(g->swim) == 0 || gossip_clock_offset(g, &offset_ms);
}

static int64_t clock_cutoff(const struct gossip *g)
{
	return now_ms(g) / HOUR_MS - GRACE_HOURS;
}

static int64_t own_cutoff(const struct gossip *g)
{
	return (int64_t)g->numbers[GOSSIP_NUMBER_CUTOFF];
}

static bool is_stale(const struct gossip *g)
{
	return now_ms(g) - g->age.contact_ms > GRACE_MS;
}

bool gossip_age_is_stale(const struct gossip *g)
{
	return g->started && g->store && g->age.contact_ms && is_stale(g);
}

uint64_t gossip_age_cutoff(const struct gossip *g)
{
	return g->age.collecting ? 0 : g->numbers[GOSSIP_NUMBER_CUTOFF];
}

/* ---- contact ---- */

static void note_contact(struct gossip *g)
{
	int64_t since_ms = mtime_diff_ms(g->time.now, g->age.noted);

	if (g->numbers[GOSSIP_NUMBER_CONTACT] && since_ms < HOUR_MS &&
		(since_ms < NOTE_MS || mtime_before(g->store_changed, g->age.noted)))
		return;
	g->age.noted = g->time.now;
	gossip_effect_number(g, GOSSIP_NUMBER_CONTACT, (uint64_t)g->age.contact_ms);
}

static void contact(struct gossip *g, int64_t ms)
{
	if (ms <= g->age.contact_ms)
		return;
	g->age.contact_ms = ms;
	note_contact(g);
}

static bool is_current(const struct gossip *g, int64_t cutoff)
{
	return cutoff >= clock_cutoff(g) - 1 && cutoff <= clock_cutoff(g) + 1;
}

/* This node holds what one with that cutoff holds. */
static void agreed(struct gossip *g, int64_t cutoff)
{
	if (is_current(g, cutoff))
		contact(g, now_ms(g));
	else if (is_stale(g)) /* what the other held then, this one holds as well */
		contact(g, cutoff * HOUR_MS);
}

/* ---- the word of one ---- */

static void forget_word(struct gossip *g)
{
	struct record *record;

	map_each (&g->age.lacked, at, record)
		record_unref(record);
	map_done(&g->age.lacked);
	g->age.has_word = false;
}

/* ---- collecting ---- */

/* Cutoffs only grow, also while some of it is done: another member may say an earlier hour then. */
static void begin_collecting(struct gossip *g, int64_t cutoff)
{
	if (cutoff <= (g->age.collecting ? g->age.target : own_cutoff(g)))
		return;
	g->age.target = cutoff;
	g->age.collecting = true;
	g->age.next = g->time.now;
}

static void collect(struct gossip *g)
{
	if (!store_collect(g->store, g->age.target * HOUR_MS, COLLECT_COUNT)) {
		g->age.next = mtime_add_ms(g->time.now, COLLECT_MS);
		return;
	}
	g->age.collecting = false;
	kv_forget(g->kv);
	gossip_effect_number(g, GOSSIP_NUMBER_CUTOFF, (uint64_t)g->age.target);
}

/* Stale for as long as the grace, with others and none of them current: so it will stay, unless
 * somebody begins. */
static bool waited_long_enough(const struct gossip *g)
{
	return mtime_diff_ms(g->time.now, g->age.since) > GRACE_MS &&
	       mtime_diff_ms(g->time.now, g->last_heard) < HOUR_MS;
}

void gossip_age_tick(struct gossip *g)
{
	if (!g->started || !mtime_reached(g->time.now, g->age.next))
		return;
	g->age.next = mtime_add_ms(g->time.now, LOOK_MS);
	watch_clock(g);
	if (!is_stale(g))
		forget_word(g);
	if (g->state == GOSSIP_RUNNING && (swim_count(g->swim) == 0 || waited_long_enough(g)))
		contact(g, now_ms(g));
	if (!g->age.collecting && g->state == GOSSIP_RUNNING && !is_stale(g) && is_time_known(g) &&
		clock_cutoff(g) > own_cutoff(g))
		begin_collecting(g, clock_cutoff(g));
	if (g->age.collecting)
		collect(g);
}

mtime_t gossip_age_deadline(const struct gossip *g)
{
	return g->started ? g->age.next : MTIME_NEVER;
}

/* What it collected too early those bring back who have it. */
void gossip_age_set_back(struct gossip *g, int64_t ms)
{
	int64_t cutoff = ms / HOUR_MS - GRACE_HOURS;

	if (cutoff > 0 && (own_cutoff(g) > cutoff || g->age.target > cutoff)) {
		g->age.collecting = false;
		g->age.target = cutoff;
		gossip_effect_number(g, GOSSIP_NUMBER_CUTOFF, (uint64_t)cutoff);
	}
	if (g->age.contact_ms > ms) {
		g->age.contact_ms = ms;
		gossip_effect_number(g, GOSSIP_NUMBER_CONTACT, (uint64_t)ms);
	}
}

void gossip_age_start(struct gossip *g)
{
	g->age = (struct age){.contact_ms = (int64_t)g->numbers[GOSSIP_NUMBER_CONTACT],
		/* what has its grave came from the disk with the rest */
		.collecting = g->store && own_cutoff(g) > 0,
		.target = own_cutoff(g),
		.since = g->time.now,
		.next = g->time.now};
	map_init(&g->age.lacked, sizeof(struct hash), &g->rng);
}

void gossip_age_close(struct gossip *g)
{
	forget_word(g);
}

void gossip_age_founded(struct gossip *g)
{
	contact(g, now_ms(g));
}

/* ---- others ---- */

static bool is_near_turn(const struct gossip *g)
{
	int64_t ms = now_ms(g) % HOUR_MS;

	return ms < TURN_MS || ms > HOUR_MS - TURN_MS;
}

uint64_t gossip_age_believed(const struct gossip *g, uint64_t told)
{
	int64_t most = clock_cutoff(g) + APART_MAX;

	return (most > 0 && told <= (uint64_t)most) || (int64_t)told == own_cutoff(g) ? told : 0;
}

enum gossip_age gossip_age_of(const struct gossip *g, uint64_t other_cutoff)
{
	int64_t other = (int64_t)other_cutoff, apart = other - own_cutoff(g);

	if (g->age.collecting)
		return AGE_APART;
	if (apart == 0)
		return AGE_SAME;
	if (!other)
		return AGE_APART;
	if (is_stale(g) && apart < 0)
		return AGE_APART;
	if (is_stale(g)) /* whoever is new holds nothing old */
		return g->age.contact_ms ? AGE_BEHIND : AGE_SAME;
	if ((apart == 1 || apart == -1) && is_near_turn(g))
		return AGE_APART;
	return apart >= -APART_MAX && apart <= APART_MAX ? AGE_SAME : AGE_APART;
}

static void level_with(struct gossip *g, uint64_t other_cutoff)
{
	agreed(g, (int64_t)other_cutoff);
	if (gossip_age_of(g, other_cutoff) == AGE_BEHIND ||
		(int64_t)other_cutoff > own_cutoff(g) + APART_MAX)
		begin_collecting(g, (int64_t)other_cutoff);
}

/* ---- the reset ---- */

/* Whether it has collected what this node may never have seen. Whoever is new holds nothing old. */
static bool is_beyond(const struct gossip *g, const struct peer *peer)
{
	return is_stale(g) && g->age.contact_ms &&
	       (int64_t)peer->cutoff * HOUR_MS > g->age.contact_ms;
}

static void note_word(struct gossip *g, const struct id *by, struct sync *sync)
{
	struct record *record;

	forget_word(g);
	g->age.has_word = true;
	g->age.word_by = *by;
	while (sync && (record = sync_take_withheld(sync))) {
		/* it may be told of again and again; without memory it stays */
		if (map_get(&g->age.lacked, &record->hash) ||
			map_put(&g->age.lacked, &record->hash, record) != 0)
			record_unref(record);
	}
}

static void drop_lacked(struct gossip *g, struct sync *sync)
{
	struct record *record;

	while (sync && (record = sync_take_withheld(sync))) {
		if (!g->age.has_word || map_get(&g->age.lacked, &record->hash))
			store_drop(g->store, record);
		record_unref(record);
	}
	forget_word(g);
}

/* A member has said what it holds: all that this node does, or, after a sync of all, what that has
 * shown. */
static void heard_out(struct gossip *g, const struct peer *peer, struct sync *sync)
{
	if (is_beyond(g, peer)) {
		if (swim_count(g->swim) > 1 &&
			(!g->age.has_word || id_equal(&g->age.word_by, &peer->id))) {
			note_word(g, &peer->id, sync);
			return;
		}
		drop_lacked(g, sync);
	}
	level_with(g, peer->cutoff);
}

void gossip_age_agreed(struct gossip *g, const struct peer *peer)
{
	heard_out(g, peer, NULL);
}

void gossip_age_synced(struct gossip *g, const struct peer *peer, struct sync *sync)
{
	if (peer && peer->cutoff && (int64_t)peer->cutoff >= own_cutoff(g) && sync_is_whole(sync))
		heard_out(g, peer, sync);
}

/* ---- what is kept back ---- */

uint64_t gossip_age_withheld(const struct gossip *g, const struct peer *peer)
{
	bool needless =
		peer && peer->cutoff && (int64_t)peer->cutoff * HOUR_MS <= g->age.contact_ms;

	return is_stale(g) && g->age.contact_ms && !needless
		       ? hlc_from_ms(g->age.contact_ms + 1) - 1
		       : 0;
}

bool gossip_age_withholds(
	const struct gossip *g, const struct peer *peer, const struct record *record)
{
	return record->type == RECORD_VALUE && record->stamp <= gossip_age_withheld(g, peer);
}

bool gossip_age_has_buried(const struct gossip *g, const struct record *record)
{
	return value_is_tombstone(record) && hlc_stamp_ms(record->stamp) < own_cutoff(g) * HOUR_MS;
}
