/* The stream between two nodes: silent to strangers, bound to both ends, whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include <stdlib.h>

#include "gossip/base/rng.h"
#include "gossip/base/text.h"
#include "gossip/crypto/channel.h"

#define LENGTH_SIZE 4

static struct keys mesh, other_mesh, client_keys, server_keys, stranger;

static int make_keys(void **state)
{
	(void)state;
	uint8_t seed[32];

	keys_from_seed(memset(seed, 9, 32), &mesh);
	keys_from_seed(memset(seed, 8, 32), &other_mesh);
	keys_from_seed(memset(seed, 1, 32), &client_keys);
	keys_from_seed(memset(seed, 2, 32), &server_keys);
	keys_from_seed(memset(seed, 3, 32), &stranger);
	return 0;
}

/* Both ends, and what each has sent that the other has not got yet. */
struct fixture {
	struct rng rng;
	struct channel *client, *server;
	struct pack from_client, from_server;
};

static void open_ends(struct fixture *f, const struct id *client_mesh, enum channel_kind kind,
	const struct id *expect)
{
	rng_init(&f->rng, (const uint8_t[32]){1});
	pack_init_growing(&f->from_client, 1 << 20);
	pack_init_growing(&f->from_server, 1 << 20);
	assert_int_equal(channel_connect(client_mesh, kind, &client_keys, expect, &f->rng,
				 &f->from_client, &f->client),
		0);
	assert_int_equal(channel_accept(&mesh.id, &server_keys, &f->rng, &f->server), 0);
}

static void close_ends(struct fixture *f)
{
	channel_free(f->client);
	channel_free(f->server);
	pack_done(&f->from_client);
	pack_done(&f->from_server);
}

static int deliver(struct channel *to, struct pack *bytes)
{
	int err = channel_receive(to, bytes->data, bytes->size);

	bytes->size = 0;
	return err;
}

static int next_event(struct channel *channel, enum channel_event *ret)
{
	const uint8_t *message;
	size_t size;

	return channel_next(channel, ret, &message, &size);
}

static void expect_event(struct channel *channel, enum channel_event expected)
{
	enum channel_event event;

	assert_int_equal(next_event(channel, &event), 0);
	assert_int_equal(event, expected);
}

static void expect_message(struct channel *channel, const void *expected, size_t expected_size)
{
	enum channel_event event;
	const uint8_t *message;
	size_t size;

	assert_int_equal(channel_next(channel, &event, &message, &size), 0);
	assert_int_equal(event, CHANNEL_MESSAGE);
	assert_int_equal(size, expected_size);
	assert_memory_equal(message, expected, size);
}

static void bring_up(struct fixture *f)
{
	assert_int_equal(deliver(f->server, &f->from_client), 0);
	expect_event(f->server, CHANNEL_PEER);
	assert_int_equal(channel_allow(f->server, &f->from_server), 0);
	assert_int_equal(deliver(f->client, &f->from_server), 0);
	expect_event(f->client, CHANNEL_PEER);
}

static void a_client_and_a_server_come_to_talk(void **state)
{
	(void)state;
	struct fixture f;

	open_ends(&f, &mesh.id, CHANNEL_JOIN, &server_keys.id);
	expect_event(f.server, CHANNEL_NONE);
	assert_int_equal(deliver(f.server, &f.from_client), 0);
	expect_event(f.server, CHANNEL_PEER);
	expect_event(f.server, CHANNEL_NONE);
	assert_true(id_equal(channel_peer(f.server), &client_keys.id));
	assert_int_equal(channel_peer_kind(f.server), CHANNEL_JOIN);
	assert_int_equal(f.from_server.size, 0);
	assert_int_equal(channel_allow(f.server, &f.from_server), 0);
	assert_int_equal(deliver(f.client, &f.from_server), 0);
	expect_event(f.client, CHANNEL_PEER);
	assert_true(id_equal(channel_peer(f.client), &server_keys.id));

	assert_int_equal(channel_send(f.client, "ping", 4, &f.from_client), 0);
	assert_int_equal(channel_send(f.client, "", 0, &f.from_client), 0);
	assert_int_equal(deliver(f.server, &f.from_client), 0);
	expect_message(f.server, "ping", 4);
	expect_message(f.server, "", 0);
	expect_event(f.server, CHANNEL_NONE);
	assert_int_equal(channel_send(f.server, "pong", 4, &f.from_server), 0);
	assert_int_equal(deliver(f.client, &f.from_server), 0);
	expect_message(f.client, "pong", 4);
	close_ends(&f);
}

static void the_handshake_is_fixed(void **state)
{
	(void)state;
	struct fixture f;
	struct hash hash;
	char text[65];

	open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
	assert_int_equal(f.from_client.size, 145);
	keys_hash(KEYS_TOKEN, f.from_client.data, f.from_client.size, &hash);
	assert_string_equal(text_hex(&hash, 32, text),
		"e1923bea50375ee2b1e189d90b6412aa8de731bb6949f302f9e8f7e03fcbadbe");
	assert_int_equal(deliver(f.server, &f.from_client), 0);
	expect_event(f.server, CHANNEL_PEER);
	assert_int_equal(channel_allow(f.server, &f.from_server), 0);
	assert_int_equal(channel_send(f.server, "first", 5, &f.from_server), 0);
	assert_int_equal(f.from_server.size, 144 + LENGTH_SIZE + 17 + 5);
	keys_hash(KEYS_TOKEN, f.from_server.data, f.from_server.size, &hash);
	assert_string_equal(text_hex(&hash, 32, text),
		"7837a728688cfe349c4cfe873c0eb20396208ef9ba770fe4c9d52985083aeb2f");
	close_ends(&f);
}

static void whoever_does_not_know_the_mesh_hears_nothing(void **state)
{
	(void)state;
	struct fixture f;
	enum channel_event event = CHANNEL_END;

	open_ends(&f, &other_mesh.id, CHANNEL_MEMBER, NULL);
	assert_int_equal(deliver(f.server, &f.from_client), 0);
	assert_int_equal(next_event(f.server, &event), ERR_AUTH);
	assert_int_equal(event, CHANNEL_END);
	assert_int_equal(channel_allow(f.server, &f.from_server), ERR_STATE);
	assert_int_equal(next_event(f.server, &event), ERR_STATE);
	assert_int_equal(channel_receive(f.server, "x", 1), ERR_STATE);
	assert_int_equal(f.from_server.size, 0);
	close_ends(&f);
}

static void another_server_than_the_wanted_one_is_refused(void **state)
{
	(void)state;
	struct fixture f;
	enum channel_event event;

	open_ends(&f, &mesh.id, CHANNEL_MEMBER, &stranger.id);
	assert_int_equal(deliver(f.server, &f.from_client), 0);
	expect_event(f.server, CHANNEL_PEER);
	assert_int_equal(channel_allow(f.server, &f.from_server), 0);
	assert_int_equal(deliver(f.client, &f.from_server), 0);
	assert_int_equal(next_event(f.client, &event), ERR_AUTH);
	close_ends(&f);
}

static void every_changed_byte_of_the_hello_is_refused_in_silence(void **state)
{
	(void)state;
	for (size_t i = 0; i < 145; i++) {
		struct fixture f;
		enum channel_event event;

		open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
		f.from_client.data[i] ^= 0x10;
		assert_int_equal(deliver(f.server, &f.from_client), 0);
		assert_int_equal(next_event(f.server, &event), ERR_AUTH);
		assert_int_equal(channel_allow(f.server, &f.from_server), ERR_STATE);
		close_ends(&f);
	}
}

static void every_changed_byte_of_the_reply_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 144; i++) {
		struct fixture f;
		enum channel_event event;

		open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
		assert_int_equal(deliver(f.server, &f.from_client), 0);
		expect_event(f.server, CHANNEL_PEER);
		assert_int_equal(channel_allow(f.server, &f.from_server), 0);
		f.from_server.data[i] ^= 0x10;
		assert_int_equal(deliver(f.client, &f.from_server), 0);
		assert_int_not_equal(next_event(f.client, &event), 0);
		close_ends(&f);
	}
}

static void every_changed_byte_of_a_frame_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH_SIZE + 17 + 5; i++) {
		struct fixture f;
		enum channel_event event;
		int err;

		open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
		bring_up(&f);
		assert_int_equal(channel_send(f.client, "hello", 5, &f.from_client), 0);
		f.from_client.data[i] ^= 0x01;
		assert_int_equal(deliver(f.server, &f.from_client), 0);
		err = next_event(f.server, &event);
		/* a longer length waits for bytes that make it no better */
		if (!err) {
			static const uint8_t more[70000];

			assert_in_range(i, 0, LENGTH_SIZE - 1);
			assert_int_equal(event, CHANNEL_NONE);
			assert_int_equal(channel_receive(f.server, more, sizeof(more)), 0);
			err = next_event(f.server, &event);
		}
		assert_int_not_equal(err, 0);
		close_ends(&f);
	}
}

/* Low-order points of X25519 would make the shared secret known to all. */
static void a_low_order_ephemeral_key_is_refused(void **state)
{
	(void)state;
	struct fixture f;
	enum channel_event event;

	open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
	uint8_t reply[144] = {0};

	assert_int_equal(channel_receive(f.client, reply, sizeof(reply)), 0);
	assert_int_equal(next_event(f.client, &event), ERR_BAD_KEY);
	close_ends(&f);
}

static void bytes_arrive_in_any_pieces(void **state)
{
	(void)state;
	static const char *const said[] = {"one", "", "three is longer than the others"};
	struct fixture f;

	for (size_t piece = 1; piece < 220; piece++) {
		size_t got = 0;
		enum channel_event event;

		open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
		assert_int_equal(deliver(f.server, &f.from_client), 0);
		expect_event(f.server, CHANNEL_PEER);
		assert_int_equal(channel_allow(f.server, &f.from_server), 0);
		for (size_t i = 0; i < ARRAY_SIZE(said); i++)
			assert_int_equal(
				channel_send(f.server, said[i], strlen(said[i]), &f.from_server),
				0);
		assert_int_equal(channel_end(f.server, &f.from_server), 0);
		for (size_t at = 0; at < f.from_server.size; at += piece) {
			size_t left = f.from_server.size - at;
			const uint8_t *message;
			size_t size;

			assert_int_equal(channel_receive(f.client, f.from_server.data + at,
						 left < piece ? left : piece),
				0);
			for (;;) {
				assert_int_equal(
					channel_next(f.client, &event, &message, &size), 0);
				if (event == CHANNEL_NONE)
					break;
				if (event == CHANNEL_MESSAGE) {
					assert_int_equal(size, strlen(said[got - 1]));
					assert_memory_equal(message, said[got - 1], size);
				}
				got++;
			}
		}
		assert_int_equal(got, ARRAY_SIZE(said) + 2);
		close_ends(&f);
	}
}

static void the_hello_arrives_in_any_two_pieces(void **state)
{
	(void)state;
	for (size_t cut = 0; cut <= 145; cut++) {
		struct fixture f;

		open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
		assert_int_equal(channel_receive(f.server, f.from_client.data, cut), 0);
		if (cut < 145)
			expect_event(f.server, CHANNEL_NONE);
		assert_int_equal(channel_receive(f.server, f.from_client.data + cut, 145 - cut), 0);
		expect_event(f.server, CHANNEL_PEER);
		close_ends(&f);
	}
}

static void more_than_can_be_is_refused(void **state)
{
	(void)state;
	static uint8_t big[CHANNEL_RECEIVE_MAX + 1];
	static const uint8_t long_frame[] = {0, 1, 0x20, 0x12}; /* 72 KiB + 18 */
	static const uint8_t short_frame[] = {0, 0, 0, 16};
	enum channel_event event;
	struct fixture f;

	open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
	assert_int_equal(channel_receive(f.server, big, 146), ERR_TOO_BIG);
	assert_int_equal(channel_receive(f.client, big, sizeof(big)), ERR_TOO_BIG);
	close_ends(&f);

	open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
	assert_int_equal(deliver(f.server, &f.from_client), 0);
	expect_event(f.server, CHANNEL_PEER);
	assert_int_equal(channel_receive(f.server, "x", 1), ERR_TOO_BIG);
	close_ends(&f);

	open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
	bring_up(&f);
	assert_int_equal(channel_send(f.client, big, CHANNEL_MESSAGE_MAX, &f.from_client), 0);
	assert_int_equal(deliver(f.server, &f.from_client), 0);
	expect_message(f.server, big, CHANNEL_MESSAGE_MAX);
	assert_int_equal(
		channel_send(f.client, big, CHANNEL_MESSAGE_MAX + 1, &f.from_client), ERR_TOO_BIG);
	assert_int_equal(channel_send(f.client, "still up", 8, &f.from_client), 0);
	assert_int_equal(deliver(f.server, &f.from_client), 0);
	expect_message(f.server, "still up", 8);
	assert_int_equal(channel_receive(f.server, long_frame, sizeof(long_frame)), 0);
	assert_int_equal(next_event(f.server, &event), ERR_TOO_BIG);
	assert_int_equal(channel_receive(f.client, short_frame, sizeof(short_frame)), 0);
	assert_int_equal(next_event(f.client, &event), ERR_MALFORMED);
	close_ends(&f);
}

static void a_replayed_hello_gets_at_most_one_answer_no_longer_than_itself(void **state)
{
	(void)state;
	struct fixture f;
	struct channel *second;
	uint8_t hello[145], frame[64];
	enum channel_event event;
	size_t frame_size;

	open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
	memcpy(hello, f.from_client.data, sizeof(hello));
	bring_up(&f);
	assert_int_equal(channel_send(f.client, "once", 4, &f.from_client), 0);
	frame_size = f.from_client.size;
	memcpy(frame, f.from_client.data, frame_size);

	assert_int_equal(channel_accept(&mesh.id, &server_keys, &f.rng, &second), 0);
	assert_int_equal(channel_receive(second, hello, sizeof(hello)), 0);
	expect_event(second, CHANNEL_PEER);
	assert_int_equal(channel_allow(second, &f.from_server), 0);
	assert_in_range(f.from_server.size, 1, sizeof(hello));
	assert_int_equal(channel_allow(second, &f.from_server), ERR_STATE);
	/* and what was said after the first hello means nothing after the second */
	assert_int_equal(channel_receive(second, frame, frame_size), 0);
	assert_int_equal(next_event(second, &event), ERR_AUTH);
	channel_free(second);
	close_ends(&f);
}

static void a_frame_counts_once_and_in_its_place(void **state)
{
	(void)state;
	enum channel_event event;
	uint8_t frame[64];
	struct fixture f;
	size_t size;

	open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
	bring_up(&f);
	assert_int_equal(channel_send(f.client, "once", 4, &f.from_client), 0);
	size = f.from_client.size;
	memcpy(frame, f.from_client.data, size);
	assert_int_equal(deliver(f.server, &f.from_client), 0);
	expect_message(f.server, "once", 4);
	assert_int_equal(channel_receive(f.server, frame, size), 0);
	assert_int_equal(next_event(f.server, &event), ERR_AUTH);
	/* nor does it go back to its sender */
	assert_int_equal(channel_receive(f.client, frame, size), 0);
	assert_int_equal(next_event(f.client, &event), ERR_AUTH);
	close_ends(&f);
}

static void an_end_is_said_once_and_nothing_follows(void **state)
{
	(void)state;
	struct fixture f;

	open_ends(&f, &mesh.id, CHANNEL_MEMBER, NULL);
	assert_int_equal(channel_send(f.client, "early", 5, &f.from_client), ERR_STATE);
	bring_up(&f);
	assert_int_equal(channel_send(f.client, "last", 4, &f.from_client), 0);
	assert_int_equal(channel_end(f.client, &f.from_client), 0);
	assert_int_equal(channel_send(f.client, "more", 4, &f.from_client), ERR_STATE);
	assert_int_equal(channel_end(f.client, &f.from_client), ERR_STATE);
	assert_int_equal(deliver(f.server, &f.from_client), 0);
	expect_message(f.server, "last", 4);
	expect_event(f.server, CHANNEL_END);
	expect_event(f.server, CHANNEL_NONE);
	/* the other direction is still open */
	assert_int_equal(channel_send(f.server, "bye", 3, &f.from_server), 0);
	assert_int_equal(channel_end(f.server, &f.from_server), 0);
	assert_int_equal(deliver(f.client, &f.from_server), 0);
	expect_message(f.client, "bye", 3);
	expect_event(f.client, CHANNEL_END);
	assert_int_equal(channel_receive(f.server, "x", 1), ERR_TOO_BIG);
	close_ends(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_and_a_server_come_to_talk),
		cmocka_unit_test(the_handshake_is_fixed),
		cmocka_unit_test(whoever_does_not_know_the_mesh_hears_nothing),
		cmocka_unit_test(another_server_than_the_wanted_one_is_refused),
		cmocka_unit_test(every_changed_byte_of_the_hello_is_refused_in_silence),
		cmocka_unit_test(every_changed_byte_of_the_reply_is_refused),
		cmocka_unit_test(every_changed_byte_of_a_frame_is_refused),
		cmocka_unit_test(a_low_order_ephemeral_key_is_refused),
		cmocka_unit_test(bytes_arrive_in_any_pieces),
		cmocka_unit_test(the_hello_arrives_in_any_two_pieces),
		cmocka_unit_test(more_than_can_be_is_refused),
		cmocka_unit_test(a_replayed_hello_gets_at_most_one_answer_no_longer_than_itself),
		cmocka_unit_test(a_frame_counts_once_and_in_its_place),
		cmocka_unit_test(an_end_is_said_once_and_nothing_follows),
	};
	return cmocka_run_group_tests(tests, make_keys, NULL);
}
