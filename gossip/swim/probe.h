/*
 * Who answers. Each protocol period one member in turn is pinged; unanswered within its timeout
 * (from its measured round trip), it is pinged again, and SWIM_INDIRECT others are asked to ping it
 * in our place. A helper relays the answer, or says that there was none so far (nack): so we know
 * that it heard us, and we hear it. When the helpers have said so, the member is asked over a
 * stream: it may be datagrams alone that do not get through, or its daemon that is stuck. Then the
 * probe has failed (at once where there is no connection, else at the period's end), and
 * suspicion.h decides what that means. Without any nack it has not: it may be us.
 *
 * Every other probe at most is out of turn: of a suspect that is due (suspicion.h).
 *
 * The dead are not in that turn. They are redialled for ever: after 1 s, doubling to 60 s, each
 * within a quarter of that by chance, lest nodes that lost each other at once dial in step; a few a
 * period in all, and now and then one at random, which heals partitions.
 */
#ifndef MESHD_GOSSIP_SWIM_PROBE_H
#define MESHD_GOSSIP_SWIM_PROBE_H

#include "gossip/swim/member.h"
#include "gossip/swim/swim.h"

/* Bounds of a timeout from a measured round trip. Below: a busy host's scheduling, as TCP's least
 * RTO. Above: satellite links; three such timeouts make the longest period. */
#define PROBE_TIMEOUT_MIN_MS  200
#define PROBE_TIMEOUT_MAX_MS  2000
/* A slow peer's period is as long as its helpers need: T' >= 3 round trips (SWIM, section 3.1). */
#define PROBE_PERIOD_TIMEOUTS 3
/* From the requests on, so long to all nacks; whoever has one then asks over a stream. Not before:
 * at 30 % loss every other probe would cost a handshake. */
#define PROBE_NACKS_MS	      400
/* What a stream's answer takes at most: a round trip to connect, one to prove itself. */
#define PROBE_CHECK_TIMEOUTS  3
#define PROBE_REPORT_MS	      20 /* from its end to the period's: it is told before */
/* Samples beyond the longest period are no round trips: the member stood still. */
#define PROBE_RTT_MAX_MS      (PROBE_PERIOD_TIMEOUTS * PROBE_TIMEOUT_MAX_MS)
#define PROBE_REDIAL_MIN_MS   1000
#define PROBE_REDIAL_MAX_MS   60000
#define PROBE_REDIALS	      4	 /* a period at most: a node that boots alone stays quiet */
#define PROBE_RANDOM_PERIODS  10 /* from one random redial to the next */
#define PROBE_LOOKS	      64 /* at suspects, and at the dead, in one period: 3,000 take 47 s */

/* A ping, until it is answered. */
struct probe_ping {
	struct id to;
	uint64_t sequence;
	mtime_t sent;
};

/* The probe in flight: a direct ping, and a second one once it is indirect. Each has its own
 * sequence, so that an answer is of one of them. */
struct probe {
	struct member *target; /* NULL: none, or answered */
	struct probe_ping first, second;
	mtime_t indirect_at; /* NEVER once it is indirect */
	mtime_t check_at;    /* earlier if all helpers are there; NEVER while none is */
	enum probe_check {
		PROBE_UNCHECKED,
		PROBE_ASKED,
		PROBE_SILENT,
		PROBE_UNREACHABLE,
	} check;
	bool greets; /* with its ping the target learns our incarnation */
	struct id helpers[SWIM_INDIRECT];
	bool nacked[SWIM_INDIRECT];
	size_t helper_count, nack_count;
};

struct prober {
	struct probe probe;
	struct probe_ping late; /* of the last probe that failed: its answer still tells how far */
	mtime_t ask_at;		/* when others are asked whether they hear us */
	mtime_t period_at;	/* the next period's start, and this one's verdict */
	mtime_t hastened;	/* of the rate at which periods start early */
	bool was_urgent;	/* the last probe was out of turn */
	uint64_t sequence;	/* of the last ping */
	uint64_t periods;
};

struct swim;

/* The first member has come: the first period starts within one. */
void probe_start(struct swim *swim, mtime_t now);
mtime_t probe_deadline(const struct swim *swim);
void probe_tick(struct swim *swim, mtime_t now);
/* We slept through deadlines: the probe in flight proves nothing, the next starts at `resume`. */
void probe_paused(struct swim *swim, mtime_t now, mtime_t resume);
/* The member is about to be freed. */
void probe_forget(struct swim *swim, const struct member *member);
/* A suspect is due: the next period starts now, unless a probe is in flight. */
void probe_hasten(struct swim *swim, mtime_t now);
/* What is in flight proves nothing, and suspects are due: the next period starts now. */
void probe_restart(struct swim *swim, mtime_t now);
/* Pings a few, to find out whether anybody hears us: whenever nobody was heard for two periods, and
 * at growing gaps from then on; in rough times each period, for it is what others hear of us. */
void probe_ask_if_due(struct swim *swim, mtime_t now);
void probe_heard(struct swim *swim, mtime_t now); /* anybody */
/* It is DEAD: dialled after a while, which doubles each time. redial_ms 0: the first time. */
void probe_redial_later(struct swim *swim, mtime_t now, struct member *member);
/* The member may have lost what our ping in flight told it. */
void probe_greet(struct swim *swim, struct member *member);

/* For those who ping in our place and for whom we do. */
int64_t probe_timeout_ms(const struct swim *swim, const struct member *member);
struct probe_ping probe_send(struct swim *swim, mtime_t now, const struct member *member);
bool probe_answers(const struct probe_ping *ping, const struct member *member, uint64_t sequence);
void probe_measure(struct swim *swim, mtime_t now, struct member *member, mtime_t sent);

void probe_acked(struct swim *swim, mtime_t now, struct member *member, uint64_t sequence);
void probe_relayed(struct swim *swim, mtime_t now, const struct member *helper, uint64_t sequence,
	bool answered);
void probe_checked(
	struct swim *swim, mtime_t now, const struct member *member, enum swim_check result);

#endif
