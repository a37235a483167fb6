#include "gossip/replica/sync.h"

#include <assert.h>
#include <stdlib.h>

#include "gossip/trust/authority.h"

/* A message is the array [kind, whether it is the last of its kind, bytes of all hashes | [bytes of
 * a record...]]; none is empty but for the last. */
enum message_kind {
	MESSAGE_OFFER = 1,
	MESSAGE_RECORDS = 2,
};

#define HEAD_SIZE_MAX	   16	/* array, kind, flag, and the head of what follows */
#define OFFER_HASHES	   2048 /* in one message: 64 KiB */
#define RECORD_PREFIX_MAX  5	/* before each record's bytes */
#define RECORDS_SIZE_MAX   (SYNC_MESSAGE_MAX - HEAD_SIZE_MAX)
#define RECORDS_IN_MESSAGE UINT16_MAX

_Static_assert(RECORD_SIZE_MAX + RECORD_PREFIX_MAX <= RECORDS_SIZE_MAX, "every record fits");
_Static_assert(OFFER_HASHES * sizeof(struct hash) <= RECORDS_SIZE_MAX, "an offer fits");

/* Each side goes through these, in sending and in receiving, on its own. */
enum phase { PHASE_OFFER, PHASE_RECORDS, PHASE_DONE };

struct sync {
	struct store *store;
	bool initiator;
	enum phase sending, receiving;
	struct record *offered_last; /* where the walk of our offer stands; NULL: at the start */
	struct hash *theirs;	     /* what the peer offers; sorted when it is complete */
	size_t their_count, their_capacity;
	struct record **lacking; /* what the peer lacks, each with a reference */
	size_t lacking_count, lacking_at;
	struct sync_counts counts;
};

int sync_new(struct store *store, bool initiator, struct sync **ret)
{
	struct sync *sync = calloc(1, sizeof(*sync));

	if (!sync)
		return ERR_NOMEM;
	sync->store = store;
	sync->initiator = initiator;
	*ret = sync;
	return 0;
}

void sync_free(struct sync *sync)
{
	if (!sync)
		return;
	for (size_t i = sync->lacking_at; i < sync->lacking_count; i++)
		record_unref(sync->lacking[i]);
	free(sync->lacking);
	free(sync->theirs);
	record_unref(sync->offered_last);
	free(sync);
}

/* ---- what the peer lacks ---- */

static int compare_hashes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct hash));
}

static bool they_have(const struct sync *sync, const struct record *record)
{
	return sync->their_count && bsearch(&record->hash, sync->theirs, sync->their_count,
					    sizeof(struct hash), compare_hashes);
}

static void reverse(struct record **records, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct record *swap = records[i];

		records[i] = records[count - 1 - i];
		records[count - 1 - i] = swap;
	}
}

static void add_lacking(struct sync *sync, bool authority)
{
	for (struct record *r = store_after(sync->store, NULL); r;
		r = store_after(sync->store, r)) {
		if (authority_concerns(r->type) == authority && !they_have(sync, r))
			sync->lacking[sync->lacking_count++] = record_ref(r);
	}
}

/* Authority first, so that nothing waits or is dropped for want of it; the rest newest first, so
 * that what a quota keeps out is refused and never pushes anything out again. */
static int find_lacking(struct sync *sync)
{
	size_t authority_count;

	for (size_t i = 1; i < sync->their_count; i++) {
		if (hash_equal(&sync->theirs[i - 1], &sync->theirs[i]))
			return ERR_MALFORMED;
	}
	sync->lacking = calloc(store_count(sync->store) + 1, sizeof(*sync->lacking));
	if (!sync->lacking)
		return ERR_NOMEM;
	add_lacking(sync, true);
	authority_count = sync->lacking_count;
	add_lacking(sync, false);
	reverse(sync->lacking + authority_count, sync->lacking_count - authority_count);
	return 0;
}

/* ---- sending ---- */

static void put_head(struct pack *out, enum message_kind kind, bool last)
{
	pack_put_array(out, 3);
	pack_put_uint(out, kind);
	pack_put_bool(out, last);
}

static int send_offer(struct sync *sync, struct pack *out)
{
	struct hash *hashes = malloc(OFFER_HASHES * sizeof(*hashes));
	struct record *at = sync->offered_last, *next;
	size_t count = 0;

	if (!hashes)
		return ERR_NOMEM;
	while ((next = store_after(sync->store, at)) && count < OFFER_HASHES) {
		hashes[count++] = next->hash;
		at = next;
	}
	if (at != sync->offered_last) {
		record_ref(at);
		record_unref(sync->offered_last);
		sync->offered_last = at;
	}
	put_head(out, MESSAGE_OFFER, next == NULL);
	pack_put_bin(out, hashes, count * sizeof(*hashes));
	free(hashes);
	sync->counts.offered += (uint32_t)count;
	if (!next)
		sync->sending = PHASE_RECORDS;
	return pack_status(out);
}

/* How many of the next lacking records fit one message. */
static size_t count_batch(const struct sync *sync)
{
	size_t count = 0, size = 0;

	while (sync->lacking_at + count < sync->lacking_count && count < RECORDS_IN_MESSAGE) {
		size += sync->lacking[sync->lacking_at + count]->size + RECORD_PREFIX_MAX;
		if (size > RECORDS_SIZE_MAX)
			break;
		count++;
	}
	return count;
}

static int send_records(struct sync *sync, struct pack *out)
{
	size_t count = count_batch(sync);
	bool last = sync->lacking_at + count == sync->lacking_count;

	put_head(out, MESSAGE_RECORDS, last);
	pack_put_array(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		struct record *record = sync->lacking[sync->lacking_at++];

		pack_put_bin(out, record->bytes, record->size);
		record_unref(record);
	}
	sync->counts.sent += (uint32_t)count;
	if (last)
		sync->sending = PHASE_DONE;
	return pack_status(out);
}

int sync_next(struct sync *sync, struct pack *out)
{
	switch (sync->sending) {
	case PHASE_OFFER:
		/* the responder offers when it knows what is offered */
		return sync->initiator || sync->receiving != PHASE_OFFER ? send_offer(sync, out)
									 : 0;
	case PHASE_RECORDS:
		return sync->receiving != PHASE_OFFER ? send_records(sync, out) : 0;
	case PHASE_DONE:
		return 0;
	}
	return 0;
}

/* ---- receiving ---- */

static int make_room(struct sync *sync, size_t count)
{
	size_t capacity = sync->their_capacity ? sync->their_capacity : OFFER_HASHES;
	struct hash *larger;

	if (sync->their_count + count > SYNC_OFFER_MAX)
		return ERR_LIMIT;
	if (sync->their_count + count <= sync->their_capacity)
		return 0;
	while (capacity < sync->their_count + count)
		capacity *= 2;
	larger = realloc(sync->theirs, capacity * sizeof(*larger));
	if (!larger)
		return ERR_NOMEM;
	sync->theirs = larger;
	sync->their_capacity = capacity;
	return 0;
}

static int receive_offer(struct sync *sync, struct pack_reader *reader, bool last)
{
	const uint8_t *hashes;
	size_t size, count;
	int err;

	if (pack_get_bin(reader, "hashes", 0, OFFER_HASHES * sizeof(struct hash), &hashes, &size) !=
			0 ||
		pack_get_end(reader, "offer") != 0)
		return ERR_MALFORMED;
	count = size / sizeof(struct hash);
	if (size % sizeof(struct hash) != 0 || (count == 0 && !last))
		return ERR_MALFORMED;
	err = make_room(sync, count);
	if (err)
		return err;
	if (size)
		memcpy(sync->theirs + sync->their_count, hashes, size);
	sync->their_count += count;
	if (!last)
		return 0;
	if (sync->their_count)
		qsort(sync->theirs, sync->their_count, sizeof(*sync->theirs), compare_hashes);
	err = find_lacking(sync);
	if (!err)
		sync->receiving = PHASE_RECORDS;
	return err;
}

/* Only want of memory ends the sync: the peer may hold what we refuse. */
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
	if (sync->counts.received + count > SYNC_OFFER_MAX)
		return ERR_LIMIT;
	sync->counts.received += count;
	err = take_records(sync, reader, count);
	if (!err && last)
		sync->receiving = PHASE_DONE;
	return err;
}

int sync_receive(struct sync *sync, const void *message, size_t size)
{
	struct pack_reader reader = pack_reader(message, size);
	enum phase expected;
	uint64_t kind;
	uint32_t count;
	bool last;

	if (size > SYNC_MESSAGE_MAX)
		return ERR_TOO_BIG;
	if (pack_get_array(&reader, "sync", 3, 3, &count) != 0 ||
		pack_get_uint(&reader, "kind", MESSAGE_RECORDS, &kind) != 0 || kind == 0 ||
		pack_get_bool(&reader, "last", &last) != 0)
		return ERR_MALFORMED;
	expected = kind == MESSAGE_OFFER ? PHASE_OFFER : PHASE_RECORDS;
	/* an initiator is answered when all that it offers has been said */
	if (sync->receiving != expected || (sync->initiator && sync->sending == PHASE_OFFER))
		return ERR_STATE;
	return kind == MESSAGE_OFFER ? receive_offer(sync, &reader, last)
				     : receive_records(sync, &reader, last);
}

bool sync_is_done(const struct sync *sync)
{
	return sync->sending == PHASE_DONE && sync->receiving == PHASE_DONE;
}

struct sync_counts sync_counts(const struct sync *sync)
{
	return sync->counts;
}
