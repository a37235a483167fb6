/*
 * Whether it is us. Lifeguard's local health (section IV.A): what tells that this node is slow adds
 * to a score, what tells that it is not takes from it, and the probes' periods and timeouts are
 * multiplied by the score and one.
 *
 * And beyond it: a node that has heard nobody for two periods, and has asked others in vain, while
 * at least two should live, is alone. It accuses nobody then, and no suspicion runs out, but for a
 * long time. When that happens again and again it is the network that loses nearly everything:
 * times are rough, and that somebody was not heard for some time says nothing then (suspicion.h).
 */
#ifndef MESHD_GOSSIP_SWIM_HEALTH_H
#define MESHD_GOSSIP_SWIM_HEALTH_H

#include <stddef.h>
#include <stdint.h>

#include "gossip/base/mtime.h"
#include "gossip/crypto/keys.h"

#define HEALTH_MAX	  8
/* A refutation of ours counts this often: an accuser who lies can keep us one notch slower, no
 * more, as each answered probe takes one off again. */
#define HEALTH_REFUTED_MS 5000
#define HEALTH_ALONE_MS	  2000 /* two periods */
#define HEALTH_ASKED_MS	  400  /* members that live answer within, and two median round trips */
/* Alone twice within that time: times are rough from then on, and for so long. That is so at 60 %
 * loss and more; a machine that slept, or lost its network, is alone once. */
#define HEALTH_LONELY_MS  30000
#define HEALTH_ROUGH_MS	  60000

struct health {
	unsigned score;
	uint32_t calls;	  /* pings, requests and answers that came: chance chose from whom */
	struct id caller; /* the last that counted */
	mtime_t called;
	mtime_t refuted; /* of the rate at which refutations count */
	mtime_t heard;	 /* anybody, the last time */
	mtime_t asked;	 /* others, for the first time since then; NEVER: not yet */
	mtime_t lonely;	 /* until then alone, the last time */
	mtime_t rough;	 /* until then */
};

struct swim;

int64_t health_scaled(const struct swim *swim, int64_t ms);

void health_probe_answered(struct swim *swim);
/* Of so many helpers, so many said that they are there. */
void health_probe_failed(struct swim *swim, size_t helpers, size_t nacks);
void health_refuted(struct swim *swim, mtime_t now);

/* A ping, a request or an answer came. One that goes on calling counts once, and once in two
 * periods: else it could make us miss all others. */
void health_called(struct swim *swim, mtime_t now, const struct id *caller);
/* Somebody has been heard. Whether that ends that we were alone. */
bool health_heard(struct swim *swim, mtime_t now);
/* Others were sent what they answer. */
void health_asked(struct swim *swim, mtime_t now);
/* Enough others should live to tell our silence from theirs. */
bool health_has_company(const struct swim *swim);
/* How long those that were asked may take. */
int64_t health_asked_ms(const struct swim *swim);
/* Nobody was heard for so long that we may be alone. */
bool health_is_quiet(const struct swim *swim, mtime_t now);
bool health_is_alone(const struct swim *swim, mtime_t now);
bool health_is_rough(const struct swim *swim, mtime_t now);

#endif
