/* L2 segments: which there are is configuration (`mesh/l2/NAME`). Who is attached: gossip_attach.c.
 */
#include "gossip/gossip_segment.h"

#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_attach.h"
#include "gossip/gossip_command.h"
#include "gossip/gossip_effect.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_mac.h"
#include "gossip/gossip_peer.h"
#include "gossip/gossip_view.h"
#include "gossip/replica/kv.h"

#define KEY_SIZE (sizeof(SEGMENT_KEY) - 1)

/* Over each frame that VXLAN carries (RFC 7348): the frame's own Ethernet header, VXLAN, UDP, IP.
 */
#define OVERHEAD_IPV4 (14 + 8 + 8 + 20)
#define OVERHEAD_IPV6 (14 + 8 + 8 + 40)

/* No overlay carries less (RFC 8200, section 5): a member that says so would take the segment, for
 * which the smallest counts, from all others. */
#define OVERLAY_MTU_MIN 1280

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

const struct segment_row *gossip_segment_named(const struct gossip *g, const char *name)
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

struct gossip_event gossip_segment_event(const struct gossip *g, enum gossip_segment_what what,
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
	struct gossip_event event = gossip_segment_event(g, what, name, by);

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
	struct gossip_event event =
		gossip_segment_event(g, GOSSIP_SEGMENT_CLASH, row->name, &row->by);

	snprintf(event.to, sizeof(event.to), "%s", row->rival->name);
	gossip_effect_event(g, &event);
}

static void tell_rows(struct gossip *g, const struct segment_row *before, size_t before_count)
{
	for (size_t i = 0; i < before_count; i++) {
		if (!gossip_segment_named(g, before[i].name))
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
	gossip_attach_segments_changed(g);
}

void gossip_segment_start(struct gossip *g)
{
	compute(g);
	gossip_attach_start(g);
}

void gossip_segment_turn(struct gossip *g)
{
	if (!g->segments_dirty)
		return;
	g->segments_dirty = false;
	compute(g);
}

void gossip_segment_tell(struct gossip *g)
{
	if (!g->segments_changed)
		return;
	g->segments_changed = false;
	gossip_effect_add(g, EFFECT_SEGMENTS, NULL, 0);
}

void gossip_segment_close(struct gossip *g)
{
	free(g->segments);
	g->segments = NULL;
	g->segment_count = 0;
	g->segments_dirty = false;
	gossip_attach_close(g);
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
	row = gossip_segment_named(g, name);
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
	if (!gossip_segment_named(g, name))
		return gossip_fail(g, ERR_UNKNOWN,
			"there is no segment `%s`: `meshctl l2 list` shows them", name);
	snprintf(key, sizeof(key), SEGMENT_KEY "%s", name);
	return gossip_delete(g, time, key, strlen(key), &stamp, ret_ticket);
}

/* ---- views ---- */

static void count_member(struct gossip_segment *segment, uint16_t mtu)
{
	segment->members++;
	if (mtu && mtu < OVERLAY_MTU_MIN)
		mtu = OVERLAY_MTU_MIN;
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
	ret->attached = gossip_attach_is_own(g, row->says.vni);
	if (ret->attached)
		count_member(ret, g->config.mtu);
	map_each (&g->peers, at, peer) {
		if (gossip_attach_has_peer(peer, row->says.vni))
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
	const struct segment_row *row = gossip_segment_named(g, name);

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
		if (read_row(&value, &row) && gossip_segment_named(g, row.name))
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
