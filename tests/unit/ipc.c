/* The control protocol: its bytes are fixed, and a request that is not exactly right is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ipc/ipc.h"

static void assert_frame(const struct pack *p, const char *head, const char *body, size_t size)
{
	assert_int_equal(pack_status(p), 0);
	assert_int_equal(p->size, IPC_HEAD_SIZE + size);
	assert_memory_equal(p->data, head, IPC_HEAD_SIZE);
	assert_memory_equal(p->data + IPC_HEAD_SIZE, body, size);
}

static void a_request_has_these_bytes_for_ever(void **state)
{
	(void)state;
	static const char golden[] = "\x83\xa1v\x01\xa4verb\xa6invite\xa4"
				     "args\x83\xaa"
				     "expires_ms\xce\x00\x36\xee\x80\xa4tags\x92\xa3"
				     "foo\xa3"
				     "bar\xa5"
				     "admin\xc3";
	struct ipc_request request;
	struct pack p;

	ipc_request_init(&request, IPC_VERB_INVITE);
	ipc_request_set_number(&request, IPC_ARG_EXPIRES_MS, 3600000);
	assert_int_equal(ipc_request_add_text(&request, IPC_ARG_TAGS, "foo"), 0);
	assert_int_equal(ipc_request_add_text(&request, IPC_ARG_TAGS, "bar"), 0);
	ipc_request_set_number(&request, IPC_ARG_ADMIN, true);
	pack_init_growing(&p, IPC_REQUEST_MAX);
	ipc_request_encode(&request, &p);
	assert_frame(&p, "\0\0\0\x3b", golden, sizeof(golden) - 1);

	struct ipc_request decoded;
	const char *where = NULL;
	assert_int_equal(ipc_request_decode(golden, sizeof(golden) - 1, &decoded, &where), 0);
	assert_int_equal(decoded.verb, IPC_VERB_INVITE);
	assert_int_equal(decoded.present, request.present);
	assert_int_equal(decoded.args[IPC_ARG_EXPIRES_MS].number, 3600000);
	assert_int_equal(decoded.args[IPC_ARG_ADMIN].number, 1);
	assert_int_equal(decoded.args[IPC_ARG_TAGS].count, 2);
	assert_string_equal(decoded.args[IPC_ARG_TAGS].texts[0], "foo");
	assert_string_equal(decoded.args[IPC_ARG_TAGS].texts[1], "bar");
	ipc_request_done(&decoded);
	pack_done(&p);
}

static void a_value_may_hold_any_bytes_up_to_its_limit(void **state)
{
	(void)state;
	static const char golden[] = "\x83\xa1v\x01\xa4verb\xa6kv-put\xa4"
				     "args\x82\xa3key\xa1k\xa5value\xc4\x03\x00\xff\n";
	static const uint8_t large[IPC_BYTES_MAX + 1];
	struct ipc_request request, decoded;
	const char *where = NULL;
	struct pack p;

	ipc_request_init(&request, IPC_VERB_KV_PUT);
	assert_int_equal(ipc_request_set_text(&request, IPC_ARG_KEY, "k"), 0);
	assert_int_equal(ipc_request_set_bytes(&request, IPC_ARG_VALUE, "\0\xff\n", 3), 0);
	pack_init_growing(&p, IPC_REQUEST_MAX);
	ipc_request_encode(&request, &p);
	assert_frame(&p, "\0\0\0\x27", golden, sizeof(golden) - 1);
	assert_int_equal(ipc_request_decode(golden, sizeof(golden) - 1, &decoded, &where), 0);
	assert_int_equal(decoded.args[IPC_ARG_VALUE].count, 3);
	assert_memory_equal(decoded.args[IPC_ARG_VALUE].bytes, "\0\xff\n", 3);
	ipc_request_done(&decoded);

	assert_int_equal(
		ipc_request_set_bytes(&request, IPC_ARG_VALUE, large, sizeof(large)), ERR_TOO_BIG);
	assert_int_equal(ipc_request_set_bytes(&request, IPC_ARG_VALUE, large, IPC_BYTES_MAX), 0);
	p.size = 0;
	ipc_request_encode(&request, &p);
	assert_int_equal(pack_status(&p), 0);
	assert_int_equal(ipc_request_decode(
				 p.data + IPC_HEAD_SIZE, p.size - IPC_HEAD_SIZE, &decoded, &where),
		0);
	assert_int_equal(decoded.args[IPC_ARG_VALUE].count, IPC_BYTES_MAX);
	ipc_request_done(&decoded);
	pack_done(&p);
}

static void replies_have_these_bytes_for_ever(void **state)
{
	(void)state;
	struct pack p;

	pack_init_growing(&p, IPC_REPLY_MAX);
	size_t frame = ipc_reply_begin_ok(&p);
	pack_put_uint(&p, 7);
	ipc_frame_end(&p, frame);
	assert_frame(&p, "\0\0\0\x0d", "\x82\xa2ok\xc3\xa6result\x07", 13);
	p.size = 0;
	frame = ipc_reply_begin_item(&p);
	pack_put_nil(&p);
	ipc_frame_end(&p, frame);
	assert_frame(&p, "\0\0\0\x07", "\x81\xa4item\xc0", 7);
	p.size = 0;
	ipc_reply_error(&p, ERR_EXPIRED, "late", 1);
	assert_frame(&p, "\0\0\0\x23",
		"\x84\xa2ok\xc2\xa5"
		"error\xa4late\xa4name\xa7"
		"expired\xa4"
		"exit\x01",
		0x23);

	struct ipc_reply reply;
	assert_int_equal(
		ipc_reply_decode(p.data + IPC_HEAD_SIZE, p.size - IPC_HEAD_SIZE, &reply), 0);
	assert_int_equal(reply.kind, IPC_REPLY_ERROR);
	assert_string_equal(reply.error, "late");
	assert_string_equal(reply.error_name, "expired");
	assert_int_equal(reply.exit_status, 1);
	pack_done(&p);
}

static void a_frame_that_is_too_long_is_refused_by_its_head(void **state)
{
	(void)state;
	static const struct {
		uint8_t head[IPC_HEAD_SIZE];
		int err;
	} heads[] = {
		{{0, 0, 0, 0}, ERR_MALFORMED},
		{{0, 0, 0, 1}, 0},
		{{0, 1, 0x20, 0}, 0},
		{{0, 1, 0x20, 1}, ERR_TOO_BIG},
		{{0xff, 0xff, 0xff, 0xff}, ERR_TOO_BIG},
	};
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		assert_int_equal(ipc_head(heads[i].head, IPC_REQUEST_MAX, &size), heads[i].err);
}

static void a_request_that_is_not_right_is_refused_and_says_where(void **state)
{
	(void)state;
#define BYTES(text) text, sizeof(text) - 1
#define ARGS   \
	"\xa4" \
	"args"
	static const struct {
		const char *bytes;
		size_t size;
		int err;
		const char *where;
	} bad[] = {
		{BYTES(""), ERR_MALFORMED, "request"},
		{BYTES("\x80"), ERR_MALFORMED, "request"},
		{BYTES("\x83\xa1v\x02\xa4verb\xa6status" ARGS "\x80"), ERR_VERSION, NULL},
		{BYTES("\x83\xa1v\x01\xa4verb\xa4"
		       "frob" ARGS "\x80"),
			ERR_UNKNOWN, "verb"},
		{BYTES("\x83\xa1v\x01\xa4verb\xb3"
		       "a-verb-of-the-future" ARGS "\x80"),
			ERR_UNKNOWN, "verb"},
		{BYTES("\x83\xa1v\x01\xa4verb\xa5leave" ARGS "\x81\xa5later\xc3"), ERR_UNKNOWN,
			"argument"},
		{BYTES("\x83\xa4verb\xa6status\xa1v\x01" ARGS "\x80"), ERR_MALFORMED, "v"},
		/* an argument of another verb, one twice, one of the wrong kind, one missing */
		{BYTES("\x83\xa1v\x01\xa4verb\xa6status" ARGS "\x81\xa5"
		       "force\xc3"),
			ERR_MALFORMED, "force"},
		{BYTES("\x83\xa1v\x01\xa4verb\xa5leave" ARGS "\x82\xa5"
		       "force\xc3\xa5"
		       "force\xc3"),
			ERR_MALFORMED, "force"},
		{BYTES("\x83\xa1v\x01\xa4verb\xa5leave" ARGS "\x81\xa5"
		       "force\x01"),
			ERR_MALFORMED, "force"},
		{BYTES("\x83\xa1v\x01\xa4verb\xa4show" ARGS "\x80"), ERR_MALFORMED, "args"},
		{BYTES("\x83\xa1v\x01\xa4verb\xa4show" ARGS "\x81\xa4node\xa2\x1b["), ERR_MALFORMED,
			"node"},
		{BYTES("\x83\xa1v\x01\xa4verb\xa6status" ARGS "\x80\x80"), ERR_MALFORMED,
			"request"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct ipc_request request = {.verb = 77};
		const char *where = NULL;

		assert_int_equal(ipc_request_decode(bad[i].bytes, bad[i].size, &request, &where),
			bad[i].err);
		assert_int_equal(request.verb, 77);
		if (bad[i].where)
			assert_string_equal(where, bad[i].where);
		else
			assert_null(where);
	}
}

static void an_errors_text_is_cut_between_characters(void **state)
{
	(void)state;
	char text[IPC_ERROR_TEXT_MAX + 100];
	struct ipc_reply reply;
	struct pack p;

	text[0] = 'x';
	for (size_t i = 1; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 3);
	pack_init_growing(&p, IPC_REPLY_MAX);
	ipc_reply_error(&p, ERR_STATE, text, 1);
	assert_int_equal(
		ipc_reply_decode(p.data + IPC_HEAD_SIZE, p.size - IPC_HEAD_SIZE, &reply), 0);
	assert_int_equal(strlen(reply.error), IPC_ERROR_TEXT_MAX - 1);
	pack_done(&p);
}

static void an_errors_text_may_hold_anything(void **state)
{
	(void)state;
	struct ipc_reply reply;
	struct pack p;

	pack_init_growing(&p, IPC_REPLY_MAX);
	ipc_reply_error(&p, ERR_SYSTEM, "/tmp/\xff\x1b[31m\n: read-only", 1);
	assert_int_equal(
		ipc_reply_decode(p.data + IPC_HEAD_SIZE, p.size - IPC_HEAD_SIZE, &reply), 0);
	assert_string_equal(reply.error, "/tmp/??[31m?: read-only");
	pack_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_has_these_bytes_for_ever),
		cmocka_unit_test(a_value_may_hold_any_bytes_up_to_its_limit),
		cmocka_unit_test(replies_have_these_bytes_for_ever),
		cmocka_unit_test(a_frame_that_is_too_long_is_refused_by_its_head),
		cmocka_unit_test(a_request_that_is_not_right_is_refused_and_says_where),
		cmocka_unit_test(an_errors_text_is_cut_between_characters),
		cmocka_unit_test(an_errors_text_may_hold_anything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
