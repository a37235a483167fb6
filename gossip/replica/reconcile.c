#include "gossip/replica/reconcile.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define BOUND_SIZE	 (1 + 8 + sizeof(struct hash))
#define FINGERPRINT_SIZE 6
#define ID_SIZE		 5
#define COUNT_SIZE	 2
#define HEAD_SIZE	 2 /* of a range: kind and shared, length */
#define SHARED_BITS	 6

/* Of a range that differs: listed outright up to so many, and a part of a split up to so many,
 * where a list is no longer than a fingerprint. */
#define LIST_ALWAYS   16
#define LIST_PART     2
#define PARTS_MAX     16
/* Of the first message: the newest are listed, the ranges behind them double, two of a size, up to
 * that of all others, which are at least so large. */
#define NEWEST_LISTED 8
#define EVEN_LEAST    16

_Static_assert(crypto_shorthash_KEYBYTES == RECONCILE_KEY_SIZE, "ids");
_Static_assert(crypto_generichash_KEYBYTES_MIN <= RECONCILE_KEY_SIZE, "fingerprints");

enum kind { SKIP, FINGERPRINT, LIST, WANT };

/* ---- bounds ---- */

struct bound {
	uint8_t b[BOUND_SIZE]; /* zeros from size on */
	size_t size;
};

static const struct bound start_bound, end_bound = {.b = {ORDER_CLASSES}, .size = 1};

static void key_bytes(const struct order_key *key, uint8_t ret[BOUND_SIZE])
{
	ret[0] = key->class;
	for (unsigned i = 0; i < 8; i++)
		ret[1 + i] = (uint8_t)(key->stamp >> (56 - 8 * i));
	memcpy(ret + 9, &key->hash, sizeof(key->hash));
}

static struct order_key key_of(const struct bound *bound)
{
	struct order_key key = {.class = bound->b[0]};

	for (unsigned i = 0; i < 8; i++)
		key.stamp = key.stamp << 8 | bound->b[1 + i];
	memcpy(&key.hash, bound->b + 9, sizeof(key.hash));
	return key;
}

static bool is_same(const struct bound *a, const struct bound *b)
{
	return memcmp(a->b, b->b, BOUND_SIZE) == 0;
}

static struct bound bound_of(const uint8_t bytes[BOUND_SIZE], size_t size)
{
	struct bound bound = {.size = size};

	memcpy(bound.b, bytes, size);
	while (bound.size && bound.b[bound.size - 1] == 0)
		bound.size--;
	return bound;
}

static size_t shared_by(const uint8_t a[BOUND_SIZE], const uint8_t b[BOUND_SIZE])
{
	size_t shared = 0;

	while (shared < BOUND_SIZE && a[shared] == b[shared])
		shared++;
	return shared;
}

/* The shortest that lies behind one and not behind the other. */
static struct bound bound_between(const struct order_key *one, const struct order_key *other)
{
	uint8_t before[BOUND_SIZE], behind[BOUND_SIZE];

	key_bytes(one, before);
	key_bytes(other, behind);
	return bound_of(behind, shared_by(before, behind) + 1);
}

static struct bound class_start(unsigned class)
{
	return bound_of((uint8_t[BOUND_SIZE]){(uint8_t) class}, 1);
}

/* ---- reading ---- */

struct range {
	enum kind kind;
	struct bound low, high;
	const uint8_t *payload; /* a fingerprint, or ids */
	size_t count;		/* of ids */
};

struct reader {
	const uint8_t *at, *end;
	struct range range; /* the one that was read last */
};

static struct reader reader_of(const void *message, size_t size)
{
	const uint8_t *bytes = message;

	return (struct reader){.at = bytes + RECONCILE_KEY_SIZE, .end = bytes + size};
}

static bool read_bound(struct reader *r)
{
	size_t shared = *r->at++ & ((1U << SHARED_BITS) - 1), length = *r->at++;
	struct bound *high = &r->range.high;
	const uint8_t *suffix = r->at;

	if (length == 0 || shared + length > BOUND_SIZE || length > (size_t)(r->end - r->at) ||
		suffix[0] <= high->b[shared] || suffix[length - 1] == 0)
		return false;
	r->range.low = *high;
	memset(high->b + shared, 0, BOUND_SIZE - shared);
	memcpy(high->b + shared, suffix, length);
	high->size = shared + length;
	r->at += length;
	return high->b[0] < ORDER_CLASSES || is_same(high, &end_bound);
}

static bool read_ids(struct reader *r)
{
	struct range *range = &r->range;

	if (r->end - r->at < COUNT_SIZE)
		return false;
	range->count = (size_t)r->at[0] << 8 | r->at[1];
	range->payload = r->at + COUNT_SIZE;
	if (range->count > (size_t)(r->end - range->payload) / ID_SIZE)
		return false;
	r->at = range->payload + range->count * ID_SIZE;
	for (size_t i = 1; i < range->count; i++) {
		const uint8_t *id = range->payload + i * ID_SIZE;

		if (memcmp(id - ID_SIZE, id, ID_SIZE) >= 0)
			return false;
	}
	return true;
}

static bool read_payload(struct reader *r)
{
	r->range.count = 0;
	switch (r->range.kind) {
	case SKIP:
		return r->at < r->end;
	case FINGERPRINT:
		r->range.payload = r->at;
		if (r->end - r->at < FINGERPRINT_SIZE)
			return false;
		r->at += FINGERPRINT_SIZE;
		return true;
	case LIST:
		return read_ids(r);
	case WANT:
		return read_ids(r) && r->range.count > 0;
	}
	return false;
}

/* The next range, SKIPs passed over; ERR_MALFORMED, ERR_UNKNOWN at the end. */
static int read_range(struct reader *r)
{
	bool skipped = false;

	do {
		if (r->at == r->end)
			return ERR_UNKNOWN;
		if (r->end - r->at < HEAD_SIZE)
			return ERR_MALFORMED;
		r->range.kind = (enum kind)(r->at[0] >> SHARED_BITS);
		if ((r->range.kind == SKIP && skipped) || !read_bound(r) || !read_payload(r))
			return ERR_MALFORMED;
		skipped = r->range.kind == SKIP;
	} while (skipped);
	return 0;
}

int reconcile_check(const void *message, size_t size)
{
	struct reader r;
	int err;

	if (size <= RECONCILE_KEY_SIZE || size > RECONCILE_MOST)
		return ERR_MALFORMED;
	r = reader_of(message, size);
	while ((err = read_range(&r)) == 0)
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
	const struct store *store, const struct bound *low, const struct bound *high)
{
	const struct order *order = store_order(store);
	struct span span = {.low = key_of(low), .high = key_of(high)};

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
	const struct span *span, uint8_t ret[FINGERPRINT_SIZE])
{
	uint8_t hash[crypto_generichash_BYTES];
	crypto_generichash_state state;

	crypto_generichash_init(&state, key, RECONCILE_KEY_SIZE, sizeof(hash));
	(void)order_walk(store_order(store), &span->low, &span->high, hash_one, &state);
	crypto_generichash_final(&state, hash, sizeof(hash));
	memcpy(ret, hash, FINGERPRINT_SIZE);
}

static void id_of(
	const uint8_t key[RECONCILE_KEY_SIZE], const struct record *record, uint8_t ret[ID_SIZE])
{
	uint8_t hash[crypto_shorthash_BYTES];

	crypto_shorthash(hash, record->hash.b, sizeof(record->hash), key);
	memcpy(ret, hash, ID_SIZE);
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, ID_SIZE);
}

/* ---- writing ---- */

struct writer {
	const struct store *store;
	const struct reconcile_sink *sink;
	uint8_t *bytes; /* of the message that is being made: sink->message_max of them */
	size_t size;	/* not more than the key: it is empty */
	struct bound at;
	bool measured; /* it is only to be known what it would take */
	size_t messages;
};

static int writer_init(struct writer *w, const struct store *store,
	const uint8_t key[RECONCILE_KEY_SIZE], const struct reconcile_sink *sink)
{
	assert(sink->message_max >= RECONCILE_LEAST && sink->message_max <= RECONCILE_MOST);
	*w = (struct writer){.store = store, .sink = sink, .size = RECONCILE_KEY_SIZE};
	w->bytes = malloc(sink->message_max);
	if (!w->bytes)
		return ERR_NOMEM;
	memcpy(w->bytes, key, RECONCILE_KEY_SIZE);
	return 0;
}

static void writer_done(struct writer *w)
{
	free(w->bytes);
}

static int flush(struct writer *w)
{
	size_t size = w->size;

	if (size <= RECONCILE_KEY_SIZE)
		return 0;
	w->size = RECONCILE_KEY_SIZE;
	w->at = start_bound;
	w->messages++;
	return w->measured ? 0 : w->sink->message(w->sink->context, w->bytes, size);
}

static size_t head_size(const struct bound *at, const struct bound *high)
{
	return HEAD_SIZE + high->size - shared_by(at->b, high->b);
}

static void write_head(struct writer *w, enum kind kind, const struct bound *high)
{
	size_t shared = shared_by(w->at.b, high->b), length = high->size - shared;

	w->bytes[w->size++] = (uint8_t)((unsigned)kind << SHARED_BITS | shared);
	w->bytes[w->size++] = (uint8_t)length;
	memcpy(w->bytes + w->size, high->b + shared, length);
	w->size += length;
	w->at = *high;
}

/* The head of a range from low to high, and room for its payload, in this message or the next. */
static int write_range(struct writer *w, enum kind kind, const struct bound *low,
	const struct bound *high, size_t payload_size, uint8_t **ret_payload)
{
	bool skip = !is_same(&w->at, low);
	size_t size = head_size(low, high) + payload_size + (skip ? head_size(&w->at, low) : 0);
	int err;

	if (w->size + size > w->sink->message_max) {
		err = flush(w);
		if (err)
			return err;
		skip = low->size > 0;
	}
	if (skip)
		write_head(w, SKIP, low);
	write_head(w, kind, high);
	*ret_payload = w->bytes + w->size;
	w->size += payload_size;
	assert(w->size <= w->sink->message_max);
	return 0;
}

static int write_ids(struct writer *w, enum kind kind, const struct bound *low,
	const struct bound *high, const uint8_t *ids, size_t count)
{
	uint8_t *payload;
	int err = write_range(w, kind, low, high, COUNT_SIZE + count * ID_SIZE, &payload);

	if (err)
		return err;
	payload[0] = (uint8_t)(count >> 8);
	payload[1] = (uint8_t)count;
	if (count)
		memcpy(payload + COUNT_SIZE, ids, count * ID_SIZE);
	return 0;
}

static int write_fingerprint(struct writer *w, const struct bound *low, const struct bound *high,
	const struct span *span)
{
	uint8_t *payload;
	int err = write_range(w, FINGERPRINT, low, high, FINGERPRINT_SIZE, &payload);

	if (!err && !w->measured)
		fingerprint(w->store, w->bytes, span, payload);
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
	lister->at += ID_SIZE;
	return 0;
}

static int write_list(struct writer *w, const struct bound *low, const struct bound *high,
	const struct span *span)
{
	uint8_t *ids = calloc(span->count + 1, ID_SIZE);
	struct lister lister = {w->bytes, ids};
	size_t count = 0;
	int err;

	if (!ids)
		return ERR_NOMEM;
	if (!w->measured) {
		(void)order_walk(store_order(w->store), &span->low, &span->high, list_one, &lister);
		qsort(ids, span->count, ID_SIZE, compare_ids);
	}
	/* two of one id are one: whoever lacks both gets both */
	for (size_t i = 0; i < span->count; i++) {
		if (i && !w->measured &&
			compare_ids(ids + (count - 1) * ID_SIZE, ids + i * ID_SIZE) == 0)
			continue;
		memmove(ids + count * ID_SIZE, ids + i * ID_SIZE, ID_SIZE);
		count++;
	}
	err = write_ids(w, LIST, low, high, ids, count);
	free(ids);
	return err;
}

/* The room that a list takes at most: the bounds before and behind it may be whole. */
static size_t list_size(size_t count)
{
	return 2 * (HEAD_SIZE + BOUND_SIZE) + COUNT_SIZE + count * ID_SIZE;
}

/* Between the record of this rank and the one before it. */
static struct bound bound_at(const struct store *store, size_t rank)
{
	struct order_key one = order_key(order_at(store_order(store), rank - 1)->record);
	struct order_key other = order_key(order_at(store_order(store), rank)->record);

	return bound_between(&one, &other);
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

static int write_split(struct writer *w, const struct bound *low, const struct bound *high,
	const struct span *span)
{
	size_t parts = parts_of(span->count);
	struct bound from = *low;
	int err = 0;

	for (size_t i = 0; i < parts && !err; i++) {
		size_t behind = span->from + span->count * (i + 1) / parts;
		struct bound to = i + 1 < parts ? bound_at(w->store, behind) : *high;
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
	struct bound from = class_start(class), end = class_start(class + 1);
	struct span all = span_of(w->store, &from, &end);
	struct plan plan = {.ranks = calloc(all.count + 1, sizeof(*plan.ranks))};
	int err = 0;

	if (!plan.ranks)
		return ERR_NOMEM;
	plan_class(&plan, all.from, all.from + all.count, even);
	for (size_t i = plan.count + 1; i-- > 0 && !err;) {
		struct bound to = i ? bound_at(w->store, plan.ranks[i - 1]) : end;
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
	w->messages = 0;
	for (unsigned class = 0; class < ORDER_CLASSES && !err; class ++)
		err = write_class(w, class, even);
	return err ? err : flush(w);
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
	while ((err = write_classes(&w, even, true)) == 0 && w.messages > 1)
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
		uint8_t bytes[BOUND_SIZE];
		struct bound low, high;

		key_bytes(&places[i], bytes);
		low = bound_of(bytes, BOUND_SIZE);
		/* just behind it: hashes are not all ones */
		for (size_t at = BOUND_SIZE; at-- > 0 && ++bytes[at] == 0;)
			continue;
		high = bound_of(bytes, BOUND_SIZE);
		err = write_ids(&w, LIST, &low, &high, NULL, 0);
	}
	if (!err)
		err = flush(&w);
	writer_done(&w);
	return err;
}

/* ---- answering ---- */

size_t reconcile_cost(const struct store *store, const void *message, size_t size)
{
	struct reader r = reader_of(message, size);
	size_t cost = 0;

	while (read_range(&r) == 0)
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
	uint8_t id[ID_SIZE];

	id_of(m->key, node->record, id);
	match = m->count ? bsearch(id, m->ids, m->count, ID_SIZE, compare_ids) : NULL;
	if (match && m->found) {
		size_t i = (size_t)(match - m->ids) / ID_SIZE;

		m->found[i / 8] |= (uint8_t)(1 << i % 8);
		return 0;
	}
	if (!match && !m->found)
		return 0;
	return m->sink->lacking(m->sink->context, store_record(node));
}

static int match(struct writer *w, const struct range *range, uint8_t *found)
{
	struct matcher matcher = {.key = w->bytes,
		.ids = range->payload,
		.count = range->count,
		.found = found,
		.sink = w->sink};
	struct order_key low = key_of(&range->low), high = key_of(&range->high);

	return order_walk(store_order(w->store), &low, &high, match_one, &matcher);
}

/* As many messages as it takes: what was listed may have come in a larger one than is to be sent.
 */
static int write_wants(
	struct writer *w, const struct range *range, const uint8_t *ids, size_t count)
{
	size_t most = (w->sink->message_max - RECONCILE_KEY_SIZE - list_size(0)) / ID_SIZE;
	int err = 0;

	while (count && !err) {
		size_t now = count < most ? count : most;

		err = write_ids(w, WANT, &range->low, &range->high, ids, now);
		ids += now * ID_SIZE;
		count -= now;
		if (count && !err)
			err = flush(w);
	}
	return err;
}

static int answer_list(struct writer *w, const struct range *range)
{
	uint8_t *found = calloc(1, range->count / 8 + 1);
	uint8_t *wanted = calloc(range->count + 1, ID_SIZE);
	size_t count = 0;
	int err = found && wanted ? match(w, range, found) : ERR_NOMEM;

	for (size_t i = 0; i < range->count && !err; i++) {
		if (!(found[i / 8] & 1 << i % 8))
			memcpy(wanted + count++ * ID_SIZE, range->payload + i * ID_SIZE, ID_SIZE);
	}
	if (!err)
		err = write_wants(w, range, wanted, count);
	free(found);
	free(wanted);
	return err;
}

/* Which of the fingerprints differ, and whether lists of all that is there fit one message. */
static bool compare_fingerprints(const struct writer *w, struct reader r, uint8_t *ret_differ)
{
	size_t size = RECONCILE_KEY_SIZE, i = 0;

	for (; read_range(&r) == 0; i++) {
		uint8_t ours[FINGERPRINT_SIZE];
		struct span span;

		if (r.range.kind != FINGERPRINT)
			continue;
		span = span_of(w->store, &r.range.low, &r.range.high);
		fingerprint(w->store, w->bytes, &span, ours);
		ret_differ[i] = memcmp(ours, r.range.payload, FINGERPRINT_SIZE) != 0;
		if (ret_differ[i])
			size += r.range.high.size + r.range.low.size + list_size(span.count) -
				2 * BOUND_SIZE;
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
	case FINGERPRINT:
		return differs ? answer_fingerprint(w, range, lists_fit) : 0;
	case LIST:
		return answer_list(w, range);
	case WANT:
		return match(w, range, NULL);
	case SKIP:
		break;
	}
	return 0;
}

int reconcile_answer(const struct store *store, const void *message, size_t size,
	const struct reconcile_sink *sink)
{
	uint8_t *differ = calloc(1, size); /* more than there are ranges */
	struct reader r = reader_of(message, size);
	struct writer w;
	bool lists_fit;
	int err;

	if (!differ)
		return ERR_NOMEM;
	err = writer_init(&w, store, message, sink);
	if (err)
		goto out;
	lists_fit = compare_fingerprints(&w, r, differ);
	for (size_t i = 0; read_range(&r) == 0 && !err; i++)
		err = answer_range(&w, &r.range, differ[i], lists_fit);
	if (!err)
		err = flush(&w);
	writer_done(&w);
out:
	free(differ);
	return err;
}
