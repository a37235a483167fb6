/* A blocking connection to meshd, in which every wait has an end. */
#ifndef MESHD_CLI_CLIENT_H
#define MESHD_CLI_CLIENT_H

#include "daemon/ipc/ipc.h"

struct client {
	int fd;
	uint8_t *buffer; /* of the last frame */
	size_t capacity;
};

void client_init(struct client *client);
void client_done(struct client *client); /* wipes what came in: it may be a token */

/* ERR_INVALID: the path is too long for a socket; ERR_SYSTEM: see errno. */
int client_connect(struct client *client, const char *path) MUST_CHECK;
/* ERR_TOO_BIG, ERR_TIMEOUT, ERR_SYSTEM. */
int client_send(struct client *client, const struct ipc_request *request) MUST_CHECK;
/* The next reply, good until the next call. timeout_ms below 0: waits for ever, or until nobody
 * reads our standard output any more (ERR_WITHDRAWN). ERR_TIMEOUT; ERR_MALFORMED: not our protocol;
 * ERR_STATE: the daemon closed the connection; ERR_SYSTEM. */
int client_receive(struct client *client, int64_t timeout_ms, struct ipc_reply *ret) MUST_CHECK;

#endif
