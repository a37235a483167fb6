#include "gossip/swim/probe.h"

#include "gossip/swim/relay.h"
#include "gossip/swim/state.h"
#include "gossip/swim/suspicion.h"

int64_t probe_timeout_ms(const struct swim *swim, const struct member *member)
{
	if (member->rtt_us < 0 || !swim->config.mechanisms->measured)
		return SWIM_TIMEOUT_MS;
	int64_t ms = (member->rtt_us + 4 * member->rtt_var_us) / 1000;

	if (ms < PROBE_TIMEOUT_MIN_MS)
		return PROBE_TIMEOUT_MIN_MS;
	return ms < PROBE_TIMEOUT_MAX_MS ? ms : PROBE_TIMEOUT_MAX_MS;
}

/* RFC 6298, section 2, with its alpha 1/8 and beta 1/4. */
static void measure_member(struct member *member, int32_t sample_us)
{
	if (member->rtt_us < 0) {
		member->rtt_us = sample_us;
		member->rtt_var_us = sample_us / 2;
		return;
	}
	int32_t error_us = sample_us - member->rtt_us;

	member->rtt_var_us += ((error_us < 0 ? -error_us : error_us) - member->rtt_var_us) / 4;
	member->rtt_us += error_us / 8;
}

/* The median over all: a step towards each sample, so that the few that are slow do not count for
 * more than their number. */
static void measure_mesh(struct swim *swim, int32_t sample_us)
{
	int64_t step_us = 1 + swim->trip_us / 16;

	if (swim->trip_us == 0)
		swim->trip_us = sample_us;
	else
		swim->trip_us += sample_us > swim->trip_us ? step_us : -step_us;
}

void probe_measure(struct swim *swim, mtime_t now, struct member *member, mtime_t sent)
{
	int64_t sample_us = mtime_diff_us(now, sent);

	if (sample_us > PROBE_RTT_MAX_MS * 1000)
		return;
	histogram_add(&swim->trips, sample_us);
	measure_member(member, (int32_t)sample_us);
	measure_mesh(swim, (int32_t)sample_us);
}

struct probe_ping probe_send(struct swim *swim, mtime_t now, const struct member *member)
{
	struct probe_ping ping = {member->id, ++swim->prober.sequence, now};

	queue_action(&swim->actions,
		&(struct swim_action){.kind = SWIM_PING, .to = ping.to, .sequence = ping.sequence});
	return ping;
}

bool probe_answers(const struct probe_ping *ping, const struct member *member, uint64_t sequence)
{
	return ping->sequence == sequence && id_equal(&ping->to, &member->id);
}

void probe_start(struct swim *swim, mtime_t now)
{
	swim->prober.ask_at = MTIME_NEVER;
	/* nodes that start together do not tick together */
	swim->prober.period_at =
		mtime_add_us(now, (int64_t)rng_below(swim->config.rng, SWIM_PERIOD_MS * 1000));
}

void probe_greet(struct swim *swim, struct member *member)
{
	struct probe *probe = &swim->prober.probe;

	member->greet = true;
	if (probe->target == member)
		probe->greets = false;
}

/* A suspect that is due, though not in two periods in a row. */
static struct member *urgent(struct swim *swim, mtime_t now)
{
	struct prober *prober = &swim->prober;
	size_t looks = swim->members.in_state[SWIM_SUSPECT];

	prober->was_urgent = !prober->was_urgent && !health_is_alone(swim, now);
	if (!prober->was_urgent)
		return NULL;
	for (looks = looks < PROBE_LOOKS ? looks : PROBE_LOOKS; looks--;) {
		struct member *member = member_rotate(&swim->members.lists[SWIM_SUSPECT]);

		if (mtime_reached(now, member->again)) {
			member->again = mtime_add_ms(now, SUSPICION_AGAIN_MS);
			return member;
		}
	}
	prober->was_urgent = false;
	return NULL;
}

void probe_hasten(struct swim *swim, mtime_t now)
{
	struct prober *prober = &swim->prober;

	if (prober->probe.target || !mtime_allows(&prober->hastened, now, SWIM_PERIOD_MS, 1))
		return;
	prober->was_urgent = false;
	prober->period_at = mtime_min(prober->period_at, now);
}

void probe_restart(struct swim *swim, mtime_t now)
{
	struct prober *prober = &swim->prober;

	prober->probe.target = NULL;
	prober->was_urgent = false;
	prober->period_at = mtime_min(prober->period_at, now);
}

static void begin(struct swim *swim, mtime_t now)
{
	struct prober *prober = &swim->prober;
	struct member *target = urgent(swim, now);
	int64_t period_ms = SWIM_PERIOD_MS;

	if (!target)
		target = member_next(swim);
	if (target) {
		int64_t timeout = probe_timeout_ms(swim, target);

		swim->counters[SWIM_COUNT_PROBES]++;
		prober->probe = (struct probe){.target = target,
			.first = probe_send(swim, now, target),
			.indirect_at = mtime_add_ms(now, health_scaled(swim, timeout)),
			.check_at = MTIME_NEVER,
			.greets = target->greet};
		if (swim->config.mechanisms->measured && target->rtt_us >= 0 &&
			timeout * PROBE_PERIOD_TIMEOUTS > period_ms)
			period_ms = timeout * PROBE_PERIOD_TIMEOUTS;
	}
	prober->period_at = mtime_add_ms(now, health_scaled(swim, period_ms));
}

/* Some that are alive, and whom we have heard: others could not tell us anything. */
static void choose_helpers(struct swim *swim, struct probe *probe)
{
	struct member *start = member_random(swim), *member = start;

	do {
		if (member != probe->target && member->state == SWIM_ALIVE && member->heard)
			probe->helpers[probe->helper_count++] = member->id;
		member = member_after(swim, member);
	} while (member != start && probe->helper_count < SWIM_INDIRECT);
}

static void go_indirect(struct swim *swim, mtime_t now)
{
	struct probe *probe = &swim->prober.probe;

	swim->counters[SWIM_COUNT_PROBES_INDIRECT]++;
	probe->indirect_at = MTIME_NEVER;
	probe->check_at = mtime_add_ms(now, PROBE_NACKS_MS);
	probe->second = probe_send(swim, now, probe->target);
	choose_helpers(swim, probe);
	for (size_t i = 0; i < probe->helper_count; i++) {
		queue_action(&swim->actions, &(struct swim_action){.kind = SWIM_PING_REQ,
						     .to = probe->helpers[i],
						     .sequence = probe->first.sequence,
						     .target = probe->target->id});
	}
	if (probe->helper_count)
		health_asked(swim, now);
}

void probe_ask_if_due(struct swim *swim, mtime_t now)
{
	int64_t gap_us = SWIM_PERIOD_MS * 1000;
	/* company may have come since somebody was heard the last time */
	bool forgot = swim->health.asked.us == MTIME_NEVER.us && health_is_quiet(swim, now);
	struct member *member;

	if (!mtime_reached(now, swim->prober.ask_at) && !forgot)
		return;
	member = member_random(swim);
	for (size_t i = 0; i < SWIM_INDIRECT; i++, member = member_after(swim, member))
		(void)probe_send(swim, now, member);
	health_asked(swim, now);
	if (!health_is_rough(swim, now))
		gap_us = mtime_diff_us(now, swim->health.heard) / 2;
	swim->prober.ask_at = mtime_add_us(now, gap_us);
}

void probe_heard(struct swim *swim, mtime_t now)
{
	if (!health_has_company(swim))
		swim->prober.ask_at = MTIME_NEVER;
	else if (!health_is_rough(swim, now))
		swim->prober.ask_at = mtime_add_ms(now, HEALTH_ALONE_MS);
}

/* When the target may be asked over a stream. */
static mtime_t check_at(const struct swim *swim)
{
	const struct probe *probe = &swim->prober.probe;

	return swim->config.mechanisms->checked && probe->check == PROBE_UNCHECKED &&
			       probe->indirect_at.us == MTIME_NEVER.us
		       ? probe->check_at
		       : MTIME_NEVER;
}

/* Any packet since the ping is as good as the answer to it. */
static bool is_heard_since(const struct swim *swim)
{
	const struct probe *probe = &swim->prober.probe;

	return swim->config.mechanisms->guarded && probe->target->heard &&
	       mtime_before(probe->first.sent, probe->target->last_heard);
}

/* Only when we know that some helper hears us; where nobody does it may be datagrams. */
static bool is_worth_a_check(const struct swim *swim, mtime_t now)
{
	const struct probe *probe = &swim->prober.probe;

	if (is_heard_since(swim))
		return false;
	if (suspicion_is_missed(swim, probe->target))
		return true;
	if (health_is_alone(swim, now))
		return probe->target->heard;
	return probe->nack_count || !probe->helper_count;
}

static void go_check(struct swim *swim, mtime_t now)
{
	struct prober *prober = &swim->prober;
	struct probe *probe = &prober->probe;
	mtime_t until =
		mtime_add_ms(now, PROBE_CHECK_TIMEOUTS * probe_timeout_ms(swim, probe->target));

	if (!is_worth_a_check(swim, now)) {
		probe->check_at = MTIME_NEVER; /* a late nack makes it so */
		return;
	}
	if (mtime_before(until, prober->period_at))
		until = prober->period_at;
	prober->period_at = mtime_add_ms(until, PROBE_REPORT_MS);
	probe->check = PROBE_ASKED;
	swim->counters[SWIM_COUNT_PROBES_CHECKED]++;
	queue_action(&swim->actions,
		&(struct swim_action){.kind = SWIM_CHECK, .to = probe->target->id, .until = until});
}

static void conclude(struct swim *swim, mtime_t now)
{
	const struct swim_mechanisms *mechanisms = swim->config.mechanisms;
	struct probe *probe = &swim->prober.probe;
	struct member *target = probe->target;

	if (!target)
		return;
	bool heard = is_heard_since(swim);

	probe->target = NULL;
	if (heard)
		return;
	swim->prober.late = probe->first;
	bool alone = health_is_alone(swim, now), missed = suspicion_is_missed(swim, target);

	if (alone && (!missed || probe->check == PROBE_UNCHECKED)) {
		suspicion_probe_failed(swim, now, target, probe->first.sent, false);
		return;
	}
	if (!alone)
		health_probe_failed(swim, probe->helper_count, probe->nack_count);
	/* none of the helpers is there: it is rather us */
	if (mechanisms->guarded && probe->helper_count && !probe->nack_count && !missed)
		return;
	if (mechanisms->checked && probe->check == PROBE_UNCHECKED)
		return;
	suspicion_probe_failed(swim, now, target, probe->first.sent,
		mechanisms->checked && probe->check != PROBE_UNREACHABLE);
}

void probe_redial_later(struct swim *swim, mtime_t now, struct member *member)
{
	member->redial_ms = member->redial_ms ? member->redial_ms * 2 : PROBE_REDIAL_MIN_MS;
	if (member->redial_ms > PROBE_REDIAL_MAX_MS)
		member->redial_ms = PROBE_REDIAL_MAX_MS;
	member->redial = mtime_add_ms(
		now, member->redial_ms * 3 / 4 +
			     (int64_t)rng_below(swim->config.rng, (uint64_t)member->redial_ms / 2));
}

static void redial(struct swim *swim, mtime_t now, struct member *member)
{
	probe_redial_later(swim, now, member);
	probe_send(swim, now, member);
}

static void redial_some(struct swim *swim, mtime_t now)
{
	size_t looks = swim->members.in_state[SWIM_DEAD], dialled = 0;
	struct member *member = member_random(swim);

	if (looks && ++swim->prober.periods % PROBE_RANDOM_PERIODS == 0 &&
		member->state == SWIM_DEAD) {
		redial(swim, now, member);
		dialled++;
	}
	for (looks = looks < PROBE_LOOKS ? looks : PROBE_LOOKS; looks && dialled < PROBE_REDIALS;
		looks--) {
		member = member_rotate(&swim->members.lists[SWIM_DEAD]);
		if (mtime_reached(now, member->redial)) {
			redial(swim, now, member);
			dialled++;
		}
	}
}

mtime_t probe_deadline(const struct swim *swim)
{
	const struct prober *prober = &swim->prober;
	mtime_t deadline = mtime_min(prober->period_at, prober->ask_at);

	if (prober->probe.target)
		deadline =
			mtime_min(deadline, mtime_min(prober->probe.indirect_at, check_at(swim)));
	return mtime_min(deadline, relay_deadline(swim));
}

void probe_tick(struct swim *swim, mtime_t now)
{
	struct prober *prober = &swim->prober;

	relay_tick(swim, now);
	if (mtime_reached(now, prober->period_at)) {
		conclude(swim, now);
		begin(swim, now);
		redial_some(swim, now);
	} else if (prober->probe.target && mtime_reached(now, prober->probe.indirect_at)) {
		go_indirect(swim, now);
	} else if (prober->probe.target && mtime_reached(now, check_at(swim))) {
		go_check(swim, now);
	}
}

void probe_paused(struct swim *swim, mtime_t now, mtime_t resume)
{
	struct prober *prober = &swim->prober;

	prober->probe.target = NULL;
	prober->period_at = resume;
	if (mtime_before(prober->ask_at, resume))
		prober->ask_at = resume;
	relay_paused(swim, now, resume);
}

void probe_forget(struct swim *swim, const struct member *member)
{
	if (swim->prober.probe.target == member)
		swim->prober.probe.target = NULL;
	relay_forget(swim, member);
}

static void answered(struct swim *swim)
{
	swim->prober.probe.target = NULL;
	health_probe_answered(swim);
}

void probe_acked(struct swim *swim, mtime_t now, struct member *member, uint64_t sequence)
{
	struct prober *prober = &swim->prober;
	struct probe *probe = &prober->probe;
	const struct probe_ping *ping = NULL;

	if (relay_acked(swim, now, member, sequence))
		return;
	if (probe_answers(&prober->late, member, sequence))
		ping = &prober->late;
	if (probe->target && probe_answers(&probe->first, member, sequence))
		ping = &probe->first;
	if (probe->target && probe_answers(&probe->second, member, sequence))
		ping = &probe->second;
	if (!ping)
		return;
	probe_measure(swim, now, member, ping->sent);
	if (ping == &prober->late) {
		prober->late = (struct probe_ping){.sent = now};
		return;
	}
	if (probe->greets)
		member->greet = false;
	answered(swim);
}

/* A helper that was asked: each counts once. */
static void nacked(struct probe *probe, mtime_t now, size_t helper)
{
	if (probe->nacked[helper])
		return;
	probe->nacked[helper] = true;
	if (++probe->nack_count == probe->helper_count || probe->check_at.us == MTIME_NEVER.us)
		probe->check_at = mtime_min(probe->check_at, now);
}

void probe_relayed(struct swim *swim, mtime_t now, const struct member *helper, uint64_t sequence,
	bool is_answer)
{
	struct probe *probe = &swim->prober.probe;
	struct member *target = probe->target;
	size_t i = 0;

	while (i < probe->helper_count && !id_equal(&probe->helpers[i], &helper->id))
		i++;
	if (!target || probe->first.sequence != sequence || i == probe->helper_count)
		return;
	if (!is_answer) {
		nacked(probe, now, i);
		return;
	}
	answered(swim);
	target->failures = 0;
	target->calls = swim->health.calls;
	member_event(swim, now, target, MEMBER_HEARD);
}

void probe_checked(
	struct swim *swim, mtime_t now, const struct member *member, enum swim_check result)
{
	struct probe *probe = &swim->prober.probe;

	if (probe->target != member || probe->check != PROBE_ASKED)
		return;
	switch (result) {
	case SWIM_CHECK_ANSWERED:
		answered(swim);
		break;
	case SWIM_CHECK_SILENT:
		probe->check = PROBE_SILENT;
		break;
	case SWIM_CHECK_FAILED:
		probe->check = PROBE_UNREACHABLE;
		conclude(swim, now);
		break;
	}
}
