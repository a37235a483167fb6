/*
 * A connection to a key-value store that puts and watches, for benchmarks:
 * meshd's control socket, or etcd's gRPC over HTTP/2 as its own clients speak
 * it. Both are written by hand and by the same hand, send one request in one
 * write, look only at what they must of an answer, and allocate nothing while
 * they are measured, so that what is compared is the servers.
 *
 * What goes wrong ends the program.
 */
#ifndef MESHD_TESTS_SUPPORT_KV_CLIENT_H
#define MESHD_TESTS_SUPPORT_KV_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KV_CLIENT_BUFFER (256 * 1024) /* bytes of answers that were not looked at yet */

struct kv_client;

struct kv_client_kind {
	int (*connect)(const char *address); /* the descriptor */
	void (*greet)(struct kv_client *client);
	void (*put)(struct kv_client *client, const char *key, const void *value, size_t size);
	void (*watch)(struct kv_client *client, const char *prefix);
	/* The bytes of the first whole frame, 0: it is not there yet. */
	size_t (*frame)(const uint8_t *bytes, size_t size);
	/* Takes one frame: whether it ends the answer to a put. */
	bool (*take)(struct kv_client *client, const uint8_t *bytes, size_t size);
};

extern const struct kv_client_kind kv_client_meshd; /* address: the socket's path */
extern const struct kv_client_kind kv_client_etcd;  /* an IPv4 address and a port */

struct kv_client {
	const struct kv_client_kind *kind;
	int fd;
	uint8_t *in; /* KV_CLIENT_BUFFER */
	size_t have;
	uint32_t stream; /* etcd: of the last request */
	bool answered;	 /* etcd: it had a message */
};

void kv_client_open(
	struct kv_client *client, const struct kv_client_kind *kind, const char *address);
void kv_client_close(struct kv_client *client);

/* Reads what is there (waits where there is nothing): whether a put was
 * answered. `marker` may be NULL; *ret_seen is set when it stands in what was
 * read, and untouched otherwise. */
bool kv_client_read(struct kv_client *client, const char *marker, bool *ret_seen);

/* For the kinds. */
void kv_client_send(struct kv_client *client, const void *bytes, size_t size);
_Noreturn void kv_client_fail(const char *what);

#endif
