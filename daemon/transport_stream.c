#include "daemon/transport_internal.h"

#include <stdlib.h>

#include "daemon/log.h"
#include "daemon/sockaddr.h"
#include "gossip/base/text.h"

/* Bytes that are read of a stream in a turn of the loop: a sync's worth some milliseconds of
 * verifying, and probes are to be answered in between. */
#define STREAM_READ_SIZE 32768

struct stream {
	struct transport *transport;
	struct stream *next;
	uint64_t number; /* 0: nobody is told of it any more */
	bool connected;
	bool rests; /* it had its share of this turn */
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
	*ret = uv_buf_init(stream->transport->buffer, stream->rests ? 0 : STREAM_READ_SIZE);
	stream->rests = false;
}

static void on_stream_read(uv_stream_t *tcp, ssize_t size, const uv_buf_t *buf)
{
	struct stream *stream = tcp->data;
	struct transport *transport = stream->transport;

	if (size == UV_ENOBUFS)
		return; /* it rests: what is there is read in the next turn */
	/* after a full buffer libuv would go on at once */
	stream->rests = size == STREAM_READ_SIZE;
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

void transport_stream_accept(uv_stream_t *server, int status)
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
		!sockaddr_to_endpoint((struct sockaddr *)&addr, &from)) {
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

	if (transport_unspecified(&source))
		return 0;
	source.port = 0;
	sockaddr_from_endpoint(&source, transport->family, &addr);
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
	rc = sockaddr_from_endpoint(to, transport->family, &addr) ? bind_source(transport, stream)
								  : UV_EAFNOSUPPORT;
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
