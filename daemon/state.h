/*
 * What a node keeps over a restart, but for its secrets (keyfile.h): the SQLite database `state.db`
 * in the state directory, which an operator can open. WAL, synchronous=FULL, written by one thread
 * of its own: all that is queued while a commit runs goes into the next one, and what nobody waits
 * for is gathered for a while first, as others' news comes in bursts. What is queued is told to be
 * on disk when it is.
 *
 * A write that fails (disk full, ...) is tried again with a growing pause; nothing later is
 * acknowledged before it. What waits is one entry a record, so it is bounded by the core's store.
 */
#ifndef MESHD_DAEMON_STATE_H
#define MESHD_DAEMON_STATE_H

#include <uv.h>

#include "gossip/base/err.h"
#include "gossip/base/histogram.h"
#include "gossip/base/mtime.h"
#include "gossip/base/types.h"

#define STATE_NAME	       "state.db"
#define STATE_PATH_SIZE	       4096
#define STATE_ERROR_SIZE       512
#define STATE_NUMBER_NAME_SIZE 32
#define STATE_SEGMENT_SIZE     16   /* a segment's name is an interface's */
#define STATE_WORDS_SIZE       1024 /* of the list of its addresses, or ports, with NUL */
#define STATE_RETRY_MS	       250  /* the first pause after a write that failed */
#define STATE_RETRY_MAX_MS \
	2000 /* a pause doubles up to it: a disk with room again is soon in use */

/* What nobody waits for is on disk that long after it was queued, and no sooner: a crash loses as
 * much of what others said, and they say it again. */
#define STATE_GATHER_MS 200

struct keys;
struct state;

/* What is done and what is not; report comes on the loop's thread. */
struct state_report {
	uint64_t ticket;	      /* everything up to it is on disk */
	bool failing;		      /* the last try failed */
	char error[STATE_ERROR_SIZE]; /* then: why, for people */
};

/* number: as it was put. */
typedef void (*state_record_cb)(
	void *arg, const struct hash *hash, const uint8_t *bytes, size_t size, uint64_t number);
typedef void (*state_endpoint_cb)(
	void *arg, const struct id *node, const struct endpoint *endpoint);
/* Lists of words, each a space apart. */
typedef void (*state_attachment_cb)(
	void *arg, const char *segment, const char *addresses, const char *ports);
typedef void (*state_report_cb)(void *arg, const struct state_report *report);
/* On the loop's thread, before the report that it is on disk. */
typedef void (*state_signed_cb)(void *arg, const struct hash *hash, const struct sig *sig);

struct state_info {
	bool has_mesh;
	struct id mesh;
	uint64_t generation; /* of the last start; 0: none */
	/* The database was damaged, or another identity's: it was moved there, and what could still
	 * be read of it taken over. Empty: all was well. */
	char set_aside[STATE_PATH_SIZE];
	size_t salvaged; /* records */
};

/* Opens or makes the database of this node in dir. ERR_VERSION: a newer meshd made it. ERR_SYSTEM.
 * ret_error tells what is wrong and what to do. wall names what is set aside. */
int state_open(const char *dir, const struct id *node, wtime_t wall, struct state **ret,
	struct state_info *ret_info, char ret_error[STATE_ERROR_SIZE]) MUST_CHECK;
/* Before state_start: what is kept. The bytes are good during the call. */
int state_each_record(struct state *state, state_record_cb each, void *arg) MUST_CHECK;
int state_each_endpoint(struct state *state, state_endpoint_cb each, void *arg) MUST_CHECK;
int state_each_attachment(struct state *state, state_attachment_cb each, void *arg) MUST_CHECK;
/* 0 where nothing is kept under that name. */
int state_get_number(struct state *state, const char *name, uint64_t *ret) MUST_CHECK;

/* Before state_start: writes what is queued, now. Where that fails (ERR_SYSTEM, with a text) it
 * stays queued. */
int state_flush(struct state *state, char ret_error[STATE_ERROR_SIZE]) MUST_CHECK;

/* Whose signature state_put_unsigned asks for, from now on. Copied to guarded memory. ERR_NOMEM. */
int state_set_signer(struct state *state, const struct keys *signer) MUST_CHECK;
/* Starts the thread. The handle on loop keeps it from ending until state_stop. signed_cb may be
 * NULL where nothing unsigned is put. ERR_SYSTEM. */
int state_start(struct state *state, uv_loop_t *loop, state_report_cb report,
	state_signed_cb signed_cb, void *arg) MUST_CHECK;
/* Writes what is queued (one try), ends the thread and closes the handle. The rest is reported no
 * more. */
void state_stop(struct state *state);
/* What the storage thread has done since the start. */
struct state_counts {
	struct histogram commits; /* how long each transaction took, from its begin to the disk */
	uint64_t failures;	  /* transactions that could not be written; each is tried again */
	uint64_t written;	  /* records, endpoints and numbers put or removed by commits */
	size_t waiting;		  /* that are queued now */
};
void state_counts(struct state *state, struct state_counts *ret);
/* Not before the loop has closed its handle. */
void state_free(struct state *state);

/* Queued; any order of keys, the last word on one of them counts. A ticket that is 0 asks for no
 * report. ERR_NOMEM: the queue is as it was. */
int state_put_record(struct state *state, uint64_t ticket, const struct hash *hash,
	const uint8_t *bytes, size_t size, uint64_t number) MUST_CHECK;
/* Whether the thread has so little to do that signing is better left to it. */
bool state_may_sign(struct state *state);
/* A record of the signer's whose last bytes are still to become its signature: that takes longer
 * than all the loop does for a record, so the thread does it. */
int state_put_unsigned(struct state *state, uint64_t ticket, const struct hash *hash,
	const uint8_t *bytes, size_t size, uint64_t number, uint64_t stamp) MUST_CHECK;
int state_remove_record(struct state *state, uint64_t ticket, const struct hash *hash) MUST_CHECK;
int state_put_endpoint(struct state *state, uint64_t ticket, const struct id *node,
	const struct endpoint *endpoint) MUST_CHECK;
int state_put_mesh(struct state *state, uint64_t ticket, const struct id *mesh) MUST_CHECK;
int state_put_generation(struct state *state, uint64_t ticket, uint64_t generation) MUST_CHECK;
/* Kept under a name of fewer than STATE_NUMBER_NAME_SIZE bytes. */
int state_put_number(
	struct state *state, uint64_t ticket, const char *name, uint64_t number) MUST_CHECK;
/* What this node alone knows of a segment that it is attached to; the name is shorter than
 * STATE_SEGMENT_SIZE. */
int state_put_attachment(struct state *state, uint64_t ticket, const char *segment,
	const char *addresses, const char *ports) MUST_CHECK;
int state_remove_attachment(struct state *state, uint64_t ticket, const char *segment) MUST_CHECK;
/* Somebody waits for what was queued with this ticket, and before: now. */
void state_hurry(struct state *state, uint64_t ticket);
/* Another core writes from now on: tickets start anew, and what the one before queued without one
 * stays queued. */
void state_renumber(struct state *state);
/* Forgets everything, this and what was queued before it included: the database is that of another
 * node, and of another core, from now on, and tickets start anew. */
void state_reset(struct state *state, const struct id *node);

#endif
