#include "gossip/swim/spread.h"

#include <sodium.h>
#include <stdlib.h>

#include "gossip/base/map.h"
#include "gossip/base/rng.h"

#define RETRANSMIT_DIGITS_MAX 20 /* of a 64-bit count of members */
#define BUCKETS		      (SPREAD_RETRANSMIT * RETRANSMIT_DIGITS_MAX)
#define ITEM_OVERHEAD	      3	 /* bytes: the head of a byte string of up to 64 KiB */
#define PICK_MAX	      64 /* items in one packet: as many as a message lists of a kind */
/* Hardly a statement or record is smaller: where less room is left, the packet is full, and the
 * rest of the queue is not looked at. */
#define ITEM_LEAST	      64

struct item {
	struct item *newer, *older;	      /* in its bucket */
	struct item *fresh_next, *fresh_last; /* among those that are fresh, and that wait */
	struct item *wait_next, *wait_last;
	struct hash topic;
	uint64_t version_high, version_low;
	uint64_t order; /* of arrival */
	unsigned sent;	/* packets it rode on: the number of its bucket */
	uint64_t print; /* of the bytes */
	bool listed;	/* by its print; not where another item has the same */
	bool fresh;
	bool again;  /* pushed for the second time, or about to be: the last */
	bool waits;  /* pushed, and until `review` it is counted how often it is heard */
	bool around; /* it was heard often enough */
	unsigned copies;
	uint32_t copied_by[SPREAD_COPIES]; /* parts of their ids: two that share it count as one */
	mtime_t review;
	enum spread_kind kind;
	size_t size;
	uint8_t bytes[];
};

/* In the order in which they are to be looked at. */
struct line {
	struct item *first, *last;
};

/* Those that were sent equally often, newest first. */
struct bucket {
	struct item *newest, *oldest;
};

struct spread {
	struct map topics, prints; /* to struct item */
	uint8_t print_key[crypto_shorthash_KEYBYTES];
	struct bucket buckets[BUCKETS];
	struct item *spent; /* picked for the last time; its bytes are still being looked at */
	struct line fresh;  /* the newest first, then those that are pushed again */
	struct line waits;  /* the one that is reviewed next first */
	size_t statement_count;
	uint64_t next_order;
	uint64_t heard;	       /* print of what came last and was no item */
	uint32_t heard_from;   /* part of whose id it came from */
	unsigned copies;       /* of an item that has got around */
	unsigned limit;	       /* packets an item rides on before it is done: at most BUCKETS */
	unsigned limit_around; /* the same, where it has got around */
};

int spread_new(struct rng *rng, struct spread **ret)
{
	struct spread *spread = calloc(1, sizeof(*spread));

	if (!spread)
		return ERR_NOMEM;
	map_init(&spread->topics, sizeof(struct hash), rng);
	map_init(&spread->prints, sizeof(uint64_t), rng);
	rng_bytes(rng, spread->print_key, sizeof(spread->print_key));
	spread_set_members(spread, 0);
	*ret = spread;
	return 0;
}

static void unlink_item(struct spread *spread, struct item *item)
{
	struct bucket *bucket = &spread->buckets[item->sent];

	*(item->newer ? &item->newer->older : &bucket->newest) = item->older;
	*(item->older ? &item->older->newer : &bucket->oldest) = item->newer;
}

/* Into the bucket of item->sent, where its age belongs: next to the head for all but stragglers. */
static void link_item(struct spread *spread, struct item *item)
{
	struct bucket *bucket = &spread->buckets[item->sent];
	struct item *newer = NULL, *older = bucket->newest;

	while (older && older->order > item->order) {
		newer = older;
		older = older->older;
	}
	item->newer = newer;
	item->older = older;
	*(newer ? &newer->older : &bucket->newest) = item;
	*(older ? &older->newer : &bucket->oldest) = item;
}

static void set_fresh(struct spread *spread, struct item *item)
{
	if (item->fresh)
		return;
	item->fresh = true;
	item->fresh_next = item->again ? NULL : spread->fresh.first;
	item->fresh_last = item->again ? spread->fresh.last : NULL;
	*(item->fresh_next ? &item->fresh_next->fresh_last : &spread->fresh.last) = item;
	*(item->fresh_last ? &item->fresh_last->fresh_next : &spread->fresh.first) = item;
}

static void clear_fresh(struct spread *spread, struct item *item)
{
	if (!item->fresh)
		return;
	item->fresh = false;
	*(item->fresh_next ? &item->fresh_next->fresh_last : &spread->fresh.last) =
		item->fresh_last;
	*(item->fresh_last ? &item->fresh_last->fresh_next : &spread->fresh.first) =
		item->fresh_next;
}

/* All wait for the same time: who comes last is the last to be reviewed. */
static void set_waits(struct spread *spread, struct item *item)
{
	item->waits = true;
	item->wait_next = NULL;
	item->wait_last = spread->waits.last;
	*(item->wait_last ? &item->wait_last->wait_next : &spread->waits.first) = item;
	spread->waits.last = item;
}

static void clear_waits(struct spread *spread, struct item *item)
{
	if (!item->waits)
		return;
	item->waits = false;
	*(item->wait_next ? &item->wait_next->wait_last : &spread->waits.last) = item->wait_last;
	*(item->wait_last ? &item->wait_last->wait_next : &spread->waits.first) = item->wait_next;
}

static void take_out(struct spread *spread, struct item *item)
{
	clear_fresh(spread, item);
	clear_waits(spread, item);
	spread->statement_count -= item->kind == SPREAD_STATEMENT;
	unlink_item(spread, item);
	map_del(&spread->topics, &item->topic);
	if (item->listed)
		map_del(&spread->prints, &item->print);
}

static void drop_item(struct spread *spread, struct item *item)
{
	take_out(spread, item);
	free(item);
}

static void free_spent(struct spread *spread)
{
	while (spread->spent) {
		struct item *item = spread->spent;

		spread->spent = item->older;
		free(item);
	}
}

void spread_free(struct spread *spread)
{
	if (!spread)
		return;
	for (unsigned sent = 0; sent < BUCKETS; sent++) {
		while (spread->buckets[sent].newest)
			drop_item(spread, spread->buckets[sent].newest);
	}
	free_spent(spread);
	map_done(&spread->topics);
	map_done(&spread->prints);
	free(spread);
}

/* ceil(log10(count + 1)), and at least one: news is kept for the first member to come. */
static unsigned digits_of(size_t count)
{
	unsigned digits = 1;

	for (; count > 9; count /= 10)
		digits++;
	return digits;
}

void spread_set_members(struct spread *spread, size_t count)
{
	/* in a smaller mesh each hears it from each of the others */
	spread->copies = count < 2		  ? 1
			 : count <= SPREAD_COPIES ? (unsigned)count - 1
						  : SPREAD_COPIES;
	spread->limit_around = digits_of(count);
	spread->limit = SPREAD_RETRANSMIT * spread->limit_around;
	for (unsigned sent = spread->limit; sent < BUCKETS; sent++) {
		while (spread->buckets[sent].newest)
			drop_item(spread, spread->buckets[sent].newest);
	}
}

static void evict_one(struct spread *spread)
{
	for (unsigned sent = BUCKETS; sent-- > 0;) {
		if (spread->buckets[sent].oldest) {
			drop_item(spread, spread->buckets[sent].oldest);
			return;
		}
	}
}

static bool is_later(const struct item *item, uint64_t version_high, uint64_t version_low)
{
	if (item->version_high != version_high)
		return version_high > item->version_high;
	return version_low > item->version_low;
}

static uint64_t print_of(const struct spread *spread, const void *bytes, size_t size)
{
	uint64_t print;

	crypto_shorthash((uint8_t *)&print, bytes, size, spread->print_key);
	return print;
}

static void count_copy(struct item *item, uint32_t from)
{
	if (item->copies == SPREAD_COPIES)
		return;
	for (unsigned i = 0; i < item->copies; i++) {
		if (item->copied_by[i] == from)
			return;
	}
	item->copied_by[item->copies++] = from;
}

/* Without memory for it, copies of it are not known as such. */
static void list_print(struct spread *spread, struct item *item)
{
	item->print = print_of(spread, item->bytes, item->size);
	if (item->print == spread->heard)
		count_copy(item, spread->heard_from);
	item->listed = !map_get(&spread->prints, &item->print) &&
		       map_put(&spread->prints, &item->print, item) == 0;
}

int spread_put(struct spread *spread, enum spread_kind kind, const struct hash *topic,
	uint64_t version_high, uint64_t version_low, const void *bytes, size_t size)
{
	struct item *old = map_get(&spread->topics, topic), *item;

	if (size > SPREAD_ITEM_MAX)
		return ERR_TOO_BIG;
	if (old && !is_later(old, version_high, version_low))
		return 0;
	item = malloc(sizeof(*item) + size);
	if (!item)
		return ERR_NOMEM;
	*item = (struct item){.topic = *topic,
		.version_high = version_high,
		.version_low = version_low,
		.order = spread->next_order++,
		.kind = kind,
		.size = size};
	memcpy(item->bytes, bytes, size);
	if (old)
		drop_item(spread, old);
	else if (spread->topics.count >= SPREAD_ITEMS_MAX)
		evict_one(spread);
	if (map_put(&spread->topics, &item->topic, item) != 0) {
		free(item);
		return ERR_NOMEM;
	}
	link_item(spread, item);
	list_print(spread, item);
	set_fresh(spread, item);
	spread->statement_count += kind == SPREAD_STATEMENT;
	return 0;
}

void spread_drop(struct spread *spread, const struct hash *topic)
{
	struct item *item = map_get(&spread->topics, topic);

	if (item)
		drop_item(spread, item);
}

bool spread_heard(struct spread *spread, const struct id *from, const void *bytes, size_t size)
{
	uint64_t print = print_of(spread, bytes, size);
	struct item *item = map_get(&spread->prints, &print);
	uint32_t from_part;

	memcpy(&from_part, from->b, sizeof(from_part));
	if (!item || item->size != size || memcmp(item->bytes, bytes, size) != 0) {
		spread->heard = print;
		spread->heard_from = from_part;
		return false;
	}
	count_copy(item, from_part);
	return true;
}

bool spread_has_fresh(const struct spread *spread)
{
	return spread->fresh.first != NULL;
}

static void count_sent(struct spread *spread, struct item *item)
{
	if (item->sent + 1 < (item->around ? spread->limit_around : spread->limit)) {
		unlink_item(spread, item);
		item->sent++;
		link_item(spread, item);
		return;
	}
	take_out(spread, item);
	item->older = spread->spent;
	spread->spent = item;
}

static bool fits(const struct item *item, size_t *budget)
{
	if (item->size + ITEM_OVERHEAD > *budget)
		return false;
	*budget -= item->size + ITEM_OVERHEAD;
	return true;
}

/* The items of one packet, in order. They move up a bucket only afterwards: none is met twice. */
static size_t choose(const struct spread *spread, size_t budget, bool statements_only,
	struct item *ret[PICK_MAX])
{
	size_t unseen = statements_only ? spread->statement_count : spread->topics.count;
	size_t count = 0;

	for (unsigned sent = 0; sent < spread->limit; sent++) {
		struct item *item = spread->buckets[sent].newest;

		for (; item; item = item->older) {
			if (count == PICK_MAX || budget < ITEM_LEAST || unseen == 0)
				return count;
			if (statements_only && item->kind != SPREAD_STATEMENT)
				continue;
			unseen--;
			if (fits(item, &budget))
				ret[count++] = item;
		}
	}
	return count;
}

static size_t choose_fresh(const struct spread *spread, size_t budget, struct item *ret[PICK_MAX])
{
	size_t count = 0;

	for (struct item *item = spread->fresh.first;
		item && count < PICK_MAX && budget >= ITEM_LEAST; item = item->fresh_next) {
		if (fits(item, &budget))
			ret[count++] = item;
	}
	return count;
}

static void pushed(struct spread *spread, mtime_t now, struct item *item)
{
	clear_fresh(spread, item);
	if (item->again)
		return;
	item->review = mtime_add_ms(now, SPREAD_REVIEW_MS);
	set_waits(spread, item);
}

size_t spread_push(
	struct spread *spread, mtime_t now, size_t budget, spread_take take, void *context)
{
	struct item *items[PICK_MAX];
	size_t count = choose_fresh(spread, budget, items);

	free_spent(spread);
	for (size_t i = 0; i < count; i++) {
		take(context, items[i]->kind, items[i]->bytes, items[i]->size);
		pushed(spread, now, items[i]);
	}
	return count;
}

static size_t pick(
	struct spread *spread, size_t budget, bool statements_only, spread_take take, void *context)
{
	struct item *items[PICK_MAX];
	size_t count = choose(spread, budget, statements_only, items);

	free_spent(spread);
	for (size_t i = 0; i < count; i++) {
		take(context, items[i]->kind, items[i]->bytes, items[i]->size);
		count_sent(spread, items[i]);
	}
	return count;
}

size_t spread_pick(struct spread *spread, size_t budget, spread_take take, void *context)
{
	return pick(spread, budget, false, take, context);
}

size_t spread_pick_statements(struct spread *spread, size_t budget, spread_take take, void *context)
{
	return pick(spread, budget, true, take, context);
}

/* The most sent first, and of those sent equally often the oldest: none is met twice, and each goes
 * to the head of its next bucket. */
void spread_known(struct spread *spread)
{
	for (unsigned sent = spread->limit; sent-- > 0;) {
		struct item *item = spread->buckets[sent].oldest, *newer;

		for (; item; item = newer) {
			newer = item->newer;
			if (item->kind != SPREAD_STATEMENT && !item->fresh)
				count_sent(spread, item);
		}
	}
}

void spread_settle(struct spread *spread)
{
	while (spread->fresh.first)
		clear_fresh(spread, spread->fresh.first);
}

mtime_t spread_deadline(const struct spread *spread)
{
	return spread->waits.first ? spread->waits.first->review : MTIME_NEVER;
}

static void review(struct spread *spread, struct item *item)
{
	clear_waits(spread, item);
	item->around = item->copies >= spread->copies;
	if (!item->around) {
		item->again = true;
		set_fresh(spread, item);
	} else if (item->kind != SPREAD_STATEMENT || item->sent >= spread->limit_around) {
		drop_item(spread, item);
	}
}

void spread_review(struct spread *spread, mtime_t now)
{
	while (mtime_reached(now, spread_deadline(spread)))
		review(spread, spread->waits.first);
}

size_t spread_count(const struct spread *spread)
{
	return spread->topics.count;
}
