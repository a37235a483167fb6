/* Who has a MAC: of those attached members that announce it, and are not gone, the one with the
 * highest sequence, of equals the one with the lesser id (RFC 7432, section 7.7). So all who hold
 * the same records, and hold the same members dead, have the same table. */
#include <stdlib.h>

#include "gossip/gossip_attach.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_mac.h"
#include "gossip/gossip_mac_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_segment.h"
#include "gossip/gossip_view.h"
#include "gossip/replica/store.h"

/* Events of moves and duplicates: all of one access point at once, and ten a second. */
#define TELL_BURST  64
#define TELL_GAP_MS 100

void gossip_mac_touch(struct gossip *g, struct mac_segment *segment, struct mac_row *row)
{
	g->macs->dirty = true;
	if (row->reviewed)
		return;
	row->reviewed = true;
	row->review_next = segment->review;
	segment->review = row;
}

struct mac_row *gossip_mac_row(struct gossip *g, struct mac_segment *segment, const uint8_t mac[6])
{
	struct mac_row *row = map_get(&segment->rows, mac);

	if (row)
		return row;
	row = calloc(1, sizeof(*row));
	if (!row)
		return NULL;
	memcpy(row->mac, mac, sizeof(row->mac));
	if (map_put(&segment->rows, row->mac, row) != 0) {
		free(row);
		return NULL;
	}
	gossip_mac_touch(g, segment, row);
	return row;
}

/* ---- what the records say ---- */

static void unlink_claim(struct mac_row *row, const struct mac_claim *claim)
{
	struct mac_claim **at = &row->claims;

	while (*at != claim)
		at = &(*at)->row_next;
	*at = claim->row_next;
}

static void drop_bucket(
	struct gossip *g, struct mac_segment *segment, struct announcer *announcer, unsigned bucket)
{
	struct mac_claim *claim;

	while ((claim = announcer->claims[bucket])) {
		announcer->claims[bucket] = claim->bucket_next;
		unlink_claim(claim->row, claim);
		claim->row->by = NULL; /* until the review */
		gossip_mac_touch(g, segment, claim->row);
		free(claim);
	}
}

static void add_claim(struct gossip *g, struct mac_segment *segment, struct announcer *announcer,
	const struct macs_entry *entry)
{
	size_t size = entry->ip_count * sizeof(entry->ips[0]);
	struct mac_row *row = gossip_mac_row(g, segment, entry->mac);
	struct mac_claim *claim = row ? malloc(sizeof(*claim) + size) : NULL;
	unsigned bucket = macs_bucket(entry->mac);

	if (!claim)
		abort(); /* as for effects */
	*claim = (struct mac_claim){.bucket_next = announcer->claims[bucket],
		.row_next = row->claims,
		.by = announcer,
		.row = row,
		.sequence = entry->sequence,
		.frozen = entry->frozen,
		.ip_count = entry->ip_count};
	memcpy(claim->ips, entry->ips, size);
	announcer->claims[bucket] = row->claims = claim;
	gossip_mac_touch(g, segment, row);
}

static bool open_bucket(const struct gossip *g, const struct mac_segment *segment,
	const struct announcer *announcer, unsigned bucket, struct macs_reader *ret)
{
	const struct record *record;
	uint8_t key[MACS_KEY_SIZE];

	macs_key(segment->vni, (uint8_t)bucket, key);
	record = store_slot(g->store, &announcer->id, RECORD_MACS, key, sizeof(key));
	return record && macs_read(record, ret) == 0;
}

/* At most so many of its entries; returns how many. */
static size_t read_bucket(struct gossip *g, struct mac_segment *segment,
	struct announcer *announcer, unsigned bucket, size_t most)
{
	struct macs_reader reader;
	struct macs_entry entry;
	size_t count = 0;

	drop_bucket(g, segment, announcer, bucket);
	announcer->said[bucket] = 0;
	if (!open_bucket(g, segment, announcer, bucket, &reader))
		return 0;
	announcer->said[bucket] = (uint8_t)reader.left;
	while (count < most && macs_next(&reader, &entry)) {
		add_claim(g, segment, announcer, &entry);
		count++;
	}
	return count;
}

/* Whoever says more than it may counts with the first, by its buckets: so it does not matter what
 * came when. */
static void read_announcer(
	struct gossip *g, struct mac_segment *segment, struct announcer *announcer)
{
	uint32_t dirty = announcer->dirty;
	size_t left = MACS_SEGMENT_MAX, total = 0;

	announcer->dirty = 0;
	for (unsigned i = 0; i < MACS_BUCKETS; i++) {
		if (dirty & UINT32_C(1) << i)
			read_bucket(g, segment, announcer, i, MACS_BUCKET_MAX);
		total += announcer->said[i];
	}
	if (total > MACS_SEGMENT_MAX || announcer->over) {
		for (unsigned i = 0; i < MACS_BUCKETS; i++)
			left -= read_bucket(g, segment, announcer, i, left);
	}
	announcer->over = total > MACS_SEGMENT_MAX;
}

void gossip_mac_record_changed(struct gossip *g, const struct record *record)
{
	struct mac_segment *segment;
	struct announcer *announcer;

	segment = gossip_mac_segment(
		g, (uint32_t)record->key[0] << 16 | (uint32_t)record->key[1] << 8 | record->key[2]);
	if (segment && record != g->storing && id_equal(&record->author, &g->config.identity->id))
		gossip_mac_own_met(g, segment, record->key[3]);
	for (announcer = segment ? segment->announcers : NULL; announcer;
		announcer = announcer->next) {
		if (!id_equal(&announcer->id, &record->author))
			continue;
		announcer->dirty |= UINT32_C(1) << record->key[3];
		g->macs->dirty = true;
	}
}

/* ---- who announces ---- */

static void touch_claims(
	struct gossip *g, struct mac_segment *segment, const struct announcer *announcer)
{
	for (unsigned i = 0; i < MACS_BUCKETS; i++) {
		for (const struct mac_claim *c = announcer->claims[i]; c; c = c->bucket_next)
			gossip_mac_touch(g, segment, c->row);
	}
}

static void announces(
	struct gossip *g, struct mac_segment *segment, const struct id *id, bool self, bool counts)
{
	struct announcer *announcer = segment->announcers;

	while (announcer && !id_equal(&announcer->id, id))
		announcer = announcer->next;
	if (!announcer) {
		announcer = calloc(1, sizeof(*announcer));
		if (!announcer)
			abort(); /* as for effects */
		announcer->id = *id;
		announcer->self = self;
		announcer->dirty = UINT32_MAX;
		announcer->next = segment->announcers;
		segment->announcers = announcer;
	}
	announcer->there = true;
	if (announcer->counts != counts)
		touch_claims(g, segment, announcer);
	announcer->counts = counts;
}

static void drop_absent(struct gossip *g, struct mac_segment *segment)
{
	struct announcer **at = &segment->announcers, *announcer;

	while ((announcer = *at)) {
		if (announcer->there) {
			announcer->there = false;
			at = &announcer->next;
			continue;
		}
		*at = announcer->next;
		for (unsigned i = 0; i < MACS_BUCKETS; i++)
			drop_bucket(g, segment, announcer, i);
		free(announcer);
	}
}

static void review_members(struct gossip *g, struct mac_segment *segment)
{
	const struct peer *peer;
	bool attached = gossip_attach_is_own(g, segment->vni);

	if (segment->attached && !attached)
		gossip_mac_forget_hosts(g, segment);
	segment->attached = attached;
	if (attached)
		announces(g, segment, &g->config.identity->id, true, !segment->told);
	map_each (&g->peers, at, peer) {
		if (gossip_attach_has_peer(peer, segment->vni))
			announces(g, segment, &peer->id, false, !peer->gone);
	}
	drop_absent(g, segment);
}

static void free_segment(struct gossip *g, struct mac_segment *segment)
{
	struct mac_row *row;
	size_t at;

	drop_absent(g, segment);
	while (at = 0, (row = map_next(&segment->rows, &at))) {
		map_del(&segment->rows, row->mac);
		free(row->host);
		free(row);
	}
	map_done(&segment->rows);
	free(segment);
}

static void ensure_segment(struct gossip *g, const struct segment_row *row)
{
	struct mac_segment *segment = gossip_mac_segment(g, row->says.vni);

	if (!segment) {
		segment = calloc(1, sizeof(*segment));
		if (!segment)
			abort(); /* as for effects */
		segment->vni = row->says.vni;
		map_init(&segment->rows, sizeof(((struct mac_row *)0)->mac), &g->rng);
		segment->next = g->macs->segments;
		g->macs->segments = segment;
	}
	strcpy(segment->name, row->name);
	segment->there = true;
}

/* Those that learn from frames have no table. */
static void review_segments(struct gossip *g)
{
	struct mac_segment **at = &g->macs->segments, *segment;

	for (size_t i = 0; i < g->segment_count; i++) {
		if (!g->segments[i].rival && !g->segments[i].says.flood)
			ensure_segment(g, &g->segments[i]);
	}
	while ((segment = *at)) {
		if (segment->there) {
			segment->there = false;
			at = &segment->next;
			continue;
		}
		*at = segment->next;
		free_segment(g, segment);
	}
}

void gossip_mac_read(struct gossip *g)
{
	if (g->macs->members_dirty) {
		g->macs->members_dirty = false;
		review_segments(g);
		for (struct mac_segment *s = g->macs->segments; s; s = s->next)
			review_members(g, s);
	}
	for (struct mac_segment *s = g->macs->segments; s; s = s->next) {
		for (struct announcer *a = s->announcers; a; a = a->next) {
			if (a->dirty)
				read_announcer(g, s, a);
		}
	}
}

/* ---- who has it ---- */

static bool beats(uint32_t sequence, const struct id *id, uint32_t other, const struct id *other_id)
{
	return sequence != other ? sequence > other : memcmp(id, other_id, sizeof(*id)) < 0;
}

static const struct mac_claim *best_claim(const struct mac_row *row, bool own)
{
	const struct mac_claim *best = NULL;

	for (const struct mac_claim *c = row->claims; c; c = c->row_next) {
		if (c->by->counts && !c->frozen && (own || !c->by->self) &&
			(!best || beats(c->sequence, &c->by->id, best->sequence, &best->by->id)))
			best = c;
	}
	return best;
}

const struct mac_claim *gossip_mac_other(const struct mac_row *row)
{
	return best_claim(row, false);
}

static bool is_frozen(const struct mac_row *row)
{
	for (const struct mac_claim *c = row->claims; c; c = c->row_next) {
		if (c->by->counts && c->frozen)
			return true;
	}
	return row->host && row->host->state == HOST_FROZEN;
}

static void tell(struct gossip *g, const struct mac_segment *segment, const struct mac_row *row,
	enum gossip_segment_what what, const struct id *from)
{
	struct gossip_event event;

	if (!segment->attached || !g->started ||
		!mtime_allows(&g->macs->told, g->time.now, TELL_GAP_MS, TELL_BURST))
		return;
	event = gossip_view_event(g, GOSSIP_EVENT_SEGMENT, &row->holder);
	event.what = what;
	strcpy(event.segment, segment->name);
	memcpy(event.mac, row->mac, sizeof(event.mac));
	if (from) {
		text_id(from, event.from);
		text_id(&row->holder, event.to);
	}
	gossip_effect_event(g, &event);
}

static void has_moved(struct gossip *g, const struct mac_segment *segment, struct mac_row *row,
	const struct id *from)
{
	if (mtime_diff_ms(g->time.now, row->window) > MOVES_MS) {
		row->window = g->time.now;
		row->moves = 0;
	}
	row->moves++;
	tell(g, segment, row, GOSSIP_SEGMENT_MOVED, from);
}

/* NULL: nobody. */
static const struct id *find_holder(const struct gossip *g, struct mac_row *row)
{
	const struct mac_host *host = row->host;
	const struct mac_claim *best = best_claim(row, true);
	const struct id *self = &g->config.identity->id;

	if (host && host->state == HOST_CLAIMED &&
		(!best || beats(host->sequence, self, best->sequence, &best->by->id))) {
		row->by = NULL;
		row->sequence = host->sequence;
		return self;
	}
	row->by = best;
	row->sequence = best ? best->sequence : 0;
	return best ? &best->by->id : NULL;
}

static void judge(struct gossip *g, struct mac_segment *segment, struct mac_row *row)
{
	const struct id *holder = find_holder(g, row);
	bool was_held = row->held, was_frozen = row->frozen;
	struct id before = row->holder;

	row->held = holder != NULL;
	row->frozen = row->held && is_frozen(row);
	segment->held += (size_t)row->held - (size_t)was_held;
	if (row->held && (!was_held || !id_equal(&before, holder))) {
		row->holder = *holder;
		row->since = g->time.wall;
		if (was_held)
			has_moved(g, segment, row, &before);
	}
	if (row->frozen != was_frozen && row->held)
		tell(g, segment, row, row->frozen ? GOSSIP_SEGMENT_FROZEN : GOSSIP_SEGMENT_THAWED,
			NULL);
}

void gossip_mac_review(struct gossip *g)
{
	for (struct mac_segment *segment = g->macs->segments; segment; segment = segment->next) {
		struct mac_row *row;

		if (segment->review) {
			segment->version = ++g->macs->version;
			g->segments_changed = true;
		}
		while ((row = segment->review)) {
			segment->review = row->review_next;
			row->reviewed = false;
			gossip_mac_react(g, segment, row);
			judge(g, segment, row);
			if (row->reviewed)
				continue; /* what was done about it is to be reviewed */
			if (!row->claims && !row->host) {
				map_del(&segment->rows, row->mac);
				free(row);
			}
		}
	}
}

/* ---- views ---- */

void gossip_mac_count(const struct gossip *g, uint32_t vni, struct gossip_segment *ret)
{
	const struct mac_segment *segment = gossip_mac_segment(g, vni);

	if (!segment)
		return;
	ret->macs = segment->held;
	ret->unannounced = segment->unsaid;
	ret->version = segment->version;
}

static void put_ips(struct gossip_mac *mac, const struct ip *ips, size_t count)
{
	for (size_t i = 0; i < count && mac->ip_count < GOSSIP_MAC_IPS_MAX; i++) {
		bool known = false;

		for (size_t j = 0; j < mac->ip_count; j++)
			known |= ip_equal(&mac->ips[j], &ips[i]);
		if (!known)
			mac->ips[mac->ip_count++] = ips[i];
	}
}

static void put_all_ips(struct gossip_mac *mac, const struct mac_row *row)
{
	if (row->host)
		put_ips(mac, row->host->ips, row->host->ip_count);
	for (const struct mac_claim *c = row->claims; c; c = c->row_next) {
		if (c->by->counts)
			put_ips(mac, c->ips, c->ip_count);
	}
	qsort(mac->ips, mac->ip_count, sizeof(mac->ips[0]), macs_compare_ips);
}

static bool fill(const struct gossip *g, const struct mac_row *row, struct gossip_mac *ret)
{
	const struct id *self = &g->config.identity->id;

	*ret = (struct gossip_mac){.own = row->host && row->host->own,
		.holder = row->holder,
		.frozen = row->frozen,
		.sequence = row->sequence,
		.since = row->since};
	if (!row->held && !ret->own)
		return false;
	memcpy(ret->mac, row->mac, sizeof(ret->mac));
	if (ret->own)
		ret->holder = *self;
	ret->self = id_equal(&ret->holder, self);
	if (row->frozen && !ret->own)
		put_all_ips(ret, row);
	else if (row->by && !ret->own)
		put_ips(ret, row->by->ips, row->by->ip_count);
	else if (row->host)
		put_ips(ret, row->host->ips, row->host->ip_count);
	return true;
}

bool gossip_mac_next(const struct gossip *g, uint32_t vni, size_t *index, struct gossip_mac *ret)
{
	const struct mac_segment *segment = gossip_mac_segment(g, vni);
	const struct mac_row *row;

	while (segment && (row = map_next(&segment->rows, index))) {
		if (fill(g, row, ret))
			return true;
	}
	return false;
}

bool gossip_mac(const struct gossip *g, uint32_t vni, const uint8_t mac[6], struct gossip_mac *ret)
{
	const struct mac_segment *segment = gossip_mac_segment(g, vni);
	const struct mac_row *row = segment ? map_get(&segment->rows, mac) : NULL;

	return row && fill(g, row, ret);
}
