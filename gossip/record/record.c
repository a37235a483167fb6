#include "gossip/record/record.h"

#include <assert.h>
#include <stdlib.h>

#include "gossip/base/pack.h"

#define SIG_SIZE    sizeof(struct sig)
#define FIELD_COUNT 8

const char *record_type_label(uint16_t type)
{
	switch (type) {
#define X(number, name, label) \
	case number:           \
		return label;
		RECORD_TYPE_LIST(X)
#undef X
	default:
		return "unknown";
	}
}

/* Another version may have other fields: it is told apart before they are looked at. */
static int decode_head(struct pack_reader *reader)
{
	uint32_t count;
	uint64_t version;

	if (pack_get_array(reader, "record", 1, UINT16_MAX, &count) != 0 ||
		pack_get_uint(reader, "version", UINT16_MAX, &version) != 0)
		return ERR_MALFORMED;
	if (version != RECORD_VERSION)
		return ERR_VERSION;
	return count == FIELD_COUNT ? 0 : ERR_MALFORMED;
}

/* Fills in all that is read from the body; the pointers lead into it. */
static int decode_body(
	const struct id *mesh, const uint8_t *body, size_t body_size, struct record *record)
{
	struct pack_reader reader = pack_reader(body, body_size);
	size_t key_size, value_size;
	uint64_t type, expiry_ms;
	struct id of_mesh;
	int err = decode_head(&reader);

	if (err)
		return err;
	if (pack_get_uint(&reader, "type", UINT16_MAX, &type) != 0 || type == 0 ||
		pack_get_fixed(&reader, "mesh", &of_mesh, sizeof(of_mesh)) != 0 ||
		pack_get_fixed(&reader, "author", &record->author, sizeof(record->author)) != 0 ||
		pack_get_bin(&reader, "key", 0, RECORD_KEY_MAX, &record->key, &key_size) != 0 ||
		pack_get_uint(&reader, "stamp", UINT64_MAX, &record->stamp) != 0 ||
		pack_get_uint(&reader, "expiry", INT64_MAX, &expiry_ms) != 0 ||
		pack_get_bin(&reader, "value", 0, RECORD_VALUE_MAX, &record->value, &value_size) !=
			0 ||
		pack_get_end(&reader, "end") != 0)
		return ERR_MALFORMED;
	if (!id_equal(mesh, &of_mesh))
		return ERR_OTHER_MESH;
	record->key_size = (uint16_t)key_size;
	record->value_size = (uint32_t)value_size;
	record->type = (uint16_t)type;
	record->expiry_ms = (int64_t)expiry_ms;
	return 0;
}

int record_decode(const struct id *mesh, const void *bytes, size_t size, struct record **ret)
{
	struct record *record;
	uint8_t *copy;
	int err;

	if (size > RECORD_SIZE_MAX)
		return ERR_TOO_BIG;
	if (size <= SIG_SIZE)
		return ERR_MALFORMED;
	record = malloc(sizeof(*record) + size);
	if (!record)
		return ERR_NOMEM;
	copy = (uint8_t *)(record + 1);
	memcpy(copy, bytes, size);
	*record = (struct record){.bytes = copy,
		.size = (uint32_t)size,
		.body_size = (uint32_t)(size - SIG_SIZE),
		.references = 1};
	err = decode_body(mesh, copy, record->body_size, record);
	if (err) {
		free(record);
		return err;
	}
	keys_hash(KEYS_RECORD_HASH, copy, record->body_size, &record->hash);
	*ret = record;
	return 0;
}

/* What an author signs: small, so that a proof of anything about it is small. */
struct statement {
	struct id author;
	uint8_t stamp[8]; /* big-endian */
	struct hash hash;
};

static struct statement statement(
	const struct id *author, uint64_t stamp, const struct hash *body_hash)
{
	struct statement statement = {.author = *author, .hash = *body_hash};

	for (int i = 0; i < 8; i++)
		statement.stamp[i] = (uint8_t)(stamp >> (56 - 8 * i));
	return statement;
}

int record_verify_hash(
	const struct id *author, uint64_t stamp, const struct hash *hash, const struct sig *sig)
{
	struct statement said = statement(author, stamp, hash);

	return keys_verify(author, KEYS_RECORD, &said, sizeof(said), sig);
}

int record_verify(const struct record *record)
{
	struct sig sig;

	if (record->verified)
		return 0;
	record_sig(record, &sig);
	return record_verify_hash(&record->author, record->stamp, &record->hash, &sig);
}

static int encode_body(const struct id *mesh, const struct id *author,
	const struct record_draft *draft, struct pack *out)
{
	assert(draft->expiry_ms >= 0 && draft->type != 0);
	if (draft->key_size > RECORD_KEY_MAX || draft->value_size > RECORD_VALUE_MAX)
		return ERR_TOO_BIG;
	pack_put_array(out, FIELD_COUNT);
	pack_put_uint(out, RECORD_VERSION);
	pack_put_uint(out, draft->type);
	pack_put_bin(out, mesh, sizeof(*mesh));
	pack_put_bin(out, author, sizeof(*author));
	pack_put_bin(out, draft->key, draft->key_size);
	pack_put_uint(out, draft->stamp);
	pack_put_uint(out, (uint64_t)draft->expiry_ms);
	pack_put_bin(out, draft->value, draft->value_size);
	return out->failed ? ERR_NOMEM : 0; /* the sizes were checked */
}

static int decode_signed(
	const struct id *mesh, struct pack *body, const struct sig *sig, struct record **ret)
{
	pack_put_raw(body, sig, sizeof(*sig));
	if (body->failed)
		return ERR_NOMEM;
	return record_decode(mesh, body->data, body->size, ret);
}

void record_sign_hash(
	const struct keys *author, uint64_t stamp, const struct hash *hash, struct sig *ret)
{
	struct statement to_sign = statement(&author->id, stamp, hash);

	keys_sign(author, KEYS_RECORD, &to_sign, sizeof(to_sign), ret);
}

int record_sign(const struct id *mesh, const struct keys *author, const struct record_draft *draft,
	struct record **ret)
{
	struct hash hash;
	struct sig sig;
	struct pack body;
	int err;

	pack_init_growing(&body, RECORD_SIZE_MAX);
	err = encode_body(mesh, &author->id, draft, &body);
	if (err)
		goto out;
	keys_hash(KEYS_RECORD_HASH, body.data, body.size, &hash);
	record_sign_hash(author, draft->stamp, &hash, &sig);
	err = decode_signed(mesh, &body, &sig, ret);
	if (!err)
		(*ret)->verified = true;
out:
	pack_done(&body);
	return err;
}

int record_assemble(const struct id *mesh, const struct id *author,
	const struct record_draft *draft, const struct sig *sig, struct record **ret)
{
	struct pack body;
	int err;

	pack_init_growing(&body, RECORD_SIZE_MAX);
	err = encode_body(mesh, author, draft, &body);
	if (!err)
		err = decode_signed(mesh, &body, sig, ret);
	pack_done(&body);
	return err;
}

int record_draft(const struct id *mesh, const struct id *author, const struct record_draft *draft,
	struct record **ret)
{
	const struct sig none = {0};
	int err = record_assemble(mesh, author, draft, &none, ret);

	if (!err)
		(*ret)->pending = true;
	return err;
}

void record_set_sig(struct record *record, const struct sig *sig)
{
	assert(record->pending);
	memcpy((uint8_t *)record->bytes + record->body_size, sig, sizeof(*sig));
	record->pending = false;
	record->verified = true;
}

void record_sig(const struct record *record, struct sig *ret)
{
	memcpy(ret, record->bytes + record->body_size, sizeof(*ret));
}

struct record *record_ref(struct record *record)
{
	record->references++;
	return record;
}

void record_unref(struct record *record)
{
	if (record && --record->references == 0)
		free(record);
}

bool record_same_slot(const struct record *a, const struct record *b)
{
	return a->type == b->type && id_equal(&a->author, &b->author) &&
	       a->key_size == b->key_size && memcmp(a->key, b->key, a->key_size) == 0;
}

int record_compare(const struct record *a, const struct record *b)
{
	int order;

	if (a->stamp != b->stamp)
		return a->stamp > b->stamp ? 1 : -1;
	order = memcmp(&a->hash, &b->hash, sizeof(a->hash));
	if (order)
		return order;
	return memcmp(b->bytes + b->body_size, a->bytes + a->body_size, SIG_SIZE);
}
