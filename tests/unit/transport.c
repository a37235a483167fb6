/* Datagrams and streams over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/transport.h"
#include "gossip/base/text.h"

#define ACCEPTED (UINT64_C(1) << 63)
#define LARGE	 (16 << 20) /* more than a socket takes at once */

struct end {
	struct transport *transport;
	struct endpoint listen;
	struct endpoint from; /* of the last datagram or connection */
	unsigned datagrams, accepted, connected, closed;
	uint64_t stream; /* the last one told of */
	size_t received, sent;
	char first[16]; /* bytes received */
};

struct pair {
	uv_loop_t loop;
	struct end a, b;
};

static void on_datagram(void *arg, const struct endpoint *from, const void *data, size_t size)
{
	struct end *end = arg;

	end->from = *from;
	end->datagrams++;
	memcpy(end->first, data, size < sizeof(end->first) ? size : sizeof(end->first));
}

static void on_accepted(void *arg, uint64_t stream, const struct endpoint *from)
{
	struct end *end = arg;

	end->accepted++;
	end->stream = stream;
	end->from = *from;
}

static void on_connected(void *arg, uint64_t stream)
{
	struct end *end = arg;

	end->connected++;
	end->stream = stream;
}

static void on_received(void *arg, uint64_t stream, const void *data, size_t size)
{
	struct end *end = arg;

	(void)data;
	assert_int_equal(stream, end->stream);
	end->received += size;
}

static void on_sent(void *arg, uint64_t stream, size_t size)
{
	struct end *end = arg;

	(void)stream;
	end->sent += size;
}

static void on_closed(void *arg, uint64_t stream)
{
	struct end *end = arg;

	(void)stream;
	end->closed++;
}

static const struct transport_events events = {
	ACCEPTED, on_datagram, on_accepted, on_connected, on_received, on_sent, on_closed};

/* A port that nobody has, for UDP and TCP: asked of the kernel. */
static uint16_t free_port(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &size), 0);
	close(fd);
	return ntohs(addr.sin_port);
}

static void end_open(struct pair *pair, struct end *end, const char *ip)
{
	char error[TRANSPORT_ERROR_SIZE];

	assert_int_equal(text_parse_ip(ip, &end->listen.ip), 0);
	end->listen.port = free_port();
	if (transport_new(&pair->loop, &end->listen, &events, end, &end->transport, error))
		fail_msg("%s", error);
}

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	assert_int_equal(uv_loop_init(&pair->loop), 0);
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	transport_stop(pair->a.transport);
	transport_stop(pair->b.transport);
	uv_run(&pair->loop, UV_RUN_DEFAULT);
	transport_free(pair->a.transport);
	transport_free(pair->b.transport);
	assert_int_equal(uv_loop_close(&pair->loop), 0);
	free(pair);
	return 0;
}

#define wait_until(pair, condition)                 \
	do {                                        \
		uv_run(&(pair)->loop, UV_RUN_ONCE); \
	} while (!(condition))

static struct endpoint at(const char *ip, uint16_t port)
{
	struct endpoint endpoint = {.port = port};

	assert_int_equal(text_parse_ip(ip, &endpoint.ip), 0);
	return endpoint;
}

static void ipv4_is_ipv4_on_a_socket_for_both(void **state)
{
	struct pair *pair = *state;
	struct endpoint b;

	end_open(pair, &pair->a, "::");
	end_open(pair, &pair->b, "::");
	assert_false(transport_without_ipv6(pair->a.transport));
	b = at("127.0.0.1", pair->b.listen.port);
	transport_send(pair->a.transport, &b, "hello", 6);
	wait_until(pair, pair->b.datagrams == 1);
	assert_string_equal(pair->b.first, "hello");
	b = at("127.0.0.1", pair->a.listen.port);
	assert_true(endpoint_equal(&pair->b.from, &b));
	b = at("::1", pair->b.listen.port);
	transport_send(pair->a.transport, &b, "again", 6);
	wait_until(pair, pair->b.datagrams == 2);
	b = at("::1", pair->a.listen.port);
	assert_true(endpoint_equal(&pair->b.from, &b));
	b = at("127.0.0.1", pair->b.listen.port);
	transport_connect(pair->a.transport, 1, &b);
	wait_until(pair, pair->b.accepted && pair->a.connected);
	assert_int_equal(pair->b.from.ip.family, 4);
	assert_true(pair->b.stream & ACCEPTED);
}

static void a_burst_arrives_datagram_by_datagram(void **state)
{
	struct pair *pair = *state;

	end_open(pair, &pair->a, "127.0.0.1");
	end_open(pair, &pair->b, "127.0.0.2");
	for (int i = 0; i < 50; i++)
		transport_send(pair->a.transport, &pair->b.listen, "0123456789", 10);
	wait_until(pair, pair->b.datagrams == 50);
	assert_true(endpoint_equal(&pair->b.from, &pair->a.listen));
}

static void connections_come_from_the_address_listened_on(void **state)
{
	struct pair *pair = *state;

	end_open(pair, &pair->a, "127.0.0.3");
	end_open(pair, &pair->b, "127.0.0.4");
	transport_connect(pair->a.transport, 1, &pair->b.listen);
	wait_until(pair, pair->b.accepted);
	assert_true(ip_equal(&pair->b.from.ip, &pair->a.listen.ip));
}

static void what_was_sent_goes_out_before_a_stream_closes(void **state)
{
	struct pair *pair = *state;
	char *data = calloc(1, LARGE);

	end_open(pair, &pair->a, "127.0.0.1");
	end_open(pair, &pair->b, "127.0.0.2");
	transport_connect(pair->a.transport, 5, &pair->b.listen);
	wait_until(pair, pair->a.connected && pair->b.accepted);
	assert_int_equal(pair->a.stream, 5);
	transport_stream_send(pair->b.transport, pair->b.stream, "unread", 6);
	transport_stream_send(pair->a.transport, 5, data, LARGE);
	transport_stream_close(pair->a.transport, 5);
	free(data);
	wait_until(pair, pair->b.closed);
	assert_int_equal(pair->b.received, LARGE);
	assert_int_equal(pair->a.closed, 0); /* who closes is not told */
	assert_int_equal(pair->b.sent, 6);
}

static void what_has_gone_out_is_counted(void **state)
{
	struct pair *pair = *state;
	char *data = calloc(1, LARGE);

	end_open(pair, &pair->a, "127.0.0.1");
	end_open(pair, &pair->b, "127.0.0.2");
	transport_connect(pair->a.transport, 5, &pair->b.listen);
	wait_until(pair, pair->a.connected);
	transport_stream_send(pair->a.transport, 5, data, LARGE);
	assert_true(pair->a.sent < LARGE);
	transport_stream_send(pair->a.transport, 5, data, 100);
	free(data);
	wait_until(pair, pair->a.sent == LARGE + 100 && pair->b.received == LARGE + 100);
}

static void a_connection_that_nobody_takes_is_told_closed(void **state)
{
	struct pair *pair = *state;
	struct endpoint nobody = at("127.0.0.1", free_port());
	struct endpoint six = at("::1", 1);

	end_open(pair, &pair->a, "127.0.0.1");
	transport_connect(pair->a.transport, 1, &nobody);
	transport_connect(pair->a.transport, 2, &six); /* no such socket */
	assert_int_equal(pair->a.closed, 0);
	wait_until(pair, pair->a.closed == 2);
	transport_stream_send(pair->a.transport, 1, "late", 4);
	transport_stream_close(pair->a.transport, 1);
}

static void connections_without_end_are_refused(void **state)
{
	struct pair *pair = *state;
	int fds[TRANSPORT_STREAMS_MAX + 8];
	struct sockaddr_in addr = {.sin_family = AF_INET};

	end_open(pair, &pair->a, "127.0.0.1");
	addr.sin_port = htons(pair->a.listen.port);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&addr, sizeof(addr)), 0);
		uv_run(&pair->loop, UV_RUN_NOWAIT);
	}
	uv_run(&pair->loop, UV_RUN_NOWAIT);
	assert_int_equal(pair->a.accepted, TRANSPORT_STREAMS_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	wait_until(pair, pair->a.closed == TRANSPORT_STREAMS_MAX);
}

static void a_port_in_use_is_told_with_what_to_do(void **state)
{
	struct pair *pair = *state;
	char error[TRANSPORT_ERROR_SIZE], expected[TRANSPORT_ERROR_SIZE];

	end_open(pair, &pair->a, "127.0.0.1");
	assert_int_equal(transport_new(&pair->loop, &pair->a.listen, &events, &pair->b,
				 &pair->b.transport, error),
		ERR_SYSTEM);
	snprintf(expected, sizeof(expected),
		"UDP 127.0.0.1:%u is in use by another program: stop that one (`ss -tulpn` names "
		"it), or set another [gossip] listen",
		pair->a.listen.port);
	assert_string_equal(error, expected);
	assert_null(pair->b.transport);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ipv4_is_ipv4_on_a_socket_for_both),
		TEST(a_burst_arrives_datagram_by_datagram),
		TEST(connections_come_from_the_address_listened_on),
		TEST(what_was_sent_goes_out_before_a_stream_closes),
		TEST(what_has_gone_out_is_counted),
		TEST(a_connection_that_nobody_takes_is_told_closed),
		TEST(connections_without_end_are_refused),
		TEST(a_port_in_use_is_told_with_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
