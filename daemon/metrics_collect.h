/* What the metrics are: one function looks at the whole daemon and says it as Prometheus reads it.
 */
#ifndef MESHD_DAEMON_METRICS_COLLECT_H
#define MESHD_DAEMON_METRICS_COLLECT_H

#include "daemon/daemon.h"
#include "daemon/metrics_text.h"

/* turns: of the event loop. No key and no secret is in it. */
void metrics_collect(
	struct daemon *daemon, const struct histogram *turns, struct metrics_text *text);

#endif
