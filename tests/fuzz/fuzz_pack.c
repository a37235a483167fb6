/* Every getter over arbitrary bytes: the first byte of the input picks the order of the calls. */
#include "gossip/base/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int get_one(struct pack_reader *reader, uint8_t which)
{
	const uint8_t *bytes;
	const char *text;
	char copy[16];
	uint8_t fixed[4];
	size_t length;
	uint64_t u;
	int64_t i;
	uint32_t count;
	double d;
	bool b;
	int err;

	switch (which % 12) {
	case 0:
		return pack_get_uint(reader, "uint", UINT32_MAX, &u);
	case 1:
		return pack_get_int(reader, "int", &i);
	case 2:
		return pack_get_bool(reader, "bool", &b);
	case 3:
		return pack_get_nil(reader, "nil");
	case 4:
		return pack_get_double(reader, "double", &d);
	case 5:
		err = pack_get_bin(reader, "bin", 0, 64, &bytes, &length);
		assert(err || (length <= 64 && bytes + length == reader->at));
		return err;
	case 6:
		return pack_get_fixed(reader, "fixed", fixed, sizeof(fixed));
	case 7:
		err = pack_get_text(reader, "text", 1, 64, &text, &length);
		assert(err || (length >= 1 && !memchr(text, 0, length)));
		return err;
	case 8:
		err = pack_get_str(reader, "str", 0, copy, sizeof(copy));
		assert(err || strlen(copy) < sizeof(copy));
		return err;
	case 9:
		return pack_get_array(reader, "array", 0, 1000, &count);
	case 10:
		return pack_get_map(reader, "map", 1000, &count);
	default:
		return pack_skip(reader, "skip", &bytes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pack_reader reader;

	if (!size)
		return 0;
	reader = pack_reader(data + 1, size - 1);
	for (uint8_t which = data[0]; pack_peek(&reader) != PACK_END; which = which * 5 + 7) {
		const uint8_t *before = reader.at;

		if (get_one(&reader, which)) {
			assert(reader.where);
			break;
		}
		assert(reader.at > before && reader.at <= reader.end);
	}
	reader = pack_reader(data, size);
	while (!pack_skip(&reader, "value", NULL))
		assert(reader.at <= reader.end);
	return 0;
}
