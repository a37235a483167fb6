/* What goes to an address because of what came from there, whatever else is to be told just then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gossip/crypto/seal.h"
#include "gossip/gossip_internal.h"
#include "gossip/gossip_peer.h"
#include "gossip/swim/spread.h"
#include "tests/support/actor.h"

#define NODES 8

static bool has_news_to_push(struct cluster *c)
{
	const struct gossip *g = cluster_core(c, 0);

	return spread_has_fresh(g->spread) && mtime_before(g->time.now, g->push_next);
}

/* A hello as short as can be, too short to be answered, that comes at that time. */
static size_t say_hello(struct actor *actor, mtime_t at)
{
	struct gossip_time time = cluster_node_time(actor->cluster, actor->node);
	uint8_t plain[SEAL_PLAIN_MAX], packet[SEAL_PACKET_MAX];
	const uint8_t nonce[SEAL_NONCE_SIZE] = {1};
	struct msg msg = {.session = 1, .counter = 1, .challenge = 1};
	size_t size;

	msg_add(&msg, MSG_CHALLENGE);
	assert_int_equal(msg_encode(&msg, plain, sizeof(plain), &size), 0);
	size = seal_packet(&actor->pair, nonce, plain, size, packet);
	time.now = at;
	gossip_receive(
		cluster_core(actor->cluster, actor->node), time, &actor->watched, packet, size);
	cluster_drain(actor->cluster, actor->node);
	return size;
}

/* The node would greet that member just then, and the address is one where it may be now. false:
 * it had pushed all its news. */
static bool hello_as_news_is_due(int member)
{
	const struct cluster_options calm = {.seed = 5, .latency_max_ms = 2, .disk_ms = 1};
	struct cluster *c = cluster_new(&calm);
	const struct endpoint at = {.ip = {.family = 4, .b = {192, 0, 2, 1}}, .port = 4000};
	const uint8_t seed[32] = {9};
	const struct gossip *g;
	struct actor actor;
	struct rng rng;

	rng_init(&rng, seed);
	cluster_mesh(c, NODES);
	assert_true(cluster_wait(c, 15000, cluster_converged, NULL));
	cluster_kill(c, member);
	cluster_kill(c, 0);
	cluster_restart(c, 0); /* knows no session of anybody's */
	cluster_run(c, 500);
	actor_init(&actor, c, &rng, 0, cluster_keys(c, member), &at);
	actor.watched = at;
	for (int i = 1; i < NODES; i++) {
		if (i == member)
			continue;
		gossip_set_mtu(cluster_core(c, i), cluster_node_time(c, i), 1300);
		cluster_drain(c, i);
	}
	for (int ms = 0; ms < 3000 && !has_news_to_push(c); ms++)
		cluster_run(c, 1);
	bool due = has_news_to_push(c);

	g = cluster_core(c, 0);
	struct id id = cluster_id(c, member);
	mtime_t greet_next = gossip_peer(g, &id)->greet_next;
	size_t sent = say_hello(
		&actor, mtime_before(g->push_next, greet_next) ? greet_next : g->push_next);

	assert_true(actor.watched_size <= sent);
	actor_done(&actor);
	cluster_free(c);
	return due;
}

static void no_greeting_adds_to_an_answer(void **state)
{
	(void)state;
	int due = 0;

	for (int member = 1; member < NODES; member++)
		due += hello_as_news_is_due(member);
	assert_true(due > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_greeting_adds_to_an_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
