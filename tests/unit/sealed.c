/* The file that only its passphrase opens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ipc/sealed.h"

#define PLAIN_SIZE (2 * SEALED_PLAIN_MAX + 1000)
#define BODY_SIZE  (SEALED_BEGIN_SIZE + PLAIN_SIZE + 3 * SEALED_BOX_OVER)

static const uint8_t key[SEALED_KEY_SIZE] = {1, 2, 3};
static uint8_t head[SEALED_HEAD_SIZE], plain[PLAIN_SIZE], body[BODY_SIZE];

static struct sealed_head moderate(void)
{
	return (struct sealed_head){.kind = SEALED_BACKUP,
		.operations = SEALED_OPERATIONS_MIN,
		.memory_kib = SEALED_MEMORY_KIB_MIN,
		.salt = {7}};
}

static int seal(void **state)
{
	struct sealed_head values = moderate();
	struct sealed sealed;
	size_t at = SEALED_BEGIN_SIZE;

	(void)state;
	for (size_t i = 0; i < PLAIN_SIZE; i++)
		plain[i] = (uint8_t)(i * 7);
	sealed_head_encode(&values, head);
	sealed_begin(&sealed, key, head, body);
	for (size_t done = 0; !sealed.ended; done += SEALED_PLAIN_MAX) {
		size_t size = PLAIN_SIZE - done;

		at += sealed_put(&sealed, plain + done,
			size < SEALED_PLAIN_MAX ? size : SEALED_PLAIN_MAX, body + at);
	}
	sealed_done(&sealed);
	return at == BODY_SIZE ? 0 : -1;
}

/* Reads a body to its end; how much of it came out before that, or an error. */
static int open_all(const uint8_t *with_key, const uint8_t *with_head, const uint8_t *bytes,
	size_t size, size_t *ret_size)
{
	uint8_t out[SEALED_PLAIN_MAX];
	struct sealed sealed;
	size_t at = SEALED_BEGIN_SIZE, got, all = 0;
	int err = sealed_open(&sealed, with_key, with_head, bytes,
		size < SEALED_BEGIN_SIZE ? size : SEALED_BEGIN_SIZE);

	while (!err && at < size) {
		size_t box = size - at < SEALED_BOX_MAX ? size - at : SEALED_BOX_MAX;

		err = sealed_get(&sealed, bytes + at, box, out, &got);
		if (!err && memcmp(out, plain + all, got) != 0)
			err = ERR_DAMAGED;
		if (!err)
			all += got;
		at += box;
	}
	if (!err && !sealed.ended)
		err = ERR_STATE; /* cut off between two boxes */
	*ret_size = all;
	return err;
}

static void what_was_sealed_opens_again(void **state)
{
	(void)state;
	size_t size;

	assert_int_equal(open_all(key, head, body, BODY_SIZE, &size), 0);
	assert_int_equal(size, PLAIN_SIZE);
}

static void another_key_or_head_opens_nothing(void **state)
{
	(void)state;
	uint8_t other[SEALED_HEAD_SIZE], wrong[SEALED_KEY_SIZE] = {1, 2, 4};
	size_t size;

	assert_int_equal(open_all(wrong, head, body, BODY_SIZE, &size), ERR_AUTH);
	memcpy(other, head, sizeof(other));
	other[14] = SEALED_ROOT;
	assert_int_equal(open_all(key, other, body, BODY_SIZE, &size), ERR_AUTH);
	assert_int_equal(size, 0);
}

static void a_file_that_was_cut_off_is_refused_wherever(void **state)
{
	(void)state;
	size_t size;

	for (size_t cut = 0; cut < BODY_SIZE; cut += cut % 1000 ? 1 : 97)
		assert_int_not_equal(open_all(key, head, body, cut, &size), 0);
	for (int boxes = 0; boxes < 3; boxes++)
		assert_int_not_equal(open_all(key, head, body,
					     SEALED_BEGIN_SIZE + boxes * SEALED_BOX_MAX, &size),
			0);
}

static void a_changed_byte_is_refused_wherever(void **state)
{
	(void)state;
	uint8_t *copy = malloc(BODY_SIZE + 1);
	size_t size;

	assert_non_null(copy);
	memcpy(copy, body, BODY_SIZE);
	for (size_t at = 0; at < BODY_SIZE; at += 499) {
		copy[at] ^= 1;
		assert_int_not_equal(open_all(key, head, copy, BODY_SIZE, &size), 0);
		copy[at] ^= 1;
	}
	copy[BODY_SIZE] = 0;
	assert_int_not_equal(open_all(key, head, copy, BODY_SIZE + 1, &size), 0);
	free(copy);
}

static void a_head_cannot_ask_for_all_memory(void **state)
{
	(void)state;
	static const struct {
		uint32_t operations, memory_kib;
		int err;
	} asked[] = {
		{SEALED_OPERATIONS_MIN, SEALED_MEMORY_KIB_MIN, 0},
		{SEALED_OPERATIONS_MAX, SEALED_MEMORY_KIB_MAX, 0},
		{SEALED_OPERATIONS_MIN, SEALED_MEMORY_KIB_MAX + 1, ERR_LIMIT},
		{SEALED_OPERATIONS_MAX + 1, SEALED_MEMORY_KIB_MIN, ERR_LIMIT},
		{UINT32_MAX, UINT32_MAX, ERR_LIMIT},
		{1, 8, ERR_LIMIT}, /* so cheap that guessing would be, too */
	};
	uint8_t bytes[SEALED_HEAD_SIZE];
	struct sealed_head values = moderate(), read;

	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		values.operations = asked[i].operations;
		values.memory_kib = asked[i].memory_kib;
		sealed_head_encode(&values, bytes);
		assert_int_equal(sealed_head_decode(bytes, sizeof(bytes), &read), asked[i].err);
	}
	assert_int_equal(sealed_head_decode(head, sizeof(head), &read), 0);
	assert_memory_equal(read.salt, moderate().salt, SEALED_SALT_SIZE);
	assert_int_equal(sealed_head_decode(head, sizeof(head) - 1, &read), ERR_MALFORMED);
	head[13]++;
	assert_int_equal(sealed_head_decode(head, sizeof(head), &read), ERR_VERSION);
	head[13]--;
	head[0]++;
	assert_int_equal(sealed_head_decode(head, sizeof(head), &read), ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_sealed_opens_again, seal),
		cmocka_unit_test_setup(another_key_or_head_opens_nothing, seal),
		cmocka_unit_test_setup(a_file_that_was_cut_off_is_refused_wherever, seal),
		cmocka_unit_test_setup(a_changed_byte_is_refused_wherever, seal),
		cmocka_unit_test_setup(a_head_cannot_ask_for_all_memory, seal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
