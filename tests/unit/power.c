/*
 * The power goes at any moment: what was acknowledged is there, and nothing of what was not is
 * there by half. The real storage code writes to a disk that loses what was not synced (disk.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/state.h"
#include "gossip/base/rng.h"
#include "tests/support/rounds.h"
#include "tests/support/vfs_loss.h"

#define ROUNDS	     450 /* moments at which the power goes */
#define SEEDS	     3
#define BURST_MAX    24	  /* operations queued at a time */
#define KEPT	     40	  /* records that are there at a time: older ones are removed */
#define RECORD_MAX   6000 /* bytes: more than a page */
#define OPERATIONS   (1 << 22)
#define RECORDS_MAX  (OPERATIONS / 3)
#define STEPS_BEFORE 4000 /* of the disk, until the power goes, at most */

static const struct id self = {{1, 2, 3}};
static const wtime_t wall = {1790000000000};

/*
 * The load is one sequence of operations, endless and always the same, of which operation n has the
 * ticket n + 1: put record r, remove record r - KEPT (if there is one), write the generation. So
 * what is on the disk says how much of it was done; and after a loss it goes on from there.
 */
struct story {
	struct rng rng;
	struct disk *disk;
	uv_loop_t loop;
	struct state *state;
	struct state_info info;
	struct state_report report;
	uint64_t queued, acknowledged; /* operations */
	bool syncs_fail;	       /* a fault of the disk's that opening may meet */
	bool lost_power;	       /* since the last round; else only the process died */
	unsigned cut_in_open, cut_at_work, torn; /* how often: torn lost what was queued */
};

enum outcome { FINE, LOST, SET_ASIDE, UNREADABLE };

/* ---- the load ---- */

static struct hash record_hash(uint64_t record)
{
	struct hash hash = {{0xff}};

	memcpy(hash.b + 1, &record, sizeof(record));
	return hash;
}

static size_t record_bytes(uint64_t record, uint8_t ret[RECORD_MAX])
{
	size_t size = 64 + (size_t)(record * 7919 % (RECORD_MAX - 64));

	if (record % 4)
		size = 64 + size % 400; /* most are small */
	for (size_t i = 0; i < size; i++)
		ret[i] = (uint8_t)(record * 31 + i);
	memcpy(ret, &record, sizeof(record));
	return size;
}

static void operate(struct story *story)
{
	uint64_t number = story->queued++, record = number / 3;
	uint8_t bytes[RECORD_MAX];
	struct hash put = record_hash(record), remove = record_hash(record - KEPT);
	int err;

	assert_true(number < OPERATIONS);
	if (number % 3 == 0)
		err = state_put_record(story->state, number + 1, &put, bytes,
			record_bytes(record, bytes), ~record);
	else if (number % 3 == 1)
		err = state_remove_record(story->state, number + 1, &remove);
	else
		err = state_put_generation(story->state, number + 1, number);
	assert_int_equal(err, 0);
}

/* ---- what is found ---- */

struct found {
	uint64_t generation;
	size_t count;
	bool wrong; /* a record is not what was put */
	bool there[RECORDS_MAX];
};

static void find_record(
	void *arg, const struct hash *hash, const uint8_t *bytes, size_t size, uint64_t number)
{
	struct found *found = arg;
	uint8_t expected[RECORD_MAX];
	struct hash expected_hash;
	uint64_t record;

	memcpy(&record, bytes, sizeof(record));
	if (record >= RECORDS_MAX || size != record_bytes(record, expected) ||
		memcmp(bytes, expected, size) != 0 || number != ~record || found->there[record]) {
		found->wrong = true;
		return;
	}
	expected_hash = record_hash(record);
	found->wrong |= !hash_equal(hash, &expected_hash);
	found->there[record] = true;
	found->count++;
}

/* Whether that is what the first `done` operations make. */
static bool is_after(const struct found *found, uint64_t done)
{
	uint64_t puts = (done + 2) / 3, removes = (done + 1) / 3;
	uint64_t first = removes > KEPT ? removes - KEPT : 0;

	if (found->generation != (done >= 3 ? done / 3 * 3 - 1 : 0) || found->count != puts - first)
		return false;
	for (uint64_t record = first; record < puts; record++) {
		if (!found->there[record])
			return false;
	}
	return true;
}

/* After a loss: it opens, and shows all that was acknowledged, and a beginning of the rest. */
static enum outcome look(struct story *story)
{
	struct found *found = calloc(1, sizeof(*found));
	enum outcome outcome = LOST;
	uint64_t done;

	assert_non_null(found);
	if (story->info.set_aside[0]) {
		free(found);
		return SET_ASIDE;
	}
	found->generation = story->info.generation;
	if (state_each_record(story->state, find_record, found)) {
		free(found);
		return disk_is_off(story->disk) ? FINE : UNREADABLE;
	}
	for (done = story->acknowledged; done <= story->queued && outcome != FINE; done++) {
		if (!found->wrong && is_after(found, done))
			outcome = FINE;
	}
	story->torn += outcome == FINE && done <= story->queued;
	if (outcome == FINE)
		story->queued = done - 1;
	if (outcome == FINE && story->lost_power) /* else it may be in the cache alone */
		story->acknowledged = done - 1;
	free(found);
	return outcome;
}

/* ---- a round ---- */

static void on_report(void *arg, const struct state_report *report)
{
	struct story *story = arg;

	story->report = *report;
	if (report->ticket > story->acknowledged)
		story->acknowledged = report->ticket;
	uv_stop(&story->loop);
}

/* A sync that failed may be tried again by the same process, or the next one. */
static bool is_over(struct story *story)
{
	while (story->report.failing && !disk_is_off(story->disk) && rng_below(&story->rng, 2))
		uv_run(&story->loop, UV_RUN_ONCE);
	return story->report.failing;
}

/* Writes until the power has gone, or for some time. */
static void work(struct story *story)
{
	uint64_t bursts = rng_below(&story->rng, 8) ? UINT64_MAX : rng_below(&story->rng, 5);

	story->report = (struct state_report){0};
	assert_int_equal(uv_loop_init(&story->loop), 0);
	assert_int_equal(state_start(story->state, &story->loop, on_report, NULL, story), 0);
	for (; bursts && !is_over(story); bursts--) {
		/* at least one: an acknowledgement is waited for below */
		for (uint64_t n = 1 + rng_below(&story->rng, BURST_MAX); n; n--)
			operate(story);
		state_hurry(story->state, story->queued);
		/* some wait for their write, others go on meanwhile */
		while (rng_below(&story->rng, 2) && !is_over(story) &&
			story->acknowledged < story->queued)
			uv_run(&story->loop, UV_RUN_ONCE);
		uv_run(&story->loop, UV_RUN_NOWAIT);
	}
	state_stop(story->state);
	uv_run(&story->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&story->loop), 0);
}

static enum outcome play_round(struct story *story)
{
	static const unsigned steps[] = {100, 1000, STEPS_BEFORE};
	char error[STATE_ERROR_SIZE];
	enum outcome outcome;
	int err;

	disk_cut_after(story->disk,
		(unsigned)rng_below(&story->rng, steps[rng_below(&story->rng, ARRAY_SIZE(steps))]));
	err = state_open("/nowhere", &self, wall, &story->state, &story->info, error);
	if (err) {
		outcome = disk_is_off(story->disk) || story->syncs_fail ? FINE : UNREADABLE;
		story->cut_in_open++;
	} else {
		outcome = look(story);
		if (outcome == FINE) {
			work(story);
			story->cut_at_work += disk_is_off(story->disk);
		}
		state_free(story->state);
	}
	story->lost_power = rng_below(&story->rng, 3);
	if (story->lost_power)
		disk_power_on(story->disk);
	else
		disk_process_restarted(story->disk);
	return outcome;
}

static enum outcome play(struct story *story, uint8_t seed, enum disk_kind kind, unsigned rounds)
{
	uint8_t seeds[32] = {seed};
	enum outcome outcome = FINE;

	*story = (struct story){.syncs_fail = kind == DISK_FAILS_SYNC};
	rng_init(&story->rng, seeds);
	story->disk = disk_new(kind, seeds);
	vfs_loss_register(story->disk);
	while (rounds-- && outcome == FINE)
		outcome = play_round(story);
	vfs_loss_unregister();
	disk_free(story->disk);
	return outcome;
}

/* ---- the promises ---- */

static void what_was_acknowledged_survives_a_loss_of_power_at_any_moment(void **state)
{
	struct story *story = *state;
	unsigned rounds = rounds_wanted(ROUNDS) / SEEDS;

	for (uint8_t seed = 0; seed < SEEDS; seed++) {
		enum outcome outcome = play(story, seed, DISK_HONEST, rounds);

		if (outcome != FINE)
			fail_msg("seed %u: outcome %d; %lu acknowledged of %lu", seed, outcome,
				story->acknowledged, story->queued);
		print_message("seed %u: cut %u times at work and %u times while opening; %u times "
			      "something was lost\n",
			seed, story->cut_at_work, story->cut_in_open, story->torn);
		/* each kind of moment was there */
		assert_true(story->cut_at_work > rounds / 10);
		assert_true(story->cut_in_open > rounds / 10);
		assert_true(story->torn > rounds / 10);
	}
}

static void what_was_acknowledged_survives_syncs_that_fail(void **state)
{
	struct story *story = *state;
	enum outcome outcome = play(story, 1, DISK_FAILS_SYNC, rounds_wanted(ROUNDS) / SEEDS);

	if (outcome != FINE)
		fail_msg("outcome %d; %lu acknowledged of %lu", outcome, story->acknowledged,
			story->queued);
}

static void a_disk_that_ignores_syncs_is_found_out(void **state)
{
	assert_int_not_equal(play(*state, 1, DISK_IGNORES_SYNC, ROUNDS), FINE);
}

static void a_folder_that_is_not_synced_is_found_out(void **state)
{
	assert_int_not_equal(play(*state, 1, DISK_IGNORES_FOLDER_SYNC, ROUNDS), FINE);
}

static int setup(void **state)
{
	*state = malloc(sizeof(struct story));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_acknowledged_survives_a_loss_of_power_at_any_moment),
		TEST(what_was_acknowledged_survives_syncs_that_fail),
		TEST(a_disk_that_ignores_syncs_is_found_out),
		TEST(a_folder_that_is_not_synced_is_found_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
