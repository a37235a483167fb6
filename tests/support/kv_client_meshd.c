#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/ipc/ipc.h"
#include "tests/support/kv_client.h"

static int connect_to(const char *address)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(address) >= sizeof(to.sun_path))
		return -1;
	strcpy(to.sun_path, address);
	return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? fd : -1;
}

static void greet(struct kv_client *client)
{
	(void)client;
}

static void ask(struct kv_client *client, const struct ipc_request *request)
{
	uint8_t bytes[4096];
	struct pack out;

	pack_init(&out, bytes, sizeof(bytes));
	ipc_request_encode(request, &out);
	if (pack_status(&out) != 0)
		kv_client_fail("the request is too big");
	kv_client_send(client, out.data, out.size);
}

static void put(struct kv_client *client, const char *key, const void *value, size_t size)
{
	struct ipc_request request;

	ipc_request_init(&request, IPC_VERB_KV_PUT);
	if (ipc_request_set_text(&request, IPC_ARG_KEY, key) != 0 ||
		ipc_request_set_bytes(&request, IPC_ARG_VALUE, value, size) != 0)
		kv_client_fail("the key or the value is too big");
	ask(client, &request);
}

static void watch(struct kv_client *client, const char *prefix)
{
	struct ipc_request request;

	ipc_request_init(&request, IPC_VERB_KV_WATCH);
	if (ipc_request_set_text(&request, IPC_ARG_PREFIX, prefix) != 0)
		kv_client_fail("the prefix is too big");
	ask(client, &request);
}

static size_t frame(const uint8_t *bytes, size_t size)
{
	size_t body;

	if (size < IPC_HEAD_SIZE)
		return 0;
	if (ipc_head(bytes, KV_CLIENT_BUFFER - IPC_HEAD_SIZE, &body) != 0)
		kv_client_fail("the answer is too big");
	return size < IPC_HEAD_SIZE + body ? 0 : IPC_HEAD_SIZE + body;
}

static bool take(struct kv_client *client, const uint8_t *bytes, size_t size)
{
	struct ipc_reply reply;

	(void)client;
	if (ipc_reply_decode(bytes + IPC_HEAD_SIZE, size - IPC_HEAD_SIZE, &reply) != 0)
		kv_client_fail("this is no meshd");
	if (reply.kind == IPC_REPLY_ERROR)
		kv_client_fail(reply.error);
	return reply.kind == IPC_REPLY_OK;
}

const struct kv_client_kind kv_client_meshd = {
	.connect = connect_to,
	.greet = greet,
	.put = put,
	.watch = watch,
	.frame = frame,
	.take = take,
};
