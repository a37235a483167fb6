#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "cli/client.h"
#include "cli/interrupt.h"
#include "cli/memory.h"
#include "cli/model.h"

void cli_look_at_clock(struct cli *cli)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	cli->now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int cli_fail(int status, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = memory_vformat(format, args);
	va_end(args);
	screen_clean(text);
	fflush(stdout); /* what was said before stands before it, where both go to one place */
	fprintf(stderr, "meshctl: %s\n", text);
	free(text);
	return status;
}

void cli_print_json(struct cli *cli, const json_t *value, bool line)
{
	size_t flags = JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6);

	json_dumpf(value, cli->screen.out, flags | (line ? 0 : JSON_INDENT(2)));
	fputc('\n', cli->screen.out);
	if (line)
		fflush(cli->screen.out);
}

static char *unreachable(const struct cli *cli, int err)
{
	const char *at = cli->instance ? "@" : "", *name = cli->instance ? cli->instance : "";
	int number = errno;
	struct stat st;

	if (err == ERR_INVALID)
		return memory_format("%s is too long for the path of a socket: at most %zu bytes",
			cli->socket, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	if (number == ECONNREFUSED && stat(cli->socket, &st) == 0 && !S_ISSOCK(st.st_mode))
		return memory_format("%s is no socket: name meshd's with --socket", cli->socket);
	switch (number) {
	case ENOENT:
	case ECONNREFUSED:
		return memory_format("meshd is not running (%s %s): start it (`meshd`, or "
				     "`systemctl start meshd%s%s` where it is a service), or name "
				     "its socket with --socket",
			number == ENOENT ? "there is no" : "nobody listens on", cli->socket, at,
			name);
	case EACCES:
	case EPERM:
		return memory_format(
			"you may not open %s: run this as root, or to look only, be in "
			"the group meshd",
			cli->socket);
	case EAGAIN:
		return memory_format("meshd is too busy to answer on %s: try again", cli->socket);
	default:
		return memory_format("cannot connect to %s: %s", cli->socket, strerror(number));
	}
}

static char *broken_off(const struct cli *cli, int err, int64_t timeout_ms)
{
	switch (err) {
	case ERR_TIMEOUT:
		return memory_format("no answer from meshd on %s within %lld s", cli->socket,
			(long long)(timeout_ms / 1000));
	case ERR_STATE:
		return memory_format(
			"meshd has closed the connection: was it stopped? Its log says "
			"more (journalctl -u meshd%s%s)",
			cli->instance ? "@" : "", cli->instance ? cli->instance : "");
	case ERR_MALFORMED:
		return memory_format("what answers on %s is no meshd of this version", cli->socket);
	case ERR_TOO_BIG:
		return memory_format("the request is too big");
	default:
		return memory_format("connection to %s: %s", cli->socket, strerror(errno));
	}
}

static int take_value(struct cli *cli, const struct ipc_reply *reply, json_t **ret)
{
	int err = model_decode(reply->value, reply->value_size, ret);

	if (err == 0 && !cli->json)
		model_clean(*ret);
	return err;
}

/* One reply; *ret_end: it was the last. */
static int take_reply(struct cli *cli, const struct ipc_reply *reply, cli_item_cb on_item,
	json_t **result, char **error, bool *ret_end)
{
	int status = CLI_DONE;
	json_t *item;

	*ret_end = true;
	switch (reply->kind) {
	case IPC_REPLY_ERROR:
		*error = memory_copy(reply->error);
		return (int)reply->exit_status;
	case IPC_REPLY_OK:
		if (take_value(cli, reply, result) != 0)
			break;
		return CLI_DONE;
	case IPC_REPLY_ITEM:
		if (!on_item || take_value(cli, reply, &item) != 0)
			break;
		status = on_item(cli, item);
		json_decref(item);
		*ret_end = status != CLI_DONE;
		return status;
	}
	*error = broken_off(cli, ERR_MALFORMED, 0);
	return CLI_UNREACHABLE;
}

/* As at a write to a pipe that nobody reads: quietly, unless whoever started us would not have it
 * so. */
static int end_unread(void)
{
	(void)raise(SIGPIPE);
	return cli_fail(CLI_FAILED, "nobody reads standard output");
}

int cli_connect(struct cli *cli, struct client *client, char **ret_error)
{
	int err;

	*ret_error = NULL;
	client_init(client);
	err = client_connect(client, cli->socket);
	if (err == 0)
		return CLI_DONE;
	*ret_error = unreachable(cli, err);
	return err == ERR_INVALID ? CLI_USAGE : CLI_UNREACHABLE;
}

int cli_ask(struct cli *cli, struct client *client, const struct ipc_request *request,
	int64_t timeout_ms, cli_item_cb on_item, json_t **ret_result, char **ret_error)
{
	struct ipc_reply reply;
	int status = CLI_DONE;
	bool end = false;
	int err;

	*ret_result = NULL;
	*ret_error = NULL;
	err = client_send(client, request);
	while (err == 0 && !end && !interrupt_came()) {
		err = client_receive(client, timeout_ms, &reply);
		if (err == 0)
			status = take_reply(cli, &reply, on_item, ret_result, ret_error, &end);
	}
	if (err == ERR_WITHDRAWN)
		return end_unread();
	if (!end && interrupt_came()) {
		*ret_error = memory_copy("interrupted");
		status = CLI_FAILED;
	} else if (err != 0) {
		*ret_error = broken_off(cli, err, timeout_ms);
		status = err == ERR_TOO_BIG ? CLI_FAILED : CLI_UNREACHABLE;
	}
	return status;
}

int cli_try(struct cli *cli, const struct ipc_request *request, int64_t timeout_ms,
	cli_item_cb on_item, json_t **ret_result, char **ret_error)
{
	struct client client;
	int status = cli_connect(cli, &client, ret_error);

	*ret_result = NULL;
	if (status == CLI_DONE)
		status = cli_ask(cli, &client, request, timeout_ms, on_item, ret_result, ret_error);
	client_done(&client);
	return status;
}

int cli_call(struct cli *cli, const struct ipc_request *request, int64_t timeout_ms,
	cli_item_cb on_item, json_t **ret_result)
{
	char *error;
	int status = cli_try(cli, request, timeout_ms, on_item, ret_result, &error);

	if (error)
		cli_fail(status, "%s", error);
	free(error);
	return status;
}

int cli_list(struct cli *cli, const struct ipc_request *request, const char *label,
	cli_item_cb on_item, void (*render)(struct cli *cli, const json_t *items))
{
	json_t *result, *document = memory_check(json_object());
	int status;

	cli->items = memory_check(json_array());
	json_object_set_new(document, label, cli->items);
	status = cli_call(cli, request, CLI_TIMEOUT_MS, on_item, &result);
	if (status == CLI_DONE && cli->json)
		cli_print_json(cli, document, false);
	else if (status == CLI_DONE)
		render(cli, cli->items);
	json_decref(result);
	json_decref(document);
	cli->items = NULL;
	return status;
}
