/*
 * Damage of every kind to the database's files, by chance: it is noticed, what is set aside is
 * named, and no record is ever read that was not written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/state.h"
#include "daemon/state_db.h"
#include "gossip/base/rng.h"
#include "tests/support/rounds.h"
#include "tests/support/tempdir.h"

#define ROUNDS	    240
#define RECORDS	    300
#define RECORDS_WAL 100 /* of them only in the log */
#define RECORD_SIZE 400
#define FILE_MAX    (1 << 20)
#define PAGE	    4096

static const struct id self = {{1, 2, 3}}, mesh = {{9}};
static const wtime_t wall = {1790000000000};

/* One of the database's files, as it was before and as it is now. */
struct file {
	const char *suffix;
	size_t size, original_size;
	uint8_t bytes[FILE_MAX], original[FILE_MAX];
};

struct lab {
	char dir[TEMPDIR_SIZE];
	struct rng rng;
	struct file database, log;
	struct state *state;
	struct state_info info;
	size_t count; /* records read */
	bool there[RECORDS];
};

/* ---- files ---- */

static void path_of(const struct lab *lab, const struct file *file, char ret[TEMPDIR_SIZE + 32])
{
	snprintf(ret, TEMPDIR_SIZE + 32, "%s/" STATE_NAME "%s", lab->dir, file->suffix);
}

static void take_file(struct lab *lab, struct file *file)
{
	char path[TEMPDIR_SIZE + 32];
	FILE *stream;

	path_of(lab, file, path);
	stream = fopen(path, "rb");
	assert_non_null(stream);
	file->original_size = fread(file->original, 1, sizeof(file->original), stream);
	assert_in_range(file->original_size, 4 * PAGE, FILE_MAX - 1);
	fclose(stream);
}

/* size SIZE_MAX: none. */
static void place_file(struct lab *lab, const struct file *file)
{
	char path[TEMPDIR_SIZE + 32];
	FILE *stream;

	path_of(lab, file, path);
	if (file->size == SIZE_MAX) {
		unlink(path);
		return;
	}
	stream = fopen(path, "wb");
	assert_non_null(stream);
	assert_int_equal(fwrite(file->bytes, 1, file->size, stream), file->size);
	fclose(stream);
}

/* ---- a database with a log ---- */

static struct hash record_hash(uint32_t number)
{
	struct hash hash = {{0xff}};

	memcpy(hash.b + 1, &number, sizeof(number));
	return hash;
}

static void record_bytes(uint32_t number, uint8_t ret[RECORD_SIZE])
{
	for (size_t i = 0; i < RECORD_SIZE; i++)
		ret[i] = (uint8_t)(number + i);
	memcpy(ret, &number, sizeof(number));
}

static void write_records(struct lab *lab, uint32_t first, uint32_t end)
{
	char error[STATE_ERROR_SIZE];

	for (uint32_t i = first; i < end; i++) {
		struct hash hash = record_hash(i);
		uint8_t bytes[RECORD_SIZE];

		record_bytes(i, bytes);
		assert_int_equal(state_put_record(lab->state, 0, &hash, bytes, RECORD_SIZE, i), 0);
	}
	assert_int_equal(state_flush(lab->state, error), 0);
}

static int open_state(struct lab *lab, char error[STATE_ERROR_SIZE])
{
	return state_open(lab->dir, &self, wall, &lab->state, &lab->info, error);
}

static void *make(void)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	uint8_t seed[32] = {7};
	char error[STATE_ERROR_SIZE];

	assert_non_null(lab);
	rng_init(&lab->rng, seed);
	tempdir_make(lab->dir);
	lab->log.suffix = "-wal";
	lab->database.suffix = "";
	assert_int_equal(open_state(lab, error), 0);
	assert_int_equal(state_put_mesh(lab->state, 0, &mesh), 0);
	write_records(lab, 0, RECORDS - RECORDS_WAL);
	state_free(lab->state); /* into the database */
	assert_int_equal(open_state(lab, error), 0);
	write_records(lab, RECORDS - RECORDS_WAL, RECORDS);
	take_file(lab, &lab->database); /* as kill -9 would leave them */
	take_file(lab, &lab->log);
	state_free(lab->state);
	return lab;
}

/* ---- damage ---- */

enum damage {
	FLIP,	  /* some bits are others */
	GARBAGE,  /* a stretch is noise */
	ZEROES,	  /* a stretch is nothing */
	SWAP,	  /* two pages are in each other's place */
	TRUNCATE, /* the end is gone */
	EMPTY,
	REPLACE, /* it is noise, all of it */
	LOSE,	 /* it is gone */
	DAMAGES,
};

static size_t below(struct lab *lab, size_t bound)
{
	return (size_t)rng_below(&lab->rng, bound);
}

static void flip(struct lab *lab, struct file *file)
{
	/* now and then in the first page, where the format and the tables are told */
	size_t within = below(lab, 4) ? file->size : PAGE;

	for (size_t bits = 1 + below(lab, 4); bits; bits--)
		file->bytes[below(lab, within)] ^= (uint8_t)(1 << below(lab, 8));
}

static void spoil(struct lab *lab, struct file *file, enum damage damage)
{
	size_t at = below(lab, file->size), size = 1 + below(lab, 3 * PAGE);
	size_t pages = file->size / PAGE;
	uint8_t *one = file->bytes + below(lab, pages) * PAGE;
	uint8_t *other = file->bytes + below(lab, pages) * PAGE;
	uint8_t page[PAGE];

	if (size > file->size - at)
		size = file->size - at;
	switch (damage) {
	case FLIP:
		flip(lab, file);
		break;
	case GARBAGE:
		rng_bytes(&lab->rng, file->bytes + at, size);
		break;
	case ZEROES:
		memset(file->bytes + at, 0, size);
		break;
	case SWAP:
		memcpy(page, one, PAGE);
		memmove(one, other, PAGE);
		memcpy(other, page, PAGE);
		break;
	case TRUNCATE:
		file->size = at;
		break;
	case EMPTY:
		file->size = 0;
		break;
	case REPLACE:
		rng_bytes(&lab->rng, file->bytes, file->size);
		break;
	case LOSE:
	case DAMAGES:
		file->size = SIZE_MAX;
		break;
	}
}

static void restore_file(struct file *file)
{
	memcpy(file->bytes, file->original, file->original_size);
	file->size = file->original_size;
}

/* ---- what is read ---- */

static void see(
	void *arg, const struct hash *hash, const uint8_t *bytes, size_t size, uint64_t number)
{
	struct lab *lab = arg;
	uint8_t expected[RECORD_SIZE];
	struct hash expected_hash;
	uint32_t record;

	assert_int_equal(size, RECORD_SIZE);
	memcpy(&record, bytes, sizeof(record));
	assert_in_range(record, 0, RECORDS - 1);
	record_bytes(record, expected);
	expected_hash = record_hash(record);
	assert_memory_equal(bytes, expected, RECORD_SIZE);
	assert_true(hash_equal(hash, &expected_hash));
	assert_int_equal(number, record);
	lab->count += !lab->there[record];
	lab->there[record] = true;
}

static void look(struct lab *lab)
{
	lab->count = 0;
	memset(lab->there, 0, sizeof(lab->there));
	assert_int_equal(state_each_record(lab->state, see, lab), 0);
}

/* What was set aside is there by its name, and the new database is one like any other. */
static void expect_mended(struct lab *lab)
{
	char error[STATE_ERROR_SIZE];
	size_t count = lab->count;
	struct stat st;
	bool aside = lab->info.set_aside[0];
	char name[STATE_PATH_SIZE];

	memcpy(name, lab->info.set_aside, sizeof(name));
	if (aside)
		assert_int_equal(stat(name, &st), 0);
	write_records(lab, 0, 1);
	state_free(lab->state);
	assert_int_equal(open_state(lab, error), 0);
	assert_string_equal(lab->info.set_aside, "");
	look(lab);
	assert_true(lab->count == count || lab->count == count + 1);
	if (aside)
		unlink(name);
}

struct tally {
	unsigned aside, whole, refused, less;
};

/* One round: the files, damaged, and what comes of it. */
static void damage_and_open(
	struct lab *lab, bool of_database, enum damage damage, struct tally *tally)
{
	char error[STATE_ERROR_SIZE] = "";
	int err;

	restore_file(&lab->database);
	restore_file(&lab->log);
	spoil(lab, of_database ? &lab->database : &lab->log, damage);
	place_file(lab, &lab->database);
	place_file(lab, &lab->log);
	err = open_state(lab, error);
	if (err) {
		/* it may look like a newer version's, and is left alone */
		assert_int_equal(err, ERR_VERSION);
		assert_non_null(strstr(error, "newer meshd"));
		tally->refused++;
		return;
	}
	look(lab);
	if (lab->info.set_aside[0]) {
		tally->aside++;
	} else if (lab->count == RECORDS) {
		tally->whole++;
	} else {
		/* nothing tells that the end of a log, or all there was, has been there */
		assert_true(!of_database || damage == EMPTY || damage == LOSE);
		assert_true(of_database ? lab->count == 0 : lab->count >= RECORDS - RECORDS_WAL);
		tally->less++;
	}
	expect_mended(lab);
	state_free(lab->state);
}

static void play(bool of_database, struct tally *tally)
{
	struct lab *lab = make();

	*tally = (struct tally){0};
	for (unsigned i = 0; i < rounds_wanted(ROUNDS) / 2; i++)
		damage_and_open(lab, of_database, (enum damage)(i % DAMAGES), tally);
	print_message(
		"set aside %u times, refused as a newer version's %u times, nothing missing %u "
		"times, the end missing %u times\n",
		tally->aside, tally->refused, tally->whole, tally->less);
	tempdir_remove(lab->dir);
	free(lab);
}

static void a_damaged_database_is_set_aside_and_nothing_wrong_is_read_of_it(void **state)
{
	struct tally tally;

	(void)state;
	play(true, &tally);
	assert_true(tally.aside > rounds_wanted(ROUNDS) / 8);
}

static void a_damaged_log_ends_where_the_damage_begins(void **state)
{
	struct tally tally;

	(void)state;
	play(false, &tally);
	assert_true(tally.less > rounds_wanted(ROUNDS) / 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_damaged_database_is_set_aside_and_nothing_wrong_is_read_of_it),
		cmocka_unit_test(a_damaged_log_ends_where_the_damage_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
