/* What keys show: the same whatever the order, and every change of it is told to whoever reads on.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/rng.h"
#include "gossip/replica/kv.h"
#include "tests/support/records.h"

#define FIRST 1001

enum { ANN = 3, BEN, EVE }; /* who writes; Eve is no admin */

static struct rng rng;

struct watched {
	struct kv *kv;
	bool eve_counts;
	size_t again, gone;
};

static bool counts(void *context, const struct record *record)
{
	const struct watched *w = context;
	struct id eve = records_id(EVE);

	return w->eve_counts || !value_key_is_mesh(record->key, record->key_size) ||
	       !id_equal(&record->author, &eve);
}

static void changed(void *context, struct record *record, uint64_t number)
{
	struct watched *w = context;

	assert_int_not_equal(number, 0);
	*(record ? &w->again : &w->gone) += 1;
}

static void watched_init(struct watched *w)
{
	const struct kv_hooks hooks = {.counts = counts, .changed = changed, .context = w};

	*w = (struct watched){.kv = NULL};
	assert_int_equal(kv_new(&rng, &hooks, &w->kv), 0);
}

static int start(void **state)
{
	struct watched *w = malloc(sizeof(*w));

	assert_non_null(w);
	rng_init(&rng, (const uint8_t[32]){9});
	watched_init(w);
	kv_begin(w->kv, FIRST, 0);
	*state = w;
	return 0;
}

static int end(void **state)
{
	struct watched *w = *state;

	kv_free(w->kv);
	free(w);
	return 0;
}

/* Adds a record made for this one call; the view holds it. */
static struct record *add(
	struct watched *w, unsigned author, const char *key, const char *value, unsigned at)
{
	struct record *record = records_value(author, key, value, records_at(at));

	(void)kv_add(w->kv, record, 0);
	record_unref(record);
	return record;
}

static void assert_shows(struct watched *w, const char *key, const char *value)
{
	struct kv_shown shown;
	struct value got;

	assert_true(kv_get(w->kv, key, strlen(key), &shown));
	assert_int_equal(shown.deleted, value == NULL);
	if (!value)
		return;
	assert_int_equal(value_decode(shown.record, &got), 0);
	assert_int_equal(got.size, strlen(value));
	assert_memory_equal(got.bytes, value, got.size);
}

static void assert_no_key(struct watched *w, const char *key)
{
	struct kv_shown shown;

	assert_false(kv_get(w->kv, key, strlen(key), &shown));
}

/* All keys that begin so, one after the other. */
static void assert_list(struct watched *w, const char *prefix, const char *expected)
{
	char list[256] = "";
	struct kv_shown shown = {.record = NULL};

	while (kv_next(w->kv, prefix, strlen(prefix), shown.record ? shown.record->key : NULL,
		shown.record ? shown.record->key_size : 0, &shown)) {
		strcat(list, list[0] ? " " : "");
		strncat(list, (const char *)shown.record->key, shown.record->key_size);
	}
	assert_string_equal(list, expected);
}

/* What a reader hears that goes on from the cursor: "key=value" or "key!" for each change. */
static uint64_t assert_hears(struct watched *w, uint64_t cursor, const char *expected)
{
	char heard[256] = "";
	struct kv_shown shown;
	struct value value;

	while (kv_since(w->kv, cursor, &shown)) {
		assert_true(shown.number > cursor);
		cursor = shown.number;
		strcat(heard, heard[0] ? " " : "");
		strncat(heard, (const char *)shown.record->key, shown.record->key_size);
		strcat(heard, shown.deleted ? "!" : "=");
		if (!shown.deleted && value_decode(shown.record, &value) == 0)
			strncat(heard, (const char *)value.bytes, value.size);
	}
	assert_string_equal(heard, expected);
	return cursor;
}

/* ---- what is shown ---- */

static void the_latest_of_all_authors_is_shown(void **state)
{
	struct watched *w = *state;

	add(w, ANN, "k", "ann", 10);
	add(w, BEN, "k", "ben", 20);
	assert_shows(w, "k", "ben");
	add(w, ANN, "k", "older", 15);
	assert_shows(w, "k", "ben");
	add(w, ANN, "k", NULL, 30);
	assert_shows(w, "k", NULL);
	add(w, EVE, "k", "eve", 31);
	assert_shows(w, "k", "eve");
}

static void at_one_stamp_the_larger_author_is_shown_in_any_order(void **state)
{
	struct watched *w = *state;
	struct id ann = records_id(ANN), ben = records_id(BEN);
	const char *larger = memcmp(&ann, &ben, sizeof(ann)) > 0 ? "ann" : "ben";

	add(w, ANN, "k", "ann", 10);
	add(w, BEN, "k", "ben", 10);
	add(w, BEN, "l", "ben", 10);
	add(w, ANN, "l", "ann", 10);
	assert_shows(w, "k", larger);
	assert_shows(w, "l", larger);
}

static void keys_are_listed_in_order_and_by_prefix(void **state)
{
	struct watched *w = *state;

	add(w, ANN, "b/2", "v", 1);
	add(w, ANN, "a", "v", 2);
	add(w, ANN, "b", "v", 3);
	add(w, ANN, "b/10", "v", 4);
	add(w, ANN, "c", "v", 5);
	assert_list(w, "", "a b b/10 b/2 c");
	assert_list(w, "b/", "b/10 b/2");
	assert_list(w, "b", "b b/10 b/2");
	assert_list(w, "d", "");
}

static void what_does_not_count_is_not_shown_and_no_key(void **state)
{
	struct watched *w = *state;

	add(w, EVE, "mesh/x", "evil", 90);
	assert_no_key(w, "mesh/x");
	assert_list(w, "", "");
	add(w, ANN, "mesh/x", "good", 10);
	assert_shows(w, "mesh/x", "good");
	add(w, EVE, "meshed", "fine", 10);
	assert_shows(w, "meshed", "fine");
}

static void who_counts_may_change(void **state)
{
	struct watched *w = *state;
	uint64_t cursor;

	add(w, ANN, "mesh/x", "ann", 10);
	add(w, EVE, "mesh/x", "eve", 20);
	add(w, EVE, "mesh/y", "eve", 20);
	cursor = assert_hears(w, 0, "mesh/x=ann");
	w->eve_counts = true;
	kv_review(w->kv, "mesh/", 5);
	cursor = assert_hears(w, cursor, "mesh/x=eve mesh/y=eve");
	w->eve_counts = false;
	kv_review(w->kv, "mesh/", 5);
	assert_hears(w, cursor, "mesh/x=ann mesh/y!");
	kv_review(w->kv, "mesh/", 5);
	assert_int_equal(w->again, 3);
	assert_int_equal(w->gone, 1);
}

/* ---- what goes ---- */

static void when_one_goes_the_next_shows_again(void **state)
{
	struct watched *w = *state;
	struct record *last;
	uint64_t cursor;

	add(w, ANN, "k", "ann", 10);
	add(w, BEN, "k", "ben", 20);
	last = add(w, EVE, "k", "eve", 30);
	cursor = assert_hears(w, 0, "k=eve");
	kv_remove(w->kv, last);
	assert_hears(w, cursor, "k=ben");
	assert_int_equal(w->again, 1);
}

static void what_goes_without_a_tombstone_is_told_and_then_forgotten(void **state)
{
	struct watched *w = *state;
	struct record *only = add(w, ANN, "k", "v", 10);
	uint64_t cursor = assert_hears(w, 0, "k=v"), after;

	kv_remove(w->kv, only);
	assert_int_equal(w->gone, 1);
	assert_shows(w, "k", NULL);
	after = assert_hears(w, cursor, "k!");
	assert_int_equal(kv_floor(w->kv), 0);
	kv_forget(w->kv);
	assert_no_key(w, "k");
	assert_int_equal(kv_count(w->kv), 0);
	/* who has heard it misses nothing; who has not must begin anew */
	assert_true(cursor < kv_floor(w->kv));
	assert_false(after < kv_floor(w->kv));
}

static void it_may_come_back_before_it_is_forgotten(void **state)
{
	struct watched *w = *state;

	kv_remove(w->kv, add(w, ANN, "k", "v", 10));
	add(w, BEN, "k", "again", 5);
	assert_shows(w, "k", "again");
	kv_forget(w->kv);
	assert_shows(w, "k", "again");
	assert_hears(w, 0, "k=again");
}

static void a_tombstone_that_goes_takes_the_key_along(void **state)
{
	struct watched *w = *state;
	struct record *value = add(w, ANN, "k", "v", 10), *tombstone;
	uint64_t cursor = kv_cursor(w->kv), after;

	tombstone = add(w, BEN, "k", NULL, 20);
	after = kv_cursor(w->kv);
	kv_remove(w->kv, value);
	assert_hears(w, cursor, "k!");
	kv_remove(w->kv, tombstone);
	kv_forget(w->kv);
	assert_no_key(w, "k");
	assert_int_equal(kv_count(w->kv), 0);
	assert_hears(w, cursor, "");
	assert_int_equal(kv_floor(w->kv), after);
}

/* An old one that comes late, or is purged with its author at once. */
static void a_tombstone_that_comes_and_goes_is_told_to_whoever_looks_then(void **state)
{
	struct watched *w = *state;
	struct record *value = add(w, ANN, "k", "v", 10), *tombstone;
	uint64_t cursor = assert_hears(w, 0, "k=v");

	tombstone = add(w, BEN, "k", NULL, 20);
	kv_remove(w->kv, value);
	kv_remove(w->kv, tombstone);
	assert_int_equal(w->gone, 1); /* a cursor of before is not to be taken after a restart */
	assert_hears(w, cursor, "k!");
}

/* Whatever somebody buries that nobody had: who reads on from a cursor has read nothing of it. */
static void a_tombstone_of_what_never_was_ends_no_cursor(void **state)
{
	struct watched *w = *state;
	struct record *value = add(w, ANN, "k", "v", 10), *tombstone;
	uint64_t cursor = kv_cursor(w->kv);

	kv_remove(w->kv, add(w, EVE, "made up", NULL, 1));
	assert_no_key(w, "made up");
	assert_int_equal(kv_floor(w->kv), 0);
	/* of what was there it does */
	tombstone = add(w, EVE, "k", NULL, 20);
	kv_remove(w->kv, value);
	kv_remove(w->kv, tombstone);
	kv_forget(w->kv);
	assert_true(cursor < kv_floor(w->kv));
}

static void another_signature_is_no_change(void **state)
{
	struct watched *w = *state;
	struct record *one = records_value(ANN, "k", "v", records_at(1)),
		      *same = records_value(ANN, "k", "v", records_at(1));
	uint64_t number = kv_add(w->kv, one, 0);

	assert_int_equal(number, FIRST);
	assert_int_equal(kv_add(w->kv, same, 0), number);
	assert_int_equal(kv_cursor(w->kv), number);
	record_unref(one);
	record_unref(same);
}

/* ---- numbers ---- */

static void a_reserved_number_stands_where_it_was_reserved(void **state)
{
	struct watched *w = *state;
	struct record *own = records_value(ANN, "own", "v", records_at(1));
	uint64_t reserved = kv_reserve(w->kv);

	add(w, BEN, "other", "v", 2);
	assert_int_equal(kv_add(w->kv, own, reserved), reserved);
	assert_hears(w, 0, "own=v other=v");
	assert_hears(w, reserved, "other=v");
	record_unref(own);
}

static void numbers_survive_a_restart(void **state)
{
	struct watched *w = *state, again;
	struct record *records[3];
	uint64_t numbers[3], cursor;

	for (size_t i = 0; i < 3; i++) {
		static const char *const keys[] = {"c", "a", "b"};

		records[i] = records_value(ANN, keys[i], "v", records_at(9 - (unsigned)i));
		numbers[i] = kv_add(w->kv, records[i], 0);
	}
	watched_init(&again);
	for (size_t i = 3; i-- > 0;) {
		kv_restore(again.kv, records[i], i == 1 ? 0 : numbers[i], true);
		record_unref(records[i]);
	}
	kv_begin(again.kv, 5000, 77);
	assert_int_equal(kv_floor(again.kv), 77);
	/* whose number is not known is told again, last */
	cursor = assert_hears(&again, 0, "c=v b=v a=v");
	assert_int_equal(cursor, 5000);
	add(&again, BEN, "d", "v", 1);
	assert_hears(&again, numbers[0], "b=v a=v d=v");
	kv_free(again.kv);
}

/* A model of the view, (key, author) -> record, and a reader who goes on from where it was. */
enum { MODEL_KEYS = 5, MODEL_AUTHORS = 3, MODEL_TIMES = 400 };

struct model {
	struct record *slots[MODEL_KEYS][MODEL_AUTHORS];
	char seen[MODEL_KEYS][32]; /* what the reader was told; empty: nothing, or deleted */
	uint64_t cursor;
};

static const char *model_name(unsigned key, char ret[16])
{
	snprintf(ret, 16, "%s%u", key % 2 ? "mesh/" : "k", key);
	return ret;
}

static void model_read(struct model *model, const struct kv_shown *shown)
{
	unsigned key = (unsigned)shown->record->key[shown->record->key_size - 1] - '0';
	char *seen = model->seen[key];
	struct value value;

	seen[0] = '\0';
	if (!shown->deleted && value_decode(shown->record, &value) == 0)
		snprintf(seen, sizeof(model->seen[key]), "%.*s", (int)value.size,
			(const char *)value.bytes);
	model->cursor = shown->number;
}

/* One record comes or goes, what is left of none is forgotten, who counts changes. */
static void model_change(struct model *model, struct watched *w, unsigned at)
{
	unsigned key = (unsigned)rng_below(&rng, MODEL_KEYS);
	unsigned who = (unsigned)rng_below(&rng, MODEL_AUTHORS);
	struct record **slot = &model->slots[key][who];
	char name[16], value[16];

	if (rng_below(&rng, 4) == 0 && *slot) {
		kv_remove(w->kv, *slot);
		record_unref(*slot);
		*slot = NULL;
	} else {
		snprintf(value, sizeof(value), "%u", at);
		record_unref(*slot);
		*slot = records_value(ANN + who, model_name(key, name),
			rng_below(&rng, 3) ? value : NULL, records_at(at));
		(void)kv_add(w->kv, *slot, 0);
	}
	if (rng_below(&rng, 8) == 0)
		kv_forget(w->kv);
	if (rng_below(&rng, 5) == 0) {
		w->eve_counts = !w->eve_counts;
		kv_review(w->kv, "mesh/", 5);
	}
}

/* Reads on for a while, or anew where something was missed. */
static void model_read_on(struct model *model, struct watched *w)
{
	struct kv_shown shown;

	if (model->cursor < kv_floor(w->kv)) {
		memset(model->seen, 0, sizeof(model->seen));
		model->cursor = 0;
	}
	while (rng_below(&rng, 3) && kv_since(w->kv, model->cursor, &shown))
		model_read(model, &shown);
}

/* A view of the same records, which come in another order. */
static void model_copy(const struct model *model, const struct watched *w, struct watched *ret)
{
	watched_init(ret);
	ret->eve_counts = w->eve_counts;
	kv_begin(ret->kv, 1, 0);
	for (unsigned who = MODEL_AUTHORS; who-- > 0;) {
		for (unsigned key = 0; key < MODEL_KEYS; key++) {
			if (model->slots[key][who])
				(void)kv_add(ret->kv, model->slots[key][who], 0);
		}
	}
}

static void model_done(struct model *model)
{
	for (unsigned i = 0; i < MODEL_KEYS * MODEL_AUTHORS; i++)
		record_unref(model->slots[i / MODEL_AUTHORS][i % MODEL_AUTHORS]);
}

static void any_order_shows_the_same_and_readers_miss_nothing(void **state)
{
	struct watched *w = *state, other;
	struct model model = {.cursor = 0};
	struct kv_shown shown;
	char name[16];

	for (unsigned i = 0; i < MODEL_TIMES; i++) {
		model_change(&model, w, i);
		model_read_on(&model, w);
	}
	while (kv_since(w->kv, model.cursor, &shown))
		model_read(&model, &shown);
	model_copy(&model, w, &other);
	for (unsigned key = 0; key < MODEL_KEYS; key++) {
		const char *seen = model.seen[key];

		model_name(key, name);
		if (kv_get(other.kv, name, strlen(name), &shown) && !shown.deleted)
			assert_shows(w, name, seen);
		else
			assert_string_equal(seen, "");
		if (seen[0])
			assert_shows(&other, name, seen);
	}
	model_done(&model);
	kv_free(other.kv);
}

/* ---- what a record says ---- */

static void keys_and_values_have_their_form(void **state)
{
	static const struct {
		const char *key, *value;
		size_t key_size, value_size;
		int expected;
	} cases[] = {
		{"k", "\xc0", 1, 1, 0},
		{"k", "\xc4\x00", 1, 2, 0},
		{"k", "\xc4\x01x", 1, 3, 0},
		{"\xc3\xa4", "\xc0", 2, 1, 0},
		{"", "\xc0", 0, 1, ERR_MALFORMED},
		{"\xc3", "\xc0", 1, 1, ERR_MALFORMED},
		{"a\nb", "\xc0", 3, 1, ERR_MALFORMED},
		{"k", "", 1, 0, ERR_MALFORMED},
		{"k", "\xc0\xc0", 1, 2, ERR_MALFORMED},
		{"k", "\xa1x", 1, 2, ERR_MALFORMED},
		{"k", "\xc5\x00\x01x", 1, 4, ERR_MALFORMED},
		{"k", "\xc4\x02x", 1, 3, ERR_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct record *record = records_make(ANN, RECORD_VALUE, 1, cases[i].key,
			cases[i].key_size, cases[i].value, cases[i].value_size);
		struct value value;

		assert_int_equal(value_decode(record, &value), cases[i].expected);
		if (cases[i].expected == 0)
			assert_int_equal(value_is_tombstone(record), value.deleted);
		record_unref(record);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_latest_of_all_authors_is_shown),
		TEST(at_one_stamp_the_larger_author_is_shown_in_any_order),
		TEST(keys_are_listed_in_order_and_by_prefix),
		TEST(what_does_not_count_is_not_shown_and_no_key),
		TEST(who_counts_may_change),
		TEST(when_one_goes_the_next_shows_again),
		TEST(what_goes_without_a_tombstone_is_told_and_then_forgotten),
		TEST(it_may_come_back_before_it_is_forgotten),
		TEST(a_tombstone_that_goes_takes_the_key_along),
		TEST(a_tombstone_that_comes_and_goes_is_told_to_whoever_looks_then),
		TEST(a_tombstone_of_what_never_was_ends_no_cursor),
		TEST(another_signature_is_no_change),
		TEST(a_reserved_number_stands_where_it_was_reserved),
		TEST(numbers_survive_a_restart),
		TEST(any_order_shows_the_same_and_readers_miss_nothing),
		cmocka_unit_test(keys_and_values_have_their_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
