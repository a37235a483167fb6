/*
 * Ranges of the order as they stand in a message of replica/reconcile.h, which says what they mean:
 *
 *   message      key (16) | range, one or more
 *   range        kind (2 bits), shared (6 bits) | length (1) | suffix | payload
 *   SKIP         nothing is said of this range
 *   FINGERPRINT  6 bytes over all that the sender has there
 *   LIST         count (2) | id (5) ...   all that the sender has there
 *   WANT         count (2) | id (5) ...   what the sender lacks of those there
 *
 * Each range goes from where the one before it ended (the first: from the start of the order) up to
 * its bound. A bound is the shortest prefix of class (1) | stamp (8) | hash (32) that lies behind
 * one record and not behind the next, as if filled up with zeros; of it the first `shared` bytes
 * are those of the bound before, and `suffix` the rest. Numbers are big-endian, ids ascend.
 *
 * There is one way to say a thing, and any other is refused: bounds ascend, share all they can, and
 * do not end in a zero; a SKIP stands before something; none is WANTed is not said.
 */
#ifndef MESHD_GOSSIP_REPLICA_RANGE_H
#define MESHD_GOSSIP_REPLICA_RANGE_H

#include "gossip/replica/order.h"

#define RANGE_KEY_SIZE	       16
#define RANGE_FINGERPRINT_SIZE 6
#define RANGE_ID_SIZE	       5
#define RANGE_BOUND_SIZE       ORDER_KEY_SIZE

struct range_bound {
	uint8_t b[RANGE_BOUND_SIZE]; /* zeros from size on */
	size_t size;
};

/* Before a class's first record; ORDER_CLASSES: behind all. */
struct range_bound range_bound_class(unsigned class);
/* The shortest that lies behind one and not behind the other. */
struct range_bound range_bound_between(const struct order_key *one, const struct order_key *other);
/* Those around one place. */
void range_bounds_around(
	const struct order_key *place, struct range_bound *ret_low, struct range_bound *ret_high);
struct order_key range_bound_key(const struct range_bound *bound);

enum range_kind { RANGE_SKIP, RANGE_FINGERPRINT, RANGE_LIST, RANGE_WANT };

struct range {
	enum range_kind kind;
	struct range_bound low, high;
	const uint8_t *payload; /* a fingerprint, or ids */
	size_t count;		/* of ids */
};

struct range_reader {
	const uint8_t *at, *end;
	struct range range; /* the one that was read last */
};

/* size is at least that of the key. */
struct range_reader range_reader(const void *message, size_t size);
/* The next range, SKIPs passed over; ERR_MALFORMED, ERR_UNKNOWN at the end. */
int range_read(struct range_reader *reader) MUST_CHECK;

/* Room that a LIST or WANT of so many takes at most, wherever it stands. */
size_t range_ids_size(size_t count);

typedef int (*range_message)(void *context, const void *bytes, size_t size);

/* Makes messages of at most message_max bytes, and gives each that is full to `message`. */
struct range_writer {
	size_t message_max;
	range_message message; /* NULL: they are only counted */
	void *context;
	uint8_t *bytes; /* the message that is being made, its key first */
	size_t size;	/* not more than the key's: it is empty */
	struct range_bound at;
	size_t messages; /* so far */
};

/* ERR_NOMEM. */
int range_writer_init(struct range_writer *writer, const uint8_t key[RANGE_KEY_SIZE],
	size_t message_max, range_message message, void *context) MUST_CHECK;
void range_writer_done(struct range_writer *writer);
/* The head of a range from low to high, and room for its payload, in this message or the next.
 * Ranges ascend, and one fits a message. Errors are those of `message`. */
int range_write(struct range_writer *writer, enum range_kind kind, const struct range_bound *low,
	const struct range_bound *high, size_t payload_size, uint8_t **ret_payload) MUST_CHECK;
int range_write_ids(struct range_writer *writer, enum range_kind kind,
	const struct range_bound *low, const struct range_bound *high, const uint8_t *ids,
	size_t count) MUST_CHECK;
/* What has been begun is a whole message. */
int range_flush(struct range_writer *writer) MUST_CHECK;

#endif
