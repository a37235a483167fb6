#include "tests/support/solo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void make_keys(struct rng *rng, struct keys *ret)
{
	uint8_t seed[32];

	rng_bytes(rng, seed, sizeof(seed));
	keys_from_seed(seed, ret);
}

void solo_init(struct solo *w, size_t members)
{
	solo_init_as(w, members, &swim_mesh);
}

void solo_init_as(struct solo *w, size_t members, const struct swim_mechanisms *mechanisms)
{
	static const uint8_t seed[32] = {3};

	*w = (struct solo){.now = {1000000}, .helpers = SOLO_EVERYBODY, .check = SWIM_CHECK_FAILED};
	rng_init(&w->rng, seed);
	rng_bytes(&w->rng, &w->mesh, sizeof(w->mesh));
	make_keys(&w->rng, &w->self);
	make_keys(&w->rng, &w->stranger);
	for (size_t i = 0; i < SOLO_PEERS; i++)
		make_keys(&w->rng, &w->peers[i]);
	assert_int_equal(spread_new(&w->rng, &w->spread), 0);
	const struct swim_config config = {.mechanisms = mechanisms,
		.self = &w->self,
		.mesh = &w->mesh,
		.rng = &w->rng,
		.spread = w->spread,
		.generation = SOLO_GENERATION};
	assert_int_equal(swim_new(&config, w->now, &w->swim), 0);
	for (size_t i = 0; i < members; i++)
		assert_int_equal(swim_add(w->swim, w->now, &w->peers[i].id), 0);
}

void solo_done(struct solo *w)
{
	swim_free(w->swim);
	spread_free(w->spread);
}

struct statement solo_alive(
	const struct solo *w, const struct keys *subject, uint64_t generation, uint64_t version)
{
	struct statement s = {.kind = STATEMENT_ALIVE,
		.subject = subject->id,
		.incarnation = {generation, version}};

	statement_sign_alive(&s, &w->mesh, subject);
	return s;
}

struct statement solo_suspect(const struct solo *w, const struct keys *subject, uint64_t generation,
	uint64_t version, const struct keys *accuser)
{
	struct statement s = solo_alive(w, subject, generation, version);

	s.kind = STATEMENT_SUSPECT;
	s.accuser = accuser->id;
	statement_sign_suspect(&s, &w->mesh, accuser);
	return s;
}

size_t solo_encode(const struct statement *statement, uint8_t ret[SWIM_STATEMENT_MAX])
{
	struct pack out;

	pack_init(&out, ret, SWIM_STATEMENT_MAX);
	statement_encode(statement, &out);
	assert_int_equal(pack_status(&out), 0);
	return out.size;
}

int solo_receive(struct solo *w, struct statement statement, bool *ret_news)
{
	uint8_t bytes[SWIM_STATEMENT_MAX];
	size_t size = solo_encode(&statement, bytes);

	return swim_statement_received(w->swim, w->now, bytes, size, ret_news);
}

void solo_expect_news(struct solo *w, struct statement statement, bool expected)
{
	bool news = !expected;
	int err = solo_receive(w, statement, &news);

	assert_int_equal(err, 0);
	assert_int_equal(news, expected);
}

struct swim_info solo_info(const struct solo *w, size_t peer)
{
	struct swim_info ret;

	assert_true(swim_info(w->swim, &w->peers[peer].id, &ret));
	return ret;
}

void solo_expect_state(const struct solo *w, size_t peer, enum swim_state state)
{
	assert_string_equal(swim_state_label(solo_info(w, peer).state), swim_state_label(state));
}

size_t solo_peer_number(const struct solo *w, const struct id *id)
{
	size_t i = 0;

	while (i < SOLO_PEERS && !id_equal(&w->peers[i].id, id))
		i++;
	assert_true(i < SOLO_PEERS);
	return i;
}

struct solo_sent solo_answer(struct solo *w, unsigned who)
{
	struct swim_action action;
	struct solo_sent sent = {0};

	while (swim_next_action(w->swim, &action)) {
		size_t to = solo_peer_number(w, &action.to);

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
			if (who & w->helpers & 1U << to)
				swim_relay_received(w->swim, w->now, &action.to, action.sequence,
					who >> solo_peer_number(w, &action.target) & 1);
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

static void add_up(struct solo_sent *sum, const struct solo_sent *more)
{
	sum->pings += more->pings;
	sum->acks += more->acks;
	sum->requests += more->requests;
	sum->relays += more->relays;
	sum->nacks += more->nacks;
	sum->checks += more->checks;
	for (size_t i = 0; i < SOLO_PEERS; i++)
		sum->pings_to[i] += more->pings_to[i];
}

struct solo_sent solo_run(struct solo *w, int64_t ms, unsigned who)
{
	mtime_t end = mtime_add_ms(w->now, ms);
	struct solo_sent sum = solo_answer(w, who);

	while (mtime_before(swim_deadline(w->swim), end)) {
		if (mtime_before(w->now, swim_deadline(w->swim)))
			w->now = swim_deadline(w->swim);
		swim_tick(w->swim, w->now);
		struct solo_sent more = solo_answer(w, who);

		add_up(&sum, &more);
	}
	if (mtime_before(w->now, end))
		w->now = end;
	return sum;
}

void solo_introduce(struct solo *w, size_t members)
{
	for (size_t i = 0; i < members; i++) {
		swim_heard(w->swim, w->now, &w->peers[i].id);
		solo_expect_news(w, solo_alive(w, &w->peers[i], SOLO_GENERATION, 0), false);
	}
}

int64_t solo_wait_for(struct solo *w, size_t peer, enum swim_state state, unsigned who)
{
	mtime_t start = w->now;

	while (solo_info(w, peer).state != state) {
		assert_true(mtime_diff_ms(w->now, start) < 300000);
		solo_run(w, 10, who);
	}
	return mtime_diff_ms(w->now, start);
}

static void count_item(void *context, enum spread_kind kind, const uint8_t *bytes, size_t size)
{
	(void)kind, (void)bytes, (void)size;
	++*(size_t *)context;
}

size_t solo_news_waiting(const struct solo *w)
{
	return spread_count(w->spread);
}

void solo_forget_news(struct solo *w)
{
	size_t count = 0;

	while (spread_pick(w->spread, 1100, count_item, &count))
		;
	assert_int_equal(solo_news_waiting(w), 0);
}

size_t solo_greeting(struct solo *w, size_t peer, struct statement ret[2])
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
