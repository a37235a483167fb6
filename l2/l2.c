#include "l2/l2.h"

#include <stdlib.h>

#include "wg/array.h"

/* ---- wanted ---- */

int l2_want_member(struct l2_want *want, const struct ip *member)
{
	struct ip *grown;

	if (want->member_count == L2_MEMBERS_MAX)
		return ERR_LIMIT;
	grown = array_reserve(
		want->members, want->member_count + 1, sizeof(*grown), &want->member_capacity);
	if (!grown)
		return ERR_NOMEM;
	want->members = grown;
	want->members[want->member_count++] = *member;
	return 0;
}

int l2_want_station(struct l2_want *want, const struct l2_station *station)
{
	struct l2_station *grown;

	if (want->station_count == L2_STATIONS_MAX)
		return ERR_LIMIT;
	grown = array_reserve(
		want->stations, want->station_count + 1, sizeof(*grown), &want->station_capacity);
	if (!grown)
		return ERR_NOMEM;
	want->stations = grown;
	want->stations[want->station_count++] = *station;
	return 0;
}

int l2_want_neighbour(struct l2_want *want, const struct l2_neighbour *neighbour)
{
	struct l2_neighbour *grown;

	if (want->neighbour_count == L2_NEIGHBOURS_MAX)
		return ERR_LIMIT;
	grown = array_reserve(want->neighbours, want->neighbour_count + 1, sizeof(*grown),
		&want->neighbour_capacity);
	if (!grown)
		return ERR_NOMEM;
	want->neighbours = grown;
	want->neighbours[want->neighbour_count++] = *neighbour;
	return 0;
}

static int compare_ips(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ip));
}

static int compare_stations(const void *left, const void *right)
{
	const struct l2_station *a = left, *b = right;
	int order = memcmp(&a->mac, &b->mac, sizeof(a->mac));

	if (!order)
		order = (a->known.us < b->known.us) - (a->known.us > b->known.us);
	return order ? order : compare_ips(&a->member, &b->member);
}

static int compare_neighbours(const void *left, const void *right)
{
	const struct l2_neighbour *a = left, *b = right;
	int order = compare_ips(&a->ip, &b->ip);

	return order ? order : memcmp(&a->mac, &b->mac, sizeof(a->mac));
}

static void sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count)
		qsort(items, count, size, compare);
}

/* Of several that claim an address none is surer than the others. */
static void seal_neighbours(struct l2_want *want)
{
	struct l2_neighbour *items = want->neighbours;
	size_t kept = 0, next;

	sort(items, want->neighbour_count, sizeof(*items), compare_neighbours);
	for (size_t i = 0; i < want->neighbour_count; i = next) {
		struct l2_neighbour one = items[i];
		bool contested = false;

		for (next = i + 1; next < want->neighbour_count; next++) {
			if (!ip_equal(&items[next].ip, &one.ip))
				break;
			contested |= !mac_equal(&items[next].mac, &one.mac);
			one.silent |= items[next].silent;
		}
		if (contested)
			one = (struct l2_neighbour){.ip = one.ip};
		if (!one.silent)
			items[kept++] = one;
	}
	want->neighbour_count = kept;
}

void l2_want_seal(struct l2_want *want)
{
	size_t kept = 0;

	sort(want->members, want->member_count, sizeof(*want->members), compare_ips);
	for (size_t i = 0; i < want->member_count; i++)
		if (!kept || !ip_equal(&want->members[kept - 1], &want->members[i]))
			want->members[kept++] = want->members[i];
	want->member_count = kept;
	kept = 0;
	sort(want->stations, want->station_count, sizeof(*want->stations), compare_stations);
	for (size_t i = 0; i < want->station_count; i++)
		if (!kept || !mac_equal(&want->stations[kept - 1].mac, &want->stations[i].mac))
			want->stations[kept++] = want->stations[i];
	want->station_count = kept;
	seal_neighbours(want);
}

void l2_want_done(struct l2_want *want)
{
	free(want->members);
	free(want->stations);
	free(want->neighbours);
	*want = (struct l2_want){0};
}

/* ---- links ---- */

const struct l2_link *l2_links_named(const struct l2_links *links, const char *name)
{
	for (size_t i = 0; i < links->count; i++)
		if (strcmp(links->items[i].link.name, name) == 0)
			return &links->items[i];
	return NULL;
}

const struct l2_link *l2_links_index(const struct l2_links *links, uint32_t ifindex)
{
	for (size_t i = 0; i < links->count; i++)
		if (links->items[i].link.ifindex == ifindex)
			return &links->items[i];
	return NULL;
}

enum l2_owner l2_owner(
	const struct l2_link *link, const char *mark, enum l2_kind kind, const struct mac *mac)
{
	if (!link)
		return L2_ABSENT;
	if (link->kind != kind)
		return L2_FOREIGN;
	if (strcmp(link->link.alias, mark) == 0)
		return L2_OURS;
	return !link->link.alias[0] && mac_equal(&link->mac, mac) ? L2_OURS : L2_FOREIGN;
}

/* ---- entries ---- */

static int compare_forwards(const void *left, const void *right)
{
	const struct l2_forward *a = left, *b = right;
	int order = memcmp(&a->mac, &b->mac, sizeof(a->mac));

	if (!order)
		order = compare_ips(&a->member, &b->member);
	return order ? order : (a->via > b->via) - (a->via < b->via);
}

static int compare_places(const void *left, const void *right)
{
	const struct l2_place *a = left, *b = right;

	return memcmp(&a->mac, &b->mac, sizeof(a->mac));
}

static int compare_ip_first(const void *left, const void *right)
{
	const struct l2_neighbour_have *a = left, *b = right;

	return compare_ips(&a->ip, &b->ip);
}

void l2_table_seal(struct l2_table *table)
{
	sort(table->forwards, table->forward_count, sizeof(*table->forwards), compare_forwards);
	sort(table->places, table->place_count, sizeof(*table->places), compare_places);
	sort(table->neighbours, table->neighbour_count, sizeof(*table->neighbours),
		compare_ip_first);
}

void l2_table_done(struct l2_table *table)
{
	free(table->forwards);
	free(table->places);
	free(table->neighbours);
	*table = (struct l2_table){0};
}

const struct l2_place *l2_table_place(const struct l2_table *table, const struct mac *mac)
{
	const struct l2_place wanted = {.mac = *mac};

	return table->place_count ? bsearch(&wanted, table->places, table->place_count,
					    sizeof(wanted), compare_places)
				  : NULL;
}

const struct l2_place *l2_table_local(const struct l2_table *table, const struct mac *mac)
{
	const struct l2_place *place = l2_table_place(table, mac);

	return place && !place->self && place->port != table->vxlan ? place : NULL;
}
