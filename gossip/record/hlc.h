/*
 * The hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): a stamp is 48 bits
 * of wall milliseconds and 16 bits of count. Every stamp that a node issues lies above all it has
 * issued or seen and below a ceiling that is on disk, so that none is ever issued twice.
 */
#ifndef MESHD_GOSSIP_RECORD_HLC_H
#define MESHD_GOSSIP_RECORD_HLC_H

#include "gossip/base/err.h"
#include "gossip/base/mtime.h"

#define HLC_AHEAD_MAX_MS   (60 * 1000)	    /* of mesh time, for stamps of others */
#define HLC_RESERVE_MS	   (10 * 60 * 1000) /* how far a ceiling is put beyond now */
#define HLC_RESERVE_LOW_MS (2 * 60 * 1000)  /* left below the ceiling when it is moved */

struct hlc {
	uint64_t last;	  /* the latest stamp issued or seen */
	uint64_t ceiling; /* exclusive; on disk */
};

static inline int64_t hlc_stamp_ms(uint64_t stamp)
{
	return (int64_t)(stamp >> 16);
}

static inline uint64_t hlc_from_ms(int64_t ms)
{
	return (uint64_t)ms << 16;
}

/* A stamp after all others, near the wall clock. ERR_NOT_READY: the ceiling must be moved first. */
int hlc_next(struct hlc *hlc, wtime_t wall, uint64_t *ret_stamp) MUST_CHECK;
/* Takes note of a stamp of somebody else. ERR_FUTURE when it is more than HLC_AHEAD_MAX_MS ahead:
 * not taken note of. */
int hlc_observe(struct hlc *hlc, wtime_t wall, uint64_t stamp) MUST_CHECK;
/* The ceiling to put on disk, or 0 while there is room enough. */
uint64_t hlc_wanted_ceiling(const struct hlc *hlc, wtime_t wall);

#endif
