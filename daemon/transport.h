/*
 * Datagrams and streams on the one port that a node listens on: UDP and TCP, IPv6 and IPv4 over one
 * socket each. IPv4 addresses are IPv4 on this side, whatever the socket calls them; the scope of
 * link-local ones is kept. Knows bytes and endpoints, nothing of what they say.
 */
#ifndef MESHD_DAEMON_TRANSPORT_H
#define MESHD_DAEMON_TRANSPORT_H

#include <uv.h>

#include "gossip/base/err.h"
#include "gossip/base/types.h"

#define TRANSPORT_STREAMS_MAX	     96	 /* the core's 64, and some that are still closing */
#define TRANSPORT_SEND_QUEUE_MAX     512 /* datagrams while the socket is full: then they are lost */
#define TRANSPORT_BACKLOG	     64	 /* connections the kernel holds for us */
#define TRANSPORT_CONNECT_TIMEOUT_MS 5000      /* TCP's third SYN goes out after 3 s */
#define TRANSPORT_LINGER_MS	     5000      /* for what was written on a stream that is closed */
#define TRANSPORT_BATCH		     8	       /* datagrams taken by one system call */
#define TRANSPORT_RECEIVE_BUFFER     (1 << 20) /* bytes in the kernel: a burst of 400 datagrams */
#define TRANSPORT_ERROR_SIZE	     256

struct transport;

/* Streams that were accepted get their numbers from accepted_first on. After closed() and after
 * transport_stream_close() nothing is told of a number any more. None of them is called from within
 * transport_stream_close, _connect or _send; sent() may be, from within transport_stream_send. */
struct transport_events {
	uint64_t accepted_first;
	void (*datagram)(void *arg, const struct endpoint *from, const void *data, size_t size);
	void (*accepted)(void *arg, uint64_t stream, const struct endpoint *from);
	void (*connected)(void *arg, uint64_t stream);
	void (*received)(void *arg, uint64_t stream, const void *data, size_t size);
	void (*sent)(void *arg, uint64_t stream, size_t size);
	void (*closed)(void *arg, uint64_t stream);
};

/* events is borrowed. A listen address other than the unspecified one is also where connections are
 * made from. ERR_SYSTEM, with what and why in ret_error. */
int transport_new(uv_loop_t *loop, const struct endpoint *listen,
	const struct transport_events *events, void *arg, struct transport **ret,
	char ret_error[TRANSPORT_ERROR_SIZE]) MUST_CHECK;
/* Closes everything, without a word to anybody; free once the loop has run to its end. */
void transport_stop(struct transport *transport);
void transport_free(struct transport *transport);

/* The host has no IPv6, or it is switched off, although [::] was asked for: IPv4 only. */
bool transport_without_ipv6(const struct transport *transport);

void transport_send(
	struct transport *transport, const struct endpoint *to, const void *data, size_t size);
void transport_connect(struct transport *transport, uint64_t stream, const struct endpoint *to);
void transport_stream_send(
	struct transport *transport, uint64_t stream, const void *data, size_t size);
/* Once what was sent has gone out; at most TRANSPORT_LINGER_MS later. */
void transport_stream_close(struct transport *transport, uint64_t stream);
/* All of them, at once and unheard. */
void transport_drop_streams(struct transport *transport);

#endif
