/* What netlink says of segments' devices, entries and neighbours, each reader in turn: the first
 * byte picks it. What was read is compared with itself, wanted as it is. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "l2/fdb.h"
#include "l2/link.h"
#include "l2/neighbour.h"

#define BRIDGE 4
#define VXLAN  5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_link(const struct nlmsghdr *msg)
{
	struct l2_want want = {.bridge = "lan0", .vxlan = "vx100", .mark = "meshd l2 mesh0"};
	struct l2_link link;
	struct l2_links links = {&link, 1, 1};
	struct l2_link_ops ops;

	if (link_read(msg, &link) == 0)
		l2_link_diff(&want, &links, &ops);
}

/* Nothing is wanted: all of ours goes, and nothing else. */
static void read_entry(const struct nlmsghdr *msg, bool neighbour)
{
	struct l2_table table = {.bridge = BRIDGE, .vxlan = VXLAN, .ipv6 = true};
	struct l2_want want = {.overlay = 3};
	struct l2_entry_ops ops;
	int err = neighbour ? neighbour_read(msg, &table) : fdb_read(msg, &table);

	if (!err) {
		l2_table_seal(&table);
		l2_entry_diff(&want, &table, &ops);
		for (size_t i = 0; i < ops.count; i++)
			if (ops.ops[i].kind == L2_FORWARD_ADD || ops.ops[i].kind == L2_PLACE_ADD ||
				ops.ops[i].kind == L2_NEIGHBOUR_ADD)
				abort();
	}
	l2_table_done(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nlmsghdr *msg;

	if (size < 1 + NLMSG_HDRLEN)
		return 0;
	/* A copy of just its size, so that a read beyond it is seen. */
	msg = malloc(size - 1);
	if (!msg)
		return 0;
	memcpy(msg, data + 1, size - 1);
	msg->nlmsg_len = size - 1;
	if (data[0] % 3 == 0)
		read_link(msg);
	else
		read_entry(msg, data[0] % 3 == 2);
	free(msg);
	return 0;
}
