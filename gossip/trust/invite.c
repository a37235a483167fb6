#include "gossip/trust/admission.h"

#define VALUE_FIELDS   8
#define FLAG_ADMIN     1
#define FLAG_EPHEMERAL 2

static void put_lists(const struct invite *invite, struct pack *out)
{
	pack_put_array(out, (uint32_t)invite->tag_count);
	for (size_t i = 0; i < invite->tag_count; i++)
		pack_put_str(out, invite->tags[i]);
	pack_put_array(out, (uint32_t)invite->address_count);
	for (size_t i = 0; i < invite->address_count; i++)
		pack_put_ip(out, &invite->addresses[i]);
	pack_put_array(out, (uint32_t)invite->endpoint_count);
	for (size_t i = 0; i < invite->endpoint_count; i++)
		pack_put_endpoint(out, &invite->endpoints[i]);
}

void invite_encode(const struct invite *invite, struct pack *out)
{
	pack_put_array(out, VALUE_FIELDS);
	pack_put_uint(out, (uint64_t)invite->expires_ms);
	pack_put_uint(out, invite->uses);
	pack_put_uint(
		out, (invite->admin ? FLAG_ADMIN : 0) | (invite->ephemeral ? FLAG_EPHEMERAL : 0));
	pack_put_str(out, invite->node_name);
	put_lists(invite, out);
	if (invite->has_replaced)
		pack_put_bin(out, &invite->replaced, sizeof(invite->replaced));
	else
		pack_put_nil(out);
}

/* Tags are words of [a-z0-9-]: they stand in tables, filters and metrics. */
static bool tag_is_valid(const char *tag)
{
	return strspn(tag, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(tag);
}

static int get_tags(struct pack_reader *reader, struct invite *ret)
{
	uint32_t count;

	if (pack_get_array(reader, "tags", 0, INVITE_TAGS_MAX, &count) != 0)
		return ERR_MALFORMED;
	for (uint32_t i = 0; i < count; i++) {
		if (pack_get_str(reader, "tags", 1, ret->tags[i], sizeof(ret->tags[i])) != 0)
			return ERR_MALFORMED;
		if (!tag_is_valid(ret->tags[i]))
			return pack_refuse(reader, "tags");
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(ret->tags[i], ret->tags[j]) == 0)
				return pack_refuse(reader, "tags");
		}
	}
	ret->tag_count = count;
	return 0;
}

static int get_addresses(struct pack_reader *reader, struct invite *ret)
{
	uint32_t count;

	if (pack_get_array(reader, "addresses", 0, INVITE_ADDRESSES_MAX, &count) != 0)
		return ERR_MALFORMED;
	for (uint32_t i = 0; i < count; i++) {
		if (pack_get_ip(reader, "addresses", &ret->addresses[i]) != 0)
			return ERR_MALFORMED;
	}
	if (count == 2 && ret->addresses[0].family == ret->addresses[1].family)
		return pack_refuse(reader, "addresses");
	ret->address_count = count;
	return 0;
}

static int get_endpoints(struct pack_reader *reader, struct invite *ret)
{
	uint32_t count;

	if (pack_get_array(reader, "endpoints", 0, INVITE_ENDPOINTS_MAX, &count) != 0)
		return ERR_MALFORMED;
	for (uint32_t i = 0; i < count; i++) {
		if (pack_get_endpoint(reader, "endpoints", &ret->endpoints[i]) != 0)
			return ERR_MALFORMED;
		if (ret->endpoints[i].port == 0)
			return pack_refuse(reader, "endpoints");
	}
	ret->endpoint_count = count;
	return 0;
}

static int get_replaced(struct pack_reader *reader, struct invite *ret)
{
	ret->has_replaced = pack_peek(reader) != PACK_NIL;
	if (!ret->has_replaced)
		return pack_get_nil(reader, "replaced");
	if (pack_get_fixed(reader, "replaced", &ret->replaced, sizeof(ret->replaced)) != 0)
		return ERR_MALFORMED;
	return ret->uses == 1 ? 0 : pack_refuse(reader, "uses");
}

static int get_terms(struct pack_reader *reader, struct invite *ret)
{
	uint64_t expires_ms, uses, flags;

	if (pack_get_uint(reader, "expires", INT64_MAX, &expires_ms) != 0 ||
		pack_get_uint(reader, "uses", INVITE_USES_MAX, &uses) != 0 ||
		pack_get_uint(reader, "flags", FLAG_ADMIN | FLAG_EPHEMERAL, &flags) != 0 ||
		pack_get_str(reader, "node name", 0, ret->node_name, sizeof(ret->node_name)) != 0)
		return ERR_MALFORMED;
	ret->expires_ms = (int64_t)expires_ms;
	ret->uses = (uint32_t)uses;
	ret->admin = flags & FLAG_ADMIN;
	ret->ephemeral = flags & FLAG_EPHEMERAL;
	if (uses == 0 || (ret->admin && uses != 1))
		return pack_refuse(reader, "uses");
	if (ret->node_name[0] && admission_check_name(ret->node_name) != 0)
		return pack_refuse(reader, "node name");
	return 0;
}

int invite_decode(const struct record *record, struct invite *ret)
{
	struct pack_reader reader = pack_reader(record->value, record->value_size);
	struct invite invite = {0};
	uint32_t fields;

	if (record->type != RECORD_INVITE || record->key_size != sizeof(invite.id) ||
		record->expiry_ms != 0)
		return ERR_MALFORMED;
	memcpy(&invite.id, record->key, sizeof(invite.id));
	if (pack_get_array(&reader, "invite", VALUE_FIELDS, VALUE_FIELDS, &fields) != 0 ||
		get_terms(&reader, &invite) != 0 || get_tags(&reader, &invite) != 0 ||
		get_addresses(&reader, &invite) != 0 || get_endpoints(&reader, &invite) != 0 ||
		get_replaced(&reader, &invite) != 0 || pack_get_end(&reader, "invite") != 0)
		return ERR_MALFORMED;
	*ret = invite;
	return 0;
}
