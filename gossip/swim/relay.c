#include "gossip/swim/relay.h"

#include "gossip/swim/state.h"

static void send_relay(struct swim *swim, const struct relay *relay, bool answered)
{
	queue_action(&swim->actions, &(struct swim_action){.kind = SWIM_RELAY,
					     .to = relay->requester,
					     .target = relay->ping.to,
					     .sequence = relay->requested,
					     .answered = answered});
}

mtime_t relay_deadline(const struct swim *swim)
{
	const struct relays *relays = &swim->relays;
	mtime_t deadline = MTIME_NEVER;

	for (size_t i = 0; i < relays->count; i++) {
		deadline = mtime_min(deadline, relays->all[i].nack_at);
		deadline = mtime_min(deadline, relays->all[i].ends_at);
	}
	return deadline;
}

void relay_tick(struct swim *swim, mtime_t now)
{
	struct relays *relays = &swim->relays;

	for (size_t i = relays->count; i-- > 0;) {
		struct relay *one = &relays->all[i];

		if (mtime_reached(now, one->nack_at)) {
			send_relay(swim, one, false);
			one->nack_at = MTIME_NEVER; /* an answer after that is still passed on */
		}
		if (mtime_reached(now, one->ends_at))
			*one = relays->all[--relays->count];
	}
}

void relay_paused(struct swim *swim, mtime_t now, mtime_t resume)
{
	struct relays *relays = &swim->relays;

	/* their answers may wait in our input: no nack that would be a lie */
	for (size_t i = 0; i < relays->count; i++) {
		if (mtime_reached(now, relays->all[i].nack_at))
			relays->all[i].nack_at = resume;
		if (mtime_reached(now, relays->all[i].ends_at))
			relays->all[i].ends_at = resume;
	}
}

void relay_forget(struct swim *swim, const struct member *member)
{
	struct relays *relays = &swim->relays;

	for (size_t i = relays->count; i-- > 0;) {
		const struct relay *one = &relays->all[i];

		if (id_equal(&one->requester, &member->id) || id_equal(&one->ping.to, &member->id))
			relays->all[i] = relays->all[--relays->count];
	}
}

bool relay_acked(struct swim *swim, mtime_t now, struct member *member, uint64_t sequence)
{
	struct relays *relays = &swim->relays;

	for (size_t i = 0; i < relays->count; i++) {
		struct relay *one = &relays->all[i];

		if (!probe_answers(&one->ping, member, sequence))
			continue;
		probe_measure(swim, now, member, one->ping.sent);
		send_relay(swim, one, true);
		*one = relays->all[--relays->count];
		return true;
	}
	return false;
}

static size_t relays_of(const struct relays *relays, const struct id *requester)
{
	size_t count = 0;

	for (size_t i = 0; i < relays->count; i++)
		count += id_equal(&relays->all[i].requester, requester);
	return count;
}

void relay_requested(struct swim *swim, mtime_t now, const struct member *requester,
	uint64_t sequence, const struct member *target)
{
	struct relays *relays = &swim->relays;
	int64_t nack_ms = probe_timeout_ms(swim, target);

	if (target == requester || relays->count == RELAYS_MAX ||
		relays_of(relays, &requester->id) >= RELAYS_EACH)
		return;
	if (nack_ms > RELAY_NACK_MS)
		nack_ms = RELAY_NACK_MS;
	relays->all[relays->count++] = (struct relay){.requester = requester->id,
		.requested = sequence,
		.ping = probe_send(swim, now, target),
		.nack_at =
			swim->config.mechanisms->health ? mtime_add_ms(now, nack_ms) : MTIME_NEVER,
		.ends_at = mtime_add_ms(now, RELAY_MS)};
}
