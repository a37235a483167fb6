#include "gossip/swim/health.h"

#include "gossip/swim/state.h"

int64_t health_scaled(const struct swim *swim, int64_t ms)
{
	return ms * (swim->health.score + 1);
}

static void add(struct swim *swim, size_t points)
{
	if (!swim->config.mechanisms->health)
		return;
	swim->health.score = points > HEALTH_MAX - swim->health.score
				     ? HEALTH_MAX
				     : swim->health.score + (unsigned)points;
}

void health_probe_answered(struct swim *swim)
{
	if (swim->health.score)
		swim->health.score--;
}

void health_probe_failed(struct swim *swim, size_t helpers, size_t nacks)
{
	add(swim, swim->config.mechanisms->health_failed + helpers - nacks);
}

void health_refuted(struct swim *swim, mtime_t now)
{
	if (!swim->config.mechanisms->guarded ||
		mtime_allows(&swim->health.refuted, now, HEALTH_REFUTED_MS, 1))
		add(swim, 1);
}

void health_called(struct swim *swim, mtime_t now, const struct id *caller)
{
	struct health *health = &swim->health;

	if (id_equal(&health->caller, caller) &&
		mtime_diff_ms(now, health->called) < HEALTH_ALONE_MS)
		return;
	health->calls++;
	health->caller = *caller;
	health->called = now;
}

bool health_heard(struct swim *swim, mtime_t now)
{
	struct health *health = &swim->health;
	bool alone = health_is_alone(swim, now);

	/* at its start a node is alone for once */
	if (alone && health->calls) {
		if (mtime_diff_ms(now, health->lonely) < HEALTH_LONELY_MS)
			health->rough = mtime_add_ms(now, HEALTH_ROUGH_MS);
		health->lonely = now;
	}
	health->heard = now;
	health->asked = MTIME_NEVER;
	return alone;
}

void health_asked(struct swim *swim, mtime_t now)
{
	swim->health.asked = mtime_min(swim->health.asked, now);
}

bool health_has_company(const struct swim *swim)
{
	const size_t *in_state = swim->members.in_state;

	return swim->config.mechanisms->guarded &&
	       in_state[SWIM_ALIVE] + in_state[SWIM_SUSPECT] >= 2;
}

bool health_is_quiet(const struct swim *swim, mtime_t now)
{
	return health_has_company(swim) &&
	       mtime_diff_ms(now, swim->health.heard) >= HEALTH_ALONE_MS;
}

int64_t health_asked_ms(const struct swim *swim)
{
	return HEALTH_ASKED_MS + 2 * swim->trip_us / 1000;
}

bool health_is_alone(const struct swim *swim, mtime_t now)
{
	return health_is_quiet(swim, now) && mtime_before(swim->health.asked, now) &&
	       mtime_diff_ms(now, swim->health.asked) >= health_asked_ms(swim);
}

bool health_is_rough(const struct swim *swim, mtime_t now)
{
	return mtime_before(now, swim->health.rough);
}
