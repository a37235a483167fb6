#include "wg/nl_attr.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/rtnetlink.h>

bool nl_attr_next(struct nl_cursor *cursor, struct nl_attr *ret)
{
	size_t left = cursor->end - cursor->at, padded;
	struct nlattr head;

	if (cursor->bad || left == 0)
		return false;
	if (left < sizeof(head))
		goto bad;
	memcpy(&head, cursor->at, sizeof(head));
	if (head.nla_len < sizeof(head) || head.nla_len > left)
		goto bad;
	ret->type = head.nla_type & NLA_TYPE_MASK;
	ret->size = head.nla_len - sizeof(head);
	ret->data = cursor->at + sizeof(head);
	padded = NLA_ALIGN(head.nla_len);
	cursor->at += padded < left ? padded : left;
	return true;
bad:
	cursor->bad = true;
	return false;
}

int nl_attr_table(const void *data, size_t size, struct nl_attr *table, uint16_t max)
{
	struct nl_cursor cursor = nl_cursor(data, size);
	struct nl_attr attr;

	memset(table, 0, (max + 1) * sizeof(*table));
	while (nl_attr_next(&cursor, &attr))
		if (attr.type <= max)
			table[attr.type] = attr;
	return cursor.bad ? ERR_MALFORMED : 0;
}

int nl_attr_get(const struct nl_attr *attr, void *ret, size_t size)
{
	if (!attr->data || attr->size != size)
		return ERR_MALFORMED;
	memcpy(ret, attr->data, size);
	return 0;
}

int nl_attr_u8(const struct nl_attr *attr, uint8_t *ret)
{
	return nl_attr_get(attr, ret, sizeof(*ret));
}

int nl_attr_u16(const struct nl_attr *attr, uint16_t *ret)
{
	return nl_attr_get(attr, ret, sizeof(*ret));
}

int nl_attr_u32(const struct nl_attr *attr, uint32_t *ret)
{
	return nl_attr_get(attr, ret, sizeof(*ret));
}

int nl_attr_u64(const struct nl_attr *attr, uint64_t *ret)
{
	return nl_attr_get(attr, ret, sizeof(*ret));
}

int nl_attr_string(const struct nl_attr *attr, char *ret, size_t size)
{
	if (!attr->data || attr->size == 0 || attr->size > size ||
		memchr(attr->data, '\0', attr->size) != (const char *)attr->data + attr->size - 1)
		return ERR_MALFORMED;
	memcpy(ret, attr->data, attr->size);
	return 0;
}

int nl_attr_ip(const struct nl_attr *attr, int af, struct ip *ret)
{
	struct ip ip = {.family = af == AF_INET ? 4 : 6};
	int err;

	if (af != AF_INET && af != AF_INET6)
		return ERR_UNSUPPORTED;
	err = nl_attr_get(attr, ip.b, af == AF_INET ? 4 : 16);
	if (!err)
		*ret = ip;
	return err;
}

int nl_msg_parse(const struct nlmsghdr *msg, void *ret_extra, size_t extra_size,
	struct nl_attr *table, uint16_t max)
{
	size_t head = NLMSG_HDRLEN + NLMSG_ALIGN(extra_size);
	int err;

	if (msg->nlmsg_len < head)
		return ERR_MALFORMED;
	err = nl_attr_table((const uint8_t *)msg + head, msg->nlmsg_len - head, table, max);
	if (!err)
		memcpy(ret_extra, (const uint8_t *)msg + NLMSG_HDRLEN, extra_size);
	return err;
}

static void copy_printable(char *to, const char *from, size_t size)
{
	size_t i;

	for (i = 0; i < size && i < NL_ERROR_MAX - 1 && from[i]; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	to[i] = '\0';
}

/* The TLVs follow the echoed request, or only its header where the kernel was asked to cap it. */
int nl_error_parse(const struct nlmsghdr *msg, int *ret_errno, char ret_text[NL_ERROR_MAX])
{
	struct nl_attr table[NLMSGERR_ATTR_MAX + 1];
	struct nlmsgerr body;
	size_t skip = NLMSG_HDRLEN + sizeof(body);

	if (msg->nlmsg_len < skip)
		return ERR_MALFORMED;
	memcpy(&body, (const uint8_t *)msg + NLMSG_HDRLEN, sizeof(body));
	if (body.error > 0 || body.error < -4095)
		return ERR_MALFORMED;
	memset(table, 0, sizeof(table));
	if (msg->nlmsg_flags & NLM_F_ACK_TLVS) {
		if (!(msg->nlmsg_flags & NLM_F_CAPPED)) {
			if (body.msg.nlmsg_len < NLMSG_HDRLEN ||
				body.msg.nlmsg_len > msg->nlmsg_len - skip + NLMSG_HDRLEN)
				return ERR_MALFORMED;
			skip += NLMSG_ALIGN(body.msg.nlmsg_len) - NLMSG_HDRLEN;
		}
		if (skip < msg->nlmsg_len &&
			nl_attr_table((const uint8_t *)msg + skip, msg->nlmsg_len - skip, table,
				NLMSGERR_ATTR_MAX))
			return ERR_MALFORMED;
	}
	*ret_errno = -body.error;
	copy_printable(ret_text, table[NLMSGERR_ATTR_MSG].data, table[NLMSGERR_ATTR_MSG].size);
	return 0;
}

static void add_ifindex(struct nl_changes *changes, uint32_t ifindex)
{
	for (size_t i = 0; i < changes->ifindex_count; i++)
		if (changes->ifindexes[i] == ifindex)
			return;
	if (changes->ifindex_count == NL_IFINDEXES_MAX)
		changes->any = true;
	else
		changes->ifindexes[changes->ifindex_count++] = ifindex;
}

int nl_changes_add(struct nl_changes *changes, const struct nlmsghdr *msg)
{
	struct nl_attr table[RTA_MAX + 1];
	struct ifinfomsg link;
	struct ifaddrmsg addr;
	struct rtmsg route;
	struct ndmsg neighbour;
	uint32_t ifindex = 0;
	int err;

	switch (msg->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		err = nl_msg_parse(msg, &link, sizeof(link), table, 0);
		if (err)
			return err;
		changes->link = true;
		add_ifindex(changes, link.ifi_index);
		return 0;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		err = nl_msg_parse(msg, &addr, sizeof(addr), table, 0);
		if (err)
			return err;
		changes->addr = true;
		add_ifindex(changes, addr.ifa_index);
		return 0;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		err = nl_msg_parse(msg, &route, sizeof(route), table, RTA_MAX);
		if (!err && table[RTA_OIF].data)
			err = nl_attr_u32(&table[RTA_OIF], &ifindex);
		if (err)
			return err;
		changes->route = true;
		changes->replaced |=
			route.rtm_family == AF_INET && msg->nlmsg_flags & NLM_F_REPLACE;
		add_ifindex(changes, ifindex);
		return 0;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		err = nl_msg_parse(msg, &neighbour, sizeof(neighbour), table, 0);
		if (err)
			return err;
		changes->neighbour = true;
		add_ifindex(changes, neighbour.ndm_ifindex);
		return 0;
	default:
		return 0;
	}
}

bool nl_changes_touch(const struct nl_changes *changes, uint32_t ifindex)
{
	if (changes->any)
		return true;
	for (size_t i = 0; i < changes->ifindex_count; i++)
		if (changes->ifindexes[i] == ifindex)
			return true;
	return false;
}
