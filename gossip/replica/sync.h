/*
 * A full exchange between two stores over a stream: each names all it has by hash, then each sends
 * what the other lacks. (Reconciliation whose cost follows the difference comes on top of
 * store_seek.)
 *
 *   initiator                                  responder
 *   OFFER hashes..., last flag      ─────>
 *                                   <─────     OFFER hashes..., last flag
 *   RECORDS ..., last flag          ─────>     (each sends what the other's offer lacks:
 *                                   <─────      authority first, then the newest first)
 *   both have seen the other's last RECORDS: done
 *
 * Messages are at most SYNC_MESSAGE_MAX bytes; what a peer claims is bounded by SYNC_OFFER_MAX.
 * Records go through store_put like any other.
 */
#ifndef MESHD_GOSSIP_REPLICA_SYNC_H
#define MESHD_GOSSIP_REPLICA_SYNC_H

#include "gossip/base/pack.h"
#include "gossip/replica/store.h"

#define SYNC_MESSAGE_MAX (66 * 1024 + 1024) /* at least one record of the largest size */
#define SYNC_OFFER_MAX	 400000		    /* hashes of one side: two large writers and room */

struct sync;

/* store is borrowed for the sync's life; it may change meanwhile. */
int sync_new(struct store *store, bool initiator, struct sync **ret) MUST_CHECK;
void sync_free(struct sync *sync);

/* The next message to send, appended to out (empty when there is none now: wait for the peer). Call
 * again while it appends something and the stream has room. */
int sync_next(struct sync *sync, struct pack *out) MUST_CHECK;
/* A message from the peer. Refused records are counted, not fatal: a peer may hold what we refuse.
 * Errors are final: ERR_MALFORMED, ERR_TOO_BIG, ERR_LIMIT (of what a peer claims or sends),
 * ERR_STATE (out of order), ERR_NOMEM. */
int sync_receive(struct sync *sync, const void *message, size_t size) MUST_CHECK;
bool sync_is_done(const struct sync *sync);

struct sync_counts {
	uint32_t offered, sent, received, refused;
};
struct sync_counts sync_counts(const struct sync *sync);

#endif
