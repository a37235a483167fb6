/*
 * Cores with one defect each, put in by the linker: what looks for broken invariants must see each
 * of them, from the core's insides through the campaign's faults to the exit status. Which one is
 * on is said by MESHSIM_DEFECT (tests/meshsim/defects).
 */
#include <stdlib.h>
#include <string.h>

#include "gossip/gossip_peer.h"
#include "gossip/gossip_record.h"
#include "gossip/record/hlc.h"
#include "gossip/record/value.h"
#include "gossip/replica/kv.h"
#include "gossip/replica/store.h"
#include "gossip/swim/statement.h"
#include "gossip/wire/msg.h"

static bool is_on(const char *defect)
{
	const char *on = getenv("MESHSIM_DEFECT");

	return on && strcmp(on, defect) == 0;
}

#define WRAP(returns, function, ...)            \
	returns __real_##function(__VA_ARGS__); \
	returns __wrap_##function(__VA_ARGS__); \
	returns __wrap_##function(__VA_ARGS__)

/* Stamps are taken however far ahead they are. */
WRAP(int, hlc_observe, struct hlc *hlc, wtime_t wall, uint64_t stamp)
{
	int err = __real_hlc_observe(hlc, wall, stamp);

	return is_on("future") ? 0 : err;
}

/* What is said in one millisecond has one stamp. */
WRAP(uint64_t, hlc_next, struct hlc *hlc, wtime_t wall)
{
	uint64_t stamp = __real_hlc_next(hlc, wall);

	return is_on("stamps") ? stamp & ~UINT64_C(0xffff) : stamp;
}

/* What the revoked say is taken. */
WRAP(void, store_ban, struct store *store, const struct id *author)
{
	if (!is_on("revoked"))
		__real_store_ban(store, author);
}

/* All stores are thought to be the same. */
WRAP(void, store_digest, struct store *store, uint8_t ret[DIGEST_SIZE])
{
	__real_store_digest(store, ret);
	if (is_on("digest"))
		memset(ret, 0, DIGEST_SIZE);
}

/* Answers are thought to be small. */
WRAP(size_t, msg_size, const struct msg *msg)
{
	size_t size = __real_msg_size(msg);

	return is_on("answers") ? size / 2 : size;
}

/* Anybody speaks for anybody. */
WRAP(int, statement_verify_alive, const struct statement *statement, const struct id *mesh)
{
	int err = __real_statement_verify_alive(statement, mesh);

	return is_on("alive") ? 0 : err;
}

/* Readers are told of other values than are shown: a deletion is passed over. */
WRAP(uint64_t, kv_add, struct kv *kv, struct record *record, uint64_t number)
{
	if (is_on("deletions") && value_is_tombstone(record))
		return 0;
	return __real_kv_add(kv, record, number);
}

/* In a slot the first stays. */
WRAP(int, record_compare, const struct record *a, const struct record *b)
{
	int order = __real_record_compare(a, b);

	return is_on("slots") ? -order : order;
}

/* Datagrams go to the next port. */
WRAP(size_t, gossip_peer_targets, struct gossip *g, struct peer *peer,
	struct endpoint ret[CANDIDATE_PROBES + 1])
{
	size_t count = __real_gossip_peer_targets(g, peer, ret);

	if (is_on("addresses") && count)
		ret[0].port++;
	return count;
}

/* What is written is told at once. */
WRAP(void, gossip_record_publish_signed, struct gossip *g, struct record *record)
{
	bool fresh;

	__real_gossip_record_publish_signed(g, record);
	if (is_on("disk") && gossip_record_put(g, record, &fresh) != 0)
		return;
}
