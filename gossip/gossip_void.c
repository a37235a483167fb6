/* Whoever's membership has ended is told by what, over a stream that it opens: nobody takes a sync
 * of it any more, so it gets all that it takes to see it for itself, and nothing else. */
#include "gossip/gossip_void.h"

#include "gossip/gossip_internal.h"
#include "gossip/gossip_stream.h"
#include "gossip/replica/order.h"
#include "gossip/replica/store.h"
#include "gossip/wire/frame.h"

/* Of those who have the uses of an invite; with more, whoever was too many may have to ask a
 * person. */
#define SPENT_MOST 256

static int tell(struct gossip *g, struct stream *s, const struct record *record)
{
	struct frame answer = {.type = FRAME_VOID, .record = gossip_stream_item(record)};

	return record ? gossip_stream_send(g, s, &answer) : 0;
}

/* That it is an admin no more, and what of its acts stands. */
static int tell_expulsion(struct gossip *g, struct stream *s, const struct id *admin)
{
	int err = 0;

	for (const struct record *r = store_after(g->store, NULL);
		err == 0 && r && order_class(r->type) == ORDER_REVOCATION;
		r = store_after(g->store, r)) {
		if (r->type == RECORD_ADMIN_REVOCATION && r->key_size >= sizeof(*admin) &&
			memcmp(r->key, admin, sizeof(*admin)) == 0)
			err = tell(g, s, r);
	}
	return err;
}

/* What makes an admin's word count: the client may have missed that it became one, or what the root
 * let stand of one that is none any more. */
static int tell_admin(struct gossip *g, struct stream *s, const struct id *admin)
{
	int err = tell(g, s, store_slot(g->store, &g->mesh, RECORD_GRANT, admin, sizeof(*admin)));

	if (err == 0)
		err = tell(g, s, store_slot(g->store, admin, RECORD_ADMISSION, NULL, 0));
	return err ? err : tell_expulsion(g, s, admin);
}

/* The admission, and who keeps it: that may be why it stands before the client's. */
static int tell_admission(struct gossip *g, struct stream *s, const struct record *admission)
{
	const struct id *node = &admission->author;
	int err = tell(g, s, admission);

	for (const struct record *r = store_after(g->store, NULL);
		err == 0 && r && authority_concerns(r->type); r = store_after(g->store, r)) {
		if (r->type != RECORD_KEEP || memcmp(r->key, node, sizeof(*node)) != 0)
			continue;
		err = tell_admin(g, s, &r->author);
		if (err == 0)
			err = tell(g, s, r);
	}
	return err;
}

/* All who have the invite's uses: with fewer the client would see one left for itself. */
static int tell_spent(struct gossip *g, struct stream *s, const struct id *invite)
{
	const struct authority_member *member;
	size_t left = SPENT_MOST;
	int err = 0;

	for (size_t i = 0; err == 0 && left && (member = authority_at(g->authority, i)); i++) {
		const struct record *admission =
			id_equal(&member->invite, invite) && member->standing != AUTHORITY_VOID
				? store_slot(g->store, &member->id, RECORD_ADMISSION, NULL, 0)
				: NULL;

		if (!admission)
			continue;
		left--;
		err = tell_admission(g, s, admission);
	}
	return err;
}

/* An admission ends another's by what the admin said who minted its invite. */
static const struct id *whose_word(const struct gossip *g, const struct record *ended_by)
{
	const struct authority_member *admitted =
		ended_by->type == RECORD_ADMISSION
			? authority_member(g->authority, &ended_by->author)
			: NULL;
	const struct authority_invite *invite =
		admitted ? authority_invite(g->authority, &admitted->invite) : NULL;

	return invite ? &invite->author : &ended_by->author;
}

int gossip_void_tell(struct gossip *g, struct stream *s, const struct authority_member *member)
{
	int err;

	if (!member->ended_by)
		return ERR_REVOKED;
	/* as long as it is an admin by what it knows, no other's word counts against it */
	err = tell_expulsion(g, s, &member->id);
	if (err == 0)
		err = tell_admin(g, s, whose_word(g, member->ended_by));
	if (err == 0 && member->why == ERR_USED_UP)
		err = tell_spent(g, s, &member->invite);
	if (err == 0)
		err = tell(g, s, member->ended_by);
	if (err == 0)
		gossip_stream_end(g, s);
	return err;
}
