/*
 * The messages of a stream (crypto/channel.h), each a MessagePack array whose first element says
 * what it is. Decoded and validated whole before anything is acted on. Records stay opaque bytes
 * here. A type that is not known, and elements behind those that are, are of a later version of
 * meshd, and passed over.
 *
 *   join     JOIN_REQUEST -> JOIN_OFFER -> JOIN_COMMIT -> JOIN_DONE, or REFUSED at any step;
 *            then SYNC
 *   member   INTRODUCE (the client's own admission, for a server that has not heard of it),
 *            then SYNC, and HOLDS where datagrams have not done it
 */
#ifndef MESHD_GOSSIP_WIRE_FRAME_H
#define MESHD_GOSSIP_WIRE_FRAME_H

#include "gossip/base/mtime.h"
#include "gossip/base/pack.h"
#include "gossip/base/types.h"
#include "gossip/wire/msg.h"

#define FRAME_NAME_MAX	   63
#define FRAME_LABEL_MAX	   32
#define FRAME_RECORD_MAX   (66 * 1024)
#define FRAME_RECORDS_MAX  64
#define FRAME_SYNC_MAX	   (68 * 1024)
#define FRAME_ELEMENTS_MAX 16 /* with those of later versions */

/* number, name, elements behind the number */
#define FRAME_TYPE_LIST(X)                                                                       \
	X(1, JOIN_REQUEST) /* grant | nil, invite record, node, name, signature by the invite */ \
	X(2, JOIN_OFFER)   /* stamp, witness, signature by the witness, wall clock ms */         \
	X(3, JOIN_COMMIT)  /* admission record */                                                \
	X(4, JOIN_DONE)	   /* nothing: it is on the member's disk */                             \
	X(5, REFUSED)	   /* label of the error */                                              \
	X(6, SYNC)	   /* bytes of replica/sync.h */                                         \
	X(7, RECORDS)	   /* [record...] that are news */                                       \
	X(8, INTRODUCE)	   /* grant | nil, admission record */                                   \
	X(9, VOID)	   /* the record that ended the receiver's membership */                 \
	X(10, HOLDS)	   /* as MSG_HOLDS */

enum frame_type {
	FRAME_LATER, /* decoded: of a later version */
#define X(number, name) FRAME_##name = number,
	FRAME_TYPE_LIST(X)
#undef X
};
#define FRAME_LAST FRAME_HOLDS

struct frame {
	enum frame_type type;
	struct msg_item grant;	/* JOIN_REQUEST, INTRODUCE; size 0: none */
	struct msg_item record; /* JOIN_REQUEST: invite; JOIN_COMMIT, INTRODUCE: admission; VOID */
	struct id node;		/* JOIN_REQUEST: the joiner; JOIN_OFFER: the witness */
	char name[FRAME_NAME_MAX + 1];
	struct sig sig;
	uint64_t stamp;
	wtime_t time;
	char label[FRAME_LABEL_MAX + 1];
	struct msg_item sync;
	uint8_t holds[MSG_HELD_SIZE];
	size_t record_count;
	struct msg_item records[FRAME_RECORDS_MAX];
};

void frame_encode(const struct frame *frame, struct pack *out); /* not LATER */
/* ERR_MALFORMED, with *ret_where naming the field. Items point into data. */
int frame_decode(
	const void *data, size_t size, struct frame *ret, const char **ret_where) MUST_CHECK;

#endif
