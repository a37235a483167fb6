#include "gossip/gossip_command.h"

#include <sodium.h>
#include <stdlib.h>

#include "gossip/gossip_age.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_own.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_record.h"
#include "gossip/gossip_view.h"
#include "gossip/replica/store.h"
#include "gossip/trust/address.h"

/* ---- founding ---- */

static int check_found(struct gossip *g, const struct gossip_found *found, struct charter *charter)
{
	const char *name = found->mesh_name ? found->mesh_name : "mesh";

	if (g->state != GOSSIP_UNJOINED)
		return gossip_fail(g, ERR_STATE,
			"this node is %s, with a mesh already: `meshctl leave` it first, or run "
			"another instance",
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
	return gossip_record_publish(g, g->config.root, &draft);
}

static int publish_grant(struct gossip *g, const struct id *node)
{
	struct record_draft draft = {.type = RECORD_GRANT, .key = node, .key_size = sizeof(*node)};

	return gossip_record_publish(g, g->config.root, &draft);
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
	gossip_record_publish_signed(g, record);
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
		gossip_record_publish_signed(g, record);
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
	gossip_age_founded(g);
	g->config.root_exported = false;
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

/* ---- what admins do ---- */

int gossip_command_need_running(struct gossip *g)
{
	int err = gossip_own_may_write(g);

	if (err != 0)
		return err;
	g->error[0] = '\0';
	if (g->state != GOSSIP_RUNNING)
		return gossip_fail(g, ERR_STATE,
			"this node is %s: it belongs to no mesh that it could speak in (%s`meshctl "
			"init` or "
			"`meshctl join` first)",
			gossip_state_label(g->state),
			g->state == GOSSIP_REVOKED ? "`meshctl leave`, then " : "");
	return 0;
}

int gossip_command_need_admin(struct gossip *g, const char *what)
{
	int err = gossip_command_need_running(g);

	if (err != 0)
		return err;
	if (!authority_is_admin(g->authority, &g->config.identity->id))
		return gossip_fail(g, ERR_NOT_ADMIN,
			"only an admin %s: run this on an admin's node (`meshctl status` shows "
			"them)",
			what);
	return 0;
}

size_t gossip_command_count_admins(const struct gossip *g)
{
	const struct authority_member *member;
	size_t count = 0;

	for (size_t i = 0; (member = authority_at(g->authority, i)); i++)
		count += member->standing == AUTHORITY_MEMBER && member->admin;
	return count;
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

/* The name and the addresses of the node that is replaced, where no others are asked for. */
static int take_place(struct gossip *g, struct invite *invite)
{
	const struct authority_member *standing;
	struct gossip_member member;

	if (!gossip_member(g, &invite->replaced, &member))
		return gossip_fail(g, ERR_UNKNOWN, "no such node: `meshctl status` lists them");
	sodium_memzero(member.preshared, sizeof(member.preshared));
	standing = member.standing;
	if (member.self)
		return gossip_fail(g, ERR_INVALID,
			"this is the node itself: mint the token on another admin's node");
	if (authority_is_admin(g->authority, &standing->id))
		return gossip_fail(g, ERR_STATE,
			"%s is an admin, and only the root's word ends that: `meshctl ungrant %s "
			"admin` first, on the node that holds the root",
			standing->name, standing->name);
	if (!invite->node_name[0])
		strcpy(invite->node_name, standing->given_name);
	if (invite->address_count)
		return 0;
	if (member.address4.family)
		invite->addresses[invite->address_count++] = member.address4;
	if (member.address6.family)
		invite->addresses[invite->address_count++] = member.address6;
	return 0;
}

static bool fixes(const struct invite *invite, const struct ip *ip)
{
	for (size_t i = 0; i < invite->address_count; i++) {
		if (ip_equal(&invite->addresses[i], ip))
			return true;
	}
	return false;
}

/* Of two that have one address pinned, one has to do without. */
static int check_free(struct gossip *g, const struct invite *invite, const struct ip *ip)
{
	const struct authority_invite *other;
	const struct authority_member *member;
	char text[TEXT_IP_SIZE], id[TEXT_ID_SIZE];

	for (size_t i = 0; (other = authority_invite_at(g->authority, i)); i++) {
		if (other->state == INVITE_OPEN && fixes(&other->invite, ip))
			return gossip_fail(g, ERR_STATE,
				"address %s is promised by invite %.8s already: `meshctl uninvite "
				"%.8s` first",
				text_ip(ip, text), text_id(&other->invite.id, id), id);
	}
	for (size_t i = 0; (member = authority_at(g->authority, i)); i++) {
		if (member->standing == AUTHORITY_MEMBER &&
			(ip_equal(&member->pinned4, ip) || ip_equal(&member->pinned6, ip)) &&
			!(invite->has_replaced && id_equal(&invite->replaced, &member->id)))
			return gossip_fail(g, ERR_STATE, "address %s is fixed for %s already",
				text_ip(ip, text), member->name);
	}
	return 0;
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
	if ((invite->node_name[0] || invite->address_count || invite->has_replaced) &&
		invite->uses != 1)
		return gossip_fail(g, ERR_INVALID,
			"an invite that fixes a name or an address, or replaces a node, is for one "
			"use");
	if (invite->admin && invite->ephemeral)
		return gossip_fail(g, ERR_INVALID,
			"an admin is no ephemeral member: with its lease an admin would go");
	if (invite->admin && invite->uses != 1)
		return gossip_fail(g, ERR_INVALID, "an invite of an admin is for one use");
	if (invite->admin && !g->config.root)
		return gossip_fail(g, ERR_NOT_ADMIN,
			"--admin needs the mesh's root key, which is not on this node: run it on "
			"the node that holds it");
	if (!authority_has_charter(g->authority, &charter))
		return invite->address_count ? gossip_fail(g, ERR_NOT_READY,
						       "the mesh's prefixes are not known yet")
					     : 0;
	for (size_t i = 0; i < invite->address_count; i++) {
		const struct ip *ip = &invite->addresses[i];
		char text[TEXT_IP_SIZE];
		int err;

		if (!address_in_prefix(ip->family == 4 ? &charter.prefix4 : &charter.prefix6, ip))
			return gossip_fail(g, ERR_INVALID,
				"address %s lies outside the mesh's prefix", text_ip(ip, text));
		err = check_free(g, invite, ip);
		if (err != 0)
			return err;
	}
	return 0;
}

int gossip_invite(struct gossip *g, struct gossip_time time, int64_t lifetime_ms,
	struct invite *invite, char ret_token[TOKEN_TEXT_MAX], uint64_t *ret_ticket)
{
	struct token token = {.mesh = g->mesh};
	struct record *grant;
	uint8_t seed[32];
	int err;

	g->time = time;
	err = gossip_command_need_admin(g, "invites");
	if (err == 0 && invite->has_replaced)
		err = take_place(g, invite);
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
		token.grant = grant && !invite->admin ? record_ref(grant) : NULL;
		err = token_encode(&token, ret_token);
	}
	token_done(&token);
	if (err != 0)
		return gossip_fail(g, err, "cannot mint a token: %s", err_text(err));
	*ret_ticket = g->ticket;
	gossip_turn(g);
	return 0;
}

void gossip_set_root(struct gossip *g, const struct keys *root, bool exported)
{
	g->config.root = root;
	g->config.root_exported = exported;
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
	g->endpoints_known = true;
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
	g->segments_changed |= g->own_segment_count > 0;
	gossip_turn(g);
}

int gossip_ping(
	struct gossip *g, struct gossip_time time, const struct id *node, uint64_t *ret_ticket)
{
	uint64_t sequence;
	int err;

	g->time = time;
	if (g->state != GOSSIP_RUNNING)
		return gossip_fail(g, ERR_STATE, "this node is %s: there is nobody to ask",
			gossip_state_label(g->state));
	err = swim_ping(g->swim, g->time.now, node, &sequence);
	if (err != 0)
		return gossip_fail(g, err, "%s",
			id_equal(node, &g->config.identity->id) ? "that is this node itself"
								: "it is no member any more");
	*ret_ticket = sequence;
	gossip_turn(g);
	return 0;
}

const char *gossip_error(const struct gossip *g)
{
	return g->error;
}
