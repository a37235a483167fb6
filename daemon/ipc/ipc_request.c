#include "daemon/ipc/ipc.h"

#include <sodium.h>
#include <stdlib.h>

void ipc_request_init(struct ipc_request *request, enum ipc_verb verb)
{
	*request = (struct ipc_request){.verb = verb};
}

void ipc_request_done(struct ipc_request *request)
{
	if (request->memory)
		sodium_memzero(request->memory, request->memory_size);
	free(request->memory);
	*request = (struct ipc_request){0};
}

int ipc_request_set_text(struct ipc_request *request, enum ipc_arg arg, const char *text)
{
	if (strlen(text) > IPC_TEXT_MAX)
		return ERR_TOO_BIG;
	request->present |= UINT64_C(1) << arg;
	request->args[arg].text = text;
	return 0;
}

int ipc_request_add_text(struct ipc_request *request, enum ipc_arg arg, const char *text)
{
	struct ipc_value *value = &request->args[arg];

	if (value->count == IPC_LIST_MAX || strlen(text) > IPC_TEXT_MAX)
		return ERR_TOO_BIG;
	request->present |= UINT64_C(1) << arg;
	value->texts[value->count++] = text;
	return 0;
}

int ipc_request_set_bytes(
	struct ipc_request *request, enum ipc_arg arg, const void *bytes, size_t size)
{
	if (size > IPC_BYTES_MAX)
		return ERR_TOO_BIG;
	request->present |= UINT64_C(1) << arg;
	request->args[arg].bytes = bytes;
	request->args[arg].count = size;
	return 0;
}

void ipc_request_set_number(struct ipc_request *request, enum ipc_arg arg, uint64_t number)
{
	request->present |= UINT64_C(1) << arg;
	request->args[arg].number = number;
}

static void put_value(struct pack *out, enum ipc_kind kind, const struct ipc_value *value)
{
	switch (kind) {
	case IPC_TEXT:
		pack_put_str(out, value->text);
		break;
	case IPC_NUMBER:
		pack_put_uint(out, value->number);
		break;
	case IPC_FLAG:
		pack_put_bool(out, value->number);
		break;
	case IPC_LIST:
		pack_put_array(out, (uint32_t)value->count);
		for (size_t i = 0; i < value->count; i++)
			pack_put_str(out, value->texts[i]);
		break;
	case IPC_BYTES:
		pack_put_bin(out, value->bytes, value->count);
		break;
	}
}

void ipc_request_encode(const struct ipc_request *request, struct pack *out)
{
	size_t start = ipc_frame_begin(out);

	pack_put_map(out, 3);
	pack_put_str(out, "v");
	pack_put_uint(out, IPC_VERSION);
	pack_put_str(out, "verb");
	pack_put_str(out, ipc_verb_label(request->verb));
	pack_put_str(out, "args");
	pack_put_map(out, (uint32_t)__builtin_popcountll(request->present));
	for (unsigned arg = 0; arg < IPC_ARGS; arg++) {
		if (!ipc_request_has(request, arg))
			continue;
		pack_put_str(out, ipc_arg_label(arg));
		put_value(out, ipc_arg_kind(arg), &request->args[arg]);
	}
	ipc_frame_end(out, start);
}

/* Decoded texts are copied out with a NUL, bytes as they are. Each took a head of one byte at least
 * in the request, so they all fit a block of the request's size. */
static int get_text(struct pack_reader *r, const char *field, char **memory, const char **ret)
{
	const char *text;
	size_t size;

	if (pack_get_text(r, field, 0, IPC_TEXT_MAX, &text, &size) != 0)
		return ERR_MALFORMED;
	memcpy(*memory, text, size);
	(*memory)[size] = '\0';
	*ret = *memory;
	*memory += size + 1;
	return 0;
}

static int get_bytes(struct pack_reader *r, const char *field, char **memory, struct ipc_value *ret)
{
	const uint8_t *bytes;

	if (pack_get_bin(r, field, 0, IPC_BYTES_MAX, &bytes, &ret->count) != 0)
		return ERR_MALFORMED;
	memcpy(*memory, bytes, ret->count);
	ret->bytes = (const uint8_t *)*memory;
	*memory += ret->count;
	return 0;
}

static int get_value(struct pack_reader *r, enum ipc_arg arg, char **memory, struct ipc_value *ret)
{
	const char *field = ipc_arg_label(arg);
	uint32_t count;
	bool flag;

	switch (ipc_arg_kind(arg)) {
	case IPC_TEXT:
		return get_text(r, field, memory, &ret->text);
	case IPC_NUMBER:
		return pack_get_uint(r, field, UINT64_MAX, &ret->number);
	case IPC_FLAG:
		if (pack_get_bool(r, field, &flag) != 0)
			return ERR_MALFORMED;
		ret->number = flag;
		return 0;
	case IPC_LIST:
		if (pack_get_array(r, field, 0, IPC_LIST_MAX, &count) != 0)
			return ERR_MALFORMED;
		for (; ret->count < count; ret->count++) {
			if (get_text(r, field, memory, &ret->texts[ret->count]) != 0)
				return ERR_MALFORMED;
		}
		return 0;
	case IPC_BYTES:
		return get_bytes(r, field, memory, ret);
	}
	return ERR_MALFORMED;
}

static int get_verb(struct pack_reader *r, enum ipc_verb *ret)
{
	char label[IPC_LABEL_MAX + 1];

	if (ipc_get_key(r, "verb") != 0 || pack_get_str(r, "verb", 1, label, sizeof(label)) != 0)
		return ERR_MALFORMED;
	for (unsigned verb = 0; verb < IPC_VERBS; verb++) {
		if (strcmp(label, ipc_verb_label(verb)) == 0) {
			*ret = verb;
			return 0;
		}
	}
	r->where = "verb";
	return ERR_UNKNOWN;
}

static int get_arg(struct pack_reader *r, struct ipc_request *request, char **memory)
{
	char label[IPC_LABEL_MAX + 1];

	if (pack_get_str(r, "args", 1, label, sizeof(label)) != 0)
		return ERR_MALFORMED;
	for (unsigned arg = 0; arg < IPC_ARGS; arg++) {
		if (strcmp(label, ipc_arg_label(arg)) != 0)
			continue;
		if (!ipc_verb_takes(request->verb, arg) || ipc_request_has(request, arg))
			return pack_refuse(r, ipc_arg_label(arg));
		request->present |= UINT64_C(1) << arg;
		return get_value(r, arg, memory, &request->args[arg]);
	}
	r->where = "argument";
	return ERR_UNKNOWN;
}

static int get_request(struct pack_reader *r, struct ipc_request *request)
{
	char *memory = request->memory;
	uint64_t version;
	uint32_t count;
	int err;

	if (pack_get_map(r, "request", 3, &count) != 0 || count != 3)
		return pack_refuse(r, "request");
	if (ipc_get_key(r, "v") != 0 || pack_get_uint(r, "v", UINT64_MAX, &version) != 0)
		return ERR_MALFORMED;
	if (version != IPC_VERSION)
		return ERR_VERSION;
	err = get_verb(r, &request->verb);
	if (err != 0)
		return err;
	if (ipc_get_key(r, "args") != 0 || pack_get_map(r, "args", IPC_ARGS, &count) != 0)
		return ERR_MALFORMED;
	while (count--) {
		err = get_arg(r, request, &memory);
		if (err != 0)
			return err;
	}
	if (!ipc_verb_complete(request->verb, request->present))
		return pack_refuse(r, "args");
	return pack_get_end(r, "request");
}

int ipc_request_decode(
	const void *data, size_t size, struct ipc_request *ret, const char **ret_where)
{
	struct ipc_request request = {.memory = malloc(size + 1), .memory_size = size + 1};
	struct pack_reader reader = pack_reader(data, size);
	int err;

	if (!request.memory)
		return ERR_NOMEM;
	err = get_request(&reader, &request);
	if (err != 0) {
		if (err == ERR_MALFORMED || err == ERR_UNKNOWN)
			*ret_where = reader.where;
		ipc_request_done(&request);
		return err;
	}
	*ret = request;
	return 0;
}
