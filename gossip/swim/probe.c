#include "gossip/swim/probe.h"

#include "gossip/swim/state.h"
#include "gossip/swim/suspicion.h"

static int64_t timeout_ms(const struct member *member)
{
	if (member->rtt_us < 0)
		return SWIM_TIMEOUT_MS;
	int64_t ms = (member->rtt_us + 4 * member->rtt_var_us) / 1000;

	if (ms < PROBE_TIMEOUT_MIN_MS)
		return PROBE_TIMEOUT_MIN_MS;
	return ms < PROBE_TIMEOUT_MAX_MS ? ms : PROBE_TIMEOUT_MAX_MS;
}

/* RFC 6298, section 2, with its alpha 1/8 and beta 1/4. */
static void measure(struct member *member, int64_t sample_us)
{
	if (member->rtt_us < 0) {
		member->rtt_us = sample_us;
		member->rtt_var_us = sample_us / 2;
		return;
	}
	int64_t error_us = sample_us - member->rtt_us;

	member->rtt_var_us += ((error_us < 0 ? -error_us : error_us) - member->rtt_var_us) / 4;
	member->rtt_us += error_us / 8;
}

static struct probe_ping send_ping(struct swim *swim, mtime_t now, const struct member *member)
{
	struct probe_ping ping = {member->id, ++swim->prober.sequence, now};

	queue_action(&swim->actions,
		&(struct swim_action){.kind = SWIM_PING, .to = ping.to, .sequence = ping.sequence});
	return ping;
}

static bool answers(const struct probe_ping *ping, const struct member *member, uint64_t sequence)
{
	return ping->sequence == sequence && id_equal(&ping->to, &member->id);
}

static void send_relay(struct swim *swim, const struct probe_relay *relay, bool answered)
{
	queue_action(&swim->actions, &(struct swim_action){.kind = SWIM_RELAY,
					     .to = relay->requester,
					     .sequence = relay->requested,
					     .answered = answered});
}

void probe_start(struct swim *swim, mtime_t now)
{
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

static void begin(struct swim *swim, mtime_t now)
{
	struct prober *prober = &swim->prober;
	struct member *target = member_next(swim);
	int64_t period_ms = SWIM_PERIOD_MS;

	if (target) {
		int64_t timeout = timeout_ms(target);

		prober->probe = (struct probe){.target = target,
			.first = send_ping(swim, now, target),
			.indirect_at = mtime_add_ms(now, timeout),
			.greets = target->greet};
		if (target->rtt_us >= 0 && timeout * PROBE_PERIOD_TIMEOUTS > period_ms)
			period_ms = timeout * PROBE_PERIOD_TIMEOUTS;
	}
	prober->period_at = mtime_add_ms(now, period_ms);
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

	probe->indirect_at = MTIME_NEVER;
	probe->second = send_ping(swim, now, probe->target);
	choose_helpers(swim, probe);
	for (size_t i = 0; i < probe->helper_count; i++) {
		queue_action(&swim->actions, &(struct swim_action){.kind = SWIM_PING_REQ,
						     .to = probe->helpers[i],
						     .sequence = probe->first.sequence,
						     .target = probe->target->id});
	}
}

static void conclude(struct swim *swim, mtime_t now)
{
	struct probe *probe = &swim->prober.probe;
	struct member *target = probe->target;

	if (!target)
		return;
	probe->target = NULL;
	/* any packet since then is as good as the answer to this one */
	if (target->heard && mtime_before(probe->first.sent, target->last_heard))
		return;
	swim->prober.late = probe->first;
	suspicion_probe_failed(swim, now, target, probe->first.sent);
}

static void redial(struct swim *swim, mtime_t now, struct member *member)
{
	member->redial_ms *= 2;
	if (member->redial_ms > PROBE_REDIAL_MAX_MS)
		member->redial_ms = PROBE_REDIAL_MAX_MS;
	member->redial = mtime_add_ms(now, member->redial_ms);
	send_ping(swim, now, member);
}

static void redial_some(struct swim *swim, mtime_t now)
{
	size_t dead = swim->members.in_state[SWIM_DEAD], dialled = 0;
	struct member *member = member_random(swim);

	if (dead && ++swim->prober.periods % PROBE_RANDOM_PERIODS == 0 &&
		member->state == SWIM_DEAD) {
		redial(swim, now, member);
		dialled++;
	}
	for (; dead && dialled < PROBE_REDIALS; member = member_after(swim, member)) {
		if (member->state != SWIM_DEAD)
			continue;
		dead--;
		if (mtime_reached(now, member->redial)) {
			redial(swim, now, member);
			dialled++;
		}
	}
}

static void tick_relays(struct swim *swim, mtime_t now)
{
	struct prober *prober = &swim->prober;

	for (size_t i = prober->relay_count; i-- > 0;) {
		struct probe_relay *one = &prober->relays[i];

		if (mtime_reached(now, one->nack_at)) {
			send_relay(swim, one, false);
			one->nack_at = MTIME_NEVER; /* an answer after that is still passed on */
		}
		if (mtime_reached(now, one->ends_at))
			*one = prober->relays[--prober->relay_count];
	}
}

mtime_t probe_deadline(const struct swim *swim)
{
	const struct prober *prober = &swim->prober;
	mtime_t deadline = prober->period_at;

	if (prober->probe.target)
		deadline = mtime_min(deadline, prober->probe.indirect_at);
	for (size_t i = 0; i < prober->relay_count; i++) {
		deadline = mtime_min(deadline, prober->relays[i].nack_at);
		deadline = mtime_min(deadline, prober->relays[i].ends_at);
	}
	return deadline;
}

void probe_tick(struct swim *swim, mtime_t now)
{
	struct prober *prober = &swim->prober;

	tick_relays(swim, now);
	if (mtime_reached(now, prober->period_at)) {
		conclude(swim, now);
		begin(swim, now);
		redial_some(swim, now);
	} else if (prober->probe.target && mtime_reached(now, prober->probe.indirect_at)) {
		go_indirect(swim, now);
	}
}

void probe_paused(struct swim *swim, mtime_t now, mtime_t resume)
{
	struct prober *prober = &swim->prober;

	prober->probe.target = NULL;
	prober->period_at = resume;
	/* their answers may wait in our input: no nack that would be a lie */
	for (size_t i = 0; i < prober->relay_count; i++) {
		if (mtime_reached(now, prober->relays[i].nack_at))
			prober->relays[i].nack_at = resume;
		if (mtime_reached(now, prober->relays[i].ends_at))
			prober->relays[i].ends_at = resume;
	}
}

void probe_forget(struct swim *swim, const struct member *member)
{
	struct prober *prober = &swim->prober;

	if (prober->probe.target == member)
		prober->probe.target = NULL;
	for (size_t i = prober->relay_count; i-- > 0;) {
		const struct probe_relay *one = &prober->relays[i];

		if (id_equal(&one->requester, &member->id) || id_equal(&one->ping.to, &member->id))
			prober->relays[i] = prober->relays[--prober->relay_count];
	}
}

/* Whether it answers a ping that we made for another, who is told then. */
static bool relay_acked(struct swim *swim, mtime_t now, struct member *member, uint64_t sequence)
{
	struct prober *prober = &swim->prober;

	for (size_t i = 0; i < prober->relay_count; i++) {
		struct probe_relay *one = &prober->relays[i];

		if (!answers(&one->ping, member, sequence))
			continue;
		measure(member, mtime_diff_us(now, one->ping.sent));
		send_relay(swim, one, true);
		*one = prober->relays[--prober->relay_count];
		return true;
	}
	return false;
}

void probe_acked(struct swim *swim, mtime_t now, struct member *member, uint64_t sequence)
{
	struct prober *prober = &swim->prober;
	struct probe *probe = &prober->probe;
	const struct probe_ping *ping = NULL;

	if (relay_acked(swim, now, member, sequence))
		return;
	if (answers(&prober->late, member, sequence))
		ping = &prober->late;
	if (probe->target && answers(&probe->first, member, sequence))
		ping = &probe->first;
	if (probe->target && answers(&probe->second, member, sequence))
		ping = &probe->second;
	if (!ping)
		return;
	measure(member, mtime_diff_us(now, ping->sent));
	if (ping == &prober->late) {
		prober->late = (struct probe_ping){.sent = now};
		return;
	}
	if (probe->greets)
		member->greet = false;
	probe->target = NULL;
}

static size_t relays_of(const struct prober *prober, const struct id *requester)
{
	size_t count = 0;

	for (size_t i = 0; i < prober->relay_count; i++)
		count += id_equal(&prober->relays[i].requester, requester);
	return count;
}

void probe_requested(struct swim *swim, mtime_t now, const struct member *requester,
	uint64_t sequence, const struct member *target)
{
	struct prober *prober = &swim->prober;
	int64_t nack_ms = timeout_ms(target);

	if (target == requester || prober->relay_count == PROBE_RELAYS_MAX ||
		relays_of(prober, &requester->id) >= PROBE_RELAYS_EACH)
		return;
	if (nack_ms > PROBE_NACK_MS)
		nack_ms = PROBE_NACK_MS;
	prober->relays[prober->relay_count++] = (struct probe_relay){.requester = requester->id,
		.requested = sequence,
		.ping = send_ping(swim, now, target),
		.nack_at = mtime_add_ms(now, nack_ms),
		.ends_at = mtime_add_ms(now, PROBE_RELAY_MS)};
}

void probe_relayed(struct swim *swim, mtime_t now, const struct member *helper, uint64_t sequence,
	bool answered)
{
	struct probe *probe = &swim->prober.probe;
	struct member *target = probe->target;
	bool asked = false;

	for (size_t i = 0; i < probe->helper_count; i++)
		asked |= id_equal(&probe->helpers[i], &helper->id);
	if (!target || probe->first.sequence != sequence || !asked || !answered)
		return;
	probe->target = NULL;
	target->failures = 0;
	member_event(swim, now, target, MEMBER_HEARD);
}
