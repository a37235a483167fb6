/* Statements of liveness: one form of each, and none that is not signed changes a member's state.
 */
#include "gossip/swim/statement.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/rng.h"
#include "gossip/swim/spread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The corpus is signed by these: node 0 is us, 1 and 2 are members, 3 is not; mesh id 0. */
static struct keys node(uint8_t number)
{
	uint8_t seed[32] = {number};
	struct keys keys;

	keys_from_seed(seed, &keys);
	return keys;
}

static void receive(const uint8_t *data, size_t size)
{
	static const uint8_t seed[32] = {1};
	const struct keys self = node(0), first = node(1), second = node(2);
	const struct id mesh = {{0}};
	struct spread *spread;
	struct swim *swim;
	struct rng rng;
	bool news;

	rng_init(&rng, seed);
	if (spread_new(&rng, &spread) != 0)
		abort();
	const struct swim_config config = {
		.self = &self, .mesh = &mesh, .rng = &rng, .spread = spread, .generation = 7};
	if (swim_new(&config, MTIME_ZERO, &swim) != 0 ||
		swim_add(swim, MTIME_ZERO, &first.id) != 0 ||
		swim_add(swim, MTIME_ZERO, &second.id) != 0)
		abort();
	int err = swim_statement_received(swim, MTIME_ZERO, data, size, &news);
	struct swim_change change;

	assert(err == 0 || !swim_next_change(swim, &change));
	swim_free(swim);
	spread_free(spread);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[SWIM_STATEMENT_MAX];
	struct statement statement;
	struct pack out;

	if (statement_decode(data, size, &statement) != 0)
		return 0;
	pack_init(&out, again, sizeof(again));
	statement_encode(&statement, &out);
	assert(!out.failed && out.size == size && memcmp(again, data, size) == 0);
	receive(data, size);
	return 0;
}
