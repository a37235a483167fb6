/* The metrics of the other members: how many are in which state, and of each what WireGuard sees.
 */
#ifndef MESHD_DAEMON_METRICS_MEMBERS_H
#define MESHD_DAEMON_METRICS_MEMBERS_H

#include "daemon/daemon.h"
#include "daemon/metrics_text.h"

/* In a mesh of more members than this none has time series of its own, as each of its nodes would
 * tell of all the others: sums and counts are told always. */
#define METRICS_PEERS_MAX 1024

void metrics_members_put(struct metrics_text *text, struct daemon *daemon);

#endif
