#include "gossip/record/hlc.h"

static uint64_t wall_stamp(wtime_t wall)
{
	return wall.ms > 0 ? hlc_from_ms(wall.ms) : 0;
}

int hlc_next(struct hlc *hlc, wtime_t wall, uint64_t *ret_stamp)
{
	uint64_t stamp = wall_stamp(wall);

	if (stamp <= hlc->last)
		stamp = hlc->last + 1;
	if (stamp >= hlc->ceiling)
		return ERR_NOT_READY;
	hlc->last = stamp;
	*ret_stamp = stamp;
	return 0;
}

int hlc_observe(struct hlc *hlc, wtime_t wall, uint64_t stamp)
{
	if (hlc_stamp_ms(stamp) > wall.ms + HLC_AHEAD_MAX_MS)
		return ERR_FUTURE;
	if (stamp > hlc->last)
		hlc->last = stamp;
	return 0;
}

uint64_t hlc_wanted_ceiling(const struct hlc *hlc, wtime_t wall)
{
	uint64_t from = wall_stamp(wall);

	if (from < hlc->last)
		from = hlc->last;
	if (hlc->ceiling > from + hlc_from_ms(HLC_RESERVE_LOW_MS))
		return 0;
	return from + hlc_from_ms(HLC_RESERVE_MS);
}
