#include "l2/neighbour.h"

#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "l2/fdb.h"
#include "wg/array.h"
#include "wg/nl_attr.h"

static int add(struct l2_table *table, const struct l2_neighbour_have *neighbour)
{
	struct l2_neighbour_have *grown;

	if (table->neighbour_count == L2_NEIGHBOURS_MAX)
		return 0;
	grown = array_reserve(table->neighbours, table->neighbour_count + 1, sizeof(*grown),
		&table->neighbour_capacity);
	if (!grown)
		return ERR_NOMEM;
	table->neighbours = grown;
	table->neighbours[table->neighbour_count++] = *neighbour;
	return 0;
}

int neighbour_read(const struct nlmsghdr *msg, struct l2_table *table)
{
	static const unsigned int usable =
		NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
	struct nl_attr attrs[NDA_MAX + 1];
	struct l2_neighbour_have neighbour = {0};
	struct nda_cacheinfo ages = {0};
	uint32_t ticks;
	struct ndmsg info;
	int err = nl_msg_parse(msg, &info, sizeof(info), attrs, NDA_MAX);

	if (err || info.ndm_ifindex != table->bridge || info.ndm_flags & NTF_PROXY)
		return err;
	err = nl_attr_ip(&attrs[NDA_DST], info.ndm_family, &neighbour.ip);
	if (err)
		return err == ERR_UNSUPPORTED ? 0 : err;
	if (attrs[NDA_LLADDR].data)
		err = nl_attr_get(&attrs[NDA_LLADDR], &neighbour.mac, sizeof(neighbour.mac));
	if (!err && attrs[NDA_CACHEINFO].data)
		err = nl_attr_get(&attrs[NDA_CACHEINFO], &ages, sizeof(ages));
	if (err)
		return err;
	neighbour.ours = info.ndm_flags & NTF_EXT_LEARNED;
	neighbour.fixed = !neighbour.ours && info.ndm_state & (NUD_PERMANENT | NUD_NOARP);
	neighbour.valid = attrs[NDA_LLADDR].data && info.ndm_state & usable;
	/* Another MAC than before makes one that is updated and not confirmed. */
	ticks = ages.ndm_updated < ages.ndm_confirmed ? ages.ndm_updated : ages.ndm_confirmed;
	neighbour.heard = mtime_add_ms(table->seen, -(int64_t)(ticks + 1) * (1000 / FDB_USER_HZ));
	return add(table, &neighbour);
}

struct listing {
	struct l2_table *table;
	size_t from; /* those of the other family stay */
};

static int take(const struct nlmsghdr *msg, void *context)
{
	struct listing *listing = context;

	if (msg)
		return neighbour_read(msg, listing->table);
	listing->table->neighbour_count = listing->from;
	return 0;
}

static int list_family(struct nl *nl, int family, struct l2_table *table)
{
	struct listing listing = {table, table->neighbour_count};
	union nl_msg msg;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(msg.bytes);
	struct ndmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = RTM_GETNEIGH;
	info->ndm_family = family;
	mnl_attr_put_u32(nlh, NDA_IFINDEX, table->bridge);
	return nl_dump(nl, NL_ROUTE, nlh, take, &listing);
}

int neighbour_list(struct nl *nl, struct l2_table *table)
{
	int err;

	table->neighbour_count = 0;
	err = list_family(nl, AF_INET, table);
	return err ? err : list_family(nl, AF_INET6, table);
}

/*
 * Added as stale: it can be used, and is what traffic says as soon as traffic says otherwise. A
 * permanent one would go on when an address has moved to this side, and nobody could tell. One that
 * is asked stays in use until it has given no answer to three questions.
 */
int neighbour_apply(struct nl *nl, uint32_t bridge, const struct l2_entry_op *op)
{
	bool add_it = op->kind == L2_NEIGHBOUR_ADD, ask = op->kind == L2_NEIGHBOUR_ASK;
	union nl_msg msg;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(msg.bytes);
	struct ndmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	int err;

	nlh->nlmsg_type = add_it || ask ? RTM_NEWNEIGH : RTM_DELNEIGH;
	nlh->nlmsg_flags = (add_it ? NLM_F_CREATE : 0) | (add_it || ask ? NLM_F_REPLACE : 0);
	info->ndm_family = op->ip.family == 4 ? AF_INET : AF_INET6;
	info->ndm_ifindex = bridge;
	info->ndm_state = add_it ? NUD_STALE : ask ? NUD_PROBE : 0;
	info->ndm_flags = add_it ? NTF_EXT_LEARNED : 0;
	mnl_attr_put(nlh, NDA_DST, op->ip.family == 4 ? 4 : 16, op->ip.b);
	if (add_it || ask)
		mnl_attr_put(nlh, NDA_LLADDR, sizeof(op->mac), &op->mac);
	err = nl_request(nl, NL_ROUTE, nlh);
	if (!add_it && err == ERR_UNKNOWN)
		err = 0;
	return err;
}
