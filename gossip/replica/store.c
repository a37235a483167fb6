#include "gossip/replica/store.h"

#include <assert.h>
#include <stdlib.h>

#include "gossip/base/map.h"
#include "gossip/base/rng.h"
#include "gossip/record/value.h"
#include "gossip/replica/uses.h"
#include "gossip/replica/waiting.h"
#include "gossip/trust/authority.h"
#include "gossip/trust/equivocation.h"

/* Of an admission: what the store needs to know of its invite. */
struct facts {
	struct hash invite; /* its record */
	struct id inviter;  /* who signed it */
	bool makes_admin;   /* the root signed it for admins */
	size_t limit;	    /* of its admissions that are stored */
};

/* What holds a slot: by the record's type one of the three. There are two for each pair of nodes in
 * the mesh, so that none has room for what it does not need. */
struct entry {
	struct record *record;
	struct hash slot; /* of author, type and key */
	struct order_node all;
};

struct admission_entry {
	struct entry entry;
	struct facts facts;
	struct uses_claim claim;
};

struct quota_entry {
	struct entry entry;
	struct author *author; /* whose quota it counts on */
	struct order_node own;
};

/* Somebody with records that count on its quota, or who is banned. */
struct author {
	struct id id;
	bool banned;
	struct order own; /* its records that count on the quota */
	size_t count, size_bytes;
};

struct store {
	struct id mesh;
	struct rng *rng;
	struct store_observer observer;
	struct map by_hash; /* entry by its record's hash */
	struct map by_slot; /* entry by its slot */
	struct map authors; /* author by id */
	struct order all;
	struct uses_table uses;
	size_t size_bytes;
	struct digest digest;	    /* of all but revocations */
	struct hash revocations;    /* the chain of those; good unless stale */
	uint8_t final[DIGEST_SIZE]; /* of both; good unless stale */
	bool revocations_stale, final_stale;
	uint64_t authority_version;
	struct waiting waiting;
};

#define owner_of(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

int store_new(const struct id *mesh, struct rng *rng, const struct store_observer *observer,
	struct store **ret)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return ERR_NOMEM;
	store->mesh = *mesh;
	store->rng = rng;
	if (observer)
		store->observer = *observer;
	map_init(&store->by_hash, sizeof(struct hash), rng);
	map_init(&store->by_slot, sizeof(struct hash), rng);
	map_init(&store->authors, sizeof(struct id), rng);
	uses_init(&store->uses, rng);
	digest_init(&store->digest);
	store->final_stale = true;
	*ret = store;
	return 0;
}

void store_free(struct store *store)
{
	struct author *author;
	struct entry *entry;

	if (!store)
		return;
	map_each (&store->by_slot, at, entry) {
		record_unref(entry->record);
		free(entry);
	}
	map_each (&store->authors, at, author)
		free(author);
	map_done(&store->by_hash);
	map_done(&store->by_slot);
	map_done(&store->authors);
	uses_done(&store->uses);
	waiting_done(&store->waiting);
	free(store);
}

const struct id *store_mesh(const struct store *store)
{
	return &store->mesh;
}

/* ---- what a record is, by itself ---- */

/* What the author keeps for as long as it is a member, and what its revocation takes away. */
static bool is_purgeable(uint16_t type)
{
	return !authority_concerns(type);
}

static bool has_quota(uint16_t type)
{
	return !authority_concerns(type) && type != RECORD_DESCRIPTOR;
}

static int inspect_admission(
	const struct store *store, const struct record *record, struct facts *ret)
{
	struct admission admission;
	int err = admission_decode(&store->mesh, record, &admission);

	if (err)
		return err == ERR_NOMEM ? err : ERR_MALFORMED;
	ret->invite = admission.invite_record->hash;
	ret->inviter = admission.invite_record->author;
	ret->limit = admission.invite.uses + AUTHORITY_OVERSPENT_MAX;
	ret->makes_admin = admission.invite.admin && id_equal(&ret->inviter, &store->mesh);
	admission_done(&admission);
	return 0;
}

/* A statement about what its key names, and nothing more. */
static int check_empty(const struct record *record, size_t key_size)
{
	return record->key_size == key_size && record->value_size == 0 && record->expiry_ms == 0
		       ? 0
		       : ERR_MALFORMED;
}

/* Refuses what no view could read. Descriptors and leaves are outside the quota: the one slot that
 * they have by their empty key bounds them, and their size. */
static int inspect(const struct store *store, const struct record *record, struct facts *ret)
{
	struct revocation revocation;
	struct equivocation equivocation;
	struct charter charter;
	struct invite invite;
	bool granted;
	struct value value;

	*ret = (struct facts){0};
	switch (record->type) {
	case RECORD_CHARTER:
		return charter_decode(record, &charter);
	case RECORD_ADMIN_REVOCATION:
	case RECORD_REVOCATION:
	case RECORD_CLOSING:
		return revocation_decode(record, &revocation);
	case RECORD_INVITE:
		return invite_decode(record, &invite);
	case RECORD_GRANT:
	case RECORD_KEEP:
		return check_empty(record, sizeof(struct id));
	case RECORD_WRITER:
		return writer_decode(record, &granted);
	case RECORD_EQUIVOCATION:
		return equivocation_decode(record, &equivocation);
	case RECORD_ADMISSION:
		return inspect_admission(store, record, ret);
	case RECORD_LEAVE:
		return check_empty(record, 0);
	case RECORD_DESCRIPTOR:
		return record->key_size == 0 && record->value_size <= STORE_DESCRIPTOR_MAX
			       ? 0
			       : ERR_MALFORMED;
	case RECORD_VALUE:
		return value_decode(record, &value);
	default:
		return 0;
	}
}

/* Of many that join by one invite each brings it along. */
static bool is_stored(const struct store *store, const struct record *record)
{
	const struct entry *entry = map_get(&store->by_hash, &record->hash);

	return entry && entry->record->size == record->size &&
	       memcmp(entry->record->bytes, record->bytes, record->size) == 0;
}

static int verify(const struct store *store, const struct record *record)
{
	struct equivocation equivocation;
	struct admission admission;
	int err = record_verify(record);

	if (!err && record->type == RECORD_EQUIVOCATION)
		err = equivocation_decode(record, &equivocation);
	if (!err && record->type == RECORD_EQUIVOCATION)
		return equivocation_verify(&equivocation);
	if (err || record->type != RECORD_ADMISSION)
		return err;
	err = admission_decode(&store->mesh, record, &admission);
	if (err)
		return err;
	err = admission_verify(&store->mesh, &admission, is_stored(store, admission.invite_record));
	admission_done(&admission);
	return err;
}

/* ---- entries ---- */

/* NULL: it is none. */
static struct admission_entry *admission_of(struct entry *entry)
{
	return entry && entry->record->type == RECORD_ADMISSION ? (struct admission_entry *)entry
								: NULL;
}

static struct quota_entry *quota_of(struct entry *entry)
{
	return has_quota(entry->record->type) ? (struct quota_entry *)entry : NULL;
}

static const struct facts *facts_of(const struct entry *entry)
{
	static const struct facts none;

	return entry->record->type == RECORD_ADMISSION
		       ? &((const struct admission_entry *)entry)->facts
		       : &none;
}

/* ---- slots ---- */

static void slot_of(
	const struct id *author, uint16_t type, const void *key, size_t key_size, struct hash *ret)
{
	uint8_t bytes[sizeof(*author) + 2 + RECORD_KEY_MAX];

	assert(key_size <= RECORD_KEY_MAX);
	memcpy(bytes, author, sizeof(*author));
	bytes[sizeof(*author)] = (uint8_t)(type >> 8);
	bytes[sizeof(*author) + 1] = (uint8_t)type;
	if (key_size)
		memcpy(bytes + sizeof(*author) + 2, key, key_size);
	keys_hash(KEYS_TOPIC, bytes, sizeof(*author) + 2 + key_size, ret);
}

static struct entry *find_slot(const struct store *store, const struct id *author, uint16_t type,
	const void *key, size_t key_size)
{
	struct hash slot;

	slot_of(author, type, key, key_size, &slot);
	return map_get(&store->by_slot, &slot);
}

static struct entry *slot_entry(const struct store *store, const struct record *record)
{
	return find_slot(store, &record->author, record->type, record->key, record->key_size);
}

/* Whether the record takes the slot from the one that holds it. An admission that makes an admin
 * yields to none that does not: otherwise what that admin signed would lose its chain, or keep it,
 * by the order of arrival. */
static bool wins(const struct record *record, const struct facts *facts, const struct entry *held)
{
	if (!held)
		return true;
	if (facts->makes_admin != facts_of(held)->makes_admin)
		return facts->makes_admin;
	return record_compare(record, held->record) > 0;
}

/* ---- chains: a grant or admission only goes for its successor, or beyond its invite's uses ----
 */

static bool is_admin(const struct store *store, const struct id *id)
{
	const struct entry *admission;

	if (id_equal(id, &store->mesh) ||
		find_slot(store, &store->mesh, RECORD_GRANT, id, sizeof(*id)))
		return true;
	admission = find_slot(store, id, RECORD_ADMISSION, NULL, 0);
	return admission && facts_of(admission)->makes_admin;
}

static bool is_chained(
	const struct store *store, const struct record *record, const struct facts *facts)
{
	struct id subject;

	switch (authority_chain(record->type)) {
	case CHAIN_ROOT:
		return id_equal(&record->author, &store->mesh);
	case CHAIN_ADMIN:
		return is_admin(store, &record->author);
	case CHAIN_ADMISSION:
		return is_admin(store, &facts->inviter);
	case CHAIN_MEMBER:
		return find_slot(store, &record->author, RECORD_ADMISSION, NULL, 0) != NULL;
	case CHAIN_SUBJECT:
		memcpy(&subject, record->key, sizeof(subject));
		return find_slot(store, &subject, RECORD_ADMISSION, NULL, 0) != NULL;
	}
	return false;
}

/* ---- authors and quotas ---- */

static int ensure_author(struct store *store, const struct id *id, struct author **ret)
{
	struct author *author = map_get(&store->authors, id);

	if (!author) {
		author = calloc(1, sizeof(*author));
		if (!author)
			return ERR_NOMEM;
		author->id = *id;
		if (map_put(&store->authors, &author->id, author) != 0) {
			free(author);
			return ERR_NOMEM;
		}
	}
	*ret = author;
	return 0;
}

static void forget_idle_author(struct store *store, struct author *author)
{
	if (author->count || author->banned)
		return;
	map_del(&store->authors, &author->id);
	free(author);
}

/*
 * The quota is the longest newest-first run of an author's slots in which what is newer than each
 * is below STORE_QUOTA_SIZE and fewer than STORE_QUOTA_RECORDS: so a newer record only ever pushes
 * older ones out, and what is out stays out however the rest arrives. (A slot that shrinks may make
 * room for older ones again; they come back by the next sync.) Hence what is beyond the quota is
 * older than all that is there.
 */
static bool is_beyond_quota(const struct store *store, const struct record *record)
{
	const struct author *author = map_get(&store->authors, &record->author);
	const struct order_node *oldest = author ? order_first(&author->own) : NULL;

	return has_quota(record->type) && oldest && record_compare(record, oldest->record) < 0 &&
	       (author->count >= STORE_QUOTA_RECORDS || author->size_bytes >= STORE_QUOTA_SIZE);
}

static bool is_over_quota(const struct author *author)
{
	const struct order_node *oldest = order_first(&author->own);

	return oldest && (author->count > STORE_QUOTA_RECORDS ||
				 author->size_bytes - oldest->record->size >= STORE_QUOTA_SIZE);
}

/* ---- uses ---- */

/* A successor of one that is counted takes its place. */
static bool is_beyond_uses(const struct store *store, const struct record *record,
	const struct facts *facts, struct entry *held)
{
	const struct admission_entry *before = admission_of(held);

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
		admission_of(find_slot(store, node, RECORD_ADMISSION, NULL, 0));

	if (uses_keep(&store->uses, node) == 0 && admission)
		uses_remove(&store->uses, &admission->claim);
}

static void unkeep_one(struct store *store, const struct id *node)
{
	struct admission_entry *admission =
		admission_of(find_slot(store, node, RECORD_ADMISSION, NULL, 0));

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
	struct admission_entry *admission = admission_of(entry);
	struct quota_entry *quota = quota_of(entry);

	order_remove(&store->all, &entry->all);
	if (admission)
		uses_remove(&store->uses, &admission->claim);
	each_kept(store, record, unkeep_one);
	store->size_bytes -= record->size;
	count_digest(store, record, digest_remove);
	if (authority_concerns(record->type))
		store->authority_version++;
	if (quota) {
		order_remove(&quota->author->own, &quota->own);
		quota->author->count--;
		quota->author->size_bytes -= record->size;
	}
	if (report && store->observer.removed)
		store->observer.removed(store->observer.context, record, successor);
	record_unref(record);
	free(entry);
}

static void attach(struct store *store, struct entry *entry, bool report)
{
	struct record *record = entry->record;
	struct admission_entry *admission = admission_of(entry);
	struct quota_entry *quota = quota_of(entry);

	order_add(&store->all, &entry->all);
	if (admission)
		count_use(store, admission);
	each_kept(store, record, keep_one);
	store->size_bytes += record->size;
	count_digest(store, record, digest_add);
	if (authority_concerns(record->type))
		store->authority_version++;
	if (quota) {
		order_add(&quota->author->own, &quota->own);
		quota->author->count++;
		quota->author->size_bytes += record->size;
	}
	if (report && store->observer.added)
		store->observer.added(store->observer.context, record);
}

static void remove_entry(struct store *store, struct entry *entry, bool report)
{
	const struct quota_entry *quota = quota_of(entry);
	struct author *author = quota ? quota->author : NULL;

	map_del(&store->by_hash, &entry->record->hash);
	map_del(&store->by_slot, &entry->slot);
	detach(store, entry, NULL, report);
	if (author)
		forget_idle_author(store, author);
}

/* What a member says, apart from authority. */
static void remove_said(struct store *store, const struct id *id)
{
	struct entry *descriptor = find_slot(store, id, RECORD_DESCRIPTOR, NULL, 0);
	struct author *author = map_get(&store->authors, id);

	if (descriptor)
		remove_entry(store, descriptor, true);
	for (size_t count = author ? author->count : 0; count; count--)
		remove_entry(store,
			&owner_of(order_first(&author->own), struct quota_entry, own)->entry, true);
}

/* An admission beyond its invite's uses goes, and with it all that it was the chain of. */
static void remove_member(struct store *store, struct entry *admission)
{
	bool made_admin = facts_of(admission)->makes_admin;
	struct id id = admission->record->author;
	struct entry *leave = find_slot(store, &id, RECORD_LEAVE, NULL, 0);
	struct record *at = NULL, *next;

	remove_entry(store, admission, true);
	remove_said(store, &id);
	if (leave)
		remove_entry(store, leave, true);
	if (!made_admin || is_admin(store, &id))
		return;
	while ((next = store_after(store, at))) {
		struct entry *entry = map_get(&store->by_hash, &next->hash);

		record_ref(next);
		record_unref(at);
		at = next;
		if (is_chained(store, next, facts_of(entry)))
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
		remove_member(store, &owner_of(excess, struct admission_entry, claim.node)->entry);
}

static struct order_node new_node(struct store *store, const struct record *record)
{
	return (struct order_node){.priority = (uint32_t)rng_u64(store->rng), .record = record};
}

static size_t entry_size(uint16_t type)
{
	if (type == RECORD_ADMISSION)
		return sizeof(struct admission_entry);
	return has_quota(type) ? sizeof(struct quota_entry) : sizeof(struct entry);
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
	if (quota && ensure_author(store, &record->author, &quota->author) != 0) {
		free(entry);
		return ERR_NOMEM;
	}
	slot_of(&record->author, record->type, record->key, record->key_size, &entry->slot);
	entry->all = new_node(store, record);
	if (quota)
		quota->own = new_node(store, record);
	admission = admission_of(entry);
	if (admission) {
		admission->facts = *facts;
		admission->claim.node = new_node(store, record);
	}
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
static int add(struct store *store, struct record *record, const struct facts *facts,
	struct entry *held, bool report)
{
	const struct admission_entry *admission;
	const struct quota_entry *quota;
	struct entry *entry;
	struct author *author;
	int err = new_entry(store, record, facts, &entry);

	if (err)
		return err;
	admission = admission_of(entry);
	quota = quota_of(entry);
	author = quota ? quota->author : NULL;
	err = put_in_maps(store, entry, held);
	if (err) {
		free(entry);
		if (author)
			forget_idle_author(store, author);
		return err;
	}
	record_ref(record);
	if (held)
		detach(store, held, record, report);
	attach(store, entry, report);
	while (author && is_over_quota(author))
		remove_entry(store,
			&owner_of(order_first(&author->own), struct quota_entry, own)->entry,
			report);
	/* not of what is restored: the keeps may still be to come */
	if (report && admission && admission->claim.uses)
		remove_excess(store, admission->claim.uses);
	return 0;
}

static bool is_refused(const struct store *store, const struct record *record)
{
	return is_purgeable(record->type) && store_banned(store, &record->author);
}

static int put_one(struct store *store, struct record *record, enum store_result *ret)
{
	struct entry *held;
	struct facts facts;
	int err;

	if (is_refused(store, record))
		return ERR_REVOKED;
	held = slot_entry(store, record);
	if (held && record_compare(record, held->record) == 0) {
		*ret = STORE_KNOWN;
		return 0;
	}
	err = inspect(store, record, &facts);
	if (err)
		return err;
	if (!wins(record, &facts, held)) {
		*ret = STORE_KNOWN;
		return 0;
	}
	if (!is_chained(store, record, &facts)) {
		waiting_put(&store->waiting, record);
		*ret = STORE_WAITING;
		return 0;
	}
	if (is_beyond_quota(store, record) || is_beyond_uses(store, record, &facts, held))
		return ERR_LIMIT;
	err = verify(store, record);
	if (!err && store->observer.admit)
		err = store->observer.admit(store->observer.context, record);
	if (err)
		return err;
	err = add(store, record, &facts, held, true);
	if (!err)
		*ret = STORE_ADDED;
	return err;
}

static bool lengthens_chains(uint16_t type)
{
	return type == RECORD_GRANT || type == RECORD_ADMISSION;
}

/* Tries all that wait once; tells whether that may have made a chain for others. What still waits
 * goes to the end in its order, so that the queue comes round as it was. */
static bool retry_waiting_once(struct store *store)
{
	size_t count = store->waiting.count;
	bool again = false;

	for (size_t i = 0; i < count; i++) {
		struct record *record = waiting_take(&store->waiting, 0);
		enum store_result result;

		if (put_one(store, record, &result) == 0 && result == STORE_ADDED &&
			lengthens_chains(record->type))
			again = true;
		record_unref(record);
	}
	return again;
}

int store_put(struct store *store, struct record *record, enum store_result *ret)
{
	enum store_result result;
	int err = put_one(store, record, &result);

	if (err)
		return err;
	if (result == STORE_ADDED && lengthens_chains(record->type)) {
		while (retry_waiting_once(store))
			continue;
	}
	*ret = result;
	return 0;
}

int store_restore(struct store *store, struct record *record)
{
	struct entry *held = slot_entry(store, record);
	struct facts facts;
	int err;

	if (is_refused(store, record))
		return ERR_REVOKED;
	err = inspect(store, record, &facts);
	if (err)
		return err;
	if (!wins(record, &facts, held))
		return 0;
	return is_beyond_quota(store, record) ? ERR_LIMIT : add(store, record, &facts, held, false);
}

void store_ban(struct store *store, const struct id *id)
{
	struct author *author;

	if (ensure_author(store, id, &author) == 0)
		author->banned = true;
	remove_said(store, id);
}

void store_unban(struct store *store, const struct id *id)
{
	struct author *author = map_get(&store->authors, id);

	if (!author)
		return;
	author->banned = false;
	forget_idle_author(store, author);
}

bool store_banned(const struct store *store, const struct id *id)
{
	const struct author *author = map_get(&store->authors, id);

	return author && author->banned;
}

/* ---- looking ---- */

struct record *store_find(const struct store *store, const struct hash *hash)
{
	const struct entry *entry = map_get(&store->by_hash, hash);

	return entry ? entry->record : NULL;
}

struct record *store_slot(const struct store *store, const struct id *author, uint16_t type,
	const void *key, size_t key_size)
{
	const struct entry *entry = find_slot(store, author, type, key, key_size);

	return entry ? entry->record : NULL;
}

void store_topic(const struct record *record, struct hash *ret)
{
	slot_of(&record->author, record->type, record->key, record->key_size, ret);
}

struct record *store_at_topic(const struct store *store, const struct hash *topic)
{
	const struct entry *entry = map_get(&store->by_slot, topic);

	return entry ? entry->record : NULL;
}

struct record *store_record(struct order_node *node)
{
	return owner_of(node, struct entry, all)->record;
}

const struct order *store_order(const struct store *store)
{
	return &store->all;
}

struct record *store_after(const struct store *store, const struct record *after)
{
	struct order_node *node;

	if (after) {
		struct order_key key = order_key(after);

		node = order_after(&store->all, &key);
	} else {
		node = order_first(&store->all);
	}
	return node ? store_record(node) : NULL;
}

struct store_usage store_usage(const struct store *store, const struct id *id)
{
	const struct author *author = map_get(&store->authors, id);

	return (struct store_usage){.records = author ? author->count : 0,
		.size_bytes = author ? author->size_bytes : 0,
		.records_max = STORE_QUOTA_RECORDS,
		.size_max = STORE_QUOTA_SIZE};
}

size_t store_count(const struct store *store)
{
	return store->by_slot.count;
}

size_t store_size(const struct store *store)
{
	return store->size_bytes;
}

static int chain_one(void *context, struct order_node *node)
{
	digest_chain(context, &node->record->hash);
	return 0;
}

static void chain_revocations(struct store *store)
{
	const struct order_key low = ORDER_START, high = {.class = ORDER_REVOCATION + 1};

	store->revocations = (struct hash){0};
	(void)order_walk(&store->all, &low, &high, chain_one, &store->revocations);
	store->revocations_stale = false;
}

void store_digest(struct store *store, uint8_t ret[DIGEST_SIZE])
{
	if (store->revocations_stale)
		chain_revocations(store);
	if (store->final_stale) {
		digest_final(&store->digest, &store->revocations, store->final);
		store->final_stale = false;
	}
	memcpy(ret, store->final, DIGEST_SIZE);
}

uint64_t store_authority_version(const struct store *store)
{
	return store->authority_version;
}
