/* An event of nftables: the guard's watch. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "l2/guard_watch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nlmsghdr *msg;

	if (size < NLMSG_HDRLEN)
		return 0;
	/* A copy of just its size, so that a read beyond it is seen. */
	msg = malloc(size);
	if (!msg)
		return 0;
	memcpy(msg, data, size);
	msg->nlmsg_len = size;
	(void)guard_watch_concerns(msg, "meshd_mesh0");
	free(msg);
	return 0;
}
