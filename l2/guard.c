#include "l2/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/text.h"
#include "wg/array.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

#define SOURCES_LEAST 64 /* room for so many, of a family */

/* How the three sets are called in the table. */
enum set {
	SET_VNIS,
	SET_FROM4,
	SET_FROM6,
};

static const char *const set_names[] = {"vnis", "from4", "from6"};

int guard_table(const char *interface, char ret_name[GUARD_TABLE_SIZE])
{
	size_t size = strlen(interface);

	if (size == 0 || size >= NET_NAME_SIZE || strspn(interface, NAME_CHARACTERS) != size)
		return ERR_INVALID;
	snprintf(ret_name, GUARD_TABLE_SIZE, "meshd_%s", interface);
	return 0;
}

/* ---- what is wanted ---- */

int guard_want_vni(struct guard_want *want, uint32_t vni)
{
	uint32_t *grown;

	if (vni > L2_VNI_MAX)
		return ERR_INVALID;
	if (want->vni_count == GUARD_VNIS_MAX)
		return ERR_LIMIT;
	grown = array_reserve(want->vnis, want->vni_count + 1, sizeof(*grown), &want->vni_capacity);
	if (!grown)
		return ERR_NOMEM;
	want->vnis = grown;
	want->vnis[want->vni_count++] = vni;
	return 0;
}

int guard_want_source(struct guard_want *want, uint32_t vni, const struct ip *ip)
{
	struct guard_source *grown;

	if (vni > L2_VNI_MAX || (ip->family != 4 && ip->family != 6))
		return ERR_INVALID;
	if (want->source_count == GUARD_SOURCES_MAX)
		return ERR_LIMIT;
	grown = array_reserve(
		want->sources, want->source_count + 1, sizeof(*grown), &want->source_capacity);
	if (!grown)
		return ERR_NOMEM;
	want->sources = grown;
	want->sources[want->source_count++] = (struct guard_source){.vni = vni, .ip = *ip};
	return 0;
}

static int compare_vnis(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

static int compare_sources(const void *a, const void *b)
{
	const struct guard_source *left = a, *right = b;

	if (left->vni != right->vni)
		return left->vni < right->vni ? -1 : 1;
	if (left->ip.family != right->ip.family)
		return left->ip.family < right->ip.family ? -1 : 1;
	return memcmp(left->ip.b, right->ip.b, sizeof(left->ip.b));
}

void guard_want_sort(struct guard_want *want)
{
	size_t kept = 0;

	if (want->vni_count)
		qsort(want->vnis, want->vni_count, sizeof(*want->vnis), compare_vnis);
	for (size_t i = 0; i < want->vni_count; i++)
		if (i == 0 || want->vnis[i] != want->vnis[i - 1])
			want->vnis[kept++] = want->vnis[i];
	want->vni_count = kept;
	kept = 0;
	if (want->source_count)
		qsort(want->sources, want->source_count, sizeof(*want->sources), compare_sources);
	for (size_t i = 0; i < want->source_count; i++)
		if (kept == 0 || compare_sources(&want->sources[i], &want->sources[kept - 1]) != 0)
			want->sources[kept++] = want->sources[i];
	want->source_count = kept;
}

int guard_want_copy(const struct guard_want *want, struct guard_want *ret)
{
	struct guard_want copy = *want;

	copy.vni_capacity = copy.source_capacity = 0;
	copy.vnis =
		array_reserve(NULL, want->vni_count + 1, sizeof(*copy.vnis), &copy.vni_capacity);
	copy.sources = array_reserve(
		NULL, want->source_count + 1, sizeof(*copy.sources), &copy.source_capacity);
	if (!copy.vnis || !copy.sources) {
		guard_want_done(&copy);
		return ERR_NOMEM;
	}
	if (want->vni_count)
		memcpy(copy.vnis, want->vnis, want->vni_count * sizeof(*copy.vnis));
	if (want->source_count)
		memcpy(copy.sources, want->sources, want->source_count * sizeof(*copy.sources));
	*ret = copy;
	return 0;
}

void guard_want_done(struct guard_want *want)
{
	free(want->vnis);
	free(want->sources);
	*want = (struct guard_want){0};
}

bool guard_want_has(const struct guard_want *want, uint32_t vni)
{
	return want->vni_count &&
	       bsearch(&vni, want->vnis, want->vni_count, sizeof(*want->vnis), compare_vnis);
}

/* All that stands in the chains. */
static bool same_rules(const struct guard_want *a, const struct guard_want *b)
{
	if (strcmp(a->interface, b->interface) != 0 || a->prefix_count != b->prefix_count)
		return false;
	for (size_t i = 0; i < a->prefix_count; i++)
		if (!ip_equal(&a->prefixes[i].ip, &b->prefixes[i].ip) ||
			a->prefixes[i].bits != b->prefixes[i].bits)
			return false;
	return true;
}

bool guard_want_equal(const struct guard_want *a, const struct guard_want *b)
{
	if (!same_rules(a, b) || a->vni_count != b->vni_count || a->source_count != b->source_count)
		return false;
	for (size_t i = 0; i < a->vni_count; i++)
		if (a->vnis[i] != b->vnis[i])
			return false;
	for (size_t i = 0; i < a->source_count; i++)
		if (compare_sources(&a->sources[i], &b->sources[i]) != 0)
			return false;
	return true;
}

/* ---- text for nft ---- */

/* stdio that cannot fail half way: what did not fit in memory shows at the end. */
static int finish(FILE *file, char **text, char **ret)
{
	bool failed = ferror(file);

	failed |= fclose(file) != 0;
	if (failed) {
		free(*text);
		return ERR_NOMEM;
	}
	*ret = *text;
	return 0;
}

static void put_source(FILE *file, const struct guard_source *source)
{
	char text[TEXT_IP_SIZE];

	fprintf(file, "%s . %u", text_ip(&source->ip, text), source->vni);
}

static enum set set_of(const struct guard_source *source)
{
	return source->ip.family == 4 ? SET_FROM4 : SET_FROM6;
}

/* A set of a known size is looked up in less time than one that grows; what does not fit any more
 * is written as a whole. */
static size_t room_for(const struct guard_want *want, enum set set)
{
	size_t count = 0, room = SOURCES_LEAST;

	for (size_t i = 0; i < want->source_count; i++)
		count += set_of(&want->sources[i]) == set;
	while (room < 2 * count)
		room *= 2;
	return room;
}

static void put_sets(FILE *file, const struct guard_want *want)
{
	static const char *const types[] = {
		"@th,96,24", "ip saddr . @th,96,24", "ip6 saddr . @th,96,24"};

	for (enum set set = SET_VNIS; set <= SET_FROM6; set++) {
		const char *comma = "\t\telements = { ";

		fprintf(file, "\tset %s {\n\t\ttypeof %s\n", set_names[set], types[set]);
		if (set != SET_VNIS)
			fprintf(file, "\t\tsize %zu\n", room_for(want, set));
		for (size_t i = 0; set == SET_VNIS && i < want->vni_count; i++) {
			fprintf(file, "%s%u", comma, want->vnis[i]);
			comma = ", ";
		}
		for (size_t i = 0; set != SET_VNIS && i < want->source_count; i++) {
			if (set_of(&want->sources[i]) != set)
				continue;
			fputs(comma, file);
			put_source(file, &want->sources[i]);
			comma = ", ";
		}
		fputs(*comma == ',' ? " }\n\t}\n" : "\t}\n", file);
	}
}

/* Most packets are none of ours, and what they cost is what the guard costs: so the first look is
 * at bare bytes, the same for both families and all protocols, and costs a packet a fraction of
 * what a question for its family, its protocol or its interface's name does. What looks alike is
 * looked at again, with all that belongs to it. */
static void put_lookalikes(FILE *file, const struct prefix *prefix)
{
	unsigned int asked = prefix->bits < 32 ? prefix->bits : 32;
	unsigned int width = asked <= 16 ? 16 : 32, offset = prefix->ip.family == 4 ? 96 : 64;
	uint32_t mask = asked ? UINT32_MAX << (32 - asked) >> (32 - width) : 0, value = 0;

	for (unsigned int i = 0; i < width / 8; i++)
		value = value << 8 | prefix->ip.b[i];
	fprintf(file, "\t\t@nh,%u,%u ", offset, width);
	if (asked != width)
		fprintf(file, "& 0x%x == ", mask);
	fprintf(file, "0x%x jump spoofed\n", value & mask);
}

/* Where packets come by. All of this host's do, and a hook costs most of them more than its rules:
 * so there is one of each. */
static void put_hooks(FILE *file, const struct guard_want *want)
{
	fprintf(file,
		"\tchain input {\n"
		"\t\ttype filter hook input priority filter; policy accept;\n"
		"\t\t@th,16,16 %u jump vxlan\n",
		L2_VXLAN_PORT);
	for (size_t i = 0; i < want->prefix_count; i++)
		put_lookalikes(file, &want->prefixes[i]);
	fprintf(file,
		"\t}\n"
		"\tchain forward {\n"
		"\t\ttype filter hook forward priority filter; policy accept;\n"
		"\t\t@th,16,16 %u oifname \"%s\" jump unlisted\n",
		L2_VXLAN_PORT, want->interface);
	for (size_t i = 0; i < want->prefix_count; i++)
		put_lookalikes(file, &want->prefixes[i]);
	fputs("\t}\n", file);
}

static void put_spoofed(FILE *file, const struct guard_want *want)
{
	char text[TEXT_PREFIX_SIZE];

	fprintf(file,
		"\tchain spoofed {\n"
		"\t\tiifname \"%s\" return\n"
		"\t\tiifname \"lo\" return\n",
		want->interface);
	for (size_t i = 0; i < want->prefix_count; i++)
		fprintf(file, "\t\t%s saddr %s counter name spoofed drop\n",
			want->prefixes[i].ip.family == 4 ? "ip" : "ip6",
			text_prefix(&want->prefixes[i], text));
	fputs("\t}\n", file);
}

/*
 * VXLAN's header stands behind UDP's 8 bytes: flags, 24 bits reserved, the VNI, 8 bits (RFC 7348).
 * A comparison that is always true asks whether there are bytes to compare; where there are none,
 * nftables goes on with the next rule. What a segment lives on is accepted by one rule (and what is
 * no UDP with it, which the last rule of all would accept); the rest is looked at for what is wrong
 * with it.
 */
static void put_vxlan(FILE *file, const struct guard_want *want)
{
	fputs("\tchain vxlan {\n", file);
	for (enum set set = SET_FROM4; set <= SET_FROM6; set++)
		fprintf(file, "\t\tiifname \"%s\" @th,0,16 < %u %s saddr . @th,96,24 @%s accept\n",
			want->interface, L2_FROM_HIGH, set == SET_FROM4 ? "ip" : "ip6",
			set_names[set]);
	fprintf(file,
		"\t\tgoto unlisted\n"
		"\t}\n"
		"\tchain ours {\n"
		"\t\toifname \"%s\" counter name stray drop\n"
		"\t\tiifname != \"%s\" counter name stray drop\n"
		"\t\tudp sport >= %u counter name stray drop\n"
		"\t\tcounter name unattached drop\n"
		"\t}\n"
		"\tchain unlisted {\n"
		"\t\tjump spoofed\n"
		"\t\tmeta l4proto != udp return\n"
		"\t\t@th,96,24 @vnis goto ours\n"
		"\t\t@th,96,24 & 0 == 0 return\n"
		"\t\tcounter name truncated drop\n"
		"\t}\n",
		want->interface, want->interface, L2_FROM_HIGH);
}

int guard_text_whole(const struct guard_want *want, char **ret)
{
	char table[GUARD_TABLE_SIZE], *text = NULL;
	size_t size;
	FILE *file;
	int err = guard_table(want->interface, table);

	if (err)
		return err;
	file = open_memstream(&text, &size);
	if (!file)
		return ERR_NOMEM;
	/* nft has no "replace": what is there, or is made for the purpose, goes in the same
	 * transaction. */
	fprintf(file,
		"table inet %s\ndelete table inet %s\ntable inet %s {\n\tcomment \"%s of %s\"\n",
		table, table, table, GUARD_MARK, want->interface);
	fputs("\tcounter stray { }\n\tcounter unattached { }\n"
	      "\tcounter truncated { }\n\tcounter spoofed { }\n",
		file);
	put_sets(file, want);
	put_spoofed(file, want);
	put_vxlan(file, want);
	put_hooks(file, want);
	fputs("}\n", file);
	return finish(file, &text, ret);
}

static void put_element(FILE *file, const char *verb, const char *table, enum set set)
{
	fprintf(file, "%s element inet %s %s { ", verb, table, set_names[set]);
}

static void put_vni_change(FILE *file, const char *table, const struct guard_want *from,
	const struct guard_want *to, const char *verb)
{
	for (size_t i = 0; i < to->vni_count; i++) {
		if (guard_want_has(from, to->vnis[i]))
			continue;
		put_element(file, verb, table, SET_VNIS);
		fprintf(file, "%u }\n", to->vnis[i]);
	}
}

static bool has_source(const struct guard_want *want, const struct guard_source *source)
{
	return want->source_count &&
	       bsearch(source, want->sources, want->source_count, sizeof(*source), compare_sources);
}

static void put_source_change(FILE *file, const char *table, const struct guard_want *from,
	const struct guard_want *to, const char *verb)
{
	for (size_t i = 0; i < to->source_count; i++) {
		if (has_source(from, &to->sources[i]))
			continue;
		put_element(file, verb, table, set_of(&to->sources[i]));
		put_source(file, &to->sources[i]);
		fputs(" }\n", file);
	}
}

int guard_text_change(const struct guard_want *have, const struct guard_want *want, char **ret)
{
	char table[GUARD_TABLE_SIZE], *text = NULL;
	size_t size;
	FILE *file;
	int err = guard_table(want->interface, table);

	if (err)
		return err;
	if (!same_rules(have, want))
		return ERR_STATE;
	file = open_memstream(&text, &size);
	if (!file)
		return ERR_NOMEM;
	put_source_change(file, table, have, want, "add");
	put_vni_change(file, table, have, want, "add");
	put_vni_change(file, table, want, have, "delete");
	put_source_change(file, table, want, have, "delete");
	return finish(file, &text, ret);
}

int guard_text_remove(const char *interface, char **ret)
{
	char table[GUARD_TABLE_SIZE];
	int err = guard_table(interface, table);

	if (!err && asprintf(ret, "delete table inet %s\n", table) < 0)
		err = ERR_NOMEM;
	return err;
}
