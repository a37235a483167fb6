#include "gossip/record/segment.h"

#include "gossip/crypto/keys.h"

#define FIELD_COUNT 3
#define FIELDS_MAX  16 /* with those of later versions, which are passed over */

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static bool is_digits(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!is_one_of(text[i], "0123456789"))
			return false;
	}
	return size > 0;
}

/* Directories of /proc/sys/net, the loopback, and our own tunnel devices. */
static bool is_reserved(const char *name, size_t size)
{
	static const char *const names[] = {"lo", "all", "default"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (size == strlen(names[i]) && memcmp(name, names[i], size) == 0)
			return true;
	}
	return size > 2 && memcmp(name, "vx", 2) == 0 && is_digits(name + 2, size - 2);
}

bool segment_name_is_valid(const char *name, size_t size)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  "._-";

	if (size < 1 || size > SEGMENT_NAME_MAX || is_one_of(name[0], "._-"))
		return false;
	for (size_t i = 0; i < size; i++) {
		if (!is_one_of(name[i], set))
			return false;
	}
	return !is_reserved(name, size);
}

uint32_t segment_vni(const struct id *mesh, const char *name)
{
	uint8_t bytes[sizeof(*mesh) + SEGMENT_NAME_MAX];
	size_t size = strnlen(name, SEGMENT_NAME_MAX);
	struct hash hash;
	uint32_t vni;

	memcpy(bytes, mesh, sizeof(*mesh));
	memcpy(bytes + sizeof(*mesh), name, size);
	keys_hash(KEYS_SEGMENT, bytes, sizeof(*mesh) + size, &hash);
	vni = (uint32_t)hash.b[0] << 16 | (uint32_t)hash.b[1] << 8 | hash.b[2];
	return vni ? vni : 1;
}

void segment_encode(const struct segment *segment, struct pack *out)
{
	pack_put_array(out, FIELD_COUNT);
	pack_put_uint(out, segment->vni);
	pack_put_bool(out, segment->automatic);
	pack_put_bool(out, segment->flood);
}

int segment_decode(const void *bytes, size_t size, struct segment *ret)
{
	struct pack_reader reader = pack_reader(bytes, size);
	struct segment out;
	uint32_t count;
	uint64_t vni;

	if (pack_get_array(&reader, "segment", FIELD_COUNT, FIELDS_MAX, &count) != 0 ||
		pack_get_uint(&reader, "vni", SEGMENT_VNI_MAX, &vni) != 0 ||
		pack_get_bool(&reader, "automatic", &out.automatic) != 0 ||
		pack_get_bool(&reader, "flood", &out.flood) != 0 || vni == 0)
		return ERR_MALFORMED;
	for (; count > FIELD_COUNT; count--) {
		if (pack_skip(&reader, "later", NULL) != 0)
			return ERR_MALFORMED;
	}
	if (pack_get_end(&reader, "end") != 0)
		return ERR_MALFORMED;
	out.vni = (uint32_t)vni;
	*ret = out;
	return 0;
}
