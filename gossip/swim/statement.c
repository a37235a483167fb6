#include "gossip/swim/statement.h"

#include <assert.h>

#define ALIVE_FIELDS   5
#define SUSPECT_FIELDS 7
#define SIGNED_MAX     160 /* four to six fields: three keys and three numbers at most */

void statement_encode(const struct statement *statement, struct pack *out)
{
	bool suspect = statement->kind != STATEMENT_ALIVE;

	pack_put_array(out, suspect ? SUSPECT_FIELDS : ALIVE_FIELDS);
	pack_put_uint(out, statement->kind);
	pack_put_bin(out, &statement->subject, sizeof(statement->subject));
	pack_put_uint(out, statement->incarnation.generation);
	pack_put_uint(out, statement->incarnation.version);
	pack_put_bin(out, &statement->alive, sizeof(statement->alive));
	if (suspect) {
		pack_put_bin(out, &statement->accuser, sizeof(statement->accuser));
		pack_put_bin(out, &statement->suspect, sizeof(statement->suspect));
	}
}

static int get_subject(struct pack_reader *r, struct statement *s)
{
	if (pack_get_fixed(r, "statement.subject", &s->subject, sizeof(s->subject)) != 0 ||
		pack_get_uint(r, "statement.generation", UINT64_MAX, &s->incarnation.generation) !=
			0 ||
		pack_get_uint(r, "statement.version", UINT64_MAX, &s->incarnation.version) != 0)
		return ERR_MALFORMED;
	/* 0 stands for an incarnation that is not known, and nobody starts with it */
	if (s->incarnation.generation == 0)
		return pack_refuse(r, "statement.generation");
	return pack_get_fixed(r, "statement.alive", &s->alive, sizeof(s->alive));
}

static int get_accuser(struct pack_reader *r, struct statement *s)
{
	if (pack_get_fixed(r, "statement.accuser", &s->accuser, sizeof(s->accuser)) != 0)
		return ERR_MALFORMED;
	if (id_equal(&s->accuser, &s->subject))
		return pack_refuse(r, "statement.accuser");
	return pack_get_fixed(r, "statement.suspect", &s->suspect, sizeof(s->suspect));
}

int statement_decode(const void *bytes, size_t size, struct statement *ret)
{
	struct pack_reader r = pack_reader(bytes, size);
	struct statement s = {.kind = STATEMENT_ALIVE};
	uint32_t fields;
	uint64_t kind;

	if (pack_get_array(&r, "statement", ALIVE_FIELDS, SUSPECT_FIELDS, &fields) != 0 ||
		pack_get_uint(&r, "statement.kind", STATEMENT_DEAD, &kind) != 0 ||
		get_subject(&r, &s) != 0)
		return ERR_MALFORMED;
	if ((kind == STATEMENT_SUSPECT || kind == STATEMENT_DEAD) && fields == SUSPECT_FIELDS) {
		s.kind = (enum statement_kind)kind;
		if (get_accuser(&r, &s) != 0)
			return ERR_MALFORMED;
	} else if (kind != STATEMENT_ALIVE || fields != ALIVE_FIELDS) {
		return ERR_MALFORMED;
	}
	if (pack_get_end(&r, "statement.end") != 0)
		return ERR_MALFORMED;
	*ret = s;
	return 0;
}

static size_t signed_bytes(const struct statement *statement, const struct id *mesh,
	enum statement_kind kind, uint8_t ret[SIGNED_MAX])
{
	struct pack out;

	pack_init(&out, ret, SIGNED_MAX);
	pack_put_array(&out, kind + 3); /* 4, 5, 6 */
	pack_put_bin(&out, mesh, sizeof(*mesh));
	pack_put_bin(&out, &statement->subject, sizeof(statement->subject));
	pack_put_uint(&out, statement->incarnation.generation);
	pack_put_uint(&out, statement->incarnation.version);
	if (kind != STATEMENT_ALIVE)
		pack_put_bin(&out, &statement->accuser, sizeof(statement->accuser));
	if (kind == STATEMENT_DEAD)
		pack_put_uint(&out, kind);
	assert(!out.failed);
	return out.size;
}

void statement_sign_alive(
	struct statement *statement, const struct id *mesh, const struct keys *subject)
{
	uint8_t bytes[SIGNED_MAX];
	size_t size = signed_bytes(statement, mesh, STATEMENT_ALIVE, bytes);

	keys_sign(subject, KEYS_ALIVE, bytes, size, &statement->alive);
}

void statement_sign_suspect(
	struct statement *statement, const struct id *mesh, const struct keys *accuser)
{
	uint8_t bytes[SIGNED_MAX];
	size_t size = signed_bytes(statement, mesh, statement->kind, bytes);

	keys_sign(accuser, KEYS_SUSPECT, bytes, size, &statement->suspect);
}

int statement_verify_alive(const struct statement *statement, const struct id *mesh)
{
	uint8_t bytes[SIGNED_MAX];
	size_t size = signed_bytes(statement, mesh, STATEMENT_ALIVE, bytes);

	return keys_verify(&statement->subject, KEYS_ALIVE, bytes, size, &statement->alive) == 0
		       ? 0
		       : ERR_BAD_SIGNATURE;
}

int statement_verify_suspect(const struct statement *statement, const struct id *mesh)
{
	uint8_t bytes[SIGNED_MAX];
	size_t size = signed_bytes(statement, mesh, statement->kind, bytes);

	return keys_verify(&statement->accuser, KEYS_SUSPECT, bytes, size, &statement->suspect) == 0
		       ? 0
		       : ERR_BAD_SIGNATURE;
}

void statement_topic(const struct statement *statement, struct hash *ret)
{
	uint8_t about[1 + 2 * sizeof(struct id)] = {(uint8_t)statement->kind};
	size_t size = 1 + sizeof(struct id);

	memcpy(about + 1, &statement->subject, sizeof(struct id));
	if (statement->kind == STATEMENT_SUSPECT) {
		memcpy(about + size, &statement->accuser, sizeof(struct id));
		size += sizeof(struct id);
	}
	keys_hash(KEYS_TOPIC, about, size, ret);
}
