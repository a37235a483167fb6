/* Two bodies of one author with one stamp: seen where both come, and proven to all by a record that
 * has one place for each such author, whoever brings it. */
#include "gossip/replica/store_internal.h"

#include "gossip/trust/equivocation.h"

bool store_twice_wins(const struct record *record, const struct record *held)
{
	struct equivocation proof, known;

	if (equivocation_decode(record, &proof) != 0 || equivocation_decode(held, &known) != 0)
		return false; /* neither would be here */
	if (proof.stamp != known.stamp)
		return proof.stamp < known.stamp;
	if (!hash_equal(&record->hash, &held->hash))
		return memcmp(&record->hash, &held->hash, sizeof(held->hash)) < 0;
	return record_compare(record, held) > 0;
}

/* Whether it is proven already of this stamp, or one before it. */
static bool is_proven(const struct store *store, const struct id *author, uint64_t stamp)
{
	const struct entry *entry =
		store_chain_find(store, author, RECORD_EQUIVOCATION, author, sizeof(*author));
	struct equivocation known;

	return entry && equivocation_decode(entry->record, &known) == 0 && known.stamp <= stamp;
}

static bool contradicts(const struct record *record, const struct record *other)
{
	return record->stamp == other->stamp && id_equal(&record->author, &other->author) &&
	       !hash_equal(&record->hash, &other->hash);
}

static const struct record *find_in(
	const struct order *order, unsigned group, const struct record *record)
{
	struct order_key key = {.class = (uint8_t)group, .stamp = record->stamp};
	const struct order_node *node;

	while ((node = order_after(order, &key)) && node->tree.mark == group &&
		node->record->stamp == record->stamp) {
		if (contradicts(record, node->record))
			return node->record;
		key = order_key(node->record);
	}
	return NULL;
}

/* What members say is looked up among what the author itself said: others may have said as much as
 * their quotas hold with that very stamp. */
static const struct record *find_other(const struct store *store, const struct record *record)
{
	const struct quota *quota = map_get(&store->quotas, &record->author);
	const struct record *descriptor =
		store_slot(store, &record->author, RECORD_DESCRIPTOR, NULL, 0);
	const struct record *found = NULL;

	for (unsigned group = 0; group < ORDER_OTHER && !found; group++)
		found = find_in(&store->all, group, record);
	for (size_t i = 0; quota && i < QUOTA_CLASSES && !found; i++)
		found = find_in(&quota->runs[i].order, ORDER_OTHER, record);
	return !found && descriptor && contradicts(record, descriptor) ? descriptor : found;
}

void store_twice_look(const struct store *store, const struct record *record)
{
	const struct record *other =
		store->observer.twice && !is_proven(store, &record->author, record->stamp)
			? find_other(store, record)
			: NULL;

	if (other)
		store->observer.twice(store->observer.context, record, other);
}

void store_twice_lost(
	const struct store *store, const struct record *record, const struct record *held)
{
	if (store->observer.twice && contradicts(record, held) &&
		!is_proven(store, &record->author, record->stamp) && record_verify(record) == 0)
		store->observer.twice(store->observer.context, record, held);
}
