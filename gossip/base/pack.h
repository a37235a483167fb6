/*
 * MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), bounded at both ends.
 *
 * Writing goes through msgpack-c's packer into a buffer that the caller owns or that grows up to a
 * limit; running over sets `failed` once, so that a sequence of puts needs one check at its end.
 *
 * Reading is a cursor of our own that allocates nothing: msgpack-c's unpacker reserves memory by
 * counts that a sender claims (five bytes make it ask for 6.4 GB), and it cannot tell whether the
 * encoding was minimal, which a signed body needs so that there is one encoding of one meaning.
 * Every count is checked against the bytes that are left, nesting is bounded, and the first failure
 * leaves the name of the field in `where`.
 */
#ifndef MESHD_GOSSIP_BASE_PACK_H
#define MESHD_GOSSIP_BASE_PACK_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#include "gossip/base/err.h"
#include "gossip/base/types.h"

#define PACK_DEPTH_MAX 16 /* of containers that pack_skip walks into */

struct pack {
	uint8_t *data;
	size_t size, capacity;
	size_t limit; /* a growing buffer's bound; 0: the memory is the caller's and does not grow
		       */
	bool failed;
};

/* A fixed buffer: nothing to release. */
void pack_init(struct pack *pack, void *memory, size_t capacity);
/* A buffer on the heap, at most `limit` bytes; release with pack_done. */
void pack_init_growing(struct pack *pack, size_t limit);
void pack_done(struct pack *pack);
/* 0, or ERR_TOO_BIG when anything did not fit. */
int pack_status(const struct pack *pack) MUST_CHECK;

void pack_put_uint(struct pack *pack, uint64_t value);
void pack_put_bool(struct pack *pack, bool value);
void pack_put_double(struct pack *pack, double value);
void pack_put_nil(struct pack *pack);
void pack_put_bin(struct pack *pack, const void *data, size_t size);
void pack_put_str(struct pack *pack, const char *text);
void pack_put_text(struct pack *pack, const char *text, size_t size);
void pack_put_array(struct pack *pack, uint32_t count);
void pack_put_map(struct pack *pack, uint32_t count);
/* Bytes that are MessagePack already. */
void pack_put_raw(struct pack *pack, const void *data, size_t size);

/* [address (4 or 16 bytes), port]; the scope is local knowledge and stays here. */
void pack_put_endpoint(struct pack *pack, const struct endpoint *endpoint);
/* An address: 4 or 16 bytes. */
void pack_put_ip(struct pack *pack, const struct ip *ip);

enum pack_type {
	PACK_END,
	PACK_UINT,
	PACK_NEGATIVE,
	PACK_BOOL,
	PACK_NIL,
	PACK_DOUBLE,
	PACK_STR,
	PACK_BIN,
	PACK_ARRAY,
	PACK_MAP,
	PACK_BAD, /* extension types, reserved bytes, truncated heads */
};

struct pack_reader {
	const uint8_t *at, *end;
	const char *where; /* the first field that failed; NULL while all is well */
};

static inline struct pack_reader pack_reader(const void *data, size_t size)
{
	return (struct pack_reader){data, (const uint8_t *)data + size, NULL};
}

enum pack_type pack_peek(const struct pack_reader *reader);

/*
 * Each takes the field's name for `where`, checks type, bounds and minimal encoding, and returns
 * ERR_MALFORMED (output untouched, reader not to be used further) otherwise. Pointers lead into the
 * reader's own bytes.
 */
int pack_get_uint(
	struct pack_reader *reader, const char *field, uint64_t max, uint64_t *ret) MUST_CHECK;
int pack_get_int(struct pack_reader *reader, const char *field, int64_t *ret) MUST_CHECK;
int pack_get_bool(struct pack_reader *reader, const char *field, bool *ret) MUST_CHECK;
int pack_get_nil(struct pack_reader *reader, const char *field) MUST_CHECK;
int pack_get_double(struct pack_reader *reader, const char *field, double *ret) MUST_CHECK;
int pack_get_bin(struct pack_reader *reader, const char *field, size_t min, size_t max,
	const uint8_t **ret_data, size_t *ret_size) MUST_CHECK;
/* A byte string of exactly this size, copied. */
int pack_get_fixed(
	struct pack_reader *reader, const char *field, void *ret, size_t size) MUST_CHECK;
/* UTF-8 without control characters; not NUL-terminated. */
int pack_get_text(struct pack_reader *reader, const char *field, size_t min, size_t max,
	const char **ret_text, size_t *ret_size) MUST_CHECK;
/* The same, copied with a NUL into capacity bytes (so at most capacity - 1). */
int pack_get_str(struct pack_reader *reader, const char *field, size_t min, char *ret,
	size_t capacity) MUST_CHECK;
int pack_get_array(struct pack_reader *reader, const char *field, uint32_t min, uint32_t max,
	uint32_t *ret_count) MUST_CHECK;
int pack_get_map(struct pack_reader *reader, const char *field, uint32_t max,
	uint32_t *ret_count) MUST_CHECK;
int pack_get_ip(struct pack_reader *reader, const char *field, struct ip *ret) MUST_CHECK;
int pack_get_endpoint(
	struct pack_reader *reader, const char *field, struct endpoint *ret) MUST_CHECK;
/* One whole value of any kind; ret_start (may be NULL) is where it began. */
int pack_skip(struct pack_reader *reader, const char *field, const uint8_t **ret_start) MUST_CHECK;
/* Nothing may be left. */
int pack_get_end(struct pack_reader *reader, const char *field) MUST_CHECK;
/* A field's value was well-formed but not acceptable: names it and returns ERR_MALFORMED. */
int pack_refuse(struct pack_reader *reader, const char *field);

#endif
