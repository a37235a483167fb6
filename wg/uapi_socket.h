/*
 * The socket of a userspace WireGuard. One connection serves one request: wireguard-go reads ahead
 * and loses a second one. Never touch, chmod or delete it while somebody listens: wireguard-go then
 * exits and takes the interface with it.
 */
#ifndef MESHD_WG_UAPI_SOCKET_H
#define MESHD_WG_UAPI_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

#include "gossip/base/err.h"

#define UAPI_DIR	"/var/run/wireguard" /* compiled into every such program */
#define UAPI_TIMEOUT_MS 2000		     /* a request and its answer */
#define UAPI_PATH_SIZE	108		     /* of sun_path */

/* ERR_UNKNOWN: nobody listens (none there, or a stale one). ERR_TIMEOUT: its queue is full.
 * ERR_SYSTEM: errno says. */
int uapi_socket_open(const char *name, int *ret_fd) MUST_CHECK;
/* The process that listens; 0 where it is not in our PID namespace. */
pid_t uapi_socket_pid(int fd);

/*
 * Sends a request and reads the answer to its end, at most UAPI_REPLY_MAX bytes. The answer is on
 * the heap and holds keys: uapi_socket_wipe. ERR_TIMEOUT, ERR_TOO_BIG, ERR_NOMEM, ERR_UNKNOWN (the
 * other end has gone), ERR_SYSTEM.
 */
int uapi_socket_exchange(const char *name, const char *request, size_t request_size,
	char **ret_reply, size_t *ret_size) MUST_CHECK;
void uapi_socket_wipe(char *reply, size_t size);

/* Removes a socket that nobody listens at. */
void uapi_socket_remove_stale(const char *name);

#endif
