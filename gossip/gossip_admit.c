#include "gossip/gossip_admit.h"

#include "gossip/crypto/channel.h"
#include "gossip/gossip_address.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_stream.h"
#include "gossip/gossip_view.h"
#include "gossip/wire/frame.h"

static int refuse(struct gossip *g, struct stream *s, int why)
{
	struct frame frame = {.type = FRAME_REFUSED};

	g->counters[GOSSIP_COUNT_STREAMS_REFUSED]++;
	strcpy(frame.label, err_name(why));
	if (gossip_stream_send(g, s, &frame) == 0)
		gossip_stream_end(g, s);
	return 0;
}

static int check_invite(const struct gossip *g, const struct id *id, const struct id *node)
{
	const struct authority_invite *invite = authority_invite(g->authority, id);
	const struct authority_member *member = authority_member(g->authority, node);

	if (!invite)
		return ERR_NOT_ADMIN;
	/* it was admitted already and the answer got lost: its use is spent on itself */
	if (member && member->standing == AUTHORITY_MEMBER && id_equal(&member->invite, id))
		return 0;
	switch (invite->state) {
	case INVITE_OPEN:
		return 0;
	case INVITE_EXPIRED:
		return ERR_EXPIRED;
	case INVITE_USED_UP:
		return ERR_USED_UP;
	case INVITE_CLOSED:
		return ERR_WITHDRAWN;
	case INVITE_INVALID:
		return ERR_NOT_ADMIN;
	}
	return ERR_NOT_ADMIN;
}

/* Whether it goes as the other comes: the root alone ends what admins are. */
static bool is_replaced(
	const struct gossip *g, const struct invite *invite, const struct authority_member *member)
{
	return invite->has_replaced && id_equal(&invite->replaced, &member->id) &&
	       !authority_is_admin(g->authority, &member->id);
}

static bool pins_address4(const struct invite *invite)
{
	for (size_t i = 0; i < invite->address_count; i++)
		if (invite->addresses[i].family == 4)
			return true;
	return false;
}

static int check_joiner(const struct gossip *g, const struct invite *invite, const struct id *node,
	const char *name)
{
	const struct authority_member *member;

	if (keys_check(node) != 0)
		return ERR_BAD_KEY;
	if (admission_check_name(name) != 0)
		return ERR_INVALID;
	member = authority_member(g->authority, node);
	if (member && member->standing != AUTHORITY_MEMBER)
		return member->standing == AUTHORITY_LEFT ? ERR_STATE : ERR_REVOKED;
	for (size_t i = 0; (member = authority_at(g->authority, i)); i++) {
		if (member->standing == AUTHORITY_MEMBER && strcmp(member->given_name, name) == 0 &&
			!id_equal(&member->id, node) && !is_replaced(g, invite, member))
			return ERR_NAME_TAKEN;
	}
	return pins_address4(invite) ? 0 : gossip_address_room(g, node);
}

static int check_request(struct gossip *g, const struct frame *frame, struct admission *admission)
{
	struct record *record;
	int err;

	if (g->state != GOSSIP_RUNNING)
		return ERR_NOT_READY;
	err = record_decode(&g->mesh, frame->record.bytes, frame->record.size, &record);
	if (err != 0)
		return err;
	admission->invite_record = record;
	err = invite_decode(record, &admission->invite);
	if (err == 0)
		err = admission_verify_invite(
			&g->mesh, &admission->invite.id, &frame->node, frame->name, &frame->sig);
	if (err == 0 && (gossip_record_put_item(g, &frame->grant) != 0 ||
				gossip_record_put_item(g, &frame->record) != 0))
		err = ERR_NOT_ADMIN;
	if (err == 0) {
		gossip_view_refresh(g);
		err = check_invite(g, &admission->invite.id, &frame->node);
	}
	if (err == 0 && admission->invite.node_name[0] &&
		strcmp(admission->invite.node_name, frame->name) != 0)
		err = ERR_INVALID;
	return err ? err : check_joiner(g, &admission->invite, &frame->node, frame->name);
}

/* A clock that was ahead, here or where the invite was made, makes stamps that no admission by it
 * may have. */
static int check_stamp(const struct admission *offer, uint64_t stamp)
{
	if (stamp < offer->invite_record->stamp)
		return ERR_FUTURE;
	return hlc_stamp_ms(stamp) > offer->invite.expires_ms ? ERR_EXPIRED : 0;
}

int gossip_admit_request(struct gossip *g, struct stream *s, const struct frame *frame)
{
	struct frame answer = {
		.type = FRAME_JOIN_OFFER, .node = g->config.identity->id, .time = g->time.wall};
	struct admission *offer = &s->offer;
	int err;

	if (s->role != STREAM_SERVER || channel_peer_kind(s->channel) != CHANNEL_JOIN ||
		offer->invite_record)
		return ERR_MALFORMED;
	err = check_request(g, frame, offer);
	if (err == 0 && !id_equal(&offer->invite.id, channel_peer(s->channel)))
		err = ERR_AUTH;
	answer.stamp = hlc_next(&g->hlc, gossip_mesh_time(g));
	if (err == 0)
		err = check_stamp(offer, answer.stamp);
	if (err != 0)
		return refuse(g, s, err);
	offer->node = frame->node;
	strcpy(offer->name, frame->name);
	offer->stamp = answer.stamp;
	admission_sign_witness(&g->mesh, g->config.identity, &offer->node, offer->name,
		&offer->invite.id, offer->stamp, &answer.sig);
	return gossip_stream_send(g, s, &answer);
}

int gossip_admit_commit(struct gossip *g, struct stream *s, const struct frame *frame)
{
	struct record *record;
	struct admission admission;
	bool fresh;
	int err;

	if (s->role != STREAM_SERVER || !s->offer.invite_record || s->commit_ticket)
		return ERR_MALFORMED;
	err = record_decode(&g->mesh, frame->record.bytes, frame->record.size, &record);
	if (err != 0)
		return err;
	err = admission_decode(&g->mesh, record, &admission);
	if (err == 0) {
		if (!id_equal(&admission.node, &s->offer.node) ||
			!id_equal(&admission.invite.id, &s->offer.invite.id))
			err = ERR_AUTH;
		admission_done(&admission);
	}
	/* what was open when the offer was made may be taken by now */
	if (err == 0)
		err = check_joiner(g, &s->offer.invite, &s->offer.node, s->offer.name);
	if (err == 0)
		err = check_invite(g, &s->offer.invite.id, &s->offer.node);
	if (err == 0)
		err = gossip_record_put(g, record, &fresh);
	record_unref(record);
	if (err != 0)
		return refuse(g, s, err);
	s->commit_ticket = g->awaited = g->ticket;
	/* whoever joins may ask here for itself at once */
	gossip_view_refresh(g);
	gossip_stream_persisted(g);
	return 0;
}
