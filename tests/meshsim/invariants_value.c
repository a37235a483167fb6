/* What keys show, and what their readers see. */
#include <stdio.h>

#include "tests/meshsim/invariants_internal.h"

static int compare(const struct invariants_value *a, const struct invariants_value *b)
{
	if (a->known != b->known)
		return a->known - b->known;
	if (a->stamp != b->stamp)
		return a->stamp < b->stamp ? -1 : 1;
	return memcmp(&a->author, &b->author, sizeof(a->author));
}

static bool is_same(const struct invariants_value *a, const struct invariants_value *b)
{
	return compare(a, b) == 0 && a->deleted == b->deleted;
}

static const char *describe(const struct invariants_value *value, char text[64])
{
	if (!value->known)
		return "nothing";
	snprintf(text, 64, "%s of %llu by %02x%02x", value->deleted ? "a deletion" : "a value",
		(unsigned long long)value->stamp, value->author.b[0], value->author.b[1]);
	return text;
}

static void check(struct invariants *checker, enum invariant invariant, bool holds, int node,
	int key, const struct invariants_value *a, const struct invariants_value *b)
{
	char texts[2][64];

	invariants_check(checker, invariant, holds, node, "k%d: %s, and %s", key,
		describe(a, texts[0]), describe(b, texts[1]));
}

void invariants_shown(struct invariants *checker, int node, int key,
	const struct invariants_value *now, bool before_counts)
{
	struct invariants_value *shown = &checker->nodes[node].shown[key];

	check(checker, INVARIANT_VALUE_FORWARD, !before_counts || compare(now, shown) >= 0, node,
		key, shown, now);
	*shown = *now;
}

void invariants_said(
	struct invariants *checker, int node, int key, const struct invariants_value *said)
{
	const struct invariants_value *shown = &checker->nodes[node].shown[key];

	check(checker, INVARIANT_VALUE_LATEST, compare(shown, said) >= 0, node, key, shown, said);
}

/* Of nothing and a deletion either is as good. */
void invariants_followed(
	struct invariants *checker, int node, int key, const struct invariants_value *read)
{
	const struct invariants_value *shown = &checker->nodes[node].shown[key];
	bool none = !shown->known && (!read->known || read->deleted);

	check(checker, INVARIANT_VALUES_FOLLOWED, none || is_same(shown, read), node, key, shown,
		read);
}

void invariants_value_calm(
	struct invariants *checker, const struct invariants_end *ends, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		for (int key = 0; key < INVARIANTS_KEYS; key++)
			check(checker, INVARIANT_VALUES_AGREE,
				is_same(&ends[0].values[key], &ends[i].values[key]), ends[i].node,
				key, &ends[0].values[key], &ends[i].values[key]);
	}
}
