/* Ephemeral members are members until a time that they say in their descriptors, and say again when
 * a third of it has gone by. What is over is so for all alike, since it is computed from the
 * records and the hour of mesh time (trust/authority.h); here is when that is looked at. */
#include "gossip/gossip_lease.h"

#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/replica/store.h"

/* A wall clock may jump, and a host sleep, without any of our deadlines noticing. */
#define LEASE_LOOK_MS 60000

/* -1: nobody knows what time it is. */
static int64_t hour(const struct gossip *g)
{
	return gossip_mesh_time_known(g) ? gossip_mesh_time(g).ms / AUTHORITY_LEASE_ROUND_MS : -1;
}

bool gossip_lease_changed(const struct gossip *g)
{
	return g->authority && authority_has_leases(g->authority) && g->lease_hour != hour(g);
}

void gossip_lease_computed(struct gossip *g)
{
	g->lease_hour = hour(g);
	if (!authority_has_leases(g->authority))
		g->lease_next = MTIME_NEVER;
	else if (g->lease_next.us == MTIME_NEVER.us)
		g->lease_next = mtime_add_ms(g->time.now, LEASE_LOOK_MS);
}

void gossip_lease_renewed(struct gossip *g, const struct peer *peer)
{
	if (!peer->member)
		g->lease_hour = -2; /* as of no hour */
}

static bool is_ephemeral(const struct gossip *g)
{
	const struct authority_member *self =
		authority_member(g->authority, &g->config.identity->id);

	return self && self->ephemeral;
}

int64_t gossip_lease_expiry(const struct gossip *g)
{
	return is_ephemeral(g) ? gossip_mesh_time(g).ms + AUTHORITY_LEASE_MS : 0;
}

bool gossip_lease_is_due(const struct gossip *g, const struct record *held)
{
	return is_ephemeral(g) &&
	       (!held || held->expiry_ms <= gossip_mesh_time(g).ms + AUTHORITY_LEASE_MS * 2 / 3);
}

void gossip_lease_tick(struct gossip *g)
{
	if (!mtime_reached(g->time.now, g->lease_next))
		return;
	g->lease_next = mtime_add_ms(g->time.now, LEASE_LOOK_MS);
	if (gossip_lease_changed(g))
		g->view_dirty = true;
	if (g->state == GOSSIP_RUNNING &&
		gossip_lease_is_due(g,
			store_slot(g->store, &g->config.identity->id, RECORD_DESCRIPTOR, NULL, 0)))
		g->descriptor_dirty = true;
}

mtime_t gossip_lease_deadline(const struct gossip *g)
{
	return g->lease_next;
}
