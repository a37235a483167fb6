/* A datagram's plaintext: what is read is the one message that encodes to just those bytes, but for
 * sections of later versions. */
#include "gossip/wire/msg.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_items(
	const struct msg_item *items, size_t count, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		assert(items[i].size > 0);
		assert(items[i].bytes >= data && items[i].bytes + items[i].size <= data + size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *where = NULL;
	struct msg msg;
	uint8_t *again;
	size_t again_size;

	if (msg_decode(data, size, &msg, &where) != 0) {
		assert(where);
		return 0;
	}
	check_items(msg.statements, msg.statement_count, data, size);
	check_items(msg.records, msg.record_count, data, size);
	check_items(msg.places, msg.place_count, data, size);
	assert(msg.later ? msg_size(&msg) < size : msg_size(&msg) == size);
	again = malloc(size);
	assert(again);
	assert(msg_encode(&msg, again, size, &again_size) == 0);
	assert(again_size == msg_size(&msg));
	assert(msg.later || memcmp(again, data, size) == 0);
	free(again);
	return 0;
}
