/*
 * Suspicions under signatures: who accuses, who confirms, who refutes.
 *
 * Who accuses. We sign an accusation only under an incarnation that the member has signed, while we
 * hear others (health.h), and when no stream gets through to it either: a node that is cut off, or
 * that boots alone with a thousand stored members, suspects them silently and spreads nothing. Who
 * has not met the member yet learns its incarnation from a helper's nack.
 *
 * Who confirms. Each accuser counts once. Those who hear of an accusation probe the accused at once
 * with a chance that makes it a few whatever the size of the mesh; their pings tell it, too, that
 * it is accused. Who cannot reach it either accuses it as well.
 *
 * Who refutes. An accusation of our own current incarnation is refuted at once, by the next
 * version. One of an earlier incarnation changes nothing, but whoever repeats it has missed our
 * last statement: that is told again. Both at a rate, or one accuser could keep the whole mesh
 * busy; what comes faster stands until its next repetition. The rates are apart, and only what is
 * signed counts: else whoever repeats what is old, or makes things up, could keep us from refuting
 * (and others, at SWIM_RENEW_MS, from hearing it). A later one than ours bears our own
 * signature, so our key runs elsewhere, or the disk was restored: no version of ours can answer
 * that (ERR_STATE).
 *
 * A statement that a member is dead is an accusation, too, in all but what it does: only between
 * nodes that believe such (swim_mechanisms.believes).
 */
#ifndef MESHD_GOSSIP_SWIM_ACCUSATION_H
#define MESHD_GOSSIP_SWIM_ACCUSATION_H

#include "gossip/swim/member.h"

/* Our own probe failed for certain: signs it, unless the member cannot be accused by us. */
void accusation_make(struct swim *swim, mtime_t now, struct member *member);
/* Our suspicion has run out: says so to those who believe it. */
void accusation_tell_dead(struct swim *swim, const struct member *member);
/* No accusation stands against the member any more. */
void accusation_forget(struct swim *swim, struct member *member);
/* The accuser is no member any more: its word counts against nobody. */
void accusation_void(struct swim *swim, mtime_t now, const struct id *accuser);
/* The first that stands against the member, if there is one. */
bool accusation_statement(const struct member *member, struct statement *ret);

/* Statements of it. Errors and ret_news as of swim_statement_received. */
int accusation_received(struct swim *swim, mtime_t now, const struct statement *statement,
	bool *ret_news) MUST_CHECK;
int accusation_of_self(struct swim *swim, mtime_t now, const struct statement *statement,
	bool *ret_news) MUST_CHECK;

#endif
