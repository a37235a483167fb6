#include "gossip/record/value.h"

#include "gossip/base/text.h"

bool value_key_is_valid(const void *key, size_t size)
{
	return size >= 1 && size <= VALUE_KEY_MAX && text_utf8_valid(key, size);
}

bool value_key_is_mesh(const void *key, size_t size)
{
	return size >= strlen(VALUE_MESH) && memcmp(key, VALUE_MESH, strlen(VALUE_MESH)) == 0;
}

void value_encode(const void *bytes, size_t size, struct pack *out)
{
	if (bytes)
		pack_put_bin(out, bytes, size);
	else
		pack_put_nil(out);
}

int value_decode(const struct record *record, struct value *ret)
{
	struct pack_reader reader = pack_reader(record->value, record->value_size);
	struct value value = {.deleted = pack_peek(&reader) == PACK_NIL};

	if (!value_key_is_valid(record->key, record->key_size) || record->expiry_ms != 0)
		return ERR_MALFORMED;
	if (value.deleted ? pack_get_nil(&reader, "value") != 0
			  : pack_get_bin(&reader, "value", 0, VALUE_SIZE_MAX, &value.bytes,
				    &value.size) != 0)
		return ERR_MALFORMED;
	if (pack_get_end(&reader, "end") != 0)
		return ERR_MALFORMED;
	*ret = value;
	return 0;
}

bool value_is_tombstone(const struct record *record)
{
	return record->type == RECORD_VALUE && record->value_size == 1;
}

int value_compare(const struct record *a, const struct record *b)
{
	int order;

	if (a->stamp != b->stamp)
		return a->stamp > b->stamp ? 1 : -1;
	order = memcmp(&a->author, &b->author, sizeof(a->author));
	return order ? order : record_compare(a, b);
}
