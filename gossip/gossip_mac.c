/*
 * The hosts on this node's side of its segments, and what it says of them: as EVPN does it (RFC
 * 7432). A host that was learnt here is claimed, with a sequence above all others' if another
 * member has it. Whoever sees a better claim yields, and claims again when it has learnt the host
 * anew, or nobody else has it any more. What moves too often is frozen: whoever would move it next
 * says so instead, and it stays where it is for a while.
 */
#include "gossip/gossip_mac.h"

#include <stdlib.h>

#include "gossip/gossip_internal.h"
#include "gossip/gossip_mac_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_record.h"
#include "gossip/replica/store.h"

/* Rewrites of one bucket, and of all: so many at once, for the first frame of a host is to find its
 * way, and one so often in the long run. Each is written on every node's disk. */
#define BUCKET_BURST  4
#define BUCKET_GAP_MS 1000
#define OWN_BURST     64
#define OWN_GAP_MS    100

/* ---- life ---- */

int gossip_mac_open(struct gossip *g)
{
	g->macs = calloc(1, sizeof(*g->macs));
	if (!g->macs)
		return ERR_NOMEM;
	g->macs->next = MTIME_NEVER;
	return 0;
}

void gossip_mac_close(struct gossip *g)
{
	if (!g->macs)
		return;
	g->segment_count = 0; /* nothing is in force any more */
	g->macs->members_dirty = true;
	gossip_mac_read(g);
	free(g->macs);
	g->macs = NULL;
}

struct mac_segment *gossip_mac_segment(const struct gossip *g, uint32_t vni)
{
	struct mac_segment *segment = g->macs ? g->macs->segments : NULL;

	while (segment && segment->vni != vni)
		segment = segment->next;
	return segment;
}

void gossip_mac_members_changed(struct gossip *g)
{
	if (g->macs)
		g->macs->members_dirty = true;
}

/* ---- what is said of a host ---- */

static bool is_said(enum host_state state)
{
	return state == HOST_CLAIMED || state == HOST_FROZEN;
}

static void make_dirty(struct gossip *g, struct mac_segment *segment, const struct mac_row *row)
{
	segment->buckets[macs_bucket(row->mac)].dirty = true;
	g->macs->unpublished = true;
}

/* Those that came first are announced where there is no room for all: a flood of made-up addresses
 * drives out nobody. */
static bool has_room(const struct mac_segment *segment, const struct mac_row *row)
{
	return is_said(row->host->state) ||
	       (segment->announced < MACS_SEGMENT_MAX &&
		       segment->buckets[macs_bucket(row->mac)].announced < MACS_BUCKET_MAX);
}

static void set_state(
	struct gossip *g, struct mac_segment *segment, struct mac_row *row, enum host_state state)
{
	struct mac_host *host = row->host;
	enum host_state was = host->state;

	if (is_said(state) && !has_room(segment, row))
		state = HOST_UNSAID;
	host->state = state;
	segment->announced += (size_t)is_said(state) - (size_t)is_said(was);
	segment->buckets[macs_bucket(row->mac)].announced += is_said(state) - is_said(was);
	segment->unsaid += (size_t)(state == HOST_UNSAID) - (size_t)(was == HOST_UNSAID);
	segment->frozen += (size_t)(state == HOST_FROZEN) - (size_t)(was == HOST_FROZEN);
	if (is_said(state) || is_said(was))
		make_dirty(g, segment, row);
	if (state != was)
		gossip_mac_touch(g, segment, row);
}

static void freeze(struct gossip *g, struct mac_segment *segment, struct mac_row *row)
{
	row->host->sequence = row->sequence;
	row->host->heard = false;
	row->host->frozen_until = mtime_add_ms(g->time.now, FREEZE_MS);
	g->macs->next = mtime_min(g->macs->next, row->host->frozen_until);
	set_state(g, segment, row, HOST_FROZEN);
}

/* Above what others say, those that are gone included, who may be back; and no lower than what this
 * node said itself, which a restart is no reason to say anew. */
static uint64_t choose_sequence(const struct mac_row *row)
{
	uint64_t sequence = row->host->above;

	for (const struct mac_claim *c = row->claims; c; c = c->row_next) {
		uint64_t least = (uint64_t)c->sequence + (!c->by->self || c->frozen);

		sequence = least > sequence ? least : sequence;
	}
	return sequence;
}

static void claim(struct gossip *g, struct mac_segment *segment, struct mac_row *row)
{
	uint64_t sequence = choose_sequence(row);

	/* whoever said the highest cannot be outbid */
	if (sequence > UINT32_MAX && gossip_mac_other(row)) {
		freeze(g, segment, row);
		return;
	}
	row->host->sequence = sequence > UINT32_MAX ? UINT32_MAX : (uint32_t)sequence;
	set_state(g, segment, row, HOST_CLAIMED);
}

static void yield_to(struct gossip *g, struct mac_segment *segment, struct mac_row *row,
	const struct mac_claim *other)
{
	row->host->above = (uint64_t)other->sequence + 1;
	set_state(g, segment, row, HOST_YIELDED);
}

static bool is_restless(const struct gossip *g, const struct mac_row *row)
{
	return row->moves >= MOVES_MAX && mtime_diff_ms(g->time.now, row->window) <= MOVES_MS;
}

/* It is here, and another member says that it is there. */
static void contest(struct gossip *g, struct mac_segment *segment, struct mac_row *row)
{
	if (row->frozen || is_restless(g, row))
		freeze(g, segment, row);
	else
		claim(g, segment, row);
}

static void drop_host(struct gossip *g, struct mac_segment *segment, struct mac_row *row)
{
	set_state(g, segment, row, HOST_UNSAID);
	segment->unsaid--;
	free(row->host);
	row->host = NULL;
	gossip_mac_touch(g, segment, row);
}

static void thaw(struct gossip *g, struct mac_segment *segment, struct mac_row *row,
	const struct mac_claim *other)
{
	row->moves = 0;
	if (!row->host->present)
		drop_host(g, segment, row);
	else if (!other || row->host->heard || row->host->own)
		claim(g, segment, row);
	else
		yield_to(g, segment, row, other);
}

static bool is_beaten(const struct gossip *g, const struct mac_row *row, const struct mac_claim *by)
{
	if (by->sequence != row->host->sequence)
		return by->sequence > row->host->sequence;
	return memcmp(&by->by->id, &g->config.identity->id, sizeof(struct id)) < 0;
}

void gossip_mac_react(struct gossip *g, struct mac_segment *segment, struct mac_row *row)
{
	const struct mac_claim *other = gossip_mac_other(row);

	if (!row->host)
		return;
	switch (row->host->state) {
	case HOST_UNSAID:
		break;
	case HOST_CLAIMED:
		if (!other || !is_beaten(g, row, other))
			break;
		if (row->host->own)
			contest(g, segment, row);
		else
			yield_to(g, segment, row, other);
		break;
	case HOST_YIELDED:
		if (!other)
			claim(g, segment, row);
		break;
	case HOST_FROZEN:
		if (!other)
			thaw(g, segment, row, NULL);
		break;
	}
}

static void learn(struct gossip *g, struct mac_segment *segment, struct mac_row *row, bool fresh)
{
	const struct mac_claim *other = gossip_mac_other(row);

	switch (row->host->state) {
	case HOST_CLAIMED:
		return;
	case HOST_FROZEN:
		row->host->heard |= fresh;
		return;
	case HOST_UNSAID:
	case HOST_YIELDED:
		if (!other)
			claim(g, segment, row);
		else if (fresh || row->host->own)
			contest(g, segment, row);
		else
			yield_to(g, segment, row, other);
		return;
	}
}

/* ---- what the host tells ---- */

static void put_ip(struct mac_host *host, const struct ip *ip)
{
	if (!macs_is_host_ip(ip) || host->ip_count == MACS_IPS_MAX)
		return;
	for (size_t i = 0; i < host->ip_count; i++) {
		if (ip_equal(&host->ips[i], ip))
			return;
	}
	host->ips[host->ip_count++] = *ip;
}

static void take_ips(struct gossip *g, struct mac_segment *segment, struct mac_row *row,
	const struct gossip_host *seen)
{
	struct mac_host *host = row->host, before = *host;

	memset(host->ips, 0, sizeof(host->ips));
	host->ip_count = 0;
	for (size_t i = 0; i < seen->ip_count && i < MACS_IPS_MAX; i++)
		put_ip(host, &seen->ips[i]);
	qsort(host->ips, host->ip_count, sizeof(host->ips[0]), macs_compare_ips);
	if (memcmp(before.ips, host->ips, sizeof(host->ips)) == 0)
		return;
	if (is_said(host->state))
		make_dirty(g, segment, row);
	gossip_mac_touch(g, segment, row);
}

static struct mac_host *new_host(struct mac_segment *segment)
{
	struct mac_host *host = calloc(1, sizeof(*host));

	if (!host)
		abort(); /* as for effects */
	segment->unsaid++;
	return host;
}

/* first: what the kernel has learnt from frames while nobody looked may be old. */
static void take_host(
	struct gossip *g, struct mac_segment *segment, const struct gossip_host *seen, bool first)
{
	struct mac_row *row;
	struct mac_host *host;
	bool fresh;

	if (!macs_is_host(seen->mac))
		return;
	row = gossip_mac_row(g, segment, seen->mac);
	if (!row)
		return; /* no memory: it is told again */
	if (!row->host)
		row->host = new_host(segment);
	host = row->host;
	if (host->present)
		return; /* twice in one set */
	fresh = seen->fresh || (!host->was_present && !first);
	host->present = true;
	host->own = seen->own;
	take_ips(g, segment, row, seen);
	learn(g, segment, row, fresh);
}

static void begin_set(struct mac_segment *segment)
{
	struct mac_row *row;

	map_each (&segment->rows, at, row) {
		if (!row->host)
			continue;
		row->host->was_present = row->host->present;
		row->host->present = false;
	}
}

/* What is frozen is remembered until it is looked at afresh, seen or not. Who has gone makes room.
 */
static void end_set(struct gossip *g, struct mac_segment *segment)
{
	struct mac_row *row;

	map_each (&segment->rows, at, row) {
		if (row->host && !row->host->present && row->host->state != HOST_FROZEN)
			drop_host(g, segment, row);
	}
	if (!segment->unsaid || segment->announced == MACS_SEGMENT_MAX)
		return;
	map_each (&segment->rows, at, row) {
		if (row->host && row->host->state == HOST_UNSAID)
			learn(g, segment, row, false);
	}
}

/* From now on this node's records count by what its host says. Buckets of which nobody is left are
 * written as well. */
static void begin_telling(struct gossip *g, struct mac_segment *segment)
{
	segment->told = true;
	for (unsigned i = 0; i < MACS_BUCKETS; i++) {
		segment->buckets[i].dirty = true;
		segment->buckets[i].published = false;
	}
	g->macs->unpublished = true;
	gossip_mac_members_changed(g);
}

void gossip_mac_own_met(struct gossip *g, struct mac_segment *segment, uint8_t bucket)
{
	segment->buckets[bucket].dirty = true;
	segment->buckets[bucket].published = false;
	g->macs->unpublished = true;
}

void gossip_macs_set(struct gossip *g, struct gossip_time time, uint32_t vni,
	const struct gossip_host *hosts, size_t count)
{
	struct mac_segment *segment = gossip_mac_segment(g, vni);
	bool first = segment && !segment->told;

	g->time = time;
	if (!segment || !segment->attached)
		return;
	if (first)
		begin_telling(g, segment);
	begin_set(segment);
	for (int own = 1; own >= 0; own--) { /* they have room before all */
		for (size_t i = 0; i < count; i++) {
			if (hosts[i].own == own)
				take_host(g, segment, &hosts[i], first);
		}
	}
	end_set(g, segment);
	gossip_turn(g);
}

void gossip_mac_forget_hosts(struct gossip *g, struct mac_segment *segment)
{
	struct mac_row *row;

	map_each (&segment->rows, at, row) {
		if (row->host)
			drop_host(g, segment, row);
	}
	segment->told = false;
}

/* ---- what is told to the others ---- */

static int compare_entries(const void *a, const void *b)
{
	return memcmp(((const struct macs_entry *)a)->mac, ((const struct macs_entry *)b)->mac, 6);
}

static size_t collect(
	const struct mac_segment *segment, unsigned bucket, struct macs_entry ret[MACS_BUCKET_MAX])
{
	const struct mac_row *row;
	size_t count = 0;

	map_each (&segment->rows, at, row) {
		struct macs_entry *entry = &ret[count];

		if (!row->host || !is_said(row->host->state) || macs_bucket(row->mac) != bucket)
			continue;
		*entry = (struct macs_entry){.frozen = row->host->state == HOST_FROZEN,
			.sequence = row->host->sequence,
			.ip_count = row->host->ip_count};
		memcpy(entry->mac, row->mac, sizeof(entry->mac));
		memcpy(entry->ips, row->host->ips, sizeof(entry->ips));
		count++;
	}
	qsort(ret, count, sizeof(*ret), compare_entries);
	return count;
}

/* Before the first since it is told, the others know what this node said last; nothing is an empty
 * one. */
static bool is_known(const struct gossip *g, const struct record_draft *draft, size_t count)
{
	const struct record *said =
		gossip_record_published(g, RECORD_MACS, draft->key, draft->key_size);

	if (!said)
		return count == 0;
	return said->value_size == draft->value_size &&
	       memcmp(said->value, draft->value, draft->value_size) == 0;
}

static int publish(struct gossip *g, struct mac_segment *segment, unsigned index)
{
	struct own_bucket *bucket = &segment->buckets[index];
	struct macs_entry entries[MACS_BUCKET_MAX];
	size_t count = collect(segment, index, entries);
	uint8_t key[MACS_KEY_SIZE];
	struct record_draft draft = {.type = RECORD_MACS, .key = key, .key_size = sizeof(key)};
	struct pack pack;
	int err;

	macs_key(segment->vni, (uint8_t)index, key);
	pack_init_growing(&pack, RECORD_VALUE_MAX);
	macs_encode(entries, count, &pack);
	err = pack_status(&pack);
	draft.value = pack.data;
	draft.value_size = pack.size;
	if (!err && (bucket->published || !is_known(g, &draft, count))) {
		err = gossip_record_publish(g, g->config.identity, &draft);
		bucket->published = err == 0;
	}
	pack_done(&pack);
	return err;
}

/* When a rate allows the next. */
static mtime_t allowed_at(mtime_t due, int64_t gap_ms, int64_t burst)
{
	return mtime_add_ms(due, -gap_ms * (burst - 1));
}

static void publish_dirty(struct gossip *g, struct mac_segment *segment, unsigned index)
{
	struct own_bucket *bucket = &segment->buckets[index];
	mtime_t at = allowed_at(bucket->rate, BUCKET_GAP_MS, BUCKET_BURST);
	mtime_t all_at = allowed_at(g->macs->rate, OWN_GAP_MS, OWN_BURST);

	at = mtime_before(at, all_at) ? all_at : at;
	if (mtime_reached(g->time.now, at) && publish(g, segment, index) == 0) {
		bucket->dirty = false;
		(void)mtime_allows(&bucket->rate, g->time.now, BUCKET_GAP_MS, BUCKET_BURST);
		(void)mtime_allows(&g->macs->rate, g->time.now, OWN_GAP_MS, OWN_BURST);
		return;
	}
	g->macs->unpublished = true;
	/* where it failed, nothing hurries */
	g->macs->publish_next = mtime_min(g->macs->publish_next,
		mtime_reached(g->time.now, at) ? mtime_add_ms(g->time.now, BUCKET_GAP_MS) : at);
}

static void publish_all(struct gossip *g)
{
	g->macs->unpublished = false;
	g->macs->publish_next = MTIME_NEVER;
	for (struct mac_segment *s = g->macs->segments; s; s = s->next) {
		for (unsigned i = 0; s->attached && s->told && i < MACS_BUCKETS; i++) {
			if (s->buckets[i].dirty)
				publish_dirty(g, s, i);
		}
	}
}

/* ---- work ---- */

static void thaw_due(struct gossip *g)
{
	mtime_t next = MTIME_NEVER;
	struct mac_row *row;

	for (struct mac_segment *s = g->macs->segments; s; s = s->next) {
		if (!s->frozen)
			continue;
		map_each (&s->rows, at, row) {
			if (!row->host || row->host->state != HOST_FROZEN)
				continue;
			if (mtime_reached(g->time.now, row->host->frozen_until))
				thaw(g, s, row, gossip_mac_other(row));
			else
				next = mtime_min(next, row->host->frozen_until);
		}
	}
	g->macs->next = next;
}

void gossip_mac_turn(struct gossip *g)
{
	struct macs *macs = g->macs;

	if (mtime_reached(g->time.now, macs->next))
		thaw_due(g);
	if (macs->members_dirty || macs->dirty) {
		macs->dirty = false;
		gossip_mac_read(g);
		gossip_mac_review(g);
		macs->dirty = false;
	}
	if (macs->unpublished && g->state == GOSSIP_RUNNING)
		publish_all(g);
}

mtime_t gossip_mac_deadline(const struct gossip *g)
{
	const struct macs *macs = g->macs;
	bool waits = macs->unpublished && g->state == GOSSIP_RUNNING;

	return mtime_min(macs->next, waits ? macs->publish_next : MTIME_NEVER);
}
