/* A frame of the control protocol, taken as a request by the daemon, and as a reply by meshctl,
 * which makes it a tree. A request that decodes encodes to something that decodes to the same. */
#include "cli/model.h"
#include "daemon/ipc/ipc.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const uint8_t *data, size_t size)
{
	struct ipc_request first, second;
	const char *where = NULL;
	struct pack out;
	int err = ipc_request_decode(data, size, &first, &where);

	assert((err == ERR_MALFORMED || err == ERR_UNKNOWN) == (where != NULL));
	if (err != 0)
		return;
	pack_init_growing(&out, IPC_REQUEST_MAX);
	ipc_request_encode(&first, &out);
	assert(pack_status(&out) == 0);
	assert(ipc_request_decode(
		       out.data + IPC_HEAD_SIZE, out.size - IPC_HEAD_SIZE, &second, &where) == 0);
	assert(second.verb == first.verb && second.present == first.present);
	for (unsigned arg = 0; arg < IPC_ARGS; arg++) {
		const struct ipc_value *a = &first.args[arg], *b = &second.args[arg];

		assert(a->number == b->number && a->count == b->count && !a->text == !b->text);
		assert(!a->text || strcmp(a->text, b->text) == 0);
		if (ipc_arg_kind(arg) == IPC_BYTES)
			assert(a->count == 0 || memcmp(a->bytes, b->bytes, a->count) == 0);
		for (size_t i = 0; ipc_arg_kind(arg) == IPC_LIST && i < a->count; i++)
			assert(strcmp(a->texts[i], b->texts[i]) == 0);
	}
	ipc_request_done(&first);
	ipc_request_done(&second);
	pack_done(&out);
}

static void check_model(const struct ipc_reply *reply)
{
	json_t *value;

	if (model_decode(reply->value, reply->value_size, &value) != 0)
		return;
	model_clean(value);
	json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipc_reply reply;

	if (size > IPC_REQUEST_MAX)
		return 0;
	check_request(data, size);
	if (ipc_reply_decode(data, size, &reply) != 0)
		return 0;
	if (reply.kind == IPC_REPLY_ERROR) {
		assert(strlen(reply.error) < sizeof(reply.error) && reply.exit_status > 0);
	} else {
		assert(reply.value >= data && reply.value + reply.value_size == data + size);
		check_model(&reply);
	}
	return 0;
}
