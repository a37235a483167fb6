/*
 * ICMP echoes (RFC 792, RFC 4443), sent with the rights of whoever runs meshctl: by a socket for
 * echoes alone, which sysctl net.ipv4.ping_group_range lets most users have, else by a raw one,
 * which is root's.
 */
#ifndef MESHD_CLI_ECHO_H
#define MESHD_CLI_ECHO_H

#include "gossip/base/err.h"
#include "gossip/base/types.h"

#define ECHO_SIZE     64   /* bytes of an ordinary one, without the IP header */
#define ECHO_SIZE_MAX 9216 /* no overlay carries more */

struct echo {
	int fd;
	bool raw;
	uint8_t family;
	uint16_t id, sequence;
	uint64_t cookie; /* in each: so that no other's answer is taken for ours */
};

/* ERR_AUTH: this user may send none; ERR_SYSTEM: see errno (there is no route, ...). */
int echo_open(struct echo *echo, const struct ip *to) MUST_CHECK;
void echo_close(struct echo *echo);
/* Sends one and waits for its answer. packet_size: of the whole packet, which is not to be taken to
 * pieces on its way; 0: an ordinary one. ERR_TIMEOUT; ERR_TOO_BIG: this host already knows that it
 * does not fit; ERR_SYSTEM: see errno. */
int echo_ask(struct echo *echo, size_t packet_size, int64_t timeout_ms, double *ret_ms) MUST_CHECK;

#endif
