#include "gossip/record/hlc.h"

uint64_t hlc_next(struct hlc *hlc, wtime_t wall)
{
	uint64_t stamp = wall.ms > 0 ? hlc_from_ms(wall.ms) : 0;

	hlc->last = stamp > hlc->last ? stamp : hlc->last + 1;
	return hlc->last;
}

int hlc_observe(struct hlc *hlc, wtime_t wall, uint64_t stamp)
{
	if (hlc_stamp_ms(stamp) > wall.ms + HLC_AHEAD_MAX_MS)
		return ERR_FUTURE;
	if (stamp > hlc->last)
		hlc->last = stamp;
	return 0;
}
