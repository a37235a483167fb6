#include "gossip/gossip_revoke.h"

#include <stdlib.h>

#include "gossip/gossip_command.h"
#include "gossip/gossip_grant.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_record.h"
#include "gossip/replica/store.h"

uint8_t *gossip_revoke_admitted(
	const struct gossip *g, const struct id *invite, const struct id *but, size_t *ret_count)
{
	const struct authority_member *member;
	uint8_t *keep;
	size_t count = 0;

	for (size_t i = 0; (member = authority_at(g->authority, i)); i++)
		count += id_equal(&member->invite, invite);
	keep = malloc(count ? count * sizeof(struct id) : 1);
	count = 0;
	for (size_t i = 0; keep && (member = authority_at(g->authority, i)); i++) {
		if (!id_equal(&member->invite, invite) || member->standing == AUTHORITY_VOID ||
			(but && id_equal(&member->id, but)))
			continue;
		memcpy(keep + sizeof(struct id) * count++, &member->id, sizeof(struct id));
	}
	*ret_count = count;
	return keep;
}

static int publish_chunk(struct gossip *g, const struct keys *author, enum record_type type,
	const struct revocation *chunk)
{
	uint8_t key[REVOCATION_KEY_MAX];
	struct record_draft draft = {
		.type = type, .key = key, .key_size = revocation_key(chunk, key)};
	struct pack pack;
	int err;

	pack_init_growing(&pack, RECORD_VALUE_MAX);
	revocation_encode(chunk, &pack);
	err = pack_status(&pack);
	draft.value = pack.data;
	draft.value_size = pack.size;
	if (err == 0)
		err = gossip_record_publish(g, author, &draft);
	pack_done(&pack);
	return err;
}

/* A long list of what is kept goes in several records, which count when all of them are there. */
int gossip_revoke_publish(struct gossip *g, const struct keys *author, enum record_type type,
	const struct revocation *revocation)
{
	size_t chunks = (revocation->keep_count + REVOCATION_KEEP_MAX - 1) / REVOCATION_KEEP_MAX;
	struct revocation chunk = *revocation;
	size_t done = 0;
	int err = 0;

	if (chunks > REVOCATION_CHUNKS_MAX)
		return ERR_TOO_BIG;
	chunk.chunk_count = (uint16_t)(chunks ? chunks : 1);
	for (chunk.chunk = 0; err == 0 && chunk.chunk < chunk.chunk_count; chunk.chunk++) {
		chunk.keep = revocation->keep + done * sizeof(struct id);
		chunk.keep_count = revocation->keep_count - done;
		if (chunk.keep_count > REVOCATION_KEEP_MAX)
			chunk.keep_count = REVOCATION_KEEP_MAX;
		done += chunk.keep_count;
		err = publish_chunk(g, author, type, &chunk);
	}
	return err;
}

int gossip_uninvite(
	struct gossip *g, struct gossip_time time, const struct id *invite, uint64_t *ret_ticket)
{
	struct revocation closing = {.subject = *invite};
	uint8_t *keep;
	int err;

	g->time = time;
	err = gossip_command_need_admin(g, "withdraws invites");
	if (err != 0)
		return err;
	if (!authority_invite(g->authority, invite))
		return gossip_fail(g, ERR_UNKNOWN, "no such invite: `meshctl invites` lists them");
	keep = gossip_revoke_admitted(g, invite, NULL, &closing.keep_count);
	closing.keep = keep;
	err = keep ? gossip_revoke_publish(g, g->config.identity, RECORD_CLOSING, &closing)
		   : ERR_NOMEM;
	free(keep);
	if (err != 0)
		return gossip_fail(g, err, "cannot withdraw the invite: %s", err_text(err));
	*ret_ticket = g->ticket;
	gossip_turn(g);
	return 0;
}

/* The node is expelled and its invite closed, keeping the others that it admitted. */
static int revoke_node(struct gossip *g, const struct keys *author,
	const struct authority_member *member, struct revocation *revocation)
{
	uint8_t *keep =
		gossip_revoke_admitted(g, &member->invite, &member->id, &revocation->keep_count);
	int err;

	if (!keep)
		return ERR_NOMEM;
	revocation->has_invite = true;
	revocation->invite = member->invite;
	revocation->keep = keep;
	err = gossip_revoke_publish(g, author, RECORD_REVOCATION, revocation);
	free(keep);
	return err;
}

static size_t revocations_of(const struct gossip *g, const struct id *author)
{
	size_t count = 0;

	for (const struct record *r = store_after(g->store, NULL); r; r = store_after(g->store, r))
		count += r->type == RECORD_REVOCATION && id_equal(&r->author, author);
	return count;
}

int gossip_revoke(struct gossip *g, struct gossip_time time, const struct id *node,
	const char *reason, uint64_t *ret_ticket)
{
	const struct authority_member *member;
	struct revocation revocation = {.subject = *node};
	int err;

	g->time = time;
	err = gossip_command_need_admin(g, "revokes");
	if (err != 0)
		return err;
	member = authority_member(g->authority, node);
	if (!member)
		return gossip_fail(g, ERR_UNKNOWN, "no such node: `meshctl status` lists them");
	if (id_equal(node, &g->config.identity->id))
		return gossip_fail(g, ERR_INVALID,
			"this is the node itself: `meshctl leave` takes it out of the mesh");
	if (member->standing == AUTHORITY_REVOKED)
		return gossip_fail(g, ERR_REVOKED, "%s is revoked already", member->name);
	if (strlen(reason) > AUTHORITY_REASON_MAX || !text_utf8_valid(reason, strlen(reason)))
		return gossip_fail(g, ERR_INVALID,
			"a reason is at most %d bytes of text without control characters",
			AUTHORITY_REASON_MAX);
	if (revocations_of(g, &g->config.identity->id) >= AUTHORITY_REVOCATIONS_MAX)
		return gossip_fail(g, ERR_LIMIT,
			"this admin has revoked %d nodes, and no mesh keeps more of one: withdraw "
			"invites as a whole (`meshctl uninvite`), or let another admin revoke",
			AUTHORITY_REVOCATIONS_MAX);
	strcpy(revocation.name, member->name);
	strcpy(revocation.reason, reason);
	/* only the root expels an admin: first it takes the office */
	err = member->admin ? gossip_grant_take_office(g, &revocation) : 0;
	if (err == 0)
		err = revoke_node(g, member->admin ? g->config.root : g->config.identity, member,
			&revocation);
	if (err != 0)
		return g->error[0] ? err
				   : gossip_fail(g, err, "cannot revoke %s: %s", revocation.name,
					     err_text(err));
	*ret_ticket = g->ticket;
	gossip_turn(g);
	return 0;
}
