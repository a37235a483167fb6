#include "gossip/gossip_record.h"

#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_age.h"
#include "gossip/gossip_ahead.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_fetch.h"
#include "gossip/gossip_grant.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_join.h"
#include "gossip/gossip_leave.h"
#include "gossip/gossip_mac.h"
#include "gossip/gossip_own.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_proof.h"
#include "gossip/gossip_purge.h"
#include "gossip/gossip_rotate.h"
#include "gossip/gossip_stream.h"
#include "gossip/gossip_value.h"
#include "gossip/gossip_view.h"
#include "gossip/replica/store.h"
#include "gossip/swim/spread.h"

/* Descriptors of one member that are taken at once, and so often in the long run, for each is
 * written on every node's disk. */
#define DESCRIBE_BURST	8
#define DESCRIBE_GAP_MS 1000

/* What is taken of one member of buckets of MACs anew, and of whatever is beyond its quota: twice
 * what a member writes of the former. */
#define DISPLACE_BURST	128
#define DISPLACE_GAP_MS 50

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

static void spread_end(struct gossip *g, const struct record *record)
{
	struct hash topic;

	store_topic(record, &topic);
	spread_drop(g->spread, &topic);
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
	/* what takes its place is news though it be older */
	if (successor && successor->stamp < record->stamp)
		spread_end(g, record);
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

/* What takes another one's place without end costs every node a write each time: an honest node
 * puts nothing beyond its quota, and writes its buckets of MACs at half that rate. Values that take
 * the place of their own are what the store is for. */
static int admit_in_quota(struct gossip *g, const struct record *record)
{
	struct peer *peer = gossip_peer(g, &record->author);
	bool again =
		record->type == RECORD_MACS &&
		store_slot(g->store, &record->author, record->type, record->key, record->key_size);

	if (!peer || (!again && !store_is_one_more(g->store, record)))
		return 0;
	return mtime_allows(&peer->displaced, g->time.now, DISPLACE_GAP_MS, DISPLACE_BURST)
		       ? 0
		       : ERR_LIMIT;
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
	return err == 0 ? admit_in_quota(g, record) : err;
}

/* The configuration that the root keeps of an admin that it took out. */
static bool record_spare(void *context, const struct record *record)
{
	struct gossip *g = context;

	return g->authority && gossip_grant_is_act(record) &&
	       authority_stands(g->authority, record);
}

static bool record_yields(void *context, const struct record *held, const struct record *record)
{
	return gossip_ahead_yields(context, held, record);
}

static void record_twice(void *context, const struct record *record, const struct record *other)
{
	gossip_proof_found(context, record, other);
}

struct store_observer gossip_record_observer(struct gossip *g)
{
	return (struct store_observer){.added = record_added,
		.removed = record_removed,
		.buried = record_buried,
		.admit = record_admit,
		.spare = record_spare,
		.yields = record_yields,
		.twice = record_twice,
		.context = g};
}

int gossip_record_put(struct gossip *g, struct record *record, bool *ret_fresh)
{
	enum store_result result;
	int err = store_put(g->store, record, &result);
	if (err == 0)
		*ret_fresh = result == STORE_ADDED;
	return err;
}

int gossip_record_put_bytes(struct gossip *g, const void *bytes, size_t size, bool *ret_fresh)
{
	struct record *record;
	int err = record_decode(&g->mesh, bytes, size, &record);

	if (err != 0)
		return err;
	err = gossip_record_put(g, record, ret_fresh);
	record_unref(record);
	return err;
}

/* Records that come with a request are put like any others: the chain decides. */
int gossip_record_put_item(struct gossip *g, const struct msg_item *item)
{
	bool fresh;

	return item->size ? gossip_record_put_bytes(g, item->bytes, item->size, &fresh) : 0;
}

void gossip_record_publish_signed(struct gossip *g, struct record *record)
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

/* Authority counts whatever its clock, and in a slot the latest: so a word of it comes after the
 * one that it takes the place of, though that be ahead. */
static uint64_t next_stamp(
	struct gossip *g, const struct id *author, const struct record_draft *draft)
{
	uint64_t stamp = hlc_next(&g->hlc, gossip_mesh_time(g));
	const struct record *held =
		authority_concerns(draft->type)
			? store_slot(g->store, author, draft->type, draft->key, draft->key_size)
			: NULL;

	if (!held || held->stamp < stamp)
		return stamp;
	if (held->stamp > g->above.last) {
		g->above.last = held->stamp;
		g->above.issued = false;
	}
	return hlc_next(&g->above, gossip_mesh_time(g));
}

int gossip_record_publish(struct gossip *g, const struct keys *author, struct record_draft *draft)
{
	struct record *record;
	int err;

	err = gossip_own_may_write(g);
	if (err != 0)
		return err;
	draft->stamp = next_stamp(g, &author->id, draft);
	err = record_sign(&g->mesh, author, draft, &record);
	if (err == 0)
		gossip_record_publish_signed(g, record);
	return err;
}

static bool is_in_slot(const struct record *record, const struct id *author, uint16_t type,
	const void *key, size_t key_size)
{
	return record->type == type && id_equal(&record->author, author) &&
	       record->key_size == key_size &&
	       (!key_size || memcmp(record->key, key, key_size) == 0);
}

const struct record *gossip_record_published(
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

	g->storing = record;
	g->storing_number = own->number;
	int err = gossip_record_put(g, record, &fresh);
	g->storing = NULL;
	if (err != 0) {
		own_refused(g, record, err);
		return;
	}
	if (record->type == RECORD_DESCRIPTOR) {
		gossip_join_own(g, record);
		gossip_rotate_published(g, record);
	}
	if (record->type == RECORD_LEAVE)
		gossip_leave_persisted(g);
}

/* The next of those with no later ticket; NULL: there is none. */
static struct own_record *own_take(struct gossip *g, uint64_t ticket)
{
	struct own_record *own = g->own_first;

	if (!own || own->ticket > ticket)
		return NULL;
	g->own_first = own->next;
	if (!g->own_first)
		g->own_last = &g->own_first;
	return own;
}

static void own_free(struct own_record *own)
{
	record_unref(own->record);
	free(own);
}

void gossip_record_drop_own(struct gossip *g)
{
	struct own_record *own;

	while ((own = own_take(g, UINT64_MAX)))
		own_free(own);
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
	struct own_record *own;

	g->time = time;
	g->persisted = ticket;
	if (g->own_first && g->own_first->ticket <= ticket)
		g->view_next = time.now; /* whoever asked for it finds it done when told so */
	while ((own = own_take(g, ticket))) {
		own_persisted(g, own);
		own_free(own);
	}
	gossip_stream_persisted(g);
	gossip_own_persisted(g);
	gossip_turn(g);
}
