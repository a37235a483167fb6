/* A node's whole state as bytes, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#include "daemon/backup.h"

#define PIECE	5000
#define RECORDS 20
#define ROOM	(RECORDS * RECORD_SIZE_MAX)

static struct backup sample;
static const struct backup_attachment attachment = {"lan0", "192.168.7.1/24 fd12::1/64", "eth1"};
static uint8_t *whole; /* its bytes */
static size_t whole_size;

static int make(void **state)
{
	static uint8_t value[RECORD_VALUE_MAX];
	struct backup_stream stream;
	size_t size;

	(void)state;
	sample = (struct backup){.generation = 77, .made = {1790000000000}};
	sample.keys = sodium_malloc(sizeof(*sample.keys));
	keyfile_fresh(sample.keys);
	sample.keys->has_mesh = true;
	sample.keys->mesh = (struct id){{5}};
	sample.keys->life = 3;
	for (uint32_t i = 0; i < RECORDS; i++) {
		const struct record_draft draft = {.type = RECORD_VALUE,
			.key = &i,
			.key_size = sizeof(i),
			.stamp = i + 1,
			.value = value,
			.value_size = i % 7 ? i * 100 : RECORD_VALUE_MAX};
		const struct backup_place place = {
			{{(uint8_t)i}}, {.ip = {.family = 4}, .port = 1}};
		struct record *record;

		assert_int_equal(
			record_sign(&sample.keys->mesh, &sample.keys->identity, &draft, &record),
			0);
		assert_int_equal(backup_add_record(&sample, record), 0);
		record_unref(record);
		assert_int_equal(backup_add_place(&sample, &place), 0);
	}
	assert_int_equal(backup_add_attachment(&sample, &attachment), 0);
	whole = malloc(ROOM);
	assert_non_null(whole);
	assert_int_equal(backup_stream_init(&stream, PIECE), 0);
	whole_size = 0;
	do {
		size = backup_write(&stream, &sample, whole + whole_size);
		whole_size += size;
	} while (size == PIECE);
	backup_stream_done(&stream);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	backup_done(&sample);
	free(whole);
	return 0;
}

/* Read in pieces of that size; whether all of it was there. */
static int read_all(const uint8_t *bytes, size_t size, size_t piece, struct backup *ret)
{
	struct backup_stream stream;
	int err = 0;

	*ret = (struct backup){0};
	assert_int_equal(backup_stream_init(&stream, PIECE), 0);
	for (size_t at = 0; !err && at < size; at += piece)
		err = backup_read(&stream, ret, bytes + at, size - at < piece ? size - at : piece);
	if (!err && !backup_is_whole(&stream))
		err = ERR_STATE;
	backup_stream_done(&stream);
	return err;
}

static void what_was_written_is_read_again(void **state)
{
	(void)state;
	static const size_t pieces[] = {1, 3, 4999, PIECE};
	struct backup read;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		assert_int_equal(read_all(whole, whole_size, pieces[i], &read), 0);
		assert_int_equal(read.generation, 77);
		assert_int_equal(read.made.ms, 1790000000000);
		assert_memory_equal(read.keys, sample.keys, sizeof(*read.keys));
		assert_int_equal(read.record_count, RECORDS);
		for (size_t at = 0; at < RECORDS; at++)
			assert_memory_equal(&read.records[at]->hash, &sample.records[at]->hash,
				sizeof(struct hash));
		assert_int_equal(read.place_count, RECORDS);
		assert_memory_equal(
			&read.places[9].node, &sample.places[9].node, sizeof(struct id));
		assert_int_equal(read.attachment_count, 1);
		assert_string_equal(read.attachments[0].segment, attachment.segment);
		assert_string_equal(read.attachments[0].addresses, attachment.addresses);
		assert_string_equal(read.attachments[0].ports, attachment.ports);
		backup_done(&read);
	}
}

static void what_is_cut_off_is_not_whole(void **state)
{
	(void)state;
	struct backup read;

	for (size_t size = 0; size < whole_size; size += 1 + size / 50) {
		assert_int_not_equal(read_all(whole, size, PIECE, &read), 0);
		backup_done(&read);
	}
	assert_int_not_equal(read_all(whole, whole_size - 1, PIECE, &read), 0);
	backup_done(&read);
}

static void nothing_comes_twice_or_behind_the_end(void **state)
{
	(void)state;
	uint8_t *twice = malloc(2 * whole_size);
	struct backup read;

	assert_non_null(twice);
	memcpy(twice, whole, whole_size);
	memcpy(twice + whole_size, whole, whole_size);
	assert_int_equal(read_all(twice, 2 * whole_size, PIECE, &read), ERR_MALFORMED);
	backup_done(&read);
	free(twice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_written_is_read_again, make, unmake),
		cmocka_unit_test_setup_teardown(what_is_cut_off_is_not_whole, make, unmake),
		cmocka_unit_test_setup_teardown(
			nothing_comes_twice_or_behind_the_end, make, unmake),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
