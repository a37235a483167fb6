#include <sodium.h>
#include <stdlib.h>

#include "gossip/gossip_internal.h"

/* ---- founding ---- */

static int check_found(struct gossip *g, const struct gossip_found *found, struct charter *charter)
{
	const char *name = found->mesh_name ? found->mesh_name : "mesh";

	if (g->state != GOSSIP_UNJOINED)
		return gossip_fail(g, ERR_STATE,
			"this node is %s already: `meshctl leave` first, or use another instance",
			gossip_state_label(g->state));
	if (admission_check_name(found->node_name) != 0)
		return gossip_fail(g, ERR_INVALID,
			"`%s` is no node name: 1 to 63 of a-z 0-9 -, none at the ends, and not "
			"just "
			"hexadecimal digits (those are ids): choose one with --name",
			found->node_name);
	if (name[0] == '\0' || strlen(name) > AUTHORITY_CHARTER_NAME_MAX ||
		!text_utf8_valid(name, strlen(name)))
		return gossip_fail(g, ERR_INVALID,
			"a mesh name is 1 to %d bytes of text without control characters",
			AUTHORITY_CHARTER_NAME_MAX);
	address_default_prefixes(&found->root->id, &charter->prefix4, &charter->prefix6);
	if (found->prefix4.ip.family)
		charter->prefix4 = found->prefix4;
	if (found->prefix6.ip.family)
		charter->prefix6 = found->prefix6;
	if (charter->prefix4.ip.family != 4 || address_check_prefix(&charter->prefix4) != 0)
		return gossip_fail(g, ERR_INVALID,
			"--prefix4 takes an IPv4 prefix of /8 to /24, no special one");
	if (charter->prefix6.ip.family != 6 || address_check_prefix(&charter->prefix6) != 0)
		return gossip_fail(g, ERR_INVALID,
			"--prefix6 takes an IPv6 prefix of /32 to /64, no special one");
	strcpy(charter->name, name);
	return 0;
}

static int publish_charter(struct gossip *g, const struct charter *charter)
{
	uint8_t value[256];
	struct pack pack;
	struct record_draft draft = {.type = RECORD_CHARTER, .value = value};

	pack_init(&pack, value, sizeof(value));
	charter_encode(charter, &pack);
	draft.value_size = pack.size;
	return gossip_publish(g, g->config.root, &draft);
}

static int publish_grant(struct gossip *g, const struct id *node)
{
	struct record_draft draft = {.type = RECORD_GRANT, .key = node, .key_size = sizeof(*node)};

	return gossip_publish(g, g->config.root, &draft);
}

/* The invite's record, on its way to disk; ret_record is a reference of the caller's. */
static int publish_invite(struct gossip *g, const struct keys *author, const struct invite *invite,
	struct record **ret_record)
{
	uint8_t value[2048];
	struct pack pack;
	struct record_draft draft = {.type = RECORD_INVITE,
		.key = &invite->id,
		.key_size = sizeof(invite->id),
		.value = value};
	struct record *record;
	int err;

	pack_init(&pack, value, sizeof(value));
	invite_encode(invite, &pack);
	err = pack_status(&pack);
	draft.value_size = pack.size;
	draft.stamp = hlc_next(&g->hlc, gossip_mesh_time(g));
	if (err == 0)
		err = record_sign(&g->mesh, author, &draft, &record);
	if (err != 0)
		return err;
	*ret_record = record_ref(record);
	gossip_publish_signed(g, record);
	return 0;
}

/* The founder comes in by the same door as everybody else: an invite, and an admission by it. */
static int admit_self(struct gossip *g, const char *name)
{
	const struct keys *self = g->config.identity;
	struct admission admission = {.node = self->id, .witness = self->id};
	struct record *record;
	struct keys key;
	uint8_t seed[32];
	int err;

	rng_bytes(&g->rng, seed, sizeof(seed));
	keys_from_seed(seed, &key);
	admission.invite = (struct invite){.id = key.id,
		.uses = 1,
		.expires_ms = gossip_mesh_time(g).ms + GOSSIP_JOIN_TIMEOUT_MS};
	strcpy(admission.name, name);
	err = publish_invite(g, self, &admission.invite, &admission.invite_record);
	admission.stamp = hlc_next(&g->hlc, gossip_mesh_time(g));
	if (err == 0) {
		admission_sign_invite(&g->mesh, &key, &self->id, name, &admission.invite_sig);
		admission_sign_witness(&g->mesh, self, &self->id, name, &key.id, admission.stamp,
			&admission.witness_sig);
		err = admission_sign(&g->mesh, self, &admission, &record);
	}
	if (err == 0)
		gossip_publish_signed(g, record);
	record_unref(admission.invite_record);
	keys_done(&key);
	sodium_memzero(seed, sizeof(seed));
	return err;
}

int gossip_found(struct gossip *g, struct gossip_time time, const struct gossip_found *found,
	uint64_t *ret_ticket)
{
	struct gossip_effect *effect;
	struct charter charter;
	int err;

	g->time = time;
	err = check_found(g, found, &charter);
	if (err != 0)
		return err;
	err = gossip_open_mesh(g, &found->root->id);
	if (err != 0)
		return gossip_fail(g, err, "cannot found a mesh: %s", err_text(err));
	g->config.root = found->root;
	effect = gossip_effect_add(g, EFFECT_PERSIST_MESH, NULL, 0);
	effect->ticket = ++g->ticket;
	effect->id = g->mesh;
	err = publish_charter(g, &charter);
	if (err == 0)
		err = publish_grant(g, &g->config.identity->id);
	if (err == 0)
		err = admit_self(g, found->node_name);
	if (err != 0) {
		gossip_close_mesh(g);
		return gossip_fail(g, err, "cannot found a mesh: %s", err_text(err));
	}
	gossip_set_state(g, GOSSIP_JOINING); /* until its own records are on disk */
	*ret_ticket = g->ticket;
	gossip_turn(g);
	return 0;
}

/* ---- joining ---- */

static int check_token(struct gossip *g, const char *text, const char *node_name)
{
	struct token *token = &g->join.token;
	int err = token_decode(text, token);

	if (err == ERR_MALFORMED || err == ERR_DAMAGED)
		return gossip_fail(g, err,
			"token %s: copy the whole line that `meshctl invite` printed, `mesh1_...`",
			err == ERR_DAMAGED ? err_text(err) : "is malformed");
	if (err == ERR_VERSION)
		return gossip_fail(g, err,
			"token was made by another version of meshd: update the older of the two");
	if (err != 0)
		return gossip_fail(g, err, "token %s: ask an admin for a new one", err_text(err));
	if (token->invite.expires_ms <= gossip_mesh_time(g).ms && g->time.synced)
		return gossip_fail(g, ERR_EXPIRED, "token has expired: ask an admin for a new one");
	if (token->invite.node_name[0])
		node_name = token->invite.node_name;
	if (!node_name || admission_check_name(node_name) != 0)
		return gossip_fail(g, ERR_INVALID,
			"`%s` is no node name: 1 to 63 of a-z 0-9 -, none at the ends, and not "
			"just "
			"hexadecimal digits (those are ids): choose one with --name",
			node_name ? node_name : "");
	strcpy(g->join.name, node_name);
	return 0;
}

static void add_join_endpoints(struct gossip *g, const struct endpoint *list, size_t count)
{
	struct join *join = &g->join;

	for (size_t i = 0; i < count && join->endpoint_count < ARRAY_SIZE(join->endpoints); i++) {
		if (gossip_peer_usable(g, &list[i]))
			join->endpoints[join->endpoint_count++] = list[i];
	}
}

int gossip_join(struct gossip *g, struct gossip_time time, const char *text, const char *node_name,
	int64_t timeout_ms, const struct endpoint *extra, size_t extra_count)
{
	struct join *join = &g->join;
	int err;

	g->time = time;
	if (g->state != GOSSIP_UNJOINED)
		return gossip_fail(g, ERR_STATE,
			"this node is %s already: `meshctl leave` first, or use another instance",
			gossip_state_label(g->state));
	*join = (struct join){.active = false};
	err = check_token(g, text, node_name);
	if (err == 0) {
		add_join_endpoints(
			g, join->token.invite.endpoints, join->token.invite.endpoint_count);
		add_join_endpoints(g, extra, extra_count);
		if (join->endpoint_count == 0)
			err = gossip_fail(g, ERR_UNKNOWN,
				"token names no address that can be reached from here, and no "
				"member was "
				"found on the LAN: mint one with `meshctl invite --endpoint "
				"HOST:PORT`");
	}
	if (err == 0) {
		err = gossip_open_mesh(g, &join->token.mesh);
		if (err != 0)
			err = gossip_fail(g, err, "cannot join: %s", err_text(err));
	}
	if (err != 0) {
		token_done(&join->token);
		*join = (struct join){.active = false};
		return err;
	}
	join->active = true;
	join->deadline = mtime_add_ms(g->time.now, timeout_ms);
	join->retry = g->time.now;
	gossip_set_state(g, GOSSIP_JOINING);
	gossip_stream_tick(g);
	gossip_turn(g);
	return 0;
}

/* ---- what admins do ---- */

static int need_admin(struct gossip *g, const char *what)
{
	g->error[0] = '\0';
	if (g->state != GOSSIP_RUNNING)
		return gossip_fail(g, ERR_STATE,
			"this node is %s: it belongs to no mesh that it could speak in (`meshctl "
			"init` or "
			"`meshctl join` first)",
			gossip_state_label(g->state));
	if (!authority_is_admin(g->authority, &g->config.identity->id))
		return gossip_fail(g, ERR_NOT_ADMIN,
			"only an admin %s: run this on an admin's node (`meshctl status` shows "
			"them)",
			what);
	return 0;
}

#define INVITE_ENDPOINTS_OTHERS 2 /* of the endpoints in a token, those of other members */

/* This node's, and some of other members', for any member admits and this node may be gone by then.
 */
static void default_endpoints(const struct gossip *g, struct invite *invite)
{
	size_t others = 0, own_most;
	struct descriptor own;
	struct peer *peer;

	if (invite->endpoint_count)
		return;
	map_each (&g->peers, at, peer)
		others += peer->member && peer->reached.ip.family;
	others = others < INVITE_ENDPOINTS_OTHERS ? others : INVITE_ENDPOINTS_OTHERS;
	own_most = INVITE_ENDPOINTS_MAX - others;
	gossip_view_own_descriptor(g, &own);
	for (size_t i = 0; i < own.endpoint_count && i < own_most; i++)
		invite->endpoints[invite->endpoint_count++] = own.endpoints[i];
	map_each (&g->peers, at, peer) {
		if (others && peer->member && peer->reached.ip.family && !peer->reached.scope) {
			invite->endpoints[invite->endpoint_count++] = peer->reached;
			others--;
		}
	}
}

static int check_invite(struct gossip *g, const struct invite *invite, int64_t lifetime_ms)
{
	struct charter charter;

	if (lifetime_ms <= 0 || invite->uses < 1 || invite->uses > INVITE_USES_MAX)
		return gossip_fail(g, ERR_INVALID,
			"an invite lives for some time and has 1 to %d uses", INVITE_USES_MAX);
	if (invite->node_name[0] && admission_check_name(invite->node_name) != 0)
		return gossip_fail(g, ERR_INVALID, "`%s` is no node name: 1 to 63 of a-z 0-9 -",
			invite->node_name);
	if ((invite->node_name[0] || invite->address_count) && invite->uses != 1)
		return gossip_fail(
			g, ERR_INVALID, "an invite that fixes a name or an address is for one use");
	if (invite->admin && (!g->config.root || invite->uses != 1))
		return gossip_fail(g, ERR_NOT_ADMIN,
			"--admin needs the mesh's root key, which is not on this node, and is for "
			"one use: run it "
			"on the node that holds the root");
	if (!authority_has_charter(g->authority, &charter))
		return invite->address_count ? gossip_fail(g, ERR_NOT_READY,
						       "the mesh's prefixes are not known yet")
					     : 0;
	for (size_t i = 0; i < invite->address_count; i++) {
		const struct ip *ip = &invite->addresses[i];
		char text[TEXT_IP_SIZE];

		if (!address_in_prefix(ip->family == 4 ? &charter.prefix4 : &charter.prefix6, ip))
			return gossip_fail(g, ERR_INVALID,
				"address %s lies outside the mesh's prefix", text_ip(ip, text));
	}
	return 0;
}

int gossip_invite(struct gossip *g, struct gossip_time time, int64_t lifetime_ms,
	struct invite *invite, char ret_token[TOKEN_TEXT_MAX], uint64_t *ret_ticket)
{
	struct token token = {.mesh = g->mesh};
	const struct record *grant;
	uint8_t seed[32];
	int err;

	g->time = time;
	err = need_admin(g, "invites");
	if (err == 0)
		err = check_invite(g, invite, lifetime_ms);
	if (err != 0)
		return err;
	rng_bytes(&g->rng, seed, sizeof(seed));
	keys_from_seed(seed, &token.key);
	sodium_memzero(seed, sizeof(seed));
	invite->id = token.key.id;
	invite->expires_ms = gossip_mesh_time(g).ms + lifetime_ms;
	default_endpoints(g, invite);
	token.invite = *invite;
	grant = store_slot(
		g->store, &g->mesh, RECORD_GRANT, &g->config.identity->id, sizeof(struct id));
	err = publish_invite(
		g, invite->admin ? g->config.root : g->config.identity, invite, &token.record);
	if (err == 0) {
		token.grant = grant && !invite->admin
				      ? record_ref((struct record *)(uintptr_t)grant)
				      : NULL;
		err = token_encode(&token, ret_token);
	}
	token_done(&token);
	if (err != 0)
		return gossip_fail(g, err, "cannot mint a token: %s", err_text(err));
	*ret_ticket = g->ticket;
	gossip_turn(g);
	return 0;
}

/* The nodes that an invite admitted and that are to stay: sorted, 32 bytes each. */
static uint8_t *admitted_by(
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
		err = gossip_publish(g, author, &draft);
	pack_done(&pack);
	return err;
}

/* A long list of what is kept goes in several records, which count when all of them are there. */
static int publish_revocation(struct gossip *g, const struct keys *author, enum record_type type,
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
	err = need_admin(g, "withdraws invites");
	if (err != 0)
		return err;
	if (!authority_invite(g->authority, invite))
		return gossip_fail(g, ERR_UNKNOWN, "no such invite: `meshctl invites` lists them");
	keep = admitted_by(g, invite, NULL, &closing.keep_count);
	closing.keep = keep;
	err = keep ? publish_revocation(g, g->config.identity, RECORD_CLOSING, &closing)
		   : ERR_NOMEM;
	free(keep);
	if (err != 0)
		return gossip_fail(g, err, "cannot withdraw the invite: %s", err_text(err));
	*ret_ticket = g->ticket;
	gossip_turn(g);
	return 0;
}

/* What an admin signed stands when the admin goes, unless it is said otherwise: all that is known.
 */
static uint8_t *signed_by(const struct gossip *g, const struct id *admin, size_t *ret_count)
{
	size_t count = 0;
	uint8_t *keep;

	for (const struct record *r = store_after(g->store, NULL); r; r = store_after(g->store, r))
		count += id_equal(&r->author, admin) && authority_chain(r->type) == CHAIN_ADMIN;
	keep = malloc(count ? count * sizeof(struct hash) : 1);
	count = 0;
	for (const struct record *r = store_after(g->store, NULL); keep && r;
		r = store_after(g->store, r)) {
		if (id_equal(&r->author, admin) && authority_chain(r->type) == CHAIN_ADMIN)
			memcpy(keep + sizeof(struct hash) * count++, &r->hash, sizeof(struct hash));
	}
	*ret_count = count;
	return keep;
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct id));
}

/* Only the root expels an admin: first it takes the office, naming what of the admin's acts stands.
 */
static int revoke_office(struct gossip *g, const struct revocation *revocation)
{
	struct revocation office = *revocation;
	uint8_t *keep;
	int err;

	if (!g->config.root)
		return gossip_fail(g, ERR_NOT_ADMIN,
			"%s is an admin: only the mesh's root key revokes admins, and it is not on "
			"this node: run "
			"this on the node that holds it",
			revocation->name);
	keep = signed_by(g, &revocation->subject, &office.keep_count);
	if (!keep)
		return ERR_NOMEM;
	qsort(keep, office.keep_count, sizeof(struct hash), compare_ids);
	office.keep = keep;
	err = publish_revocation(g, g->config.root, RECORD_ADMIN_REVOCATION, &office);
	free(keep);
	return err;
}

/* The node is expelled and its invite closed, keeping the others that it admitted. */
static int revoke_node(struct gossip *g, const struct keys *author,
	const struct authority_member *member, struct revocation *revocation)
{
	uint8_t *keep = admitted_by(g, &member->invite, &member->id, &revocation->keep_count);
	int err;

	if (!keep)
		return ERR_NOMEM;
	revocation->has_invite = true;
	revocation->invite = member->invite;
	revocation->keep = keep;
	err = publish_revocation(g, author, RECORD_REVOCATION, revocation);
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
	err = need_admin(g, "revokes");
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
	err = member->admin ? revoke_office(g, &revocation) : 0;
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

/* ---- leaving ---- */

static size_t count_admins(const struct gossip *g)
{
	const struct authority_member *member;
	size_t count = 0;

	for (size_t i = 0; (member = authority_at(g->authority, i)); i++)
		count += member->standing == AUTHORITY_MEMBER && member->admin;
	return count;
}

int gossip_leave(struct gossip *g, struct gossip_time time, bool force, uint64_t *ret_ticket)
{
	struct record_draft draft = {.type = RECORD_LEAVE};
	bool others;
	int err;

	g->time = time;
	if (g->state == GOSSIP_REVOKED) {
		/* The mesh has let it go already: there is nobody to tell. */
		gossip_set_state(g, GOSSIP_LEAVING);
		g->leave_until = g->time.now;
		*ret_ticket = g->ticket;
		gossip_turn(g);
		return 0;
	}
	if (g->state != GOSSIP_RUNNING)
		return gossip_fail(g, ERR_STATE, "this node is %s: there is no mesh to leave",
			gossip_state_label(g->state));
	others = swim_count(g->swim) > 0;
	if (!force && others && authority_is_admin(g->authority, &g->config.identity->id) &&
		count_admins(g) == 1)
		return gossip_fail(g, ERR_STATE,
			"this node is the mesh's last admin: nobody could invite or revoke any "
			"more; `meshctl leave "
			"--force` leaves all the same");
	if (!force && others && g->config.root)
		return gossip_fail(g, ERR_STATE,
			"this node holds the mesh's root key, and it would be lost: `meshctl leave "
			"--force` leaves all the "
			"same");
	err = gossip_publish(g, g->config.identity, &draft);
	if (err != 0)
		return gossip_fail(g, err, "cannot leave: %s", err_text(err));
	gossip_set_state(g, GOSSIP_LEAVING);
	g->leave_until = MTIME_NEVER; /* set once it is on disk */
	*ret_ticket = g->ticket;
	gossip_turn(g);
	return 0;
}

/* ---- what the host says ---- */

void gossip_set_endpoints(
	struct gossip *g, struct gossip_time time, const struct endpoint *endpoints, size_t count)
{
	g->time = time;
	if (count > ARRAY_SIZE(g->endpoints))
		count = ARRAY_SIZE(g->endpoints);
	memset(g->endpoints, 0, sizeof(g->endpoints));
	for (size_t i = 0; i < count; i++) {
		g->endpoints[i] = endpoints[i];
		g->endpoints[i].scope = 0;
	}
	g->endpoint_count = count;
	g->descriptor_dirty = true;
	gossip_turn(g);
}

void gossip_evidence(struct gossip *g, struct gossip_time time, const struct id *node)
{
	g->time = time;
	if (g->swim)
		swim_evidence(g->swim, g->time.now, node);
	gossip_turn(g);
}

void gossip_set_mtu(struct gossip *g, struct gossip_time time, uint16_t mtu)
{
	g->time = time;
	if (g->config.mtu == mtu)
		return;
	g->config.mtu = mtu;
	g->descriptor_dirty = true;
	gossip_turn(g);
}

const char *gossip_error(const struct gossip *g)
{
	return g->error;
}
