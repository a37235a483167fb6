/* Endpoints and the system's socket addresses. */
#ifndef MESHD_DAEMON_SOCKADDR_H
#define MESHD_DAEMON_SOCKADDR_H

#include <sys/socket.h>

#include "gossip/base/types.h"

/* For a socket of this family, AF_INET or AF_INET6 for both kinds: IPv4 is mapped there (RFC 4291,
 * 2.5.5.2). false: such a socket cannot reach it. */
bool sockaddr_from_endpoint(const struct endpoint *from, int family, struct sockaddr_storage *ret);
/* IPv4 is IPv4, mapped or not; a scope is kept for link-local addresses. false: no address, or no
 * port. */
bool sockaddr_to_endpoint(const struct sockaddr *from, struct endpoint *ret);
bool sockaddr_to_ip(const struct sockaddr *from, struct ip *ret);
bool sockaddr_is_loopback(const struct endpoint *endpoint); /* 127.0.0.0/8, ::1 */

#endif
