/*
 * The database under state.h: its schema, what it takes to open one that may be damaged, and the
 * writing of one batch in one transaction. One thread at a time.
 *
 *   meta(key, value)         node, mesh: hexadecimal; generation and others: numbers
 *   records(hash, bytes, number, sum)  whole records, body and signature; the core's order of
 *                            application; 64 bits of BLAKE2b over these three, which every start
 *                            looks at: so what is read is what was written, or the database is
 *                            damaged
 *   endpoints(id, endpoint)  where a member was last reached, as text
 *   attachments(segment, addresses, ports)  what this node's bridge of a segment has; lists of
 *                            words. A word that makes no sense is passed over at the start
 *
 * Version 2 has records.number and sum, which version 1 had not; version 3 has attachments.
 */
#ifndef MESHD_DAEMON_STATE_DB_H
#define MESHD_DAEMON_STATE_DB_H

#include "daemon/state.h"

#define STATE_DB_VERSION    3	 /* PRAGMA user_version */
#define STATE_DB_CACHE_KIB  256	 /* of pages; the core has the records in memory anyway */
#define STATE_DB_CHECKPOINT 1024 /* pages in the log, 4 MiB: then they go into the database */
#define STATE_DB_BUSY_MS    5000 /* an operator's own transaction is waited for */
#define STATE_DB_KEY_SIZE   33
#define STATE_DB_GENERATION "generation" /* the name of that number */
#define STATE_DB_RECORD_MAX (128 * 1024) /* bytes; larger ones are not ours */

enum state_op_kind {
	STATE_OP_PUT_RECORD,
	STATE_OP_REMOVE_RECORD,
	STATE_OP_PUT_ENDPOINT,
	STATE_OP_PUT_MESH,
	STATE_OP_PUT_NUMBER,
	STATE_OP_PUT_ATTACHMENT, /* bytes: addresses, NUL, ports, NUL */
	STATE_OP_REMOVE_ATTACHMENT,
};

/* One thing to write. What has the same key replaces it. */
struct state_op {
	uint8_t key[STATE_DB_KEY_SIZE]; /* what it is about: 'r', 'e', 'm', 'n' or 'a', and 32
					   bytes: a hash, an id, nothing, or a name with NULs */
	enum state_op_kind kind;
	uint64_t number;
	struct endpoint endpoint;
	struct state_signing *signing; /* state.c: of a record without its signature; else NULL */
	size_t size;
	uint8_t bytes[];
};

struct state_db;

int state_db_open(const char *dir, const struct id *node, wtime_t wall, struct state_db **ret,
	struct state_info *ret_info, char ret_error[STATE_ERROR_SIZE]) MUST_CHECK;
void state_db_close(struct state_db *db);

int state_db_each_record(struct state_db *db, state_record_cb each, void *arg) MUST_CHECK;
int state_db_each_endpoint(struct state_db *db, state_endpoint_cb each, void *arg) MUST_CHECK;
int state_db_each_attachment(struct state_db *db, state_attachment_cb each, void *arg) MUST_CHECK;

int state_db_get_number(struct state_db *db, const char *name, uint64_t *ret) MUST_CHECK;

/* One transaction: begin, any of the others, commit. The first failure is kept, makes the others do
 * nothing, and is what commit returns (ERR_SYSTEM, with a text) after it has rolled back. */
void state_db_begin(struct state_db *db);
void state_db_reset(struct state_db *db, const struct id *node);
void state_db_apply(struct state_db *db, const struct state_op *op);
int state_db_commit(struct state_db *db, char ret_error[STATE_ERROR_SIZE]) MUST_CHECK;

#endif
