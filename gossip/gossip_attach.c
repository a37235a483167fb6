/*
 * Who is attached to which L2 segments: that stands in everybody's descriptor, by VNI. This node is
 * attached to those that it was told to, and to those that attach all, as far as it can have any
 * and they are in force. And who is gone.
 */
#include "gossip/gossip_attach.h"

#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_command.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_mac.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_segment.h"
#include "gossip/replica/store.h"

/* Descriptors that say at once what this node attaches to, and so often in the long run: half of
 * what others take of one member (DESCRIBE_BURST). More are put together. */
#define ATTACH_BURST  4
#define ATTACH_GAP_MS 2000

/* ---- this node ---- */

static void tell_attached(
	struct gossip *g, bool attached, const char *name, const struct id *node, const char *cause)
{
	struct gossip_event event = gossip_segment_event(
		g, attached ? GOSSIP_SEGMENT_ATTACHED : GOSSIP_SEGMENT_DETACHED, name, node);

	snprintf(event.cause, sizeof(event.cause), "%s", cause);
	if (g->started)
		gossip_effect_event(g, &event);
}

/* attachment_count: it was not told to. */
static size_t find_attachment(const struct gossip *g, const char *name)
{
	size_t i = 0;

	while (i < g->attachment_count && strcmp(g->attachments[i].name, name) != 0)
		i++;
	return i;
}

bool gossip_segment_is_wanted(const struct gossip *g, const char *name)
{
	return find_attachment(g, name) < g->attachment_count;
}

static void forget_attachment(struct gossip *g, size_t index)
{
	g->attachments[index] = g->attachments[--g->attachment_count];
}

/* A segment that was known and is no more was deleted: one of the same name that comes later is
 * another one. */
static void forget_deleted(struct gossip *g)
{
	for (size_t i = g->attachment_count; i-- > 0;) {
		bool there = gossip_segment_named(g, g->attachments[i].name) != NULL;

		if (!there && g->attachments[i].known)
			forget_attachment(g, i);
		else
			g->attachments[i].known = there;
	}
}

static const struct own_segment *own_named(
	const struct own_segment *segments, size_t count, const char *name, uint32_t vni)
{
	for (size_t i = 0; i < count; i++) {
		if (segments[i].vni == vni && strcmp(segments[i].name, name) == 0)
			return &segments[i];
	}
	return NULL;
}

static int compare_own(const void *a, const void *b)
{
	const struct own_segment *x = a, *y = b;

	return (x->vni > y->vni) - (x->vni < y->vni);
}

/* First those that it was told to, then those that attach all, as many as a descriptor has room
 * for. Sorted by VNI, of which each is in force once. */
static size_t choose_own(const struct gossip *g, struct own_segment ret[DESCRIPTOR_SEGMENTS_MAX])
{
	size_t count = 0;

	for (int wanted = 1; wanted >= 0 && g->segments_able; wanted--) {
		for (size_t i = 0; i < g->segment_count; i++) {
			const struct segment_row *row = &g->segments[i];

			if (row->rival || count == DESCRIPTOR_SEGMENTS_MAX ||
				gossip_segment_is_wanted(g, row->name) != wanted ||
				(!wanted && !row->says.automatic))
				continue;
			ret[count] = (struct own_segment){.vni = row->says.vni};
			strcpy(ret[count++].name, row->name);
		}
	}
	qsort(ret, count, sizeof(*ret), compare_own);
	return count;
}

static const char *why_detached(const struct gossip *g, const char *name)
{
	const struct segment_row *row = gossip_segment_named(g, name);

	if (!row)
		return "the segment was deleted";
	if (row->rival)
		return "another segment has its VNI";
	return g->segments_able ? "" : "this node can have no segments now";
}

static void own_changed(struct gossip *g)
{
	g->descriptor_dirty = true;
	if (mtime_allows(&g->attach_rate, g->time.now, ATTACH_GAP_MS, ATTACH_BURST))
		g->descriptor_next = g->time.now;
	g->segments_changed = true;
	gossip_mac_members_changed(g);
}

static void attach_own(struct gossip *g)
{
	const struct id *self = &g->config.identity->id;
	struct own_segment now[DESCRIPTOR_SEGMENTS_MAX];
	size_t count;

	if (!g->segments_told)
		return; /* it is as it was */
	count = choose_own(g, now);
	if (count == g->own_segment_count &&
		memcmp(now, g->own_segments, count * sizeof(*now)) == 0)
		return;
	for (size_t i = 0; i < g->own_segment_count; i++) {
		const struct own_segment *was = &g->own_segments[i];

		if (!own_named(now, count, was->name, was->vni))
			tell_attached(g, false, was->name, self, why_detached(g, was->name));
	}
	for (size_t i = 0; i < count; i++) {
		if (!own_named(g->own_segments, g->own_segment_count, now[i].name, now[i].vni))
			tell_attached(g, true, now[i].name, self, "");
	}
	memcpy(g->own_segments, now, count * sizeof(*now));
	g->own_segment_count = count;
	own_changed(g);
}

bool gossip_attach_is_own(const struct gossip *g, uint32_t vni)
{
	for (size_t i = 0; i < g->own_segment_count; i++) {
		if (g->own_segments[i].vni == vni)
			return true;
	}
	return false;
}

void gossip_attach_describe(const struct gossip *g, struct descriptor *ret)
{
	ret->segment_count = g->own_segment_count;
	for (size_t i = 0; i < g->own_segment_count; i++)
		ret->segments[i] = g->own_segments[i].vni;
}

/* ---- others ---- */

bool gossip_attach_has_peer(const struct peer *peer, uint32_t vni)
{
	for (size_t i = 0; peer->member && i < peer->segment_count; i++) {
		if (peer->segments[i] == vni)
			return true;
	}
	return false;
}

static bool is_in(uint32_t vni, const uint32_t *vnis, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (vnis[i] == vni)
			return true;
	}
	return false;
}

/* Those in a that are not in b. */
static void tell_differences(struct gossip *g, const struct peer *peer, bool attached,
	const uint32_t *a, size_t a_count, const uint32_t *b, size_t b_count)
{
	for (size_t i = 0; i < a_count; i++) {
		const struct segment_row *row =
			is_in(a[i], b, b_count) ? NULL : gossip_segment_in_force(g, a[i]);

		if (row)
			tell_attached(g, attached, row->name, &peer->id, "");
	}
}

void gossip_attach_described(struct gossip *g, struct peer *peer, const struct descriptor *said)
{
	size_t size = said->segment_count * sizeof(said->segments[0]);
	uint32_t *now;

	if (peer->mtu != said->mtu && said->segment_count)
		g->segments_changed = true;
	peer->mtu = said->mtu;
	if (peer->segment_count == said->segment_count &&
		(!size || memcmp(peer->segments, said->segments, size) == 0))
		return;
	now = size ? malloc(size) : NULL;
	if (size && !now)
		return; /* as before, until it says so again */
	if (size)
		memcpy(now, said->segments, size);
	if (peer->member) {
		tell_differences(g, peer, false, peer->segments, peer->segment_count, now,
			said->segment_count);
		tell_differences(g, peer, true, now, said->segment_count, peer->segments,
			peer->segment_count);
	}
	free(peer->segments);
	peer->segments = now;
	peer->segment_count = (uint8_t)said->segment_count;
	gossip_attach_changed(g);
}

void gossip_attach_changed(struct gossip *g)
{
	g->segments_changed = true;
	gossip_mac_members_changed(g);
}

void gossip_attach_state_changed(struct gossip *g, struct peer *peer)
{
	if (peer->state == GOSSIP_MEMBER_DEAD) {
		peer->gone_at = mtime_add_ms(g->time.now, GOSSIP_GONE_MS);
		g->gone_next = mtime_min(g->gone_next, peer->gone_at);
		return;
	}
	peer->gone_at = MTIME_NEVER;
	if (!peer->gone)
		return;
	peer->gone = false;
	if (peer->segment_count)
		gossip_attach_changed(g);
}

static void look_for_gone(struct gossip *g)
{
	struct peer *peer;

	g->gone_next = MTIME_NEVER;
	map_each (&g->peers, at, peer) {
		if (peer->gone || peer->state != GOSSIP_MEMBER_DEAD)
			continue;
		if (!mtime_reached(g->time.now, peer->gone_at)) {
			g->gone_next = mtime_min(g->gone_next, peer->gone_at);
			continue;
		}
		peer->gone = true;
		if (peer->segment_count)
			gossip_attach_changed(g);
	}
}

/* ---- work ---- */

/* Which there are, or what they say. */
void gossip_attach_segments_changed(struct gossip *g)
{
	forget_deleted(g);
	gossip_attach_changed(g);
	attach_own(g);
}

static void restore_own(struct gossip *g)
{
	const struct record *held =
		store_slot(g->store, &g->config.identity->id, RECORD_DESCRIPTOR, NULL, 0);
	struct descriptor said;

	if (!held || descriptor_read(held, &said) != 0)
		return;
	g->own_segment_count = said.segment_count;
	for (size_t i = 0; i < said.segment_count; i++) {
		const struct segment_row *row = gossip_segment_in_force(g, said.segments[i]);

		g->own_segments[i] = (struct own_segment){.vni = said.segments[i]};
		if (row)
			strcpy(g->own_segments[i].name, row->name);
	}
}

void gossip_attach_start(struct gossip *g)
{
	restore_own(g);
}

void gossip_attach_turn(struct gossip *g)
{
	if (mtime_reached(g->time.now, g->gone_next))
		look_for_gone(g);
}

mtime_t gossip_attach_deadline(const struct gossip *g)
{
	return g->gone_next;
}

void gossip_attach_close(struct gossip *g)
{
	g->attachment_count = g->own_segment_count = 0;
	g->gone_next = MTIME_NEVER;
}

/* ---- commands ---- */

static int add_attachment(struct gossip *g, const char *name)
{
	struct attachment *attachment;

	if (gossip_segment_is_wanted(g, name))
		return 0;
	if (g->attachment_count == DESCRIPTOR_SEGMENTS_MAX)
		return gossip_fail(g, ERR_LIMIT, "a node is attached to at most %d segments",
			DESCRIPTOR_SEGMENTS_MAX);
	attachment = &g->attachments[g->attachment_count++];
	*attachment = (struct attachment){.known = gossip_segment_named(g, name) != NULL};
	strcpy(attachment->name, name);
	return 0;
}

int gossip_restore_segment(struct gossip *g, const char *name)
{
	return segment_name_is_valid(name, strlen(name)) ? add_attachment(g, name) : ERR_INVALID;
}

void gossip_segments_enable(struct gossip *g, struct gossip_time time, bool can)
{
	g->time = time;
	if (g->segments_told && g->segments_able == can)
		return;
	g->segments_told = true;
	g->segments_able = can;
	if (!g->store)
		return;
	attach_own(g);
	gossip_turn(g);
}

int gossip_segment_attach(struct gossip *g, struct gossip_time time, const char *name)
{
	const struct segment_row *row;
	int err;

	g->time = time;
	err = gossip_command_need_running(g);
	if (err)
		return err;
	row = gossip_segment_named(g, name);
	if (!row)
		return gossip_fail(g, ERR_UNKNOWN,
			"there is no segment `%s`: `meshctl l2 list` shows them, and an admin "
			"makes one by `meshctl l2 create`",
			name);
	if (row->rival)
		return gossip_fail(g, ERR_STATE,
			"segment `%s` is not in force: `%s` has its VNI %u; an admin is to delete "
			"one of them and create it anew",
			name, row->rival->name, row->says.vni);
	err = add_attachment(g, name);
	if (err)
		return err;
	attach_own(g);
	gossip_turn(g);
	return 0;
}

int gossip_segment_detach(struct gossip *g, struct gossip_time time, const char *name)
{
	size_t index = find_attachment(g, name);
	const struct segment_row *row = gossip_segment_named(g, name);

	g->time = time;
	if (row && row->says.automatic)
		return gossip_fail(g, ERR_STATE,
			"segment `%s` attaches every member: no node leaves it by itself", name);
	if (index == g->attachment_count)
		return gossip_fail(
			g, ERR_UNKNOWN, "this node is not attached to a segment `%s`", name);
	forget_attachment(g, index);
	if (!g->store)
		return 0;
	attach_own(g);
	gossip_turn(g);
	return 0;
}
