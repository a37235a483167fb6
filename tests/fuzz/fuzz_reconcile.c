/*
 * Whatever a peer may say about ranges: refused whole, or answered by messages that are good
 * themselves, of the size that was asked for, and by no more records than the store has in those
 * ranges. An exchange that goes on from there between two stores comes to an end.
 */
#include "gossip/replica/reconcile.h"

#include <assert.h>
#include <stdlib.h>

#include "gossip/base/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS	     40
#define QUEUE_MAX    4096
#define ANSWERS_MOST 2000 /* of an exchange between stores of so few */

static const struct id mesh = {{1}};

struct message {
	size_t size;
	uint8_t bytes[RECONCILE_LEAST];
};

struct exchange {
	struct message *queue[QUEUE_MAX];
	size_t first, count;
	size_t records;
};

/* Signed by nobody: what is restored is not verified. Those of every third are not the other's. */
static void fill(struct store *store, unsigned leave_out)
{
	const struct sig nobody = {{0}};

	for (unsigned i = 0; i < RECORDS; i++) {
		struct record_draft draft = {.type = i % 5 ? (enum record_type)77 : RECORD_KEEP,
			.key = &i,
			.key_size = sizeof(i),
			.stamp = UINT64_C(1) << i};
		struct id key = {{(uint8_t)i}};
		struct record *record;

		if (i % 3 == leave_out)
			continue;
		if (draft.type == RECORD_KEEP) {
			draft.key = &key;
			draft.key_size = sizeof(key);
		}
		if (record_assemble(&mesh, &mesh, &draft, &nobody, &record) != 0)
			abort();
		if (store_restore(store, record) != 0)
			assert(!"a record from disk is taken");
		record_unref(record);
	}
}

static int take_message(void *context, const void *bytes, size_t size)
{
	struct exchange *e = context;
	struct message *message = malloc(sizeof(*message));

	assert(size <= RECONCILE_LEAST && reconcile_check(bytes, size) == 0);
	if (!message)
		abort();
	message->size = size;
	memcpy(message->bytes, bytes, size);
	assert(e->count < QUEUE_MAX);
	e->queue[(e->first + e->count++) % QUEUE_MAX] = message;
	return 0;
}

static int take_record(void *context, struct record *record)
{
	struct exchange *e = context;

	assert(record->size);
	e->records++;
	return 0;
}

static void answer(struct exchange *e, const struct store *store, const void *bytes, size_t size)
{
	struct reconcile_sink sink = {.message_max = RECONCILE_LEAST,
		.message = take_message,
		.lacking = take_record,
		.context = e};
	size_t before = e->records;

	assert(reconcile_cost(store, bytes, size) <= store_count(store));
	if (reconcile_answer(store, bytes, size, &sink) != 0)
		abort();
	assert(e->records - before <= store_count(store));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store *stores[2] = {NULL, NULL};
	struct exchange e = {.count = 0};
	struct rng rng;

	if (reconcile_check(data, size) != 0)
		return 0;
	rng_init(&rng, mesh.b);
	for (unsigned i = 0; i < 2; i++) {
		if (store_new(&mesh, &rng, NULL, NULL, &stores[i]) != 0)
			abort();
		fill(stores[i], i);
	}
	answer(&e, stores[0], data, size);
	/* what comes of it goes back and forth; nothing arrives, so all stays as it is */
	for (size_t turn = 1; e.count && turn < ANSWERS_MOST; turn++) {
		struct message *message = e.queue[e.first++ % QUEUE_MAX];

		e.count--;
		answer(&e, stores[turn % 2], message->bytes, message->size);
		free(message);
	}
	assert(!e.count);
	store_free(stores[0]);
	store_free(stores[1]);
	return 0;
}
