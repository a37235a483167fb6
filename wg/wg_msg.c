#include "wg/wg_msg.h"

#include <assert.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/time_types.h>
#include <linux/wireguard.h>

#include "wg/nl_attr.h"

/* What a peer takes before its first prefix: nest, key, flags, preshared key, the longer endpoint,
 * keepalive; so that only prefixes can be what does not fit. */
#define PEER_HEAD_SIZE 160
/* One prefix: nest, family, address, mask. */
#define ALLOWED_SIZE   44

static struct nlmsghdr *begin(union nl_msg *msg, uint16_t family, uint8_t command, uint32_t ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(msg->bytes);
	struct genlmsghdr *head = mnl_nlmsg_put_extra_header(nlh, sizeof(*head));

	nlh->nlmsg_type = family;
	head->cmd = command;
	head->version = WG_GENL_VERSION;
	mnl_attr_put_u32(nlh, WGDEVICE_A_IFINDEX, ifindex);
	return nlh;
}

void wg_msg_get(union nl_msg *msg, uint16_t family, uint32_t ifindex)
{
	begin(msg, family, WG_CMD_GET_DEVICE, ifindex);
}

static void put_device(struct nlmsghdr *nlh, const struct wg_op *op)
{
	if (op->set & WG_SET_FWMARK)
		mnl_attr_put_u32(nlh, WGDEVICE_A_FWMARK, op->fwmark);
	if (op->set & WG_SET_PORT)
		mnl_attr_put_u16(nlh, WGDEVICE_A_LISTEN_PORT, op->listen_port);
	if (op->set & WG_SET_KEY)
		mnl_attr_put(nlh, WGDEVICE_A_PRIVATE_KEY, WG_KEY_SIZE, op->key);
}

static void put_endpoint(struct nlmsghdr *nlh, const struct endpoint *endpoint)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};

	if (endpoint->ip.family == 4) {
		memcpy(&v4.sin_addr, endpoint->ip.b, 4);
		mnl_attr_put(nlh, WGPEER_A_ENDPOINT, sizeof(v4), &v4);
	} else {
		memcpy(&v6.sin6_addr, endpoint->ip.b, 16);
		v6.sin6_scope_id = endpoint->scope;
		mnl_attr_put(nlh, WGPEER_A_ENDPOINT, sizeof(v6), &v6);
	}
}

static uint32_t peer_flags(const struct wg_op *op, bool continued)
{
	uint32_t flags = op->kind == WG_OP_PEER_UPDATE ? WGPEER_F_UPDATE_ONLY : 0;

	if (op->kind == WG_OP_PEER_REMOVE)
		return WGPEER_F_REMOVE_ME;
	if (!continued && (op->set & WG_SET_REPLACE))
		flags |= WGPEER_F_REPLACE_ALLOWEDIPS;
	return flags;
}

static void put_allowed(struct nlmsghdr *nlh, const struct prefix *prefix)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0);

	mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY, prefix->ip.family == 4 ? AF_INET : AF_INET6);
	mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, prefix->ip.family == 4 ? 4 : 16, prefix->ip.b);
	mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK, prefix->bits);
	mnl_attr_nest_end(nlh, nest);
}

/* The peer, or its next part; true when it is written to its end. */
static bool put_peer(struct wg_msg_writer *writer, struct nlmsghdr *nlh, size_t limit)
{
	const struct wg_op *op = &writer->ops->ops[writer->op];
	bool continued = writer->allowed > 0;
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0), *list;
	uint32_t flags = peer_flags(op, continued);

	mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, WG_KEY_SIZE, op->public_key);
	if (flags)
		mnl_attr_put_u32(nlh, WGPEER_A_FLAGS, flags);
	if (!continued && op->kind != WG_OP_PEER_REMOVE) {
		if (op->set & WG_SET_KEY)
			mnl_attr_put(nlh, WGPEER_A_PRESHARED_KEY, WG_KEY_SIZE, op->key);
		if (op->set & WG_SET_ENDPOINT)
			put_endpoint(nlh, &op->endpoint);
		if (op->set & WG_SET_KEEPALIVE)
			mnl_attr_put_u16(
				nlh, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, op->keepalive_s);
	}
	if (writer->allowed < op->allowed_count) {
		list = mnl_attr_nest_start(nlh, WGPEER_A_ALLOWEDIPS);
		while (writer->allowed < op->allowed_count &&
			nlh->nlmsg_len + ALLOWED_SIZE <= limit)
			put_allowed(
				nlh, &writer->ops->prefixes[op->allowed_at + writer->allowed++]);
		mnl_attr_nest_end(nlh, list);
	}
	mnl_attr_nest_end(nlh, nest);
	return writer->allowed == op->allowed_count;
}

bool wg_msg_next(struct wg_msg_writer *writer, union nl_msg *msg, size_t limit)
{
	struct nlmsghdr *nlh;
	struct nlattr *peers;

	assert(limit >= 512 && limit <= sizeof(*msg));
	if (writer->op == writer->ops->count)
		return false;
	nlh = begin(msg, writer->family, WG_CMD_SET_DEVICE, writer->ifindex);
	if (writer->ops->ops[writer->op].kind == WG_OP_DEVICE)
		put_device(nlh, &writer->ops->ops[writer->op++]);
	if (writer->op == writer->ops->count)
		return true;
	peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
	while (writer->op < writer->ops->count &&
		nlh->nlmsg_len + PEER_HEAD_SIZE + ALLOWED_SIZE <= limit) {
		assert(writer->ops->ops[writer->op].kind != WG_OP_DEVICE);
		if (!put_peer(writer, nlh, limit))
			break;
		writer->op++;
		writer->allowed = 0;
	}
	mnl_attr_nest_end(nlh, peers);
	return true;
}

static int read_endpoint(const struct nl_attr *attr, struct endpoint *ret)
{
	struct endpoint endpoint = {.ip.family = 4};
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (!nl_attr_get(attr, &v4, sizeof(v4)) && v4.sin_family == AF_INET) {
		memcpy(endpoint.ip.b, &v4.sin_addr, 4);
		endpoint.port = ntohs(v4.sin_port);
	} else if (!nl_attr_get(attr, &v6, sizeof(v6)) && v6.sin6_family == AF_INET6) {
		endpoint.ip.family = 6;
		memcpy(endpoint.ip.b, &v6.sin6_addr, 16);
		endpoint.port = ntohs(v6.sin6_port);
		endpoint.scope = v6.sin6_scope_id;
	} else {
		return ERR_MALFORMED;
	}
	*ret = endpoint;
	return 0;
}

static int read_allowed(const struct nl_attr *list, struct wg_peer *peer)
{
	struct nl_cursor cursor = nl_cursor(list->data, list->size);
	struct nl_attr nest, table[WGALLOWEDIP_A_MAX + 1];

	while (nl_attr_next(&cursor, &nest)) {
		struct prefix prefix = {0};
		uint16_t af;
		int err = nl_attr_nest(&nest, table, WGALLOWEDIP_A_MAX);

		if (!err)
			err = nl_attr_u16(&table[WGALLOWEDIP_A_FAMILY], &af);
		if (!err)
			err = nl_attr_ip(&table[WGALLOWEDIP_A_IPADDR], af, &prefix.ip);
		if (!err)
			err = nl_attr_u8(&table[WGALLOWEDIP_A_CIDR_MASK], &prefix.bits);
		if (!err)
			err = wg_peer_add_allowed(peer, &prefix);
		if (err)
			return err == ERR_UNSUPPORTED ? ERR_MALFORMED : err;
	}
	return cursor.bad ? ERR_MALFORMED : 0;
}

static int read_peer_values(const struct nl_attr *table, struct wg_peer *peer)
{
	struct __kernel_timespec handshake = {0};
	int err = 0;

	if (table[WGPEER_A_PRESHARED_KEY].data)
		err = nl_attr_get(&table[WGPEER_A_PRESHARED_KEY], peer->preshared_key, WG_KEY_SIZE);
	if (!err && table[WGPEER_A_ENDPOINT].data)
		err = read_endpoint(&table[WGPEER_A_ENDPOINT], &peer->endpoint);
	if (!err && table[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL].data)
		err = nl_attr_u16(
			&table[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL], &peer->keepalive_s);
	if (!err && table[WGPEER_A_LAST_HANDSHAKE_TIME].data)
		err = nl_attr_get(
			&table[WGPEER_A_LAST_HANDSHAKE_TIME], &handshake, sizeof(handshake));
	if (!err && table[WGPEER_A_RX_BYTES].data)
		err = nl_attr_u64(&table[WGPEER_A_RX_BYTES], &peer->rx_bytes);
	if (!err && table[WGPEER_A_TX_BYTES].data)
		err = nl_attr_u64(&table[WGPEER_A_TX_BYTES], &peer->tx_bytes);
	if (handshake.tv_sec < 0 || handshake.tv_sec > INT64_MAX / 1000 - 1)
		err = ERR_MALFORMED;
	if (!err)
		peer->last_handshake.ms = handshake.tv_sec * 1000 + handshake.tv_nsec / 1000000;
	return err;
}

static int read_peer(const struct nl_attr *nest, struct wg_device *device)
{
	struct nl_attr table[WGPEER_A_MAX + 1];
	uint8_t key[WG_KEY_SIZE];
	struct wg_peer *peer = NULL;
	bool continued = false;
	int err = nl_attr_nest(nest, table, WGPEER_A_MAX);

	if (!err)
		err = nl_attr_get(&table[WGPEER_A_PUBLIC_KEY], key, sizeof(key));
	if (err)
		return err;
	if (device->peer_count) {
		peer = &device->peers[device->peer_count - 1];
		continued = memcmp(peer->public_key, key, sizeof(key)) == 0;
	}
	if (!continued)
		err = wg_device_add_peer(device, key, &peer);
	if (!err && !continued)
		err = read_peer_values(table, peer);
	if (!err && table[WGPEER_A_ALLOWEDIPS].data)
		err = read_allowed(&table[WGPEER_A_ALLOWEDIPS], peer);
	return err;
}

static int read_device(const struct nl_attr *table, struct wg_device *device)
{
	int err = 0;

	if (table[WGDEVICE_A_IFINDEX].data)
		err = nl_attr_u32(&table[WGDEVICE_A_IFINDEX], &device->ifindex);
	if (!err && table[WGDEVICE_A_IFNAME].data)
		err = nl_attr_string(&table[WGDEVICE_A_IFNAME], device->name, sizeof(device->name));
	if (!err && table[WGDEVICE_A_PRIVATE_KEY].data)
		err = nl_attr_get(&table[WGDEVICE_A_PRIVATE_KEY], device->private_key, WG_KEY_SIZE);
	if (!err && table[WGDEVICE_A_PUBLIC_KEY].data)
		err = nl_attr_get(&table[WGDEVICE_A_PUBLIC_KEY], device->public_key, WG_KEY_SIZE);
	if (!err && table[WGDEVICE_A_LISTEN_PORT].data)
		err = nl_attr_u16(&table[WGDEVICE_A_LISTEN_PORT], &device->listen_port);
	if (!err && table[WGDEVICE_A_FWMARK].data)
		err = nl_attr_u32(&table[WGDEVICE_A_FWMARK], &device->fwmark);
	return err;
}

int wg_msg_read(const struct nlmsghdr *msg, struct wg_device *device)
{
	struct nl_attr table[WGDEVICE_A_MAX + 1], nest;
	struct nl_cursor cursor;
	struct genlmsghdr head;
	int err = nl_msg_parse(msg, &head, sizeof(head), table, WGDEVICE_A_MAX);

	if (!err)
		err = read_device(table, device);
	if (err || !table[WGDEVICE_A_PEERS].data)
		return err;
	cursor = nl_cursor(table[WGDEVICE_A_PEERS].data, table[WGDEVICE_A_PEERS].size);
	while (!err && nl_attr_next(&cursor, &nest))
		err = read_peer(&nest, device);
	return err ? err : cursor.bad ? ERR_MALFORMED : 0;
}
