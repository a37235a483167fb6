/* Links, addresses and routes: what is ours is made as wanted, what is not ours is not touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <net/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "gossip/base/text.h"
#include "wg/net_addr.h"
#include "wg/net_link.h"
#include "wg/net_route.h"

#define OURS   7 /* our interface */
#define OTHERS 3

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(text_parse_prefix(text, true, &prefix), 0);
	return prefix;
}

static struct ip ip_of(const char *text)
{
	return prefix_of(text).ip;
}

static struct net_addr addr(const char *text, uint32_t ifindex, uint8_t protocol)
{
	return (struct net_addr){
		.prefix = prefix_of(text), .ifindex = ifindex, .protocol = protocol};
}

static void an_address_of_ours_that_is_not_wanted_goes_and_no_other(void **state)
{
	(void)state;
	struct net_addr have_items[] = {
		addr("100.64.0.1/32", OURS, NET_ADDR_PROTOCOL),
		addr("100.64.0.2/32", OURS, NET_ADDR_PROTOCOL),
		addr("10.0.0.1/24", OURS, 0),
		addr("100.64.0.3/32", OTHERS, NET_ADDR_PROTOCOL),
		addr("fd00::1/128", OTHERS, 0),
	};
	struct net_addrs have = {have_items, ARRAY_SIZE(have_items), 0};
	struct prefix want[] = {prefix_of("100.64.0.2/32"), prefix_of("fd00::1/128")};
	struct prefix unwanted = prefix_of("100.64.0.1/32");
	struct net_addr_ops ops;

	net_addr_diff(want, ARRAY_SIZE(want), &have, OURS, &ops);
	assert_int_equal(ops.count, 2);
	assert_true(ops.ops[0].remove);
	assert_memory_equal(&ops.ops[0].prefix, &unwanted, sizeof(unwanted));
	assert_false(ops.ops[1].remove); /* another interface's does not count */
	assert_memory_equal(&ops.ops[1].prefix, &want[1], sizeof(want[1]));
	have_items[0] = addr("fd00::1/128", OURS, 0); /* somebody else's is as good */
	net_addr_diff(want, ARRAY_SIZE(want), &have, OURS, &ops);
	assert_int_equal(ops.count, 0);
}

static void only_addresses_that_others_can_use_are_advertised(void **state)
{
	(void)state;
	struct net_addr a = addr("192.0.2.1/24", OTHERS, 0);

	assert_true(net_addr_advertisable(&a));
	a.scope = RT_SCOPE_LINK;
	assert_true(net_addr_advertisable(&a));
	a.scope = RT_SCOPE_HOST;
	assert_false(net_addr_advertisable(&a));
	a.scope = RT_SCOPE_UNIVERSE;
	a.flags = IFA_F_TENTATIVE;
	assert_false(net_addr_advertisable(&a));
	a.flags = IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE;
	assert_true(net_addr_advertisable(&a));
}

static struct net_route route(const char *dst, const char *src, uint32_t ifindex, uint8_t protocol)
{
	return (struct net_route){.dst = prefix_of(dst),
		.src = ip_of(src),
		.ifindex = ifindex,
		.table = RT_TABLE_MAIN,
		.protocol = protocol,
		.type = RTN_UNICAST};
}

static void a_route_is_ours_by_its_number_and_its_interface(void **state)
{
	(void)state;
	struct net_route have_items[] = {
		route("10.1.0.0/16", "10.0.0.1", OURS, NET_ROUTE_PROTOCOL),
		route("10.2.0.0/16", "10.0.0.1", OURS, RTPROT_STATIC),
		route("10.3.0.0/16", "10.0.0.1", OTHERS, NET_ROUTE_PROTOCOL),
		route("10.4.0.0/16", "10.0.0.1", OURS, NET_ROUTE_PROTOCOL),
		route("10.5.0.0/16", "10.0.0.1", OURS, NET_ROUTE_PROTOCOL),
	};
	struct net_routes have = {have_items, ARRAY_SIZE(have_items), 0};
	struct net_route_want want[] = {
		{prefix_of("10.1.0.0/16"), ip_of("10.0.0.1")},
		{prefix_of("10.4.0.0/16"), ip_of("10.0.0.2")}, /* from another source */
	};
	struct net_route_ops ops;

	have_items[4].table = 100;
	net_route_diff(want, ARRAY_SIZE(want), &have, OURS, &ops);
	assert_int_equal(ops.count, 2);
	assert_true(ops.ops[0].remove);
	assert_memory_equal(&ops.ops[0].route, &have_items[3], sizeof(have_items[3]));
	assert_false(ops.ops[1].remove);
	assert_memory_equal(&ops.ops[1].route.dst, &want[1].dst, sizeof(want[1].dst));
	have_items[3] = ops.ops[1].route;
	net_route_diff(want, ARRAY_SIZE(want), &have, OURS, &ops);
	assert_int_equal(ops.count, 0);
}

static void prefixes_overlap_when_one_holds_the_other(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool overlap;
	} cases[] = {
		{"10.0.0.0/8", "10.1.2.0/24", true},
		{"10.1.2.0/24", "10.1.3.0/24", false},
		{"10.1.2.0/23", "10.1.3.0/24", true},
		{"100.64.0.0/10", "100.127.0.0/16", true},
		{"100.64.0.0/10", "100.128.0.0/16", false},
		{"0.0.0.0/0", "192.0.2.1/32", true},
		{"::/0", "192.0.2.1/32", false},
		{"fd00::/8", "fdff::1/128", true},
		{"fd00::/48", "fd00:0:1::/48", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct prefix a = prefix_of(cases[i].a), b = prefix_of(cases[i].b);

		assert_int_equal(net_prefix_overlaps(&a, &b), cases[i].overlap);
		assert_int_equal(net_prefix_overlaps(&b, &a), cases[i].overlap);
	}
}

static void a_link_is_changed_only_where_it_differs(void **state)
{
	(void)state;
	struct net_link_want want = {.mtu = 1420, .up = true};
	struct net_link have = {.mtu = 1420,
		.flags = IFF_UP | IFF_POINTOPOINT,
		.addrgen_known = true,
		.addrgen_none = true};

	assert_int_equal(net_link_diff(&want, &have), 0);
	have.mtu = 1500;
	assert_int_equal(net_link_diff(&want, &have), NET_LINK_MTU);
	want.mtu = 0;
	assert_int_equal(net_link_diff(&want, &have), 0);
	have.addrgen_none = false;
	have.flags = 0;
	assert_int_equal(net_link_diff(&want, &have), NET_LINK_ADDRGEN | NET_LINK_UP);
	have.addrgen_known = false; /* a kernel without IPv6 */
	assert_int_equal(net_link_diff(&want, &have), NET_LINK_UP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_of_ours_that_is_not_wanted_goes_and_no_other),
		cmocka_unit_test(only_addresses_that_others_can_use_are_advertised),
		cmocka_unit_test(a_route_is_ours_by_its_number_and_its_interface),
		cmocka_unit_test(prefixes_overlap_when_one_holds_the_other),
		cmocka_unit_test(a_link_is_changed_only_where_it_differs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
