#include "gossip/record/descriptor.h"

#include <assert.h>

#include "gossip/record/segment.h"

/* Those that are always there; and with segments, and versions. */
#define FIELD_COUNT    7
#define FIELD_SEGMENTS 8
#define FIELD_PROTOCOL 9

void descriptor_prove(const struct keys *wireguard, const struct id *node, struct sig *ret)
{
	keys_sign(wireguard, KEYS_WIREGUARD, node, sizeof(*node), ret);
}

static void put_key(struct pack *out, const struct id *key, const struct sig *proof)
{
	pack_put_array(out, 2);
	pack_put_bin(out, key, sizeof(*key));
	pack_put_bin(out, proof, sizeof(*proof));
}

static uint32_t field_count(const struct descriptor *descriptor)
{
	if (descriptor->protocol_most > 1)
		return FIELD_PROTOCOL;
	return descriptor->segment_count ? FIELD_SEGMENTS : FIELD_COUNT;
}

void descriptor_encode(const struct descriptor *descriptor, struct pack *out)
{
	uint32_t count = field_count(descriptor);

	assert(descriptor->endpoint_count <= DESCRIPTOR_ENDPOINTS_MAX);
	assert(descriptor->segment_count <= DESCRIPTOR_SEGMENTS_MAX);
	pack_put_array(out, count);
	pack_put_uint(out, descriptor->wireguard_port);
	put_key(out, &descriptor->wireguard, &descriptor->wireguard_proof);
	if (descriptor->has_next)
		put_key(out, &descriptor->next, &descriptor->next_proof);
	else
		pack_put_nil(out);
	pack_put_uint(out, descriptor->claim);
	pack_put_uint(out, descriptor->mtu);
	pack_put_str(out, descriptor->version);
	pack_put_array(out, (uint32_t)descriptor->endpoint_count);
	for (size_t i = 0; i < descriptor->endpoint_count; i++)
		pack_put_endpoint(out, &descriptor->endpoints[i]);
	if (count >= FIELD_SEGMENTS)
		pack_put_array(out, (uint32_t)descriptor->segment_count);
	for (size_t i = 0; i < descriptor->segment_count; i++)
		pack_put_uint(out, descriptor->segments[i]);
	if (count >= FIELD_PROTOCOL) {
		pack_put_array(out, 2);
		pack_put_uint(out, descriptor->protocol_least);
		pack_put_uint(out, descriptor->protocol_most);
	}
}

static int get_key(
	struct pack_reader *reader, const char *field, struct id *ret_key, struct sig *ret_proof)
{
	uint32_t count;

	if (pack_get_array(reader, field, 2, 2, &count) != 0 ||
		pack_get_fixed(reader, field, ret_key, sizeof(*ret_key)) != 0 ||
		pack_get_fixed(reader, field, ret_proof, sizeof(*ret_proof)) != 0)
		return ERR_MALFORMED;
	return 0;
}

static int get_next(struct pack_reader *reader, struct descriptor *out)
{
	out->has_next = pack_peek(reader) != PACK_NIL;
	if (!out->has_next)
		return pack_get_nil(reader, "next key");
	if (get_key(reader, "next key", &out->next, &out->next_proof) != 0)
		return ERR_MALFORMED;
	return id_equal(&out->next, &out->wireguard) ? pack_refuse(reader, "next key") : 0;
}

static int get_endpoints(struct pack_reader *reader, struct descriptor *out)
{
	uint32_t count;

	if (pack_get_array(reader, "endpoints", 0, DESCRIPTOR_ENDPOINTS_MAX, &count) != 0)
		return ERR_MALFORMED;
	for (out->endpoint_count = 0; out->endpoint_count < count; out->endpoint_count++) {
		struct endpoint *endpoint = &out->endpoints[out->endpoint_count];

		if (pack_get_endpoint(reader, "endpoint", endpoint) != 0 || endpoint->port == 0)
			return ERR_MALFORMED;
		for (size_t i = 0; i < out->endpoint_count; i++) {
			if (endpoint_equal(&out->endpoints[i], endpoint))
				return pack_refuse(reader, "endpoint");
		}
	}
	return 0;
}

static int get_segments(struct pack_reader *reader, uint32_t least, struct descriptor *out)
{
	uint32_t count;
	uint64_t before = 0, vni;

	if (pack_get_array(reader, "segments", least, DESCRIPTOR_SEGMENTS_MAX, &count) != 0)
		return ERR_MALFORMED;
	for (out->segment_count = 0; out->segment_count < count; out->segment_count++) {
		if (pack_get_uint(reader, "vni", SEGMENT_VNI_MAX, &vni) != 0)
			return ERR_MALFORMED;
		if (vni <= before)
			return pack_refuse(reader, "vni");
		out->segments[out->segment_count] = (uint32_t)vni;
		before = vni;
	}
	return 0;
}

static int get_protocol(struct pack_reader *reader, struct descriptor *out)
{
	uint64_t least, most;
	uint32_t count;

	if (pack_get_array(reader, "protocol", 2, 2, &count) != 0 ||
		pack_get_uint(reader, "protocol", UINT16_MAX, &least) != 0 ||
		pack_get_uint(reader, "protocol", UINT16_MAX, &most) != 0)
		return ERR_MALFORMED;
	if (least == 0 || most < least)
		return pack_refuse(reader, "protocol");
	out->protocol_least = (uint16_t)least;
	out->protocol_most = (uint16_t)most;
	return 0;
}

/* What is left out where it says nothing, and what is of a later version. */
static int get_rest(struct pack_reader *reader, uint32_t count, struct descriptor *out)
{
	out->protocol_least = out->protocol_most = 1;
	if (count >= FIELD_SEGMENTS && get_segments(reader, count == FIELD_SEGMENTS, out) != 0)
		return ERR_MALFORMED;
	if (count >= FIELD_PROTOCOL && get_protocol(reader, out) != 0)
		return ERR_MALFORMED;
	for (; count > FIELD_PROTOCOL; count--) {
		if (pack_skip(reader, "later", NULL) != 0)
			return ERR_MALFORMED;
	}
	return pack_get_end(reader, "end");
}

static int get_fields(struct pack_reader *reader, struct descriptor *out)
{
	uint32_t count;
	uint64_t port, claim, mtu;

	if (pack_get_array(reader, "descriptor", FIELD_COUNT, DESCRIPTOR_FIELDS_MAX, &count) != 0 ||
		pack_get_uint(reader, "wireguard port", UINT16_MAX, &port) != 0 ||
		get_key(reader, "wireguard key", &out->wireguard, &out->wireguard_proof) != 0 ||
		get_next(reader, out) != 0 ||
		pack_get_uint(reader, "claim", UINT32_MAX, &claim) != 0 ||
		pack_get_uint(reader, "mtu", UINT16_MAX, &mtu) != 0 ||
		pack_get_str(reader, "version", 0, out->version, sizeof(out->version)) != 0 ||
		get_endpoints(reader, out) != 0)
		return ERR_MALFORMED;
	out->wireguard_port = (uint16_t)port;
	out->claim = (uint32_t)claim;
	out->mtu = (uint16_t)mtu;
	return get_rest(reader, count, out);
}

static int check_proof(const struct id *node, const struct id *key, const struct sig *proof)
{
	return keys_verify(key, KEYS_WIREGUARD, node, sizeof(*node), proof);
}

int descriptor_read(const struct record *record, struct descriptor *ret)
{
	struct pack_reader reader = pack_reader(record->value, record->value_size);
	struct descriptor out = {0};

	if (record->type != RECORD_DESCRIPTOR || record->key_size != 0 ||
		get_fields(&reader, &out) != 0)
		return ERR_MALFORMED;
	*ret = out;
	return 0;
}

int descriptor_decode(const struct record *record, struct descriptor *ret)
{
	struct descriptor out;
	int err = descriptor_read(record, &out);

	if (!err)
		err = check_proof(&record->author, &out.wireguard, &out.wireguard_proof);
	if (!err && out.has_next)
		err = check_proof(&record->author, &out.next, &out.next_proof);
	if (!err)
		*ret = out;
	return err;
}

bool descriptor_speaks(const struct descriptor *descriptor)
{
	return descriptor->protocol_least <= KEYS_PROTOCOL &&
	       descriptor->protocol_most >= KEYS_PROTOCOL;
}

bool descriptor_has_segment(const struct descriptor *descriptor, uint32_t vni)
{
	for (size_t i = 0; i < descriptor->segment_count; i++) {
		if (descriptor->segments[i] == vni)
			return true;
	}
	return false;
}
