#include "daemon/ipc/ipc.h"

size_t ipc_reply_begin_ok(struct pack *out)
{
	size_t start = ipc_frame_begin(out);

	pack_put_map(out, 2);
	pack_put_str(out, "ok");
	pack_put_bool(out, true);
	pack_put_str(out, "result");
	return start;
}

size_t ipc_reply_begin_item(struct pack *out)
{
	size_t start = ipc_frame_begin(out);

	pack_put_map(out, 1);
	pack_put_str(out, "item");
	return start;
}

void ipc_reply_end(struct pack *out)
{
	size_t start = ipc_reply_begin_ok(out);

	pack_put_nil(out);
	ipc_frame_end(out, start);
}

/* The longest beginning of the text that is whole characters and leaves room for a NUL. */
static size_t cut(const char *text)
{
	size_t size = strnlen(text, IPC_ERROR_TEXT_MAX);

	if (size < IPC_ERROR_TEXT_MAX)
		return size;
	for (size--; size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80;)
		size--;
	return size;
}

void ipc_reply_error(struct pack *out, int err, const char *text, unsigned exit_status)
{
	size_t start = ipc_frame_begin(out);

	pack_put_map(out, 4);
	pack_put_str(out, "ok");
	pack_put_bool(out, false);
	pack_put_str(out, "error");
	ipc_put_words(out, text, cut(text));
	pack_put_str(out, "name");
	pack_put_str(out, err_name(err));
	pack_put_str(out, "exit");
	pack_put_uint(out, exit_status);
	ipc_frame_end(out, start);
}

static int get_value(struct pack_reader *r, const char *field, struct ipc_reply *reply)
{
	const uint8_t *start;

	if (pack_skip(r, field, &start) != 0)
		return ERR_MALFORMED;
	reply->value = start;
	reply->value_size = (size_t)(r->at - start);
	return 0;
}

static int get_error(struct pack_reader *r, struct ipc_reply *reply)
{
	uint64_t status;

	if (ipc_get_key(r, "error") != 0 ||
		pack_get_str(r, "error", 0, reply->error, sizeof(reply->error)) != 0 ||
		ipc_get_key(r, "name") != 0 ||
		pack_get_str(r, "name", 1, reply->error_name, sizeof(reply->error_name)) != 0 ||
		ipc_get_key(r, "exit") != 0 || pack_get_uint(r, "exit", 2, &status) != 0 ||
		status == 0)
		return ERR_MALFORMED;
	reply->exit_status = (unsigned)status;
	return 0;
}

static int get_reply(struct pack_reader *r, struct ipc_reply *reply)
{
	uint32_t count;
	bool ok;

	if (pack_get_map(r, "reply", 4, &count) != 0)
		return ERR_MALFORMED;
	if (count == 1) {
		reply->kind = IPC_REPLY_ITEM;
		return ipc_get_key(r, "item") != 0 ? ERR_MALFORMED : get_value(r, "item", reply);
	}
	if (ipc_get_key(r, "ok") != 0 || pack_get_bool(r, "ok", &ok) != 0 || count != (ok ? 2 : 4))
		return ERR_MALFORMED;
	reply->kind = ok ? IPC_REPLY_OK : IPC_REPLY_ERROR;
	if (!ok)
		return get_error(r, reply);
	return ipc_get_key(r, "result") != 0 ? ERR_MALFORMED : get_value(r, "result", reply);
}

int ipc_reply_decode(const void *data, size_t size, struct ipc_reply *ret)
{
	struct ipc_reply reply = {0};
	struct pack_reader reader = pack_reader(data, size);

	if (get_reply(&reader, &reply) != 0 || pack_get_end(&reader, "reply") != 0)
		return ERR_MALFORMED;
	*ret = reply;
	return 0;
}
