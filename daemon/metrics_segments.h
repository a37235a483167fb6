/* The metrics of the L2 segments and of their guard. */
#ifndef MESHD_DAEMON_METRICS_SEGMENTS_H
#define MESHD_DAEMON_METRICS_SEGMENTS_H

#include "daemon/daemon.h"
#include "daemon/metrics_text.h"

void metrics_segments_put(struct metrics_text *text, struct daemon *daemon);

#endif
