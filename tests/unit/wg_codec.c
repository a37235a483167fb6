/* WireGuard's two languages: generic netlink and the text of the UAPI socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>

#include "gossip/base/text.h"
#include "wg/nl_attr.h"
#include "wg/uapi.h"
#include "wg/wg_msg.h"

static struct wg_peer *add(struct wg_device *device, uint8_t number)
{
	uint8_t key[WG_KEY_SIZE] = {number};
	struct wg_peer *peer;

	assert_int_equal(wg_device_add_peer(device, key, &peer), 0);
	return peer;
}

static void allow(struct wg_peer *peer, const char *text)
{
	struct prefix prefix;

	assert_int_equal(text_parse_prefix(text, false, &prefix), 0);
	assert_int_equal(wg_peer_add_allowed(peer, &prefix), 0);
}

/* One of everything. */
static void build(struct wg_device *device)
{
	struct wg_peer *peer;

	memset(device->private_key, 0x11, WG_KEY_SIZE);
	device->listen_port = 51820;
	device->fwmark = 7;
	peer = add(device, 1);
	memset(peer->preshared_key, 0x22, WG_KEY_SIZE);
	assert_int_equal(text_parse_endpoint("192.0.2.1:51820", &peer->endpoint), 0);
	peer->keepalive_s = 25;
	allow(peer, "100.64.0.1/32");
	peer = add(device, 2);
	assert_int_equal(text_parse_endpoint("[2001:db8::2]:1", &peer->endpoint), 0);
	allow(peer, "fd00::2/128");
	assert_int_equal(wg_device_seal(device), 0);
}

static struct wg_ops ops_to(const struct wg_device *want)
{
	struct wg_device none = {0};
	struct wg_ops ops;

	assert_int_equal(wg_diff(want, &none, &ops), 0);
	return ops;
}

/* Worked out by hand from linux/wireguard.h and linux/netlink.h, for a little-endian host. */
static void a_set_message_has_these_bytes(void **state)
{
	(void)state;
	static const char golden[] =
		"e4000000"
		"1c00"
		"0000"
		"00000000"
		"00000000"
		"01010000" /* SET_DEVICE, version 1 */
		"08000100"
		"05000000" /* IFINDEX */
		"08000700"
		"07000000" /* FWMARK */
		"06000600"
		"6cca0000" /* LISTEN_PORT */
		"24000300"
		"1111111111111111111111111111111111111111111111111111111111111111"
		"94000880"
		"90000080" /* PEERS, the first, both marked as nested */
		"24000100"
		"0100000000000000000000000000000000000000000000000000000000000000"
		"08000300"
		"02000000" /* FLAGS: REPLACE_ALLOWEDIPS */
		"24000200"
		"2222222222222222222222222222222222222222222222222222222222222222"
		"14000400"
		"0200ca6cc00002010000000000000000" /* ENDPOINT: a sockaddr_in */
		"06000500"
		"19000000" /* keepalive: 25 s */
		"20000980"
		"1c000080" /* ALLOWEDIPS, the first */
		"06000100"
		"02000000"
		"08000200"
		"64400001"
		"05000300"
		"20000000";
	struct wg_device want = {0};
	struct wg_msg_writer writer;
	struct wg_ops ops;
	union nl_msg msg;
	char text[2 * NL_MESSAGE_MAX + 1];

	build(&want);
	want.peer_count = 1;
	ops = ops_to(&want);
	want.peer_count = 2;
	writer = wg_msg_writer(&ops, 28, 5);
	assert_true(wg_msg_next(&writer, &msg, sizeof(msg)));
	assert_string_equal(text_hex(msg.bytes, msg.header.nlmsg_len, text), golden);
	assert_false(wg_msg_next(&writer, &msg, sizeof(msg)));
	wg_ops_done(&ops);
	wg_device_done(&want);
}

/* Peers with none, few and more prefixes than a message holds, of both families. */
static void build_many(struct wg_device *device, uint32_t peers)
{
	char text[64];

	memset(device->private_key, 0x11, WG_KEY_SIZE);
	device->listen_port = 1;
	for (uint32_t i = 0; i < peers; i++) {
		uint8_t key[WG_KEY_SIZE] = {1, i >> 8, i};
		uint32_t count = i % 7 == 3 ? 600 : i % 4;
		struct wg_peer *peer;

		assert_int_equal(wg_device_add_peer(device, key, &peer), 0);
		peer->keepalive_s = i;
		if (i % 3)
			assert_int_equal(
				text_parse_endpoint("[2001:db8::1]:5", &peer->endpoint), 0);
		for (uint32_t j = 0; j < count; j++) {
			snprintf(text, sizeof(text),
				j % 2 ? "10.%u.%u.%u/32" : "fd00:%x:%x::%x/128", i, j >> 8,
				j & 255);
			allow(peer, text);
		}
	}
	assert_int_equal(wg_device_seal(device), 0);
}

static void expect_same(const struct wg_device *want, struct wg_device *read)
{
	struct wg_ops ops;

	assert_int_equal(wg_device_seal(read), 0);
	assert_int_equal(wg_diff(want, read, &ops), 0);
	assert_int_equal(ops.count, 0);
	wg_ops_done(&ops);
}

static void any_number_of_peers_and_prefixes_is_split_over_messages_and_read_back(void **state)
{
	(void)state;
	for (size_t limit = 512; limit <= NL_MESSAGE_MAX; limit += limit / 3) {
		struct wg_device want = {0}, read = {0};
		struct wg_msg_writer writer;
		struct wg_ops ops;
		union nl_msg msg;
		size_t messages = 0;

		build_many(&want, 90);
		ops = ops_to(&want);
		writer = wg_msg_writer(&ops, 28, 5);
		while (wg_msg_next(&writer, &msg, limit)) {
			assert_true(msg.header.nlmsg_len <= limit);
			assert_int_equal(wg_msg_read(&msg.header, &read), 0);
			messages++;
		}
		assert_true(messages > 200000 / limit);
		expect_same(&want, &read);
		wg_ops_done(&ops);
		wg_device_done(&want);
		wg_device_done(&read);
	}
}

/* A set's lines are a get's, but for its verbs, which the reader skips as unknown. */
static void a_set_request_says_all_that_a_get_would(void **state)
{
	(void)state;
	struct wg_device want = {0}, read = {0};
	struct uapi_writer writer;
	struct wg_ops ops;
	char request[4096], *all = NULL;
	size_t size, total = 0;
	int number;

	build(&want);
	ops = ops_to(&want);
	writer = uapi_writer(&ops);
	while ((size = uapi_next(&writer, request, sizeof(request)))) {
		assert_true(uapi_complete(request, size));
		all = realloc(all, total + size + 16);
		memcpy(all + total, request, size - 1);
		total += size - 1;
	}
	total += sprintf(all + total, "errno=0\n\n");
	assert_int_equal(uapi_read_device(all, total, &read, &number), 0);
	expect_same(&want, &read);
	free(all);
	wg_ops_done(&ops);
	wg_device_done(&want);
	wg_device_done(&read);
}

static void a_long_request_is_cut_at_prefixes_and_goes_on_with_the_same_peer(void **state)
{
	(void)state;
	struct wg_device want = {0};
	struct uapi_writer writer;
	struct wg_ops ops;
	char request[2048];
	size_t size, requests = 0, prefixes = 0;

	build_many(&want, 4);
	ops = ops_to(&want);
	writer = uapi_writer(&ops);
	while ((size = uapi_next(&writer, request, sizeof(request)))) {
		request[size - 1] = '\0';
		assert_memory_equal(request, "set=1\n", 6);
		for (char *at = request; (at = strstr(at, "\nallowed_ip=")); at++)
			prefixes++;
		if (requests++ > 1 && size > 1000) /* the peer with 600 */
			assert_null(strstr(request + 80, "keepalive"));
	}
	assert_int_equal(prefixes, ops.prefix_count);
	assert_true(requests > 6);
	wg_ops_done(&ops);
	wg_device_done(&want);
}

#define KEY_A "00000000000000000000000000000000000000000000000000000000000000aa"
#define KEY_B "00000000000000000000000000000000000000000000000000000000000000bb"

static void an_answer_is_read_whole(void **state)
{
	(void)state;
	static const char text[] =
		"private_key=" KEY_A "\nlisten_port=51820\nfwmark=3\npublic_key=" KEY_B
		"\npreshared_key=" KEY_A "\nprotocol_version=1\nendpoint=[fe80::1%eth0]:7\n"
		"last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=5000000\n"
		"tx_bytes=18446744073709551615\nrx_bytes=2\npersistent_keepalive_interval=25\n"
		"allowed_ip=10.0.0.0/8\nallowed_ip=fd00::/48\nsome_new_key=1\nerrno=0\n\n";
	struct wg_device device;
	int number;

	assert_int_equal(uapi_read_device(text, sizeof(text) - 1, &device, &number), 0);
	assert_int_equal(device.listen_port, 51820);
	assert_int_equal(device.fwmark, 3);
	assert_int_equal(device.peer_count, 1);
	assert_int_equal(device.peers[0].allowed_count, 2);
	assert_int_equal(device.peers[0].endpoint.port, 7);
	assert_true(device.peers[0].last_handshake.ms == 1700000000005);
	assert_true(device.peers[0].tx_bytes == UINT64_MAX);
	assert_int_equal(device.public_key[31] & 0x80, 0);
	wg_device_done(&device);
}

static void a_bad_answer_changes_nothing(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"\n",
		"errno=0\n",
		"errno=0",
		"errno=0\n\nx",
		"errno=0\n\n\n",
		"errno=\n\n",
		"errno=--1\n\n",
		"errno=99999\n\n",
		"listen_port=1\n\n",
		"listen_port=65536\nerrno=0\n\n",
		"listen_port=-1\nerrno=0\n\n",
		"listen_port=1\nlisten_port=1\nerrno=0\n\n",
		"listen_port\nerrno=0\n\n",
		"=1\nerrno=0\n\n",
		"private_key=aa\nerrno=0\n\n",
		"private_key=" KEY_A "00\nerrno=0\n\n",
		"preshared_key=" KEY_A "\nerrno=0\n\n",
		"public_key=" KEY_A "\nlisten_port=1\nerrno=0\n\n",
		"public_key=" KEY_A "\npublic_key=" KEY_A "\nerrno=0\n\n",
		"public_key=" KEY_A "\nallowed_ip=10.0.0.1/8\nerrno=0\n\n",
		"public_key=" KEY_A "\nallowed_ip=10.0.0.0/33\nerrno=0\n\n",
		"public_key=" KEY_A "\nendpoint=1.2.3.4\nerrno=0\n\n",
		"public_key=" KEY_A "\nendpoint=[fe80::1%x:1\nerrno=0\n\n",
		"public_key=" KEY_A "\nrx_bytes=18446744073709551616\nerrno=0\n\n",
		"public_key=" KEY_A "\nlast_handshake_time_sec=9223372036854775807\nerrno=0\n\n",
		"public_key=" KEY_A "\nallowed_ip=10.0.0.0/8\npublic_key=" KEY_B
		"\nallowed_ip=10.0.0.0/8\nerrno=0\n\n",
	};
	struct wg_device device = {.listen_port = 77};
	int number = 77;
	char line[1024];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int err = uapi_read_device(bad[i], strlen(bad[i]), &device, &number);
		if (err != ERR_MALFORMED)
			fail_msg("%s: %s", bad[i], err_text(err));
	}
	memset(line, 'x', sizeof(line));
	line[3] = '=';
	line[sizeof(line) - 1] = '\n';
	assert_int_equal(uapi_read_device(line, sizeof(line), &device, &number), ERR_MALFORMED);
	assert_int_equal(device.listen_port, 77);
	assert_int_equal(number, 77);
	assert_int_equal(uapi_read_device("errno=-22\n\n", 11, &device, &number), ERR_SYSTEM);
	assert_int_equal(number, 22);
	assert_int_equal(uapi_read_status("errno=0\n\n", 9, &number), 0);
	assert_int_equal(number, 0);
	assert_int_equal(uapi_read_status("fwmark=1\nerrno=0\n\n", 18, &number), ERR_MALFORMED);
}

static void netlink_attributes_never_reach_beyond_their_message(void **state)
{
	(void)state;
	struct wg_device want = {0};
	struct wg_msg_writer writer;
	struct wg_ops ops;
	union nl_msg msg;

	build(&want);
	ops = ops_to(&want);
	writer = wg_msg_writer(&ops, 28, 5);
	assert_true(wg_msg_next(&writer, &msg, sizeof(msg)));
	for (size_t at = NLMSG_HDRLEN; at < msg.header.nlmsg_len; at++)
		for (int bit = 0; bit < 8; bit++) {
			struct wg_device read = {0};
			uint8_t *copy = malloc(msg.header.nlmsg_len);

			memcpy(copy, msg.bytes, msg.header.nlmsg_len);
			copy[at] ^= 1 << bit;
			if (wg_msg_read((struct nlmsghdr *)copy, &read) == 0)
				(void)!wg_device_seal(&read);
			wg_device_done(&read);
			free(copy);
		}
	wg_ops_done(&ops);
	wg_device_done(&want);
}

static void the_kernels_own_words_are_kept(void **state)
{
	(void)state;
	union nl_msg msg;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(msg.bytes);
	struct nlmsgerr *body = mnl_nlmsg_put_extra_header(nlh, sizeof(*body));
	char text[NL_ERROR_MAX];
	int number = 0;

	nlh->nlmsg_type = NLMSG_ERROR;
	nlh->nlmsg_flags = NLM_F_CAPPED | NLM_F_ACK_TLVS;
	body->error = -95;
	body->msg.nlmsg_len = 4000; /* of the request, which the kernel was asked not to echo */
	mnl_attr_put_strz(nlh, NLMSGERR_ATTR_MSG, "Unknown device type\033[31m");
	assert_int_equal(nl_error_parse(nlh, &number, text), 0);
	assert_int_equal(number, 95);
	assert_string_equal(text, "Unknown device type?[31m");
	nlh->nlmsg_flags = NLM_F_ACK_TLVS;
	assert_int_equal(nl_error_parse(nlh, &number, text), ERR_MALFORMED);
	nlh->nlmsg_flags = 0;
	assert_int_equal(nl_error_parse(nlh, &number, text), 0);
	assert_string_equal(text, "");
	nlh->nlmsg_len = NLMSG_HDRLEN + 4;
	assert_int_equal(nl_error_parse(nlh, &number, text), ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_set_message_has_these_bytes),
		cmocka_unit_test(
			any_number_of_peers_and_prefixes_is_split_over_messages_and_read_back),
		cmocka_unit_test(a_set_request_says_all_that_a_get_would),
		cmocka_unit_test(a_long_request_is_cut_at_prefixes_and_goes_on_with_the_same_peer),
		cmocka_unit_test(an_answer_is_read_whole),
		cmocka_unit_test(a_bad_answer_changes_nothing),
		cmocka_unit_test(netlink_attributes_never_reach_beyond_their_message),
		cmocka_unit_test(the_kernels_own_words_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
