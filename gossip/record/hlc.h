/*
 * The hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): a stamp is 48 bits
 * of wall milliseconds and 16 bits of count. Every stamp that a node issues lies above all it has
 * issued or seen. An own record is on disk before it is sent, so the latest own stamp on disk
 * bounds all that others may know of: a restart starts there.
 *
 * Unless the disk was set back, by a backup or a machine's snapshot, perhaps with the clock: then
 * an earlier life went on from here, and others know its stamps. So each life counts from a number
 * of its own in every millisecond, and from what it only saw it goes on in the next millisecond.
 */
#ifndef MESHD_GOSSIP_RECORD_HLC_H
#define MESHD_GOSSIP_RECORD_HLC_H

#include "gossip/base/err.h"
#include "gossip/base/mtime.h"

#define HLC_AHEAD_MAX_MS (60 * 1000) /* of mesh time, for stamps of others */

#define HLC_FIRST_MAX 0x7fff /* leaves as many counts in the millisecond */

struct hlc {
	uint64_t last;	/* the latest stamp issued or seen */
	bool issued;	/* in this life; else seen */
	uint16_t first; /* the count of a millisecond's first stamp in this life */
};

static inline int64_t hlc_stamp_ms(uint64_t stamp)
{
	return (int64_t)(stamp >> 16);
}

static inline uint64_t hlc_from_ms(int64_t ms)
{
	return (uint64_t)ms << 16;
}

/* A life begins; random is any number. */
void hlc_begin(struct hlc *hlc, uint64_t random);
/* A stamp after all others, near the wall clock. */
uint64_t hlc_next(struct hlc *hlc, wtime_t wall);
/* Takes note of a stamp of somebody else. ERR_FUTURE when it is more than HLC_AHEAD_MAX_MS ahead:
 * not taken note of. */
int hlc_observe(struct hlc *hlc, wtime_t wall, uint64_t stamp) MUST_CHECK;

#endif
