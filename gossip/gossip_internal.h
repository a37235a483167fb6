/*
 * The insides of the facade, shared by gossip*.c only. Each file is one idea:
 *
 *   gossip.c          life: new, restore, start, tick, deadline; the end of every turn
 *   gossip_effect.c   the queue of what is to be done outside
 *   gossip_peer.c     the other nodes: pair keys, sessions, addresses
 *   gossip_packet.c   datagrams: taken apart, packed, pushed
 *   gossip_stream.c   streams: their life, their frames, syncs over them
 *   gossip_join.c     the joiner's side of a join
 *   gossip_admit.c    the member's side of it
 *   gossip_view.c     from records to members, names and addresses
 *   gossip_sync.c     when it is looked for what stores differ in; and that over streams
 *   gossip_round.c    the same by datagrams
 *   gossip_fetch.c    what is too large for a datagram: announced, and asked for
 *   gossip_value.c    key-values: put, deleted, shown
 *   gossip_age.c      how old that is: collection, and the reset of who was away
 *   gossip_check.c    whether a member that answers no datagram answers a stream
 *   gossip_contact.c  whom to dial
 *   gossip_hint.c     where somebody of this mesh may be, by hearsay
 *   gossip_command.c  what an operator says
 *   gossip_revoke.c   what takes membership away
 *   gossip_own.c      whether another machine bears this node's identity
 *   gossip_rotate.c   another WireGuard key
 *   gossip_grant.c    offices: admins and writers
 *   gossip_purge.c    what is left of admins that the root took out
 *   gossip_void.c     whoever's membership has ended is told by what
 *   gossip_keep.c     what admins' nodes do by themselves: keeps and closings
 *   gossip_lease.c    memberships that end by themselves
 *   gossip_proof.c    two bodies with one stamp: found out, and told
 *   gossip_address.c  who has which IPv4 address
 *   gossip_status.c   what an operator sees
 *   gossip_segment.c  L2 segments: which there are
 *   gossip_attach.c   who is attached to them
 *   gossip_mac.c      the hosts on this node's side of them: told to the others
 *   gossip_mac_table.c  the hosts on every side: who has a MAC
 *
 * Inputs set bits and change state; gossip_turn(), at the end of each input, does the work they ask
 * for.
 */
#ifndef MESHD_GOSSIP_GOSSIP_INTERNAL_H
#define MESHD_GOSSIP_GOSSIP_INTERNAL_H

#include "gossip/base/map.h"
#include "gossip/base/rng.h"
#include "gossip/crypto/channel.h"
#include "gossip/crypto/replay.h"
#include "gossip/crypto/seal.h"
#include "gossip/gossip.h"
#include "gossip/record/hlc.h"
#include "gossip/replica/kv.h"
#include "gossip/replica/reconcile.h"
#include "gossip/replica/store.h"
#include "gossip/replica/sync.h"
#include "gossip/swim/spread.h"
#include "gossip/trust/address.h"
#include "gossip/trust/equivocation.h"
#include "gossip/wire/frame.h"

/* Pair keys computed at a time: about 1 ms, so that probes are not held up. */
#define KEYS_PER_TICK 16

/* News. Between two pushes: what comes meanwhile is coalesced. Packets to each neighbour in one of
 * them. Others that are asked for where neighbours are not reached. Between two computations of the
 * views, while records stream in. */
#define PUSH_GAP_MS  5
#define PUSH_PACKETS 2
#define PUSH_SPARE   2
#define VIEW_GAP_MS  20

/* Addresses. How many are tried at once for a peer that is not reached; how many unproven ones that
 * authentic packets came from are kept of each; and how recently a peer must have been heard at its
 * address for another not to be looked at. */
#define CANDIDATE_PROBES  2
#define LEARNED_MAX	  2
#define ADDRESS_STICKY_MS 1500

/* Sessions. Between two answers to one that is not proven, two greetings of one that should have
 * news and does not answer, and two answers to one whose membership has ended.
 * Plaintext of a hello, so that its answer, with both nonces, is no longer. Members that one who
 * has just joined or started greets at once. A ping that waited longer for its session would tell a
 * wrong round trip. */
#define HELLO_GAP_MS  20
#define GREET_GAP_MS  250
#define VOID_GAP_MS   1000
#define HELLO_PLAIN   56
#define HELLO_BURST   16
#define PING_AGAIN_MS 200

/* Syncs. A difference is worth one when nothing has changed here for QUIET and it is SETTLE old, or
 * PATIENCE under steady writes. GAP lies between two that this node starts, up to RETRY_MAX between
 * two with one member that goes on to differ; with one that differs and agrees by turns BURST begin
 * at once, and one each EACH; one that takes longer than PATIENT does not hold up those with
 * others. */
#define SYNC_QUIET_MS	  300
#define SYNC_SETTLE_MS	  500
#define SYNC_PATIENCE_MS  10000
#define SYNC_GAP_MS	  500
#define SYNC_RETRY_MAX_MS 60000
#define SYNC_BURST	  8
#define SYNC_EACH_MS	  10000
#define SYNC_PATIENT_MS	  10000

/* Records that are announced to this node and wait for their turn, or to come; from one member. */
#define WANTED_MAX	 16
#define WANTED_OF_A_PEER 4

/* Nobody heard for longer than the longest protocol period: members are dialled over TCP. */
#define ISOLATED_AFTER_MS     8000
#define ISOLATED_RETRY_MAX_MS 60000

/* Streams: until the other end has proven itself; without a byte in either direction; between two
 * rounds over the endpoints of a token. */
#define STREAM_HANDSHAKE_MS 5000
#define STREAM_IDLE_MS	    20000
#define JOIN_RETRY_MS	    100
#define JOIN_RETRY_MAX_MS   1000
/* Admissions that one start signs: a join that goes on for its whole time takes some thirty. */
#define JOIN_OFFERS_MAX	    1024

/* How long a node that leaves goes on telling, and how often. */
#define LEAVE_TELL_MS	  1500
#define LEAVE_TELL_GAP_MS 250

/* Of a key that was installed its owner is told again, until it answers, after HOLDS_GAP, doubling
 * to HOLDS_GAP_MAX. Members that are told directly of a key that took another's place; the rest
 * hear of it as of other news. */
#define HOLDS_GAP_MS	 250
#define HOLDS_GAP_MAX_MS 30000
#define KEY_TOLD_MAX	 512

/* Descriptors. Members whose word on our own address is remembered; between two of ours because of
 * changed addresses; of one member, so many are taken at once and so often in the long run, for
 * each is written on every node's disk. */
#define SEEN_MAX	 16
#define REPUBLISH_GAP_MS 2000
#define DESCRIBE_BURST	 8
#define DESCRIBE_GAP_MS	 1000

/* Of one member, so many statements and records whose signatures do not hold are looked at at once,
 * and so often in the long run; beyond that nothing of the kind that it brings. Nobody passes on
 * what it has not verified itself. */
#define FORGED_BURST  8
#define FORGED_GAP_MS 1000

/* Moves of one member that are told and written at once, and in the long run. */
#define MOVE_BURST  4
#define MOVE_GAP_MS 10000

/* Authors of two bodies with one stamp that this node has found out and that wait to be told. */
#define PROOFS_FOUND_MAX 16

/* In a mesh of more than two a node that trusts no clock of its own goes by another's alone when it
 * has heard no second one for so long since it started. */
#define CLOCK_LONELY_MS (3600 * INT64_C(1000))

/* Between two events that this node's key lives twice; how long members that ended are listed. */
#define TWICE_GAP_MS  60000
#define PAST_SHOWN_MS (24 * 3600 * INT64_C(1000))

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
	mtime_t described; /* of the rate at which new ones are taken */
	mtime_t announced; /* and what it says of MACs */
	uint8_t wireguard_public[32];
	struct peer_key *next; /* NULL: it announces none */
	bool confirmed;	       /* it has installed the key that we announce */
	bool gone;	       /* dead for GOSSIP_GONE_MS */
	struct ip address4;    /* family 0: none, or lost in a clash */
	enum gossip_member_state state;
	wtime_t since;
	mtime_t gone_at; /* NEVER: it is not dead */
};

/* A segment as configuration has it. */
struct segment_row {
	char name[SEGMENT_NAME_MAX + 1];
	struct segment says;
	struct id by;
	uint64_t stamp;
	const struct segment_row *rival; /* has its VNI, and comes first; NULL: it is in force */
};

/* A name that this node was told to attach to. */
struct attachment {
	char name[SEGMENT_NAME_MAX + 1];
	bool known; /* there is, or was, such a segment */
};

/* One that this node is attached to, as its descriptor says. */
struct own_segment {
	uint32_t vni;
	char name[SEGMENT_NAME_MAX + 1];
};

/* The key that a member announces. */
struct peer_key {
	uint8_t public[32];
	bool installed; /* here, beside the current one */
	bool told;	/* and it knows */
	mtime_t tell_next;
	int64_t gap_ms;
};

/* One of our own WireGuard keys, with the proof that it is ours. */
struct own_key {
	struct id id; /* Ed25519 form */
	struct sig proof;
};

/* A record of our own that is not on disk yet: not in the store, not sent. */
struct own_record {
	struct own_record *next;
	uint64_t ticket;
	struct record *record;
	uint64_t number; /* of a VALUE: the change that it will be, if nobody is before it */
	mtime_t published;
};

/* A VALUE of this node's disk, until all are there. */
struct restored_value {
	struct hash hash;
	uint64_t number;
};

/* See gossip_age.c. */
struct age {
	int64_t contact_ms; /* of mesh time; 0: never yet */
	bool collecting;
	int64_t target;	       /* the cutoff, then */
	mtime_t since;	       /* of the start */
	int64_t wall_ahead_ms; /* of monotonic time, when it was looked at last */
	mtime_t next, noted;
};

struct effect_node {
	struct effect_node *next;
	struct gossip_effect effect;
	uint8_t bytes[] __attribute__((aligned(8)));
};

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

/* Where somebody of this mesh may be: see gossip_hint.c. */
struct hint {
	struct endpoint endpoint;
	bool met;
	struct id node; /* then: who proved to be there */
	mtime_t next;
	int64_t gap_ms;
};

struct seen {
	struct id witness;
	struct endpoint endpoint;
};

/* A comparison with one member by datagrams, which this node began. */
struct round {
	bool active;
	struct id peer;
	uint8_t key[RECONCILE_KEY_SIZE]; /* of what was last begun */
	unsigned tries;			 /* since anything came of it */
	bool moved;			 /* a record went either way since then */
	size_t moved_bytes;		 /* of all records since it is active */
	mtime_t began;
	mtime_t deadline; /* nothing more comes: look what has become of it */
	mtime_t compare_next;
};

/* A record that somebody announced: see gossip_fetch.c. */
struct wanted {
	struct order_key place;
	struct id peer;
	bool asked;
	mtime_t deadline; /* it is forgotten */
};

/* What came back of this node's own: see gossip_own.c. */
struct own {
	mtime_t started;
	bool met;			/* a record of its own that it did not know */
	bool met_late;			/* that was made after its start */
	bool told;			/* that it was set back */
	bool yielded;			/* another one goes on as this node */
	bool superseded;		/* by a restore */
	unsigned raises;		/* in this start */
	mtime_t raise_rate;		/* at which later incarnations are answered */
	uint32_t chance;		/* drawn for the last answer */
	struct swim_incarnation raised; /* on its way to disk; generation 0: none */
	uint64_t raised_ticket;
	mtime_t renew_next, twice_next;
};

/* The datagram that is being acted on: what goes back to its sender goes where it came from, and
 * while that address is not proven, in no more bytes than came. */
struct reply {
	const struct peer *from; /* NULL: none */
	struct peer *peer;	 /* the same, until it is answered */
	struct endpoint to;
	bool challenged;
	uint64_t challenge;
	size_t most;
};

/* Two bodies with one stamp, and when it is looked whether somebody else has told it. */
struct suspicion_of_two {
	struct equivocation proof;
	mtime_t due;
};

struct gossip {
	/* fixed */
	struct gossip_config config;
	struct rng rng;
	uint64_t session;
	uint8_t challenge_key[16];
	/* now: set at the start of every input */
	struct gossip_time time;
	mtime_t began; /* this start */
	enum gossip_state state;
	bool started;
	struct id mesh;
	/* records */
	struct hlc hlc;
	struct store *store;	 /* NULL while unjoined */
	struct record *storing;	 /* on its way into the store and on disk already: not to be
				    persisted again */
	uint64_t storing_number; /* the change that it is to be; 0: the next */
	struct own_record *own_first, **own_last;
	struct kv *kv;	      /* NULL while unjoined */
	bool signs_elsewhere; /* values are signed by the caller */
	bool values_changed;  /* in this input */
	bool voids_changed;   /* another author is proven to have equivocated, or one no more */
	struct restored_value *restored_values; /* until the start */
	size_t restored_count, restored_capacity;
	struct age age;
	uint64_t numbers[GOSSIP_NUMBERS]; /* on disk, or on their way there; 0: none */
	struct authority *authority;
	struct record **authority_records; /* what it was computed from */
	size_t authority_count;
	uint64_t authority_version;
	mtime_t view_next;
	mtime_t store_changed;
	struct id agreed_with; /* who last told the same digest since then, if anybody did */
	bool agreed;
	bool view_dirty;
	bool claims_dirty; /* of addresses: some living claim is another one */
	/* members */
	bool key_anybody;	/* members have their keys: the others' turn */
	struct map peers, tags; /* by id; by receive tag */
	size_t unkeyed;
	size_t key_next; /* the slot of peers where the next search for them begins */
	struct swim *swim;
	struct spread *spread;
	mtime_t push_next;
	mtime_t last_heard; /* anybody */
	mtime_t isolated_next, dead_next;
	int64_t isolated_gap_ms;
	struct hint hints[GOSSIP_HINTS_MAX];
	size_t hint_count;
	mtime_t hint_rate;
	size_t isolated_at;	 /* the slot of peers from where the next are dialled */
	unsigned isolated_tries; /* with that gap */
	/* own */
	struct endpoint endpoints[DESCRIPTOR_ENDPOINTS_MAX];
	size_t endpoint_count;
	struct seen seen[SEEN_MAX];
	size_t seen_next;
	struct own own;
	bool endpoints_known; /* until then a descriptor would take back where this node is */
	bool descriptor_dirty;
	bool hello_due; /* it is a member, and few know its session yet */
	bool has_next_key;
	bool key_untold; /* the last descriptor on its way to the disk has another key */
	mtime_t descriptor_next;
	uint32_t claim;
	struct ip address4;
	/* the last address that was lost to another member; family 0: none was */
	struct {
		struct ip ip;
		struct id holder;
		wtime_t at;
	} lost;
	/* its WireGuard key: as described; what WireGuard has, which follows once that is on disk
	 */
	struct own_key key, next_key;
	uint8_t wireguard_public[32];
	mtime_t holds_next; /* somebody is to be told that its key is installed here */
	/* L2 segments: see gossip_segment.c */
	struct segment_row *segments; /* sorted by name */
	size_t segment_count;
	bool segments_dirty;		   /* configuration has changed */
	bool segments_changed;		   /* in this input: there is something to look at */
	bool segments_told, segments_able; /* whether it can have any was said; and the answer */
	struct attachment attachments[DESCRIPTOR_SEGMENTS_MAX];
	size_t attachment_count;
	struct own_segment own_segments[DESCRIPTOR_SEGMENTS_MAX]; /* sorted by VNI */
	size_t own_segment_count;
	mtime_t attach_rate, gone_next;
	struct macs *macs; /* NULL while unjoined: see gossip_mac_internal.h */
	/* streams */
	struct stream *streams;
	size_t stream_count;
	uint64_t stream_next;
	mtime_t sync_next, sync_check; /* the latter: NEVER while no difference is known */
	struct round round;
	mtime_t reconciled; /* of the rate at which ranges of all members are answered */
	struct wanted wanted[WANTED_MAX];
	size_t wanted_count;
	mtime_t wanted_next;
	struct join join;
	/* of the admissions that this node has signed since its start, whatever became of them */
	uint64_t offered[JOIN_OFFERS_MAX];
	size_t offered_count;
	mtime_t leave_until, leave_next;
	/* what this node does as an admin's: when it looks whom to keep (NEVER: nobody is waiting),
	 * and for invites to close; the rate of its keeps */
	mtime_t keep_next, close_next, keep_rate;
	/* leases: the hour of mesh time as of which the views are, -1: as of none; the next look */
	int64_t lease_hour;
	mtime_t lease_next;
	struct suspicion_of_two found[PROOFS_FOUND_MAX]; /* and not proven to all yet */
	size_t found_count;
	struct map purged; /* of expelled admins: see gossip_purge.c */
	struct reply reply;
	/* out */
	struct effect_node *effect_first, **effect_last;
	struct effect_node *taken; /* the one whose bytes the caller holds */
	uint64_t ticket, persisted;
	uint64_t awaited; /* gossip_awaited() */
	char error[512];
	char revoked_why[AUTHORITY_REASON_MAX + 64];
	uint64_t counters[GOSSIP_COUNTERS];
};

/* gossip.c */
void gossip_turn(struct gossip *g);
int gossip_fail(struct gossip *g, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void gossip_set_state(struct gossip *g, enum gossip_state state);
wtime_t gossip_mesh_time(const struct gossip *g);
/* Whether it is more than this host's clock, for which nobody vouches. */
bool gossip_mesh_time_known(const struct gossip *g);
/* How far the clocks of the others are from this one: their median. false: none is known. */
bool gossip_clock_offset(const struct gossip *g, int64_t *ret_ms);
/* Opens and closes what belongs to a mesh: store, members, keys. */
int gossip_open_mesh(struct gossip *g, const struct id *mesh) MUST_CHECK;
void gossip_close_mesh(struct gossip *g);
/* Signs a record of our own and gives it to the disk; it enters the store, and the world, once it
 * is there. */
int gossip_publish(
	struct gossip *g, const struct keys *author, struct record_draft *draft) MUST_CHECK;
void gossip_publish_signed(struct gossip *g, struct record *record);
/* What this node said last in a slot: on its way to the disk, or in the store. NULL: nothing. */
const struct record *gossip_published(
	const struct gossip *g, uint16_t type, const void *key, size_t key_size);
/* A record from outside. fresh: it was not known. */
int gossip_put_record(struct gossip *g, struct record *record, bool *ret_fresh) MUST_CHECK;
int gossip_put_item(struct gossip *g, const struct msg_item *item) MUST_CHECK;
int gossip_put_bytes(struct gossip *g, const void *bytes, size_t size, bool *ret_fresh) MUST_CHECK;

/* gossip_effect.c */
struct gossip_effect *gossip_effect_add(
	struct gossip *g, enum gossip_effect_kind kind, const void *bytes, size_t size);
void gossip_effect_record(struct gossip *g, const struct record *record, uint64_t number);
void gossip_effect_remove(struct gossip *g, const struct hash *hash);
void gossip_effect_number(struct gossip *g, enum gossip_number name, uint64_t number);
void gossip_effect_event(struct gossip *g, const struct gossip_event *event);
void gossip_effect_clear(struct gossip *g);

/* gossip_peer.c */
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

/* gossip_packet.c */
void gossip_packet_action(struct gossip *g, const struct swim_action *action);
void gossip_packet_push(struct gossip *g);
void gossip_packet_hello(struct gossip *g);
void gossip_packet_compare(struct gossip *g, struct peer *peer);
void gossip_packet_tell(struct gossip *g, struct peer *peer, const struct record *record);
void gossip_packet_greet(struct gossip *g, struct peer *peer);
/* Looks for it where it was seen last. */
void gossip_packet_look(struct gossip *g, struct peer *peer);

/* To where the peer was reached, if it has a session; whether it was sent. */
bool gossip_packet_send(struct gossip *g, struct peer *peer, struct msg *msg);
bool gossip_packet_is_proven(const struct peer *peer, const struct endpoint *at);
void gossip_packet_add_store(struct gossip *g, struct msg *msg);

/* gossip_stream.c */
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

/* gossip_join.c: what a stream tells of the member that is to let this node in. Errors close it. */
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

/* gossip_admit.c: the member's side of it. */
int gossip_admit_request(struct gossip *g, struct stream *s, const struct frame *frame) MUST_CHECK;
int gossip_admit_commit(struct gossip *g, struct stream *s, const struct frame *frame) MUST_CHECK;

/* gossip_sync.c */
void gossip_sync_tick(struct gossip *g);
mtime_t gossip_sync_deadline(const struct gossip *g);
void gossip_sync_digest_received(struct gossip *g, struct peer *peer, const struct msg *msg);
int gossip_sync_begin(struct gossip *g, struct stream *s, bool initiator) MUST_CHECK;
int gossip_sync_pump(struct gossip *g, struct stream *s) MUST_CHECK;
int gossip_sync_serve(struct gossip *g, struct stream *s) MUST_CHECK;
int gossip_sync_frame_received(
	struct gossip *g, struct stream *s, const struct frame *frame) MUST_CHECK;
/* More than datagrams are good for. */
void gossip_sync_over_stream(struct gossip *g, struct peer *peer);

/* gossip_round.c */
void gossip_round_begin(struct gossip *g, struct peer *peer);
void gossip_round_tick(struct gossip *g);
mtime_t gossip_round_deadline(const struct gossip *g);
void gossip_round_ranges_received(struct gossip *g, struct peer *peer, const struct msg *msg);
/* The peer brought so many bytes of records that were not here; it told its digest. */
void gossip_round_records_received(struct gossip *g, const struct peer *peer, size_t bytes);
/* Whether ranges that the peer sends over a stream are answered; so many records were hashed. */
bool gossip_round_may_stream(const struct gossip *g, const struct peer *peer);
void gossip_round_streamed(struct gossip *g, struct peer *peer, size_t records);
void gossip_round_compared(struct gossip *g, const struct peer *peer);

/* gossip_fetch.c */
int gossip_fetch_announce(
	struct gossip *g, const struct record *record, const struct hash *topic) MUST_CHECK;
void gossip_fetch_place(const struct record *record, uint8_t ret[MSG_PLACE_SIZE]);
void gossip_fetch_received(struct gossip *g, const struct peer *peer, const struct msg *msg);
/* What is to be asked of the peer now, in order. */
size_t gossip_fetch_places(
	struct gossip *g, const struct id *peer, struct order_key ret[WANTED_MAX]);
void gossip_fetch_tick(struct gossip *g);
mtime_t gossip_fetch_deadline(const struct gossip *g);

/* gossip_value.c */
int gossip_value_open(struct gossip *g) MUST_CHECK; /* a mesh, with no value yet */
void gossip_value_close(struct gossip *g);
void gossip_value_restored(struct gossip *g, const struct record *record, uint64_t number);
void gossip_value_start(struct gossip *g);
/* A VALUE has come into the store, or left it; returns the number of the change. */
uint64_t gossip_value_added(struct gossip *g, struct record *record);
void gossip_value_removed(struct gossip *g, const struct record *record);
/* Authority has changed. */
void gossip_value_review(struct gossip *g);
/* One of our own is on its way to disk. */
void gossip_value_publish(struct gossip *g, struct own_record *own);
/* And is there. */
void gossip_value_storing(struct gossip *g, const struct own_record *own);
/* At the end of an input. */
void gossip_value_tell(struct gossip *g);

/* gossip_segment.c */
void gossip_segment_start(struct gossip *g); /* after values are there */
void gossip_segment_close(struct gossip *g);
/* What a key shows is another record now; NULL: of some key. */
void gossip_segment_value_changed(struct gossip *g, const struct record *record);
/* NULL: there is none of that name; none in force with that VNI. */
const struct segment_row *gossip_segment_named(const struct gossip *g, const char *name);
const struct segment_row *gossip_segment_in_force(const struct gossip *g, uint32_t vni);
struct gossip_event gossip_segment_event(const struct gossip *g, enum gossip_segment_what what,
	const char *name, const struct id *node);
void gossip_segment_turn(struct gossip *g);
void gossip_segment_tell(struct gossip *g); /* at the end of an input */

/* gossip_attach.c */
void gossip_attach_start(struct gossip *g);
void gossip_attach_close(struct gossip *g);
/* What a member's descriptor says; it is alive or dead; somebody is a member, or none any more. */
void gossip_attach_described(struct gossip *g, struct peer *peer, const struct descriptor *said);
void gossip_attach_state_changed(struct gossip *g, struct peer *peer);
void gossip_attach_changed(struct gossip *g);
void gossip_attach_segments_changed(struct gossip *g);		    /* in configuration */
bool gossip_attach_has_peer(const struct peer *peer, uint32_t vni); /* and it is a member */
bool gossip_attach_is_own(const struct gossip *g, uint32_t vni);
void gossip_attach_describe(const struct gossip *g, struct descriptor *ret);
void gossip_attach_turn(struct gossip *g);
mtime_t gossip_attach_deadline(const struct gossip *g);

/* gossip_mac.c */
int gossip_mac_open(struct gossip *g) MUST_CHECK; /* a mesh */
void gossip_mac_close(struct gossip *g);
/* A MACS record has come into the store, or left it with nothing in its place. */
void gossip_mac_record_changed(struct gossip *g, const struct record *record);
/* Which segments there are, who is attached to them, or who is gone. */
void gossip_mac_members_changed(struct gossip *g);
/* Whether one of that author's may enter the store now. ERR_LIMIT. */
int gossip_mac_admit(struct gossip *g, const struct record *record) MUST_CHECK;
void gossip_mac_turn(struct gossip *g);
mtime_t gossip_mac_deadline(const struct gossip *g);
void gossip_mac_count(const struct gossip *g, uint32_t vni, struct gossip_segment *ret);

/* gossip_age.c */
enum gossip_age {
	AGE_SAME,   /* digests can be compared */
	AGE_APART,  /* they cannot */
	AGE_BEHIND, /* the other has collected what this node may never have seen */
};
void gossip_age_start(struct gossip *g);
void gossip_age_founded(struct gossip *g); /* by this node: it knows all there is */
void gossip_age_tick(struct gossip *g);
mtime_t gossip_age_deadline(const struct gossip *g);
uint64_t gossip_age_cutoff(const struct gossip *g); /* to be told; 0: none just now */
/* What a member may say its cutoff is: 0 for what lies ahead of the clock by more than clocks do.
 */
uint64_t gossip_age_believed(const struct gossip *g, uint64_t told);
enum gossip_age gossip_age_of(const struct gossip *g, uint64_t other_cutoff);
/* This node holds the same records as one with that cutoff. */
void gossip_age_agreed(struct gossip *g, uint64_t other_cutoff);
/* The latest stamp of key-values that are not told to that peer (NULL: to anybody); 0: all are. */
uint64_t gossip_age_withheld(const struct gossip *g, const struct peer *peer);
bool gossip_age_withholds(
	const struct gossip *g, const struct peer *peer, const struct record *record);
/* Whether it has its grave, though it stands on this node's disk. */
bool gossip_age_has_buried(const struct gossip *g, const struct record *record);
/* A comparison of all there is has come to its end. */
void gossip_age_synced(struct gossip *g, const struct peer *peer, struct sync *sync);

/* gossip_check.c: a stream of its own that ends when the member has proven itself. */
void gossip_check_begin(struct gossip *g, const struct swim_action *action);
void gossip_check_answered(struct gossip *g, struct stream *s);
/* Its time is over; whether it has a moment more. */
bool gossip_check_reads_on(struct gossip *g, struct stream *s);
void gossip_check_ended(struct gossip *g, const struct stream *s);

/* gossip_contact.c */
/* Whether this node has opened a stream to it. */
bool gossip_contact_is_dialling(const struct gossip *g, const struct id *peer);
/* Half of the gap to one and a half times: nodes that do the same at once shall not go on in step.
 */
mtime_t gossip_jittered(struct gossip *g, int64_t gap_ms);
void gossip_contact_start(struct gossip *g);
void gossip_contact_tick(struct gossip *g);
mtime_t gossip_contact_deadline(const struct gossip *g);
/* The member has answered on that stream: its other addresses need not. */
void gossip_contact_dialled(struct gossip *g, const struct stream *s);
/* It was found dead: it may live without our datagrams. */
void gossip_contact_lost(struct gossip *g, struct peer *peer);
/* A stream reached a member that answers no datagrams. */
void gossip_contact_by_stream(struct gossip *g, struct peer *peer);

/* gossip_hint.c */
void gossip_hint_tick(struct gossip *g);
mtime_t gossip_hint_deadline(const struct gossip *g);
void gossip_hint_joined(struct gossip *g);
enum gossip_hint_verdict {
	HINT_NOBODY,   /* there is nothing to be said to it */
	HINT_MEMBER,   /* who was looked for */
	HINT_STRANGER, /* it knows the mesh, and is none of those that are known here */
};
/* Whoever is at the other end of a hinted stream has proven itself. */
enum gossip_hint_verdict gossip_hint_met(struct gossip *g, struct stream *s);

/* gossip_address.c */
void gossip_address_apply(struct gossip *g);
/* ERR_EXHAUSTED: there is no address for whoever joins. */
int gossip_address_room(const struct gossip *g, const struct id *node) MUST_CHECK;
/* A descriptor of our own from somebody else: our disk had lost it, but not the mesh. */
void gossip_address_met(struct gossip *g, const struct record *record);

/* gossip_rotate.c */
int gossip_rotate_init(struct gossip *g) MUST_CHECK;
void gossip_rotate_tick(struct gossip *g);
mtime_t gossip_rotate_deadline(const struct gossip *g);
/* What a member's descriptor says of its keys. */
void gossip_rotate_described(struct gossip *g, struct peer *peer, const struct descriptor *said);
/* A new session: what it was told may be forgotten there. */
void gossip_rotate_greet(struct gossip *g, struct peer *peer);
void gossip_rotate_received(struct gossip *g, struct peer *peer, const struct msg *msg);
/* Our own descriptor is on its way to the disk, in place of `held`; is there. */
void gossip_rotate_publishing(struct gossip *g, const struct record *held);
void gossip_rotate_published(struct gossip *g, const struct record *record);

/* gossip_command.c */
/* ERR_STATE with a text, where this node cannot speak in a mesh; ERR_NOT_ADMIN as well, where it
 * may not do what `what` says. */
int gossip_command_need_running(struct gossip *g) MUST_CHECK;
int gossip_command_need_admin(struct gossip *g, const char *what) MUST_CHECK;

/* gossip_own.c */
bool gossip_own_has_yielded(const struct gossip *g);
const char *gossip_own_yielded_why(const struct gossip *g); /* for people; NULL: it has not */
/* ERR_STATE with a text, where another machine goes on as this node. */
int gossip_own_may_write(struct gossip *g) MUST_CHECK;
/* In the midst of a change of the store: one of its own that did not come from here. */
void gossip_own_record_met(struct gossip *g, const struct record *record);
/* A signed word of its own of an incarnation that it never issued. */
void gossip_own_statement_met(struct gossip *g, const struct msg_item *item);
void gossip_own_persisted(struct gossip *g);
/* Of a start: no other one has the same, though its generation be. */
uint64_t gossip_own_first_version(struct gossip *g);
void gossip_own_turn(struct gossip *g);
/* gossip_revoke.c */
/* A long list of what is kept goes in several records, which count when all of them are there. */
int gossip_revoke_publish(struct gossip *g, const struct keys *author, enum record_type type,
	const struct revocation *revocation) MUST_CHECK;
/* The nodes that an invite admitted and that are to stay, but one (NULL: all): sorted, 32 bytes
 * each, to be freed. NULL: no memory. */
uint8_t *gossip_revoke_admitted(
	const struct gossip *g, const struct id *invite, const struct id *but, size_t *ret_count);

/* gossip_grant.c */
/* Whether it is what only an admin may say. */
bool gossip_grant_is_act(const struct record *record);
/* Only the root takes an admin's office, and names what of its acts stands: all that are known. */
int gossip_grant_take_office(struct gossip *g, const struct revocation *revocation) MUST_CHECK;
/* Events about offices that somebody has now, or has not any more. */
void gossip_grant_tell(
	struct gossip *g, const struct authority *before, const struct authority *now);

/* gossip_purge.c */
/* After each computation of the authority. */
void gossip_purge(struct gossip *g);
void gossip_purge_clear(struct gossip *g);
/* Of a record that would be added: ERR_REVOKED, ERR_LIMIT where it would go again. */
int gossip_purge_admit(const struct gossip *g, const struct record *record) MUST_CHECK;

/* gossip_void.c */
/* All it takes for the client to see it; then the stream ends. */
int gossip_void_tell(
	struct gossip *g, struct stream *s, const struct authority_member *member) MUST_CHECK;

/* gossip_keep.c: what an admin's node does by itself. */
void gossip_keep_view_changed(struct gossip *g);
void gossip_keep_tick(struct gossip *g);
mtime_t gossip_keep_deadline(const struct gossip *g);

/* gossip_lease.c: memberships that end by themselves. */
/* Whether what the views say of leases is as of another hour. */
bool gossip_lease_changed(const struct gossip *g);
void gossip_lease_computed(struct gossip *g);
/* A descriptor of somebody whose lease may have been over. */
void gossip_lease_renewed(struct gossip *g, const struct peer *peer);
/* Until when this node asks to be a member; 0: it needs not. */
int64_t gossip_lease_expiry(const struct gossip *g);
/* Whether it is time to say so again; held is what it said last, or NULL. */
bool gossip_lease_is_due(const struct gossip *g, const struct record *held);
void gossip_lease_tick(struct gossip *g);
mtime_t gossip_lease_deadline(const struct gossip *g);

/* gossip_proof.c: whoever signs two bodies with one stamp is found out. */
void gossip_proof_found(struct gossip *g, const struct record *record, const struct record *other);
void gossip_proof_tell(
	struct gossip *g, const struct authority *before, const struct authority *now);
void gossip_proof_tick(struct gossip *g);
mtime_t gossip_proof_deadline(const struct gossip *g);

/* gossip_view.c */
/* The root's grant to the admin who invited this node, or NULL: what proves its admission to
 * strangers. */
struct record *gossip_view_grant_behind(const struct gossip *g, const struct id *node);
int gossip_view_compute(struct gossip *g) MUST_CHECK;
void gossip_view_drop(struct gossip *g);
void gossip_view_refresh(struct gossip *g);
void gossip_view_descriptor(struct gossip *g, struct record *record);
void gossip_view_own_descriptor(const struct gossip *g, struct descriptor *ret);
void gossip_view_publish_descriptor(struct gossip *g);
struct gossip_event gossip_view_event(
	const struct gossip *g, enum gossip_event_kind kind, const struct id *node);

#endif
