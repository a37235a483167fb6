/*
 * How news travels: a bounded queue of opaque items, each about a topic. A newer item about a topic
 * replaces the older one. An item leaves at once to FANOUT members, ceil(log10(n + 1)) + 1 times
 * (the caller's pushes), then rides on RETRANSMIT * ceil(log10(n + 1)) other packets: least sent
 * first, newest first among those.
 */
#ifndef MESHD_GOSSIP_SWIM_SPREAD_H
#define MESHD_GOSSIP_SWIM_SPREAD_H

#include "gossip/base/types.h"
#include "gossip/base/err.h"

struct rng;
struct spread;

#define SPREAD_ITEMS_MAX  4096 /* beyond: the most sent, then oldest goes */
#define SPREAD_ITEM_MAX	  1100 /* bytes: must fit a datagram with its neighbours left out */
#define SPREAD_RETRANSMIT 4
#define SPREAD_FANOUT	  3 /* members that get news at once */

enum spread_kind { SPREAD_STATEMENT, SPREAD_RECORD };

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

/* Whether something has not been pushed yet. */
bool spread_has_fresh(const struct spread *spread);
/* Chooses items for one packet within budget bytes (size + overhead of 3 each), counts them as
 * sent, and gives each to take(): at most 64, whose bytes stay good until the next spread_pick or
 * spread_free. fresh_only: those not pushed yet. Returns how many. */
typedef void (*spread_take)(
	void *context, enum spread_kind kind, const uint8_t *bytes, size_t size);
size_t spread_pick(
	struct spread *spread, size_t budget, bool fresh_only, spread_take take, void *context);
/* A push round has gone out to so many members. What has been in enough of them, or in all members'
 * hands, is not fresh any more; what found no room stays so for the next round. 0: there was nobody
 * to push to, and it rides with the rest.
 *
 * Enough are ceil(log10(n + 1)) + 1 rounds: where everybody pushes to FANOUT others at random, r
 * rounds miss n * e^(-FANOUT * r) members, which is less than a tenth of one. */
void spread_pushed(struct spread *spread, size_t members);
size_t spread_count(const struct spread *spread);

#endif
