/*
 * What a VALUE record says: its key is the user's, its value nil (the key is deleted: a tombstone)
 * or a byte string. Any member may write any key; keys that begin with `mesh/` are configuration,
 * and of admins alone.
 */
#ifndef MESHD_GOSSIP_RECORD_VALUE_H
#define MESHD_GOSSIP_RECORD_VALUE_H

#include "gossip/base/pack.h"
#include "gossip/record/record.h"

#define VALUE_KEY_MAX  RECORD_KEY_MAX /* bytes of UTF-8 without control characters, at least 1 */
#define VALUE_SIZE_MAX (64 * 1024)    /* bytes */
#define VALUE_MESH     "mesh/"

struct value {
	bool deleted;
	const uint8_t *bytes; /* in the record; NULL: deleted */
	size_t size;
};

bool value_key_is_valid(const void *key, size_t size);
bool value_key_is_mesh(const void *key, size_t size);
/* bytes NULL: deleted. */
void value_encode(const void *bytes, size_t size, struct pack *out);
/* ERR_MALFORMED: key or value are none. */
int value_decode(const struct record *record, struct value *ret) MUST_CHECK;
/* Which of a key's records is shown: the later, of equals the larger author. > 0: a. */
int value_compare(const struct record *a, const struct record *b);
/* Of a record that value_decode takes. */
bool value_is_tombstone(const struct record *record);

#endif
