#ifndef MESHD_GOSSIP_GOSSIP_COMMAND_H
#define MESHD_GOSSIP_GOSSIP_COMMAND_H

#include "gossip/gossip.h"

/* ERR_STATE with a text, where this node cannot speak in a mesh; ERR_NOT_ADMIN as well, where it
 * may not do what `what` says. */
int gossip_command_need_running(struct gossip *g) MUST_CHECK;
int gossip_command_need_admin(struct gossip *g, const char *what) MUST_CHECK;
size_t gossip_command_count_admins(const struct gossip *g);

#endif
