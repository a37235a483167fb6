/* Key-values of a whole mesh: what is put on one node is shown on all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gossip/gossip_internal.h"
#include "tests/support/cluster.h"

#define NODES 4

static const struct cluster_options calm = {
	.seed = 15, .latency_min_ms = 1, .latency_max_ms = 5, .disk_ms = 1};

static struct cluster *mesh_of(int count)
{
	struct cluster *c = cluster_new(&calm);

	cluster_mesh(c, count);
	assert_true(cluster_wait(c, 30000, cluster_converged, NULL));
	return c;
}

static int try_put(struct cluster *c, int node, const char *key, const void *value, size_t size)
{
	uint64_t stamp, ticket;
	int err = gossip_put(cluster_core(c, node), cluster_node_time(c, node), key, strlen(key),
		value, size, &stamp, &ticket);

	cluster_drain(c, node);
	return err;
}

static void put(struct cluster *c, int node, const char *key, const char *value)
{
	assert_int_equal(try_put(c, node, key, value, strlen(value)), 0);
}

static int try_delete(struct cluster *c, int node, const char *key)
{
	uint64_t stamp, ticket;
	int err = gossip_delete(cluster_core(c, node), cluster_node_time(c, node), key, strlen(key),
		&stamp, &ticket);

	cluster_drain(c, node);
	return err;
}

static bool shows(struct cluster *c, int node, const char *key, const char *value)
{
	struct gossip_value got;

	if (!gossip_value(cluster_core(c, node), key, strlen(key), &got))
		return value == NULL;
	return value && got.value_size == strlen(value) &&
	       memcmp(got.value, value, got.value_size) == 0;
}

struct wish {
	const char *key, *value; /* NULL: none */
};

static bool all_show(struct cluster *c, void *arg)
{
	const struct wish *wish = arg;

	for (int node = 0; node < cluster_count(c); node++) {
		if (cluster_is_up(c, node) && !shows(c, node, wish->key, wish->value))
			return false;
	}
	return true;
}

static void wait_all(struct cluster *c, int64_t most_ms, const char *key, const char *value)
{
	struct wish wish = {key, value};

	assert_true(cluster_wait(c, most_ms, all_show, &wish));
}

static void what_is_put_on_one_node_is_shown_on_all(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(NODES);

	put(c, 1, "colour", "blue");
	assert_false(shows(c, 1, "colour", "blue")); /* not before it is on its disk */
	wait_all(c, 200, "colour", "blue");
	put(c, 2, "colour", "red");
	wait_all(c, 200, "colour", "red");
	assert_int_equal(try_delete(c, 3, "colour"), 0);
	wait_all(c, 200, "colour", NULL);
	assert_int_equal(try_delete(c, 3, "colour"), ERR_UNKNOWN);
	cluster_free(c);
}

static void configuration_is_the_admins_alone(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(NODES);

	put(c, 0, "mesh/dns", "on");
	wait_all(c, 200, "mesh/dns", "on");
	assert_int_equal(try_put(c, 1, "mesh/dns", "off", 3), ERR_NOT_ADMIN);
	assert_int_equal(try_delete(c, 1, "mesh/dns"), ERR_NOT_ADMIN);
	put(c, 1, "meshes", "fine");
	wait_all(c, 200, "meshes", "fine");
	cluster_free(c);
}

static void what_makes_no_key_or_value_is_refused(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(1);
	static char large[VALUE_SIZE_MAX + 1];
	char key[VALUE_KEY_MAX + 2];

	memset(key, 'k', sizeof(key));
	key[VALUE_KEY_MAX + 1] = '\0';
	assert_int_equal(try_put(c, 0, key, "", 0), ERR_INVALID);
	key[VALUE_KEY_MAX] = '\0';
	assert_int_equal(try_put(c, 0, key, large, VALUE_SIZE_MAX), 0);
	assert_int_equal(try_put(c, 0, key, large, VALUE_SIZE_MAX + 1), ERR_TOO_BIG);
	assert_int_equal(try_put(c, 0, "", "", 0), ERR_INVALID);
	assert_int_equal(try_put(c, 0, "a\tb", "", 0), ERR_INVALID);
	cluster_run(c, 100);
	assert_true(shows(c, 0, "a", NULL));
	cluster_free(c);
}

/* A reader that goes on from a cursor, over a restart. */
static void a_reader_misses_nothing_over_a_restart(void **state)
{
	(void)state;
	struct cluster *c = mesh_of(3);
	struct gossip_value got;
	uint64_t cursor;

	put(c, 0, "a", "1");
	put(c, 0, "b", "1");
	wait_all(c, 200, "b", "1");
	cluster_run(c, 50);
	cursor = gossip_value_cursor(cluster_core(c, 2));
	assert_false(gossip_value_since(cluster_core(c, 2), cursor, &got));
	cluster_kill(c, 2);
	put(c, 1, "a", "2");
	assert_int_equal(try_delete(c, 0, "b"), 0);
	cluster_run(c, 5000);
	cluster_restart(c, 2);
	wait_all(c, 30000, "b", NULL);
	wait_all(c, 30000, "a", "2");
	assert_int_equal(gossip_value_check(cluster_core(c, 2), cursor), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_true(gossip_value_since(cluster_core(c, 2), cursor, &got));
		assert_true(got.cursor > cursor);
		assert_int_equal(got.value != NULL, got.key[0] == 'a');
		cursor = got.cursor;
	}
	assert_false(gossip_value_since(cluster_core(c, 2), cursor, &got));
	assert_int_equal(gossip_value_cursor(cluster_core(c, 2)), cursor);
	assert_int_equal(gossip_value_check(cluster_core(c, 2), cursor + 1), ERR_INVALID);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_on_one_node_is_shown_on_all),
		cmocka_unit_test(configuration_is_the_admins_alone),
		cmocka_unit_test(what_makes_no_key_or_value_is_refused),
		cmocka_unit_test(a_reader_misses_nothing_over_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
