#include "tests/support/records.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "gossip/record/hlc.h"
#include "gossip/record/value.h"
#include "gossip/trust/address.h"
#include "gossip/trust/equivocation.h"

#define HOUR_MS (3600 * INT64_C(1000))

void records_keys(unsigned number, struct keys *ret)
{
	uint8_t seed[32];

	memset(seed, 0x5a, sizeof(seed));
	memcpy(seed, &number, sizeof(number));
	keys_from_seed(seed, ret);
}

struct id records_id(unsigned number)
{
	struct keys keys;

	records_keys(number, &keys);
	return keys.id;
}

const struct id *records_mesh(void)
{
	static struct id mesh;

	if (id_is_zero(&mesh))
		mesh = records_id(RECORDS_ROOT);
	return &mesh;
}

uint64_t records_at(unsigned seconds)
{
	return hlc_from_ms(RECORDS_START_MS + seconds * INT64_C(1000));
}

struct record *records_make(unsigned author, enum record_type type, uint64_t stamp, const void *key,
	size_t key_size, const void *value, size_t value_size)
{
	const struct record_draft draft = {
		.type = type,
		.key = key,
		.key_size = key_size,
		.stamp = stamp,
		.value = value,
		.value_size = value_size,
	};
	struct keys keys;
	struct record *record = NULL;
	int err;

	records_keys(author, &keys);
	err = record_sign(records_mesh(), &keys, &draft, &record);
	assert(err == 0);
	(void)err;
	return record;
}

/* The same with a value that was packed for it, which is released. */
static struct record *make_packed(unsigned author, enum record_type type, uint64_t stamp,
	const void *key, size_t key_size, struct pack *value)
{
	struct record *record;

	assert(!value->failed);
	record = records_make(author, type, stamp, key, key_size, value->data, value->size);
	pack_done(value);
	return record;
}

struct record *records_charter(uint64_t stamp)
{
	struct charter charter = {.name = "test"};
	struct pack value;

	address_default_prefixes(records_mesh(), &charter.prefix4, &charter.prefix6);
	pack_init_growing(&value, RECORD_VALUE_MAX);
	charter_encode(&charter, &value);
	return make_packed(RECORDS_ROOT, RECORD_CHARTER, stamp, NULL, 0, &value);
}

struct record *records_grant(unsigned node, uint64_t stamp)
{
	struct id id = records_id(node);

	return records_make(RECORDS_ROOT, RECORD_GRANT, stamp, &id, sizeof(id), NULL, 0);
}

struct record *records_invite(
	unsigned author, unsigned invite, uint64_t stamp, const struct invite *terms)
{
	struct invite all = terms ? *terms : (struct invite){0};
	struct pack value;

	all.id = records_id(invite);
	if (!all.uses)
		all.uses = 1;
	if (!all.expires_ms)
		all.expires_ms = hlc_stamp_ms(stamp) + HOUR_MS;
	pack_init_growing(&value, RECORD_VALUE_MAX);
	invite_encode(&all, &value);
	return make_packed(author, RECORD_INVITE, stamp, &all.id, sizeof(all.id), &value);
}

struct record *records_admission(unsigned node, const char *name, unsigned invite,
	const struct record *invite_record, unsigned witness, uint64_t stamp)
{
	const struct id *mesh = records_mesh();
	/* only its bytes are read */
	struct admission admission = {
		.invite_record = (struct record *)invite_record, .stamp = stamp};
	struct keys node_keys, invite_keys, witness_keys;
	struct record *record = NULL;
	int err;

	records_keys(node, &node_keys);
	records_keys(invite, &invite_keys);
	records_keys(witness, &witness_keys);
	if (name)
		snprintf(admission.name, sizeof(admission.name), "%s", name);
	else
		snprintf(admission.name, sizeof(admission.name), "node-%u", node);
	admission.node = node_keys.id;
	admission.witness = witness_keys.id;
	admission_sign_invite(
		mesh, &invite_keys, &node_keys.id, admission.name, &admission.invite_sig);
	admission_sign_witness(mesh, &witness_keys, &node_keys.id, admission.name, &invite_keys.id,
		stamp, &admission.witness_sig);
	err = admission_sign(mesh, &node_keys, &admission, &record);
	assert(err == 0);
	(void)err;
	return record;
}

struct record *records_member(
	unsigned admin, unsigned node, unsigned invite, unsigned witness, uint64_t stamp)
{
	struct record *invite_record = records_invite(admin, invite, stamp - 1, NULL);
	struct record *record =
		records_admission(node, NULL, invite, invite_record, witness, stamp);

	record_unref(invite_record);
	return record;
}

static int compare_items(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

struct record *records_revocation(unsigned author, enum record_type type, uint64_t stamp,
	const struct revocation *terms, const void *keep, size_t keep_count)
{
	struct revocation all = *terms;
	uint8_t *sorted = malloc(keep_count * 32 + 1), key[REVOCATION_KEY_MAX];
	struct pack value;

	assert(sorted);
	if (keep_count) {
		memcpy(sorted, keep, keep_count * 32);
		qsort(sorted, keep_count, 32, compare_items);
	}
	all.keep = sorted;
	all.keep_count = keep_count;
	pack_init_growing(&value, RECORD_VALUE_MAX);
	revocation_encode(&all, &value);
	free(sorted);
	return make_packed(author, type, stamp, key, revocation_key(&all, key), &value);
}

struct record *records_revoke(unsigned author, unsigned node, uint64_t stamp)
{
	const struct revocation terms = {.subject = records_id(node), .reason = "a test"};

	return records_revocation(author, RECORD_REVOCATION, stamp, &terms, NULL, 0);
}

struct record *records_keep(unsigned author, unsigned node, uint64_t stamp)
{
	struct id id = records_id(node);

	return records_make(author, RECORD_KEEP, stamp, &id, sizeof(id), NULL, 0);
}

struct record *records_keep_by_hand(unsigned author, unsigned node, uint64_t stamp)
{
	struct id id = records_id(node);
	struct pack value;

	pack_init_growing(&value, RECORD_VALUE_MAX);
	keep_encode(true, &value);
	return make_packed(author, RECORD_KEEP, stamp, &id, sizeof(id), &value);
}

struct record *records_writer(unsigned author, unsigned node, bool granted, uint64_t stamp)
{
	struct id id = records_id(node);
	struct pack value;

	pack_init_growing(&value, RECORD_VALUE_MAX);
	writer_encode(granted, &value);
	return make_packed(author, RECORD_WRITER, stamp, &id, sizeof(id), &value);
}

struct record *records_proof(
	unsigned finder, const struct record *a, const struct record *b, uint64_t stamp)
{
	struct equivocation proof;
	struct pack value;
	int err = equivocation_between(a, b, &proof);

	assert(err == 0);
	(void)err;
	pack_init_growing(&value, RECORD_VALUE_MAX);
	equivocation_encode(&proof, &value);
	return make_packed(
		finder, RECORD_EQUIVOCATION, stamp, &proof.node, sizeof(proof.node), &value);
}

struct record *records_leave(unsigned node, uint64_t stamp)
{
	return records_make(node, RECORD_LEAVE, stamp, NULL, 0, NULL, 0);
}

struct record *records_descriptor(unsigned node, uint64_t stamp, const struct descriptor *terms)
{
	struct descriptor all = terms ? *terms : (struct descriptor){.wireguard_port = 51820};
	struct id id = records_id(node);
	struct record *record;
	struct keys wireguard;
	struct pack value;

	records_keys(node + RECORDS_WIREGUARD, &wireguard);
	all.wireguard = wireguard.id;
	descriptor_prove(&wireguard, &id, &all.wireguard_proof);
	pack_init_growing(&value, RECORD_VALUE_MAX);
	descriptor_encode(&all, &value);
	assert(!value.failed);
	record = records_make(node, RECORD_DESCRIPTOR, stamp, NULL, 0, value.data, value.size);
	pack_done(&value);
	return record;
}

struct record *records_lease(unsigned node, uint64_t stamp, int64_t expiry_ms)
{
	struct record *unlimited = records_descriptor(node, stamp, NULL), *record = NULL;
	const struct record_draft draft = {.type = RECORD_DESCRIPTOR,
		.stamp = stamp,
		.expiry_ms = expiry_ms,
		.value = unlimited->value,
		.value_size = unlimited->value_size};
	struct keys keys;
	int err;

	records_keys(node, &keys);
	err = record_sign(records_mesh(), &keys, &draft, &record);
	assert(err == 0);
	(void)err;
	record_unref(unlimited);
	return record;
}

struct record *records_value(unsigned author, const char *key, const char *value, uint64_t stamp)
{
	struct pack pack;

	pack_init_growing(&pack, RECORD_VALUE_MAX);
	value_encode(value, value ? strlen(value) : 0, &pack);
	return make_packed(author, RECORD_VALUE, stamp, key, strlen(key), &pack);
}

struct record *records_macs(unsigned author, uint32_t vni, uint8_t bucket,
	const struct macs_entry *entries, size_t count, uint64_t stamp)
{
	uint8_t key[MACS_KEY_SIZE];
	struct pack pack;

	macs_key(vni, bucket, key);
	pack_init_growing(&pack, RECORD_VALUE_MAX);
	macs_encode(entries, count, &pack);
	return make_packed(author, RECORD_MACS, stamp, key, sizeof(key), &pack);
}

void records_next_mac(uint8_t bucket, uint8_t mac[6])
{
	mac[0] = 2;
	do {
		for (size_t i = 6; i-- > 1 && ++mac[i] == 0;)
			continue;
	} while (macs_bucket(mac) != bucket);
}

static const struct record *find_descriptor(void *context, const struct id *node)
{
	const struct authority_set *set = context;
	const struct record *found = NULL;

	for (size_t i = 0; i < set->count; i++) {
		const struct record *record = set->records[i];

		if (record->type == RECORD_DESCRIPTOR && id_equal(&record->author, node) &&
			(!found || record_compare(record, found) > 0))
			found = record;
	}
	return found;
}

int records_compute(
	const struct record *const *records, size_t count, int64_t now_ms, struct authority **ret)
{
	struct authority_set set = {.mesh = records_mesh(),
		.records = records,
		.count = count,
		.descriptor = find_descriptor,
		.now = {now_ms},
		.now_known = true};

	set.context = &set;
	return authority_compute(&set, ret);
}

struct record *records_add(struct records_set *set, struct record *record)
{
	assert(set->count < RECORDS_SET_MAX);
	set->records[set->count++] = record;
	return record;
}

void records_set_done(struct records_set *set)
{
	while (set->count)
		record_unref(set->records[--set->count]);
}
