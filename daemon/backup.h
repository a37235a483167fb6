/*
 * A node's whole state as bytes: what `backup` seals and `restore` takes (daemon/ipc/sealed.h).
 *
 *   entry    length (4, big-endian) | MessagePack
 *     [1, version 1, wall clock ms, generation, key file]     first, once
 *     [2, record]                                             in an order that keeps their chains
 *     [3, node, endpoint]                                     where a member was last reached
 *     [5, segment, addresses, ports]                          what it has on its bridges: words
 *     [4, records, places]                                    last, once: how many there were
 *
 * Written and read in pieces, so that neither side needs more memory for it than the records take.
 */
#ifndef MESHD_DAEMON_BACKUP_H
#define MESHD_DAEMON_BACKUP_H

#include "daemon/keyfile.h"
#include "daemon/state.h"
#include "gossip/base/mtime.h"
#include "gossip/base/pack.h"
#include "gossip/record/record.h"

#define BACKUP_ENTRY_MAX       (RECORD_SIZE_MAX + 32)
#define BACKUP_RECORDS_MAX     4000000 /* twenty authors with the largest quota there is */
#define BACKUP_PLACES_MAX      65536   /* members */
#define BACKUP_ATTACHMENTS_MAX 64      /* segments that a node can be attached to */

struct backup_place {
	struct id node;
	struct endpoint endpoint;
};

struct backup_attachment {
	char segment[STATE_SEGMENT_SIZE];
	char addresses[STATE_WORDS_SIZE], ports[STATE_WORDS_SIZE]; /* as state.db has them */
};

struct backup {
	struct keyfile *keys; /* owned, as all of it; has_mesh */
	uint64_t generation;
	wtime_t made;
	struct record **records;
	size_t record_count, record_capacity;
	struct backup_place *places;
	size_t place_count, place_capacity;
	struct backup_attachment *attachments;
	size_t attachment_count, attachment_capacity;
};

void backup_done(struct backup *backup);
/* Takes a reference. ERR_NOMEM, ERR_LIMIT. */
int backup_add_record(struct backup *backup, struct record *record) MUST_CHECK;
int backup_add_place(struct backup *backup, const struct backup_place *place) MUST_CHECK;
int backup_add_attachment(
	struct backup *backup, const struct backup_attachment *attachment) MUST_CHECK;

/* Where in it a writer or reader is, and what it holds in between: in guarded memory. */
struct backup_stream {
	uint8_t *buffer; /* BACKUP_ENTRY_MAX and a piece */
	size_t used;
	size_t piece_size;
	unsigned stage; /* kind of the entries that come next */
	size_t next;	/* of them */
};

int backup_stream_init(struct backup_stream *stream, size_t piece_size) MUST_CHECK;
void backup_stream_done(struct backup_stream *stream);

/* The next piece: of the whole size, or the last one, of less. Returns its size. */
size_t backup_write(struct backup_stream *stream, const struct backup *backup, uint8_t *ret_piece);
/* Takes a piece of any size up to the stream's. ERR_MALFORMED, ERR_VERSION, ERR_LIMIT, ERR_NOMEM:
 * the stream is at its end. */
int backup_read(struct backup_stream *stream, struct backup *backup, const uint8_t *piece,
	size_t size) MUST_CHECK;
/* Whether all of it has been read. */
bool backup_is_whole(const struct backup_stream *stream);

#endif
