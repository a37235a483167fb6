#include "gossip/replica/reconcile.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "gossip/replica/range.h"

/* Of a range that differs: listed outright up to so many, and a part of a split up to so many,
 * where a list is no longer than a fingerprint. */
#define LIST_ALWAYS   16
#define LIST_PART     2
#define PARTS_MAX     16
/* Of the first message: the newest are listed, the ranges behind them double, two of a size, up to
 * that of all others, which are at least so large. */
#define NEWEST_LISTED 8
#define EVEN_LEAST    16

_Static_assert(RANGE_KEY_SIZE == RECONCILE_KEY_SIZE, "one key");
_Static_assert(crypto_shorthash_KEYBYTES == RECONCILE_KEY_SIZE, "ids");
_Static_assert(crypto_generichash_KEYBYTES_MIN <= RECONCILE_KEY_SIZE, "fingerprints");

int reconcile_check(const void *message, size_t size)
{
	struct range_reader r;
	int err;

	if (size <= RECONCILE_KEY_SIZE || size > RECONCILE_MOST)
		return ERR_MALFORMED;
	r = range_reader(message, size);
	while ((err = range_read(&r)) == 0)
		continue;
	return err == ERR_UNKNOWN ? 0 : err;
}

/* ---- what is there ---- */

/* Places of a range in the order of one store. */
struct span {
	struct order_key low, high;
	size_t from, count; /* the rank of its first record; how many there are */
};

static struct span span_of(
	const struct store *store, const struct range_bound *low, const struct range_bound *high)
{
	const struct order *order = store_order(store);
	struct span span = {.low = range_bound_key(low), .high = range_bound_key(high)};

	span.from = order_rank(order, &span.low);
	span.count = order_rank(order, &span.high) - span.from;
	return span;
}

static int hash_one(void *context, struct order_node *node)
{
	crypto_generichash_update(context, node->record->hash.b, sizeof(node->record->hash));
	return 0;
}

static void fingerprint(const struct store *store, const uint8_t key[RECONCILE_KEY_SIZE],
	const struct span *span, uint8_t ret[RANGE_FINGERPRINT_SIZE])
{
	uint8_t hash[crypto_generichash_BYTES];
	crypto_generichash_state state;

	crypto_generichash_init(&state, key, RECONCILE_KEY_SIZE, sizeof(hash));
	(void)order_walk(store_order(store), &span->low, &span->high, hash_one, &state);
	crypto_generichash_final(&state, hash, sizeof(hash));
	memcpy(ret, hash, RANGE_FINGERPRINT_SIZE);
}

static void id_of(const uint8_t key[RECONCILE_KEY_SIZE], const struct record *record,
	uint8_t ret[RANGE_ID_SIZE])
{
	uint8_t hash[crypto_shorthash_BYTES];

	crypto_shorthash(hash, record->hash.b, sizeof(record->hash), key);
	memcpy(ret, hash, RANGE_ID_SIZE);
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, RANGE_ID_SIZE);
}

/* ---- writing ---- */

struct writer {
	const struct store *store;
	const struct reconcile_sink *sink;
	const uint8_t *key;
	struct range_writer out;
	bool measured; /* it is only to be known what it would take */
};

static int writer_init(struct writer *w, const struct store *store,
	const uint8_t key[RECONCILE_KEY_SIZE], const struct reconcile_sink *sink)
{
	assert(sink->message_max >= RECONCILE_LEAST && sink->message_max <= RECONCILE_MOST);
	*w = (struct writer){.store = store, .sink = sink, .key = key};
	return range_writer_init(&w->out, key, sink->message_max, sink->message, sink->context);
}

static void writer_done(struct writer *w)
{
	range_writer_done(&w->out);
}

static int write_fingerprint(struct writer *w, const struct range_bound *low,
	const struct range_bound *high, const struct span *span)
{
	uint8_t *payload;
	int err = range_write(
		&w->out, RANGE_FINGERPRINT, low, high, RANGE_FINGERPRINT_SIZE, &payload);

	if (!err && !w->measured)
		fingerprint(w->store, w->key, span, payload);
	return err;
}

struct lister {
	const uint8_t *key;
	uint8_t *at;
};

static int list_one(void *context, struct order_node *node)
{
	struct lister *lister = context;

	id_of(lister->key, node->record, lister->at);
	lister->at += RANGE_ID_SIZE;
	return 0;
}

static int write_list(struct writer *w, const struct range_bound *low,
	const struct range_bound *high, const struct span *span)
{
	uint8_t *ids = calloc(span->count + 1, RANGE_ID_SIZE);
	struct lister lister = {w->key, ids};
	size_t count = 0;
	int err;

	if (!ids)
		return ERR_NOMEM;
	if (!w->measured) {
		(void)order_walk(store_order(w->store), &span->low, &span->high, list_one, &lister);
		qsort(ids, span->count, RANGE_ID_SIZE, compare_ids);
	}
	/* two of one id are one: whoever lacks both gets both */
	for (size_t i = 0; i < span->count; i++) {
		if (i && !w->measured &&
			compare_ids(ids + (count - 1) * RANGE_ID_SIZE, ids + i * RANGE_ID_SIZE) ==
				0)
			continue;
		memmove(ids + count * RANGE_ID_SIZE, ids + i * RANGE_ID_SIZE, RANGE_ID_SIZE);
		count++;
	}
	err = range_write_ids(&w->out, RANGE_LIST, low, high, ids, count);
	free(ids);
	return err;
}

/* Between the record of this rank and the one before it. */
static struct range_bound bound_at(const struct store *store, size_t rank)
{
	struct order_key one = order_key(order_at(store_order(store), rank - 1)->record);
	struct order_key other = order_key(order_at(store_order(store), rank)->record);

	return range_bound_between(&one, &other);
}

static size_t square_root(size_t n)
{
	size_t root = 0;

	for (size_t bit = (size_t)1 << 31; bit; bit >>= 1) {
		if ((root + bit) * (root + bit) <= n)
			root += bit;
	}
	return root;
}

/* What takes the fewest bytes if about one record differs: as much for the parts as for the list of
 * one of them. */
static size_t parts_of(size_t count)
{
	size_t parts = square_root(count / 2);

	return parts < 2 ? 2 : parts > PARTS_MAX ? PARTS_MAX : parts;
}

static int write_split(struct writer *w, const struct range_bound *low,
	const struct range_bound *high, const struct span *span)
{
	size_t parts = parts_of(span->count);
	struct range_bound from = *low;
	int err = 0;

	for (size_t i = 0; i < parts && !err; i++) {
		size_t behind = span->from + span->count * (i + 1) / parts;
		struct range_bound to = i + 1 < parts ? bound_at(w->store, behind) : *high;
		struct span part = span_of(w->store, &from, &to);

		err = part.count <= LIST_PART ? write_list(w, &from, &to, &part)
					      : write_fingerprint(w, &from, &to, &part);
		from = to;
	}
	return err;
}

/* ---- beginning ---- */

/* Ranges of one class, from the newest on. They are written the other way round. */
struct plan {
	size_t *ranks; /* where each begins */
	size_t count;
};

static void plan_class(struct plan *plan, size_t from, size_t behind, size_t even)
{
	size_t size = NEWEST_LISTED < even ? NEWEST_LISTED : even;
	bool second = false;

	plan->count = 0;
	while (behind - from > size + size / 2) {
		behind -= size;
		plan->ranks[plan->count++] = behind;
		if (second && size < even)
			size = 2 * size < even ? 2 * size : even;
		second = !second;
	}
}

static int write_class(struct writer *w, unsigned class, size_t even)
{
	struct range_bound from = range_bound_class(class), end = range_bound_class(class + 1);
	struct span all = span_of(w->store, &from, &end);
	struct plan plan = {.ranks = calloc(all.count + 1, sizeof(*plan.ranks))};
	int err = 0;

	if (!plan.ranks)
		return ERR_NOMEM;
	plan_class(&plan, all.from, all.from + all.count, even);
	for (size_t i = plan.count + 1; i-- > 0 && !err;) {
		struct range_bound to = i ? bound_at(w->store, plan.ranks[i - 1]) : end;
		struct span part = span_of(w->store, &from, &to);
		bool newest = i == 0 && class == ORDER_OTHER;

		err = part.count <= (newest ? NEWEST_LISTED + NEWEST_LISTED / 2 : LIST_PART)
			      ? write_list(w, &from, &to, &part)
			      : write_fingerprint(w, &from, &to, &part);
		from = to;
	}
	free(plan.ranks);
	return err;
}

static int write_classes(struct writer *w, size_t even, bool measured)
{
	int err = 0;

	w->measured = measured;
	w->out.message = measured ? NULL : w->sink->message;
	w->out.messages = 0;
	for (unsigned class = 0; class < ORDER_CLASSES && !err; class ++)
		err = write_class(w, class, even);
	return err ? err : range_flush(&w->out);
}

int reconcile_begin(const struct store *store, const uint8_t key[RECONCILE_KEY_SIZE],
	const struct reconcile_sink *sink)
{
	size_t even = square_root(2 * store_count(store));
	struct writer w;
	int err = writer_init(&w, store, key, sink);

	if (err)
		return err;
	if (even < EVEN_LEAST)
		even = EVEN_LEAST;
	while ((err = write_classes(&w, even, true)) == 0 && w.out.messages > 1)
		even += even / 4;
	if (!err)
		err = write_classes(&w, even, false);
	writer_done(&w);
	return err;
}

int reconcile_ask(const struct order_key *places, size_t count,
	const uint8_t key[RECONCILE_KEY_SIZE], const struct reconcile_sink *sink)
{
	struct writer w;
	int err = writer_init(&w, NULL, key, sink);

	if (err)
		return err;
	for (size_t i = 0; i < count && !err; i++) {
		struct range_bound low, high;

		range_bounds_around(&places[i], &low, &high);
		err = range_write_ids(&w.out, RANGE_LIST, &low, &high, NULL, 0);
	}
	if (!err)
		err = range_flush(&w.out);
	writer_done(&w);
	return err;
}

/* ---- answering ---- */

size_t reconcile_cost(const struct store *store, const void *message, size_t size)
{
	struct range_reader r = range_reader(message, size);
	size_t cost = 0;

	while (range_read(&r) == 0)
		cost += span_of(store, &r.range.low, &r.range.high).count;
	return cost;
}

/* The records of a range against ids. */
struct matcher {
	const uint8_t *key, *ids;
	size_t count;
	uint8_t *found; /* a bit for each id; NULL: those that match are sent, else all others */
	const struct reconcile_sink *sink;
};

static int match_one(void *context, struct order_node *node)
{
	struct matcher *m = context;
	const uint8_t *match;
	uint8_t id[RANGE_ID_SIZE];

	id_of(m->key, node->record, id);
	match = m->count ? bsearch(id, m->ids, m->count, RANGE_ID_SIZE, compare_ids) : NULL;
	if (match && m->found) {
		size_t i = (size_t)(match - m->ids) / RANGE_ID_SIZE;

		m->found[i / 8] |= (uint8_t)(1 << i % 8);
		return 0;
	}
	if (!match && !m->found)
		return 0;
	return m->sink->lacking(m->sink->context, store_record(node));
}

static int match(struct writer *w, const struct range *range, uint8_t *found)
{
	struct matcher matcher = {.key = w->key,
		.ids = range->payload,
		.count = range->count,
		.found = found,
		.sink = w->sink};
	struct order_key low = range_bound_key(&range->low), high = range_bound_key(&range->high);

	return order_walk(store_order(w->store), &low, &high, match_one, &matcher);
}

/* As many messages as it takes: what was listed may have come in a larger one than is to be sent.
 */
static int write_wants(
	struct writer *w, const struct range *range, const uint8_t *ids, size_t count)
{
	size_t most =
		(w->sink->message_max - RECONCILE_KEY_SIZE - range_ids_size(0)) / RANGE_ID_SIZE;
	int err = 0;

	while (count && !err) {
		size_t now = count < most ? count : most;

		err = range_write_ids(&w->out, RANGE_WANT, &range->low, &range->high, ids, now);
		ids += now * RANGE_ID_SIZE;
		count -= now;
		if (count && !err)
			err = range_flush(&w->out);
	}
	return err;
}

static int answer_list(struct writer *w, const struct range *range)
{
	uint8_t *found = calloc(1, range->count / 8 + 1);
	uint8_t *wanted = calloc(range->count + 1, RANGE_ID_SIZE);
	size_t count = 0;
	int err = found && wanted ? match(w, range, found) : ERR_NOMEM;

	for (size_t i = 0; i < range->count && !err; i++) {
		if (!(found[i / 8] & 1 << i % 8))
			memcpy(wanted + count++ * RANGE_ID_SIZE, range->payload + i * RANGE_ID_SIZE,
				RANGE_ID_SIZE);
	}
	if (!err)
		err = write_wants(w, range, wanted, count);
	free(found);
	free(wanted);
	return err;
}

/* Which of the fingerprints differ, and whether lists of all that is there fit one message. */
static bool compare_fingerprints(const struct writer *w, struct range_reader r, uint8_t *ret_differ)
{
	size_t size = RECONCILE_KEY_SIZE, i = 0;

	for (; range_read(&r) == 0; i++) {
		uint8_t ours[RANGE_FINGERPRINT_SIZE];
		struct span span;

		if (r.range.kind != RANGE_FINGERPRINT)
			continue;
		span = span_of(w->store, &r.range.low, &r.range.high);
		fingerprint(w->store, w->key, &span, ours);
		ret_differ[i] = memcmp(ours, r.range.payload, RANGE_FINGERPRINT_SIZE) != 0;
		if (ret_differ[i])
			size += r.range.high.size + r.range.low.size + range_ids_size(span.count) -
				2 * RANGE_BOUND_SIZE;
	}
	return size <= w->sink->message_max;
}

static int answer_fingerprint(struct writer *w, const struct range *range, bool lists_fit)
{
	struct span span = span_of(w->store, &range->low, &range->high);

	if (lists_fit || span.count <= LIST_ALWAYS)
		return write_list(w, &range->low, &range->high, &span);
	return write_split(w, &range->low, &range->high, &span);
}

static int answer_range(struct writer *w, const struct range *range, bool differs, bool lists_fit)
{
	switch (range->kind) {
	case RANGE_FINGERPRINT:
		return differs ? answer_fingerprint(w, range, lists_fit) : 0;
	case RANGE_LIST:
		return answer_list(w, range);
	case RANGE_WANT:
		return match(w, range, NULL);
	case RANGE_SKIP:
		break;
	}
	return 0;
}

int reconcile_answer(const struct store *store, const void *message, size_t size,
	const struct reconcile_sink *sink)
{
	uint8_t *differ = calloc(1, size); /* more than there are ranges */
	struct range_reader r = range_reader(message, size);
	struct writer w;
	bool lists_fit;
	int err;

	if (!differ)
		return ERR_NOMEM;
	err = writer_init(&w, store, message, sink);
	if (err)
		goto out;
	lists_fit = compare_fingerprints(&w, r, differ);
	for (size_t i = 0; range_read(&r) == 0 && !err; i++)
		err = answer_range(&w, &r.range, differ[i], lists_fit);
	if (!err)
		err = range_flush(&w.out);
	writer_done(&w);
out:
	free(differ);
	return err;
}
