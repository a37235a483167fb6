#include "wg/wg.h"

#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "wg/array.h"

/* A peer that has prefixes it should not have. Whether that takes an operation is known only when
 * all prefixes that other peers gain are known: gaining one takes it from its former owner. */
struct surplus {
	const struct wg_peer *want, *have;
	size_t op;
};

struct diff {
	struct wg_ops ops;
	struct surplus *surplus;
	size_t surplus_count, surplus_capacity;
};

static int put_op(struct diff *diff, enum wg_op_kind kind, const uint8_t public_key[WG_KEY_SIZE],
	struct wg_op **ret)
{
	struct wg_ops *ops = &diff->ops;
	struct wg_op *grown =
		array_reserve_secret(ops->ops, ops->count + 1, sizeof(*grown), &ops->capacity);

	if (!grown)
		return ERR_NOMEM;
	ops->ops = grown;
	*ret = &ops->ops[ops->count++];
	**ret = (struct wg_op){.kind = kind};
	memcpy((*ret)->public_key, public_key, WG_KEY_SIZE);
	return 0;
}

static int put_prefix(struct diff *diff, struct wg_op *op, const struct prefix *prefix)
{
	struct wg_ops *ops = &diff->ops;
	struct prefix *grown = array_reserve(
		ops->prefixes, ops->prefix_count + 1, sizeof(*grown), &ops->prefix_capacity);

	if (!grown)
		return ERR_NOMEM;
	ops->prefixes = grown;
	if (op->allowed_count++ == 0)
		op->allowed_at = ops->prefix_count;
	ops->prefixes[ops->prefix_count++] = *prefix;
	op->set |= WG_SET_ALLOWED;
	return 0;
}

static int put_surplus(
	struct diff *diff, const struct wg_peer *want, const struct wg_peer *have, size_t op)
{
	struct surplus *grown = array_reserve(
		diff->surplus, diff->surplus_count + 1, sizeof(*grown), &diff->surplus_capacity);

	if (!grown)
		return ERR_NOMEM;
	diff->surplus = grown;
	diff->surplus[diff->surplus_count++] = (struct surplus){want, have, op};
	return 0;
}

static int diff_device(
	struct diff *diff, const struct wg_device *want, const struct wg_device *have)
{
	unsigned int set = 0;
	struct wg_op *op;
	int err;

	if (memcmp(want->private_key, have->private_key, WG_KEY_SIZE) != 0)
		set |= WG_SET_KEY;
	if (want->listen_port && want->listen_port != have->listen_port)
		set |= WG_SET_PORT;
	if (want->fwmark != have->fwmark)
		set |= WG_SET_FWMARK;
	if (!set)
		return 0;
	err = put_op(diff, WG_OP_DEVICE, want->public_key, &op);
	if (err)
		return err;
	op->set = set;
	op->listen_port = want->listen_port;
	op->fwmark = want->fwmark;
	if (set & WG_SET_KEY)
		memcpy(op->key, want->private_key, WG_KEY_SIZE);
	return 0;
}

static void fill(struct wg_op *op, const struct wg_peer *want, unsigned int set)
{
	op->set = set;
	op->endpoint = want->endpoint;
	op->keepalive_s = want->keepalive_s;
	if (set & WG_SET_KEY)
		memcpy(op->key, want->preshared_key, WG_KEY_SIZE);
}

static int add_peer(struct diff *diff, const struct wg_peer *want)
{
	/* All of it, in case somebody else has just added it with other values. */
	unsigned int set = WG_SET_KEY | WG_SET_KEEPALIVE | WG_SET_ALLOWED | WG_SET_REPLACE;
	struct wg_op *op;
	int err = put_op(diff, WG_OP_PEER_ADD, want->public_key, &op);

	if (err)
		return err;
	fill(op, want, want->endpoint.ip.family ? set | WG_SET_ENDPOINT : set);
	for (uint32_t i = 0; i < want->allowed_count && !err; i++)
		err = put_prefix(diff, op, &want->allowed[i]);
	return err;
}

/* Scopes are this host's own and not every backend tells them. */
static bool endpoint_wanted(const struct wg_peer *want, const struct wg_peer *have)
{
	if (!want->endpoint.ip.family)
		return false;
	if (!have->endpoint.ip.family)
		return true;
	return want->endpoint_set && (!ip_equal(&want->endpoint.ip, &have->endpoint.ip) ||
					     want->endpoint.port != have->endpoint.port);
}

/* Adds what is missing to the operation and says whether anything is there too much. */
static int diff_allowed(struct diff *diff, struct wg_op *op, const struct wg_peer *want,
	const struct wg_peer *have, bool *ret_surplus)
{
	uint32_t w = 0, h = 0;

	*ret_surplus = false;
	while (w < want->allowed_count || h < have->allowed_count) {
		int order = w == want->allowed_count ? 1
			    : h == have->allowed_count
				    ? -1
				    : memcmp(&want->allowed[w], &have->allowed[h],
					      sizeof(struct prefix));
		if (order < 0 && put_prefix(diff, op, &want->allowed[w]))
			return ERR_NOMEM;
		if (order > 0)
			*ret_surplus = true;
		w += order <= 0;
		h += order >= 0;
	}
	return 0;
}

static bool allowed_equal(const struct wg_peer *want, const struct wg_peer *have)
{
	return want->allowed_count == have->allowed_count &&
	       (want->allowed_count == 0 ||
		       memcmp(want->allowed, have->allowed,
			       want->allowed_count * sizeof(struct prefix)) == 0);
}

static int diff_peer(struct diff *diff, const struct wg_peer *want, const struct wg_peer *have)
{
	unsigned int set = 0;
	bool surplus;
	struct wg_op *op;
	int err;

	if (memcmp(want->preshared_key, have->preshared_key, WG_KEY_SIZE) != 0)
		set |= WG_SET_KEY;
	if (endpoint_wanted(want, have))
		set |= WG_SET_ENDPOINT;
	if (want->keepalive_s != have->keepalive_s)
		set |= WG_SET_KEEPALIVE;
	if (!set && allowed_equal(want, have))
		return 0;
	err = put_op(diff, WG_OP_PEER_UPDATE, want->public_key, &op);
	if (err)
		return err;
	fill(op, want, set);
	err = diff_allowed(diff, op, want, have, &surplus);
	if (!err && surplus)
		err = put_surplus(diff, want, have, op - diff->ops.ops);
	return err;
}

static int compare_prefixes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct prefix));
}

/* Whether every prefix that the peer has too much goes to another peer anyway. */
static bool surplus_moves(const struct surplus *surplus, const struct prefix *gained, size_t count)
{
	for (uint32_t h = 0; h < surplus->have->allowed_count; h++) {
		const struct prefix *prefix = &surplus->have->allowed[h];

		if (surplus->want->allowed_count &&
			bsearch(prefix, surplus->want->allowed, surplus->want->allowed_count,
				sizeof(*prefix), compare_prefixes))
			continue;
		if (!count || !bsearch(prefix, gained, count, sizeof(*prefix), compare_prefixes))
			return false;
	}
	return true;
}

static int replace_allowed(struct diff *diff, const struct surplus *surplus)
{
	struct wg_op *op = &diff->ops.ops[surplus->op];

	op->set |= WG_SET_ALLOWED | WG_SET_REPLACE;
	op->allowed_count = 0;
	for (uint32_t i = 0; i < surplus->want->allowed_count; i++)
		if (put_prefix(diff, op, &surplus->want->allowed[i]))
			return ERR_NOMEM;
	return 0;
}

static int settle_surplus(struct diff *diff)
{
	size_t count = diff->ops.prefix_count;
	struct prefix *gained;
	int err = 0;

	if (diff->surplus_count == 0)
		return 0;
	gained = malloc((count ? count : 1) * sizeof(*gained));
	if (!gained)
		return ERR_NOMEM;
	if (count) {
		memcpy(gained, diff->ops.prefixes, count * sizeof(*gained));
		qsort(gained, count, sizeof(*gained), compare_prefixes);
	}
	for (size_t i = 0; i < diff->surplus_count && !err; i++)
		if (!surplus_moves(&diff->surplus[i], gained, count))
			err = replace_allowed(diff, &diff->surplus[i]);
	free(gained);
	return err;
}

static void drop_empty_ops(struct wg_ops *ops)
{
	size_t kept = 0;

	for (size_t i = 0; i < ops->count; i++)
		if (ops->ops[i].set)
			ops->ops[kept++] = ops->ops[i];
	ops->count = kept;
}

static int diff_peers(struct diff *diff, const struct wg_device *want, const struct wg_device *have)
{
	uint32_t h = 0;
	int err = 0;

	for (uint32_t w = 0; w < want->peer_count && !err; w++) {
		const struct wg_peer *peer = &want->peers[w];

		while (h < have->peer_count &&
			memcmp(have->peers[h].public_key, peer->public_key, WG_KEY_SIZE) < 0)
			h++;
		if (h < have->peer_count &&
			memcmp(have->peers[h].public_key, peer->public_key, WG_KEY_SIZE) == 0)
			err = diff_peer(diff, peer, &have->peers[h]);
		else
			err = add_peer(diff, peer);
	}
	return err;
}

static int remove_peers(
	struct diff *diff, const struct wg_device *want, const struct wg_device *have)
{
	uint32_t w = 0;
	int err = 0;

	for (uint32_t h = 0; h < have->peer_count && !err; h++) {
		const uint8_t *key = have->peers[h].public_key;
		struct wg_op *op;

		while (w < want->peer_count &&
			memcmp(want->peers[w].public_key, key, WG_KEY_SIZE) < 0)
			w++;
		if (w == want->peer_count ||
			memcmp(want->peers[w].public_key, key, WG_KEY_SIZE) != 0)
			err = put_op(diff, WG_OP_PEER_REMOVE, key, &op);
	}
	return err;
}

int wg_diff(const struct wg_device *want, const struct wg_device *have, struct wg_ops *ret_ops)
{
	struct diff diff = {0};
	int err = diff_device(&diff, want, have);

	if (!err)
		err = diff_peers(&diff, want, have);
	if (!err)
		err = settle_surplus(&diff);
	if (!err) {
		drop_empty_ops(&diff.ops);
		err = remove_peers(&diff, want, have);
	}
	free(diff.surplus);
	if (err)
		wg_ops_done(&diff.ops);
	else
		*ret_ops = diff.ops;
	return err;
}
