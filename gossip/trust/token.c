#include "gossip/trust/token.h"

#include <assert.h>
#include <sodium.h>

#define PREFIX	      "mesh1_"
#define STEM	      "mesh" /* then the version's digit and an underscore */
#define VERSION	      1
#define FIELDS	      4
#define ALPHABET      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define CHECKSUM_SIZE 4
#define GRANT_MAX     64  /* bytes of a grant's value */
#define BINARY_MAX    760 /* what TOKEN_TEXT_MAX can hold */

_Static_assert(sizeof(PREFIX) - 1 + (BINARY_MAX * 4 + 2) / 3 < TOKEN_TEXT_MAX, "BINARY_MAX");

/* Binary form: a byte of version, then MessagePack:
 *   [mesh, seed, nil | author | [author, stamp, signature, value] (the grant), [stamp, signature,
 *   value] (the invite)]
 * and the checksum over all of it. nil: the root signed the invite. */

static void checksum(const uint8_t *data, size_t size, uint8_t ret[CHECKSUM_SIZE])
{
	struct hash hash;

	keys_hash(KEYS_TOKEN, data, size, &hash);
	memcpy(ret, hash.b, CHECKSUM_SIZE);
}

static void put_signed(const struct record *record, struct pack *out)
{
	struct sig sig;

	record_sig(record, &sig);
	pack_put_uint(out, record->stamp);
	pack_put_bin(out, &sig, sizeof(sig));
	pack_put_bin(out, record->value, record->value_size);
}

static void put_chain(const struct token *token, struct pack *out)
{
	const struct id *author = &token->record->author;

	if (token->grant) {
		pack_put_array(out, 4);
		pack_put_bin(out, author, sizeof(*author));
		put_signed(token->grant, out);
	} else if (id_equal(author, &token->mesh)) {
		pack_put_nil(out);
	} else {
		pack_put_bin(out, author, sizeof(*author));
	}
}

/* Whether the records can be rebuilt from what the token carries of them. */
static bool is_rebuildable(const struct token *token)
{
	const struct record *invite = token->record, *grant = token->grant;

	if (invite->type != RECORD_INVITE || invite->key_size != sizeof(struct id) ||
		memcmp(invite->key, &token->key.id, sizeof(struct id)) != 0 || invite->expiry_ms)
		return false;
	return !grant || (grant->type == RECORD_GRANT && id_equal(&grant->author, &token->mesh) &&
				 grant->key_size == sizeof(struct id) && !grant->expiry_ms &&
				 memcmp(grant->key, &invite->author, sizeof(struct id)) == 0 &&
				 grant->value_size <= GRANT_MAX);
}

int token_encode(const struct token *token, char ret_text[TOKEN_TEXT_MAX])
{
	uint8_t binary[BINARY_MAX], seed[32];
	struct pack pack;
	int err;

	if (!is_rebuildable(token))
		return ERR_INVALID;
	binary[0] = VERSION;
	pack_init(&pack, binary + 1, sizeof(binary) - 1 - CHECKSUM_SIZE);
	keys_seed(&token->key, seed);
	pack_put_array(&pack, FIELDS);
	pack_put_bin(&pack, &token->mesh, sizeof(token->mesh));
	pack_put_bin(&pack, seed, sizeof(seed));
	put_chain(token, &pack);
	pack_put_array(&pack, 3);
	put_signed(token->record, &pack);
	err = pack_status(&pack);
	if (!err) {
		checksum(binary, 1 + pack.size, binary + 1 + pack.size);
		memcpy(ret_text, PREFIX, sizeof(PREFIX));
		sodium_bin2base64(ret_text + sizeof(PREFIX) - 1,
			TOKEN_TEXT_MAX - (sizeof(PREFIX) - 1), binary,
			1 + pack.size + CHECKSUM_SIZE, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	}
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(binary, sizeof(binary));
	return err;
}

/* What the binary form says, before records are made of it. Pointers lead into it. */
struct parts {
	struct id mesh;
	uint8_t seed[32];
	struct id author;
	bool has_grant;
	struct part {
		uint64_t stamp;
		struct sig sig;
		const uint8_t *value;
		size_t value_size;
	} grant, invite;
};

static int get_signed(struct pack_reader *reader, const char *field, size_t max, struct part *ret)
{
	if (pack_get_uint(reader, field, UINT64_MAX, &ret->stamp) != 0 ||
		pack_get_fixed(reader, field, &ret->sig, sizeof(ret->sig)) != 0)
		return ERR_MALFORMED;
	return pack_get_bin(reader, field, 0, max, &ret->value, &ret->value_size);
}

static int get_chain(struct pack_reader *reader, struct parts *ret)
{
	uint32_t count;

	if (pack_peek(reader) == PACK_NIL) {
		ret->author = ret->mesh;
		return pack_get_nil(reader, "chain");
	}
	if (pack_peek(reader) == PACK_BIN) {
		if (pack_get_fixed(reader, "chain", &ret->author, sizeof(ret->author)) != 0)
			return ERR_MALFORMED;
		return id_equal(&ret->author, &ret->mesh) ? pack_refuse(reader, "chain") : 0;
	}
	ret->has_grant = true;
	if (pack_get_array(reader, "chain", 4, 4, &count) != 0 ||
		pack_get_fixed(reader, "chain", &ret->author, sizeof(ret->author)) != 0)
		return ERR_MALFORMED;
	return get_signed(reader, "chain", GRANT_MAX, &ret->grant);
}

static int get_parts(const uint8_t *data, size_t size, struct parts *ret)
{
	struct pack_reader reader = pack_reader(data, size);
	uint32_t count;

	if (pack_get_array(&reader, "token", FIELDS, FIELDS, &count) != 0 ||
		pack_get_fixed(&reader, "mesh", &ret->mesh, sizeof(ret->mesh)) != 0 ||
		pack_get_fixed(&reader, "secret", ret->seed, sizeof(ret->seed)) != 0 ||
		get_chain(&reader, ret) != 0 ||
		pack_get_array(&reader, "invite", 3, 3, &count) != 0 ||
		get_signed(&reader, "invite", BINARY_MAX, &ret->invite) != 0)
		return ERR_MALFORMED;
	return pack_get_end(&reader, "token");
}

static int assemble(const struct parts *parts, const struct part *part, enum record_type type,
	const struct id *author, const struct id *key, struct record **ret)
{
	const struct record_draft draft = {
		.type = type,
		.key = key,
		.key_size = sizeof(*key),
		.stamp = part->stamp,
		.value = part->value,
		.value_size = part->value_size,
	};

	return record_assemble(&parts->mesh, author, &draft, &part->sig, ret);
}

static int rebuild_grant(const struct parts *parts, struct token *token)
{
	int err;

	if (!parts->has_grant)
		return 0;
	err = assemble(
		parts, &parts->grant, RECORD_GRANT, &parts->mesh, &parts->author, &token->grant);
	if (err)
		return err;
	return record_verify(token->grant) ? ERR_NOT_ADMIN : 0;
}

static int rebuild_invite(const struct parts *parts, struct token *token)
{
	int err = assemble(parts, &parts->invite, RECORD_INVITE, &parts->author, &token->key.id,
		&token->record);

	if (!err)
		err = record_verify(token->record);
	if (!err)
		err = invite_decode(token->record, &token->invite);
	if (!err && token->invite.admin && !id_equal(&parts->author, &parts->mesh))
		err = ERR_NOT_ADMIN;
	return err;
}

static int decode_binary(const uint8_t *data, size_t size, struct token *ret)
{
	struct parts parts = {0};
	struct token token = {0};
	int err = get_parts(data, size, &parts);

	if (!err) {
		token.mesh = parts.mesh;
		keys_from_seed(parts.seed, &token.key);
		err = rebuild_grant(&parts, &token);
	}
	if (!err)
		err = rebuild_invite(&parts, &token);
	if (err)
		token_done(&token);
	else
		*ret = token;
	sodium_memzero(&parts, sizeof(parts));
	sodium_memzero(&token, sizeof(token));
	return err;
}

/* Takes white space off both ends. */
static const char *strip(const char *text, size_t *ret_size)
{
	static const char space[] = " \t\r\n\v\f";
	size_t size;

	text += strspn(text, space);
	size = strlen(text);
	while (size && strchr(space, text[size - 1]))
		size--;
	*ret_size = size;
	return text;
}

int token_decode(const char *text, struct token *ret)
{
	uint8_t binary[BINARY_MAX], sum[CHECKSUM_SIZE];
	const size_t prefix_size = sizeof(PREFIX) - 1;
	size_t text_size, size;
	char digit;
	int err;

	text = strip(text, &text_size);
	if (text_size <= prefix_size || text_size >= TOKEN_TEXT_MAX ||
		memcmp(text, STEM, sizeof(STEM) - 1) != 0 || text[prefix_size - 1] != '_')
		return ERR_MALFORMED;
	digit = text[prefix_size - 2];
	/* libsodium 1.0.18 takes a byte beyond ASCII for another character: it does not get any */
	if (digit < '0' || digit > '9' ||
		strspn(text + prefix_size, ALPHABET) < text_size - prefix_size)
		return ERR_MALFORMED;
	if (sodium_base642bin(binary, sizeof(binary), text + prefix_size, text_size - prefix_size,
		    NULL, &size, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
		size <= 1 + CHECKSUM_SIZE) {
		sodium_memzero(binary, sizeof(binary));
		return ERR_MALFORMED;
	}
	size -= CHECKSUM_SIZE;
	checksum(binary, size, sum);
	if (memcmp(sum, binary + size, CHECKSUM_SIZE) != 0)
		err = digit == '0' + VERSION ? ERR_DAMAGED : ERR_VERSION;
	else if (binary[0] != VERSION)
		err = ERR_VERSION;
	else if (digit != '0' + VERSION) /* the digit was changed: the contents are ours */
		err = ERR_DAMAGED;
	else
		err = decode_binary(binary + 1, size - 1, ret);
	sodium_memzero(binary, sizeof(binary));
	return err;
}

void token_done(struct token *token)
{
	keys_done(&token->key);
	record_unref(token->grant);
	record_unref(token->record);
	token->grant = token->record = NULL;
}
