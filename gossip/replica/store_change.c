#include "gossip/replica/store_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "gossip/base/rng.h"
#include "gossip/trust/authority.h"

static struct quota_entry *quota_of(struct entry *entry)
{
	return store_inspect_has_quota(entry->record->type) ? (struct quota_entry *)entry : NULL;
}

static struct writer_entry *writer_of(struct entry *entry)
{
	return entry->record->type == RECORD_WRITER ? (struct writer_entry *)entry : NULL;
}

int store_change_quota(struct store *store, const struct id *id, struct quota **ret)
{
	int err = quota_ensure(&store->quotas, id, ret);

	if (!err)
		(*ret)->large = store_chain_is_large(store, id);
	return err;
}

/* ---- uses ---- */

/* A successor of one that is counted takes its place. */
bool store_change_is_beyond_uses(const struct store *store, const struct record *record,
	const struct facts *facts, struct entry *held)
{
	const struct admission_entry *before = store_admission_entry(held);

	if (record->type != RECORD_ADMISSION)
		return false;
	if (before && before->claim.uses && hash_equal(&before->facts.invite, &facts->invite))
		return false;
	return uses_beyond(&store->uses, &facts->invite, record);
}

/* Counts an admission, unless somebody keeps it. Without memory it is not counted: it stays. */
static void count_use(struct store *store, struct admission_entry *admission)
{
	if (admission->claim.uses || uses_kept(&store->uses, &admission->entry.record->author))
		return;
	(void)!uses_add(
		&store->uses, &admission->facts.invite, admission->facts.limit, &admission->claim);
}

static void keep_one(struct store *store, const struct id *node)
{
	struct admission_entry *admission =
		store_admission_entry(store_chain_find(store, node, RECORD_ADMISSION, NULL, 0));

	if (uses_keep(&store->uses, node) == 0 && admission)
		uses_remove(&store->uses, &admission->claim);
}

static void unkeep_one(struct store *store, const struct id *node)
{
	struct admission_entry *admission =
		store_admission_entry(store_chain_find(store, node, RECORD_ADMISSION, NULL, 0));

	uses_unkeep(&store->uses, node);
	if (admission)
		count_use(store, admission);
}

/* Acts on every node whose admission the record keeps. */
static void each_kept(struct store *store, const struct record *record,
	void (*act)(struct store *store, const struct id *node))
{
	struct revocation revocation;
	struct id node;

	if (record->type == RECORD_KEEP) {
		memcpy(&node, record->key, sizeof(node));
		act(store, &node);
		return;
	}
	if ((record->type != RECORD_CLOSING && record->type != RECORD_REVOCATION) ||
		revocation_decode(record, &revocation) != 0)
		return;
	for (size_t i = 0; i < revocation.keep_count; i++) {
		memcpy(&node, revocation.keep + i * sizeof(node), sizeof(node));
		act(store, &node);
	}
}

/* ---- changes ---- */

static void count_digest(struct store *store, const struct record *record,
	void (*count)(struct digest *digest, const struct hash *member))
{
	store->final_stale = true;
	if (order_class(record->type) == ORDER_REVOCATION)
		store->revocations_stale = true;
	else
		count(&store->digest, &record->hash);
}

/* Takes the entry out of everything but the two maps. */
static void detach(
	struct store *store, struct entry *entry, const struct record *successor, bool report)
{
	struct record *record = entry->record;
	struct admission_entry *admission = store_admission_entry(entry);
	struct quota_entry *quota = quota_of(entry);
	struct writer_entry *writer = writer_of(entry);

	order_remove(&store->all, &entry->all);
	if (admission)
		uses_remove(&store->uses, &admission->claim);
	each_kept(store, record, unkeep_one);
	store->size_bytes -= record->size;
	count_digest(store, record, digest_remove);
	if (authority_concerns(record->type))
		store->authority_version++;
	if (quota)
		quota_remove(quota->quota, &quota->own);
	if (writer && writer->counted)
		writers_remove(&store->writers, &writer->word);
	if (report && store->observer.removed)
		store->observer.removed(store->observer.context, record, successor);
	record_unref(record);
	free(entry);
}

static void attach(struct store *store, struct entry *entry, bool report)
{
	struct record *record = entry->record;
	struct admission_entry *admission = store_admission_entry(entry);
	struct quota_entry *quota = quota_of(entry);
	struct writer_entry *writer = writer_of(entry);

	order_add(&store->all, &entry->all);
	if (admission)
		count_use(store, admission);
	each_kept(store, record, keep_one);
	store->size_bytes += record->size;
	count_digest(store, record, digest_add);
	if (authority_concerns(record->type))
		store->authority_version++;
	if (quota)
		quota_add(quota->quota, &quota->own);
	if (writer) /* without memory the word does not count: it stays */
		writer->counted = writers_add(&store->writers, &writer->word) == 0;
	if (report && store->observer.added)
		store->observer.added(store->observer.context, record);
}

static void remove_entry(struct store *store, struct entry *entry, bool report);

void store_change_trim(struct store *store, struct quota *quota)
{
	struct order_node *excess;

	while ((excess = quota_excess(quota)))
		remove_entry(store, &store_owner_of(excess, struct quota_entry, own)->entry, true);
}

/* Whose quota may be another one now that a record has come or gone; NULL: nobody's. */
static struct quota *review_office(struct store *store, const struct record *record)
{
	bool by_key = record->type == RECORD_GRANT || record->type == RECORD_WRITER;
	struct quota *quota;
	struct id id = record->author;

	if (!by_key && record->type != RECORD_ADMISSION)
		return NULL;
	if (by_key)
		memcpy(&id, record->key, sizeof(id));
	quota = map_get(&store->quotas, &id);
	if (quota)
		quota->large = store_chain_is_large(store, &id);
	return quota;
}

static void remove_entry(struct store *store, struct entry *entry, bool report)
{
	const struct quota_entry *own = quota_of(entry);
	struct quota *quota = own ? own->quota : NULL;
	struct record *record = record_ref(entry->record);

	map_del(&store->by_hash, &record->hash);
	map_del(&store->by_slot, &entry->slot);
	detach(store, entry, NULL, report);
	if (quota)
		quota_forget_idle(&store->quotas, quota);
	quota = review_office(store, record);
	if (quota)
		store_change_trim(store, quota);
	record_unref(record);
}

void store_change_remove(struct store *store, struct entry *entry)
{
	remove_entry(store, entry, true);
}

void store_change_lift(struct store *store, struct entry *entry)
{
	remove_entry(store, entry, false);
}

bool store_change_spares(const struct store *store, const struct record *record)
{
	return store->observer.spare && store_banned(store, &record->author) &&
	       store->observer.spare(store->observer.context, record);
}

static void remove_run(struct store *store, struct quota_run *run)
{
	struct order_key at = ORDER_START;

	for (size_t count = run->records; count; count--) {
		struct order_node *node = order_after(&run->order, &at);

		at = order_key(node->record);
		if (!store_change_spares(store, node->record))
			remove_entry(
				store, &store_owner_of(node, struct quota_entry, own)->entry, true);
	}
}

void store_change_remove_said(struct store *store, const struct id *id)
{
	struct entry *descriptor = store_chain_find(store, id, RECORD_DESCRIPTOR, NULL, 0);
	struct quota *quota = map_get(&store->quotas, id);

	if (descriptor)
		remove_entry(store, descriptor, true);
	for (size_t i = 0; quota && i < QUOTA_CLASSES; i++) {
		remove_run(store, &quota->runs[i]);
		quota = map_get(&store->quotas, id); /* it may have had no more */
	}
}

/* An admission beyond its invite's uses goes, and with it all that it was the chain of. */
static void remove_member(struct store *store, struct entry *admission)
{
	bool made_admin = store_chain_facts(admission)->makes_admin;
	struct id id = admission->record->author;
	struct entry *leave = store_chain_find(store, &id, RECORD_LEAVE, NULL, 0);
	struct entry *proof = store_chain_find(store, &id, RECORD_EQUIVOCATION, &id, sizeof(id));
	struct record *at = NULL, *next;

	remove_entry(store, admission, true);
	store_change_remove_said(store, &id);
	if (leave)
		remove_entry(store, leave, true);
	if (proof)
		remove_entry(store, proof, true);
	if (!made_admin || store_chain_is_admin(store, &id))
		return;
	while ((next = store_after(store, at))) {
		struct entry *entry = map_get(&store->by_hash, &next->hash);

		record_ref(next);
		record_unref(at);
		at = next;
		if (store_chain_holds(store, next, store_chain_facts(entry)))
			continue;
		if (next->type == RECORD_ADMISSION)
			remove_member(store, entry);
		else
			remove_entry(store, entry, true);
	}
	record_unref(at);
}

static void remove_excess(struct store *store, const struct uses *uses)
{
	struct order_node *excess;

	while ((excess = uses_excess(uses)))
		remove_member(
			store, &store_owner_of(excess, struct admission_entry, claim.node)->entry);
}

static void trim_one(struct store *store, const struct id *node)
{
	const struct admission_entry *admission =
		store_admission_entry(store_chain_find(store, node, RECORD_ADMISSION, NULL, 0));

	if (admission && admission->claim.uses)
		remove_excess(store, admission->claim.uses);
}

void store_remove(struct store *store, struct record *record)
{
	struct entry *entry = map_get(&store->by_hash, &record->hash);

	assert(entry);
	record_ref(record);
	if (record->type == RECORD_ADMISSION)
		remove_member(store, entry);
	else
		remove_entry(store, entry, true);
	each_kept(store, record, trim_one);
	record_unref(record);
}

static struct order_node new_node(struct store *store, const struct record *record)
{
	return (struct order_node){
		.tree.priority = (uint32_t)rng_u64(store->rng), .record = record};
}

static size_t entry_size(uint16_t type)
{
	if (type == RECORD_ADMISSION)
		return sizeof(struct admission_entry);
	if (type == RECORD_WRITER)
		return sizeof(struct writer_entry);
	return store_inspect_has_quota(type) ? sizeof(struct quota_entry) : sizeof(struct entry);
}

static int new_entry(
	struct store *store, struct record *record, const struct facts *facts, struct entry **ret)
{
	struct entry *entry = calloc(1, entry_size(record->type));
	struct admission_entry *admission;
	struct quota_entry *quota;

	if (!entry)
		return ERR_NOMEM;
	entry->record = record;
	quota = quota_of(entry);
	if (quota && store_change_quota(store, &record->author, &quota->quota) != 0) {
		free(entry);
		return ERR_NOMEM;
	}
	store_chain_slot(
		&record->author, record->type, record->key, record->key_size, &entry->slot);
	entry->all = new_node(store, record);
	if (quota)
		quota->own = new_node(store, record);
	admission = store_admission_entry(entry);
	if (admission) {
		admission->facts = *facts;
		admission->claim.node = new_node(store, record);
	}
	if (writer_of(entry))
		writer_of(entry)->word = new_node(store, record);
	*ret = entry;
	return 0;
}

/* Both maps or none. held has the slot so far, or is NULL; with another signature over one body it
 * has the hash as well. */
static int put_in_maps(struct store *store, struct entry *entry, struct entry *held)
{
	bool same_hash = held && hash_equal(&held->record->hash, &entry->record->hash);
	int err = map_put(&store->by_hash, &entry->record->hash, entry);

	if (err)
		return err;
	err = map_put(&store->by_slot, &entry->slot, entry);
	if (!err) {
		if (held && !same_hash)
			map_del(&store->by_hash, &held->record->hash);
		return 0;
	}
	if (same_hash) {
		int undone = map_put(&store->by_hash, &held->record->hash, held);

		assert(!undone); /* as many keys as before: it need not grow */
		(void)undone;
	} else {
		map_del(&store->by_hash, &entry->record->hash);
	}
	return err;
}

/* Adds what was found fit to be added, and takes out what it replaces or pushes out. */
int store_change_add(struct store *store, struct record *record, const struct facts *facts,
	struct entry *held, bool report)
{
	const struct admission_entry *admission;
	const struct quota_entry *own;
	struct entry *entry;
	struct quota *quota;
	int err = new_entry(store, record, facts, &entry);

	if (err)
		return err;
	admission = store_admission_entry(entry);
	own = quota_of(entry);
	quota = own ? own->quota : NULL;
	err = put_in_maps(store, entry, held);
	if (err) {
		free(entry);
		if (quota)
			quota_forget_idle(&store->quotas, quota);
		return err;
	}
	record_ref(record);
	if (held)
		detach(store, held, record, report);
	attach(store, entry, report);
	if (!quota)
		quota = review_office(store, record);
	/* not of what is restored: offices and keeps may still be to come */
	if (report && quota)
		store_change_trim(store, quota);
	if (report && admission && admission->claim.uses)
		remove_excess(store, admission->claim.uses);
	return 0;
}
