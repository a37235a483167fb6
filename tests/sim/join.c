/* How joins end: what is left of those that fail, and what time does to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/cluster.h"

#define INVITES	   600 /* records enough for more than one message of a sync */
#define MANY_BYTES 10000

static const struct cluster_options calm = {.seed = 12, .latency_max_ms = 2, .disk_ms = 1};

static bool is_over(struct cluster *c, void *arg)
{
	return cluster_joined(c, *(const int *)arg) != 1;
}

static void count(void *arg, const uint8_t *bytes, size_t size)
{
	(void)bytes;
	(void)size;
	(*(size_t *)arg)++;
}

static size_t on_disk(const struct cluster *c, int node)
{
	size_t records = 0;

	cluster_records(c, node, count, &records);
	return records;
}

/* The member falls silent behind the first of two messages full of records. */
static bool falls_silent(void *arg, int node, const struct gossip_effect *effect)
{
	bool *silent = arg, was = *silent;

	if (node == 0 && effect->kind == EFFECT_STREAM_SEND)
		*silent |= effect->size > MANY_BYTES;
	return node == 0 && effect->kind == EFFECT_STREAM_SEND && was;
}

static void a_join_that_fails_leaves_nothing_on_the_disk(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&calm);
	char token[TOKEN_TEXT_MAX];
	bool silent = false;
	int joiner = 1;

	cluster_found(c, cluster_add(c));
	for (int i = 0; i < INVITES; i++)
		cluster_invite(c, 0, 1, 3600000, token);
	cluster_add(c);
	cluster_watch(c, falls_silent, &silent);
	assert_int_equal(cluster_join(c, joiner, token), 0);
	cluster_run(c, 2000);
	assert_true(on_disk(c, joiner) > 10);
	assert_true(cluster_wait(c, GOSSIP_JOIN_TIMEOUT_MS, is_over, &joiner));
	assert_int_equal(cluster_joined(c, joiner), ERR_TIMEOUT);
	assert_int_equal(on_disk(c, joiner), 0);

	cluster_watch(c, NULL, NULL);
	assert_int_equal(cluster_join(c, joiner, token), 0);
	assert_true(cluster_wait(c, GOSSIP_JOIN_TIMEOUT_MS, is_over, &joiner));
	assert_int_equal(cluster_joined(c, joiner), 0);
	cluster_free(c);
}

/* From here on the joiner's disk is as good as stuck. */
static void stick(void *arg, int node, const struct gossip_effect *effect)
{
	struct cluster_options stuck = calm;

	stuck.disk_ms = 2 * GOSSIP_JOIN_TIMEOUT_MS;
	if (node == 1 && effect->kind == EFFECT_PERSIST_MESH)
		cluster_weather(arg, &stuck);
}

/* Its disk belongs to the mesh by then, and the others know it. */
static void who_is_a_member_when_time_is_over_has_joined(void **state)
{
	(void)state;
	struct cluster *c = cluster_new(&calm);
	struct gossip_status status;
	char token[TOKEN_TEXT_MAX];
	int joiner = 1;

	cluster_found(c, cluster_add(c));
	cluster_invite(c, 0, 1, 3600000, token);
	cluster_add(c);
	cluster_observe(c, stick, c);
	assert_int_equal(cluster_join(c, joiner, token), 0);
	assert_true(cluster_wait(c, GOSSIP_JOIN_TIMEOUT_MS + 1000, is_over, &joiner));
	assert_int_equal(cluster_joined(c, joiner), 0);
	gossip_status(cluster_core(c, joiner), &status);
	assert_int_equal(status.state, GOSSIP_RUNNING);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_join_that_fails_leaves_nothing_on_the_disk),
		cmocka_unit_test(who_is_a_member_when_time_is_over_has_joined),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
