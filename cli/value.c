#include "cli/value.h"

#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"
#include "cli/model.h"
#include "cli/screen.h"
#include "gossip/base/text.h"

#define STAMP_COUNT_BITS 16 /* a stamp is milliseconds since 1970, and a count below them */
#define SHOWN_MAX	 60 /* bytes of a value on a line */

void value_rename(json_t *entry)
{
	json_t *value = json_object_get(entry, "value");

	json_object_set(entry, "value_base64", value);
	json_object_del(entry, "value");
}

uint8_t *value_bytes(const json_t *entry, size_t *ret_size)
{
	uint8_t *bytes;

	return model_bytes(json_object_get(entry, "value_base64"), &bytes, ret_size) == 0 ? bytes
											  : NULL;
}

const char *value_ago(const json_t *entry, int64_t now_ms, char buf[HUMAN_SIZE])
{
	uint64_t stamp = strtoull(model_text(entry, "stamp", "0"), NULL, 10);
	wtime_t time = {(int64_t)(stamp >> STAMP_COUNT_BITS)};
	char text[TEXT_TIME_SIZE];

	return human_ago(text_time(time, text), now_ms, "-", buf);
}

char *value_describe(const json_t *entry)
{
	char *text, human[HUMAN_SIZE];
	size_t size;
	uint8_t *bytes = value_bytes(entry, &size);

	if (!bytes)
		return memory_copy("(deleted)");
	if (size <= SHOWN_MAX && text_utf8_valid((const char *)bytes, size)) {
		text = memory_format("%.*s", (int)size, (const char *)bytes);
		screen_clean(text);
	} else {
		text = memory_format("(%s)", human_bytes((double)size, human));
	}
	free(bytes);
	return text;
}
