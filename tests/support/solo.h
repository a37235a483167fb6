/* One `struct swim` alone, whose peers the test plays. */
#ifndef MESHD_TESTS_SUPPORT_SOLO_H
#define MESHD_TESTS_SUPPORT_SOLO_H

#include "gossip/base/rng.h"
#include "gossip/swim/spread.h"
#include "gossip/swim/statement.h"
#include "gossip/swim/swim.h"

#define SOLO_PEERS	8
#define SOLO_GENERATION 7 /* of its start, and of every peer's */

/* Who of the peers answers, as bits. */
#define SOLO_NOBODY    0U
#define SOLO_EVERYBODY 0xffU

struct solo {
	mtime_t now;
	struct rng rng;
	struct id mesh;
	struct keys self, peers[SOLO_PEERS], stranger;
	struct spread *spread;
	struct swim *swim;
	unsigned helpers;      /* who of those that answer also does what it is asked for others */
	enum swim_check check; /* what comes of each */
};

/* A node with that many members, of which it has heard none. */
void solo_init(struct solo *w, size_t members);
void solo_init_as(struct solo *w, size_t members, const struct swim_mechanisms *mechanisms);
void solo_done(struct solo *w);
/* All members have said hello with their own statement. */
void solo_introduce(struct solo *w, size_t members);

struct statement solo_alive(
	const struct solo *w, const struct keys *subject, uint64_t generation, uint64_t version);
struct statement solo_suspect(const struct solo *w, const struct keys *subject, uint64_t generation,
	uint64_t version, const struct keys *accuser);
size_t solo_encode(const struct statement *statement, uint8_t ret[SWIM_STATEMENT_MAX]);
int solo_receive(struct solo *w, struct statement statement, bool *ret_news);
void solo_expect_news(struct solo *w, struct statement statement, bool expected);
/* What it greets a peer with. */
size_t solo_greeting(struct solo *w, size_t peer, struct statement ret[2]);

struct swim_info solo_info(const struct solo *w, size_t peer);
void solo_expect_state(const struct solo *w, size_t peer, enum swim_state state);
size_t solo_peer_number(const struct solo *w, const struct id *id);

struct solo_sent {
	size_t pings, acks, requests, relays, nacks, checks;
	size_t pings_to[SOLO_PEERS];
};

/* Takes its actions, and answers for whoever answers; whoever does so also answers for others if it
 * is asked. */
struct solo_sent solo_answer(struct solo *w, unsigned who);
struct solo_sent solo_run(struct solo *w, int64_t ms, unsigned who);
/* Until the peer is in that state; the time it took in ms. */
int64_t solo_wait_for(struct solo *w, size_t peer, enum swim_state state, unsigned who);

/* How many statements wait to be told to others. */
size_t solo_news_waiting(const struct solo *w);
void solo_forget_news(struct solo *w);

#endif
