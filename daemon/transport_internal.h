/* What the files of the transport share: transport.c has datagrams and life, transport_stream.c
 * streams. */
#ifndef MESHD_DAEMON_TRANSPORT_INTERNAL_H
#define MESHD_DAEMON_TRANSPORT_INTERNAL_H

#include "daemon/transport.h"

#define TRANSPORT_SLOT_SIZE 65536 /* bytes: what libuv cuts its buffer into for recvmmsg() */

struct stream;

struct transport {
	uv_loop_t *loop;
	const struct transport_events *events;
	void *arg;
	struct endpoint listen;
	int family; /* of the sockets: AF_INET6 or AF_INET */
	bool without_ipv6, stopped;
	uv_udp_t udp;
	uv_tcp_t tcp;
	struct stream *streams;
	size_t stream_count;
	uint64_t next_accepted;
	size_t datagrams_queued;
	/* Both kinds of reads end before the next begins, so they share it. Pages that nothing
	 * wrote to cost nothing. */
	char *buffer;
};

/* Whether an address is the one that stands for all. */
bool transport_unspecified(const struct endpoint *endpoint);
/* libuv's callback of the listening socket, whose data is the transport. */
void transport_stream_accept(uv_stream_t *server, int status);

#endif
