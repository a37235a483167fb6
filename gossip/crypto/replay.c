#include "gossip/crypto/replay.h"

#include <string.h>

void replay_init(struct replay *replay)
{
	memset(replay, 0, sizeof(*replay));
}

static uint64_t *word_of(struct replay *replay, uint64_t counter)
{
	return &replay->seen[counter / 64 % (REPLAY_WINDOW / 64)];
}

/* The window is a ring of words; the oldest word is given up as a whole, so it reaches back between
 * REPLAY_WINDOW - 64 and REPLAY_WINDOW counters. */
bool replay_accept(struct replay *replay, uint64_t counter)
{
	uint64_t bit = UINT64_C(1) << counter % 64;

	if (counter == UINT64_MAX)
		return false;
	if (counter >= replay->next) {
		uint64_t last = replay->next ? (replay->next - 1) / 64 : 0;
		uint64_t words = counter / 64 - last;

		if (words > REPLAY_WINDOW / 64)
			words = REPLAY_WINDOW / 64;
		for (uint64_t i = 0; i < words; i++)
			*word_of(replay, (counter / 64 - i) * 64) = 0;
		replay->next = counter + 1;
	} else if ((replay->next - 1) / 64 - counter / 64 >= REPLAY_WINDOW / 64) {
		return false;
	}
	if (*word_of(replay, counter) & bit)
		return false;
	*word_of(replay, counter) |= bit;
	return true;
}
