#include "gossip/swim/suspicion.h"

#include <math.h>

#include "gossip/swim/accusation.h"
#include "gossip/swim/state.h"

int64_t suspicion_timeout_ms(const struct swim_mechanisms *mechanisms, size_t cluster,
	size_t confirmers, size_t confirmations)
{
	double min = fmax((double)mechanisms->floor_ms,
		mechanisms->alpha * fmax(1, log10((double)cluster)) * SWIM_PERIOD_MS);
	double max = mechanisms->beta * min;
	double needed = fmin((double)confirmers, mechanisms->confirmations);

	if (needed == 0)
		return llround(min);
	return llround(
		fmax(min, max - (max - min) * log((double)confirmations + 1) / log(needed + 1)));
}

/* What the accusation takes to reach the member, and its word to reach all: so many hops there, and
 * so many back. Twice that, for half of the ways are slower than the median. */
static int64_t travel_ms(const struct swim *swim, const struct member *member, size_t cluster)
{
	int64_t hops = 1 + (int64_t)ceil(log((double)cluster) / log(SPREAD_FANOUT + 1));
	int64_t own_us = member->rtt_us < 0 ? 0 : member->rtt_us + 4 * member->rtt_var_us;

	if (!swim->config.mechanisms->measured)
		return 0;
	if (own_us > PROBE_TIMEOUT_MAX_MS * 1000)
		own_us = PROBE_TIMEOUT_MAX_MS * 1000;
	return (2 * hops * swim->trip_us + own_us) / 1000;
}

static int64_t timeout_ms(const struct swim *swim, const struct member *member, size_t accusers)
{
	const size_t *in_state = swim->members.in_state;
	size_t cluster = in_state[SWIM_ALIVE] + in_state[SWIM_SUSPECT] + 1;
	size_t confirmers = accusers ? in_state[SWIM_ALIVE] : 0;

	return suspicion_timeout_ms(
		       swim->config.mechanisms, cluster, confirmers, accusers ? accusers - 1 : 0) +
	       travel_ms(swim, member, cluster);
}

void suspicion_schedule(struct swim *swim, struct member *member)
{
	bool only_slow = member->is_silent && !member->accusation_count;

	member->expires = mtime_add_ms(
		member->suspected, only_slow ? SUSPICION_ALONE_MS
					     : timeout_ms(swim, member, member->accusation_count));
	swim->next_expiry = mtime_min(swim->next_expiry, member->expires);
}

bool suspicion_is_missed(const struct swim *swim, const struct member *member)
{
	const size_t *in_state = swim->members.in_state;
	uint64_t others = in_state[SWIM_ALIVE] + in_state[SWIM_SUSPECT];

	return swim->config.mechanisms->guarded &&
	       swim->health.calls - member->calls > SUSPICION_MISSED_TIMES * others;
}

/* Whether it is only its daemon that does not answer, and not for long enough. */
static bool is_only_slow(mtime_t now, struct member *member, bool silent)
{
	if (!silent)
		return false;
	if (!member->is_silent)
		member->silent = now;
	member->is_silent = true;
	return mtime_diff_ms(now, member->silent) < SUSPICION_SILENT_MS;
}

void suspicion_probe_failed(
	struct swim *swim, mtime_t now, struct member *member, mtime_t sent, bool silent)
{
	swim->counters[SWIM_COUNT_PROBES_FAILED]++;
	if (!member->heard && mtime_diff_ms(now, member->since) < SUSPICION_UNHEARD_MS)
		return;
	if (member->failures < UINT8_MAX)
		member->failures++;
	if (mtime_before(sent, member->evidence) && member->failures < SUSPICION_FAILURES_MAX)
		return;
	bool slow = is_only_slow(now, member, silent);

	member_event(swim, now, member, MEMBER_FAILED);
	if (member->state == SWIM_SUSPECT && member->again.us == MTIME_NEVER.us)
		member->again = mtime_add_ms(now, SUSPICION_AGAIN_MS);
	if (!slow && (!health_is_alone(swim, now) || suspicion_is_missed(swim, member)))
		accusation_make(swim, now, member);
}

/* Whether nothing speaks for it at its end; else it has longer. */
static bool runs_out(struct swim *swim, mtime_t now, struct member *member)
{
	if (!mtime_reached(now, member->expires))
		return false;
	if (!swim->config.mechanisms->guarded || suspicion_is_missed(swim, member))
		return true;
	if (health_is_alone(swim, now)) {
		member->expires = mtime_add_ms(swim->health.heard, SUSPICION_ALONE_MS);
	} else if (health_is_rough(swim, now)) {
		member->expires = mtime_add_ms(now, SUSPICION_ROUGH_MS);
	} else if (health_is_quiet(swim, now)) {
		member->expires = mtime_add_ms(swim->health.asked, health_asked_ms(swim));
	} else if (member->heard && mtime_before(member->suspected, member->last_heard)) {
		member->expires = mtime_add_ms(member->last_heard, timeout_ms(swim, member, 0));
	}
	return mtime_reached(now, member->expires);
}

void suspicion_tick(struct swim *swim, mtime_t now)
{
	struct member *member = swim->members.lists[SWIM_SUSPECT].first, *next;

	if (!mtime_reached(now, swim->next_expiry))
		return;
	swim->next_expiry = MTIME_NEVER;
	for (; member; member = next) {
		next = member->next; /* it may leave the list */
		/* a full queue is emptied first: each verdict is reported */
		if (runs_out(swim, now, member) && !queue_changes_full(&swim->changes)) {
			accusation_tell_dead(swim, member);
			member_event(swim, now, member, MEMBER_EXPIRED);
		} else {
			swim->next_expiry = mtime_min(swim->next_expiry, member->expires);
		}
	}
	if (mtime_before(swim->next_expiry, now))
		swim->next_expiry = now;
}

void suspicion_paused(struct swim *swim, int64_t gap_us, mtime_t drained)
{
	struct member *member = swim->members.lists[SWIM_SUSPECT].first;

	swim->next_expiry = MTIME_NEVER;
	for (; member; member = member->next) {
		member->suspected = mtime_add_us(member->suspected, gap_us);
		member->expires = mtime_add_us(member->expires, gap_us);
		if (mtime_before(member->expires, drained))
			member->expires = drained;
		swim->next_expiry = mtime_min(swim->next_expiry, member->expires);
	}
}

void suspicion_resume(struct swim *swim, mtime_t now)
{
	struct member *member = swim->members.lists[SWIM_SUSPECT].first, *next;

	if (member)
		probe_restart(swim, now);
	for (; member; member = next) {
		next = member->next; /* it may leave the list */
		if (suspicion_is_missed(swim, member))
			continue;
		member->suspected = member->again = member->silent = now;
		if (member->accusation_count)
			suspicion_schedule(swim, member);
		else
			member_event(swim, now, member, MEMBER_CLEARED);
	}
}
