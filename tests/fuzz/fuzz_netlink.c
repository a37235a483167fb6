/* What comes from a netlink socket, each reader in turn: the first byte picks it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wg/net_addr.h"
#include "wg/net_link.h"
#include "wg/net_route.h"
#include "wg/nl_attr.h"
#include "wg/wg_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_device(const struct nlmsghdr *msg)
{
	struct wg_device device = {0};
	struct wg_ops ops;

	/* A dump comes in several messages; a peer may go on in the next. */
	if (wg_msg_read(msg, &device) == 0 && wg_msg_read(msg, &device) == 0 &&
		wg_device_seal(&device) == 0 && wg_diff(&device, &device, &ops) == 0) {
		if (ops.count)
			abort();
		wg_ops_done(&ops);
	}
	wg_device_done(&device);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nl_changes changes = {0};
	struct net_route route;
	struct nlmsghdr *msg;
	struct net_link link;
	struct net_addr addr;
	char text[NL_ERROR_MAX];
	int number;

	if (size < 1 + NLMSG_HDRLEN)
		return 0;
	/* A copy of just its size, so that a read beyond it is seen. */
	msg = malloc(size - 1);
	if (!msg)
		return 0;
	memcpy(msg, data + 1, size - 1);
	msg->nlmsg_len = size - 1;
	switch (data[0] % 6) {
	case 0:
		read_device(msg);
		break;
	case 1:
		(void)!net_link_read(msg, &link);
		break;
	case 2:
		(void)!net_addr_read(msg, &addr);
		break;
	case 3:
		if (net_route_read(msg, &route) == 0)
			(void)net_prefix_overlaps(&route.dst, &route.dst);
		break;
	case 4:
		if (nl_error_parse(msg, &number, text) == 0 && strlen(text) >= sizeof(text))
			abort();
		break;
	default:
		(void)!nl_changes_add(&changes, msg);
	}
	free(msg);
	return 0;
}
