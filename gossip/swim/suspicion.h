/*
 * From a failed probe to a verdict. A suspicion lasts, by Lifeguard's formula, from at most BETA
 * times the minimum down to the minimum, as independent members confirm it: each of them under its
 * own signature. It ends by the member's refutation, or by running out: then this node, for itself,
 * holds the member dead.
 *
 * Who accuses. We sign an accusation only of a member that we have heard since our start, under an
 * incarnation that it has signed, and while we hear others: a node that is cut off, or that boots
 * alone with a thousand stored members, suspects them silently and spreads nothing. A silent
 * suspicion takes the minimum: nobody could confirm it.
 *
 * Who is accused. An accusation of our own current incarnation is refuted at once, by the next
 * version. One of an earlier incarnation changes nothing, but whoever repeats it has missed our
 * last statement: that is told again. Both at a rate, or one accuser could keep the whole mesh
 * busy; what comes faster stands until its next repetition. A later one than ours bears our own
 * signature, so our key runs elsewhere, or the disk was restored: no version of ours can answer
 * that (ERR_STATE).
 */
#ifndef MESHD_GOSSIP_SWIM_SUSPICION_H
#define MESHD_GOSSIP_SWIM_SUSPICION_H

#include "gossip/swim/member.h"

/* Recent evidence of another kind (WireGuard's traffic) holds an accusation back, but not for more
 * failed probes in a row than this: then the host lives and its daemon does not. */
/* A member that was never heard has so long, from when it was added, to be told of us by others:
 * until then it does not answer us, and silence says nothing. */
#define SUSPICION_UNHEARD_MS   10000
#define SUSPICION_FAILURES_MAX 3
/* Nobody heard for two periods: it is us. */
#define SUSPICION_ALONE_MS     (2 * SWIM_PERIOD_MS)

/* Lifeguard, section IV.B: cluster counts us too; confirmers are the members that could confirm;
 * confirmations those that did, beyond the first accuser. */
int64_t suspicion_timeout_ms(const struct swim_mechanisms *mechanisms, size_t cluster,
	size_t confirmers, size_t confirmations);

/* Our probe of the member, sent then, failed. */
void suspicion_probe_failed(struct swim *swim, mtime_t now, struct member *member, mtime_t sent);
/* The member has become SUSPECT, or was accused anew: when will it be held dead? */
void suspicion_schedule(struct swim *swim, struct member *member);
/* No accusation stands against the member any more. */
void suspicion_forget(struct swim *swim, struct member *member);
/* The accuser is no member any more: its word counts against nobody. */
void suspicion_void(struct swim *swim, mtime_t now, const struct id *accuser);

/* Ends those that have run out. */
void suspicion_tick(struct swim *swim, mtime_t now);
/* We slept for so long: nobody had that time to refute. */
void suspicion_paused(struct swim *swim, int64_t gap_us);

/* Statements. Errors and ret_news as of swim_statement_received. */
int suspicion_received(struct swim *swim, mtime_t now, const struct statement *statement,
	bool *ret_news) MUST_CHECK;
int suspicion_of_self(struct swim *swim, mtime_t now, const struct statement *statement,
	bool *ret_news) MUST_CHECK;
/* The first accusation that stands against the member, if there is one. */
bool suspicion_statement(const struct member *member, struct statement *ret);

#endif
