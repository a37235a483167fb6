#include "daemon/transport.h"

#include "daemon/transport_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/sockaddr.h"
#include "gossip/base/text.h"

struct datagram {
	uv_udp_send_t request;
	struct transport *transport;
	uint8_t bytes[];
};

bool transport_unspecified(const struct endpoint *endpoint)
{
	static const struct ip none;

	return !memcmp(endpoint->ip.b, none.b, sizeof(none.b));
}

/* ---- datagrams ---- */

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct transport *transport = handle->data;

	(void)suggested;
	*ret = uv_buf_init(transport->buffer, TRANSPORT_BATCH * TRANSPORT_SLOT_SIZE);
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
	if (transport->stopped || !addr || flags & UV_UDP_PARTIAL ||
		!sockaddr_to_endpoint(addr, &from))
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

	if (transport->stopped || !sockaddr_from_endpoint(to, transport->family, &addr))
		return;
	rc = uv_udp_try_send(&transport->udp, &buf, 1, (struct sockaddr *)&addr);
	if (rc == UV_EAGAIN)
		queue_datagram(transport, (struct sockaddr *)&addr, data, size);
	else if (rc < 0)
		log_debug("datagram to %s: %s", text_endpoint(to, text), uv_strerror(rc));
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
		snprintf(error, TRANSPORT_ERROR_SIZE,
			"cannot listen on %s %s: %s: set another [gossip] listen", protocol, text,
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
	if (transport->family == AF_INET || !transport_unspecified(&transport->listen))
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

	sockaddr_from_endpoint(&transport->listen, transport->family, &addr);
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
		rc = uv_listen(
			(uv_stream_t *)&transport->tcp, TRANSPORT_BACKLOG, transport_stream_accept);
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
		transport->buffer = malloc(TRANSPORT_BATCH * TRANSPORT_SLOT_SIZE);
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
