/*
 * The values of the authority's records. The input is type, size of the key, key, value: the record
 * round it is what anybody can sign. What decodes is within its limits and encodes to the same
 * bytes; and the authority is computed over whatever it is.
 */
#include "gossip/trust/authority.h"
#include "gossip/trust/equivocation.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct id mesh = {{0x3b, 0x6a, 0x27, 0xbc}};

static void expect_value(const struct record *record, struct pack *pack)
{
	assert(!pack->failed && pack->size == record->value_size);
	assert(pack->size == 0 || memcmp(pack->data, record->value, pack->size) == 0);
	pack_done(pack);
}

static void try_invite(const struct record *record)
{
	struct invite invite;
	struct pack pack;

	if (invite_decode(record, &invite) != 0)
		return;
	assert(invite.uses >= 1 && invite.uses <= INVITE_USES_MAX);
	assert(!invite.node_name[0] || admission_check_name(invite.node_name) == 0);
	pack_init_growing(&pack, RECORD_VALUE_MAX);
	invite_encode(&invite, &pack);
	expect_value(record, &pack);
}

static void try_revocation(const struct record *record)
{
	uint8_t key[REVOCATION_KEY_MAX];
	struct revocation revocation;
	struct pack pack;

	if (revocation_decode(record, &revocation) != 0)
		return;
	assert(revocation.keep_count <= REVOCATION_KEEP_MAX);
	size_t key_size = revocation_key(&revocation, key);
	assert(key_size == record->key_size);
	assert(memcmp(key, record->key, record->key_size) == 0);
	for (size_t i = 0; i < revocation.keep_count; i++)
		assert(revocation_keeps(&revocation, revocation.keep + i * 32));
	pack_init_growing(&pack, RECORD_VALUE_MAX);
	revocation_encode(&revocation, &pack);
	expect_value(record, &pack);
}

static void try_equivocation(const struct record *record)
{
	struct equivocation proof;
	struct pack pack;
	int err;

	if (equivocation_decode(record, &proof) != 0)
		return;
	err = equivocation_verify(&proof);
	assert(err != 0); /* nobody signed it */
	(void)err;
	pack_init_growing(&pack, RECORD_VALUE_MAX);
	equivocation_encode(&proof, &pack);
	expect_value(record, &pack);
}

static void try_writer(const struct record *record)
{
	struct pack pack;
	bool granted;

	if (writer_decode(record, &granted) != 0)
		return;
	pack_init_growing(&pack, RECORD_VALUE_MAX);
	writer_encode(granted, &pack);
	expect_value(record, &pack);
}

static void try_charter(const struct record *record)
{
	struct charter charter;
	struct pack pack;

	if (charter_decode(record, &charter) != 0)
		return;
	pack_init_growing(&pack, RECORD_VALUE_MAX);
	charter_encode(&charter, &pack);
	expect_value(record, &pack);
}

static void try_admission(const struct record *record)
{
	struct admission admission;
	int err;

	if (admission_decode(&mesh, record, &admission) != 0)
		return;
	assert(admission_check_name(admission.name) == 0);
	err = admission_verify(&mesh, &admission, false);
	assert(err != 0); /* nobody signed it */
	(void)err;
	try_invite(admission.invite_record);
	admission_done(&admission);
}

static void try_authority(const struct record *record)
{
	const struct record *const twice[] = {record, record};
	const struct authority_set set = {.mesh = &mesh, .records = twice, .count = 2};
	const struct authority_member *member;
	struct authority *authority;

	if (authority_compute(&set, &authority) != 0)
		return;
	member = authority_at(authority, 0);
	assert(!member || authority_member(authority, &member->id) == member);
	assert(!authority_at(authority, 1));
	assert(!authority_invite_at(authority, 1));
	authority_free(authority);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sig unsigned_by_anybody;
	struct record_draft draft = {.stamp = UINT64_C(1) << 56};
	struct record *record;

	if (size < 2 || data[0] == 0 || data[1] > size - 2)
		return 0;
	draft.type = (enum record_type)(data[0] & 0x7f);
	draft.key = data + 2;
	draft.key_size = data[1];
	draft.value = data + 2 + data[1];
	draft.value_size = size - 2 - data[1];
	if (draft.type == 0)
		return 0;
	/* the root, or somebody */
	if (record_assemble(&mesh, data[0] & 0x80 ? &mesh : &(struct id){{7}}, &draft,
		    &unsigned_by_anybody, &record) != 0)
		return 0;
	try_invite(record);
	try_revocation(record);
	try_charter(record);
	try_equivocation(record);
	try_writer(record);
	try_admission(record);
	try_authority(record);
	record_unref(record);
	return 0;
}
