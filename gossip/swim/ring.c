#include "gossip/swim/ring.h"

#include <string.h>

#include "gossip/swim/state.h"

/* Ids are public keys, as good as random: the first rings are their four words, the fifth mixes
 * them. */
static uint64_t place_on(unsigned ring, const struct id *id)
{
	uint64_t words[sizeof(id->b) / sizeof(uint64_t)] = {0};

	for (size_t i = 0; i < sizeof(id->b); i++)
		words[i / 8] |= (uint64_t)id->b[i] << i % 8 * 8;
	if (ring < ARRAY_SIZE(words))
		return words[ring];
	return (words[0] ^ words[1]) * UINT64_C(0x9e3779b97f4a7c15) + (words[2] ^ words[3]);
}

static uint64_t distance(const struct swim *swim, unsigned ring, const struct member *member)
{
	return place_on(ring, &member->id) - place_on(ring, &swim->config.self->id);
}

static void consider(struct swim *swim, unsigned ring, struct member *member)
{
	struct member *next = swim->ring.next[ring];

	if (!next || distance(swim, ring, member) < distance(swim, ring, next))
		swim->ring.next[ring] = member;
}

void ring_add(struct swim *swim, struct member *member)
{
	for (unsigned ring = 0; ring < SWIM_RINGS; ring++)
		consider(swim, ring, member);
}

void ring_lost(struct swim *swim, const struct member *member)
{
	for (unsigned ring = 0; ring < SWIM_RINGS; ring++) {
		if (swim->ring.next[ring] != member)
			continue;
		swim->ring.next[ring] = NULL;
		for (size_t i = 0; i < member_count(swim); i++) {
			if (swim->members.order[i]->state != SWIM_DEAD)
				consider(swim, ring, swim->members.order[i]);
		}
	}
}

size_t ring_list(const struct swim *swim, struct id *ret, size_t count)
{
	size_t have = 0;

	for (unsigned ring = 0; ring < SWIM_RINGS && have < count; ring++) {
		bool listed = !swim->ring.next[ring];

		for (unsigned before = 0; before < ring; before++)
			listed |= swim->ring.next[before] == swim->ring.next[ring];
		if (!listed)
			ret[have++] = swim->ring.next[ring]->id;
	}
	return have;
}
