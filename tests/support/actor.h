/*
 * Somebody who speaks the protocol to one node of a cluster by hand: with real keys, and whatever
 * it likes to say. It acts at an address that no node has, and sees what the node sends it there
 * and on its streams.
 */
#ifndef MESHD_TESTS_SUPPORT_ACTOR_H
#define MESHD_TESTS_SUPPORT_ACTOR_H

#include "gossip/base/pack.h"
#include "gossip/crypto/channel.h"
#include "gossip/crypto/seal.h"
#include "gossip/replica/sync.h"
#include "gossip/wire/frame.h"
#include "tests/support/cluster.h"

#define ACTOR_STREAMS_MAX 128

struct actor {
	struct cluster *cluster;
	struct rng *rng;
	int node; /* to whom it speaks */
	struct id mesh;
	const struct keys *keys;
	struct endpoint at;
	/* datagrams */
	struct keys_pair pair;
	uint64_t session, counter;
	struct msg heard; /* the last that came to `at` */
	uint8_t plain[SEAL_PLAIN_MAX];
	size_t heard_count; /* how many */
	bool challenged;    /* the last nonce that came to be echoed */
	uint64_t challenge;
	struct endpoint watched;
	size_t watched_size; /* bytes of those that came to `watched` */
	/* the stream that is spoken on now, and what became of all */
	uint64_t stream;
	struct channel *channel;
	struct frame frame; /* the last that came */
	uint8_t *frame_bytes;
	size_t frame_count;
	struct sync *sync;  /* what SYNC frames are given to, where there is one; the test's */
	size_t stream_size; /* bytes that came */
	size_t closed_count, connect_count;
	bool closed;		   /* the stream that is spoken on now */
	struct endpoint connected; /* where the node last wanted to connect */
	uint64_t connect_stream;
};

/* Watches the cluster from here on; done before the cluster is. */
void actor_init(struct actor *actor, struct cluster *cluster, struct rng *rng, int node,
	const struct keys *keys, const struct endpoint *at);
void actor_done(struct actor *actor);

/* One datagram from any address; session and counter are filled in. Returns its size. */
size_t actor_send(struct actor *actor, const struct endpoint *from, struct msg *msg);
/* Proves its address: the node accepts its session. */
void actor_begin(struct actor *actor);

/* A connection from an address; the number of its stream at the node. */
uint64_t actor_connect(struct actor *actor, const struct endpoint *from);
/* Connects and proves keys; then frames can be said. */
void actor_prove(struct actor *actor, enum channel_kind kind, const struct keys *keys);
/* Takes a connection that the node opened to `at`, as a server. */
void actor_accept(struct actor *actor);
void actor_say(struct actor *actor, const struct frame *frame);
void actor_say_bytes(struct actor *actor, const void *bytes, size_t size);

#endif
