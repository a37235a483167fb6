/* What nft is told, and which of its events are ours. The kernel's part:
 * tests/netns/test_l2_guard.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "gossip/base/text.h"
#include "l2/guard.h"
#include "l2/guard_watch.h"

#define ROUNDS 2000

static uint32_t random_state = 7;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

static struct ip ip_of(uint32_t number)
{
	if (number % 2)
		return (struct ip){.family = 4, .b = {100, 64, 0, number}};
	return (struct ip){.family = 6, .b = {0xfd, [15] = number}};
}

/* A few of each, so that two draws overlap in every way. */
static void draw_want(struct guard_want *want)
{
	*want = (struct guard_want){.interface = "mesh0"};
	for (uint32_t i = draw(5); i > 0; i--)
		assert_int_equal(guard_want_vni(want, draw(4)), 0);
	for (uint32_t i = draw(8); i > 0; i--) {
		struct ip ip = ip_of(draw(4));
		assert_int_equal(guard_want_source(want, draw(4), &ip), 0);
	}
	guard_want_sort(want);
}

/* The sets of a table as a kernel would have them: [VNI], [VNI][address]. */
struct model {
	bool vnis[4], sources[4][4];
};

static struct model model_of(const struct guard_want *want)
{
	struct model model = {0};

	for (size_t i = 0; i < want->vni_count; i++)
		model.vnis[want->vnis[i]] = true;
	for (size_t i = 0; i < want->source_count; i++) {
		const struct guard_source *source = &want->sources[i];
		model.sources[source->vni][source->ip.b[source->ip.family == 4 ? 3 : 15]] = true;
	}
	return model;
}

/* One command; adding what is there or deleting what is not fails a transaction. */
static void model_run(struct model *model, const char *line)
{
	char verb[8], set[8], address[64], text[TEXT_IP_SIZE];
	unsigned int vni = 0;
	bool *element = NULL;

	if (sscanf(line, "%7s element inet meshd_mesh0 vnis { %u }", verb, &vni) == 2) {
		element = &model->vnis[vni];
	} else {
		assert_int_equal(sscanf(line, "%7s element inet meshd_mesh0 %7s { %63s . %u }",
					 verb, set, address, &vni),
			4);
		for (uint32_t i = 0; i < 4; i++) {
			struct ip ip = ip_of(i);
			if (strcmp(text_ip(&ip, text), address) == 0)
				element = &model->sources[vni][i];
		}
		assert_string_equal(set, strchr(address, ':') ? "from6" : "from4");
	}
	assert_non_null(element);
	assert_int_equal(*element, strcmp(verb, "delete") == 0);
	*element = !*element;
}

static void test_single_elements_lead_from_any_table_to_any_other(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct guard_want have, want;
		struct model model, target;
		char *text, *rest, *line;

		draw_want(&have);
		draw_want(&want);
		model = model_of(&have);
		target = model_of(&want);
		assert_int_equal(guard_text_change(&have, &want, &text), 0);
		assert_int_equal(text[0] == '\0', guard_want_equal(&have, &want));
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			model_run(&model, line);
		assert_memory_equal(&model, &target, sizeof(model));
		free(text);
		guard_want_done(&have);
		guard_want_done(&want);
	}
}

static void test_what_is_wanted_is_the_same_in_any_order_and_with_any_repetition(void **state)
{
	const struct ip ip4 = ip_of(1), ip6 = ip_of(2);
	struct guard_want a = {.interface = "mesh0"}, b = a, copy;
	char *text_a, *text_b;

	(void)state;
	assert_int_equal(guard_want_vni(&a, 2) | guard_want_vni(&a, 1), 0);
	assert_int_equal(guard_want_source(&a, 1, &ip6) | guard_want_source(&a, 1, &ip4), 0);
	assert_int_equal(guard_want_vni(&b, 1) | guard_want_vni(&b, 2) | guard_want_vni(&b, 1), 0);
	assert_int_equal(guard_want_source(&b, 1, &ip4) | guard_want_source(&b, 1, &ip6) |
				 guard_want_source(&b, 1, &ip4),
		0);
	guard_want_sort(&a);
	guard_want_sort(&b);
	assert_true(guard_want_equal(&a, &b));
	assert_true(guard_want_has(&a, 2));
	assert_false(guard_want_has(&a, 3));
	assert_int_equal(guard_want_copy(&a, &copy), 0);
	assert_true(guard_want_equal(&a, &copy));
	assert_int_equal(guard_text_whole(&a, &text_a), 0);
	assert_int_equal(guard_text_whole(&b, &text_b), 0);
	assert_string_equal(text_a, text_b);
	free(text_a);
	free(text_b);
	guard_want_done(&a);
	guard_want_done(&b);
	guard_want_done(&copy);
}

static void test_other_rules_take_the_whole_table(void **state)
{
	struct guard_want have = {.interface = "mesh0"}, want = have;
	char *text = NULL;

	(void)state;
	want.prefixes[0] = (struct prefix){ip_of(1), 16};
	want.prefix_count = 1;
	assert_int_equal(guard_text_change(&have, &want, &text), ERR_STATE);
	have = want;
	have.prefixes[0].bits = 17;
	assert_int_equal(guard_text_change(&have, &want, &text), ERR_STATE);
	assert_null(text);
}

static void test_nothing_that_nft_could_take_for_a_command_gets_into_its_text(void **state)
{
	static const char *const bad[] = {"", "a b", "a\"", "a;", "a{", "a*", "a\n", "a$", "a/b",
		"a\\", "sixteen-letters.", "\xc3\xa4"};
	static const char *const good[] = {"mesh0", "a", "0", "wg-1.2_x", "fifteen-letters"};
	char table[GUARD_TABLE_SIZE], *text = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct guard_want want = {0};

		memcpy(want.interface, bad[i], strnlen(bad[i], NET_NAME_SIZE - 1));
		if (strlen(bad[i]) < NET_NAME_SIZE) {
			assert_int_equal(guard_text_whole(&want, &text), ERR_INVALID);
			assert_int_equal(guard_text_change(&want, &want, &text), ERR_INVALID);
		}
		assert_int_equal(guard_table(bad[i], table), ERR_INVALID);
		assert_int_equal(guard_text_remove(bad[i], &text), ERR_INVALID);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(guard_table(good[i], table), 0);
	assert_null(text);
}

/* The first look is at the first two or four bytes of the source, where either family has it. */
static void test_prefixes_of_any_length_are_looked_for_by_bare_bytes(void **state)
{
	static const struct {
		struct prefix prefix;
		const char *expected;
	} cases[] = {
		{{{.family = 4, .b = {100, 70}}, 16}, "\t\t@nh,96,16 0x6446 jump spoofed\n"},
		{{{.family = 4, .b = {10}}, 8}, "\t\t@nh,96,16 & 0xff00 == 0xa00 jump spoofed\n"},
		{{{.family = 4, .b = {100, 64}}, 10},
			"\t\t@nh,96,16 & 0xffc0 == 0x6440 jump spoofed\n"},
		{{{.family = 4, .b = {10, 1, 2}}, 24},
			"\t\t@nh,96,32 & 0xffffff00 == 0xa010200 jump spoofed\n"},
		{{{.family = 6, .b = {0xfd, 1, 2, 3, 4, 5}}, 48},
			"\t\t@nh,64,32 0xfd010203 jump spoofed\n"},
		{{{.family = 6, .b = {0xfd, 1, 2, 3}}, 32},
			"\t\t@nh,64,32 0xfd010203 jump spoofed\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct guard_want want = {
			.interface = "mesh0", .prefixes = {cases[i].prefix}, .prefix_count = 1};
		char *text, *input, *forward;

		assert_int_equal(guard_text_whole(&want, &text), 0);
		input = strstr(text, cases[i].expected);
		assert_non_null(input);
		forward = strstr(input + 1, cases[i].expected);
		assert_non_null(forward);
		free(text);
	}
}

static void test_numbers_and_addresses_that_cannot_be_are_refused(void **state)
{
	const struct ip none = {0}, ip4 = ip_of(1);
	struct guard_want want = {0};

	(void)state;
	assert_int_equal(guard_want_vni(&want, L2_VNI_MAX + 1), ERR_INVALID);
	assert_int_equal(guard_want_source(&want, L2_VNI_MAX + 1, &ip4), ERR_INVALID);
	assert_int_equal(guard_want_source(&want, 1, &none), ERR_INVALID);
	for (uint32_t i = 0; i < GUARD_VNIS_MAX; i++)
		assert_int_equal(guard_want_vni(&want, i), 0);
	assert_int_equal(guard_want_vni(&want, 1), ERR_LIMIT);
	guard_want_done(&want);
}

struct event {
	struct nlmsghdr head;
	struct nfgenmsg gen;
	struct nlattr attr;
	char name[16];
};

static struct event event_of(uint16_t subsystem, uint16_t type, const char *name)
{
	struct event event = {.head = {.nlmsg_len = offsetof(struct event, name) + strlen(name) + 1,
				      .nlmsg_type = subsystem << 8 | type},
		.attr = {.nla_len = NLA_HDRLEN + strlen(name) + 1, .nla_type = 1}};

	strcpy(event.name, name);
	return event;
}

static void test_of_events_only_those_about_the_table_concern_us(void **state)
{
	const struct {
		uint16_t subsystem, type;
		const char *name;
		bool ours;
	} cases[] = {
		{NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE, "meshd_mesh0", true},
		{NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWRULE, "meshd_mesh0", true},
		{NFNL_SUBSYS_NFTABLES, NFT_MSG_DELSETELEM, "meshd_mesh0", true},
		{NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE, "meshd_mesh", false},
		{NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWRULE, "filter", false},
		{NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWGEN, "meshd_mesh0", false},
		{NFNL_SUBSYS_CTNETLINK, 0, "meshd_mesh0", false},
	};
	struct event cut = event_of(NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE, "x");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct event event = event_of(cases[i].subsystem, cases[i].type, cases[i].name);
		assert_int_equal(guard_watch_concerns(&event.head, "meshd_mesh0"), cases[i].ours);
	}
	/* One that cannot be read may be. */
	cut.head.nlmsg_len -= 2;
	assert_true(guard_watch_concerns(&cut.head, "meshd_mesh0"));
	cut.head.nlmsg_len = NLMSG_HDRLEN;
	assert_true(guard_watch_concerns(&cut.head, "meshd_mesh0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_elements_lead_from_any_table_to_any_other),
		cmocka_unit_test(
			test_what_is_wanted_is_the_same_in_any_order_and_with_any_repetition),
		cmocka_unit_test(test_other_rules_take_the_whole_table),
		cmocka_unit_test(test_nothing_that_nft_could_take_for_a_command_gets_into_its_text),
		cmocka_unit_test(test_prefixes_of_any_length_are_looked_for_by_bare_bytes),
		cmocka_unit_test(test_numbers_and_addresses_that_cannot_be_are_refused),
		cmocka_unit_test(test_of_events_only_those_about_the_table_concern_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
