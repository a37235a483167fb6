#include "gossip/trust/authority.h"

#include <assert.h>

#define VALUE_FIELDS   4
#define KEEP_ITEM_SIZE 32 /* a hash or an id */

static void put_be16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

size_t revocation_key(const struct revocation *revocation, uint8_t ret_key[REVOCATION_KEY_MAX])
{
	memcpy(ret_key, &revocation->subject, sizeof(struct id));
	if (revocation->chunk_count <= 1)
		return sizeof(struct id);
	put_be16(ret_key + sizeof(struct id), revocation->chunk_count);
	put_be16(ret_key + sizeof(struct id) + 2, revocation->chunk);
	return REVOCATION_KEY_MAX;
}

void revocation_encode(const struct revocation *revocation, struct pack *out)
{
	assert(revocation->keep_count <= REVOCATION_KEEP_MAX);
	pack_put_array(out, VALUE_FIELDS);
	pack_put_str(out, revocation->name);
	pack_put_str(out, revocation->reason);
	if (revocation->has_invite)
		pack_put_bin(out, &revocation->invite, sizeof(revocation->invite));
	else
		pack_put_nil(out);
	pack_put_bin(out, revocation->keep, revocation->keep_count * KEEP_ITEM_SIZE);
}

static int get_key(const struct record *record, struct revocation *ret)
{
	const uint8_t *tail = record->key + sizeof(struct id);

	if (record->key_size != sizeof(struct id) && record->key_size != REVOCATION_KEY_MAX)
		return ERR_MALFORMED;
	memcpy(&ret->subject, record->key, sizeof(struct id));
	ret->chunk_count = 1;
	if (record->key_size == sizeof(struct id))
		return 0;
	ret->chunk_count = (uint16_t)(tail[0] << 8 | tail[1]);
	ret->chunk = (uint16_t)(tail[2] << 8 | tail[3]);
	if (ret->chunk_count < 2 || ret->chunk_count > REVOCATION_CHUNKS_MAX ||
		ret->chunk >= ret->chunk_count)
		return ERR_MALFORMED;
	return 0;
}

static int get_invite(struct pack_reader *reader, uint16_t type, struct revocation *ret)
{
	if (pack_peek(reader) == PACK_NIL)
		return pack_get_nil(reader, "invite");
	if (type != RECORD_REVOCATION)
		return pack_refuse(reader, "invite");
	ret->has_invite = true;
	return pack_get_fixed(reader, "invite", &ret->invite, sizeof(ret->invite));
}

static int get_keep(struct pack_reader *reader, struct revocation *ret)
{
	const uint8_t *keep;
	size_t size;

	if (pack_get_bin(reader, "keep", 0, (size_t)REVOCATION_KEEP_MAX * KEEP_ITEM_SIZE, &keep,
		    &size) != 0)
		return ERR_MALFORMED;
	if (size % KEEP_ITEM_SIZE)
		return pack_refuse(reader, "keep");
	for (size_t at = KEEP_ITEM_SIZE; at < size; at += KEEP_ITEM_SIZE) {
		if (memcmp(keep + at - KEEP_ITEM_SIZE, keep + at, KEEP_ITEM_SIZE) >= 0)
			return pack_refuse(reader, "keep");
	}
	ret->keep = keep;
	ret->keep_count = size / KEEP_ITEM_SIZE;
	return 0;
}

int revocation_decode(const struct record *record, struct revocation *ret)
{
	struct pack_reader reader = pack_reader(record->value, record->value_size);
	struct revocation revocation = {0};
	uint32_t fields;

	if ((record->type != RECORD_REVOCATION && record->type != RECORD_ADMIN_REVOCATION &&
		    record->type != RECORD_CLOSING) ||
		record->expiry_ms != 0)
		return ERR_MALFORMED;
	if (get_key(record, &revocation) != 0 ||
		pack_get_array(&reader, "revocation", VALUE_FIELDS, VALUE_FIELDS, &fields) != 0 ||
		pack_get_str(&reader, "name", 0, revocation.name, sizeof(revocation.name)) != 0 ||
		pack_get_str(&reader, "reason", 0, revocation.reason, sizeof(revocation.reason)) !=
			0 ||
		get_invite(&reader, record->type, &revocation) != 0 ||
		get_keep(&reader, &revocation) != 0 || pack_get_end(&reader, "revocation") != 0)
		return ERR_MALFORMED;
	*ret = revocation;
	return 0;
}

bool revocation_keeps(const struct revocation *revocation, const void *item)
{
	size_t low = 0, high = revocation->keep_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order =
			memcmp(revocation->keep + middle * KEEP_ITEM_SIZE, item, KEEP_ITEM_SIZE);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}
