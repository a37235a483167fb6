#include "tests/support/actor.h"

#include <assert.h>
#include <stdlib.h>

#include "gossip/base/rng.h"

static uint64_t next_stream = UINT64_C(1) << 40; /* none that the cluster gives */

static void take_datagram(struct actor *actor, const struct gossip_effect *effect)
{
	const char *where;
	size_t size;
	int err = seal_open(&actor->pair, effect->bytes, effect->size, actor->plain, &size);

	if (err == 0)
		err = msg_decode(actor->plain, size, &actor->heard, &where);
	assert(err == 0);
	actor->heard_count++;
	if (msg_has(&actor->heard, MSG_CHALLENGE)) {
		actor->challenged = true;
		actor->challenge = actor->heard.challenge;
	}
	if (endpoint_equal(&effect->endpoint, &actor->watched))
		actor->watched_size += effect->size;
}

static void take_frame(struct actor *actor, const uint8_t *bytes, size_t size)
{
	const char *where;
	int err;

	actor->frame_bytes = realloc(actor->frame_bytes, size);
	assert(actor->frame_bytes);
	memcpy(actor->frame_bytes, bytes, size);
	err = frame_decode(actor->frame_bytes, size, &actor->frame, &where);
	assert(err == 0);
	actor->frame_count++;
	if (actor->frame.type == FRAME_SYNC && actor->sync) {
		err = sync_receive(actor->sync, actor->frame.sync.bytes, actor->frame.sync.size);
		assert(err == 0);
	}
}

static void take_bytes(struct actor *actor, const struct gossip_effect *effect)
{
	enum channel_event event = CHANNEL_NONE;
	const uint8_t *bytes;
	size_t size;

	actor->stream_size += effect->size;
	for (size_t at = 0; at < effect->size;) {
		size_t part = effect->size - at < 4096 ? effect->size - at : 4096;

		if (channel_receive(actor->channel, effect->bytes + at, part) != 0)
			return;
		at += part;
		while (channel_next(actor->channel, &event, &bytes, &size) == 0 &&
			event != CHANNEL_NONE) {
			if (event == CHANNEL_MESSAGE)
				take_frame(actor, bytes, size);
		}
	}
}

static bool watch(void *arg, int node, const struct gossip_effect *effect)
{
	struct actor *actor = arg;

	if (effect->kind == EFFECT_SEND && node == actor->node &&
		ip_equal(&effect->endpoint.ip, &actor->at.ip)) {
		take_datagram(actor, effect);
		return true;
	}
	if (effect->kind == EFFECT_CONNECT && ip_equal(&effect->endpoint.ip, &actor->at.ip)) {
		actor->connect_count++;
		actor->connected = effect->endpoint;
		actor->connect_stream = effect->stream;
		return true;
	}
	if (effect->kind == EFFECT_CLOSE && node == actor->node) {
		actor->closed_count += effect->stream >= UINT64_C(1) << 40;
		actor->closed |= effect->stream == actor->stream;
	}
	if (effect->kind != EFFECT_STREAM_SEND || node != actor->node || !actor->channel ||
		effect->stream != actor->stream)
		return false;
	take_bytes(actor, effect);
	return true;
}

void actor_init(struct actor *actor, struct cluster *cluster, struct rng *rng, int node,
	const struct keys *keys, const struct endpoint *at)
{
	struct gossip_status status;
	uint8_t shared[32];
	struct id id = cluster_id(cluster, node);
	int err = keys_agree(keys, &id, shared);

	assert(err == 0);
	(void)err;
	gossip_status(cluster_core(cluster, 0), &status);
	*actor = (struct actor){.cluster = cluster,
		.rng = rng,
		.node = node,
		.mesh = status.mesh,
		.keys = keys,
		.at = *at,
		.session = rng_u64(rng)};
	keys_pair(shared, &actor->mesh, &keys->id, &id, &actor->pair);
	cluster_watch(cluster, watch, actor);
}

void actor_done(struct actor *actor)
{
	cluster_watch(actor->cluster, NULL, NULL);
	channel_free(actor->channel);
	free(actor->frame_bytes);
}

size_t actor_send(struct actor *actor, const struct endpoint *from, struct msg *msg)
{
	uint8_t plain[SEAL_PLAIN_MAX], packet[SEAL_PACKET_MAX], nonce[SEAL_NONCE_SIZE];
	size_t size;

	msg->session = actor->session;
	msg->counter = actor->counter++;
	int err = msg_encode(msg, plain, sizeof(plain), &size);
	assert(err == 0);
	(void)err;
	rng_bytes(actor->rng, nonce, sizeof(nonce));
	size = seal_packet(&actor->pair, nonce, plain, size, packet);
	gossip_receive(cluster_core(actor->cluster, actor->node), cluster_time(actor->cluster),
		from, packet, size);
	cluster_drain(actor->cluster, actor->node);
	return size;
}

void actor_begin(struct actor *actor)
{
	struct msg hello = {.challenge = 7, .pad_size = 64};

	msg_add(&hello, MSG_CHALLENGE);
	msg_add(&hello, MSG_PAD);
	cluster_run(
		actor->cluster, 50); /* such answers are rare: whatever came before it is over */
	actor->challenged = false;
	actor_send(actor, &actor->at, &hello);
	assert(actor->challenged);

	struct msg proof = {.echo = actor->challenge};

	msg_add(&proof, MSG_ECHO);
	actor_send(actor, &actor->at, &proof);
}

uint64_t actor_connect(struct actor *actor, const struct endpoint *from)
{
	uint64_t stream = GOSSIP_STREAM_ACCEPTED | ++next_stream;

	gossip_stream_accepted(cluster_core(actor->cluster, actor->node),
		cluster_time(actor->cluster), stream, from);
	cluster_drain(actor->cluster, actor->node);
	return stream;
}

void actor_say_bytes(struct actor *actor, const void *bytes, size_t size)
{
	gossip_stream_received(cluster_core(actor->cluster, actor->node),
		cluster_time(actor->cluster), actor->stream, bytes, size);
	cluster_drain(actor->cluster, actor->node);
}

static void say_pack(struct actor *actor, struct pack *out)
{
	for (size_t at = 0; at < out->size; at += 4096)
		actor_say_bytes(
			actor, out->data + at, out->size - at < 4096 ? out->size - at : 4096);
	pack_done(out);
}

void actor_prove(struct actor *actor, enum channel_kind kind, const struct keys *keys)
{
	struct pack hello;
	struct id server = cluster_id(actor->cluster, actor->node);
	int err;

	channel_free(actor->channel);
	actor->closed = false;
	actor->stream = actor_connect(actor, &actor->at);
	pack_init_growing(&hello, 4096);
	err = channel_connect(
		&actor->mesh, kind, keys, &server, actor->rng, &hello, &actor->channel);
	assert(err == 0);
	(void)err;
	say_pack(actor, &hello);
}

/* The node's hello is waited for, and answered. */
void actor_accept(struct actor *actor)
{
	struct gossip *core = cluster_core(actor->cluster, actor->node);
	uint8_t hello[SEAL_PACKET_MAX];
	enum channel_event event = CHANNEL_NONE;
	struct gossip_effect effect;
	const uint8_t *message;
	struct channel *channel;
	struct pack reply;
	size_t size = 0;
	int err = channel_accept(&actor->mesh, actor->keys, actor->rng, &channel);

	assert(err == 0);
	channel_free(actor->channel);
	actor->channel = NULL;
	actor->closed = false;
	actor->stream = actor->connect_stream;
	gossip_stream_connected(core, cluster_time(actor->cluster), actor->stream);
	while (gossip_next_effect(core, &effect)) {
		if (effect.kind == EFFECT_STREAM_SEND && effect.stream == actor->stream) {
			memcpy(hello, effect.bytes, effect.size);
			size = effect.size;
		}
	}
	err = channel_receive(channel, hello, size);
	assert(err == 0);
	err = channel_next(channel, &event, &message, &size);
	assert(err == 0 && event == CHANNEL_PEER);
	(void)err;
	pack_init_growing(&reply, 4096);
	err = channel_allow(channel, &reply);
	assert(err == 0);
	actor->channel = channel;
	say_pack(actor, &reply);
}

void actor_say(struct actor *actor, const struct frame *frame)
{
	struct pack plain, out;
	int err;

	pack_init_growing(&plain, CHANNEL_MESSAGE_MAX);
	pack_init_growing(&out, 2 * CHANNEL_MESSAGE_MAX);
	frame_encode(frame, &plain);
	err = channel_send(actor->channel, plain.data, plain.size, &out);
	assert(err == 0);
	(void)err;
	pack_done(&plain);
	say_pack(actor, &out);
}
