#include "daemon/metrics.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/metrics_collect.h"
#include "daemon/sockaddr.h"
#include "gossip/base/text.h"

#define BACKLOG 16

/* A connection: it is ended when its time is over. */
struct client {
	struct MHD_Connection *connection; /* NULL: the place is free */
	mtime_t ends;
};

/* The server as it is while it serves. Closing takes a turn of the loop, so each has its own
 * memory. */
struct server {
	struct daemon *daemon;
	struct MHD_Daemon *http;
	struct endpoint listen;
	uv_poll_t poll;	  /* of what libmicrohttpd waits for, in one descriptor */
	uv_timer_t timer; /* of its next timeout, or of a client's end */
	uv_prepare_t prepare;
	unsigned open_handles;
	struct client clients[METRICS_CLIENTS_MAX];
	struct MHD_Response *answer; /* the last one; NULL: none yet */
	mtime_t answered;
	struct histogram turns;
	uint64_t turn_ns,
		idle_ns; /* when the last turn ended, and how long was waited until then */
};

struct metrics {
	struct server *server; /* NULL: off, or waiting for its address */
	uv_timer_t retry;
	bool opened; /* the timer is a handle of the loop */
};

/* ---- answers ---- */

static void tell_type(struct MHD_Response *response, const char *type)
{
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	tell_type(response, "text/plain; charset=utf-8");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* The answer is shared by all who ask within METRICS_FRESH_MS. */
static int make_answer(struct server *server)
{
	mtime_t now = daemon_time(server->daemon).now;
	struct metrics_text text = {.failed = false};
	struct MHD_Response *answer;

	if (server->answer && mtime_diff_ms(now, server->answered) < METRICS_FRESH_MS)
		return 0;
	metrics_collect(server->daemon, &server->turns, &text);
	if (metrics_text_status(&text) != 0) {
		metrics_text_done(&text);
		return ERR_NOMEM;
	}
	answer = MHD_create_response_from_buffer(text.size, text.data, MHD_RESPMEM_MUST_FREE);
	if (!answer) {
		metrics_text_done(&text);
		return ERR_NOMEM;
	}
	tell_type(answer, "text/plain; version=0.0.4; charset=utf-8");
	if (server->answer)
		MHD_destroy_response(server->answer);
	server->answer = answer;
	server->answered = now;
	return 0;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **context)
{
	struct server *server = arg;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)context;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "There is only GET.\n");
	if (strcmp(url, "/metrics") != 0)
		return refuse(connection, MHD_HTTP_NOT_FOUND, "The metrics are at /metrics.\n");
	if (make_answer(server) != 0)
		return refuse(
			connection, MHD_HTTP_SERVICE_UNAVAILABLE, "There is no memory for it.\n");
	return MHD_queue_response(connection, MHD_HTTP_OK, server->answer);
}

/* ---- connections ---- */

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	struct server *server = arg;
	struct client *client = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (client)
			client->connection = NULL;
		return;
	}
	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++) {
		client = &server->clients[i];
		if (client->connection)
			continue;
		client->connection = connection;
		client->ends = mtime_add_ms(daemon_time(server->daemon).now, METRICS_CLIENT_MS);
		*context = client;
		return;
	}
}

/* libmicrohttpd's own timeout begins anew with every byte. */
static void end_overdue(struct server *server, mtime_t now)
{
	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++) {
		struct client *client = &server->clients[i];
		const union MHD_ConnectionInfo *info;

		if (!client->connection || !mtime_reached(now, client->ends))
			continue;
		info = MHD_get_connection_info(
			client->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (info)
			(void)shutdown(info->connect_fd, SHUT_RDWR);
		client->ends = mtime_add_ms(now, METRICS_CLIENT_MS);
	}
}

/* ret_first: when the first of them ends. */
static size_t count_clients(const struct server *server, mtime_t *ret_first)
{
	mtime_t first = MTIME_NEVER;
	size_t count = 0;

	for (size_t i = 0; i < METRICS_CLIENTS_MAX; i++) {
		if (!server->clients[i].connection)
			continue;
		first = mtime_min(first, server->clients[i].ends);
		count++;
	}
	*ret_first = first;
	return count;
}

/* ---- its turns ---- */

static void on_timer(uv_timer_t *timer);

static void run(struct server *server)
{
	mtime_t now = daemon_time(server->daemon).now, first;
	MHD_UNSIGNED_LONG_LONG wait_ms;
	size_t count, before;
	int64_t due_ms;
	bool waits;

	end_overdue(server, now);
	/* At its limit it does not look for new connections, and begins to again only when it runs
	 * the next time after one has ended: nothing else would tell it to. */
	count = count_clients(server, &first);
	do {
		before = count;
		(void)MHD_run(server->http);
		count = count_clients(server, &first);
	} while (count < before);
	waits = MHD_get_timeout(server->http, &wait_ms) == MHD_YES;
	if (first.us != MTIME_NEVER.us) {
		due_ms = mtime_diff_ms(first, now) + 1;
		if (due_ms < 0)
			due_ms = 0;
		if (!waits || wait_ms > (uint64_t)due_ms)
			wait_ms = (uint64_t)due_ms;
		waits = true;
	}
	if (waits)
		uv_timer_start(&server->timer, on_timer, wait_ms, 0);
	else
		uv_timer_stop(&server->timer);
}

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

/* A turn is what lies between two waits for input. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct server *server = prepare->data;
	uint64_t now_ns = uv_hrtime(), idle_ns = uv_metrics_idle_time(&server->daemon->loop);

	if (server->turn_ns)
		histogram_add(&server->turns, ((int64_t)(now_ns - server->turn_ns) -
						      (int64_t)(idle_ns - server->idle_ns)) /
						      1000);
	server->turn_ns = now_ns;
	server->idle_ns = idle_ns;
}

/* ---- its life ---- */

static void on_closed(uv_handle_t *handle)
{
	struct server *server = handle->data;

	if (--server->open_handles == 0)
		free(server);
}

static void close_server(struct server *server)
{
	uv_handle_t *handles[] = {(uv_handle_t *)&server->poll, (uv_handle_t *)&server->timer,
		(uv_handle_t *)&server->prepare};

	/* Before the descriptor that is polled goes. */
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
		uv_close(handles[i], on_closed);
	if (server->http)
		MHD_stop_daemon(server->http);
	if (server->answer)
		MHD_destroy_response(server->answer);
	server->http = NULL;
	server->answer = NULL;
}

/* ret_error: errno. */
static int open_socket(const struct endpoint *listen_on, int *ret_fd, int *ret_error)
{
	struct sockaddr_storage address;
	int family = listen_on->ip.family == 4 ? AF_INET : AF_INET6, on = 1;
	socklen_t size =
		family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && sockaddr_from_endpoint(listen_on, family, &address) &&
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		bind(fd, (const struct sockaddr *)&address, size) == 0 &&
		listen(fd, BACKLOG) == 0) {
		*ret_fd = fd;
		return 0;
	}
	*ret_error = errno;
	if (fd >= 0)
		close(fd);
	return ERR_SYSTEM;
}

static int start_http(struct server *server, int fd)
{
	const union MHD_DaemonInfo *info;

	server->http = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, server,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)METRICS_CLIENTS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)METRICS_CLIENT_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)(METRICS_CLIENT_MS / 1000), MHD_OPTION_NOTIFY_CONNECTION, on_connection,
		server, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
	if (!server->http) {
		close(fd);
		return ERR_NOMEM;
	}
	info = MHD_get_daemon_info(server->http, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || uv_poll_init(&server->daemon->loop, &server->poll, info->epoll_fd) != 0) {
		MHD_stop_daemon(server->http);
		return ERR_SYSTEM;
	}
	return 0;
}

/* Takes the descriptor over. */
static int open_server(struct daemon *daemon, int fd, struct server **ret)
{
	struct server *server = calloc(1, sizeof(*server));
	int err;

	if (!server) {
		close(fd);
		return ERR_NOMEM;
	}
	server->daemon = daemon;
	server->listen = daemon->config.metrics_listen;
	err = start_http(server, fd);
	if (err != 0) {
		free(server);
		return err;
	}
	uv_timer_init(&daemon->loop, &server->timer);
	uv_prepare_init(&daemon->loop, &server->prepare);
	server->poll.data = server->timer.data = server->prepare.data = server;
	server->open_handles = 3;
	(void)uv_loop_configure(&daemon->loop, UV_METRICS_IDLE_TIME);
	uv_prepare_start(&server->prepare, on_prepare);
	(void)uv_poll_start(&server->poll, UV_READABLE, on_ready);
	*ret = server;
	return 0;
}

static void on_retry(uv_timer_t *timer);

/* What it does not get now, such as an address of the overlay that is not up yet, it tries again.
 */
static void open_metrics(struct daemon *daemon)
{
	const struct endpoint *wanted = &daemon->config.metrics_listen;
	struct metrics *metrics = daemon->metrics;
	char text[TEXT_ENDPOINT_SIZE];
	int fd, number = 0, err;

	if (!wanted->ip.family || metrics->server || daemon->stopping)
		return;
	text_endpoint(wanted, text);
	err = open_socket(wanted, &fd, &number);
	if (err == 0)
		err = open_server(daemon, fd, &metrics->server);
	if (err != 0) {
		daemon_warn(daemon, DAEMON_WARNING_METRICS,
			"metrics are not served on %s: %s ([metrics] listen); it is tried again",
			text, number ? strerror(number) : err_text(err));
		uv_timer_start(&metrics->retry, on_retry, METRICS_RETRY_MS, 0);
		return;
	}
	daemon_warn_clear(daemon, DAEMON_WARNING_METRICS);
	log_info("metrics are at http://%s/metrics%s", text,
		sockaddr_is_loopback(wanted) ? "" : METRICS_OPEN);
}

static void on_retry(uv_timer_t *timer)
{
	open_metrics(timer->data);
}

static int metrics_start(struct daemon *daemon)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return ERR_NOMEM;
	daemon->metrics = metrics;
	uv_timer_init(&daemon->loop, &metrics->retry);
	metrics->retry.data = daemon;
	metrics->opened = true;
	open_metrics(daemon);
	return 0;
}

static void metrics_reload(struct daemon *daemon, const struct config *before)
{
	struct metrics *metrics = daemon->metrics;

	(void)before;
	if (metrics->server &&
		!endpoint_equal(&metrics->server->listen, &daemon->config.metrics_listen)) {
		close_server(metrics->server);
		metrics->server = NULL;
	}
	uv_timer_stop(&metrics->retry);
	daemon_warn_clear(daemon, DAEMON_WARNING_METRICS);
	open_metrics(daemon);
}

static void metrics_stop(struct daemon *daemon)
{
	struct metrics *metrics = daemon->metrics;

	if (!metrics || !metrics->opened)
		return;
	metrics->opened = false;
	if (metrics->server)
		close_server(metrics->server);
	metrics->server = NULL;
	uv_close((uv_handle_t *)&metrics->retry, NULL);
}

static void metrics_free(struct daemon *daemon)
{
	free(daemon->metrics);
	daemon->metrics = NULL;
}

const struct daemon_part metrics_part = {
	.name = "metrics",
	.start = metrics_start,
	.reload = metrics_reload,
	.stop = metrics_stop,
	.free = metrics_free,
};
