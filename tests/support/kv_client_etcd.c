/* gRPC over HTTP/2 (RFC 9113, RFC 7541) as far as two calls of etcd's API need
 * it: request headers go out as literals, those of answers are not read at all,
 * and the windows are opened so wide at the start that they are never looked at
 * again. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gossip/base/types.h"
#include "tests/support/kv_client.h"

#define HEAD_SIZE  9
#define GRPC_SIZE  5
#define FRAMES_MAX 4096

enum frame_type { DATA, HEADERS, RST_STREAM = 3, SETTINGS, PING = 6, GOAWAY, WINDOW_UPDATE };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

#define WINDOW_MAX     0x7fffffff
#define WINDOW_FIRST   0xffff
#define SETTING_WINDOW 4
#define SETTING_SIZE   6

struct out {
	size_t size;
	uint8_t bytes[FRAMES_MAX];
};

static void add(struct out *out, const void *bytes, size_t size)
{
	if (size > sizeof(out->bytes) - out->size)
		kv_client_fail("the request is too big");
	if (size)
		memcpy(out->bytes + out->size, bytes, size);
	out->size += size;
}

static void add_number(struct out *out, uint32_t number, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
		add(out, (uint8_t[]){(uint8_t)(number >> (8 * i))}, 1);
}

static void add_head(struct out *out, size_t size, enum frame_type type, int flags, uint32_t stream)
{
	add_number(out, (uint32_t)size, 3);
	add_number(out, type, 1);
	add_number(out, (uint32_t)flags, 1);
	add_number(out, stream, 4);
}

/* A protobuf field of bytes; its number and lengths are below 16 and 16384. */
static void add_field(struct out *out, int number, const void *bytes, size_t size)
{
	add_number(out, (uint32_t)(number << 3 | 2), 1);
	if (size >= 128) {
		add_number(out, (uint32_t)(size & 127) | 128, 1);
		add_number(out, (uint32_t)size >> 7, 1);
	} else {
		add_number(out, (uint32_t)size, 1);
	}
	add(out, bytes, size);
}

static void send_call(
	struct kv_client *client, const char *path, const struct out *message, int flags)
{
	static const char common[] = "\x83\x86" /* POST, http */
				     "\x01\x04"
				     "etcd" /* :authority */
				     "\x0f\x10\x10"
				     "application/grpc" /* content-type */
				     "\x00\x02"
				     "te"
				     "\x08"
				     "trailers";
	struct out out = {0};
	size_t path_size = strlen(path);

	client->stream += 2;
	client->answered = false;
	add_head(&out, sizeof(common) - 1 + 2 + path_size, HEADERS, END_HEADERS, client->stream);
	add(&out, common, 2);
	add(&out, (uint8_t[]){4, (uint8_t)path_size}, 2); /* :path */
	add(&out, path, path_size);
	add(&out, common + 2, sizeof(common) - 1 - 2);
	add_head(&out, GRPC_SIZE + message->size, DATA, flags, client->stream);
	add_number(&out, 0, 1); /* not compressed */
	add_number(&out, (uint32_t)message->size, 4);
	add(&out, message->bytes, message->size);
	kv_client_send(client, out.bytes, out.size);
}

static int connect_to(const char *address)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	const char *colon = strchr(address, ':');
	char host[INET_ADDRSTRLEN];
	int fd, on = 1;

	if (!colon || (size_t)(colon - address) >= sizeof(host))
		return -1;
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = '\0';
	to.sin_port = htons((uint16_t)atoi(colon + 1));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
		connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return -1;
	return fd;
}

static void greet(struct kv_client *client)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	struct out out = {0};

	client->stream = (uint32_t)-1; /* the first is 1 */
	add(&out, preface, sizeof(preface) - 1);
	add_head(&out, SETTING_SIZE, SETTINGS, 0, 0);
	add_number(&out, SETTING_WINDOW, 2);
	add_number(&out, WINDOW_MAX, 4);
	add_head(&out, 4, WINDOW_UPDATE, 0, 0);
	add_number(&out, WINDOW_MAX - WINDOW_FIRST, 4);
	kv_client_send(client, out.bytes, out.size);
}

static void put(struct kv_client *client, const char *key, const void *value, size_t size)
{
	struct out message = {0};

	add_field(&message, 1, key, strlen(key));
	add_field(&message, 2, value, size);
	send_call(client, "/etcdserverpb.KV/Put", &message, END_STREAM);
}

static void watch(struct kv_client *client, const char *prefix)
{
	struct out create = {0}, message = {0};
	size_t size = strlen(prefix);
	char end[256];

	if (size == 0 || size >= sizeof(end))
		kv_client_fail("the prefix is empty or too big");
	memcpy(end, prefix, size);
	end[size - 1]++; /* the first key behind those with the prefix */
	add_field(&create, 1, prefix, size);
	add_field(&create, 2, end, size);
	add_field(&message, 1, create.bytes, create.size);
	send_call(client, "/etcdserverpb.Watch/Watch", &message, 0);
}

static size_t frame(const uint8_t *bytes, size_t size)
{
	size_t body;

	if (size < HEAD_SIZE)
		return 0;
	body = (size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2];
	if (body > KV_CLIENT_BUFFER - HEAD_SIZE)
		kv_client_fail("the answer is too big");
	return size < HEAD_SIZE + body ? 0 : HEAD_SIZE + body;
}

static void acknowledge(
	struct kv_client *client, enum frame_type type, const uint8_t *body, size_t size)
{
	struct out out = {0};

	add_head(&out, size, type, ACK, 0);
	add(&out, body, size);
	kv_client_send(client, out.bytes, out.size);
}

static bool take(struct kv_client *client, const uint8_t *bytes, size_t size)
{
	int flags = bytes[4];

	switch (bytes[3]) {
	case DATA:
		client->answered = true;
		break;
	case SETTINGS:
		if (!(flags & ACK))
			acknowledge(client, SETTINGS, NULL, 0);
		return false;
	case PING:
		if (!(flags & ACK))
			acknowledge(client, PING, bytes + HEAD_SIZE, size - HEAD_SIZE);
		return false;
	case RST_STREAM:
	case GOAWAY:
		kv_client_fail("etcd broke off");
	case HEADERS:
		break;
	default:
		return false;
	}
	if (!(flags & END_STREAM))
		return false;
	/* A call that failed has trailers, and no message. */
	if (!client->answered)
		kv_client_fail("etcd refused");
	return true;
}

const struct kv_client_kind kv_client_etcd = {
	.connect = connect_to,
	.greet = greet,
	.put = put,
	.watch = watch,
	.frame = frame,
	.take = take,
};
