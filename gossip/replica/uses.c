#include "gossip/replica/uses.h"

#include <stdlib.h>

/* How many records keep a node. */
struct kept {
	struct id node;
	size_t count;
};

void uses_init(struct uses_table *table, struct rng *rng)
{
	map_init(&table->invites, sizeof(struct hash), rng);
	map_init(&table->kept, sizeof(struct id), rng);
}

void uses_done(struct uses_table *table)
{
	struct uses *uses;
	struct kept *kept;

	map_each (&table->invites, at, uses)
		free(uses);
	map_each (&table->kept, at, kept)
		free(kept);
	map_done(&table->invites);
	map_done(&table->kept);
}

static int ensure_uses(
	struct uses_table *table, const struct hash *invite, size_t limit, struct uses **ret)
{
	struct uses *uses = map_get(&table->invites, invite);

	if (!uses) {
		uses = calloc(1, sizeof(*uses));
		if (!uses)
			return ERR_NOMEM;
		uses->invite = *invite;
		uses->limit = limit;
		if (map_put(&table->invites, &uses->invite, uses) != 0) {
			free(uses);
			return ERR_NOMEM;
		}
	}
	*ret = uses;
	return 0;
}

int uses_add(
	struct uses_table *table, const struct hash *invite, size_t limit, struct uses_claim *claim)
{
	int err = ensure_uses(table, invite, limit, &claim->uses);

	if (err)
		return err;
	order_add(&claim->uses->order, &claim->node);
	claim->uses->count++;
	return 0;
}

void uses_remove(struct uses_table *table, struct uses_claim *claim)
{
	struct uses *uses = claim->uses;

	if (!uses)
		return;
	claim->uses = NULL;
	order_remove(&uses->order, &claim->node);
	if (--uses->count == 0) {
		map_del(&table->invites, &uses->invite);
		free(uses);
	}
}

bool uses_beyond(
	const struct uses_table *table, const struct hash *invite, const struct record *record)
{
	const struct uses *uses = map_get(&table->invites, invite);

	return uses && uses->count >= uses->limit && !uses_kept(table, &record->author) &&
	       record_compare(record, order_last(&uses->order)->record) > 0;
}

struct order_node *uses_excess(const struct uses *uses)
{
	return uses->count > uses->limit ? order_last(&uses->order) : NULL;
}

int uses_keep(struct uses_table *table, const struct id *node)
{
	struct kept *kept = map_get(&table->kept, node);

	if (!kept) {
		kept = calloc(1, sizeof(*kept));
		if (!kept)
			return ERR_NOMEM;
		kept->node = *node;
		if (map_put(&table->kept, &kept->node, kept) != 0) {
			free(kept);
			return ERR_NOMEM;
		}
	}
	kept->count++;
	return 0;
}

void uses_unkeep(struct uses_table *table, const struct id *node)
{
	struct kept *kept = map_get(&table->kept, node);

	if (!kept || --kept->count)
		return;
	map_del(&table->kept, node);
	free(kept);
}

bool uses_kept(const struct uses_table *table, const struct id *node)
{
	return map_get(&table->kept, node) != NULL;
}
