/*
 * The gossip core: one node's whole decentralised mind as a pure state machine. Bytes, time and
 * randomness are parameters; it never calls out. What it wants done in the world it queues as
 * effects, which the caller takes with gossip_next_effect() after every call until there are none.
 * Not re-entrant. The daemon drives it with libuv, the simulator with a virtual clock: the same
 * object code.
 *
 *   input    gossip_receive, gossip_stream_*, gossip_persisted, the commands, gossip_tick at
 *            gossip_deadline()
 *   output   effects; views (gossip_status, gossip_member_at, ...), good until the next input
 *
 * Own statements are on disk before they are sent: they wait until gossip_persisted() says so.
 */
#ifndef MESHD_GOSSIP_GOSSIP_H
#define MESHD_GOSSIP_GOSSIP_H

#include "gossip/base/text.h"
#include "gossip/record/descriptor.h"
#include "gossip/record/digest.h"
#include "gossip/record/macs.h"
#include "gossip/record/segment.h"
#include "gossip/record/value.h"
#include "gossip/swim/swim.h"
#include "gossip/trust/authority.h"
#include "gossip/trust/token.h"

#define GOSSIP_STREAMS_MAX	   64 /* open at once, in and out: joins and syncs */
#define GOSSIP_STREAMS_OWN	   16 /* of them kept for those that this node opens */
#define GOSSIP_STREAMS_PER_ADDRESS 8  /* of them from one IPv4 address or IPv6 /64 */
#define GOSSIP_STREAM_QUEUE_MAX                                          \
	(256 * 1024) /* bytes handed out and not yet sent: then it waits \
		      */
#define GOSSIP_JOIN_TIMEOUT_MS 30000

struct gossip;

/* The bits of a generation from here on count how often this identity was restored from a backup:
 * whoever hears of a later life than its own knows that it goes on elsewhere. Those below are about
 * the seconds since 1970. */
#define GOSSIP_LIFE_SHIFT 40

/* What time it is, at every input. synced: the kernel or the operator vouches for the wall clock.
 */
struct gossip_time {
	mtime_t now;
	wtime_t wall;
	bool synced;
};

struct gossip_config {
	const struct keys *identity; /* it and the root are borrowed for the core's life */
	const struct keys *wireguard, *wireguard_next; /* NULL: no next key is announced */
	const struct keys *root;		       /* NULL unless this node holds the root */
	bool root_exported;			       /* a copy of it is elsewhere */
	const struct id *mesh;			       /* copied; NULL: belongs to none yet */
	uint8_t seed[32];    /* of all its randomness; wiped by gossip_new */
	uint64_t generation; /* of this start; on disk, larger than any before */
	char version[DESCRIPTOR_VERSION_MAX + 1]; /* of the software, told to members */
	uint16_t wireguard_port;		  /* 0: no data plane here */
	uint16_t mtu;				  /* of the overlay */
	bool allow_loopback; /* loopback addresses are candidates: all nodes on one machine */
	const struct swim_mechanisms *mechanisms; /* of failure detection; NULL: swim_mesh */
};

/* Numbers that a node keeps on its disk; name, label. */
#define GOSSIP_NUMBER_LIST(X)                                                                  \
	X(FLOOR, "floor")     /* cursors below it have missed something: gossip_value_since */ \
	X(CUTOFF, "cutoff")   /* the hour up to which tombstones are collected */              \
	X(CONTACT, "contact") /* ms: of the last contact with a member: gossip_age.c */

enum gossip_number {
#define X(name, label) GOSSIP_NUMBER_##name,
	GOSSIP_NUMBER_LIST(X)
#undef X
		GOSSIP_NUMBERS,
};
const char *gossip_number_label(enum gossip_number name);

enum gossip_state {
	GOSSIP_UNJOINED,
	GOSSIP_JOINING,
	GOSSIP_RUNNING,
	GOSSIP_REVOKED,
	GOSSIP_LEAVING
};
const char *gossip_state_label(enum gossip_state state);

int gossip_new(
	struct gossip_config *config, struct gossip_time time, struct gossip **ret) MUST_CHECK;
void gossip_free(struct gossip *gossip);

/* Between gossip_new and gossip_start: what this node's disk holds. A record that does not decode
 * is an error, told and passed over. number: what EFFECT_PERSIST_RECORD gave with it; 0: nothing.
 */
int gossip_restore_record(
	struct gossip *gossip, const void *bytes, size_t size, uint64_t number) MUST_CHECK;
void gossip_restore_number(struct gossip *gossip, enum gossip_number name, uint64_t number);
void gossip_restore_endpoint(
	struct gossip *gossip, const struct id *node, const struct endpoint *endpoint);
/* Computes the views; from here on it is in its state (UNJOINED, RUNNING, REVOKED). */
int gossip_start(struct gossip *gossip, struct gossip_time time) MUST_CHECK;

/* ---- input ---- */

mtime_t gossip_deadline(const struct gossip *gossip); /* MTIME_NEVER: nothing to wait for */
void gossip_tick(struct gossip *gossip, struct gossip_time time);
/* One datagram. What is wrong with it is counted (gossip_counters), never answered. */
void gossip_receive(struct gossip *gossip, struct gossip_time time, const struct endpoint *from,
	const void *data, size_t size);

/* Streams: numbers are the core's for those it asked for (EFFECT_CONNECT), the caller's for those
 * it accepted, which have GOSSIP_STREAM_ACCEPTED set. After gossip_stream_closed or EFFECT_CLOSE a
 * number is gone. */
#define GOSSIP_STREAM_ACCEPTED (UINT64_C(1) << 63)
void gossip_stream_accepted(struct gossip *gossip, struct gossip_time time, uint64_t stream,
	const struct endpoint *from);
void gossip_stream_connected(struct gossip *gossip, struct gossip_time time, uint64_t stream);
void gossip_stream_received(struct gossip *gossip, struct gossip_time time, uint64_t stream,
	const void *data, size_t size);
void gossip_stream_sent(
	struct gossip *gossip, struct gossip_time time, uint64_t stream, size_t size);
void gossip_stream_closed(struct gossip *gossip, struct gossip_time time, uint64_t stream);

/* A record with this hash was signed (its effect said to_sign), and is on disk with its signature:
 * told before gossip_persisted. */
void gossip_signed(struct gossip *gossip, const struct hash *hash, const struct sig *sig);
/* All effects of kinds EFFECT_PERSIST_* up to this ticket are on disk. */
void gossip_persisted(struct gossip *gossip, struct gossip_time time, uint64_t ticket);
/* The last ticket that the core itself waits for: its own word, or a joiner's. Others' may take
 * their time. */
uint64_t gossip_awaited(const struct gossip *gossip);
/* A ticket of the same sequence for what the caller keeps of its own, once all effects that there
 * are have been taken. */
uint64_t gossip_ticket(struct gossip *gossip);

/* ---- commands: what an operator or the host says. Errors are told with a text in gossip_error().
 * A ticket returned must be persisted before the operator is told that it is done. ---- */

struct gossip_found {
	const struct keys *root; /* made by the caller, on its disk already; borrowed from now on */
	const char *mesh_name;	 /* NULL: "mesh" */
	const char *node_name;
	struct prefix prefix4, prefix6; /* family 0: derived from the mesh id */
};
int gossip_found(struct gossip *gossip, struct gossip_time time, const struct gossip_found *found,
	uint64_t *ret_ticket) MUST_CHECK;

/* Starts joining: EFFECT_JOINED says how it ended, after at most timeout_ms. node_name may be NULL
 * where the invite fixes one. Token errors (see token_decode) and ERR_EXPIRED, ERR_OTHER_MESH come
 * at once. hinted: gossip_set_hints may say where to knock, so that the token need not. */
int gossip_join(struct gossip *gossip, struct gossip_time time, const char *token,
	const char *node_name, int64_t timeout_ms, bool hinted) MUST_CHECK;

/* invite->id and expires_ms are set by the call: expiry is now + lifetime_ms. No endpoints: this
 * node's. */
int gossip_invite(struct gossip *gossip, struct gossip_time time, int64_t lifetime_ms,
	struct invite *invite, char ret_token[TOKEN_TEXT_MAX], uint64_t *ret_ticket) MUST_CHECK;
int gossip_uninvite(struct gossip *gossip, struct gossip_time time, const struct id *invite,
	uint64_t *ret_ticket) MUST_CHECK;
int gossip_revoke(struct gossip *gossip, struct gossip_time time, const struct id *node,
	const char *reason, uint64_t *ret_ticket) MUST_CHECK;
/* Offices. Admins are made and unmade by the root; of what an admin signed all that is known stands
 * but what `except` is about: ids of invites and nodes, or beginnings of them, names of nodes, keys
 * under `mesh/`, or GOSSIP_EXCEPT_ALL. ERR_TOO_BIG: no list of what stands holds all of it. Writers
 * are made and unmade by admins. */
enum gossip_office { GOSSIP_ADMIN, GOSSIP_WRITER };
#define GOSSIP_EXCEPTIONS_MAX 16
#define GOSSIP_EXCEPT_ALL     "*" /* neither an id nor a name nor such a key */
const char *gossip_office_label(enum gossip_office office);
int gossip_grant(struct gossip *gossip, struct gossip_time time, const struct id *node,
	enum gossip_office office, uint64_t *ret_ticket) MUST_CHECK;
int gossip_ungrant(struct gossip *gossip, struct gossip_time time, const struct id *node,
	enum gossip_office office, const char *const *except, size_t except_count,
	uint64_t *ret_ticket) MUST_CHECK;
/* An admin's word that the node's admission stands, though its invite was overspent or closed. */
int gossip_keep(struct gossip *gossip, struct gossip_time time, const struct id *node,
	uint64_t *ret_ticket) MUST_CHECK;
/* State LEAVING once on disk; EFFECT_LEFT when the mesh has been told or 2 s have passed. ERR_STATE
 * without force: the last admin, the holder of a root that was never exported, and who has lost its
 * records and knows nobody whom it could tell. */
int gossip_leave(struct gossip *gossip, struct gossip_time time, bool force,
	uint64_t *ret_ticket) MUST_CHECK;
/* The root came to this node, or left it (NULL); exported: a copy of it is elsewhere. Borrowed. */
void gossip_set_root(struct gossip *gossip, const struct keys *root, bool exported);
/* Where others may reach this node, best first: local addresses and advertised ones. Those inside
 * the mesh's own prefixes, multicast, unspecified and link-local ones are left out here. */
void gossip_set_endpoints(struct gossip *gossip, struct gossip_time time,
	const struct endpoint *endpoints, size_t count);
#define GOSSIP_HINTS_MAX 64
/* Where somebody of this mesh may be, from hearsay (mDNS): all such places; one that is not named
 * again is forgotten. Each is dialled now and then until whoever is there has proven to be a member
 * and is reached; while this node joins, it asks there, too. Belongs to the mesh: to be said anew
 * when that is another one, and after gossip_join. */
void gossip_set_hints(struct gossip *gossip, struct gossip_time time,
	const struct endpoint *endpoints, size_t count);
/* Who proved to be at that endpoint, on a stream or by its datagrams. false: nobody yet. */
bool gossip_hint_node(const struct gossip *gossip, const struct endpoint *endpoint, struct id *ret);
/* What WireGuard saw: the peer was heard from at that time, by traffic that authenticated. */
void gossip_evidence(struct gossip *gossip, struct gossip_time time, const struct id *node);
void gossip_set_mtu(struct gossip *gossip, struct gossip_time time, uint16_t mtu);

/* Another WireGuard key, without losing traffic: gossip_rotate.c. */
/* Tells the mesh which key this node will have next. ERR_STATE: it is no member. */
int gossip_announce_key(
	struct gossip *gossip, struct gossip_time time, const struct keys *next) MUST_CHECK;
/* The announced key is the current one from now on. ERR_STATE: none is announced. Once that is on
 * disk EFFECT_KEY says so, and what is sent after it tells everybody. */
int gossip_switch_key(struct gossip *gossip, struct gossip_time time) MUST_CHECK;
/* This node's WireGuard has the key that the member announces: it is told so until it has answered.
 * Saying so again costs nothing. */
void gossip_key_installed(struct gossip *gossip, struct gossip_time time, const struct id *node,
	const uint8_t key[32]);

/* Asks a member now, where it was last reached, whether it is there: EFFECT_PONG with this ticket,
 * if it answers. ERR_STATE: this node is no member; ERR_UNKNOWN: that one is none, or is itself. */
int gossip_ping(struct gossip *gossip, struct gossip_time time, const struct id *node,
	uint64_t *ret_ticket) MUST_CHECK;

/* What the last failed command wants a person to know: what, to what, what to do. */
const char *gossip_error(const struct gossip *gossip);

/* ---- key-values: gossip/replica/kv.h says what a key shows ---- */

struct gossip_value {
	const uint8_t *key; /* this and value: good until the next input */
	size_t key_size;
	const uint8_t *value; /* NULL: deleted */
	size_t value_size;
	struct id author; /* of its record; of the last one, where none is left */
	uint64_t stamp;	  /* hybrid logical clock, record/hlc.h */
	uint64_t cursor;  /* of this change */
};

/* Keys are VALUE_KEY_MAX bytes of UTF-8 without control characters, values VALUE_SIZE_MAX of any;
 * those that begin with `mesh/` are an admin's. Errors with a text: ERR_STATE, ERR_INVALID,
 * ERR_TOO_BIG, ERR_NOT_ADMIN, ERR_LIMIT (this node's quota is full), ERR_FUTURE (its clock is so
 * far ahead that others would hold it back). What is put shows once gossip_persisted was told. */
/* From now on the caller signs what is put (EFFECT_PERSIST_RECORD with to_sign), or the core does.
 */
void gossip_sign_elsewhere(struct gossip *gossip, bool elsewhere);
int gossip_put(struct gossip *gossip, struct gossip_time time, const void *key, size_t key_size,
	const void *value, size_t value_size, uint64_t *ret_stamp, uint64_t *ret_ticket) MUST_CHECK;
/* The same, and ERR_UNKNOWN: the key shows no value. */
int gossip_delete(struct gossip *gossip, struct gossip_time time, const void *key, size_t key_size,
	uint64_t *ret_stamp, uint64_t *ret_ticket) MUST_CHECK;
/* false: no value. */
bool gossip_value(
	const struct gossip *gossip, const void *key, size_t key_size, struct gossip_value *ret);
/* The next value in the order of keys, as bytes, that begin with the prefix and stand behind
 * `after` (NULL: the first); deleted ones are passed over. false: there is none. */
bool gossip_value_next(const struct gossip *gossip, const void *prefix, size_t prefix_size,
	const void *after, size_t after_size, struct gossip_value *ret);
/* The next change behind the cursor, deletions included, in the order in which this node applied
 * them; of a key only its last. false: there is none (yet: EFFECT_VALUES). 0 is before all. */
bool gossip_value_since(const struct gossip *gossip, uint64_t cursor, struct gossip_value *ret);
/* Behind all that gossip_value_since tells now. */
uint64_t gossip_value_cursor(const struct gossip *gossip);
/* When it rises above where a reader is, that reader has missed deletions that are forgotten. */
uint64_t gossip_value_floor(const struct gossip *gossip);
/* Whether a reader may go on from there. ERR_EXPIRED: it has missed deletions that are forgotten;
 * ERR_INVALID: it is not of this node. With a text. */
int gossip_value_check(struct gossip *gossip, uint64_t cursor) MUST_CHECK;

/* ---- L2 segments: what there are (record/segment.h), and who is attached ---- */

#define GOSSIP_SEGMENTS_MAX 256 /* that count: the first in the order of their names */

/* Dead for longer than this a member gets no floods and its MACs count for nothing, until it is
 * back: gossip_member's `gone`. */
#define GOSSIP_GONE_MS 60000

struct gossip_segment {
	char name[SEGMENT_NAME_MAX + 1];
	uint32_t vni;
	bool automatic; /* every member that can attaches itself */
	bool flood;	/* MACs are learnt from frames; none are announced */
	/* Another segment has this VNI, and was written earlier (or has the lesser name): this one
	 * is not in force, and nobody is attached to it. */
	bool clash;
	char clash_with[SEGMENT_NAME_MAX + 1];
	struct id by; /* the admin */
	uint64_t stamp;
	bool wanted;	/* gossip_segment_attach has been asked for it */
	bool attached;	/* this node: its descriptor says so, or is about to */
	size_t members; /* attached, self included, dead ones too */
	/* The smallest overlay MTU of those attached, bytes, and no less than 1280; 0: none is
	 * known. The segment's is that, less 50 over an IPv4 overlay or 70 over IPv6:
	 * gossip_segment_mtu. */
	uint16_t overlay_mtu;
	size_t macs;	    /* that gossip_mac_next tells */
	size_t unannounced; /* of this node's side, beyond what is announced of one member */
	uint64_t version;   /* of the table of MACs: another one, if anything in it is */
};

/* Told before gossip_start: this node attached itself to a segment of that name, by its disk. An
 * unknown name waits for its segment to be heard of. ERR_INVALID, ERR_LIMIT. */
int gossip_restore_segment(struct gossip *gossip, const char *name) MUST_CHECK;
/* Whether this node can have segments at all (its kernel, its guard). Until it is said the
 * descriptor goes on to say what it said before the start; nothing is lost by waiting with it. */
void gossip_segments_enable(struct gossip *gossip, struct gossip_time time, bool can);
/* Admins: writes `mesh/l2/NAME`. vni 0: derived from mesh and name. Errors with a text:
 * ERR_INVALID, ERR_NOT_ADMIN, ERR_STATE (not running; the name or the VNI is taken), ERR_LIMIT and
 * those of gossip_put. */
int gossip_segment_create(struct gossip *gossip, struct gossip_time time, const char *name,
	const struct segment *segment, uint64_t *ret_ticket) MUST_CHECK;
/* Admins: whoever is attached detaches itself. ERR_UNKNOWN, and as gossip_delete. */
int gossip_segment_delete(struct gossip *gossip, struct gossip_time time, const char *name,
	uint64_t *ret_ticket) MUST_CHECK;
/* This node is attached from now on, until detached or the segment is deleted; again is no error.
 * The caller keeps the name for its next start (gossip_restore_segment), and drops it when the
 * event says that the segment was deleted. Errors with a text: ERR_STATE (not running; the segment
 * clashes), ERR_UNKNOWN, ERR_LIMIT (DESCRIPTOR_SEGMENTS_MAX). */
int gossip_segment_attach(
	struct gossip *gossip, struct gossip_time time, const char *name) MUST_CHECK;
/* ERR_UNKNOWN: it is not attached; ERR_STATE: not from one that attaches all. With a text. */
int gossip_segment_detach(
	struct gossip *gossip, struct gossip_time time, const char *name) MUST_CHECK;
/* Whether it was told to attach and not to detach, and the segment was not deleted since. */
bool gossip_segment_is_wanted(const struct gossip *gossip, const char *name);
/* Sorted by name. false at the end; start with *index = 0. */
bool gossip_segment_next(const struct gossip *gossip, size_t *index, struct gossip_segment *ret);
bool gossip_segment(const struct gossip *gossip, const char *name, struct gossip_segment *ret);
/* The next key under `mesh/l2/` behind `after` (NULL: the first) that makes no segment: its name
 * cannot be one, its value is malformed, or there are more than GOSSIP_SEGMENTS_MAX. No NUL. */
bool gossip_segment_bad_next(const struct gossip *gossip, const void *after, size_t after_size,
	const char **ret_key, size_t *ret_size);
/* Bytes of an Ethernet payload on the segment, as VXLAN leaves them (RFC 7348): 0: unknown. */
uint16_t gossip_segment_mtu(const struct gossip_segment *segment, int overlay_family);

/* ---- and the hosts on them: gossip_mac.c ---- */

/* A host on this node's side of a segment. */
struct gossip_host {
	uint8_t mac[6];
	/* An interface of this node itself: nobody else's word about it counts here. */
	bool own;
	/* It was learnt from a frame since the last call, even if it was told then. One that was
	 * not told in the last call is so anyway. */
	bool fresh;
	uint8_t ip_count;
	struct ip ips[MACS_IPS_MAX];
};

/* The whole set of hosts on this node's side, in any order, whenever any of it changes: what is not
 * in it any more is withdrawn. The core finds the differences, and paces what it says of them. What
 * is no host's address is passed over. Nothing happens for a segment that this node is not attached
 * to, or that learns from frames. */
void gossip_macs_set(struct gossip *gossip, struct gossip_time time, uint32_t vni,
	const struct gossip_host *hosts, size_t count);

#define GOSSIP_MAC_IPS_MAX (4 * MACS_IPS_MAX) /* two say that they have it, rarely more */

struct gossip_mac {
	uint8_t mac[6];
	struct id holder;
	bool self; /* the holder is this node */
	bool own;  /* and it is an interface of its own: not to be installed whoever claims it */
	/* Several say that they have it: the holder is whoever was the last to be believed, and no
	 * surer than the others. Frames for it are for all to have. */
	bool frozen;
	uint32_t sequence; /* RFC 7432, section 7.7 */
	wtime_t since;	   /* this node has known it there */
	uint8_t ip_count;  /* the holder's; frozen: of all that say that they have it; sorted */
	struct ip ips[GOSSIP_MAC_IPS_MAX];
};

/* In no order that means anything, but the same until the next input. */
bool gossip_mac_next(
	const struct gossip *gossip, uint32_t vni, size_t *index, struct gossip_mac *ret);
bool gossip_mac(
	const struct gossip *gossip, uint32_t vni, const uint8_t mac[6], struct gossip_mac *ret);

/* ---- effects ---- */

/* name, label */
#define GOSSIP_EVENT_LIST(X)                                                                   \
	X(MEMBER_STATE, "member_state") /* from, to, cause */                                  \
	X(JOINED, "joined")                                                                    \
	X(LEFT, "left")                                                                        \
	X(REVOKED, "revoked")			/* by, cause: the reason */                    \
	X(KEY_ROTATED, "key_rotated")		/* from, to: the public keys */                \
	X(RECORD_REFUSED, "record_refused")	/* cause */                                    \
	X(ADDRESS_MOVED, "address_moved")	/* from, to */                                 \
	X(ENDPOINT_CHANGED, "endpoint_changed") /* from, to */                                 \
	X(OVERSPENT, "overspent")		/* cause: the invite */                        \
	X(EQUIVOCATION, "equivocation")		/* cause; of this node: its key lives twice */ \
	X(RESTORED, "restored")	  /* cause; this node, from before its disk was set back */    \
	X(GRANTED, "granted")	  /* to: admin or writer; by */                                \
	X(UNGRANTED, "ungranted") /* from: admin or writer; by */                              \
	X(SEGMENT, "segment")	  /* segment, what; see GOSSIP_SEGMENT_LIST */                 \
	X(OTHER_VERSION, "other_version") /* cause: node may not understand this one */

enum gossip_event_kind {
#define X(name, label) GOSSIP_EVENT_##name,
	GOSSIP_EVENT_LIST(X)
#undef X
};
const char *gossip_event_label(enum gossip_event_kind kind);

/* name, label: what became of a segment, or of a MAC on one that this node is attached to */
#define GOSSIP_SEGMENT_LIST(X)                                                                  \
	X(CREATED, "created")	/* by */                                                        \
	X(CHANGED, "changed")	/* by: its VNI or what else it says */                          \
	X(DELETED, "deleted")	/* by, if it is known */                                        \
	X(CLASH, "clash")	/* to: the segment that has its VNI */                          \
	X(ATTACHED, "attached") /* node */                                                      \
	X(DETACHED, "detached") /* node; cause, where it is not its own wish */                 \
	X(MOVED, "moved")	/* node: where the MAC is; mac, from, to: ids of the holders */ \
	X(FROZEN, "duplicate")	/* node: where it stays; mac */                                 \
	X(THAWED, "thawed")	/* node: where it is; mac */

enum gossip_segment_what {
#define X(name, label) GOSSIP_SEGMENT_##name,
	GOSSIP_SEGMENT_LIST(X)
#undef X
};
const char *gossip_segment_label(enum gossip_segment_what what);

struct gossip_event {
	enum gossip_event_kind kind;
	enum gossip_segment_what what;	    /* of a SEGMENT */
	char segment[SEGMENT_NAME_MAX + 1]; /* likewise */
	uint8_t mac[6];			    /* zero: has none */
	struct id node;
	char name[AUTHORITY_NAME_MAX + 1];
	char from[TEXT_ENDPOINT_SIZE], to[TEXT_ENDPOINT_SIZE]; /* empty: has none */
	char cause[AUTHORITY_REASON_MAX + 1];
	bool has_by;
	struct id by;
};

enum gossip_effect_kind {
	EFFECT_SEND,		   /* endpoint, bytes: one datagram */
	EFFECT_CONNECT,		   /* stream, endpoint */
	EFFECT_STREAM_SEND,	   /* stream, bytes */
	EFFECT_CLOSE,		   /* stream; after what was sent on it has gone out */
	EFFECT_PERSIST_RECORD,	   /* ticket, hash, bytes, number: add, or replace */
	EFFECT_PERSIST_REMOVE,	   /* ticket, hash: remove */
	EFFECT_PERSIST_MESH,	   /* ticket, id: this node belongs to that mesh from now on */
	EFFECT_PERSIST_ENDPOINT,   /* ticket, id, endpoint: where a member was last reached */
	EFFECT_PERSIST_GENERATION, /* ticket, number: of this start, from now on */
	EFFECT_CHANGED, /* members, records or addresses changed: look at the views again */
	EFFECT_STATE,	/* gossip_status().state is another one */
	EFFECT_EVENT,	/* event */
	EFFECT_JOINED,	/* number: 0 or enum err; text: for people. The state has changed already */
	EFFECT_LEFT,	/* the mesh knows: forget the identity */
	EFFECT_PERSIST_NUMBER, /* ticket, name, number: keep it under that name */
	EFFECT_VALUES,	       /* what keys show has changed: readers go on from their cursors */
	EFFECT_KEY,	 /* WireGuard is to have the announced key, before what follows is sent */
	EFFECT_PONG,	 /* id, ticket: of gossip_ping; number: the round trip in microseconds */
	EFFECT_SEGMENTS, /* segments, who is attached, or where MACs are: look again */
};

struct gossip_effect {
	enum gossip_effect_kind kind;
	uint64_t stream;
	uint64_t ticket;
	int64_t number;
	struct endpoint endpoint;
	struct id id;
	struct hash hash;
	enum gossip_number name;
	bool to_sign;	/* the last bytes are for a signature: record_sign_hash of hash and stamp */
	uint64_t stamp; /* then */
	const uint8_t *bytes; /* good until the next call of any function here */
	size_t size;
	const char *text;
	const struct gossip_event *event;
};

bool gossip_next_effect(struct gossip *gossip, struct gossip_effect *ret);

/* ---- views ---- */

struct gossip_status {
	enum gossip_state state;
	struct id node;
	char name[AUTHORITY_NAME_MAX + 1];
	bool admin, has_root;
	bool twice; /* proven to have signed two records with one stamp: its values are void */
	bool stale; /* it was away for longer than deletions are kept: see gossip_age.c */
	struct ip address4, address6; /* family 0: none (yet) */
	/* The last IPv4 address that it lost to another member, by the rank of claims: address4 is
	 * what it has instead, if it has any. family 0: none. */
	struct ip lost4;
	struct id lost4_holder;
	wtime_t lost4_at;
	bool has_mesh;
	struct id mesh;
	struct charter charter; /* only with has_mesh, once the charter is known */
	size_t records, records_size;
	uint8_t digest[DIGEST_SIZE];
	wtime_t cutoff;		 /* deletions before it have been collected; 0: not just now */
	size_t members;		 /* that are members now, self included */
	int64_t clock_offset_ms; /* mesh time less wall clock: 0 where somebody vouches for it */
	/* the median of the other members' clocks less wall clock: what is vouched for may be wrong
	 */
	int64_t members_offset_ms;
	const char *revoked_why; /* state REVOKED: for people */
	uint64_t generation;
	const char *yielded_why; /* another machine goes on as this node; NULL: none does */
};
void gossip_status(const struct gossip *gossip, struct gossip_status *ret);

#define GOSSIP_CANDIDATES_MAX (DESCRIPTOR_ENDPOINTS_MAX + 2)

/* as status shows it */
#define GOSSIP_MEMBER_STATE_LIST(X) \
	X(ALIVE, "alive")           \
	X(SUSPECT, "suspect")       \
	X(DEAD, "dead")             \
	X(LEFT, "left")             \
	X(REVOKED, "revoked")

enum gossip_member_state {
#define X(name, label) GOSSIP_MEMBER_##name,
	GOSSIP_MEMBER_STATE_LIST(X)
#undef X
};
const char *gossip_member_state_label(enum gossip_member_state state);

struct gossip_member {
	const struct authority_member *standing; /* id, name, admin, tags, by, reason, invite */
	wtime_t since;				 /* of the state */
	int64_t rtt_us;				 /* -1: not measured */
	int64_t silent_ms;			 /* with heard */
	size_t candidate_count;			 /* of candidates */
	struct descriptor descriptor;		 /* with has_descriptor */
	enum gossip_member_state state;
	struct endpoint reached; /* where gossip reaches it now; family 0: nowhere */
	/* where its WireGuard may listen, likeliest first: the reached address, then its
	 * descriptor's */
	struct endpoint candidates[GOSSIP_CANDIDATES_MAX];
	bool self;
	bool gone; /* dead for longer than GOSSIP_GONE_MS */
	bool has_descriptor;
	bool has_wireguard; /* a peer to configure: keys below are set, self excluded */
	bool has_next;	    /* it announces another key, to be installed beside that one */
	bool confirmed;	    /* it has installed the key that this node announces */
	bool compared;	    /* it has told its store's digest since this start; and then: */
	bool differs;	    /* from this node's, the last time */
	bool heard;	    /* of it anything at all, since this start */
	bool apart;	    /* it speaks no version of the protocol that this node does */
	/* it does not answer, and what came lately from where it was cannot be read: it may be of
	 * another version */
	bool unreadable;
	struct ip address4, address6;
	uint8_t wireguard_public[32], preshared[32];
	uint8_t next_public[32], next_preshared[32];
};

/* Members now, and those that left or were revoked in the last 24 h, sorted by id, self included.
 * false at the end; start with *index = 0. gossip_member_wipe() after use. */
bool gossip_member_next(const struct gossip *gossip, size_t *index, struct gossip_member *ret);
bool gossip_member(const struct gossip *gossip, const struct id *node, struct gossip_member *ret);
void gossip_member_wipe(struct gossip_member *member); /* its preshared keys */
/* All records that are here, in an order in which each finds its chain; NULL: from the first on.
 * Hold a reference to `after` over inputs. */
struct record *gossip_record_after(const struct gossip *gossip, const struct record *after);
/* Name, id or unambiguous id prefix, of a member, or of a past one whose name no member has now.
 * ERR_UNKNOWN; ERR_INVALID when it fits two. */
int gossip_resolve(const struct gossip *gossip, const char *text, struct id *ret) MUST_CHECK;
/* Open and ended invites, sorted by id. */
const struct authority_invite *gossip_invite_at(const struct gossip *gossip, size_t index);
/* An invite's id or unambiguous prefix. */
int gossip_resolve_invite(const struct gossip *gossip, const char *text, struct id *ret) MUST_CHECK;

/* name, label: what became of input, since the start */
#define GOSSIP_COUNTER_LIST(X)                          \
	X(PACKETS_IN, "packets_in")                     \
	X(PACKETS_OUT, "packets_out")                   \
	X(BYTES_IN, "bytes_in")                         \
	X(BYTES_OUT, "bytes_out")                       \
	X(UNKNOWN_TAG, "refused_unknown_tag")           \
	X(NOT_AUTHENTIC, "refused_not_authentic")       \
	X(MALFORMED, "refused_malformed")               \
	X(REPLAYED, "refused_replayed")                 \
	X(UNPROVEN_SESSION, "refused_unproven_session") \
	X(REVOKED_SENDER, "refused_revoked_sender")     \
	X(RECORDS_REFUSED, "records_refused")           \
	X(STATEMENTS_REFUSED, "statements_refused")     \
	X(STREAMS_REFUSED, "streams_refused")           \
	X(SYNCS, "syncs")                               \
	X(SYNC_ROUNDS, "sync_rounds")                   \
	X(SYNC_BYTES, "sync_bytes")                     \
	X(SYNC_RECORDS, "sync_records")                 \
	X(JOINS_SERVED, "joins_served")                 \
	X(LATER, "of_later_version") /* sections and frames that were passed over */

enum gossip_counter {
#define X(name, label) GOSSIP_COUNT_##name,
	GOSSIP_COUNTER_LIST(X)
#undef X
		GOSSIP_COUNTERS,
};
const char *gossip_counter_label(enum gossip_counter counter);
/* For its counters and views; NULL while this node belongs to no mesh. */
const struct swim *gossip_swim(const struct gossip *gossip);
const uint64_t *gossip_counters(const struct gossip *gossip); /* GOSSIP_COUNTERS of them */

#endif
