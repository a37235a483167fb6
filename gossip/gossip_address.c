/*
 * IPv4 addresses out of the claims that living members make (trust/address.h): who holds which, and
 * what this node does when another holds what it claims.
 */
#include "gossip/gossip_address.h"

#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_view.h"
#include "gossip/trust/address.h"

static struct address_claim claim_of(
	const struct charter *charter, const struct authority_member *member, uint32_t number)
{
	struct address_claim claim = {.node = member->id,
		.kept = member->kept,
		.stamp = member->stamp,
		.ip = member->pinned4};

	claim.pinned = member->pinned4.family != 0;
	if (!claim.pinned)
		address_ipv4(&charter->prefix4, &member->id, number, &claim.ip);
	return claim;
}

struct claims {
	struct address_claim *items;
	size_t count;
};

/* All living claims, this node's included, resolved. ERR_NOMEM. */
static int resolve_addresses(
	const struct gossip *g, const struct charter *charter, struct claims *ret)
{
	const struct authority_member *member;
	size_t count = 0;

	while (authority_at(g->authority, count))
		count++;
	*ret = (struct claims){.items = calloc(count ? count : 1, sizeof(*ret->items))};
	if (!ret->items)
		return ERR_NOMEM;
	for (size_t i = 0; (member = authority_at(g->authority, i)); i++) {
		bool self = id_equal(&member->id, &g->config.identity->id);
		const struct peer *peer = self ? NULL : gossip_peer(g, &member->id);

		if (member->standing != AUTHORITY_MEMBER)
			continue;
		if (self)
			ret->items[ret->count++] = claim_of(charter, member, g->claim);
		else if (peer && (peer->descriptor || member->pinned4.family))
			ret->items[ret->count++] = claim_of(charter, member, peer->claim);
	}
	address_resolve(ret->items, ret->count);
	return 0;
}

/* The first at an address is its holder: address_resolve has sorted them so. */
static const struct address_claim *holder_of(const struct claims *claims, const struct ip *ip)
{
	for (size_t i = 0; i < claims->count; i++)
		if (claims->items[i].holds && ip_equal(&claims->items[i].ip, ip))
			return &claims->items[i];
	return NULL;
}

/* For this node's operator: who has the address that it had, and what it has now. */
static void note_lost(struct gossip *g, const struct claims *claims, const struct ip *lost)
{
	const struct address_claim *holder = holder_of(claims, lost);
	struct gossip_event event =
		gossip_view_event(g, GOSSIP_EVENT_ADDRESS_MOVED, &g->config.identity->id);

	if (!lost->family || ip_equal(lost, &g->address4) || !holder)
		return;
	g->lost.ip = *lost;
	g->lost.at = g->time.wall;
	g->lost.holder = holder->node;
	text_ip(lost, event.from);
	text_ip(&g->address4, event.to);
	snprintf(event.cause, sizeof(event.cause), "%s has it",
		gossip_view_event(g, GOSSIP_EVENT_ADDRESS_MOVED, &holder->node).name);
	gossip_effect_event(g, &event);
}

/* Only the loser of a clash moves: to its next claim that nobody holds. */
static void move_own_claim(
	struct gossip *g, const struct charter *charter, const struct claims *claims)
{
	const struct id *self = &g->config.identity->id;
	uint32_t claim;

	if (address_choose(
		    &charter->prefix4, self, g->claim, claims->items, claims->count, &claim) != 0)
		return;
	g->claim = claim;
	g->claims_dirty = true;
	address_ipv4(&charter->prefix4, self, claim, &g->address4);
	g->descriptor_dirty = true;
}

/* An address that its invite pins can be lost as well: to a member whose invite pins it, too. Then
 * it claims one like everybody. Whoever joins passes over what others have without having had it.
 */
static void apply_own(struct gossip *g, const struct charter *charter, const struct claims *claims,
	const struct address_claim *own)
{
	struct ip before = g->address4;

	g->address4 = (struct ip){0};
	if (own->holds)
		g->address4 = own->ip;
	else if (!own->pinned)
		move_own_claim(g, charter, claims);
	note_lost(g, claims, &before);
}

void gossip_address_apply(struct gossip *g)
{
	const struct id *self = &g->config.identity->id;
	struct charter charter;
	struct claims claims;
	struct peer *peer;

	if (!g->claims_dirty || !authority_has_charter(g->authority, &charter))
		return;
	if (resolve_addresses(g, &charter, &claims) != 0)
		return; /* no memory: with the next change */
	g->claims_dirty = false;
	map_each (&g->peers, at, peer)
		peer->address4 = (struct ip){0};
	for (size_t i = 0; i < claims.count; i++) {
		const struct address_claim *claim = &claims.items[i];

		if (id_equal(&claim->node, self))
			apply_own(g, &charter, &claims, claim);
		else if (claim->holds && (peer = gossip_peer(g, &claim->node)))
			peer->address4 = claim->ip;
	}
	free(claims.items);
}

int gossip_address_room(const struct gossip *g, const struct id *node)
{
	struct charter charter;
	struct claims claims;
	uint32_t claim;
	int err;

	if (!authority_has_charter(g->authority, &charter))
		return 0;
	err = resolve_addresses(g, &charter, &claims);
	if (err != 0)
		return err;
	err = address_choose(&charter.prefix4, node, 0, claims.items, claims.count, &claim);
	free(claims.items);
	return err;
}

void gossip_address_met(struct gossip *g, const struct record *record)
{
	struct descriptor said;

	if (record == g->storing || descriptor_read(record, &said) != 0)
		return;
	g->claim = said.claim;
	g->claims_dirty = true;
	g->view_dirty = true;
}
