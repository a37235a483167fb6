/* How a node gets into a mesh and out of it: what loop.c tells of, and daemon.c hands on. Private
 * to daemon.c; the commands themselves are in daemon.h. */
#ifndef MESHD_DAEMON_DAEMON_MESH_H
#define MESHD_DAEMON_DAEMON_MESH_H

#include "daemon/daemon.h"

void daemon_mesh_joined(struct daemon *daemon, int err, const char *text);
void daemon_mesh_left(struct daemon *daemon);

#endif
