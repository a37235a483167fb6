#include "gossip/swim/accusation.h"

#include <stdlib.h>

#include "gossip/swim/state.h"
#include "gossip/swim/suspicion.h"

/* Of one accuser, so many accusations count at once, and so often in the long run: it probes one
 * member a second, or two, and each accusation makes all nodes verify, refute and tell. */
#define ACCUSER_BURST 16
#define ACCUSER_MS    500

static struct statement about(const struct member *member)
{
	return (struct statement){.kind = STATEMENT_SUSPECT,
		.subject = member->id,
		.incarnation = member->incarnation,
		.alive = member->alive};
}

static struct statement stated(
	const struct member *member, const struct member_accusation *accusation)
{
	struct statement statement = about(member);

	statement.kind = accusation->kind;
	statement.accuser = accusation->accuser;
	statement.suspect = accusation->sig;
	return statement;
}

static void drop_news(
	struct swim *swim, const struct member *member, const struct member_accusation *accusation)
{
	struct statement statement = stated(member, accusation);
	struct hash topic;

	statement_topic(&statement, &topic);
	spread_drop(swim->config.spread, &topic);
}

void accusation_forget(struct swim *swim, struct member *member)
{
	for (size_t i = 0; i < member->accusation_count; i++)
		drop_news(swim, member, &member->accusations[i]);
	free(member->accusations);
	member->accusations = NULL;
	member->accusation_count = 0;
}

/* Whoever was suspected by it alone is not; whoever is held dead is so until it is heard. */
static void void_one(struct swim *swim, mtime_t now, struct member *member, size_t index)
{
	drop_news(swim, member, &member->accusations[index]);
	member->accusations[index] = member->accusations[--member->accusation_count];
	if (member->state != SWIM_SUSPECT)
		return;
	if (member->accusation_count)
		suspicion_schedule(swim, member);
	else
		member_event(swim, now, member, MEMBER_CLEARED);
}

void accusation_void(struct swim *swim, mtime_t now, const struct id *accuser)
{
	for (enum swim_state state = SWIM_SUSPECT; state <= SWIM_DEAD; state++) {
		struct member *member = swim->members.lists[state].first, *next;

		for (; member; member = next) {
			next = member->next; /* it may leave the list */
			for (size_t i = 0; i < member->accusation_count; i++) {
				if (!id_equal(&member->accusations[i].accuser, accuser))
					continue;
				void_one(swim, now, member, i);
				break; /* an accuser counts once */
			}
		}
	}
}

bool accusation_statement(const struct member *member, struct statement *ret)
{
	if (!member->accusation_count)
		return false;
	*ret = stated(member, &member->accusations[0]);
	return true;
}

/* Whether this accuser's word would still count: the first, and those who confirm. */
static bool is_wanted(
	const struct swim *swim, const struct member *member, const struct id *accuser)
{
	if (member->state == SWIM_DEAD ||
		member->accusation_count > swim->config.mechanisms->confirmations)
		return false;
	for (size_t i = 0; i < member->accusation_count; i++) {
		if (id_equal(&member->accusations[i].accuser, accuser))
			return false;
	}
	return true;
}

static int add(struct member *member, const struct statement *statement)
{
	if (!member->accusations)
		member->accusations = calloc(MEMBER_ACCUSERS_MAX, sizeof(*member->accusations));
	if (!member->accusations)
		return ERR_NOMEM;
	member->accusations[member->accusation_count++] =
		(struct member_accusation){statement->kind, statement->accuser, statement->suspect};
	return 0;
}

/* Records the accusation, acts on it and passes it on. It is wanted, and of the member's current
 * incarnation. */
static int accuse(
	struct swim *swim, mtime_t now, struct member *member, const struct statement *statement)
{
	bool first = !member->accusation_count;

	if (add(member, statement) != 0)
		return ERR_NOMEM;
	member_event(swim, now, member, MEMBER_ACCUSED);
	if (first)
		member->suspected = now;
	suspicion_schedule(swim, member);
	state_tell(swim, statement);
	return 0;
}

/* The word that it is dead takes the place of the suspicions. */
static int believe(
	struct swim *swim, mtime_t now, struct member *member, const struct statement *statement)
{
	accusation_forget(swim, member);
	if (add(member, statement) != 0)
		return ERR_NOMEM;
	member_event(swim, now, member, MEMBER_TOLD);
	state_tell(swim, statement);
	return 0;
}

void accusation_make(struct swim *swim, mtime_t now, struct member *member)
{
	struct statement accusation = about(member);

	if (!member->incarnation.generation || !is_wanted(swim, member, &swim->config.self->id))
		return;
	accusation.accuser = swim->config.self->id;
	statement_sign_suspect(&accusation, swim->config.mesh, swim->config.self);
	/* out of memory: it stays a silent suspicion */
	if (accuse(swim, now, member, &accusation) != 0)
		return;
}

void accusation_tell_dead(struct swim *swim, const struct member *member)
{
	struct statement death = about(member);

	if (!swim->config.mechanisms->believes || !member->accusation_count)
		return;
	death.kind = STATEMENT_DEAD;
	death.accuser = swim->config.self->id;
	statement_sign_suspect(&death, swim->config.mesh, swim->config.self);
	state_tell(swim, &death);
}

/* By chance, so that a few of all who hear of an accusation look for themselves. */
static void volunteer(struct swim *swim, mtime_t now, struct member *member)
{
	size_t wanted = swim->config.mechanisms->volunteers;

	if (member->state != SWIM_SUSPECT ||
		rng_below(swim->config.rng, member_count(swim)) >= wanted)
		return;
	member->again = now;
	probe_hasten(swim, now);
}

static int check_proof(const struct swim *swim, const struct member *member,
	const struct statement *statement, int order)
{
	/* it is passed on whole, so that its proof must hold even where it tells us nothing */
	bool proven =
		order == 0 && memcmp(&statement->alive, &member->alive, sizeof(struct sig)) == 0;

	if (statement_verify_suspect(statement, swim->config.mesh) != 0 ||
		(!proven && statement_verify_alive(statement, swim->config.mesh) != 0))
		return ERR_BAD_SIGNATURE;
	return 0;
}

static bool may_accuse(const struct swim *swim, mtime_t now, const struct member *accuser)
{
	return !swim->config.mechanisms->guarded ||
	       mtime_would_allow(accuser->accuses, now, ACCUSER_MS, ACCUSER_BURST);
}

int accusation_received(
	struct swim *swim, mtime_t now, const struct statement *statement, bool *ret_news)
{
	struct member *member = member_find(swim, &statement->subject);
	struct member *accuser = member_find(swim, &statement->accuser);
	bool death = statement->kind == STATEMENT_DEAD;

	if (!member || (!accuser && !id_equal(&statement->accuser, &swim->config.self->id)))
		return ERR_UNKNOWN;
	int order = state_compare(&statement->incarnation, &member->incarnation);
	bool wanted =
		death ? member->state != SWIM_DEAD : is_wanted(swim, member, &statement->accuser);

	if (order < 0 || (order == 0 && !wanted) || (accuser && !may_accuse(swim, now, accuser)) ||
		(order > 0 &&
			!mtime_would_allow(member->renew, now, SWIM_RENEW_MS, SWIM_RENEW_BURST))) {
		*ret_news = false;
		return 0;
	}
	if (check_proof(swim, member, statement, order) != 0)
		return ERR_BAD_SIGNATURE;
	if (accuser)
		(void)mtime_allows(&accuser->accuses, now, ACCUSER_MS, ACCUSER_BURST);
	if (order > 0)
		member_adopt(swim, now, member, &statement->incarnation, &statement->alive);
	if (death ? believe(swim, now, member, statement) != 0
		  : accuse(swim, now, member, statement) != 0)
		return ERR_NOMEM;
	volunteer(swim, now, member);
	*ret_news = true;
	return 0;
}

/* Whoever accuses an earlier one has missed our last statement. */
static void tell_again(struct swim *swim, mtime_t now, struct member *accuser)
{
	(void)mtime_allows(&swim->remind, now, SWIM_RENEW_MS, SWIM_RENEW_BURST);
	health_refuted(swim, now);
	probe_greet(swim, accuser);
	state_tell(swim, &swim->self);
}

static void refute(struct swim *swim, mtime_t now, struct member *accuser)
{
	(void)mtime_allows(&swim->refute, now, SWIM_RENEW_MS, SWIM_RENEW_BURST);
	swim->counters[SWIM_COUNT_ACCUSATIONS_REFUTED]++;
	swim_renew(swim, NULL);
	health_refuted(swim, now);
	probe_greet(swim, accuser);
}

int accusation_of_self(
	struct swim *swim, mtime_t now, const struct statement *statement, bool *ret_news)
{
	struct member *accuser = member_find(swim, &statement->accuser);
	int order = state_compare(&statement->incarnation, &swim->self.incarnation);

	if (!accuser)
		return ERR_UNKNOWN;
	if (!mtime_would_allow(order < 0 ? swim->remind : swim->refute, now, SWIM_RENEW_MS,
		    SWIM_RENEW_BURST)) {
		if (order < 0)
			probe_greet(swim, accuser); /* harmless, if it is not its word */
		*ret_news = false;
		return 0;
	}
	if (statement_verify_suspect(statement, swim->config.mesh) != 0 ||
		statement_verify_alive(statement, swim->config.mesh) != 0)
		return ERR_BAD_SIGNATURE;
	if (order > 0)
		return ERR_STATE;
	*ret_news = true;
	if (order < 0)
		tell_again(swim, now, accuser);
	else
		refute(swim, now, accuser);
	return 0;
}
