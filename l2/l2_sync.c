#include "l2/l2_sync.h"

#include <stdio.h>

#include "l2/fdb.h"
#include "l2/link.h"
#include "l2/neighbour.h"

/* ---- links ---- */

/* Which of the wanted ports it is about; -1: none, but what the segment stands on. */
static int port_of(const struct l2_want *want, const struct l2_link_op *op)
{
	for (size_t i = 0; i < want->port_count; i++)
		if (strcmp(want->ports[i], op->name) == 0)
			return i;
	return -1;
}

static int apply(struct nl *nl, const struct l2_want *want, const struct l2_links *links,
	const struct l2_link_ops *ops, struct l2_link_report *report, bool *ret_done)
{
	*ret_done = false;
	for (size_t i = 0; i < ops->count; i++) {
		int port = port_of(want, &ops->ops[i]);
		int err;

		if (port >= 0 && report->port_errors[port])
			continue; /* it was tried */
		err = link_apply(nl, want, links, &ops->ops[i]);
		report->ops++;
		*ret_done = true;
		if (err && port >= 0) {
			report->port_errors[port] = err;
			snprintf(report->port_texts[port], NL_ERROR_MAX, "%s", nl_error(nl));
		} else if (err) {
			report->failed = ops->ops[i];
			return err;
		}
	}
	return 0;
}

static int look_again(struct nl *nl, struct l2_links *links)
{
	struct l2_links seen;
	int err = link_list(nl, &seen);

	if (err)
		return err;
	link_list_done(links);
	*links = seen;
	return 0;
}

int l2_sync_links(struct nl *nl, const struct l2_want *want, struct l2_links *links,
	struct l2_link_report *ret)
{
	struct l2_link_ops ops;
	bool done;
	int err;

	*ret = (struct l2_link_report){.ops = 0};
	for (int round = 0; round < L2_SYNC_ROUNDS; round++) {
		l2_link_diff(want, links, &ops);
		memcpy(ret->ports, ops.ports, sizeof(ret->ports));
		ret->bridge_taken = ops.bridge_taken;
		ret->vxlan_taken = ops.vxlan_taken;
		if (ops.bridge_taken || ops.vxlan_taken)
			return ERR_STATE;
		err = apply(nl, want, links, &ops, ret, &done);
		if (err || !done)
			return err;
		err = look_again(nl, links);
		if (err)
			return err;
	}
	return ERR_NOT_READY;
}

int l2_sync_leftovers(struct nl *nl, const char *mark, l2_wanted_cb wanted, const void *context,
	const struct l2_links *links, size_t *ret_removed)
{
	int result = 0;

	*ret_removed = 0;
	for (size_t i = 0; i < links->count; i++) {
		const struct l2_link *link = &links->items[i];
		int err;

		if (link->kind == L2_OTHER || strcmp(link->link.alias, mark) != 0 ||
			wanted(context, link->link.name))
			continue;
		err = net_link_delete(nl, link->link.ifindex);
		if (err == ERR_UNKNOWN)
			err = 0;
		*ret_removed += !err;
		if (err && !result)
			result = err;
	}
	return result;
}

/* ---- entries ---- */

int l2_sync_look(struct nl *nl, const struct l2_want *want, const struct l2_links *links,
	mtime_t now, struct l2_table *ret)
{
	const struct l2_link *bridge = l2_links_named(links, want->bridge);
	const struct l2_link *vxlan = l2_links_named(links, want->vxlan);
	struct l2_table table = {.seen = now};
	int err;

	if (!bridge || !vxlan || vxlan->master != bridge->link.ifindex)
		return ERR_NOT_READY;
	table.bridge = bridge->link.ifindex;
	table.vxlan = vxlan->link.ifindex;
	table.ipv6 = bridge->link.ipv6;
	err = fdb_list(nl, &table);
	if (!err)
		err = neighbour_list(nl, &table);
	if (err) {
		l2_table_done(&table);
		return err;
	}
	l2_table_seal(&table);
	*ret = table;
	return 0;
}

static int apply_entry(struct nl *nl, const struct l2_table *table, const struct l2_entry_op *op)
{
	switch (op->kind) {
	case L2_FLOOD_FLUSH:
	case L2_FORWARD_ADD:
	case L2_FORWARD_REMOVE:
	case L2_PLACE_ADD:
	case L2_PLACE_REMOVE:
		return fdb_apply(nl, table->vxlan, op);
	case L2_NEIGHBOUR_ADD:
	case L2_NEIGHBOUR_ASK:
	case L2_NEIGHBOUR_REMOVE:
		return neighbour_apply(nl, table->bridge, op);
	}
	return ERR_INVALID;
}

int l2_sync_entries(struct nl *nl, const struct l2_want *want, const struct l2_table *table,
	struct l2_entry_ops *ret_ops)
{
	int result = 0;

	l2_entry_diff(want, table, ret_ops);
	for (size_t i = 0; i < ret_ops->count; i++) {
		int err = apply_entry(nl, table, &ret_ops->ops[i]);

		if (err && !result)
			result = err;
	}
	return result;
}
