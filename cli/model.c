#include "cli/model.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/memory.h"
#include "cli/screen.h"
#include "gossip/base/pack.h"

static int decode_value(struct pack_reader *r, json_t **ret);

static int decode_uint(struct pack_reader *r, json_t **ret)
{
	char text[24];
	uint64_t number;

	if (pack_get_uint(r, "number", UINT64_MAX, &number) != 0)
		return ERR_MALFORMED;
	snprintf(text, sizeof(text), "%" PRIu64, number);
	*ret = number <= INT64_MAX ? json_integer((json_int_t)number) : json_string(text);
	return 0;
}

static int decode_text(struct pack_reader *r, json_t **ret)
{
	const char *text;
	size_t size;

	if (pack_get_text(r, "text", 0, SIZE_MAX, &text, &size) != 0)
		return ERR_MALFORMED;
	*ret = json_stringn(text, size);
	return 0;
}

/* JSON has no bytes: base64 (RFC 4648), padded. */
static int decode_bytes(struct pack_reader *r, json_t **ret)
{
	const int variant = sodium_base64_VARIANT_ORIGINAL;
	const uint8_t *bytes;
	size_t size, capacity;
	char *text;

	if (pack_get_bin(r, "bytes", 0, SIZE_MAX, &bytes, &size) != 0)
		return ERR_MALFORMED;
	capacity = sodium_base64_encoded_len(size, variant);
	text = memory_grow(NULL, capacity, 1);
	*ret = json_string(sodium_bin2base64(text, capacity, bytes, size, variant));
	free(text);
	return 0;
}

static int decode_array(struct pack_reader *r, json_t **ret)
{
	json_t *array = memory_check(json_array()), *value;
	uint32_t count;

	if (pack_get_array(r, "array", 0, UINT32_MAX, &count) != 0)
		goto refuse;
	while (count--) {
		if (decode_value(r, &value) != 0)
			goto refuse;
		json_array_append_new(array, value);
	}
	*ret = array;
	return 0;
refuse:
	json_decref(array);
	return ERR_MALFORMED;
}

static int decode_map(struct pack_reader *r, json_t **ret)
{
	json_t *object = memory_check(json_object()), *value;
	uint32_t count;

	if (pack_get_map(r, "map", UINT32_MAX, &count) != 0)
		goto refuse;
	while (count--) {
		char key[64];

		if (pack_get_str(r, "key", 1, key, sizeof(key)) != 0 ||
			decode_value(r, &value) != 0)
			goto refuse;
		json_object_set_new(object, key, value);
	}
	*ret = object;
	return 0;
refuse:
	json_decref(object);
	return ERR_MALFORMED;
}

static int decode_scalar(struct pack_reader *r, enum pack_type type, json_t **ret)
{
	int64_t number;
	double real;
	bool flag;

	switch (type) {
	case PACK_NEGATIVE:
		if (pack_get_int(r, "number", &number) != 0)
			return ERR_MALFORMED;
		*ret = json_integer(number);
		return 0;
	case PACK_BOOL:
		if (pack_get_bool(r, "bool", &flag) != 0)
			return ERR_MALFORMED;
		*ret = json_boolean(flag);
		return 0;
	case PACK_DOUBLE:
		/* JSON has no infinities and json_real() answers NULL for them. */
		if (pack_get_double(r, "real", &real) != 0 || !(*ret = json_real(real)))
			return ERR_MALFORMED;
		return 0;
	case PACK_NIL:
		if (pack_get_nil(r, "nil") != 0)
			return ERR_MALFORMED;
		*ret = json_null();
		return 0;
	case PACK_END:
	case PACK_UINT:
	case PACK_STR:
	case PACK_BIN:
	case PACK_ARRAY:
	case PACK_MAP:
	case PACK_BAD:
		break;
	}
	return ERR_MALFORMED;
}

static int decode_value(struct pack_reader *r, json_t **ret)
{
	enum pack_type type = pack_peek(r);
	int err;

	if (type == PACK_UINT)
		err = decode_uint(r, ret);
	else if (type == PACK_STR)
		err = decode_text(r, ret);
	else if (type == PACK_BIN)
		err = decode_bytes(r, ret);
	else if (type == PACK_ARRAY)
		err = decode_array(r, ret);
	else if (type == PACK_MAP)
		err = decode_map(r, ret);
	else
		err = decode_scalar(r, type, ret);
	if (err == 0)
		memory_check(*ret);
	return err;
}

int model_decode(const void *data, size_t size, json_t **ret)
{
	struct pack_reader check = pack_reader(data, size), r = check;
	json_t *value;

	/* Walks it once before, which bounds the depth of the recursion here. */
	if (pack_skip(&check, "value", NULL) != 0 || pack_get_end(&check, "value") != 0 ||
		decode_value(&r, &value) != 0)
		return ERR_MALFORMED;
	*ret = value;
	return 0;
}

void model_clean(json_t *value)
{
	const char *key;
	json_t *child;
	size_t i;
	char *text;

	if (json_is_string(value)) {
		text = memory_copy(json_string_value(value));
		screen_clean(text);
		json_string_set(value, text);
		free(text);
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, child) model_clean(child);
	} else if (json_is_object(value)) {
		json_object_foreach(value, key, child) model_clean(child);
	}
}

const char *model_text(const json_t *object, const char *key, const char *fallback)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : fallback;
}

int64_t model_number(const json_t *object, const char *key, int64_t fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

double model_real(const json_t *object, const char *key, double fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : fallback;
}

bool model_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

char *model_join(const json_t *object, const char *key, const char *separator, const char *fallback)
{
	const json_t *list = json_object_get(object, key);
	char *joined = NULL;
	json_t *value;
	size_t i;

	json_array_foreach(list, i, value) memory_join(
		&joined, separator, json_is_string(value) ? json_string_value(value) : "");
	return joined ? joined : memory_copy(fallback);
}

int model_bytes(const json_t *text, uint8_t **ret, size_t *ret_size)
{
	size_t room = json_string_length(text);
	uint8_t *bytes = memory_grow(NULL, room + 1, 1);

	if (!json_is_string(text) ||
		sodium_base642bin(bytes, room, json_string_value(text), room, NULL, ret_size, NULL,
			sodium_base64_VARIANT_ORIGINAL) != 0) {
		free(bytes);
		return ERR_MALFORMED;
	}
	*ret = bytes;
	return 0;
}
