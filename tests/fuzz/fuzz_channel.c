/*
 * A stream's two ends fed with arbitrary bytes. The first byte says where: the lowest bit whose
 * end, the next whether after a handshake, the rest how the bytes are cut.
 */
#include "gossip/crypto/channel.h"

#include <assert.h>

#include "gossip/base/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain(struct channel *channel)
{
	enum channel_event event = CHANNEL_NONE;
	const uint8_t *message;
	size_t size;

	do {
		if (channel_next(channel, &event, &message, &size) != 0)
			return;
		assert(event != CHANNEL_MESSAGE || size <= CHANNEL_MESSAGE_MAX);
	} while (event != CHANNEL_NONE);
}

static void pass(struct channel *to, struct pack *bytes)
{
	int err = channel_receive(to, bytes->data, bytes->size);

	assert(err == 0);
	drain(to);
}

static void feed(struct channel *channel, const uint8_t *data, size_t size, size_t piece)
{
	for (size_t at = 0; at < size; at += piece) {
		size_t left = size - at;

		if (channel_receive(channel, data + at, left < piece ? left : piece) != 0)
			return;
		drain(channel);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct channel *client = NULL, *server = NULL;
	struct keys mesh, client_keys, server_keys;
	uint8_t seed[32], hello_memory[256], reply_memory[256];
	struct pack hello, reply;
	struct rng rng;
	int err;

	if (!size)
		return 0;
	keys_from_seed(memset(seed, 9, sizeof(seed)), &mesh);
	keys_from_seed(memset(seed, 1, sizeof(seed)), &client_keys);
	keys_from_seed(memset(seed, 2, sizeof(seed)), &server_keys);
	rng_init(&rng, seed);
	pack_init(&hello, hello_memory, sizeof(hello_memory));
	pack_init(&reply, reply_memory, sizeof(reply_memory));
	err = channel_connect(&mesh.id, CHANNEL_MEMBER, &client_keys, NULL, &rng, &hello, &client);
	assert(!err);
	err = channel_accept(&mesh.id, &server_keys, &rng, &server);
	assert(!err);
	if (data[0] & 2) {
		pass(server, &hello);
		err = channel_allow(server, &reply);
		assert(!err);
		pass(client, &reply);
	}
	feed(data[0] & 1 ? client : server, data + 1, size - 1, (data[0] >> 2) + 1);
	channel_free(client);
	channel_free(server);
	return 0;
}
