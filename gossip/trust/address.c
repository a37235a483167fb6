#include "gossip/trust/address.h"

#include <assert.h>
#include <stdlib.h>

/* What a hash under KEYS_ADDRESS is for stands in front of what goes into it. */
enum purpose { PURPOSE_PREFIXES = 'p', PURPOSE_IPV4 = '4', PURPOSE_IPV6 = '6' };

static void hash_for(enum purpose purpose, const struct id *id, uint32_t number, struct hash *ret)
{
	uint8_t input[1 + sizeof(*id) + 4];

	input[0] = (uint8_t)purpose;
	memcpy(input + 1, id, sizeof(*id));
	for (int i = 0; i < 4; i++)
		input[1 + sizeof(*id) + i] = (uint8_t)(number >> (24 - 8 * i));
	keys_hash(KEYS_ADDRESS, input, sizeof(input), ret);
}

void address_default_prefixes(
	const struct id *mesh, struct prefix *ret_prefix4, struct prefix *ret_prefix6)
{
	struct hash hash;

	hash_for(PURPOSE_PREFIXES, mesh, 0, &hash);
	*ret_prefix4 = (struct prefix){.ip = {.family = 4}, .bits = 16};
	ret_prefix4->ip.b[0] = 100;
	ret_prefix4->ip.b[1] = 64 | (hash.b[0] & 63);
	*ret_prefix6 = (struct prefix){.ip = {.family = 6}, .bits = 48};
	ret_prefix6->ip.b[0] = 0xfd;
	memcpy(ret_prefix6->ip.b + 1, hash.b + 1, 5);
}

static bool bit_is_set(const struct ip *ip, unsigned bit)
{
	return ip->b[bit / 8] & (0x80 >> bit % 8);
}

/* Whether the first bits of both are the same. */
static bool same_start(const struct ip *a, const struct ip *b, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++) {
		if (bit_is_set(a, i) != bit_is_set(b, i))
			return false;
	}
	return true;
}

/* Never an overlay's: the IANA special-purpose registries (RFC 6890), as far as they cannot be
 * routed at all. */
static const struct prefix unusable[] = {
	{{4, {0}}, 8},		 /* this network */
	{{4, {127}}, 8},	 /* loopback */
	{{4, {169, 254}}, 16},	 /* link-local */
	{{4, {224}}, 3},	 /* multicast, reserved, broadcast */
	{{6, {0}}, 8},		 /* unspecified, loopback, mapped and translated IPv4 */
	{{6, {0xfe, 0x80}}, 10}, /* link-local */
	{{6, {0xff}}, 8},	 /* multicast */
};

int address_check_prefix(const struct prefix *prefix)
{
	bool is4 = prefix->ip.family == 4;

	if (!is4 && prefix->ip.family != 6)
		return ERR_INVALID;
	if (is4 ? prefix->bits < 8 || prefix->bits > 24 : prefix->bits < 32 || prefix->bits > 64)
		return ERR_INVALID;
	for (unsigned i = prefix->bits; i < 128; i++) {
		if (bit_is_set(&prefix->ip, i))
			return ERR_INVALID;
	}
	for (size_t i = 0; i < ARRAY_SIZE(unusable); i++) {
		unsigned shorter =
			prefix->bits < unusable[i].bits ? prefix->bits : unusable[i].bits;

		if (prefix->ip.family == unusable[i].ip.family &&
			same_start(&prefix->ip, &unusable[i].ip, shorter))
			return ERR_INVALID;
	}
	return 0;
}

bool address_in_prefix(const struct prefix *prefix, const struct ip *ip)
{
	return prefix->ip.family == ip->family && same_start(&prefix->ip, ip, prefix->bits);
}

void address_ipv6(const struct prefix *prefix6, const struct id *node, struct ip *ret)
{
	struct hash hash;

	assert(prefix6->ip.family == 6 && prefix6->bits <= 64);
	hash_for(PURPOSE_IPV6, node, 0, &hash);
	*ret = prefix6->ip;
	memcpy(ret->b + 8, hash.b, 8);
}

void address_ipv4(
	const struct prefix *prefix4, const struct id *node, uint32_t claim, struct ip *ret)
{
	struct hash hash;
	uint64_t number = 0;

	assert(prefix4->ip.family == 4 && prefix4->bits <= 30);
	hash_for(PURPOSE_IPV4, node, claim, &hash);
	for (int i = 0; i < 8; i++)
		number = number << 8 | hash.b[i];
	uint32_t host = (uint32_t)(1 + number % ((UINT64_C(1) << (32 - prefix4->bits)) - 2));

	*ret = prefix4->ip;
	for (int i = 0; i < 4; i++)
		ret->b[i] |= (uint8_t)(host >> (24 - 8 * i));
}

static int compare_ips(const struct ip *a, const struct ip *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, sizeof(a->b));
}

static int compare_claims(const void *left, const void *right)
{
	const struct address_claim *a = left, *b = right;
	int order = compare_ips(&a->ip, &b->ip);

	if (order)
		return order;
	if (a->pinned != b->pinned)
		return a->pinned ? -1 : 1;
	if (a->kept != b->kept)
		return a->kept ? -1 : 1;
	if (a->stamp != b->stamp)
		return a->stamp < b->stamp ? -1 : 1;
	return memcmp(&a->node, &b->node, sizeof(a->node));
}

void address_resolve(struct address_claim *claims, size_t count)
{
	if (count)
		qsort(claims, count, sizeof(*claims), compare_claims);
	for (size_t i = 0; i < count; i++)
		claims[i].holds = i == 0 || !ip_equal(&claims[i].ip, &claims[i - 1].ip);
}

/* The first claim to an address stands first: that is its holder, address_resolve saw to it. */
static const struct address_claim *find_holder(
	const struct address_claim *claims, size_t count, const struct ip *ip)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_ips(&claims[middle].ip, ip) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && ip_equal(&claims[low].ip, ip) ? &claims[low] : NULL;
}

int address_choose(const struct prefix *prefix4, const struct id *node, uint32_t from,
	const struct address_claim *claims, size_t count, uint32_t *ret_claim)
{
	for (uint32_t tries = 0; tries < ADDRESS_CLAIM_MAX && tries <= UINT32_MAX - from; tries++) {
		const struct address_claim *holder;
		struct ip ip;

		address_ipv4(prefix4, node, from + tries, &ip);
		holder = find_holder(claims, count, &ip);
		if (!holder || id_equal(&holder->node, node)) {
			*ret_claim = from + tries;
			return 0;
		}
	}
	return ERR_EXHAUSTED;
}
