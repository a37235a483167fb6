#ifndef MESHD_GOSSIP_GOSSIP_JOIN_H
#define MESHD_GOSSIP_GOSSIP_JOIN_H

#include "gossip/gossip.h"
#include "gossip/wire/frame.h"

/* Admissions that one start signs: a join that goes on for its whole time takes some thirty. */
#define JOIN_OFFERS_MAX 1024

struct stream;

struct join {
	bool active;
	struct token token;
	char name[ADMISSION_NAME_MAX + 1];
	struct endpoint endpoints[INVITE_ENDPOINTS_MAX]; /* the token's that can be used */
	size_t endpoint_count;
	mtime_t deadline, retry;
	int64_t retry_gap_ms;
	uint64_t stream;	  /* the one that was offered a place first; 0: none */
	struct record *admission; /* ours, once signed */
	uint64_t ticket;	  /* of it */
	bool admitted;		  /* a member said that it is on its disk */
	bool synced;		  /* and this node is a member by all that it was told */
	struct endpoint avoid;	  /* not in the next round: it began to let us in, and did not */
	int refused;		  /* the last refusal, told if nothing else works */
	char refused_by[TEXT_ENDPOINT_SIZE];
};

void gossip_join_tick(struct gossip *g);
mtime_t gossip_join_deadline(const struct gossip *g);
int gossip_join_request(struct gossip *g, struct stream *s) MUST_CHECK;
int gossip_join_offered(struct gossip *g, struct stream *s, const struct frame *frame) MUST_CHECK;
int gossip_join_commit(struct gossip *g, struct stream *s) MUST_CHECK;
int gossip_join_accepted(struct gossip *g, struct stream *s) MUST_CHECK;
int gossip_join_refused(struct gossip *g, struct stream *s, const struct frame *frame) MUST_CHECK;
int gossip_join_synced(struct gossip *g, const struct stream *s) MUST_CHECK;
void gossip_join_lost(struct gossip *g, const struct stream *s);
/* Our own descriptor goes along the stream that let us in, before any datagram can. */
void gossip_join_own(struct gossip *g, const struct record *record);

#endif
