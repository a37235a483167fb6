#include "gossip/trust/authority.h"

#include "gossip/trust/address.h"

static void put_prefix(const struct prefix *prefix, struct pack *out)
{
	pack_put_array(out, 2);
	pack_put_ip(out, &prefix->ip);
	pack_put_uint(out, prefix->bits);
}

void charter_encode(const struct charter *charter, struct pack *out)
{
	pack_put_array(out, 3);
	pack_put_str(out, charter->name);
	put_prefix(&charter->prefix4, out);
	put_prefix(&charter->prefix6, out);
}

static int get_prefix(
	struct pack_reader *reader, const char *field, uint8_t family, struct prefix *ret)
{
	uint32_t count;
	uint64_t bits;

	if (pack_get_array(reader, field, 2, 2, &count) != 0 ||
		pack_get_ip(reader, field, &ret->ip) != 0 ||
		pack_get_uint(reader, field, 128, &bits) != 0)
		return ERR_MALFORMED;
	ret->bits = (uint8_t)bits;
	if (ret->ip.family != family || address_check_prefix(ret) != 0)
		return pack_refuse(reader, field);
	return 0;
}

int charter_decode(const struct record *record, struct charter *ret)
{
	struct pack_reader reader = pack_reader(record->value, record->value_size);
	struct charter charter = {0};
	uint32_t fields;

	if (record->type != RECORD_CHARTER || record->key_size != 0 || record->expiry_ms != 0)
		return ERR_MALFORMED;
	if (pack_get_array(&reader, "charter", 3, 3, &fields) != 0 ||
		pack_get_str(&reader, "name", 0, charter.name, sizeof(charter.name)) != 0 ||
		get_prefix(&reader, "prefix4", 4, &charter.prefix4) != 0 ||
		get_prefix(&reader, "prefix6", 6, &charter.prefix6) != 0 ||
		pack_get_end(&reader, "charter") != 0)
		return ERR_MALFORMED;
	*ret = charter;
	return 0;
}
