#include "tests/support/kv_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void kv_client_fail(const char *what)
{
	fprintf(stderr, "kv client: %s%s%s\n", what, errno ? ": " : "",
		errno ? strerror(errno) : "");
	exit(1);
}

void kv_client_open(
	struct kv_client *client, const struct kv_client_kind *kind, const char *address)
{
	*client = (struct kv_client){.kind = kind, .in = malloc(KV_CLIENT_BUFFER)};
	if (!client->in)
		kv_client_fail("memory");
	client->fd = kind->connect(address);
	if (client->fd < 0)
		kv_client_fail(address);
	kind->greet(client);
}

void kv_client_close(struct kv_client *client)
{
	close(client->fd);
	free(client->in);
}

void kv_client_send(struct kv_client *client, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	while (size > 0) {
		ssize_t sent = send(client->fd, at, size, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			kv_client_fail("send");
		at += sent;
		size -= (size_t)sent;
	}
}

bool kv_client_read(struct kv_client *client, const char *marker, bool *ret_seen)
{
	ssize_t got =
		recv(client->fd, client->in + client->have, KV_CLIENT_BUFFER - client->have, 0);
	size_t used = 0, size;
	bool answered = false;

	if (got <= 0)
		kv_client_fail("the server closed the connection");
	client->have += (size_t)got;
	while ((size = client->kind->frame(client->in + used, client->have - used)) > 0) {
		const uint8_t *frame = client->in + used;

		answered |= client->kind->take(client, frame, size);
		if (marker && memmem(frame, size, marker, strlen(marker)))
			*ret_seen = true;
		used += size;
	}
	client->have -= used;
	memmove(client->in, client->in + used, client->have);
	return answered;
}
