#include "gossip/record/hlc.h"

void hlc_begin(struct hlc *hlc, uint64_t random)
{
	hlc->first = random & HLC_FIRST_MAX;
	hlc->issued = false;
}

static uint64_t first_in(const struct hlc *hlc, int64_t ms)
{
	return ms > 0 ? hlc_from_ms(ms) | hlc->first : 0;
}

uint64_t hlc_next(struct hlc *hlc, wtime_t wall)
{
	uint64_t stamp = first_in(hlc, wall.ms);

	/* behind what was seen: in the millisecond after it, where this life begins as in others */
	if (stamp <= hlc->last && !hlc->issued)
		stamp = first_in(hlc, hlc_stamp_ms(hlc->last) + 1);
	hlc->last = stamp > hlc->last ? stamp : hlc->last + 1;
	hlc->issued = true;
	return hlc->last;
}

int hlc_observe(struct hlc *hlc, wtime_t wall, uint64_t stamp)
{
	if (hlc_stamp_ms(stamp) > wall.ms + HLC_AHEAD_MAX_MS)
		return ERR_FUTURE;
	if (stamp > hlc->last) {
		hlc->last = stamp;
		hlc->issued = false;
	}
	return 0;
}
