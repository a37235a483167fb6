/*
 * From a failed probe to a verdict. A suspicion lasts, by Lifeguard's formula, from at most beta
 * times the minimum down to the minimum, as independent members confirm it (accusation.h). It ends
 * by the member's refutation, or by running out: then this node, for itself, holds the member dead.
 *
 * How long at least. Whoever lives must have the time to hear of it and to refute. The accusation
 * travels to it, and its word back to everybody, in hops of which each reaches SPREAD_FANOUT more
 * members: as measured round trips, the minimum grows by that, and by the member's own.
 *
 * Who is suspected but not accused. A member that cannot be accused (accusation.h) is suspected
 * silently, for the minimum: nobody could confirm it. But a member whose host accepts our stream,
 * and it says nothing, is stuck or slow: it is accused only when that has lasted for
 * SUSPICION_SILENT_MS.
 *
 * Who is spared at the end. A member that was heard while it was suspected has the minimum from
 * then on, whatever others say. Where we are alone (health.h) no suspicion runs out before
 * SUSPICION_ALONE_MS; when we hear somebody again, what our own probes said does not count, and
 * those whom others accuse have the minimum from then on, and are probed first.
 *
 * Who is missed. Where nearly all is lost (health.h: rough times) no time of silence says anything.
 * But members choose by chance whom they ping and ask: who lives, and was not heard while the
 * others were k times each, is that unlucky with a chance of e^-k. Only whoever is missed like that
 * is held dead in such times; it is accused, and held dead, even by who is alone then.
 */
#ifndef MESHD_GOSSIP_SWIM_SUSPICION_H
#define MESHD_GOSSIP_SWIM_SUSPICION_H

#include "gossip/swim/member.h"

/* A member that was never heard has so long, from when it was added, to be told of us by others:
 * until then it does not answer us, and silence says nothing. */
#define SUSPICION_UNHEARD_MS   10000
/* Recent evidence of another kind (WireGuard's traffic) holds an accusation back, but not for more
 * failed probes in a row than this: then the host lives and its daemon does not. */
#define SUSPICION_FAILURES_MAX 3
/* Longer than a host swaps, its disk hangs or its hypervisor moves it (and than the longest anomaly
 * of Lifeguard's experiment, 32.8 s). */
#define SUSPICION_SILENT_MS    45000
/* From when nobody was heard any more: an isolated node, too, comes to say that the others are gone
 * (it harms nobody by that). And for a member of whom we only know that its host is there. */
#define SUSPICION_ALONE_MS     60000
/* The others were heard so often each, while a member was not: e^-12 is 1 in 160,000. */
#define SUSPICION_MISSED_TIMES 12
/* In rough times, between two looks whether a suspect is missed by now. */
#define SUSPICION_ROUGH_MS     1000
/* Between two probes of a suspect out of turn: every other one, so that the round goes on. */
#define SUSPICION_AGAIN_MS     2000

/* Lifeguard, section IV.B: cluster counts us too; confirmers are the members that could confirm;
 * confirmations those that did, beyond the first accuser. Without what measured round trips add. */
int64_t suspicion_timeout_ms(const struct swim_mechanisms *mechanisms, size_t cluster,
	size_t confirmers, size_t confirmations);

/* Whether the others were heard so often since it was, that it would have been, if it lived. */
bool suspicion_is_missed(const struct swim *swim, const struct member *member);

/* Our probe of the member, sent then, failed. silent: its host accepted a stream. */
void suspicion_probe_failed(
	struct swim *swim, mtime_t now, struct member *member, mtime_t sent, bool silent);
/* The member has become SUSPECT, or was accused anew: when will it be held dead? */
void suspicion_schedule(struct swim *swim, struct member *member);

/* Ends those that have run out. */
void suspicion_tick(struct swim *swim, mtime_t now);
/* We slept for so long: nobody had that time to refute, and until `drained` nobody's word is read.
 */
void suspicion_paused(struct swim *swim, int64_t gap_us, mtime_t drained);
/* We hear others again. */
void suspicion_resume(struct swim *swim, mtime_t now);

#endif
