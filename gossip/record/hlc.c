#include "gossip/record/hlc.h"

static uint64_t first_of(const struct hlc *hlc, wtime_t wall)
{
	return wall.ms > 0 ? hlc_from_ms(wall.ms) | hlc->first : 0;
}

void hlc_begin(struct hlc *hlc, wtime_t wall, uint64_t random)
{
	hlc->first = random & HLC_FIRST_MAX;
	if (hlc->last && first_of(hlc, wall) <= hlc->last)
		hlc->last += random % hlc_from_ms(HLC_SKIP_MAX_MS);
}

uint64_t hlc_next(struct hlc *hlc, wtime_t wall)
{
	uint64_t stamp = first_of(hlc, wall);

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
