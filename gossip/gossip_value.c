#include "gossip/gossip_value.h"

#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_age.h"
#include "gossip/gossip_command.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_own.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_segment.h"
#include "gossip/replica/kv.h"
#include "gossip/replica/store.h"

/* A VALUE of this node's disk, until all are there. */
struct restored_value {
	struct hash hash;
	uint64_t number;
};

/* Keys under `mesh/` are the admins'; all others are everybody's, and stay those of who has left,
 * or is void: as in any store, a value outlives who wrote it. Who is revoked is purged; who is
 * proven to say two things at once is believed in nothing from there on. */
static bool counts(void *context, const struct record *record)
{
	const struct gossip *g = context;

	return !authority_value_is_void(g->authority, &record->author, record->stamp) &&
	       (!value_key_is_mesh(record->key, record->key_size) ||
		       authority_stands(g->authority, record));
}

static void changed(void *context, struct record *record, uint64_t number)
{
	struct gossip *g = context;

	g->values_changed = true;
	gossip_segment_value_changed(g, record);
	if (record)
		gossip_effect_record(g, record, number);
	else if (number > g->numbers[GOSSIP_NUMBER_FLOOR])
		gossip_effect_number(g, GOSSIP_NUMBER_FLOOR, number); /* no tombstone says it */
}

/* ---- life ---- */

/* Numbers of this start are larger than those of all before. */
static uint64_t first_number(const struct gossip *g)
{
	return (g->config.generation << 32) + 1;
}

static void begin(struct gossip *g)
{
	/* what an earlier database knew, if there was one, is not known any more */
	if (!g->numbers[GOSSIP_NUMBER_FLOOR])
		gossip_effect_number(g, GOSSIP_NUMBER_FLOOR, first_number(g) - 1);
	kv_begin(g->kv, first_number(g), g->numbers[GOSSIP_NUMBER_FLOOR]);
}

int gossip_value_open(struct gossip *g)
{
	const struct kv_hooks hooks = {.counts = counts, .changed = changed, .context = g};
	int err = kv_new(&g->rng, &hooks, &g->kv);

	if (err == 0 && g->started) {
		begin(g);
		gossip_age_start(g);
	}
	return err;
}

void gossip_value_close(struct gossip *g)
{
	kv_free(g->kv);
	g->kv = NULL;
	free(g->restored_values);
	g->restored_values = NULL;
	g->restored_count = g->restored_capacity = 0;
	memset(g->numbers, 0, sizeof(g->numbers));
}

void gossip_value_restored(struct gossip *g, const struct record *record, uint64_t number)
{
	if (g->restored_count == g->restored_capacity) {
		g->restored_capacity = g->restored_capacity ? g->restored_capacity * 2 : 64;
		g->restored_values = realloc(
			g->restored_values, g->restored_capacity * sizeof(*g->restored_values));
		if (!g->restored_values)
			abort(); /* as for effects */
	}
	g->restored_values[g->restored_count++] =
		(struct restored_value){.hash = record->hash, .number = number};
}

void gossip_value_start(struct gossip *g)
{
	for (size_t i = 0; i < g->restored_count; i++) {
		const struct restored_value *value = &g->restored_values[i];
		struct record *record = store_find(g->store, &value->hash);

		if (record) /* else another took its place */
			kv_restore(g->kv, record, value->number, !gossip_age_has_buried(g, record));
	}
	free(g->restored_values);
	g->restored_values = NULL;
	g->restored_count = g->restored_capacity = 0;
	begin(g);
	store_restored(g->store);
}

/* ---- what comes and goes ---- */

uint64_t gossip_value_added(struct gossip *g, struct record *record)
{
	g->values_changed = true;
	gossip_segment_value_changed(g, record);
	return kv_add(g->kv, record, record == g->storing ? g->storing_number : 0);
}

void gossip_value_removed(struct gossip *g, const struct record *record)
{
	kv_remove(g->kv, record);
}

void gossip_value_review(struct gossip *g)
{
	if (g->started && g->voids_changed)
		kv_review(g->kv, "", 0);
	else if (g->started)
		kv_review(g->kv, VALUE_MESH, strlen(VALUE_MESH));
	g->voids_changed = false;
}

void gossip_value_publish(struct gossip *g, struct own_record *own)
{
	own->number = kv_reserve(g->kv);
}

void gossip_value_tell(struct gossip *g)
{
	if (!g->values_changed)
		return;
	g->values_changed = false;
	gossip_effect_add(g, EFFECT_VALUES, NULL, 0);
}

/* ---- looking ---- */

static struct gossip_value shown(const struct kv_shown *shown)
{
	const struct record *record = shown->record;
	struct gossip_value ret = {.key = record->key,
		.key_size = record->key_size,
		.author = record->author,
		.stamp = record->stamp,
		.cursor = shown->number};
	struct value value;

	if (!shown->deleted && value_decode(record, &value) == 0) {
		ret.value = value.bytes;
		ret.value_size = value.size;
	}
	return ret;
}

bool gossip_value(
	const struct gossip *g, const void *key, size_t key_size, struct gossip_value *ret)
{
	struct kv_shown found;

	if (!g->kv || !kv_get(g->kv, key, key_size, &found) || found.deleted)
		return false;
	*ret = shown(&found);
	return true;
}

bool gossip_value_next(const struct gossip *g, const void *prefix, size_t prefix_size,
	const void *after, size_t after_size, struct gossip_value *ret)
{
	struct kv_shown found;

	while (g->kv && kv_next(g->kv, prefix, prefix_size, after, after_size, &found)) {
		if (!found.deleted) {
			*ret = shown(&found);
			return true;
		}
		after = found.record->key;
		after_size = found.record->key_size;
	}
	return false;
}

/* The number before which all changes are there, UINT64_MAX: of all that there are. A change of our
 * own has its number before it is on disk, so that one write is enough: what comes behind it waits
 * for the disk, or a reader would pass over it. */
static uint64_t horizon(const struct gossip *g)
{
	for (const struct own_record *own = g->own_first; own; own = own->next) {
		if (own->number)
			return own->number;
	}
	return UINT64_MAX;
}

bool gossip_value_since(const struct gossip *g, uint64_t cursor, struct gossip_value *ret)
{
	struct kv_shown found;

	if (!g->kv || !kv_since(g->kv, cursor, &found) || found.number >= horizon(g))
		return false;
	*ret = shown(&found);
	return true;
}

uint64_t gossip_value_cursor(const struct gossip *g)
{
	uint64_t most = horizon(g);

	if (!g->kv)
		return 0;
	return most == UINT64_MAX ? kv_cursor(g->kv) : most - 1;
}

uint64_t gossip_value_floor(const struct gossip *g)
{
	return g->kv ? kv_floor(g->kv) : 0;
}

int gossip_value_check(struct gossip *g, uint64_t cursor)
{
	if (cursor == 0)
		return 0;
	if (!g->kv || cursor > kv_cursor(g->kv))
		return gossip_fail(g, ERR_INVALID,
			"that cursor is not of this node: start again without --since");
	if (cursor < gossip_value_floor(g))
		return gossip_fail(g, ERR_EXPIRED,
			"that cursor is so old that what was deleted since is not known any more: "
			"start again without --since");
	return 0;
}

/* ---- putting ---- */

static int check_key(struct gossip *g, const void *key, size_t key_size)
{
	int err = gossip_own_may_write(g);
	uint64_t twice;

	if (err)
		return err;
	if (!value_key_is_valid(key, key_size))
		return gossip_fail(g, ERR_INVALID,
			"a key is 1 to %d bytes of UTF-8 without control characters",
			VALUE_KEY_MAX);
	if (value_key_is_mesh(key, key_size))
		return gossip_command_need_admin(g, "writes keys under `" VALUE_MESH "`");
	if (g->state != GOSSIP_RUNNING)
		return gossip_fail(g, ERR_STATE,
			"this node is %s: it belongs to no mesh that it could write to",
			gossip_state_label(g->state));
	if (authority_equivocation(g->authority, &g->config.identity->id, &twice))
		return gossip_fail(g, ERR_STATE,
			"this node's key has signed two records with one stamp (is it on another "
			"machine too?), and what it puts counts nowhere any more: `meshctl leave`, "
			"then join by a new token");
	return 0;
}

/* Others hold back what is more than a minute ahead of their clocks. */
static int check_clock(struct gossip *g, uint64_t stamp)
{
	int64_t offset_ms, ahead_ms;

	if (!gossip_clock_offset(g, &offset_ms))
		return 0;
	ahead_ms = hlc_stamp_ms(stamp) - (g->time.wall.ms + offset_ms);
	if (ahead_ms <= HLC_AHEAD_MAX_MS)
		return 0;
	if (offset_ms + HLC_AHEAD_MAX_MS > 0)
		return gossip_fail(g, ERR_FUTURE,
			"this node's clock has been ahead, and what it writes has to come after "
			"what it wrote then: others will take it in %lld s",
			(long long)(ahead_ms / 1000));
	return gossip_fail(g, ERR_FUTURE,
		"this node is %lld s ahead of the other members' clocks, who would not take what "
		"it writes: set its clock, and check that it is kept synchronised",
		(long long)(ahead_ms / 1000));
}

/* What is on its way to the disk counts as well; whether it replaces anything is not looked at. */
static int check_room(struct gossip *g, const struct record *record)
{
	const struct record *held =
		store_slot(g->store, &record->author, RECORD_VALUE, record->key, record->key_size);
	bool deleted = value_is_tombstone(record);
	struct store_usage usage = store_usage(g->store, &record->author, quota_class(record));

	for (const struct own_record *own = g->own_first; own; own = own->next) {
		if (own->number && quota_class(own->record) == quota_class(record)) {
			usage.records++;
			usage.size_bytes += own->record->size;
		}
	}
	if (held && quota_class(held) == quota_class(record)) {
		usage.records--;
		usage.size_bytes -= held->size;
	}
	if (usage.records + 1 <= usage.limits.records &&
		usage.size_bytes + record->size <= usage.limits.size_bytes)
		return 0;
	return gossip_fail(g, ERR_LIMIT,
		"what this node may %s is used up (%zu keys and %zu KiB): %s",
		deleted ? "delete" : "write", usage.limits.records, usage.limits.size_bytes / 1024,
		deleted ? "deletions are remembered for 10 days; wait, or let another member do it"
			: "delete keys that it has written, or have an admin `meshctl grant` it "
			  "`writer`");
}

/* value NULL: deletes. */
static int publish(struct gossip *g, const void *key, size_t key_size, const void *value,
	size_t value_size, uint64_t *ret_stamp, uint64_t *ret_ticket)
{
	struct record_draft draft = {.type = RECORD_VALUE, .key = key, .key_size = key_size};
	struct record *record = NULL;
	struct pack pack;
	int err;

	pack_init_growing(&pack, RECORD_VALUE_MAX);
	value_encode(value, value_size, &pack);
	draft.value = pack.data;
	draft.value_size = pack.size;
	draft.stamp = hlc_next(&g->hlc, gossip_mesh_time(g));
	err = pack_status(&pack);
	if (!err)
		err = check_clock(g, draft.stamp);
	if (!err)
		err = g->signs_elsewhere
			      ? record_draft(&g->mesh, &g->config.identity->id, &draft, &record)
			      : record_sign(&g->mesh, g->config.identity, &draft, &record);
	if (!err)
		err = check_room(g, record);
	if (err)
		goto out;
	*ret_stamp = record->stamp;
	gossip_record_publish_signed(g, record_ref(record));
	*ret_ticket = g->ticket;
	gossip_turn(g);
out:
	record_unref(record);
	pack_done(&pack);
	return err;
}

void gossip_sign_elsewhere(struct gossip *g, bool elsewhere)
{
	g->signs_elsewhere = elsewhere;
}

int gossip_put(struct gossip *g, struct gossip_time time, const void *key, size_t key_size,
	const void *value, size_t value_size, uint64_t *ret_stamp, uint64_t *ret_ticket)
{
	int err;

	g->time = time;
	err = check_key(g, key, key_size);
	if (!err && value_size > VALUE_SIZE_MAX)
		err = gossip_fail(
			g, ERR_TOO_BIG, "a value is at most %d KiB", VALUE_SIZE_MAX / 1024);
	return err ? err
		   : publish(g, key, key_size, value ? value : "", value_size, ret_stamp,
			     ret_ticket);
}

int gossip_delete(struct gossip *g, struct gossip_time time, const void *key, size_t key_size,
	uint64_t *ret_stamp, uint64_t *ret_ticket)
{
	struct gossip_value held;
	int err;

	g->time = time;
	err = check_key(g, key, key_size);
	if (!err && !gossip_value(g, key, key_size, &held))
		err = gossip_fail(
			g, ERR_UNKNOWN, "there is no key `%.*s`", (int)key_size, (const char *)key);
	return err ? err : publish(g, key, key_size, NULL, 0, ret_stamp, ret_ticket);
}
