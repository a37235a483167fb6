#include "gossip/record/macs.h"
#include "gossip/record/value.h"
#include "gossip/replica/store_internal.h"
#include "gossip/trust/authority.h"
#include "gossip/trust/equivocation.h"

/* What the author keeps for as long as it is a member, and what its revocation takes away. */
bool store_inspect_is_purgeable(uint16_t type)
{
	return !authority_concerns(type);
}

bool store_inspect_has_quota(uint16_t type)
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
int store_inspect(const struct store *store, const struct record *record, struct facts *ret)
{
	struct revocation revocation;
	struct equivocation equivocation;
	struct charter charter;
	struct invite invite;
	bool said;
	struct macs_reader macs;
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
		return check_empty(record, sizeof(struct id));
	case RECORD_KEEP:
		return keep_decode(record, &said);
	case RECORD_WRITER:
		return writer_decode(record, &said);
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
	case RECORD_MACS:
		return macs_read(record, &macs);
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

int store_inspect_verify(const struct store *store, const struct record *record)
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
