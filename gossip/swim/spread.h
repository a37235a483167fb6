/*
 * How news travels: a bounded queue of opaque items, each about a topic. A newer item about a topic
 * replaces the older one.
 *
 * An item leaves at once to the caller's neighbours (swim_neighbours), each of which does the same
 * with what is news to it: so every node gets it from as many others as it has neighbours. Who has
 * heard it that often knows that it has got around: a record is done then (whoever lacks it in
 * spite of that finds out when stores are compared), and a statement rides on ceil(log10(n + 1))
 * other packets. Where it was heard too seldom, packets were lost or neighbours are down: it is
 * pushed once more and rides on RETRANSMIT * ceil(log10(n + 1)). Least sent go first, newest first
 * among those.
 */
#ifndef MESHD_GOSSIP_SWIM_SPREAD_H
#define MESHD_GOSSIP_SWIM_SPREAD_H

#include "gossip/base/err.h"
#include "gossip/base/mtime.h"
#include "gossip/base/types.h"

struct rng;
struct spread;

#define SPREAD_ITEMS_MAX  4096 /* beyond: the most sent, then oldest goes */
#define SPREAD_ITEM_MAX	  1100 /* bytes: must fit a datagram with its neighbours left out */
#define SPREAD_RETRANSMIT 4
#define SPREAD_FANOUT	  6 /* members that get news at once: SWIM_RINGS and a random one */
/* How often it is heard where it has got around: of SPREAD_FANOUT the random one, and one of the
 * others, may fail without a word. */
#define SPREAD_COPIES	  4
/* Until they are counted: a few hops, of a hundred milliseconds or less. */
#define SPREAD_REVIEW_MS  300

enum spread_kind { SPREAD_STATEMENT, SPREAD_RECORD, SPREAD_PLACE };

int spread_new(struct rng *rng, struct spread **ret) MUST_CHECK;
void spread_free(struct spread *spread);
/* How many members there are: bounds the retransmissions. */
void spread_set_members(struct spread *spread, size_t count);

/* bytes are copied. topic names what it is about: the same topic with a later version replaces; an
 * older or equal version is dropped without error. ERR_TOO_BIG, ERR_NOMEM. */
int spread_put(struct spread *spread, enum spread_kind kind, const struct hash *topic,
	uint64_t version_high, uint64_t version_low, const void *bytes, size_t size) MUST_CHECK;
/* No more about this topic (a member is gone, a statement refuted). */
void spread_drop(struct spread *spread, const struct hash *topic);
/* These bytes came from another node. Whether they are an item here, and so no news; put next, they
 * were heard once. Each node counts once, or one could say what is everybody's to have heard. */
bool spread_heard(struct spread *spread, const struct id *from, const void *bytes, size_t size);

/* Whether something is to be pushed. */
bool spread_has_fresh(const struct spread *spread);
/* Chooses items for one packet within budget bytes (size + overhead of 3 each) and gives each to
 * take(): at most 64, whose bytes stay good until the next choice or spread_free. Returns how many.
 *
 * spread_push: what is fresh, for a packet that goes to all neighbours; it is fresh no more.
 * spread_pick: anything, for a packet that goes to somebody anyway; counted as sent. */
typedef void (*spread_take)(
	void *context, enum spread_kind kind, const uint8_t *bytes, size_t size);
size_t spread_push(
	struct spread *spread, mtime_t now, size_t budget, spread_take take, void *context);
size_t spread_pick(struct spread *spread, size_t budget, spread_take take, void *context);
/* spread_pick for one who has all records already: statements only. */
size_t spread_pick_statements(
	struct spread *spread, size_t budget, spread_take take, void *context);
/* A member has told that it has every record that is here: each that was pushed counts as sent once
 * more, so that what everybody has is soon out of the queue without having been on the wire again.
 */
void spread_known(struct spread *spread);
/* There is nobody to push to: what is fresh rides with the rest. */
void spread_settle(struct spread *spread);
/* When copies of what was pushed are to be counted, MTIME_NEVER if nothing was; and counts them. */
mtime_t spread_deadline(const struct spread *spread);
void spread_review(struct spread *spread, mtime_t now);
size_t spread_count(const struct spread *spread);

#endif
