/* What a node keeps: acknowledged means on disk, whatever happens to process, file or disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/state.h"
#include "daemon/state_db.h"
#include "gossip/record/record.h"
#include "tests/support/tempdir.h"

#define RECORD_SIZE   400
#define ORDER(number) ((UINT64_C(1790000000) << 32) + (number)) /* a number kept with a record */

static const struct id self = {{1, 2, 3}}, other = {{9}};
static const wtime_t wall = {1790000000000};

struct node {
	char dir[TEMPDIR_SIZE];
	struct state *state;
	struct state_info info;
	uv_loop_t loop;
	struct state_report report; /* the last one */
	unsigned failures;	    /* reports that said so */
};

static int setup(void **state)
{
	struct node *node = calloc(1, sizeof(*node));

	tempdir_make(node->dir);
	*state = node;
	return 0;
}

static int teardown(void **state)
{
	struct node *node = *state;

	tempdir_remove(node->dir);
	free(node);
	return 0;
}

static void on_report(void *arg, const struct state_report *report)
{
	struct node *node = arg;

	node->report = *report;
	node->failures += report->failing;
	uv_stop(&node->loop);
}

static void node_open_as(struct node *node, const struct id *id)
{
	char error[STATE_ERROR_SIZE] = "";

	if (state_open(node->dir, id, wall, &node->state, &node->info, error))
		fail_msg("%s", error);
}

static void node_start(struct node *node)
{
	node_open_as(node, &self);
	node->report = (struct state_report){0};
	assert_int_equal(uv_loop_init(&node->loop), 0);
	assert_int_equal(state_start(node->state, &node->loop, on_report, NULL, node), 0);
}

static void node_stop(struct node *node)
{
	state_stop(node->state);
	uv_run(&node->loop, UV_RUN_DEFAULT);
	state_free(node->state);
	assert_int_equal(uv_loop_close(&node->loop), 0);
}

static void wait_for_ticket(struct node *node, uint64_t ticket)
{
	while (node->report.ticket < ticket || node->report.failing)
		uv_run(&node->loop, UV_RUN_DEFAULT);
}

static struct hash record_hash(uint32_t number)
{
	struct hash hash = {{0xff}};

	memcpy(hash.b + 1, &number, sizeof(number));
	return hash;
}

static void put(struct node *node, uint64_t ticket, uint32_t number)
{
	struct hash hash = record_hash(number);
	uint8_t bytes[RECORD_SIZE];

	memset(bytes, (int)(number & 0xff), sizeof(bytes));
	memcpy(bytes, &number, sizeof(number));
	assert_int_equal(
		state_put_record(node->state, ticket, &hash, bytes, sizeof(bytes), ORDER(number)),
		0);
}

/* Marks what is there: each record has its number at its head. */
struct seen {
	bool there[4096];
	size_t count, unnumbered;
};

static void see(
	void *arg, const struct hash *hash, const uint8_t *bytes, size_t size, uint64_t order)
{
	struct seen *seen = arg;
	struct hash expected;
	uint32_t number;

	assert_int_equal(size, RECORD_SIZE);
	memcpy(&number, bytes, sizeof(number));
	assert_in_range(number, 0, 4095);
	expected = record_hash(number);
	assert_true(hash_equal(hash, &expected));
	assert_int_equal(bytes[RECORD_SIZE - 1], number & 0xff);
	assert_false(seen->there[number]);
	assert_true(order == 0 || order == ORDER(number));
	seen->unnumbered += order == 0;
	seen->there[number] = true;
	seen->count++;
}

/* Opens what the last daemon left. */
static void look(struct node *node, struct seen *ret)
{
	*ret = (struct seen){0};
	node_open_as(node, &self);
	assert_int_equal(state_each_record(node->state, see, ret), 0);
	state_free(node->state);
}

static void what_was_put_is_there_after_a_restart(void **state)
{
	struct node *node = *state;
	const struct endpoint endpoint = {{4, {192, 0, 2, 1}}, 8946, 0};
	struct hash one = record_hash(1);
	struct seen seen;
	uint64_t number;

	node_start(node);
	assert_false(node->info.has_mesh);
	put(node, 1, 1);
	put(node, 2, 2);
	assert_int_equal(state_remove_record(node->state, 3, &one), 0);
	assert_int_equal(state_put_mesh(node->state, 4, &other), 0);
	assert_int_equal(state_put_generation(node->state, 5, 77), 0);
	assert_int_equal(state_put_endpoint(node->state, 6, &other, &endpoint), 0);
	assert_int_equal(state_put_number(node->state, 7, "floor", ORDER(5)), 0);
	wait_for_ticket(node, 7);
	node_stop(node);

	node_open_as(node, &self);
	assert_int_equal(state_get_number(node->state, "floor", &number), 0);
	assert_true(number == ORDER(5));
	assert_int_equal(state_get_number(node->state, "roof", &number), 0);
	assert_true(number == 0);
	state_free(node->state);
	look(node, &seen);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.unnumbered, 0);
	assert_true(seen.there[2]);
	assert_true(node->info.has_mesh && id_equal(&node->info.mesh, &other));
	assert_int_equal(node->info.generation, 77);
	assert_string_equal(node->info.set_aside, "");
}

static void what_somebody_waits_for_is_written_at_once(void **state)
{
	struct node *node = *state;
	uint64_t lazy_ms, urgent_ms;

	node_start(node);
	lazy_ms = uv_hrtime() / 1000000;
	put(node, 1, 1);
	wait_for_ticket(node, 1);
	lazy_ms = uv_hrtime() / 1000000 - lazy_ms;
	assert_true(lazy_ms + 1 >= STATE_GATHER_MS);
	/* the fastest of some: the disk may be busy with others' work */
	urgent_ms = STATE_GATHER_MS;
	for (uint64_t ticket = 2; ticket < 12; ticket++) {
		uint64_t took_ms = uv_hrtime() / 1000000;

		put(node, ticket, 1);
		state_hurry(node->state, ticket);
		wait_for_ticket(node, ticket);
		took_ms = uv_hrtime() / 1000000 - took_ms;
		if (took_ms < urgent_ms)
			urgent_ms = took_ms;
	}
	assert_true(urgent_ms < STATE_GATHER_MS);
	node_stop(node);
}

/* What came back of a record that was put without its signature. */
struct signature {
	struct hash hash;
	struct sig sig;
	unsigned count;
};

static struct signature came_back;

static void on_signed(void *arg, const struct hash *hash, const struct sig *sig)
{
	struct node *node = arg;

	assert_int_equal(node->report.ticket, 0); /* not after the report */
	came_back.hash = *hash;
	came_back.sig = *sig;
	came_back.count++;
}

static void check_signed(
	void *arg, const struct hash *hash, const uint8_t *bytes, size_t size, uint64_t number)
{
	(void)arg;
	assert_true(number == ORDER(1));
	assert_true(hash_equal(hash, &came_back.hash));
	assert_memory_equal(bytes + size - sizeof(struct sig), &came_back.sig, sizeof(struct sig));
}

static void a_record_is_signed_as_it_is_written(void **state)
{
	struct node *node = *state;
	const struct record_draft draft = {.type = RECORD_VALUE,
		.key = "key",
		.key_size = 3,
		.stamp = 77,
		.value = "\xc0",
		.value_size = 1};
	struct record *record;
	struct keys keys;

	assert_true(sodium_init() >= 0); /* of guarded memory */
	keys_from_seed((const uint8_t[32]){7}, &keys);
	assert_int_equal(record_draft(&other, &keys.id, &draft, &record), 0);
	node_open_as(node, &self);
	assert_int_equal(state_set_signer(node->state, &keys), 0);
	assert_int_equal(uv_loop_init(&node->loop), 0);
	assert_int_equal(state_start(node->state, &node->loop, on_report, on_signed, node), 0);
	came_back = (struct signature){0};
	assert_int_equal(state_put_unsigned(node->state, 1, &record->hash, record->bytes,
				 record->size, ORDER(1), record->stamp),
		0);
	state_hurry(node->state, 1);
	wait_for_ticket(node, 1);
	node_stop(node);
	assert_int_equal(came_back.count, 1);
	assert_true(hash_equal(&came_back.hash, &record->hash));
	assert_int_not_equal(record_verify(record), 0);
	record_unref(record);
	assert_int_equal(record_verify_hash(&keys.id, 77, &came_back.hash, &came_back.sig), 0);
	node_open_as(node, &self);
	assert_int_equal(state_each_record(node->state, check_signed, NULL), 0);
	state_free(node->state);
	keys_done(&keys);
}

static void check_endpoint(void *arg, const struct id *id, const struct endpoint *endpoint)
{
	const struct endpoint expected = {{6, {0x20, 1, [15] = 1}}, 2, 0};
	unsigned *count = arg;

	assert_true(id_equal(id, &other));
	assert_true(endpoint_equal(endpoint, &expected));
	(*count)++;
}

/* A hundred in one; a few more where this test stood still meanwhile. */
static void many_that_write_at_once_share_a_flush(void **state)
{
	struct node *node = *state;
	struct state_counts before, after;

	node_start(node);
	put(node, 1, 1);
	wait_for_ticket(node, 1);
	state_counts(node->state, &before);
	for (uint32_t i = 2; i <= 101; i++)
		put(node, i, i);
	state_hurry(node->state, 101);
	wait_for_ticket(node, 101);
	state_counts(node->state, &after);
	assert_int_equal(after.written - before.written, 100);
	assert_in_range(histogram_count(&after.commits) - histogram_count(&before.commits), 1, 10);
	node_stop(node);
}

/* Who leaves a mesh that has let it go waits for ticket 0. */
static void haste_with_nothing_to_write_ends_nothing(void **state)
{
	struct node *node = *state;

	node_start(node);
	state_hurry(node->state, 0);
	usleep(20000); /* if it did, it would be by then */
	put(node, 1, 1);
	wait_for_ticket(node, 1);
	node_stop(node);
}

static void the_last_word_on_a_key_counts(void **state)
{
	struct node *node = *state;
	struct endpoint endpoint = {{6, {0x20, 1, [15] = 1}}, 1, 0};
	struct hash seven = record_hash(7);
	struct seen seen;
	unsigned endpoints = 0;

	node_start(node);
	for (uint64_t ticket = 1; ticket < 100; ticket += 2) {
		put(node, ticket, 7);
		assert_int_equal(state_remove_record(node->state, ticket + 1, &seven), 0);
	}
	put(node, 101, 7);
	assert_int_equal(state_put_endpoint(node->state, 102, &other, &endpoint), 0);
	endpoint.port = 2;
	assert_int_equal(state_put_endpoint(node->state, 103, &other, &endpoint), 0);
	node_stop(node); /* writes what is queued */
	look(node, &seen);
	assert_int_equal(seen.count, 1);
	node_open_as(node, &self);
	assert_int_equal(state_each_endpoint(node->state, check_endpoint, &endpoints), 0);
	assert_int_equal(endpoints, 1);
	state_free(node->state);
}

/* The other process: writes without end and says what was acknowledged. */
static void write_for_ever(struct node *node, int pipe_fd)
{
	uint32_t number = 0;

	node_start(node);
	for (;;) {
		for (int i = 0; i < 7 && number < 4000; i++, number++)
			put(node, number + 1, number);
		wait_for_ticket(node, node->report.ticket + 1);
		if (write(pipe_fd, &node->report.ticket, sizeof(node->report.ticket)) < 0)
			_exit(1);
	}
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
	struct node *node = *state;
	uint64_t acknowledged = 0;
	struct seen seen;
	int pipe_fds[2];
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(pipe_fds[0]);
		write_for_ever(node, pipe_fds[1]);
	}
	close(pipe_fds[1]);
	while (acknowledged < 100)
		assert_int_equal(read(pipe_fds[0], &acknowledged, sizeof(acknowledged)),
			sizeof(acknowledged));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* What it said while it was dying counts, too. */
	while (read(pipe_fds[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged))
		;
	close(pipe_fds[0]);
	look(node, &seen);
	for (uint64_t ticket = 1; ticket <= acknowledged; ticket++)
		assert_true(seen.there[ticket - 1]);
	assert_string_equal(node->info.set_aside, "");
}

static void fill(struct node *node, uint32_t count)
{
	node_start(node);
	assert_int_equal(state_put_mesh(node->state, 1, &other), 0);
	for (uint32_t i = 0; i < count; i++)
		put(node, i + 2, i);
	wait_for_ticket(node, count + 1);
	node_stop(node);
}

static void overwrite(struct node *node, long at, size_t size)
{
	char path[TEMPDIR_SIZE + 16];
	FILE *file;

	snprintf(path, sizeof(path), "%s/" STATE_NAME, node->dir);
	file = fopen(path, "r+b");
	assert_non_null(file);
	fseek(file, at, SEEK_SET);
	for (size_t i = 0; i < size; i++)
		fputc(0xa5, file);
	fclose(file);
}

static void a_damaged_database_is_set_aside_and_what_can_be_read_taken_over(void **state)
{
	struct node *node = *state;
	struct seen seen;
	struct stat st;

	fill(node, 1000);
	overwrite(node, 200000, 8192);
	look(node, &seen);
	assert_string_not_equal(node->info.set_aside, "");
	assert_int_equal(stat(node->info.set_aside, &st), 0);
	assert_true(node->info.has_mesh && id_equal(&node->info.mesh, &other));
	assert_in_range(seen.count, 900, 999);
	/* From now on it is a database like any other. */
	look(node, &seen);
	assert_string_equal(node->info.set_aside, "");
	assert_in_range(seen.count, 900, 999);
	assert_true(node->info.has_mesh);
}

static void a_database_that_is_none_is_set_aside(void **state)
{
	struct node *node = *state;
	struct seen seen;

	fill(node, 10);
	overwrite(node, 0, 4096);
	look(node, &seen);
	assert_string_not_equal(node->info.set_aside, "");
	assert_int_equal(seen.count, 0);
	assert_false(node->info.has_mesh);
}

static void anothers_database_is_set_aside_and_not_used(void **state)
{
	struct node *node = *state;

	fill(node, 10);
	node_open_as(node, &other);
	assert_non_null(strstr(node->info.set_aside, "state.db.other-2026"));
	assert_false(node->info.has_mesh);
	assert_int_equal(node->info.salvaged, 0);
	state_free(node->state);
}

static void run_sql(struct node *node, const char *sql)
{
	char path[TEMPDIR_SIZE + 16];
	sqlite3 *sqlite;

	snprintf(path, sizeof(path), "%s/" STATE_NAME, node->dir);
	assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sqlite);
}

static const char as_version_1[] = "ALTER TABLE records DROP COLUMN number;"
				   "ALTER TABLE records DROP COLUMN sum;"
				   "DROP TABLE attachments;"
				   "PRAGMA user_version = 1";
static const char as_version_2[] = "DROP TABLE attachments; PRAGMA user_version = 2";

static void what_an_older_version_wrote_is_taken_over(void **state)
{
	struct node *node = *state;
	struct seen seen;

	fill(node, 10);
	run_sql(node, as_version_1);
	look(node, &seen);
	assert_string_equal(node->info.set_aside, "");
	assert_int_equal(seen.count, 10);
	assert_int_equal(seen.unnumbered, 10);
	node_start(node);
	put(node, 1, 10);
	wait_for_ticket(node, 1);
	node_stop(node);
	look(node, &seen);
	assert_int_equal(seen.count, 11);
	assert_int_equal(seen.unnumbered, 10);
}

static void what_an_older_version_wrote_is_taken_over_where_it_is_damaged(void **state)
{
	struct node *node = *state;
	struct seen seen;

	fill(node, 1000);
	run_sql(node, as_version_1);
	overwrite(node, 200000, 8192);
	look(node, &seen);
	assert_string_not_equal(node->info.set_aside, "");
	assert_in_range(seen.count, 900, 999);
}

static int64_t number_in(const char *path, const char *sql)
{
	sqlite3_stmt *statement;
	sqlite3 *sqlite;
	int64_t ret;

	assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	ret = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(sqlite);
	return ret;
}

/* The last of its steps fails: all before it are taken back, for they are one transaction. */
static void what_an_older_version_wrote_is_never_taken_over_by_half(void **state)
{
	struct node *node = *state;
	struct seen seen;

	fill(node, 10);
	run_sql(node, as_version_1);
	run_sql(node, "CREATE TABLE attachments(in_the_way)");
	look(node, &seen);
	assert_string_not_equal(node->info.set_aside, "");
	assert_int_equal(seen.count, 10);
	assert_int_equal(number_in(node->info.set_aside, "PRAGMA user_version"), 1);
	assert_int_equal(number_in(node->info.set_aside,
				 "SELECT count(*) FROM pragma_table_info('records')"),
		2);
}

static void see_attachment(void *arg, const char *segment, const char *addresses, const char *ports)
{
	char *text = arg;
	size_t used = strlen(text);

	snprintf(text + used, 256 - used, "%s(%s|%s)", segment, addresses, ports);
}

static void assert_attachments(struct node *node, const char *expected)
{
	char text[256] = "";

	node_open_as(node, &self);
	assert_int_equal(state_each_attachment(node->state, see_attachment, text), 0);
	state_free(node->state);
	assert_string_equal(text, expected);
}

static void what_this_node_has_on_its_segments_is_there_after_a_restart(void **state)
{
	struct node *node = *state;

	node_start(node);
	assert_int_equal(state_put_attachment(node->state, 1, "lan0", "10.0.0.1/24", "eth1"), 0);
	assert_int_equal(
		state_put_attachment(node->state, 2, "lan1", "10.1.0.1/24 fd00::1/64", ""), 0);
	wait_for_ticket(node, 2);
	assert_int_equal(state_put_attachment(node->state, 3, "lan0", "", "eth1 eth2"), 0);
	assert_int_equal(state_remove_attachment(node->state, 4, "lan2"), 0);
	wait_for_ticket(node, 4);
	node_stop(node);
	assert_attachments(node, "lan0(|eth1 eth2)lan1(10.1.0.1/24 fd00::1/64|)");
	node_start(node);
	assert_int_equal(state_remove_attachment(node->state, 1, "lan1"), 0);
	wait_for_ticket(node, 1);
	node_stop(node);
	assert_attachments(node, "lan0(|eth1 eth2)");
	node_start(node);
	state_reset(node->state, &self);
	node_stop(node);
	assert_attachments(node, "");
}

static void a_database_without_segments_gets_room_for_them(void **state)
{
	struct node *node = *state;
	struct seen seen;

	fill(node, 10);
	run_sql(node, as_version_2);
	node_start(node);
	assert_int_equal(state_put_attachment(node->state, 1, "lan0", "", ""), 0);
	wait_for_ticket(node, 1);
	node_stop(node);
	look(node, &seen);
	assert_string_equal(node->info.set_aside, "");
	assert_int_equal(seen.count, 10);
	assert_attachments(node, "lan0(|)");
}

static void what_a_newer_version_wrote_is_refused_and_left_alone(void **state)
{
	struct node *node = *state;
	char path[TEMPDIR_SIZE + 16], error[STATE_ERROR_SIZE];
	FILE *file;

	fill(node, 1);
	snprintf(path, sizeof(path), "%s/" STATE_NAME, node->dir);
	run_sql(node, "PRAGMA user_version = 4");
	assert_int_equal(
		state_open(node->dir, &self, wall, &node->state, &node->info, error), ERR_VERSION);
	assert_non_null(strstr(error, "newer meshd"));
	assert_int_equal(access(path, F_OK), 0);
	/* nor is the mode of its journal, should that be another one by then */
	run_sql(node, "PRAGMA journal_mode = DELETE");
	assert_int_equal(
		state_open(node->dir, &self, wall, &node->state, &node->info, error), ERR_VERSION);
	file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fseek(file, 18, SEEK_SET), 0); /* the format's: 2 with a write-ahead log */
	assert_int_equal(fgetc(file), 1);
	fclose(file);
}

static void a_full_disk_acknowledges_nothing_and_loses_nothing(void **state)
{
	struct node *node = *state;
	struct rlimit before, small = {16 * 1024, RLIM_INFINITY};
	struct seen seen;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	node_start(node);
	put(node, 1, 0);
	wait_for_ticket(node, 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (uint32_t i = 1; i < 200; i++)
		put(node, i + 1, i);
	while (!node->failures)
		uv_run(&node->loop, UV_RUN_DEFAULT);
	assert_in_range(node->report.ticket, 1, 199);
	assert_non_null(strstr(node->report.error, STATE_NAME));
	put(node, 201, 200); /* while it fails */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	wait_for_ticket(node, 201);
	node_stop(node);
	look(node, &seen);
	assert_int_equal(seen.count, 201);
}

static void a_reset_forgets_everything_and_starts_tickets_anew(void **state)
{
	struct node *node = *state;

	node_start(node);
	assert_int_equal(state_put_mesh(node->state, 1, &other), 0);
	put(node, 1000, 1);
	state_reset(node->state, &other);
	put(node, 1, 2);
	while (node->report.ticket != 1)
		uv_run(&node->loop, UV_RUN_DEFAULT);
	node_stop(node);
	node_open_as(node, &other);
	assert_string_equal(node->info.set_aside, "");
	assert_false(node->info.has_mesh);
	struct seen seen = {0};

	assert_int_equal(state_each_record(node->state, see, &seen), 0);
	assert_int_equal(seen.count, 1);
	assert_true(seen.there[2]);
	state_free(node->state);
}

static void the_database_is_for_its_owner_alone(void **state)
{
	struct node *node = *state;
	char path[TEMPDIR_SIZE + 16];
	mode_t before = umask(077);
	struct stat st;

	fill(node, 1);
	umask(before);
	snprintf(path, sizeof(path), "%s/" STATE_NAME, node->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_put_is_there_after_a_restart),
		TEST(what_somebody_waits_for_is_written_at_once),
		TEST(many_that_write_at_once_share_a_flush),
		TEST(haste_with_nothing_to_write_ends_nothing),
		TEST(a_record_is_signed_as_it_is_written),
		TEST(the_last_word_on_a_key_counts),
		TEST(what_was_acknowledged_survives_kill_9),
		TEST(a_damaged_database_is_set_aside_and_what_can_be_read_taken_over),
		TEST(a_database_that_is_none_is_set_aside),
		TEST(anothers_database_is_set_aside_and_not_used),
		TEST(what_an_older_version_wrote_is_taken_over),
		TEST(what_an_older_version_wrote_is_taken_over_where_it_is_damaged),
		TEST(what_an_older_version_wrote_is_never_taken_over_by_half),
		TEST(what_this_node_has_on_its_segments_is_there_after_a_restart),
		TEST(a_database_without_segments_gets_room_for_them),
		TEST(what_a_newer_version_wrote_is_refused_and_left_alone),
		TEST(a_full_disk_acknowledges_nothing_and_loses_nothing),
		TEST(a_reset_forgets_everything_and_starts_tickets_anew),
		TEST(the_database_is_for_its_owner_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
