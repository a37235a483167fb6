/*
 * The plaintext of a datagram and back: the MessagePack array [session, counter, {section: value,
 * ...}] with section numbers ascending, each at most once. All of it is decoded and validated
 * before anything is acted on. Sections that are not known are of a later version of meshd, and
 * passed over; what must not be passed over makes another version of the protocol (keys.h).
 */
#ifndef MESHD_GOSSIP_WIRE_MSG_H
#define MESHD_GOSSIP_WIRE_MSG_H

#include "gossip/base/mtime.h"
#include "gossip/base/pack.h"
#include "gossip/base/types.h"

#define MSG_ITEMS_MAX	64 /* statements, and records, in one datagram */
#define MSG_PLACES_MAX	15 /* announcements, all that one has room for */
#define MSG_DIGEST_SIZE 16

/* number, name */
#define MSG_SECTION_LIST(X)                                                            \
	X(1, CHALLENGE)	  /* u64: a nonce the receiver is to echo */                   \
	X(2, ECHO)	  /* u64: the nonce that was sent to us */                     \
	X(3, PING)	  /* u64 sequence */                                           \
	X(4, ACK)	  /* u64 sequence of the ping */                               \
	X(5, PING_REQ)	  /* [u64 sequence, target id] */                              \
	X(6, RELAY)	  /* [u64 sequence of the ping-req, bool answered] */          \
	X(7, DIGEST)	  /* [16 bytes of the store's digest, u64 cutoff hour] */      \
	X(8, TIME)	  /* u64: wall clock of the sender, ms */                      \
	X(9, SEEN)	  /* endpoint: where the receiver's packets come from */       \
	X(10, STATEMENTS) /* [bytes...] signed statements of liveness */               \
	X(11, RECORDS)	  /* [bytes...] whole records */                               \
	X(12, VOID)	  /* bytes: the record that ended the receiver's membership */ \
	X(13, PAD)	  /* zero bytes: room for an answer that may not be longer */  \
	X(14, RECONCILE)  /* bytes of replica/reconcile.h */                           \
	X(15, ANNOUNCE)	  /* [place...] of records too large for a datagram */         \
	X(16, HOLDS)	  /* 8 bytes of the receiver's WireGuard key that is held */   \
	X(17, HELD)	  /* the same, in answer to HOLDS: noted */

enum msg_section {
#define X(number, name) MSG_##name = number,
	MSG_SECTION_LIST(X)
#undef X
};
#define MSG_SECTION_LAST 17
#define MSG_SECTIONS_MAX 32   /* in one datagram, with those of later versions */
#define MSG_PAD_MAX	 1200 /* bytes: a datagram */
#define MSG_HELD_SIZE	 8    /* of a key: enough to tell it from the one before */

struct msg_item {
	const uint8_t *bytes; /* into the packet, or the caller's memory when encoding */
	size_t size;
};

/* topic (32) | class (1) | stamp (8) | hash (32): of which slot it is, and where the record stands
 * in the order of replica/order.h. That its sender has it is all it says, and signed by nobody. */
#define MSG_PLACE_SIZE 73

struct msg {
	uint64_t session, counter;
	uint32_t present; /* bit 1 << section */
	bool later;	  /* decoded: there were other sections besides */
	uint64_t challenge, echo, ping, ack;
	uint64_t ping_req;
	struct id ping_req_target;
	uint64_t relay;
	bool relay_answered;
	uint8_t digest[MSG_DIGEST_SIZE];
	uint64_t cutoff_hour;
	wtime_t time;
	struct endpoint seen;
	size_t statement_count;
	struct msg_item statements[MSG_ITEMS_MAX];
	size_t record_count;
	struct msg_item records[MSG_ITEMS_MAX];
	struct msg_item void_record;
	size_t pad_size;
	struct msg_item reconcile;
	size_t place_count;
	struct msg_item places[MSG_PLACES_MAX]; /* of MSG_PLACE_SIZE each */
	/* The first bytes of a WireGuard key (X25519), of the receiver's in holds, of the sender's
	 * in held. */
	uint8_t holds[MSG_HELD_SIZE], held[MSG_HELD_SIZE];
};

static inline bool msg_has(const struct msg *msg, enum msg_section section)
{
	return msg->present & UINT32_C(1) << section;
}

static inline void msg_add(struct msg *msg, enum msg_section section)
{
	msg->present |= UINT32_C(1) << section;
}

/* ERR_MALFORMED, with *ret_where naming the field. Items point into plain. */
int msg_decode(const void *plain, size_t size, struct msg *ret, const char **ret_where) MUST_CHECK;
/* ERR_TOO_BIG when it does not fit capacity. A list that is present is not empty, nor is an item.
 */
int msg_encode(
	const struct msg *msg, void *ret_plain, size_t capacity, size_t *ret_size) MUST_CHECK;
/* What msg would take, to know the room that is left for items. */
size_t msg_size(const struct msg *msg);
/* Adds padding so that msg_size becomes size, if it is smaller by enough for that. */
void msg_pad(struct msg *msg, size_t size);

#endif
