#include "gossip/trust/admission.h"

#include <assert.h>

#include "gossip/record/hlc.h"

#define VALUE_FIELDS 5

int admission_check_name(const char *name)
{
	size_t size = strnlen(name, ADMISSION_NAME_MAX + 1);

	if (size == 0 || size > ADMISSION_NAME_MAX ||
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != size)
		return ERR_INVALID;
	if (name[0] == '-' || name[size - 1] == '-')
		return ERR_INVALID;
	if (size >= 4 && strspn(name, "0123456789abcdef") == size)
		return ERR_INVALID;
	return 0;
}

/* What the invite's key and the witness sign. Only a name that admission_check_name would refuse
 * does not fit. */
struct statement {
	uint8_t bytes[256];
	struct pack pack;
};

static void statement_start(struct statement *statement, uint32_t fields, const struct id *mesh,
	const struct id *node, const char *name)
{
	pack_init(&statement->pack, statement->bytes, sizeof(statement->bytes));
	pack_put_array(&statement->pack, fields);
	pack_put_bin(&statement->pack, mesh, sizeof(*mesh));
	pack_put_bin(&statement->pack, node, sizeof(*node));
	pack_put_str(&statement->pack, name);
}

static void state_witness(struct statement *statement, const struct id *mesh, const struct id *node,
	const char *name, const struct id *invite, uint64_t stamp)
{
	statement_start(statement, 5, mesh, node, name);
	pack_put_bin(&statement->pack, invite, sizeof(*invite));
	pack_put_uint(&statement->pack, stamp);
}

void admission_sign_invite(const struct id *mesh, const struct keys *invite, const struct id *node,
	const char *name, struct sig *ret)
{
	struct statement statement;

	statement_start(&statement, 3, mesh, node, name);
	assert(!statement.pack.failed);
	keys_sign(invite, KEYS_ADMIT, statement.bytes, statement.pack.size, ret);
}

int admission_verify_invite(const struct id *mesh, const struct id *invite, const struct id *node,
	const char *name, const struct sig *sig)
{
	struct statement statement;

	statement_start(&statement, 3, mesh, node, name);
	if (statement.pack.failed)
		return ERR_INVALID;
	return keys_verify(invite, KEYS_ADMIT, statement.bytes, statement.pack.size, sig);
}

void admission_sign_witness(const struct id *mesh, const struct keys *witness,
	const struct id *node, const char *name, const struct id *invite, uint64_t stamp,
	struct sig *ret)
{
	struct statement statement;

	state_witness(&statement, mesh, node, name, invite, stamp);
	assert(!statement.pack.failed);
	keys_sign(witness, KEYS_WITNESS, statement.bytes, statement.pack.size, ret);
}

int admission_verify_witness(const struct id *mesh, const struct id *witness, const struct id *node,
	const char *name, const struct id *invite, uint64_t stamp, const struct sig *sig)
{
	struct statement statement;

	state_witness(&statement, mesh, node, name, invite, stamp);
	if (statement.pack.failed)
		return ERR_INVALID;
	return keys_verify(witness, KEYS_WITNESS, statement.bytes, statement.pack.size, sig);
}

int admission_sign(const struct id *mesh, const struct keys *node,
	const struct admission *admission, struct record **ret)
{
	struct pack value;
	int err;

	pack_init_growing(&value, RECORD_VALUE_MAX);
	pack_put_array(&value, VALUE_FIELDS);
	pack_put_str(&value, admission->name);
	pack_put_bin(&value, admission->invite_record->bytes, admission->invite_record->size);
	pack_put_bin(&value, &admission->invite_sig, sizeof(admission->invite_sig));
	pack_put_bin(&value, &admission->witness, sizeof(admission->witness));
	pack_put_bin(&value, &admission->witness_sig, sizeof(admission->witness_sig));
	err = pack_status(&value);
	if (!err) {
		struct record_draft draft = {
			.type = RECORD_ADMISSION,
			.stamp = admission->stamp,
			.value = value.data,
			.value_size = value.size,
		};
		err = record_sign(mesh, node, &draft, ret);
	}
	pack_done(&value);
	return err;
}

/* What the invite demands of whoever it admits. */
static int check_terms(const struct id *mesh, const struct admission *admission)
{
	const struct invite *invite = &admission->invite;

	if (invite->admin && !id_equal(&admission->invite_record->author, mesh))
		return ERR_NOT_ADMIN;
	if (invite->node_name[0] && strcmp(invite->node_name, admission->name) != 0)
		return ERR_MALFORMED;
	if (admission->stamp < admission->invite_record->stamp)
		return ERR_MALFORMED;
	if (hlc_stamp_ms(admission->stamp) > invite->expires_ms)
		return ERR_EXPIRED;
	return 0;
}

static int get_value(const struct record *record, struct admission *ret, const uint8_t **ret_invite,
	size_t *ret_invite_size)
{
	struct pack_reader reader = pack_reader(record->value, record->value_size);
	uint32_t fields;

	if (pack_get_array(&reader, "admission", VALUE_FIELDS, VALUE_FIELDS, &fields) != 0 ||
		pack_get_str(&reader, "name", 1, ret->name, sizeof(ret->name)) != 0 ||
		pack_get_bin(&reader, "invite", 1, RECORD_SIZE_MAX, ret_invite, ret_invite_size) !=
			0 ||
		pack_get_fixed(&reader, "invite signature", &ret->invite_sig,
			sizeof(ret->invite_sig)) != 0 ||
		pack_get_fixed(&reader, "witness", &ret->witness, sizeof(ret->witness)) != 0 ||
		pack_get_fixed(&reader, "witness signature", &ret->witness_sig,
			sizeof(ret->witness_sig)) != 0 ||
		pack_get_end(&reader, "admission") != 0)
		return ERR_MALFORMED;
	return admission_check_name(ret->name) == 0 ? 0 : ERR_MALFORMED;
}

int admission_decode(const struct id *mesh, const struct record *record, struct admission *ret)
{
	struct admission admission = {.node = record->author, .stamp = record->stamp};
	const uint8_t *invite;
	size_t invite_size;
	int err;

	if (record->type != RECORD_ADMISSION || record->key_size != 0 || record->expiry_ms != 0)
		return ERR_MALFORMED;
	err = get_value(record, &admission, &invite, &invite_size);
	if (!err)
		err = record_decode(mesh, invite, invite_size, &admission.invite_record);
	if (!err)
		err = invite_decode(admission.invite_record, &admission.invite);
	if (!err)
		err = check_terms(mesh, &admission);
	if (err) {
		admission_done(&admission);
		return err;
	}
	*ret = admission;
	return 0;
}

int admission_verify(const struct id *mesh, const struct admission *admission, bool invite_verified)
{
	int err = invite_verified ? 0 : record_verify(admission->invite_record);

	if (!err)
		err = admission_verify_invite(mesh, &admission->invite.id, &admission->node,
			admission->name, &admission->invite_sig);
	if (!err)
		err = admission_verify_witness(mesh, &admission->witness, &admission->node,
			admission->name, &admission->invite.id, admission->stamp,
			&admission->witness_sig);
	return err;
}

void admission_done(struct admission *admission)
{
	record_unref(admission->invite_record);
	admission->invite_record = NULL;
}
