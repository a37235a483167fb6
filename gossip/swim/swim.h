/*
 * Who is alive: SWIM (Das, Gupta, Motivala, DSN 2002) with Lifeguard (Dadgar, Phillips, Currey,
 * arXiv 1707.00788) and what goes beyond it, and every statement signed by whom it is about or who
 * makes it: `alive` by its subject, `suspect` by its accuser. Nobody's word makes a member dead or
 * left: each node concludes `dead` itself when a suspicion runs out, and `left` is a record that
 * the trust rooms read.
 *
 * Pure: time is a parameter; what is to be sent, and which member changed its state, is queued and
 * taken by the caller (swim_next_action, swim_next_change). Who is a member at all comes from
 * outside (swim_add, swim_remove).
 */
#ifndef MESHD_GOSSIP_SWIM_SWIM_H
#define MESHD_GOSSIP_SWIM_SWIM_H

#include "gossip/base/histogram.h"
#include "gossip/base/mtime.h"
#include "gossip/base/pack.h"
#include "gossip/crypto/keys.h"

struct rng;
struct spread;
struct swim;

#define SWIM_PERIOD_MS	   1000	 /* protocol period: one probe each */
#define SWIM_TIMEOUT_MS	   500	 /* of a direct probe, until a round trip has been measured */
#define SWIM_INDIRECT	   3	 /* members asked to probe in our place */
#define SWIM_CONFIRMATIONS 3	 /* independent accusers that shorten a suspicion to its minimum */
#define SWIM_RENEW_BURST   4	 /* incarnations of one member that are news at once ... */
#define SWIM_RENEW_MS	   500	 /* ... and how often in the long run: more is a flood */
#define SWIM_RINGS	   5	 /* ring.h: in as many members' hands is all news, at once */
#define SWIM_MEMBERS_MAX   65536 /* WireGuard's own limit of peers (wireguard-go) */
#define SWIM_STATEMENT_MAX 220	 /* bytes of a signed statement: statement.h */
#define SWIM_GREETING_MAX  (2 * (SWIM_STATEMENT_MAX + 2)) /* of what a peer is greeted with */
#define SWIM_ASKED_MAX	   16 /* pings that were asked for, in flight: swim_ping */

/* number-free list: name, label as status and events show it */
#define SWIM_STATE_LIST(X)    \
	X(ALIVE, "alive")     \
	X(SUSPECT, "suspect") \
	X(DEAD, "dead")

enum swim_state {
#define X(name, label) SWIM_##name,
	SWIM_STATE_LIST(X)
#undef X
};
const char *swim_state_label(enum swim_state state);

/* (generation, version): generation grows with every start of a node and is on its disk; version
 * when it refutes. Compared in that order. */
struct swim_incarnation {
	uint64_t generation, version;
};

/* Which mechanisms run. The daemon runs swim_mesh; the others are what it is measured against, by
 * the same code in the same network. */
struct swim_mechanisms {
	/* The shortest suspicion is alpha * max(1, log10 n) periods and at least floor_ms, the
	 * longest beta times that. */
	double alpha, beta;
	int64_t floor_ms;
	unsigned confirmations; /* that make the longest the shortest; at most SWIM_CONFIRMATIONS */
	unsigned volunteers; /* of those who hear an accusation, so many probe the accused next */
	bool measured;	     /* timeouts follow each member's round trip; else SWIM_TIMEOUT_MS */
	bool health;	     /* local health multiplies period and timeout */
	unsigned health_failed; /* what a failed probe costs it although all helpers said nack */
	bool buddy;		/* a ping to a suspect carries what accuses it */
	bool guarded;		/* doubts itself before others: pauses, silence all around */
	bool checked;		/* asks over a stream before it accuses */
	bool believes;		/* tells `dead`, and believes others who do */
};
extern const struct swim_mechanisms swim_classic;   /* SWIM, as the paper has it */
extern const struct swim_mechanisms swim_lifeguard; /* all of Lifeguard, alpha 5 */
extern const struct swim_mechanisms swim_mesh;

/* All borrowed for the instance's life. */
struct swim_config {
	const struct swim_mechanisms *mechanisms; /* NULL: swim_mesh */
	const struct keys *self;
	const struct id *mesh;
	struct rng *rng;
	struct spread *spread; /* where statements to be told to others go */
	uint64_t generation;   /* of this start; already on disk; not 0 */
	uint64_t version;      /* its first */
};

/* ERR_INVALID (generation), ERR_NOMEM. */
int swim_new(const struct swim_config *config, mtime_t now, struct swim **ret) MUST_CHECK;
void swim_free(struct swim *swim);

/* Says its own incarnation anew, one version up; or, if it is not NULL, that later one, whose
 * generation is on disk. */
void swim_renew(struct swim *swim, const struct swim_incarnation *later);

/* Membership, decided elsewhere. A new member starts out as alive with nothing heard, and is probed
 * within this round (ERR_LIMIT beyond SWIM_MEMBERS_MAX, ERR_NOMEM). Adding one that is there
 * changes nothing. Self is never added. The spread is told how many there are. */
int swim_add(struct swim *swim, mtime_t now, const struct id *id) MUST_CHECK;
/* What it accused others of is void from now on. */
void swim_remove(struct swim *swim, mtime_t now, const struct id *id);

/* When swim_tick has something to do. */
mtime_t swim_deadline(const struct swim *swim);
void swim_tick(struct swim *swim, mtime_t now);

/* What came in from an authenticated member. */
void swim_heard(struct swim *swim, mtime_t now, const struct id *from); /* any packet of it */
void swim_ping_received(struct swim *swim, mtime_t now, const struct id *from, uint64_t sequence);
void swim_ack_received(struct swim *swim, mtime_t now, const struct id *from, uint64_t sequence);
void swim_ping_req_received(struct swim *swim, mtime_t now, const struct id *from,
	uint64_t sequence, const struct id *target);
/* The helper's report on an indirect probe: target answered, or (nack) the helper lives and it did
 * not. */
void swim_relay_received(
	struct swim *swim, mtime_t now, const struct id *from, uint64_t sequence, bool answered);
/* A signed statement, from whomever: verified, then acted on, and put into the spread if it was
 * news. Errors: ERR_MALFORMED, ERR_BAD_SIGNATURE, ERR_UNKNOWN (subject or accuser no member),
 * ERR_STATE (our own key speaks of a later incarnation of us: it runs elsewhere, or the disk was
 * restored), ERR_NOMEM. */
int swim_statement_received(
	struct swim *swim, mtime_t now, const void *bytes, size_t size, bool *ret_news) MUST_CHECK;
/* What came of SWIM_CHECK. */
enum swim_check {
	SWIM_CHECK_ANSWERED, /* the member's daemon proved itself */
	SWIM_CHECK_SILENT,   /* its host accepted and no more, or it could not be asked */
	SWIM_CHECK_FAILED,   /* no connection, or no address to try */
};
void swim_checked(struct swim *swim, mtime_t now, const struct id *id, enum swim_check result);
/* Other evidence that a member lives, at that time: WireGuard's traffic. */
void swim_evidence(struct swim *swim, mtime_t now, const struct id *id);

/* What to send. Each becomes one section of a datagram to `to`; the caller adds statements and
 * records. It may be that the caller knows no address for `to`: then the probe just fails. */
enum swim_action_kind {
	SWIM_PING,
	SWIM_ACK,
	SWIM_PING_REQ,
	SWIM_RELAY,
	SWIM_CHECK, /* no datagram: ask it over a stream, and tell by swim_checked before `until` */
};
struct swim_action {
	enum swim_action_kind kind;
	struct id to;
	uint64_t sequence;
	struct id target; /* PING_REQ, RELAY */
	bool answered;	  /* RELAY */
	mtime_t until;	  /* CHECK */
};
bool swim_next_action(struct swim *swim, struct swim_action *ret);

/* A ping that somebody asked for: it goes out now, and says nothing about the member if it is not
 * answered. The last SWIM_ASKED_MAX of them are remembered. ERR_UNKNOWN: no member. */
int swim_ping(
	struct swim *swim, mtime_t now, const struct id *id, uint64_t *ret_sequence) MUST_CHECK;
struct swim_pong {
	struct id id;
	uint64_t sequence;
	int64_t rtt_us;
};
bool swim_next_pong(struct swim *swim, struct swim_pong *ret);

struct swim_change {
	struct id id;
	enum swim_state from, to;
	const char *cause; /* static text: "probe timeout", "refuted", "suspicion confirmed", ... */
};
bool swim_next_change(struct swim *swim, struct swim_change *ret);

/* For status and the caller's choices. */
struct swim_info {
	enum swim_state state;
	bool heard;			     /* anything at all, since this start */
	int64_t rtt_us;			     /* smoothed; -1: not measured */
	mtime_t since;			     /* of the state */
	mtime_t last_heard;		     /* with heard only */
	struct swim_incarnation incarnation; /* generation 0: no statement of its own is known */
};
bool swim_info(const struct swim *swim, const struct id *id, struct swim_info *ret);

/* name, label: what happened since the start */
#define SWIM_COUNTER_LIST(X)                                                                  \
	X(PROBES, "probes")		  /* members that were pinged in turn */              \
	X(PROBES_INDIRECT, "indirect")	  /* of them: others were asked to, too */            \
	X(PROBES_CHECKED, "checked")	  /* of them: asked over a stream */                  \
	X(PROBES_FAILED, "failed")	  /* of them: it did not answer, and it was not us */ \
	X(SUSPICIONS, "suspicions")	  /* members that became suspect */                   \
	X(SUSPICIONS_REFUTED, "refuted")  /* suspects that became alive: false alarms */      \
	X(DEATHS, "deaths")		  /* members that became dead */                      \
	X(REVIVALS, "revivals")		  /* dead ones that became alive */                   \
	X(ACCUSATIONS_REFUTED, "accused") /* of this node, which said that it lives */

enum swim_counter {
#define X(name, label) SWIM_COUNT_##name,
	SWIM_COUNTER_LIST(X)
#undef X
		SWIM_COUNTERS,
};
const uint64_t *swim_counters(const struct swim *swim); /* SWIM_COUNTERS of them */
/* Of pings that were answered. */
const struct histogram *swim_round_trips(const struct swim *swim);
/* Lifeguard's local health: 0 is good, each more makes this node slower in its judgement. */
unsigned swim_health(const struct swim *swim);
size_t swim_count(const struct swim *swim);
/* Up to count random members in state alive, those that were heard first (or any members, with
 * `any`), without `but` (may be NULL): for pushes. Returns how many. */
size_t swim_sample(struct swim *swim, bool any, const struct id *but, struct id *ret, size_t count);
/* Whom to push news to: first those that follow us on the rings (ring.h), SWIM_RINGS at most, then
 * random others that were heard, up to count in all; none is dead. Returns how many; ret_following
 * of them are on the rings. */
size_t swim_neighbours(struct swim *swim, struct id *ret, size_t count, size_t *ret_following);
struct swim_incarnation swim_incarnation(const struct swim *swim);
/* What this peer in particular is to be told with every ping and ack to it (Lifeguard's buddy): our
 * own `alive` until it is known to have it, and what accuses it here; or its own `alive`, where an
 * earlier generation of it was heard of: it may be a copy. Nothing, for a peer in step. MessagePack
 * byte strings, of SWIM_GREETING_MAX bytes in all at most. */
void swim_greet(
	struct swim *swim, const struct id *peer, struct pack *ret_statements, size_t *ret_count);

/* The peer was greeted by an ack, or the packet that its session with us begins with. Should that
 * get lost, it has our `alive` from the news: to say it again until it has answered a ping of ours,
 * which may be a thousand periods away, would cost as much as probing does. */
void swim_greeted(struct swim *swim, const struct id *peer);

/* What goes along with a nack about this member: its own last statement, unless it is dead here. */
void swim_vouch(
	struct swim *swim, const struct id *target, struct pack *ret_statements, size_t *ret_count);

#endif
