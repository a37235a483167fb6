#include "gossip/replica/store_internal.h"

#include <assert.h>

#include "gossip/trust/authority.h"

const struct facts *store_chain_facts(const struct entry *entry)
{
	static const struct facts none;

	return entry->record->type == RECORD_ADMISSION
		       ? &((const struct admission_entry *)entry)->facts
		       : &none;
}

/* ---- slots ---- */

void store_chain_slot(
	const struct id *author, uint16_t type, const void *key, size_t key_size, struct hash *ret)
{
	static const struct id anybody;
	uint8_t bytes[sizeof(*author) + 2 + RECORD_KEY_MAX];

	assert(key_size <= RECORD_KEY_MAX);
	if (type == RECORD_EQUIVOCATION) /* whoever brings it */
		author = &anybody;
	memcpy(bytes, author, sizeof(*author));
	bytes[sizeof(*author)] = (uint8_t)(type >> 8);
	bytes[sizeof(*author) + 1] = (uint8_t)type;
	if (key_size)
		memcpy(bytes + sizeof(*author) + 2, key, key_size);
	keys_hash(KEYS_TOPIC, bytes, sizeof(*author) + 2 + key_size, ret);
}

struct entry *store_chain_find(const struct store *store, const struct id *author, uint16_t type,
	const void *key, size_t key_size)
{
	struct hash slot;

	store_chain_slot(author, type, key, key_size, &slot);
	return map_get(&store->by_slot, &slot);
}

/* Whether the record takes the slot from the one that holds it. An admission that makes an admin
 * yields to none that does not: otherwise what that admin signed would lose its chain, or keep it,
 * by the order of arrival. */
bool store_chain_wins(
	const struct record *record, const struct facts *facts, const struct entry *held)
{
	if (!held)
		return true;
	if (record->type == RECORD_EQUIVOCATION)
		return store_twice_wins(record, held->record);
	if (facts->makes_admin != store_chain_facts(held)->makes_admin)
		return facts->makes_admin;
	return record_compare(record, held->record) > 0;
}

/* ---- chains: a grant or admission only goes for its successor, or beyond its invite's uses ----
 */

bool store_chain_is_admin(const struct store *store, const struct id *id)
{
	const struct entry *admission;

	if (id_equal(id, &store->mesh) ||
		store_chain_find(store, &store->mesh, RECORD_GRANT, id, sizeof(*id)))
		return true;
	admission = store_chain_find(store, id, RECORD_ADMISSION, NULL, 0);
	return admission && store_chain_facts(admission)->makes_admin;
}

bool store_chain_is_large(const struct store *store, const struct id *id)
{
	return writers_has(&store->writers, id) || store_chain_is_admin(store, id);
}

bool store_chain_holds(
	const struct store *store, const struct record *record, const struct facts *facts)
{
	struct id subject;

	switch (authority_chain(record->type)) {
	case CHAIN_ROOT:
		return id_equal(&record->author, &store->mesh);
	case CHAIN_ADMIN:
		return store_chain_is_admin(store, &record->author);
	case CHAIN_ADMISSION:
		return store_chain_is_admin(store, &facts->inviter);
	case CHAIN_MEMBER:
		return store_chain_find(store, &record->author, RECORD_ADMISSION, NULL, 0) != NULL;
	case CHAIN_SUBJECT:
		memcpy(&subject, record->key, sizeof(subject));
		return store_chain_find(store, &subject, RECORD_ADMISSION, NULL, 0) != NULL;
	}
	return false;
}
