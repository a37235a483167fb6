/* What a node has on its segments, over the end of one membership and the beginning of another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/attach.h"
#include "daemon/loop.h"

static struct daemon daemon_;
static enum gossip_state membership;

/* ---- the daemon, as far as attachments know it ---- */

void loop_drain(struct daemon *daemon)
{
	(void)daemon;
}

uint64_t gossip_ticket(struct gossip *gossip)
{
	(void)gossip;
	return 1;
}

void gossip_status(const struct gossip *gossip, struct gossip_status *ret)
{
	(void)gossip;
	*ret = (struct gossip_status){.state = membership};
}

bool gossip_segment_is_wanted(const struct gossip *gossip, const char *name)
{
	(void)gossip, (void)name;
	return true;
}

int state_each_attachment(struct state *state, state_attachment_cb each, void *arg)
{
	(void)state, (void)each, (void)arg;
	return 0;
}

int state_put_attachment(struct state *state, uint64_t ticket, const char *segment,
	const char *addresses, const char *ports)
{
	(void)state, (void)ticket, (void)segment, (void)addresses, (void)ports;
	return 0;
}

int state_remove_attachment(struct state *state, uint64_t ticket, const char *segment)
{
	(void)state, (void)ticket, (void)segment;
	return 0;
}

/* ---- promises ---- */

static int set_up(void **state)
{
	(void)state;
	membership = GOSSIP_RUNNING;
	return attach_load(&daemon_);
}

static int tear_down(void **state)
{
	(void)state;
	attach_part.free(&daemon_);
	return 0;
}

static void what_is_restored_has_nothing_of_what_was_left(void **state)
{
	const struct attach *attach;

	(void)state;
	attach_take(&daemon_, "before", "192.168.1.1/24 fd00::1/64", "eth1 eth2");
	membership = GOSSIP_UNJOINED;
	attach_part.changed(&daemon_);
	assert_null(attach_at(&daemon_, 0));
	attach_take(&daemon_, "lan0", "192.168.7.1/24", "eth7");
	attach = attach_find(&daemon_, "lan0");
	assert_non_null(attach);
	assert_int_equal(attach->address_count, 1);
	assert_int_equal(attach->addresses[0].ip.b[2], 7);
	assert_int_equal(attach->port_count, 1);
	assert_string_equal(attach->ports[0], "eth7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_restored_has_nothing_of_what_was_left, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
