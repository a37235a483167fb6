/*
 * Netlink messages read with bounds: every length is checked against the bytes that are left before
 * it is used. Pure. Attributes are (length, type, value) padded to four bytes (linux/netlink.h).
 */
#ifndef MESHD_WG_NL_ATTR_H
#define MESHD_WG_NL_ATTR_H

#include <stddef.h>
#include <stdint.h>
#include <linux/netlink.h>

#include "gossip/base/err.h"
#include "gossip/base/types.h"
#include "wg/nl.h"

struct nl_attr {
	const void *data; /* NULL: absent */
	uint16_t type;	  /* without the flags for nesting and byte order */
	uint16_t size;
};

struct nl_cursor {
	const uint8_t *at, *end;
	bool bad; /* a length did not fit; nothing more comes */
};

static inline struct nl_cursor nl_cursor(const void *data, size_t size)
{
	return (struct nl_cursor){data, (const uint8_t *)data + size, false};
}

/* The next attribute; false at the end, and when the bytes are bad. */
bool nl_attr_next(struct nl_cursor *cursor, struct nl_attr *ret);

/* All of them by type, table[0..max]; the last of a type stands, types beyond max are skipped, as
 * the kernel's own parser does. ERR_MALFORMED. */
int nl_attr_table(const void *data, size_t size, struct nl_attr *table, uint16_t max) MUST_CHECK;
static inline int nl_attr_nest(const struct nl_attr *nest, struct nl_attr *table, uint16_t max)
{
	return nl_attr_table(nest->data, nest->size, table, max);
}

/* Values of exactly that size; ERR_MALFORMED otherwise. */
int nl_attr_get(const struct nl_attr *attr, void *ret, size_t size) MUST_CHECK;
int nl_attr_u8(const struct nl_attr *attr, uint8_t *ret) MUST_CHECK;
int nl_attr_u16(const struct nl_attr *attr, uint16_t *ret) MUST_CHECK;
int nl_attr_u32(const struct nl_attr *attr, uint32_t *ret) MUST_CHECK;
int nl_attr_u64(const struct nl_attr *attr, uint64_t *ret) MUST_CHECK;
/* Ends in NUL and fits, NUL included. */
int nl_attr_string(const struct nl_attr *attr, char *ret, size_t size) MUST_CHECK;
/* An address of that AF_ family; ERR_UNSUPPORTED for families that are not IP. */
int nl_attr_ip(const struct nl_attr *attr, int af, struct ip *ret) MUST_CHECK;

/* A message's fixed part after the netlink header, and the attributes behind it. */
int nl_msg_parse(const struct nlmsghdr *msg, void *ret_extra, size_t extra_size,
	struct nl_attr *table, uint16_t max) MUST_CHECK;

/* What an NLMSG_ERROR says: the errno (0: an acknowledgement) and the kernel's own words, cut to
 * fit, with whatever is not printable replaced; empty where it had none. */
int nl_error_parse(
	const struct nlmsghdr *msg, int *ret_errno, char ret_text[NL_ERROR_MAX]) MUST_CHECK;

/* What one event changed, added to changes. Events of other kinds add nothing. */
int nl_changes_add(struct nl_changes *changes, const struct nlmsghdr *msg) MUST_CHECK;

#endif
