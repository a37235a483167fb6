/*
 * The table of members, and the one place where a member's state changes.
 *
 *            | heard     refuted   restarted  failed    accused   cleared   expired   told **
 *   ---------+-------------------------------------------------------------------------------
 *   alive    | -         -         -          suspect   suspect   -         -         dead
 *   suspect  | alive *   alive     alive      -         -         alive *   dead      dead
 *   dead     | alive *   alive     alive      -         -         -         -         -
 *
 *   *  only while no signed accusation stands. Against one it takes the member's own word
 * (refuted): others have the accusation too, and our hearing the member does not reach them.
 *   ** never in a daemon: only under mechanisms that believe others (swim.h). Else there is no
 *      event that makes a member dead, or left, on somebody's word; `left` is not a state of this
 *      room at all.
 */
#ifndef MESHD_GOSSIP_SWIM_MEMBER_H
#define MESHD_GOSSIP_SWIM_MEMBER_H

#include "gossip/base/map.h"
#include "gossip/swim/statement.h"
#include "gossip/swim/swim.h"

#define MEMBER_ACCUSERS_MAX (SWIM_CONFIRMATIONS + 1) /* the first, and those who confirm */
#define MEMBER_STATES	    (SWIM_DEAD + 1)

enum member_event {
	MEMBER_HEARD,	  /* a packet of its own, or an answer through a helper */
	MEMBER_REFUTED,	  /* it signed a later version, or the first that we know */
	MEMBER_RESTARTED, /* it signed a later generation */
	MEMBER_FAILED,	  /* our probe of it was answered by nobody */
	MEMBER_ACCUSED,	  /* somebody signed a suspicion of its current incarnation */
	MEMBER_CLEARED,	  /* what spoke against it does not count any more */
	MEMBER_EXPIRED,	  /* the suspicion ran out */
	MEMBER_TOLD,	  /* somebody signed that it is dead, and we believe that */
};

struct member_accusation {
	enum statement_kind kind; /* SUSPECT or DEAD */
	struct id accuser;
	struct sig sig;
};

/* A node of a large mesh has thousands of these: under 256 bytes. */
struct member {
	struct id id;
	struct swim_incarnation incarnation; /* generation 0: none known */
	struct sig alive;		     /* its own, over the incarnation */
	enum swim_state state;
	uint32_t index;			/* in members.order */
	struct member *previous, *next; /* in its state's list; not of ALIVE */
	mtime_t since;			/* of the state */
	mtime_t last_heard;		/* with heard only */
	mtime_t evidence;		/* the last of other kinds */
	mtime_t renew;			/* of the rate at which its incarnations are news */
	mtime_t accuses;		/* and of that at which it accuses others */
	mtime_t silent;			/* with is_silent: since when its host alone answers */
	uint32_t calls;			/* health.calls when it was last known to live */
	int32_t rtt_us, rtt_var_us;	/* RFC 6298's SRTT and RTTVAR; rtt_us -1: not measured */
	struct member_accusation *accusations; /* NULL, or room for MEMBER_ACCUSERS_MAX */
	union {
		struct { /* SUSPECT */
			mtime_t suspected, expires;
			mtime_t again; /* to be probed out of turn then, or NEVER */
		};
		struct { /* DEAD */
			mtime_t redial;
			int64_t redial_ms;
		};
	};
	uint8_t accusation_count; /* 0: suspected or dead by our own silence alone */
	uint8_t failures;	  /* probes in a row that nobody answered; no more than 255 */
	bool heard;		  /* a packet of its own, since this start */
	bool greet;		  /* it may not know our incarnation */
	bool is_silent;
	bool behind; /* an earlier generation of it was heard of, since it was greeted last */
};

/* Those in a state, for as far as it takes to look through them: from the front, moving those that
 * were looked at to the back, so that each has its turn whatever their number. */
struct member_list {
	struct member *first, *last;
};

struct members {
	struct map by_id;
	struct member **order; /* all of them; shuffled for each round of probes */
	size_t capacity;
	size_t cursor; /* those before it have had their turn in this round */
	size_t in_state[MEMBER_STATES];
	struct member_list lists[MEMBER_STATES]; /* not of ALIVE */
};

struct swim;

void members_init(struct swim *swim);
void members_done(struct swim *swim);

struct member *member_find(const struct swim *swim, const struct id *id);
size_t member_count(const struct swim *swim);
/* ERR_NOMEM, ERR_LIMIT. The id must not be there yet. Its turn comes within this round. */
int member_add(struct swim *swim, mtime_t now, const struct id *id, struct member **ret) MUST_CHECK;
void member_remove(struct swim *swim, struct member *member);

/* The next one in turn whose state is not DEAD; NULL: there is none. */
struct member *member_next(struct swim *swim);
/* Any member, NULL where there is none; and the one behind another, around and around: from a
 * random one on they make a sample, as their order is random. */
struct member *member_random(struct swim *swim);
struct member *member_after(const struct swim *swim, const struct member *member);

/* The first of a list, moved to its end. */
struct member *member_rotate(struct member_list *list);

void member_event(struct swim *swim, mtime_t now, struct member *member, enum member_event event);
/* It signed a later incarnation (verified by the caller): what stood against the earlier is void.
 */
void member_adopt(struct swim *swim, mtime_t now, struct member *member,
	const struct swim_incarnation *incarnation, const struct sig *alive);

#endif
