#ifndef MESHD_GOSSIP_GOSSIP_PEER_H
#define MESHD_GOSSIP_GOSSIP_PEER_H

#include "gossip/crypto/keys.h"
#include "gossip/crypto/replay.h"
#include "gossip/gossip.h"

/* How many addresses are tried at once for a peer that is not reached; how many unproven ones that
 * authentic packets came from are kept of each; and how recently a peer must have been heard at its
 * address for another not to be looked at. */
#define CANDIDATE_PROBES  2
#define LEARNED_MAX	  2
#define ADDRESS_STICKY_MS 1500

struct peer_key;

/* Kept small: there is one for each pair of nodes in the mesh. */
struct peer {
	struct id id;
	bool member;	      /* now; else one whose membership has ended */
	bool keyed, unusable; /* the pair key is there; cannot be made */
	uint8_t shared[32];   /* X25519 of the identities */
	struct keys_pair pair;
	/* its session with us, proven by an echo of a nonce of ours */
	bool has_session;
	uint64_t session;
	uint64_t epoch; /* of sessions accepted: makes each nonce good for one */
	struct replay replay;
	uint64_t counter; /* of packets we sent */
	mtime_t hello_next, void_next;
	mtime_t greet_next; /* before news that it should have: without a session it gets none */
	/* where it is */
	struct endpoint reached; /* proven by a round trip; family 0: none */
	mtime_t reached_heard;
	mtime_t asked;	 /* there, for the first time since then; earlier: nothing is unanswered */
	mtime_t checked; /* only a stream reached it, for the last time */
	mtime_t lost;	 /* of the rate at which it is dialled soon after */
	mtime_t moved;	 /* of the rate at which its moves are told and written */
	struct endpoint stored; /* as this node's disk remembers */
	struct endpoint learned[LEARNED_MAX];
	unsigned candidate; /* the next to be tried */
	/* the last ping, to be sent again as soon as a session is there */
	bool ping_pending;
	uint64_t ping_sequence;
	mtime_t ping_sent;
	/* its store */
	uint64_t cutoff; /* the hour that it told last; 0: none */
	bool differs;
	mtime_t differs_since;
	mtime_t forged;	    /* of the rate at which what it made up is verified */
	mtime_t compared;   /* when it last told its digest */
	mtime_t reconciled; /* of the rate at which its ranges are answered */
	mtime_t streamed;   /* and those that come over streams that it opens */
	/* a sync is not begun before that: each one that leaves a difference doubles the gap */
	mtime_t sync_next;
	int64_t sync_gap_ms; /* 0: none was in vain */
	mtime_t synced;	     /* of the rate at which one begins, in vain or not */
	bool has_clock;
	int64_t clock_offset_ms;
	/* what it says of itself */
	struct record *descriptor;  /* the last whose proofs hold; NULL: none */
	struct endpoint *endpoints; /* in it, like the next six */
	uint32_t *segments;	    /* VNIs */
	uint8_t endpoint_count, segment_count;
	uint16_t wireguard_port; /* 0 also for a key that cannot be used */
	uint16_t mtu;
	uint32_t claim;
	mtime_t described;  /* of the rate at which new ones are taken */
	mtime_t displaced;  /* and records that take others' places */
	mtime_t unreadable; /* what came from there last was; ZERO: never */
	uint8_t wireguard_public[32];
	struct peer_key *next; /* NULL: it announces none */
	bool confirmed;	       /* it has installed the key that we announce */
	bool gone;	       /* dead for GOSSIP_GONE_MS */
	bool apart;	       /* by its descriptor: no version of the protocol in common */
	struct ip address4;    /* family 0: none, or lost in a clash */
	enum gossip_member_state state;
	wtime_t since;
	mtime_t gone_at; /* NEVER: it is not dead */
};

struct peer *gossip_peer(const struct gossip *g, const struct id *id);
struct peer *gossip_peer_ensure(struct gossip *g, const struct id *id);
void gossip_peer_free(struct gossip *g, struct peer *peer);
void gossip_peer_key(struct gossip *g, struct peer *peer);
bool gossip_peer_key_some(struct gossip *g); /* whether more are left */
uint64_t gossip_peer_nonce(
	const struct gossip *g, const struct peer *peer, const struct endpoint *at);
size_t gossip_peer_candidates(const struct gossip *g, const struct peer *peer,
	struct endpoint ret[GOSSIP_CANDIDATES_MAX]);
size_t gossip_peer_targets(
	struct gossip *g, struct peer *peer, struct endpoint ret[CANDIDATE_PROBES + 1]);
void gossip_peer_reached(struct gossip *g, struct peer *peer, const struct endpoint *at);
void gossip_peer_learn(struct peer *peer, const struct endpoint *at);
/* A signature that it brought does not hold; and whether nothing signed that it brings is looked at
 * for a while. */
void gossip_peer_forged(const struct gossip *g, struct peer *peer);
bool gossip_peer_is_forger(const struct gossip *g, const struct peer *peer);
/* Whether an address may be dialled at all. */
bool gossip_peer_usable(const struct gossip *g, const struct endpoint *endpoint);

#endif
