/* Keys and values of the key-value store, as answers have them and as people see them. */
#ifndef MESHD_CLI_VALUE_H
#define MESHD_CLI_VALUE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/human.h"

/* JSON has no bytes: `value` becomes `value_base64`, as the contract names it. */
void value_rename(json_t *entry);
/* The bytes of an entry's value, to be released with free, and NULL where it has none: deleted. */
uint8_t *value_bytes(const json_t *entry, size_t *ret_size);
/* How long ago it was written, by its stamp: `12 s ago`. */
const char *value_ago(const json_t *entry, int64_t now_ms, char buf[HUMAN_SIZE]);
/* The value on one line for a terminal: text where it is text, else how much it is. Release with
 * free. */
char *value_describe(const json_t *entry);

#endif
