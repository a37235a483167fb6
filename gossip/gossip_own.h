#ifndef MESHD_GOSSIP_GOSSIP_OWN_H
#define MESHD_GOSSIP_GOSSIP_OWN_H

#include "gossip/gossip.h"
#include "gossip/wire/msg.h"

/* What came back of this node's own. */
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

#endif
