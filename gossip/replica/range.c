#include "gossip/replica/range.h"

#include <assert.h>
#include <stdlib.h>

#define COUNT_SIZE  2
#define HEAD_SIZE   2 /* of a range: kind and shared, length */
#define SHARED_BITS 6

/* ---- bounds ---- */

static const struct range_bound start_bound, end_bound = {.b = {ORDER_CLASSES}, .size = 1};

struct order_key range_bound_key(const struct range_bound *bound)
{
	return order_key_decode(bound->b);
}

static bool is_same(const struct range_bound *a, const struct range_bound *b)
{
	return memcmp(a->b, b->b, RANGE_BOUND_SIZE) == 0;
}

static struct range_bound bound_of(const uint8_t bytes[RANGE_BOUND_SIZE], size_t size)
{
	struct range_bound bound = {.size = size};

	memcpy(bound.b, bytes, size);
	while (bound.size && bound.b[bound.size - 1] == 0)
		bound.size--;
	return bound;
}

static size_t shared_by(const uint8_t a[RANGE_BOUND_SIZE], const uint8_t b[RANGE_BOUND_SIZE])
{
	size_t shared = 0;

	while (shared < RANGE_BOUND_SIZE && a[shared] == b[shared])
		shared++;
	return shared;
}

struct range_bound range_bound_between(const struct order_key *one, const struct order_key *other)
{
	uint8_t before[RANGE_BOUND_SIZE], behind[RANGE_BOUND_SIZE];

	order_key_encode(one, before);
	order_key_encode(other, behind);
	return bound_of(behind, shared_by(before, behind) + 1);
}

struct range_bound range_bound_class(unsigned class)
{
	return bound_of((uint8_t[RANGE_BOUND_SIZE]){(uint8_t) class}, 1);
}

void range_bounds_around(
	const struct order_key *place, struct range_bound *ret_low, struct range_bound *ret_high)
{
	uint8_t bytes[RANGE_BOUND_SIZE];

	order_key_encode(place, bytes);
	*ret_low = bound_of(bytes, RANGE_BOUND_SIZE);
	/* just behind it: hashes are not all ones */
	for (size_t at = RANGE_BOUND_SIZE; at-- > 0 && ++bytes[at] == 0;)
		continue;
	*ret_high = bound_of(bytes, RANGE_BOUND_SIZE);
}

/* ---- reading ---- */

struct range_reader range_reader(const void *message, size_t size)
{
	const uint8_t *bytes = message;

	return (struct range_reader){.at = bytes + RANGE_KEY_SIZE, .end = bytes + size};
}

static bool read_bound(struct range_reader *r)
{
	size_t shared = *r->at++ & ((1U << SHARED_BITS) - 1), length = *r->at++;
	struct range_bound *high = &r->range.high;
	const uint8_t *suffix = r->at;

	if (length == 0 || shared + length > RANGE_BOUND_SIZE ||
		length > (size_t)(r->end - r->at) || suffix[0] <= high->b[shared] ||
		suffix[length - 1] == 0)
		return false;
	r->range.low = *high;
	memset(high->b + shared, 0, RANGE_BOUND_SIZE - shared);
	memcpy(high->b + shared, suffix, length);
	high->size = shared + length;
	r->at += length;
	return high->b[0] < ORDER_CLASSES || is_same(high, &end_bound);
}

static bool read_ids(struct range_reader *r)
{
	struct range *range = &r->range;

	if (r->end - r->at < COUNT_SIZE)
		return false;
	range->count = (size_t)r->at[0] << 8 | r->at[1];
	range->payload = r->at + COUNT_SIZE;
	if (range->count > (size_t)(r->end - range->payload) / RANGE_ID_SIZE)
		return false;
	r->at = range->payload + range->count * RANGE_ID_SIZE;
	for (size_t i = 1; i < range->count; i++) {
		const uint8_t *id = range->payload + i * RANGE_ID_SIZE;

		if (memcmp(id - RANGE_ID_SIZE, id, RANGE_ID_SIZE) >= 0)
			return false;
	}
	return true;
}

static bool read_payload(struct range_reader *r)
{
	r->range.count = 0;
	switch (r->range.kind) {
	case RANGE_SKIP:
		return r->at < r->end;
	case RANGE_FINGERPRINT:
		r->range.payload = r->at;
		if (r->end - r->at < RANGE_FINGERPRINT_SIZE)
			return false;
		r->at += RANGE_FINGERPRINT_SIZE;
		return true;
	case RANGE_LIST:
		return read_ids(r);
	case RANGE_WANT:
		return read_ids(r) && r->range.count > 0;
	}
	return false;
}

int range_read(struct range_reader *r)
{
	bool skipped = false;

	do {
		if (r->at == r->end)
			return ERR_UNKNOWN;
		if (r->end - r->at < HEAD_SIZE)
			return ERR_MALFORMED;
		r->range.kind = (enum range_kind)(r->at[0] >> SHARED_BITS);
		if ((r->range.kind == RANGE_SKIP && skipped) || !read_bound(r) || !read_payload(r))
			return ERR_MALFORMED;
		skipped = r->range.kind == RANGE_SKIP;
	} while (skipped);
	return 0;
}

/* ---- writing ---- */

int range_writer_init(struct range_writer *w, const uint8_t key[RANGE_KEY_SIZE], size_t message_max,
	range_message message, void *context)
{
	*w = (struct range_writer){.message_max = message_max,
		.message = message,
		.context = context,
		.size = RANGE_KEY_SIZE};
	w->bytes = malloc(message_max);
	if (!w->bytes)
		return ERR_NOMEM;
	memcpy(w->bytes, key, RANGE_KEY_SIZE);
	return 0;
}

void range_writer_done(struct range_writer *w)
{
	free(w->bytes);
}

int range_flush(struct range_writer *w)
{
	size_t size = w->size;

	if (size <= RANGE_KEY_SIZE)
		return 0;
	w->size = RANGE_KEY_SIZE;
	w->at = start_bound;
	w->messages++;
	return w->message ? w->message(w->context, w->bytes, size) : 0;
}

static size_t head_size(const struct range_bound *at, const struct range_bound *high)
{
	return HEAD_SIZE + high->size - shared_by(at->b, high->b);
}

static void write_head(struct range_writer *w, enum range_kind kind, const struct range_bound *high)
{
	size_t shared = shared_by(w->at.b, high->b), length = high->size - shared;

	w->bytes[w->size++] = (uint8_t)((unsigned)kind << SHARED_BITS | shared);
	w->bytes[w->size++] = (uint8_t)length;
	memcpy(w->bytes + w->size, high->b + shared, length);
	w->size += length;
	w->at = *high;
}

int range_write(struct range_writer *w, enum range_kind kind, const struct range_bound *low,
	const struct range_bound *high, size_t payload_size, uint8_t **ret_payload)
{
	bool skip = !is_same(&w->at, low);
	size_t size = head_size(low, high) + payload_size + (skip ? head_size(&w->at, low) : 0);
	int err;

	if (w->size + size > w->message_max) {
		err = range_flush(w);
		if (err)
			return err;
		skip = low->size > 0;
	}
	if (skip)
		write_head(w, RANGE_SKIP, low);
	write_head(w, kind, high);
	*ret_payload = w->bytes + w->size;
	w->size += payload_size;
	assert(w->size <= w->message_max);
	return 0;
}

int range_write_ids(struct range_writer *w, enum range_kind kind, const struct range_bound *low,
	const struct range_bound *high, const uint8_t *ids, size_t count)
{
	uint8_t *payload;
	int err = range_write(w, kind, low, high, COUNT_SIZE + count * RANGE_ID_SIZE, &payload);

	if (err)
		return err;
	payload[0] = (uint8_t)(count >> 8);
	payload[1] = (uint8_t)count;
	if (count)
		memcpy(payload + COUNT_SIZE, ids, count * RANGE_ID_SIZE);
	return 0;
}

size_t range_ids_size(size_t count)
{
	return 2 * (HEAD_SIZE + RANGE_BOUND_SIZE) + COUNT_SIZE + count * RANGE_ID_SIZE;
}
