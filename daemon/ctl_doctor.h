/* What `doctor` can only learn from the daemon: {"checks": [{check, state, finding, advice}]}. */
#ifndef MESHD_DAEMON_CTL_DOCTOR_H
#define MESHD_DAEMON_CTL_DOCTOR_H

#include "daemon/daemon.h"

void ctl_doctor_put(struct pack *out, struct daemon *daemon);

#endif
