/*
 * WireGuard's generic netlink messages (linux/wireguard.h), to bytes and back. Pure.
 *
 * A list of operations becomes as many messages as it takes: a message ends where the next prefix
 * would not fit, and the next one goes on with that peer, repeating its public key only. The kernel
 * applies each message in order but not as a whole: at an error, what came before stays.
 */
#ifndef MESHD_WG_WG_MSG_H
#define MESHD_WG_WG_MSG_H

#include "wg/nl.h"
#include "wg/wg.h"

struct wg_msg_writer {
	const struct wg_ops *ops;
	uint32_t ifindex;
	uint16_t family;  /* the message type of "wireguard" */
	size_t op;	  /* the next one to write */
	uint32_t allowed; /* of its prefixes, those that are written */
};

static inline struct wg_msg_writer wg_msg_writer(
	const struct wg_ops *ops, uint16_t family, uint32_t ifindex)
{
	return (struct wg_msg_writer){.ops = ops, .family = family, .ifindex = ifindex};
}

/* The next message, of at most `limit` bytes; false when all is written. The message holds keys:
 * wipe it. The limit has room for one peer with one prefix (256 bytes) and what goes before. */
bool wg_msg_next(struct wg_msg_writer *writer, union nl_msg *msg, size_t limit);

/* A request for the dump of one interface. */
void wg_msg_get(union nl_msg *msg, uint16_t family, uint32_t ifindex);

/* Adds one message of a dump to the device; a peer that goes on from the last message is one peer.
 * ERR_MALFORMED, ERR_LIMIT, ERR_NOMEM: the device is to be thrown away. Seal it at the end. */
int wg_msg_read(const struct nlmsghdr *msg, struct wg_device *device) MUST_CHECK;

#endif
