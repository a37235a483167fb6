/*
 * L2 segments: which there are is configuration (`mesh/l2/NAME`), who is attached stands in
 * everybody's descriptor, by VNI. This node is attached to those that it was told to, and to those
 * that attach all, as far as it can have any and they are in force.
 */
#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_internal.h"

#define KEY_SIZE (sizeof(SEGMENT_KEY) - 1)

/* Descriptors that say at once what this node attaches to, and so often in the long run: half of
 * what others take of one member (DESCRIBE_BURST). More are put together. */
#define ATTACH_BURST  4
#define ATTACH_GAP_MS 2000

/* Over each frame that VXLAN carries (RFC 7348): the frame's own Ethernet header, VXLAN, UDP, IP.
 */
#define OVERHEAD_IPV4 (14 + 8 + 8 + 20)
#define OVERHEAD_IPV6 (14 + 8 + 8 + 40)

/* ---- what there are ---- */

static const struct segment_row *find_row(
	const struct segment_row *rows, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}

static const struct segment_row *row_named(const struct gossip *g, const char *name)
{
	return find_row(g->segments, g->segment_count, name);
}

const struct segment_row *gossip_segment_in_force(const struct gossip *g, uint32_t vni)
{
	for (size_t i = 0; i < g->segment_count; i++) {
		if (g->segments[i].says.vni == vni && !g->segments[i].rival)
			return &g->segments[i];
	}
	return NULL;
}

static bool read_row(const struct gossip_value *value, struct segment_row *ret)
{
	const char *name = (const char *)value->key + KEY_SIZE;
	size_t size = value->key_size - KEY_SIZE;

	*ret = (struct segment_row){.by = value->author, .stamp = value->stamp};
	if (!segment_name_is_valid(name, size) ||
		segment_decode(value->value, value->value_size, &ret->says) != 0)
		return false;
	memcpy(ret->name, name, size);
	return true;
}

static bool ranks_before(const struct segment_row *a, const struct segment_row *b)
{
	return a->stamp != b->stamp ? a->stamp < b->stamp : strcmp(a->name, b->name) < 0;
}

/* Of those with one VNI the first by rank is in force, and is the others' rival. */
static void find_rivals(struct segment_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct segment_row *first = &rows[i];

		for (size_t j = 0; j < count; j++) {
			if (rows[j].says.vni == first->says.vni && ranks_before(&rows[j], first))
				first = &rows[j];
		}
		rows[i].rival = first == &rows[i] ? NULL : first;
	}
}

static size_t read_rows(const struct gossip *g, struct segment_row *rows)
{
	struct gossip_value value = {.key = NULL};
	size_t count = 0;

	while (count < GOSSIP_SEGMENTS_MAX &&
		gossip_value_next(g, SEGMENT_KEY, KEY_SIZE, value.key, value.key_size, &value))
		count += read_row(&value, &rows[count]);
	find_rivals(rows, count);
	return count;
}

/* ---- events ---- */

static struct gossip_event segment_event(const struct gossip *g, enum gossip_segment_what what,
	const char *name, const struct id *node)
{
	struct gossip_event event = gossip_view_event(g, GOSSIP_EVENT_SEGMENT, node);

	event.what = what;
	snprintf(event.segment, sizeof(event.segment), "%s", name);
	return event;
}

static void tell_by(
	struct gossip *g, enum gossip_segment_what what, const char *name, const struct id *by)
{
	struct gossip_event event = segment_event(g, what, name, by);

	event.has_by = true;
	event.by = *by;
	gossip_effect_event(g, &event);
}

static void tell_deleted(struct gossip *g, const struct segment_row *row)
{
	char key[SEGMENT_KEY_MAX + 1];
	struct kv_shown shown;

	snprintf(key, sizeof(key), SEGMENT_KEY "%s", row->name);
	tell_by(g, GOSSIP_SEGMENT_DELETED, row->name,
		kv_get(g->kv, key, strlen(key), &shown) ? &shown.record->author : &row->by);
}

static void tell_clash(struct gossip *g, const struct segment_row *row)
{
	struct gossip_event event = segment_event(g, GOSSIP_SEGMENT_CLASH, row->name, &row->by);

	snprintf(event.to, sizeof(event.to), "%s", row->rival->name);
	gossip_effect_event(g, &event);
}

static void tell_rows(struct gossip *g, const struct segment_row *before, size_t before_count)
{
	for (size_t i = 0; i < before_count; i++) {
		if (!row_named(g, before[i].name))
			tell_deleted(g, &before[i]);
	}
	for (size_t i = 0; i < g->segment_count; i++) {
		const struct segment_row *row = &g->segments[i];
		const struct segment_row *old = find_row(before, before_count, row->name);

		if (!old)
			tell_by(g, GOSSIP_SEGMENT_CREATED, row->name, &row->by);
		else if (old->says.vni != row->says.vni ||
			 old->says.automatic != row->says.automatic ||
			 old->says.flood != row->says.flood)
			tell_by(g, GOSSIP_SEGMENT_CHANGED, row->name, &row->by);
		if (row->rival && (!old || !old->rival))
			tell_clash(g, row);
	}
}

static void tell_attached(
	struct gossip *g, bool attached, const char *name, const struct id *node, const char *cause)
{
	struct gossip_event event = segment_event(
		g, attached ? GOSSIP_SEGMENT_ATTACHED : GOSSIP_SEGMENT_DETACHED, name, node);

	snprintf(event.cause, sizeof(event.cause), "%s", cause);
	if (g->started)
		gossip_effect_event(g, &event);
}

/* ---- this node ---- */

static struct attachment *attachment_named(struct gossip *g, const char *name)
{
	for (size_t i = 0; i < g->attachment_count; i++) {
		if (strcmp(g->attachments[i].name, name) == 0)
			return &g->attachments[i];
	}
	return NULL;
}

bool gossip_segment_is_wanted(const struct gossip *g, const char *name)
{
	return attachment_named((struct gossip *)g, name) != NULL;
}

static void forget_attachment(struct gossip *g, struct attachment *attachment)
{
	*attachment = g->attachments[--g->attachment_count];
}

/* A segment that was known and is no more was deleted: one of the same name that comes later is
 * another one. */
static void forget_deleted(struct gossip *g)
{
	for (size_t i = g->attachment_count; i-- > 0;) {
		bool there = row_named(g, g->attachments[i].name) != NULL;

		if (!there && g->attachments[i].known)
			forget_attachment(g, &g->attachments[i]);
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
	const struct segment_row *row = row_named(g, name);

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

bool gossip_segment_is_own(const struct gossip *g, uint32_t vni)
{
	for (size_t i = 0; i < g->own_segment_count; i++) {
		if (g->own_segments[i].vni == vni)
			return true;
	}
	return false;
}

void gossip_segment_describe(const struct gossip *g, struct descriptor *ret)
{
	ret->segment_count = g->own_segment_count;
	for (size_t i = 0; i < g->own_segment_count; i++)
		ret->segments[i] = g->own_segments[i].vni;
}

/* ---- others ---- */

bool gossip_segment_has_peer(const struct peer *peer, uint32_t vni)
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

void gossip_segment_described(struct gossip *g, struct peer *peer, const struct descriptor *said)
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
	gossip_segment_members_changed(g);
}

void gossip_segment_members_changed(struct gossip *g)
{
	g->segments_changed = true;
	gossip_mac_members_changed(g);
}

void gossip_segment_state_changed(struct gossip *g, struct peer *peer)
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
		gossip_segment_members_changed(g);
}

static void look_for_gone(struct gossip *g)
{
	struct peer *peer;

	g->gone_next = MTIME_NEVER;
	map_each (&g->peers, at, peer) {
		if (peer->gone || peer->state != GOSSIP_MEMBER_DEAD || !peer->member)
			continue;
		if (!mtime_reached(g->time.now, peer->gone_at)) {
			g->gone_next = mtime_min(g->gone_next, peer->gone_at);
			continue;
		}
		peer->gone = true;
		if (peer->segment_count)
			gossip_segment_members_changed(g);
	}
}

/* ---- work ---- */

void gossip_segment_value_changed(struct gossip *g, const struct record *record)
{
	if (!record ||
		(record->key_size >= KEY_SIZE && memcmp(record->key, SEGMENT_KEY, KEY_SIZE) == 0))
		g->segments_dirty = true;
}

static void compute(struct gossip *g)
{
	struct segment_row *rows = calloc(GOSSIP_SEGMENTS_MAX, sizeof(*rows)), *before;
	size_t before_count = g->segment_count;

	if (!rows)
		abort(); /* as for effects */
	before = g->segments;
	g->segments = rows;
	g->segment_count = read_rows(g, rows);
	if (g->started)
		tell_rows(g, before, before_count);
	free(before);
	forget_deleted(g);
	g->segments_changed = true;
	gossip_mac_members_changed(g);
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

void gossip_segment_start(struct gossip *g)
{
	compute(g);
	restore_own(g);
}

void gossip_segment_turn(struct gossip *g)
{
	if (g->segments_dirty) {
		g->segments_dirty = false;
		compute(g);
		attach_own(g);
	}
	if (mtime_reached(g->time.now, g->gone_next))
		look_for_gone(g);
}

void gossip_segment_tell(struct gossip *g)
{
	if (!g->segments_changed)
		return;
	g->segments_changed = false;
	gossip_effect_add(g, EFFECT_SEGMENTS, NULL, 0);
}

mtime_t gossip_segment_deadline(const struct gossip *g)
{
	return g->gone_next;
}

void gossip_segment_close(struct gossip *g)
{
	free(g->segments);
	g->segments = NULL;
	g->segment_count = g->attachment_count = g->own_segment_count = 0;
	g->segments_dirty = false;
	g->gone_next = MTIME_NEVER;
}

/* ---- commands ---- */

static int check_name(struct gossip *g, const char *name)
{
	if (segment_name_is_valid(name, strlen(name)))
		return 0;
	return gossip_fail(g, ERR_INVALID,
		"`%s` is no segment name: 1 to %d of letters, digits, `.`, `_` and `-`, beginning "
		"with a letter or digit, and none that means an interface already (lo, vx and "
		"digits)",
		name, SEGMENT_NAME_MAX);
}

static int check_vni(struct gossip *g, uint32_t vni, bool derived)
{
	for (size_t i = 0; i < g->segment_count; i++) {
		if (g->segments[i].says.vni == vni)
			return gossip_fail(g, ERR_STATE, "segment `%s` has VNI %u already: %s",
				g->segments[i].name, vni,
				derived ? "choose another name, or a number by --vni"
					: "choose another number");
	}
	return 0;
}

static int check_create(struct gossip *g, const char *name, const struct segment *segment)
{
	const struct segment_row *row;
	int err = gossip_command_need_admin(g, "creates segments");

	if (err == 0)
		err = check_name(g, name);
	if (err)
		return err;
	if (segment->vni > SEGMENT_VNI_MAX)
		return gossip_fail(
			g, ERR_INVALID, "a VNI is a number from 1 to %d", SEGMENT_VNI_MAX);
	row = row_named(g, name);
	if (row)
		return gossip_fail(g, ERR_STATE, "there is a segment `%s` already (VNI %u)", name,
			row->says.vni);
	if (g->segment_count == GOSSIP_SEGMENTS_MAX)
		return gossip_fail(
			g, ERR_LIMIT, "a mesh has at most %d segments", GOSSIP_SEGMENTS_MAX);
	return 0;
}

int gossip_segment_create(struct gossip *g, struct gossip_time time, const char *name,
	const struct segment *segment, uint64_t *ret_ticket)
{
	struct segment said = *segment;
	char key[SEGMENT_KEY_MAX + 1];
	uint8_t value[SEGMENT_SIZE_MAX];
	struct pack pack;
	uint64_t stamp;
	int err;

	g->time = time;
	err = check_create(g, name, segment);
	if (err)
		return err;
	if (!said.vni)
		said.vni = segment_vni(&g->mesh, name);
	err = check_vni(g, said.vni, segment->vni == 0);
	if (err)
		return err;
	pack_init(&pack, value, sizeof(value));
	segment_encode(&said, &pack);
	snprintf(key, sizeof(key), SEGMENT_KEY "%s", name);
	return gossip_put(g, time, key, strlen(key), value, pack.size, &stamp, ret_ticket);
}

int gossip_segment_delete(
	struct gossip *g, struct gossip_time time, const char *name, uint64_t *ret_ticket)
{
	char key[SEGMENT_KEY_MAX + 1];
	uint64_t stamp;
	int err;

	g->time = time;
	err = gossip_command_need_admin(g, "deletes segments");
	if (err)
		return err;
	if (!row_named(g, name))
		return gossip_fail(g, ERR_UNKNOWN,
			"there is no segment `%s`: `meshctl l2 list` shows them", name);
	snprintf(key, sizeof(key), SEGMENT_KEY "%s", name);
	return gossip_delete(g, time, key, strlen(key), &stamp, ret_ticket);
}

static int add_attachment(struct gossip *g, const char *name)
{
	struct attachment *attachment;

	if (gossip_segment_is_wanted(g, name))
		return 0;
	if (g->attachment_count == DESCRIPTOR_SEGMENTS_MAX)
		return gossip_fail(g, ERR_LIMIT, "a node is attached to at most %d segments",
			DESCRIPTOR_SEGMENTS_MAX);
	attachment = &g->attachments[g->attachment_count++];
	*attachment = (struct attachment){.known = row_named(g, name) != NULL};
	strcpy(attachment->name, name);
	return 0;
}

int gossip_restore_segment(struct gossip *g, const char *name)
{
	int err = check_name(g, name);

	return err ? err : add_attachment(g, name);
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
	row = row_named(g, name);
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
	struct attachment *attachment = attachment_named(g, name);
	const struct segment_row *row = row_named(g, name);

	g->time = time;
	if (row && row->says.automatic)
		return gossip_fail(g, ERR_STATE,
			"segment `%s` attaches every member: no node leaves it by itself", name);
	if (!attachment)
		return gossip_fail(
			g, ERR_UNKNOWN, "this node is not attached to a segment `%s`", name);
	forget_attachment(g, attachment);
	if (!g->store)
		return 0;
	attach_own(g);
	gossip_turn(g);
	return 0;
}

/* ---- views ---- */

static void count_member(struct gossip_segment *segment, uint16_t mtu)
{
	segment->members++;
	if (mtu && (!segment->overlay_mtu || mtu < segment->overlay_mtu))
		segment->overlay_mtu = mtu;
}

static void fill(const struct gossip *g, const struct segment_row *row, struct gossip_segment *ret)
{
	const struct peer *peer;

	*ret = (struct gossip_segment){.vni = row->says.vni,
		.automatic = row->says.automatic,
		.flood = row->says.flood,
		.clash = row->rival != NULL,
		.by = row->by,
		.stamp = row->stamp,
		.wanted = gossip_segment_is_wanted(g, row->name)};
	strcpy(ret->name, row->name);
	if (row->rival) {
		strcpy(ret->clash_with, row->rival->name);
		return;
	}
	ret->attached = gossip_segment_is_own(g, row->says.vni);
	if (ret->attached)
		count_member(ret, g->config.mtu);
	map_each (&g->peers, at, peer) {
		if (gossip_segment_has_peer(peer, row->says.vni))
			count_member(ret, peer->mtu);
	}
	gossip_mac_count(g, row->says.vni, ret);
}

bool gossip_segment_next(const struct gossip *g, size_t *index, struct gossip_segment *ret)
{
	if (*index >= g->segment_count)
		return false;
	fill(g, &g->segments[(*index)++], ret);
	return true;
}

bool gossip_segment(const struct gossip *g, const char *name, struct gossip_segment *ret)
{
	const struct segment_row *row = row_named(g, name);

	if (row)
		fill(g, row, ret);
	return row != NULL;
}

bool gossip_segment_bad_next(const struct gossip *g, const void *after, size_t after_size,
	const char **ret_key, size_t *ret_size)
{
	struct gossip_value value = {.key = after, .key_size = after_size};
	struct segment_row row;

	while (gossip_value_next(g, SEGMENT_KEY, KEY_SIZE, value.key, value.key_size, &value)) {
		if (read_row(&value, &row) && row_named(g, row.name))
			continue;
		*ret_key = (const char *)value.key;
		*ret_size = value.key_size;
		return true;
	}
	return false;
}

uint16_t gossip_segment_mtu(const struct gossip_segment *segment, int overlay_family)
{
	uint16_t overhead = overlay_family == 4 ? OVERHEAD_IPV4 : OVERHEAD_IPV6;

	return segment->overlay_mtu > overhead ? (uint16_t)(segment->overlay_mtu - overhead) : 0;
}
