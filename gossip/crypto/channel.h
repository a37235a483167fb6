/*
 * A stream between two nodes: joins, big values, the far end of a sync. Pure: bytes in, bytes out.
 *
 *   client                                                server
 *   E_c | box(K1, kind | id | sig)             ─────>     silent until this proves itself
 *                                              <─────     E_s | box(K2, id | sig)
 *   frames                                     <────>     frames
 *
 * E are fresh X25519 keys. K1 is derived from the mesh id and E_c, so a stranger who does not know
 * the mesh cannot even be read (and costs the server no public-key operation); K2 from DH(E_c, E_s)
 * and the transcript. Signatures cover the domain, the mesh, the transcript so far and the signer's
 * role. The server's answer is no longer than the client's hello. Frames are a 4-byte big-endian
 * length and one crypto_secretstream_xchacha20poly1305 message; both directions' stream headers are
 * derived from the handshake (so the library's own randomness is not used), and an end frame marks
 * a clean close.
 */
#ifndef MESHD_GOSSIP_CRYPTO_CHANNEL_H
#define MESHD_GOSSIP_CRYPTO_CHANNEL_H

#include "gossip/base/pack.h"
#include "gossip/crypto/keys.h"

struct rng;
struct channel;

#define CHANNEL_MESSAGE_MAX \
	(72 * 1024) /* one frame's plaintext: the largest record and its frame */

#define CHANNEL_RECEIVE_MAX \
	(256 * 1024) /* bytes taken in at once: more than anybody reads at once */

enum channel_kind {
	CHANNEL_MEMBER = 1, /* the client is a member and signs with its identity */
	CHANNEL_JOIN = 2,   /* the client holds an invite and signs with the invite's key */
};

/* Starts a handshake; the bytes to send are appended to out. keys is borrowed until the handshake
 * is done: the member's identity, or the invite's key. expect may be NULL: any server of this mesh.
 */
int channel_connect(const struct id *mesh, enum channel_kind kind, const struct keys *keys,
	const struct id *expect, struct rng *rng, struct pack *out,
	struct channel **ret) MUST_CHECK;
/* The server's side; keys is borrowed for the channel's life. */
int channel_accept(const struct id *mesh, const struct keys *keys, struct rng *rng,
	struct channel **ret) MUST_CHECK;
void channel_free(struct channel *channel);

/* Bytes that arrived, at most CHANNEL_RECEIVE_MAX. Any error is final: close the stream without a
 * word. ERR_TOO_BIG when more is pending than one handshake, or one frame and what came with it,
 * can be. Call channel_next until it says CHANNEL_NONE. */
int channel_receive(struct channel *channel, const void *data, size_t size) MUST_CHECK;

enum channel_event {
	CHANNEL_NONE,	 /* more bytes are needed */
	CHANNEL_PEER,	 /* server: a client proved itself; decide, then channel_allow or close.
			  * client: the server proved itself; the channel is up */
	CHANNEL_MESSAGE, /* one whole message */
	CHANNEL_END,	 /* the other side closed cleanly */
};

/* ret_message/ret_size are set for CHANNEL_MESSAGE and valid until the next call on this channel.
 */
int channel_next(struct channel *channel, enum channel_event *ret_event,
	const uint8_t **ret_message, size_t *ret_size) MUST_CHECK;

/* Who is at the other end, once CHANNEL_PEER has been seen. */
const struct id *channel_peer(const struct channel *channel);
enum channel_kind channel_peer_kind(const struct channel *channel);

/* Server: answers the hello; the channel is up. */
int channel_allow(struct channel *channel, struct pack *out) MUST_CHECK;
/* One message of at most CHANNEL_MESSAGE_MAX bytes, only once the channel is up (ERR_STATE). Frames
 * that do not fit out are lost, and the channel with them. */
int channel_send(
	struct channel *channel, const void *message, size_t size, struct pack *out) MUST_CHECK;
int channel_end(struct channel *channel, struct pack *out) MUST_CHECK;

#endif
