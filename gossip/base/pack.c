#include "gossip/base/pack.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/text.h"

#define GROWTH_START 256

void pack_init(struct pack *pack, void *memory, size_t capacity)
{
	*pack = (struct pack){.data = memory, .capacity = capacity};
}

void pack_init_growing(struct pack *pack, size_t limit)
{
	*pack = (struct pack){.limit = limit};
}

void pack_done(struct pack *pack)
{
	if (pack->limit)
		free(pack->data);
	*pack = (struct pack){.failed = true};
}

int pack_status(const struct pack *pack)
{
	return pack->failed ? ERR_TOO_BIG : 0;
}

static bool make_room(struct pack *pack, size_t size)
{
	size_t capacity = pack->capacity ? pack->capacity : GROWTH_START;
	uint8_t *data;

	size_t most = pack->limit ? pack->limit : pack->capacity;

	if (size > most - pack->size)
		return false;
	if (size <= pack->capacity - pack->size)
		return true;
	while (capacity < pack->size + size)
		capacity *= 2;
	data = realloc(pack->data, capacity);
	if (!data)
		return false;
	pack->data = data;
	pack->capacity = capacity;
	return true;
}

static int sink(void *data, const char *bytes, size_t size)
{
	struct pack *pack = data;

	if (pack->failed || !make_room(pack, size)) {
		pack->failed = true;
		return -1;
	}
	if (size)
		memcpy(pack->data + pack->size, bytes, size);
	pack->size += size;
	return 0;
}

static msgpack_packer packer(struct pack *pack)
{
	return (msgpack_packer){.data = pack, .callback = sink};
}

void pack_put_uint(struct pack *pack, uint64_t value)
{
	msgpack_packer p = packer(pack);
	msgpack_pack_uint64(&p, value);
}

void pack_put_bool(struct pack *pack, bool value)
{
	msgpack_packer p = packer(pack);
	if (value)
		msgpack_pack_true(&p);
	else
		msgpack_pack_false(&p);
}

void pack_put_double(struct pack *pack, double value)
{
	msgpack_packer p = packer(pack);
	msgpack_pack_double(&p, value);
}

void pack_put_nil(struct pack *pack)
{
	msgpack_packer p = packer(pack);
	msgpack_pack_nil(&p);
}

void pack_put_bin(struct pack *pack, const void *data, size_t size)
{
	msgpack_packer p = packer(pack);
	msgpack_pack_bin(&p, size);
	msgpack_pack_bin_body(&p, data, size);
}

void pack_put_text(struct pack *pack, const char *text, size_t size)
{
	msgpack_packer p = packer(pack);
	msgpack_pack_str(&p, size);
	msgpack_pack_str_body(&p, text, size);
}

void pack_put_str(struct pack *pack, const char *text)
{
	pack_put_text(pack, text, strlen(text));
}

void pack_put_array(struct pack *pack, uint32_t count)
{
	msgpack_packer p = packer(pack);
	msgpack_pack_array(&p, count);
}

void pack_put_map(struct pack *pack, uint32_t count)
{
	msgpack_packer p = packer(pack);
	msgpack_pack_map(&p, count);
}

void pack_put_raw(struct pack *pack, const void *data, size_t size)
{
	sink(pack, data, size);
}

void pack_put_ip(struct pack *pack, const struct ip *ip)
{
	pack_put_bin(pack, ip->b, ip->family == 4 ? 4 : 16);
}

void pack_put_endpoint(struct pack *pack, const struct endpoint *endpoint)
{
	pack_put_array(pack, 2);
	pack_put_ip(pack, &endpoint->ip);
	pack_put_uint(pack, endpoint->port);
}

/* A decoded head: what comes, its number (value, length or count), and the head's own length. */
struct head {
	enum pack_type type;
	uint64_t value;
	size_t size;
	bool minimal;
};

static uint64_t big_endian(const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	while (size--)
		value = value << 8 | *at++;
	return value;
}

/* A head whose number stands in the 1 << log2 bytes after the first one. */
static struct head wide_head(
	const struct pack_reader *r, enum pack_type type, unsigned log2, uint64_t least)
{
	size_t size = (size_t)1 << log2;

	if ((size_t)(r->end - r->at) < 1 + size)
		return (struct head){.type = PACK_BAD};
	uint64_t value = big_endian(r->at + 1, size);
	return (struct head){type, value, 1 + size, value >= least};
}

static struct head signed_head(const struct pack_reader *r, unsigned log2)
{
	struct head head = wide_head(r, PACK_NEGATIVE, log2, 0);
	unsigned bits = 8U << log2;
	static const int64_t below[] = {-32, INT8_MIN, INT16_MIN, INT32_MIN};

	if (head.type == PACK_BAD)
		return head;
	if (bits < 64 && head.value >> (bits - 1))
		head.value |= UINT64_MAX << bits;
	head.minimal = (int64_t)head.value < below[log2];
	return head;
}

static struct head read_head(const struct pack_reader *r)
{
	if (r->at >= r->end)
		return (struct head){.type = PACK_END};
	uint8_t b = *r->at;

	if (b < 0x80)
		return (struct head){PACK_UINT, b, 1, true};
	if (b < 0x90)
		return (struct head){PACK_MAP, b & 0x0f, 1, true};
	if (b < 0xa0)
		return (struct head){PACK_ARRAY, b & 0x0f, 1, true};
	if (b < 0xc0)
		return (struct head){PACK_STR, b & 0x1f, 1, true};
	if (b >= 0xe0)
		return (struct head){PACK_NEGATIVE, (uint64_t)(int64_t)(int8_t)b, 1, true};
	switch (b) {
	case 0xc0:
		return (struct head){PACK_NIL, 0, 1, true};
	case 0xc2:
	case 0xc3:
		return (struct head){PACK_BOOL, b & 1, 1, true};
	case 0xc4:
		return wide_head(r, PACK_BIN, 0, 0);
	case 0xc5:
		return wide_head(r, PACK_BIN, 1, 0x100);
	case 0xc6:
		return wide_head(r, PACK_BIN, 2, 0x10000);
	case 0xcb:
		return wide_head(r, PACK_DOUBLE, 3, 0);
	case 0xcc:
		return wide_head(r, PACK_UINT, 0, 0x80);
	case 0xcd:
		return wide_head(r, PACK_UINT, 1, 0x100);
	case 0xce:
		return wide_head(r, PACK_UINT, 2, 0x10000);
	case 0xcf:
		return wide_head(r, PACK_UINT, 3, UINT64_C(0x100000000));
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return signed_head(r, b - 0xd0);
	case 0xd9:
		return wide_head(r, PACK_STR, 0, 32);
	case 0xda:
		return wide_head(r, PACK_STR, 1, 0x100);
	case 0xdb:
		return wide_head(r, PACK_STR, 2, 0x10000);
	case 0xdc:
		return wide_head(r, PACK_ARRAY, 1, 16);
	case 0xdd:
		return wide_head(r, PACK_ARRAY, 2, 0x10000);
	case 0xde:
		return wide_head(r, PACK_MAP, 1, 16);
	case 0xdf:
		return wide_head(r, PACK_MAP, 2, 0x10000);
	default:
		return (struct head){.type = PACK_BAD};
	}
}

enum pack_type pack_peek(const struct pack_reader *reader)
{
	return read_head(reader).type;
}

int pack_refuse(struct pack_reader *reader, const char *field)
{
	if (!reader->where)
		reader->where = field;
	return ERR_MALFORMED;
}

/* Whether what the head promises can be there: a container's element takes a byte at least. */
static bool head_fits(const struct pack_reader *r, const struct head *head)
{
	size_t left = (size_t)(r->end - r->at) - head->size;

	switch (head->type) {
	case PACK_STR:
	case PACK_BIN:
	case PACK_ARRAY:
		return head->value <= left;
	case PACK_MAP:
		return head->value <= left / 2;
	case PACK_UINT:
	case PACK_NEGATIVE:
	case PACK_BOOL:
	case PACK_NIL:
	case PACK_DOUBLE:
		return true;
	case PACK_END:
	case PACK_BAD:
		return false;
	}
	return false;
}

static int take(struct pack_reader *r, const char *field, enum pack_type type, uint64_t min,
	uint64_t max, struct head *ret)
{
	struct head head = read_head(r);

	if (r->where || head.type != type || !head.minimal || !head_fits(r, &head) ||
		head.value < min || head.value > max)
		return pack_refuse(r, field);
	r->at += head.size;
	*ret = head;
	return 0;
}

int pack_get_uint(struct pack_reader *reader, const char *field, uint64_t max, uint64_t *ret)
{
	struct head head;

	if (take(reader, field, PACK_UINT, 0, max, &head) != 0)
		return ERR_MALFORMED;
	*ret = head.value;
	return 0;
}

int pack_get_int(struct pack_reader *reader, const char *field, int64_t *ret)
{
	struct head head;
	enum pack_type type = pack_peek(reader) == PACK_NEGATIVE ? PACK_NEGATIVE : PACK_UINT;

	if (take(reader, field, type, 0, type == PACK_UINT ? INT64_MAX : UINT64_MAX, &head) != 0)
		return ERR_MALFORMED;
	*ret = (int64_t)head.value;
	return 0;
}

int pack_get_bool(struct pack_reader *reader, const char *field, bool *ret)
{
	struct head head;

	if (take(reader, field, PACK_BOOL, 0, 1, &head) != 0)
		return ERR_MALFORMED;
	*ret = head.value;
	return 0;
}

int pack_get_nil(struct pack_reader *reader, const char *field)
{
	struct head head;

	return take(reader, field, PACK_NIL, 0, 0, &head);
}

int pack_get_double(struct pack_reader *reader, const char *field, double *ret)
{
	struct head head;

	if (take(reader, field, PACK_DOUBLE, 0, UINT64_MAX, &head) != 0)
		return ERR_MALFORMED;
	memcpy(ret, &head.value, sizeof(*ret));
	return 0;
}

int pack_get_bin(struct pack_reader *reader, const char *field, size_t min, size_t max,
	const uint8_t **ret_data, size_t *ret_size)
{
	struct head head;

	if (take(reader, field, PACK_BIN, min, max, &head) != 0)
		return ERR_MALFORMED;
	*ret_data = reader->at;
	*ret_size = head.value;
	reader->at += head.value;
	return 0;
}

int pack_get_fixed(struct pack_reader *reader, const char *field, void *ret, size_t size)
{
	const uint8_t *data;
	size_t data_size;

	if (pack_get_bin(reader, field, size, size, &data, &data_size) != 0)
		return ERR_MALFORMED;
	memcpy(ret, data, size);
	return 0;
}

int pack_get_text(struct pack_reader *reader, const char *field, size_t min, size_t max,
	const char **ret_text, size_t *ret_size)
{
	struct head head;

	if (take(reader, field, PACK_STR, min, max, &head) != 0)
		return ERR_MALFORMED;
	if (!text_utf8_valid((const char *)reader->at, head.value))
		return pack_refuse(reader, field);
	*ret_text = (const char *)reader->at;
	*ret_size = head.value;
	reader->at += head.value;
	return 0;
}

int pack_get_str(
	struct pack_reader *reader, const char *field, size_t min, char *ret, size_t capacity)
{
	const char *text;
	size_t size;

	if (pack_get_text(reader, field, min, capacity - 1, &text, &size) != 0)
		return ERR_MALFORMED;
	memcpy(ret, text, size);
	ret[size] = '\0';
	return 0;
}

int pack_get_array(struct pack_reader *reader, const char *field, uint32_t min, uint32_t max,
	uint32_t *ret_count)
{
	struct head head;

	if (take(reader, field, PACK_ARRAY, min, max, &head) != 0)
		return ERR_MALFORMED;
	*ret_count = (uint32_t)head.value;
	return 0;
}

int pack_get_map(struct pack_reader *reader, const char *field, uint32_t max, uint32_t *ret_count)
{
	struct head head;

	if (take(reader, field, PACK_MAP, 0, max, &head) != 0)
		return ERR_MALFORMED;
	*ret_count = (uint32_t)head.value;
	return 0;
}

int pack_get_ip(struct pack_reader *reader, const char *field, struct ip *ret)
{
	const uint8_t *data;
	size_t size;

	if (pack_get_bin(reader, field, 4, 16, &data, &size) != 0)
		return ERR_MALFORMED;
	if (size != 4 && size != 16)
		return pack_refuse(reader, field);
	*ret = (struct ip){.family = size == 4 ? 4 : 6};
	memcpy(ret->b, data, size);
	return 0;
}

int pack_get_endpoint(struct pack_reader *reader, const char *field, struct endpoint *ret)
{
	uint32_t count;
	struct ip ip;
	uint64_t port;

	if (pack_get_array(reader, field, 2, 2, &count) != 0 ||
		pack_get_ip(reader, field, &ip) != 0 ||
		pack_get_uint(reader, field, UINT16_MAX, &port) != 0)
		return ERR_MALFORMED;
	*ret = (struct endpoint){.ip = ip, .port = (uint16_t)port};
	return 0;
}

static int skip_value(struct pack_reader *r, const char *field, unsigned depth)
{
	struct head head = read_head(r);
	uint64_t children = 0;

	if (r->where || !head.minimal || !head_fits(r, &head) || depth > PACK_DEPTH_MAX)
		return pack_refuse(r, field);
	r->at += head.size;
	if (head.type == PACK_STR || head.type == PACK_BIN)
		r->at += head.value;
	else if (head.type == PACK_ARRAY)
		children = head.value;
	else if (head.type == PACK_MAP)
		children = head.value * 2;
	while (children--) {
		if (skip_value(r, field, depth + 1) != 0)
			return ERR_MALFORMED;
	}
	return 0;
}

int pack_skip(struct pack_reader *reader, const char *field, const uint8_t **ret_start)
{
	const uint8_t *start = reader->at;

	if (skip_value(reader, field, 1) != 0)
		return ERR_MALFORMED;
	if (ret_start)
		*ret_start = start;
	return 0;
}

int pack_get_end(struct pack_reader *reader, const char *field)
{
	return reader->where || reader->at != reader->end ? pack_refuse(reader, field) : 0;
}
