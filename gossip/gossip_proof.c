/* Whoever signs two bodies with one stamp is found out where a store sees both. The proof is a
 * record of whoever brings it (trust/equivocation.h), and one is enough: each waits for a random
 * while and looks whether somebody was first. */
#include "gossip/gossip_proof.h"

#include <stdio.h>

#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_view.h"
#include "gossip/trust/equivocation.h"

#define PROOF_SPREAD_MS 5000

static bool is_told(const struct gossip *g, const struct equivocation *proof)
{
	return authority_value_is_void(g->authority, &proof->node, proof->stamp);
}

void gossip_proof_found(struct gossip *g, const struct record *record, const struct record *other)
{
	struct suspicion_of_two *found = &g->found[g->found_count];
	struct equivocation proof;

	if (g->found_count == PROOFS_FOUND_MAX || !g->authority ||
		equivocation_between(record, other, &proof) != 0 || is_told(g, &proof))
		return;
	for (size_t i = 0; i < g->found_count; i++) {
		if (!id_equal(&g->found[i].proof.node, &proof.node))
			continue;
		/* the lower one voids what the higher does, and more */
		if (proof.stamp < g->found[i].proof.stamp)
			g->found[i].proof = proof;
		return;
	}
	*found = (struct suspicion_of_two){
		proof, mtime_add_ms(g->time.now, (int64_t)rng_below(&g->rng, PROOF_SPREAD_MS))};
	g->found_count++;
}

static void publish(struct gossip *g, const struct equivocation *proof)
{
	uint8_t value[EQUIVOCATION_VALUE_MAX];
	struct pack pack;
	struct record_draft draft = {.type = RECORD_EQUIVOCATION,
		.key = &proof->node,
		.key_size = sizeof(proof->node),
		.value = value};

	pack_init(&pack, value, sizeof(value));
	equivocation_encode(proof, &pack);
	draft.value_size = pack.size;
	if (pack_status(&pack) == 0)
		(void)!gossip_record_publish(g, g->config.identity, &draft);
}

void gossip_proof_tick(struct gossip *g)
{
	for (size_t i = 0; g->state == GOSSIP_RUNNING && i < g->found_count;) {
		struct equivocation proof = g->found[i].proof;

		if (!mtime_reached(g->time.now, g->found[i].due)) {
			i++;
			continue;
		}
		g->found[i] = g->found[--g->found_count];
		if (!is_told(g, &proof))
			publish(g, &proof);
	}
}

mtime_t gossip_proof_deadline(const struct gossip *g)
{
	mtime_t next = MTIME_NEVER;

	for (size_t i = 0; g->state == GOSSIP_RUNNING && i < g->found_count; i++)
		next = mtime_min(next, g->found[i].due);
	return next;
}

/* ---- events ---- */

void gossip_proof_tell(
	struct gossip *g, const struct authority *before, const struct authority *now)
{
	const struct authority_member *member;
	uint64_t stamp, known;

	for (size_t i = 0; (member = authority_at(now, i)); i++) {
		struct gossip_event event;
		char time[TEXT_TIME_SIZE];

		if (!authority_equivocation(now, &member->id, &stamp) ||
			(authority_equivocation(before, &member->id, &known) && known <= stamp))
			continue;
		g->voids_changed = true;
		event = gossip_view_event(g, GOSSIP_EVENT_EQUIVOCATION, &member->id);
		strcpy(event.name, member->name);
		snprintf(event.cause, sizeof(event.cause),
			"it signed two records with one stamp: what it has put since %s counts "
			"nowhere",
			text_time((wtime_t){hlc_stamp_ms(stamp)}, time));
		gossip_effect_event(g, &event);
	}
}
