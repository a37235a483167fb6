#ifndef MESHD_GOSSIP_GOSSIP_STREAM_H
#define MESHD_GOSSIP_GOSSIP_STREAM_H

#include "gossip/gossip.h"
#include "gossip/trust/admission.h"
#include "gossip/wire/frame.h"

struct channel;
struct peer;
struct sync;

enum stream_role { STREAM_JOINER, STREAM_CLIENT, STREAM_SERVER, STREAM_CHECK };

struct stream {
	struct stream *next;
	uint64_t number;
	enum stream_role role;
	struct endpoint endpoint;
	bool connected, up, ended;
	struct channel *channel;
	struct sync *sync;
	struct id peer; /* client: whom it was meant for; zero until it is known, where hinted */
	bool hinted;	/* client, joiner: to a place where somebody of this mesh may be */
	bool asking;	/* client: only for what is wanted of the peer */
	bool last_look; /* check: its time is over but for what waits to be read */
	size_t queued;	/* bytes handed out and not yet sent */
	mtime_t began, deadline;
	/* server side of a join */
	struct admission offer; /* invite_record NULL: none */
	uint64_t commit_ticket; /* 0: none; until then the joiner waits */
};

void gossip_stream_tick(struct gossip *g);
mtime_t gossip_stream_deadline(const struct gossip *g);
int gossip_stream_connect(struct gossip *g, enum stream_role role, const struct id *peer,
	const struct endpoint *endpoint);
void gossip_stream_close_all(struct gossip *g);
void gossip_stream_persisted(struct gossip *g);
void gossip_stream_extend(struct gossip *g, struct stream *s); /* its deadline */
struct stream *gossip_stream_find(const struct gossip *g, uint64_t number);
int gossip_stream_send(struct gossip *g, struct stream *s, const struct frame *frame) MUST_CHECK;
/* After what was sent on it, cleanly; and at once. Either way nothing more happens on it. */
void gossip_stream_end(struct gossip *g, struct stream *s);
void gossip_stream_doom(struct gossip *g, struct stream *s);
struct msg_item gossip_stream_item(const struct record *record); /* NULL: none */
/* Whoever has proven to be at its other end; NULL: nobody that is known here. */
struct peer *gossip_stream_member(const struct gossip *g, const struct stream *s);

#endif
