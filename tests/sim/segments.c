/* L2 segments as a mesh has them: configured by admins, attached to by members, the same for all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/segments.h"

#define NODES 5

static const struct cluster_options calm = {.seed = 4, .latency_max_ms = 2, .disk_ms = 3};

static struct cluster *mesh(void)
{
	struct cluster *c = cluster_new(&calm);

	cluster_mesh(c, NODES);
	cluster_run(c, 3000);
	segments_enable(c);
	return c;
}

static struct gossip_segment look(struct cluster *c, int node, const char *name)
{
	struct gossip_segment ret = {.vni = 0};

	(void)gossip_segment(cluster_core(c, node), name, &ret);
	return ret;
}

struct expected {
	const char *name;
	int members;
};

static bool all_count(struct cluster *c, void *arg)
{
	const struct expected *expected = arg;

	for (int i = 0; i < cluster_count(c); i++) {
		if (cluster_is_up(c, i) &&
			segments_members(c, i, expected->name) != expected->members)
			return false;
	}
	return true;
}

/* -1: nobody knows the segment. */
static void expect_members(struct cluster *c, int64_t most_ms, const char *name, int members)
{
	struct expected expected = {name, members};

	assert_true(cluster_wait(c, most_ms, all_count, &expected));
}

static int try_create(struct cluster *c, int node, const char *name, uint32_t vni)
{
	struct segment segment = {.vni = vni};
	uint64_t ticket;
	int err = gossip_segment_create(
		cluster_core(c, node), cluster_node_time(c, node), name, &segment, &ticket);

	cluster_drain(c, node);
	return err;
}

static int try_attach(struct cluster *c, int node, const char *name)
{
	int err = gossip_segment_attach(cluster_core(c, node), cluster_node_time(c, node), name);

	cluster_drain(c, node);
	return err;
}

static int try_detach(struct cluster *c, int node, const char *name)
{
	int err = gossip_segment_detach(cluster_core(c, node), cluster_node_time(c, node), name);

	cluster_drain(c, node);
	return err;
}

static void make_admin(struct cluster *c, int node)
{
	const struct id id = cluster_id(c, node);
	uint64_t ticket;

	assert_int_equal(gossip_grant(cluster_core(c, 0), cluster_node_time(c, 0), &id,
				 GOSSIP_ADMIN, &ticket),
		0);
	cluster_drain(c, 0);
	cluster_run(c, 2000);
	assert_true(cluster_status(c, node).admin);
}

static void a_segment_is_known_and_attached_to_within_a_second(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	struct segment segment = {.flood = true};
	struct gossip_status status;

	segments_create(c, 0, "lan0", &segment);
	expect_members(c, 500, "lan0", 0);
	status = cluster_status(c, 0);
	assert_int_equal(look(c, 3, "lan0").vni, segment_vni(&status.mesh, "lan0"));
	assert_true(look(c, 3, "lan0").flood);
	assert_false(look(c, 3, "lan0").automatic);
	for (int i = 0; i < NODES; i++)
		segments_attach(c, i, "lan0");
	expect_members(c, 500, "lan0", NODES);
	assert_true(look(c, 3, "lan0").attached);
	assert_int_equal(look(c, 3, "lan0").overlay_mtu, CLUSTER_MTU);
	segments_detach(c, 3, "lan0");
	expect_members(c, 500, "lan0", NODES - 1);
	assert_false(look(c, 3, "lan0").attached);
	cluster_free(c);
}

static void no_member_makes_a_segment_too_narrow_for_all(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	struct segment segment = {.vni = 100};

	segments_create(c, 0, "lan0", &segment);
	expect_members(c, 500, "lan0", 0);
	for (int i = 0; i < NODES; i++)
		segments_attach(c, i, "lan0");
	expect_members(c, 500, "lan0", NODES);
	gossip_set_mtu(cluster_core(c, 1), cluster_node_time(c, 1), 71);
	cluster_drain(c, 1);
	cluster_run(c, 20000);
	assert_int_equal(look(c, 3, "lan0").overlay_mtu, 1280);
	cluster_free(c);
}

static void what_cannot_be_is_refused_with_the_reason(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	uint64_t ticket;

	assert_int_equal(try_create(c, 1, "lan0", 0), ERR_NOT_ADMIN);
	assert_int_equal(try_create(c, 0, "vx7", 0), ERR_INVALID);
	assert_int_equal(try_create(c, 0, "lan0", SEGMENT_VNI_MAX + 1), ERR_INVALID);
	assert_int_equal(try_create(c, 0, "lan0", 100), 0);
	expect_members(c, 1000, "lan0", 0);
	assert_int_equal(try_create(c, 0, "lan0", 101), ERR_STATE);
	assert_int_equal(try_create(c, 0, "lan1", 100), ERR_STATE);
	assert_non_null(strstr(gossip_error(cluster_core(c, 0)), "`lan0` has VNI 100"));
	assert_int_equal(try_attach(c, 2, "lan9"), ERR_UNKNOWN);
	assert_int_equal(try_detach(c, 2, "lan0"), ERR_UNKNOWN);
	assert_int_equal(
		gossip_segment_delete(cluster_core(c, 1), cluster_node_time(c, 1), "lan0", &ticket),
		ERR_NOT_ADMIN);
	assert_int_equal(
		gossip_segment_delete(cluster_core(c, 0), cluster_node_time(c, 0), "lan9", &ticket),
		ERR_UNKNOWN);
	cluster_free(c);
}

static void who_cannot_have_segments_has_none(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	struct segment segment = {.automatic = true};

	gossip_segments_enable(cluster_core(c, 2), cluster_node_time(c, 2), false);
	cluster_drain(c, 2);
	segments_create(c, 0, "lan0", &segment);
	expect_members(c, 1000, "lan0", NODES - 1);
	assert_int_equal(try_detach(c, 1, "lan0"), ERR_STATE);
	gossip_segments_enable(cluster_core(c, 2), cluster_node_time(c, 2), true);
	cluster_drain(c, 2);
	expect_members(c, 1000, "lan0", NODES);
	cluster_free(c);
}

static void a_deleted_segment_is_left_by_all_and_its_name_is_another_one_s_then(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	struct segment segment = {.vni = 100};

	segments_create(c, 0, "lan0", &segment);
	expect_members(c, 1000, "lan0", 0);
	segments_attach(c, 1, "lan0");
	segments_attach(c, 2, "lan0");
	expect_members(c, 1000, "lan0", 2);
	cluster_kill(c, 2); /* it hears of it later */
	segments_delete(c, 0, "lan0");
	expect_members(c, 1000, "lan0", -1);
	cluster_run(c, 5000);
	segments_create(c, 0, "lan0", &segment);
	expect_members(c, 1000, "lan0", 1); /* node 2's word stands until it is back */
	cluster_restart(c, 2);
	gossip_segments_enable(cluster_core(c, 2), cluster_node_time(c, 2), true);
	cluster_drain(c, 2);
	expect_members(c, 30000, "lan0", 0);
	cluster_free(c);
}

static void an_attachment_outlives_a_restart_without_a_word(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	struct segment segment = {.vni = 100};
	uint64_t stamp;

	segments_create(c, 0, "lan0", &segment);
	expect_members(c, 1000, "lan0", 0);
	segments_attach(c, 2, "lan0");
	expect_members(c, 1000, "lan0", 1);
	stamp = cluster_event_count(c, 0, GOSSIP_EVENT_SEGMENT);
	cluster_kill(c, 2);
	cluster_run(c, 1000);
	cluster_restart(c, 2);
	cluster_run(c, 5000);
	assert_int_equal(segments_members(c, 0, "lan0"), 1);
	assert_true(look(c, 2, "lan0").attached);
	segments_attach(c, 2, "lan0");
	segments_enable(c);
	cluster_run(c, 5000);
	assert_int_equal(segments_members(c, 0, "lan0"), 1);
	assert_int_equal(cluster_event_count(c, 0, GOSSIP_EVENT_SEGMENT), stamp);
	cluster_free(c);
}

/* What was said just before is not on the disk yet. */
static void what_is_changed_to_and_fro_at_once_is_as_it_was_for_all(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	struct segment segment = {.vni = 100};

	segments_create(c, 0, "lan0", &segment);
	expect_members(c, 1000, "lan0", 0);
	segments_attach(c, 2, "lan0");
	expect_members(c, 1000, "lan0", 1);
	cluster_run(c, 10000);
	segments_detach(c, 2, "lan0");
	segments_attach(c, 2, "lan0");
	cluster_run(c, 1000);
	assert_true(look(c, 2, "lan0").attached);
	expect_members(c, 0, "lan0", 1);
	cluster_free(c);
}

static bool late_clashes(struct cluster *c, void *unused)
{
	(void)unused;
	for (int i = 0; i < cluster_count(c); i++) {
		if (!look(c, i, "late").clash)
			return false;
	}
	return true;
}

static void of_two_with_one_vni_the_earlier_is_in_force_everywhere(void **state)
{
	(void)state;
	struct cluster *c = mesh();

	make_admin(c, 4);
	cluster_group(c, 4, 1);
	assert_int_equal(try_create(c, 4, "early", 100), 0);
	cluster_run(c, 100);
	assert_int_equal(try_attach(c, 4, "early"), 0);
	assert_int_equal(try_create(c, 0, "late", 100), 0);
	cluster_run(c, 1000);
	assert_int_equal(try_attach(c, 1, "late"), 0);
	expect_members(c, 1000, "none", -1);
	cluster_group(c, 4, 0);
	assert_true(cluster_wait(c, 60000, late_clashes, NULL));
	assert_string_equal(look(c, 1, "late").clash_with, "early");
	assert_false(look(c, 1, "late").attached);
	expect_members(c, 10000, "early", 1);
	assert_int_equal(try_attach(c, 2, "late"), ERR_STATE);
	segments_delete(c, 0, "early"); /* then the other is */
	expect_members(c, 10000, "late", 1);
	cluster_free(c);
}

static void put(struct cluster *c, int node, const char *key, const void *value, size_t size)
{
	uint64_t stamp, ticket;

	assert_int_equal(gossip_put(cluster_core(c, node), cluster_node_time(c, node), key,
				 strlen(key), value, size, &stamp, &ticket),
		0);
	cluster_drain(c, node);
	cluster_run(c, 1000);
}

static void what_is_no_segment_counts_for_nothing_and_is_shown(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	const char *key;
	size_t size;

	put(c, 0, "mesh/l2/good", "\x93\x64\xc2\xc2", 4);
	put(c, 0, "mesh/l2/bad", "lan", 3);
	put(c, 0, "mesh/l2/vx5", "\x93\x65\xc2\xc2", 4);
	assert_int_equal(look(c, 3, "good").vni, 100);
	assert_int_equal(segments_members(c, 3, "bad"), -1);
	assert_int_equal(segments_members(c, 3, "vx5"), -1);
	assert_true(gossip_segment_bad_next(cluster_core(c, 3), NULL, 0, &key, &size));
	assert_int_equal(size, strlen("mesh/l2/bad"));
	assert_memory_equal(key, "mesh/l2/bad", size);
	assert_true(gossip_segment_bad_next(cluster_core(c, 3), key, size, &key, &size));
	assert_memory_equal(key, "mesh/l2/vx5", size);
	assert_false(gossip_segment_bad_next(cluster_core(c, 3), key, size, &key, &size));
	/* another number for the same name: whoever is attached follows */
	segments_attach(c, 1, "good");
	expect_members(c, 1000, "good", 1);
	put(c, 0, "mesh/l2/good", "\x93\x66\xc2\xc2", 4);
	expect_members(c, 3000, "good", 1);
	assert_int_equal(look(c, 4, "good").vni, 102);
	cluster_free(c);
}

static void who_left_or_was_revoked_is_attached_no_more(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	struct segment segment = {.automatic = true};
	const struct id revoked = cluster_id(c, 2);
	uint64_t ticket;

	segments_create(c, 0, "lan0", &segment);
	expect_members(c, 1000, "lan0", NODES);
	cluster_crash(c, 2);
	assert_int_equal(gossip_revoke(cluster_core(c, 0), cluster_node_time(c, 0), &revoked,
				 "test", &ticket),
		0);
	cluster_drain(c, 0);
	expect_members(c, 1000, "lan0", NODES - 1);
	assert_int_equal(
		gossip_leave(cluster_core(c, 3), cluster_node_time(c, 3), true, &ticket), 0);
	cluster_drain(c, 3);
	cluster_run(c, 1000);
	for (int i = 0; i < NODES; i++) {
		if (i != 2 && i != 3)
			assert_int_equal(segments_members(c, i, "lan0"), NODES - 2);
	}
	cluster_free(c);
}

static void more_segments_than_a_descriptor_holds_are_not_attached_to(void **state)
{
	(void)state;
	struct cluster *c = mesh();
	struct segment segment = {.automatic = true};
	char name[SEGMENT_NAME_MAX + 1];

	for (int i = 0; i < DESCRIPTOR_SEGMENTS_MAX + 6; i++) {
		snprintf(name, sizeof(name), "lan%02d", i);
		segments_create(c, 0, name, &segment);
	}
	expect_members(c, 30000, "lan63", NODES);
	expect_members(c, 10000, "lan64", 0);
	/* who wants one of those has it in place of one that it only had as all have it */
	segments_attach(c, 1, "lan69");
	expect_members(c, 10000, "lan69", 1);
	assert_int_equal(segments_members(c, 2, "lan63"), NODES - 1);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_is_known_and_attached_to_within_a_second),
		cmocka_unit_test(no_member_makes_a_segment_too_narrow_for_all),
		cmocka_unit_test(what_cannot_be_is_refused_with_the_reason),
		cmocka_unit_test(who_cannot_have_segments_has_none),
		cmocka_unit_test(
			a_deleted_segment_is_left_by_all_and_its_name_is_another_one_s_then),
		cmocka_unit_test(an_attachment_outlives_a_restart_without_a_word),
		cmocka_unit_test(what_is_changed_to_and_fro_at_once_is_as_it_was_for_all),
		cmocka_unit_test(of_two_with_one_vni_the_earlier_is_in_force_everywhere),
		cmocka_unit_test(what_is_no_segment_counts_for_nothing_and_is_shown),
		cmocka_unit_test(who_left_or_was_revoked_is_attached_no_more),
		cmocka_unit_test(more_segments_than_a_descriptor_holds_are_not_attached_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
