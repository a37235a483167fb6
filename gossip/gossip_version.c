#include "gossip/gossip_version.h"

#include <stdio.h>

#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_view.h"

/* What comes from a member that does not answer, and cannot be read, is looked for by its address:
 * so often, for that goes through all of them; and told as news again after so long without. A
 * member that is dead is pinged once a minute. */
#define UNREADABLE_GAP_MS 1000
#define UNREADABLE_MS	  150000

static void tell(struct gossip *g, const struct gossip_event *event)
{
	gossip_effect_event(g, event);
	gossip_effect_add(g, EFFECT_CHANGED, NULL, 0);
}

void gossip_version_described(
	struct gossip *g, struct peer *peer, const struct descriptor *descriptor)
{
	struct gossip_event event = gossip_view_event(g, GOSSIP_EVENT_OTHER_VERSION, &peer->id);
	bool apart = !descriptor_speaks(descriptor);

	if (apart && !peer->apart) {
		snprintf(event.cause, sizeof(event.cause),
			"it speaks versions %u to %u of the protocol, this meshd %u",
			descriptor->protocol_least, descriptor->protocol_most, KEYS_PROTOCOL);
		tell(g, &event);
	}
	peer->apart = apart;
}

static bool is_from(const struct peer *peer, const struct endpoint *from)
{
	if (endpoint_equal(&peer->reached, from) || endpoint_equal(&peer->stored, from))
		return true;
	for (size_t i = 0; i < peer->endpoint_count; i++) {
		if (endpoint_equal(&peer->endpoints[i], from))
			return true;
	}
	return false;
}

bool gossip_version_is_unreadable(const struct gossip *g, const struct peer *peer)
{
	return peer->state != GOSSIP_MEMBER_ALIVE && peer->unreadable.us != MTIME_ZERO.us &&
	       mtime_diff_ms(g->time.now, peer->unreadable) < UNREADABLE_MS;
}

/* Anybody can write that address on a packet, so that this is for people, and acted on by nobody.
 * Somebody who lives, and is not known by that tag yet, may be there by now. */
void gossip_version_unreadable(struct gossip *g, const struct endpoint *from)
{
	struct gossip_event event;
	struct peer *peer, *found = NULL;
	char at[TEXT_ENDPOINT_SIZE];

	if (!g->store || g->unkeyed || !mtime_reached(g->time.now, g->unreadable_next))
		return;
	g->unreadable_next = mtime_add_ms(g->time.now, UNREADABLE_GAP_MS);
	map_each (&g->peers, slot, peer) {
		if (!peer->member || !is_from(peer, from))
			continue;
		if (peer->state == GOSSIP_MEMBER_ALIVE)
			return;
		found = peer;
	}
	if (!found)
		return;
	if (!gossip_version_is_unreadable(g, found)) {
		event = gossip_view_event(g, GOSSIP_EVENT_OTHER_VERSION, &found->id);
		snprintf(event.cause, sizeof(event.cause),
			"what comes from %s cannot be read: it may speak another version of the "
			"protocol",
			text_endpoint(from, at));
		tell(g, &event);
	}
	found->unreadable = g->time.now;
}
