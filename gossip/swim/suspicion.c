#include "gossip/swim/suspicion.h"

#include <math.h>
#include <stdlib.h>

#include "gossip/swim/state.h"

int64_t suspicion_timeout_ms(const struct swim_mechanisms *mechanisms, size_t cluster,
	size_t confirmers, size_t confirmations)
{
	double min = mechanisms->alpha * fmax(1, log10((double)cluster)) * SWIM_PERIOD_MS;
	double max = mechanisms->beta * min;
	double needed = fmin((double)confirmers, mechanisms->confirmations);

	if (needed == 0)
		return llround(min);
	return llround(
		fmax(min, max - (max - min) * log((double)confirmations + 1) / log(needed + 1)));
}

void suspicion_schedule(struct swim *swim, struct member *member)
{
	const size_t *in_state = swim->members.in_state;
	size_t cluster = in_state[SWIM_ALIVE] + in_state[SWIM_SUSPECT] + 1;
	size_t accusers = member->accusation_count;

	size_t confirmers = accusers ? in_state[SWIM_ALIVE] : 0;

	member->expires = mtime_add_ms(
		member->suspected, suspicion_timeout_ms(swim->config.mechanisms, cluster,
					   confirmers, accusers ? accusers - 1 : 0));
	swim->next_expiry = mtime_min(swim->next_expiry, member->expires);
}

static struct statement about(const struct member *member)
{
	return (struct statement){.kind = STATEMENT_SUSPECT,
		.subject = member->id,
		.incarnation = member->incarnation,
		.alive = member->alive};
}

static void drop_news(struct swim *swim, const struct member *member, const struct id *accuser)
{
	struct statement accusation = about(member);
	struct hash topic;

	accusation.accuser = *accuser;
	statement_topic(&accusation, &topic);
	spread_drop(swim->config.spread, &topic);
}

void suspicion_forget(struct swim *swim, struct member *member)
{
	for (size_t i = 0; i < member->accusation_count; i++)
		drop_news(swim, member, &member->accusations[i].accuser);
	free(member->accusations);
	member->accusations = NULL;
	member->accusation_count = 0;
}

/* Whoever was suspected by it alone is not; whoever is held dead is so until it is heard. */
static void void_one(struct swim *swim, mtime_t now, struct member *member, size_t index)
{
	drop_news(swim, member, &member->accusations[index].accuser);
	member->accusations[index] = member->accusations[--member->accusation_count];
	if (member->state != SWIM_SUSPECT)
		return;
	if (member->accusation_count)
		suspicion_schedule(swim, member);
	else
		member_event(swim, now, member, MEMBER_HEARD);
}

void suspicion_void(struct swim *swim, mtime_t now, const struct id *accuser)
{
	struct member *member;

	map_each (&swim->members.by_id, at, member) {
		for (size_t i = 0; i < member->accusation_count; i++) {
			if (!id_equal(&member->accusations[i].accuser, accuser))
				continue;
			void_one(swim, now, member, i);
			break; /* an accuser counts once */
		}
	}
}

bool suspicion_statement(const struct member *member, struct statement *ret)
{
	if (!member->accusation_count)
		return false;
	*ret = about(member);
	ret->accuser = member->accusations[0].accuser;
	ret->suspect = member->accusations[0].sig;
	return true;
}

/* Whether this accuser's word would still count. */
static bool is_wanted(const struct member *member, const struct id *accuser)
{
	if (member->state == SWIM_DEAD || member->accusation_count == MEMBER_ACCUSERS_MAX)
		return false;
	for (size_t i = 0; i < member->accusation_count; i++) {
		if (id_equal(&member->accusations[i].accuser, accuser))
			return false;
	}
	return true;
}

/* Records the accusation, acts on it and passes it on. It is wanted, and of the member's current
 * incarnation. */
static int accuse(
	struct swim *swim, mtime_t now, struct member *member, const struct statement *statement)
{
	if (!member->accusations)
		member->accusations = calloc(MEMBER_ACCUSERS_MAX, sizeof(*member->accusations));
	if (!member->accusations)
		return ERR_NOMEM;
	if (!member->accusation_count)
		member->suspected = now;
	member->accusations[member->accusation_count++] =
		(struct member_accusation){statement->accuser, statement->suspect};
	member_event(swim, now, member, MEMBER_ACCUSED);
	suspicion_schedule(swim, member);
	state_tell(swim, statement);
	return 0;
}

static void accuse_ourselves(struct swim *swim, mtime_t now, struct member *member)
{
	struct statement accusation = about(member);

	accusation.accuser = swim->config.self->id;
	statement_sign_suspect(&accusation, swim->config.mesh, swim->config.self);
	/* out of memory: it stays a silent suspicion */
	if (accuse(swim, now, member, &accusation) != 0)
		return;
}

void suspicion_probe_failed(struct swim *swim, mtime_t now, struct member *member, mtime_t sent)
{
	bool alone = mtime_reached(now, swim->alone_at);

	if (!member->heard && mtime_diff_ms(now, member->since) < SUSPICION_UNHEARD_MS)
		return;
	member->failures++;
	if (mtime_before(sent, member->evidence) && member->failures < SUSPICION_FAILURES_MAX)
		return;
	member_event(swim, now, member, MEMBER_FAILED);
	if (member->heard && member->incarnation.generation && !alone &&
		is_wanted(member, &swim->config.self->id))
		accuse_ourselves(swim, now, member);
}

void suspicion_tick(struct swim *swim, mtime_t now)
{
	struct member *member;

	if (!mtime_reached(now, swim->next_expiry))
		return;
	swim->next_expiry = MTIME_NEVER;
	map_each (&swim->members.by_id, at, member) {
		if (member->state != SWIM_SUSPECT)
			continue;
		/* a full queue is emptied first: each verdict is reported */
		if (mtime_reached(now, member->expires) && !queue_changes_full(&swim->changes))
			member_event(swim, now, member, MEMBER_EXPIRED);
		else
			swim->next_expiry = mtime_min(swim->next_expiry, member->expires);
	}
	if (mtime_before(swim->next_expiry, now))
		swim->next_expiry = now;
}

void suspicion_paused(struct swim *swim, int64_t gap_us)
{
	struct member *member;

	swim->next_expiry = MTIME_NEVER;
	map_each (&swim->members.by_id, at, member) {
		if (member->state != SWIM_SUSPECT)
			continue;
		member->suspected = mtime_add_us(member->suspected, gap_us);
		member->expires = mtime_add_us(member->expires, gap_us);
		swim->next_expiry = mtime_min(swim->next_expiry, member->expires);
	}
}

int suspicion_received(
	struct swim *swim, mtime_t now, const struct statement *statement, bool *ret_news)
{
	struct member *member = member_find(swim, &statement->subject);

	if (!member || (!member_find(swim, &statement->accuser) &&
			       !id_equal(&statement->accuser, &swim->config.self->id)))
		return ERR_UNKNOWN;
	int order = state_compare(&statement->incarnation, &member->incarnation);

	if (order < 0 || (order == 0 && !is_wanted(member, &statement->accuser))) {
		*ret_news = false;
		return 0;
	}
	/* it is passed on whole, so that its proof must hold even where it tells us nothing */
	bool proven =
		order == 0 && memcmp(&statement->alive, &member->alive, sizeof(struct sig)) == 0;

	if (order > 0 && !mtime_allows(&member->renew, now, SWIM_RENEW_MS, SWIM_RENEW_BURST)) {
		*ret_news = false;
		return 0;
	}
	if (statement_verify_suspect(statement, swim->config.mesh) != 0 ||
		(!proven && statement_verify_alive(statement, swim->config.mesh) != 0))
		return ERR_BAD_SIGNATURE;
	if (order > 0)
		member_adopt(swim, now, member, &statement->incarnation, &statement->alive);
	if (accuse(swim, now, member, statement) != 0)
		return ERR_NOMEM;
	*ret_news = true;
	return 0;
}

int suspicion_of_self(
	struct swim *swim, mtime_t now, const struct statement *statement, bool *ret_news)
{
	struct member *accuser = member_find(swim, &statement->accuser);
	int order = state_compare(&statement->incarnation, &swim->self.incarnation);

	if (!accuser)
		return ERR_UNKNOWN;
	if (!mtime_allows(&swim->refute, now, SWIM_RENEW_MS, SWIM_RENEW_BURST)) {
		*ret_news = false;
		return 0;
	}
	if (statement_verify_suspect(statement, swim->config.mesh) != 0 ||
		statement_verify_alive(statement, swim->config.mesh) != 0)
		return ERR_BAD_SIGNATURE;
	if (order > 0)
		return ERR_STATE;
	if (order == 0) {
		swim->self.incarnation.version++;
		statement_sign_alive(&swim->self, swim->config.mesh, swim->config.self);
	}
	probe_greet(swim, accuser);
	state_tell(swim, &swim->self);
	*ret_news = true;
	return 0;
}
