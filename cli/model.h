/*
 * What the daemon answered, as one tree: --json prints it, and text is rendered from it, so that
 * the two cannot disagree.
 */
#ifndef MESHD_CLI_MODEL_H
#define MESHD_CLI_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "gossip/base/err.h"

/* One MessagePack value. Integers beyond 63 bits become strings, bytes base64. ERR_MALFORMED: keys
 * that are no text, anything after the value. */
int model_decode(const void *data, size_t size, json_t **ret) MUST_CHECK;
/* Makes every string in it fit for a terminal: screen_clean(). */
void model_clean(json_t *value);

/* A member of an object, or the fallback where it is absent, null or of another type; object may be
 * NULL. */
const char *model_text(const json_t *object, const char *key, const char *fallback);
int64_t model_number(const json_t *object, const char *key, int64_t fallback);
double model_real(const json_t *object, const char *key, double fallback);
bool model_true(const json_t *object, const char *key);
/* Bytes, which are base64 here; release with free. ERR_MALFORMED. */
int model_bytes(const json_t *text, uint8_t **ret, size_t *ret_size) MUST_CHECK;
/* The texts of a list, joined; fallback for an empty or absent one. Release with free. */
char *model_join(
	const json_t *object, const char *key, const char *separator, const char *fallback);

#endif
