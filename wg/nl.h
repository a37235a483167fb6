/*
 * The one seam to the kernel: netlink requests, dumps and events (RFC 3549, linux/netlink.h). Tests
 * that need no kernel link another implementation of it.
 *
 * Requests and events have sockets of their own, so that a burst of events never delays an answer.
 * Calls block for at most NL_TIMEOUT_MS a datagram; the kernel answers at once, so that is for
 * faults only. What the kernel said about a failure, its extended text included, stays in
 * nl_error().
 *
 * Errors of every call here: ERR_UNKNOWN (no such object), ERR_UNSUPPORTED (no such module or
 * function in this kernel), ERR_STATE (it exists already), ERR_INVALID, ERR_NOMEM, ERR_TIMEOUT,
 * ERR_MALFORMED (an answer we cannot read), ERR_SYSTEM (all else; nl_errno() has the number).
 */
#ifndef MESHD_WG_NL_H
#define MESHD_WG_NL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/netlink.h>

#include "gossip/base/err.h"

#define NL_TIMEOUT_MS	 2000
#define NL_MESSAGE_MAX	 8192 /* a request: what every kernel takes in one piece */
#define NL_ERROR_MAX	 256  /* the text of nl_error() */
#define NL_DUMP_TRIES	 8    /* of a dump that changes underneath us; then it is taken as it is */
#define NL_IFINDEXES_MAX 32   /* told apart by one drain; more are "any" */
#define NL_DRAIN_MAX	 256  /* datagrams read by one drain: the loop has other work too */

enum nl_bus {
	NL_ROUTE,
	NL_GENERIC,
	NL_NETFILTER,
	NL_BUS_COUNT,
};

/* A request under construction: libmnl's mnl_nlmsg_put_header(msg.bytes) and mnl_attr_put_*_check.
 */
union nl_msg {
	struct nlmsghdr header;
	uint8_t bytes[NL_MESSAGE_MAX];
};

struct nl;

int nl_new(struct nl **ret) MUST_CHECK;
void nl_free(struct nl *nl);

/* Sends one request and waits for the acknowledgement; the type and the extra flags are the
 * caller's, REQUEST, ACK and the sequence number are set here. */
int nl_request(struct nl *nl, enum nl_bus bus, struct nlmsghdr *msg) MUST_CHECK;

/* One object of a dump; NULL at its start and again each time it starts over because the tables
 * changed meanwhile: forget what was collected. A negative return ends the dump with that error. */
typedef int (*nl_dump_cb)(const struct nlmsghdr *msg, void *context);
int nl_dump(struct nl *nl, enum nl_bus bus, struct nlmsghdr *msg, nl_dump_cb cb,
	void *context) MUST_CHECK;
/* A request that is answered by one object instead of a bare acknowledgement. */
int nl_query(struct nl *nl, enum nl_bus bus, struct nlmsghdr *msg, nl_dump_cb cb,
	void *context) MUST_CHECK;

/* The message type of a generic netlink family. */
int nl_family(struct nl *nl, const char *name, uint16_t *ret_type) MUST_CHECK;

/* What the kernel said about the last failure: text for people, and the errno (0: not its refusal).
 */
const char *nl_error(const struct nl *nl);
int nl_errno(const struct nl *nl);

/* Events. They are hints: IPv4 tells of no route that a link took with it, and any burst may be
 * lost. Whoever hears of a change looks at the whole. */
struct nl_monitor;

struct nl_changes {
	bool link, addr, route;
	bool replaced;	/* an IPv4 route took the place of another, over whichever link that was */
	bool neighbour; /* forwarding entries included; ifindexes: a bridge's port, or the link */
	bool any;	/* some may have been lost, or more links than fit: look at everything */
	bool more;	/* the bound was reached: drain again */
	uint32_t ifindexes[NL_IFINDEXES_MAX]; /* each once; 0 for routes over more than one link */
	size_t ifindex_count;
};

int nl_monitor_new(struct nl_monitor **ret) MUST_CHECK;
/* The same of neighbours and forwarding entries in the place of routes. */
int nl_monitor_new_neighbours(struct nl_monitor **ret) MUST_CHECK;
void nl_monitor_free(struct nl_monitor *monitor);
int nl_monitor_fd(const struct nl_monitor *monitor); /* readable: drain */
int nl_monitor_drain(struct nl_monitor *monitor, struct nl_changes *ret) MUST_CHECK;
bool nl_changes_touch(const struct nl_changes *changes, uint32_t ifindex);

#endif
