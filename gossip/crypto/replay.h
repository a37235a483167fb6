/*
 * Which counters of one session have been seen (RFC 6479's idea): a sliding window, so that packets
 * may overtake each other and none counts twice.
 */
#ifndef MESHD_GOSSIP_CRYPTO_REPLAY_H
#define MESHD_GOSSIP_CRYPTO_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_WINDOW 256 /* counters below the highest that are still told apart */

struct replay {
	uint64_t next; /* the highest seen, plus one; 0: none yet */
	uint64_t seen[REPLAY_WINDOW / 64];
};

void replay_init(struct replay *replay);
/* Whether the counter is new; notes it then. UINT64_MAX never is. */
bool replay_accept(struct replay *replay, uint64_t counter);

#endif
