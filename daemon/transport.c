#include "daemon/transport.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <unistd.h>

#include "daemon/log.h"
#include "gossip/base/text.h"

#define DATAGRAM_SLOT 65536 /* bytes: what libuv cuts its buffer into for recvmmsg() */

struct stream {
	struct transport *transport;
	struct stream *next;
	uint64_t number; /* 0: nobody is told of it any more */
	bool connected;
	uv_tcp_t tcp;
	uv_timer_t timer; /* of connecting, then of closing */
	uv_connect_t connect;
	uv_shutdown_t shutdown;
	int handles; /* not closed yet */
};

struct stream_write {
	uv_write_t request;
	size_t size;
	uint8_t bytes[];
};

struct datagram {
	uv_udp_send_t request;
	struct transport *transport;
	uint8_t bytes[];
};

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

/* ---- addresses ---- */

/* Whether the transport's sockets can reach it. */
static bool to_sockaddr(const struct transport *transport, const struct endpoint *from,
	struct sockaddr_storage *ret)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (transport->family == AF_INET) {
		in->sin_family = AF_INET;
		in->sin_port = htons(from->port);
		memcpy(&in->sin_addr, from->ip.b, 4);
		return from->ip.family == 4;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(from->port);
	in6->sin6_scope_id = from->scope;
	if (from->ip.family == 6) {
		memcpy(&in6->sin6_addr, from->ip.b, 16);
		return true;
	}
	memcpy(&in6->sin6_addr, mapped, sizeof(mapped));
	memcpy((uint8_t *)&in6->sin6_addr + sizeof(mapped), from->ip.b, 4);
	return from->ip.family == 4;
}

static bool from_sockaddr(const struct sockaddr *from, struct endpoint *ret)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *in = (const struct sockaddr_in *)from;

	memset(ret, 0, sizeof(*ret));
	if (from->sa_family == AF_INET) {
		ret->ip.family = 4;
		memcpy(ret->ip.b, &in->sin_addr, 4);
		ret->port = ntohs(in->sin_port);
	} else if (from->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		ret->ip.family = 4;
		memcpy(ret->ip.b, in6->sin6_addr.s6_addr + 12, 4);
		ret->port = ntohs(in6->sin6_port);
	} else if (from->sa_family == AF_INET6) {
		ret->ip.family = 6;
		memcpy(ret->ip.b, &in6->sin6_addr, 16);
		ret->port = ntohs(in6->sin6_port);
		ret->scope = IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) ? in6->sin6_scope_id : 0;
	}
	return ret->ip.family && ret->port;
}

static bool unspecified(const struct endpoint *endpoint)
{
	static const struct ip none;

	return !memcmp(endpoint->ip.b, none.b, sizeof(none.b));
}

/* ---- datagrams ---- */

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct transport *transport = handle->data;

	(void)suggested;
	*ret = uv_buf_init(transport->buffer, TRANSPORT_BATCH * DATAGRAM_SLOT);
}

static void on_datagram(uv_udp_t *udp, ssize_t size, const uv_buf_t *buf,
	const struct sockaddr *addr, unsigned flags)
{
	struct transport *transport = udp->data;
	struct endpoint from;

	if (size < 0) {
		log_debug("UDP: %s", uv_strerror((int)size));
		return;
	}
	if (transport->stopped || !addr || flags & UV_UDP_PARTIAL || !from_sockaddr(addr, &from))
		return;
	transport->events->datagram(transport->arg, &from, buf->base, (size_t)size);
}

static void on_datagram_sent(uv_udp_send_t *request, int status)
{
	struct datagram *datagram = request->data;

	(void)status; /* datagrams get lost */
	datagram->transport->datagrams_queued--;
	free(datagram);
}

static void queue_datagram(
	struct transport *transport, const struct sockaddr *to, const void *data, size_t size)
{
	struct datagram *datagram;
	uv_buf_t buf;

	if (transport->datagrams_queued >= TRANSPORT_SEND_QUEUE_MAX)
		return;
	datagram = malloc(sizeof(*datagram) + size);
	if (!datagram)
		return;
	memcpy(datagram->bytes, data, size);
	datagram->transport = transport;
	datagram->request.data = datagram;
	buf = uv_buf_init((char *)datagram->bytes, (unsigned)size);
	if (uv_udp_send(&datagram->request, &transport->udp, &buf, 1, to, on_datagram_sent))
		free(datagram);
	else
		transport->datagrams_queued++;
}

void transport_send(
	struct transport *transport, const struct endpoint *to, const void *data, size_t size)
{
	uv_buf_t buf = uv_buf_init((char *)data, (unsigned)size);
	char text[TEXT_ENDPOINT_SIZE];
	struct sockaddr_storage addr;
	int rc;

	if (transport->stopped || !to_sockaddr(transport, to, &addr))
		return;
	rc = uv_udp_try_send(&transport->udp, &buf, 1, (struct sockaddr *)&addr);
	if (rc == UV_EAGAIN)
		queue_datagram(transport, (struct sockaddr *)&addr, data, size);
	else if (rc < 0)
		log_debug("datagram to %s: %s", text_endpoint(to, text), uv_strerror(rc));
}

/* ---- streams ---- */

static void on_stream_handle_closed(uv_handle_t *handle)
{
	struct stream *stream = handle->data;
	struct transport *transport = stream->transport;

	if (--stream->handles)
		return;
	for (struct stream **at = &transport->streams; *at; at = &(*at)->next) {
		if (*at == stream) {
			*at = stream->next;
			break;
		}
	}
	transport->stream_count--;
	if (stream->number && !transport->stopped)
		transport->events->closed(transport->arg, stream->number);
	free(stream);
}

/* The end of it. Whoever holds its number is told once the handles have closed. */
static void stream_end(struct stream *stream)
{
	if (uv_is_closing((uv_handle_t *)&stream->tcp))
		return;
	uv_close((uv_handle_t *)&stream->tcp, on_stream_handle_closed);
	uv_close((uv_handle_t *)&stream->timer, on_stream_handle_closed);
}

static void on_stream_timeout(uv_timer_t *timer)
{
	stream_end(timer->data);
}

static struct stream *stream_new(struct transport *transport)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->transport = transport;
	uv_tcp_init(transport->loop, &stream->tcp);
	uv_timer_init(transport->loop, &stream->timer);
	stream->tcp.data = stream->timer.data = stream;
	stream->handles = 2;
	stream->next = transport->streams;
	transport->streams = stream;
	transport->stream_count++;
	return stream;
}

static struct stream *stream_get(struct transport *transport, uint64_t number)
{
	for (struct stream *stream = transport->streams; stream; stream = stream->next) {
		if (stream->number == number && !uv_is_closing((uv_handle_t *)&stream->tcp))
			return stream;
	}
	return NULL;
}

static void on_stream_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct stream *stream = handle->data;

	(void)suggested;
	*ret = uv_buf_init(stream->transport->buffer, DATAGRAM_SLOT);
}

static void on_stream_read(uv_stream_t *tcp, ssize_t size, const uv_buf_t *buf)
{
	struct stream *stream = tcp->data;
	struct transport *transport = stream->transport;

	if (size < 0)
		stream_end(stream);
	else if (size > 0 && stream->number)
		transport->events->received(
			transport->arg, stream->number, buf->base, (size_t)size);
}

static void stream_start(struct stream *stream)
{
	stream->connected = true;
	uv_timer_stop(&stream->timer);
	uv_tcp_nodelay(&stream->tcp, 1);
	if (uv_read_start((uv_stream_t *)&stream->tcp, on_stream_buffer, on_stream_read))
		stream_end(stream);
}

static void on_refused_closed(uv_handle_t *handle)
{
	free(handle);
}

/* One too many: taken off the kernel's queue and closed. */
static void refuse_connection(uv_stream_t *server)
{
	uv_tcp_t *tcp = malloc(sizeof(*tcp));

	if (!tcp)
		return;
	uv_tcp_init(server->loop, tcp);
	(void)!uv_accept(server, (uv_stream_t *)tcp);
	uv_close((uv_handle_t *)tcp, on_refused_closed);
}

static void on_connection(uv_stream_t *server, int status)
{
	struct transport *transport = server->data;
	struct sockaddr_storage addr;
	int size = sizeof(addr);
	struct stream *stream = NULL;
	struct endpoint from;

	if (status)
		return;
	if (transport->stream_count < TRANSPORT_STREAMS_MAX)
		stream = stream_new(transport);
	if (!stream) {
		refuse_connection(server);
		return;
	}
	if (uv_accept(server, (uv_stream_t *)&stream->tcp) ||
		uv_tcp_getpeername(&stream->tcp, (struct sockaddr *)&addr, &size) ||
		!from_sockaddr((struct sockaddr *)&addr, &from)) {
		stream_end(stream);
		return;
	}
	stream->number = transport->next_accepted++;
	stream_start(stream);
	transport->events->accepted(transport->arg, stream->number, &from);
}

static void on_connected(uv_connect_t *request, int status)
{
	struct stream *stream = request->data;
	struct transport *transport = stream->transport;

	if (uv_is_closing((uv_handle_t *)&stream->tcp))
		return;
	if (status) {
		log_debug("connection: %s", uv_strerror(status));
		stream_end(stream);
		return;
	}
	stream_start(stream);
	if (stream->number)
		transport->events->connected(transport->arg, stream->number);
}

/* Connections come from where we listen, where that is one address: hosts with many of them (and
 * many nodes on one host) are told apart by it. */
static int bind_source(struct transport *transport, struct stream *stream)
{
	struct endpoint source = transport->listen;
	struct sockaddr_storage addr;

	if (unspecified(&source))
		return 0;
	source.port = 0;
	to_sockaddr(transport, &source, &addr);
	return uv_tcp_bind(&stream->tcp, (struct sockaddr *)&addr, 0);
}

void transport_connect(struct transport *transport, uint64_t number, const struct endpoint *to)
{
	struct stream *stream = transport->stopped ? NULL : stream_new(transport);
	char text[TEXT_ENDPOINT_SIZE];
	struct sockaddr_storage addr;
	int rc;

	if (!stream)
		return;
	stream->number = number;
	stream->connect.data = stream;
	rc = to_sockaddr(transport, to, &addr) ? bind_source(transport, stream) : UV_EAFNOSUPPORT;
	if (!rc)
		rc = uv_tcp_connect(
			&stream->connect, &stream->tcp, (struct sockaddr *)&addr, on_connected);
	if (rc) {
		log_debug("connection to %s: %s", text_endpoint(to, text), uv_strerror(rc));
		stream_end(stream);
		return;
	}
	uv_timer_start(&stream->timer, on_stream_timeout, TRANSPORT_CONNECT_TIMEOUT_MS, 0);
}

static void on_written(uv_write_t *request, int status)
{
	struct stream_write *write = request->data;
	struct stream *stream = request->handle->data;
	struct transport *transport = stream->transport;

	if (!status && stream->number && !uv_is_closing((uv_handle_t *)&stream->tcp))
		transport->events->sent(transport->arg, stream->number, write->size);
	else if (status && status != UV_ECANCELED)
		stream_end(stream);
	free(write);
}

/* What the socket did not take at once. */
static void stream_queue(struct stream *stream, const uint8_t *data, size_t size)
{
	struct stream_write *write = malloc(sizeof(*write) + size);
	uv_buf_t buf;

	if (!write) {
		stream_end(stream);
		return;
	}
	memcpy(write->bytes, data, size);
	write->size = size;
	write->request.data = write;
	buf = uv_buf_init((char *)write->bytes, (unsigned)size);
	if (uv_write(&write->request, (uv_stream_t *)&stream->tcp, &buf, 1, on_written)) {
		free(write);
		stream_end(stream);
	}
}

void transport_stream_send(
	struct transport *transport, uint64_t number, const void *data, size_t size)
{
	struct stream *stream = stream_get(transport, number);
	uv_buf_t buf = uv_buf_init((char *)data, (unsigned)size);
	int rc;

	if (!stream || !stream->connected || !size)
		return;
	rc = uv_try_write((uv_stream_t *)&stream->tcp, &buf, 1);
	if (rc < 0 && rc != UV_EAGAIN) {
		stream_end(stream);
		return;
	}
	if (rc < 0)
		rc = 0;
	if ((size_t)rc < size)
		stream_queue(stream, (const uint8_t *)data + rc, size - (size_t)rc);
	if (rc > 0)
		transport->events->sent(transport->arg, number, (size_t)rc);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
	struct stream *stream = request->data;

	if (status && status != UV_ECANCELED)
		stream_end(stream);
}

/* Closing a socket with unread bytes in it resets the connection, and the other side may lose what
 * we wrote last: so say that we are done, and read until it is, too. */
void transport_stream_close(struct transport *transport, uint64_t number)
{
	struct stream *stream = stream_get(transport, number);

	if (!stream)
		return;
	stream->number = 0;
	stream->shutdown.data = stream;
	if (!stream->connected ||
		uv_shutdown(&stream->shutdown, (uv_stream_t *)&stream->tcp, on_shutdown)) {
		stream_end(stream);
		return;
	}
	uv_timer_start(&stream->timer, on_stream_timeout, TRANSPORT_LINGER_MS, 0);
}

void transport_drop_streams(struct transport *transport)
{
	for (struct stream *stream = transport->streams; stream; stream = stream->next) {
		stream->number = 0;
		stream_end(stream);
	}
}

/* ---- life ---- */

static int complain(
	struct transport *transport, char error[TRANSPORT_ERROR_SIZE], const char *protocol, int rc)
{
	char text[TEXT_ENDPOINT_SIZE];

	text_endpoint(&transport->listen, text);
	if (rc == UV_EADDRINUSE)
		snprintf(error, TRANSPORT_ERROR_SIZE,
			"%s %s is in use by another program: stop that one (`ss -tulpn` names it), "
			"or "
			"set another [gossip] listen",
			protocol, text);
	else
		snprintf(error, TRANSPORT_ERROR_SIZE, "cannot listen on %s %s: %s", protocol, text,
			uv_strerror(rc));
	return ERR_SYSTEM;
}

/* Switched off by the operator: sockets of that family still work, but lead nowhere. */
static bool ipv6_switched_off(void)
{
	FILE *file = fopen("/proc/sys/net/ipv6/conf/all/disable_ipv6", "re");
	int c = file ? fgetc(file) : '0';

	if (file)
		fclose(file);
	return c == '1';
}

/* Where the kernel has no IPv6 at all, what was to be both is IPv4. */
static void choose_family(struct transport *transport)
{
	int fd;

	transport->family = transport->listen.ip.family == 6 ? AF_INET6 : AF_INET;
	if (transport->family == AF_INET || !unspecified(&transport->listen))
		return;
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		close(fd);
		transport->without_ipv6 = ipv6_switched_off();
		return;
	}
	transport->without_ipv6 = true;
	transport->family = AF_INET;
	transport->listen.ip.family = 4;
}

/* Both kinds of addresses over one socket, whatever net.ipv6.bindv6only says. */
static void set_dual_stack(uv_handle_t *handle, int family)
{
	int off = 0;
	uv_os_fd_t fd;

	if (family == AF_INET6 && !uv_fileno(handle, &fd))
		(void)!setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
}

static int open_sockets(struct transport *transport, char error[TRANSPORT_ERROR_SIZE])
{
	int size = TRANSPORT_RECEIVE_BUFFER;
	struct sockaddr_storage addr;
	uv_os_fd_t fd;
	int rc;

	to_sockaddr(transport, &transport->listen, &addr);
	set_dual_stack((uv_handle_t *)&transport->udp, transport->family);
	rc = uv_udp_bind(&transport->udp, (struct sockaddr *)&addr, 0);
	if (!rc)
		rc = uv_udp_recv_start(&transport->udp, on_buffer, on_datagram);
	if (rc)
		return complain(transport, error, "UDP", rc);
	/* Without the right to exceed the system's limit, up to that. */
	if (!uv_fileno((uv_handle_t *)&transport->udp, &fd) &&
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		(void)!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	set_dual_stack((uv_handle_t *)&transport->tcp, transport->family);
	rc = uv_tcp_bind(&transport->tcp, (struct sockaddr *)&addr, 0);
	if (!rc)
		rc = uv_listen((uv_stream_t *)&transport->tcp, TRANSPORT_BACKLOG, on_connection);
	return rc ? complain(transport, error, "TCP", rc) : 0;
}

/* The handles are in the loop from here on: transport_stop, and free when it has run. */
static int init_handles(struct transport *transport, char error[TRANSPORT_ERROR_SIZE])
{
	int rc = uv_udp_init_ex(
		transport->loop, &transport->udp, (unsigned)transport->family | UV_UDP_RECVMMSG);

	if (rc)
		return complain(transport, error, "UDP", rc);
	rc = uv_tcp_init_ex(transport->loop, &transport->tcp, (unsigned)transport->family);
	if (rc) {
		uv_close((uv_handle_t *)&transport->udp, NULL);
		uv_run(transport->loop, UV_RUN_NOWAIT);
		return complain(transport, error, "TCP", rc);
	}
	transport->udp.data = transport->tcp.data = transport;
	return 0;
}

int transport_new(uv_loop_t *loop, const struct endpoint *listen,
	const struct transport_events *events, void *arg, struct transport **ret,
	char ret_error[TRANSPORT_ERROR_SIZE])
{
	struct transport *transport = calloc(1, sizeof(*transport));
	int err = ERR_NOMEM;

	if (transport)
		transport->buffer = malloc(TRANSPORT_BATCH * DATAGRAM_SLOT);
	if (!transport || !transport->buffer) {
		snprintf(ret_error, TRANSPORT_ERROR_SIZE, "out of memory");
		free(transport);
		return ERR_NOMEM;
	}
	transport->loop = loop;
	transport->events = events;
	transport->arg = arg;
	transport->listen = *listen;
	transport->next_accepted = events->accepted_first;
	choose_family(transport);
	err = init_handles(transport, ret_error);
	if (!err) {
		err = open_sockets(transport, ret_error);
		if (err) {
			transport_stop(transport);
			uv_run(loop, UV_RUN_NOWAIT); /* the handles' memory is ours until then */
		}
	}
	if (err) {
		transport_free(transport);
		return err;
	}
	*ret = transport;
	return 0;
}

void transport_stop(struct transport *transport)
{
	if (!transport || transport->stopped)
		return;
	transport->stopped = true;
	transport_drop_streams(transport);
	uv_close((uv_handle_t *)&transport->udp, NULL);
	uv_close((uv_handle_t *)&transport->tcp, NULL);
}

void transport_free(struct transport *transport)
{
	if (!transport)
		return;
	assert(!transport->streams && !transport->datagrams_queued);
	free(transport->buffer);
	free(transport);
}

bool transport_without_ipv6(const struct transport *transport)
{
	return transport->without_ipv6;
}
