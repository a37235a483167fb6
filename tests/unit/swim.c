/* Who is alive: the rules, one by one, on a single instance whose peers the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gossip/base/rng.h"
#include "gossip/swim/member.h"
#include "gossip/swim/probe.h"
#include "gossip/swim/spread.h"
#include "gossip/swim/statement.h"
#include "gossip/swim/suspicion.h"
#include "gossip/swim/swim.h"

#define PEERS	   8
#define GENERATION 7 /* of our start, and of every peer's */

struct world {
	mtime_t now;
	struct rng rng;
	struct id mesh;
	struct keys self, peers[PEERS], stranger;
	struct spread *spread;
	struct swim *swim;
	enum swim_check check; /* what comes of each */
};

static void make_keys(struct rng *rng, struct keys *ret)
{
	uint8_t seed[32];

	rng_bytes(rng, seed, sizeof(seed));
	keys_from_seed(seed, ret);
}

/* A node with that many members, of which it has heard none. */
static void setup(struct world *w, size_t members)
{
	static const uint8_t seed[32] = {3};

	*w = (struct world){.now = {1000000}, .check = SWIM_CHECK_FAILED};
	rng_init(&w->rng, seed);
	rng_bytes(&w->rng, &w->mesh, sizeof(w->mesh));
	make_keys(&w->rng, &w->self);
	make_keys(&w->rng, &w->stranger);
	for (size_t i = 0; i < PEERS; i++)
		make_keys(&w->rng, &w->peers[i]);
	assert_int_equal(spread_new(&w->rng, &w->spread), 0);
	const struct swim_config config = {.self = &w->self,
		.mesh = &w->mesh,
		.rng = &w->rng,
		.spread = w->spread,
		.generation = GENERATION};
	assert_int_equal(swim_new(&config, w->now, &w->swim), 0);
	for (size_t i = 0; i < members; i++)
		assert_int_equal(swim_add(w->swim, w->now, &w->peers[i].id), 0);
}

static void teardown(struct world *w)
{
	swim_free(w->swim);
	spread_free(w->spread);
}

static struct statement alive(
	const struct world *w, const struct keys *subject, uint64_t generation, uint64_t version)
{
	struct statement s = {.kind = STATEMENT_ALIVE,
		.subject = subject->id,
		.incarnation = {generation, version}};

	statement_sign_alive(&s, &w->mesh, subject);
	return s;
}

static struct statement suspect(const struct world *w, const struct keys *subject,
	uint64_t generation, uint64_t version, const struct keys *accuser)
{
	struct statement s = alive(w, subject, generation, version);

	s.kind = STATEMENT_SUSPECT;
	s.accuser = accuser->id;
	statement_sign_suspect(&s, &w->mesh, accuser);
	return s;
}

static size_t encode(const struct statement *statement, uint8_t ret[SWIM_STATEMENT_MAX])
{
	struct pack out;

	pack_init(&out, ret, SWIM_STATEMENT_MAX);
	statement_encode(statement, &out);
	assert_int_equal(pack_status(&out), 0);
	return out.size;
}

static int receive(struct world *w, struct statement statement, bool *ret_news)
{
	uint8_t bytes[SWIM_STATEMENT_MAX];
	size_t size = encode(&statement, bytes);

	return swim_statement_received(w->swim, w->now, bytes, size, ret_news);
}

static void expect_news(struct world *w, struct statement statement, bool expected)
{
	bool news = !expected;
	int err = receive(w, statement, &news);

	assert_int_equal(err, 0);
	assert_int_equal(news, expected);
}

static struct swim_info info(const struct world *w, size_t peer)
{
	struct swim_info ret;

	assert_true(swim_info(w->swim, &w->peers[peer].id, &ret));
	return ret;
}

static void expect_state(const struct world *w, size_t peer, enum swim_state state)
{
	assert_string_equal(swim_state_label(info(w, peer).state), swim_state_label(state));
}

static size_t peer_number(const struct world *w, const struct id *id)
{
	size_t i = 0;

	while (i < PEERS && !id_equal(&w->peers[i].id, id))
		i++;
	assert_true(i < PEERS);
	return i;
}

/* Who of the peers answers pings, as bits; whoever does also answers for others if it is asked. */
#define NOBODY	  0U
#define EVERYBODY 0xffU

struct sent {
	size_t pings, acks, requests, relays, nacks, checks;
	size_t pings_to[PEERS];
};

static struct sent answer(struct world *w, unsigned who)
{
	struct swim_action action;
	struct sent sent = {0};

	while (swim_next_action(w->swim, &action)) {
		size_t to = peer_number(w, &action.to);

		switch (action.kind) {
		case SWIM_PING:
			sent.pings++;
			sent.pings_to[to]++;
			if (who >> to & 1) {
				w->now = mtime_add_ms(w->now, 1);
				swim_ack_received(w->swim, w->now, &action.to, action.sequence);
			}
			break;
		case SWIM_PING_REQ:
			sent.requests++;
			if (who >> to & 1)
				swim_relay_received(w->swim, w->now, &action.to, action.sequence,
					who >> peer_number(w, &action.target) & 1);
			break;
		case SWIM_ACK:
			sent.acks++;
			break;
		case SWIM_RELAY:
			sent.relays++;
			sent.nacks += !action.answered;
			break;
		case SWIM_CHECK:
			sent.checks++;
			swim_checked(w->swim, w->now, &action.to, w->check);
			break;
		}
	}
	return sent;
}

static void add_up(struct sent *sum, const struct sent *more)
{
	sum->pings += more->pings;
	sum->acks += more->acks;
	sum->requests += more->requests;
	sum->relays += more->relays;
	sum->nacks += more->nacks;
	sum->checks += more->checks;
	for (size_t i = 0; i < PEERS; i++)
		sum->pings_to[i] += more->pings_to[i];
}

static struct sent run(struct world *w, int64_t ms, unsigned who)
{
	mtime_t end = mtime_add_ms(w->now, ms);
	struct sent sum = answer(w, who);

	while (mtime_before(swim_deadline(w->swim), end)) {
		if (mtime_before(w->now, swim_deadline(w->swim)))
			w->now = swim_deadline(w->swim);
		swim_tick(w->swim, w->now);
		struct sent more = answer(w, who);

		add_up(&sum, &more);
	}
	if (mtime_before(w->now, end))
		w->now = end;
	return sum;
}

/* All members have said hello with their own statement. */
static void introduce(struct world *w, size_t members)
{
	for (size_t i = 0; i < members; i++) {
		swim_heard(w->swim, w->now, &w->peers[i].id);
		expect_news(w, alive(w, &w->peers[i], GENERATION, 0), false);
	}
}

/* Until the peer is in that state; the time it took in ms. */
static int64_t wait_for(struct world *w, size_t peer, enum swim_state state, unsigned who)
{
	mtime_t start = w->now;

	while (info(w, peer).state != state) {
		assert_true(mtime_diff_ms(w->now, start) < 300000);
		run(w, 10, who);
	}
	return mtime_diff_ms(w->now, start);
}

static void count_item(void *context, enum spread_kind kind, const uint8_t *bytes, size_t size)
{
	(void)kind, (void)bytes, (void)size;
	++*(size_t *)context;
}

/* How many statements wait to be told to others. */
static size_t news_waiting(const struct world *w)
{
	return spread_count(w->spread);
}

static void forget_news(struct world *w)
{
	size_t count = 0;

	while (spread_pick(w->spread, 1100, count_item, &count))
		;
	assert_int_equal(news_waiting(w), 0);
}

/* ---- statements ---- */

static void check_statement(
	const struct statement *s, const uint8_t *head, size_t head_size, size_t total_size)
{
	uint8_t bytes[SWIM_STATEMENT_MAX], again[SWIM_STATEMENT_MAX];
	size_t size = encode(s, bytes);
	struct statement back;

	assert_int_equal(size, total_size);
	assert_memory_equal(bytes, head, head_size);
	assert_int_equal(statement_decode(bytes, size, &back), 0);
	assert_int_equal(encode(&back, again), size);
	assert_memory_equal(bytes, again, size);
	for (size_t less = 0; less < size; less++)
		assert_int_equal(statement_decode(bytes, less, &back), ERR_MALFORMED);
}

static void the_bytes_are_those_of_the_protocol(void **state)
{
	(void)state;
	struct world w;

	setup(&w, 0);
	struct statement s = alive(&w, &w.peers[0], 300, 1);
	static const uint8_t alive_head[] = {0x95, 1, 0xc4, 32};
	check_statement(&s, alive_head, sizeof(alive_head), 4 + 32 + 3 + 1 + 66);
	s = suspect(&w, &w.peers[0], UINT64_MAX, UINT64_MAX, &w.peers[1]);
	static const uint8_t suspect_head[] = {0x97, 2, 0xc4, 32};
	check_statement(&s, suspect_head, sizeof(suspect_head), SWIM_STATEMENT_MAX);

	/* what is signed: [mesh, subject, generation, version], then the accuser */
	struct statement other = s;
	other.incarnation.version--;
	assert_int_equal(statement_verify_alive(&s, &w.mesh), 0);
	assert_int_equal(statement_verify_suspect(&s, &w.mesh), 0);
	assert_int_equal(statement_verify_alive(&other, &w.mesh), ERR_BAD_SIGNATURE);
	assert_int_equal(statement_verify_suspect(&other, &w.mesh), ERR_BAD_SIGNATURE);
	assert_int_equal(statement_verify_suspect(&s, &w.self.id), ERR_BAD_SIGNATURE);
	uint8_t bytes[160];
	struct pack out;
	pack_init(&out, bytes, sizeof(bytes));
	pack_put_array(&out, 4);
	pack_put_bin(&out, &w.mesh, 32);
	pack_put_bin(&out, &s.subject, 32);
	pack_put_uint(&out, UINT64_MAX);
	pack_put_uint(&out, UINT64_MAX);
	assert_int_equal(keys_verify(&s.subject, KEYS_ALIVE, bytes, out.size, &s.alive), 0);
	teardown(&w);
}

static void a_damaged_statement_changes_nothing(void **state)
{
	(void)state;
	struct world w;
	uint8_t bytes[SWIM_STATEMENT_MAX];

	setup(&w, 3);
	introduce(&w, 3);
	struct statement s = suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[1]);
	size_t size = encode(&s, bytes);
	for (size_t at = 0; at < size; at++) {
		bool news;

		bytes[at] ^= 1;
		int err = swim_statement_received(w.swim, w.now, bytes, size, &news);
		/* an earlier incarnation is not even looked at; all else is refused */
		if (err == 0)
			assert_false(news);
		bytes[at] ^= 1;
		expect_state(&w, 0, SWIM_ALIVE);
	}
	bool news;
	assert_int_equal(
		swim_statement_received(w.swim, w.now, bytes, size - 1, &news), ERR_MALFORMED);
	assert_int_equal(swim_statement_received(w.swim, w.now, "", 0, &news), ERR_MALFORMED);
	assert_int_equal(news_waiting(&w), 1); /* our own */
	teardown(&w);
}

static void only_members_speak_and_are_spoken_of(void **state)
{
	(void)state;
	struct world w;
	bool news;

	setup(&w, 2);
	introduce(&w, 2);
	const struct keys *a = &w.peers[0], *b = &w.peers[1];
	assert_int_equal(receive(&w, alive(&w, &w.stranger, 1, 1), &news), ERR_UNKNOWN);
	assert_int_equal(receive(&w, suspect(&w, &w.stranger, 1, 1, b), &news), ERR_UNKNOWN);
	assert_int_equal(
		receive(&w, suspect(&w, a, GENERATION, 0, &w.stranger), &news), ERR_UNKNOWN);
	assert_int_equal(
		receive(&w, suspect(&w, &w.self, GENERATION, 0, &w.stranger), &news), ERR_UNKNOWN);
	expect_state(&w, 0, SWIM_ALIVE);

	/* nobody speaks for another: signed by the wrong member */
	struct statement forged = suspect(&w, a, GENERATION, 0, b);
	statement_sign_suspect(&forged, &w.mesh, &w.stranger);
	assert_int_equal(receive(&w, forged, &news), ERR_BAD_SIGNATURE);
	forged = alive(&w, a, GENERATION, 9);
	statement_sign_alive(&forged, &w.mesh, b);
	assert_int_equal(receive(&w, forged, &news), ERR_BAD_SIGNATURE);
	/* nor from one mesh into another */
	struct id mesh = w.mesh;
	w.mesh = w.stranger.id;
	forged = alive(&w, a, GENERATION, 9);
	w.mesh = mesh;
	assert_int_equal(receive(&w, forged, &news), ERR_BAD_SIGNATURE);
	/* nor does anybody accuse itself, or start with generation 0 */
	assert_int_equal(receive(&w, suspect(&w, a, GENERATION, 0, a), &news), ERR_MALFORMED);
	assert_int_equal(receive(&w, alive(&w, a, 0, 5), &news), ERR_MALFORMED);
	teardown(&w);
}

static void an_incarnation_that_was_never_issued_cannot_be_accused(void **state)
{
	(void)state;
	struct world w;
	bool news;

	setup(&w, 2);
	introduce(&w, 2);
	/* no refutation could exceed this version: without the subject's own signature it is void
	 */
	struct statement s = suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[1]);
	s.incarnation.version = UINT64_MAX;
	statement_sign_suspect(&s, &w.mesh, &w.peers[1]);
	assert_int_equal(receive(&w, s, &news), ERR_BAD_SIGNATURE);
	s.subject = w.self.id;
	statement_sign_suspect(&s, &w.mesh, &w.peers[1]);
	assert_int_equal(receive(&w, s, &news), ERR_BAD_SIGNATURE);
	expect_state(&w, 0, SWIM_ALIVE);
	assert_true(swim_incarnation(w.swim).version == 0);
	teardown(&w);
}

/* ---- the state table ---- */

/* Brings peer 0 into a state, silently or by an accusation. */
static struct member *bring(struct world *w, enum swim_state state, bool accused)
{
	setup(w, 3);
	introduce(w, 3);
	struct member *member = member_find(w->swim, &w->peers[0].id);

	if (state != SWIM_ALIVE && accused)
		expect_news(w, suspect(w, &w->peers[0], GENERATION, 0, &w->peers[1]), true);
	else if (state != SWIM_ALIVE)
		member_event(w->swim, w->now, member, MEMBER_FAILED);
	if (state == SWIM_DEAD)
		member_event(w->swim, w->now, member, MEMBER_EXPIRED);
	expect_state(w, 0, state);
	return member;
}

#define A SWIM_ALIVE
#define S SWIM_SUSPECT
#define D SWIM_DEAD

static void every_cell_of_the_state_table(void **state)
{
	(void)state;
	static const struct {
		enum swim_state from;
		bool accused;
		/* heard, refuted, restarted, failed, accused, cleared, expired, told */
		enum swim_state to[MEMBER_TOLD + 1];
	} rows[] = {
		{A, false, {A, A, A, S, S, A, A, D}},
		{S, false, {A, A, A, S, S, A, D, D}},
		{S, true, {S, A, A, S, S, S, D, D}},
		{D, false, {A, A, A, D, D, D, D, D}},
		{D, true, {D, A, A, D, D, D, D, D}},
	};

	for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
		for (enum member_event event = MEMBER_HEARD; event <= MEMBER_TOLD; event++) {
			struct world w;
			struct member *member = bring(&w, rows[row].from, rows[row].accused);

			member_event(w.swim, w.now, member, event);
			expect_state(&w, 0, rows[row].to[event]);
			teardown(&w);
		}
	}
}

static void changes_are_told_with_their_cause(void **state)
{
	(void)state;
	struct world w;
	struct swim_change change;

	setup(&w, 3);
	introduce(&w, 3);
	assert_false(swim_next_change(w.swim, &change));
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[1]), true);
	expect_news(&w, alive(&w, &w.peers[0], GENERATION, 1), true);
	assert_true(swim_next_change(w.swim, &change));
	assert_true(id_equal(&change.id, &w.peers[0].id));
	assert_true(change.from == SWIM_ALIVE && change.to == SWIM_SUSPECT);
	assert_string_equal(change.cause, "accused by another member");
	assert_true(swim_next_change(w.swim, &change));
	assert_true(change.from == SWIM_SUSPECT && change.to == SWIM_ALIVE);
	assert_string_equal(change.cause, "refuted");
	assert_false(swim_next_change(w.swim, &change));
	teardown(&w);
}

/* ---- suspicion ---- */

static void the_timeout_is_lifeguards(void **state)
{
	(void)state;
	const struct swim_mechanisms *l = &swim_lifeguard;

	/* alpha * max(1, log10 n) * 1 s, times beta without confirmations */
	assert_int_equal(suspicion_timeout_ms(l, 5, 3, 0), 30000);
	assert_int_equal(suspicion_timeout_ms(l, 5, 3, 3), 5000);
	assert_int_equal(suspicion_timeout_ms(l, 100, 98, 0), 60000);
	assert_int_equal(suspicion_timeout_ms(l, 100, 98, 3), 10000);
	/* 30000 - 25000 * ln 2 / ln 4 */
	assert_int_equal(suspicion_timeout_ms(l, 5, 3, 1), 17500);
	/* whom nobody can confirm has the minimum; one other member is all it takes among three */
	assert_int_equal(suspicion_timeout_ms(l, 2, 0, 0), 5000);
	assert_int_equal(suspicion_timeout_ms(l, 3, 1, 0), 30000);
	assert_int_equal(suspicion_timeout_ms(l, 3, 1, 1), 5000);
	for (size_t i = 0; i < 3; i++)
		assert_true(suspicion_timeout_ms(l, 1000, 900, i) >
			    suspicion_timeout_ms(l, 1000, 900, i + 1));
	/* SWIM's own takes no notice of confirmations */
	assert_int_equal(suspicion_timeout_ms(&swim_classic, 100, 98, 0), 10000);
	assert_int_equal(suspicion_timeout_ms(&swim_classic, 100, 98, 3), 10000);
	/* ours is as short as is safe, whatever the size of the mesh: 2.5 s, and 3.75 for 1,000 */
	assert_int_equal(suspicion_timeout_ms(&swim_mesh, 5, 3, 0), 15000);
	assert_int_equal(suspicion_timeout_ms(&swim_mesh, 5, 3, 3), 2500);
	assert_int_equal(suspicion_timeout_ms(&swim_mesh, 1000, 998, 3), 3750);
}

/* From the first accusation of peer 0, which does not refute it; its daemon hangs, so that we do
 * not confirm. */
static int64_t time_to_die(size_t accusers)
{
	struct world w;

	setup(&w, 6);
	introduce(&w, 6);
	w.check = SWIM_CHECK_SILENT;
	for (size_t i = 1; i <= accusers; i++)
		expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[i]), true);
	int64_t ms = wait_for(&w, 0, SWIM_DEAD, EVERYBODY & ~1U);

	teardown(&w);
	return ms;
}

static void independent_confirmations_shorten_a_suspicion(void **state)
{
	(void)state;
	int64_t alone = time_to_die(1), two = time_to_die(2), three = time_to_die(3),
		four = time_to_die(4);

	assert_in_range(alone, 14900, 15500);
	assert_in_range(two, 8700, 9200);
	assert_true(three < two && four < three);
	assert_in_range(four, 2400, 3000);
}

static void an_accuser_counts_once_and_more_than_needed_are_no_news(void **state)
{
	(void)state;
	struct world w;

	setup(&w, 7);
	introduce(&w, 7);
	for (size_t i = 1; i <= 4; i++) {
		expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[i]), true);
		expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[i]), false);
	}
	assert_int_equal(news_waiting(&w), 1 + 4);
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[5]), false);
	assert_int_equal(news_waiting(&w), 1 + 4);
	teardown(&w);
}

static void an_old_statement_changes_nothing_and_is_not_passed_on(void **state)
{
	(void)state;
	struct world w;

	setup(&w, 3);
	introduce(&w, 3);
	expect_news(&w, alive(&w, &w.peers[0], GENERATION, 5), true);
	forget_news(&w);
	expect_news(&w, alive(&w, &w.peers[0], GENERATION, 5), false);
	expect_news(&w, alive(&w, &w.peers[0], GENERATION, 4), false);
	expect_news(&w, alive(&w, &w.peers[0], GENERATION - 1, 9), false);
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 4, &w.peers[1]), false);
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION - 1, 9, &w.peers[1]), false);
	expect_state(&w, 0, SWIM_ALIVE);
	assert_true(info(&w, 0).incarnation.version == 5);
	assert_int_equal(news_waiting(&w), 0);

	/* dead, it stays dead by a replay of what it said alive */
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 5, &w.peers[1]), true);
	wait_for(&w, 0, SWIM_DEAD, 0x06U);
	forget_news(&w);
	expect_news(&w, alive(&w, &w.peers[0], GENERATION, 5), false);
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 5, &w.peers[2]), false);
	expect_state(&w, 0, SWIM_DEAD);
	assert_int_equal(news_waiting(&w), 0);
	teardown(&w);
}

static void a_later_accusation_brings_the_incarnation_that_was_missed(void **state)
{
	(void)state;
	struct world w;
	struct swim_change change;

	setup(&w, 3);
	introduce(&w, 3);
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[1]), true);
	wait_for(&w, 0, SWIM_DEAD, 0x06U);
	while (swim_next_change(w.swim, &change))
		;
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION + 1, 2, &w.peers[1]), true);
	expect_state(&w, 0, SWIM_SUSPECT);
	assert_true(info(&w, 0).incarnation.generation == GENERATION + 1);
	assert_true(info(&w, 0).incarnation.version == 2);
	/* by way of alive: dead never becomes suspect */
	assert_true(swim_next_change(w.swim, &change));
	assert_true(change.from == SWIM_DEAD && change.to == SWIM_ALIVE);
	assert_true(swim_next_change(w.swim, &change));
	assert_true(change.from == SWIM_ALIVE && change.to == SWIM_SUSPECT);
	teardown(&w);
}

static size_t greeting(struct world *w, size_t peer, struct statement ret[2])
{
	uint8_t bytes[SWIM_GREETING_MAX];
	struct pack out;
	size_t count;

	pack_init(&out, bytes, sizeof(bytes));
	swim_greet(w->swim, &w->peers[peer].id, &out, &count);
	assert_int_equal(pack_status(&out), 0);
	struct pack_reader r = pack_reader(bytes, out.size);
	for (size_t i = 0; i < count; i++) {
		const uint8_t *item;
		size_t size;

		assert_true(i < 2);
		assert_int_equal(pack_get_bin(&r, "item", 1, SWIM_STATEMENT_MAX, &item, &size), 0);
		assert_int_equal(statement_decode(item, size, &ret[i]), 0);
	}
	assert_int_equal(pack_get_end(&r, "end"), 0);
	return count;
}

static void an_accusation_of_us_is_refuted_at_once(void **state)
{
	(void)state;
	struct world w;
	struct statement said[2];

	setup(&w, 3);
	introduce(&w, 3);
	run(&w, 10000, EVERYBODY);
	forget_news(&w);
	assert_int_equal(greeting(&w, 1, said), 0);
	struct statement s = suspect(&w, &w.self, GENERATION, 0, &w.peers[1]);
	expect_news(&w, s, true);
	assert_true(swim_incarnation(w.swim).version == 1);
	assert_true(spread_has_fresh(w.spread));
	assert_int_equal(news_waiting(&w), 1);
	/* the accuser is told in particular */
	assert_int_equal(greeting(&w, 1, said), 1);
	assert_true(said[0].kind == STATEMENT_ALIVE && said[0].incarnation.version == 1);
	assert_int_equal(statement_verify_alive(&said[0], &w.mesh), 0);
	assert_int_equal(greeting(&w, 2, said), 0);

	/* a stale one does not bump, but whoever holds it has missed our last word */
	forget_news(&w);
	expect_news(&w, s, true);
	assert_true(swim_incarnation(w.swim).version == 1);
	assert_int_equal(news_waiting(&w), 1);
	expect_news(&w, suspect(&w, &w.self, GENERATION - 1, 7, &w.peers[2]), true);
	assert_true(swim_incarnation(w.swim).version == 1);
	assert_int_equal(news_waiting(&w), 1);
	teardown(&w);
}

static void an_accuser_cannot_keep_the_mesh_busy(void **state)
{
	(void)state;
	struct world w;
	bool news;

	setup(&w, 3);
	introduce(&w, 3);
	run(&w, 10000, EVERYBODY);
	/* each accusation of what we said last, for ten seconds: a refutation to all each time */
	uint64_t first = swim_incarnation(w.swim).version;
	for (int i = 0; i < 1000; i++) {
		struct statement s = suspect(
			&w, &w.self, GENERATION, swim_incarnation(w.swim).version, &w.peers[1]);

		assert_int_equal(receive(&w, s, &news), 0);
		w.now = mtime_add_ms(w.now, 10);
	}
	uint64_t refuted = swim_incarnation(w.swim).version - first;
	assert_in_range(refuted, 10000 / SWIM_RENEW_MS, 10000 / SWIM_RENEW_MS + SWIM_RENEW_BURST);
	/* nor by what it says of itself */
	size_t told = 0;
	for (uint64_t version = 1; version <= 1000; version++) {
		assert_int_equal(
			receive(&w, alive(&w, &w.peers[2], GENERATION, version), &news), 0);
		told += news;
	}
	assert_in_range(told, 1, SWIM_RENEW_BURST);
	teardown(&w);
}

static void who_is_expelled_accuses_nobody_any_more(void **state)
{
	(void)state;
	struct world w;

	setup(&w, 4);
	introduce(&w, 4);
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[1]), true);
	expect_news(&w, suspect(&w, &w.peers[2], GENERATION, 0, &w.peers[1]), true);
	expect_news(&w, suspect(&w, &w.peers[2], GENERATION, 0, &w.peers[3]), true);
	expect_state(&w, 0, SWIM_SUSPECT);
	swim_remove(w.swim, w.now, &w.peers[1].id);
	expect_state(&w, 0, SWIM_ALIVE);
	expect_state(&w, 2, SWIM_SUSPECT);
	swim_remove(w.swim, w.now, &w.peers[3].id);
	expect_state(&w, 2, SWIM_ALIVE);
	teardown(&w);
}

static void a_later_life_of_ours_is_somebody_else_with_our_key(void **state)
{
	(void)state;
	struct world w;
	bool news;

	setup(&w, 2);
	introduce(&w, 2);
	assert_int_equal(receive(&w, alive(&w, &w.self, GENERATION + 1, 0), &news), ERR_STATE);
	assert_int_equal(
		receive(&w, suspect(&w, &w.self, GENERATION, 1, &w.peers[0]), &news), ERR_STATE);
	struct statement forged = alive(&w, &w.self, GENERATION + 1, 0);
	forged.alive.b[0] ^= 1;
	assert_int_equal(receive(&w, forged, &news), ERR_BAD_SIGNATURE);
	expect_news(&w, alive(&w, &w.self, GENERATION, 0), false);
	expect_news(&w, alive(&w, &w.self, GENERATION - 1, 5), false);
	assert_true(swim_incarnation(w.swim).generation == GENERATION);
	assert_true(swim_incarnation(w.swim).version == 0);
	teardown(&w);
}

/* ---- probing ---- */

static void a_ping_to_a_suspect_carries_the_suspicion(void **state)
{
	(void)state;
	struct world w;
	struct statement said[2];

	setup(&w, 3);
	/* a newcomer is greeted until it has answered a ping that told it who we are */
	assert_int_equal(greeting(&w, 0, said), 1);
	assert_true(id_equal(&said[0].subject, &w.self.id));
	introduce(&w, 3);
	run(&w, 5000, EVERYBODY);
	assert_int_equal(greeting(&w, 0, said), 0);
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[1]), true);
	assert_int_equal(greeting(&w, 0, said), 1);
	assert_true(said[0].kind == STATEMENT_SUSPECT);
	assert_true(id_equal(&said[0].accuser, &w.peers[1].id));
	assert_int_equal(statement_verify_suspect(&said[0], &w.mesh), 0);
	assert_int_equal(statement_verify_alive(&said[0], &w.mesh), 0);
	/* also when it is dead here, and both when it may have forgotten us */
	wait_for(&w, 0, SWIM_DEAD, 0x06U);
	assert_int_equal(greeting(&w, 0, said), 2);
	/* its refutation ends that */
	expect_news(&w, alive(&w, &w.peers[0], GENERATION, 1), true);
	run(&w, 5000, EVERYBODY);
	assert_int_equal(greeting(&w, 0, said), 0);
	/* after a restart it must learn our incarnation again */
	expect_news(&w, alive(&w, &w.peers[0], GENERATION + 1, 0), true);
	assert_int_equal(greeting(&w, 0, said), 1);
	size_t count = 1;
	struct pack none;
	pack_init(&none, NULL, 0);
	swim_greet(w.swim, &w.stranger.id, &none, &count);
	assert_int_equal(count, 0);
	teardown(&w);
}

static void idle_is_one_ping_a_second(void **state)
{
	(void)state;
	struct world w;

	setup(&w, PEERS);
	introduce(&w, PEERS);
	struct sent sent = run(&w, 160000, EVERYBODY);
	assert_in_range(sent.pings, 158, 161);
	assert_int_equal(sent.requests + sent.relays + sent.acks, 0);
	/* in turn: nobody is left out, nobody is favoured */
	for (size_t i = 0; i < PEERS; i++)
		assert_in_range(sent.pings_to[i], 19, 21);
	for (size_t i = 0; i < PEERS; i++)
		assert_true(info(&w, i).rtt_us > 0);
	teardown(&w);
}

static void an_unanswered_ping_goes_through_others(void **state)
{
	(void)state;
	struct world w;
	struct swim_action action;
	size_t asked = 0;

	setup(&w, 6);
	introduce(&w, 6);
	w.now = swim_deadline(w.swim);
	swim_tick(w.swim, w.now);
	assert_true(swim_next_action(w.swim, &action));
	assert_int_equal(action.kind, SWIM_PING);
	const struct id target = action.to;
	uint64_t sequence = action.sequence;
	assert_int_equal(mtime_diff_ms(swim_deadline(w.swim), w.now), SWIM_TIMEOUT_MS);
	w.now = swim_deadline(w.swim);
	swim_tick(w.swim, w.now);
	struct id helper = {{0}};
	while (swim_next_action(w.swim, &action)) {
		if (action.kind == SWIM_PING) {
			assert_true(id_equal(&action.to, &target));
			continue;
		}
		assert_int_equal(action.kind, SWIM_PING_REQ);
		assert_true(id_equal(&action.target, &target));
		assert_true(action.sequence == sequence);
		assert_false(id_equal(&action.to, &target));
		helper = action.to;
		asked++;
	}
	assert_int_equal(asked, SWIM_INDIRECT);
	/* a nack is no answer, nor is one that was not asked for */
	swim_relay_received(w.swim, w.now, &helper, sequence, false);
	swim_relay_received(w.swim, w.now, &helper, sequence + 100, true);
	swim_relay_received(w.swim, w.now, &target, sequence, true);
	w.now = mtime_add_ms(w.now, 100);
	swim_relay_received(w.swim, w.now, &helper, sequence, true);
	/* so that the target, though it was never reached, is not suspected in the next period */
	run(&w, 600, EVERYBODY);
	expect_state(&w, peer_number(&w, &target), SWIM_ALIVE);
	teardown(&w);
}

static void a_helper_relays_the_answer_or_its_absence(void **state)
{
	(void)state;
	struct world w;
	struct swim_action action;

	setup(&w, 3);
	introduce(&w, 3);
	const struct id *asker = &w.peers[0].id, *target = &w.peers[1].id;
	swim_ping_req_received(w.swim, w.now, asker, 77, target);
	assert_true(swim_next_action(w.swim, &action));
	assert_true(action.kind == SWIM_PING && id_equal(&action.to, target));
	uint64_t sequence = action.sequence;

	/* unanswered, the asker learns that at least we are there; an answer still goes on */
	assert_int_equal(run(&w, 400, NOBODY).nacks, 1);
	swim_ack_received(w.swim, w.now, &w.peers[2].id, sequence);
	assert_int_equal(answer(&w, NOBODY).relays, 0);
	swim_ack_received(w.swim, w.now, target, sequence);
	assert_true(swim_next_action(w.swim, &action));
	assert_true(action.kind == SWIM_RELAY && action.answered && action.sequence == 77);
	assert_true(id_equal(&action.to, asker));
	swim_ack_received(w.swim, w.now, target, sequence);
	assert_int_equal(answer(&w, NOBODY).relays, 0);

	/* nonsense is dropped: an asker or a target that is no member, a target that is the asker
	 */
	swim_ping_req_received(w.swim, w.now, asker, 1, &w.stranger.id);
	swim_ping_req_received(w.swim, w.now, asker, 1, &w.self.id);
	swim_ping_req_received(w.swim, w.now, &w.stranger.id, 1, target);
	swim_ping_req_received(w.swim, w.now, asker, 1, asker);
	assert_false(swim_next_action(w.swim, &action));
	teardown(&w);
}

static void nobody_makes_us_ping_without_end(void **state)
{
	(void)state;
	struct world w;

	setup(&w, PEERS);
	introduce(&w, PEERS);
	for (uint64_t i = 0; i < 1000; i++)
		swim_ping_req_received(w.swim, w.now, &w.peers[0].id, i, &w.peers[1].id);
	assert_int_equal(answer(&w, NOBODY).pings, PROBE_RELAYS_EACH);
	for (size_t i = 0; i < 100000; i++)
		swim_ping_received(w.swim, w.now, &w.peers[2].id, i);
	assert_true(answer(&w, NOBODY).acks <= 1000);
	run(&w, PROBE_RELAY_MS + 1000, EVERYBODY);
	swim_ping_req_received(w.swim, w.now, &w.peers[0].id, 1, &w.peers[1].id);
	assert_int_equal(answer(&w, NOBODY).pings, 1);
	teardown(&w);
}

static void timeouts_follow_the_measured_round_trip(void **state)
{
	(void)state;
	static const struct {
		int64_t rtt_ms, min_ms, max_ms;
	} cases[] = {{1, PROBE_TIMEOUT_MIN_MS, PROBE_TIMEOUT_MIN_MS}, {300, 300, 900},
		{1900, PROBE_TIMEOUT_MAX_MS, PROBE_TIMEOUT_MAX_MS}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;
		struct swim_action action;
		mtime_t answered = MTIME_NEVER;
		uint64_t sequence = 0;

		setup(&w, 1);
		/* 60 s in which each ping is answered after the round trip */
		for (mtime_t end = mtime_add_ms(w.now, 60000); mtime_before(w.now, end);) {
			bool answer_first = mtime_before(answered, swim_deadline(w.swim));

			w.now = answer_first ? answered : swim_deadline(w.swim);
			if (answer_first) {
				swim_ack_received(w.swim, w.now, &w.peers[0].id, sequence);
				answered = MTIME_NEVER;
			} else {
				swim_tick(w.swim, w.now);
			}
			while (swim_next_action(w.swim, &action)) {
				if (answered.us != MTIME_NEVER.us)
					continue;
				sequence = action.sequence;
				answered = mtime_add_ms(w.now, cases[i].rtt_ms);
			}
		}
		assert_in_range(info(&w, 0).rtt_us, cases[i].rtt_ms * 900, cases[i].rtt_ms * 1100);
		expect_state(&w, 0, SWIM_ALIVE);
		/* the next ping's timeout */
		if (answered.us != MTIME_NEVER.us)
			swim_ack_received(w.swim, answered, &w.peers[0].id, sequence);
		w.now = swim_deadline(w.swim);
		swim_tick(w.swim, w.now);
		assert_true(swim_next_action(w.swim, &action));
		assert_in_range(mtime_diff_ms(swim_deadline(w.swim), w.now), cases[i].min_ms,
			cases[i].max_ms);
		teardown(&w);
	}
}

static void who_never_spoke_is_never_accused(void **state)
{
	(void)state;
	struct world w;

	setup(&w, 4);
	/* 1, 2 and 3 are there; 0 may never have been */
	for (size_t i = 1; i < 4; i++) {
		swim_heard(w.swim, w.now, &w.peers[i].id);
		expect_news(&w, alive(&w, &w.peers[i], GENERATION, 0), false);
	}
	forget_news(&w);
	wait_for(&w, 0, SWIM_DEAD, 0x0eU);
	assert_int_equal(news_waiting(&w), 0);
	/* a packet of it is enough to believe in it again */
	swim_heard(w.swim, w.now, &w.peers[0].id);
	expect_state(&w, 0, SWIM_ALIVE);
	/* once it has said what incarnation it is, it is accused by that when it goes */
	expect_news(&w, alive(&w, &w.peers[0], GENERATION, 0), false);
	wait_for(&w, 0, SWIM_SUSPECT, 0x0eU);
	assert_int_equal(news_waiting(&w), 1);
	teardown(&w);
}

static void who_hears_nobody_accuses_nobody(void **state)
{
	(void)state;
	struct world w;
	struct statement said[2];

	setup(&w, PEERS);
	introduce(&w, PEERS);
	run(&w, 20000, EVERYBODY);
	forget_news(&w);
	/* our cable is pulled: after two periods it is us, whatever the probes say */
	run(&w, 3000, NOBODY);
	size_t accused = news_waiting(&w);
	assert_true(accused <= 2);
	for (size_t i = 0; i < PEERS; i++)
		wait_for(&w, i, SWIM_DEAD, NOBODY);
	assert_int_equal(news_waiting(&w), accused);
	/* and when it is plugged in again, most are back at the first packet */
	size_t silent = 0;
	for (size_t i = 0; i < PEERS; i++) {
		bool blamed = false;
		size_t count = greeting(&w, i, said);

		for (size_t k = 0; k < count; k++)
			blamed |= said[k].kind == STATEMENT_SUSPECT;
		swim_heard(w.swim, w.now, &w.peers[i].id);
		assert_int_equal(info(&w, i).state == SWIM_ALIVE, !blamed);
		silent += !blamed;
	}
	assert_true(silent >= PEERS - 2);
	teardown(&w);
}

static void wireguard_traffic_delays_an_accusation(void **state)
{
	(void)state;
	int64_t without, with;
	struct world w;

	setup(&w, 2);
	introduce(&w, 2);
	without = wait_for(&w, 0, SWIM_SUSPECT, 0x02U);
	teardown(&w);
	setup(&w, 2);
	introduce(&w, 2);
	mtime_t start = w.now;
	while (info(&w, 0).state == SWIM_ALIVE) {
		run(&w, 100, 0x02U);
		swim_evidence(w.swim, w.now, &w.peers[0].id);
	}
	with = mtime_diff_ms(w.now, start);
	/* two more turns of one to three periods each, and not for ever: its daemon is gone */
	assert_in_range(with - without, 1900, 6100);
	teardown(&w);
}

static void the_dead_are_redialled_for_ever_with_a_backoff(void **state)
{
	(void)state;
	struct world w;

	setup(&w, 2);
	introduce(&w, 2);
	wait_for(&w, 0, SWIM_DEAD, 0x02U);
	size_t first = run(&w, 10000, 0x02U).pings_to[0];
	assert_in_range(first, 3, 5); /* after 1, 3, 7 s, and perhaps at random */
	run(&w, 120000, 0x02U);
	size_t later = run(&w, 600000, 0x02U).pings_to[0];
	/* every 60 s, and every 10 s one of the two members at random */
	assert_in_range(later, 10, 60);
	teardown(&w);
}

static void booting_alone_among_a_thousand_is_quiet(void **state)
{
	(void)state;
	struct world w;
	struct swim_action action;
	struct swim_change change;
	static struct id ids[1000];
	size_t dead = 0, busiest = 0;

	setup(&w, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		rng_bytes(&w.rng, &ids[i], sizeof(ids[i]));
		assert_int_equal(swim_add(w.swim, w.now, &ids[i]), 0);
	}
	forget_news(&w);
	for (int second = 0; second < 1500; second++) {
		mtime_t end = mtime_add_ms(w.now, 1000);
		size_t packets = 0;

		while (mtime_before(swim_deadline(w.swim), end)) {
			w.now = swim_deadline(w.swim);
			swim_tick(w.swim, w.now);
			while (swim_next_action(w.swim, &action))
				packets += action.kind != SWIM_CHECK;
			while (swim_next_change(w.swim, &change))
				dead += change.to == SWIM_DEAD;
		}
		w.now = end;
		busiest = packets > busiest ? packets : busiest;
	}
	assert_int_equal(dead, ARRAY_SIZE(ids));
	assert_true(busiest <= 2 + PROBE_REDIALS);
	assert_int_equal(news_waiting(&w), 0);
	teardown(&w);
}

static void a_pause_of_ours_accuses_nobody(void **state)
{
	(void)state;
	struct world w;
	struct swim_change change;

	setup(&w, 4);
	introduce(&w, 4);
	run(&w, 10000, EVERYBODY);
	/* in the middle of a probe, and of a suspicion that has nearly run out */
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[1]), true);
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[2]), true);
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[3]), true);
	run(&w, 3500, EVERYBODY);
	w.now = swim_deadline(w.swim);
	swim_tick(w.swim, w.now);
	while (swim_next_change(w.swim, &change))
		;
	forget_news(&w);
	w.now = mtime_add_ms(w.now, 3600000);
	for (int i = 0; i < 10 && mtime_reached(w.now, swim_deadline(w.swim)); i++)
		swim_tick(w.swim, w.now);
	assert_false(swim_next_change(w.swim, &change));
	assert_int_equal(news_waiting(&w), 0);
	/* what came meanwhile is read now, and counts */
	expect_news(&w, alive(&w, &w.peers[0], GENERATION, 1), true);
	run(&w, 20000, EVERYBODY);
	for (size_t i = 0; i < 4; i++)
		expect_state(&w, i, SWIM_ALIVE);
	/* the clock runs on from there: without an answer there is a verdict again */
	wait_for(&w, 2, SWIM_SUSPECT, 0x0bU);
	teardown(&w);
}

/* A host that is always late still probes, only its verdicts wait. */
static void a_node_that_is_always_late_goes_on_pinging(void **state)
{
	(void)state;
	struct world w;
	size_t pings = 0;

	setup(&w, 3);
	introduce(&w, 3);
	for (int i = 0; i < 100; i++) {
		w.now = mtime_add_ms(swim_deadline(w.swim), i % 2 ? 700 : 0);
		swim_tick(w.swim, w.now);
		pings += answer(&w, NOBODY).pings;
	}
	assert_true(pings >= 30);
	teardown(&w);
}

static void removal_in_mid_probe_is_safe(void **state)
{
	(void)state;
	struct world w;
	struct swim_action action;
	struct statement said[2];

	setup(&w, 3);
	introduce(&w, 3);
	/* a suspect, the target of our probe, of another's, and of packets not taken yet */
	expect_news(&w, suspect(&w, &w.peers[0], GENERATION, 0, &w.peers[1]), true);
	swim_ping_req_received(w.swim, w.now, &w.peers[1].id, 5, &w.peers[0].id);
	swim_ping_req_received(w.swim, w.now, &w.peers[0].id, 6, &w.peers[1].id);
	for (int i = 0; i < 3; i++) {
		w.now = swim_deadline(w.swim);
		swim_tick(w.swim, w.now);
	}
	forget_news(&w);
	for (size_t i = 0; i < 3; i++)
		swim_remove(w.swim, w.now, &w.peers[i].id);
	swim_remove(w.swim, w.now, &w.peers[0].id);
	assert_int_equal(swim_count(w.swim), 0);
	assert_false(swim_next_action(w.swim, &action));
	assert_true(swim_deadline(w.swim).us == MTIME_NEVER.us);
	w.now = mtime_add_ms(w.now, 100000);
	swim_tick(w.swim, w.now);
	swim_ack_received(w.swim, w.now, &w.peers[0].id, 1);
	assert_int_equal(swim_sample(w.swim, true, NULL, &said[0].subject, 1), 0);

	/* added again, it starts afresh */
	assert_int_equal(swim_add(w.swim, w.now, &w.peers[0].id), 0);
	expect_state(&w, 0, SWIM_ALIVE);
	assert_false(info(&w, 0).heard);
	assert_int_equal(greeting(&w, 0, said), 1);
	assert_int_equal(run(&w, 1000, EVERYBODY).pings, 1);
	teardown(&w);
}

static void members_are_limited_and_self_is_none(void **state)
{
	(void)state;
	struct world w;
	struct id id = {{0}};

	setup(&w, 1);
	assert_int_equal(swim_add(w.swim, w.now, &w.self.id), 0);
	assert_int_equal(swim_add(w.swim, w.now, &w.peers[0].id), 0);
	assert_int_equal(swim_count(w.swim), 1);
	for (uint32_t i = 0; i < SWIM_MEMBERS_MAX - 1; i++) {
		memcpy(id.b, &i, sizeof(i));
		assert_int_equal(swim_add(w.swim, w.now, &id), 0);
	}
	id.b[31] = 1;
	assert_int_equal(swim_add(w.swim, w.now, &id), ERR_LIMIT);
	assert_int_equal(swim_count(w.swim), SWIM_MEMBERS_MAX);
	teardown(&w);
	struct swim *none;
	const struct swim_config config = {.generation = 0};
	assert_int_equal(swim_new(&config, w.now, &none), ERR_INVALID);
}

static void a_sample_prefers_those_that_were_heard(void **state)
{
	(void)state;
	struct world w;
	struct id ids[PEERS];
	size_t chosen[PEERS] = {0};

	setup(&w, PEERS);
	swim_heard(w.swim, w.now, &w.peers[3].id);
	swim_heard(w.swim, w.now, &w.peers[5].id);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(swim_sample(w.swim, false, NULL, ids, 3), 3);
		for (size_t k = 0; k < 3; k++)
			chosen[peer_number(&w, &ids[k])]++;
		assert_int_equal(swim_sample(w.swim, false, &w.peers[3].id, ids, 1), 1);
		assert_true(id_equal(&ids[0], &w.peers[5].id));
	}
	assert_true(chosen[3] == 100 && chosen[5] == 100);
	for (size_t i = 0; i < PEERS; i++)
		assert_true(chosen[i] > 0);
	assert_int_equal(swim_sample(w.swim, true, &w.peers[0].id, ids, PEERS), PEERS - 1);
	teardown(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bytes_are_those_of_the_protocol),
		cmocka_unit_test(a_damaged_statement_changes_nothing),
		cmocka_unit_test(only_members_speak_and_are_spoken_of),
		cmocka_unit_test(an_incarnation_that_was_never_issued_cannot_be_accused),
		cmocka_unit_test(every_cell_of_the_state_table),
		cmocka_unit_test(changes_are_told_with_their_cause),
		cmocka_unit_test(the_timeout_is_lifeguards),
		cmocka_unit_test(independent_confirmations_shorten_a_suspicion),
		cmocka_unit_test(an_accuser_counts_once_and_more_than_needed_are_no_news),
		cmocka_unit_test(an_old_statement_changes_nothing_and_is_not_passed_on),
		cmocka_unit_test(a_later_accusation_brings_the_incarnation_that_was_missed),
		cmocka_unit_test(an_accusation_of_us_is_refuted_at_once),
		cmocka_unit_test(an_accuser_cannot_keep_the_mesh_busy),
		cmocka_unit_test(who_is_expelled_accuses_nobody_any_more),
		cmocka_unit_test(a_later_life_of_ours_is_somebody_else_with_our_key),
		cmocka_unit_test(a_ping_to_a_suspect_carries_the_suspicion),
		cmocka_unit_test(idle_is_one_ping_a_second),
		cmocka_unit_test(an_unanswered_ping_goes_through_others),
		cmocka_unit_test(a_helper_relays_the_answer_or_its_absence),
		cmocka_unit_test(nobody_makes_us_ping_without_end),
		cmocka_unit_test(timeouts_follow_the_measured_round_trip),
		cmocka_unit_test(who_never_spoke_is_never_accused),
		cmocka_unit_test(who_hears_nobody_accuses_nobody),
		cmocka_unit_test(wireguard_traffic_delays_an_accusation),
		cmocka_unit_test(the_dead_are_redialled_for_ever_with_a_backoff),
		cmocka_unit_test(booting_alone_among_a_thousand_is_quiet),
		cmocka_unit_test(a_pause_of_ours_accuses_nobody),
		cmocka_unit_test(a_node_that_is_always_late_goes_on_pinging),
		cmocka_unit_test(removal_in_mid_probe_is_safe),
		cmocka_unit_test(members_are_limited_and_self_is_none),
		cmocka_unit_test(a_sample_prefers_those_that_were_heard),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
