#include "gossip/replica/kv.h"

#include <assert.h>
#include <stdlib.h>

#include "gossip/base/rng.h"
#include "gossip/base/treap.h"

#define COMPACT_LEAST 1024 /* changes that were overtaken, before they are cleared away */

/* Kept small: there is one for each key in the mesh. */
struct kv_key {
	struct treap_node tree;
	uint64_t number;	/* of the last change; 0: it has shown nothing yet */
	struct record *record;	/* what it shows, or else any that has its key; a reference */
	struct record **others; /* by other authors; references */
	unsigned other_count;
	bool shows;  /* record */
	bool stored; /* record; else it is only remembered, and shows nothing */
	bool said;   /* somebody may have read a value of it */
};

/* In the order of numbers. */
struct kv_change {
	uint64_t number;
	struct kv_key *key; /* NULL: it has changed again since, or is forgotten */
};

struct kv {
	struct rng *rng;
	struct kv_hooks hooks;
	struct treap keys;
	struct kv_change *changes;
	size_t change_count, change_capacity, overtaken;
	size_t remembered; /* keys that are */
	uint64_t last;	   /* number given out */
	uint64_t floor;
	bool begun;
};

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static struct kv_key *key_of(const struct treap_node *node)
{
	return (struct kv_key *)node; /* its first member */
}

int kv_new(struct rng *rng, const struct kv_hooks *hooks, struct kv **ret)
{
	struct kv *kv = calloc(1, sizeof(*kv));

	if (!kv)
		return ERR_NOMEM;
	kv->rng = rng;
	kv->hooks = *hooks;
	*ret = kv;
	return 0;
}

static void free_key(struct kv_key *key)
{
	for (unsigned i = 0; i < key->other_count; i++)
		record_unref(key->others[i]);
	free(key->others);
	record_unref(key->record);
	free(key);
}

static void free_tree(struct treap_node *node)
{
	if (!node)
		return;
	free_tree(node->left);
	free_tree(node->right);
	free_key(key_of(node));
}

void kv_free(struct kv *kv)
{
	if (!kv)
		return;
	free_tree(kv->keys.root);
	free(kv->changes);
	free(kv);
}

/* ---- keys in the order of their bytes ---- */

static int compare_bytes(const void *a, size_t a_size, const void *b, size_t b_size)
{
	size_t size = a_size < b_size ? a_size : b_size;
	int order = size ? memcmp(a, b, size) : 0;

	return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_keys(const struct treap_node *a, const struct treap_node *b)
{
	const struct record *one = key_of(a)->record, *other = key_of(b)->record;

	return compare_bytes(one->key, one->key_size, other->key, other->key_size);
}

/* The first that is not before key; with `behind`, nor the same. */
static struct kv_key *seek(const struct kv *kv, const void *key, size_t size, bool behind)
{
	struct treap_node *at = kv->keys.root, *found = NULL;

	while (at) {
		const struct record *record = key_of(at)->record;
		int order = compare_bytes(key, size, record->key, record->key_size);

		if (order < 0 || (order == 0 && !behind)) {
			found = at;
			at = at->left;
		} else {
			at = at->right;
		}
	}
	return found ? key_of(found) : NULL;
}

static bool begins_with(const struct record *record, const void *prefix, size_t size)
{
	return record->key_size >= size && (!size || memcmp(record->key, prefix, size) == 0);
}

static struct kv_key *find(const struct kv *kv, const void *key, size_t size)
{
	struct kv_key *found = seek(kv, key, size, false);

	return found && found->record->key_size == size && begins_with(found->record, key, size)
		       ? found
		       : NULL;
}

/* ---- changes in the order of their numbers ---- */

/* The first whose number is not below. */
static size_t change_at(const struct kv *kv, uint64_t number)
{
	size_t low = 0, high = kv->change_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (kv->changes[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void compact(struct kv *kv)
{
	size_t count = 0;

	if (kv->overtaken < COMPACT_LEAST || kv->overtaken < kv->change_count / 2)
		return;
	for (size_t i = 0; i < kv->change_count; i++) {
		if (kv->changes[i].key)
			kv->changes[count++] = kv->changes[i];
	}
	kv->change_count = count;
	kv->overtaken = 0;
}

static void overtake(struct kv *kv, const struct kv_key *key)
{
	size_t at = change_at(kv, key->number);

	if (!kv->begun || !key->number)
		return;
	assert(at < kv->change_count && kv->changes[at].key == key);
	kv->changes[at].key = NULL;
	kv->overtaken++;
}

static void note(struct kv *kv, struct kv_key *key)
{
	size_t at = kv->change_count;

	if (kv->change_count == kv->change_capacity) {
		kv->change_capacity += kv->change_capacity / 4 + COMPACT_LEAST;
		kv->changes =
			must(realloc(kv->changes, kv->change_capacity * sizeof(struct kv_change)));
	}
	/* only a number that was reserved may stand behind others already */
	for (; at && kv->begun && kv->changes[at - 1].number > key->number; at--)
		kv->changes[at] = kv->changes[at - 1];
	kv->changes[at] = (struct kv_change){key->number, key};
	kv->change_count++;
}

uint64_t kv_reserve(struct kv *kv)
{
	return ++kv->last;
}

/* What the key shows is another thing now. */
static void number_anew(struct kv *kv, struct kv_key *key, uint64_t number)
{
	overtake(kv, key);
	key->said |= key->shows && !value_is_tombstone(key->record);
	key->number = number ? number : kv_reserve(kv);
	note(kv, key);
	compact(kv);
}

/* ---- what a key shows ---- */

static bool counts(const struct kv *kv, const struct record *record)
{
	return kv->hooks.counts(kv->hooks.context, record);
}

/* The other one that counts and is larger than best, which may be NULL. */
static struct record **best_other(const struct kv *kv, struct kv_key *key, struct record *best)
{
	struct record **found = NULL;

	for (unsigned i = 0; i < key->other_count; i++) {
		struct record **other = &key->others[i];

		if ((!best || value_compare(*other, best) > 0) && counts(kv, *other)) {
			found = other;
			best = *other;
		}
	}
	return found;
}

static void add_other(struct kv_key *key, struct record *record)
{
	size_t size = (key->other_count + 1) * sizeof(struct record *);

	key->others = must(realloc(key->others, size));
	key->others[key->other_count++] = record;
}

static void take_other(struct kv_key *key, struct record **other)
{
	*other = key->others[--key->other_count];
	if (key->other_count)
		return;
	free(key->others);
	key->others = NULL;
}

static void remember(struct kv *kv, struct kv_key *key, bool remembered)
{
	kv->remembered += remembered - !key->stored;
	key->stored = !remembered;
}

/* Chooses anew. Returns whether the key shows another thing than before. */
static bool choose(struct kv *kv, struct kv_key *key)
{
	struct record *current = key->stored && counts(kv, key->record) ? key->record : NULL;
	struct record **other = best_other(kv, key, current);
	bool showed = key->shows;

	if (!other) {
		key->shows = current != NULL;
		return key->shows != showed;
	}
	current = *other;
	if (key->stored) {
		*other = key->record;
	} else {
		record_unref(key->record);
		take_other(key, other);
		remember(kv, key, false);
	}
	key->record = current;
	key->shows = true;
	return true;
}

/* Of a key that never had a value nobody has read anything that would be untrue. */
static void drop(struct kv *kv, struct kv_key *key)
{
	if (key->said && key->number > kv->floor)
		kv->floor = key->number;
	overtake(kv, key);
	treap_remove(&kv->keys, &key->tree, compare_keys);
	remember(kv, key, false);
	free_key(key);
	compact(kv);
}

static void changed(struct kv *kv, struct kv_key *key)
{
	number_anew(kv, key, 0);
	kv->hooks.changed(kv->hooks.context, key->shows ? key->record : NULL, key->number);
}

/* Its last record goes, and it shows no value: what readers may have read of one, they are told
 * still, for a tombstone may come and go before they look. */
static void end(struct kv *kv, struct kv_key *key)
{
	if (!key->said || !key->number) {
		drop(kv, key);
		return;
	}
	remember(kv, key, true);
	key->shows = false;
	kv->hooks.changed(kv->hooks.context, NULL, key->number);
}

/* ---- records ---- */

static struct kv_key *ensure(struct kv *kv, struct record *record, bool *ret_fresh)
{
	struct kv_key *key = find(kv, record->key, record->key_size);

	*ret_fresh = !key;
	if (key)
		return key;
	key = must(calloc(1, sizeof(*key)));
	key->record = record_ref(record);
	key->stored = true;
	key->tree.priority = (uint32_t)rng_u64(kv->rng);
	treap_add(&kv->keys, &key->tree, compare_keys);
	return key;
}

/* Puts it in the place of its author's, or adds it. */
static void put(struct kv *kv, struct kv_key *key, struct record *record)
{
	record_ref(record);
	if (!key->stored || id_equal(&key->record->author, &record->author)) {
		record_unref(key->record);
		key->record = record;
		remember(kv, key, false);
		return;
	}
	for (unsigned i = 0; i < key->other_count; i++) {
		if (id_equal(&key->others[i]->author, &record->author)) {
			record_unref(key->others[i]);
			key->others[i] = record;
			return;
		}
	}
	add_other(key, record);
}

void kv_restore(struct kv *kv, struct record *record, uint64_t number, bool said)
{
	bool fresh;
	struct kv_key *key = ensure(kv, record, &fresh);

	assert(!kv->begun);
	if (!fresh)
		put(kv, key, record);
	/* the largest is the one that was shown, if it counts still */
	for (unsigned i = 0; i < key->other_count; i++) {
		if (value_compare(key->others[i], key->record) > 0) {
			struct record *swap = key->record;

			key->record = key->others[i];
			key->others[i] = swap;
		}
	}
	if (key->record == record)
		key->number = number;
	key->said |= said;
}

static int compare_numbers(const void *a, const void *b)
{
	const struct kv_change *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

void kv_begin(struct kv *kv, uint64_t first, uint64_t floor)
{
	size_t count = treap_count(kv->keys.root);

	kv->last = first - 1;
	kv->floor = floor;
	for (size_t i = 0; i < count; i++) {
		struct kv_key *key = key_of(treap_at(&kv->keys, i));
		const struct record *largest = key->record;

		(void)choose(kv, key);
		if (!key->shows)
			key->number = 0;
		else if (key->record != largest || !key->number)
			key->number = kv_reserve(kv);
		if (key->number)
			note(kv, key);
	}
	if (kv->change_count)
		qsort(kv->changes, kv->change_count, sizeof(struct kv_change), compare_numbers);
	kv->begun = true;
}

uint64_t kv_add(struct kv *kv, struct record *record, uint64_t number)
{
	bool fresh, same;
	struct kv_key *key = ensure(kv, record, &fresh);
	struct hash shown = key->record->hash;
	bool showed = key->shows;

	assert(kv->begun);
	if (!fresh)
		put(kv, key, record);
	(void)choose(kv, key);
	/* another signature over what was shown already is no change */
	same = showed == key->shows && (!showed || hash_equal(&shown, &key->record->hash));
	if (!same && key->shows && key->record == record)
		number_anew(kv, key, number);
	else if (!same)
		changed(kv, key);
	return key->shows && key->record == record ? key->number : 0;
}

void kv_remove(struct kv *kv, const struct record *record)
{
	struct kv_key *key = find(kv, record->key, record->key_size);
	bool was_shown = key && key->shows && key->record == record;
	bool deleted = was_shown && value_is_tombstone(record);

	if (!key)
		return;
	for (unsigned i = 0; i < key->other_count; i++) {
		if (key->others[i] == record) {
			record_unref(key->others[i]);
			take_other(key, &key->others[i]);
			return;
		}
	}
	if (key->record != record)
		return;
	if (!key->other_count && (deleted || !was_shown)) {
		end(kv, key);
		return;
	}
	remember(kv, key, true);
	key->shows = false;
	if (!choose(kv, key) && key->other_count) {
		/* one that does not count has the key from now on */
		record_unref(key->record);
		key->record = key->others[0];
		take_other(key, &key->others[0]);
		remember(kv, key, false);
	}
	if (was_shown)
		changed(kv, key);
}

void kv_review(struct kv *kv, const void *prefix, size_t prefix_size)
{
	struct kv_key *key = seek(kv, prefix, prefix_size, false);

	while (key && begins_with(key->record, prefix, prefix_size)) {
		if (choose(kv, key))
			changed(kv, key);
		key = seek(kv, key->record->key, key->record->key_size, true);
	}
}

void kv_forget(struct kv *kv)
{
	for (size_t i = 0; i < kv->change_count && kv->remembered; i++) {
		struct kv_key *key = kv->changes[i].key;

		if (key && !key->stored)
			drop(kv, key);
	}
}

/* ---- looking ---- */

static struct kv_shown shown(const struct kv_key *key)
{
	return (struct kv_shown){.record = key->record,
		.deleted = !key->shows || value_is_tombstone(key->record),
		.number = key->number};
}

bool kv_get(const struct kv *kv, const void *key, size_t size, struct kv_shown *ret)
{
	const struct kv_key *found = find(kv, key, size);

	if (!found || !found->number)
		return false;
	*ret = shown(found);
	return true;
}

bool kv_next(const struct kv *kv, const void *prefix, size_t prefix_size, const void *after,
	size_t after_size, struct kv_shown *ret)
{
	const struct kv_key *key =
		after ? seek(kv, after, after_size, true) : seek(kv, prefix, prefix_size, false);

	while (key && !key->number && begins_with(key->record, prefix, prefix_size))
		key = seek(kv, key->record->key, key->record->key_size, true);
	if (!key || !begins_with(key->record, prefix, prefix_size))
		return false;
	*ret = shown(key);
	return true;
}

bool kv_since(const struct kv *kv, uint64_t cursor, struct kv_shown *ret)
{
	for (size_t i = change_at(kv, cursor + 1); i < kv->change_count; i++) {
		if (kv->changes[i].key) {
			*ret = shown(kv->changes[i].key);
			return true;
		}
	}
	return false;
}

uint64_t kv_cursor(const struct kv *kv)
{
	return kv->last;
}

uint64_t kv_floor(const struct kv *kv)
{
	return kv->floor;
}

const struct record *kv_record(const struct kv *kv, const void *key, size_t key_size, size_t index)
{
	const struct kv_key *found = find(kv, key, key_size);

	if (!found || index >= (size_t)found->stored + found->other_count)
		return NULL;
	if (found->stored && index == 0)
		return found->record;
	return found->others[index - found->stored];
}

size_t kv_count(const struct kv *kv)
{
	return treap_count(kv->keys.root);
}
