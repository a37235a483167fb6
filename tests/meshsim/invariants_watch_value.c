#include "tests/meshsim/invariants_watch_value.h"

#include <assert.h>
#include <stdio.h>

#include "gossip/gossip_internal.h"
#include "gossip/record/value.h"
#include "gossip/replica/kv.h"
#include "gossip/replica/store.h"

#define KEY_SIZE 2

static void key_name(int key, char ret[KEY_SIZE + 1])
{
	assert(key >= 0 && key < 10);
	snprintf(ret, KEY_SIZE + 1, "k%d", key % 10);
}

/* -1: none that is looked at. */
static int key_number(const void *key, size_t size)
{
	const char *text = key;

	return size == KEY_SIZE && text[0] == 'k' && text[1] >= '0' &&
			       text[1] < '0' + INVARIANTS_KEYS
		       ? text[1] - '0'
		       : -1;
}

static struct invariants_value said(const struct record *record)
{
	return (struct invariants_value){.known = true,
		.deleted = value_is_tombstone(record),
		.stamp = record->stamp,
		.author = record->author};
}

static bool is_void(const struct gossip *g, const struct record *record)
{
	return authority_value_is_void(g->authority, &record->author, record->stamp);
}

/* Where nobody who counts says anything of it, a key shows nothing, however it came to that. */
static struct invariants_value shown(const struct gossip *g, int key)
{
	char name[KEY_SIZE + 1];
	struct kv_shown found;

	key_name(key, name);
	if (!kv_get(g->kv, name, KEY_SIZE, &found) ||
		(found.deleted && (!value_is_tombstone(found.record) || is_void(g, found.record) ||
					  !store_find(g->store, &found.record->hash))))
		return (struct invariants_value){.known = false};
	return said(found.record);
}

/* Whether what the key showed is here still, or what its author has said since, and counts. What a
 * clock said that was far ahead is taken back. */
static bool counts_still(
	const struct gossip *g, wtime_t truth, int key, const struct invariants_value *before)
{
	const struct record *record;
	char name[KEY_SIZE + 1];

	if (!before->known)
		return true;
	if (hlc_stamp_ms(before->stamp) > truth.ms + GOSSIP_AHEAD_MS)
		return false;
	key_name(key, name);
	record = store_slot(g->store, &before->author, RECORD_VALUE, name, KEY_SIZE);
	if (record && record->stamp >= before->stamp)
		return !is_void(g, record);
	return !store_banned(g->store, &before->author) &&
	       store_slot(g->store, &before->author, RECORD_ADMISSION, NULL, 0);
}

static void look(struct invariants *checker, int node, const struct gossip *g, wtime_t truth,
	struct value_reader *reader, int key)
{
	struct invariants_value now = shown(g, key);

	invariants_shown(
		checker, node, key, &now, counts_still(g, truth, key, &reader->shown[key]));
	reader->shown[key] = now;
}

static void begin_anew(struct value_reader *reader)
{
	reader->cursor = 0;
	memset(reader->read, 0, sizeof(reader->read));
}

/* As a client that was cut off by the node's end, and says from where it goes on: it may be told to
 * begin anew, but not that it has read what never was. */
static void reconnect(
	struct invariants *checker, int node, struct gossip *g, struct value_reader *reader)
{
	int err;

	if (reader->generation == g->config.generation)
		return;
	err = gossip_value_check(g, reader->cursor);
	invariants_check(checker, INVARIANT_VALUES_FOLLOWED, err == 0 || err == ERR_EXPIRED, node,
		"its cursor is refused: %s", gossip_error(g));
	if (err != 0)
		begin_anew(reader);
	reader->generation = g->config.generation;
	reader->floor = gossip_value_floor(g);
}

/* As one that is told to begin anew: what was deleted has come and gone since it last read. */
static void fall_behind(const struct gossip *g, struct value_reader *reader)
{
	uint64_t floor = gossip_value_floor(g);

	if (floor != reader->floor && reader->cursor < floor)
		begin_anew(reader);
	reader->floor = floor;
}

static void read_on(
	struct invariants *checker, int node, struct gossip *g, struct value_reader *reader)
{
	struct gossip_value value;

	reconnect(checker, node, g, reader);
	fall_behind(g, reader);
	while (gossip_value_since(g, reader->cursor, &value)) {
		int key = key_number(value.key, value.key_size);

		reader->cursor = value.cursor;
		if (key >= 0)
			reader->read[key] = (struct invariants_value){.known = true,
				.deleted = !value.value,
				.stamp = value.stamp,
				.author = value.author};
	}
	reader->cursor = gossip_value_cursor(g);
	/* what is shown behind an own write that is not on disk yet is told after that */
	if (reader->cursor != kv_cursor(g->kv))
		return;
	for (int key = 0; key < INVARIANTS_KEYS; key++)
		invariants_followed(checker, node, key, &reader->read[key]);
}

void watch_values(struct invariants *checker, int node, struct gossip *g, wtime_t truth,
	struct value_reader *reader)
{
	if (reader->cursor == gossip_value_cursor(g)) {
		look(checker, node, g, truth, reader, (int)(reader->turn++ % INVARIANTS_KEYS));
		return;
	}
	for (int key = 0; key < INVARIANTS_KEYS; key++)
		look(checker, node, g, truth, reader, key);
	read_on(checker, node, g, reader);
}

void watch_values_end(struct invariants *checker, int node, struct gossip *g, wtime_t truth,
	struct value_reader *reader, struct invariants_value ret[INVARIANTS_KEYS])
{
	for (int key = 0; key < INVARIANTS_KEYS; key++) {
		look(checker, node, g, truth, reader, key);
		ret[key] = reader->shown[key];
		invariants_followed(checker, node, key, &reader->read[key]);
	}
	for (struct record *r = store_after(g->store, NULL); r; r = store_after(g->store, r)) {
		int key = r->type == RECORD_VALUE ? key_number(r->key, r->key_size) : -1;
		struct invariants_value value;

		if (key < 0 || is_void(g, r))
			continue;
		value = said(r);
		invariants_said(checker, node, key, &value);
	}
}
