#include "gossip/record/macs.h"

#include <assert.h>

#define FIELD_COUNT 4

bool macs_is_host(const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return (mac[0] & 1) == 0 && memcmp(mac, zero, sizeof(zero)) != 0;
}

bool macs_is_host_ip(const struct ip *ip)
{
	static const struct ip unspecified = {.family = 6}, loopback = {6, {[15] = 1}};

	if (ip->family == 4)
		return ip->b[0] != 0 && ip->b[0] != 127 && ip->b[0] < 224;
	return ip->family == 6 && ip->b[0] != 0xff && !ip_equal(ip, &unspecified) &&
	       !ip_equal(ip, &loopback);
}

int macs_compare_ips(const void *a, const void *b)
{
	const struct ip *x = a, *y = b;

	return x->family != y->family ? x->family - y->family : memcmp(x->b, y->b, sizeof(x->b));
}

/* FNV-1a (Fowler, Noll and Vo), the upper bits of which are mixed best. */
uint8_t macs_bucket(const uint8_t mac[6])
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < 6; i++)
		hash = (hash ^ mac[i]) * 16777619U;
	return (uint8_t)(hash >> 16 ^ hash >> 24) % MACS_BUCKETS;
}

void macs_key(uint32_t vni, uint8_t bucket, uint8_t ret[MACS_KEY_SIZE])
{
	ret[0] = (uint8_t)(vni >> 16);
	ret[1] = (uint8_t)(vni >> 8);
	ret[2] = (uint8_t)vni;
	ret[3] = bucket;
}

void macs_encode(const struct macs_entry *entries, size_t count, struct pack *out)
{
	assert(count <= MACS_BUCKET_MAX);
	pack_put_array(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		const struct macs_entry *entry = &entries[i];

		pack_put_array(out, FIELD_COUNT);
		pack_put_bin(out, entry->mac, sizeof(entry->mac));
		pack_put_uint(out, entry->sequence);
		pack_put_bool(out, entry->frozen);
		pack_put_array(out, entry->ip_count);
		for (size_t j = 0; j < entry->ip_count; j++)
			pack_put_ip(out, &entry->ips[j]);
	}
}

static int get_ips(struct pack_reader *reader, struct macs_entry *out)
{
	uint32_t count;

	if (pack_get_array(reader, "addresses", 0, MACS_IPS_MAX, &count) != 0)
		return ERR_MALFORMED;
	for (out->ip_count = 0; out->ip_count < count; out->ip_count++) {
		struct ip *ip = &out->ips[out->ip_count];

		if (pack_get_ip(reader, "address", ip) != 0)
			return ERR_MALFORMED;
		if (!macs_is_host_ip(ip) ||
			(out->ip_count > 0 && macs_compare_ips(ip - 1, ip) >= 0))
			return pack_refuse(reader, "address");
	}
	return 0;
}

static int get_entry(struct pack_reader *reader, struct macs_entry *ret)
{
	struct macs_entry out = {.ip_count = 0};
	uint64_t sequence;
	uint32_t count;

	if (pack_get_array(reader, "entry", FIELD_COUNT, FIELD_COUNT, &count) != 0 ||
		pack_get_fixed(reader, "mac", out.mac, sizeof(out.mac)) != 0 ||
		pack_get_uint(reader, "sequence", UINT32_MAX, &sequence) != 0 ||
		pack_get_bool(reader, "frozen", &out.frozen) != 0 || get_ips(reader, &out) != 0)
		return ERR_MALFORMED;
	out.sequence = (uint32_t)sequence;
	*ret = out;
	return 0;
}

static int check_entries(struct macs_reader reader)
{
	struct macs_entry before = {.ip_count = 0}, entry;

	for (; reader.left; reader.left--) {
		if (get_entry(&reader.reader, &entry) != 0)
			return ERR_MALFORMED;
		if (!macs_is_host(entry.mac) || macs_bucket(entry.mac) != reader.bucket ||
			memcmp(before.mac, entry.mac, sizeof(entry.mac)) >= 0)
			return pack_refuse(&reader.reader, "mac");
		before = entry;
	}
	return pack_get_end(&reader.reader, "end");
}

int macs_read(const struct record *record, struct macs_reader *ret)
{
	const uint8_t *key = record->key;
	struct macs_reader out = {.reader = pack_reader(record->value, record->value_size)};

	if (record->type != RECORD_MACS || record->key_size != MACS_KEY_SIZE ||
		record->expiry_ms != 0)
		return ERR_MALFORMED;
	out.vni = (uint32_t)key[0] << 16 | (uint32_t)key[1] << 8 | key[2];
	out.bucket = key[3];
	if (out.vni == 0 || out.bucket >= MACS_BUCKETS ||
		pack_get_array(&out.reader, "macs", 0, MACS_BUCKET_MAX, &out.left) != 0 ||
		check_entries(out) != 0)
		return ERR_MALFORMED;
	*ret = out;
	return 0;
}

bool macs_next(struct macs_reader *reader, struct macs_entry *ret)
{
	int err;

	if (!reader->left)
		return false;
	reader->left--;
	err = get_entry(&reader->reader, ret);
	assert(!err); /* macs_read has seen it */
	(void)err;
	return true;
}
