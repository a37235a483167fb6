#include "l2/fdb.h"

#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "wg/array.h"
#include "wg/nl_attr.h"

/* ---- looking ---- */

static int add_forward(struct l2_table *table, const struct l2_forward *forward)
{
	struct l2_forward *grown;

	if (table->forward_count == L2_ENTRIES_MAX)
		return 0;
	grown = array_reserve(table->forwards, table->forward_count + 1, sizeof(*grown),
		&table->forward_capacity);
	if (!grown)
		return ERR_NOMEM;
	table->forwards = grown;
	table->forwards[table->forward_count++] = *forward;
	return 0;
}

static int add_place(struct l2_table *table, const struct l2_place *place)
{
	struct l2_place *grown;

	if (table->place_count == L2_ENTRIES_MAX)
		return 0;
	grown = array_reserve(
		table->places, table->place_count + 1, sizeof(*grown), &table->place_capacity);
	if (!grown)
		return ERR_NOMEM;
	table->places = grown;
	table->places[table->place_count++] = *place;
	return 0;
}

static int read_forward(
	const struct ndmsg *info, const struct nl_attr *attrs, struct l2_table *table)
{
	struct l2_forward forward = {.ours = info->ndm_flags & NTF_EXT_LEARNED,
		.fixed = info->ndm_state & (NUD_PERMANENT | NUD_NOARP)};
	const struct nl_attr *dst = &attrs[NDA_DST];
	int err = nl_attr_get(&attrs[NDA_LLADDR], &forward.mac, sizeof(forward.mac));

	if (!err && dst->data)
		err = nl_attr_ip(dst, dst->size == 4 ? AF_INET : AF_INET6, &forward.member);
	if (!err && attrs[NDA_IFINDEX].data)
		err = nl_attr_u32(&attrs[NDA_IFINDEX], &forward.via);
	if (err)
		return err;
	forward.fixed &= !forward.ours;
	return add_forward(table, &forward);
}

static int read_place(const struct ndmsg *info, const struct nl_attr *attrs, struct l2_table *table)
{
	struct l2_place place = {.port = info->ndm_ifindex,
		.ours = (info->ndm_flags & NTF_EXT_LEARNED) && info->ndm_ifindex == table->vxlan,
		.self = info->ndm_state & NUD_PERMANENT,
		.fixed = info->ndm_state & NUD_NOARP};
	struct nda_cacheinfo ages = {0};
	int err = nl_attr_get(&attrs[NDA_LLADDR], &place.mac, sizeof(place.mac));

	if (!err && attrs[NDA_CACHEINFO].data)
		err = nl_attr_get(&attrs[NDA_CACHEINFO], &ages, sizeof(ages));
	if (err)
		return err;
	place.heard =
		mtime_add_ms(table->seen, -(int64_t)(ages.ndm_updated + 1) * (1000 / FDB_USER_HZ));
	place.fixed &= !place.ours;
	return add_place(table, &place);
}

int fdb_read(const struct nlmsghdr *msg, struct l2_table *table)
{
	struct nl_attr attrs[NDA_MAX + 1];
	struct ndmsg info;
	uint32_t master = 0;
	int err = nl_msg_parse(msg, &info, sizeof(info), attrs, NDA_MAX);

	if (err || info.ndm_family != AF_BRIDGE || attrs[NDA_LLADDR].size != sizeof(struct mac))
		return err;
	if (attrs[NDA_MASTER].data)
		err = nl_attr_u32(&attrs[NDA_MASTER], &master);
	if (err)
		return err;
	if (info.ndm_flags & NTF_SELF)
		return info.ndm_ifindex == table->vxlan ? read_forward(&info, attrs, table) : 0;
	/* Entries of one VLAN are an operator's, who filters on a bridge of ours: not our concern.
	 */
	return master == table->bridge && !attrs[NDA_VLAN].data ? read_place(&info, attrs, table)
								: 0;
}

static int take(const struct nlmsghdr *msg, void *context)
{
	struct l2_table *table = context;

	if (msg)
		return fdb_read(msg, table);
	table->forward_count = table->place_count = 0;
	return 0;
}

int fdb_list(struct nl *nl, struct l2_table *table)
{
	union nl_msg msg;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(msg.bytes);
	struct ndmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = RTM_GETNEIGH;
	info->ndm_family = AF_BRIDGE;
	mnl_attr_put_u32(nlh, NDA_MASTER, table->bridge);
	return nl_dump(nl, NL_ROUTE, nlh, take, table);
}

/* ---- changing ---- */

static bool is_zero(const struct mac *mac)
{
	static const struct mac zero;

	return mac_equal(mac, &zero);
}

static void put_member(struct nlmsghdr *nlh, const struct l2_entry_op *op)
{
	if (op->ip.family)
		mnl_attr_put(nlh, NDA_DST, op->ip.family == 4 ? 4 : 16, op->ip.b);
	if (op->via)
		mnl_attr_put_u32(nlh, NDA_IFINDEX, op->via);
}

int fdb_apply(struct nl *nl, uint32_t vxlan, const struct l2_entry_op *op)
{
	bool add = op->kind == L2_FORWARD_ADD || op->kind == L2_PLACE_ADD;
	bool place = op->kind == L2_PLACE_ADD || op->kind == L2_PLACE_REMOVE;
	union nl_msg msg;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(msg.bytes);
	struct ndmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	int err;

	nlh->nlmsg_type = add ? RTM_NEWNEIGH : RTM_DELNEIGH;
	if (add) /* a copy more stands beside the others, a known MAC is at one member */
		nlh->nlmsg_flags =
			NLM_F_CREATE | (is_zero(&op->mac) ? NLM_F_APPEND : NLM_F_REPLACE);
	info->ndm_family = AF_BRIDGE;
	info->ndm_ifindex = vxlan;
	info->ndm_flags = place ? NTF_MASTER : NTF_SELF;
	info->ndm_state = NUD_REACHABLE;
	if (is_zero(&op->mac))
		info->ndm_state = NUD_PERMANENT | NUD_NOARP;
	else
		info->ndm_flags |= NTF_EXT_LEARNED;
	mnl_attr_put(nlh, NDA_LLADDR, sizeof(op->mac), &op->mac);
	/* One that goes by its MAC alone goes also when its interface has gone before it. */
	if (!place && (add || is_zero(&op->mac)))
		put_member(nlh, op);
	err = nl_request(nl, NL_ROUTE, nlh);
	if (!add && err == ERR_UNKNOWN)
		err = 0;
	return err;
}
