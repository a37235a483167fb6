/* What a node sends, and to whom. */
#include <assert.h>
#include <stdlib.h>

#include "gossip/base/text.h"
#include "gossip/crypto/seal.h"
#include "gossip/swim/spread.h"
#include "tests/meshsim/invariants_internal.h"

/* An address without the bytes between its fields, to be a key. */
static struct endpoint plain(const struct endpoint *endpoint)
{
	struct endpoint key;

	memset(&key, 0, sizeof(key));
	key.ip.family = endpoint->ip.family;
	memcpy(key.ip.b, endpoint->ip.b, sizeof(key.ip.b));
	key.port = endpoint->port;
	return key;
}

static void renew(const struct invariants *checker, struct flow *flow)
{
	if (checker->now_ms - flow->began_ms < INVARIANTS_WINDOW_MS)
		return;
	flow->began_ms = checker->now_ms;
	flow->in = flow->out = 0;
}

static struct flow *flow_at(struct invariants *checker, int node, const struct endpoint *at)
{
	struct map *flows = &checker->nodes[node].flows;
	struct endpoint key = plain(at);
	struct flow *flow = map_get(flows, &key);

	if (!flow) {
		int err;

		flow = calloc(1, sizeof(*flow));
		assert(flow);
		memcpy(&flow->at, &key, sizeof(key));
		flow->began_ms = checker->now_ms;
		err = map_put(flows, &flow->at, flow);
		assert(err == 0);
		(void)err;
	}
	renew(checker, flow);
	return flow;
}

void invariants_came(struct invariants *checker, int node, const struct endpoint *from, size_t size)
{
	struct node_facts *facts = &checker->nodes[node];

	flow_at(checker, node, from)->in += size;
	renew(checker, &facts->all);
	facts->all.in += size;
	facts->came = *from;
	facts->came_left = size;
}

void invariants_news(struct invariants *checker, int node, size_t size)
{
	struct node_facts *facts = &checker->nodes[node];

	renew(checker, &facts->all);
	facts->all.in += size * SPREAD_FANOUT;
}

void invariants_came_nothing(struct invariants *checker, int node)
{
	checker->nodes[node].came.ip.family = 0;
	invariants_check_revocation(checker, node);
}

static void check_unproven(
	struct invariants *checker, int node, const struct invariants_sent *sent, struct flow *flow)
{
	struct node_facts *facts = &checker->nodes[node];
	bool answer = facts->came.ip.family && endpoint_equal(&facts->came, &sent->to);
	char text[TEXT_ENDPOINT_SIZE];

	text_endpoint(&sent->to, text);
	invariants_check(checker, INVARIANT_KNOWN_ADDRESS, answer || sent->candidate, node,
		"%zu bytes to %s", sent->size, text);
	if (answer) {
		bool fits = sent->size <= facts->came_left;

		invariants_check(checker, INVARIANT_NO_AMPLIFICATION, fits, node,
			"%zu bytes in answer to %zu from %s", sent->size, facts->came_left, text);
		facts->came_left -= fits ? sent->size : facts->came_left;
	}
	invariants_check(checker, INVARIANT_UNPROVEN_RATE,
		flow->out <= flow->in + INVARIANTS_UNPROVEN_BYTES, node,
		"%zu bytes in %d s to %s, from where %zu came", flow->out,
		INVARIANTS_WINDOW_MS / 1000, text, flow->in);
}

void invariants_sent(struct invariants *checker, int node, const struct invariants_sent *sent)
{
	struct node_facts *facts = &checker->nodes[node];
	struct flow *flow = flow_at(checker, node, &sent->to);

	invariants_check(checker, INVARIANT_DATAGRAM_FITS, sent->size <= SEAL_PACKET_MAX, node,
		"a datagram of %zu bytes", sent->size);
	renew(checker, &facts->all);
	facts->all.out += sent->size;
	invariants_check(checker, INVARIANT_RATE,
		facts->all.out <= facts->all.in + INVARIANTS_RATE_BYTES, node,
		"%zu bytes in %d s, while %zu came or were to be passed on", facts->all.out,
		INVARIANTS_WINDOW_MS / 1000, facts->all.in);
	if (sent->proven)
		return;
	flow->out += sent->size;
	check_unproven(checker, node, sent, flow);
}
