/*
 * A sync fed with whatever a peer may say: the first byte picks the side, then come messages, each
 * after two bytes of its length.
 */
#include "gossip/replica/sync.h"

#include <assert.h>

#include "gossip/base/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct id mesh = {{1}};

/* Signed by nobody: what is restored is not verified. */
static void fill(struct store *store)
{
	const struct sig nobody = {{0}};

	for (uint8_t i = 0; i < 3; i++) {
		struct record_draft draft = {
			.type = (enum record_type)77, .key = &i, .key_size = 1, .stamp = i};
		struct record *record;

		if (record_assemble(&mesh, &mesh, &draft, &nobody, &record) != 0)
			return;
		if (store_restore(store, record) != 0)
			assert(!"a record from disk is taken");
		record_unref(record);
	}
}

/* Says all that it has to say; false: the peer goes on for too long. */
static bool drain(struct sync *sync)
{
	struct pack out;
	size_t size;
	int err;

	do {
		pack_init_growing(&out, SYNC_MESSAGE_MAX);
		err = sync_next(sync, &out);
		assert(!err || err == ERR_LIMIT);
		size = out.size;
		pack_done(&out);
	} while (size && !err);
	return !err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store *store = NULL;
	struct sync *sync = NULL;
	struct rng rng;

	if (!size)
		return 0;
	rng_init(&rng, mesh.b);
	if (store_new(&mesh, &rng, NULL, NULL, &store) != 0)
		return 0;
	fill(store);
	if (sync_new(store, &rng, data[0] & 1, &sync) != 0)
		goto out;
	(void)drain(sync);
	for (size_t at = 1; size - at >= 2;) {
		size_t length = (size_t)data[at] << 8 | data[at + 1];

		at += 2;
		if (length > size - at)
			length = size - at;
		if (sync_receive(sync, data + at, length) != 0 || !drain(sync))
			break;
		at += length;
	}
	assert(store_count(store) == 3);
out:
	sync_free(sync);
	store_free(store);
	return 0;
}
