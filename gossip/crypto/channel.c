#include "gossip/crypto/channel.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "gossip/base/rng.h"

#define MAC_SIZE	 crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HELLO_PLAIN_SIZE (1 + sizeof(struct id) + sizeof(struct sig))
#define HELLO_SIZE	 (32 + HELLO_PLAIN_SIZE + MAC_SIZE)
#define REPLY_PLAIN_SIZE (sizeof(struct id) + sizeof(struct sig))
#define REPLY_SIZE	 (32 + REPLY_PLAIN_SIZE + MAC_SIZE)
#define LENGTH_SIZE	 4
#define FRAME_OVERHEAD	 crypto_secretstream_xchacha20poly1305_ABYTES
#define FRAME_MAX	 (LENGTH_SIZE + CHANNEL_MESSAGE_MAX + FRAME_OVERHEAD)
#define HEADER_SIZE	 crypto_secretstream_xchacha20poly1305_HEADERBYTES

_Static_assert(REPLY_SIZE <= HELLO_SIZE, "nobody gets more bytes than it sent");
_Static_assert(HEADER_SIZE <= 32, "a header is derived like a key");

enum channel_state {
	STATE_HELLO,  /* server: waits for the client's hello */
	STATE_DECIDE, /* server: the hello was good; waits for channel_allow */
	STATE_REPLY,  /* client: waits for the server's reply */
	STATE_UP,
	STATE_ENDED,  /* the other side closed cleanly; we may still send */
	STATE_FAILED, /* every error is final */
};

/* What keys are derived for from the DH of both ephemeral keys and the transcript. */
enum purpose {
	PURPOSE_REPLY,
	PURPOSE_CLIENT_KEY,
	PURPOSE_CLIENT_HEADER,
	PURPOSE_SERVER_KEY,
	PURPOSE_SERVER_HEADER,
};

/* All that has been said before the reply's box, and what both sign and derive from. */
struct transcript {
	struct id mesh;
	uint8_t hello[HELLO_SIZE];
	uint8_t server_ephemeral[32];
};

struct channel {
	enum channel_state state;
	bool end_sent;
	const struct keys *keys; /* server's, borrowed */
	bool has_expect;
	struct id expect; /* client: the server it wants */
	struct id peer;
	enum channel_kind kind;
	uint8_t ephemeral[32]; /* secret; wiped once the channel is up */
	struct transcript transcript;
	crypto_secretstream_xchacha20poly1305_state send, receive;
	uint8_t *buffer; /* received, not consumed: from start to end */
	size_t start, end, capacity;
};

/* The nonce of a box may be constant: its key is used once. */
static const uint8_t zero_nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];

static void box(const uint8_t key[32], const uint8_t *plain, size_t size, uint8_t *ret)
{
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		ret, NULL, plain, size, NULL, 0, NULL, zero_nonce, key);
}

static int unbox(const uint8_t key[32], const uint8_t *sealed, size_t size, uint8_t *ret_plain)
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt(
		       ret_plain, NULL, NULL, sealed, size, NULL, 0, zero_nonce, key) == 0
		       ? 0
		       : ERR_AUTH;
}

static void hello_key(const struct id *mesh, const uint8_t ephemeral[32], uint8_t ret[32])
{
	keys_derive(KEYS_CHANNEL_HELLO, mesh->b, ephemeral, 32, ret);
}

/* What a client signs: the mesh, its ephemeral key, and what it comes as. */
struct hello_statement {
	struct id mesh;
	uint8_t ephemeral[32];
	uint8_t kind;
};

static struct hello_statement hello_statement(
	const struct id *mesh, const uint8_t ephemeral[32], uint8_t kind)
{
	struct hello_statement statement = {.mesh = *mesh, .kind = kind};

	memcpy(statement.ephemeral, ephemeral, sizeof(statement.ephemeral));
	return statement;
}

static struct channel *channel_new(const struct id *mesh, struct rng *rng)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	channel->transcript.mesh = *mesh;
	rng_bytes(rng, channel->ephemeral, sizeof(channel->ephemeral));
	return channel;
}

void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	if (channel->buffer)
		sodium_memzero(channel->buffer, channel->capacity);
	free(channel->buffer);
	sodium_memzero(channel, sizeof(*channel));
	free(channel);
}

static void make_hello(struct channel *channel, const struct keys *keys)
{
	uint8_t *hello = channel->transcript.hello;
	uint8_t plain[HELLO_PLAIN_SIZE], key[32];
	struct hello_statement statement;
	struct sig sig;

	crypto_scalarmult_base(hello, channel->ephemeral);
	statement = hello_statement(&channel->transcript.mesh, hello, channel->kind);
	keys_sign(keys, KEYS_CHANNEL_HELLO, &statement, sizeof(statement), &sig);
	plain[0] = (uint8_t)channel->kind;
	memcpy(plain + 1, &keys->id, sizeof(keys->id));
	memcpy(plain + 1 + sizeof(keys->id), &sig, sizeof(sig));
	hello_key(&channel->transcript.mesh, hello, key);
	box(key, plain, sizeof(plain), hello + 32);
}

int channel_connect(const struct id *mesh, enum channel_kind kind, const struct keys *keys,
	const struct id *expect, struct rng *rng, struct pack *out, struct channel **ret)
{
	struct channel *channel = channel_new(mesh, rng);
	int err;

	if (!channel)
		return ERR_NOMEM;
	channel->state = STATE_REPLY;
	channel->kind = kind;
	if (expect) {
		channel->has_expect = true;
		channel->expect = *expect;
	}
	make_hello(channel, keys);
	pack_put_raw(out, channel->transcript.hello, HELLO_SIZE);
	err = pack_status(out);
	if (err) {
		channel_free(channel);
		return err;
	}
	*ret = channel;
	return 0;
}

int channel_accept(
	const struct id *mesh, const struct keys *keys, struct rng *rng, struct channel **ret)
{
	struct channel *channel = channel_new(mesh, rng);

	if (!channel)
		return ERR_NOMEM;
	channel->state = STATE_HELLO;
	channel->keys = keys;
	*ret = channel;
	return 0;
}

static size_t pending(const struct channel *channel)
{
	return channel->end - channel->start;
}

/* What may be pending before new bytes are taken in, and with them. */
static size_t pending_max(const struct channel *channel)
{
	switch (channel->state) {
	case STATE_HELLO:
		return HELLO_SIZE;
	case STATE_REPLY: /* frames may follow the reply at once */
	case STATE_UP:
		return FRAME_MAX + CHANNEL_RECEIVE_MAX;
	case STATE_DECIDE: /* the client has nothing to say before it has our reply */
	case STATE_ENDED:
	case STATE_FAILED:
		return 0;
	}
	return 0;
}

static int make_room(struct channel *channel, size_t size)
{
	size_t left = pending(channel), capacity = channel->capacity ? channel->capacity : 512;
	uint8_t *larger;

	if (channel->start) {
		memmove(channel->buffer, channel->buffer + channel->start, left);
		channel->start = 0;
		channel->end = left;
	}
	if (left + size <= channel->capacity)
		return 0;
	while (capacity < left + size)
		capacity *= 2;
	larger = malloc(capacity);
	if (!larger)
		return ERR_NOMEM;
	if (channel->buffer) {
		memcpy(larger, channel->buffer, left);
		sodium_memzero(channel->buffer, channel->capacity);
		free(channel->buffer);
	}
	channel->buffer = larger;
	channel->capacity = capacity;
	return 0;
}

static int fail(struct channel *channel, int err)
{
	channel->state = STATE_FAILED;
	return err;
}

int channel_receive(struct channel *channel, const void *data, size_t size)
{
	int err;

	if (channel->state == STATE_FAILED)
		return ERR_STATE;
	if (size > CHANNEL_RECEIVE_MAX || pending(channel) + size > pending_max(channel))
		return fail(channel, ERR_TOO_BIG);
	err = make_room(channel, size);
	if (err)
		return fail(channel, err);
	if (size)
		memcpy(channel->buffer + channel->end, data, size);
	channel->end += size;
	return 0;
}

static void derive(const struct channel *channel, const uint8_t shared[32], enum purpose purpose,
	uint8_t ret[32])
{
	struct {
		struct transcript transcript;
		uint8_t purpose;
	} input = {channel->transcript, (uint8_t)purpose};

	keys_derive(KEYS_CHANNEL_REPLY, shared, &input, sizeof(input), ret);
}

/* A stream's header is derived on both sides, so both may start it as its reader does: the writer's
 * start would draw the header from the library's own randomness. */
static void start_stream(const struct channel *channel, const uint8_t shared[32],
	enum purpose key_purpose, enum purpose header_purpose,
	crypto_secretstream_xchacha20poly1305_state *ret)
{
	uint8_t key[32], header[32];
	int err;

	derive(channel, shared, key_purpose, key);
	derive(channel, shared, header_purpose, header);
	err = crypto_secretstream_xchacha20poly1305_init_pull(ret, header, key);
	assert(!err);
	(void)err;
	sodium_memzero(key, sizeof(key));
}

static void start_streams(struct channel *channel, const uint8_t shared[32], bool client)
{
	crypto_secretstream_xchacha20poly1305_state *from_client, *from_server;

	from_client = client ? &channel->send : &channel->receive;
	from_server = client ? &channel->receive : &channel->send;
	start_stream(channel, shared, PURPOSE_CLIENT_KEY, PURPOSE_CLIENT_HEADER, from_client);
	start_stream(channel, shared, PURPOSE_SERVER_KEY, PURPOSE_SERVER_HEADER, from_server);
	sodium_memzero(channel->ephemeral, sizeof(channel->ephemeral));
	channel->state = STATE_UP;
}

/* Server: opens and checks the client's hello. */
static int take_hello(struct channel *channel)
{
	const struct id *mesh = &channel->transcript.mesh;
	uint8_t *hello = channel->transcript.hello;
	uint8_t key[32], plain[HELLO_PLAIN_SIZE];
	struct hello_statement statement;
	struct id client;
	struct sig sig;
	int err;

	memcpy(hello, channel->buffer + channel->start, HELLO_SIZE);
	hello_key(mesh, hello, key);
	err = unbox(key, hello + 32, HELLO_SIZE - 32, plain);
	if (err)
		return err;
	if (plain[0] != CHANNEL_MEMBER && plain[0] != CHANNEL_JOIN)
		return ERR_MALFORMED;
	memcpy(&client, plain + 1, sizeof(client));
	memcpy(&sig, plain + 1 + sizeof(client), sizeof(sig));
	statement = hello_statement(mesh, hello, plain[0]);
	err = keys_verify(&client, KEYS_CHANNEL_HELLO, &statement, sizeof(statement), &sig);
	if (err)
		return err;
	channel->peer = client;
	channel->kind = plain[0];
	channel->start += HELLO_SIZE;
	channel->state = STATE_DECIDE;
	return 0;
}

int channel_allow(struct channel *channel, struct pack *out)
{
	uint8_t *ephemeral = channel->transcript.server_ephemeral;
	uint8_t shared[32], key[32], plain[REPLY_PLAIN_SIZE], sealed[REPLY_PLAIN_SIZE + MAC_SIZE];
	struct sig sig;
	int err = ERR_BAD_KEY;

	if (channel->state != STATE_DECIDE)
		return ERR_STATE;
	crypto_scalarmult_base(ephemeral, channel->ephemeral);
	if (crypto_scalarmult(shared, channel->ephemeral, channel->transcript.hello) != 0)
		goto out;
	keys_sign(channel->keys, KEYS_CHANNEL_REPLY, &channel->transcript,
		sizeof(channel->transcript), &sig);
	memcpy(plain, &channel->keys->id, sizeof(channel->keys->id));
	memcpy(plain + sizeof(channel->keys->id), &sig, sizeof(sig));
	derive(channel, shared, PURPOSE_REPLY, key);
	box(key, plain, sizeof(plain), sealed);
	pack_put_raw(out, ephemeral, 32);
	pack_put_raw(out, sealed, sizeof(sealed));
	err = pack_status(out);
	if (!err)
		start_streams(channel, shared, false);
out:
	sodium_memzero(shared, sizeof(shared));
	sodium_memzero(key, sizeof(key));
	return err ? fail(channel, err) : 0;
}

/* Client: opens and checks the server's reply. */
static int take_reply(struct channel *channel)
{
	const uint8_t *reply = channel->buffer + channel->start;
	uint8_t shared[32], key[32], plain[REPLY_PLAIN_SIZE];
	struct id server;
	struct sig sig;
	int err = ERR_BAD_KEY;

	memcpy(channel->transcript.server_ephemeral, reply, 32);
	if (crypto_scalarmult(shared, channel->ephemeral, reply) != 0)
		goto out;
	derive(channel, shared, PURPOSE_REPLY, key);
	err = unbox(key, reply + 32, REPLY_SIZE - 32, plain);
	if (err)
		goto out;
	memcpy(&server, plain, sizeof(server));
	memcpy(&sig, plain + sizeof(server), sizeof(sig));
	err = ERR_AUTH;
	if (channel->has_expect && !id_equal(&channel->expect, &server))
		goto out;
	err = keys_verify(&server, KEYS_CHANNEL_REPLY, &channel->transcript,
		sizeof(channel->transcript), &sig);
	if (err)
		goto out;
	channel->peer = server;
	channel->start += REPLY_SIZE;
	start_streams(channel, shared, true);
out:
	sodium_memzero(shared, sizeof(shared));
	sodium_memzero(key, sizeof(key));
	return err;
}

/* Opens the next frame where it lies. */
static int take_frame(struct channel *channel, enum channel_event *ret_event,
	const uint8_t **ret_message, size_t *ret_size)
{
	uint8_t *frame = channel->buffer + channel->start;
	unsigned long long plain_size;
	uint8_t tag;
	size_t size;

	if (pending(channel) < LENGTH_SIZE)
		return 0;
	size = (size_t)frame[0] << 24 | (size_t)frame[1] << 16 | (size_t)frame[2] << 8 | frame[3];
	if (size < FRAME_OVERHEAD)
		return ERR_MALFORMED;
	if (size > FRAME_OVERHEAD + CHANNEL_MESSAGE_MAX)
		return ERR_TOO_BIG;
	if (pending(channel) < LENGTH_SIZE + size)
		return 0;
	frame += LENGTH_SIZE;
	/* The library's frame is its tag's byte, then the message: opened in place, it stays put.
	 */
	if (crypto_secretstream_xchacha20poly1305_pull(
		    &channel->receive, frame + 1, &plain_size, &tag, frame, size, NULL, 0) != 0)
		return ERR_AUTH;
	channel->start += LENGTH_SIZE + size;
	if (tag == crypto_secretstream_xchacha20poly1305_TAG_MESSAGE) {
		*ret_event = CHANNEL_MESSAGE;
		*ret_message = frame + 1;
		*ret_size = plain_size;
		return 0;
	}
	if (tag != crypto_secretstream_xchacha20poly1305_TAG_FINAL || plain_size != 0 ||
		pending(channel) != 0)
		return ERR_MALFORMED;
	channel->state = STATE_ENDED;
	*ret_event = CHANNEL_END;
	return 0;
}

int channel_next(struct channel *channel, enum channel_event *ret_event,
	const uint8_t **ret_message, size_t *ret_size)
{
	enum channel_event event = CHANNEL_NONE;
	int err = 0;

	switch (channel->state) {
	case STATE_HELLO:
		if (pending(channel) == HELLO_SIZE) {
			err = take_hello(channel);
			event = CHANNEL_PEER;
		}
		break;
	case STATE_REPLY:
		if (pending(channel) >= REPLY_SIZE) {
			err = take_reply(channel);
			event = CHANNEL_PEER;
		}
		break;
	case STATE_UP:
		err = take_frame(channel, &event, ret_message, ret_size);
		break;
	case STATE_DECIDE:
	case STATE_ENDED:
		break;
	case STATE_FAILED:
		return ERR_STATE;
	}
	if (err)
		return fail(channel, err);
	*ret_event = event;
	return 0;
}

const struct id *channel_peer(const struct channel *channel)
{
	return &channel->peer;
}

enum channel_kind channel_peer_kind(const struct channel *channel)
{
	return channel->kind;
}

static int send_frame(
	struct channel *channel, const void *message, size_t size, uint8_t tag, struct pack *out)
{
	size_t frame_size = size + FRAME_OVERHEAD;
	uint8_t *frame;
	int err;

	if ((channel->state != STATE_UP && channel->state != STATE_ENDED) || channel->end_sent)
		return ERR_STATE;
	if (size > CHANNEL_MESSAGE_MAX)
		return ERR_TOO_BIG;
	frame = malloc(LENGTH_SIZE + frame_size);
	if (!frame)
		return ERR_NOMEM;
	for (int i = 0; i < LENGTH_SIZE; i++)
		frame[i] = (uint8_t)(frame_size >> (24 - 8 * i));
	crypto_secretstream_xchacha20poly1305_push(
		&channel->send, frame + LENGTH_SIZE, NULL, message, size, NULL, 0, tag);
	pack_put_raw(out, frame, LENGTH_SIZE + frame_size);
	free(frame);
	err = pack_status(out);
	return err ? fail(channel, err) : 0;
}

int channel_send(struct channel *channel, const void *message, size_t size, struct pack *out)
{
	return send_frame(
		channel, message, size, crypto_secretstream_xchacha20poly1305_TAG_MESSAGE, out);
}

int channel_end(struct channel *channel, struct pack *out)
{
	int err =
		send_frame(channel, NULL, 0, crypto_secretstream_xchacha20poly1305_TAG_FINAL, out);

	if (!err)
		channel->end_sent = true;
	return err;
}
