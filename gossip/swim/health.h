/*
 * Whether it is us. Lifeguard's local health (section IV.A): what tells that this node is slow adds
 * to a score, what tells that it is not takes from it, and the probes' periods and timeouts are
 * multiplied by the score and one.
 *
 * And beyond it: a node that has heard nobody for two periods, and has asked others in vain, while
 * at least two should live, is alone. It accuses nobody then, and no suspicion runs out, but for a
 * long time.
 */
#ifndef MESHD_GOSSIP_SWIM_HEALTH_H
#define MESHD_GOSSIP_SWIM_HEALTH_H

#include <stddef.h>

#include "gossip/base/mtime.h"

#define HEALTH_MAX	  8
/* A refutation of ours counts this often: an accuser who lies can keep us one notch slower, no
 * more, as each answered probe takes one off again. */
#define HEALTH_REFUTED_MS 5000
#define HEALTH_ALONE_MS	  2000 /* two periods */
#define HEALTH_ASKED_MS	  400  /* members that live answer within: PROBE_NACKS_MS */

struct health {
	unsigned score;
	mtime_t refuted; /* of the rate at which refutations count */
	mtime_t heard;	 /* anybody, the last time */
	mtime_t asked;	 /* others, for the first time since then; NEVER: not yet */
};

struct swim;

int64_t health_scaled(const struct swim *swim, int64_t ms);

void health_probe_answered(struct swim *swim);
/* Of so many helpers, so many said that they are there. */
void health_probe_failed(struct swim *swim, size_t helpers, size_t nacks);
void health_refuted(struct swim *swim, mtime_t now);

/* Somebody has been heard. Whether that ends that we were alone. */
bool health_heard(struct swim *swim, mtime_t now);
/* Others were sent what they answer. */
void health_asked(struct swim *swim, mtime_t now);
/* Nobody was heard for so long that we may be alone. */
bool health_is_quiet(const struct swim *swim, mtime_t now);
bool health_is_alone(const struct swim *swim, mtime_t now);

#endif
