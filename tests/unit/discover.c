/* What is said and heard on the LAN, without a LAN: the TXT record, the table of who is seen, the
 * choice of interfaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/discover_links.h"
#include "daemon/discover_table.h"
#include "gossip/base/text.h"

static const struct id mesh = {{7, 1, 2, 3}}, other_mesh = {{8}};

static struct discover_txt make_txt(uint8_t salt, const struct id *of)
{
	struct discover_txt txt = {.has_tag = of != NULL};

	memset(txt.salt, salt, sizeof(txt.salt));
	if (of)
		discover_txt_tag(txt.salt, of, txt.tag);
	return txt;
}

/* ---- the TXT record ---- */

static void what_is_announced_is_understood(void **state)
{
	(void)state;
	const struct discover_txt txts[] = {make_txt(5, &mesh), make_txt(5, NULL)};

	for (size_t i = 0; i < ARRAY_SIZE(txts); i++) {
		struct discover_txt txt = make_txt(9, &other_mesh);
		uint8_t bytes[DISCOVER_TXT_MAX];
		size_t size = discover_txt_encode(&txts[i], bytes);

		assert_in_range(size, 1, 128);
		assert_int_equal(discover_txt_decode(bytes, size, &txt), 0);
		assert_memory_equal(&txt, &txts[i], sizeof(txt));
		assert_int_equal(discover_txt_is_of(&txt, &mesh), txts[i].has_tag);
		assert_false(discover_txt_is_of(&txt, &other_mesh));
	}
}

/* The vector that PROTOCOL.md shows. */
static void the_tag_is_as_the_protocol_says(void **state)
{
	(void)state;
	struct discover_txt txt;
	char hex[2 * DISCOVER_TAG_SIZE + 1];
	struct id id;

	for (size_t i = 0; i < sizeof(id); i++)
		id.b[i] = (uint8_t)i;
	txt = make_txt(0x55, &id);
	assert_string_equal(
		text_hex(txt.tag, sizeof(txt.tag), hex), "3bb78fa854d6b5beef95b86eace044c7");
}

/* Two nodes of one mesh, or one at two starts, have nothing in common for who does not know it. */
static void another_salt_gives_another_tag(void **state)
{
	(void)state;
	struct discover_txt a = make_txt(1, &mesh), b = make_txt(2, &mesh);

	assert_memory_not_equal(a.tag, b.tag, sizeof(a.tag));
	assert_memory_not_equal(a.tag, mesh.b, sizeof(a.tag));
}

/* The strings, each ended by '\n', as a record's data. */
static size_t strings(const char *text, uint8_t *ret)
{
	size_t size = 0;

	for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
		ret[size] = (uint8_t)(end - text);
		memcpy(ret + size + 1, text, (size_t)(end - text));
		size += 1 + (size_t)(end - text);
	}
	return size;
}

#define SALT "s=000102030405060708090a0b0c0d0e0f\n"
#define TAG  "m=000102030405060708090a0b0c0d0e0f\n"

static void what_is_malformed_is_refused_whole(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int err;
	} cases[] = {
		{"v=1\n" SALT TAG, 0},
		{"v=1\n" SALT, 0},
		{SALT "v=1\n", 0},
		{"v=1\n" SALT "\nfuture\nx=y\n", 0}, /* keys that are not known */
		{"v=2\n" SALT TAG, ERR_VERSION},
		{"v=\n" SALT, ERR_VERSION},
		{"", ERR_MALFORMED},
		{"v=1\n", ERR_MALFORMED},
		{SALT TAG, ERR_MALFORMED},
		{"v=1\n" TAG, ERR_MALFORMED},
		{"v=1\n" SALT SALT, ERR_MALFORMED},
		{"v=1\n" SALT TAG TAG, ERR_MALFORMED},
		{"v=1\ns=0001\n", ERR_MALFORMED},
		{"v=1\ns=zz0102030405060708090a0b0c0d0e0f\n", ERR_MALFORMED},
		{"v=1\n" SALT "m=00\n", ERR_MALFORMED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct discover_txt txt = make_txt(1, NULL), before = txt;
		uint8_t bytes[DISCOVER_TXT_MAX];
		size_t size = strings(cases[i].text, bytes);

		assert_int_equal(discover_txt_decode(bytes, size, &txt), cases[i].err);
		if (cases[i].err != 0)
			assert_memory_equal(&txt, &before, sizeof(txt));
	}
}

static void what_is_too_long_or_cut_off_is_refused(void **state)
{
	(void)state;
	uint8_t bytes[DISCOVER_TXT_MAX + 1] = {0};
	struct discover_txt txt;
	size_t size = strings("v=1\n" SALT TAG, bytes);

	for (size_t cut = 1; cut < size; cut++) {
		uint8_t *copy = malloc(cut); /* a byte beyond it is told by the sanitizer */

		memcpy(copy, bytes, cut);
		if (cut != size - 35) /* there is the end of the salt's string */
			assert_int_equal(discover_txt_decode(copy, cut, &txt), ERR_MALFORMED);
		free(copy);
	}
	assert_int_equal(discover_txt_decode(bytes, sizeof(bytes), &txt), ERR_TOO_BIG);
}

/* ---- the table ---- */

static struct discover_row *put(struct discover_table *table, unsigned number, bool ours)
{
	struct discover_row *row = discover_table_room(table, number * 2654435761U);
	char name[32];

	snprintf(name, sizeof(name), "instance-%u", number);
	assert_int_equal(discover_table_put(table, row, name, 3, 4), 0);
	row->resolved = true;
	row->txt = make_txt((uint8_t)number, ours ? &mesh : NULL);
	row->ours = ours;
	return row;
}

static void one_instance_is_told_apart_by_interface_and_protocol(void **state)
{
	(void)state;
	struct discover_table *table = calloc(1, sizeof(*table));
	struct discover_row *row;

	assert_null(discover_table_find(table, "a", 3, 4));
	row = discover_table_room(table, 11);
	assert_int_equal(discover_table_put(table, row, "a", 3, 4), 0);
	assert_ptr_equal(discover_table_find(table, "a", 3, 4), row);
	assert_null(discover_table_find(table, "a", 3, 6));
	assert_null(discover_table_find(table, "a", 4, 4));
	discover_table_remove(table, row);
	assert_null(discover_table_find(table, "a", 3, 4));
	assert_int_equal(table->count, 0);
	assert_int_equal(discover_table_put(table, row, "", 3, 4), ERR_INVALID);
	free(table);
}

static size_t count_ours(const struct discover_table *table)
{
	size_t count = 0;

	for (size_t i = 0; i < DISCOVER_ROWS_MAX; i++)
		count += table->rows[i].used && table->rows[i].ours;
	return count;
}

static void ten_thousand_strangers_displace_no_member(void **state)
{
	(void)state;
	struct discover_table *table = calloc(1, sizeof(*table));

	for (unsigned i = 0; i < 20; i++)
		put(table, i, true);
	for (unsigned i = 100; i < 10100; i++)
		put(table, i, false);
	assert_int_equal(table->count, DISCOVER_ROWS_MAX);
	assert_int_equal(count_ours(table), 20);
	assert_int_equal(table->displaced, 10020 - DISCOVER_ROWS_MAX);
	free(table);
}

/* Who has seen a tag can repeat it: then it is chance who is listed, and the table stays bounded.
 */
static void of_ten_thousand_pretended_members_some_are_listed(void **state)
{
	(void)state;
	struct discover_table *table = calloc(1, sizeof(*table));

	for (unsigned i = 0; i < 10000; i++)
		put(table, i, true);
	assert_int_equal(table->count, DISCOVER_ROWS_MAX);
	assert_non_null(discover_table_find(table, "instance-9999", 3, 4));
	free(table);
}

static void who_is_of_this_mesh_is_judged_anew_when_it_is_another(void **state)
{
	(void)state;
	struct discover_table *table = calloc(1, sizeof(*table));

	put(table, 1, true);
	put(table, 2, false);
	assert_false(discover_table_judge(table, &mesh));
	assert_true(discover_table_judge(table, &other_mesh));
	assert_int_equal(count_ours(table), 0);
	assert_true(discover_table_judge(table, &mesh));
	assert_int_equal(count_ours(table), 1);
	assert_true(discover_table_judge(table, NULL));
	assert_int_equal(count_ours(table), 0);
	free(table);
}

/* ---- the interfaces ---- */

static const uint32_t lan = IFF_UP | IFF_BROADCAST | IFF_MULTICAST;

/* What is chosen of these, joined. */
static const char *choose(struct config *config, char ret[128])
{
	struct net_link items[] = {
		{.ifindex = 1, .name = "lo", .flags = IFF_UP | IFF_LOOPBACK},
		{.ifindex = 2, .name = "eth0", .flags = lan},
		{.ifindex = 3, .name = "wlan0", .flags = lan},
		{.ifindex = 4, .name = "mesh0", .kind = "tun", .flags = lan},
		{.ifindex = 5,
			.name = "vx100",
			.kind = "vxlan",
			.flags = lan,
			.alias = "meshd 12ab"},
		{.ifindex = 6,
			.name = "lan0",
			.kind = "bridge",
			.flags = lan,
			.alias = "meshd 12ab"},
		{.ifindex = 7,
			.name = "mesh1",
			.kind = "wireguard",
			.alias = "meshd 34cd",
			.flags = lan},
		{.ifindex = 8, .name = "ppp0", .flags = lan | IFF_POINTOPOINT},
		{.ifindex = 9, .name = "can0", .flags = IFF_UP},
		{.ifindex = 10, .name = "br0", .kind = "bridge", .flags = lan},
	};
	const struct net_links links = {.items = items, .count = ARRAY_SIZE(items)};
	struct discover_link chosen[DISCOVER_LINKS_MAX];
	size_t count = discover_links_choose(&links, config, chosen);

	ret[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		strcat(ret, chosen[i].name);
		strcat(ret, " ");
	}
	return ret;
}

static void mdns_is_spoken_on_lans_and_never_on_what_is_ours(void **state)
{
	(void)state;
	struct config config;
	char text[128];

	config_defaults(&config);
	assert_string_equal(choose(&config, text), "eth0 wlan0 br0 ");
}

static void mdns_interfaces_are_kept_to_and_ours_are_none_all_the_same(void **state)
{
	(void)state;
	struct config config;
	char text[128];

	config_defaults(&config);
	config.mdns_interface_count = 4;
	strcpy(config.mdns_interfaces[0], "wlan0");
	strcpy(config.mdns_interfaces[1], "lan0");
	strcpy(config.mdns_interfaces[2], "mesh0");
	strcpy(config.mdns_interfaces[3], "eth7");
	assert_string_equal(choose(&config, text), "wlan0 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_announced_is_understood),
		cmocka_unit_test(the_tag_is_as_the_protocol_says),
		cmocka_unit_test(another_salt_gives_another_tag),
		cmocka_unit_test(what_is_malformed_is_refused_whole),
		cmocka_unit_test(what_is_too_long_or_cut_off_is_refused),
		cmocka_unit_test(one_instance_is_told_apart_by_interface_and_protocol),
		cmocka_unit_test(ten_thousand_strangers_displace_no_member),
		cmocka_unit_test(of_ten_thousand_pretended_members_some_are_listed),
		cmocka_unit_test(who_is_of_this_mesh_is_judged_anew_when_it_is_another),
		cmocka_unit_test(mdns_is_spoken_on_lans_and_never_on_what_is_ours),
		cmocka_unit_test(mdns_interfaces_are_kept_to_and_ours_are_none_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
