/* What is left of admins that the root took out. What they signed and it does not name counts for
 * nothing, and there is no end to what they may have signed: it goes, and does not come again, nor
 * does anything else in place of what stands. Of those whom such invites let in as many are
 * remembered as of one invite that is overspent, the earliest, so that they can be told; all others
 * go. */
#include "gossip/gossip_purge.h"

#include <stdlib.h>

#include "gossip/gossip_grant.h"
#include "gossip/gossip_internal.h"
#include "gossip/replica/order.h"
#include "gossip/replica/store.h"

/* Admissions by the dropped invites of one admin. */
struct purge_count {
	struct id admin;
	size_t count;
	struct order_key last; /* of those that stay */
};

void gossip_purge_clear(struct gossip *g)
{
	struct purge_count *count;

	map_each (&g->purged, at, count)
		free(count);
	map_done(&g->purged);
	map_init(&g->purged, sizeof(struct id), &g->rng);
}

static bool is_dropped(const struct gossip *g, const struct id *author, const struct record *record)
{
	return authority_is_expelled(g->authority, author) &&
	       !authority_stands(g->authority, record);
}

int gossip_purge_admit(const struct gossip *g, const struct record *record)
{
	const struct purge_count *count;
	struct admission admission;
	struct order_key place;
	bool dropped;

	if (!g->authority || !authority_expelled_count(g->authority))
		return 0;
	if (gossip_grant_is_act(record))
		return is_dropped(g, &record->author, record) ? ERR_REVOKED : 0;
	if (record->type != RECORD_ADMISSION || admission_decode(&g->mesh, record, &admission) != 0)
		return 0;
	dropped = is_dropped(g, &admission.invite_record->author, admission.invite_record);
	count = dropped ? map_get(&g->purged, &admission.invite_record->author) : NULL;
	admission_done(&admission);
	place = order_key(record);
	return count && count->count >= AUTHORITY_OVERSPENT_MAX &&
			       order_compare(&place, &count->last) > 0
		       ? ERR_LIMIT
		       : 0;
}

/* Who minted the invite that admitted it, if that is why it is no member. */
static const struct id *dropped_by(const struct gossip *g, const struct id *node)
{
	const struct authority_member *member = authority_member(g->authority, node);
	const struct authority_invite *invite =
		member && member->standing == AUTHORITY_VOID && member->why == ERR_NOT_ADMIN
			? authority_invite(g->authority, &member->invite)
			: NULL;

	return invite && authority_is_expelled(g->authority, &invite->author) ? &invite->author
									      : NULL;
}

/* Whether one more of them stays; they come in their order. Without memory it does. */
static bool count_dropped(struct gossip *g, const struct id *admin, const struct record *record)
{
	struct purge_count *count = map_get(&g->purged, admin);

	if (!count) {
		count = calloc(1, sizeof(*count));
		if (!count)
			return true;
		count->admin = *admin;
		if (map_put(&g->purged, &count->admin, count) != 0) {
			free(count);
			return true;
		}
	}
	if (count->count >= AUTHORITY_OVERSPENT_MAX)
		return false;
	count->count++;
	count->last = order_key(record);
	return true;
}

static bool stays(struct gossip *g, const struct record *record)
{
	const struct id *admin;

	if (gossip_grant_is_act(record))
		return !is_dropped(g, &record->author, record);
	admin = record->type == RECORD_ADMISSION ? dropped_by(g, &record->author) : NULL;
	return !admin || count_dropped(g, admin, record);
}

void gossip_purge(struct gossip *g)
{
	struct record *at = NULL, *next;

	gossip_purge_clear(g);
	if (!authority_expelled_count(g->authority))
		return;
	while ((next = store_after(g->store, at)) && authority_concerns(next->type)) {
		record_ref(next);
		record_unref(at);
		at = next;
		if (!stays(g, at))
			store_remove(g->store, at);
	}
	record_unref(at);
}
