#include "gossip/replica/sync.h"

#include <stdlib.h>

#include "gossip/base/rng.h"
#include "gossip/replica/reconcile.h"

/* A message is the array [kind, whether it is the last of its turn or kind, ranges | [bytes of a
 * record...]]; none is empty but for the last. */
enum message_kind {
	MESSAGE_RANGES = 1,
	MESSAGE_RECORDS = 2,
};

#define HEAD_SIZE_MAX	   16	       /* array, kind, flag, and the head of what follows */
#define RANGES_SIZE_MAX	   (60 * 1024) /* of a message */
#define RECORD_PREFIX_MAX  5	       /* before each record's bytes */
#define RECORDS_SIZE_MAX   (SYNC_MESSAGE_MAX - HEAD_SIZE_MAX)
#define RECORDS_SIZE_GOAL  (16 * 1024) /* of a message: verified in one go */
#define RECORDS_IN_MESSAGE UINT16_MAX
#define LACKING_FIRST	   256 /* room for so many records at first */

_Static_assert(RECORD_SIZE_MAX + RECORD_PREFIX_MAX <= RECORDS_SIZE_MAX, "every record fits");
_Static_assert(RANGES_SIZE_MAX <= RECONCILE_MOST, "ranges");

/* Whose turn it is, and then, when the ranges are done, the records. */
enum phase { PHASE_OURS, PHASE_THEIRS, PHASE_RECORDS };

/* A message of our turn. */
struct ranges {
	struct ranges *next;
	size_t size;
	uint8_t bytes[];
};

/* Records, each with a reference. */
struct lacking {
	struct record **records;
	size_t count, capacity;
};

struct sync {
	struct store *store;
	enum phase phase;
	bool sent_all, received_all; /* records */
	struct ranges *first, **last;
	bool said_nothing;	/* so far, in the turn that goes on */
	size_t turn_size;	/* bytes of the peer's turn so far */
	struct lacking lacking; /* what the peer lacks */
	size_t lacking_at;
	uint64_t withhold;	 /* the latest stamp of key-values that are not sent; 0: all are */
	struct lacking withheld; /* of those that the peer lacks */
	bool left_out;		 /* it lacks more */
	struct sync_counts counts;
};

static int add_ranges(void *context, const void *bytes, size_t size)
{
	struct sync *sync = context;
	struct ranges *ranges = malloc(sizeof(*ranges) + size);

	if (!ranges)
		return ERR_NOMEM;
	ranges->next = NULL;
	ranges->size = size;
	memcpy(ranges->bytes, bytes, size);
	*sync->last = ranges;
	sync->last = &ranges->next;
	return 0;
}

static int add_to(struct lacking *lacking, struct record *record)
{
	if (lacking->count == lacking->capacity) {
		size_t capacity = lacking->capacity ? 2 * lacking->capacity : LACKING_FIRST;
		struct record **larger =
			realloc(lacking->records, capacity * sizeof(struct record *));

		if (!larger)
			return ERR_NOMEM;
		lacking->records = larger;
		lacking->capacity = capacity;
	}
	lacking->records[lacking->count++] = record_ref(record);
	return 0;
}

static void lacking_done(struct lacking *lacking, size_t from)
{
	for (size_t i = from; i < lacking->count; i++)
		record_unref(lacking->records[i]);
	free(lacking->records);
}

/* What is beyond the limit the next sync brings. */
static int add_lacking(void *context, struct record *record)
{
	struct sync *sync = context;

	if (record->type == RECORD_VALUE && record->stamp <= sync->withhold)
		return add_to(&sync->withheld, record);
	if (sync->lacking.count == SYNC_RECORDS_MAX) {
		sync->left_out = true;
		return 0;
	}
	return add_to(&sync->lacking, record);
}

static struct reconcile_sink sink_of(struct sync *sync)
{
	return (struct reconcile_sink){.message_max = RANGES_SIZE_MAX,
		.message = add_ranges,
		.lacking = add_lacking,
		.context = sync};
}

static struct sync *new_sync(struct store *store, enum phase phase)
{
	struct sync *sync = calloc(1, sizeof(*sync));

	if (!sync)
		return NULL;
	sync->store = store;
	sync->phase = phase;
	sync->said_nothing = true;
	sync->last = &sync->first;
	return sync;
}

static int begin(struct sync *sync, struct rng *rng, const struct order_key *places, size_t count)
{
	struct reconcile_sink sink = sink_of(sync);
	uint8_t key[RECONCILE_KEY_SIZE];

	rng_bytes(rng, key, sizeof(key));
	return places ? reconcile_ask(places, count, key, &sink)
		      : reconcile_begin(sync->store, key, &sink);
}

static int new_initiator(struct store *store, struct rng *rng, const struct order_key *places,
	size_t count, struct sync **ret)
{
	struct sync *sync = new_sync(store, PHASE_OURS);
	int err = sync ? begin(sync, rng, places, count) : ERR_NOMEM;

	if (err)
		sync_free(sync);
	else
		*ret = sync;
	return err;
}

int sync_new(struct store *store, struct rng *rng, bool initiator, struct sync **ret)
{
	struct sync *sync;

	if (initiator)
		return new_initiator(store, rng, NULL, 0, ret);
	sync = new_sync(store, PHASE_THEIRS);
	if (!sync)
		return ERR_NOMEM;
	*ret = sync;
	return 0;
}

int sync_new_asking(struct store *store, struct rng *rng, const struct order_key *places,
	size_t count, struct sync **ret)
{
	return new_initiator(store, rng, places, count, ret);
}

static void drop_first(struct sync *sync)
{
	struct ranges *ranges = sync->first;

	sync->first = ranges->next;
	if (!sync->first)
		sync->last = &sync->first;
	free(ranges);
}

void sync_free(struct sync *sync)
{
	if (!sync)
		return;
	while (sync->first)
		drop_first(sync);
	lacking_done(&sync->lacking, sync->lacking_at);
	lacking_done(&sync->withheld, 0);
	free(sync);
}

/* ---- turns ---- */

/* Each once, however often it was asked for. */
static void order_lacking(struct sync *sync)
{
	size_t count = sync->lacking.count ? 1 : 0;

	order_sort_sent(sync->lacking.records, sync->lacking.count);
	for (size_t i = 1; i < sync->lacking.count; i++) {
		if (sync->lacking.records[i] == sync->lacking.records[count - 1])
			record_unref(sync->lacking.records[i]);
		else
			sync->lacking.records[count++] = sync->lacking.records[i];
	}
	sync->lacking.count = count;
}

/* A turn is over. If nothing was said in it, so are the ranges. */
static int end_turn(struct sync *sync, enum phase next)
{
	bool over = sync->said_nothing;

	sync->counts.turns++;
	sync->said_nothing = true;
	sync->turn_size = 0;
	sync->phase = over ? PHASE_RECORDS : next;
	if (over)
		order_lacking(sync);
	return sync->counts.turns > SYNC_TURNS_MAX ? ERR_LIMIT : 0;
}

/* ---- sending ---- */

static void put_head(struct pack *out, enum message_kind kind, bool last)
{
	pack_put_array(out, 3);
	pack_put_uint(out, kind);
	pack_put_bool(out, last);
}

static int send_ranges(struct sync *sync, struct pack *out)
{
	const struct ranges *ranges = sync->first;
	bool last = !ranges || !ranges->next;
	int err;

	put_head(out, MESSAGE_RANGES, last);
	pack_put_bin(out, ranges ? ranges->bytes : NULL, ranges ? ranges->size : 0);
	if (ranges) {
		sync->said_nothing = false;
		drop_first(sync);
	}
	err = pack_status(out);
	return err || !last ? err : end_turn(sync, PHASE_THEIRS);
}

/* How many of the next lacking records fit one message. */
static size_t count_batch(const struct sync *sync)
{
	size_t count = 0, size = 0;

	while (sync->lacking_at + count < sync->lacking.count && count < RECORDS_IN_MESSAGE) {
		size += sync->lacking.records[sync->lacking_at + count]->size + RECORD_PREFIX_MAX;
		if (count && size > RECORDS_SIZE_GOAL)
			break;
		count++;
	}
	return count;
}

static int send_records(struct sync *sync, struct pack *out)
{
	size_t count = count_batch(sync);
	bool last = sync->lacking_at + count == sync->lacking.count;

	put_head(out, MESSAGE_RECORDS, last);
	pack_put_array(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		struct record *record = sync->lacking.records[sync->lacking_at++];

		pack_put_bin(out, record->bytes, record->size);
		record_unref(record);
	}
	sync->counts.sent += (uint32_t)count;
	sync->sent_all = last;
	return pack_status(out);
}

int sync_next(struct sync *sync, struct pack *out)
{
	switch (sync->phase) {
	case PHASE_OURS:
		return send_ranges(sync, out);
	case PHASE_THEIRS:
		return 0;
	case PHASE_RECORDS:
		return sync->sent_all ? 0 : send_records(sync, out);
	}
	return 0;
}

/* ---- receiving ---- */

static int answer_ranges(struct sync *sync, const uint8_t *bytes, size_t size)
{
	struct reconcile_sink sink = sink_of(sync);

	sync->turn_size += size;
	sync->counts.hashed += reconcile_cost(sync->store, bytes, size);
	if (sync->turn_size > SYNC_TURN_MAX ||
		sync->counts.hashed > SYNC_COST_TIMES * store_count(sync->store) + SYNC_COST_LEAST)
		return ERR_LIMIT;
	sync->said_nothing = false;
	return reconcile_answer(sync->store, bytes, size, &sink);
}

static int receive_ranges(struct sync *sync, struct pack_reader *reader, bool last)
{
	const uint8_t *bytes;
	size_t size;
	int err = 0;

	if (pack_get_bin(reader, "ranges", 0, RANGES_SIZE_MAX, &bytes, &size) != 0 ||
		pack_get_end(reader, "ranges") != 0)
		return ERR_MALFORMED;
	if (size ? reconcile_check(bytes, size) != 0 : !last)
		return ERR_MALFORMED;
	if (size)
		err = answer_ranges(sync, bytes, size);
	return err || !last ? err : end_turn(sync, PHASE_OURS);
}

/* The peer may hold what we refuse; but what its author did not sign it should have refused itself.
 */
static int take_record(struct sync *sync, const struct id *mesh, const uint8_t *bytes, size_t size)
{
	enum store_result result;
	struct record *record;
	int err = record_decode(mesh, bytes, size, &record);

	if (!err) {
		err = store_put(sync->store, record, &result);
		record_unref(record);
	}
	sync->counts.refused += err != 0;
	sync->counts.forged += err == ERR_BAD_SIGNATURE;
	if (sync->counts.forged > SYNC_FORGED_MAX)
		return ERR_BAD_SIGNATURE;
	return err == ERR_NOMEM ? err : 0;
}

static int take_records(struct sync *sync, struct pack_reader *reader, uint32_t count)
{
	int err = 0;

	while (count-- && !err) {
		const uint8_t *bytes;
		size_t size;

		err = pack_get_bin(reader, "record", 1, RECORD_SIZE_MAX, &bytes, &size);
		if (!err)
			err = take_record(sync, store_mesh(sync->store), bytes, size);
	}
	return err;
}

/* All of them have the right form before the first is looked at. */
static int check_records(struct pack_reader reader, uint32_t count)
{
	const uint8_t *bytes;
	size_t size;

	while (count--) {
		if (pack_get_bin(&reader, "record", 1, RECORD_SIZE_MAX, &bytes, &size) != 0)
			return ERR_MALFORMED;
	}
	return pack_get_end(&reader, "records");
}

static int receive_records(struct sync *sync, struct pack_reader *reader, bool last)
{
	uint32_t count;
	int err;

	if (pack_get_array(reader, "records", last ? 0 : 1, RECORDS_IN_MESSAGE, &count) != 0 ||
		check_records(*reader, count) != 0)
		return ERR_MALFORMED;
	if (sync->counts.received + count > SYNC_RECORDS_MAX)
		return ERR_LIMIT;
	sync->counts.received += count;
	err = take_records(sync, reader, count);
	if (!err)
		sync->received_all = last;
	return err;
}

static bool is_expected(const struct sync *sync, enum message_kind kind)
{
	return kind == MESSAGE_RANGES ? sync->phase == PHASE_THEIRS
				      : sync->phase == PHASE_RECORDS && !sync->received_all;
}

int sync_receive(struct sync *sync, const void *message, size_t size)
{
	struct pack_reader reader = pack_reader(message, size);
	uint64_t kind;
	uint32_t count;
	bool last;

	if (size > SYNC_MESSAGE_MAX)
		return ERR_TOO_BIG;
	if (pack_get_array(&reader, "sync", 3, 3, &count) != 0 ||
		pack_get_uint(&reader, "kind", MESSAGE_RECORDS, &kind) != 0 || kind == 0 ||
		pack_get_bool(&reader, "last", &last) != 0)
		return ERR_MALFORMED;
	if (!is_expected(sync, (enum message_kind)kind))
		return ERR_STATE;
	return kind == MESSAGE_RANGES ? receive_ranges(sync, &reader, last)
				      : receive_records(sync, &reader, last);
}

void sync_withhold(struct sync *sync, uint64_t stamp)
{
	sync->withhold = stamp;
}

struct record *sync_take_withheld(struct sync *sync)
{
	return sync->withheld.count ? sync->withheld.records[--sync->withheld.count] : NULL;
}

bool sync_is_whole(const struct sync *sync)
{
	return sync_is_done(sync) && !sync->left_out;
}

bool sync_is_done(const struct sync *sync)
{
	return sync->sent_all && sync->received_all;
}

struct sync_counts sync_counts(const struct sync *sync)
{
	return sync->counts;
}
