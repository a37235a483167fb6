#include "cli/echo.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/interrupt.h"

#define HEAD_SIZE    8 /* type, code, checksum, id, sequence: the same in both families */
#define IPV4_HEADER  20
#define IPV6_HEADER  40
#define COOKIE_SIZE  sizeof(uint64_t)
#define IPV4_REPLY   0
#define IPV4_REQUEST 8

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int connect_to(int fd, const struct ip *to)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	memcpy(&in.sin_addr, to->b, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, to->b, sizeof(in6.sin6_addr));
	return to->family == 4 ? connect(fd, (const struct sockaddr *)&in, sizeof(in))
			       : connect(fd, (const struct sockaddr *)&in6, sizeof(in6));
}

/* Larger ones come to their end whole, or not at all. */
static void forbid_fragments(const struct echo *echo)
{
	int on = IP_PMTUDISC_PROBE, on6 = IPV6_PMTUDISC_PROBE;

	if (echo->family == 4)
		(void)setsockopt(echo->fd, IPPROTO_IP, IP_MTU_DISCOVER, &on, sizeof(on));
	else
		(void)setsockopt(echo->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &on6, sizeof(on6));
}

int echo_open(struct echo *echo, const struct ip *to)
{
	int domain = to->family == 4 ? AF_INET : AF_INET6;
	int protocol = to->family == 4 ? IPPROTO_ICMP : (int)IPPROTO_ICMPV6;

	*echo = (struct echo){.family = to->family};
	randombytes_buf(&echo->cookie, sizeof(echo->cookie));
	randombytes_buf(&echo->id, sizeof(echo->id));
	echo->fd = socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, protocol);
	if (echo->fd < 0) {
		echo->raw = true;
		echo->fd = socket(domain, SOCK_RAW | SOCK_CLOEXEC, protocol);
	}
	if (echo->fd < 0)
		return errno == EPERM || errno == EACCES ? ERR_AUTH : ERR_SYSTEM;
	forbid_fragments(echo);
	if (connect_to(echo->fd, to) == 0)
		return 0;
	echo_close(echo);
	return ERR_SYSTEM;
}

void echo_close(struct echo *echo)
{
	int number = errno;

	if (echo->fd >= 0)
		close(echo->fd);
	echo->fd = -1;
	errno = number;
}

/* RFC 1071; a raw socket of IPv4 wants it from us. */
static uint16_t checksum(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (size % 2)
		sum += (uint32_t)bytes[size - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint16_t number)
{
	at[0] = (uint8_t)(number >> 8);
	at[1] = (uint8_t)number;
}

static int send_one(struct echo *echo, size_t size)
{
	uint8_t bytes[ECHO_SIZE_MAX] = {0};

	bytes[0] = echo->family == 4 ? IPV4_REQUEST : ICMP6_ECHO_REQUEST;
	put16(bytes + 4, echo->id);
	put16(bytes + 6, ++echo->sequence);
	memcpy(bytes + HEAD_SIZE, &echo->cookie, COOKIE_SIZE);
	if (echo->family == 4)
		put16(bytes + 2, checksum(bytes, size));
	if (send(echo->fd, bytes, size, 0) == (ssize_t)size)
		return 0;
	return errno == EMSGSIZE ? ERR_TOO_BIG : ERR_SYSTEM;
}

/* Whether these bytes answer what was sent last. */
static bool is_answer(const struct echo *echo, const uint8_t *bytes, size_t size)
{
	uint8_t wanted[2];

	if (echo->raw && echo->family == 4) {
		size_t header = size ? (size_t)(bytes[0] & 15) * 4 : 0;

		if (header < IPV4_HEADER || header > size)
			return false;
		bytes += header;
		size -= header;
	}
	put16(wanted, echo->sequence);
	return size >= HEAD_SIZE + COOKIE_SIZE &&
	       bytes[0] == (echo->family == 4 ? IPV4_REPLY : ICMP6_ECHO_REPLY) &&
	       memcmp(bytes + 6, wanted, sizeof(wanted)) == 0 &&
	       memcmp(bytes + HEAD_SIZE, &echo->cookie, COOKIE_SIZE) == 0;
}

static int wait_for_answer(const struct echo *echo, double until_ms)
{
	uint8_t bytes[ECHO_SIZE_MAX + 64];
	struct pollfd poll_fd = {.fd = echo->fd, .events = POLLIN};
	double left_ms;
	ssize_t size;

	while ((left_ms = until_ms - now_ms()) > 0) {
		int ready = poll(&poll_fd, 1, (int)left_ms + 1);

		if (ready < 0 && (errno != EINTR || interrupt_came()))
			return ERR_SYSTEM;
		if (ready <= 0)
			continue;
		size = recv(echo->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (size < 0 && errno != EAGAIN && errno != EINTR)
			return ERR_SYSTEM;
		if (size > 0 && is_answer(echo, bytes, (size_t)size))
			return 0;
	}
	return ERR_TIMEOUT;
}

int echo_ask(struct echo *echo, size_t packet_size, int64_t timeout_ms, double *ret_ms)
{
	size_t header = echo->family == 4 ? IPV4_HEADER : IPV6_HEADER;
	size_t size = ECHO_SIZE;
	double start_ms = now_ms();
	int err;

	if (packet_size > header + HEAD_SIZE + COOKIE_SIZE)
		size = packet_size - header;
	if (size > ECHO_SIZE_MAX)
		return ERR_TOO_BIG;
	err = send_one(echo, size);
	if (err == 0)
		err = wait_for_answer(echo, start_ms + (double)timeout_ms);
	if (err == 0)
		*ret_ms = now_ms() - start_ms;
	return err;
}
