#include "wg/nl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/rtnetlink.h>
#include <sodium.h>

#include "wg/nl_attr.h"

#define RECEIVE_SIZE	    65536     /* the kernel's dumps come in at most 32 KiB */
#define MONITOR_BUFFER_SIZE (1 << 20) /* events: some thousand routes at once */

struct nl {
	struct mnl_socket *sockets[NL_BUS_COUNT]; /* opened at first use */
	uint32_t sequence;
	int last_errno;
	char error[NL_ERROR_MAX];
	uint8_t buffer[RECEIVE_SIZE] __attribute__((aligned(8)));
};

struct nl_monitor {
	struct mnl_socket *socket;
	uint8_t buffer[RECEIVE_SIZE] __attribute__((aligned(8)));
};

int nl_new(struct nl **ret)
{
	struct nl *nl = calloc(1, sizeof(*nl));

	if (!nl)
		return ERR_NOMEM;
	*ret = nl;
	return 0;
}

static void close_bus(struct nl *nl, enum nl_bus bus)
{
	if (nl->sockets[bus])
		mnl_socket_close(nl->sockets[bus]);
	nl->sockets[bus] = NULL;
}

void nl_free(struct nl *nl)
{
	if (!nl)
		return;
	for (enum nl_bus bus = 0; bus < NL_BUS_COUNT; bus++)
		close_bus(nl, bus);
	free(nl);
}

const char *nl_error(const struct nl *nl)
{
	return nl->error;
}

int nl_errno(const struct nl *nl)
{
	return nl->last_errno;
}

static int err_of_errno(int number)
{
	switch (number) {
	case 0:
		return 0;
	case ENODEV:
	case ENOENT:
	case ENXIO:
	case ESRCH:
	case EADDRNOTAVAIL:
		return ERR_UNKNOWN;
	case EOPNOTSUPP:
	case EAFNOSUPPORT:
	case EPROTONOSUPPORT:
		return ERR_UNSUPPORTED;
	case EEXIST:
		return ERR_STATE;
	case EADDRINUSE:
		return ERR_IN_USE;
	case EINVAL:
	case ERANGE:
		return ERR_INVALID;
	case ENOMEM:
	case ENOBUFS:
		return ERR_NOMEM;
	case EAGAIN:
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	default:
		return ERR_SYSTEM;
	}
}

/* Keeps what is to be shown: `kernel_text (errno's text)`. */
static int fail_errno(struct nl *nl, int number, const char *kernel_text)
{
	nl->last_errno = number;
	if (kernel_text[0])
		snprintf(
			nl->error, sizeof(nl->error), "%.200s (%s)", kernel_text, strerror(number));
	else
		snprintf(nl->error, sizeof(nl->error), "%s", strerror(number));
	return err_of_errno(number);
}

static int fail_text(struct nl *nl, int err, const char *text)
{
	nl->last_errno = 0;
	snprintf(nl->error, sizeof(nl->error), "%s", text);
	return err;
}

static int open_bus(struct nl *nl, enum nl_bus bus)
{
	static const int protocols[NL_BUS_COUNT] = {
		NETLINK_ROUTE, NETLINK_GENERIC, NETLINK_NETFILTER};
	struct timeval timeout = {.tv_sec = NL_TIMEOUT_MS / 1000};
	struct mnl_socket *socket;
	int on = 1;

	if (nl->sockets[bus])
		return 0;
	socket = mnl_socket_open2(protocols[bus], SOCK_CLOEXEC);
	if (!socket)
		return fail_errno(nl, errno, "netlink socket");
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int number = errno;
		mnl_socket_close(socket);
		return fail_errno(nl, number, "netlink socket");
	}
	/* Kernels without one of these still work, with fewer words or wider dumps. */
	(void)mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	(void)setsockopt(
		mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	nl->sockets[bus] = socket;
	return 0;
}

struct exchange {
	uint32_t sequence;
	nl_dump_cb cb;
	void *context;
	bool finished, interrupted;
};

/* An error message or the end of a dump: what the kernel concluded. */
static int conclude(struct nl *nl, struct exchange *exchange, const struct nlmsghdr *msg)
{
	char text[NL_ERROR_MAX] = "";
	int number = 0;

	exchange->finished = true;
	if (msg->nlmsg_type == NLMSG_DONE) {
		if (msg->nlmsg_len >= NLMSG_HDRLEN + sizeof(number))
			memcpy(&number, (const uint8_t *)msg + NLMSG_HDRLEN, sizeof(number));
		number = number < 0 ? -number : 0;
	} else if (nl_error_parse(msg, &number, text)) {
		return fail_text(nl, ERR_MALFORMED, "malformed netlink error");
	}
	return number ? fail_errno(nl, number, text) : 0;
}

static int take_message(struct nl *nl, struct exchange *exchange, const struct nlmsghdr *msg)
{
	int err;

	if (msg->nlmsg_seq != exchange->sequence)
		return 0; /* left over from a request that timed out */
	if (msg->nlmsg_flags & NLM_F_DUMP_INTR)
		exchange->interrupted = true;
	if (msg->nlmsg_type == NLMSG_ERROR || msg->nlmsg_type == NLMSG_DONE)
		return conclude(nl, exchange, msg);
	if (msg->nlmsg_type < NLMSG_MIN_TYPE || !exchange->cb)
		return 0;
	err = exchange->cb(msg, exchange->context);
	return err ? fail_text(nl, err, err_text(err)) : 0;
}

static int receive(struct nl *nl, enum nl_bus bus, struct exchange *exchange)
{
	while (!exchange->finished) {
		ssize_t size =
			mnl_socket_recvfrom(nl->sockets[bus], nl->buffer, sizeof(nl->buffer));
		int left = size, err = 0;

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			err = fail_errno(
				nl, errno, errno == EAGAIN ? "the kernel does not answer" : "");
		for (const struct nlmsghdr *msg = (void *)nl->buffer;
			!err && left > 0 && mnl_nlmsg_ok(msg, left);
			msg = mnl_nlmsg_next(msg, &left))
			err = take_message(nl, exchange, msg);
		if (bus == NL_GENERIC && size > 0) /* WireGuard's keys were in it */
			sodium_memzero(nl->buffer, size);
		if (err) {
			if (!exchange->finished) /* the rest of this answer must not meet the next
						  */
				close_bus(nl, bus);
			return err;
		}
	}
	return 0;
}

static int talk(struct nl *nl, enum nl_bus bus, struct nlmsghdr *msg, struct exchange *exchange)
{
	int err = open_bus(nl, bus);

	if (err)
		return err;
	if (++nl->sequence == 0)
		nl->sequence = 1; /* 0 is the events' */
	msg->nlmsg_seq = exchange->sequence = nl->sequence;
	if (mnl_socket_sendto(nl->sockets[bus], msg, msg->nlmsg_len) < 0)
		return fail_errno(nl, errno, "");
	return receive(nl, bus, exchange);
}

int nl_request(struct nl *nl, enum nl_bus bus, struct nlmsghdr *msg)
{
	struct exchange exchange = {0};

	assert(msg->nlmsg_len <= NL_MESSAGE_MAX);
	msg->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	return talk(nl, bus, msg, &exchange);
}

int nl_query(struct nl *nl, enum nl_bus bus, struct nlmsghdr *msg, nl_dump_cb cb, void *context)
{
	struct exchange exchange = {.cb = cb, .context = context};

	msg->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	return talk(nl, bus, msg, &exchange);
}

int nl_dump(struct nl *nl, enum nl_bus bus, struct nlmsghdr *msg, nl_dump_cb cb, void *context)
{
	msg->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	for (int try = 0; try < NL_DUMP_TRIES; try++) {
		struct exchange exchange = {.cb = cb, .context = context};
		int err = cb(NULL, context);

		if (!err)
			err = talk(nl, bus, msg, &exchange);
		if (err || !exchange.interrupted)
			return err;
	}
	return 0;
}

static int take_family(const struct nlmsghdr *msg, void *context)
{
	struct nl_attr table[CTRL_ATTR_FAMILY_ID + 1];
	struct genlmsghdr head;
	int err = nl_msg_parse(msg, &head, sizeof(head), table, CTRL_ATTR_FAMILY_ID);

	return err ? err : nl_attr_u16(&table[CTRL_ATTR_FAMILY_ID], context);
}

int nl_family(struct nl *nl, const char *name, uint16_t *ret_type)
{
	union nl_msg msg;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(msg.bytes);
	struct genlmsghdr *head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));
	uint16_t type = 0;
	int err;

	nlh->nlmsg_type = GENL_ID_CTRL;
	head->cmd = CTRL_CMD_GETFAMILY;
	head->version = 1;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, name);
	err = nl_query(nl, NL_GENERIC, nlh, take_family, &type);
	if (err)
		return err;
	if (type < NLMSG_MIN_TYPE)
		return fail_text(nl, ERR_MALFORMED, "malformed generic netlink family");
	*ret_type = type;
	return 0;
}

static int monitor_new(const int *groups, size_t count, struct nl_monitor **ret)
{
	struct nl_monitor *monitor = calloc(1, sizeof(*monitor));
	int size = MONITOR_BUFFER_SIZE;

	if (!monitor)
		return ERR_NOMEM;
	monitor->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!monitor->socket || mnl_socket_bind(monitor->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	/* Without CAP_NET_ADMIN the default size stays, and bursts are lost earlier. */
	(void)setsockopt(nl_monitor_fd(monitor), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	for (size_t i = 0; i < count; i++) {
		int group = groups[i];
		if (mnl_socket_setsockopt(
			    monitor->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			goto fail;
	}
	*ret = monitor;
	return 0;
fail:
	nl_monitor_free(monitor);
	return ERR_SYSTEM;
}

int nl_monitor_new(struct nl_monitor **ret)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};

	return monitor_new(groups, ARRAY_SIZE(groups), ret);
}

int nl_monitor_new_neighbours(struct nl_monitor **ret)
{
	static const int groups[] = {
		RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NEIGH};

	return monitor_new(groups, ARRAY_SIZE(groups), ret);
}

void nl_monitor_free(struct nl_monitor *monitor)
{
	if (!monitor)
		return;
	if (monitor->socket)
		mnl_socket_close(monitor->socket);
	free(monitor);
}

int nl_monitor_fd(const struct nl_monitor *monitor)
{
	return mnl_socket_get_fd(monitor->socket);
}

int nl_monitor_drain(struct nl_monitor *monitor, struct nl_changes *ret)
{
	struct nl_changes changes = {0};
	int datagrams;

	for (datagrams = 0; datagrams < NL_DRAIN_MAX; datagrams++) {
		ssize_t size = mnl_socket_recvfrom(
			monitor->socket, monitor->buffer, sizeof(monitor->buffer));
		int left = size;

		if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (size < 0 && errno != ENOBUFS && errno != EINTR && errno != ENOSPC)
			return ERR_SYSTEM;
		if (size < 0) {
			changes.any |= errno != EINTR;
			continue;
		}
		for (const struct nlmsghdr *msg = (void *)monitor->buffer;
			left > 0 && mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left))
			if (nl_changes_add(&changes, msg))
				changes.any = true;
	}
	changes.more = datagrams == NL_DRAIN_MAX;
	*ret = changes;
	return 0;
}
