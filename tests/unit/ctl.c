/* The control socket against clients that are slow, silent, rude or too many. The daemon around it
 * is played by this file: the control socket asks it for little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/attach.h"
#include "daemon/daemon_backup.h"
#include "daemon/ctl.h"
#include "daemon/ctl_client.h"
#include "daemon/discover.h"
#include "daemon/events.h"
#include "daemon/ipc/ipc.h"
#include "daemon/log.h"
#include "daemon/recon.h"
#include "daemon/recon_l2.h"
#include "daemon/rotate.h"
#include "gossip/record/value.h"
#include "tests/support/cluster.h"

static struct daemon daemon_;
static daemon_done_cb join_done;
static void *join_arg;
static const void *forgotten;

/* ---- the daemon, as far as the control socket knows it ---- */

struct gossip_time daemon_time(struct daemon *daemon)
{
	(void)daemon;
	return (struct gossip_time){.synced = true};
}

void daemon_wake(struct daemon *daemon)
{
	(void)daemon;
}

int daemon_after_ticket(struct daemon *daemon, uint64_t ticket, daemon_ticket_cb done, void *arg)
{
	(void)daemon, (void)ticket, (void)done, (void)arg;
	return ERR_NOMEM;
}

void daemon_forget(struct daemon *daemon, const void *arg)
{
	(void)daemon;
	forgotten = arg;
}

int daemon_init_mesh(
	struct daemon *daemon, const struct daemon_init *init, daemon_done_cb done, void *arg)
{
	(void)daemon, (void)init, (void)done, (void)arg;
	return ERR_STATE;
}

int daemon_join_mesh(struct daemon *daemon, const char *token, const char *node_name,
	int64_t timeout_ms, daemon_done_cb done, void *arg)
{
	(void)daemon, (void)token, (void)node_name, (void)timeout_ms;
	join_done = done;
	join_arg = arg;
	return 0;
}

int daemon_leave(struct daemon *daemon, bool force, daemon_done_cb done, void *arg)
{
	(void)daemon, (void)force, (void)done, (void)arg;
	return ERR_STATE;
}

int daemon_backup(struct daemon *daemon, struct backup *ret)
{
	(void)daemon, (void)ret;
	return ERR_STATE;
}

int daemon_may_backup(struct daemon *daemon)
{
	(void)daemon;
	return ERR_STATE;
}

int daemon_may_restore(struct daemon *daemon)
{
	(void)daemon;
	return ERR_STATE;
}

int daemon_restore(struct daemon *daemon, struct backup *backup, daemon_done_cb done, void *arg)
{
	(void)daemon, (void)backup, (void)done, (void)arg;
	return ERR_STATE;
}

void recon_status(const struct recon *recon, struct recon_status *ret)
{
	(void)recon;
	*ret = (struct recon_status){.backend = "none", .interface = "mesh0", .up = true};
}

const struct wg_peer *recon_peer(const struct recon *recon, const uint8_t public[WG_KEY_SIZE])
{
	(void)recon, (void)public;
	return NULL;
}

bool recon_reaches(const struct recon *recon, const struct id *node)
{
	(void)recon, (void)node;
	return false;
}

void recon_l2_status(const struct recon_l2 *l2, const char *segment, struct recon_l2_status *ret)
{
	(void)l2, (void)segment;
	*ret = (struct recon_l2_status){.up = false};
}

const struct recon_faults *recon_l2_faults(
	const struct recon_l2 *l2, size_t index, const char **ret_segment)
{
	(void)l2, (void)index, (void)ret_segment;
	return NULL;
}

uint16_t recon_l2_mtu(const struct recon_l2 *l2, const struct gossip_segment *segment)
{
	(void)l2, (void)segment;
	return 0;
}

const struct plan *recon_plan(const struct recon *recon)
{
	(void)recon;
	return NULL;
}

const struct wg_device *recon_observed(const struct recon *recon)
{
	(void)recon;
	return NULL;
}

const struct recon_host *recon_host(const struct recon *recon)
{
	(void)recon;
	return NULL;
}

const struct recon_faults *recon_faults(const struct recon *recon)
{
	(void)recon;
	return NULL;
}

const struct attach *attach_find(const struct daemon *daemon, const char *segment)
{
	(void)daemon, (void)segment;
	return NULL;
}

const struct attach *attach_at(const struct daemon *daemon, size_t index)
{
	(void)daemon, (void)index;
	return NULL;
}

int attach_put(struct daemon *daemon, const struct attach *attach, uint64_t *ret_ticket)
{
	(void)daemon, (void)attach, (void)ret_ticket;
	return ERR_NOMEM;
}

int attach_remove(struct daemon *daemon, const char *segment, uint64_t *ret_ticket)
{
	(void)daemon, (void)segment, (void)ret_ticket;
	return ERR_NOMEM;
}

int rotate_begin(struct daemon *daemon, bool force)
{
	(void)daemon, (void)force;
	return ERR_STATE;
}

bool rotate_under_way(const struct daemon *daemon)
{
	(void)daemon;
	return false;
}

bool rotate_next_waiting(const struct daemon *daemon, size_t *index, struct gossip_member *ret)
{
	(void)daemon, (void)index, (void)ret;
	return false;
}

const struct keys *daemon_wireguard_keys(const struct daemon *daemon)
{
	(void)daemon;
	abort();
}

const char *discover_state_label(const struct discover *discover)
{
	(void)discover;
	return "off";
}

const struct discover_view *discover_view(const struct discover *discover)
{
	(void)discover;
	abort();
}

size_t discover_count(const struct discover *discover)
{
	(void)discover;
	return 0;
}

const struct discover_link *discover_links(const struct discover *discover, size_t *ret_count)
{
	(void)discover, (void)ret_count;
	abort();
}

/* ---- the stage ---- */

static void swallow(const char *line, void *arg)
{
	(void)line, (void)arg;
}

static int64_t no_time(void)
{
	return 0;
}

static int set_up(void **state)
{
	static char folder[] = "/tmp/meshd-test-ctl-XXXXXX";

	memset(&daemon_, 0, sizeof(daemon_));
	strcpy(strrchr(folder, '-'), "-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(daemon_.options.state_dir, sizeof(daemon_.options.state_dir), "%s", folder);
	snprintf(daemon_.options.socket, sizeof(daemon_.options.socket), "%s/sock", folder);
	strcpy(daemon_.error, "the time is not ripe");
	log_capture(swallow, no_time, NULL);
	assert_int_equal(uv_loop_init(&daemon_.loop), 0);
	assert_int_equal(events_new(&daemon_.events), 0);
	forgotten = NULL;
	*state = &daemon_;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ctl_part.stop(&daemon_);
	uv_run(&daemon_.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&daemon_.loop), 0);
	ctl_part.free(&daemon_);
	events_free(daemon_.events);
	unlink(daemon_.options.socket);
	assert_int_equal(rmdir(daemon_.options.state_dir), 0);
	return 0;
}

static void start(void)
{
	assert_int_equal(ctl_part.start(&daemon_), 0);
}

static struct sockaddr_un address(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	snprintf(to.sun_path, sizeof(to.sun_path), "%.100s", daemon_.options.socket);
	return to;
}

static int connect_to(void)
{
	struct sockaddr_un to = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void turn(void)
{
	uv_run(&daemon_.loop, UV_RUN_NOWAIT);
}

static void send_bytes(int fd, const void *data, size_t size)
{
	assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

static void ask(int fd, const struct ipc_request *request)
{
	struct pack out;

	pack_init_growing(&out, IPC_REQUEST_MAX);
	ipc_request_encode(request, &out);
	send_bytes(fd, out.data, out.size);
	pack_done(&out);
}

static void ask_events(int fd, bool follow)
{
	struct ipc_request request;

	ipc_request_init(&request, IPC_VERB_EVENTS);
	if (follow)
		ipc_request_set_number(&request, IPC_ARG_FOLLOW, true);
	ask(fd, &request);
}

/* So many bytes, or false once the daemon has hung up. */
static bool take(int fd, uint8_t *ret, size_t size)
{
	for (size_t have = 0; have < size;) {
		ssize_t got = recv(fd, ret + have, size - have, 0);

		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return false;
		assert_true(got > 0 || errno == EAGAIN);
		if (got > 0)
			have += (size_t)got;
		else
			turn();
	}
	return true;
}

/* The next reply; its bytes are good until the next call. */
static bool answer(int fd, struct ipc_reply *ret)
{
	static uint8_t bytes[1 << 20];
	uint8_t head[IPC_HEAD_SIZE];
	size_t size;

	if (!take(fd, head, sizeof(head)))
		return false;
	assert_int_equal(ipc_head(head, sizeof(bytes), &size), 0);
	assert_true(take(fd, bytes, size));
	assert_int_equal(ipc_reply_decode(bytes, size, ret), 0);
	return true;
}

static void expect_refusal(int fd, const char *name)
{
	struct ipc_reply reply;

	assert_true(answer(fd, &reply));
	assert_int_equal(reply.kind, IPC_REPLY_ERROR);
	assert_string_equal(reply.error_name, name);
}

static void expect_end(int fd)
{
	struct ipc_reply reply;

	assert_true(answer(fd, &reply));
	assert_int_equal(reply.kind, IPC_REPLY_OK);
}

static void expect_hang_up(int fd)
{
	uint8_t byte;

	assert_false(take(fd, &byte, 1));
	close(fd);
}

static void happen(const char *cause)
{
	events_add(daemon_.events, &(struct event){.label = "joined", .cause = cause});
}

static void expect_event(int fd, const char *cause)
{
	struct ipc_reply reply;

	assert_true(answer(fd, &reply));
	assert_int_equal(reply.kind, IPC_REPLY_ITEM);
	assert_non_null(memmem(reply.value, reply.value_size, cause, strlen(cause)));
}

/* ---- promises ---- */

static void a_connection_may_ask_again_when_it_has_its_answer(void **state)
{
	(void)state;
	start();
	int fd = connect_to();
	happen("first");
	ask_events(fd, false);
	expect_event(fd, "first");
	expect_end(fd);
	ask_events(fd, false);
	expect_event(fd, "first");
	expect_end(fd);
	close(fd);
}

/* A quick client has read its answer, and asks again, before the daemon is told that the answer has
 * gone out. Here both are asked for at once, which comes to the same. */
static void who_asks_again_very_quickly_is_answered(void **state)
{
	(void)state;
	start();
	int fd = connect_to();
	happen("first");
	ask_events(fd, false);
	ask_events(fd, false);
	for (int i = 0; i < 2; i++) {
		expect_event(fd, "first");
		expect_end(fd);
	}
	close(fd);
}

static void a_request_may_come_byte_by_byte(void **state)
{
	(void)state;
	struct ipc_request request;
	struct pack out;

	start();
	int fd = connect_to();
	ipc_request_init(&request, IPC_VERB_EVENTS);
	pack_init_growing(&out, IPC_REQUEST_MAX);
	ipc_request_encode(&request, &out);
	for (size_t i = 0; i < out.size; i++) {
		send_bytes(fd, out.data + i, 1);
		turn();
	}
	pack_done(&out);
	expect_end(fd);
	close(fd);
}

static void rubbish_is_refused_and_the_daemon_goes_on(void **state)
{
	(void)state;
	static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff}, empty[] = {0, 0, 0, 0};
	static const uint8_t rubbish[] = {0, 0, 0, 3, 0xc1, 0, 0};
	static const uint8_t other_version[] = "\0\0\0\x16\x83\xa1v\x02\xa4verb\xa6status\xa4"
					       "args\x80";

	start();
	int fd = connect_to();
	send_bytes(fd, huge, sizeof(huge));
	expect_refusal(fd, "too_big");
	expect_hang_up(fd);
	fd = connect_to();
	send_bytes(fd, empty, sizeof(empty));
	expect_refusal(fd, "malformed");
	expect_hang_up(fd);
	fd = connect_to();
	send_bytes(fd, rubbish, sizeof(rubbish));
	expect_refusal(fd, "malformed");
	send_bytes(fd, other_version, sizeof(other_version) - 1);
	expect_refusal(fd, "version");
	ask_events(fd, false);
	expect_end(fd);
	close(fd);
}

static void more_clients_than_allowed_are_told_so(void **state)
{
	(void)state;
	int fds[IPC_CLIENTS_MAX + CTL_CLIENTS_RESERVED]; /* we are the daemon's own user */

	start();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = connect_to();
		ask_events(fds[i], false);
		expect_end(fds[i]);
	}
	int fd = connect_to();
	expect_refusal(fd, "limit");
	expect_hang_up(fd);
	close(fds[0]);
	turn();
	turn();
	fd = connect_to();
	ask_events(fd, false);
	expect_end(fd);
	close(fd);
	for (size_t i = 1; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void a_follower_sees_what_was_and_what_comes(void **state)
{
	(void)state;
	start();
	int fd = connect_to();
	happen("before");
	ask_events(fd, true);
	expect_event(fd, "before");
	happen("after");
	expect_event(fd, "after");
	happen("two at");
	happen("one time");
	expect_event(fd, "two at");
	expect_event(fd, "one time");
	close(fd);
}

static void a_slow_follower_is_told_what_it_missed_and_dropped(void **state)
{
	(void)state;
	struct ipc_reply reply;
	size_t items = 0;
	char cause[16];

	start();
	int fd = connect_to();
	ask_events(fd, true);
	for (int i = 0; i < 3 * EVENTS_MAX; i++) {
		snprintf(cause, sizeof(cause), "number %d", i);
		happen(cause);
		if (i % 100 == 0)
			turn();
	}
	while (answer(fd, &reply) && reply.kind == IPC_REPLY_ITEM)
		items++;
	assert_int_equal(reply.kind, IPC_REPLY_ERROR);
	assert_string_equal(reply.error_name, "limit");
	assert_in_range(items, 1, EVENTS_MAX);
	/* The connection itself is good: it asks again, and has what is kept. */
	ask_events(fd, false);
	for (items = 0; answer(fd, &reply) && reply.kind == IPC_REPLY_ITEM;)
		items++;
	assert_int_equal(reply.kind, IPC_REPLY_OK);
	assert_int_equal(items, EVENTS_MAX);
	close(fd);
}

/* Asks, and reads too slowly to keep up; the stream has ended. */
static void fall_behind(int fd)
{
	struct ipc_reply reply;

	ask_events(fd, true);
	for (int i = 0; i < 3 * EVENTS_MAX; i++) {
		happen("much");
		if (i % 100 == 0)
			turn();
	}
	while (answer(fd, &reply) && reply.kind == IPC_REPLY_ITEM)
		;
	assert_int_equal(reply.kind, IPC_REPLY_ERROR);
}

static void a_stream_that_has_ended_follows_no_more(void **state)
{
	(void)state;
	struct ipc_request request;
	uint8_t byte;

	start();
	int fd = connect_to();
	fall_behind(fd);
	/* What happens now is nothing to whoever waits for something else. */
	ipc_request_init(&request, IPC_VERB_JOIN);
	assert_int_equal(ipc_request_set_text(&request, IPC_ARG_TOKEN, "mesh1_x"), 0);
	join_done = NULL;
	ask(fd, &request);
	while (!join_done)
		turn();
	happen("unheard");
	for (int i = 0; i < 10; i++)
		turn();
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	join_done(join_arg, ERR_EXPIRED, "token has expired");
	expect_refusal(fd, "expired");
	/* And who follows anew is one follower, not two. */
	fall_behind(fd);
	ask_events(fd, true);
	while (turn(), recv(fd, &byte, 1, MSG_PEEK) < 0)
		;
	happen("heard");
	close(fd);
}

static void who_goes_away_is_forgotten_at_once(void **state)
{
	(void)state;
	struct ipc_request request;

	start();
	int fd = connect_to();
	ipc_request_init(&request, IPC_VERB_JOIN);
	assert_int_equal(ipc_request_set_text(&request, IPC_ARG_TOKEN, "mesh1_x"), 0);
	join_done = NULL;
	ask(fd, &request);
	while (!join_done)
		turn();
	assert_null(forgotten);
	close(fd);
	while (!forgotten)
		turn();
	assert_ptr_equal(forgotten, join_arg);
}

static void who_talks_before_the_answer_is_hung_up_on(void **state)
{
	(void)state;
	start();
	int fd = connect_to();
	ask_events(fd, true);
	turn();
	turn();
	ask_events(fd, true);
	expect_hang_up(fd);
}

static void what_is_refused_is_told_in_the_daemons_words(void **state)
{
	(void)state;
	struct ipc_request request;
	struct ipc_reply reply;

	start();
	int fd = connect_to();
	ipc_request_init(&request, IPC_VERB_LEAVE);
	ask(fd, &request);
	assert_true(answer(fd, &reply));
	assert_string_equal(reply.error, "the time is not ripe");
	assert_string_equal(reply.error_name, "state");
	assert_int_equal(reply.exit_status, 1);
	ipc_request_init(&request, IPC_VERB_JOIN);
	assert_int_equal(ipc_request_set_text(&request, IPC_ARG_TOKEN, "mesh1_x"), 0);
	join_done = NULL;
	ask(fd, &request);
	while (!join_done)
		turn();
	join_done(join_arg, ERR_EXPIRED, "token has expired");
	assert_true(answer(fd, &reply));
	assert_string_equal(reply.error, "token has expired");
	close(fd);
}

/* ---- watching keys, on a node that is its mesh's only one ---- */

static void put_key(struct cluster *c, const char *key, const void *value, size_t size)
{
	uint64_t stamp, ticket;

	assert_int_equal(gossip_put(cluster_core(c, 0), cluster_node_time(c, 0), key, strlen(key),
				 value, size, &stamp, &ticket),
		0);
	cluster_drain(c, 0);
	cluster_run(c, 10);
}

static void delete_key(struct cluster *c, const char *key)
{
	uint64_t stamp, ticket;

	assert_int_equal(gossip_delete(cluster_core(c, 0), cluster_node_time(c, 0), key,
				 strlen(key), &stamp, &ticket),
		0);
	cluster_drain(c, 0);
	cluster_run(c, 10);
}

static void days_pass(struct cluster *c, int days)
{
	cluster_clock(c, 0, days * 24 * 3600 * INT64_C(1000), 0, true);
	cluster_run(c, 5000);
	assert_true(gossip_value_floor(cluster_core(c, 0)) > 0);
}

/* Its end, after the items before it. */
static enum ipc_reply_kind last_answer(int fd, struct ipc_reply *ret)
{
	do {
		assert_true(answer(fd, ret));
	} while (ret->kind == IPC_REPLY_ITEM);
	return ret->kind;
}

static void a_watch_that_falls_behind_a_collection_ends_with_expired(void **state)
{
	(void)state;
	static const uint8_t big[VALUE_SIZE_MAX];
	struct cluster *c = cluster_new(&(struct cluster_options){.seed = 1, .disk_ms = 1});
	struct ipc_request request;
	struct ipc_reply reply;

	cluster_mesh(c, 1);
	daemon_.gossip = cluster_core(c, 0);
	put_key(c, "gone", "1", 1);
	start();
	int fd = connect_to();
	ipc_request_init(&request, IPC_VERB_KV_WATCH);
	ask(fd, &request);
	assert_true(answer(fd, &reply));
	assert_int_equal(reply.kind, IPC_REPLY_ITEM);
	/* more than its socket takes; and then what it does not come to see */
	for (char key[] = "a"; key[0] <= 'p'; key[0]++)
		put_key(c, key, big, sizeof(big));
	ctl_part.values(&daemon_);
	for (int i = 0; i < 20; i++)
		turn();
	delete_key(c, "gone");
	days_pass(c, 12);
	assert_int_equal(last_answer(fd, &reply), IPC_REPLY_ERROR);
	assert_string_equal(reply.error_name, "expired");
	/* who begins anew sees all there is, and who has seen that goes on over a collection */
	ask(fd, &request);
	for (int i = 0; i < 16; i++) {
		assert_true(answer(fd, &reply));
		assert_int_equal(reply.kind, IPC_REPLY_ITEM);
	}
	delete_key(c, "a");
	ctl_part.values(&daemon_);
	assert_true(answer(fd, &reply));
	days_pass(c, 24);
	put_key(c, "new", "1", 1);
	ctl_part.values(&daemon_);
	assert_true(answer(fd, &reply));
	assert_int_equal(reply.kind, IPC_REPLY_ITEM);
	assert_non_null(memmem(reply.value, reply.value_size, "new", 3));
	close(fd);
	daemon_.gossip = NULL;
	cluster_free(c);
}

static void the_socket_is_for_owner_and_group(void **state)
{
	(void)state;
	struct stat st;

	start();
	assert_int_equal(stat(daemon_.options.socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	ctl_part.stop(&daemon_);
	assert_int_equal(stat(daemon_.options.socket, &st), -1);
}

static void a_socket_left_behind_is_replaced_and_a_live_one_is_not(void **state)
{
	(void)state;
	struct sockaddr_un to = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(ctl_part.start(&daemon_), ERR_SYSTEM);
	ctl_part.stop(&daemon_);
	uv_run(&daemon_.loop, UV_RUN_DEFAULT);
	ctl_part.free(&daemon_);
	assert_int_equal(access(daemon_.options.socket, F_OK), 0);
	close(fd);
	start();
	fd = connect_to();
	ask_events(fd, false);
	expect_end(fd);
	close(fd);
}

static void a_file_that_is_no_socket_is_not_removed(void **state)
{
	(void)state;
	int fd = open(daemon_.options.socket, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	assert_int_equal(ctl_part.start(&daemon_), ERR_SYSTEM);
	assert_int_equal(access(daemon_.options.socket, F_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_connection_may_ask_again_when_it_has_its_answer),
		TEST(who_asks_again_very_quickly_is_answered),
		TEST(a_request_may_come_byte_by_byte),
		TEST(rubbish_is_refused_and_the_daemon_goes_on),
		TEST(more_clients_than_allowed_are_told_so),
		TEST(a_follower_sees_what_was_and_what_comes),
		TEST(a_slow_follower_is_told_what_it_missed_and_dropped),
		TEST(a_stream_that_has_ended_follows_no_more),
		TEST(who_goes_away_is_forgotten_at_once),
		TEST(who_talks_before_the_answer_is_hung_up_on),
		TEST(what_is_refused_is_told_in_the_daemons_words),
		TEST(a_watch_that_falls_behind_a_collection_ends_with_expired),
		TEST(the_socket_is_for_owner_and_group),
		TEST(a_socket_left_behind_is_replaced_and_a_live_one_is_not),
		TEST(a_file_that_is_no_socket_is_not_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
