/* Where this node says that it can be reached, on a host that does not always answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "daemon/addresses.h"
#include "daemon/log.h"
#include "wg/net_addr.h"
#include "wg/net_link.h"

static struct daemon daemon_;
static bool kernel_answers;
static size_t told;

/* ---- the host and the core ---- */

struct gossip_time daemon_time(struct daemon *daemon)
{
	(void)daemon;
	return (struct gossip_time){.synced = true};
}

void daemon_warn(struct daemon *daemon, enum daemon_warning which, const char *format, ...)
{
	(void)daemon, (void)which, (void)format;
}

void daemon_warn_clear(struct daemon *daemon, enum daemon_warning which)
{
	(void)daemon, (void)which;
}

void gossip_set_endpoints(struct gossip *gossip, struct gossip_time time,
	const struct endpoint *endpoints, size_t count)
{
	(void)gossip, (void)time, (void)endpoints;
	told = count;
}

int net_link_list(struct nl *nl, struct net_links *ret)
{
	(void)nl, (void)ret;
	return kernel_answers ? 0 : ERR_TIMEOUT;
}

void net_links_done(struct net_links *links)
{
	(void)links;
}

bool net_links_are_ours(const struct net_links *links, uint32_t ifindex)
{
	(void)links, (void)ifindex;
	return false;
}

int net_addr_list(struct nl *nl, uint32_t ifindex, struct net_addrs *ret)
{
	(void)nl, (void)ifindex;
	ret->items = calloc(1, sizeof(*ret->items));
	ret->items[0].prefix = (struct prefix){{.family = 4, .b = {192, 0, 2, 1}}, 24};
	ret->items[0].ifindex = 2;
	ret->count = ret->capacity = 1;
	return 0;
}

void net_addrs_done(struct net_addrs *addrs)
{
	free(addrs->items);
}

bool net_addr_advertisable(const struct net_addr *addr)
{
	(void)addr;
	return true;
}

/* ---- promises ---- */

static void swallow(const char *line, void *arg)
{
	(void)line, (void)arg;
}

static int64_t no_time(void)
{
	return 0;
}

static void what_the_host_does_not_say_now_is_not_taken_back(void **state)
{
	struct addresses *addresses;

	(void)state;
	log_capture(swallow, no_time, NULL);
	config_defaults(&daemon_.config);
	assert_int_equal(uv_loop_init(&daemon_.loop), 0);
	assert_int_equal(addresses_new(&daemon_, &addresses), 0);
	kernel_answers = true;
	addresses_look(addresses);
	assert_int_equal(told, 1);
	kernel_answers = false;
	addresses_look(addresses);
	assert_int_equal(told, 1);
	addresses_stop(addresses);
	uv_run(&daemon_.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&daemon_.loop), 0);
	addresses_free(addresses);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_host_does_not_say_now_is_not_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
