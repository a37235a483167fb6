#include "gossip/swim/swim.h"

#include <assert.h>
#include <stdlib.h>

#include "gossip/swim/accusation.h"
#include "gossip/swim/state.h"
#include "gossip/swim/suspicion.h"

/* A tick that comes later than its deadline by this much was slept through, not waited for. */
#define PAUSE_MS       200
/* After such a pause, time to read what has arrived meanwhile. */
#define PAUSE_DRAIN_MS 500
/* Who heard nobody, or slept, for so long has been away: by then others may have accused it. */
#define AWAY_MS	       20000

const struct swim_mechanisms swim_classic = {
	.alpha = 5,
	.beta = 1,
	.confirmations = 0,
	.believes = true,
};

const struct swim_mechanisms swim_lifeguard = {
	.alpha = 5,
	.beta = 6,
	.confirmations = 3,
	.health = true,
	.health_failed = 1,
	.buddy = true,
	.believes = true,
};

/* The least suspicion is short: who accuses has made sure that its own input works, and that no
 * stream gets through either; an accusation and its refutation take tens of milliseconds (and where
 * they take longer, that is measured and added: suspicion.c). */
const struct swim_mechanisms swim_mesh = {
	.alpha = 1.25,
	.beta = 6,
	.floor_ms = 2500,
	.confirmations = 3,
	.volunteers = 6,
	.measured = true,
	.health = true,
	.buddy = true,
	.guarded = true,
	.checked = true,
};

const char *swim_state_label(enum swim_state state)
{
	static const char *const labels[] = {
#define X(name, label) [SWIM_##name] = label,
		SWIM_STATE_LIST(X)
#undef X
	};

	return labels[state];
}

static int put_news(struct swim *swim, const struct statement *statement)
{
	uint8_t bytes[SWIM_STATEMENT_MAX];
	struct pack out;
	struct hash topic;

	pack_init(&out, bytes, sizeof(bytes));
	statement_encode(statement, &out);
	assert(!out.failed);
	statement_topic(statement, &topic);
	return spread_put(swim->config.spread, SPREAD_STATEMENT, &topic,
		statement->incarnation.generation, statement->incarnation.version, bytes, out.size);
}

void state_tell(struct swim *swim, const struct statement *statement)
{
	if (put_news(swim, statement) != 0)
		return;
}

int swim_new(const struct swim_config *config, mtime_t now, struct swim **ret)
{
	struct swim *swim;

	if (config->generation == 0)
		return ERR_INVALID;
	swim = calloc(1, sizeof(*swim));
	if (!swim)
		return ERR_NOMEM;
	swim->config = *config;
	if (!config->mechanisms)
		swim->config.mechanisms = &swim_mesh;
	swim->self = (struct statement){.kind = STATEMENT_ALIVE,
		.subject = config->self->id,
		.incarnation = {config->generation, config->version}};
	statement_sign_alive(&swim->self, config->mesh, config->self);
	members_init(swim);
	swim->prober.sequence = rng_u64(config->rng);
	swim->prober.ask_at = MTIME_NEVER;
	swim->next_expiry = MTIME_NEVER;
	swim->health.heard = swim->health.asked = mtime_add_ms(now, -HEALTH_ALONE_MS);
	swim->health.lonely = mtime_add_ms(now, -HEALTH_LONELY_MS);
	if (put_news(swim, &swim->self) != 0) {
		swim_free(swim);
		return ERR_NOMEM;
	}
	*ret = swim;
	return 0;
}

void swim_free(struct swim *swim)
{
	if (!swim)
		return;
	members_done(swim);
	free(swim);
}

void swim_renew(struct swim *swim, const struct swim_incarnation *later)
{
	struct swim_incarnation *self = &swim->self.incarnation;

	if (later)
		*self = *later;
	else
		self->version++;
	statement_sign_alive(&swim->self, swim->config.mesh, swim->config.self);
	state_tell(swim, &swim->self);
}

int swim_add(struct swim *swim, mtime_t now, const struct id *id)
{
	struct member *member;
	int err;

	if (member_find(swim, id) || id_equal(id, &swim->config.self->id))
		return 0;
	err = member_add(swim, now, id, &member);
	if (err != 0)
		return err;
	if (member_count(swim) == 1)
		probe_start(swim, now);
	spread_set_members(swim->config.spread, member_count(swim));
	return 0;
}

void swim_remove(struct swim *swim, mtime_t now, const struct id *id)
{
	struct member *member = member_find(swim, id);
	struct statement alive = {.kind = STATEMENT_ALIVE, .subject = *id};
	struct hash topic;

	if (!member)
		return;
	statement_topic(&alive, &topic);
	spread_drop(swim->config.spread, &topic);
	member_remove(swim, member);
	accusation_void(swim, now, id);
	spread_set_members(swim->config.spread, member_count(swim));
}

mtime_t swim_deadline(const struct swim *swim)
{
	if (!member_count(swim))
		return MTIME_NEVER;
	return mtime_min(swim->next_expiry, probe_deadline(swim));
}

/* Whoever was away for long may be suspected by many who would not hear of it otherwise, and says
 * to all that it lives. */
static void back_after(struct swim *swim, mtime_t now, int64_t silence_ms)
{
	if (swim->config.mechanisms->guarded && swim->health.calls && silence_ms >= AWAY_MS &&
		mtime_allows(&swim->back, now, AWAY_MS, 1))
		swim_renew(swim, NULL);
}

void swim_tick(struct swim *swim, mtime_t now)
{
	mtime_t deadline = swim_deadline(swim);

	if (!mtime_reached(now, deadline))
		return;
	int64_t late_us = mtime_diff_us(now, deadline);

	if (swim->config.mechanisms->guarded && late_us > PAUSE_MS * 1000) {
		suspicion_paused(swim, late_us, mtime_add_ms(now, PAUSE_DRAIN_MS));
		probe_paused(swim, now, mtime_add_ms(now, PAUSE_DRAIN_MS));
		back_after(swim, now, late_us / 1000);
		return;
	}
	probe_ask_if_due(swim, now);
	suspicion_tick(swim, now);
	probe_tick(swim, now);
}

static void heard(struct swim *swim, mtime_t now, struct member *member)
{
	member->heard = true;
	member->last_heard = now;
	member->failures = 0;
	member->is_silent = false;
	member->calls = swim->health.calls;
	int64_t silence_ms = mtime_diff_ms(now, swim->health.heard);

	if (health_heard(swim, now)) {
		suspicion_resume(swim, now);
		back_after(swim, now, silence_ms);
	}
	probe_heard(swim, now);
	member_event(swim, now, member, MEMBER_HEARD);
}

/* By what chance chose it to send to us. */
static void called(struct swim *swim, mtime_t now, struct member *member)
{
	health_called(swim, now, &member->id);
	heard(swim, now, member);
}

void swim_heard(struct swim *swim, mtime_t now, const struct id *from)
{
	struct member *member = member_find(swim, from);

	if (member)
		heard(swim, now, member);
}

void swim_ping_received(struct swim *swim, mtime_t now, const struct id *from, uint64_t sequence)
{
	struct member *member = member_find(swim, from);

	if (!member)
		return;
	called(swim, now, member);
	queue_action(&swim->actions,
		&(struct swim_action){.kind = SWIM_ACK, .to = *from, .sequence = sequence});
}

void swim_ack_received(struct swim *swim, mtime_t now, const struct id *from, uint64_t sequence)
{
	struct member *member = member_find(swim, from);

	if (!member)
		return;
	called(swim, now, member);
	for (size_t i = 0; i < SWIM_ASKED_MAX; i++) {
		struct swim_asked *asked = &swim->asked[i];

		if (asked->rtt_us < 0 && probe_answers(&asked->ping, member, sequence))
			asked->rtt_us = mtime_diff_us(now, asked->ping.sent);
	}
	probe_acked(swim, now, member, sequence);
}

void swim_ping_req_received(struct swim *swim, mtime_t now, const struct id *from,
	uint64_t sequence, const struct id *target_id)
{
	struct member *member = member_find(swim, from);
	struct member *target = member_find(swim, target_id);

	if (!member)
		return;
	called(swim, now, member);
	if (target)
		relay_requested(swim, now, member, sequence, target);
}

void swim_relay_received(
	struct swim *swim, mtime_t now, const struct id *from, uint64_t sequence, bool answered)
{
	struct member *member = member_find(swim, from);

	if (!member)
		return;
	called(swim, now, member);
	probe_relayed(swim, now, member, sequence, answered);
}

void swim_checked(struct swim *swim, mtime_t now, const struct id *id, enum swim_check result)
{
	struct member *member = member_find(swim, id);

	if (!member)
		return;
	if (result == SWIM_CHECK_ANSWERED)
		heard(swim, now, member);
	probe_checked(swim, now, member, result);
}

/* A first `alive` about a member that we hold to be alive is no news to the others, only to us: a
 * newcomer does not repeat what everybody told it. */
static int alive_received(
	struct swim *swim, mtime_t now, const struct statement *statement, bool *ret_news)
{
	struct member *member = member_find(swim, &statement->subject);

	if (!member)
		return ERR_UNKNOWN;
	bool news = member->incarnation.generation || member->state != SWIM_ALIVE;

	if (state_compare(&statement->incarnation, &member->incarnation) <= 0 ||
		!mtime_would_allow(member->renew, now, SWIM_RENEW_MS, SWIM_RENEW_BURST)) {
		if (statement->incarnation.generation < member->incarnation.generation)
			member->behind = true;
		*ret_news = false;
		return 0;
	}
	if (statement_verify_alive(statement, swim->config.mesh) != 0)
		return ERR_BAD_SIGNATURE;
	member_adopt(swim, now, member, &statement->incarnation, &statement->alive);
	if (news)
		state_tell(swim, statement);
	*ret_news = news;
	return 0;
}

static int alive_of_self(const struct swim *swim, const struct statement *statement, bool *ret_news)
{
	if (state_compare(&statement->incarnation, &swim->self.incarnation) > 0) {
		int err = statement_verify_alive(statement, swim->config.mesh);

		return err != 0 ? err : ERR_STATE;
	}
	*ret_news = false;
	return 0;
}

int swim_statement_received(
	struct swim *swim, mtime_t now, const void *bytes, size_t size, bool *ret_news)
{
	struct statement statement;

	if (size > SWIM_STATEMENT_MAX || statement_decode(bytes, size, &statement) != 0)
		return ERR_MALFORMED;
	bool of_self = id_equal(&statement.subject, &swim->config.self->id);

	switch (statement.kind) {
	case STATEMENT_ALIVE:
		return of_self ? alive_of_self(swim, &statement, ret_news)
			       : alive_received(swim, now, &statement, ret_news);
	case STATEMENT_DEAD:
		if (!swim->config.mechanisms->believes)
			return ERR_MALFORMED;
		/* fall through */
	case STATEMENT_SUSPECT:
		return of_self ? accusation_of_self(swim, now, &statement, ret_news)
			       : accusation_received(swim, now, &statement, ret_news);
	}
	return ERR_MALFORMED;
}

void swim_evidence(struct swim *swim, mtime_t now, const struct id *id)
{
	struct member *member = member_find(swim, id);

	if (member)
		member->evidence = now;
}

bool swim_next_action(struct swim *swim, struct swim_action *ret)
{
	while (queue_next_action(&swim->actions, ret)) {
		if (member_find(swim, &ret->to))
			return true;
	}
	return false;
}

int swim_ping(struct swim *swim, mtime_t now, const struct id *id, uint64_t *ret_sequence)
{
	const struct member *member = member_find(swim, id);
	struct swim_asked *asked = &swim->asked[swim->asked_next];

	if (!member)
		return ERR_UNKNOWN;
	swim->asked_next = (swim->asked_next + 1) % SWIM_ASKED_MAX;
	*asked = (struct swim_asked){.ping = probe_send(swim, now, member), .rtt_us = -1};
	*ret_sequence = asked->ping.sequence;
	return 0;
}

bool swim_next_pong(struct swim *swim, struct swim_pong *ret)
{
	for (size_t i = 0; i < SWIM_ASKED_MAX; i++) {
		struct swim_asked *asked = &swim->asked[i];

		if (asked->ping.sequence == 0 || asked->rtt_us < 0)
			continue;
		*ret = (struct swim_pong){asked->ping.to, asked->ping.sequence, asked->rtt_us};
		*asked = (struct swim_asked){.rtt_us = -1};
		return true;
	}
	return false;
}

const uint64_t *swim_counters(const struct swim *swim)
{
	return swim->counters;
}

const struct histogram *swim_round_trips(const struct swim *swim)
{
	return &swim->trips;
}

unsigned swim_health(const struct swim *swim)
{
	return swim->health.score;
}

bool swim_next_change(struct swim *swim, struct swim_change *ret)
{
	return queue_next_change(&swim->changes, ret);
}

bool swim_info(const struct swim *swim, const struct id *id, struct swim_info *ret)
{
	const struct member *member = member_find(swim, id);

	if (!member)
		return false;
	*ret = (struct swim_info){.state = member->state,
		.heard = member->heard,
		.rtt_us = member->rtt_us,
		.since = member->since,
		.last_heard = member->last_heard,
		.incarnation = member->incarnation};
	return true;
}

size_t swim_count(const struct swim *swim)
{
	return member_count(swim);
}

/* Adds those with this standing, from the start one on, up to count. */
static size_t sample_from(struct swim *swim, const struct member *start, const struct id *but,
	bool (*fits)(const struct member *), struct id *ret, size_t have, size_t count)
{
	const struct member *member = start;

	do {
		if (have == count)
			break;
		if (fits(member) && !(but && id_equal(but, &member->id)))
			ret[have++] = member->id;
		member = member_after(swim, member);
	} while (member != start);
	return have;
}

static bool is_any(const struct member *member)
{
	(void)member;
	return true;
}

static bool is_heard(const struct member *member)
{
	return member->state == SWIM_ALIVE && member->heard;
}

static bool is_unheard(const struct member *member)
{
	return member->state == SWIM_ALIVE && !member->heard;
}

size_t swim_sample(struct swim *swim, bool any, const struct id *but, struct id *ret, size_t count)
{
	const struct member *start = member_random(swim);

	if (!start)
		return 0;
	if (any)
		return sample_from(swim, start, but, is_any, ret, 0, count);
	size_t have = sample_from(swim, start, but, is_heard, ret, 0, count);

	return sample_from(swim, start, but, is_unheard, ret, have, count);
}

static bool is_among(const struct id *id, const struct id *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (id_equal(&list[i], id))
			return true;
	}
	return false;
}

size_t swim_neighbours(struct swim *swim, struct id *ret, size_t count, size_t *ret_following)
{
	const struct member *start = member_random(swim), *member = start;
	size_t have = ring_list(swim, ret, count);

	*ret_following = have;
	for (size_t left = member_count(swim); left && have < count; left--) {
		if (member->state != SWIM_DEAD && member->heard &&
			!is_among(&member->id, ret, *ret_following))
			ret[have++] = member->id;
		member = member_after(swim, member);
	}
	return have;
}

struct swim_incarnation swim_incarnation(const struct swim *swim)
{
	return swim->self.incarnation;
}

static struct statement alive_of(const struct member *member)
{
	return (struct statement){.kind = STATEMENT_ALIVE,
		.subject = member->id,
		.incarnation = member->incarnation,
		.alive = member->alive};
}

static void put_statement(struct pack *out, const struct statement *statement, size_t *ret_count)
{
	uint8_t bytes[SWIM_STATEMENT_MAX];
	struct pack inner;

	pack_init(&inner, bytes, sizeof(bytes));
	statement_encode(statement, &inner);
	assert(!inner.failed);
	pack_put_bin(out, bytes, inner.size);
	++*ret_count;
}

void swim_greet(
	struct swim *swim, const struct id *peer, struct pack *ret_statements, size_t *ret_count)
{
	struct member *member = member_find(swim, peer);
	struct statement accusation, own;

	*ret_count = 0;
	if (!member)
		return;
	if (member->greet)
		put_statement(ret_statements, &swim->self, ret_count);
	/* whoever is held dead must know it to come back, as by a push/pull of memberlist's */
	if ((swim->config.mechanisms->buddy || member->state == SWIM_DEAD) &&
		accusation_statement(member, &accusation)) {
		put_statement(ret_statements, &accusation, ret_count);
	} else if (member->behind) {
		own = alive_of(member);
		put_statement(ret_statements, &own, ret_count);
	}
	member->behind = false;
}

void swim_greeted(struct swim *swim, const struct id *peer)
{
	struct member *member = member_find(swim, peer);

	if (member)
		member->greet = false;
}

void swim_vouch(
	struct swim *swim, const struct id *target, struct pack *ret_statements, size_t *ret_count)
{
	const struct member *member = member_find(swim, target);

	*ret_count = 0;
	if (!member || !member->incarnation.generation || member->state == SWIM_DEAD)
		return;
	const struct statement alive = alive_of(member);

	put_statement(ret_statements, &alive, ret_count);
}
