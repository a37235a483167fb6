/*
 * Reconciliation of two stores over a stream, where much differs or what differs is large: the
 * messages of replica/reconcile.h, larger, until one side has nothing to say to them, and then the
 * records.
 *
 *   initiator                                    responder
 *   RANGES ..., last flag            ─────>      (a turn: one message or more)
 *                                    <─────      RANGES ..., last flag
 *   and so on, in turn; one that is empty ends it for both
 *   RECORDS ..., last flag           ─────>      (each sends what the other lacks:
 *                                    <─────       authority first, then the newest first)
 *   both have seen the other's last RECORDS: done
 *
 * Records go through store_put like any other.
 */
#ifndef MESHD_GOSSIP_REPLICA_SYNC_H
#define MESHD_GOSSIP_REPLICA_SYNC_H

#include "gossip/base/pack.h"
#include "gossip/replica/store.h"

#define SYNC_MESSAGE_MAX (66 * 1024 + 1024) /* at least one record of the largest size */
/* Of one side. Records: two large writers and room. Turns: each splits what differs by 16, or by
 * the half of what is few. Ranges in a turn, in bytes: all records listed, and room. Records that
 * are hashed to answer: this many times all there are, and some besides. */
#define SYNC_RECORDS_MAX 400000
#define SYNC_TURNS_MAX	 32
#define SYNC_TURN_MAX	 (4 * 1024 * 1024)
#define SYNC_COST_TIMES	 16
#define SYNC_COST_LEAST	 100000
#define SYNC_FORGED_MAX	 8 /* records whose signatures do not hold: a damaged disk, no more */

struct rng;
struct sync;

/* store is borrowed for the sync's life; it may change meanwhile. rng: for the initiator's key. */
int sync_new(struct store *store, struct rng *rng, bool initiator, struct sync **ret) MUST_CHECK;
/* An initiator that wants what stands at these places, which ascend, and nothing else. */
int sync_new_asking(struct store *store, struct rng *rng, const struct order_key *places,
	size_t count, struct sync **ret) MUST_CHECK;
void sync_free(struct sync *sync);

/* The next message to send, appended to out (empty when there is none now: wait for the peer). Call
 * again while it appends something and the stream has room. ERR_LIMIT where no end of turns is in
 * sight, ERR_NOMEM. */
int sync_next(struct sync *sync, struct pack *out) MUST_CHECK;
/* A message from the peer. Refused records are counted, not fatal: a peer may hold what we refuse.
 * Errors are final: ERR_MALFORMED, ERR_TOO_BIG, ERR_LIMIT (of what a peer says, sends or asks for),
 * ERR_STATE (out of order), ERR_BAD_SIGNATURE (too many forged), ERR_NOMEM. */
int sync_receive(struct sync *sync, const void *message, size_t size) MUST_CHECK;
bool sync_is_done(const struct sync *sync);
/* Done, and nothing was left out for SYNC_RECORDS_MAX. */
bool sync_is_whole(const struct sync *sync);

/* Before the peer's first message: key-values up to this stamp are not sent, but kept apart. 0: all
 * are sent. */
void sync_withhold(struct sync *sync, uint64_t stamp);
/* One of those that the peer lacks, with its reference; NULL: there are no more. */
struct record *sync_take_withheld(struct sync *sync);

struct sync_counts {
	/* turns: of both sides; the rest are records, the forged among the refused */
	uint32_t turns, sent, received, refused, forged;
	size_t hashed; /* for answers: with reconcile_cost */
};
struct sync_counts sync_counts(const struct sync *sync);

#endif
