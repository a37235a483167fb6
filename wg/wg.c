#include "wg/wg.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "wg/array.h"

void wg_device_done(struct wg_device *device)
{
	for (uint32_t i = 0; i < device->peer_count; i++)
		free(device->peers[i].allowed);
	if (device->peers)
		sodium_memzero(device->peers, device->peer_count * sizeof(*device->peers));
	free(device->peers);
	sodium_memzero(device, sizeof(*device));
}

void wg_device_move(struct wg_device *from, struct wg_device *ret)
{
	*ret = *from;
	sodium_memzero(from, sizeof(*from));
}

int wg_device_add_peer(
	struct wg_device *device, const uint8_t public_key[WG_KEY_SIZE], struct wg_peer **ret)
{
	struct wg_peer *peers, *peer;

	if (device->peer_count == WG_PEERS_MAX)
		return ERR_LIMIT;
	peers = array_reserve_secret(
		device->peers, device->peer_count + 1, sizeof(*peers), &device->peer_capacity);
	if (!peers)
		return ERR_NOMEM;
	device->peers = peers;
	peer = &device->peers[device->peer_count++];
	memset(peer, 0, sizeof(*peer));
	memcpy(peer->public_key, public_key, WG_KEY_SIZE);
	*ret = peer;
	return 0;
}

int wg_peer_add_allowed(struct wg_peer *peer, const struct prefix *prefix)
{
	if (peer->allowed_count == WG_ALLOWED_MAX)
		return ERR_LIMIT;
	if (peer->allowed_count == peer->allowed_capacity) {
		uint32_t capacity = peer->allowed_capacity ? peer->allowed_capacity * 2 : 2;
		struct prefix *allowed =
			reallocarray(peer->allowed, capacity, sizeof(*peer->allowed));

		if (!allowed)
			return ERR_NOMEM;
		peer->allowed = allowed;
		peer->allowed_capacity = capacity;
	}
	peer->allowed[peer->allowed_count++] = *prefix;
	return 0;
}

static int compare_peers(const void *a, const void *b)
{
	return memcmp(((const struct wg_peer *)a)->public_key,
		((const struct wg_peer *)b)->public_key, WG_KEY_SIZE);
}

/* A prefix has no padding: its bytes are its order. */
static int compare_prefixes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct prefix));
}

/* What is built from a sorted source is sorted already, and qsort would not notice. */
static void sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	uint8_t *at = items;

	for (size_t i = 1; i < count; i++) {
		if (compare(at + (i - 1) * size, at + i * size) <= 0)
			continue;
		qsort(items, count, size, compare);
		return;
	}
}

static bool prefix_valid(const struct prefix *prefix)
{
	unsigned int width = prefix->ip.family == 4 ? 32 : 128;

	if ((prefix->ip.family != 4 && prefix->ip.family != 6) || prefix->bits > width)
		return false;
	for (unsigned int byte = prefix->bits / 8; byte < sizeof(prefix->ip.b); byte++) {
		unsigned int kept = byte == prefix->bits / 8 ? prefix->bits % 8 : 0;
		if (prefix->ip.b[byte] & (0xff >> kept))
			return false;
	}
	return true;
}

static int check_prefixes(const struct wg_device *device)
{
	struct prefix *all;
	size_t count = 0, at = 0;
	int err = 0;

	for (uint32_t i = 0; i < device->peer_count; i++)
		count += device->peers[i].allowed_count;
	if (count > WG_ALLOWED_MAX)
		return ERR_LIMIT;
	all = malloc((count ? count : 1) * sizeof(*all));
	if (!all)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < device->peer_count; i++) {
		const struct wg_peer *peer = &device->peers[i];
		for (uint32_t j = 0; j < peer->allowed_count; j++)
			all[at++] = peer->allowed[j];
	}
	sort(all, count, sizeof(*all), compare_prefixes);
	for (size_t i = 0; i < count && !err; i++)
		if (!prefix_valid(&all[i]) || (i > 0 && !compare_prefixes(&all[i - 1], &all[i])))
			err = ERR_INVALID;
	free(all);
	return err;
}

int wg_device_seal(struct wg_device *device)
{
	static const uint8_t zero[WG_KEY_SIZE];

	sort(device->peers, device->peer_count, sizeof(*device->peers), compare_peers);
	for (uint32_t i = 0; i < device->peer_count; i++) {
		struct wg_peer *peer = &device->peers[i];

		if (i > 0 && compare_peers(peer - 1, peer) == 0)
			return ERR_INVALID;
		if (memcmp(device->public_key, zero, WG_KEY_SIZE) != 0 &&
			memcmp(peer->public_key, device->public_key, WG_KEY_SIZE) == 0)
			return ERR_INVALID;
		sort(peer->allowed, peer->allowed_count, sizeof(*peer->allowed), compare_prefixes);
	}
	return check_prefixes(device);
}

struct wg_peer *wg_device_peer(
	const struct wg_device *device, const uint8_t public_key[WG_KEY_SIZE])
{
	uint32_t low = 0, high = device->peer_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = memcmp(device->peers[middle].public_key, public_key, WG_KEY_SIZE);

		if (order == 0)
			return &device->peers[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

void wg_ops_done(struct wg_ops *ops)
{
	if (ops->ops)
		sodium_memzero(ops->ops, ops->capacity * sizeof(*ops->ops));
	free(ops->ops);
	free(ops->prefixes);
	*ops = (struct wg_ops){0};
}

/* A prefix that an operation gives to a peer, whoever had it before. */
struct grant {
	struct prefix prefix;
	const uint8_t *public_key;
};

static int compare_grants(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct prefix));
}

static int collect_grants(const struct wg_ops *ops, struct grant **ret, size_t *ret_count)
{
	struct grant *grants =
		malloc((ops->prefix_count ? ops->prefix_count : 1) * sizeof(*grants));
	size_t count = 0;

	if (!grants)
		return ERR_NOMEM;
	for (size_t i = 0; i < ops->count; i++) {
		const struct wg_op *op = &ops->ops[i];
		for (uint32_t j = 0; j < op->allowed_count; j++)
			grants[count++] =
				(struct grant){ops->prefixes[op->allowed_at + j], op->public_key};
	}
	sort(grants, count, sizeof(*grants), compare_grants);
	*ret = grants;
	*ret_count = count;
	return 0;
}

static void take_granted(struct wg_device *have, const struct grant *grants, size_t count)
{
	for (uint32_t i = 0; count && i < have->peer_count; i++) {
		struct wg_peer *peer = &have->peers[i];
		uint32_t kept = 0;

		for (uint32_t j = 0; j < peer->allowed_count; j++) {
			const struct grant *grant = bsearch(
				&peer->allowed[j], grants, count, sizeof(*grants), compare_grants);
			if (!grant || memcmp(grant->public_key, peer->public_key, WG_KEY_SIZE) == 0)
				peer->allowed[kept++] = peer->allowed[j];
		}
		peer->allowed_count = kept;
	}
}

static int set_peer(struct wg_peer *peer, const struct wg_op *op, const struct prefix *prefixes)
{
	int err = 0;

	if (op->set & WG_SET_KEY)
		memcpy(peer->preshared_key, op->key, WG_KEY_SIZE);
	if (op->set & WG_SET_ENDPOINT)
		peer->endpoint = op->endpoint;
	if (op->set & WG_SET_KEEPALIVE)
		peer->keepalive_s = op->keepalive_s;
	if (op->set & WG_SET_REPLACE)
		peer->allowed_count = 0;
	for (uint32_t i = 0; i < op->allowed_count && !err; i++)
		err = wg_peer_add_allowed(peer, &prefixes[op->allowed_at + i]);
	sort(peer->allowed, peer->allowed_count, sizeof(*peer->allowed), compare_prefixes);
	return err;
}

static void set_device(struct wg_device *have, const struct wg_op *op)
{
	if (op->set & WG_SET_KEY) {
		memcpy(have->private_key, op->key, WG_KEY_SIZE);
		memcpy(have->public_key, op->public_key, WG_KEY_SIZE);
	}
	if (op->set & WG_SET_PORT)
		have->listen_port = op->listen_port;
	if (op->set & WG_SET_FWMARK)
		have->fwmark = op->fwmark;
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, WG_KEY_SIZE);
}

/* Drops the peers with those keys (sorted) in one pass, and the one with the device's own key,
 * which WireGuard drops when the key is set. */
static void drop_peers(struct wg_device *have, const uint8_t (*keys)[WG_KEY_SIZE], size_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < have->peer_count; i++) {
		struct wg_peer *peer = &have->peers[i];

		if (bsearch(peer->public_key, keys, count, sizeof(*keys), compare_keys) ||
			memcmp(peer->public_key, have->public_key, WG_KEY_SIZE) == 0)
			free(peer->allowed);
		else
			have->peers[kept++] = *peer;
	}
	if (kept < have->peer_count)
		sodium_memzero(
			&have->peers[kept], (have->peer_count - kept) * sizeof(*have->peers));
	have->peer_count = kept;
}

static int apply_peers(struct wg_device *have, const struct wg_ops *ops)
{
	struct wg_device known = *have; /* the sorted part: what is added goes behind it */
	int err = 0;

	for (size_t i = 0; i < ops->count && !err; i++) {
		const struct wg_op *op = &ops->ops[i];
		struct wg_peer *peer;

		if (op->kind != WG_OP_PEER_ADD && op->kind != WG_OP_PEER_UPDATE)
			continue;
		known.peers = have->peers;
		peer = wg_device_peer(&known, op->public_key);
		if (!peer && op->kind == WG_OP_PEER_ADD)
			err = wg_device_add_peer(have, op->public_key, &peer);
		if (peer && !err)
			err = set_peer(peer, op, ops->prefixes);
	}
	sodium_memzero(&known, sizeof(known));
	sort(have->peers, have->peer_count, sizeof(*have->peers), compare_peers);
	return err;
}

int wg_device_apply(struct wg_device *have, const struct wg_ops *ops)
{
	uint8_t(*gone)[WG_KEY_SIZE] = malloc((ops->count ? ops->count : 1) * sizeof(*gone));
	struct grant *grants = NULL;
	size_t gone_count = 0, grant_count;
	int err;

	err = gone ? collect_grants(ops, &grants, &grant_count) : ERR_NOMEM;
	if (err)
		goto out;
	for (size_t i = 0; i < ops->count; i++) {
		if (ops->ops[i].kind == WG_OP_DEVICE)
			set_device(have, &ops->ops[i]);
		else if (ops->ops[i].kind == WG_OP_PEER_REMOVE)
			memcpy(gone[gone_count++], ops->ops[i].public_key, WG_KEY_SIZE);
	}
	take_granted(have, grants, grant_count);
	err = apply_peers(have, ops);
	if (err)
		goto out;
	drop_peers(have, gone, gone_count);
out:
	free(grants);
	free(gone);
	return err;
}
