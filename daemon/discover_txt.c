#include "daemon/discover_txt.h"

#include <sodium.h>
#include <stdio.h>

#include "gossip/base/text.h"

_Static_assert(DISCOVER_SALT_SIZE >= crypto_generichash_KEYBYTES_MIN, "the salt is the hash's key");
_Static_assert(DISCOVER_TAG_SIZE >= crypto_generichash_BYTES_MIN, "a tag is a hash");

void discover_txt_tag(const uint8_t salt[DISCOVER_SALT_SIZE], const struct id *mesh,
	uint8_t ret[DISCOVER_TAG_SIZE])
{
	static const char domain[] = "meshd mdns 1";
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, salt, DISCOVER_SALT_SIZE, DISCOVER_TAG_SIZE);
	(void)crypto_generichash_update(&state, (const uint8_t *)domain, sizeof(domain) - 1);
	(void)crypto_generichash_update(&state, mesh->b, sizeof(mesh->b));
	(void)crypto_generichash_final(&state, ret, DISCOVER_TAG_SIZE);
}

bool discover_txt_is_of(const struct discover_txt *txt, const struct id *mesh)
{
	uint8_t tag[DISCOVER_TAG_SIZE];

	if (!txt->has_tag)
		return false;
	discover_txt_tag(txt->salt, mesh, tag);
	return memcmp(tag, txt->tag, sizeof(tag)) == 0;
}

static size_t put(uint8_t *to, const char *key, const char *value)
{
	int size = snprintf((char *)to + 1, 255, "%s=%s", key, value);

	to[0] = (uint8_t)size;
	return (size_t)size + 1;
}

size_t discover_txt_encode(const struct discover_txt *txt, uint8_t ret[DISCOVER_TXT_MAX])
{
	char hex[2 * DISCOVER_SALT_SIZE + 1];
	size_t size = put(ret, "v", "1");

	_Static_assert(DISCOVER_SALT_SIZE == DISCOVER_TAG_SIZE, "one buffer for both");
	size += put(ret + size, "s", text_hex(txt->salt, DISCOVER_SALT_SIZE, hex));
	if (txt->has_tag)
		size += put(ret + size, "m", text_hex(txt->tag, DISCOVER_TAG_SIZE, hex));
	return size;
}

enum key { KEY_VERSION, KEY_SALT, KEY_TAG, KEYS };

/* One string `key=value`, whose text ends with NUL; seen: the keys that were there before. */
static int take(const char *text, unsigned *seen, struct discover_txt *ret)
{
	static const char *const names[KEYS] = {"v=", "s=", "m="};
	enum key key = KEY_VERSION;

	while (key < KEYS && strncmp(text, names[key], 2) != 0)
		key++;
	if (key == KEYS)
		return 0;
	if (*seen & 1U << key)
		return ERR_MALFORMED;
	*seen |= 1U << key;
	text += 2;
	if (key == KEY_VERSION)
		return strcmp(text, "1") == 0 ? 0 : ERR_VERSION;
	if (key == KEY_SALT)
		return text_parse_hex(text, ret->salt, sizeof(ret->salt));
	ret->has_tag = true;
	return text_parse_hex(text, ret->tag, sizeof(ret->tag));
}

int discover_txt_decode(const uint8_t *data, size_t size, struct discover_txt *ret)
{
	struct discover_txt txt = {.has_tag = false};
	unsigned seen = 0;
	char text[256];

	if (size > DISCOVER_TXT_MAX)
		return ERR_TOO_BIG;
	for (size_t at = 0; at < size;) {
		size_t length = data[at++];
		int err;

		if (length > size - at)
			return ERR_MALFORMED;
		memcpy(text, data + at, length);
		text[length] = '\0';
		at += length;
		err = strlen(text) == length ? take(text, &seen, &txt) : 0;
		if (err != 0)
			return err;
	}
	if (!(seen & 1U << KEY_VERSION) || !(seen & 1U << KEY_SALT))
		return ERR_MALFORMED;
	*ret = txt;
	return 0;
}
