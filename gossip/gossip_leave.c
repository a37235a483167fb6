#include "gossip/gossip_leave.h"

#include "gossip/gossip_command.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_own.h"
#include "gossip/gossip_packet.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_record.h"
#include "gossip/replica/store.h"

/* How long a node that leaves goes on telling, how often, and how many. */
#define LEAVE_TELL_MS	   1500
#define LEAVE_TELL_GAP_MS  250
#define LEAVE_TELL_MEMBERS 64

/* There is nobody to tell: the mesh has let this node go already, goes on with another that bears
 * its identity, or cannot be found any more. */
static void leave_quietly(struct gossip *g, uint64_t *ret_ticket)
{
	gossip_set_state(g, GOSSIP_LEAVING);
	g->leave_until = g->time.now;
	*ret_ticket = 0; /* it writes nothing */
	gossip_turn(g);
}

int gossip_leave(struct gossip *g, struct gossip_time time, bool force, uint64_t *ret_ticket)
{
	struct record_draft draft = {.type = RECORD_LEAVE};
	bool others, lost;
	int err;

	g->time = time;
	lost = g->state == GOSSIP_JOINING && !g->join.active; /* its records, but not its keys */
	if (g->state == GOSSIP_REVOKED || gossip_own_has_yielded(g) || (lost && force)) {
		leave_quietly(g, ret_ticket);
		return 0;
	}
	if (lost)
		return gossip_fail(g, ERR_STATE,
			"this node's database was lost, and it waits for a member to reach it: "
			"`meshctl leave --force` forgets its identity without telling anybody");
	if (g->state != GOSSIP_RUNNING)
		return gossip_fail(g, ERR_STATE, "this node is %s: there is no mesh to leave",
			gossip_state_label(g->state));
	others = swim_count(g->swim) > 0;
	if (!force && others && authority_is_admin(g->authority, &g->config.identity->id) &&
		gossip_command_count_admins(g) == 1)
		return gossip_fail(g, ERR_STATE,
			"this node is the mesh's last admin: nobody could invite or revoke any "
			"more; `meshctl leave "
			"--force` leaves all the same");
	if (!force && others && g->config.root && !g->config.root_exported)
		return gossip_fail(g, ERR_STATE,
			"this node holds the mesh's root key, which was never exported and would "
			"be lost: `meshctl root export FILE` first, or `meshctl leave --force` all "
			"the same");
	err = gossip_record_publish(g, g->config.identity, &draft);
	if (err != 0)
		return gossip_fail(g, err, "cannot leave: %s", err_text(err));
	gossip_set_state(g, GOSSIP_LEAVING);
	g->leave_until = MTIME_NEVER; /* set once it is on disk */
	*ret_ticket = g->ticket;
	gossip_turn(g);
	return 0;
}

void gossip_leave_persisted(struct gossip *g)
{
	if (g->state != GOSSIP_LEAVING)
		return;
	g->leave_until = mtime_add_ms(g->time.now, swim_count(g->swim) ? LEAVE_TELL_MS : 0);
	g->leave_next = g->time.now;
}

void gossip_leave_tick(struct gossip *g)
{
	struct record *record;
	struct peer *peer;
	size_t left = LEAVE_TELL_MEMBERS;

	if (g->state != GOSSIP_LEAVING)
		return;
	if (mtime_reached(g->time.now, g->leave_until)) {
		g->leave_until = g->leave_next = MTIME_NEVER;
		gossip_effect_add(g, EFFECT_LEFT, NULL, 0);
		return;
	}
	if (!mtime_reached(g->time.now, g->leave_next))
		return;
	g->leave_next = mtime_add_ms(g->time.now, LEAVE_TELL_GAP_MS);
	record = store_slot(g->store, &g->config.identity->id, RECORD_LEAVE, NULL, 0);
	map_each (&g->peers, at, peer) {
		if (record && left && peer->member && peer->state == GOSSIP_MEMBER_ALIVE) {
			gossip_packet_tell(g, peer, record);
			left--;
		}
	}
}

mtime_t gossip_leave_deadline(const struct gossip *g)
{
	return mtime_min(g->leave_until, g->leave_next);
}
