#include "l2/guard_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "wg/nl_attr.h"

#define RECEIVE_SIZE 65536
#define DRAIN_MAX    256 /* datagrams at once: the loop has other work too */

struct guard_watch {
	struct mnl_socket *socket;
	char table[GUARD_TABLE_SIZE];
	uint8_t buffer[RECEIVE_SIZE] __attribute__((aligned(8)));
};

int guard_watch_new(const char *interface, struct guard_watch **ret)
{
	struct guard_watch *watch = calloc(1, sizeof(*watch));
	int group = NFNLGRP_NFTABLES;

	if (!watch)
		return ERR_NOMEM;
	if (guard_table(interface, watch->table))
		goto fail;
	watch->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!watch->socket || mnl_socket_bind(watch->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	if (mnl_socket_setsockopt(watch->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		goto fail;
	*ret = watch;
	return 0;
fail:
	guard_watch_free(watch);
	return ERR_SYSTEM;
}

void guard_watch_free(struct guard_watch *watch)
{
	if (!watch)
		return;
	if (watch->socket)
		mnl_socket_close(watch->socket);
	free(watch);
}

int guard_watch_fd(const struct guard_watch *watch)
{
	return mnl_socket_get_fd(watch->socket);
}

/* Of every message about tables and what is in them the first attribute is the table's name; that
 * of a generation, which ends each transaction, is a number. */
_Static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 &&
		       NFTA_SET_TABLE == 1 && NFTA_SET_ELEM_LIST_TABLE == 1 && NFTA_OBJ_TABLE == 1,
	"the table's name");

bool guard_watch_concerns(const struct nlmsghdr *msg, const char *table)
{
	struct nl_attr attrs[NFTA_TABLE_NAME + 1];
	char name[NFT_TABLE_MAXNAMELEN];
	struct nfgenmsg head;

	if (NFNL_SUBSYS_ID(msg->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
		NFNL_MSG_TYPE(msg->nlmsg_type) == NFT_MSG_NEWGEN)
		return false;
	if (nl_msg_parse(msg, &head, sizeof(head), attrs, NFTA_TABLE_NAME) ||
		nl_attr_string(&attrs[NFTA_TABLE_NAME], name, sizeof(name)))
		return true;
	return strcmp(name, table) == 0;
}

bool guard_watch_drain(struct guard_watch *watch)
{
	bool concerned = false;

	for (int datagrams = 0; datagrams < DRAIN_MAX; datagrams++) {
		ssize_t size =
			mnl_socket_recvfrom(watch->socket, watch->buffer, sizeof(watch->buffer));
		int left = size;

		if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (size < 0)
			concerned |= errno != EINTR;
		for (const struct nlmsghdr *msg = (void *)watch->buffer;
			left > 0 && mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left))
			concerned |= guard_watch_concerns(msg, watch->table);
	}
	return concerned;
}
