#include "gossip/trust/equivocation.h"

#define VALUE_FIELDS 5

int equivocation_between(const struct record *a, const struct record *b, struct equivocation *ret)
{
	int order = memcmp(&a->hash, &b->hash, sizeof(a->hash));
	const struct record *first = order < 0 ? a : b, *second = order < 0 ? b : a;

	if (order == 0 || a->stamp != b->stamp || !id_equal(&a->author, &b->author))
		return ERR_INVALID;
	*ret = (struct equivocation){
		.node = a->author, .stamp = a->stamp, .hashes = {first->hash, second->hash}};
	record_sig(first, &ret->sigs[0]);
	record_sig(second, &ret->sigs[1]);
	return 0;
}

void equivocation_encode(const struct equivocation *equivocation, struct pack *out)
{
	pack_put_array(out, VALUE_FIELDS);
	pack_put_uint(out, equivocation->stamp);
	for (size_t i = 0; i < ARRAY_SIZE(equivocation->hashes); i++) {
		pack_put_bin(out, &equivocation->hashes[i], sizeof(equivocation->hashes[i]));
		pack_put_bin(out, &equivocation->sigs[i], sizeof(equivocation->sigs[i]));
	}
}

int equivocation_decode(const struct record *record, struct equivocation *ret)
{
	struct pack_reader reader = pack_reader(record->value, record->value_size);
	struct equivocation said = {0};
	uint32_t fields;

	if (record->type != RECORD_EQUIVOCATION || record->key_size != sizeof(said.node) ||
		record->expiry_ms != 0)
		return ERR_MALFORMED;
	memcpy(&said.node, record->key, sizeof(said.node));
	if (pack_get_array(&reader, "equivocation", VALUE_FIELDS, VALUE_FIELDS, &fields) != 0 ||
		pack_get_uint(&reader, "stamp", UINT64_MAX, &said.stamp) != 0)
		return ERR_MALFORMED;
	for (size_t i = 0; i < ARRAY_SIZE(said.hashes); i++) {
		if (pack_get_fixed(&reader, "hash", &said.hashes[i], sizeof(said.hashes[i])) != 0 ||
			pack_get_fixed(&reader, "signature", &said.sigs[i], sizeof(said.sigs[i])) !=
				0)
			return ERR_MALFORMED;
	}
	if (memcmp(&said.hashes[0], &said.hashes[1], sizeof(said.hashes[0])) >= 0)
		return pack_refuse(&reader, "hashes");
	if (pack_get_end(&reader, "equivocation") != 0)
		return ERR_MALFORMED;
	*ret = said;
	return 0;
}

int equivocation_verify(const struct equivocation *equivocation)
{
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(equivocation->hashes) && !err; i++)
		err = record_verify_hash(&equivocation->node, equivocation->stamp,
			&equivocation->hashes[i], &equivocation->sigs[i]);
	return err;
}
