/* What an admin's node does by itself, so that whoever kept an old token gains nothing by it: it
 * keeps whom it sees validly admitted, and closes invites a week after they have expired. Any
 * admin's word is enough, so each node waits for a random while and looks whether somebody else was
 * first. */
#include "gossip/gossip_keep.h"

#include <stdlib.h>

#include "gossip/gossip_command.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_revoke.h"

/* Within so long somebody keeps a new member: with ten admins, news being everywhere in 50 ms, one
 * keep in twenty is one too many. Keeps at once, and one so often in the long run: each is a record
 * on every node. */
#define KEEP_WAIT_MS   2000
#define KEEP_SPREAD_MS 10000
#define KEEP_BURST     64
#define KEEP_GAP_MS    250

/* After its expiry; the honest who were admitted far away are heard of by then. Between two looks
 * of one node, half of it by chance; closings in one of them. */
#define CLOSE_AFTER_MS (7 * 24 * 3600 * INT64_C(1000))
#define CLOSE_LOOK_MS  (3600 * INT64_C(1000))
#define CLOSE_MOST     64

static bool is_acting(const struct gossip *g)
{
	const struct authority_member *self =
		g->authority ? authority_member(g->authority, &g->config.identity->id) : NULL;

	return g->state == GOSSIP_RUNNING && self && self->admin;
}

static bool wants_keep(const struct authority_member *member)
{
	return member->standing == AUTHORITY_MEMBER && !member->kept;
}

static mtime_t keep_soon(struct gossip *g)
{
	return mtime_add_ms(
		g->time.now, KEEP_WAIT_MS + (int64_t)rng_below(&g->rng, KEEP_SPREAD_MS));
}

void gossip_keep_view_changed(struct gossip *g)
{
	const struct authority_member *member = NULL;

	if (!is_acting(g)) {
		g->keep_next = g->close_next = MTIME_NEVER;
		return;
	}
	if (g->close_next.us == MTIME_NEVER.us)
		g->close_next = mtime_add_ms(
			g->time.now, (int64_t)rng_below(&g->rng, (uint64_t)CLOSE_LOOK_MS));
	for (size_t i = 0; (member = authority_at(g->authority, i)) && !wants_keep(member); i++)
		continue;
	if (!member)
		g->keep_next = MTIME_NEVER;
	else if (g->keep_next.us == MTIME_NEVER.us)
		g->keep_next = keep_soon(g);
}

static int publish_keep(struct gossip *g, const struct id *node, bool by_hand)
{
	uint8_t value[8];
	struct pack pack;
	struct record_draft draft = {
		.type = RECORD_KEEP, .key = node, .key_size = sizeof(*node), .value = value};

	pack_init(&pack, value, sizeof(value));
	keep_encode(by_hand, &pack);
	draft.value_size = pack.size;
	return gossip_record_publish(g, g->config.identity, &draft);
}

/* What is signed here is on its way to the disk: if it has not come there by the next look, it is
 * signed again, and takes the same slot. */
static void keep_members(struct gossip *g)
{
	const struct authority_member *member;

	g->keep_next = MTIME_NEVER;
	for (size_t i = 0; (member = authority_at(g->authority, i)); i++) {
		if (!wants_keep(member))
			continue;
		if (!mtime_allows(&g->keep_rate, g->time.now, KEEP_GAP_MS, KEEP_BURST) ||
			publish_keep(g, &member->id, false) != 0) {
			g->keep_next = keep_soon(g);
			return;
		}
	}
}

/* An invite for admins is the root's to close. NULL: not by this node. */
static const struct keys *closer_of(const struct gossip *g, const struct authority_invite *invite)
{
	return id_equal(&invite->author, &g->mesh) ? g->config.root : g->config.identity;
}

static int close_invite(struct gossip *g, const struct keys *author, const struct id *invite)
{
	struct revocation closing = {.subject = *invite};
	uint8_t *keep = gossip_revoke_admitted(g, invite, NULL, &closing.keep_count);
	int err;

	if (!keep)
		return ERR_NOMEM;
	closing.keep = keep;
	err = gossip_revoke_publish(g, author, RECORD_CLOSING, &closing);
	free(keep);
	return err;
}

static void close_invites(struct gossip *g)
{
	const struct authority_invite *invite;
	wtime_t now = gossip_mesh_time(g);
	size_t left = CLOSE_MOST;

	g->close_next = mtime_add_ms(g->time.now,
		CLOSE_LOOK_MS / 2 + (int64_t)rng_below(&g->rng, (uint64_t)CLOSE_LOOK_MS));
	if (!gossip_mesh_time_known(g))
		return; /* nobody vouches that they have expired */
	for (size_t i = 0; left && (invite = authority_invite_at(g->authority, i)); i++) {
		const struct keys *author = closer_of(g, invite);

		if (!author || invite->state == INVITE_CLOSED || invite->state == INVITE_INVALID ||
			invite->invite.expires_ms > now.ms - CLOSE_AFTER_MS)
			continue;
		if (close_invite(g, author, &invite->invite.id) != 0)
			return; /* at the next look */
		left--;
	}
}

void gossip_keep_tick(struct gossip *g)
{
	if (!is_acting(g))
		return;
	if (mtime_reached(g->time.now, g->keep_next))
		keep_members(g);
	if (mtime_reached(g->time.now, g->close_next))
		close_invites(g);
}

mtime_t gossip_keep_deadline(const struct gossip *g)
{
	return g->state == GOSSIP_RUNNING ? mtime_min(g->keep_next, g->close_next) : MTIME_NEVER;
}

/* ---- by hand ---- */

static int check_keep(struct gossip *g, const struct id *node)
{
	const struct authority_member *member = authority_member(g->authority, node);

	if (!member)
		return gossip_fail(g, ERR_UNKNOWN, "no such node: `meshctl status` lists them");
	switch (member->standing) {
	case AUTHORITY_MEMBER:
		return 0;
	case AUTHORITY_REVOKED:
		return gossip_fail(g, ERR_REVOKED,
			"%s is revoked (%s), and that is for good: it can come back as a new node, "
			"by a new token",
			member->name, member->reason);
	case AUTHORITY_LEFT:
		return gossip_fail(g, ERR_STATE,
			"%s %s: it can come back as a new node, by a new token", member->name,
			member->why == ERR_EXPIRED ? "was ephemeral, and its lease is over"
						   : "has left for good");
	case AUTHORITY_VOID:
		break;
	}
	if (member->why == ERR_USED_UP || member->why == ERR_WITHDRAWN)
		return 0;
	return gossip_fail(g, member->why,
		"%s came by an invite that %s: no keep mends that; let it in anew, by a new token",
		member->name, err_text(member->why));
}

int gossip_keep(
	struct gossip *g, struct gossip_time time, const struct id *node, uint64_t *ret_ticket)
{
	int err;

	g->time = time;
	err = gossip_command_need_admin(g, "keeps others' admissions");
	if (err == 0)
		err = check_keep(g, node);
	if (err != 0)
		return err;
	err = publish_keep(g, node, true);
	if (err != 0)
		return gossip_fail(g, err, "cannot keep it: %s", err_text(err));
	*ret_ticket = g->ticket;
	gossip_turn(g);
	return 0;
}
