#include "tests/meshsim/invariants.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/meshsim/invariants_internal.h"

const char *invariant_text(enum invariant invariant)
{
	static const char *const texts[] = {
#define X(name, text) text,
		INVARIANT_LIST(X)
#undef X
	};

	return texts[invariant];
}

struct invariants *invariants_new(void)
{
	struct invariants *checker = calloc(1, sizeof(*checker));
	const uint8_t seed[32] = {0};

	assert(checker);
	rng_init(&checker->rng, seed);
	map_init(&checker->by_hash, sizeof(struct hash), &checker->rng);
	for (int i = 0; i < INVARIANTS_NODES_MAX; i++) {
		map_init(&checker->nodes[i].slots, sizeof(struct hash), &checker->rng);
		map_init(&checker->nodes[i].flows, sizeof(struct endpoint), &checker->rng);
	}
	return checker;
}

static void free_all(struct map *map)
{
	void *value;

	map_each (map, at, value)
		free(value);
	map_done(map);
}

void invariants_free(struct invariants *checker)
{
	if (!checker)
		return;
	for (int i = 0; i < INVARIANTS_NODES_MAX; i++) {
		free_all(&checker->nodes[i].slots);
		free_all(&checker->nodes[i].flows);
	}
	free_all(&checker->by_hash);
	invariants_record_done(checker);
	free(checker);
}

uint64_t invariants_checked(const struct invariants *checker)
{
	return checker->checked;
}

uint64_t invariants_broken(const struct invariants *checker)
{
	return checker->broken;
}

bool invariants_first(const struct invariants *checker, struct invariant_break *ret)
{
	if (checker->broken)
		*ret = checker->first;
	return checker->broken > 0;
}

void invariants_now(struct invariants *checker, int64_t at_ms)
{
	checker->now_ms = at_ms;
}

void invariants_check(struct invariants *checker, enum invariant invariant, bool holds, int node,
	const char *format, ...)
{
	va_list args;

	checker->checked++;
	if (holds || checker->broken++)
		return;
	checker->first = (struct invariant_break){
		.invariant = invariant, .at_ms = checker->now_ms, .node = node};
	va_start(args, format);
	vsnprintf(checker->first.detail, sizeof(checker->first.detail), format, args);
	va_end(args);
}

/* ---- lives ---- */

void invariants_started(struct invariants *checker, int node)
{
	struct node_facts *facts = &checker->nodes[node];
	struct flow *flow;

	for (int i = 0; i < INVARIANTS_NODES_MAX; i++) {
		/* that one is gone for ever is on the disk */
		if (facts->seen[i].state < GOSSIP_MEMBER_LEFT)
			facts->seen[i] = (struct seen){.known = false};
		facts->seen[i].incarnation = (struct swim_incarnation){0};
	}
	map_each (&facts->flows, at, flow)
		*flow = (struct flow){.at = flow->at};
	facts->came.ip.family = 0;
}

void invariants_dishonest(struct invariants *checker, int node)
{
	checker->nodes[node].dishonest = true;
}

/* ---- members ---- */

static int compare(const struct swim_incarnation *a, const struct swim_incarnation *b)
{
	if (a->generation != b->generation)
		return a->generation < b->generation ? -1 : 1;
	return a->version < b->version ? -1 : a->version > b->version;
}

void invariants_issued(struct invariants *checker, int subject, struct swim_incarnation issued)
{
	struct swim_incarnation *latest = &checker->nodes[subject].issued;

	if (compare(&issued, latest) > 0)
		*latest = issued;
}

/* Whether one input may lead from one to the other, by any number of rows of the table. Nothing
 * leads from dead to suspect but by way of alive, which takes a later incarnation or no accusation.
 */
static bool state_may_follow(
	enum gossip_member_state from, enum gossip_member_state to, bool revived)
{
	switch (from) {
	case GOSSIP_MEMBER_ALIVE:
		return true;
	case GOSSIP_MEMBER_SUSPECT:
		return to != GOSSIP_MEMBER_ALIVE || revived;
	case GOSSIP_MEMBER_DEAD:
		return to == GOSSIP_MEMBER_DEAD || to >= GOSSIP_MEMBER_LEFT || revived;
	case GOSSIP_MEMBER_LEFT:
	case GOSSIP_MEMBER_REVOKED:
		return to >= GOSSIP_MEMBER_LEFT;
	}
	return false;
}

void invariants_member(
	struct invariants *checker, int node, int subject, const struct invariants_member *now)
{
	struct seen *seen = &checker->nodes[node].seen[subject];
	const struct swim_incarnation *issued = &checker->nodes[subject].issued;
	int order = compare(&now->incarnation, &seen->incarnation);
	bool ended = now->state >= GOSSIP_MEMBER_LEFT;

	if (node == subject) {
		invariants_check(checker, INVARIANT_SELF_ALIVE,
			now->state == GOSSIP_MEMBER_ALIVE || ended, node, "it sees itself %s",
			gossip_member_state_label(now->state));
		return;
	}
	invariants_check(checker, INVARIANT_INCARNATION_FORWARD, ended || order >= 0, node,
		"of n%d from (%llu, %llu) to (%llu, %llu)", subject,
		(unsigned long long)seen->incarnation.generation,
		(unsigned long long)seen->incarnation.version,
		(unsigned long long)now->incarnation.generation,
		(unsigned long long)now->incarnation.version);
	invariants_check(checker, INVARIANT_INCARNATION_ISSUED,
		checker->nodes[subject].dishonest || compare(&now->incarnation, issued) <= 0, node,
		"n%d is known by (%llu, %llu), and issued (%llu, %llu) at most", subject,
		(unsigned long long)now->incarnation.generation,
		(unsigned long long)now->incarnation.version,
		(unsigned long long)issued->generation, (unsigned long long)issued->version);
	if (seen->known) {
		bool over = seen->state >= GOSSIP_MEMBER_LEFT;

		invariants_check(checker, over ? INVARIANT_END : INVARIANT_REVIVAL,
			state_may_follow(seen->state, now->state, order > 0 || !now->was_accused),
			node, "n%d from %s to %s at (%llu, %llu)%s", subject,
			gossip_member_state_label(seen->state),
			gossip_member_state_label(now->state),
			(unsigned long long)now->incarnation.generation,
			(unsigned long long)now->incarnation.version,
			now->was_accused ? " with an accusation standing" : "");
	}
	*seen = (struct seen){true, now->state, now->incarnation};
}

void invariants_forgotten(struct invariants *checker, int node, int subject)
{
	checker->nodes[node].seen[subject] = (struct seen){.known = false};
	checker->nodes[node].revoked &= ~(UINT64_C(1) << subject);
}

void invariants_changed(
	struct invariants *checker, int node, int subject, enum swim_state from, enum swim_state to)
{
	static const bool table[SWIM_DEAD + 1][SWIM_DEAD + 1] = {
		[SWIM_ALIVE] = {[SWIM_SUSPECT] = true},
		[SWIM_SUSPECT] = {[SWIM_ALIVE] = true, [SWIM_DEAD] = true},
		[SWIM_DEAD] = {[SWIM_ALIVE] = true},
	};

	invariants_check(checker, INVARIANT_TABLE, table[from][to], node, "n%d from %s to %s",
		subject, swim_state_label(from), swim_state_label(to));
	invariants_check(checker, INVARIANT_SELF_ALIVE, node != subject, node,
		"it sees itself go from %s to %s", swim_state_label(from), swim_state_label(to));
}

/* ---- sizes ---- */

void invariants_size(
	struct invariants *checker, int node, const char *what, size_t value, size_t limit)
{
	invariants_check(checker, INVARIANT_BOUNDED, value <= limit, node,
		"%zu %s, and at most %zu", value, what, limit);
}

void invariants_traces(struct invariants *checker, const uint8_t a[16], const uint8_t b[16])
{
	invariants_check(checker, INVARIANT_SAME_TRACE, memcmp(a, b, 16) == 0, -1,
		"two runs of one seed differ");
}
