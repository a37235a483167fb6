#include "daemon/state_db.h"

#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "gossip/base/text.h"

#define LOOKASIDE_SIZE	256 /* bytes of a slot, and how many: SQLite's default is 120 KB */
#define LOOKASIDE_COUNT 64

enum statement {
	PUT_META,
	PUT_RECORD,
	REMOVE_RECORD,
	PUT_ENDPOINT,
	PUT_ATTACHMENT,
	REMOVE_ATTACHMENT,
	STATEMENTS,
};

struct state_db {
	sqlite3 *sqlite;
	char path[STATE_PATH_SIZE];
	sqlite3_stmt *statements[STATEMENTS];
	int result; /* of the transaction so far, as SQLite says it */
};

#define CREATE_ATTACHMENTS                                                             \
	"CREATE TABLE attachments(segment TEXT PRIMARY KEY, addresses TEXT NOT NULL, " \
	"ports TEXT NOT NULL);"

static const char schema[] =
	"BEGIN;"
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value NOT NULL);"
	"CREATE TABLE records(hash BLOB PRIMARY KEY, bytes BLOB NOT NULL, "
	"number INTEGER NOT NULL DEFAULT 0, sum INTEGER NOT NULL DEFAULT 0);"
	"CREATE TABLE endpoints(id BLOB PRIMARY KEY, endpoint TEXT NOT NULL);" CREATE_ATTACHMENTS
	"PRAGMA user_version = 3;"
	"COMMIT";

static const char from_version_1[] =
	"BEGIN;"
	"ALTER TABLE records ADD COLUMN number INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE records ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;"
	"UPDATE records SET sum = row_sum(hash, bytes, number);" CREATE_ATTACHMENTS
	"PRAGMA user_version = 3;"
	"COMMIT";

static const char from_version_2[] = "BEGIN;" CREATE_ATTACHMENTS "PRAGMA user_version = 3;"
				     "COMMIT";

static int complain(char error[STATE_ERROR_SIZE], int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int complain(char error[STATE_ERROR_SIZE], int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, STATE_ERROR_SIZE, format, args);
	va_end(args);
	return err;
}

/* What SQLite says last, with the system's reason where there is one. */
static int complain_sqlite(const struct state_db *db, char error[STATE_ERROR_SIZE])
{
	int system_errno = db->sqlite ? sqlite3_system_errno(db->sqlite) : 0;

	return complain(error, ERR_SYSTEM, "%.256s: %s%s%s", db->path,
		db->sqlite ? sqlite3_errmsg(db->sqlite) : "out of memory", system_errno ? ": " : "",
		system_errno ? strerror(system_errno) : "");
}

/* ERR_DAMAGED for what another try cannot mend. */
static int classify(const struct state_db *db, int result)
{
	if (result == SQLITE_OK || result == SQLITE_DONE || result == SQLITE_ROW)
		return 0;
	if (result == SQLITE_NOMEM || !db->sqlite)
		return ERR_NOMEM;
	/* SQLITE_ERROR: a statement of ours that does not fit its schema. */
	return result == SQLITE_CORRUPT || result == SQLITE_NOTADB || result == SQLITE_ERROR
		       ? ERR_DAMAGED
		       : ERR_SYSTEM;
}

static int run(struct state_db *db, const char *sql)
{
	return classify(db, sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL));
}

/* ---- opening ---- */

/* row_sum(hash, bytes, number): 64 bits over a row, which SQLite has no sums of its own for. They
 * are to find damage, and no secret. */
static void row_sum(sqlite3_context *context, int count, sqlite3_value **values)
{
	uint64_t number = htole64((uint64_t)sqlite3_value_int64(values[2]));
	uint8_t sum[crypto_generichash_BYTES_MIN];
	crypto_generichash_state state;
	uint64_t ret;

	(void)count;
	crypto_generichash_init(&state, NULL, 0, sizeof(sum));
	for (int i = 0; i < 2; i++) {
		const void *bytes = sqlite3_value_blob(values[i]);
		int size = sqlite3_value_bytes(values[i]);

		if (bytes)
			crypto_generichash_update(&state, bytes, (unsigned long long)size);
	}
	crypto_generichash_update(&state, (const void *)&number, sizeof(number));
	crypto_generichash_final(&state, sum, sizeof(sum));
	memcpy(&ret, sum, sizeof(ret));
	sqlite3_result_int64(context, (sqlite3_int64)le64toh(ret));
}

static int get_number(struct state_db *db, const char *sql, int64_t *ret)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db->sqlite, sql, -1, &statement, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return classify(db, result);
}

static int check_pages(struct state_db *db)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db->sqlite, "PRAGMA quick_check(1)", -1, &statement, NULL);
	bool ok = false;

	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		ok = !strcmp((const char *)sqlite3_column_text(statement, 0), "ok");
	sqlite3_finalize(statement);
	if (result == SQLITE_ROW && !ok)
		return ERR_DAMAGED;
	return classify(db, result);
}

/* Nothing but these sums finds a row whose bytes are others: the pages are as they should be. */
static int check_rows(struct state_db *db)
{
	int64_t wrong = 0;
	int err = get_number(db,
		"SELECT EXISTS (SELECT 1 FROM records "
		"WHERE sum IS NOT row_sum(hash, bytes, number))",
		&wrong);

	return !err && wrong ? ERR_DAMAGED : err;
}

/* ERR_VERSION: a newer meshd made it. */
static int check_version(struct state_db *db)
{
	int64_t version = 0;
	int err = get_number(db, "PRAGMA user_version", &version);

	return !err && version > STATE_DB_VERSION ? ERR_VERSION : err;
}

/* Makes the schema in an empty database, or this version's of an older one's. */
static int check_schema(struct state_db *db)
{
	int64_t version = 0, tables = 0;
	int err = get_number(db, "PRAGMA user_version", &version);

	if (!err)
		err = get_number(db, "SELECT count(*) FROM sqlite_master", &tables);
	if (err)
		return err;
	if (version == 0)
		return tables ? ERR_DAMAGED : run(db, schema);
	err = check_pages(db);
	if (!err && version == 1)
		return run(db, from_version_1);
	if (!err)
		err = check_rows(db);
	if (!err && version == 2)
		err = run(db, from_version_2);
	return err;
}

static int prepare(struct state_db *db)
{
	static const char put_record_text[] = "INSERT OR REPLACE INTO records "
					      "VALUES(?1, ?2, ?3, row_sum(?1, ?2, ?3))";
	static const char *const texts[STATEMENTS] = {
		[PUT_META] = "INSERT OR REPLACE INTO meta VALUES(?1, ?2)",
		[PUT_RECORD] = put_record_text,
		[REMOVE_RECORD] = "DELETE FROM records WHERE hash = ?1",
		[PUT_ENDPOINT] = "INSERT OR REPLACE INTO endpoints VALUES(?1, ?2)",
		[PUT_ATTACHMENT] = "INSERT OR REPLACE INTO attachments VALUES(?1, ?2, ?3)",
		[REMOVE_ATTACHMENT] = "DELETE FROM attachments WHERE segment = ?1",
	};
	int err = 0;

	for (int i = 0; i < STATEMENTS && !err; i++)
		err = classify(db, sqlite3_prepare_v3(db->sqlite, texts[i], -1,
					   SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL));
	return err;
}

static void disconnect(struct state_db *db)
{
	for (int i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(db->statements[i]);
		db->statements[i] = NULL;
	}
	sqlite3_close(db->sqlite);
	db->sqlite = NULL;
}

/* The mode of the journal is the database's: it is set in one that is known to be ours. */
static int configure(struct state_db *db)
{
	return run(db, "PRAGMA temp_store = MEMORY;"
		       "PRAGMA mmap_size = 0;"
		       "PRAGMA journal_mode = WAL;"
		       "PRAGMA synchronous = FULL");
}

static int connect_to(struct state_db *db, const char *path)
{
	char sizes[128];
	int err = classify(db,
		sqlite3_open_v2(path, &db->sqlite,
			SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));

	if (err)
		return err;
	sqlite3_create_function(db->sqlite, "row_sum", 3, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
		row_sum, NULL, NULL);
	sqlite3_db_config(
		db->sqlite, SQLITE_DBCONFIG_LOOKASIDE, NULL, LOOKASIDE_SIZE, LOOKASIDE_COUNT);
	sqlite3_busy_timeout(db->sqlite, STATE_DB_BUSY_MS);
	snprintf(sizes, sizeof(sizes), "PRAGMA cache_size = -%d; PRAGMA wal_autocheckpoint = %d",
		STATE_DB_CACHE_KIB, STATE_DB_CHECKPOINT);
	return run(db, sizes);
}

/* Whether there is anything in its log that is not in the database itself yet. */
static bool has_log(const struct state_db *db)
{
	char path[STATE_PATH_SIZE + sizeof("-wal")];
	struct stat st;

	snprintf(path, sizeof(path), "%s-wal", db->path);
	return stat(path, &st) == 0 && st.st_size > 0;
}

/*
 * What is seen is written to the database, and that synced, before anything is built on it. For it
 * may be in the page cache alone: a sync of the log that failed leaves there what counts as clean
 * and is never written again, which the process that had it fail knows, and this one does not. A
 * database that cannot be written for want of room has been told of by whatever tries to.
 */
static int settle_log(struct state_db *db)
{
	int result =
		sqlite3_wal_checkpoint_v2(db->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	return (result & 0xff) == SQLITE_IOERR ? classify(db, result) : 0;
}

/* Opens, checks and prepares. The connection is closed where it fails. */
static int open_checked(struct state_db *db, char error[STATE_ERROR_SIZE])
{
	bool logged = has_log(db);
	int err = connect_to(db, db->path);

	if (!err)
		err = check_version(db);
	/* a newer one's stays as it is, to the byte: closing would write the log into it */
	if (err == ERR_VERSION && logged)
		sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (!err)
		err = configure(db);
	if (!err)
		err = check_schema(db);
	if (!err)
		err = settle_log(db);
	if (!err)
		err = prepare(db);
	if (err == ERR_VERSION)
		complain(error, err,
			"%.256s was written by a newer meshd: install that one, or move the file "
			"away "
			"and join anew",
			db->path);
	else if (err)
		complain_sqlite(db, error);
	if (err)
		disconnect(db);
	return err;
}

/* ---- reading ---- */

static int get_meta(struct state_db *db, struct state_info *info, struct id *node, bool *has_node)
{
	sqlite3_stmt *statement = NULL;
	int result =
		sqlite3_prepare_v2(db->sqlite, "SELECT key, value FROM meta", -1, &statement, NULL);

	*has_node = false;
	while (result == SQLITE_OK || result == SQLITE_ROW) {
		const char *key, *value;

		result = sqlite3_step(statement);
		if (result != SQLITE_ROW)
			break;
		key = (const char *)sqlite3_column_text(statement, 0);
		value = (const char *)sqlite3_column_text(statement, 1);
		if (!key || !value)
			continue;
		if (!strcmp(key, "node"))
			*has_node = !text_parse_hex(value, node, sizeof(*node));
		else if (!strcmp(key, "mesh"))
			info->has_mesh = !text_parse_hex(value, &info->mesh, sizeof(info->mesh));
		else if (!strcmp(key, STATE_DB_GENERATION))
			info->generation = (uint64_t)sqlite3_column_int64(statement, 1);
	}
	sqlite3_finalize(statement);
	return classify(db, result);
}

/* sql selects hash, bytes and number. What was read before an error stays read. */
static int read_records(struct state_db *db, const char *sql, state_record_cb each, void *arg)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db->sqlite, sql, -1, &statement, NULL);

	while (result == SQLITE_OK || result == SQLITE_ROW) {
		struct hash hash;
		int size;

		result = sqlite3_step(statement);
		if (result != SQLITE_ROW)
			break;
		size = sqlite3_column_bytes(statement, 1);
		if (sqlite3_column_bytes(statement, 0) != sizeof(hash) || size <= 0 ||
			size > STATE_DB_RECORD_MAX)
			continue;
		memcpy(&hash, sqlite3_column_blob(statement, 0), sizeof(hash));
		each(arg, &hash, sqlite3_column_blob(statement, 1), (size_t)size,
			(uint64_t)sqlite3_column_int64(statement, 2));
	}
	sqlite3_finalize(statement);
	return classify(db, result);
}

int state_db_each_record(struct state_db *db, state_record_cb each, void *arg)
{
	return read_records(db, "SELECT hash, bytes, number FROM records", each, arg);
}

int state_db_each_endpoint(struct state_db *db, state_endpoint_cb each, void *arg)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(
		db->sqlite, "SELECT id, endpoint FROM endpoints", -1, &statement, NULL);

	while (result == SQLITE_OK || result == SQLITE_ROW) {
		struct endpoint endpoint;
		const char *text;
		struct id id;

		result = sqlite3_step(statement);
		if (result != SQLITE_ROW)
			break;
		text = (const char *)sqlite3_column_text(statement, 1);
		if (!text || sqlite3_column_bytes(statement, 0) != sizeof(id) ||
			text_parse_endpoint(text, &endpoint))
			continue;
		memcpy(&id, sqlite3_column_blob(statement, 0), sizeof(id));
		each(arg, &id, &endpoint);
	}
	sqlite3_finalize(statement);
	return classify(db, result);
}

int state_db_each_attachment(struct state_db *db, state_attachment_cb each, void *arg)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db->sqlite,
		"SELECT segment, addresses, ports FROM attachments ORDER BY segment", -1,
		&statement, NULL);

	while (result == SQLITE_OK || result == SQLITE_ROW) {
		const char *columns[3];

		result = sqlite3_step(statement);
		if (result != SQLITE_ROW)
			break;
		for (int i = 0; i < 3; i++)
			columns[i] = (const char *)sqlite3_column_text(statement, i);
		if (columns[0] && columns[1] && columns[2] &&
			strlen(columns[0]) < STATE_SEGMENT_SIZE)
			each(arg, columns[0], columns[1], columns[2]);
	}
	sqlite3_finalize(statement);
	return classify(db, result);
}

int state_db_get_number(struct state_db *db, const char *name, uint64_t *ret)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(
		db->sqlite, "SELECT value FROM meta WHERE key = ?1", -1, &statement, NULL);

	if (result == SQLITE_OK) {
		sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
		result = sqlite3_step(statement);
	}
	if (classify(db, result) == 0)
		*ret = result == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
	sqlite3_finalize(statement);
	return classify(db, result);
}

/* ---- writing ---- */

static void step(struct state_db *db, sqlite3_stmt *statement)
{
	int result = sqlite3_step(statement);

	if (result != SQLITE_DONE)
		db->result = result;
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
}

static void put_meta_text(struct state_db *db, const char *key, const char *value)
{
	sqlite3_stmt *statement = db->statements[PUT_META];

	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
	step(db, statement);
}

static void put_meta_number(struct state_db *db, const char *key, uint64_t number)
{
	sqlite3_stmt *statement = db->statements[PUT_META];

	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, (sqlite3_int64)number);
	step(db, statement);
}

static void put_record(struct state_db *db, const uint8_t *hash, const uint8_t *bytes, size_t size,
	uint64_t number)
{
	sqlite3_stmt *statement = db->statements[PUT_RECORD];

	sqlite3_bind_blob(statement, 1, hash, sizeof(struct hash), SQLITE_STATIC);
	sqlite3_bind_blob(statement, 2, bytes, (int)size, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 3, (sqlite3_int64)number);
	step(db, statement);
}

static void put_endpoint(struct state_db *db, const uint8_t *id, const struct endpoint *endpoint)
{
	sqlite3_stmt *statement = db->statements[PUT_ENDPOINT];
	char text[TEXT_ENDPOINT_SIZE];

	sqlite3_bind_blob(statement, 1, id, sizeof(struct id), SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, text_endpoint(endpoint, text), -1, SQLITE_STATIC);
	step(db, statement);
}

static void put_attachment(
	struct state_db *db, const char *segment, const char *addresses, const char *ports)
{
	sqlite3_stmt *statement = db->statements[PUT_ATTACHMENT];

	sqlite3_bind_text(statement, 1, segment, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, addresses, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 3, ports, -1, SQLITE_STATIC);
	step(db, statement);
}

static void remove_attachment(struct state_db *db, const char *segment)
{
	sqlite3_bind_text(db->statements[REMOVE_ATTACHMENT], 1, segment, -1, SQLITE_STATIC);
	step(db, db->statements[REMOVE_ATTACHMENT]);
}

void state_db_begin(struct state_db *db)
{
	db->result = sqlite3_exec(db->sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL);
}

void state_db_reset(struct state_db *db, const struct id *node)
{
	static const char sql[] = "DELETE FROM meta; DELETE FROM records; DELETE FROM endpoints; "
				  "DELETE FROM attachments";
	char hex[TEXT_ID_SIZE];

	if (db->result != SQLITE_OK)
		return;
	db->result = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);
	if (db->result == SQLITE_OK)
		put_meta_text(db, "node", text_id(node, hex));
}

void state_db_apply(struct state_db *db, const struct state_op *op)
{
	const char *name = (const char *)op->key + 1, *text = (const char *)op->bytes;
	char hex[TEXT_ID_SIZE];

	if (db->result != SQLITE_OK)
		return;
	switch (op->kind) {
	case STATE_OP_PUT_RECORD:
		put_record(db, op->key + 1, op->bytes, op->size, op->number);
		break;
	case STATE_OP_REMOVE_RECORD:
		sqlite3_bind_blob(db->statements[REMOVE_RECORD], 1, op->key + 1,
			sizeof(struct hash), SQLITE_STATIC);
		step(db, db->statements[REMOVE_RECORD]);
		break;
	case STATE_OP_PUT_ENDPOINT:
		put_endpoint(db, op->key + 1, &op->endpoint);
		break;
	case STATE_OP_PUT_MESH:
		put_meta_text(db, "mesh", text_hex(op->bytes, sizeof(struct id), hex));
		break;
	case STATE_OP_PUT_NUMBER:
		put_meta_number(db, name, op->number);
		break;
	case STATE_OP_PUT_ATTACHMENT:
		put_attachment(db, name, text, text + strlen(text) + 1);
		break;
	case STATE_OP_REMOVE_ATTACHMENT:
		remove_attachment(db, name);
		break;
	}
}

int state_db_commit(struct state_db *db, char ret_error[STATE_ERROR_SIZE])
{
	if (db->result == SQLITE_OK)
		db->result = sqlite3_exec(db->sqlite, "COMMIT", NULL, NULL, NULL);
	if (db->result == SQLITE_OK)
		return 0;
	complain_sqlite(db, ret_error);
	if (!sqlite3_get_autocommit(db->sqlite))
		sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
	return ERR_SYSTEM;
}

/* ---- what is damaged, or another's ---- */

/* Moves the database and what belongs to it to `name`. */
static int move_away(struct state_db *db, const char *name)
{
	static const char *const suffixes[] = {"-wal", "-shm", ""};
	char from[STATE_PATH_SIZE + 8], to[STATE_PATH_SIZE + 8];

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		snprintf(from, sizeof(from), "%s%s", db->path, suffixes[i]);
		snprintf(to, sizeof(to), "%s%s", name, suffixes[i]);
		if (rename(from, to) && errno != ENOENT)
			return ERR_SYSTEM;
	}
	return 0;
}

static void name_aside(
	const struct state_db *db, const char *why, wtime_t wall, char ret[STATE_PATH_SIZE])
{
	char when[32];
	time_t seconds = wall.ms / 1000;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(ret, STATE_PATH_SIZE, "%.*s.%s-%s", STATE_PATH_SIZE - 48, db->path, why, when);
}

struct salvage {
	struct state_db *to;
	size_t count;
};

static void salvage_record(
	void *arg, const struct hash *hash, const uint8_t *bytes, size_t size, uint64_t number)
{
	struct salvage *salvage = arg;

	if (salvage->to->result != SQLITE_OK)
		return;
	put_record(salvage->to, hash->b, bytes, size, number);
	salvage->count++;
}

static void salvage_endpoint(void *arg, const struct id *node, const struct endpoint *endpoint)
{
	struct salvage *salvage = arg;

	if (salvage->to->result == SQLITE_OK)
		put_endpoint(salvage->to, node->b, endpoint);
}

static void salvage_attachment(
	void *arg, const char *segment, const char *addresses, const char *ports)
{
	struct salvage *salvage = arg;

	if (salvage->to->result == SQLITE_OK)
		put_attachment(salvage->to, segment, addresses, ports);
}

/* From both ends up to what is damaged, and of that what is whole. Only what version 1 wrote has no
 * sums, and only if it says so and looks so: the version may be what is damaged. */
static void salvage_records(struct state_db *old, int64_t version, struct salvage *salvage)
{
	static const char *const sql[][2] = {
		{"SELECT hash, bytes, number FROM records "
		 "WHERE sum IS row_sum(hash, bytes, number) ORDER BY rowid",
			"SELECT hash, bytes, number FROM records "
			"WHERE sum IS row_sum(hash, bytes, number) ORDER BY rowid DESC"},
		{"SELECT hash, bytes, 0 FROM records ORDER BY rowid",
			"SELECT hash, bytes, 0 FROM records ORDER BY rowid DESC"},
	};

	for (int64_t i = 0; i <= (version == 1) && !salvage->count; i++) {
		if (read_records(old, sql[i][0], salvage_record, salvage))
			(void)!read_records(old, sql[i][1], salvage_record, salvage);
	}
}

/* Takes over what can be read of a damaged database. Every record is signed, so that a part of them
 * is better than none: it names members to ask for the rest. What cannot be read is not an error.
 */
static void salvage(struct state_db *db, const char *name, struct state_info *info)
{
	struct salvage salvage = {.to = db};
	struct state_db old = {0};
	struct state_info found = {0};
	struct id node;
	int64_t version = STATE_DB_VERSION;
	bool has_node;

	snprintf(old.path, sizeof(old.path), "%s", name);
	if (!connect_to(&old, name) && !configure(&old)) {
		if (!get_meta(&old, &found, &node, &has_node) && has_node) {
			info->has_mesh = found.has_mesh;
			info->mesh = found.mesh;
			info->generation = found.generation;
		}
		(void)!get_number(&old, "PRAGMA user_version", &version);
		salvage_records(&old, version, &salvage);
		(void)!state_db_each_endpoint(&old, salvage_endpoint, &salvage);
		(void)!state_db_each_attachment(&old, salvage_attachment, &salvage);
	}
	disconnect(&old);
	info->salvaged = salvage.count;
}

/* A fresh database in the place of one that is moved away. */
static int start_anew(struct state_db *db, const char *why, const struct id *node, wtime_t wall,
	struct state_info *info, char error[STATE_ERROR_SIZE])
{
	bool damaged = !strcmp(why, "damaged");
	char hex[TEXT_ID_SIZE];
	int err;

	*info = (struct state_info){0};
	name_aside(db, why, wall, info->set_aside);
	if (move_away(db, info->set_aside))
		return complain(error, ERR_SYSTEM, "%.256s is %s and cannot be moved away: %s",
			db->path, why, strerror(errno));
	err = open_checked(db, error);
	if (err)
		return err == ERR_DAMAGED ? ERR_SYSTEM : err;
	state_db_begin(db);
	state_db_reset(db, node);
	if (damaged)
		salvage(db, info->set_aside, info);
	if (info->has_mesh)
		put_meta_text(db, "mesh", text_id(&info->mesh, hex));
	return state_db_commit(db, error);
}

int state_db_open(const char *dir, const struct id *node, wtime_t wall, struct state_db **ret,
	struct state_info *ret_info, char ret_error[STATE_ERROR_SIZE])
{
	struct state_db *db = calloc(1, sizeof(*db));
	struct state_info info = {0};
	char ignored[STATE_ERROR_SIZE];
	struct id owner;
	bool has_owner = false;
	int err;

	if (!db)
		return complain(ret_error, ERR_NOMEM, "out of memory");
	snprintf(db->path, sizeof(db->path), "%s/" STATE_NAME, dir);
	err = open_checked(db, ret_error);
	if (!err) {
		err = get_meta(db, &info, &owner, &has_owner);
		if (err)
			complain_sqlite(db, ret_error);
	}
	if (err == ERR_DAMAGED || (!err && has_owner && !id_equal(&owner, node))) {
		disconnect(db);
		err = start_anew(db, err ? "damaged" : "other", node, wall, &info, ret_error);
	} else if (!err && !has_owner) {
		/* A new database. Where it cannot be written, the first commit will tell. */
		state_db_begin(db);
		state_db_reset(db, node);
		(void)!state_db_commit(db, ignored);
	}
	if (err) {
		state_db_close(db);
		return err;
	}
	*ret = db;
	*ret_info = info;
	return 0;
}

void state_db_close(struct state_db *db)
{
	if (!db)
		return;
	disconnect(db);
	free(db);
}
